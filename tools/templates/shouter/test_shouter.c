/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The test: a driver for shouter, as an ordinary program. `meson test` serves the device and runs this
 * with its address. Everything a driver may do is explained in <medio/driver.h>; numbers in brackets are
 * sections of the specification (VIRTIO 1.3).
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include <medio/driver.h>
#include <medio/virtio.h>

enum { EXCLAIM = 0 };
enum { RING = 4, IOVA = 0x100000 };

/* What the device reaches, at IOVA: a split ring (2.7), and a request. */
struct memory {
	struct vring_desc desc[RING];
	uint16_t avail[2 + RING + 1]; /* flags, idx, ring, used_event */
	uint32_t used[1 + 2 * RING];  /* flags and idx, id and len of each */
	char text[64], answer[64];
};

static struct medio_card *card;
static struct memory *mem;
static uint16_t asked;
static int failures;

/* What is written between the brackets must be true. */
#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			printf("line %d: %s is not so (%s)\n", __LINE__, #condition, \
				medio_card_last_error(card)); \
			failures++; \
		} \
	} while (0)

/* ---- Registers of the common configuration (4.1.4.3) --------------------------------------------- */

static void set(unsigned reg, unsigned width, uint64_t value)
{
	CHECK(medio_card_write(card, MEDIO_VIRTIO_BAR, reg, &value, width) == 0);
}

static uint8_t status(void)
{
	uint8_t value = 0;

	CHECK(medio_card_read8(card, MEDIO_VIRTIO_BAR, VIRTIO_PCI_COMMON_STATUS, &value) == 0);
	return value;
}

/* The steps of 3.1.1, from a reset on. */
static void bring_up(uint32_t features)
{
	set(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	CHECK(status() == 0);
	/* Until then the device may look at its rings. */
	memset(mem, 0, sizeof(*mem));
	asked = 0;
	set(VIRTIO_PCI_COMMON_STATUS, 1, 1); /* ACKNOWLEDGE */
	set(VIRTIO_PCI_COMMON_STATUS, 1, 3); /* and DRIVER */
	set(VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	set(VIRTIO_PCI_COMMON_GF, 4, features);
	set(VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	set(VIRTIO_PCI_COMMON_GF, 4, 1 << (VIRTIO_F_VERSION_1 - 32));
	set(VIRTIO_PCI_COMMON_STATUS, 1, 11); /* and FEATURES_OK */
	CHECK(status() == 11);
	set(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	set(VIRTIO_PCI_COMMON_Q_SIZE, 2, RING);
	set(VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
	set(VIRTIO_PCI_COMMON_Q_DESCLO, 8, IOVA + offsetof(struct memory, desc));
	set(VIRTIO_PCI_COMMON_Q_AVAILLO, 8, IOVA + offsetof(struct memory, avail));
	set(VIRTIO_PCI_COMMON_Q_USEDLO, 8, IOVA + offsetof(struct memory, used));
	set(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	set(VIRTIO_PCI_COMMON_STATUS, 1, 15); /* and DRIVER_OK */
	CHECK(status() == 15);
}

/* One request, and its notification. */
static void send(const char *text, uint32_t room)
{
	uint32_t size = (uint32_t)strlen(text);

	memcpy(mem->text, text, size);
	mem->desc[0] = (struct vring_desc){ IOVA + offsetof(struct memory, text), size,
		VRING_DESC_F_NEXT, 1 };
	mem->desc[1] = (struct vring_desc){ IOVA + offsetof(struct memory, answer), room,
		VRING_DESC_F_WRITE, 0 };
	mem->avail[2 + asked++ % RING] = 0;
	__atomic_store_n(&mem->avail[1], asked, __ATOMIC_RELEASE);
	set(MEDIO_VIRTIO_NOTIFY, 2, 0);
}

/* How long the answer is. */
static uint32_t receive(void)
{
	uint64_t events;

	CHECK(medio_card_irq_wait(card, MEDIO_CARD_MSIX, 1, 5000, &events) == 0);
	CHECK(__atomic_load_n(&mem->used[0], __ATOMIC_ACQUIRE) >> 16 == asked);
	return mem->used[2 + 2 * ((asked - 1u) % RING)];
}

/* ---- What is tested ------------------------------------------------------------------------------ */

static void it_is_the_right_card(void)
{
	uint32_t ids = 0;

	CHECK(medio_card_read32(card, MEDIO_CARD_CONFIG, 0, &ids) == 0);
	CHECK(ids == ((0x1040 + 63) << 16 | 0x1af4));
}

static void it_shouts(void)
{
	bring_up(0);
	send("hello, world", 64);
	CHECK(receive() == 12);
	CHECK(strcmp(mem->answer, "HELLO, WORLD") == 0);
	bring_up(1 << EXCLAIM);
	for (unsigned i = 0; i < 2 * RING; i++) {
		send("again", 64);
		CHECK(receive() == 6);
		CHECK(strcmp(mem->answer, "AGAIN!") == 0);
	}
}

static void its_configuration_counts(void)
{
	uint32_t requests = 0, longest = 0;

	CHECK(medio_card_read32(card, MEDIO_VIRTIO_BAR, MEDIO_VIRTIO_CONFIG, &requests) == 0);
	CHECK(medio_card_read32(card, MEDIO_VIRTIO_BAR, MEDIO_VIRTIO_CONFIG + 4, &longest) == 0);
	CHECK(requests == 2 * RING);
	CHECK(longest == 4096);
}

/* A driver that asks for nonsense has to reset the device, and then can go on (2.1.2). */
static void nonsense_needs_a_reset(void)
{
	bring_up(0);
	send("no room", 3);
	CHECK(status() == (15 | 64));
	bring_up(0);
	send("room", 64);
	CHECK(receive() == 4);
}

int main(int argc, char **argv)
{
	struct medio_error *err = NULL;
	void *ptr;

	if (argc != 2) {
		fprintf(stderr, "usage: %s DEVICE\n", argv[0]);
		return 2;
	}
	if (medio_card_open(argv[1], NULL, &card, &err)) {
		fprintf(stderr, "%s\n", medio_error_text(err));
		medio_error_free(err);
		return 1;
	}
	it_is_the_right_card();
	/* The card may reach memory: bus mastering, and some to reach. */
	CHECK(medio_card_write16(card, MEDIO_CARD_CONFIG, 4, 6) == 0);
	if (medio_card_dma_alloc(
		    card, IOVA, 4096, MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, &ptr) == 0 &&
		medio_card_irq_open(card, MEDIO_CARD_MSIX, 2) == 0) {
		mem = ptr;
		it_shouts();
		its_configuration_counts();
		nonsense_needs_a_reset();
	} else {
		fprintf(stderr, "%s\n", medio_card_last_error(card));
		failures++;
	}
	medio_card_close(card);
	return failures ? 1 : 0;
}
