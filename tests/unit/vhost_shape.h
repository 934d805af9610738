/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shapes that a vhost-user session can have, and requests in it: what every device's test runs through.
 *
 *     for (unsigned i = 0; i < VHOST_SHAPES; i++) {
 *             vhost_shape_open(&bed, &vhost_shapes[i], &medio_virtio_rng, NULL, 0, 1);
 *             len = vhost_exchange(&bed, 0, segs, 1, 1);
 *             vhost_bed_close(&bed);
 *     }
 */
#ifndef TEST_VHOST_SHAPE_H
#define TEST_VHOST_SHAPE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vhost_bed.h"

struct vhost_shape {
	const char *name;
	enum vhost_bed_way way;
	uint64_t protocol; /* 0: not even PROTOCOL_FEATURES */
	unsigned forms, indirect, size;
	bool packed, event_idx, slots;
};

static const struct vhost_shape vhost_shapes[] = {
	{ .name = "split, all of the protocol", .protocol = VF_ALL, .size = 64 },
	{ .name = "packed, all of the protocol", .protocol = VF_ALL, .size = 64, .packed = true },
	{ .name = "split, event index, indirect, slots",
		.protocol = VF_ALL,
		.size = 128,
		.indirect = 8,
		.event_idx = true,
		.slots = true,
		.way = VHOST_BED_CONNECT },
	{ .name = "packed of 50, event index, indirect, slots",
		.protocol = VF_ALL,
		.size = 50,
		.packed = true,
		.indirect = 8,
		.event_idx = true,
		.slots = true,
		.way = VHOST_BED_FD },
	{ .name = "split, both sides poll",
		.protocol = VF_ALL & ~VF_P_STATUS,
		.size = 256,
		.forms = VF_NO_KICK | VF_NO_CALL },
	{ .name = "packed, both sides poll",
		.protocol = VF_ALL & ~VF_P_STATUS,
		.size = 256,
		.packed = true,
		.event_idx = true,
		.forms = VF_NO_KICK | VF_NO_CALL,
		.way = VHOST_BED_CONNECT },
	{ .name = "split, the back-end polls",
		.protocol = VF_ALL,
		.size = 64,
		.forms = VF_NO_KICK },
	{ .name = "packed, the front-end polls",
		.protocol = VF_ALL,
		.size = 64,
		.packed = true,
		.forms = VF_NO_CALL },
	{ .name = "split, no answers",
		.protocol = VF_ALL & ~VF_P_REPLY_ACK & ~VF_P_STATUS,
		.size = 64,
		.event_idx = true },
	{ .name = "packed, without protocol features", .size = 64, .packed = true, .indirect = 4 },
	{ .name = "split, without protocol features", .size = 64 },
};
#define VHOST_SHAPES (sizeof(vhost_shapes) / sizeof(vhost_shapes[0]))

/* Connect in the bed's way, up to memory: features besides the shape's own are the device's. */
static inline void vhost_shape_enter(
	struct vhost_bed *bed, const struct vhost_shape *shape, uint64_t features)
{
	struct vhost_front *f = &bed->front;

	f->forms = shape->forms;
	if (shape->way == VHOST_BED_LISTEN)
		must(bed, vhost_front_connect(f, bed->path));
	else if (shape->way == VHOST_BED_CONNECT)
		must(bed, vhost_front_accept(f, bed->path));
	features |= VF_F_VERSION_1 | (shape->packed ? VF_F_PACKED : 0) |
		    (shape->event_idx ? VF_F_EVENT_IDX : 0) | (shape->indirect ? VF_F_INDIRECT : 0);
	must(bed, vhost_front_hello(f, features, shape->protocol));
	must(bed, vhost_front_memory(f, shape->slots));
}

static inline void vhost_shape_rings(
	struct vhost_bed *bed, const struct vhost_shape *shape, unsigned rings)
{
	const struct virtq_options options = { .size = shape->size,
		.packed = shape->packed,
		.event_idx = shape->event_idx,
		.indirect = shape->indirect };

	for (unsigned i = 0; i < rings; i++) {
		if (!bed->front.rings[i].vq)
			must(bed, vhost_front_ring(&bed->front, i, &options));
		must(bed, vhost_front_start(&bed->front, i));
	}
	if (bed->front.protocol & VF_P_STATUS)
		must(bed, vhost_front_set_status(&bed->front, 0xf));
}

static inline void vhost_shape_open(struct vhost_bed *bed, const struct vhost_shape *shape,
	const struct medio_type *type, const char *const *params, uint64_t features, unsigned rings)
{
	if (getenv("VHOST_BED_LOG"))
		fprintf(stderr, "# %s\n", shape->name);
	vhost_bed_open(bed, type, params, shape->way);
	vhost_shape_enter(bed, shape, features);
	vhost_shape_rings(bed, shape, rings);
}

/* ---- Requests ---------------------------------------------------------------------------------------- */

static inline void vhost_submit(struct vhost_bed *bed, unsigned ring, const struct virtq_seg *segs,
	unsigned out, unsigned in, void *tag)
{
	assert_int_equal(virtq_add(bed->front.rings[ring].vq, segs, out, in, tag), 0);
	must(bed, vhost_front_kick(&bed->front, ring));
}

/* The next that is used: its bytes. */
static inline uint32_t vhost_complete(struct vhost_bed *bed, unsigned ring, void **tag)
{
	struct virtq_done done;
	struct virtq *vq = bed->front.rings[ring].vq;

	must(bed, vhost_front_wait(&bed->front, ring));
	if (virtq_take(vq, &done) != 1)
		fail_msg("ring %u: %s", ring, virtq_words(vq));
	if (tag)
		*tag = done.tag;
	return done.len;
}

static inline uint32_t vhost_exchange(struct vhost_bed *bed, unsigned ring,
	const struct virtq_seg *segs, unsigned out, unsigned in)
{
	void *tag;

	vhost_submit(bed, ring, segs, out, in, bed);
	uint32_t len = vhost_complete(bed, ring, &tag);
	assert_ptr_equal(tag, bed);
	return len;
}

#define PARAMS(...) ((const char *const[]){ __VA_ARGS__, NULL })

#endif
