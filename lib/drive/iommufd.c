/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The backend for a device of the kernel's VFIO by its own file, with iommufd in place of containers
 * and groups. All cards of one struct medio_container are attached to one I/O address space.
 */
#include "proto/iommufd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drive/vfio_container.h"
#include "drive/vfio_device.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/uuid.h"

typedef unsigned long long ull;

/* Of a container: the open /dev/iommu and its address space. */
struct medio_iommufd {
	int fd;
	uint32_t ioas;
	unsigned users; /* cards */
};

static int ask(const struct medio_card *card, unsigned long request, void *arg)
{
	return card->kernel->ioctl(card->container->iommufd->fd, request, arg);
}

/* ---- The address space ------------------------------------------------------------------------- */

static int space_open(struct medio_card *card)
{
	struct medio_iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	_cleanup_close_ int fd = medio_kernel_open(card->kernel, O_RDWR, "/dev/iommu");

	if (fd == -ENOENT || fd == -ENODEV || fd == -ENXIO)
		return medio_card_say(card, ENOTSUP,
			"the kernel has no iommufd (CONFIG_IOMMUFD; `modprobe iommufd` if it is a "
			"module): use vfio: with the same address");
	if (fd < 0)
		return medio_card_say(card, -fd, "/dev/iommu: %s", strerror(-fd));
	int ret = card->kernel->ioctl(fd, MEDIO_IOMMU_IOAS_ALLOC, &alloc);
	if (ret < 0)
		return medio_card_say(card, -ret, "IOAS_ALLOC: %s", strerror(-ret));
	struct medio_iommufd *iommufd = calloc(1, sizeof(*iommufd));
	if (!iommufd)
		return medio_card_say(card, ENOMEM, "out of memory");
	iommufd->fd = medio_steal_fd(fd);
	iommufd->ioas = alloc.out_ioas_id;
	card->container->iommufd = iommufd;
	return 0;
}

static int space_get(struct medio_card *card)
{
	int ret = card->container->iommufd ? 0 : space_open(card);

	if (!ret)
		card->container->iommufd->users++;
	return ret;
}

static void space_put(struct medio_card *card)
{
	struct medio_iommufd *iommufd = card->container->iommufd;

	if (--iommufd->users)
		return;
	/* Its objects go with it. */
	card->container->iommufd = NULL;
	close(iommufd->fd);
	free(iommufd);
}

/* ---- The device -------------------------------------------------------------------------------- */

static int open_failed(struct medio_card *card, const char *path, int ret)
{
	if (ret == -EACCES || ret == -EPERM)
		return medio_card_say(card, EACCES,
			"%s: this user may not open it; root can give it away: chown USER %s", path,
			path);
	return medio_card_say(card, -ret, "%s: %s", path, strerror(-ret));
}

static int open_cdev(struct medio_card *card, struct medio_vfio_device *device)
{
	char name[32], path[64], group[16];
	int ret = medio_kernel_find(
		card->kernel, name, sizeof(name), "vfio", "/sys/%s/vfio-dev", device->folder);

	if (ret)
		return medio_card_say(card, ENOTSUP,
			"%s has no VFIO device of its own in /sys: the kernel is older than 6.1",
			device->name);
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", name);
	ret = medio_kernel_open(card->kernel, O_RDWR, "%s", path);
	if (ret == -ENOENT &&
		!medio_kernel_link(card->kernel, group, sizeof(group), "/sys/%s/iommu_group",
			device->folder) &&
		medio_kernel_noiommu(card->kernel, group))
		return medio_card_say(card, ENOTSUP,
			"%s has no IOMMU, and iommufd takes no such device: use vfio:%s",
			device->name, device->name);
	if (ret == -ENOENT)
		return medio_card_say(card, ENOTSUP,
			"there is no %s: the kernel is built without CONFIG_VFIO_DEVICE_CDEV; use vfio:%s",
			path, device->name);
	if (ret < 0)
		return open_failed(card, path, ret);
	device->fd = ret;
	return 0;
}

/* Whoever else keeps the group is not named by the kernel, in which call soever it refuses. 0: nobody. */
static int not_viable(struct medio_card *card, const struct medio_vfio_device *device)
{
	char group[16], who[256];

	if (medio_kernel_link(
		    card->kernel, group, sizeof(group), "/sys/%s/iommu_group", device->folder) ||
		!medio_kernel_strangers(card->kernel, group, who, sizeof(who)))
		return 0;
	return medio_card_say(card, EPERM,
		"IOMMU group %s is not viable: in it is also, in use by the kernel, %s; bind it to "
		"vfio-pci or to no driver",
		group, who);
}

/* The kernel gives one errno for several reasons. */
static int token_failed(struct medio_card *card, const struct medio_vfio_device *device, int ret)
{
	if (ret == -EACCES)
		return medio_card_say(card, EACCES,
			"%s: the VF token is not the one that its parent's driver has set",
			device->name);
	return medio_card_say(card, EINVAL,
		"%s takes no VF token: it is no virtual function that needs one, or it is open already, or "
		"the kernel is older than 6.18; with those, vfio:%s takes the token",
		device->name, device->name);
}

static int bind_failed(
	struct medio_card *card, const struct medio_vfio_device *device, bool token, int ret)
{
	int viable = ret == -EPERM || ret == -EBUSY ? not_viable(card, device) : 0;

	if (viable)
		return viable;
	if (token && (ret == -EACCES || ret == -EINVAL))
		return token_failed(card, device, ret);
	switch (ret) {
	case -EPERM:
		return medio_card_say(card, EPERM,
			"%s: the IOMMU does not remap interrupts, so the device could send any; switch it "
			"on in the firmware (QEMU: intel-iommu,intremap=on) or, if the device is trusted, "
			"load iommufd with allow_unsafe_interrupts=1",
			device->name);
	case -EBUSY:
	case -EINVAL: /* of a device that is bound: its file can be opened again, that is all */
		return medio_card_say(card, EBUSY,
			"%s is open already, or its IOMMU group is: by another program, or as vfio:",
			device->name);
	case -EACCES:
		return medio_card_say(card, EACCES,
			"%s: its parent device is driven by vfio-pci too, and a VF token is needed: the UUID "
			"that the parent's driver has set (vf_token)",
			device->name);
	default:
		return medio_card_say(
			card, -ret, "%s: BIND_IOMMUFD: %s", device->name, strerror(-ret));
	}
}

static int attach_failed(struct medio_card *card, const struct medio_vfio_device *device, int ret)
{
	int viable = not_viable(card, device);

	return viable ? viable
		      : medio_card_say(card, -ret, "%s: ATTACH: %s", device->name, strerror(-ret));
}

static int bind_device(
	struct medio_card *card, const struct medio_vfio_device *device, const char *token)
{
	uint8_t uuid[MEDIO_UUID_SIZE];
	struct medio_vfio_bind_iommufd bind = {
		.argsz = offsetof(struct medio_vfio_bind_iommufd, token_uuid_ptr),
		.iommufd = card->container->iommufd->fd,
	};

	if (token && medio_uuid_parse(token, strlen(token), uuid))
		return medio_card_say(card, EINVAL, "the VF token is no UUID");
	if (token) {
		bind.argsz = sizeof(bind);
		bind.flags = MEDIO_VFIO_BIND_FLAG_TOKEN;
		bind.token_uuid_ptr = (uintptr_t)uuid;
	}
	int ret = card->kernel->ioctl(device->fd, MEDIO_VFIO_BIND_IOMMUFD, &bind);
	return ret < 0 ? bind_failed(card, device, token, ret) : 0;
}

static int open_device(struct medio_card *card, struct medio_vfio_device *device, const char *token)
{
	struct medio_vfio_attach_pt attach = { .argsz = sizeof(attach) };
	int ret = open_cdev(card, device);

	if (!ret)
		ret = bind_device(card, device, token);
	if (ret)
		return ret;
	attach.pt_id = card->container->iommufd->ioas;
	ret = card->kernel->ioctl(device->fd, MEDIO_VFIO_ATTACH_PT, &attach);
	if (ret < 0)
		return attach_failed(card, device, ret);
	card->domain = card->container->iommufd;
	return medio_vfio_device_init(card);
}

static void iommufd_close(struct medio_card *card)
{
	struct medio_vfio_device *device = card->backend_state;

	medio_vfio_device_fini(device);
	if (card->container->iommufd)
		space_put(card);
	free(device);
}

static int iommufd_open(struct medio_card *card, const char *address, int fd,
	const struct medio_card_options *opts, struct medio_error **err)
{
	_cleanup_close_ int owned = fd; /* of no use here */
	struct medio_vfio_device *device = calloc(1, sizeof(*device));

	(void)owned;
	if (!device)
		return medio_error_set(err, ENOMEM, "out of memory");
	device->fd = device->mig_fd = -1;
	card->backend_state = device;
	int ret = medio_vfio_device_find(card, address, device);
	if (!ret)
		ret = space_get(card);
	if (ret) {
		medio_error_set(err, -ret, "%s", card->words);
		free(device);
		return ret;
	}
	ret = open_device(card, device, opts->vf_token);
	if (ret) {
		medio_error_set(err, -ret, "%s", card->words);
		iommufd_close(card);
	}
	return ret;
}

/* ---- DMA --------------------------------------------------------------------------------------- */

static int iommufd_dma_map(struct medio_card *card, const struct medio_card_mapping *mapping)
{
	struct medio_iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = MEDIO_IOMMU_IOAS_MAP_FIXED_IOVA |
			 (mapping->prot & MEDIO_CARD_DMA_READ ? MEDIO_IOMMU_IOAS_MAP_READABLE : 0) |
			 (mapping->prot & MEDIO_CARD_DMA_WRITE ? MEDIO_IOMMU_IOAS_MAP_WRITEABLE
							       : 0),
		.ioas_id = card->container->iommufd->ioas,
		.user_va = (uintptr_t)mapping->ptr,
		.length = mapping->size,
		.iova = mapping->iova,
	};
	int ret = ask(card, MEDIO_IOMMU_IOAS_MAP, &map);

	return ret < 0 ? medio_vfio_map_failed(card, mapping, ret) : 0;
}

/* The kernel takes back what lies in the range, if no mapping is cut and there are no holes. */
static int iommufd_dma_unmap(struct medio_card *card, uint64_t iova, uint64_t size)
{
	const struct medio_memory *memory = &card->container->memory;

	for (unsigned i = 0; i < memory->count; i++) {
		const struct medio_card_mapping *mapping = &memory->list[i];
		if (mapping->iova < iova || mapping->iova - iova >= size)
			continue;
		struct medio_iommu_ioas_unmap unmap = {
			.size = sizeof(unmap),
			.ioas_id = card->container->iommufd->ioas,
			.iova = mapping->iova,
			.length = mapping->size,
		};
		int ret = ask(card, MEDIO_IOMMU_IOAS_UNMAP, &unmap);
		if (ret < 0 && ret != -ENOENT)
			return medio_card_say(card, -ret,
				"DMA: unmapping 0x%llx bytes at 0x%llx: %s", (ull)mapping->size,
				(ull)mapping->iova, strerror(-ret));
	}
	return 0;
}

static void iommufd_dma_limits(struct medio_card *card, struct medio_dma_limits *out)
{
	struct medio_iommu_iova_range ranges[MEDIO_DMA_MAX_RANGES];
	struct medio_iommu_ioas_iova_ranges ask_ranges = {
		.size = sizeof(ask_ranges),
		.ioas_id = card->container->iommufd->ioas,
		.num_iovas = MEDIO_DMA_MAX_RANGES,
		.allowed_iovas = (uintptr_t)ranges,
	};
	struct medio_dma_limits said = { .page_sizes = out->page_sizes, .max_maps = UINT64_MAX };
	int ret = ask(card, MEDIO_IOMMU_IOAS_IOVA_RANGES, &ask_ranges);

	/* -EMSGSIZE: what fits is there. */
	if (ret < 0 && ret != -EMSGSIZE) {
		medio_dma_limits_cut(out, MEDIO_DMA_MSI_FIRST, MEDIO_DMA_MSI_LAST);
		return;
	}
	for (unsigned i = 0; i < ask_ranges.num_iovas && i < MEDIO_DMA_MAX_RANGES; i++)
		said.ranges[said.num_ranges++] = (struct medio_card_dma_range){ ranges[i].start,
			ranges[i].last };
	if (ask_ranges.out_iova_alignment > 4096)
		said.page_sizes = -ask_ranges.out_iova_alignment;
	medio_dma_limits_meet(out, &said);
}

const struct medio_backend medio_backend_iommufd = {
	.scheme = "iommufd",
	.near = true,
	.open = iommufd_open,
	.close = iommufd_close,
	.region = medio_vfio_device_region,
	.irq = medio_vfio_device_irq,
	.read = medio_vfio_device_read,
	.write = medio_vfio_device_write,
	.dma_map = iommufd_dma_map,
	.dma_unmap = iommufd_dma_unmap,
	.dma_limits = iommufd_dma_limits,
	.irq_set = medio_vfio_device_irq_set,
	.reset = medio_vfio_device_reset,
	.feature = medio_vfio_device_feature,
	.log = &medio_vfio_log_device,
	.mig_read = medio_vfio_device_mig_read,
	.mig_write = medio_vfio_device_mig_write,
};
