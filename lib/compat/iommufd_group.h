/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A group whose "container" is /dev/iommu: VFIO_GROUP_SET_CONTAINER takes its descriptor as well, and what the group's devices
 * see is then its compatible IOAS.
 *
 * Source: drivers/vfio/group.c, drivers/vfio/iommufd.c, drivers/iommu/iommufd/vfio_compat.c.
 */
#ifndef MEDIO_COMPAT_IOMMUFD_GROUP_H
#define MEDIO_COMPAT_IOMMUFD_GROUP_H

#include "compat/kdev.h"
#include "compat/kfile.h"
#include "compat/kgroup.h"

/* Set group->iommufd. -EBADFD: file is not /dev/iommu; -EINVAL: with and without an IOMMU do not mix; -ENOMEM. */
int medio_iommufd_add_group(struct medio_kfile *file, struct medio_kgroup *group);
void medio_iommufd_remove_group(struct medio_kgroup *group);
/* A device of the group is opened for the first time. -ENODEV: there is no compatible IOAS; -EPERM: there is one, but the
 * group is a no-IOMMU one; -EINVAL, -ENOMEM, or what mapping says. */
int medio_iommufd_open_device(struct medio_kgroup *group, struct medio_kdev *kdev);
/* It has been closed for the last time. */
void medio_iommufd_close_device(struct medio_kdev *kdev);

#endif
