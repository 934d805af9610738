/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dirty log of a domain: which pages the device wrote, a bitmap for each mapping, made at the
 * first write to it. The rules a client sees are in iommu/iommu.h.
 *
 * A log never fails once it runs. When a bitmap would be too large its pages are taken larger; when
 * all bitmaps together would be, or memory runs out, the whole mapping counts as dirty. Both report
 * more than was written, never less.
 */
#ifndef MEDIO_IOMMU_DIRTY_H
#define MEDIO_IOMMU_DIRTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct medio_backing;
struct medio_maptable;

struct medio_iommu_range {
	uint64_t iova, length; /* bytes; the end may be 2^64 */
};

/* As many as the kernel takes: one page of them (LOG_MAX_RANGES). */
#define MEDIO_DIRTY_MAX_RANGES 256u
/* As the kernel's DIRTY_BITMAP_PAGES_MAX: bits of one report. */
#define MEDIO_DIRTY_MAX_BITS 0x7fffffffu
/* Bits of one mapping's bitmap (8 MiB of them), and bytes of all bitmaps of a domain. */
#define MEDIO_DIRTY_MAPPING_BITS (UINT64_C(1) << 26)
#define MEDIO_DIRTY_DOMAIN_BYTES (UINT64_C(1) << 26)

/* All zero is a log that does not run and owns nothing. */
struct medio_dirtylog {
	bool on;
	unsigned shift; /* log2 of the page size asked for */
	unsigned num_ranges;
	struct medio_iommu_range *range; /* sorted; owned */
	uint64_t bytes;			 /* of bitmaps now */
};

int medio_dirtylog_start(struct medio_dirtylog *log, uint64_t page_size,
	const struct medio_iommu_range *ranges, unsigned n);
/* Frees every mapping's bitmap. */
void medio_dirtylog_stop(struct medio_dirtylog *log, const struct medio_maptable *table);
/* Mark what is mapped and logged of [iova, last]. */
void medio_dirtylog_mark(struct medio_dirtylog *log, const struct medio_maptable *table,
	uint64_t iova, uint64_t last);
/* Set the bits of [iova, last] in a zeroed bitmap, bit 0 being the page at iova, and clear what
 * lies wholly inside. */
void medio_dirtylog_collect(struct medio_dirtylog *log, const struct medio_maptable *table,
	uint64_t iova, uint64_t last, uint64_t page_size, uint64_t *bitmap);
/* A mapping goes: free its bitmap. */
void medio_dirtylog_drop(struct medio_dirtylog *log, struct medio_backing *backing);

#endif
