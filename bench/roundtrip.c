/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Region accesses that wait for their answer. The floor is two processes that send each other as
 * many bytes over the same kind of socket, each with one blocking send and one blocking receive,
 * and do nothing else. Slices of the two alternate, and the ratio is taken pair by pair, so that
 * what disturbs the machine disturbs both.
 */
#include "bench.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/vfio_user.h"

#define ACCESS (sizeof(struct medio_vu_header) + sizeof(struct medio_vu_region_access))

struct shape {
	bool write;
	unsigned count;
	const char *name;
};

static const struct shape shapes[] = {
	{ false, 1, "read 1 byte" },
	{ false, 4, "read 4 bytes" },
	{ false, 8, "read 8 bytes" },
	{ false, 4096, "read 4096 bytes" },
	{ true, 1, "write 1 byte" },
	{ true, 4, "write 4 bytes" },
	{ true, 8, "write 8 bytes" },
	{ true, 4096, "write 4096 bytes" },
};

struct place {
	int server_cpu;
	bool poll;
	double goal;	   /* of the ratio */
	const char *where; /* appended to each figure's name */
};

/* ---- The floor --------------------------------------------------------------------------------- */

static void echo(int fd, struct medio_bench_shared *shared, void *opaque)
{
	static char buf[65536];
	size_t have = 0;

	(void)opaque;
	for (;;) {
		ssize_t n = recv(fd, buf + have, sizeof(buf) - have, 0);
		if (n <= 0)
			return;
		have += (size_t)n;
		if (have < atomic_load_explicit(&shared->request, memory_order_relaxed))
			continue;
		have = 0;
		uint32_t reply = atomic_load_explicit(&shared->reply, memory_order_relaxed);
		if (send(fd, buf, reply, MSG_NOSIGNAL) < 0)
			return;
	}
}

static double floor_slice(const struct medio_peer *peer, const struct shape *shape, unsigned n)
{
	static char buf[65536];
	size_t request = ACCESS + (shape->write ? shape->count : 0);
	size_t reply = ACCESS + (shape->write ? 0 : shape->count);

	atomic_store(&peer->shared->request, request);
	atomic_store(&peer->shared->reply, reply);
	uint64_t start = medio_now_ns();
	for (unsigned i = 0; i < n; i++) {
		if (send(peer->fd, buf, request, MSG_NOSIGNAL) < 0)
			medio_bench_fail("send", errno);
		for (size_t have = 0; have < reply;) {
			ssize_t got = recv(peer->fd, buf, sizeof(buf), 0);
			if (got <= 0)
				medio_bench_fail("receive", errno);
			have += (size_t)got;
		}
	}
	return (double)(medio_now_ns() - start) / n;
}

/* ---- medio ------------------------------------------------------------------------------------- */

static double medio_slice(struct medio_card *card, const struct shape *shape, unsigned n)
{
	static char buf[65536];
	int ret = 0;

	uint64_t start = medio_now_ns();
	for (unsigned i = 0; i < n && !ret; i++)
		ret = shape->write ? medio_card_write(card, MEDIO_CARD_BAR0, 0, buf, shape->count)
				   : medio_card_read(card, MEDIO_CARD_BAR0, 0, buf, shape->count);
	medio_bench_check(ret, shape->name);
	return (double)(medio_now_ns() - start) / n;
}

static void measure(struct medio_report *r, const struct place *place, const struct shape *shape,
	struct medio_card *card, const struct medio_peer *peer)
{
	double *ours = medio_bench_alloc(r->runs * sizeof(double));
	double *floors = medio_bench_alloc(r->runs * sizeof(double));
	double *ratio = medio_bench_alloc(r->runs * sizeof(double));
	unsigned n = medio_report_count(r, 3000, 200);
	char name[80];

	medio_slice(card, shape, n / 4);
	floor_slice(peer, shape, n / 4);
	for (unsigned i = 0; i < r->runs; i++) {
		if (i % 2 == 0)
			ours[i] = medio_slice(card, shape, n);
		/* A server that polls goes to sleep before the floor has the machine. */
		if (place->poll)
			usleep(2000);
		floors[i] = floor_slice(peer, shape, n);
		if (i % 2)
			ours[i] = medio_slice(card, shape, n);
		if (place->poll)
			usleep(2000);
		ratio[i] = floors[i] / ours[i];
		ours[i] = 1e9 / ours[i];
		floors[i] = 1e9 / floors[i];
	}
	snprintf(name, sizeof(name), "%s, %s", shape->name, place->where);
	medio_report_put(r, &(struct medio_figure){ .name = name, .unit = "/s" }, ours, r->runs);
	medio_report_put(r, &(struct medio_figure){ .name = "  bare socket pair", .unit = "/s" },
		floors, r->runs);
	medio_report_put(r,
		&(struct medio_figure){ .name = "  ratio",
			.unit = "x",
			.kind = place->goal > 0 ? MEDIO_AT_LEAST : MEDIO_NO_GOAL,
			.goal = place->goal,
			.floor = "of the bare socket pair beside it" },
		ratio, r->runs);
	free(ours);
	free(floors);
	free(ratio);
}

static void run_at(struct medio_report *r, const struct place *place)
{
	struct medio_peer server, floor;
	struct medio_card *card = medio_bench_card(&server, place->server_cpu, place->poll);

	medio_peer_start(&floor, place->server_cpu, echo, NULL);
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		measure(r, place, &shapes[i], card, &floor);
	medio_card_close(card);
	medio_peer_stop(&server);
	medio_peer_stop(&floor);
}

static int run(struct medio_report *r)
{
	run_at(r, &(struct place){ r->cpu_client, false, 0.95, "one core" });
	if (r->cpu_server < 0) {
		medio_report_note(r, "across cores: left out, there is one core only");
		return 0;
	}
	run_at(r, &(struct place){ r->cpu_server, true, 1.0, "two cores, polling" });
	run_at(r, &(struct place){ r->cpu_server, false, 0, "two cores, blocking" });
	return 0;
}

const struct medio_bench medio_bench_roundtrip = {
	.name = "roundtrip",
	.summary = "Reads and writes of a region that wait for their answer",
	.run = run,
};
