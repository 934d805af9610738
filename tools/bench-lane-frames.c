/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver for "frames" (bench-card.h), both ways. Trapped, an access is what a processor makes of one: 8 bytes
 * at most, writes are sent one by one and nobody waits for them, as QEMU sends a guest's; reads wait.
 */
#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench-card.h"
#include "bench-lane.h"

#define DATA (MEDIO_CARD_BAR0 + 2)
#define WIDE 8u /* bytes of the widest access */

struct frames {
	uint8_t *window;      /* NULL: trapped */
	int bell;	      /* -1: write to the register */
	uint32_t sent, out;   /* TX_HEAD; what of it was shown to the card */
	uint32_t taken, came; /* RX_TAIL; RX_HEAD as it last was */
	uint32_t gone;	      /* TX_TAIL as it last was */
	uint32_t given;	      /* RX_TAIL as the card knows it */
	bool interrupts;
};

/* ---- Trapped ----------------------------------------------------------------------------------- */

static int trap_write(struct medio_lane *lane, unsigned at, const void *buf, size_t count)
{
	const uint8_t *p = buf;
	int ret = 0;

	for (size_t done = 0; !ret && done < count; done += WIDE) {
		size_t n = count - done < WIDE ? count - done : WIDE;
		ret = medio_card_post(lane->card, DATA, at + done, p + done, n);
		if (!ret)
			ret = medio_card_flush(lane->card);
	}
	return medio_lane_check(lane, ret, "writing a register");
}

static int trap_read(struct medio_lane *lane, unsigned at, void *buf, size_t count)
{
	uint8_t *p = buf;
	int ret = 0;

	for (size_t done = 0; !ret && done < count; done += WIDE) {
		size_t n = count - done < WIDE ? count - done : WIDE;
		ret = medio_card_read(lane->card, DATA, at + done, p + done, n);
	}
	return medio_lane_check(lane, ret, "reading a register");
}

/* ---- Both -------------------------------------------------------------------------------------- */

static int get(struct medio_lane *lane, unsigned at, uint32_t *out)
{
	const struct frames *f = lane->state;
	uint32_t value = 0;
	int ret = 0;

	if (f->window)
		value = atomic_load_explicit(
			(_Atomic uint32_t *)(void *)(f->window + at), memory_order_acquire);
	else
		ret = trap_read(lane, at, &value, sizeof(value));
	*out = le32toh(value);
	return ret;
}

static int set(struct medio_lane *lane, unsigned at, uint32_t value)
{
	const struct frames *f = lane->state;

	value = htole32(value);
	if (!f->window)
		return trap_write(lane, at, &value, sizeof(value));
	atomic_store_explicit(
		(_Atomic uint32_t *)(void *)(f->window + at), value, memory_order_release);
	return 0;
}

static int put(struct medio_lane *lane, unsigned at, const void *buf, size_t count)
{
	const struct frames *f = lane->state;

	if (!f->window)
		return trap_write(lane, at, buf, count);
	memcpy(f->window + at, buf, count);
	return 0;
}

static int fetch(struct medio_lane *lane, unsigned at, void *buf, size_t count)
{
	const struct frames *f = lane->state;

	if (!f->window)
		return trap_read(lane, at, buf, count);
	memcpy(buf, f->window + at, count);
	return 0;
}

static int ring(struct medio_lane *lane)
{
	static const uint64_t one = 1;
	const struct frames *f = lane->state;
	const uint32_t value = 1;
	int ret;

	if (lane->polled)
		return 0;
	if (f->bell >= 0)
		return write(f->bell, &one, sizeof(one)) == sizeof(one)
			       ? 0
			       : medio_lane_fail(lane, -errno, "the doorbell: %s", strerror(errno));
	ret = medio_card_post(lane->card, MEDIO_CARD_BAR0, CARD_DOORBELL, &value, sizeof(value));
	if (!ret)
		ret = medio_card_flush(lane->card);
	return medio_lane_check(lane, ret, "the doorbell");
}

/* ---- A lane ------------------------------------------------------------------------------------ */

static int flush_frames(struct medio_lane *lane)
{
	struct frames *f = lane->state;
	int ret = 0;

	if (f->given != f->taken)
		ret = set(lane, CARD_RX_TAIL, f->taken);
	f->given = f->taken;
	if (ret || f->sent == f->out)
		return ret;
	ret = set(lane, CARD_TX_HEAD, f->sent);
	f->out = f->sent;
	return ret ? ret : ring(lane);
}

static int send_frame(struct medio_lane *lane, const void *frame, size_t bytes)
{
	struct frames *f = lane->state;
	unsigned at = CARD_TX + f->sent % CARD_SLOTS * CARD_SLOT;
	uint64_t len = htole64(bytes);
	int ret = 0;

	if (f->sent - f->gone >= CARD_SLOTS)
		ret = get(lane, CARD_TX_TAIL, &f->gone);
	if (ret || f->sent - f->gone >= CARD_SLOTS)
		return ret;
	ret = put(lane, at, &len, sizeof(len));
	if (!ret)
		ret = put(lane, at + 8, frame, bytes);
	if (ret)
		return ret;
	f->sent++;
	return 1;
}

static int receive_frame(struct medio_lane *lane, void *frame)
{
	struct frames *f = lane->state;
	unsigned at = CARD_RX + f->taken % CARD_SLOTS * CARD_SLOT;
	uint64_t len = 0;
	int ret = 0;

	if (f->taken == f->came)
		ret = get(lane, CARD_RX_HEAD, &f->came);
	if (ret || f->taken == f->came)
		return ret;
	ret = fetch(lane, at, &len, sizeof(len));
	len = le64toh(len);
	if (!ret && len > LANE_MAX_FRAME)
		ret = medio_lane_fail(
			lane, -EPROTO, "a frame of %llu bytes came", (unsigned long long)len);
	if (!ret)
		ret = fetch(lane, at + 8, frame, len);
	if (ret)
		return ret;
	f->taken++;
	return (int)len;
}

static int wait_frame(struct medio_lane *lane)
{
	struct frames *f = lane->state;
	uint64_t events;
	int ret = flush_frames(lane);

	if (ret || !f->interrupts)
		return ret;
	ret = set(lane, CARD_WANT, 1);
	/* Either the card sees this, or we see its frame. */
	atomic_thread_fence(memory_order_seq_cst);
	while (!ret && !(ret = get(lane, CARD_RX_HEAD, &f->came)) && f->came == f->taken)
		ret = medio_lane_check(lane,
			medio_card_irq_wait(
				lane->card, MEDIO_CARD_MSIX, CARD_VECTOR, LANE_WAIT_MS, &events),
			"waiting for a frame");
	return ret ? ret : set(lane, CARD_WANT, 0);
}

static int map(struct medio_lane *lane)
{
	struct frames *f = lane->state;
	struct medio_card_doorbell bell;
	void *window;
	int ret = medio_card_mmap(lane->card, DATA, 0, CARD_WINDOW, &window);

	if (ret)
		return medio_lane_check(lane, ret, "mapping the rings");
	f->window = window;
	if (lane->polled)
		return 0;
	ret = medio_card_doorbells(lane->card, MEDIO_CARD_BAR0, &bell, 1);
	if (ret > 0)
		f->bell = bell.fd;
	ret = medio_lane_check(
		lane, medio_card_irq_open(lane->card, MEDIO_CARD_MSIX, 1), "the interrupt");
	f->interrupts = !ret;
	return ret;
}

static int open_frames(struct medio_lane *lane)
{
	struct frames *f = calloc(1, sizeof(*f));
	uint32_t id = 0;

	if (!f)
		return medio_lane_fail(lane, -ENOMEM, "out of memory");
	lane->state = f;
	f->bell = -1;
	int ret = medio_lane_check(
		lane, medio_card_read32(lane->card, MEDIO_CARD_CONFIG, 0, &id), "its identity");
	if (!ret && id != (CARD_DEVICE << 16 | CARD_VENDOR))
		ret = medio_lane_fail(lane, -ENODEV, "%08x is another card", id);
	/* Memory accesses and bus mastering: interrupts by message want that. */
	if (!ret)
		ret = medio_lane_check(lane,
			medio_card_write16(lane->card, MEDIO_CARD_CONFIG, 4, 6),
			"its command register");
	return !ret && lane->kind == LANE_MAPPED ? map(lane) : ret;
}

static void close_frames(struct medio_lane *lane)
{
	struct frames *f = lane->state;

	if (f && f->window)
		medio_card_munmap(f->window, CARD_WINDOW);
	free(f);
}

const struct medio_lane_ops medio_lane_frames = {
	.open = open_frames,
	.close = close_frames,
	.send = send_frame,
	.flush = flush_frames,
	.receive = receive_frame,
	.wait = wait_frame,
};
