/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench-card.h"

#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "devices/net/frame.h"
#include "devices/net/net.h"

#define DATA 2 /* the BAR with the rings */

struct card {
	bool map, poll; /* parameters */
	struct net_options net_options;
	struct net *net;
	struct medio_poller *poller;
	uint8_t *window;       /* BAR 2's memory */
	uint8_t *own;	       /* where it is not shared */
	uint32_t sent, came;   /* TX_TAIL, RX_HEAD: our own copies are the ones we believe */
	bool waiting, starved; /* the network waits for us, we wait for it */
};

static _Atomic uint32_t *number(const struct card *card, unsigned at)
{
	return (_Atomic uint32_t *)(void *)(card->window + at);
}

static uint32_t get(const struct card *card, unsigned at)
{
	return le32toh(atomic_load_explicit(number(card, at), memory_order_acquire));
}

static void set(const struct card *card, unsigned at, uint32_t value)
{
	atomic_store_explicit(number(card, at), htole32(value), memory_order_release);
}

/* ---- From the network -------------------------------------------------------------------------- */

static int receive(void *opaque, const struct net_frame *frame)
{
	struct medio_dev *dev = opaque;
	struct card *card = medio_priv(dev);
	uint8_t *slot = card->window + CARD_RX + card->came % CARD_SLOTS * CARD_SLOT;

	if (frame->bytes > CARD_FRAME)
		return 0;
	if (card->came - get(card, CARD_RX_TAIL) >= CARD_SLOTS) {
		card->waiting = true;
		return -EAGAIN;
	}
	medio_put_le(slot, 8, frame->bytes);
	frame_copy(frame, 0, slot + 8, frame->bytes);
	set(card, CARD_RX_HEAD, ++card->came);
	return 0;
}

static void received(void *opaque)
{
	struct medio_dev *dev = opaque;
	const struct card *card = medio_priv(dev);

	/* Either we see that an interrupt is wanted, or who wants it sees the frame. */
	atomic_thread_fence(memory_order_seq_cst);
	if (get(card, CARD_WANT))
		medio_irq_pulse(dev, CARD_VECTOR);
}

/* ---- To the network ---------------------------------------------------------------------------- */

static int send_one(struct card *card)
{
	const uint8_t *slot = card->window + CARD_TX + card->sent % CARD_SLOTS * CARD_SLOT;
	uint64_t bytes = medio_get_le(slot, 8);
	struct net_frame frame;
	struct iovec iov;
	int ret = 0;

	if (bytes >= FRAME_MIN && bytes <= CARD_FRAME) {
		frame_plain(&frame, &iov, slot + 8, bytes);
		ret = net_send(card->net, &frame);
	}
	if (ret == -EAGAIN) {
		card->starved = true;
		return ret;
	}
	card->sent++;
	return 0;
}

/* All that the driver has for us. */
static bool look(struct medio_dev *dev)
{
	struct card *card = medio_priv(dev);

	if (card->waiting && card->came - get(card, CARD_RX_TAIL) < CARD_SLOTS) {
		card->waiting = false;
		net_resume(card->net);
	}
	uint32_t head = get(card, CARD_TX_HEAD), was = card->sent;
	if (head == was || card->starved)
		return false;
	if (head - was > CARD_SLOTS) {
		medio_guest_error(dev, "%u frames to send, of %u slots", head - was, CARD_SLOTS);
		return false;
	}
	while (card->sent != head && !send_one(card))
		;
	set(card, CARD_TX_TAIL, card->sent);
	net_flush(card->net);
	return card->sent != was;
}

static void ready(void *opaque)
{
	struct medio_dev *dev = opaque;
	struct card *card = medio_priv(dev);

	card->starved = false;
	look(dev);
}

static bool on_poll(void *opaque)
{
	return look(opaque);
}

static void doorbell(struct medio_dev *dev, unsigned region, uint64_t offset)
{
	(void)region;
	(void)offset;
	look(dev);
}

/* ---- Registers --------------------------------------------------------------------------------- */

static int region_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	const struct card *card = medio_priv(dev);

	if (region == DATA)
		memcpy(buf, card->window + offset, count);
	else
		memset(buf, 0, count);
	return 0;
}

static int region_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	const struct card *card = medio_priv(dev);

	if (region == DATA)
		memcpy(card->window + offset, buf, count);
	return 0;
}

static void reset(struct medio_dev *dev, enum medio_reset kind)
{
	struct card *card = medio_priv(dev);

	(void)kind;
	memset(card->window, 0, CARD_TX);
	card->sent = card->came = 0;
	card->waiting = card->starved = false;
	net_resume(card->net);
}

static void client(struct medio_dev *dev, bool present)
{
	const struct card *card = medio_priv(dev);

	if (card->poller)
		medio_poller_set_awake(card->poller, present);
}

/* ---- From start to end ------------------------------------------------------------------------- */

static const struct net_events events = {
	.receive = receive,
	.received = received,
	.ready = ready,
};

static int init(struct medio_dev *dev)
{
	struct card *card = medio_priv(dev);

	if (card->map) {
		int ret = medio_region_share(dev, DATA);
		if (ret)
			return ret;
		card->window = medio_region_ptr(dev, DATA);
	} else {
		card->window = card->own = aligned_alloc(4096, CARD_WINDOW);
		if (!card->own)
			return medio_fail(dev, ENOMEM, "out of memory");
		memset(card->own, 0, CARD_RX + CARD_SLOTS * CARD_SLOT);
	}
	if (card->poll)
		card->poller = medio_poller_new(dev, on_poll, dev);
	card->net_options.loop = true;
	int ret = card->poll && !card->poller
			  ? medio_fail(dev, ENOMEM, "out of memory")
			  : net_open(dev, &card->net_options, &events, dev, &card->net);
	if (ret) {
		medio_poller_free(card->poller);
		free(card->own);
	}
	return ret;
}

static void fini(struct medio_dev *dev)
{
	struct card *card = medio_priv(dev);

	net_close(card->net);
	medio_poller_free(card->poller);
	free(card->own);
}

static const struct medio_device_ops ops = {
	.init = init,
	.fini = fini,
	.region_read = region_read,
	.region_write = region_write,
	.doorbell = doorbell,
	.reset = reset,
	.client = client,
};

static const struct medio_mmap_area areas[] = { { 0, CARD_WINDOW }, { 0 } };
static const struct medio_doorbell doorbells[] = { { .offset = CARD_DOORBELL, .size = 4 } };

static const struct medio_param params[] = {
	{ .name = "map",
		.kind = MEDIO_PARAM_BOOL,
		.offset = offsetof(struct card, map),
		.help = "clients may map the rings" },
	{ .name = "poll",
		.kind = MEDIO_PARAM_BOOL,
		.offset = offsetof(struct card, poll),
		.help = "look at the rings all the time" },
	{ NULL },
};

static const struct medio_cap caps[] = { { .kind = MEDIO_CAP_PCIE }, { 0 } };

const struct medio_type medio_bench_frames = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "frames",
	.summary = "Network card without DMA, for medio bench",
	.id = { .vendor = CARD_VENDOR, .device = CARD_DEVICE, .class_code = 0x028000 },
	.bars = {
		[0] = { .kind = MEDIO_BAR_MEM32, .size = 4096, .doorbells = doorbells, .num_doorbells = 1 },
		[DATA] = { .kind = MEDIO_BAR_MEM32, .size = CARD_WINDOW, .areas = areas, .areas_if_shared = true },
		[4] = { .kind = MEDIO_BAR_MEM32, .size = 8192 },
	},
	.irqs = { .msix = { .vectors = 1, .table_bar = 4, .pba_bar = 4, .pba_offset = 4096 } },
	.caps = caps,
	.params = params,
	.state_size = sizeof(struct card),
	.ops = &ops,
};
