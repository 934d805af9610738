/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guest memory for layers that reach it by the million: beside medio_dma_get() of <medio/device.h>,
 * which asks each link of the chain and the command register for every buffer, what may be asked
 * once for many.
 *
 * Threads: the device's.
 */
#ifndef MEDIO_DEVICE_DMA_H
#define MEDIO_DEVICE_DMA_H

#include <medio/device.h>

struct medio_iommu;

enum medio_dma_way {
	MEDIO_DMA_OFF,	  /* the device may reach no memory: no client, or bus mastering is off */
	MEDIO_DMA_ASK,	  /* by medio_dma_get() alone: a filter looks on, or memory has gone */
	MEDIO_DMA_DIRECT, /* a translation that the domain has cached may be used as it is */
};

/* How the device reaches memory now; it holds until control goes back to the loop. */
enum medio_dma_way medio_dma_way(struct medio_dev *dev);
/* Is all of [iova, iova + len) mapped now, as whatever? Nothing is recorded. False if it wraps. */
bool medio_dma_is_mapped(const struct medio_dev *dev, uint64_t iova, size_t len);
/* The instance's domain, the same for its whole life. */
struct medio_iommu *medio_dma_domain(const struct medio_dev *dev);

#endif
