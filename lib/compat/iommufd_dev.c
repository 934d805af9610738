/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices that are bound to /dev/iommu, and what they see. Source: drivers/iommu/iommufd/device.c, drivers/vfio/iommufd.c. */
#include <errno.h>
#include <stdlib.h>

#include "compat/iommufd_ctx.h"

int medio_iommufd_dev_new(
	struct medio_iommufd *ctx, struct medio_kdev *kdev, struct medio_iommufd_dev **out)
{
	struct medio_iommufd_dev *dev = calloc(1, sizeof(*dev));

	if (!dev)
		return -ENOMEM;
	int ret = medio_iommufd_add(ctx,
		medio_kranges_pins(kdev) ? MEDIO_IOMMUFD_DEVICE : MEDIO_IOMMUFD_ACCESS, &dev->obj);
	if (ret) {
		free(dev);
		return ret;
	}
	dev->obj.users = 1;
	dev->ctx = ctx;
	dev->kdev = kdev;
	kdev->iommufd = dev;
	medio_iommufd_get(ctx);
	*out = dev;
	return 0;
}

/* It does not use its address space any more, which it does not see either. */
static void drop(struct medio_iommufd_dev *dev)
{
	if (dev->hwpt) {
		if (!--dev->hwpt->obj.users && dev->hwpt->automatic)
			medio_iommufd_remove(dev->ctx, &dev->hwpt->obj);
	} else if (dev->ioas) {
		dev->ioas->obj.users--;
	}
	dev->hwpt = NULL;
	dev->ioas = NULL;
}

void medio_iommufd_dev_detach(struct medio_iommufd_dev *dev)
{
	if (dev->ioas)
		medio_kmap_detach(dev->ioas->map, dev->kdev);
	drop(dev);
}

void medio_iommufd_dev_free(struct medio_iommufd_dev *dev, bool closed)
{
	struct medio_iommufd *ctx = dev->ctx;

	if (dev->ioas && closed)
		medio_kmap_forget(dev->ioas->map, dev->kdev);
	if (dev->ioas && !closed)
		medio_kmap_detach(dev->ioas->map, dev->kdev);
	drop(dev);
	dev->kdev->iommufd = NULL;
	medio_iommufd_remove(ctx, &dev->obj);
	medio_iommufd_put(ctx);
}

/* All that is mapped, and all that is to stay usable, is in its reach; and there. */
static int check_reach(const struct medio_iommufd_dev *dev, const struct medio_iommufd_ioas *ioas)
{
	const struct medio_kmapping *mapping = medio_kmap_from(ioas->map, 0);
	struct medio_kranges ranges;

	medio_iommufd_ioas_ranges(ioas, dev->kdev, &ranges);
	for (uint32_t i = 0; i < ioas->num_allowed; i++)
		if (!medio_kranges_have(&ranges, ioas->allowed[i].first, ioas->allowed[i].last))
			return -EADDRINUSE;
	while (mapping) {
		const uint64_t last = medio_kmapping_last(mapping);
		if (!medio_kranges_have(&ranges, mapping->iova, last))
			return -EADDRINUSE;
		if (!mapping->span && medio_kranges_pins(dev->kdev))
			return -EFAULT;
		mapping = last == UINT64_MAX ? NULL : medio_kmap_from(ioas->map, last + 1);
	}
	return 0;
}

/* See ioas instead of what it sees, which it sees again if that fails. */
static int switch_to(struct medio_iommufd_dev *dev, struct medio_iommufd_ioas *ioas)
{
	if (dev->ioas == ioas)
		return 0;
	int ret = check_reach(dev, ioas);
	if (ret)
		return ret;
	if (dev->ioas)
		medio_kmap_detach(dev->ioas->map, dev->kdev);
	ret = medio_kmap_attach(ioas->map, dev->kdev);
	if (ret && dev->ioas && medio_kmap_attach(dev->ioas->map, dev->kdev))
		drop(dev);
	return ret;
}

static int attach_access(struct medio_iommufd_dev *dev, uint32_t pt)
{
	struct medio_iommufd_ioas *ioas = medio_iommufd_ioas_find(dev->ctx, pt);

	if (!ioas)
		return -ENOENT;
	int ret = switch_to(dev, ioas);
	if (ret)
		return ret;
	ioas->obj.users++;
	drop(dev);
	dev->ioas = ioas;
	return 0;
}

int medio_iommufd_dev_attach(struct medio_iommufd_dev *dev, uint32_t *pt)
{
	struct medio_iommufd_hwpt *hwpt;

	if (dev->obj.type == MEDIO_IOMMUFD_ACCESS)
		return attach_access(dev, *pt);
	struct medio_iommufd_obj *obj = medio_iommufd_find(dev->ctx, *pt, MEDIO_IOMMUFD_ANY);
	if (!obj)
		return -ENOENT;
	if (obj->type == MEDIO_IOMMUFD_IOAS) {
		int ret = medio_iommufd_hwpt_automatic(
			dev->ctx, medio_container_of(obj, struct medio_iommufd_ioas, obj), &hwpt);
		if (ret)
			return ret;
	} else if (obj->type == MEDIO_IOMMUFD_HWPT) {
		hwpt = medio_container_of(obj, struct medio_iommufd_hwpt, obj);
	} else {
		return -EINVAL;
	}
	hwpt->obj.users++;
	int ret = switch_to(dev, hwpt->ioas);
	if (ret) {
		if (!--hwpt->obj.users && hwpt->automatic)
			medio_iommufd_remove(dev->ctx, &hwpt->obj);
		return ret;
	}
	drop(dev);
	dev->hwpt = hwpt;
	dev->ioas = hwpt->ioas;
	*pt = hwpt->obj.id;
	return 0;
}
