/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend for a device of the kernel's VFIO, by its IOMMU group. */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drive/physical.h"
#include "drive/vfio_container.h"
#include "drive/vfio_device.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/uuid.h"

struct vfio {
	struct medio_vfio_device device;
	struct medio_vfio_group *group;
};

static const struct medio_backend backend_noiommu;

static bool is_mediated(const struct medio_vfio_device *device)
{
	return !strncmp(device->folder, "bus/mdev/", strlen("bus/mdev/"));
}

static int find_group(struct medio_card *card, const struct vfio *vfio, char *number, size_t size)
{
	const struct medio_vfio_device *device = &vfio->device;

	if (medio_kernel_link(card->kernel, number, size, "/sys/%s/iommu_group", device->folder))
		return medio_card_say(card, ENOTSUP,
			"%s has no IOMMU group: the IOMMU is off (firmware, or the kernel parameters "
			"intel_iommu=on, amd_iommu=on), or does not cover it; VFIO can do without one, "
			"unsafely (its parameter enable_unsafe_noiommu_mode)",
			device->name);
	return 0;
}

static int device_failed(struct medio_card *card, const struct vfio *vfio, bool token, int ret)
{
	const struct medio_vfio_device *device = &vfio->device;

	if (ret == -EACCES || ret == -EPERM)
		return medio_card_say(card, EACCES, "%s: %s", device->name,
			token ? "the VF token is not the one that its parent's driver has set"
			      : "its parent device is driven by vfio-pci too, and a VF token is needed: "
				"the UUID that the parent's driver has set (vf_token)");
	if (ret == -EINVAL && token)
		return medio_card_say(card, EINVAL, "%s takes no VF token", device->name);
	return medio_card_say(card, -ret, "%s: GET_DEVICE_FD: %s", device->name, strerror(-ret));
}

static int open_device(
	struct medio_card *card, struct vfio *vfio, const struct medio_card_options *opts)
{
	uint8_t uuid[MEDIO_UUID_SIZE];
	char name[128], number[16];
	int ret;

	if (opts->vf_token && medio_uuid_parse(opts->vf_token, strlen(opts->vf_token), uuid))
		return medio_card_say(card, EINVAL, "the VF token is no UUID");
	ret = find_group(card, vfio, number, sizeof(number));
	if (ret)
		return ret;
	/* The group that a mediated device's driver stands in for an IOMMU with has the same name. */
	bool noiommu = !is_mediated(&vfio->device) && medio_kernel_noiommu(card->kernel, number);
	ret = medio_vfio_group_get(card, number, noiommu, &vfio->group);
	if (ret)
		return ret;
	if (noiommu)
		card->backend = &backend_noiommu;
	snprintf(name, sizeof(name), "%s%s%s", vfio->device.name,
		opts->vf_token ? " vf_token=" : "", opts->vf_token ? opts->vf_token : "");
	ret = card->kernel->ioctl(vfio->group->fd, VFIO_GROUP_GET_DEVICE_FD, name);
	if (ret < 0)
		return device_failed(card, vfio, opts->vf_token, ret);
	vfio->device.fd = ret;
	/* The kernel gives it without. */
	fcntl(ret, F_SETFD, FD_CLOEXEC);
	card->domain = noiommu ? NULL : vfio->group->container;
	return medio_vfio_device_init(card);
}

static void vfio_close(struct medio_card *card)
{
	struct vfio *vfio = card->backend_state;

	medio_vfio_device_fini(&vfio->device);
	if (vfio->group)
		medio_vfio_group_put(card, vfio->group);
	free(vfio);
}

static int vfio_open(struct medio_card *card, const char *address, int fd,
	const struct medio_card_options *opts, struct medio_error **err)
{
	_cleanup_close_ int owned = fd; /* of no use here */
	struct vfio *vfio = calloc(1, sizeof(*vfio));

	(void)owned;
	if (!vfio)
		return medio_error_set(err, ENOMEM, "out of memory");
	vfio->device.fd = vfio->device.mig_fd = -1;
	card->backend_state = vfio;
	int ret = medio_vfio_device_find(card, address, &vfio->device);
	if (!ret)
		ret = open_device(card, vfio, opts);
	if (ret) {
		medio_error_set(err, -ret, "%s", card->words);
		vfio_close(card);
	}
	return ret;
}

const struct medio_backend medio_backend_vfio = {
	.scheme = "vfio",
	.near = true,
	.open = vfio_open,
	.close = vfio_close,
	.region = medio_vfio_device_region,
	.irq = medio_vfio_device_irq,
	.read = medio_vfio_device_read,
	.write = medio_vfio_device_write,
	.dma_map = medio_vfio_dma_map,
	.dma_unmap = medio_vfio_dma_unmap,
	.dma_limits = medio_vfio_dma_limits,
	.irq_set = medio_vfio_device_irq_set,
	.reset = medio_vfio_device_reset,
	.feature = medio_vfio_device_feature,
	.log = &medio_vfio_log,
	.mig_read = medio_vfio_device_mig_read,
	.mig_write = medio_vfio_device_mig_write,
};

/* The same without an IOMMU: the kernel maps nothing, the device puts out physical addresses. */
static const struct medio_backend backend_noiommu = {
	.scheme = "vfio",
	.near = true,
	.open = vfio_open,
	.close = vfio_close,
	.region = medio_vfio_device_region,
	.irq = medio_vfio_device_irq,
	.read = medio_vfio_device_read,
	.write = medio_vfio_device_write,
	.dma_map = medio_physical_map,
	.dma_unmap = medio_physical_unmap,
	.dma_limits = medio_physical_limits,
	.dma_place = medio_physical_place,
	.irq_set = medio_vfio_device_irq_set,
	.reset = medio_vfio_device_reset,
	.feature = medio_vfio_device_feature,
	.log = &medio_vfio_log_device,
	.mig_read = medio_vfio_device_mig_read,
	.mig_write = medio_vfio_device_mig_write,
};
