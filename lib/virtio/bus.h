/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations of struct medio_device_ops that are the same for a card (pci.c) and without one (bare.c).
 *
 * Threads: the device's.
 */
#ifndef MEDIO_VIRTIO_BUS_H
#define MEDIO_VIRTIO_BUS_H

#include <medio/virtio.h>

int medio_virtio_bus_dma_map(struct medio_dev *dev, uint64_t iova, uint64_t size, unsigned prot);
void medio_virtio_bus_dma_unmap(struct medio_dev *dev, uint64_t iova, uint64_t size);
int medio_virtio_bus_quiesce(struct medio_dev *dev);
void medio_virtio_bus_resume(struct medio_dev *dev);
void medio_virtio_bus_client(struct medio_dev *dev, bool present);

#endif
