/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server's system calls, counted by tracing its process: a thread stops it at each, while this
 * one makes a known number of requests. That slows it down more than tenfold, so that the looks it
 * takes at its other fds once a millisecond come every dozen requests and are in the figure.
 */
#include "bench.h"

#include <string.h>

#define MAX_RUNS 5 /* the count hardly varies */

static void read_many(struct medio_card *card, unsigned n)
{
	uint32_t value;
	for (unsigned i = 0; i < n; i++)
		medio_bench_check(medio_card_read32(card, MEDIO_CARD_BAR0, 0, &value), "read");
}

static void write_many(struct medio_card *card, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		medio_bench_check(medio_card_write32(card, MEDIO_CARD_BAR0, 0, i), "write");
}

static void post_many(struct medio_card *card, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		medio_bench_check(medio_card_post(card, MEDIO_CARD_BAR0, 0, &i, sizeof(i)), "post");
	read_many(card, 1);
}

static void count(struct medio_report *r, const struct medio_figure *figure,
	struct medio_card *card, struct medio_tracer *t,
	void (*fn)(struct medio_card *card, unsigned n))
{
	double calls[MAX_RUNS];
	unsigned n = medio_report_count(r, 2000, 400);
	unsigned runs = r->runs < MAX_RUNS ? r->runs : MAX_RUNS;

	fn(card, n / 4);
	for (unsigned i = 0; i < runs; i++) {
		uint64_t before = medio_tracer_calls(t);
		fn(card, n);
		calls[i] = (double)(medio_tracer_calls(t) - before) / n;
	}
	medio_report_put(r, figure, calls, runs);
}

static int run(struct medio_report *r)
{
	struct medio_peer peer;
	struct medio_tracer t;
	int cpu = r->cpu_server < 0 ? r->cpu_client : r->cpu_server;
	struct medio_card *card = medio_bench_card(&peer, cpu, false);
	int ret = medio_tracer_start(&t, peer.pid);

	if (ret)
		medio_report_note(r, "left out: the server cannot be traced (%s)", strerror(-ret));
	static const struct medio_figure reads = { .name = "of the server for a read",
		.unit = "calls",
		.kind = MEDIO_AT_MOST,
		.goal = 2 };
	static const struct medio_figure writes = { .name = "of the server for a write",
		.unit = "calls",
		.kind = MEDIO_AT_MOST,
		.goal = 2 };
	static const struct medio_figure posts = { .name = "of the server for a posted write",
		.unit = "calls",
		.kind = MEDIO_AT_MOST,
		.goal = 0.1 };
	if (!ret) {
		count(r, &reads, card, &t, read_many);
		count(r, &writes, card, &t, write_many);
		count(r, &posts, card, &t, post_many);
	}
	medio_card_close(card);
	medio_tracer_join(&t);
	medio_peer_stop(&peer);
	return 0;
}

const struct medio_bench medio_bench_syscalls = {
	.name = "syscalls",
	.summary = "System calls that the server makes for a request",
	.run = run,
};
