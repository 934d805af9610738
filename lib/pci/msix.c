/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci/msix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Bits of an entry that software may set: address (dword-aligned), data, the mask bit. */
static const uint8_t entry_wmask[MEDIO_PCI_MSIX_ENTRY_SIZE] = { 0xfc, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 0, 0 };

int medio_pci_msix_init(struct medio_pci_msix *msix, unsigned vectors)
{
	if (vectors > MEDIO_PCI_MSIX_MAX_VECTORS)
		return -EINVAL;
	uint8_t *memory = NULL;
	if (vectors) {
		memory = malloc(
			medio_pci_msix_table_size(vectors) + medio_pci_msix_pba_size(vectors));
		if (!memory)
			return -ENOMEM;
	}
	msix->vectors = (uint16_t)vectors;
	msix->table = memory;
	msix->pba = memory ? memory + medio_pci_msix_table_size(vectors) : NULL;
	medio_pci_msix_reset(msix);
	return 0;
}

void medio_pci_msix_fini(struct medio_pci_msix *msix)
{
	free(msix->table);
	memset(msix, 0, sizeof(*msix));
}

void medio_pci_msix_reset(struct medio_pci_msix *msix)
{
	msix->used = false;
	if (!msix->vectors)
		return;
	memset(msix->table, 0,
		medio_pci_msix_table_size(msix->vectors) + medio_pci_msix_pba_size(msix->vectors));
	for (unsigned i = 0; i < msix->vectors; i++)
		msix->table[i * MEDIO_PCI_MSIX_ENTRY_SIZE + 12] = 1;
}

static int copy_out(const uint8_t *from, size_t size, uint64_t offset, void *buf, size_t count)
{
	if (offset > size || count > size - offset)
		return -EINVAL;
	if (count)
		memcpy(buf, from + offset, count);
	return 0;
}

int medio_pci_msix_read(const struct medio_pci_msix *msix, uint64_t offset, void *buf, size_t count)
{
	return copy_out(msix->table, medio_pci_msix_table_size(msix->vectors), offset, buf, count);
}

int medio_pci_msix_pba_read(
	const struct medio_pci_msix *msix, uint64_t offset, void *buf, size_t count)
{
	return copy_out(msix->pba, medio_pci_msix_pba_size(msix->vectors), offset, buf, count);
}

int medio_pci_msix_write(struct medio_pci_msix *msix, uint64_t offset, const void *buf,
	size_t count, medio_pci_msix_unmasked_fn *unmasked, void *opaque)
{
	/* One bit a vector, so that the callbacks see the table as it is after the whole write. */
	uint64_t rose[MEDIO_PCI_MSIX_MAX_VECTORS / 64];
	size_t size = medio_pci_msix_table_size(msix->vectors);
	const uint8_t *in = buf;

	if (offset > size || count > size - offset)
		return -EINVAL;
	if (!count)
		return 0;
	msix->used = true;
	size_t first = offset / MEDIO_PCI_MSIX_ENTRY_SIZE;
	size_t last = (offset + count - 1) / MEDIO_PCI_MSIX_ENTRY_SIZE;
	memset(rose + first / 64, 0, (last / 64 - first / 64 + 1) * sizeof(rose[0]));

	for (size_t i = 0; i < count; i++) {
		size_t at = offset + i;
		unsigned in_entry = at % MEDIO_PCI_MSIX_ENTRY_SIZE;
		size_t vector = at / MEDIO_PCI_MSIX_ENTRY_SIZE;
		uint8_t value = in[i] & entry_wmask[in_entry];
		if (in_entry == 12 && (msix->table[at] & ~value & 1))
			rose[vector / 64] |= UINT64_C(1) << vector % 64;
		msix->table[at] = value;
	}
	for (size_t vector = first; unmasked && vector <= last; vector++)
		if (rose[vector / 64] >> vector % 64 & 1)
			unmasked(opaque, (unsigned)vector);
	return 0;
}
