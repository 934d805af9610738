/* SPDX-License-Identifier: BSD-3-Clause */
#include "drive/vfio_caps.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>

#include "drive/container.h"

#define MAX_AREAS 1024

/*
 * Find capability id of the chain that begins at `at`. *from: where its header is; *end: where it ends
 * at most. 1: found; 0: not there; -EPROTO. least: below it are no capabilities.
 */
static int find(const uint8_t *buf, size_t size, uint32_t at, uint32_t least, uint16_t id,
	size_t *from, size_t *end)
{
	while (at) {
		struct vfio_info_cap_header header;
		if (at < least || at > size || size - at < sizeof(header))
			return -EPROTO;
		memcpy(&header, buf + at, sizeof(header));
		if (header.next && header.next < at + sizeof(header))
			return -EPROTO;
		if (header.id == id) {
			*from = at;
			*end = header.next && header.next < size ? header.next : size;
			return 1;
		}
		at = header.next;
	}
	return 0;
}

int medio_vfio_caps_region(
	const uint8_t *buf, size_t size, struct medio_card_area **areas, unsigned *num_areas)
{
	struct vfio_region_info_cap_sparse_mmap sparse;
	struct vfio_region_info info;
	size_t at = 0, end = 0;

	if (size < sizeof(info))
		return -EPROTO;
	memcpy(&info, buf, sizeof(info));
	*areas = NULL;
	*num_areas = 0;
	if (!(info.flags & VFIO_REGION_INFO_FLAG_CAPS))
		return 0;
	int ret = find(buf, size, info.cap_offset, sizeof(info), VFIO_REGION_INFO_CAP_SPARSE_MMAP,
		&at, &end);
	if (ret <= 0)
		return ret;
	if (end - at < sizeof(sparse))
		return -EPROTO;
	memcpy(&sparse, buf + at, sizeof(sparse));
	at += sizeof(sparse);
	if (sparse.nr_areas > MAX_AREAS || sparse.nr_areas > (end - at) / sizeof(**areas))
		return -EPROTO;
	/* The same two numbers in both structures. */
	struct medio_card_area *list = calloc(sparse.nr_areas + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	memcpy(list, buf + at, sparse.nr_areas * sizeof(*list));
	for (unsigned i = 0; i < sparse.nr_areas; i++) {
		if (list[i].size <= info.size && list[i].offset <= info.size - list[i].size)
			continue;
		free(list);
		return -EPROTO;
	}
	*areas = list;
	*num_areas = sparse.nr_areas;
	return 0;
}

static int get_ranges(const uint8_t *buf, size_t at, size_t end, struct medio_dma_limits *limits)
{
	struct vfio_iommu_type1_info_cap_iova_range cap;
	struct medio_dma_limits out = *limits;

	if (end - at < sizeof(cap))
		return -EPROTO;
	memcpy(&cap, buf + at, sizeof(cap));
	at += sizeof(cap);
	if (cap.nr_iovas > (end - at) / sizeof(struct vfio_iova_range))
		return -EPROTO;
	out.num_ranges = 0;
	for (unsigned i = 0; i < cap.nr_iovas && i < MEDIO_DMA_MAX_RANGES; i++) {
		struct vfio_iova_range range;
		memcpy(&range, buf + at + i * sizeof(range), sizeof(range));
		/* Sorted and apart, or what is worked out from them is nonsense. */
		if (range.end < range.start ||
			(i && range.start <= out.ranges[out.num_ranges - 1].last))
			return -EPROTO;
		out.ranges[out.num_ranges++] = (struct medio_card_dma_range){ range.start,
			range.end };
	}
	*limits = out;
	return 0;
}

/* cap_offset came later than the rest of the answer, and padding after it. */
#define WITH_CAPS (offsetof(struct vfio_iommu_type1_info, cap_offset) + sizeof(uint32_t))

static int find_iommu(const uint8_t *buf, size_t size, const struct vfio_iommu_type1_info *info,
	uint16_t id, size_t *at, size_t *end)
{
	if (!(info->flags & VFIO_IOMMU_INFO_CAPS) || size < WITH_CAPS)
		return 0;
	return find(buf, size, info->cap_offset, (uint32_t)WITH_CAPS, id, at, end);
}

int medio_vfio_caps_log(const uint8_t *buf, size_t size, uint64_t *page_sizes)
{
	struct vfio_iommu_type1_info_cap_migration cap;
	struct vfio_iommu_type1_info info = { 0 };
	size_t at = 0, end = 0;

	if (size < offsetof(struct vfio_iommu_type1_info, cap_offset))
		return -EPROTO;
	memcpy(&info, buf, size < sizeof(info) ? size : sizeof(info));
	*page_sizes = 0;
	int ret = find_iommu(buf, size, &info, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, &at, &end);
	if (ret <= 0)
		return ret;
	if (end - at < sizeof(cap))
		return -EPROTO;
	memcpy(&cap, buf + at, sizeof(cap));
	*page_sizes = cap.pgsize_bitmap;
	return 0;
}

int medio_vfio_caps_iommu(const uint8_t *buf, size_t size, struct medio_dma_limits *limits)
{
	struct vfio_iommu_type1_info info = { 0 };
	struct vfio_iommu_type1_info_dma_avail avail;
	size_t at = 0, end = 0;

	if (size < offsetof(struct vfio_iommu_type1_info, cap_offset))
		return -EPROTO;
	memcpy(&info, buf, size < sizeof(info) ? size : sizeof(info));
	if (info.flags & VFIO_IOMMU_INFO_PGSIZES && info.iova_pgsizes)
		limits->page_sizes = info.iova_pgsizes;
	int ret = find_iommu(buf, size, &info, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, &at, &end);
	if (ret > 0)
		ret = get_ranges(buf, at, end, limits);
	if (ret < 0)
		return ret;
	ret = find_iommu(buf, size, &info, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, &at, &end);
	if (ret > 0) {
		if (end - at < sizeof(avail))
			return -EPROTO;
		memcpy(&avail, buf + at, sizeof(avail));
		limits->max_maps = avail.avail;
	}
	return ret < 0 ? ret : 0;
}
