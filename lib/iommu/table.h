/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mappings of one domain, sorted by iova: at most 65,535 of them, none overlapping.
 *
 * Two parts. A leaf holds up to 64 mappings; above the leaves stands an index of the first page of
 * each. Both are searched the same way: count in a row of 8 or 16 keys those that are not behind
 * the page looked for, and go on in the row that this chose. Counting has no branch to mispredict
 * and no step that waits for the one before, as a binary search has; a row is one or two cache
 * lines. What a search does not need is kept apart from the keys. An insertion moves part of one
 * leaf, not of the whole table.
 */
#ifndef MEDIO_IOMMU_TABLE_H
#define MEDIO_IOMMU_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEDIO_IOMMU_PAGE       4096u
#define MEDIO_IOMMU_PAGE_SHIFT 12

#define MEDIO_MAPLEAF_SLOTS 64u
#define MEDIO_MAPLEAF_ROW   8u
#define MEDIO_MAPINDEX_ROW  16u
/* Rows of rows: enough for 16^3 leaves. 65,535 mappings need 2,731 at most, see table.c. */
#define MEDIO_MAPINDEX_LEVELS 3u

struct medio_segment;
struct medio_dirty;

/* One mapping, as a translation needs it. The page it starts at is in the leaf. */
struct medio_mapping {
	uint64_t pages : 56;
	uint64_t prot : 8; /* MEDIO_PROT_* */
	char *hva;	   /* NULL: remote memory */
};

/* The rest of it. */
struct medio_backing {
	struct medio_segment *seg; /* whose memory hva is; counted; NULL: remote */
	struct medio_dirty *dirty; /* NULL: clean, or no dirty log runs; owned */
};

struct medio_mapleaf {
	/* Every eighth page number, but the first is 0: each search finds a row. */
	uint64_t sample[MEDIO_MAPLEAF_SLOTS / MEDIO_MAPLEAF_ROW];
	uint64_t page[MEDIO_MAPLEAF_SLOTS]; /* MEDIO_MAP_NONE from count on */
	struct medio_mapping slot[MEDIO_MAPLEAF_SLOTS];
	struct medio_backing backing[MEDIO_MAPLEAF_SLOTS];
	unsigned count; /* never 0 in the table */
};

/* Fills unused keys: behind every page. */
#define MEDIO_MAP_NONE (UINT64_C(1) << 62)

/* All zero is an empty table and owns nothing. */
struct medio_maptable {
	/* level[0]: the first page of each leaf (0 for leaf 0). level[n + 1]: each 16th of level[n].
	 * Unused keys are MEDIO_MAP_NONE. level[0] owns all levels and leaf. */
	uint64_t *level[MEDIO_MAPINDEX_LEVELS];
	unsigned levels;
	unsigned num_leaves, cap_leaves; /* cap_leaves: 0 or a power of two */
	unsigned count;			 /* of mappings */
	struct medio_mapleaf **leaf;
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
	return t->leaf[pos.leaf]->page[pos.slot] << MEDIO_IOMMU_PAGE_SHIFT;
}

static inline struct medio_mapping *medio_mappos_mapping(
	const struct medio_maptable *t, struct medio_mappos pos)
{
	return &t->leaf[pos.leaf]->slot[pos.slot];
}

static inline struct medio_backing *medio_mappos_backing(
	const struct medio_maptable *t, struct medio_mappos pos)
{
	return &t->leaf[pos.leaf]->backing[pos.slot];
}

static inline uint64_t medio_mapping_size(const struct medio_mapping *mapping)
{
	return (uint64_t)mapping->pages << MEDIO_IOMMU_PAGE_SHIFT;
}

/* The last byte of a mapping: an end could be 2^64. */
static inline uint64_t medio_mappos_last(const struct medio_maptable *t, struct medio_mappos pos)
{
	return medio_mappos_start(t, pos) + medio_mapping_size(medio_mappos_mapping(t, pos)) - 1;
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

/* false: pos is the first. */
static inline bool medio_mappos_prev(
	const struct medio_maptable *t, struct medio_mappos pos, struct medio_mappos *out)
{
	if (!pos.slot && !pos.leaf)
		return false;
	if (!pos.slot)
		pos.slot = t->leaf[--pos.leaf]->count;
	pos.slot--;
	*out = pos;
	return true;
}

/*
 * How many of the n keys are below limit. Keys and limit are below 2^63, so the top bit of the
 * difference says it. Two at a time, which any 64-bit processor of today has instructions for; the
 * compiler makes single steps of it where there are none.
 */
static inline __attribute__((always_inline)) unsigned medio_map_count(
	const uint64_t *key, unsigned n, uint64_t limit)
{
	typedef uint64_t pair __attribute__((vector_size(16), may_alias));
	const pair *keys = (const pair *)key;
	const pair limits = { limit, limit };
	pair even = { 0, 0 }, odd = { 0, 0 };
#pragma GCC unroll 4
	for (unsigned i = 0; i < n / 2; i += 2) {
		even += (keys[i] - limits) >> 63;
		odd += (keys[i + 1] - limits) >> 63;
	}
	even += odd;
	return (unsigned)(even[0] + even[1]);
}

/* The mapping with the greatest start <= iova; false: there is none, and *pos means nothing. */
static inline __attribute__((always_inline)) bool medio_maptable_floor(
	const struct medio_maptable *t, uint64_t iova, struct medio_mappos *pos)
{
	const uint64_t limit = (iova >> MEDIO_IOMMU_PAGE_SHIFT) + 1;
	if (!t->count)
		return false;

	/* Each row chosen begins with a key below limit, so the counts are at least 1. */
	unsigned l = 0;
	for (unsigned n = t->levels; n--;) {
		l *= MEDIO_MAPINDEX_ROW;
		l += medio_map_count(t->level[n] + l, MEDIO_MAPINDEX_ROW, limit) - 1;
	}
	const struct medio_mapleaf *leaf = t->leaf[l];
	unsigned s = medio_map_count(leaf->sample, MEDIO_MAPLEAF_ROW, limit) - 1;
	s *= MEDIO_MAPLEAF_ROW;
	/* All but the very first row, whose own first key was not looked at. */
	s += medio_map_count(leaf->page + s, MEDIO_MAPLEAF_ROW, limit);
	pos->leaf = l;
	pos->slot = s - 1;
	return s > 0;
}

/* The first mapping whose last byte is >= iova, or the end. */
struct medio_mappos medio_maptable_seek(const struct medio_maptable *t, uint64_t iova);

/* Add a mapping that overlaps none. -ENOMEM: nothing changed. */
int medio_maptable_insert(struct medio_maptable *t, uint64_t start,
	const struct medio_mapping *mapping, const struct medio_backing *backing);
/* Remove the mappings that start in [iova, last]. What they own is the caller's to free, before. */
void medio_maptable_erase(struct medio_maptable *t, uint64_t iova, uint64_t last);

#endif
