/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Access to the card's BARs through config space (4.1.4.9), for firmware that cannot reach them where
 * they are: the driver writes BAR, offset and length (1, 2 or 4) into the capability, and reads or writes
 * its last four bytes.
 *
 * Only accesses that begin in those bytes count: what copies the whole of config space is no driver.
 */
#include <string.h>

#include <linux/virtio_pci.h>

#include "device/chain.h"
#include "virtio/pci.h"

#define DATA 16u /* from the beginning of the capability */

void medio_virtio_pci_window_init(struct medio_virtio_pci *pci)
{
	struct medio_virtio_pci_cap cap = { 0 };
	while (medio_virtio_pci_cap_next(pci->dev, cap.at, &cap))
		if (cap.type == VIRTIO_PCI_CAP_PCI_CFG && cap.size >= DATA + 4)
			pci->window = cap.at;
}

/* Is it an access of the window's, and to what? */
static bool aims(struct medio_virtio_pci *pci, unsigned offset, struct medio_virtio_pci_cap *out)
{
	const struct medio_type *type = medio_dev_type(pci->dev);
	uint8_t cap[DATA];
	if (!pci->window || offset < pci->window + DATA || offset >= pci->window + DATA + 4 ||
		medio_config_get(pci->dev, pci->window, cap, sizeof(cap)))
		return false;
	out->bar = cap[4];
	out->offset = medio_get_le(cap + 8, 4);
	out->length = medio_get_le(cap + 12, 4);
	if (!out->length)
		return false; /* nothing has been set up */
	if ((out->length != 1 && out->length != 2 && out->length != 4) ||
		out->offset % out->length || out->bar >= MEDIO_NUM_BARS ||
		out->offset >= type->bars[out->bar].size ||
		out->length > type->bars[out->bar].size - out->offset) {
		medio_guest_error(pci->dev,
			"access through config space to %llu bytes at 0x%llx of BAR %u, which "
			"cannot be (4.1.4.9)",
			(unsigned long long)out->length, (unsigned long long)out->offset, out->bar);
		return false;
	}
	return true;
}

void medio_virtio_pci_window_read(struct medio_virtio_pci *pci, unsigned offset, size_t count)
{
	struct medio_virtio_pci_cap to;
	uint8_t data[4];
	(void)count;
	if (!aims(pci, offset, &to))
		return;
	if (medio_region_read(pci->dev, to.bar, to.offset, data, to.length))
		memset(data, 0xff, sizeof(data));
	medio_config_set(pci->dev, pci->window + DATA, data, to.length);
}

void medio_virtio_pci_window_write(struct medio_virtio_pci *pci, unsigned offset, size_t count)
{
	struct medio_virtio_pci_cap to;
	uint8_t data[4];
	(void)count;
	if (aims(pci, offset, &to) &&
		!medio_config_get(pci->dev, pci->window + DATA, data, to.length))
		medio_region_write(pci->dev, to.bar, to.offset, data, to.length);
}
