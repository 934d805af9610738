/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci/caplist.h"

#include <linux/pci_regs.h>
#include <string.h>

#include "pci/bytes.h"

#define HEADER_END 0x40u
#define CONV_SIZE  0x100u
#define EXT_SIZE   0x1000u

void medio_pci_caplist_init(
	struct medio_pci_caplist *list, const uint8_t *bytes, size_t count, bool extended)
{
	memset(list, 0, sizeof(*list));
	list->bytes = bytes;
	list->count = count < EXT_SIZE ? count : EXT_SIZE;
	list->extended = extended;
	if (count < HEADER_END)
		return;
	if (extended)
		list->next = count < CONV_SIZE + 4 ? 0 : CONV_SIZE;
	else if (bytes[PCI_STATUS] & PCI_STATUS_CAP_LIST)
		list->next = bytes[PCI_CAPABILITY_LIST] & ~3u;
}

enum medio_pci_caplist_step medio_pci_caplist_next(struct medio_pci_caplist *list)
{
	unsigned at = list->next;

	if (!at)
		return MEDIO_PCI_CAPLIST_END;
	list->offset = at;
	list->next = 0;
	list->version = 0;
	if (at < (list->extended ? CONV_SIZE : HEADER_END))
		return MEDIO_PCI_CAPLIST_BROKEN;
	if (at + 4 > list->count)
		return MEDIO_PCI_CAPLIST_BEYOND;
	bool seen = list->seen[at / 32] >> at / 4 % 8 & 1;
	list->seen[at / 32] |= (uint8_t)(1u << at / 4 % 8);

	if (list->extended) {
		uint32_t header = medio_pci_get32(list->bytes + at);
		if (!header || header == 0xffffffff)
			return MEDIO_PCI_CAPLIST_END;
		list->id = (uint16_t)header;
		list->version = header >> 16 & 15;
		if (seen)
			return MEDIO_PCI_CAPLIST_LOOPED;
		list->next = header >> 20 & ~3u;
		return MEDIO_PCI_CAPLIST_CAP;
	}
	if (seen)
		return MEDIO_PCI_CAPLIST_LOOPED;
	list->id = list->bytes[at];
	if (list->id == 0xff)
		return MEDIO_PCI_CAPLIST_BROKEN;
	list->next = list->bytes[at + 1] & ~3u;
	return MEDIO_PCI_CAPLIST_CAP;
}

unsigned medio_pci_caplist_find(const uint8_t *bytes, size_t count, bool extended, unsigned id)
{
	struct medio_pci_caplist list;

	medio_pci_caplist_init(&list, bytes, count, extended);
	while (medio_pci_caplist_next(&list) == MEDIO_PCI_CAPLIST_CAP)
		if (list.id == id)
			return list.offset;
	return 0;
}
