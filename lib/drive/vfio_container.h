/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's container and its groups (Documentation/driver-api/vfio.rst, "Groups, Devices, and
 * IOMMUs"): a group is opened, put into the container, and the first one decides the container's IOMMU
 * model: type1 version 2, or, for the groups that VFIO makes up for devices without an IOMMU, none at
 * all. The kernel does not mix the two, so one struct medio_container has at most one of each; all of
 * its cards by VFIO groups are in them, and cards of one group share the group's file.
 */
#ifndef MEDIO_DRIVE_VFIO_CONTAINER_H
#define MEDIO_DRIVE_VFIO_CONTAINER_H

#include "drive/backend.h"

struct medio_vfio_container {
	int fd;
	bool noiommu; /* of devices without an IOMMU: it maps nothing */
	bool ready;   /* SET_IOMMU is done */
	struct medio_list groups;
	/* For whom it logs what its devices write, in pages of so many bytes. NULL: it does not. */
	const struct medio_card *logger;
	uint64_t log_page;
};

struct medio_vfio_group {
	struct medio_list link;
	struct medio_vfio_container *container;
	char number[16];
	int fd;
	unsigned users; /* cards */
};

/*
 * Have the group of this number ("5") in the kernel's container of card's. noiommu: the group was made
 * up for a device without an IOMMU. Words are the card's.
 * -ENODEV: no VFIO in this kernel; -ENOENT: no such group; -EACCES; -EBUSY: it is open elsewhere;
 * -EPERM: not viable, or interrupts are not remapped; -ENOTSUP: no type1 version 2.
 */
int medio_vfio_group_get(
	struct medio_card *card, const char *number, bool noiommu, struct medio_vfio_group **out);
/* When the card's device is closed. */
void medio_vfio_group_put(struct medio_card *card, struct medio_vfio_group *group);

/* As the operations of struct medio_backend. */
int medio_vfio_dma_map(struct medio_card *card, const struct medio_card_mapping *mapping);
int medio_vfio_dma_unmap(struct medio_card *card, uint64_t iova, uint64_t size);
void medio_vfio_dma_limits(struct medio_card *card, struct medio_dma_limits *out);

/* The smallest pages in which the card's container logs what is written; 0: it keeps no log. */
uint64_t medio_vfio_log_page(struct medio_card *card);

/* Say why the kernel refused to map: words for errnum, among them those about RLIMIT_MEMLOCK. */
int medio_vfio_map_failed(
	struct medio_card *card, const struct medio_card_mapping *mapping, int ret);

#endif
