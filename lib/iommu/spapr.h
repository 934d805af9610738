/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sPAPR TCE model of a container, VFIO_SPAPR_TCE_v2_IOMMU: what a POWER machine's IOMMU looks
 * like to a driver. Two things differ from type1. Memory has to be registered before any of it is
 * mapped, so that it is accounted for once, not at each map. And I/O virtual addresses lie in at
 * most two windows, each with its own page size, that the driver makes and removes; a window is a
 * table with one entry a page (TCE), so a map takes the place of what was mapped there, and an
 * unmap may cut a mapping in two.
 *
 *     register_memory(vaddr, size)  create_window(page shift, size)      map(iova in window, vaddr)
 *
 * Addresses of the client's memory (vaddr) are its own; a registration says which file is behind
 * them. Errors are the kernel's. Source: Linux drivers/vfio/vfio_iommu_spapr_tce.c,
 * arch/powerpc/mm/book3s64/iommu_api.c, arch/powerpc/platforms/powernv/pci-ioda.c;
 * Documentation/driver-api/vfio.rst, "PPC64 sPAPR implementation note".
 */
#ifndef MEDIO_IOMMU_SPAPR_H
#define MEDIO_IOMMU_SPAPR_H

#include <medio/error.h>
#include <stdint.h>

struct medio_iommu;
struct medio_spapr;

#define MEDIO_SPAPR_WINDOWS 2u
/* Where they begin on the bus: window 0 in 32 bits' reach, window 1 beyond. */
#define MEDIO_SPAPR_START_0 UINT64_C(0)
#define MEDIO_SPAPR_START_1 (UINT64_C(1) << 59)
#define MEDIO_SPAPR_LEVELS  5u /* of a window's table */

/* struct vfio_iommu_spapr_tce_info, with the dynamic windows. */
struct medio_spapr_info {
	uint64_t dma32_start, dma32_size; /* the window there is at the beginning: 0, 2 GiB */
	uint64_t page_sizes;		  /* bit n: pages of 2^n bytes: 4 KiB, 64 KiB, 16 MiB */
	unsigned max_windows, levels;
};

/* With the default window and nothing registered. -ENOMEM. */
int medio_spapr_new(struct medio_spapr **out);
/* NULL is allowed. */
void medio_spapr_free(struct medio_spapr *spapr);
/* Where a device translates: the domain of iommu.h, to read and write through, not to map. */
struct medio_iommu *medio_spapr_domain(struct medio_spapr *spapr);
void medio_spapr_info(const struct medio_spapr *spapr, struct medio_spapr_info *out);

/*
 * VFIO_IOMMU_SPAPR_TCE_CREATE: a window of size bytes (a power of two) in pages of 2^page_shift, in a
 * table of so many levels; *start is where it begins. -EINVAL: a page size or size that cannot be,
 * levels 0 or over MEDIO_SPAPR_LEVELS; -ENOSPC: two windows are there; remove one.
 */
int medio_spapr_create_window(struct medio_spapr *spapr, unsigned page_shift, uint64_t size,
	unsigned levels, uint64_t *start, struct medio_error **err);
/* VFIO_IOMMU_SPAPR_TCE_REMOVE: what is mapped in it goes too. -EINVAL: none begins at start. */
int medio_spapr_remove_window(struct medio_spapr *spapr, uint64_t start, struct medio_error **err);

/*
 * VFIO_IOMMU_SPAPR_REGISTER_MEMORY: the client's [vaddr, vaddr + size) is the file behind fd from
 * offset on. fd stays the caller's. -EINVAL: not multiples of 4096, size 0, a wrap, part of it is
 * registered otherwise; -EBUSY: just this is registered already; or as medio_iommu_map() for the
 * file.
 */
int medio_spapr_register(struct medio_spapr *spapr, uint64_t vaddr, uint64_t size, int fd,
	uint64_t offset, struct medio_error **err);
/* VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY: -ENOENT: not registered as just this; -EBUSY: some of it is
 * mapped. */
int medio_spapr_unregister(
	struct medio_spapr *spapr, uint64_t vaddr, uint64_t size, struct medio_error **err);

/*
 * VFIO_IOMMU_MAP_DMA. -ENXIO: iova is in no window; -EINVAL: iova, vaddr or size not multiples of the
 * window's pages, size 0, beyond the window's end, no or unknown prot, a page of memory that is not
 * registered as a whole; -ENOSPC, -ENOMEM: then nothing is mapped there any more.
 */
int medio_spapr_map(struct medio_spapr *spapr, uint64_t iova, uint64_t size, uint64_t vaddr,
	unsigned prot, struct medio_error **err);
/* VFIO_IOMMU_UNMAP_DMA: errors of addresses as above; holes are fine. */
int medio_spapr_unmap(
	struct medio_spapr *spapr, uint64_t iova, uint64_t size, struct medio_error **err);

#endif
