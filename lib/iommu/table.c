/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Neighbours that together have no more mappings than this become one leaf. Below the size of a
 * leaf, so that a map after an unmap does not split again. Two neighbours thus hold 49 or more,
 * which bounds the leaves of 65,535 mappings. */
#define MERGE_SLOTS (MEDIO_MAPLEAF_SLOTS * 3 / 4)
#define FIRST_CAP   MEDIO_MAPINDEX_ROW

struct medio_mappos medio_maptable_seek(const struct medio_maptable *t, uint64_t iova)
{
	struct medio_mappos pos;
	if (!medio_maptable_floor(t, iova, &pos))
		return (struct medio_mappos){ 0, 0 };
	if (medio_mappos_last(t, pos) >= iova)
		return pos;
	return medio_mappos_next(t, pos);
}

/* ---- Keys ------------------------------------------------------------------------------------ */

static void fill_none(uint64_t *key, size_t n)
{
	for (size_t i = 0; i < n; i++)
		key[i] = MEDIO_MAP_NONE;
}

/* The keys of a leaf changed. */
static void sample_leaf(struct medio_mapleaf *leaf)
{
	leaf->sample[0] = 0;
	for (unsigned i = 1; i < MEDIO_MAPLEAF_SLOTS / MEDIO_MAPLEAF_ROW; i++)
		leaf->sample[i] = leaf->page[(size_t)i * MEDIO_MAPLEAF_ROW];
}

/* level[0] changed. */
static void sample_index(struct medio_maptable *t)
{
	t->level[0][0] = 0;
	size_t n = t->cap_leaves;
	for (unsigned l = 1; l < t->levels; l++) {
		n /= MEDIO_MAPINDEX_ROW;
		for (size_t i = 0; i < n; i++)
			t->level[l][i] = t->level[l - 1][i * MEDIO_MAPINDEX_ROW];
	}
}

/* ---- Leaves ---------------------------------------------------------------------------------- */

/* Room for keys of a level, whole rows of them. */
static size_t row_up(size_t n)
{
	return (n + MEDIO_MAPINDEX_ROW - 1) & ~(size_t)(MEDIO_MAPINDEX_ROW - 1);
}

static int grow_index(struct medio_maptable *t)
{
	if (t->num_leaves < t->cap_leaves)
		return 0;
	struct medio_maptable bigger = *t;
	bigger.cap_leaves = t->cap_leaves ? t->cap_leaves * 2 : FIRST_CAP;
	size_t offset[MEDIO_MAPINDEX_LEVELS], keys = 0, n = bigger.cap_leaves;
	for (bigger.levels = 0;; n /= MEDIO_MAPINDEX_ROW) {
		assert(bigger.levels < MEDIO_MAPINDEX_LEVELS);
		offset[bigger.levels++] = keys;
		keys += row_up(n);
		if (n <= MEDIO_MAPINDEX_ROW)
			break;
	}
	const size_t pointers = bigger.cap_leaves * sizeof(struct medio_mapleaf *);
	/* Whole rows of 128 bytes, and at least 16 pointers: a multiple of the alignment. */
	uint64_t *block = aligned_alloc(64, keys * sizeof(*block) + pointers);
	if (!block)
		return -ENOMEM;
	fill_none(block, keys);
	for (unsigned l = 0; l < bigger.levels; l++)
		bigger.level[l] = block + offset[l];
	bigger.leaf = (struct medio_mapleaf **)(void *)(block + keys);
	if (t->num_leaves) {
		memcpy(block, t->level[0], t->num_leaves * sizeof(*block));
		memcpy(bigger.leaf, t->leaf, t->num_leaves * sizeof(struct medio_mapleaf *));
	}
	free(t->level[0]);
	*t = bigger;
	return 0;
}

/* Put a new, still empty leaf at index; its key is the caller's to set. */
static struct medio_mapleaf *add_leaf(struct medio_maptable *t, unsigned index)
{
	_Static_assert(offsetof(struct medio_mapleaf, page) % 64 == 0 &&
			       offsetof(struct medio_mapleaf, slot) % 64 == 0,
		"rows are cache lines");
	if (grow_index(t) < 0)
		return NULL;
	struct medio_mapleaf *leaf = aligned_alloc(64, (sizeof(*leaf) + 63) & ~(size_t)63);
	if (!leaf)
		return NULL;
	fill_none(leaf->page, MEDIO_MAPLEAF_SLOTS);
	leaf->count = 0;
	const size_t behind = t->num_leaves - index;
	uint64_t *key = t->level[0] + index;
	memmove(key + 1, key, behind * sizeof(*key));
	memmove(t->leaf + index + 1, t->leaf + index, behind * sizeof(struct medio_mapleaf *));
	t->leaf[index] = leaf;
	t->num_leaves++;
	return leaf;
}

/* Free the empty leaves of [from, to) in one pass. */
static void drop_empty(struct medio_maptable *t, unsigned from, unsigned to)
{
	unsigned out = from;
	for (unsigned i = from; i < t->num_leaves; i++) {
		if (i < to && !t->leaf[i]->count) {
			free(t->leaf[i]);
			continue;
		}
		t->level[0][out] = t->level[0][i];
		t->leaf[out++] = t->leaf[i];
	}
	fill_none(t->level[0] + out, t->num_leaves - out);
	t->num_leaves = out;
}

/* Move the slots from `from` on of one leaf to the end of another. */
static void move_tail(struct medio_mapleaf *dst, struct medio_mapleaf *src, unsigned from)
{
	const size_t n = src->count - from;
	memcpy(dst->page + dst->count, src->page + from, n * sizeof(*dst->page));
	memcpy(dst->slot + dst->count, src->slot + from, n * sizeof(*dst->slot));
	memcpy(dst->backing + dst->count, src->backing + from, n * sizeof(*dst->backing));
	fill_none(src->page + from, n);
	dst->count += n;
	src->count = from;
	sample_leaf(dst);
	sample_leaf(src);
}

/* Move the slots from `from` on of a leaf to `to`. */
static void shift_tail(struct medio_mapleaf *leaf, unsigned from, unsigned to)
{
	const size_t n = leaf->count - from;
	memmove(leaf->page + to, leaf->page + from, n * sizeof(*leaf->page));
	memmove(leaf->slot + to, leaf->slot + from, n * sizeof(*leaf->slot));
	memmove(leaf->backing + to, leaf->backing + from, n * sizeof(*leaf->backing));
}

/* ---- Insert ---------------------------------------------------------------------------------- */

/* Make room in a full leaf for page; moves *pos to where the insertion now goes. */
static int split(struct medio_maptable *t, struct medio_mappos *pos, uint64_t page)
{
	/* Behind everything: mappings often come in ascending order, leave full leaves then. */
	const bool append = pos->leaf == t->num_leaves - 1 && pos->slot == MEDIO_MAPLEAF_SLOTS;
	const unsigned keep = append ? MEDIO_MAPLEAF_SLOTS : MEDIO_MAPLEAF_SLOTS / 2;
	struct medio_mapleaf *right = add_leaf(t, pos->leaf + 1);
	if (!right)
		return -ENOMEM;
	move_tail(right, t->leaf[pos->leaf], keep);
	t->level[0][pos->leaf + 1] = append ? page : right->page[0];
	sample_index(t);
	if (pos->slot > keep || append) {
		pos->leaf++;
		pos->slot -= keep;
	}
	return 0;
}

int medio_maptable_insert(struct medio_maptable *t, uint64_t start,
	const struct medio_mapping *mapping, const struct medio_backing *backing)
{
	const uint64_t page = start >> MEDIO_IOMMU_PAGE_SHIFT;
	struct medio_mappos pos = { 0, 0 };
	if (!t->num_leaves) {
		if (!add_leaf(t, 0)) {
			free(t->level[0]);
			*t = (struct medio_maptable){ 0 };
			return -ENOMEM;
		}
		sample_index(t);
	} else if (medio_maptable_floor(t, start, &pos)) {
		pos.slot++;
	} else {
		pos = (struct medio_mappos){ 0, 0 };
	}
	if (t->leaf[pos.leaf]->count == MEDIO_MAPLEAF_SLOTS && split(t, &pos, page) < 0)
		return -ENOMEM;

	/* The index stays right: only leaf 0 ever gets a new first page, and its key is 0. */
	struct medio_mapleaf *leaf = t->leaf[pos.leaf];
	shift_tail(leaf, pos.slot, pos.slot + 1);
	leaf->page[pos.slot] = page;
	leaf->slot[pos.slot] = *mapping;
	leaf->backing[pos.slot] = *backing;
	leaf->count++;
	sample_leaf(leaf);
	t->count++;
	return 0;
}

/* ---- Erase ----------------------------------------------------------------------------------- */

/* Remove from one leaf the slots from `from` on that start at or before page last. */
static void erase_slots(struct medio_maptable *t, unsigned index, unsigned from, uint64_t last)
{
	struct medio_mapleaf *leaf = t->leaf[index];
	unsigned to = from;
	while (to < leaf->count && leaf->page[to] <= last)
		to++;
	shift_tail(leaf, to, from);
	const unsigned n = to - from;
	leaf->count -= n;
	fill_none(leaf->page + leaf->count, n);
	sample_leaf(leaf);
	t->level[0][index] = leaf->page[0];
	t->count -= n;
}

/* The leaves around index may have become small. */
static void merge(struct medio_maptable *t, unsigned index)
{
	unsigned i = index ? index - 1 : 0;
	while (i + 1 < t->num_leaves && i <= index + 1) {
		if (t->leaf[i]->count + t->leaf[i + 1]->count <= MERGE_SLOTS) {
			move_tail(t->leaf[i], t->leaf[i + 1], 0);
			drop_empty(t, i + 1, i + 2);
		} else {
			i++;
		}
	}
}

void medio_maptable_erase(struct medio_maptable *t, uint64_t iova, uint64_t last)
{
	const struct medio_mappos pos = medio_maptable_seek(t, iova);
	if (!medio_mappos_valid(t, pos) || medio_mappos_start(t, pos) > last)
		return;
	last >>= MEDIO_IOMMU_PAGE_SHIFT;
	unsigned to = pos.leaf;
	bool emptied = false;
	while (to < t->num_leaves && t->leaf[to]->page[0] <= last) {
		erase_slots(t, to, to == pos.leaf ? pos.slot : 0, last);
		emptied |= !t->leaf[to]->count;
		to++;
	}
	if (emptied)
		drop_empty(t, pos.leaf, to);
	if (!t->count) {
		assert(!t->num_leaves);
		free(t->level[0]);
		*t = (struct medio_maptable){ 0 };
		return;
	}
	merge(t, pos.leaf);
	sample_index(t);
}
