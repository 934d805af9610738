/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOMMU groups: devices that the hardware cannot keep apart, so that VFIO gives all of them to one
 * user or none. Source: Linux Documentation/driver-api/vfio.rst.
 */
#ifndef MEDIO_HOST_GROUP_H
#define MEDIO_HOST_GROUP_H

#include "host/device.h"

enum medio_group_state {
	MEDIO_GROUP_KERNEL,	/* nobody wants VFIO: no device of it is on a driver for that */
	MEDIO_GROUP_VIABLE,	/* VFIO can open it */
	MEDIO_GROUP_NOT_VIABLE, /* a device is on VFIO, another on a driver that forbids it */
};

struct medio_host_group {
	int number;
	char type[16]; /* "DMA", "DMA-FQ", "identity", "blocked"; "": unknown */
	bool noiommu;  /* made up by VFIO for a device without IOMMU: no protection at all */
	struct medio_host_device *devices;
	unsigned count;
};

/* Numbers of every group in order, as text. -ENOENT: none at all; -errno. */
int medio_host_groups(const struct medio_host *host, struct medio_strv *numbers);
/* Read a group; medio_host_group_fini() it. -ENOENT: there is none; -ENOMEM. */
int medio_host_group_load(const struct medio_host *host, int number, struct medio_host_group *out);
void medio_host_group_fini(struct medio_host_group *group);

enum medio_group_state medio_host_group_state(const struct medio_host_group *group);
/* "kernel", "viable", "not viable". */
const char *medio_group_state_name(enum medio_group_state state);
/* Would this device keep the others from VFIO? */
bool medio_host_group_blocked_by(const struct medio_host_device *dev);
/* Do its devices (bridges left aside) sit in more than one slot? Then a bridge between does not
 * keep them apart: it has no ACS. */
bool medio_host_group_spans_slots(const struct medio_host_group *group);
/* Does the IOMMU give its devices addresses of their own? Then DMA by UIO goes astray. */
bool medio_host_group_translates(const struct medio_host_group *group);

#endif
