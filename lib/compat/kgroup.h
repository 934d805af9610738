/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups and containers, /dev/vfio/N and /dev/vfio/vfio, as drivers/vfio/group.c, container.c and
 * vfio_iommu_type1.c (or vfio_iommu_spapr_tce.c) have them, errno included. A group holds one device here, or those
 * that were put into it.
 */
#ifndef MEDIO_COMPAT_KGROUP_H
#define MEDIO_COMPAT_KGROUP_H

#include "compat/kdev.h"
#include "compat/kfile.h"
#include "util/list.h"

struct medio_iommufd;
struct medio_kcontainer;

struct medio_kgroup {
	struct medio_list link; /* of the compat's groups */
	struct medio_compat *compat;
	unsigned number;
	bool noiommu; /* /dev/vfio/noiommu-N */
	struct medio_kfile file;
	bool open;	       /* by the program; stays so while a device of it is open */
	bool closed;	       /* the file is gone, but a device is open */
	unsigned devices_open; /* by this group's file */
	unsigned cdevs_open;   /* by their own files: this group cannot be opened then */
	struct medio_kcontainer *container;
	struct medio_list in_container;
	struct medio_iommufd
		*iommufd; /* instead of a container: /dev/iommu in its compatible form */
};

/* -ENOMEM. The device's group from then on. */
int medio_kgroup_new(struct medio_compat *compat, struct medio_kdev *kdev, bool noiommu,
	struct medio_kgroup **out);
void medio_kgroup_free(struct medio_kgroup *group);

/* What opening the two files does (fs.h): *out is in the table when this returns. -EBUSY: the group is open. -EPERM:
 * a no-IOMMU group without CAP_SYS_RAWIO is the caller's affair. */
int medio_kgroup_open(void *group, uint64_t ino, unsigned flags, struct medio_kfile **out);
int medio_kcontainer_open(void *compat, uint64_t ino, unsigned flags, struct medio_kfile **out);

#endif
