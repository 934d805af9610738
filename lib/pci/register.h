/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of registers of configuration space: those of the header, and those of the capabilities that are
 * there. Source: PCI Local Bus 3.0, 6.1 and 6.7; PCI Express Base 6.0, 7.5 to 7.9 and 9.3.
 */
#ifndef MEDIO_PCI_REGISTER_H
#define MEDIO_PCI_REGISTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct medio_pci_register {
	const char *
		group; /* the capability: "msix"; "cap" or "ext": one that is known by id only; NULL:
			      the header */
	bool numbered; /* it is known by id only */
	unsigned id;   /* of the capability */
	const char *
		name; /* "control"; NULL: not known, and inside counts from the capability's begin */
	unsigned inside; /* bytes from the register's begin */
};

/*
 * The register at offset of configuration space. bytes: the first count of it, which may be anybody's; what
 * is behind them is zeros. False: nothing is known to be there. Any thread.
 */
bool medio_pci_register_find(
	const uint8_t *bytes, size_t count, unsigned offset, struct medio_pci_register *out);

#endif
