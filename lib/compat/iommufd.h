/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /dev/iommu, and devices bound to it (/dev/vfio/devices/vfioN), as drivers/iommu/iommufd and
 * drivers/vfio/device_cdev.c have them, errno included: address spaces (IOAS) by number, map, unmap, copy, ranges,
 * bind, attach, detach, destroy; and the compatible form in which /dev/iommu takes VFIO's own type1 ioctls.
 */
#ifndef MEDIO_COMPAT_IOMMUFD_H
#define MEDIO_COMPAT_IOMMUFD_H

#include "compat/kdev.h"
#include "compat/kfile.h"

/* What opening /dev/iommu does. */
int medio_iommufd_open(void *compat, uint64_t ino, unsigned flags, struct medio_kfile **out);
/* Make kdev->cdev what vfioN is before it is bound: VFIO_DEVICE_BIND_IOMMUFD, everything else -EINVAL. */
void medio_iommufd_cdev(struct medio_kdev *kdev);

#endif
