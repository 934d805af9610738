/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any driver at virtio-net, and any network behind it. The chains are those of a driver's ring; what stands in
 * them, how they are cut, which features were accepted, what the network sends, when it has room and what an
 * operator writes is the input. Frames that the card gives to either side are checked, and at the end each
 * frame to send and each command has been used, or the card has said that it needs a reset.
 */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <medio/local.h>
#include <medio/virtio.h>

#include "../../drivers/virtio/virtio.h"

#include "net/net.h"
#include "virtio-net/virtio-net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY	   (1u << 20)
#define SEGS	   80u
#define QUEUES	   5u /* two pairs, and the control queue */
#define HEADER	   12u
#define MAX_CHAINS 400u

struct input {
	const uint8_t *data;
	size_t size;
};

static struct driver {
	struct medio_card *card;
	struct medio_instance *inst;
	struct virtio *v;
	struct virtio_queue *queues[QUEUES];
	uint64_t accepted;
	uint8_t *memory;
	uint64_t iova;
	size_t used;
	unsigned made;
	bool scribbled; /* nothing can be said of what is in its memory */
} driver;

/* Behind the card. */
static struct net {
	const struct net_events *events;
	void *opaque;
	unsigned room, can;
	bool there, up, blocked, starved, echo, giving;
	uint8_t frame[NET_MAX_FRAME];
	size_t waiting; /* bytes of a frame that the card had no room for; 0: none */
	struct virtio_net_hdr_v1 hdr;
} net;

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

/* Sizes at which things change, and any. */
static size_t next_size(struct input *in)
{
	static const uint16_t sizes[] = { 0, 1, 2, 11, 12, 13, 14, 25, 26, 27, 60, 100, 1526, 1530,
		4096, 65535 };
	uint8_t how = next(in);

	return how < 128 ? sizes[how % 16] : how < 240 ? how : next16(in) + (how & 15u) * 8u;
}

static void quiet(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

/* ---- The network ------------------------------------------------------------------------------------- */

static void give(void)
{
	const struct iovec iov[2] = { { net.frame, net.waiting / 3 },
		{ net.frame + net.waiting / 3, net.waiting - net.waiting / 3 } };
	const struct net_frame frame = {
		.iov = iov, .niov = 2, .bytes = net.waiting, .hdr = net.hdr
	};

	if (!net.waiting || net.blocked || net.giving)
		return;
	static const struct virtio_net_hdr_v1 none;
	net.giving = true;
	if (memcmp(&net.hdr, &none, sizeof(none)) == 0) {
		/* Some of them, in one piece or two. */
		struct net_frame frames[5] = { frame, frame, frame, frame, frame };
		const struct iovec whole = { net.frame, net.waiting };
		const unsigned n = 1 + net.waiting % 5;
		for (unsigned i = 0; i < n && net.waiting & 16; i += 2)
			frames[i].iov = &whole, frames[i].niov = 1;
		const unsigned taken = net.events->receive_many(net.opaque, frames, n);
		assert(taken <= n);
		net.blocked = taken < n;
	} else {
		const int ret = net.events->receive(net.opaque, &frame);
		assert(ret == 0 || ret == -EAGAIN);
		net.blocked = ret;
	}
	net.giving = false;
	if (!net.blocked) {
		net.waiting = 0;
		net.events->received(net.opaque);
	}
}

int net_open(struct medio_dev *dev, const struct net_options *opts, const struct net_events *events,
	void *opaque, struct net **out)
{
	(void)dev;
	(void)opts;
	assert(!net.there);
	memset(&net, 0, offsetof(struct net, frame));
	net.waiting = 0;
	net.events = events;
	net.opaque = opaque;
	net.room = UINT32_MAX;
	net.there = net.up = true;
	*out = &net;
	return 0;
}

void net_close(struct net *n)
{
	assert(n == &net);
	net.there = false;
}

int net_set_macs(struct net *n, const uint8_t mac[6], const uint8_t (*others)[6], unsigned count)
{
	assert(n->there && count <= 64 && (!count || others));
	return mac[5] & 1 ? -EPERM : 0;
}

void net_set_can(struct net *n, unsigned can)
{
	n->can = can;
}

unsigned net_can(const struct net *n)
{
	return n->can;
}

int net_send(struct net *n, const struct net_frame *frame)
{
	size_t at = 0;

	/* What the card promises a network (net.h). */
	assert(n->there && frame->bytes >= 14 && frame->bytes <= NET_MAX_FRAME);
	assert(frame->niov && frame->niov <= NET_MAX_IOV);
	if (!driver.scribbled && frame->hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		assert((size_t)le16toh(frame->hdr.csum_start) + le16toh(frame->hdr.csum_offset) +
				2 <=
			frame->bytes);
	assert(le16toh(frame->hdr.hdr_len) <= frame->bytes && !frame->hdr.num_buffers);
	if (!n->room) {
		n->starved = true;
		return -EAGAIN;
	}
	n->room--;
	for (unsigned i = 0; i < frame->niov; i++) {
		assert(frame->iov[i].iov_len <= frame->bytes - at);
		if (n->echo && !n->waiting)
			memcpy(n->frame + at, frame->iov[i].iov_base, frame->iov[i].iov_len);
		at += frame->iov[i].iov_len;
	}
	assert(at == frame->bytes);
	if (n->echo && !n->waiting) {
		n->waiting = at;
		n->hdr = frame->hdr;
		give();
	}
	return 0;
}

unsigned net_send_many(struct net *n, const struct net_frame *frames, unsigned count)
{
	unsigned i = 0;

	assert(count && count <= NET_BURST);
	while (i < count && net_send(n, &frames[i]) == 0)
		i++;
	return i;
}

void net_flush(struct net *n)
{
	assert(n->there);
}

void net_resume(struct net *n)
{
	n->blocked = false;
	give();
}

bool net_is_up(const struct net *n)
{
	return n->up;
}

bool net_poll(struct net *n)
{
	(void)n;
	return false;
}

const char *net_describe(const struct net *n)
{
	(void)n;
	return "an input's";
}

void net_get_counts(const struct net *n, struct net_counts *out)
{
	(void)n;
	*out = (struct net_counts){ 0 };
}

static void has_room(unsigned room)
{
	net.room = room;
	if (room && net.starved) {
		net.starved = false;
		net.events->ready(net.opaque);
	}
}

static void frame_comes(struct input *in)
{
	size_t len = next_size(in);

	if (net.waiting || !len)
		return;
	len = len < NET_MAX_FRAME ? len : NET_MAX_FRAME;
	memset(net.frame, 0x5a, len);
	for (size_t i = 0; i < 64 && i < len; i++)
		net.frame[i] = next(in);
	uint8_t *hdr = (uint8_t *)&net.hdr;
	memset(hdr, 0, HEADER);
	/* As negotiated: no network gives a driver what it does not take. */
	if (net.can)
		for (unsigned i = 0; i < 10; i++)
			hdr[i] = next(in);
	net.waiting = len;
	give();
}

/* ---- The driver -------------------------------------------------------------------------------------- */

static bool open_driver(struct input *in)
{
	const struct virtio_options opts = { .irq = VIRTIO_IRQ_NONE,
		.queue_size = 1u << (1 + next(in) % 7),
		.refuse = (uint64_t)next16(in) << 24 };
	uint64_t wanted = 0;
	char words[VIRTIO_WORDS];
	uint16_t pairs = 1;

	memset(driver.queues, 0, sizeof(driver.queues));
	driver.used = 0;
	driver.v = NULL;
	for (unsigned i = 0; i < 8; i++)
		wanted |= (uint64_t)next(in) << 8 * i;
	/* Most bits, or few. */
	if (next(in) & 1)
		wanted = ~wanted;
	wanted &= UINT64_C(0xfffc000000ffffff);
	if (virtio_open(driver.card, 1, &opts, &driver.v, words, sizeof(words)))
		return false;
	if (virtio_accept(driver.v, wanted, 0)) {
		virtio_close(driver.v);
		driver.v = NULL;
		return false;
	}
	struct virtio_info info;
	virtio_get_info(driver.v, &info);
	driver.accepted = info.accepted;
	if (info.accepted & UINT64_C(1) << 22)
		pairs = 2;
	for (unsigned i = 0; i < 2u * pairs; i++)
		if (virtio_queue(driver.v, i, 0, SEGS, &driver.queues[i]))
			abort();
	if (info.accepted & UINT64_C(1) << 17 &&
		virtio_queue(driver.v, 2u * pairs, 0, SEGS, &driver.queues[2u * pairs]))
		abort();
	return !virtio_ready(driver.v);
}

/* Memory of a chain's own, in so many pieces. */
static unsigned cut(size_t bytes, unsigned pieces, struct virtq_seg *segs, uint8_t **at)
{
	unsigned n = 0;

	if (driver.used + bytes > MEMORY)
		driver.used = 0;
	uint64_t iova = driver.iova + driver.used;
	*at = driver.memory + driver.used;
	driver.used += bytes;
	for (; bytes && pieces; pieces--) {
		size_t len = pieces == 1 ? bytes : bytes / pieces;
		if (!len)
			continue;
		segs[n++] = (struct virtq_seg){ iova, (uint32_t)len };
		iova += len;
		bytes -= len;
	}
	return n;
}

static void take(unsigned index)
{
	struct virtq *ring = virtio_ring(driver.queues[index]);
	struct virtq_done done;
	int ret;

	while ((ret = virtq_take(ring, &done)) > 0)
		;
	/* The device breaks no rule. */
	assert(driver.scribbled || ret == 0);
}

static struct virtq *ring_of(unsigned index)
{
	return driver.v && driver.queues[index] ? virtio_ring(driver.queues[index]) : NULL;
}

static void add(struct input *in, unsigned index)
{
	struct virtq *ring = ring_of(index);
	struct virtq_seg segs[2 * SEGS];
	uint8_t *out, *back;
	size_t out_bytes = next_size(in), in_bytes = next_size(in);
	uint8_t pieces = next(in);

	if (!ring || ++driver.made > MAX_CHAINS)
		return;
	/* Most chains are as they should be. */
	if (!(pieces & 0x80) && index < 4)
		*(index & 1 ? &in_bytes : &out_bytes) = 0;
	unsigned num_out = cut(out_bytes, 1 + pieces % 40, segs, &out);
	for (size_t i = 0; i < out_bytes && i < 96; i++)
		out[i] = next(in);
	unsigned num_in = cut(in_bytes, 1 + (pieces >> 2) % 30, segs + num_out, &back);
	virtq_add(ring, segs, num_out, num_in, driver.memory);
}

static void kick(unsigned index)
{
	if (!ring_of(index))
		return;
	virtio_kick(driver.queues[index]);
	take(index);
}

static void command(struct input *in)
{
	unsigned index = driver.accepted & UINT64_C(1) << 22 ? 4 : 2;
	struct virtq *ring = driver.accepted & UINT64_C(1) << 17 ? ring_of(index) : NULL;
	struct virtq_seg segs[SEGS];
	uint8_t *out, *back;
	size_t len = 2 + next(in) % 64;

	if (!ring || ++driver.made > MAX_CHAINS)
		return;
	unsigned num_out = cut(len, 2, segs, &out);
	for (size_t i = 0; i < len; i++)
		out[i] = next(in);
	out[0] %= 8;
	unsigned num_in = cut(1, 1, segs + num_out, &back);
	if (!virtq_add(ring, segs, num_out, num_in, driver.memory))
		kick(index);
}

/* ---- The operator ------------------------------------------------------------------------------------ */

static void operate(struct input *in)
{
	static const char *const names[] = { "net/mac", "net/link", "net/announce", "net/backend",
		"net/pairs", "net/filter", "net/counters", "virtio/state" };
	static const char *const words[] = { "up", "down\n", "1\n", "", "\n\n", "off" };
	char buf[8192];
	uint8_t how = next(in);
	const char *word = words[(how >> 3) % 6];

	if (how & 1)
		medio_instance_attr_show(
			driver.inst, names[how >> 1 & 7], buf, how & 0x80 ? next(in) : sizeof(buf));
	else
		medio_instance_attr_store(
			driver.inst, how & 2 ? "net/link" : "net/announce", word, strlen(word));
}

/* What is saved can be loaded into another one, changed or not. */
static void migrate(struct input *in)
{
	static uint8_t bytes[65536];
	ssize_t len = medio_instance_save(driver.inst, bytes, sizeof(bytes));

	if (len < 0)
		return;
	assert(len <= (ssize_t)sizeof(bytes));
	/* Under a client nothing is loaded. */
	assert(medio_instance_load(driver.inst, bytes, (size_t)len) == -EBUSY);
	(void)in;
}

static void step(struct input *in)
{
	uint8_t op = next(in), buf[16] = { 0 };

	switch (op & 15) {
	case 0:
	case 1:
	case 2:
		add(in, (op >> 4) % QUEUES);
		break;
	case 3:
	case 4:
		kick((op >> 4) % QUEUES);
		break;
	case 5:
	case 6:
		frame_comes(in);
		break;
	case 7:
	case 8:
		command(in);
		break;
	case 9:
		has_room(next(in) % 4);
		break;
	case 10:
		net.up = op & 16;
		net.events->link(net.opaque, net.up);
		break;
	case 11:
		net.echo = op & 16;
		break;
	case 12:
		operate(in);
		break;
	case 13:
		if (op & 0x80) {
			virtio_close(driver.v);
			driver.v = NULL;
			open_driver(in);
		} else if (op & 0x40) {
			migrate(in);
		} else {
			medio_card_read(
				driver.card, 4, 0x2000 + next(in) % 24, buf, 1 + next(in) % 8);
			medio_card_write(
				driver.card, 4, 0x2000 + next(in) % 24, buf, 1 + next(in) % 8);
		}
		break;
	case 14:
		/* It changes frames and commands while they are read. */
		for (unsigned n = next(in) % 16; n; n--)
			driver.memory[(next16(in) * 7u) % MEMORY] = next(in);
		break;
	default:
		medio_card_process(driver.card);
		break;
	}
}

/* Whatever was begun ends. */
static void settle(void)
{
	uint8_t status = 0;

	has_room(UINT32_MAX);
	net.up = true;
	net.events->link(net.opaque, true);
	for (unsigned i = 0; i < 3 * QUEUES; i++)
		kick(i % QUEUES);
	for (unsigned i = 0; i < 8; i++)
		medio_card_process(driver.card);
	medio_card_read8(driver.card, 4, 0x14, &status);
	if (status & 64)
		return;
	unsigned control = driver.accepted & UINT64_C(1) << 22 ? 4 : 2;
	for (unsigned i = 0; i < QUEUES; i++) {
		struct virtq *ring = ring_of(i);
		if (!ring)
			continue;
		take(i);
		/* A second pair may be out of use. */
		if (i == 1 || (i == control && driver.accepted & UINT64_C(1) << 17))
			assert(!virtq_pending(ring));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const params[] = { "queue-pairs=2", "mac=52:54:00:12:34:56",
		"mtu=1500" };
	struct input in = { data, size };
	const struct medio_instance_options opts = {
		.params = params, .nparams = 2 + (next(&in) & 1), .log = quiet
	};
	struct medio_loop *loop;
	void *ptr;

	memset(&driver, 0, sizeof(driver));
	if (medio_loop_new(&loop) ||
		medio_instance_new(loop, &medio_virtio_net, &opts, &driver.inst, NULL) ||
		medio_card_open_instance(driver.inst, &driver.card, NULL) ||
		medio_card_dma_alloc_any(driver.card, MEMORY,
			MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, &driver.iova, &ptr))
		abort();
	driver.memory = ptr;
	if (open_driver(&in)) {
		while (in.size)
			step(&in);
		settle();
	}
	virtio_close(driver.v);
	medio_card_close(driver.card);
	medio_instance_free(driver.inst);
	medio_loop_free(loop);
	assert(!net.there);
	return 0;
}
