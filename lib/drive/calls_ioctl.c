/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ioctls of VFIO and iommufd in words. Their numbers are not enough: VFIO gives the same one to a
 * call of containers and to another of devices, so what the file is decides.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "drive/calls.h"
#include "proto/iommufd.h"
#include "util/cleanup.h"

typedef unsigned long long ull;

enum kind { CONTAINER, GROUP, DEVICE, IOMMU, OTHER };

struct text {
	char buf[256];
	size_t used;
};

static void add(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text->buf + text->used, sizeof(text->buf) - text->used, fmt, ap);
	va_end(ap);
	if (n > 0)
		text->used += (size_t)n;
	if (text->used >= sizeof(text->buf))
		text->used = sizeof(text->buf) - 1;
}

/* The names of the bits that are set, with '|' between them. */
static void add_flags(struct text *text, uint32_t flags, const char *const *names, unsigned count)
{
	const char *between = "";

	for (unsigned i = 0; i < count; i++) {
		if (!(flags & 1u << i) || !names[i])
			continue;
		add(text, "%s%s", between, names[i]);
		between = "|";
	}
	if (!*between)
		add(text, "none");
}

/* ---- Containers and groups --------------------------------------------------------------------- */

/* The argument is a number, not a pointer. */
static void iommu_kind(struct text *text, const void *arg)
{
	static const char *const names[] = { [VFIO_TYPE1_IOMMU] = "VFIO_TYPE1_IOMMU",
		[VFIO_SPAPR_TCE_IOMMU] = "VFIO_SPAPR_TCE_IOMMU",
		[VFIO_TYPE1v2_IOMMU] = "VFIO_TYPE1v2_IOMMU",
		[VFIO_NOIOMMU_IOMMU] = "VFIO_NOIOMMU_IOMMU" };
	uintptr_t number = (uintptr_t)arg;

	if (number < MEDIO_ARRAY_SIZE(names) && names[number])
		add(text, "%s", names[number]);
	else
		add(text, "%lu", (unsigned long)number);
}

static void group_status(struct text *text, const void *arg)
{
	static const char *const names[] = { "viable", "container set" };
	const struct vfio_group_status *status = arg;

	add(text, "-> ");
	add_flags(text, status->flags, names, MEDIO_ARRAY_SIZE(names));
}

static void set_container(struct text *text, const void *arg)
{
	char buf[64];
	int fd;

	memcpy(&fd, arg, sizeof(fd));
	add(text, "%s", medio_calls_fd(fd, buf, sizeof(buf)));
}

static void device_name(struct text *text, const void *arg)
{
	add(text, "\"%s\"", (const char *)arg);
}

static void iommu_info(struct text *text, const void *arg)
{
	const struct vfio_iommu_type1_info *info = arg;

	add(text, "-> page sizes 0x%llx", (ull)info->iova_pgsizes);
}

static const char *const access_names[] = { "read", "write" };

static void map_dma(struct text *text, const void *arg)
{
	const struct vfio_iommu_type1_dma_map *map = arg;

	add(text, "iova 0x%llx, 0x%llx bytes, for the device to ", (ull)map->iova, (ull)map->size);
	add_flags(text, map->flags, access_names, MEDIO_ARRAY_SIZE(access_names));
}

static void unmap_dma(struct text *text, const void *arg)
{
	const struct vfio_iommu_type1_dma_unmap *unmap = arg;

	add(text, "iova 0x%llx, 0x%llx bytes", (ull)unmap->iova, (ull)unmap->size);
}

static void dirty_pages(struct text *text, const void *arg)
{
	static const char *const names[] = { "start", "stop", "get bitmap" };

	add_flags(text, ((const struct vfio_iommu_type1_dirty_bitmap *)arg)->flags, names,
		MEDIO_ARRAY_SIZE(names));
}

/* ---- Devices ----------------------------------------------------------------------------------- */

static void device_info(struct text *text, const void *arg)
{
	static const char *const names[] = { "reset", "PCI" };
	const struct vfio_device_info *info = arg;

	add(text, "-> %u regions, %u interrupt kinds, ", info->num_regions, info->num_irqs);
	add_flags(text, info->flags, names, MEDIO_ARRAY_SIZE(names));
}

static void region_info(struct text *text, const void *arg)
{
	static const char *const names[] = { "read", "write", "mmap" };
	const struct vfio_region_info *info = arg;

	add(text, "region %u", info->index);
	if (!info->size) {
		add(text, " -> none");
		return;
	}
	add(text, " -> 0x%llx bytes at 0x%llx of the file, ", (ull)info->size, (ull)info->offset);
	add_flags(text, info->flags, names, MEDIO_ARRAY_SIZE(names));
}

static const char *irq_name(uint32_t index)
{
	static const char *const names[] = { "INTx", "MSI", "MSI-X", "ERR", "REQ" };

	return index < MEDIO_ARRAY_SIZE(names) ? names[index] : "another";
}

static void irq_info(struct text *text, const void *arg)
{
	static const char *const names[] = { "eventfd", "maskable", "automasked", "noresize" };
	const struct vfio_irq_info *info = arg;

	add(text, "%s -> ", irq_name(info->index));
	if (!info->count) {
		add(text, "none");
		return;
	}
	add(text, "%u, ", info->count);
	add_flags(text, info->flags, names, MEDIO_ARRAY_SIZE(names));
}

static void set_irqs(struct text *text, const void *arg)
{
	static const char *const names[] = { "no data", "bytes", "eventfds", "mask", "unmask",
		"trigger" };
	const struct vfio_irq_set *set = arg;

	add(text, "%s, vectors %u to %u: ", irq_name(set->index), set->start,
		set->start + (set->count ? set->count - 1 : 0));
	if (!set->count)
		add(text, "disable");
	else
		add_flags(text, set->flags, names, MEDIO_ARRAY_SIZE(names));
}

static void feature(struct text *text, const void *arg)
{
	static const char *const names[] = { "get", "set", "probe" };
	const struct vfio_device_feature *request = arg;

	add(text, "feature %u, ", request->flags & VFIO_DEVICE_FEATURE_MASK);
	add_flags(text, request->flags >> 16, names, MEDIO_ARRAY_SIZE(names));
}

static void bind_iommufd(struct text *text, const void *arg)
{
	const struct medio_vfio_bind_iommufd *bind = arg;
	char buf[64];

	add(text, "%s -> device id %u", medio_calls_fd(bind->iommufd, buf, sizeof(buf)),
		bind->out_devid);
}

static void attach_pt(struct text *text, const void *arg)
{
	add(text, "-> page table %u", ((const struct medio_vfio_attach_pt *)arg)->pt_id);
}

/* ---- iommufd ----------------------------------------------------------------------------------- */

static void ioas_alloc(struct text *text, const void *arg)
{
	add(text, "-> IOAS %u", ((const struct medio_iommu_ioas_alloc *)arg)->out_ioas_id);
}

static void iova_ranges(struct text *text, const void *arg)
{
	const struct medio_iommu_ioas_iova_ranges *ranges = arg;

	add(text, "IOAS %u -> %u ranges", ranges->ioas_id, ranges->num_iovas);
}

static void ioas_map(struct text *text, const void *arg)
{
	static const char *const names[] = { NULL, "write", "read" };
	const struct medio_iommu_ioas_map *map = arg;

	add(text, "IOAS %u, iova 0x%llx, 0x%llx bytes, for the device to ", map->ioas_id,
		(ull)map->iova, (ull)map->length);
	add_flags(text, map->flags, names, MEDIO_ARRAY_SIZE(names));
}

static void ioas_unmap(struct text *text, const void *arg)
{
	const struct medio_iommu_ioas_unmap *unmap = arg;

	add(text, "IOAS %u, iova 0x%llx, 0x%llx bytes", unmap->ioas_id, (ull)unmap->iova,
		(ull)unmap->length);
}

/* ---- All --------------------------------------------------------------------------------------- */

static const struct {
	enum kind kind;
	unsigned long request;
	const char *name;
	/* NULL: it has no argument. Given after the call, when answers are in it. */
	void (*decode)(struct text *text, const void *arg);
} calls[] = {
	{ CONTAINER, VFIO_GET_API_VERSION, "VFIO_GET_API_VERSION", NULL },
	{ CONTAINER, VFIO_CHECK_EXTENSION, "VFIO_CHECK_EXTENSION", iommu_kind },
	{ CONTAINER, VFIO_SET_IOMMU, "VFIO_SET_IOMMU", iommu_kind },
	{ CONTAINER, VFIO_IOMMU_GET_INFO, "VFIO_IOMMU_GET_INFO", iommu_info },
	{ CONTAINER, VFIO_IOMMU_MAP_DMA, "VFIO_IOMMU_MAP_DMA", map_dma },
	{ CONTAINER, VFIO_IOMMU_UNMAP_DMA, "VFIO_IOMMU_UNMAP_DMA", unmap_dma },
	{ CONTAINER, VFIO_IOMMU_DIRTY_PAGES, "VFIO_IOMMU_DIRTY_PAGES", dirty_pages },
	{ GROUP, VFIO_GROUP_GET_STATUS, "VFIO_GROUP_GET_STATUS", group_status },
	{ GROUP, VFIO_GROUP_SET_CONTAINER, "VFIO_GROUP_SET_CONTAINER", set_container },
	{ GROUP, VFIO_GROUP_UNSET_CONTAINER, "VFIO_GROUP_UNSET_CONTAINER", NULL },
	{ GROUP, VFIO_GROUP_GET_DEVICE_FD, "VFIO_GROUP_GET_DEVICE_FD", device_name },
	{ DEVICE, VFIO_DEVICE_GET_INFO, "VFIO_DEVICE_GET_INFO", device_info },
	{ DEVICE, VFIO_DEVICE_GET_REGION_INFO, "VFIO_DEVICE_GET_REGION_INFO", region_info },
	{ DEVICE, VFIO_DEVICE_GET_IRQ_INFO, "VFIO_DEVICE_GET_IRQ_INFO", irq_info },
	{ DEVICE, VFIO_DEVICE_SET_IRQS, "VFIO_DEVICE_SET_IRQS", set_irqs },
	{ DEVICE, VFIO_DEVICE_RESET, "VFIO_DEVICE_RESET", NULL },
	{ DEVICE, VFIO_DEVICE_FEATURE, "VFIO_DEVICE_FEATURE", feature },
	{ DEVICE, MEDIO_VFIO_BIND_IOMMUFD, "VFIO_DEVICE_BIND_IOMMUFD", bind_iommufd },
	{ DEVICE, MEDIO_VFIO_ATTACH_PT, "VFIO_DEVICE_ATTACH_IOMMUFD_PT", attach_pt },
	{ IOMMU, MEDIO_IOMMU_IOAS_ALLOC, "IOMMU_IOAS_ALLOC", ioas_alloc },
	{ IOMMU, MEDIO_IOMMU_IOAS_IOVA_RANGES, "IOMMU_IOAS_IOVA_RANGES", iova_ranges },
	{ IOMMU, MEDIO_IOMMU_IOAS_MAP, "IOMMU_IOAS_MAP", ioas_map },
	{ IOMMU, MEDIO_IOMMU_IOAS_UNMAP, "IOMMU_IOAS_UNMAP", ioas_unmap },
};

static bool ends_with(const char *text, const char *end)
{
	size_t all = strlen(text), last = strlen(end);

	return all >= last && !strcmp(text + all - last, end);
}

static enum kind kind_of(const char *file)
{
	if (ends_with(file, "/dev/vfio/vfio"))
		return CONTAINER;
	if (ends_with(file, "/dev/iommu"))
		return IOMMU;
	if (strstr(file, "vfio-device") || strstr(file, "/dev/vfio/devices/"))
		return DEVICE;
	return strstr(file, "/dev/vfio/") ? GROUP : OTHER;
}

void medio_calls_ioctl(int fd, unsigned long request, const void *arg, int ret)
{
	struct text text = { "", 0 };
	char file[128];

	medio_calls_fd(fd, file, sizeof(file));
	enum kind kind = kind_of(file);
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(calls); i++) {
		if (calls[i].kind != kind || calls[i].request != request)
			continue;
		if (calls[i].decode)
			calls[i].decode(&text, arg);
		medio_calls_say(ret, "ioctl %s %s%s%s", file, calls[i].name, text.used ? " " : "",
			text.buf);
		return;
	}
	medio_calls_say(ret, "ioctl %s 0x%lx", file, request);
}
