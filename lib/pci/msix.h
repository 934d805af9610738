/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The MSI-X table and pending bit array of one instance, as memory (PCI Local Bus 3.0, 6.8.2).
 *
 * An entry is 16 bytes: address (8), data (4), vector control (4, bit 0: masked). A pending bit
 * stands at bit N of the array, which is a whole number of quadwords. Whether MSI-X is enabled and
 * whether the whole function is masked stands in configuration space (config.h), not here.
 *
 * Threads: the owner's only.
 */
#ifndef MEDIO_PCI_MSIX_H
#define MEDIO_PCI_MSIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pci/bytes.h"

#define MEDIO_PCI_MSIX_MAX_VECTORS 2048
#define MEDIO_PCI_MSIX_ENTRY_SIZE  16

struct medio_pci_msix {
	uint16_t vectors;
	bool used;	/* somebody has written the table since the last reset */
	uint8_t *table; /* vectors entries; NULL if vectors is 0 */
	uint8_t *pba;	/* follows the table in the same allocation */
};

/* A vector went from masked to unmasked. Called from medio_pci_msix_write, after the whole write
 * has been stored; may clear the vector's pending bit. */
typedef void medio_pci_msix_unmasked_fn(void *opaque, unsigned vector);

/* Bytes of the table and of the pending bit array of so many vectors. */
static inline size_t medio_pci_msix_table_size(unsigned vectors)
{
	return (size_t)vectors * MEDIO_PCI_MSIX_ENTRY_SIZE;
}

static inline size_t medio_pci_msix_pba_size(unsigned vectors)
{
	return ((size_t)vectors + 63) / 64 * 8;
}

/* A table of `vectors` (0 to 2048) vectors, all masked. 0 allocates nothing. -EINVAL: more than
 * 2048. -ENOMEM. */
int medio_pci_msix_init(struct medio_pci_msix *msix, unsigned vectors);
void medio_pci_msix_fini(struct medio_pci_msix *msix);
/* All vectors masked, nothing pending, addresses and data zero, not used. */
void medio_pci_msix_reset(struct medio_pci_msix *msix);

/* Read count bytes at offset of the table, at any width and alignment. -EINVAL: outside it. */
int medio_pci_msix_read(
	const struct medio_pci_msix *msix, uint64_t offset, void *buf, size_t count);
/*
 * Write count bytes at offset of the table. Address bits 0-1 and vector control bits 1-31 are
 * hardwired to zero. unmasked (may be NULL) is told each vector that has become unmasked.
 * -EINVAL: outside the table, nothing is written.
 */
int medio_pci_msix_write(struct medio_pci_msix *msix, uint64_t offset, const void *buf,
	size_t count, medio_pci_msix_unmasked_fn *unmasked, void *opaque);
/* Read count bytes at offset of the pending bit array. -EINVAL: outside it. A client's writes to
 * the array change nothing (it is read-only), so there is no function for them. */
int medio_pci_msix_pba_read(
	const struct medio_pci_msix *msix, uint64_t offset, void *buf, size_t count);

/* Vectors outside the table are masked, and never pending. */
static inline bool medio_pci_msix_masked(const struct medio_pci_msix *msix, unsigned vector)
{
	if (vector >= msix->vectors)
		return true;
	return msix->table[vector * MEDIO_PCI_MSIX_ENTRY_SIZE + 12] & 1;
}

static inline bool medio_pci_msix_pending(const struct medio_pci_msix *msix, unsigned vector)
{
	return vector < msix->vectors && (msix->pba[vector / 8] >> (vector % 8) & 1);
}

static inline void medio_pci_msix_set_pending(struct medio_pci_msix *msix, unsigned vector)
{
	if (vector < msix->vectors)
		msix->pba[vector / 8] |= (uint8_t)(1u << vector % 8);
}

static inline void medio_pci_msix_clear_pending(struct medio_pci_msix *msix, unsigned vector)
{
	if (vector < msix->vectors)
		msix->pba[vector / 8] &= (uint8_t) ~(1u << vector % 8);
}

/* The message of a vector, which must be inside the table. */
static inline uint64_t medio_pci_msix_address(const struct medio_pci_msix *msix, unsigned vector)
{
	return medio_pci_get64(msix->table + (size_t)vector * MEDIO_PCI_MSIX_ENTRY_SIZE);
}

static inline uint32_t medio_pci_msix_data(const struct medio_pci_msix *msix, unsigned vector)
{
	return medio_pci_get32(msix->table + (size_t)vector * MEDIO_PCI_MSIX_ENTRY_SIZE + 8);
}

#endif
