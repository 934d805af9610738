/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DPDK's driver of virtio network cards, in testpmd with one processor, frames of 64 bytes: on a PCI device by VFIO, under medio
 * run, beside the same card over vhost-user, which the same driver reaches as net_virtio_user. The card has another
 * processor and looks into its rings without a pause. Slices of the two alternate, and each ratio is of a pair.
 *
 * Loop: what testpmd sends comes back to it, and it sends it again. Transmit: what it sends is dropped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "devices/virtio-net/virtio-net.h"
#include "run_side.h"
#include "vhost_testpmd.h"

#define GOAL 0.9

struct way {
	const char *name, *param, *forward, *start, *count;
};

static const struct way ways[] = {
	{ "loop of 128 frames", "loop=on", "io", "start tx_first 4", "Rx-pps:" },
	{ "transmit", "null=on", "txonly", "start", "Tx-pps:" },
};

enum { MEDIO, VHOST, SIDES };

struct bed {
	const struct way *way;
	bool packed;
	struct testpmd front[SIDES];
	struct vhost_side back; /* of VHOST; MEDIO has it within */
};

/* ---- Start and stop ------------------------------------------------------------------------------ */

static void pause_side(struct bed *bed, unsigned side, bool pause)
{
	if (side == VHOST && !pause)
		vhost_side_pause(&bed->back, pause);
	vhost_side_pause(&bed->front[side].side, pause);
	if (side == VHOST && pause)
		vhost_side_pause(&bed->back, pause);
}

static int start_medio(struct bed *bed, const struct medio_report *r)
{
	char medio[256], device[128];
	const char *const under[] = { medio, "run", "--quiet", "--device", device, "--", NULL };

	if (!medio_bench_program("tools/medio", medio, sizeof(medio)))
		medio[0] = '\0';
	snprintf(device, sizeof(device), "virtio-net,bdf=" RUN_BDF ",poll=on,%s,packed=%s",
		bed->way->param, bed->packed ? "on" : "off");
	return testpmd_start_under(&bed->front[MEDIO], under, RUN_BDF, bed->way->forward,
		r->cpu_client, r->cpu_server);
}

static int start_vhost(struct bed *bed, const struct medio_report *r)
{
	const char *const params[] = { bed->way->param, "poll=on", NULL };
	char device[128];

	vhost_side_serve(&bed->back, &medio_virtio_net, params, r->cpu_server);
	snprintf(device, sizeof(device),
		"net_virtio_user0,path=%%s,queues=1,queue_size=256,packed_vq=%d", bed->packed);
	int ret = testpmd_start(
		&bed->front[VHOST], device, bed->way->forward, bed->back.socket, r->cpu_client);
	if (ret)
		vhost_side_stop(&bed->back);
	return ret;
}

static void stop(struct bed *bed, unsigned side)
{
	testpmd_stop(&bed->front[side]);
	if (side == VHOST)
		vhost_side_stop(&bed->back);
}

static int start(struct bed *bed, const struct medio_report *r, unsigned side)
{
	int ret = side == MEDIO ? start_medio(bed, r) : start_vhost(bed, r);

	if (ret)
		return ret;
	ret = testpmd_do(&bed->front[side], bed->way->start, "TX offloads");
	if (ret) {
		stop(bed, side);
		return ret;
	}
	pause_side(bed, side, true);
	return 0;
}

/* ---- Figures ------------------------------------------------------------------------------------- */

static void ask(struct testpmd *t)
{
	int ret = testpmd_do(t, "show port stats all", "Tx-pps:");

	if (ret == 0)
		return;
	fprintf(stderr, "medio-bench: testpmd: %s\n", testpmd_words(t));
	medio_bench_fail("testpmd", -ret);
}

/* Millions of frames a second. */
static double slice(struct bed *bed, unsigned side, unsigned us)
{
	pause_side(bed, side, false);
	ask(&bed->front[side]);
	usleep(us);
	ask(&bed->front[side]);
	pause_side(bed, side, true);
	return testpmd_number(&bed->front[side], bed->way->count) / 1e6;
}

static void put(
	struct medio_report *r, const struct bed *bed, double *samples[SIDES], double *ratio)
{
	char name[80];

	snprintf(name, sizeof(name), "DPDK, %s, %s", bed->way->name,
		bed->packed ? "packed" : "split");
	medio_report_put(
		r, &(struct medio_figure){ .name = name, .unit = "M/s" }, samples[MEDIO], r->runs);
	medio_report_put(r,
		&(struct medio_figure){ .name = "  the same card over vhost-user", .unit = "M/s" },
		samples[VHOST], r->runs);
	medio_report_put(r,
		&(struct medio_figure){
			.name = "  ratio",
			.unit = "x",
			.kind = MEDIO_AT_LEAST,
			.goal = GOAL,
			.floor = "of its frames a second",
		},
		ratio, r->runs);
}

static void measure(struct medio_report *r, struct bed *bed)
{
	unsigned us = medio_report_count(r, 100000, 20000);
	double *samples[SIDES], *ratio = medio_bench_alloc(r->runs * sizeof(double));

	for (unsigned side = 0; side < SIDES; side++) {
		samples[side] = medio_bench_alloc(r->runs * sizeof(double));
		slice(bed, side, us);
	}
	for (unsigned i = 0; i < r->runs; i++) {
		for (unsigned turn = 0; turn < SIDES; turn++) {
			unsigned side = turn ^ (i & 1);
			samples[side][i] = slice(bed, side, us);
		}
		ratio[i] = samples[VHOST][i] > 0 ? samples[MEDIO][i] / samples[VHOST][i] : 0;
	}
	put(r, bed, samples, ratio);
	for (unsigned side = 0; side < SIDES; side++)
		free(samples[side]);
	free(ratio);
}

static void measure_way(struct medio_report *r, const struct way *way, bool packed)
{
	struct bed *bed = medio_bench_alloc(sizeof(*bed));
	unsigned started = 0;

	*bed = (struct bed){ .way = way, .packed = packed };
	while (started < SIDES && start(bed, r, started) == 0)
		started++;
	if (started == SIDES)
		measure(r, bed);
	else
		medio_report_note(r, "DPDK, %s, left out: %s: %s", way->name,
			started == MEDIO ? "under medio run" : "net_virtio_user",
			testpmd_words(&bed->front[started]));
	while (started)
		stop(bed, --started);
	free(bed);
}

void run_measure_net(struct medio_report *r)
{
	if (!vhost_peers_have(r, "dpdk-testpmd", "DPDK"))
		return;
	if (r->cpu_server < 0) {
		medio_report_note(r, "DPDK left out: both sides want a processor each");
		return;
	}
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		for (int packed = 0; packed < 2; packed++)
			measure_way(r, &ways[i], packed);
	vhost_folder_remove();
}
