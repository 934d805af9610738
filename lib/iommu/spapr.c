/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/spapr.h"

#include "iommu/iommu.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/list.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PROT_BITS    ((unsigned)(MEDIO_PROT_READ | MEDIO_PROT_WRITE))
#define PAGE_SIZES   (UINT64_C(1) << 12 | UINT64_C(1) << 16 | UINT64_C(1) << 24)
#define DEFAULT_SIZE (UINT64_C(2) << 30)
/* What one client may register: each takes a descriptor here. */
#define MAX_MEMORIES 1024u

struct window {
	uint64_t start, size; /* size 0: there is none */
	unsigned shift;
};

/* A registration. */
struct memory {
	struct medio_list item;
	uint64_t vaddr, size, offset;
	int fd;
	struct medio_segment *seg; /* keeps the file's memory, as registering locks it */
};

struct medio_spapr {
	struct medio_iommu *domain;
	struct window windows[MEDIO_SPAPR_WINDOWS];
	struct medio_list memories;
	unsigned num_memories;
};

static const uint64_t starts[MEDIO_SPAPR_WINDOWS] = { MEDIO_SPAPR_START_0, MEDIO_SPAPR_START_1 };

int medio_spapr_new(struct medio_spapr **out)
{
	struct medio_spapr *sp = calloc(1, sizeof(*sp));
	if (!sp)
		return -ENOMEM;
	medio_list_init(&sp->memories);
	if (medio_iommu_new(&medio_iommu_spapr, &sp->domain) < 0) {
		free(sp);
		return -ENOMEM;
	}
	sp->windows[0] = (struct window){ MEDIO_SPAPR_START_0, DEFAULT_SIZE, 12 };
	*out = sp;
	return 0;
}

static void memory_free(struct medio_spapr *sp, struct memory *mem)
{
	medio_list_remove(&mem->item);
	sp->num_memories--;
	medio_segtable_put(&sp->domain->segments, mem->seg);
	close(mem->fd);
	free(mem);
}

void medio_spapr_free(struct medio_spapr *sp)
{
	if (!sp)
		return;
	medio_iommu_unmap(sp->domain, 0, 0, MEDIO_UNMAP_ALL, NULL);
	medio_list_for_each (item, &sp->memories)
		memory_free(sp, medio_container_of(item, struct memory, item));
	medio_iommu_free(sp->domain);
	free(sp);
}

struct medio_iommu *medio_spapr_domain(struct medio_spapr *sp)
{
	return sp->domain;
}

void medio_spapr_info(const struct medio_spapr *sp, struct medio_spapr_info *out)
{
	(void)sp;
	*out = (struct medio_spapr_info){
		.dma32_start = MEDIO_SPAPR_START_0,
		.dma32_size = DEFAULT_SIZE,
		.page_sizes = PAGE_SIZES,
		.max_windows = MEDIO_SPAPR_WINDOWS,
		.levels = MEDIO_SPAPR_LEVELS,
	};
}

/* ---- Windows --------------------------------------------------------------------------------- */

int medio_spapr_create_window(struct medio_spapr *sp, unsigned page_shift, uint64_t size,
	unsigned levels, uint64_t *start, struct medio_error **err)
{
	unsigned n = 0;
	while (n < MEDIO_SPAPR_WINDOWS && sp->windows[n].size)
		n++;
	if (n == MEDIO_SPAPR_WINDOWS)
		return medio_error_set(
			err, ENOSPC, "both windows are there already; remove one first");
	if (page_shift >= 64 || !(PAGE_SIZES >> page_shift & 1))
		return medio_error_set(err, EINVAL,
			"page shift %u; allowed are 12 (4 KiB), 16 (64 KiB) and 24 (16 MiB)",
			page_shift);
	if (!levels || levels > MEDIO_SPAPR_LEVELS)
		return medio_error_set(
			err, EINVAL, "%u levels; allowed are 1 to %u", levels, MEDIO_SPAPR_LEVELS);
	/* A window ends before the next one's start, the second one before 2^64. */
	if (size & (size - 1) || size >> page_shift == 0 || size > MEDIO_SPAPR_START_1)
		return medio_error_set(err, EINVAL,
			"window size 0x%" PRIx64 "; it must be a power of two, from one page to "
			"0x%" PRIx64,
			size, MEDIO_SPAPR_START_1);
	sp->windows[n] = (struct window){ starts[n], size, page_shift };
	*start = starts[n];
	return 0;
}

int medio_spapr_remove_window(struct medio_spapr *sp, uint64_t start, struct medio_error **err)
{
	for (unsigned n = 0; n < MEDIO_SPAPR_WINDOWS; n++) {
		struct window *w = &sp->windows[n];
		if (!w->size || w->start != start)
			continue;
		/* It begins and ends between mappings, as they lie inside windows. */
		int ret = medio_iommu_unmap(sp->domain, w->start, w->size, 0, NULL);
		if (ret < 0)
			return medio_error_set(err, -ret, "%s", strerror(-ret));
		w->size = 0;
		return 0;
	}
	return medio_error_set(err, EINVAL, "no window begins at 0x%" PRIx64, start);
}

/* The window of [iova, iova + size), as the kernel checks it; NULL with *ret -ENXIO or -EINVAL. */
static const struct window *find_window(const struct medio_spapr *sp, uint64_t iova, uint64_t size,
	int *ret, struct medio_error **err)
{
	const struct window *w = sp->windows;
	while (w < sp->windows + MEDIO_SPAPR_WINDOWS && iova - w->start >= w->size)
		w++;
	if (w == sp->windows + MEDIO_SPAPR_WINDOWS) {
		*ret = medio_error_set(err, ENXIO, "iova 0x%" PRIx64 " is in no window", iova);
		return NULL;
	}
	const uint64_t mask = (UINT64_C(1) << w->shift) - 1;
	if (!size || (iova | size) & mask) {
		*ret = medio_error_set(err, EINVAL,
			"iova 0x%" PRIx64 " and size 0x%" PRIx64
			" must be multiples of the window's pages of 0x%" PRIx64 ", size not 0",
			iova, size, mask + 1);
		return NULL;
	}
	if (size > w->size - (iova - w->start)) {
		*ret = medio_error_set(err, EINVAL,
			"0x%" PRIx64 " + 0x%" PRIx64 " ends behind the window at 0x%" PRIx64, iova,
			size, w->start + w->size);
		return NULL;
	}
	return w;
}

/* ---- Registered memory ----------------------------------------------------------------------- */

static bool overlaps(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

static struct memory *find_memory(const struct medio_spapr *sp, uint64_t vaddr, uint64_t size)
{
	medio_list_for_each (item, &sp->memories) {
		struct memory *mem = medio_container_of(item, struct memory, item);
		if (overlaps(vaddr, size, mem->vaddr, mem->size))
			return mem;
	}
	return NULL;
}

static int memory_open(struct medio_spapr *sp, struct memory *mem, int fd, struct medio_error **err)
{
	mem->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (mem->fd < 0)
		return medio_error_set(err, errno, "file descriptor %d: %s", fd, strerror(errno));
	/* What may be mapped for writing is asked again at each map. */
	int ret = medio_segtable_get(
		&sp->domain->segments, fd, mem->offset, mem->size, MEDIO_PROT_READ, &mem->seg, err);
	if (ret < 0) {
		close(mem->fd);
		return ret;
	}
	return 0;
}

int medio_spapr_register(struct medio_spapr *sp, uint64_t vaddr, uint64_t size, int fd,
	uint64_t offset, struct medio_error **err)
{
	if (!size || (vaddr | size | offset) & (MEDIO_IOMMU_PAGE - 1))
		return medio_error_set(err, EINVAL,
			"vaddr 0x%" PRIx64 ", size 0x%" PRIx64 " and file offset 0x%" PRIx64
			" must be multiples of 4096, size not 0",
			vaddr, size, offset);
	if (vaddr + size < vaddr || offset + size < offset)
		return medio_error_set(err, EINVAL,
			"vaddr 0x%" PRIx64 " or file offset 0x%" PRIx64 " + size 0x%" PRIx64
			" wraps around",
			vaddr, offset, size);
	struct memory *mem = find_memory(sp, vaddr, size);
	if (mem && mem->vaddr == vaddr && mem->size == size)
		return medio_error_set(err, EBUSY, "this memory is registered already");
	if (mem)
		return medio_error_set(err, EINVAL,
			"it overlaps the registered memory 0x%" PRIx64 " + 0x%" PRIx64, mem->vaddr,
			mem->size);
	if (sp->num_memories == MAX_MEMORIES)
		return medio_error_set(
			err, ENOMEM, "all %u registrations are in use", MAX_MEMORIES);
	mem = calloc(1, sizeof(*mem));
	if (!mem)
		return medio_error_set(err, ENOMEM, "no memory left");
	mem->vaddr = vaddr;
	mem->size = size;
	mem->offset = offset;
	int ret = memory_open(sp, mem, fd, err);
	if (ret < 0) {
		free(mem);
		return ret;
	}
	medio_list_append(&sp->memories, &mem->item);
	sp->num_memories++;
	return 0;
}

/* Is some of it behind a mapping? The same bytes of the same file, whichever way they came in. */
static bool is_mapped(const struct medio_spapr *sp, const struct memory *mem)
{
	const struct medio_maptable *t = &sp->domain->table;
	struct medio_mappos pos = { 0, 0 };
	for (; medio_mappos_valid(t, pos); pos = medio_mappos_next(t, pos)) {
		const struct medio_mapping *m = medio_mappos_mapping(t, pos);
		const struct medio_segment *seg = medio_mappos_backing(t, pos)->seg;
		const uint64_t offset = seg->offset + (uint64_t)(m->hva - seg->hva);
		if (seg->dev == mem->seg->dev && seg->ino == mem->seg->ino &&
			overlaps(offset, medio_mapping_size(m), mem->offset, mem->size))
			return true;
	}
	return false;
}

int medio_spapr_unregister(
	struct medio_spapr *sp, uint64_t vaddr, uint64_t size, struct medio_error **err)
{
	struct memory *mem = find_memory(sp, vaddr, size);
	if (!mem || mem->vaddr != vaddr || mem->size != size)
		return medio_error_set(err, ENOENT,
			"0x%" PRIx64 " + 0x%" PRIx64 " was not registered as one piece", vaddr,
			size);
	if (is_mapped(sp, mem))
		return medio_error_set(err, EBUSY, "some of it is mapped; unmap it first");
	memory_free(sp, mem);
	return 0;
}

/* ---- Map and unmap --------------------------------------------------------------------------- */

/* Every page of the window's size has to lie in one registration. */
static int check_memory(const struct medio_spapr *sp, const struct window *w, uint64_t vaddr,
	uint64_t size, struct medio_error **err)
{
	const uint64_t page = UINT64_C(1) << w->shift;
	if (vaddr & (page - 1))
		return medio_error_set(err, EINVAL,
			"vaddr 0x%" PRIx64
			" must be a multiple of the window's pages of 0x%" PRIx64,
			vaddr, page);
	if (vaddr + size < vaddr)
		return medio_error_set(err, EINVAL, "vaddr 0x%" PRIx64 " wraps around", vaddr);
	while (size) {
		const struct memory *mem = find_memory(sp, vaddr, page);
		const uint64_t whole = mem && vaddr >= mem->vaddr
					       ? (mem->size - (vaddr - mem->vaddr)) & ~(page - 1)
					       : 0;
		if (!whole)
			return medio_error_set(err, EINVAL,
				"the page at vaddr 0x%" PRIx64
				" is not registered as a whole; register the memory first",
				vaddr);
		const uint64_t run = whole < size ? whole : size;
		vaddr += run;
		size -= run;
	}
	return 0;
}

static int map_runs(struct medio_spapr *sp, const struct window *w, uint64_t iova, uint64_t size,
	uint64_t vaddr, unsigned prot, struct medio_error **err)
{
	while (size) {
		const struct memory *mem = find_memory(sp, vaddr, UINT64_C(1) << w->shift);
		const uint64_t in = vaddr - mem->vaddr;
		const uint64_t whole = (mem->size - in) & ~((UINT64_C(1) << w->shift) - 1);
		const uint64_t run = whole < size ? whole : size;
		int ret = medio_iommu_map(
			sp->domain, iova, run, prot, mem->fd, mem->offset + in, err);
		if (ret < 0)
			return ret;
		iova += run;
		vaddr += run;
		size -= run;
	}
	return 0;
}

int medio_spapr_map(struct medio_spapr *sp, uint64_t iova, uint64_t size, uint64_t vaddr,
	unsigned prot, struct medio_error **err)
{
	int ret;
	if (!prot || prot & ~PROT_BITS)
		return medio_error_set(err, EINVAL,
			"permission 0x%x; allowed are read (1), write (2) and both (3)", prot);
	const struct window *w = find_window(sp, iova, size, &ret, err);
	if (w)
		ret = check_memory(sp, w, vaddr, size, err);
	if (ret < 0)
		return ret;
	/* An entry that is written again points elsewhere from then on. */
	ret = medio_iommu_unmap(sp->domain, iova, size, 0, NULL);
	if (ret < 0)
		return medio_error_set(
			err, -ret, "what is mapped there cannot be replaced: %s", strerror(-ret));
	ret = map_runs(sp, w, iova, size, vaddr, prot, err);
	if (ret < 0)
		medio_iommu_unmap(sp->domain, iova, size, 0, NULL);
	return ret;
}

int medio_spapr_unmap(
	struct medio_spapr *sp, uint64_t iova, uint64_t size, struct medio_error **err)
{
	int ret;
	if (!find_window(sp, iova, size, &ret, err))
		return ret;
	ret = medio_iommu_unmap(sp->domain, iova, size, 0, NULL);
	return ret < 0 ? medio_error_set(err, -ret, "%s", strerror(-ret)) : 0;
}
