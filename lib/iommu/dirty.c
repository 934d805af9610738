/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/dirty.h"

#include "iommu/table.h"
#include "util/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Page number n of the log (iova >> shift) is bit n - first. */
struct medio_dirty {
	unsigned shift;
	uint64_t first, bits;
	uint64_t words[];
};

/* Stands for a mapping that is dirty as a whole. */
static struct medio_dirty all_dirty;

static uint64_t words_of(uint64_t bits)
{
	return (bits + 63) / 64;
}

static bool bit_get(const uint64_t *words, uint64_t bit)
{
	return words[bit / 64] >> (bit % 64) & 1;
}

/* Set bits [from, to]. */
static void bits_set(uint64_t *words, uint64_t from, uint64_t to)
{
	const uint64_t head = ~UINT64_C(0) << (from % 64), tail = ~UINT64_C(0) >> (63 - to % 64);
	uint64_t w = from / 64;
	if (w == to / 64) {
		words[w] |= head & tail;
		return;
	}
	words[w++] |= head;
	while (w < to / 64)
		words[w++] = ~UINT64_C(0);
	words[w] |= tail;
}

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* ---- Start and stop -------------------------------------------------------------------------- */

static int by_iova(const void *a, const void *b)
{
	uint64_t x = ((const struct medio_iommu_range *)a)->iova;
	uint64_t y = ((const struct medio_iommu_range *)b)->iova;
	return x < y ? -1 : x > y;
}

int medio_dirtylog_start(struct medio_dirtylog *log, uint64_t page_size,
	const struct medio_iommu_range *ranges, unsigned n)
{
	if (log->on || page_size < MEDIO_IOMMU_PAGE || page_size & (page_size - 1) || !n)
		return -EINVAL;
	if (n > MEDIO_DIRTY_MAX_RANGES)
		return -E2BIG;
	_cleanup_free_ struct medio_iommu_range *sorted = malloc(n * sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, ranges, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_iova);
	for (unsigned i = 0; i < n; i++) {
		const struct medio_iommu_range *r = &sorted[i];
		if (!r->length || (r->iova | r->length) & (page_size - 1))
			return -EINVAL;
		if (r->iova + r->length - 1 < r->iova)
			return -EOVERFLOW;
		if (i && sorted[i - 1].iova + sorted[i - 1].length - 1 >= r->iova)
			return -EINVAL;
	}
	*log = (struct medio_dirtylog){
		.on = true,
		.shift = (unsigned)__builtin_ctzll(page_size),
		.num_ranges = n,
		.range = medio_steal_ptr(sorted),
	};
	return 0;
}

void medio_dirtylog_drop(struct medio_dirtylog *log, struct medio_backing *backing)
{
	struct medio_dirty *d = backing->dirty;
	backing->dirty = NULL;
	if (!d || d == &all_dirty)
		return;
	log->bytes -= words_of(d->bits) * 8;
	free(d);
}

void medio_dirtylog_stop(struct medio_dirtylog *log, const struct medio_maptable *table)
{
	struct medio_mappos pos = { 0, 0 };
	for (; medio_mappos_valid(table, pos); pos = medio_mappos_next(table, pos))
		medio_dirtylog_drop(log, medio_mappos_backing(table, pos));
	free(log->range);
	*log = (struct medio_dirtylog){ 0 };
}

/* ---- Mark ------------------------------------------------------------------------------------ */

static struct medio_dirty *make_bitmap(struct medio_dirtylog *log, uint64_t start, uint64_t last)
{
	unsigned shift = log->shift;
	while ((last >> shift) - (start >> shift) >= MEDIO_DIRTY_MAPPING_BITS)
		shift++;
	const uint64_t bits = (last >> shift) - (start >> shift) + 1;
	const uint64_t bytes = words_of(bits) * 8;
	if (log->bytes + bytes > MEDIO_DIRTY_DOMAIN_BYTES)
		return &all_dirty;
	struct medio_dirty *d = calloc(1, sizeof(*d) + bytes);
	if (!d)
		return &all_dirty;
	d->shift = shift;
	d->first = start >> shift;
	d->bits = bits;
	log->bytes += bytes;
	return d;
}

/* Mark [iova, last], which lies inside the mapping at pos. */
static void mark_mapping(struct medio_dirtylog *log, const struct medio_maptable *table,
	struct medio_mappos pos, uint64_t iova, uint64_t last)
{
	struct medio_backing *b = medio_mappos_backing(table, pos);
	if (!b->dirty)
		b->dirty = make_bitmap(
			log, medio_mappos_start(table, pos), medio_mappos_last(table, pos));
	struct medio_dirty *d = b->dirty;
	if (d != &all_dirty)
		bits_set(d->words, (iova >> d->shift) - d->first, (last >> d->shift) - d->first);
}

static void mark_range(struct medio_dirtylog *log, const struct medio_maptable *table,
	uint64_t iova, uint64_t last)
{
	struct medio_mappos pos = medio_maptable_seek(table, iova);
	for (; medio_mappos_valid(table, pos); pos = medio_mappos_next(table, pos)) {
		const uint64_t start = medio_mappos_start(table, pos);
		if (start > last)
			break;
		mark_mapping(log, table, pos, max64(start, iova),
			min64(medio_mappos_last(table, pos), last));
	}
}

void medio_dirtylog_mark(struct medio_dirtylog *log, const struct medio_maptable *table,
	uint64_t iova, uint64_t last)
{
	for (unsigned i = 0; i < log->num_ranges; i++) {
		const struct medio_iommu_range *r = &log->range[i];
		const uint64_t r_last = r->iova + r->length - 1;
		if (r->iova <= last && r_last >= iova)
			mark_range(log, table, max64(r->iova, iova), min64(r_last, last));
	}
}

/* ---- Report ---------------------------------------------------------------------------------- */

struct report {
	uint64_t iova, last;
	unsigned shift;
	uint64_t *bitmap;
};

/* Set the report's bits for [iova, last], which lies inside the report. One page of the log becomes
 * many bits of the report, or many become one: it goes by addresses. */
static void report_range(const struct report *r, uint64_t iova, uint64_t last)
{
	bits_set(r->bitmap, (iova - r->iova) >> r->shift, (last - r->iova) >> r->shift);
}

/* Report a run of dirty pages of the log, cut to [lo, hi]. */
static void report_run(const struct report *r, const struct medio_dirty *d, uint64_t bit,
	unsigned run, uint64_t lo, uint64_t hi)
{
	const uint64_t from = (d->first + bit) << d->shift;
	const uint64_t to = ((d->first + bit + run - 1) << d->shift) +
			    ((UINT64_C(1) << d->shift) - 1);
	report_range(r, max64(from, lo), min64(to, hi));
}

/* Report and clear the bits [from, to]; [lo, hi] is what mapping and report share. */
static void collect_bits(const struct report *r, struct medio_dirty *d, uint64_t from, uint64_t to,
	uint64_t lo, uint64_t hi)
{
	for (uint64_t w = from / 64; w <= to / 64; w++) {
		uint64_t mask = ~UINT64_C(0);
		if (w == from / 64)
			mask &= ~UINT64_C(0) << (from % 64);
		if (w == to / 64)
			mask &= ~UINT64_C(0) >> (63 - to % 64);
		uint64_t word = d->words[w] & mask;
		d->words[w] &= ~mask;
		while (word) {
			const unsigned bit = (unsigned)__builtin_ctzll(word);
			const uint64_t ones = ~(word >> bit);
			const unsigned run = ones ? (unsigned)__builtin_ctzll(ones) : 64;
			report_run(r, d, w * 64 + bit, run, lo, hi);
			if (bit + run >= 64)
				break;
			word &= ~UINT64_C(0) << (bit + run);
		}
	}
}

static void collect_mapping(struct medio_dirtylog *log, const struct report *r,
	const struct medio_maptable *table, struct medio_mappos pos)
{
	struct medio_backing *b = medio_mappos_backing(table, pos);
	struct medio_dirty *d = b->dirty;
	if (!d)
		return;
	const uint64_t start = medio_mappos_start(table, pos);
	const uint64_t m_last = medio_mappos_last(table, pos);
	const uint64_t lo = max64(start, r->iova), hi = min64(m_last, r->last);
	const bool cut_front = lo != start, cut_back = hi != m_last;
	if (d == &all_dirty) {
		report_range(r, lo, hi);
		if (!cut_front && !cut_back)
			medio_dirtylog_drop(log, b);
		return;
	}
	/* A page of the log that the report cuts through stays dirty for whoever asks for its other
	 * part; a page that only the mapping's own end cuts does not. */
	const uint64_t in_page = (UINT64_C(1) << d->shift) - 1;
	const uint64_t from = (lo >> d->shift) - d->first, to = (hi >> d->shift) - d->first;
	const bool keep_front = cut_front && lo & in_page && bit_get(d->words, from);
	const bool keep_back = cut_back && (hi + 1) & in_page && bit_get(d->words, to);
	collect_bits(r, d, from, to, lo, hi);
	if (keep_front)
		bits_set(d->words, from, from);
	if (keep_back)
		bits_set(d->words, to, to);
}

void medio_dirtylog_collect(struct medio_dirtylog *log, const struct medio_maptable *table,
	uint64_t iova, uint64_t last, uint64_t page_size, uint64_t *bitmap)
{
	const struct report r = { iova, last, (unsigned)__builtin_ctzll(page_size), bitmap };
	struct medio_mappos pos = medio_maptable_seek(table, iova);
	for (; medio_mappos_valid(table, pos); pos = medio_mappos_next(table, pos)) {
		if (medio_mappos_start(table, pos) > last)
			break;
		collect_mapping(log, &r, table, pos);
	}
}
