/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's side of a virtqueue, for tests of drivers: it takes chains, gives them back in any order,
 * and is strict: the first rule of the specification that the driver breaks is kept in words.
 *
 *     vqd_init(&q, &(struct vqd_options){ .size = 8, .desc = …, .driver = …, .device = …, .at = at });
 *     while (vqd_pop(&q, &chain) > 0) {
 *             … chain.segs[0].ptr …
 *             vqd_push(&q, &chain, written);
 *     }
 *     if (vqd_irq_due(&q))
 *             interrupt the driver
 *     if (vqd_want_kick(&q, true))
 *             there is more to pop already
 *     assert_string_equal(vqd_broken(&q), "");
 *
 * Source: Virtual I/O Device (VIRTIO) 1.3, 2.7 (split), 2.8 (packed).
 *
 * Threads: one at a time, which may be another than the driver's.
 */
#ifndef TEST_VIRTQ_DEVICE_H
#define TEST_VIRTQ_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VQD_MAX_SIZE 1024u
#define VQD_MAX_SEGS 256u

struct vqd_options {
	unsigned size; /* descriptors, 1 to VQD_MAX_SIZE */
	bool packed, event_idx, indirect;
	uint64_t desc, driver, device; /* iova of the three areas */
	/* The memory at iova, len bytes of it, or NULL. */
	void *(*at)(void *arg, uint64_t iova, size_t len);
	void *arg;
};

struct vqd_seg {
	uint64_t iova;
	uint32_t len;
	uint8_t *ptr;
};

struct vqd_chain {
	unsigned id;	   /* split: of the first descriptor; packed: the buffer's */
	unsigned descs;	   /* that it takes in the ring */
	unsigned out, in;  /* segments that the device reads; then those it writes */
	uint64_t in_bytes; /* of the latter */
	uint64_t table;	   /* iova of the table they stand in, of table_len bytes; 0: in the ring */
	uint32_t table_len;
	struct vqd_seg segs[VQD_MAX_SEGS];
};

/* A descriptor of either format, as it is in memory. */
struct vqd_desc {
	uint64_t iova;
	uint32_t len;
	uint16_t a, b; /* split: flags, next; packed: id, flags */
};

struct vqd {
	struct vqd_options opts;
	uint8_t *desc, *driver, *device;
	unsigned popped; /* chains that are not pushed */
	unsigned descs;	 /* that these take */
	char broken[160];
	bool in_flight[65536];	 /* by id */
	bool busy[VQD_MAX_SIZE]; /* split: a descriptor of a chain popped and not pushed */
	unsigned fresh; /* what was pushed since vqd_irq_due(): split chains, packed descriptors */
	/* Split: the next of both rings, and what the device wrote last besides. */
	uint16_t avail, used, flags, avail_event;
	/* Packed: positions and wrap counters, the flags that each descriptor had last, and what the device
	 * wrote last to its area. */
	unsigned at, used_at;
	bool wrap, used_wrap;
	uint16_t last[VQD_MAX_SIZE];
	uint32_t event;
};

/* 0; -EINVAL: the options are wrong or an area is misaligned or not in memory, which vqd_broken() tells. */
int vqd_init(struct vqd *q, const struct vqd_options *opts);
/* The next chain. 1: *out is written; 0: there is none; -EPROTO: the driver broke a rule. */
int vqd_pop(struct vqd *q, struct vqd_chain *out);
/*
 * Give a chain back, in any order; of its in segments, written bytes are. A test of a bad device may change
 * chain->id or lie about written. -EPROTO: the driver changed what it may not while the chain was under way.
 */
int vqd_push(struct vqd *q, const struct vqd_chain *chain, uint32_t written);
/* Does what has been pushed since this was last asked want an interrupt? */
bool vqd_irq_due(struct vqd *q);
/*
 * Ask for a notification with the next chain (as a ring does that was just made), or for none. True: one is
 * wanted and there is something to pop already, so it may not come.
 */
bool vqd_want_kick(struct vqd *q, bool want);
/* The first rule that the driver broke; "": none. */
const char *vqd_broken(const struct vqd *q);

/* Copy between a chain's segments of one direction and buf, from byte `from` of them: bytes copied. */
size_t vqd_read(const struct vqd_chain *chain, size_t from, void *buf, size_t len);
size_t vqd_write(const struct vqd_chain *chain, size_t from, const void *buf, size_t len);

#endif
