/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The iovas that devices can reach: in the kernel the IOMMU's aperture without the windows of interrupts, and what each
 * device is limited to. A mediated device has no limits of its own there, as its driver reaches memory by the processor.
 *
 * Source: drivers/vfio/vfio_iommu_type1.c (struct vfio_iova), drivers/iommu/iommufd/io_pagetable.c (reserved_itree).
 */
#ifndef MEDIO_COMPAT_KRANGES_H
#define MEDIO_COMPAT_KRANGES_H

#include <stdbool.h>
#include <stdint.h>

struct medio_kdev;

/* Where x86 machines have the window of interrupts, and how far their IOMMUs translate. */
#define MEDIO_KRANGES_MSI_FIRST UINT64_C(0xfee00000)
#define MEDIO_KRANGES_MSI_LAST	UINT64_C(0xfeefffff)
#define MEDIO_KRANGES_LAST	((UINT64_C(1) << 48) - 1)

#define MEDIO_KRANGES_MAX 32u

struct medio_krange {
	uint64_t first, last;
};

/* Sorted, with gaps. */
struct medio_kranges {
	unsigned num;
	struct medio_krange range[MEDIO_KRANGES_MAX];
};

/* All of them. */
void medio_kranges_all(struct medio_kranges *ranges);
/* Without [first, last]. */
void medio_kranges_cut(struct medio_kranges *ranges, uint64_t first, uint64_t last);
/* Only what kdev reaches as well. */
void medio_kranges_narrow(struct medio_kranges *ranges, const struct medio_kdev *kdev);
/* Is [first, last] inside one? */
bool medio_kranges_have(const struct medio_kranges *ranges, uint64_t first, uint64_t last);
/* Does the kernel put an IOMMU in front of it, and pin memory for it when that is mapped? A mediated device asks itself. */
bool medio_kranges_pins(const struct medio_kdev *kdev);

#endif
