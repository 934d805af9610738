/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cards that share their DMA mappings. Each card is in one container: that of the program's
 * (opts.container), or one of its own. A mapping is made at every member; members whose mappings are
 * one thing to the kernel (a type1 container, an address space of iommufd) name the same domain, and
 * are then asked once.
 */
#ifndef MEDIO_DRIVE_CONTAINER_H
#define MEDIO_DRIVE_CONTAINER_H

#include <medio/driver.h>

#include "drive/memory.h"
#include "util/list.h"

#define MEDIO_DMA_MAX_RANGES 32

/* Interrupts are writes to these addresses, x86's IOMMUs translate nothing there. */
#define MEDIO_DMA_MSI_FIRST UINT64_C(0xfee00000)
#define MEDIO_DMA_MSI_LAST  UINT64_C(0xfeefffff)

/* Where mappings can be. */
struct medio_dma_limits {
	struct medio_card_dma_range ranges[MEDIO_DMA_MAX_RANGES]; /* sorted */
	unsigned num_ranges;
	uint64_t page_sizes; /* bit n: pages of 2^n bytes; the lowest is what mappings consist of */
	uint64_t max_maps;   /* more mappings that can be made */
	bool physical;	     /* no translation: an iova is a physical address */
};

struct medio_vfio_container;
struct medio_iommufd;

struct medio_container {
	unsigned refs; /* the program's and the cards' */
	bool shared;   /* made by the program: others may join */
	struct medio_memory memory;
	struct medio_list cards; /* struct medio_card.member */
	struct medio_dma_limits limits;
	uint64_t next; /* where the search for a free iova goes on */
	/* What the kernel's backends share here; each counts its users. */
	struct medio_vfio_container *vfio, *vfio_noiommu;
	struct medio_iommufd *iommufd;
};

/* Everything: what a side without limits says. */
void medio_dma_limits_all(struct medio_dma_limits *limits);
/* Take what is outside other's out of limits. */
void medio_dma_limits_meet(struct medio_dma_limits *limits, const struct medio_dma_limits *other);
/* Take the addresses [first, last] out. */
void medio_dma_limits_cut(struct medio_dma_limits *limits, uint64_t first, uint64_t last);
/* Does one range hold all of it? */
bool medio_dma_limits_hold(const struct medio_dma_limits *limits, uint64_t iova, uint64_t size);

/* A container of a card's own. NULL: out of memory. */
struct medio_container *medio_container_alloc(void);
/* Take part / have no part any more; the last one to leave ends it. */
void medio_container_ref(struct medio_container *container);
void medio_container_unref(struct medio_container *container);
/*
 * The card, open, becomes a member: what is mapped is mapped for it too. Words are the card's.
 * -EINVAL: what is mapped is not where the card's device can reach; errno of a mapping.
 */
int medio_container_join(struct medio_card *card);
void medio_container_leave(struct medio_card *card);
/* What is mapped must be where the member reaches, and be mapped for it. Errors as join. */
int medio_container_replay(struct medio_card *card);
/* Work the limits out anew. */
void medio_container_limits(struct medio_container *container);
/* Map for, unmap for, all members. Words are card's. */
int medio_container_map(struct medio_card *card, const struct medio_card_mapping *mapping);
int medio_container_unmap(struct medio_card *card, uint64_t iova, uint64_t size);
/* A free place for size bytes. -ENOSPC. */
int medio_container_place(struct medio_container *container, uint64_t size, uint64_t *iova);

#endif
