/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Raw bytes of configuration space in words, as pciutils' lspci prints them, or as JSON.
 *
 * Decoded in full: the type 0 header, power management, MSI, MSI-X, PCI Express (of endpoints: slot
 * and root registers of ports are left out), VirtIO vendor capabilities, serial number and
 * vendor-specific extended capabilities. Others are named. A bridge shows its BARs, bus numbers and
 * capabilities. Bytes may come from a hostile device.
 */
#ifndef MEDIO_PCI_DECODE_H
#define MEDIO_PCI_DECODE_H

#include <stdint.h>
#include <stdio.h>

#include "pci/names.h"

struct medio_pci_decode {
	const char *slot;	       /* stands in front: "00:05.0", or a name */
	const uint8_t *bytes;	       /* configuration space */
	size_t count;		       /* of them: 64 to 4096 */
	const uint64_t *sizes;	       /* of BARs 0 to 5 in bytes, 0: none; NULL: not known */
	struct medio_pci_names *names; /* NULL: numbers */
	enum medio_pci_numeric numeric;
	unsigned verbose; /* 0: one line; 1 to 3: lspci's -v, -vv, -vvv */
	unsigned hex;	  /* 0: no dump; 1: 64 bytes; 3: 256; 4: 4096 (as far as there are) */
};

/* Print as lspci does. -EINVAL: count below 64. -EIO: out has failed. */
int medio_pci_decode_text(const struct medio_pci_decode *decode, FILE *out);
/* Print one JSON object (no newline after it), with everything -vvv shows; verbose is not looked
 * at. With hex, "config" holds the bytes. Ids are hexadecimal text, addresses too. As above. */
int medio_pci_decode_json(const struct medio_pci_decode *decode, FILE *out);

#endif
