/* SPDX-License-Identifier: BSD-3-Clause */
#include "drive/vfio_container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "drive/vfio_caps.h"
#include "util/cleanup.h"

#define FIRST_INFO 1024 /* bytes asked for in the first IOMMU_GET_INFO; most fit */

typedef unsigned long long ull;

static int ask(const struct medio_card *card, int fd, unsigned long request, void *arg)
{
	return card->kernel->ioctl(fd, request, arg);
}

/* ---- The container ----------------------------------------------------------------------------- */

/* Where the container of this kind is kept. */
static struct medio_vfio_container **slot(struct medio_card *card, bool noiommu)
{
	return noiommu ? &card->container->vfio_noiommu : &card->container->vfio;
}

/* An ioctl's argument that is a number, not a pointer. */
static void *model_of(bool noiommu)
{
	return noiommu ? (void *)VFIO_NOIOMMU_IOMMU : (void *)VFIO_TYPE1v2_IOMMU;
}

static int check_model(struct medio_card *card, int fd, bool noiommu)
{
	if (ask(card, fd, VFIO_CHECK_EXTENSION, model_of(noiommu)) > 0)
		return 0;
	return medio_card_say(card, ENOTSUP,
		noiommu ? "VFIO's no-IOMMU mode is switched off; if the device may reach all memory: "
			  "echo Y > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
			: "the kernel's VFIO has no IOMMU of type 1, version 2: `modprobe "
			  "vfio_iommu_type1` loads it");
}

static int container_open(struct medio_card *card, bool noiommu, struct medio_vfio_container **out)
{
	_cleanup_close_ int fd = medio_kernel_open(card->kernel, O_RDWR, "/dev/vfio/vfio");

	if (fd == -ENOENT || fd == -ENODEV || fd == -ENXIO)
		return medio_card_say(
			card, ENODEV, "the kernel has no VFIO: `modprobe vfio-pci` loads it");
	if (fd < 0)
		return medio_card_say(card, -fd, "/dev/vfio/vfio: %s", strerror(-fd));
	int ret = ask(card, fd, VFIO_GET_API_VERSION, NULL);
	if (ret != VFIO_API_VERSION)
		return medio_card_say(card, ENOTSUP,
			"the kernel's VFIO has version %d of its interface, known is %d", ret,
			VFIO_API_VERSION);
	/* An empty container is one with an IOMMU, and knows nothing of the other kind. */
	ret = noiommu ? 0 : check_model(card, fd, false);
	if (ret)
		return ret;
	struct medio_vfio_container *container = calloc(1, sizeof(*container));
	if (!container)
		return medio_card_say(card, ENOMEM, "out of memory");
	container->fd = medio_steal_fd(fd);
	container->noiommu = noiommu;
	medio_list_init(&container->groups);
	*out = container;
	return 0;
}

/* Gone with its last group. */
static void container_put(struct medio_card *card, struct medio_vfio_container *container)
{
	if (!medio_list_empty(&container->groups))
		return;
	*slot(card, container->noiommu) = NULL;
	close(container->fd);
	free(container);
}

/* ---- Groups ------------------------------------------------------------------------------------ */

static int open_failed(struct medio_card *card, const char *number, bool noiommu, int ret)
{
	const char *prefix = noiommu ? "noiommu-" : "";

	switch (ret) {
	case -ENOENT:
		return medio_card_say(card, ENOENT,
			"there is no /dev/vfio/%s%s: no device of IOMMU group %s is bound to vfio-pci",
			prefix, number, number);
	case -EACCES:
	case -EPERM:
		if (noiommu)
			return medio_card_say(card, EACCES,
				"/dev/vfio/noiommu-%s: only root may open it (CAP_SYS_RAWIO): without an IOMMU "
				"the device reaches all memory",
				number);
		return medio_card_say(card, EACCES,
			"/dev/vfio/%s: this user may not open it; root can give it away: chown USER "
			"/dev/vfio/%s",
			number, number);
	case -EBUSY:
		return medio_card_say(card, EBUSY,
			"IOMMU group %s is open already: by another program, or by a card of this one "
			"that is not in the same container",
			number);
	default:
		return medio_card_say(
			card, -ret, "/dev/vfio/%s%s: %s", prefix, number, strerror(-ret));
	}
}

static int check_viable(struct medio_card *card, int fd, const char *number)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char who[256];
	int ret = ask(card, fd, VFIO_GROUP_GET_STATUS, &status);

	if (ret < 0)
		return medio_card_say(
			card, -ret, "IOMMU group %s: GET_STATUS: %s", number, strerror(-ret));
	if (status.flags & VFIO_GROUP_FLAGS_VIABLE)
		return 0;
	unsigned count = medio_kernel_strangers(card->kernel, number, who, sizeof(who));
	if (!count)
		return medio_card_say(card, EPERM,
			"IOMMU group %s is not viable: one of its devices is in use by the kernel",
			number);
	return medio_card_say(card, EPERM,
		"IOMMU group %s is not viable: %s %s in it too, in use by the kernel; bind %s to "
		"vfio-pci or to no driver",
		number, who, count == 1 ? "is" : "are", count == 1 ? "it" : "them");
}

static int attach_failed(struct medio_card *card, const struct medio_vfio_container *container,
	const char *number, const char *call, int ret)
{
	switch (ret) {
	case -EPERM:
		if (container->noiommu)
			return medio_card_say(card, EACCES,
				"IOMMU group %s: only root may drive a device without an IOMMU "
				"(CAP_SYS_RAWIO)",
				number);
		return medio_card_say(card, EPERM,
			"IOMMU group %s: the IOMMU does not remap interrupts, so the device could send "
			"any; switch it on in the firmware (QEMU: intel-iommu,intremap=on) or, if the device is "
			"trusted, load vfio_iommu_type1 with allow_unsafe_interrupts=1",
			number);
	case -EBUSY:
		return medio_card_say(card, EBUSY, "IOMMU group %s is in use elsewhere", number);
	case -EINVAL:
		return medio_card_say(card, EINVAL,
			"IOMMU group %s: %s: it cannot have what the container has mapped, or has no IOMMU",
			number, call);
	default:
		return medio_card_say(
			card, -ret, "IOMMU group %s: %s: %s", number, call, strerror(-ret));
	}
}

static int group_attach(
	struct medio_card *card, struct medio_vfio_container *container, int fd, const char *number)
{
	int ret = check_viable(card, fd, number);

	if (ret)
		return ret;
	/* To a container that is ready this attaches the group's devices at once. */
	ret = ask(card, fd, VFIO_GROUP_SET_CONTAINER, &container->fd);
	if (ret < 0)
		return attach_failed(card, container, number, "SET_CONTAINER", ret);
	if (container->ready)
		return 0;
	ret = container->noiommu ? check_model(card, container->fd, true) : 0;
	if (ret)
		return ret;
	ret = ask(card, container->fd, VFIO_SET_IOMMU, model_of(container->noiommu));
	if (ret < 0)
		return attach_failed(card, container, number, "SET_IOMMU", ret);
	container->ready = true;
	return 0;
}

static int group_open(struct medio_card *card, struct medio_vfio_container *container,
	const char *number, struct medio_vfio_group **out)
{
	_cleanup_close_ int fd = medio_kernel_open(card->kernel, O_RDWR, "/dev/vfio/%s%s",
		container->noiommu ? "noiommu-" : "", number);

	if (fd < 0)
		return open_failed(card, number, container->noiommu, fd);
	int ret = group_attach(card, container, fd, number);
	if (ret)
		return ret;
	struct medio_vfio_group *group = calloc(1, sizeof(*group));
	if (!group)
		return medio_card_say(card, ENOMEM, "out of memory");
	snprintf(group->number, sizeof(group->number), "%s", number);
	group->fd = medio_steal_fd(fd);
	group->container = container;
	medio_list_append(&container->groups, &group->link);
	*out = group;
	return 0;
}

int medio_vfio_group_get(
	struct medio_card *card, const char *number, bool noiommu, struct medio_vfio_group **out)
{
	struct medio_vfio_container *container = *slot(card, noiommu);
	int ret = 0;

	if (!container) {
		ret = container_open(card, noiommu, &container);
		if (ret || !container)
			return ret;
		*slot(card, noiommu) = container;
	}
	medio_list_for_each (item, &container->groups) {
		struct medio_vfio_group *group = medio_container_of(
			item, struct medio_vfio_group, link);
		if (strcmp(group->number, number) != 0)
			continue;
		group->users++;
		*out = group;
		return 0;
	}
	ret = group_open(card, container, number, out);
	if (ret)
		container_put(card, container);
	else
		(*out)->users = 1;
	return ret;
}

void medio_vfio_group_put(struct medio_card *card, struct medio_vfio_group *group)
{
	if (--group->users)
		return;
	medio_list_remove(&group->link);
	close(group->fd);
	container_put(card, group->container);
	free(group);
}

/* ---- DMA --------------------------------------------------------------------------------------- */

static int no_memory(struct medio_card *card, const struct medio_card_mapping *mapping)
{
	const struct medio_memory *memory = &card->container->memory;
	struct rlimit limit = { 0, 0 };
	uint64_t all = 0;

	for (unsigned i = 0; i < memory->count; i++)
		all += memory->list[i].size;
	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_cur == RLIM_INFINITY)
		return medio_card_say(card, ENOMEM,
			"DMA: 0x%llx bytes cannot be locked in memory: out of memory",
			(ull)mapping->size);
	return medio_card_say(card, ENOMEM,
		"DMA: mapped memory is locked, and this process may lock %llu KiB (RLIMIT_MEMLOCK); this "
		"mapping has %llu KiB, with it there are %llu KiB: raise the limit (ulimit -l, "
		"LimitMEMLOCK=)",
		(ull)limit.rlim_cur / 1024, (ull)mapping->size / 1024, (ull)all / 1024);
}

int medio_vfio_map_failed(
	struct medio_card *card, const struct medio_card_mapping *mapping, int ret)
{
	const char *why = strerror(-ret);

	switch (ret) {
	case -ENOMEM:
		return no_memory(card, mapping);
	case -EEXIST:
		why = "part of them is mapped already";
		break;
	case -ENOSPC:
		why = "no more mappings are allowed (vfio_iommu_type1's dma_entry_limit)";
		break;
	case -EFAULT:
		why = "the memory is not there, or not accessible in the way asked for";
		break;
	case -EINVAL:
		why = "the IOMMU cannot map this: beyond its reach, where interrupts go, or not whole "
		      "pages of its size";
		break;
	}
	return medio_card_say(card, -ret, "DMA: 0x%llx bytes at 0x%llx: %s", (ull)mapping->size,
		(ull)mapping->iova, why);
}

int medio_vfio_dma_map(struct medio_card *card, const struct medio_card_mapping *mapping)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = (mapping->prot & MEDIO_CARD_DMA_READ ? VFIO_DMA_MAP_FLAG_READ : 0) |
			 (mapping->prot & MEDIO_CARD_DMA_WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uintptr_t)mapping->ptr,
		.iova = mapping->iova,
		.size = mapping->size,
	};
	int ret = ask(card, card->container->vfio->fd, VFIO_IOMMU_MAP_DMA, &map);

	return ret < 0 ? medio_vfio_map_failed(card, mapping, ret) : 0;
}

int medio_vfio_dma_unmap(struct medio_card *card, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = iova, .size = size
	};
	int ret = ask(card, card->container->vfio->fd, VFIO_IOMMU_UNMAP_DMA, &unmap);

	return ret < 0 ? medio_card_say(card, -ret, "DMA: unmapping 0x%llx bytes at 0x%llx: %s",
				 (ull)size, (ull)iova, strerror(-ret))
		       : 0;
}

/* What the kernel says of the container, in size bytes; NULL: nothing, or out of memory. */
static uint8_t *get_info(struct medio_card *card, size_t *size)
{
	uint32_t argsz = FIRST_INFO;

	for (;;) {
		_cleanup_free_ uint8_t *buf = calloc(1, argsz);
		struct vfio_iommu_type1_info *info = (void *)buf;
		if (!buf)
			return NULL;
		info->argsz = argsz;
		if (ask(card, card->container->vfio->fd, VFIO_IOMMU_GET_INFO, info) < 0 ||
			info->argsz > MEDIO_VFIO_MAX_INFO)
			return NULL;
		if (info->argsz <= argsz) {
			*size = argsz;
			return medio_steal_ptr(buf);
		}
		argsz = info->argsz;
	}
}

void medio_vfio_dma_limits(struct medio_card *card, struct medio_dma_limits *out)
{
	size_t size = 0;
	_cleanup_free_ uint8_t *info = get_info(card, &size);

	/* Old kernels say nothing: then this alone is known. */
	medio_dma_limits_cut(out, MEDIO_DMA_MSI_FIRST, MEDIO_DMA_MSI_LAST);
	struct medio_dma_limits limits = *out;
	if (info && !medio_vfio_caps_iommu(info, size, &limits))
		*out = limits;
}

uint64_t medio_vfio_log_page(struct medio_card *card)
{
	size_t size = 0;
	_cleanup_free_ uint8_t *info = get_info(card, &size);
	uint64_t page_sizes = 0;

	if (info && medio_vfio_caps_log(info, size, &page_sizes))
		page_sizes = 0;
	return page_sizes & -page_sizes;
}
