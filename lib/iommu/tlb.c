/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/tlb.h"

#include <stdlib.h>
#include <string.h>

void medio_iotlb_fini(struct medio_iotlb *tlb)
{
	free(tlb->entry);
	*tlb = (struct medio_iotlb){ 0 };
}

void medio_iotlb_resize(struct medio_iotlb *tlb, unsigned mappings)
{
	if (mappings < MEDIO_IOTLB_MAPPINGS) {
		/* Not at once: the client may be at the edge, mapping and unmapping one. */
		if (mappings < MEDIO_IOTLB_MAPPINGS / 2)
			medio_iotlb_fini(tlb);
		return;
	}
	unsigned bits = 33 - (unsigned)__builtin_clz(mappings);
	if (tlb->entry && bits <= tlb->bits)
		return;
	struct medio_iotlb_entry *entry = calloc((size_t)1 << bits, sizeof(*entry));
	if (!entry)
		return;
	free(tlb->entry);
	*tlb = (struct medio_iotlb){ .entry = entry, .bits = bits };
}

void medio_iotlb_flush(struct medio_iotlb *tlb)
{
	if (!tlb->used)
		return;
	memset(tlb->entry, 0, sizeof(*tlb->entry) << tlb->bits);
	tlb->used = false;
}

void medio_iotlb_forget(struct medio_iotlb *tlb, uint64_t first, uint64_t last)
{
	if (!tlb->used)
		return;
	if ((last - first) >> (tlb->bits - 4)) {
		medio_iotlb_flush(tlb);
		return;
	}
	for (uint64_t page = first; page <= last; page++) {
		struct medio_iotlb_entry *e = medio_iotlb_slot(tlb, page);
		if (e->tag >> 2 == page)
			*e = (struct medio_iotlb_entry){ 0 };
	}
}
