/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the ioctls of a type1 container share with those of an IOAS in its compatible form: the capabilities behind
 * VFIO_IOMMU_GET_INFO.
 */
#ifndef MEDIO_COMPAT_KTYPE1_H
#define MEDIO_COMPAT_KTYPE1_H

#include "compat/call.h"
#include "compat/kcontainer.h"
#include "compat/kranges.h"

/* As many mappings as the kernel makes unless it was told otherwise (dma_entry_limit). */
#define MEDIO_KTYPE1_MAPPINGS 65535u
/* Pages that an IOMMU of x86 takes: 4 KiB, 2 MiB, 1 GiB; and any, where there are mediated devices only. */
#define MEDIO_KTYPE1_PAGES     UINT64_C(0x40201000)
#define MEDIO_KTYPE1_ANY_PAGES (~UINT64_C(0xfff))

/* A page of the log, and the largest bitmap of one (DIRTY_BITMAP_SIZE_MAX). */
#define MEDIO_KTYPE1_DIRTY_PAGE UINT64_C(4096)
#define MEDIO_KTYPE1_DIRTY_MAX	(UINT64_C(1) << 28)

/* A container's, of all groups it has, and of one more (NULL: none); false: no device of theirs has an IOMMU. */
bool medio_ktype1_ranges(const struct medio_kcontainer *container, const struct medio_kgroup *more,
	struct medio_kranges *out);

/* VFIO_IOMMU_DIRTY_PAGES, and the bitmap of an unmapping: kdirty.c. */
int64_t medio_ktype1_dirty_pages(
	struct medio_kcontainer *container, struct medio_call *call, uint64_t arg);
/* bitmap (struct vfio_bitmap) serves size bytes: -EINVAL if not. */
int medio_ktype1_dirty_check(uint64_t pgsize, uint64_t bitmap_size, uint64_t data, uint64_t size);
/* Put what was written of mapping into the program's bitmap at data, whose first bit is base's; the log starts anew. -EFAULT. */
int medio_ktype1_dirty_put(struct medio_kcontainer *container, struct medio_call *call,
	struct medio_kmapping *mapping, uint64_t base, uint64_t data);
/* The log ends. */
void medio_ktype1_dirty_stop(struct medio_kcontainer *container);

#endif
