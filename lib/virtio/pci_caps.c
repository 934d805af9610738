/* SPDX-License-Identifier: BSD-3-Clause */
/* Vendor capabilities, by which a driver finds the structures (4.1.4). */
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>

#include "virtio/pci.h"

#define CAP_VENDOR 9u
#define CAP_BYTES  16u
#define HEADER	   3u /* id, next, length: the library's */

const uint8_t medio_virtio_pci_common_cap[MEDIO_VIRTIO_CAP_SIZE] = {
	MEDIO_VIRTIO_CAP_BYTES(
		VIRTIO_PCI_CAP_COMMON_CFG, MEDIO_VIRTIO_BAR, 0, MEDIO_VIRTIO_COMMON, 60),
};
const uint8_t medio_virtio_pci_notify_cap[MEDIO_VIRTIO_CAP_SIZE + 4] = {
	MEDIO_VIRTIO_CAP_BYTES(
		VIRTIO_PCI_CAP_NOTIFY_CFG, MEDIO_VIRTIO_BAR, 0, MEDIO_VIRTIO_NOTIFY, 0x1000),
	MEDIO_VIRTIO_LE32(MEDIO_VIRTIO_MULTIPLIER),
};
const uint8_t medio_virtio_pci_isr_cap[MEDIO_VIRTIO_CAP_SIZE] = {
	MEDIO_VIRTIO_CAP_BYTES(VIRTIO_PCI_CAP_ISR_CFG, MEDIO_VIRTIO_BAR, 0, MEDIO_VIRTIO_ISR, 1),
};
const uint8_t medio_virtio_pci_device_cap[MEDIO_VIRTIO_CAP_SIZE] = {
	MEDIO_VIRTIO_CAP_BYTES(
		VIRTIO_PCI_CAP_DEVICE_CFG, MEDIO_VIRTIO_BAR, 0, MEDIO_VIRTIO_CONFIG, 0x1000),
};
/* Where it looks is for the driver to say (4.1.4.9). */
const uint8_t medio_virtio_pci_window_cap[MEDIO_VIRTIO_CAP_SIZE + 4] = {
	MEDIO_VIRTIO_CAP_BYTES(VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 0, 0),
};
const uint8_t medio_virtio_pci_window_wmask[MEDIO_VIRTIO_CAP_SIZE + 4] = {
	[1] = 0xff, /* BAR */
	[5] = 0xff,
	0xff,
	0xff,
	0xff, /* offset */
	0xff,
	0xff,
	0xff,
	0xff, /* length */
	0xff,
	0xff,
	0xff,
	0xff, /* data */
};

const struct medio_cap medio_virtio_pci_caps[] = {
	MEDIO_VIRTIO_CAPS,
	{ .kind = MEDIO_CAP_NONE },
};

const struct medio_cap medio_virtio_pcie_caps[] = {
	MEDIO_VIRTIO_CAPS,
	{ .kind = MEDIO_CAP_PCIE },
	{ .kind = MEDIO_CAP_NONE },
};

static uint8_t byte_at(struct medio_dev *dev, unsigned at)
{
	uint8_t byte = 0;
	return medio_config_get(dev, at, &byte, 1) ? 0 : byte;
}

bool medio_virtio_pci_cap_next(
	struct medio_dev *dev, unsigned after, struct medio_virtio_pci_cap *out)
{
	unsigned at = byte_at(dev, after ? after + 1 : PCI_CAPABILITY_LIST) & ~3u;
	while (at && byte_at(dev, at) != CAP_VENDOR)
		at = byte_at(dev, at + 1) & ~3u;
	uint8_t cap[CAP_BYTES + 8] = { 0 };
	unsigned size = at ? byte_at(dev, at + 2) : 0;
	if (size < CAP_BYTES ||
		medio_config_get(dev, at, cap, size < sizeof(cap) ? size : sizeof(cap)))
		return false;
	*out = (struct medio_virtio_pci_cap){
		.at = at,
		.size = (uint8_t)size,
		.type = cap[3],
		.bar = cap[4],
		.id = cap[5],
		.offset = medio_get_le(cap + 8, 4),
		.length = medio_get_le(cap + 12, 4),
	};
	if (out->type == VIRTIO_PCI_CAP_NOTIFY_CFG)
		out->multiplier = (uint32_t)medio_get_le(cap + 16, 4);
	if (out->type == MEDIO_VIRTIO_CAP_SHARED_MEMORY) {
		out->offset |= medio_get_le(cap + 16, 4) << 32;
		out->length |= medio_get_le(cap + 20, 4) << 32;
	}
	return true;
}
