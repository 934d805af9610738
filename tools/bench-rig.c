/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench-rig.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <medio/device.h>

#define GIVE_UP_NS (UINT64_C(20) * 1000000000)
#define LOOKS	   1024u /* between two looks at the clock */

/* ---- Setting up -------------------------------------------------------------------------------- */

static int fail(struct medio_rig *rig, int ret, const char *words)
{
	snprintf(rig->words, sizeof(rig->words), "%s", words);
	return ret;
}

static int open_lane(struct medio_rig *rig, unsigned n)
{
	const struct medio_card_options opts = { .timeout_ms = SIDE_PATIENCE_MS };
	char words[LANE_WORDS];
	struct medio_error *err = NULL;
	struct medio_card *card;
	int fd = rig->side.fds[n];

	rig->side.fds[n] = -1;
	int ret = medio_card_open_fd(fd, &opts, &card, &err);
	if (ret) {
		fail(rig, ret, err ? medio_error_text(err) : strerror(-ret));
		medio_error_free(err);
		return ret;
	}
	ret = medio_lane_open(card, rig->way->kind, rig->way->polled, &rig->lanes[n], words);
	if (ret)
		return fail(rig, ret, words);
	rig->num_lanes++;
	return 0;
}

int medio_rig_open(struct medio_rig *rig, const struct medio_way *way, unsigned instances, int cpu)
{
	/* A virtual function needs a neighbour. */
	const struct medio_side_plan plan = {
		.type = way->type,
		.params = way->params,
		.count = way->vfs && instances < 2 ? 2 : instances,
		.vfs = way->vfs,
		.through = way->through,
		.cpu = cpu,
	};

	memset(rig, 0, sizeof(*rig));
	rig->way = way;
	rig->paths = instances;
	int ret = medio_side_start(&rig->side, &plan, rig->words);
	for (unsigned i = 0; !ret && i < plan.count; i++)
		ret = open_lane(rig, i);
	if (ret)
		medio_rig_close(rig);
	return ret;
}

void medio_rig_hang_up(struct medio_rig *rig)
{
	for (unsigned i = 0; i < rig->num_lanes; i++)
		medio_lane_close(rig->lanes[i]);
	rig->num_lanes = 0;
	medio_side_hang_up(&rig->side);
}

void medio_rig_close(struct medio_rig *rig)
{
	medio_rig_hang_up(rig);
	medio_side_stop(&rig->side);
}

/* ---- Frames ------------------------------------------------------------------------------------ */

static unsigned far_end(const struct medio_rig *rig, unsigned n)
{
	return rig->way->vfs ? n ^ 1 : n;
}

static int lane_failed(struct medio_rig *rig, const struct medio_lane *lane, int ret)
{
	return fail(rig, ret, medio_lane_words(lane));
}

/* From lane n to its far end, of a protocol that is nobody's (0x88b5: for experiments). */
static void make_frame(const struct medio_rig *rig, unsigned n, uint8_t *frame)
{
	memset(frame, 0x5a, rig->bytes);
	medio_lane_mac(rig->lanes[far_end(rig, n)], frame);
	medio_lane_mac(rig->lanes[n], frame + 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;
}

static int receive(struct medio_rig *rig, struct medio_lane *lane)
{
	uint8_t frame[LANE_MAX_FRAME];
	int ret = medio_lane_receive(lane, frame);

	if (ret < 0)
		return lane_failed(rig, lane, ret);
	if (ret && ((unsigned)ret != rig->bytes || frame[rig->bytes - 1] != 0x5a))
		return fail(rig, -EPROTO, "a frame was changed on its way");
	return ret ? 1 : 0;
}

/* When nothing moves: sleep, or look again, but not for ever. */
struct patience {
	unsigned looks;
	uint64_t end;
};

static int wait_for(struct medio_rig *rig, struct medio_lane *lane, struct patience *patience)
{
	int ret = medio_lane_wait(lane);

	if (ret)
		return lane_failed(rig, lane, ret);
	if (++patience->looks % LOOKS)
		return 0;
	/* Who polls on the only processor there is lets the other have it. */
	sched_yield();
	uint64_t now = medio_now_ns();
	if (!patience->end)
		patience->end = now + GIVE_UP_NS;
	return now < patience->end ? 0 : fail(rig, -ETIMEDOUT, "frames were lost on their way");
}

/* ---- One at a time ----------------------------------------------------------------------------- */

static int once(struct medio_rig *rig, const uint8_t *frame)
{
	struct medio_lane *tx = rig->lanes[0], *rx = rig->lanes[far_end(rig, 0)];
	struct patience patience = { 0 };
	int ret;

	while (!(ret = medio_lane_send(tx, frame, rig->bytes)))
		if ((ret = wait_for(rig, tx, &patience)))
			return ret;
	if (ret > 0)
		ret = medio_lane_flush(tx);
	if (ret < 0)
		return lane_failed(rig, tx, ret);
	while (!(ret = receive(rig, rx)))
		if ((ret = wait_for(rig, rx, &patience)))
			return ret;
	return ret < 0 ? ret : 0;
}

int medio_rig_latency(
	struct medio_rig *rig, unsigned bytes, uint64_t ns, uint32_t *out, unsigned max)
{
	uint8_t frame[LANE_MAX_FRAME];
	uint64_t now = medio_now_ns(), end = now + ns;
	unsigned n = 0;

	rig->bytes = bytes;
	make_frame(rig, 0, frame);
	while (n < max && now < end) {
		uint64_t start = now;
		int ret = once(rig, frame);
		if (ret)
			return ret;
		now = medio_now_ns();
		out[n++] = now - start < UINT32_MAX ? (uint32_t)(now - start) : UINT32_MAX;
	}
	return (int)n;
}

/* ---- Many at a time ---------------------------------------------------------------------------- */

/* An instance, and how many frames of it are under way. */
struct path {
	struct medio_lane *tx, *rx;
	uint8_t frame[LANE_MAX_FRAME];
	unsigned out;
};

/* Give and take: frames that came. *moved: something happened. */
static int turn(struct medio_rig *rig, struct path *path, bool more, bool *moved)
{
	int ret = 1, came = 0;

	while (more && path->out < LANE_WINDOW &&
		(ret = medio_lane_send(path->tx, path->frame, rig->bytes)) > 0) {
		path->out++;
		*moved = true;
	}
	if (ret >= 0)
		ret = medio_lane_flush(path->tx);
	if (ret < 0)
		return lane_failed(rig, path->tx, ret);
	while ((ret = receive(rig, path->rx)) > 0) {
		path->out--;
		came++;
		*moved = true;
	}
	return ret < 0 ? ret : came;
}

static int turn_all(
	struct medio_rig *rig, struct path *paths, bool more, uint64_t *came, bool *moved)
{
	*moved = false;
	for (unsigned i = 0; i < rig->paths; i++) {
		int ret = turn(rig, &paths[i], more, moved);
		if (ret < 0)
			return ret;
		*came += (unsigned)ret;
	}
	return 0;
}

/* The first that owes something; NULL: none does. */
static struct path *owing(const struct medio_rig *rig, struct path *paths)
{
	for (unsigned i = 0; i < rig->paths; i++)
		if (paths[i].out)
			return &paths[i];
	return NULL;
}

int medio_rig_rate(
	struct medio_rig *rig, unsigned bytes, uint64_t ns, uint64_t *out, uint64_t *took)
{
	static struct path paths[SIDE_MAX];
	struct patience patience = { 0 };
	uint64_t start = medio_now_ns(), now = start, came = 0;
	struct path *path = NULL;

	rig->bytes = bytes;
	for (unsigned i = 0; i < rig->paths; i++) {
		paths[i] = (struct path){ .tx = rig->lanes[i], .rx = rig->lanes[far_end(rig, i)] };
		make_frame(rig, i, paths[i].frame);
	}
	/* What is under way in the end is waited for and does not count. */
	for (bool more = true; more || owing(rig, paths);) {
		uint64_t late = 0;
		bool moved;
		int ret = turn_all(rig, paths, more, more ? &came : &late, &moved);
		if (moved)
			patience = (struct patience){ 0 };
		else if (!ret && (path = owing(rig, paths)))
			ret = wait_for(rig, path->rx, &patience);
		if (ret)
			return ret;
		if (!more)
			continue;
		now = medio_now_ns();
		more = now - start < ns;
	}
	*out = came;
	*took = now - start;
	return 0;
}
