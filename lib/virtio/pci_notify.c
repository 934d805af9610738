/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notifications (4.1.4.4): each queue has 4 bytes of its own. A write there is a doorbell, rung through
 * an eventfd (without its value) or by the write itself; the queue is told by the place, and the
 * value is looked at only to tell a driver that it is wrong (4.1.5.2).
 *
 * With poll=on, of all queues, the page is memory that clients share, and nobody looks at it: the rings tell.
 */
#include <linux/virtio_config.h>

#include "virtio/inside.h"
#include "virtio/pci.h"

#define BELL(n_) \
	{ \
		.offset = MEDIO_VIRTIO_NOTIFY + (n_)*MEDIO_VIRTIO_MULTIPLIER \
	}
#define BELLS4(n_)  BELL(n_), BELL((n_) + 1), BELL((n_) + 2), BELL((n_) + 3)
#define BELLS16(n_) BELLS4(n_), BELLS4((n_) + 4), BELLS4((n_) + 8), BELLS4((n_) + 12)
#define BELLS64(n_) BELLS16(n_), BELLS16((n_) + 16), BELLS16((n_) + 32), BELLS16((n_) + 48)

const struct medio_doorbell medio_virtio_pci_doorbells[MEDIO_VIRTIO_MAX_QUEUES] = {
	BELLS64(0),
	BELLS64(64),
	BELLS64(128),
	BELLS64(192),
};

const struct medio_mmap_area medio_virtio_pci_areas[] = {
	{ .offset = MEDIO_VIRTIO_NOTIFY, .size = 0x1000 },
	{ .size = 0 },
};

void medio_virtio_pci_notify_check(
	struct medio_virtio_pci *pci, unsigned offset, const uint8_t *buf, size_t count)
{
	unsigned queue = offset / MEDIO_VIRTIO_MULTIPLIER;
	bool data = medio_virtio_has(pci->dev, MEDIO_VIRTIO_NOTIFICATION_DATA);
	size_t width = data ? 4 : 2;
	if (offset % MEDIO_VIRTIO_MULTIPLIER || queue >= medio_virtio_core_num_queues(pci->core)) {
		medio_guest_error(
			pci->dev, "a notification at 0x%x, where no queue's is (4.1.4.4)", offset);
		return;
	}
	if (count != width || (medio_get_le(buf, count) & 0xffff) != queue)
		medio_guest_error(pci->dev,
			"queue %u is notified by %u bytes 0x%llx, not by %u bytes that begin with "
			"its index (4.1.5.2)",
			queue, (unsigned)count, (unsigned long long)medio_get_le(buf, count),
			(unsigned)width);
	/* A write comes in the order of all registers, what an eventfd tells does not. */
	else if (!(medio_virtio_core_status(pci->core) & VIRTIO_CONFIG_S_DRIVER_OK))
		medio_guest_error(
			pci->dev, "queue %u is notified before DRIVER_OK; ignored (3.1.1)", queue);
}

void medio_virtio_pci_doorbell(struct medio_dev *dev, unsigned region, uint64_t offset)
{
	if (region == MEDIO_VIRTIO_BAR && offset >= MEDIO_VIRTIO_NOTIFY)
		medio_virtio_core_kick(medio_virtio_core_of(dev),
			(unsigned)(offset - MEDIO_VIRTIO_NOTIFY) / MEDIO_VIRTIO_MULTIPLIER);
}
