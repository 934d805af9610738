/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chains of capabilities in answers of the kernel's VFIO (linux/vfio.h, struct vfio_info_cap_header):
 * each says at which offset of the answer the next one begins, 0 ends. Bytes in, structs out. A chain
 * must lead forward and stay inside; -EPROTO if it does not.
 */
#ifndef MEDIO_DRIVE_VFIO_CAPS_H
#define MEDIO_DRIVE_VFIO_CAPS_H

#include <medio/driver.h>

struct medio_dma_limits;

/* Bytes that an answer may have at most. */
#define MEDIO_VFIO_MAX_INFO 65536

/*
 * The mappable areas of a region, from the size bytes of its struct vfio_region_info; *areas is
 * allocated, or NULL if the chain says nothing of areas. -EPROTO: also, an area outside the region;
 * -ENOMEM.
 */
int medio_vfio_caps_region(
	const uint8_t *buf, size_t size, struct medio_card_area **areas, unsigned *num_areas);
/*
 * What a type1 container maps, from the size bytes of its struct vfio_iommu_type1_info: page sizes,
 * ranges, mappings that are left. What it says nothing of stays as it is in *limits.
 */
int medio_vfio_caps_iommu(const uint8_t *buf, size_t size, struct medio_dma_limits *limits);
/* Of the same answer: the pages in which writes can be logged, bit n: 2^n bytes; 0: they cannot. */
int medio_vfio_caps_log(const uint8_t *buf, size_t size, uint64_t *page_sizes);

#endif
