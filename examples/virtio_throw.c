/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver for virtio-dice, as an ordinary program: all that a virtio driver has to do, for one buffer of
 * one queue.
 *     medio serve ./virtio_dice.so --run 'virtio_throw $uri'
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include <medio/driver.h>
#include <medio/virtio.h> /* where the registers are: a driver for any card looks at its capabilities */

enum { DICE = 0x1044, THROWS = 16, IOVA = 0x100000 };

/* What the device reaches, at IOVA: a ring of one descriptor (2.7) and the buffer. */
struct memory {
	struct vring_desc desc[1];
	uint16_t avail[4]; /* flags, idx, ring[0], used_event */
	uint32_t used[4];  /* flags and idx, id and len of ring[0], avail_event */
	uint8_t numbers[THROWS];
};

static struct medio_card *card;
static int failed;

static void set(unsigned reg, unsigned width, uint64_t value)
{
	if (medio_card_write(card, MEDIO_VIRTIO_BAR, reg, &value, width))
		failed = 1;
}

static uint8_t status(void)
{
	uint8_t now = 0;
	if (medio_card_read8(card, MEDIO_VIRTIO_BAR, VIRTIO_PCI_COMMON_STATUS, &now))
		failed = 1;
	return now;
}

/* The steps of 3.1.1: what must be done before a device is used. */
static int bring_up(void)
{
	set(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	set(VIRTIO_PCI_COMMON_STATUS, 1, 1); /* ACKNOWLEDGE */
	set(VIRTIO_PCI_COMMON_STATUS, 1, 3); /* and DRIVER */
	set(VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	set(VIRTIO_PCI_COMMON_GF, 4, 1 << (VIRTIO_F_VERSION_1 - 32));
	set(VIRTIO_PCI_COMMON_STATUS, 1, 11); /* and FEATURES_OK */
	if (status() != 11)
		return -1; /* it does not want these features */
	set(VIRTIO_PCI_COMMON_MSIX, 2, 0);
	set(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	set(VIRTIO_PCI_COMMON_Q_SIZE, 2, 1);
	set(VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
	set(VIRTIO_PCI_COMMON_Q_DESCLO, 8, IOVA + offsetof(struct memory, desc));
	set(VIRTIO_PCI_COMMON_Q_AVAILLO, 8, IOVA + offsetof(struct memory, avail));
	set(VIRTIO_PCI_COMMON_Q_USEDLO, 8, IOVA + offsetof(struct memory, used));
	set(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	set(VIRTIO_PCI_COMMON_STATUS, 1, 15); /* and DRIVER_OK */
	return failed || status() != 15 ? -1 : 0;
}

static int throw_dice(void)
{
	struct memory *mem;
	uint64_t events;
	uint32_t ids;
	void *ptr;

	if (medio_card_read32(card, MEDIO_CARD_CONFIG, 0, &ids))
		return -1;
	if (ids != (DICE << 16 | 0x1af4)) {
		fprintf(stderr, "virtio_throw: this card is %08x, no dice\n", ids);
		return -1;
	}
	/* Bus mastering is on: the card may reach memory. */
	if (medio_card_write16(card, MEDIO_CARD_CONFIG, 4, 6) ||
		medio_card_dma_alloc(
			card, IOVA, 4096, MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, &ptr) ||
		medio_card_irq_open(card, MEDIO_CARD_MSIX, 2) || bring_up())
		return -1;
	mem = ptr;
	mem->desc[0] = (struct vring_desc){ IOVA + offsetof(struct memory, numbers), THROWS,
		VRING_DESC_F_WRITE, 0 };
	__atomic_store_n(&mem->avail[1], 1, __ATOMIC_RELEASE);
	set(MEDIO_VIRTIO_NOTIFY, 2, 0);
	if (failed || medio_card_irq_wait(card, MEDIO_CARD_MSIX, 1, 5000, &events))
		return -1;
	for (uint32_t i = 0; i < mem->used[2] && i < THROWS; i++)
		printf("%u%s", mem->numbers[i], i + 1 < mem->used[2] ? " " : "\n");
	return 0;
}

int main(int argc, char **argv)
{
	struct medio_error *err = NULL;

	if (argc != 2) {
		fprintf(stderr, "usage: virtio_throw DEVICE\n");
		return 2;
	}
	if (medio_card_open(argv[1], NULL, &card, &err)) {
		fprintf(stderr, "virtio_throw: %s\n", medio_error_text(err));
		medio_error_free(err);
		return 1;
	}
	int ret = throw_dice();
	if (ret && *medio_card_last_error(card))
		fprintf(stderr, "virtio_throw: %s\n", medio_card_last_error(card));
	medio_card_close(card);
	return ret ? 1 : 0;
}
