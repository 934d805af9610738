/* SPDX-License-Identifier: BSD-3-Clause */
#include "registers/registers.h"

#include <medio/virtio.h>

#define VENDOR_VIRTIO 0x1af4
#define VENDOR_QEMU   0x1b36

static const struct {
	uint16_t vendor, first, last; /* of the device's numbers */
	const struct medio_register *registers;
} cards[] = {
	{ 0x1234, 0x11e8, 0x11e8, registers_edu },
	{ 0x4348, 0x3253, 0x3253, registers_16550_dual },
	{ 0x9710, 0x9900, 0x9900, registers_16550 },
	{ VENDOR_QEMU, 0x0002, 0x0002, registers_16550 }, /* pci-serial */
	{ VENDOR_QEMU, 0x0010, 0x0010, registers_nvme },
	/* Where a virtio card has its structures is told by its capabilities; QEMU's has them where
	 * medio's has. VIRTIO 1.3, 4.1.2.1: 0x1040 and the kind of device. */
	{ VENDOR_VIRTIO, 0x1040, 0x107f, medio_virtio_pci_registers },
};

const struct medio_register *registers_find(uint16_t vendor, uint16_t device)
{
	for (unsigned i = 0; i < sizeof(cards) / sizeof(cards[0]); i++)
		if (cards[i].vendor == vendor && device >= cards[i].first &&
			device <= cards[i].last)
			return cards[i].registers;
	return NULL;
}

const struct medio_register *registers_find_class(uint32_t class_code)
{
	switch (class_code) {
	case 0x010802: /* mass storage, non-volatile memory, NVM Express */
		return registers_nvme;
	case 0x070002: /* serial controller, 16550 */
		return registers_16550;
	default:
		return NULL;
	}
}
