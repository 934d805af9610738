/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio device under any driver: its registers, config space, notifications and the memory of its rings,
 * with clients that come and go, memory that goes, resets, and states that are changed on their way. An
 * input is a list of steps: an operation byte and its arguments.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <medio/serve.h>

#include "../unit/test_virtio_echo.h"
#include "device/instance.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAPPED 0x10000u
#define SIZE   0x8000u
#define QUEUES 3u

/* Of the common configuration (4.1.4.3). */
enum { GUEST_SELECT = 8, GUEST = 12, STATUS = 0x14, SELECT = 0x16, Q_SIZE = 0x18, ENABLE = 0x1c };
enum { DESC = 0x20, DRIVER = 0x28, DEVICE = 0x30 };

struct input {
	const uint8_t *data;
	size_t size;
};

struct bed {
	struct medio_loop *loop;
	struct medio_instance *inst;
	uint8_t *mem;
	int fd;
	bool attached;
};

static uint8_t next(struct input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}

static unsigned next16(struct input *in)
{
	unsigned low = next(in);

	return low | (unsigned)next(in) << 8;
}

static void quiet(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

static void on_completed(void *opaque, int ret, const void *data, size_t count)
{
	(void)opaque;
	(void)ret;
	(void)data;
	(void)count;
}

static void on_quiesced(void *opaque)
{
	(void)opaque;
}

static const struct medio_transport_ops transport = {
	.completed = on_completed,
	.quiesced = on_quiesced,
};

static void map(struct bed *bed)
{
	medio_instance_dma_map(bed->inst, MAPPED, SIZE, 3, bed->fd, 0, NULL);
}

static void attach(struct bed *bed)
{
	uint16_t command = 6;

	assert(!medio_instance_attach(bed->inst, &transport, NULL));
	assert(!medio_instance_write(bed->inst, MEDIO_REGION_CONFIG, 4, &command, 2));
	map(bed);
	bed->attached = true;
}

static void detach(struct bed *bed)
{
	medio_instance_detach(bed->inst);
	bed->attached = false;
}

static void set(struct bed *bed, unsigned reg, unsigned width, uint64_t value)
{
	uint8_t buf[8];

	medio_put_le(buf, width, value);
	assert(!medio_instance_write(bed->inst, MEDIO_VIRTIO_BAR, reg, buf, width));
}

/* ---- Steps ------------------------------------------------------------------------------------- */

/* Any access to any of the registers. */
static void touch(struct bed *bed, struct input *in, bool write)
{
	uint8_t buf[64];
	unsigned page = next(in), count = page >> 2 & 15;
	uint64_t at = (page & 3) * 0x1000u + next(in);

	count = count ? count : 64;
	memset(buf, next(in), sizeof(buf));
	for (unsigned i = 0; write && i < 2; i++)
		buf[i] = next(in);
	if (write)
		assert(!medio_instance_write(bed->inst, MEDIO_VIRTIO_BAR, at, buf, count));
	else
		assert(!medio_instance_read(bed->inst, MEDIO_VIRTIO_BAR, at, buf, count));
}

/* The steps of a driver, as far as the input wants. */
static void bring_up(struct bed *bed, struct input *in)
{
	unsigned bits = next(in), how = next(in);

	set(bed, STATUS, 1, 0);
	set(bed, STATUS, 1, 3);
	set(bed, GUEST_SELECT, 4, 0);
	set(bed, GUEST, 4, (uint32_t)(bits & 3) << 28 | (bits & 4 ? 1 << ECHO_F_A : 0));
	set(bed, GUEST_SELECT, 4, 1);
	/* VERSION_1 and ACCESS_PLATFORM; RING_PACKED, IN_ORDER, NOTIFICATION_DATA, RING_RESET. */
	set(bed, GUEST, 4, 3u | (bits >> 3 & 3) << 2 | (bits >> 5 & 1) << 6 | (bits >> 6 & 1) << 8);
	set(bed, STATUS, 1, 11);
	for (unsigned q = 0; q < QUEUES; q++) {
		static const uint16_t sizes[] = { 4, 8, 16, 1, 2, 3, 64, 0 };
		set(bed, SELECT, 2, q);
		set(bed, Q_SIZE, 2, sizes[how & 7]);
		set(bed, DESC, 8, MAPPED + q * 0x1000);
		set(bed, DRIVER, 8, MAPPED + q * 0x1000 + 0x400);
		set(bed, DEVICE, 8, MAPPED + q * 0x1000 + 0x800);
		if (how & 8u << q)
			set(bed, ENABLE, 2, 1);
	}
	if (how & 0x40)
		set(bed, STATUS, 1, 15);
}

/* A descriptor of a ring, or of a table behind the rings. */
static void describe(struct bed *bed, struct input *in)
{
	static const uint64_t bases[] = { MAPPED + 0x4000, MAPPED + 0x6000, MAPPED,
		MAPPED + SIZE - 16, 0, UINT64_MAX - 15, MAPPED - 8, MAPPED + 0x7000 };
	unsigned where = next(in), base = next(in), len = next16(in), flags = next16(in);
	uint8_t *at = bed->mem + (where >> 6) * 0x1000u + (where & 63) * 16;

	if (where >> 6 == 3)
		at = bed->mem + 0x6000 + (where & 63) * 16;
	medio_put_le(at, 8, bases[base & 7] + (base >> 3) * 64);
	medio_put_le(at + 8, 4, len == 0xffff ? UINT32_MAX : len);
	medio_put_le(at + 12, 4, flags | (uint32_t)next(in) << 16);
}

/* The driver area of a queue: how far, and what it offers; or its events. */
static void offer(struct bed *bed, struct input *in)
{
	unsigned queue = next(in) % QUEUES;
	uint8_t *at = bed->mem + queue * 0x1000u + 0x400;

	medio_put_le(at + 4 + 2 * (next(in) % 16u), 2, next(in));
	medio_put_le(at, 2, next(in));
	medio_put_le(at + 2, 2, medio_get_le(at + 2, 2) + (int8_t)next(in));
}

static void notify(struct bed *bed, struct input *in)
{
	unsigned what = next(in), queue = what & 3;

	set(bed, MEDIO_VIRTIO_NOTIFY + 4 * queue, what & 4 ? 4 : 2, what >> 3 ? what : queue);
}

/* Any access to config space; the window is what is worth most (4.1.4.9). */
static void configure(struct bed *bed, struct input *in)
{
	unsigned at = next(in), count = next(in) % 4 + 1, value = next16(in);
	uint8_t buf[4];

	medio_put_le(buf, 4, value | (uint32_t)value << 24);
	medio_instance_write(bed->inst, MEDIO_REGION_CONFIG, at, buf, count);
	medio_instance_read(bed->inst, MEDIO_REGION_CONFIG, at, buf, count);
}

static void quirks(struct bed *bed, struct input *in)
{
	unsigned what = next(in);

	(void)bed;
	echo_quirks.hold = what & 1;
	echo_quirks.limit = what >> 1 & 3;
	echo_quirks.refuse = (what & 0x38) == 0x38;
	if (what & 0x40)
		echo_release(echo_latest(), what >> 3, what & 0x80);
	else if (what & 0x80)
		echo_change(echo_latest(), what);
}

/* Save, change some bytes, load: a state that is taken is given back. */
static void migrate(struct bed *bed, struct input *in)
{
	static uint8_t state[8192], again[8192];
	ssize_t len = medio_instance_save(bed->inst, state, sizeof(state));

	if (len < 0)
		return;
	assert((size_t)len <= sizeof(state));
	detach(bed);
	for (unsigned n = next(in) % 4; n--;) {
		size_t at = next16(in) % (size_t)len;
		state[at] = next(in);
	}
	if (!medio_instance_load(bed->inst, state, (size_t)len))
		assert(medio_instance_save(bed->inst, again, sizeof(again)) == len);
	attach(bed);
}

static void around(struct bed *bed, struct input *in)
{
	switch (next(in) & 7) {
	case 0:
		medio_instance_reset(bed->inst, MEDIO_RESET_DEVICE);
		break;
	case 1:
		detach(bed);
		attach(bed);
		break;
	case 2:
		medio_instance_quiesce(bed->inst);
		break;
	case 3:
		medio_instance_resume(bed->inst);
		break;
	case 4:
		medio_instance_dma_unmap(bed->inst, MAPPED, SIZE, false, NULL);
		break;
	case 5:
		map(bed);
		break;
	case 6:
		migrate(bed, in);
		break;
	default:
		medio_virtio_broken(echo_latest(), "for once");
		break;
	}
}

static void run(struct bed *bed)
{
	for (unsigned i = 0; i < 8; i++)
		medio_loop_run_once(bed->loop, 0);
}

static void step(struct bed *bed, struct input *in)
{
	switch (next(in) % 12) {
	case 0:
		touch(bed, in, false);
		break;
	case 1:
		touch(bed, in, true);
		break;
	case 2:
		set(bed, STATUS, 1, next(in));
		break;
	case 3:
		bring_up(bed, in);
		break;
	case 4:
	case 5:
		describe(bed, in);
		break;
	case 6:
		offer(bed, in);
		break;
	case 7:
		notify(bed, in);
		break;
	case 8:
		configure(bed, in);
		break;
	case 9:
		quirks(bed, in);
		break;
	case 10:
		around(bed, in);
		break;
	default:
		run(bed);
		break;
	}
}

/* However it was left, a reset helps. */
static void finish(struct bed *bed)
{
	uint8_t status = 1;
	char text[16384];

	medio_instance_resume(bed->inst);
	assert(medio_instance_attr_show(bed->inst, "virtio/state", text, sizeof(text)) > 0);
	medio_instance_reset(bed->inst, MEDIO_RESET_DEVICE);
	assert(!medio_instance_read(bed->inst, MEDIO_VIRTIO_BAR, STATUS, &status, 1));
	assert(!status);
	assert(!echo_seen.in_flight_at_reset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const polls[] = { "poll=off", "poll=on", "poll=adaptive" };
	struct input in = { data, size };
	unsigned how = next(&in);
	const char *params[] = { polls[how % 3], how & 0x40 ? "in-order=on" : "in-order=off",
		how & 0x80 ? "notification-data=on" : "notification-data=off", "poll-time=1us" };
	const struct medio_instance_options opts = { .params = params, .nparams = 4, .log = quiet };
	struct bed bed = { .fd = memfd_create("fuzz", MFD_CLOEXEC) };

	echo_clear();
	if (bed.fd < 0 || ftruncate(bed.fd, SIZE) || medio_loop_new(&bed.loop))
		abort();
	bed.mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, bed.fd, 0);
	if (bed.mem == MAP_FAILED ||
		medio_instance_new(bed.loop, &echo_type, &opts, &bed.inst, NULL))
		abort();
	attach(&bed);
	while (in.size)
		step(&bed, &in);
	finish(&bed);
	detach(&bed);
	medio_instance_free(bed.inst);
	medio_loop_free(bed.loop);
	munmap(bed.mem, SIZE);
	close(bed.fd);
	return 0;
}
