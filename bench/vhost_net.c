/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio network card over vhost-user: ours beside DPDK's net_vhost, both driven by DPDK's net_virtio_user, in
 * testpmd with one processor; frames of 64 bytes. All look into their rings without a pause. Slices of the two
 * back-ends alternate, each ratio is of a pair of slices, and the frames are as many as testpmd's own
 * clock and counters say.
 *
 * Loop: what testpmd sends comes back to it, and it sends it again. Transmit: what it sends is dropped. Receive:
 * what comes to it comes from nowhere.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/virtio-net/virtio-net.h"
#include "net_side.h"
#include "util/cleanup.h"
#include "vhost.h"
#include "vhost_testpmd.h"

#define SPLIT_GOAL  1.2 /* of theirs */
#define PACKED_GOAL 1.0

enum way { LOOP, TRANSMIT, RECEIVE };

static const struct {
	const char *name;
	const char *front, *back; /* testpmd's forwarding */
	const char *start, *count;
} ways[] = {
	[LOOP] = { "loop of 128 frames", "io", "io", "start tx_first 4", "Rx-pps:" },
	[TRANSMIT] = { "transmit", "txonly", "rxonly", "start", "Tx-pps:" },
	[RECEIVE] = { "receive", "rxonly", "txonly", "start", "Rx-pps:" },
};

/* A back-end, ours or theirs, and what drives it. */
struct pair {
	struct vhost_side ours;
	struct testpmd theirs, front;
	const struct vhost_side *back;
};

/* ---- Slices --------------------------------------------------------------------------------------- */

static void ask(struct testpmd *t, const char *command)
{
	int ret = testpmd_do(t, command, "Tx-pps:");

	if (ret == 0)
		return;
	fprintf(stderr, "medio-bench: testpmd: %s\n", testpmd_words(t));
	medio_bench_fail("testpmd", -ret);
}

/* Millions of frames a second. */
static double run_slice(struct pair *p, enum way way, unsigned us)
{
	vhost_side_pause(p->back, false);
	vhost_side_pause(&p->front.side, false);
	ask(&p->front, "show port stats all");
	usleep(us);
	ask(&p->front, "show port stats all");
	vhost_side_pause(&p->front.side, true);
	vhost_side_pause(p->back, true);
	return testpmd_number(&p->front, ways[way].count) / 1e6;
}

/* ---- Pairs ---------------------------------------------------------------------------------------- */

static int start_back(struct pair *p, const struct medio_report *r, enum way way, bool ours)
{
	const char *const params[] = { way == LOOP ? "loop=on" : "null=on", "poll=on", NULL };

	p->back = ours ? &p->ours : &p->theirs.side;
	if (ours) {
		vhost_side_serve(&p->ours,
			way == RECEIVE ? net_side_type(NET_SMALL, true) : &medio_virtio_net, params,
			r->cpu_server);
		return 0;
	}
	int ret = testpmd_start(
		&p->theirs, "net_vhost0,iface=%s,queues=1", ways[way].back, NULL, r->cpu_server);
	if (ret == 0 && (ret = testpmd_do(&p->theirs, "start", "TX offloads")))
		testpmd_stop(&p->theirs);
	return ret;
}

static void stop_back(struct pair *p)
{
	if (p->back->ours)
		vhost_side_stop(&p->ours);
	else
		testpmd_stop(&p->theirs);
}

static int start_front(struct pair *p, const struct medio_report *r, enum way way, bool packed)
{
	char device[128];

	snprintf(device, sizeof(device),
		"net_virtio_user0,path=%%s,queues=1,queue_size=256,packed_vq=%d", packed);
	int ret = testpmd_start(&p->front, device, ways[way].front, p->back->socket, r->cpu_client);
	if (ret == 0 && (ret = testpmd_do(&p->front, ways[way].start, "TX offloads")))
		testpmd_stop(&p->front);
	return ret;
}

/* NULL after a note. */
static struct pair *start_pair(struct medio_report *r, enum way way, bool packed, bool ours)
{
	const char *name = ours ? "ours" : "net_vhost";
	struct pair *p = medio_bench_alloc(sizeof(*p));

	if (start_back(p, r, way, ours)) {
		medio_report_note(
			r, "%s left out: %s: %s", ways[way].name, name, testpmd_words(&p->theirs));
		free(p);
		return NULL;
	}
	if (start_front(p, r, way, packed)) {
		medio_report_note(r, "%s left out: net_virtio_user with %s: %s", ways[way].name,
			name, testpmd_words(&p->front));
		stop_back(p);
		free(p);
		return NULL;
	}
	vhost_side_pause(&p->front.side, true);
	vhost_side_pause(p->back, true);
	return p;
}

static void stop_pair(struct pair *p)
{
	if (!p)
		return;
	testpmd_stop(&p->front);
	stop_back(p);
	free(p);
}

/* ---- Figures -------------------------------------------------------------------------------------- */

enum { OURS, THEIRS, RATIO, LINE, FIGURES };

static void put(struct medio_report *r, enum way way, bool packed, double *samples[FIGURES])
{
	char name[80];

	snprintf(name, sizeof(name), "%s, 64 bytes, %s", ways[way].name,
		packed ? "packed" : "split");
	medio_report_put(
		r, &(struct medio_figure){ .name = name, .unit = "M/s" }, samples[OURS], r->runs);
	medio_report_put(r, &(struct medio_figure){ .name = "  DPDK's net_vhost", .unit = "M/s" },
		samples[THEIRS], r->runs);
	medio_report_put(r,
		&(struct medio_figure){
			.name = "  ratio",
			.unit = "x",
			.kind = way == LOOP ? MEDIO_AT_LEAST : MEDIO_NO_GOAL,
			.goal = packed ? PACKED_GOAL : SPLIT_GOAL,
			.floor = "of its frames a second",
		},
		samples[RATIO], r->runs);
	medio_report_put(r,
		&(struct medio_figure){
			.name = "  a polled cache line meanwhile, there and back", .unit = "ns" },
		samples[LINE], r->runs);
}

/* The line's time is taken before each pair of slices: a virtual machine's processors may be moved apart at any time,
 * so that they share no cache, which makes all of this two or three times slower. */
static void measure(struct medio_report *r, enum way way, bool packed, struct pair *ours,
	struct pair *theirs, struct net_side_pair *line)
{
	struct pair *pairs[] = { ours, theirs };
	unsigned us = medio_report_count(r, 100000, 20000);
	double *samples[FIGURES];

	for (unsigned i = 0; i < FIGURES; i++)
		samples[i] = medio_bench_alloc(r->runs * sizeof(double));
	for (unsigned i = 0; i < 2; i++)
		run_slice(pairs[i], way, us);
	for (unsigned i = 0; i < r->runs; i++) {
		samples[LINE][i] = net_side_pair_ping(line, 2000);
		for (unsigned turn = 0; turn < 2; turn++) {
			unsigned who = turn ^ (i & 1);
			samples[who][i] = run_slice(pairs[who], way, us);
		}
		samples[RATIO][i] = samples[THEIRS][i] > 0 ? samples[OURS][i] / samples[THEIRS][i]
							   : 0;
	}
	put(r, way, packed, samples);
	for (unsigned i = 0; i < FIGURES; i++)
		free(samples[i]);
}

void vhost_measure_net(struct medio_report *r)
{
	if (!vhost_peers_have(r, "dpdk-testpmd", "network cards"))
		return;
	struct net_side_pair *line = net_side_pair_new(r->cpu_server);
	for (enum way way = LOOP; way <= RECEIVE; way++) {
		for (int packed = 0; packed < 2; packed++) {
			struct pair *ours = start_pair(r, way, packed, true);
			struct pair *theirs = ours ? start_pair(r, way, packed, false) : NULL;
			if (theirs)
				measure(r, way, packed, ours, theirs, line);
			stop_pair(ours);
			stop_pair(theirs);
		}
	}
	net_side_pair_free(line);
}
