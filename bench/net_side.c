/* SPDX-License-Identifier: BSD-3-Clause */
#include "net_side.h"

#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "devices/net/backend.h"
#include "devices/net/frame.h"
#include "devices/virtio-net/virtio-net.h"
#include "devices/virtio-net/vnet.h"

/* ---- Frames -------------------------------------------------------------------------------------- */

enum { IP = 14, TCP = IP + 20, HEADERS = TCP + 20, TCP_SUM = 16, PIECE = 1448 };

void net_side_frame(unsigned bytes, uint8_t *frame)
{
	static const uint8_t from[6] = { 0x52, 0x54, 0, 0, 0, 1 },
			     to[6] = { 0x52, 0x54, 0, 0, 0, 2 };

	memset(frame, 0x5a, bytes);
	memset(frame, 0, HEADERS);
	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	frame_put16(frame + 12, 0x0800);
	frame[IP] = 0x45;
	frame_put16(frame + IP + 2, bytes - IP);
	frame[IP + 8] = 64; /* its time to live */
	frame[IP + 9] = 6;  /* TCP */
	frame_put32(frame + IP + 12, 0x0a000001);
	frame_put32(frame + IP + 16, 0x0a000002);
	frame[TCP + 12] = 5 << 4; /* words of its header */
}

static struct virtio_net_hdr_v1 header_of(unsigned bytes)
{
	if (bytes != NET_LARGE)
		return (struct virtio_net_hdr_v1){ 0 };
	return (struct virtio_net_hdr_v1){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = htole16(HEADERS),
		.gso_size = htole16(PIECE),
		.csum_start = htole16(TCP),
		.csum_offset = htole16(TCP_SUM),
	};
}

void net_side_header(unsigned bytes, uint8_t header[NET_HEADER])
{
	struct virtio_net_hdr_v1 hdr = header_of(bytes);

	memcpy(header, &hdr, NET_HEADER);
}

/* ---- The network --------------------------------------------------------------------------------- */

/* Of this process. */
static struct {
	unsigned bytes;
	bool generate;
	struct net *net;
	struct medio_poller *poller;
	struct net_frame frames[NET_BATCH]; /* all are the same */
	struct iovec iov;
	uint8_t source[NET_LARGE], sink[NET_MAX_FRAME];
} side;

/* What comes out of the card: as large as the driver made it, or the figures are of something else. */
static int take(struct net *net, const struct net_frame *frame)
{
	(void)net;
	if (frame->bytes != side.bytes ||
		memcmp(&frame->hdr, &side.frames[0].hdr, sizeof(frame->hdr)) != 0)
		medio_bench_fail("a frame was changed on its way", EIO);
	frame_copy(frame, 0, side.sink, frame->bytes);
	return 0;
}

/* The card is up, or has room again. */
static void resume(struct net *net)
{
	(void)net;
	if (side.generate)
		medio_poller_set_awake(side.poller, true);
}

static void stay(struct net *net)
{
	(void)net;
}

static const struct net_backend network = {
	.name = "bench",
	.close = stay,
	.send = take,
	.resume = resume,
};

static bool generate(void *opaque)
{
	if (!medio_virtio_is_live(opaque)) {
		medio_poller_set_awake(side.poller, false);
		return false;
	}
	if (net_deliver_many(side.net, side.frames, NET_BATCH) < NET_BATCH)
		medio_poller_set_awake(side.poller, false);
	net_delivered(side.net);
	return true;
}

static int net_init(struct medio_dev *dev)
{
	const struct medio_virtio_type *virtio = medio_virtio_net.data;
	int ret = virtio->ops->init(dev);

	if (ret)
		return ret;
	side.net = medio_vnet_of(dev)->net;
	side.net->backend = &network;
	net_side_frame(side.bytes, side.source);
	for (unsigned i = 0; i < NET_BATCH; i++) {
		frame_plain(&side.frames[i], &side.iov, side.source, side.bytes);
		side.frames[i].hdr = header_of(side.bytes);
	}
	side.poller = medio_poller_new(dev, generate, dev);
	return side.poller ? 0 : -ENOMEM;
}

static void net_fini(struct medio_dev *dev)
{
	const struct medio_virtio_type *virtio = medio_virtio_net.data;

	medio_poller_free(side.poller);
	virtio->ops->fini(dev);
}

const struct medio_type *net_side_type(unsigned bytes, bool generates)
{
	static struct medio_virtio_ops ops;
	static struct medio_virtio_type virtio;
	static struct medio_type type;

	type = medio_virtio_net;
	virtio = *(const struct medio_virtio_type *)type.data;
	ops = *virtio.ops;
	ops.init = net_init;
	ops.fini = net_fini;
	virtio.ops = &ops;
	type.data = &virtio;
	side.bytes = bytes;
	side.generate = generates;
	return &type;
}

/* ---- Floors -------------------------------------------------------------------------------------- */

double net_side_copy(
	bool out, uint8_t *memory, size_t stride, unsigned count, unsigned bytes, unsigned n)
{
	uint64_t start = medio_now_ns();

	for (unsigned i = 0; i < n; i++) {
		uint8_t *at = memory + i % count * stride;
		memcpy(out ? side.sink : at, out ? at : side.source, bytes);
		__asm__ volatile("" : : "r"(at), "r"(side.sink) : "memory");
	}
	return (double)n * 1e9 / (double)(medio_now_ns() - start);
}

#define SLOTS 256u

struct line {
	_Alignas(128) _Atomic uint64_t value; /* neighbours are fetched together */
};

struct shared {
	struct line ping, pong, head, tail;
	uint8_t slots[SLOTS][NET_SMALL];
};

struct net_side_pair {
	struct medio_peer peer;
	struct shared *shared;
};

struct order {
	bool ring;
	unsigned n;
};

static uint64_t get(const struct line *line)
{
	return atomic_load_explicit(&line->value, memory_order_acquire);
}

static void set(struct line *line, uint64_t value)
{
	atomic_store_explicit(&line->value, value, memory_order_release);
}

static void answer(struct shared *s, unsigned n)
{
	for (uint64_t i = 1; i <= n; i++) {
		while (get(&s->ping) != i)
			;
		set(&s->pong, i);
	}
}

static void produce(struct shared *s, unsigned n)
{
	uint64_t seen = 0;

	for (uint64_t i = 0; i < n; i++) {
		while (i - seen == SLOTS)
			seen = get(&s->tail);
		memcpy(s->slots[i % SLOTS], side.source, NET_SMALL);
		if ((i + 1) % NET_BATCH == 0 || i + 1 == n)
			set(&s->head, i + 1);
	}
}

static void serve(int fd, struct medio_bench_shared *unused, void *opaque)
{
	struct shared *shared = opaque;
	struct order order;

	(void)unused;
	while (read(fd, &order, sizeof(order)) == sizeof(order)) {
		if (write(fd, "", 1) != 1)
			return;
		(order.ring ? produce : answer)(shared, order.n);
	}
}

struct net_side_pair *net_side_pair_new(int cpu)
{
	struct net_side_pair *pair = medio_bench_alloc(sizeof(*pair));

	pair->shared = mmap(NULL, sizeof(*pair->shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (pair->shared == MAP_FAILED)
		medio_bench_fail("mmap", errno);
	medio_peer_start(&pair->peer, cpu, serve, pair->shared);
	return pair;
}

void net_side_pair_free(struct net_side_pair *pair)
{
	close(pair->peer.fd);
	pair->peer.fd = -1;
	medio_peer_stop(&pair->peer);
	munmap(pair->shared, sizeof(*pair->shared));
	free(pair);
}

/* It is at work when this returns. */
static void begin(const struct net_side_pair *pair, bool ring, unsigned n)
{
	const struct order order = { ring, n };
	char byte;

	set(&pair->shared->ping, 0);
	set(&pair->shared->pong, 0);
	set(&pair->shared->head, 0);
	set(&pair->shared->tail, 0);
	if (write(pair->peer.fd, &order, sizeof(order)) != sizeof(order) ||
		read(pair->peer.fd, &byte, 1) != 1)
		medio_bench_fail("the other process", EIO);
}

double net_side_pair_ping(struct net_side_pair *pair, unsigned n)
{
	begin(pair, false, n);
	uint64_t start = medio_now_ns();
	for (uint64_t i = 1; i <= n; i++) {
		set(&pair->shared->ping, i);
		while (get(&pair->shared->pong) != i)
			;
	}
	return (double)(medio_now_ns() - start) / n;
}

double net_side_pair_ring(struct net_side_pair *pair, unsigned n)
{
	struct shared *s = pair->shared;
	uint64_t head = 0;

	begin(pair, true, n);
	uint64_t start = medio_now_ns();
	for (uint64_t i = 0; i < n; i++) {
		while (i == head)
			head = get(&s->head);
		uint64_t first;
		memcpy(&first, s->slots[i % SLOTS], sizeof(first));
		__asm__ volatile("" : : "r"(first));
		if ((i + 1) % NET_BATCH == 0)
			set(&s->tail, i + 1);
	}
	return (double)n * 1e9 / (double)(medio_now_ns() - start);
}
