/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A container, /dev/vfio/vfio: groups, and an I/O address space that SET_IOMMU makes for them. What an address space takes is
 * its kind's affair, of which there are three: type1, none (no-IOMMU) and sPAPR TCE.
 *
 * Source: drivers/vfio/container.c (struct vfio_iommu_driver_ops).
 */
#ifndef MEDIO_COMPAT_KCONTAINER_H
#define MEDIO_COMPAT_KCONTAINER_H

#include <stdbool.h>
#include <stdint.h>

#include "compat/kfile.h"
#include "compat/kgroup.h"
#include "compat/kmap.h"
#include "util/list.h"

struct medio_kcontainer;
struct medio_kspapr;

struct medio_kiommu {
	const char *name;
	bool noiommu; /* only for no-IOMMU groups, which take nothing else */
	/* VFIO_CHECK_EXTENSION; container: NULL before SET_IOMMU. */
	int64_t (*check)(struct medio_compat *compat, struct medio_kcontainer *container,
		uint64_t extension);
	/* SET_IOMMU of a type that check() knows. */
	int (*open)(struct medio_kcontainer *container, uint64_t type);
	void (*close)(struct medio_kcontainer *container);
	int (*attach)(struct medio_kcontainer *container, struct medio_kgroup *group);
	void (*detach)(struct medio_kcontainer *container, struct medio_kgroup *group);
	int64_t (*ioctl)(struct medio_kcontainer *container, struct medio_call *call, unsigned cmd,
		uint64_t arg);
};

extern const struct medio_kiommu medio_kiommu_type1, medio_kiommu_none, medio_kiommu_spapr;

struct medio_kcontainer {
	struct medio_kfile file;
	struct medio_compat *compat;
	unsigned refs;		  /* its groups; its file, while it is open */
	struct medio_list groups; /* in_container */
	bool noiommu;
	const struct medio_kiommu *iommu; /* NULL: SET_IOMMU is to come */
	struct medio_kmap *map;		  /* NULL: likewise, or there is none */

	/* type1 */
	bool v2, dirty_log;
	unsigned avail; /* mappings that can still be made */
	unsigned stale; /* mappings whose address was taken away */
	/* sPAPR */
	struct medio_kspapr *spapr;
};

/* The container a program's file is; NULL: another file. */
struct medio_kcontainer *medio_kcontainer_of(struct medio_kfile *file);
/* -EPERM: groups with and without an IOMMU do not mix; or what attach() says. */
int medio_kcontainer_add(struct medio_kcontainer *container, struct medio_kgroup *group);
/* The last group takes the address space along; the container ends if its file is closed. */
void medio_kcontainer_remove(struct medio_kgroup *group);

#endif
