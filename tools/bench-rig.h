/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One way to virtualise a network card, set up with so many instances, and what it does. Frames go out of one
 * instance and come back to it, or with virtual functions to its neighbour.
 */
#ifndef MEDIO_TOOLS_BENCH_RIG_H
#define MEDIO_TOOLS_BENCH_RIG_H

#include "bench-lane.h"
#include "bench-side.h"

struct medio_way {
	const char *name;   /* for programs: "virtio-polled" */
	const char *title;  /* for people */
	const char *driver; /* what a guest needs */
	const char *type;   /* NULL: `frames` */
	const char *params[4];
	enum medio_lane_kind kind;
	bool polled, vfs, through;
};

struct medio_rig {
	const struct medio_way *way;
	struct medio_side side;
	unsigned paths; /* instances that send */
	unsigned num_lanes;
	struct medio_lane *lanes[SIDE_MAX];
	unsigned bytes; /* of a frame */
	char words[LANE_WORDS];
};

/* -errno, with words in rig->words, and nothing is left. */
int medio_rig_open(struct medio_rig *rig, const struct medio_way *way, unsigned instances, int cpu);
void medio_rig_close(struct medio_rig *rig);
/* Clients go, and the processes end by themselves: for who waits for them. Then close it. */
void medio_rig_hang_up(struct medio_rig *rig);

/* One frame of so many bytes at a time through the first instance, for so long or until max are done: how long
 * each took, ns. Returns how many. */
int medio_rig_latency(
	struct medio_rig *rig, unsigned bytes, uint64_t ns, uint32_t *out, unsigned max);
/* LANE_WINDOW frames under way through each instance, for so long: *out frames in *took ns. */
int medio_rig_rate(
	struct medio_rig *rig, unsigned bytes, uint64_t ns, uint64_t *out, uint64_t *took);

#endif
