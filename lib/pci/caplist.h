/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walk the capability lists in raw bytes of configuration space. The bytes come from a device that
 * may be hostile: a walk ends after each capability at most once (PCI Local Bus 3.0, 6.7; PCI
 * Express Base 7.6.3).
 */
#ifndef MEDIO_PCI_CAPLIST_H
#define MEDIO_PCI_CAPLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum medio_pci_caplist_step {
	MEDIO_PCI_CAPLIST_END,	  /* no more */
	MEDIO_PCI_CAPLIST_CAP,	  /* one more capability */
	MEDIO_PCI_CAPLIST_LOOPED, /* points at one seen before; the walk ends */
	MEDIO_PCI_CAPLIST_BROKEN, /* points where no capability can be, or at id 0xff; ends */
	MEDIO_PCI_CAPLIST_BEYOND, /* points beyond the bytes at hand; ends */
};

struct medio_pci_caplist {
	const uint8_t *bytes;
	size_t count;
	unsigned offset; /* of the capability of this step */
	unsigned next;	 /* 0: the end */
	uint16_t id;
	uint8_t version; /* extended list */
	bool extended;
	uint8_t seen[4096 / 4 / 8]; /* a bit for each dword */
};

/* Start at the conventional list (if the status register says there is one) or at 0x100. bytes must
 * stay; count is 64 to 4096 (what is beyond 4096 is not looked at, below 64 there is no list). */
void medio_pci_caplist_init(
	struct medio_pci_caplist *list, const uint8_t *bytes, size_t count, bool extended);
enum medio_pci_caplist_step medio_pci_caplist_next(struct medio_pci_caplist *list);
/* Offset of the first capability of that id, or 0. */
unsigned medio_pci_caplist_find(const uint8_t *bytes, size_t count, bool extended, unsigned id);

#endif
