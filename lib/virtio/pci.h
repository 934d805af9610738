/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio device as a PCI card (4.1).
 *
 *     pci.c         operations of the card, interrupts, save and load
 *     pci_common.c  the common configuration
 *     pci_notify.c  notifications
 *     pci_caps.c    capabilities
 *     pci_window.c  access to BARs through config space
 */
#ifndef MEDIO_VIRTIO_PCI_H
#define MEDIO_VIRTIO_PCI_H

#include "virtio/core.h"

#define MEDIO_VIRTIO_NO_VECTOR 0xffffu

/* Bits of the ISR status (4.1.4.5). */
enum { MEDIO_VIRTIO_ISR_QUEUE = 1, MEDIO_VIRTIO_ISR_CONFIG = 2 };

struct medio_virtio_pci {
	struct medio_dev *dev;
	struct medio_virtio_core *core;
	uint32_t device_feature_select, driver_feature_select;
	uint16_t queue_select;
	uint16_t config_vector;
	uint16_t vectors[MEDIO_VIRTIO_MAX_QUEUES];
	uint8_t isr;
	bool master;	 /* bus mastering was on when last looked */
	unsigned window; /* offset in config space of the capability for access, 0: there is none */
	uint64_t interrupts, config_interrupts;
};

/* NULL: the device is not made yet, or is carried by something else. */
struct medio_virtio_pci *medio_virtio_pci_of(const struct medio_dev *dev);

/* count bytes at offset of the structure, as a driver reads and writes them. Reading has no effect. */
void medio_virtio_pci_common_read(
	struct medio_virtio_pci *pci, unsigned offset, uint8_t *buf, size_t count);
void medio_virtio_pci_common_write(
	struct medio_virtio_pci *pci, unsigned offset, const uint8_t *buf, size_t count);

/* The value of a notification is looked at; the doorbell that follows does the rest. */
void medio_virtio_pci_notify_check(
	struct medio_virtio_pci *pci, unsigned offset, const uint8_t *buf, size_t count);
void medio_virtio_pci_doorbell(struct medio_dev *dev, unsigned region, uint64_t offset);

/* A virtio capability at an offset of config space (4.1.4); false: there is none. */
struct medio_virtio_pci_cap {
	unsigned at; /* in config space */
	uint8_t type, bar, id, size;
	uint64_t offset, length;
	uint32_t multiplier; /* of notifications */
};
/* The one after `after` (0: the first). */
bool medio_virtio_pci_cap_next(
	struct medio_dev *dev, unsigned after, struct medio_virtio_pci_cap *out);

void medio_virtio_pci_window_init(struct medio_virtio_pci *pci);
void medio_virtio_pci_window_read(struct medio_virtio_pci *pci, unsigned offset, size_t count);
void medio_virtio_pci_window_write(struct medio_virtio_pci *pci, unsigned offset, size_t count);

#endif
