/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The capabilities the library can build: their sizes and what they hold after reset. Where they
 * stand is layout.c's business.
 */
#ifndef MEDIO_PCI_CAPABILITY_H
#define MEDIO_PCI_CAPABILITY_H

#include "pci/layout.h"

/* "power management", "MSI" …, for messages. */
const char *medio_pci_capability_name(enum medio_cap_kind kind);
/* Bytes the capability takes in configuration space. cap is used for VENDOR and EXT only. */
unsigned medio_pci_capability_size(
	enum medio_cap_kind kind, const struct medio_type *type, const struct medio_cap *cap);
/*
 * Write the capability into layout at offset (its arrays reach at least to the capability's end)
 * with `next` as the offset of its successor, 0 for the last.
 */
void medio_pci_capability_fill(struct medio_pci_layout *layout, unsigned offset, unsigned next,
	enum medio_cap_kind kind, const struct medio_type *type, const struct medio_cap *cap);

#endif
