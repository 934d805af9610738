/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside a virtqueue: what both formats share, and what each of them does. */
#ifndef VIRTQ_PRIVATE_H
#define VIRTQ_PRIVATE_H

#include "virtq.h"

/* A descriptor is 16 bytes in both formats, in the ring and in tables. */
#define VIRTQ_DESC_BYTES 16u
/* The parts of a ring do not share lines of the cache. */
#define VIRTQ_LINE 64u

/* Flags of descriptors (2.7.5, 2.8.6, 2.8.7, 2.8.1). */
#define VIRTQ_DESC_NEXT	    1u
#define VIRTQ_DESC_WRITE    2u
#define VIRTQ_DESC_INDIRECT 4u
#define VIRTQ_DESC_AVAIL    (1u << 7)
#define VIRTQ_DESC_USED	    (1u << 15)

/*
 * What is known of a chain by its id: a split ring's is its first descriptor, a packed ring's is any that
 * is free. Kept here and never read from the ring, where the device could have written.
 */
struct virtq_slot {
	void *tag;	/* NULL: no chain has this id */
	uint64_t room;	/* bytes that the device may write */
	uint64_t batch; /* the batch it was added to, see below */
	uint16_t descs; /* that it takes in the ring */
	uint16_t next;	/* free, or in a chain of a split ring: what follows */
	uint16_t last;	/* split: the chain's last descriptor */
};

/* Free-running indices, of which the ring has the lower bits (2.7.6, 2.7.8). */
struct virtq_split {
	uint16_t avail;	    /* where the next chain goes */
	uint16_t shown;	    /* avail as the device knows it */
	uint16_t used;	    /* the next to take */
	uint16_t used_seen; /* the device's index when it was last read */
};

/* Positions with their wrap counters (2.8.1). */
struct virtq_packed {
	uint16_t avail, used; /* where the next descriptor goes; where the next used one comes */
	bool avail_wrap, used_wrap;
	uint16_t first; /* position of the first descriptor of this batch */
	bool first_wrap;
	uint16_t first_flags; /* that it gets when the batch is shown */
	unsigned descs;	      /* in this batch */
};

struct virtq {
	const struct virtq_format *format;
	unsigned size;
	bool event_idx;
	unsigned indirect;     /* segments in a table of a chain's own; 0: there are none */
	uint8_t *mem;	       /* the ring: descriptors first */
	uint64_t iova;	       /* of mem */
	size_t driver, device; /* where these areas are in it */
	size_t tables;	       /* and the tables, one for each id */
	unsigned num_free;     /* descriptors */
	uint16_t free;	       /* the first of the free ids; see next */
	unsigned pending;      /* chains added and not taken */
	unsigned hidden;       /* of these, not yet shown to the device */
	uint64_t batch;	       /* counts virtq_publish(): chains of this batch are hidden */
	bool broken;
	union {
		struct virtq_split split;
		struct virtq_packed packed;
	};
	char words[VIRTQ_WORDS];
	struct virtq_slot slots[]; /* size */
};

/* A format. The ring is sound and, for add, has room. */
struct virtq_format {
	/* Bytes of the driver and the device area. */
	size_t (*driver_bytes)(unsigned size);
	size_t (*device_bytes)(unsigned size);
	/* An empty ring, in memory that is all 0. */
	void (*reset)(struct virtq *vq);
	/* Write the descriptors of a chain of n segments, in a table if `table`; gives its id. */
	unsigned (*add)(struct virtq *vq, const struct virtq_seg *segs, unsigned out, unsigned n,
		bool table);
	/* Show the batch, which is not empty: shall the device be notified? */
	bool (*publish)(struct virtq *vq);
	uint16_t (*notify_data)(const struct virtq *vq);
	/* What the device says it used: 1, 0 or -EPROTO. claim: len is more than a hint. */
	int (*peek)(struct virtq *vq, uint32_t *id, uint32_t *len, bool *claim);
	/* The chain id, which was peeked at, is taken: its descriptors are free. */
	void (*release)(struct virtq *vq, unsigned id);
	bool (*ready)(const struct virtq *vq);
	/* The next used chain brings an interrupt, or none does. */
	void (*set_irq)(struct virtq *vq, bool want);
};

extern const struct virtq_format virtq_split, virtq_packed;

/* The iova of the table of id. */
uint64_t virtq_table(const struct virtq *vq, unsigned id, void **out);
/* The ring is broken, for this reason; -EPROTO. */
int virtq_fail(struct virtq *vq, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
