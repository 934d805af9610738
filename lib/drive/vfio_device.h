/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's file, as VFIO gives it: the same whether it came from a group or is a character device
 * bound to iommufd. Its registers are the file's bytes, the rest is ioctls (linux/vfio.h,
 * VFIO_DEVICE_*).
 */
#ifndef MEDIO_DRIVE_VFIO_DEVICE_H
#define MEDIO_DRIVE_VFIO_DEVICE_H

#include "drive/backend.h"

/* card->backend_state begins with one. */
struct medio_vfio_device {
	int fd;
	int mig_fd;	 /* where migration data goes through, -1: none */
	uint64_t config; /* config space's place in the file */
	char folder[64]; /* the device's, below /sys */
	char name[40];	 /* its last name: a PCI address, or a UUID */
	char driver[40]; /* "" if there is none */
};

/*
 * Find the device that address names: a PCI address or a UUID; fill in folder, name and driver. Words are
 * the card's. -EINVAL: no such address; -ENODEV: no such device, or not bound to a driver of VFIO's.
 */
int medio_vfio_device_find(
	struct medio_card *card, const char *address, struct medio_vfio_device *out);
/* Ask the open device what it is; fill in card->info. -EINVAL: no PCI device. */
int medio_vfio_device_init(struct medio_card *card);
void medio_vfio_device_fini(struct medio_vfio_device *device);

/* As the operations of struct medio_backend. */
int medio_vfio_device_region(
	struct medio_card *card, unsigned region, struct medio_card_region_state *out);
int medio_vfio_device_irq(struct medio_card *card, unsigned index, struct medio_card_irq *out);
int medio_vfio_device_read(
	struct medio_card *card, unsigned region, uint64_t offset, void *buf, size_t count);
int medio_vfio_device_write(
	struct medio_card *card, unsigned region, uint64_t offset, const void *buf, size_t count);
int medio_vfio_device_irq_set(struct medio_card *card, unsigned index, uint32_t flags,
	uint32_t start, uint32_t count, const int *fds);
int medio_vfio_device_reset(struct medio_card *card);
int medio_vfio_device_feature(
	struct medio_card *card, uint32_t flags, void *data, size_t size, size_t cap, size_t *got);
/* A log of what the device writes, kept by the device alone; or, without that, by its container. */
extern const struct medio_card_log medio_vfio_log_device, medio_vfio_log;
int medio_vfio_device_mig_read(struct medio_card *card, void *buf, size_t cap, size_t *got);
int medio_vfio_device_mig_write(struct medio_card *card, const void *buf, size_t size);

#endif
