/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory, quiet, clients: what a device hears of them, with a card around it and without. */
#include "virtio/bus.h"

#include "virtio/core.h"

int medio_virtio_bus_dma_map(struct medio_dev *dev, uint64_t iova, uint64_t size, unsigned prot)
{
	(void)iova;
	(void)size;
	(void)prot;
	medio_virtio_core_memory_changed(medio_virtio_core_of(dev), false);
	return 0;
}

void medio_virtio_bus_dma_unmap(struct medio_dev *dev, uint64_t iova, uint64_t size)
{
	(void)iova;
	(void)size;
	medio_virtio_core_memory_changed(medio_virtio_core_of(dev), true);
}

int medio_virtio_bus_quiesce(struct medio_dev *dev)
{
	return medio_virtio_core_quiesce(medio_virtio_core_of(dev));
}

void medio_virtio_bus_resume(struct medio_dev *dev)
{
	medio_virtio_core_resume(medio_virtio_core_of(dev));
}

void medio_virtio_bus_client(struct medio_dev *dev, bool present)
{
	medio_virtio_core_client(medio_virtio_core_of(dev), present);
}
