/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A container of a POWER machine, sPAPR TCE: addresses lie in at most two windows, and a mapping takes the place of what
 * was there. The second form wants memory registered first; the first wants to be enabled. What it is like is said at more length
 * in iommu/spapr.h.
 *
 * Source: drivers/vfio/vfio_iommu_spapr_tce.c; arch/powerpc/mm/book3s64/iommu_api.c;
 * arch/powerpc/platforms/powernv/pci-ioda.c.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>

#include "compat/compat.h"
#include "compat/kcontainer.h"
#include "compat/kranges.h"
#include "compat/spanpart.h"
#include "iommu/spapr.h"

#define DEFAULT_SHIFT 12u
#define DEFAULT_SIZE  UINT64_C(0x80000000)
#define PAGE_SIZES    (UINT64_C(1) << 12 | UINT64_C(1) << 16 | UINT64_C(1) << 24)
#define MAX_SIZE      MEDIO_SPAPR_START_1

struct window {
	uint64_t start, size; /* size 0: there is none */
	unsigned shift;
};

/* Memory that was registered. */
struct memory {
	struct medio_list link;
	uint64_t vaddr, size;
	struct medio_span *span;
};

struct medio_kspapr {
	bool v2, enabled;
	bool owned;   /* by a process: some calls make it so */
	bool pending; /* the default window is made when it is needed first */
	struct window windows[MEDIO_SPAPR_WINDOWS];
	struct medio_list memories;
};

/* ---- Life ------------------------------------------------------------------------------------- */

static int64_t spapr_check(
	struct medio_compat *compat, struct medio_kcontainer *container, uint64_t extension)
{
	(void)compat;
	(void)container;
	return extension == VFIO_SPAPR_TCE_IOMMU || extension == VFIO_SPAPR_TCE_v2_IOMMU;
}

static int spapr_open(struct medio_kcontainer *container, uint64_t type)
{
	struct medio_kspapr *spapr = calloc(1, sizeof(*spapr));

	if (!spapr)
		return -ENOMEM;
	int ret = medio_kmap_new(&container->map);
	if (ret) {
		free(spapr);
		return ret;
	}
	spapr->v2 = type == VFIO_SPAPR_TCE_v2_IOMMU;
	medio_list_init(&spapr->memories);
	container->spapr = spapr;
	return 0;
}

static void free_memory(struct memory *memory)
{
	medio_list_remove(&memory->link);
	medio_span_put(memory->span);
	free(memory);
}

static void spapr_close(struct medio_kcontainer *container)
{
	medio_kmap_free(container->map);
	container->map = NULL;
	medio_list_for_each (item, &container->spapr->memories)
		free_memory(medio_container_of(item, struct memory, link));
	free(container->spapr);
	container->spapr = NULL;
}

/* How many groups are attached: while one is being attached it is in no list, or in the list with the others of SET_IOMMU. */
static bool others_attached(
	const struct medio_kcontainer *container, const struct medio_kgroup *group)
{
	medio_list_for_each (item, &container->groups) {
		const struct medio_kgroup *other = medio_container_of(
			item, struct medio_kgroup, in_container);
		if (other == group)
			return false;
		return true;
	}
	return false;
}

static int spapr_attach(struct medio_kcontainer *container, struct medio_kgroup *group)
{
	struct medio_kspapr *spapr = container->spapr;

	medio_list_for_each (item, &container->compat->kdevs) {
		const struct medio_kdev *kdev = medio_container_of(item, struct medio_kdev, link);
		if (kdev->group == group && !medio_kranges_pins(kdev))
			return -EINVAL;
	}
	const bool others = others_attached(container, group);
	/* The first form has the tables of one group. */
	if (!spapr->v2 && others)
		return -EBUSY;
	if (!others && !spapr->windows[0].size)
		spapr->pending = true;
	return 0;
}

/* The kernel clears the tables for who stays, too. */
static void spapr_detach(struct medio_kcontainer *container, struct medio_kgroup *group)
{
	(void)group;
	medio_kmap_unmap_all(container->map);
}

/* ---- Windows ---------------------------------------------------------------------------------- */

static int create_window(
	struct medio_kspapr *spapr, unsigned shift, uint64_t size, unsigned levels, uint64_t *start)
{
	unsigned n = 0;

	while (n < MEDIO_SPAPR_WINDOWS && spapr->windows[n].size)
		n++;
	if (n == MEDIO_SPAPR_WINDOWS)
		return -ENOSPC;
	if (shift > 63 || !(PAGE_SIZES >> shift & 1))
		return -EINVAL;
	if (!levels || levels > MEDIO_SPAPR_LEVELS || !size || size & (size - 1) ||
		size >> shift == 0 || size > MAX_SIZE)
		return -EINVAL;
	spapr->windows[n] = (struct window){
		.start = n ? MEDIO_SPAPR_START_1 : MEDIO_SPAPR_START_0,
		.size = size,
		.shift = shift,
	};
	*start = spapr->windows[n].start;
	return 0;
}

static int default_window(struct medio_kspapr *spapr)
{
	uint64_t start;

	if (!spapr->pending)
		return 0;
	int ret = create_window(spapr, DEFAULT_SHIFT, DEFAULT_SIZE, 1, &start);
	if (!ret)
		spapr->pending = false;
	return ret;
}

static struct window *find_window(struct medio_kspapr *spapr, uint64_t iova)
{
	for (unsigned i = 0; i < MEDIO_SPAPR_WINDOWS; i++) {
		struct window *window = &spapr->windows[i];
		if (window->size && iova >= window->start && iova - window->start < window->size)
			return window;
	}
	return NULL;
}

/* Forget what is mapped in [iova, last], whatever it was mapped with. */
static int clear(struct medio_kcontainer *container, uint64_t iova, uint64_t last)
{
	struct medio_kmapping *mapping;

	int ret = medio_kmap_cut(container->map, last);
	if (!ret && iova)
		ret = medio_kmap_cut(container->map, iova - 1);
	if (ret)
		return ret;
	while ((mapping = medio_kmap_overlap(container->map, iova, last)))
		medio_kmap_unmap(container->map, mapping);
	return 0;
}

static int64_t tce_create(struct medio_kcontainer *container, struct medio_call *call, uint64_t arg)
{
	struct vfio_iommu_spapr_tce_create create;

	container->spapr->owned = true;
	int ret = medio_call_read(call, arg, &create, sizeof(create));
	if (ret)
		return ret;
	if (create.argsz < sizeof(create) || create.flags)
		return -EINVAL;
	ret = default_window(container->spapr);
	if (!ret)
		ret = create_window(container->spapr, create.page_shift, create.window_size,
			create.levels, (uint64_t *)&create.start_addr);
	if (ret)
		return ret;
	return medio_call_write(call, arg, &create, sizeof(create));
}

static int64_t tce_remove(struct medio_kcontainer *container, struct medio_call *call, uint64_t arg)
{
	struct medio_kspapr *spapr = container->spapr;
	struct vfio_iommu_spapr_tce_remove cmd;

	spapr->owned = true;
	int ret = medio_call_read(call, arg, &cmd, sizeof(cmd));
	if (ret)
		return ret;
	if (cmd.argsz < sizeof(cmd) || cmd.flags)
		return -EINVAL;
	if (spapr->pending && !cmd.start_addr) {
		spapr->pending = false;
		return 0;
	}
	/* Any address of the window's will do. */
	struct window *window = find_window(spapr, cmd.start_addr);
	if (!window)
		return -EINVAL;
	clear(container, window->start, window->start + window->size - 1);
	window->size = 0;
	return 0;
}

static int64_t get_info(struct medio_kcontainer *container, struct medio_call *call, uint64_t arg)
{
	const struct medio_kspapr *spapr = container->spapr;
	struct vfio_iommu_spapr_tce_info info;
	const size_t min = offsetof(struct vfio_iommu_spapr_tce_info, ddw);

	memset(&info, 0, sizeof(info));
	int ret = medio_call_read(call, arg, &info, min);
	if (ret)
		return ret;
	if (info.argsz < min)
		return -EINVAL;
	info.flags = 0;
	info.dma32_window_start = 0;
	info.dma32_window_size = DEFAULT_SIZE;
	if (spapr->v2) {
		info.flags = VFIO_IOMMU_SPAPR_INFO_DDW;
		info.ddw.pgsizes = PAGE_SIZES;
		info.ddw.max_dynamic_windows_supported = MEDIO_SPAPR_WINDOWS;
		info.ddw.levels = MEDIO_SPAPR_LEVELS;
	}
	return medio_call_write(call, arg, &info, info.argsz >= sizeof(info) ? sizeof(info) : min);
}

/* ---- Memory ----------------------------------------------------------------------------------- */

static struct memory *memory_at(const struct medio_kspapr *spapr, uint64_t vaddr)
{
	medio_list_for_each (item, &spapr->memories) {
		struct memory *memory = medio_container_of(item, struct memory, link);
		if (vaddr >= memory->vaddr && vaddr - memory->vaddr < memory->size)
			return memory;
	}
	return NULL;
}

static int register_memory(
	struct medio_kspapr *spapr, struct medio_call *call, uint64_t vaddr, uint64_t size)
{
	if ((vaddr | size) & (MEDIO_IOMMU_PAGE - 1) || !size || vaddr + size < vaddr)
		return -EINVAL;
	medio_list_for_each (item, &spapr->memories) {
		const struct memory *other = medio_container_of(item, struct memory, link);
		if (other->vaddr == vaddr && other->size == size)
			return -EBUSY;
		if (other->vaddr < vaddr + size && vaddr < other->vaddr + other->size)
			return -EINVAL;
	}
	struct memory *memory = calloc(1, sizeof(*memory));
	if (!memory)
		return -ENOMEM;
	memory->vaddr = vaddr;
	memory->size = size;
	/* It is pinned for both ways, whatever it is mapped for later. */
	int ret = medio_span_take(
		call, vaddr, size, MEDIO_SPAN_READ | MEDIO_SPAN_WRITE, &memory->span);
	if (ret) {
		free(memory);
		return ret;
	}
	medio_list_append(&spapr->memories, &memory->link);
	spapr->enabled = true;
	return 0;
}

static int unregister_memory(struct medio_kcontainer *container, uint64_t vaddr, uint64_t size)
{
	if ((vaddr | size) & (MEDIO_IOMMU_PAGE - 1))
		return -EINVAL;
	struct memory *memory = memory_at(container->spapr, vaddr);
	if (!memory || memory->vaddr != vaddr || memory->size != size)
		return -ENOENT;
	const struct medio_kmapping *mapping = medio_kmap_from(container->map, 0);
	while (mapping) {
		if (mapping->vaddr >= vaddr && mapping->vaddr - vaddr < size)
			return -EBUSY;
		const uint64_t last = medio_kmapping_last(mapping);
		mapping = last == UINT64_MAX ? NULL : medio_kmap_from(container->map, last + 1);
	}
	free_memory(memory);
	return 0;
}

static int64_t memory_call(
	struct medio_kcontainer *container, struct medio_call *call, uint64_t arg, bool add)
{
	struct vfio_iommu_spapr_register_memory cmd;

	if (!add && !container->spapr->owned)
		return -EPERM;
	container->spapr->owned = true;
	int ret = medio_call_read(call, arg, &cmd, sizeof(cmd));
	if (ret)
		return ret;
	if (cmd.argsz < sizeof(cmd) || cmd.flags)
		return -EINVAL;
	return add ? register_memory(container->spapr, call, cmd.vaddr, cmd.size)
		   : unregister_memory(container, cmd.vaddr, cmd.size);
}

/* ---- Mapping ---------------------------------------------------------------------------------- */

/* One registration's part of what is to be mapped; how much that is, in whole pages of the window. */
static int map_part(struct medio_kcontainer *container, const struct window *window, uint64_t iova,
	uint64_t vaddr, uint64_t size, unsigned prot, uint64_t *done)
{
	const uint64_t page = UINT64_C(1) << window->shift;
	const struct memory *memory = memory_at(container->spapr, vaddr);
	struct medio_span *span;

	if (!memory)
		return -EINVAL;
	const uint64_t offset = vaddr - memory->vaddr;
	uint64_t part = memory->size - offset;
	if (part > size)
		part = size;
	part &= -page;
	if (!part)
		return -EINVAL;
	int ret = medio_span_part(memory->span, offset, part, prot, &span);
	if (ret)
		return ret;
	ret = medio_kmap_map(container->map, iova, part, vaddr, prot, span, NULL);
	if (ret)
		medio_span_put(span);
	else
		*done = part;
	return ret;
}

static int map_registered(struct medio_kcontainer *container, const struct window *window,
	uint64_t iova, uint64_t vaddr, uint64_t size, unsigned prot)
{
	for (uint64_t at = 0, part; at < size; at += part) {
		int ret = map_part(
			container, window, iova + at, vaddr + at, size - at, prot, &part);
		if (ret) {
			if (at)
				clear(container, iova, iova + at - 1);
			return ret;
		}
	}
	return 0;
}

static int map_taken(struct medio_kcontainer *container, struct medio_call *call, uint64_t iova,
	uint64_t vaddr, uint64_t size, unsigned prot)
{
	struct medio_span *span;

	int ret = medio_span_take(call, vaddr, size, prot, &span);
	if (ret)
		return ret;
	ret = medio_kmap_map(container->map, iova, size, vaddr, prot, span, NULL);
	if (ret)
		medio_span_put(span);
	return ret;
}

/* Are these entries of the window? */
static int check_entries(const struct window *window, uint64_t iova, uint64_t size)
{
	if (iova & ((UINT64_C(1) << window->shift) - 1))
		return -EINVAL;
	return size > window->size - (iova - window->start) ? -EINVAL : 0;
}

static int64_t map_dma(struct medio_kcontainer *container, struct medio_call *call, uint64_t arg)
{
	struct medio_kspapr *spapr = container->spapr;
	struct vfio_iommu_type1_dma_map map;

	if (!spapr->enabled)
		return -EPERM;
	int ret = medio_call_read(call, arg, &map, sizeof(map));
	if (ret)
		return ret;
	if (map.argsz < sizeof(map) ||
		map.flags & ~(uint32_t)(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE))
		return -EINVAL;
	ret = default_window(spapr);
	if (ret)
		return ret;
	const struct window *window = find_window(spapr, map.iova);
	if (!window)
		return -ENXIO;
	if ((map.size | map.vaddr) & ((UINT64_C(1) << window->shift) - 1) || !map.flags)
		return -EINVAL;
	ret = check_entries(window, map.iova, map.size);
	if (ret || !map.size)
		return ret;
	if (map.vaddr + map.size - 1 < map.vaddr)
		return spapr->v2 ? -EINVAL : -EFAULT;
	const unsigned prot = (map.flags & VFIO_DMA_MAP_FLAG_READ ? MEDIO_SPAN_READ : 0) |
			      (map.flags & VFIO_DMA_MAP_FLAG_WRITE ? MEDIO_SPAN_WRITE : 0);
	ret = clear(container, map.iova, map.iova + map.size - 1);
	if (ret)
		return ret;
	return spapr->v2 ? map_registered(container, window, map.iova, map.vaddr, map.size, prot)
			 : map_taken(container, call, map.iova, map.vaddr, map.size, prot);
}

static int64_t unmap_dma(struct medio_kcontainer *container, struct medio_call *call, uint64_t arg)
{
	struct medio_kspapr *spapr = container->spapr;
	struct vfio_iommu_type1_dma_unmap unmap;

	if (!spapr->enabled)
		return -EPERM;
	int ret = medio_call_read(call, arg, &unmap, sizeof(unmap));
	if (ret)
		return ret;
	if (unmap.argsz < sizeof(unmap) || unmap.flags)
		return -EINVAL;
	ret = default_window(spapr);
	if (ret)
		return ret;
	const struct window *window = find_window(spapr, unmap.iova);
	if (!window)
		return -ENXIO;
	if (unmap.size & ((UINT64_C(1) << window->shift) - 1))
		return -EINVAL;
	ret = check_entries(window, unmap.iova, unmap.size);
	if (ret || !unmap.size)
		return ret;
	return clear(container, unmap.iova, unmap.iova + unmap.size - 1);
}

/* ---- All of them ------------------------------------------------------------------------------ */

static int64_t enable(struct medio_kspapr *spapr)
{
	if (spapr->enabled)
		return -EBUSY;
	spapr->enabled = true;
	return 0;
}

static int64_t disable(struct medio_kspapr *spapr)
{
	spapr->enabled = false;
	return 0;
}

/* What only the second form has. */
static int64_t v2_ioctl(
	struct medio_kcontainer *container, struct medio_call *call, unsigned cmd, uint64_t arg)
{
	switch (cmd) {
	case VFIO_IOMMU_SPAPR_REGISTER_MEMORY:
		return memory_call(container, call, arg, true);
	case VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY:
		return memory_call(container, call, arg, false);
	case VFIO_IOMMU_SPAPR_TCE_CREATE:
		return tce_create(container, call, arg);
	case VFIO_IOMMU_SPAPR_TCE_REMOVE:
		return tce_remove(container, call, arg);
	default:
		return -ENOTTY;
	}
}

static int64_t spapr_ioctl(
	struct medio_kcontainer *container, struct medio_call *call, unsigned cmd, uint64_t arg)
{
	switch (cmd) {
	case VFIO_IOMMU_SPAPR_TCE_GET_INFO:
		return get_info(container, call, arg);
	case VFIO_IOMMU_MAP_DMA:
		return map_dma(container, call, arg);
	case VFIO_IOMMU_UNMAP_DMA:
		return unmap_dma(container, call, arg);
	case VFIO_IOMMU_ENABLE:
		return container->spapr->v2 ? -ENOTTY : enable(container->spapr);
	case VFIO_IOMMU_DISABLE:
		return container->spapr->v2 ? -ENOTTY : disable(container->spapr);
	case VFIO_EEH_PE_OP: /* no bridge here that watches for errors */
		return -ENODEV;
	default:
		return container->spapr->v2 ? v2_ioctl(container, call, cmd, arg) : -ENOTTY;
	}
}

const struct medio_kiommu medio_kiommu_spapr = {
	.name = "sPAPR TCE",
	.check = spapr_check,
	.open = spapr_open,
	.close = spapr_close,
	.attach = spapr_attach,
	.detach = spapr_detach,
	.ioctl = spapr_ioctl,
};
