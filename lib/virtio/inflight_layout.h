/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How notes of what is in flight are laid out: "Inflight I/O tracking" of QEMU's
 * docs/interop/vhost-user.rst. Numbers are those of the machine.
 */
#ifndef MEDIO_VIRTIO_INFLIGHT_LAYOUT_H
#define MEDIO_VIRTIO_INFLIGHT_LAYOUT_H

#include <stdint.h>

#define MEDIO_INFLIGHT_VERSION 1u /* 0: nobody has initialised it */

/* Of a head in the descriptor table (DescStateSplit). */
struct medio_inflight_split_desc {
	uint8_t inflight;
	uint8_t zero[5];
	uint16_t next;	  /* in the last batch: the one that was used before it */
	uint64_t counter; /* the later it was popped, the more */
};

/* QueueRegionSplit. */
struct medio_inflight_split {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;	  /* size of the queue */
	uint16_t last_batch_head; /* the one of the last batch that was used last */
	uint16_t used_idx;	  /* of the used ring, when the last batch was done with */
	struct medio_inflight_split_desc desc[];
};

/* A copy of a descriptor of the ring (DescStatePacked): what stood in the ring may be overwritten before it
 * is used. The entries of a chain hang together, and so do the free ones. */
struct medio_inflight_packed_desc {
	/* Of the first of a chain. */
	uint8_t inflight;
	uint8_t zero;
	uint16_t next;	  /* entry */
	uint16_t last;	  /* entry of the last of the chain */
	uint16_t num;	  /* in the chain */
	uint64_t counter; /* the later it was popped, the more */
	/* Of each. */
	uint16_t id;
	uint16_t flags;
	uint32_t len;
	uint64_t addr;
};

/* Where the device is in the ring, now and as of the last batch that was done with. One word: it is never
 * half another one. */
union medio_inflight_place {
	struct {
		uint16_t used_idx, old_used_idx;
		uint8_t used_wrap_counter, old_used_wrap_counter;
		uint8_t zero[2];
	};
	uint64_t word;
};

/* QueueRegionPacked. */
struct medio_inflight_packed {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num; /* size of the queue */
	uint16_t free_head, old_free_head;
	union medio_inflight_place place;
	uint8_t zero[8];
	struct medio_inflight_packed_desc desc[];
};

_Static_assert(sizeof(struct medio_inflight_split) == 16, "the layout has no gaps");
_Static_assert(sizeof(struct medio_inflight_split_desc) == 16, "the layout has no gaps");
_Static_assert(sizeof(struct medio_inflight_packed) == 32, "the layout has no gaps");
_Static_assert(sizeof(struct medio_inflight_packed_desc) == 32, "the layout has no gaps");

#endif
