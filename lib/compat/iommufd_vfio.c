/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev/iommu as a container: VFIO's own calls on it, and groups. Source: drivers/iommu/iommufd/vfio_compat.c. */
#include <errno.h>
#include <linux/vfio.h>
#include <string.h>

#include "compat/iommufd_ctx.h"
#include "compat/iommufd_group.h"
#include "compat/ktype1.h"
#include "proto/iommufd.h"

/* ---- Groups ----------------------------------------------------------------------------------- */

int medio_iommufd_add_group(struct medio_kfile *file, struct medio_kgroup *group)
{
	struct medio_iommufd *ctx = medio_iommufd_of(file);

	if (!ctx)
		return -EBADFD;
	if (group->noiommu) {
		if (ctx->vfio_ioas)
			return -EINVAL;
		ctx->noiommu = true;
	} else {
		if (ctx->noiommu)
			return -EINVAL;
		if (!ctx->vfio_ioas) {
			int ret = medio_iommufd_ioas_new(ctx, &ctx->vfio_ioas);
			if (ret)
				return ret;
		}
	}
	group->iommufd = ctx;
	medio_iommufd_get(ctx);
	return 0;
}

void medio_iommufd_remove_group(struct medio_kgroup *group)
{
	medio_iommufd_put(group->iommufd);
	group->iommufd = NULL;
}

int medio_iommufd_open_device(struct medio_kgroup *group, struct medio_kdev *kdev)
{
	struct medio_iommufd *ctx = group->iommufd;
	struct medio_iommufd_dev *dev;

	if (group->noiommu)
		return ctx->vfio_ioas ? -EPERM : 0;
	if (!ctx->vfio_ioas)
		return -ENODEV;
	int ret = medio_iommufd_dev_new(ctx, kdev, &dev);
	if (ret)
		return ret;
	uint32_t pt = ctx->vfio_ioas->obj.id;
	return medio_iommufd_dev_attach(dev, &pt);
}

void medio_iommufd_close_device(struct medio_kdev *kdev)
{
	medio_iommufd_dev_free(kdev->iommufd, true);
}

/* ---- Which IOAS ------------------------------------------------------------------------------- */

int medio_iommufd_vfio_ioas(struct medio_iommufd_call *c)
{
	struct medio_iommu_vfio_ioas *cmd = c->cmd;

	if (cmd->reserved)
		return -EOPNOTSUPP;
	switch (cmd->op) {
	case MEDIO_IOMMU_VFIO_IOAS_GET:
		if (!c->ctx->vfio_ioas)
			return -ENODEV;
		cmd->ioas_id = c->ctx->vfio_ioas->obj.id;
		return medio_iommufd_respond(c, sizeof(*cmd));
	case MEDIO_IOMMU_VFIO_IOAS_SET: {
		struct medio_iommufd_ioas *ioas = medio_iommufd_ioas_find(c->ctx, cmd->ioas_id);
		if (!ioas)
			return -ENOENT;
		if (c->ctx->noiommu)
			return -EINVAL;
		c->ctx->vfio_ioas = ioas;
		return 0;
	}
	case MEDIO_IOMMU_VFIO_IOAS_CLEAR:
		c->ctx->vfio_ioas = NULL;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/* ---- VFIO's calls ----------------------------------------------------------------------------- */

static int64_t check_extension(const struct medio_iommufd *ctx, uint64_t extension)
{
	switch (extension) {
	case VFIO_TYPE1_IOMMU:
	case VFIO_TYPE1v2_IOMMU:
	case VFIO_UNMAP_ALL:
		return 1;
	case VFIO_NOIOMMU_IOMMU:
		return ctx->noiommu;
	case VFIO_DMA_CC_IOMMU:
		return ctx->vfio_ioas ? 1 : -ENODEV;
	default:
		return 0;
	}
}

static int64_t set_iommu(struct medio_iommufd *ctx, uint64_t type)
{
	if (type == VFIO_NOIOMMU_IOMMU && ctx->noiommu)
		return 0;
	if ((type != VFIO_TYPE1_IOMMU && type != VFIO_TYPE1v2_IOMMU) || ctx->noiommu)
		return -EINVAL;
	if (!ctx->vfio_ioas)
		return -ENODEV;
	/* The first type can unmap the middle of a mapping. */
	if (type == VFIO_TYPE1_IOMMU && !ctx->vfio_ioas->small_pages) {
		if (medio_iommufd_ioas_pins(ctx->vfio_ioas))
			return -EINVAL;
		ctx->vfio_ioas->small_pages = true;
	}
	return 0;
}

static int64_t map_dma(struct medio_iommufd *ctx, struct medio_call *call, uint64_t arg)
{
	struct vfio_iommu_type1_dma_map map;

	int ret = medio_call_read(call, arg, &map, sizeof(map));
	if (ret)
		return ret;
	if (map.argsz < sizeof(map) ||
		map.flags & ~(uint32_t)(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE))
		return -EINVAL;
	if (!ctx->vfio_ioas)
		return -ENODEV;
	const unsigned prot = (map.flags & VFIO_DMA_MAP_FLAG_READ ? MEDIO_SPAN_READ : 0) |
			      (map.flags & VFIO_DMA_MAP_FLAG_WRITE ? MEDIO_SPAN_WRITE : 0);
	uint64_t iova = map.iova;
	return medio_iommufd_ioas_map(ctx->vfio_ioas, call, map.vaddr, map.size, prot, true, &iova);
}

static int64_t unmap_dma(struct medio_iommufd *ctx, struct medio_call *call, uint64_t arg)
{
	struct medio_iommufd_ioas *ioas = ctx->vfio_ioas;
	struct vfio_iommu_type1_dma_unmap unmap;
	uint64_t unmapped = 0;

	int ret = medio_call_read(call, arg, &unmap, sizeof(unmap));
	if (ret)
		return ret;
	if (unmap.argsz < sizeof(unmap) || unmap.flags & ~(uint32_t)VFIO_DMA_UNMAP_FLAG_ALL)
		return -EINVAL;
	if (!ioas)
		return -ENODEV;
	if (unmap.flags & VFIO_DMA_UNMAP_FLAG_ALL) {
		if (unmap.iova || unmap.size)
			return -EINVAL;
		unmapped = medio_iommufd_ioas_unmap_all(ioas);
	} else {
		if (ioas->small_pages && unmap.size) {
			ret = medio_kmap_cut(ioas->map, unmap.iova + unmap.size - 1);
			if (!ret && unmap.iova)
				ret = medio_kmap_cut(ioas->map, unmap.iova - 1);
			if (ret)
				return ret;
		}
		ret = medio_iommufd_ioas_unmap(ioas, unmap.iova, unmap.size, &unmapped);
	}
	unmap.size = unmapped;
	/* Also after a failure, as the kernel does it. */
	if (medio_call_write(call, arg, &unmap, sizeof(unmap)))
		return -EFAULT;
	return ret;
}

/* What there is of the ranges; how many bytes they are. */
static int64_t put_ranges(
	struct medio_iommufd_ioas *ioas, struct medio_call *call, uint64_t addr, uint64_t room)
{
	_Alignas(8) uint8_t caps[sizeof(struct vfio_iommu_type1_info_cap_iova_range) +
				 MEDIO_KRANGES_MAX * sizeof(struct vfio_iova_range)] = { 0 };
	struct vfio_iommu_type1_info_cap_iova_range *cap = (void *)caps;
	struct medio_kranges ranges;

	medio_iommufd_ioas_ranges(ioas, NULL, &ranges);
	cap->header.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;
	cap->header.version = 1;
	cap->nr_iovas = ranges.num;
	for (unsigned i = 0; i < ranges.num; i++)
		cap->iova_ranges[i] = (struct vfio_iova_range){ ranges.range[i].first,
			ranges.range[i].last };
	const uint64_t size = sizeof(*cap) + ranges.num * sizeof(struct vfio_iova_range);
	int ret = room >= size ? medio_call_write(call, addr, caps, size) : 0;
	return ret ? ret : (int64_t)size;
}

/* As the container's, but for the log, of which it knows nothing, and for mappings without end. */
static int64_t get_info(struct medio_iommufd *ctx, struct medio_call *call, uint64_t arg)
{
	struct vfio_iommu_type1_info_dma_avail avail = {
		.header = { .id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, .version = 1 },
		.avail = UINT32_MAX,
	};
	struct vfio_iommu_type1_info info;
	const size_t min = offsetof(struct vfio_iommu_type1_info, iova_pgsizes) +
			   sizeof(info.iova_pgsizes);

	memset(&info, 0, sizeof(info));
	int ret = medio_call_read(call, arg, &info, min);
	if (ret)
		return ret;
	if (info.argsz < min)
		return -EINVAL;
	if (!ctx->vfio_ioas)
		return -ENODEV;
	const size_t size = info.argsz < sizeof(info) ? info.argsz : sizeof(info);
	const uint64_t behind = sizeof(info) + sizeof(avail);
	info.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
	info.iova_pgsizes = medio_iommufd_ioas_pins(ctx->vfio_ioas) ? MEDIO_KTYPE1_PAGES
								    : MEDIO_KTYPE1_ANY_PAGES;
	const int64_t ranges = put_ranges(
		ctx->vfio_ioas, call, arg + behind, info.argsz > behind ? info.argsz - behind : 0);
	if (ranges < 0)
		return ranges;
	const uint64_t total = behind + (uint64_t)ranges;
	if (info.argsz >= behind) {
		avail.header.next = (uint32_t)behind;
		ret = medio_call_write(call, arg + sizeof(info), &avail, sizeof(avail));
		if (ret)
			return ret;
	}
	if (info.argsz >= total)
		info.cap_offset = sizeof(info);
	info.argsz = (uint32_t)total;
	return medio_call_write(call, arg, &info, size);
}

int64_t medio_iommufd_vfio_ioctl(
	struct medio_iommufd *ctx, struct medio_call *call, unsigned cmd, uint64_t arg)
{
	switch (cmd) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return check_extension(ctx, arg);
	case VFIO_SET_IOMMU:
		return set_iommu(ctx, arg);
	case VFIO_IOMMU_GET_INFO:
		return get_info(ctx, call, arg);
	case VFIO_IOMMU_MAP_DMA:
		return map_dma(ctx, call, arg);
	case VFIO_IOMMU_UNMAP_DMA:
		return unmap_dma(ctx, call, arg);
	default:
		return -ENOTTY;
	}
}
