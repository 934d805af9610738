/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/ktype1.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>

#include "compat/compat.h"
#include "compat/kdev.h"
#include "util/cleanup.h"

/* ---- What it can ------------------------------------------------------------------------------ */

/* A group of mediated devices takes memory when it needs it; others when it is mapped. */
static bool group_pins(const struct medio_kgroup *group)
{
	medio_list_for_each (item, &group->compat->kdevs) {
		const struct medio_kdev *kdev = medio_container_of(item, struct medio_kdev, link);
		if (kdev->group == group && medio_kranges_pins(kdev))
			return true;
	}
	return false;
}

static bool container_pins(const struct medio_kcontainer *container)
{
	medio_list_for_each (item, &container->groups)
		if (group_pins(medio_container_of(item, struct medio_kgroup, in_container)))
			return true;
	return false;
}

static bool has_emulated(const struct medio_kcontainer *container)
{
	medio_list_for_each (item, &container->groups)
		if (!group_pins(medio_container_of(item, struct medio_kgroup, in_container)))
			return true;
	return false;
}

bool medio_ktype1_ranges(const struct medio_kcontainer *container, const struct medio_kgroup *more,
	struct medio_kranges *out)
{
	bool any = false;

	medio_kranges_all(out);
	medio_list_for_each (item, &container->compat->kdevs) {
		const struct medio_kdev *kdev = medio_container_of(item, struct medio_kdev, link);
		if (!kdev->group || !medio_kranges_pins(kdev))
			continue;
		if (kdev->group->container != container && kdev->group != more)
			continue;
		medio_kranges_narrow(out, kdev);
		any = true;
	}
	return any;
}

static int64_t type1_check(
	struct medio_compat *compat, struct medio_kcontainer *container, uint64_t extension)
{
	(void)compat;
	switch (extension) {
	case VFIO_TYPE1_IOMMU:
	case VFIO_TYPE1v2_IOMMU:
	case VFIO_UNMAP_ALL:
		return 1;
	case VFIO_UPDATE_VADDR:
		return container && !has_emulated(container);
	case VFIO_DMA_CC_IOMMU:
		return !!container;
	default:
		return 0;
	}
}

/* ---- Life ------------------------------------------------------------------------------------- */

static int type1_open(struct medio_kcontainer *container, uint64_t type)
{
	/* One may ask for VFIO_UNMAP_ALL as a type, which check() knows. */
	if (type != VFIO_TYPE1_IOMMU && type != VFIO_TYPE1v2_IOMMU)
		return -EINVAL;
	int ret = medio_kmap_new(&container->map);
	if (ret)
		return ret;
	container->v2 = type == VFIO_TYPE1v2_IOMMU;
	container->avail = MEDIO_KTYPE1_MAPPINGS;
	container->stale = 0;
	return 0;
}

static void type1_close(struct medio_kcontainer *container)
{
	medio_ktype1_dirty_stop(container);
	medio_kmap_free(container->map);
	container->map = NULL;
}

/* The first group with an IOMMU has all that is mapped pinned, and may not reach all of it. */
static int type1_attach(struct medio_kcontainer *container, struct medio_kgroup *group)
{
	struct medio_kranges ranges;
	struct medio_kmapping *mapping = medio_kmap_from(container->map, 0);

	if (!mapping || !group_pins(group))
		return 0;
	medio_ktype1_ranges(container, group, &ranges);
	while (mapping) {
		uint64_t last = medio_kmapping_last(mapping);
		if (!medio_kranges_have(&ranges, mapping->iova, last))
			return -EINVAL;
		if (!mapping->span)
			return -EFAULT;
		mapping = last == UINT64_MAX ? NULL : medio_kmap_from(container->map, last + 1);
	}
	return 0;
}

static void type1_detach(struct medio_kcontainer *container, struct medio_kgroup *group)
{
	/* No device of a group that leaves is open: none is attached to the map. */
	(void)container;
	(void)group;
}

/* ---- VFIO_IOMMU_GET_INFO ---------------------------------------------------------------------- */

/* Capabilities behind the structure, each with the offset of the next. */
struct caps {
	uint8_t bytes[32 + 16 + 16 + MEDIO_KRANGES_MAX * 16];
	size_t size;
	struct vfio_info_cap_header *last;
};

static void *add_cap(struct caps *caps, uint16_t id, size_t size, size_t base)
{
	struct vfio_info_cap_header *header = (void *)(caps->bytes + caps->size);

	memset(header, 0, size);
	header->id = id;
	header->version = 1;
	if (caps->last)
		caps->last->next = (uint32_t)(base + caps->size);
	caps->last = header;
	caps->size += (size + 7) & ~(size_t)7;
	return header;
}

static void make_caps(const struct medio_kcontainer *container, size_t base, struct caps *caps)
{
	struct vfio_iommu_type1_info_cap_migration *migration;
	struct vfio_iommu_type1_info_dma_avail *avail;
	struct medio_kranges ranges;

	memset(caps, 0, sizeof(*caps));
	migration = add_cap(caps, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, sizeof(*migration), base);
	migration->pgsize_bitmap = MEDIO_KTYPE1_DIRTY_PAGE;
	migration->max_dirty_bitmap_size = MEDIO_KTYPE1_DIRTY_MAX;
	avail = add_cap(caps, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, sizeof(*avail), base);
	avail->avail = container->avail;
	if (!medio_ktype1_ranges(container, NULL, &ranges))
		return;
	struct vfio_iommu_type1_info_cap_iova_range *iova = add_cap(
		caps, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, sizeof(*iova) + ranges.num * 16, base);
	iova->nr_iovas = ranges.num;
	for (unsigned i = 0; i < ranges.num; i++) {
		iova->iova_ranges[i].start = ranges.range[i].first;
		iova->iova_ranges[i].end = ranges.range[i].last;
	}
}

static int64_t get_info(struct medio_kcontainer *container, struct medio_call *call, uint64_t arg)
{
	struct vfio_iommu_type1_info info;
	_Alignas(8) struct caps caps;
	const size_t min = offsetof(struct vfio_iommu_type1_info, iova_pgsizes) +
			   sizeof(info.iova_pgsizes);

	memset(&info, 0, sizeof(info));
	int ret = medio_call_read(call, arg, &info, min);
	if (ret)
		return ret;
	if (info.argsz < min)
		return -EINVAL;
	const size_t size = info.argsz < sizeof(info) ? info.argsz : sizeof(info);
	info.iova_pgsizes = container_pins(container) ? MEDIO_KTYPE1_PAGES : MEDIO_KTYPE1_ANY_PAGES;
	info.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
	make_caps(container, sizeof(info), &caps);
	if (info.argsz < sizeof(info) + caps.size) {
		info.argsz = (uint32_t)(sizeof(info) + caps.size);
	} else {
		ret = medio_call_write(call, arg + sizeof(info), caps.bytes, caps.size);
		if (ret)
			return ret;
		info.cap_offset = sizeof(info);
	}
	return medio_call_write(call, arg, &info, size);
}

/* ---- VFIO_IOMMU_MAP_DMA ----------------------------------------------------------------------- */

/* A mapping whose address was taken away gets another one, of the same memory. */
static int64_t set_vaddr(
	struct medio_kcontainer *container, const struct vfio_iommu_type1_dma_map *map)
{
	struct medio_kmapping *mapping = medio_kmap_overlap(
		container->map, map->iova, map->iova + map->size - 1);

	if (!mapping)
		return -ENOENT;
	if (!mapping->stale || mapping->iova != map->iova || mapping->size != map->size)
		return -EINVAL;
	mapping->vaddr = map->vaddr;
	mapping->stale = false;
	container->stale--;
	return 0;
}

static int64_t map_pages(struct medio_kcontainer *container, struct medio_call *call,
	const struct vfio_iommu_type1_dma_map *map)
{
	const unsigned prot = (map->flags & VFIO_DMA_MAP_FLAG_READ ? MEDIO_SPAN_READ : 0) |
			      (map->flags & VFIO_DMA_MAP_FLAG_WRITE ? MEDIO_SPAN_WRITE : 0);
	struct medio_span *span = NULL;
	struct medio_kmapping *mapping;

	int ret = medio_span_take(call, map->vaddr, map->size, prot, &span);
	/* Mediated devices alone have nothing pinned: that there is no memory shows when they want it. */
	if (ret == -EFAULT && !container_pins(container))
		span = NULL;
	else if (ret)
		return ret;
	ret = medio_kmap_map(
		container->map, map->iova, map->size, map->vaddr, prot, span, &mapping);
	if (ret && span)
		medio_span_put(span);
	if (ret)
		return ret;
	container->avail--;
	return 0;
}

static int64_t map_dma(struct medio_kcontainer *container, struct medio_call *call, uint64_t arg)
{
	struct vfio_iommu_type1_dma_map map;
	struct medio_kranges ranges;
	const uint32_t known = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE |
			       VFIO_DMA_MAP_FLAG_VADDR;

	int ret = medio_call_read(call, arg, &map, sizeof(map));
	if (ret)
		return ret;
	if (map.argsz < sizeof(map) || map.flags & ~known)
		return -EINVAL;
	const bool vaddr = map.flags & VFIO_DMA_MAP_FLAG_VADDR;
	if (vaddr == !!(map.flags & (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)))
		return -EINVAL;
	if (!map.size || (map.size | map.iova | map.vaddr) & (MEDIO_IOMMU_PAGE - 1))
		return -EINVAL;
	const uint64_t last = map.iova + map.size - 1;
	if (last < map.iova || map.vaddr + map.size - 1 < map.vaddr)
		return -EOVERFLOW;
	if (vaddr)
		return set_vaddr(container, &map);
	if (medio_kmap_overlap(container->map, map.iova, last))
		return -EEXIST;
	if (!container->avail)
		return -ENOSPC;
	if (medio_ktype1_ranges(container, NULL, &ranges) &&
		!medio_kranges_have(&ranges, map.iova, last))
		return -EINVAL;
	return map_pages(container, call, &map);
}

/* ---- VFIO_IOMMU_UNMAP_DMA --------------------------------------------------------------------- */

/* All of [first, last]'s mappings lose their address, or none does. */
static int invalidate(
	struct medio_kcontainer *container, uint64_t first, uint64_t last, uint64_t *unmapped)
{
	for (unsigned pass = 0; pass < 2; pass++) {
		uint64_t at = first;
		struct medio_kmapping *mapping;

		while ((mapping = medio_kmap_overlap(container->map, at, last))) {
			if (!container->v2 && first > mapping->iova)
				break;
			if (mapping->stale && !pass)
				return -EINVAL;
			if (pass) {
				mapping->stale = true;
				container->stale++;
				*unmapped += mapping->size;
			}
			at = medio_kmapping_last(mapping);
			if (at >= last)
				break;
			at++;
		}
	}
	return 0;
}

static int unmap_range(struct medio_kcontainer *container, struct medio_call *call, uint64_t first,
	uint64_t last, const struct vfio_bitmap *bitmap, uint64_t *unmapped)
{
	struct medio_kmapping *mapping;

	while ((mapping = medio_kmap_overlap(container->map, first, last))) {
		/* The first type: what begins before the range stays, what ends behind it goes. */
		if (!container->v2 && first > mapping->iova)
			break;
		if (bitmap) {
			int ret = medio_ktype1_dirty_put(
				container, call, mapping, first, (uintptr_t)bitmap->data);
			if (ret)
				return ret;
		}
		*unmapped += mapping->size;
		if (mapping->stale)
			container->stale--;
		container->avail++;
		medio_kmap_unmap(container->map, mapping);
	}
	return 0;
}

/* The second type: a range that cuts a mapping in two is refused. */
static bool cuts(const struct medio_kcontainer *container, uint64_t first, uint64_t last)
{
	const struct medio_kmapping *mapping = medio_kmap_at(container->map, first);

	if (mapping && mapping->iova != first)
		return true;
	mapping = medio_kmap_at(container->map, last);
	return mapping && medio_kmapping_last(mapping) != last;
}

static int do_unmap(struct medio_kcontainer *container, struct medio_call *call,
	struct vfio_iommu_type1_dma_unmap *unmap, const struct vfio_bitmap *bitmap)
{
	const bool all = unmap->flags & VFIO_DMA_UNMAP_FLAG_ALL;
	const bool vaddr = unmap->flags & VFIO_DMA_UNMAP_FLAG_VADDR;
	uint64_t last = UINT64_MAX, unmapped = 0;

	if (vaddr && has_emulated(container))
		return -EBUSY;
	if (unmap->iova & (MEDIO_IOMMU_PAGE - 1))
		return -EINVAL;
	if (all) {
		if (unmap->iova || unmap->size)
			return -EINVAL;
	} else {
		if (!unmap->size || unmap->size & (MEDIO_IOMMU_PAGE - 1))
			return -EINVAL;
		last = unmap->iova + unmap->size - 1;
		if (last < unmap->iova)
			return -EOVERFLOW;
	}
	if (bitmap && (!container->dirty_log || bitmap->pgsize != MEDIO_KTYPE1_DIRTY_PAGE))
		return -EINVAL;
	if (container->v2 && !all && cuts(container, unmap->iova, last))
		return -EINVAL;
	int ret = vaddr ? invalidate(container, unmap->iova, last, &unmapped)
			: unmap_range(container, call, unmap->iova, last, bitmap, &unmapped);
	unmap->size = unmapped;
	return ret;
}

static int64_t unmap_dma(struct medio_kcontainer *container, struct medio_call *call, uint64_t arg)
{
	struct vfio_iommu_type1_dma_unmap unmap;
	struct vfio_bitmap bitmap;
	const uint32_t known = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP | VFIO_DMA_UNMAP_FLAG_VADDR |
			       VFIO_DMA_UNMAP_FLAG_ALL;

	int ret = medio_call_read(call, arg, &unmap, sizeof(unmap));
	if (ret)
		return ret;
	if (unmap.argsz < sizeof(unmap) || unmap.flags & ~known)
		return -EINVAL;
	const bool dirty = unmap.flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
	if (dirty) {
		if (unmap.flags != VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP ||
			unmap.argsz < sizeof(unmap) + sizeof(bitmap))
			return -EINVAL;
		ret = medio_call_read(call, arg + sizeof(unmap), &bitmap, sizeof(bitmap));
		if (ret)
			return ret;
		ret = medio_ktype1_dirty_check(
			bitmap.pgsize, bitmap.size, (uintptr_t)bitmap.data, unmap.size);
		if (ret)
			return ret;
	}
	ret = do_unmap(container, call, &unmap, dirty ? &bitmap : NULL);
	if (ret)
		return ret;
	return medio_call_write(call, arg, &unmap, sizeof(unmap));
}

/* ---- All of them ------------------------------------------------------------------------------ */

static int64_t type1_ioctl(
	struct medio_kcontainer *container, struct medio_call *call, unsigned cmd, uint64_t arg)
{
	switch (cmd) {
	case VFIO_IOMMU_GET_INFO:
		return get_info(container, call, arg);
	case VFIO_IOMMU_MAP_DMA:
		return map_dma(container, call, arg);
	case VFIO_IOMMU_UNMAP_DMA:
		return unmap_dma(container, call, arg);
	case VFIO_IOMMU_DIRTY_PAGES:
		return medio_ktype1_dirty_pages(container, call, arg);
	default:
		return -ENOTTY;
	}
}

const struct medio_kiommu medio_kiommu_type1 = {
	.name = "type1",
	.check = type1_check,
	.open = type1_open,
	.close = type1_close,
	.attach = type1_attach,
	.detach = type1_detach,
	.ioctl = type1_ioctl,
};
