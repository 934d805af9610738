/* SPDX-License-Identifier: BSD-3-Clause */
/* The client's side of a domain: map, unmap, dirty log; and what can be asked about it. */
#include "iommu/iommu.h"

#include "util/cleanup.h"
#include "util/error.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define PROT_BITS ((unsigned)(MEDIO_PROT_READ | MEDIO_PROT_WRITE))

_Static_assert(sizeof(struct medio_iommu) <= 1024, "ten thousand idle domains stay small");

const struct medio_iommu_model medio_iommu_type1 = {
	.name = "type1",
	.page_size = MEDIO_IOMMU_PAGE,
	.aperture_first = 0,
	.aperture_last = UINT64_MAX,
	.max_mappings = MEDIO_IOMMU_MAX_MAPPINGS,
};

const struct medio_iommu_model medio_iommu_spapr = {
	.name = "spapr",
	.splits = true,
	.page_size = MEDIO_IOMMU_PAGE,
	.aperture_first = 0,
	.aperture_last = UINT64_MAX,
	.max_mappings = MEDIO_IOMMU_MAX_MAPPINGS,
};

int medio_iommu_new(const struct medio_iommu_model *model, struct medio_iommu **out)
{
	assert(model->page_size >= MEDIO_IOMMU_PAGE &&
		!(model->page_size & (model->page_size - 1)) &&
		model->max_mappings <= MEDIO_IOMMU_MAX_MAPPINGS);
	struct medio_iommu *domain = calloc(1, sizeof(*domain));
	if (!domain)
		return -ENOMEM;
	domain->model = model;
	domain->reach = MEDIO_IOMMU_REACH;
	domain->segments.max_count = MEDIO_SEGMENTS_MAX;
	domain->segments.max_bytes = MEDIO_SEGMENTS_BYTES;
	domain->pin_limit = UINT64_MAX;
	domain->guard_seen = atomic_load_explicit(&medio_guard_hits, memory_order_acquire);
	medio_faults_init(&domain->faults);
	*out = domain;
	return 0;
}

void medio_iommu_set_notify(struct medio_iommu *domain, medio_iommu_notify_fn *fn, void *opaque)
{
	domain->notify = fn;
	domain->notify_opaque = opaque;
}

void medio_iommu_set_pin_limit(struct medio_iommu *domain, uint64_t pages)
{
	domain->pin_limit = pages;
}

void medio_iommu_set_map_limits(struct medio_iommu *domain, unsigned segments, uint64_t bytes)
{
	domain->segments.max_count = segments;
	domain->segments.max_bytes = bytes;
}

void medio_iommu_set_unsized(struct medio_iommu *domain, bool on)
{
	domain->segments.unsized = on;
}

/* ---- Map ------------------------------------------------------------------------------------- */

/* The conditions that do not depend on the file. */
static int check_map(const struct medio_iommu *domain, uint64_t iova, uint64_t size, unsigned prot,
	struct medio_error **err)
{
	const struct medio_iommu_model *model = domain->model;
	const struct medio_maptable *t = &domain->table;
	if (!size)
		return medio_error_set(err, EINVAL, "size 0");
	if ((iova | size) & (model->page_size - 1))
		return medio_error_set(err, EINVAL,
			"iova 0x%" PRIx64 " and size 0x%" PRIx64 " must be multiples of 0x%" PRIx64,
			iova, size, model->page_size);
	if (!prot || prot & ~PROT_BITS)
		return medio_error_set(err, EINVAL,
			"permission 0x%x; allowed are read (1), write (2) and both (3)", prot);
	const uint64_t last = iova + size - 1;
	if (last < iova)
		return medio_error_set(err, EOVERFLOW,
			"iova 0x%" PRIx64 " + size 0x%" PRIx64 " wraps around", iova, size);
	if (iova < model->aperture_first || last > model->aperture_last)
		return medio_error_set(err, EINVAL,
			"0x%" PRIx64 "..0x%" PRIx64 " is outside the aperture 0x%" PRIx64
			"..0x%" PRIx64,
			iova, last, model->aperture_first, model->aperture_last);
	struct medio_mappos pos = medio_maptable_seek(t, iova);
	if (medio_mappos_valid(t, pos) && medio_mappos_start(t, pos) <= last)
		return medio_error_set(err, EEXIST,
			"0x%" PRIx64 "..0x%" PRIx64 " overlaps the mapping 0x%" PRIx64
			"..0x%" PRIx64,
			iova, last, medio_mappos_start(t, pos), medio_mappos_last(t, pos));
	if (t->count >= model->max_mappings)
		return medio_error_set(
			err, ENOSPC, "all %u mappings are in use", model->max_mappings);
	return model->check_map ? model->check_map(domain, iova, size, prot, err) : 0;
}

int medio_iommu_map(struct medio_iommu *domain, uint64_t iova, uint64_t size, unsigned prot, int fd,
	uint64_t offset, struct medio_error **err)
{
	if (domain->busy)
		return medio_error_set(err, EBUSY, "mappings are being removed");
	int ret = check_map(domain, iova, size, prot, err);
	if (ret < 0)
		return ret;
	struct medio_mapping m = { .pages = size >> MEDIO_IOMMU_PAGE_SHIFT, .prot = prot };
	struct medio_backing backing = { 0 };
	if (fd != -1) {
		if (offset & (domain->model->page_size - 1))
			return medio_error_set(err, EINVAL,
				"file offset 0x%" PRIx64 " must be a multiple of 0x%" PRIx64,
				offset, domain->model->page_size);
		if (offset + size < offset)
			return medio_error_set(err, EOVERFLOW,
				"file offset 0x%" PRIx64 " + size 0x%" PRIx64 " wraps around",
				offset, size);
		ret = medio_segtable_get(
			&domain->segments, fd, offset, size, prot, &backing.seg, err);
		if (ret < 0)
			return ret;
		m.hva = backing.seg->hva + (offset - backing.seg->offset);
	}
	if (medio_maptable_insert(&domain->table, iova, &m, &backing) < 0) {
		medio_segtable_put(&domain->segments, backing.seg);
		return medio_error_set(err, ENOMEM, "no memory left");
	}
	medio_iotlb_resize(&domain->tlb, domain->table.count);
	medio_faults_grow(&domain->faults);
	return 0;
}

/* ---- Unmap ----------------------------------------------------------------------------------- */

/* Does a mapping lie on both sides of an end of [iova, last]? */
static bool bisects(const struct medio_iommu *domain, uint64_t iova, uint64_t last)
{
	const struct medio_maptable *t = &domain->table;
	struct medio_mappos pos = medio_maptable_seek(t, iova);
	if (medio_mappos_valid(t, pos) && medio_mappos_start(t, pos) < iova)
		return true;
	return medio_maptable_floor(t, last, &pos) && medio_mappos_last(t, pos) > last;
}

/*
 * Let no mapping lie on both sides of at: cut it there. The halves are the same memory, so what is
 * cached stays true. A log of dirty pages counts both as wholly written: more, never less.
 */
static int split(struct medio_iommu *domain, uint64_t at)
{
	struct medio_maptable *t = &domain->table;
	struct medio_mappos pos;
	if (!at || !medio_maptable_floor(t, at - 1, &pos) || medio_mappos_last(t, pos) < at)
		return 0;
	if (t->count >= domain->model->max_mappings)
		return -ENOSPC;
	const uint64_t start = medio_mappos_start(t, pos), last = medio_mappos_last(t, pos);
	struct medio_mapping *m = medio_mappos_mapping(t, pos);
	struct medio_backing *backing = medio_mappos_backing(t, pos);
	struct medio_mapping upper = *m;
	struct medio_backing upper_backing = { .seg = backing->seg };
	const bool dirty = backing->dirty != NULL;
	medio_dirtylog_drop(&domain->log, backing);
	upper.pages = (last - at + 1) >> MEDIO_IOMMU_PAGE_SHIFT;
	if (upper.hva)
		upper.hva += at - start;
	m->pages = (at - start) >> MEDIO_IOMMU_PAGE_SHIFT;
	int ret = medio_maptable_insert(t, at, &upper, &upper_backing);
	if (ret == 0 && upper_backing.seg)
		upper_backing.seg->refs++;
	if (ret < 0) /* nothing moved: m is still where it was */
		m->pages = (last - start + 1) >> MEDIO_IOMMU_PAGE_SHIFT;
	if (dirty)
		medio_dirtylog_mark(&domain->log, t, start, last);
	medio_iotlb_resize(&domain->tlb, t->count);
	return ret;
}

/* Make [iova, last] begin and end between mappings, if the model can. */
static int cut_out(struct medio_iommu *domain, uint64_t iova, uint64_t last)
{
	if (!bisects(domain, iova, last))
		return 0;
	if (!domain->model->splits)
		return -EINVAL;
	int ret = split(domain, iova);
	return ret || last == UINT64_MAX ? ret : split(domain, last + 1);
}

/* Tell the owner that a mapping goes, until its pins are gone or it has had its chances. */
static void notify(struct medio_iommu *domain, uint64_t iova, uint64_t last)
{
	const uint64_t first_page = iova >> MEDIO_IOMMU_PAGE_SHIFT;
	const uint64_t last_page = last >> MEDIO_IOMMU_PAGE_SHIFT;
	for (unsigned i = 0; i < MEDIO_IOMMU_NOTIFY_TRIES; i++) {
		domain->notify(domain->notify_opaque, iova, last - iova + 1);
		if (!medio_pintable_within(&domain->pins, first_page, last_page))
			break;
	}
}

static void notify_all(struct medio_iommu *domain, uint64_t iova, uint64_t last)
{
	const struct medio_maptable *t = &domain->table;
	if (!domain->notify)
		return;
	domain->busy = true;
	struct medio_mappos pos = medio_maptable_seek(t, iova);
	for (; medio_mappos_valid(t, pos); pos = medio_mappos_next(t, pos)) {
		if (medio_mappos_start(t, pos) > last)
			break;
		notify(domain, medio_mappos_start(t, pos), medio_mappos_last(t, pos));
	}
	domain->busy = false;
}

/* Remove the mappings inside [iova, last]; returns their bytes, at most UINT64_MAX. */
static uint64_t remove_all(struct medio_iommu *domain, uint64_t iova, uint64_t last)
{
	struct medio_maptable *t = &domain->table;
	uint64_t bytes = 0;
	const unsigned segments = domain->segments.count;
	struct medio_mappos pos = medio_maptable_seek(t, iova);
	for (; medio_mappos_valid(t, pos); pos = medio_mappos_next(t, pos)) {
		struct medio_backing *backing = medio_mappos_backing(t, pos);
		const uint64_t size = medio_mapping_size(medio_mappos_mapping(t, pos));
		if (medio_mappos_start(t, pos) > last)
			break;
		medio_dirtylog_drop(&domain->log, backing);
		medio_segtable_put(&domain->segments, backing->seg);
		medio_iotlb_forget(&domain->tlb,
			medio_mappos_start(t, pos) >> MEDIO_IOMMU_PAGE_SHIFT,
			medio_mappos_last(t, pos) >> MEDIO_IOMMU_PAGE_SHIFT);
		if (__builtin_add_overflow(bytes, size, &bytes))
			bytes = UINT64_MAX;
	}
	memset(domain->hits, 0, sizeof(domain->hits));
	domain->reach = MEDIO_IOMMU_REACH;
	domain->pins_forced += medio_pintable_force(
		&domain->pins, iova >> MEDIO_IOMMU_PAGE_SHIFT, last >> MEDIO_IOMMU_PAGE_SHIFT);
	medio_maptable_erase(t, iova, last);
	medio_iotlb_resize(&domain->tlb, t->count);
	if (domain->poisoned && segments != domain->segments.count)
		medio_iommu_poisoned_slow(domain);
	return bytes;
}

int medio_iommu_unmap(struct medio_iommu *domain, uint64_t iova, uint64_t size, unsigned flags,
	uint64_t *unmapped)
{
	uint64_t last = iova + size - 1;
	if (domain->busy)
		return -EBUSY;
	if (flags & ~(unsigned)MEDIO_UNMAP_ALL)
		return -EINVAL;
	if (flags & MEDIO_UNMAP_ALL) {
		if (iova || size)
			return -EINVAL;
		last = UINT64_MAX;
	} else {
		if (!size || (iova | size) & (domain->model->page_size - 1))
			return -EINVAL;
		if (last < iova)
			return -EOVERFLOW;
		int ret = cut_out(domain, iova, last);
		if (ret < 0)
			return ret;
	}
	notify_all(domain, iova, last);
	const uint64_t bytes = remove_all(domain, iova, last);
	if (unmapped)
		*unmapped = bytes;
	return 0;
}

void medio_iommu_free(struct medio_iommu *domain)
{
	if (!domain)
		return;
	assert(!domain->busy);
	remove_all(domain, 0, UINT64_MAX);
	medio_dirtylog_stop(&domain->log, &domain->table);
	medio_faults_fini(&domain->faults);
	free(domain);
}

/* ---- Dirty log ------------------------------------------------------------------------------- */

static void mark_page(void *opaque, uint64_t page)
{
	struct medio_iommu *domain = opaque;
	const uint64_t iova = page << MEDIO_IOMMU_PAGE_SHIFT;
	medio_dirtylog_mark(&domain->log, &domain->table, iova, iova + MEDIO_IOMMU_PAGE - 1);
}

/* What is pinned for writing may be written at any time. */
static void mark_pinned(struct medio_iommu *domain, uint64_t iova, uint64_t last)
{
	medio_pintable_written(&domain->pins, iova >> MEDIO_IOMMU_PAGE_SHIFT,
		last >> MEDIO_IOMMU_PAGE_SHIFT, mark_page, domain);
}

void medio_iommu_dirty_slow(struct medio_iommu *domain, uint64_t iova, uint64_t len)
{
	if (!len)
		return;
	const uint64_t last = iova + (len - 1);
	medio_dirtylog_mark(&domain->log, &domain->table, iova, last < iova ? UINT64_MAX : last);
}

int medio_iommu_dirty_start(struct medio_iommu *domain, uint64_t page_size,
	const struct medio_iommu_range *ranges, unsigned n)
{
	int ret = medio_dirtylog_start(&domain->log, page_size, ranges, n);
	if (ret < 0)
		return ret;
	medio_iommu_forget(domain);
	mark_pinned(domain, 0, UINT64_MAX);
	return 0;
}

void medio_iommu_dirty_stop(struct medio_iommu *domain)
{
	medio_dirtylog_stop(&domain->log, &domain->table);
	medio_iommu_forget(domain);
}

bool medio_iommu_dirty_running(const struct medio_iommu *domain)
{
	return domain->log.on;
}

int medio_iommu_bitmap_bytes(uint64_t length, uint64_t page_size, uint64_t *bytes)
{
	if (!length || page_size < MEDIO_IOMMU_PAGE || page_size & (page_size - 1))
		return -EINVAL;
	const uint64_t bits = ((length - 1) >> __builtin_ctzll(page_size)) + 1;
	if (bits > MEDIO_DIRTY_MAX_BITS)
		return -E2BIG;
	*bytes = (bits + 63) / 64 * 8;
	return 0;
}

/* The conditions of a report; on success the needed part of the bitmap is zeroed. */
static int check_report(const struct medio_iommu *domain, uint64_t iova, uint64_t length,
	uint64_t page_size, uint64_t *bitmap, uint64_t bytes)
{
	uint64_t need;
	if (!domain->log.on || (iova | length) & (MEDIO_IOMMU_PAGE - 1))
		return -EINVAL;
	int ret = medio_iommu_bitmap_bytes(length, page_size, &need);
	if (ret < 0)
		return ret;
	if (bytes < need)
		return -EINVAL;
	if (iova + length - 1 < iova)
		return -EOVERFLOW;
	memset(bitmap, 0, need);
	return 0;
}

int medio_iommu_dirty_report(struct medio_iommu *domain, uint64_t iova, uint64_t length,
	uint64_t page_size, uint64_t *bitmap, uint64_t bytes)
{
	int ret = check_report(domain, iova, length, page_size, bitmap, bytes);
	if (ret < 0)
		return ret;
	const uint64_t last = iova + length - 1;
	medio_dirtylog_collect(&domain->log, &domain->table, iova, last, page_size, bitmap);
	mark_pinned(domain, iova, last);
	return 0;
}

int medio_iommu_unmap_dirty(struct medio_iommu *domain, uint64_t iova, uint64_t size,
	uint64_t page_size, uint64_t *bitmap, uint64_t bytes, uint64_t *unmapped)
{
	if (domain->busy)
		return -EBUSY;
	if (!size || (iova | size) & (domain->model->page_size - 1))
		return -EINVAL;
	const uint64_t last = iova + size - 1;
	if (last < iova)
		return -EOVERFLOW;
	int ret = check_report(domain, iova, size, page_size, bitmap, bytes);
	if (ret == 0)
		ret = cut_out(domain, iova, last);
	if (ret < 0)
		return ret;
	notify_all(domain, iova, last);
	medio_dirtylog_collect(&domain->log, &domain->table, iova, last, page_size, bitmap);
	const uint64_t removed = remove_all(domain, iova, last);
	if (unmapped)
		*unmapped = removed;
	return 0;
}

/* ---- Faults, statistics, dump ---------------------------------------------------------------- */

void medio_iommu_fault_add(struct medio_iommu *domain, uint64_t iova, uint64_t size, unsigned prot,
	enum medio_fault_reason reason)
{
	medio_faults_add(&domain->faults, iova, size, iova, prot, reason);
}

int medio_iommu_fault_get(
	const struct medio_iommu *domain, unsigned index, struct medio_iommu_fault *out)
{
	const struct medio_faults *f = &domain->faults;
	if (index >= f->count)
		return -ENOENT;
	*out = (f->ring ? f->ring : f->few)[(f->head + index) % f->cap];
	return 0;
}

int medio_iommu_fault_take(struct medio_iommu *domain, struct medio_iommu_fault *out)
{
	struct medio_faults *f = &domain->faults;
	int ret = medio_iommu_fault_get(domain, 0, out);
	if (ret < 0)
		return ret;
	f->head = (f->head + 1) % f->cap;
	f->count--;
	return 0;
}

unsigned medio_iommu_fault_count(const struct medio_iommu *domain)
{
	return domain->faults.count;
}

uint64_t medio_iommu_fault_total(const struct medio_iommu *domain)
{
	return domain->faults.total;
}

uint64_t medio_iommu_fault_lost(const struct medio_iommu *domain)
{
	return domain->faults.lost;
}

void medio_iommu_stats(const struct medio_iommu *domain, struct medio_iommu_stats *out)
{
	*out = (struct medio_iommu_stats){
		.mappings = domain->table.count,
		.segments = domain->segments.count,
		.pinned = domain->pins.count,
		.pins_forced = domain->pins_forced,
	};
}

void medio_iommu_print(const struct medio_iommu *domain, FILE *out)
{
	const struct medio_maptable *t = &domain->table;
	fprintf(out, "%s: %u mapping%s\n", domain->model->name, t->count, t->count == 1 ? "" : "s");
	struct medio_mappos pos = { 0, 0 };
	for (; medio_mappos_valid(t, pos); pos = medio_mappos_next(t, pos)) {
		const struct medio_mapping *m = medio_mappos_mapping(t, pos);
		const struct medio_segment *seg = medio_mappos_backing(t, pos)->seg;
		fprintf(out, "0x%016" PRIx64 " 0x%016" PRIx64 " %c%c ", medio_mappos_start(t, pos),
			medio_mapping_size(m), m->prot & MEDIO_PROT_READ ? 'r' : '-',
			m->prot & MEDIO_PROT_WRITE ? 'w' : '-');
		if (!seg) {
			fprintf(out, "remote\n");
			continue;
		}
		fprintf(out, "file %02x:%02x %" PRIu64 " +0x%" PRIx64 "%s\n", major(seg->dev),
			minor(seg->dev), (uint64_t)seg->ino,
			seg->offset + (uint64_t)(m->hva - seg->hva),
			medio_guard_poisoned(seg->guard) ? " gone" : "");
	}
}
