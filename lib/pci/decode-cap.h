/* SPDX-License-Identifier: BSD-3-Clause */
/* Capabilities in lspci's words: the part of decode.c that knows what is inside each. */
#ifndef MEDIO_PCI_DECODE_CAP_H
#define MEDIO_PCI_DECODE_CAP_H

#include <stdbool.h>

#include "pci/decode.h"

/* lspci's way to show a flag. */
#define FLAG(value, bit) (((value) & (bit)) ? '+' : '-')

/* Are there size bytes at offset? */
static inline bool medio_pci_decode_has(
	const struct medio_pci_decode *d, unsigned offset, unsigned size)
{
	return offset <= d->count && size <= d->count - offset;
}

/* All "Capabilities:" lines. */
void medio_pci_decode_caps(const struct medio_pci_decode *d, FILE *out);
/* The words behind "Capabilities: [40] " for PCI Express, and its registers if verbose. */
void medio_pci_decode_express(const struct medio_pci_decode *d, unsigned at, FILE *out);
/* What stands below the titles of ARI and SR-IOV, if verbose. */
void medio_pci_decode_ari(const struct medio_pci_decode *d, unsigned at, FILE *out);
void medio_pci_decode_sriov(const struct medio_pci_decode *d, unsigned at, FILE *out);
/* "Power Management", "MSI" …; NULL for an id without a name. */
const char *medio_pci_decode_cap_name(unsigned id);
const char *medio_pci_decode_ext_name(unsigned id);

#endif
