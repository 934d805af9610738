/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pinned pages of a domain: a hash table from page number to a count. Pages that are not pinned
 * cost nothing. The rules (512 pages, errno) are in iommu/iommu.h; this is the store behind them.
 */
#ifndef MEDIO_IOMMU_PIN_H
#define MEDIO_IOMMU_PIN_H

#include <stdbool.h>
#include <stdint.h>

struct medio_pin {
	uint64_t page;	/* iova / 4096 */
	uint32_t count; /* 0: free entry */
	bool write;	/* some pin since count was 0 asked for writing */
};

/* All zero is an empty table and owns nothing. */
struct medio_pintable {
	struct medio_pin *entry;
	unsigned bits;	/* log2 of the entries, if there are any */
	unsigned count; /* pages, at most half of the entries */
};

/* Room for n more pages, so that medio_pintable_add() cannot fail. -ENOMEM. */
int medio_pintable_reserve(struct medio_pintable *t, unsigned n);
/* The entry of a page, or NULL. */
struct medio_pin *medio_pintable_find(const struct medio_pintable *t, uint64_t page);
/* Count a page once more. There must be room. */
void medio_pintable_add(struct medio_pintable *t, uint64_t page, bool write);
/* Count a page once less (all: not at all any more). false: it was not pinned. */
bool medio_pintable_drop(struct medio_pintable *t, uint64_t page, bool all);
/* How many of the pages [first, last] are pinned. */
uint64_t medio_pintable_within(const struct medio_pintable *t, uint64_t first, uint64_t last);
/* Unpin [first, last], whatever their counts. Returns how many pages were still pinned. */
uint64_t medio_pintable_force(struct medio_pintable *t, uint64_t first, uint64_t last);
/* Call fn for each page of [first, last] pinned for writing. fn must not change the table. */
void medio_pintable_written(const struct medio_pintable *t, uint64_t first, uint64_t last,
	void (*fn)(void *opaque, uint64_t page), void *opaque);

#endif
