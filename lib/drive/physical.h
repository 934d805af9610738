/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA of a device without an IOMMU, for the backends that have such: it puts out physical addresses,
 * and nothing keeps it from the rest of memory. Those of ordinary memory change while a program runs,
 * so only huge pages will do, and only who may know physical addresses can find them (Linux,
 * Documentation/admin-guide/mm/pagemap.rst).
 */
#ifndef MEDIO_DRIVE_PHYSICAL_H
#define MEDIO_DRIVE_PHYSICAL_H

#include "drive/backend.h"

/* As the operations of struct medio_backend. */
int medio_physical_place(struct medio_card *card, const void *ptr, uint64_t size, uint64_t *iova);
int medio_physical_map(struct medio_card *card, const struct medio_card_mapping *mapping);
int medio_physical_unmap(struct medio_card *card, uint64_t iova, uint64_t size);
void medio_physical_limits(struct medio_card *card, struct medio_dma_limits *out);

#endif
