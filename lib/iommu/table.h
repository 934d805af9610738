/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mappings of one domain, sorted by iova: at most 65,535 of them, none overlapping.
 *
 * Two levels. A leaf holds up to 64 mappings, their start addresses apart from the rest, so that
 * the search of a leaf touches eight cache lines at most and only the answer's own line after
 * that. The top is one array with the first start address of each leaf. Both arrays are padded
 * with UINT64_MAX to a power of two: the search needs no bounds and no branch that could be
 * mispredicted. An insertion moves part of one leaf, not of the whole table.
 */
#ifndef MEDIO_IOMMU_TABLE_H
#define MEDIO_IOMMU_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEDIO_IOMMU_PAGE       4096u
#define MEDIO_IOMMU_PAGE_SHIFT 12
#define MEDIO_MAPLEAF_SLOTS    64u

struct medio_segment;
struct medio_dirty;

/* One mapping; its start is in the leaf. 32 bytes: two share a cache line, none crosses one. */
struct medio_mapping {
	uint64_t pages : 56;
	uint64_t prot : 8;	   /* MEDIO_PROT_* */
	char *hva;		   /* NULL: remote memory */
	struct medio_segment *seg; /* whose memory hva is; counted; NULL: remote */
	struct medio_dirty *dirty; /* NULL: clean, or no dirty log runs; owned */
};

struct medio_mapleaf {
	uint64_t start[MEDIO_MAPLEAF_SLOTS]; /* UINT64_MAX from count on */
	struct medio_mapping slot[MEDIO_MAPLEAF_SLOTS];
	unsigned count; /* never 0 in the table */
};

/* All zero is an empty table and owns nothing. */
struct medio_maptable {
	uint64_t
		*first; /* start[0] of each leaf; UINT64_MAX from num_leaves on; owns both arrays */
	struct medio_mapleaf **leaf;
	unsigned num_leaves, cap_leaves; /* cap_leaves: 0 or a power of two */
	unsigned count;			 /* of mappings */
};

/* A place in the table; leaf == num_leaves is the end. Inserting and erasing move places. */
struct medio_mappos {
	unsigned leaf, slot;
};

static inline bool medio_mappos_valid(const struct medio_maptable *t, struct medio_mappos pos)
{
	return pos.leaf < t->num_leaves;
}

static inline uint64_t medio_mappos_start(const struct medio_maptable *t, struct medio_mappos pos)
{
	return t->leaf[pos.leaf]->start[pos.slot];
}

static inline struct medio_mapping *medio_mappos_mapping(
	const struct medio_maptable *t, struct medio_mappos pos)
{
	return &t->leaf[pos.leaf]->slot[pos.slot];
}

/* The last byte of a mapping: an end could be 2^64. */
static inline uint64_t medio_mapping_last(uint64_t start, const struct medio_mapping *mapping)
{
	return start + ((uint64_t)mapping->pages << MEDIO_IOMMU_PAGE_SHIFT) - 1;
}

static inline uint64_t medio_mappos_last(const struct medio_maptable *t, struct medio_mappos pos)
{
	return medio_mapping_last(medio_mappos_start(t, pos), medio_mappos_mapping(t, pos));
}

static inline struct medio_mappos medio_mappos_next(
	const struct medio_maptable *t, struct medio_mappos pos)
{
	if (++pos.slot == t->leaf[pos.leaf]->count) {
		pos.slot = 0;
		pos.leaf++;
	}
	return pos;
}

/* The mapping with the greatest start <= iova; false: there is none, and *pos means nothing. */
static inline bool medio_maptable_floor(
	const struct medio_maptable *t, uint64_t iova, struct medio_mappos *pos)
{
	/* Whole pages: UINT64_MAX, the padding, is then never <= page. */
	const uint64_t page = iova & ~(uint64_t)(MEDIO_IOMMU_PAGE - 1);
	if (!t->count)
		return false;

	/* Masks, not `if`: random look-ups would mispredict every other step. */
	size_t l = 0, s = 0;
	for (size_t half = t->cap_leaves / 2; half; half /= 2)
		l += half & -(size_t)(t->first[l + half] <= page);
	const uint64_t *start = t->leaf[l]->start;
	for (size_t half = MEDIO_MAPLEAF_SLOTS / 2; half; half /= 2)
		s += half & -(size_t)(start[s + half] <= page);
	pos->leaf = (unsigned)l;
	pos->slot = (unsigned)s;
	return start[s] <= page;
}

/* The first mapping whose last byte is >= iova, or the end. */
struct medio_mappos medio_maptable_seek(const struct medio_maptable *t, uint64_t iova);

/* Add a mapping that overlaps none. -ENOMEM: nothing changed. */
int medio_maptable_insert(
	struct medio_maptable *t, uint64_t start, const struct medio_mapping *mapping);
/* Remove the mappings that start in [iova, last]. What they own is the caller's to free, before. */
void medio_maptable_erase(struct medio_maptable *t, uint64_t iova, uint64_t last);

#endif
