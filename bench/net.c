/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio network card over vfio-user: frames of 64 bytes and of 64 KiB, to the driver (receive) and from
 * it (transmit), medio's driver on one processor and the device on another. Behind the card is a network
 * that costs next to nothing (net_side.h), so that this is about rings, headers and copies.
 *
 * The driver has its frames prepared, and looks at no more of what comes than its header. Frames of 64 KiB
 * stay whole, as TSO leaves them: they are sent as one buffer, and received in buffers of 4 KiB
 * (MRG_RXBUF).
 *
 * "Polled": the device looks into the ring, the driver into memory, nobody notifies or interrupts.
 * "Notified": eventfds both ways, when the other side asks for them.
 */
#include "bench.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/virtio/virtio.h"
#include "net_side.h"

enum { RECEIVE, TRANSMIT }; /* queues (5.1.2) */

/* Features (5.1.3) */
#define CSUM	   (UINT64_C(1) << 0)
#define GUEST_CSUM (UINT64_C(1) << 1)
#define GUEST_TSO4 (UINT64_C(1) << 7)
#define HOST_TSO4  (UINT64_C(1) << 11)
#define MRG_RXBUF  (UINT64_C(1) << 15)
#define LARGE	   (CSUM | GUEST_CSUM | GUEST_TSO4 | HOST_TSO4 | MRG_RXBUF)

#define NUM_BUFFERS 10u /* where it is in a header (5.1.6) */
#define WAIT_MS	    5000
#define SPINS	    4096u /* between two looks at the clock */

/* What is measured. */
struct figure {
	bool transmit, large, packed, polled;
};

/* Buffers of the ring: how many, bytes of each, and from one to the next. */
struct shape {
	unsigned count;
	uint32_t bytes, stride;
};

static const struct shape small = { 256, 2048, 2048 };
static const struct shape received = { 1024, 4096, 4096 };
#define COPIED 64u /* frames of NET_LARGE in the driver's memory */
static const struct shape sent = { COPIED, NET_LARGE + NET_HEADER, NET_LARGE + 4096 };

struct rig {
	struct figure f;
	struct shape shape;
	unsigned bytes; /* of a frame */
	struct medio_peer peer;
	struct medio_card *card;
	struct virtio *v;
	struct virtio_queue *queue;
	struct virtq *ring;
	bool traced;
	uint8_t *memory;
	uint64_t iova;
	unsigned fresh; /* added, and the device was not told */
	/* Receive: buffers of a frame that are still to come, bytes of it so far. */
	unsigned left;
	size_t got;
	/* Transmit: buffers that are free, a stack. */
	uint8_t **spare;
	unsigned num_spare;
};

/* ---- The driver ---------------------------------------------------------------------------------- */

static void check(const struct rig *rig, int ret, const char *what)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "medio-bench: %s: %s\n", what, virtio_words(rig->v));
	medio_bench_fail(what, -ret);
}

static void add(struct rig *rig, uint8_t *at)
{
	uint32_t bytes = rig->f.transmit ? NET_HEADER + rig->bytes : rig->shape.bytes;
	const struct virtq_seg seg = { rig->iova + (uint64_t)(at - rig->memory), bytes };

	medio_bench_check(
		virtq_add(rig->ring, &seg, rig->f.transmit, !rig->f.transmit, at), "the ring");
	rig->fresh++;
}

static void kick(struct rig *rig)
{
	if (rig->fresh)
		check(rig, virtio_kick(rig->queue), "notify");
	rig->fresh = 0;
}

/* Until there is something to take. */
static void wait_for(struct rig *rig)
{
	uint64_t end = 0;

	kick(rig);
	if (!rig->f.polled) {
		int ret = virtio_wait(rig->v, &rig->queue, 1, WAIT_MS);
		check(rig, ret ? ret : -ETIMEDOUT, "wait");
		return;
	}
	for (unsigned i = 1; !virtq_ready(rig->ring); i++) {
		/* The tracer has no other processor. */
		if (rig->traced)
			sched_yield();
		if (i % SPINS)
			continue;
		if (!end)
			end = medio_now_ns() + WAIT_MS * UINT64_C(1000000);
		else if (medio_now_ns() > end)
			medio_bench_fail("the device does nothing", ETIMEDOUT);
	}
}

/* A buffer came back. True: with it a frame is complete. */
static bool receive(struct rig *rig, const struct virtq_done *done)
{
	const uint8_t *at = done->tag;

	if (!rig->left) {
		rig->left = (unsigned)medio_get_le(at + NUM_BUFFERS, 2);
		rig->got = 0;
	}
	rig->got += done->len;
	if (--rig->left)
		return false;
	if (rig->got != NET_HEADER + rig->bytes)
		medio_bench_fail("a frame was changed on its way", EIO);
	return true;
}

/* Frames that were done with all that there is to take, at most n. */
static unsigned take(struct rig *rig, unsigned n)
{
	struct virtq_done done;
	unsigned came = 0;

	while (came < n && medio_bench_check(virtq_take(rig->ring, &done), "the ring")) {
		if (rig->f.transmit) {
			rig->spare[rig->num_spare++] = done.tag;
			came++;
			continue;
		}
		came += receive(rig, &done);
		add(rig, done.tag);
		if (rig->fresh == NET_BATCH)
			kick(rig);
	}
	return came;
}

static void fill(struct rig *rig)
{
	while (rig->f.transmit && rig->num_spare) {
		add(rig, rig->spare[--rig->num_spare]);
		if (rig->fresh == NET_BATCH)
			kick(rig);
	}
}

/* Frames that there can be in the ring. */
static unsigned under_way(const struct rig *rig)
{
	unsigned each = rig->f.transmit ? 1
					: (NET_HEADER + rig->bytes + rig->shape.bytes - 1) /
						  rig->shape.bytes;

	return rig->shape.count / each;
}

/* Frames a second. Those that are under way already do not count. */
static double run_rig(struct rig *rig, unsigned n)
{
	unsigned skip = under_way(rig), came = 0;
	uint64_t start = 0;

	while (came < skip + n) {
		fill(rig);
		if (!virtq_ready(rig->ring))
			wait_for(rig);
		came += take(rig, came < skip ? skip - came : skip + n - came);
		if (came == skip)
			start = medio_now_ns();
	}
	double rate = (double)n * 1e9 / (double)(medio_now_ns() - start);
	kick(rig);
	return rate;
}

/* ---- Rigs ---------------------------------------------------------------------------------------- */

static void make_buffers(struct rig *rig)
{
	const struct shape *s = &rig->shape;
	void *ptr;

	medio_bench_check(medio_card_dma_alloc_any(rig->card,
				  ((uint64_t)s->count * s->stride + 4095) & ~4095ull,
				  MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, &rig->iova, &ptr),
		"memory");
	rig->memory = ptr;
	rig->spare = medio_bench_alloc(s->count * sizeof(*rig->spare));
	for (unsigned i = 0; i < s->count; i++) {
		uint8_t *at = rig->memory + (size_t)i * s->stride;
		memset(at, 0, s->stride);
		if (!rig->f.transmit) {
			add(rig, at);
			continue;
		}
		net_side_header(rig->bytes, at);
		net_side_frame(rig->bytes, at + NET_HEADER);
		rig->spare[rig->num_spare++] = at;
	}
}

static void bring_up(struct rig *rig)
{
	const struct virtio_options opts = {
		.irq = rig->f.polled ? VIRTIO_IRQ_NONE : MEDIO_CARD_MSIX,
		.refuse = rig->f.packed ? 0 : VIRTIO_F_RING_PACKED,
	};
	uint64_t wanted = rig->f.large ? LARGE : 0;
	struct virtio_queue *queues[2];
	char words[VIRTIO_WORDS];

	if (virtio_open(rig->card, VIRTIO_ID_NET, &opts, &rig->v, words, sizeof(words)))
		medio_bench_fail(words, EIO);
	check(rig, virtio_accept(rig->v, wanted, wanted), "features");
	for (unsigned i = 0; i < 2; i++)
		check(rig, virtio_queue(rig->v, i, 0, 1, &queues[i]), "a queue");
	rig->queue = queues[rig->f.transmit ? TRANSMIT : RECEIVE];
	rig->ring = virtio_ring(rig->queue);
	check(rig, virtio_ready(rig->v), "the device");
}

static void open_rig(struct rig *rig, const struct medio_report *r, const struct figure *f)
{
	const char *const params[] = { "null=on", f->polled ? "poll=on" : "poll=off",
		f->large ? "queue-size=1024" : "queue-size=256", NULL };

	*rig = (struct rig){
		.f = *f,
		.shape = !f->large     ? small
			 : f->transmit ? sent
				       : received,
		.bytes = f->large ? NET_LARGE : NET_SMALL,
	};
	rig->card = medio_bench_card_with(
		&rig->peer, net_side_type(rig->bytes, !f->transmit), params, r->cpu_server, false);
	bring_up(rig);
	make_buffers(rig);
	kick(rig);
}

static void close_rig(struct rig *rig, struct medio_tracer *tracer)
{
	virtio_close(rig->v);
	medio_card_close(rig->card);
	if (tracer)
		medio_tracer_join(tracer);
	medio_peer_stop(&rig->peer);
	free(rig->spare);
}

/* ---- Figures ------------------------------------------------------------------------------------- */

static void name_of(const struct figure *f, const char *what, char *buf, size_t size)
{
	snprintf(buf, size, "%s %s, %s, %s%s", f->transmit ? "transmit" : "receive",
		f->large ? "64 KiB" : "64 bytes", f->packed ? "packed" : "split",
		f->polled ? "polled" : "notified", what);
}

static unsigned count_of(const struct medio_report *r, const struct figure *f)
{
	return f->large ? medio_report_count(r, 500, 250) : medio_report_count(r, 8000, 1000);
}

/* Frames a second, or bytes. */
static void put_rates(
	struct medio_report *r, const struct figure *f, const char *name, double *rates)
{
	double unit = f->large ? (double)NET_LARGE / 1e9 : 1e-6;

	for (unsigned i = 0; i < r->runs; i++)
		rates[i] *= unit;
	medio_report_put(r,
		&(struct medio_figure){ .name = name, .unit = f->large ? "GB/s" : "M/s" }, rates,
		r->runs);
}

/* memcpy() of such frames by one processor. */
static double copy(const struct rig *rig, uint8_t *memory, unsigned n)
{
	return net_side_copy(rig->f.transmit, memory, NET_LARGE, COPIED, rig->bytes, n);
}

static void put_rate(struct medio_report *r, struct rig *rig)
{
	double *ours = medio_bench_alloc(r->runs * sizeof(double));
	double *bare = medio_bench_alloc(r->runs * sizeof(double));
	double *ratio = medio_bench_alloc(r->runs * sizeof(double));
	uint8_t *memory = medio_bench_alloc((size_t)COPIED * NET_LARGE);
	unsigned n = count_of(r, &rig->f);
	char name[96];

	memset(memory, 0x5a, (size_t)COPIED * NET_LARGE);
	run_rig(rig, n / 4);
	for (unsigned i = 0; i < r->runs; i++) {
		if (rig->f.large && i % 2)
			bare[i] = copy(rig, memory, n);
		ours[i] = run_rig(rig, n);
		if (rig->f.large && i % 2 == 0)
			bare[i] = copy(rig, memory, n);
		ratio[i] = rig->f.large ? ours[i] / bare[i] : 0;
	}
	name_of(&rig->f, "", name, sizeof(name));
	put_rates(r, &rig->f, name, ours);
	if (rig->f.large)
		medio_report_put(r,
			&(struct medio_figure){ .name = "  ratio",
				.unit = "x",
				.floor = "of memcpy() between as much memory and one place" },
			ratio, r->runs);
	free(ours);
	free(bare);
	free(ratio);
	free(memory);
}

static void put_each(struct medio_report *r, const struct figure *f, const char *what, double each)
{
	char name[96];

	name_of(f, what, name, sizeof(name));
	medio_report_put(r, &(struct medio_figure){ .name = name, .unit = "each" }, &each, 1);
}

/* What a frame costs besides time. */
static void put_events(struct medio_report *r, struct rig *rig)
{
	unsigned n = count_of(r, &rig->f);
	double frames = n + under_way(rig);
	struct virtio_info before, after;

	virtio_get_info(rig->v, &before);
	run_rig(rig, n);
	virtio_get_info(rig->v, &after);
	put_each(r, &rig->f, ": kicks", (double)(after.kicks - before.kicks) / frames);
	put_each(r, &rig->f, ": interrupts",
		(double)(after.interrupts - before.interrupts) / frames);
}

/* The device's thread alone, which tracing slows down; only the number counts. */
static void put_calls(struct medio_report *r, struct rig *rig, struct medio_tracer *t)
{
	unsigned n = count_of(r, &rig->f) / 10;

	rig->traced = true;
	run_rig(rig, n / 4);
	uint64_t before = medio_tracer_calls(t);
	run_rig(rig, n);
	put_each(r, &rig->f, ": system calls of the device",
		(double)(medio_tracer_calls(t) - before) / (n + under_way(rig)));
}

static void measure(struct medio_report *r, const struct figure *f)
{
	struct medio_tracer t;
	struct rig rig;

	open_rig(&rig, r, f);
	put_rate(r, &rig);
	if (!f->polled)
		put_events(r, &rig);
	int ret = medio_tracer_start(&t, rig.peer.pid);
	if (ret)
		medio_report_note(r, "system calls left out: cannot trace (%s)", strerror(-ret));
	else
		put_calls(r, &rig, &t);
	close_rig(&rig, ret ? NULL : &t);
}

static void put_floors(struct medio_report *r)
{
	struct net_side_pair *pair = net_side_pair_new(r->cpu_server);
	uint8_t *memory = medio_bench_alloc((size_t)small.count * small.stride);
	double *ping = medio_bench_alloc(r->runs * sizeof(double));
	double *ring = medio_bench_alloc(r->runs * sizeof(double));
	double *copies = medio_bench_alloc(r->runs * sizeof(double));
	unsigned n = medio_report_count(r, 50000, 1000);

	memset(memory, 0x5a, (size_t)small.count * small.stride);
	for (unsigned i = 0; i < r->runs; i++) {
		ping[i] = net_side_pair_ping(pair, n / 10);
		ring[i] = net_side_pair_ring(pair, n);
		copies[i] = 1e9 /
			    net_side_copy(false, memory, small.stride, small.count, NET_SMALL, n);
	}
	medio_report_put(r,
		&(struct medio_figure){ .name = "bare: a cache line there and back", .unit = "ns" },
		ping, r->runs);
	medio_report_put(r,
		&(struct medio_figure){ .name = "bare: memcpy() of 64 bytes", .unit = "ns" },
		copies, r->runs);
	put_rates(r, &(struct figure){ .large = false }, "bare: 64 bytes through a ring, one copy",
		ring);
	net_side_pair_free(pair);
	free(memory);
	free(ping);
	free(ring);
	free(copies);
}

static int run(struct medio_report *r)
{
	if (r->cpu_server < 0) {
		medio_report_note(r, "left out: driver and device want a processor each");
		return 0;
	}
	medio_report_note(r, "Copies of a frame by the device: one to receive, none to transmit "
			     "(the network behind it makes one).");
	put_floors(r);
	for (unsigned i = 0; i < 16; i++)
		measure(r, &(struct figure){
				   .large = i & 8,
				   .transmit = i & 4,
				   .packed = !(i & 2),
				   .polled = !(i & 1),
			   });
	return 0;
}

const struct medio_bench medio_bench_net = {
	.name = "net",
	.summary = "A virtio network card's frames, to the driver and from it",
	.run = run,
};
