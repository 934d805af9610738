/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registers that were seen, each with its histograms. There is a fixed number of slots: registers that come
 * when they are taken share one more, "others". Accesses are found by their place in a hash table.
 */
#ifndef MEDIO_FILTER_STATS_SLOTS_H
#define MEDIO_FILTER_STATS_SLOTS_H

#include <medio/filter.h>

#include "histogram.h"

#define SLOT_NAME 48

struct slot {
	char name[SLOT_NAME];
	unsigned region;
	uint64_t offset; /* where it was touched first */
	struct histogram reads, writes;
};

/* Where in the hash table a place is. slot 0: none yet; else its index and 1. */
struct slot_place {
	uint64_t offset;
	uint32_t region, slot;
};

struct slots {
	struct slot *items; /* max of them, and one for the others */
	unsigned count, max;
	struct slot_place *places;
	unsigned used, mask; /* of places, whose number is mask + 1 */
};

/* -ENOMEM. */
int slots_init(struct slots *slots, unsigned max);
void slots_fini(struct slots *slots);
/* Forget all. */
void slots_clear(struct slots *slots);
/* The slot of what is at a place; never NULL, valid until slots_clear(). No allocation. */
struct slot *slots_get(
	struct slots *slots, const struct medio_dev *dev, unsigned region, uint64_t offset);
static inline struct slot *slots_others(const struct slots *slots)
{
	return &slots->items[slots->max];
}

#endif
