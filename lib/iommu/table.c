/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Neighbours that together have no more mappings than this become one leaf. Below the size of a
 * leaf, so that a map after an unmap does not split again; it bounds the leaves to 65,535 / 24. */
#define MERGE_SLOTS (MEDIO_MAPLEAF_SLOTS * 3 / 4)
#define FIRST_CAP   4u

struct medio_mappos medio_maptable_seek(const struct medio_maptable *t, uint64_t iova)
{
	struct medio_mappos pos;
	if (!medio_maptable_floor(t, iova, &pos))
		return (struct medio_mappos){ 0, 0 };
	if (medio_mappos_last(t, pos) >= iova)
		return pos;
	return medio_mappos_next(t, pos);
}

static int grow_top(struct medio_maptable *t)
{
	if (t->num_leaves < t->cap_leaves)
		return 0;
	unsigned cap = t->cap_leaves ? t->cap_leaves * 2 : FIRST_CAP;
	/* One block: the addresses, then the pointers. */
	uint64_t *first = malloc(cap * (sizeof(*t->first) + sizeof(*t->leaf)));
	if (!first)
		return -ENOMEM;
	struct medio_mapleaf **leaf = (struct medio_mapleaf **)(void *)(first + cap);
	if (t->num_leaves) {
		memcpy(first, t->first, t->num_leaves * sizeof(*first));
		memcpy(leaf, t->leaf, t->num_leaves * sizeof(struct medio_mapleaf *));
	}
	memset(first + t->num_leaves, 0xff, (cap - t->num_leaves) * sizeof(*first));
	free(t->first);
	t->first = first;
	t->leaf = leaf;
	t->cap_leaves = cap;
	return 0;
}

/* Put a new, still empty leaf at index of the top, whose first[] the caller sets. */
static struct medio_mapleaf *add_leaf(struct medio_maptable *t, unsigned index)
{
	if (grow_top(t) < 0)
		return NULL;
	struct medio_mapleaf *leaf = aligned_alloc(64, (sizeof(*leaf) + 63) & ~(size_t)63);
	if (!leaf)
		return NULL;
	memset(leaf->start, 0xff, sizeof(leaf->start));
	leaf->count = 0;
	unsigned behind = t->num_leaves - index;
	memmove(t->first + index + 1, t->first + index, behind * sizeof(*t->first));
	memmove(t->leaf + index + 1, t->leaf + index, behind * sizeof(struct medio_mapleaf *));
	t->leaf[index] = leaf;
	t->num_leaves++;
	return leaf;
}

static void drop_leaf(struct medio_maptable *t, unsigned index)
{
	free(t->leaf[index]);
	unsigned behind = t->num_leaves - index - 1;
	memmove(t->first + index, t->first + index + 1, behind * sizeof(*t->first));
	memmove(t->leaf + index, t->leaf + index + 1, behind * sizeof(struct medio_mapleaf *));
	t->first[--t->num_leaves] = UINT64_MAX;
}

/* Move the slots from `from` on of one leaf to the end of another. */
static void move_tail(struct medio_mapleaf *dst, struct medio_mapleaf *src, unsigned from)
{
	unsigned n = src->count - from;
	memcpy(dst->start + dst->count, src->start + from, n * sizeof(*dst->start));
	memcpy(dst->slot + dst->count, src->slot + from, n * sizeof(*dst->slot));
	memset(src->start + from, 0xff, n * sizeof(*src->start));
	dst->count += n;
	src->count = from;
}

/* Make room in a full leaf; moves *pos to where the insertion now goes. */
static int split(struct medio_maptable *t, struct medio_mappos *pos)
{
	/* Behind everything: mappings often come in ascending order, leave full leaves then. */
	bool append = pos->leaf == t->num_leaves - 1 && pos->slot == MEDIO_MAPLEAF_SLOTS;
	unsigned keep = append ? MEDIO_MAPLEAF_SLOTS : MEDIO_MAPLEAF_SLOTS / 2;
	struct medio_mapleaf *right = add_leaf(t, pos->leaf + 1);
	if (!right)
		return -ENOMEM;
	move_tail(right, t->leaf[pos->leaf], keep);
	t->first[pos->leaf + 1] = right->start[0];
	if (pos->slot > keep || append) {
		pos->leaf++;
		pos->slot -= keep;
	}
	return 0;
}

int medio_maptable_insert(
	struct medio_maptable *t, uint64_t start, const struct medio_mapping *mapping)
{
	struct medio_mappos pos = { 0, 0 };
	if (!t->num_leaves && !add_leaf(t, 0)) {
		free(t->first);
		*t = (struct medio_maptable){ 0 };
		return -ENOMEM;
	}
	if (medio_maptable_floor(t, start, &pos))
		pos.slot++;
	else
		pos = (struct medio_mappos){ 0, 0 };
	if (t->leaf[pos.leaf]->count == MEDIO_MAPLEAF_SLOTS && split(t, &pos) < 0)
		return -ENOMEM;

	struct medio_mapleaf *leaf = t->leaf[pos.leaf];
	unsigned behind = leaf->count - pos.slot;
	memmove(leaf->start + pos.slot + 1, leaf->start + pos.slot, behind * sizeof(*leaf->start));
	memmove(leaf->slot + pos.slot + 1, leaf->slot + pos.slot, behind * sizeof(*leaf->slot));
	leaf->start[pos.slot] = start;
	leaf->slot[pos.slot] = *mapping;
	leaf->count++;
	t->first[pos.leaf] = leaf->start[0];
	t->count++;
	return 0;
}

/* Remove from one leaf the slots from `from` on that start at or before last. */
static void erase_slots(struct medio_maptable *t, unsigned index, unsigned from, uint64_t last)
{
	struct medio_mapleaf *leaf = t->leaf[index];
	unsigned to = from;
	while (to < leaf->count && leaf->start[to] <= last)
		to++;
	unsigned n = to - from, behind = leaf->count - to;
	memmove(leaf->start + from, leaf->start + to, behind * sizeof(*leaf->start));
	memmove(leaf->slot + from, leaf->slot + to, behind * sizeof(*leaf->slot));
	memset(leaf->start + from + behind, 0xff, n * sizeof(*leaf->start));
	leaf->count -= n;
	t->first[index] = leaf->start[0];
	t->count -= n;
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
		t->first[out] = t->first[i];
		t->leaf[out++] = t->leaf[i];
	}
	memset(t->first + out, 0xff, (t->num_leaves - out) * sizeof(*t->first));
	t->num_leaves = out;
}

void medio_maptable_erase(struct medio_maptable *t, uint64_t iova, uint64_t last)
{
	struct medio_mappos pos = medio_maptable_seek(t, iova);
	if (!medio_mappos_valid(t, pos) || medio_mappos_start(t, pos) > last)
		return;
	unsigned to = pos.leaf;
	bool emptied = false;
	while (to < t->num_leaves && t->first[to] <= last) {
		erase_slots(t, to, to == pos.leaf ? pos.slot : 0, last);
		emptied |= !t->leaf[to]->count;
		to++;
	}
	if (emptied)
		drop_empty(t, pos.leaf, to);
	if (!t->count) {
		assert(!t->num_leaves);
		free(t->first);
		*t = (struct medio_maptable){ 0 };
		return;
	}
	/* The leaves at both ends of the range may have become small. */
	unsigned i = pos.leaf ? pos.leaf - 1 : 0;
	while (i + 1 < t->num_leaves && i <= pos.leaf + 1) {
		if (t->leaf[i]->count + t->leaf[i + 1]->count <= MERGE_SLOTS) {
			move_tail(t->leaf[i], t->leaf[i + 1], 0);
			drop_leaf(t, i + 1);
		} else {
			i++;
		}
	}
}
