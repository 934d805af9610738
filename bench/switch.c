/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The switch of a card with virtual functions, on one processor: frames go from one port to another in bursts of 32, each port
 * to one other, and are copied once, from the memory of the sender to that of the receiver. Ports are set as
 * those of VFs are: an address of its own, nothing else let in or out. There are no rings and no guests: what they
 * cost is in "net".
 *
 * The floor is memcpy() of the same frames between the same memory.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <medio/serve.h>

#include "net/fabric.h"
#include "net/frame.h"
#include "net/port.h"

#define MAX_PORTS 64u
#define SLOT	  2048u
#define MEMORY	  (NET_BURST * SLOT) /* of a port, each way */

struct card {
	struct net_options options;
	struct net *net;
	struct medio_instance *inst;
	uint8_t *out, *in;
	unsigned at; /* where the next frame goes */
	struct net_frame frames[NET_BURST];
	struct iovec iov[NET_BURST];
	unsigned to; /* the other port */
};

struct rig {
	unsigned ports, bytes;
	struct medio_loop *loop;
	struct fabric *fabric;
	struct card *cards[MAX_PORTS];
};

/* What init() is told, and tells. */
static struct fabric *fabric_now;
static struct card *card_now;

/* ---- A port ---------------------------------------------------------------------------------------- */

static unsigned receive_many(void *opaque, const struct net_frame *frames, unsigned n)
{
	struct card *card = opaque;

	for (unsigned i = 0; i < n; i++) {
		uint8_t *to = card->in + card->at++ % NET_BURST * SLOT;
		for (unsigned k = 0; k < frames[i].niov; k++) {
			memcpy(to, frames[i].iov[k].iov_base, frames[i].iov[k].iov_len);
			to += frames[i].iov[k].iov_len;
		}
	}
	return n;
}

static int receive(void *opaque, const struct net_frame *frame)
{
	receive_many(opaque, frame, 1);
	return 0;
}

static int card_init(struct medio_dev *dev)
{
	static const struct net_events events = { .receive = receive,
		.receive_many = receive_many };
	struct card *card = medio_priv(dev);

	card->options.fabric = fabric_now;
	card_now = card;
	return net_open(dev, &card->options, &events, card, &card->net);
}

static void card_fini(struct medio_dev *dev)
{
	struct card *card = medio_priv(dev);

	net_close(card->net);
	free(card->out);
	free(card->in);
}

static const struct medio_type type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "switch-bench",
	.summary = "A port of a switch",
	.id = { .vendor = 0x1234, .device = 1, .class_code = 0x020000 },
	.state_size = sizeof(struct card),
	.ops = &(const struct medio_device_ops){ .init = card_init, .fini = card_fini },
};

/* ---- Rigs ------------------------------------------------------------------------------------------ */

static void put_mac(uint8_t mac[6], unsigned n)
{
	memset(mac, 2, 6);
	frame_put16(mac + 4, n);
}

static struct card *card_new(struct rig *rig, unsigned n)
{
	struct fabric_settings settings = {
		.has_mac = true, .spoofchk = true, .link = FABRIC_LINK_ON
	};
	struct medio_instance *inst;

	fabric_now = rig->fabric;
	medio_bench_check(medio_instance_new(rig->loop, &type, NULL, &inst, NULL), "a port");
	struct card *card = card_now;
	card->inst = inst;
	put_mac(settings.mac, n);
	fabric_port_set(net_port_of(card->net), &settings);
	card->out = medio_bench_alloc(MEMORY);
	card->in = medio_bench_alloc(MEMORY);
	memset(card->in, 0, MEMORY);
	/* A step that reaches all of them, none its own. */
	card->to = (n + (rig->ports > 2 ? 3 : 1)) % rig->ports;
	for (unsigned i = 0; i < NET_BURST; i++) {
		uint8_t *at = card->out + i * SLOT;
		memset(at, 0x5a, SLOT);
		put_mac(at, card->to);
		put_mac(at + 6, n);
		frame_put16(at + 12, 0x88b5);
		frame_plain(&card->frames[i], &card->iov[i], at, rig->bytes);
	}
	return card;
}

static void open_rig(struct rig *rig, unsigned ports, unsigned bytes)
{
	*rig = (struct rig){ .ports = ports, .bytes = bytes };
	medio_bench_check(medio_loop_new(&rig->loop), "a loop");
	rig->fabric = fabric_new(1);
	if (!rig->fabric)
		medio_bench_fail("a switch", ENOMEM);
	for (unsigned i = 0; i < ports; i++)
		rig->cards[i] = card_new(rig, i);
}

static void close_rig(struct rig *rig)
{
	for (unsigned i = 0; i < rig->ports; i++)
		medio_instance_free(rig->cards[i]->inst);
	fabric_free(rig->fabric);
	medio_loop_free(rig->loop);
}

/* ns a frame, of n bursts. */
static double run_switch(struct rig *rig, unsigned n)
{
	uint64_t start = medio_now_ns();

	for (unsigned i = 0; i < n; i++) {
		struct card *card = rig->cards[i % rig->ports];
		if (net_send_many(card->net, card->frames, NET_BURST) != NET_BURST)
			medio_bench_fail("a frame was not sent", EIO);
		net_flush(card->net);
	}
	return (double)(medio_now_ns() - start) / n / NET_BURST;
}

static double run_copy(struct rig *rig, unsigned n)
{
	uint64_t start = medio_now_ns();

	for (unsigned i = 0; i < n; i++) {
		const struct card *card = rig->cards[i % rig->ports];
		uint8_t *to = rig->cards[card->to]->in;
		for (unsigned k = 0; k < NET_BURST; k++) {
			memcpy(to + k * SLOT, card->out + k * SLOT, rig->bytes);
			__asm__ volatile("" : : "r"(to) : "memory");
		}
	}
	return (double)(medio_now_ns() - start) / n / NET_BURST;
}

static void check_counts(const struct rig *rig)
{
	for (unsigned i = 0; i < rig->ports; i++) {
		const struct fabric_counts *c = fabric_port_counts(net_port_of(rig->cards[i]->net));
		if (!c->received || c->dropped || c->spoofed)
			medio_bench_fail("frames went elsewhere", EIO);
	}
}

/* ---- Figures --------------------------------------------------------------------------------------- */

static const unsigned sizes[] = { 2, 8, 64 };
#define SIZES 3u

static void put_rate(
	struct medio_report *r, const char *what, unsigned ports, unsigned bytes, double *ns)
{
	char name[96];

	for (unsigned i = 0; i < r->runs; i++)
		ns[i] = 1e3 / ns[i];
	snprintf(name, sizeof(name), "%s, %u bytes, %u VFs", what, bytes, ports);
	medio_report_put(r, &(struct medio_figure){ .name = name, .unit = "M/s" }, ns, r->runs);
}

/* The goal is the switch's, for small frames. Large ones of so many ports are more than a cache holds, and what
 * memcpy() says of that is beside it. */
static void put_flat(struct medio_report *r, unsigned bytes, double *flat)
{
	char name[96];

	snprintf(name, sizeof(name), "%u bytes, 64 VFs for 2: time a frame", bytes);
	medio_report_put(r,
		&(struct medio_figure){ .name = name,
			.unit = "times",
			.kind = bytes == 64 ? MEDIO_AT_MOST : MEDIO_NO_GOAL,
			.goal = 1.2,
			.floor = "2 VFs" },
		flat, r->runs);
}

static void bench_bytes(struct medio_report *r, unsigned bytes)
{
	unsigned n = medio_report_count(r, 5000, 500);
	double *ours[SIZES], *bare[SIZES];
	double *flat = medio_bench_alloc(r->runs * sizeof(double));
	struct rig rigs[SIZES];

	for (unsigned s = 0; s < SIZES; s++) {
		ours[s] = medio_bench_alloc(r->runs * sizeof(double));
		bare[s] = medio_bench_alloc(r->runs * sizeof(double));
		open_rig(&rigs[s], sizes[s], bytes);
		run_switch(&rigs[s], n / 4);
	}
	for (unsigned i = 0; i < r->runs; i++) {
		for (unsigned s = 0; s < SIZES; s++) {
			ours[s][i] = run_switch(&rigs[s], n);
			bare[s][i] = run_copy(&rigs[s], n);
		}
		flat[i] = ours[SIZES - 1][i] / ours[0][i];
	}
	for (unsigned s = 0; s < SIZES; s++) {
		check_counts(&rigs[s]);
		put_rate(r, "switch", sizes[s], bytes, ours[s]);
		put_rate(r, "memcpy() of the same", sizes[s], bytes, bare[s]);
		close_rig(&rigs[s]);
		free(ours[s]);
		free(bare[s]);
	}
	put_flat(r, bytes, flat);
	free(flat);
}

static int run(struct medio_report *r)
{
	medio_bench_pin(r->cpu_client);
	bench_bytes(r, 64);
	bench_bytes(r, 1500);
	return 0;
}

const struct medio_bench medio_bench_switch = {
	.name = "switch",
	.summary = "Frames between virtual functions, through a card's switch",
	.run = run,
};
