/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An IOTLB: the last translation of each page, looked up by page number in one step, where a search
 * of the table takes some. Only domains with many mappings have one (a vIOMMU's single pages); in
 * the others the last hit and a short search do. It is a cache: entries may be missing at any time,
 * but must be gone when their mapping is, or when they would permit too much.
 */
#ifndef MEDIO_IOMMU_TLB_H
#define MEDIO_IOMMU_TLB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Mappings from which on a domain has a TLB, of two to four entries each. */
#define MEDIO_IOTLB_MAPPINGS 64u

struct medio_iotlb_entry {
	uint64_t tag; /* page << 2 | MEDIO_PROT_*; 0: empty (no mapping permits nothing) */
	char *hva;    /* of the page */
};

/* All zero is no TLB and owns nothing. */
struct medio_iotlb {
	struct medio_iotlb_entry *entry;
	unsigned bits; /* log2 of the entries, if there are any */
	bool used;     /* something was filled since the last flush */
};

/* Neighbouring pages get neighbouring entries: drivers take iovas densely, and so never collide. */
static inline struct medio_iotlb_entry *medio_iotlb_slot(
	const struct medio_iotlb *tlb, uint64_t page)
{
	return &tlb->entry[(page ^ page >> tlb->bits) & ((UINT64_C(1) << tlb->bits) - 1)];
}

/* The memory of page if it is cached for prot, or NULL. */
static inline char *medio_iotlb_find(const struct medio_iotlb *tlb, uint64_t page, unsigned prot)
{
	if (!tlb->entry)
		return NULL;
	const struct medio_iotlb_entry *e = medio_iotlb_slot(tlb, page);
	/* One branch for both: the page is this one, and all of prot is among its permissions. */
	const bool hit = (e->tag >> 2 == page) & ((e->tag | prot) == e->tag);
	return hit ? e->hva : NULL;
}

static inline void medio_iotlb_fill(
	struct medio_iotlb *tlb, uint64_t page, unsigned prot, char *hva)
{
	if (!tlb->entry)
		return;
	*medio_iotlb_slot(tlb, page) = (struct medio_iotlb_entry){ page << 2 | prot, hva };
	tlb->used = true;
}

/* The domain has this many mappings now: grow, or go. Without memory it stays as it is. */
void medio_iotlb_resize(struct medio_iotlb *tlb, unsigned mappings);
/* Forget pages [first, last]. */
void medio_iotlb_forget(struct medio_iotlb *tlb, uint64_t first, uint64_t last);
void medio_iotlb_flush(struct medio_iotlb *tlb);
void medio_iotlb_fini(struct medio_iotlb *tlb);

#endif
