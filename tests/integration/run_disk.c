/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * run_disk group|device BDF SERIAL: a driver of virtio's disks in user space, as libraries of such drivers work: registers are
 * loads and stores on the mapped BAR, also of 64 bits; rings and buffers lie in large private memory; interrupts come by
 * eventfds, and are then switched off, and completions are polled for in memory. It asks the disk's name, copies the first
 * half of the disk to the second, sector by sector in random order, and reads that back. TAP on standard output.
 */
#include <endian.h>
#include <linux/pci_regs.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "run_card.h"

#define MEMORY (2u << 20)
#define QUEUE \
	64u /* descriptors: 21 requests of three, so that the ring goes round in the middle of one */
#define DEPTH	 (QUEUE / 3)
#define SECTOR	 512u
#define BLOCK	 (8 * SECTOR)
#define PATIENCE 100 /* seconds */

/* Where things lie in the memory. */
#define DESC	0u
#define AVAIL	0x1000u
#define USED	0x2000u
#define HEADERS 0x3000u	 /* 64 bytes a request: its header, its status */
#define DATA	0x10000u /* BLOCK a request */

static struct run_card card;
static volatile uint8_t *common, *notify, *config;
static uint32_t notify_multiplier;
static uint8_t *memory;
static uint64_t iova;
static struct vring ring;
static uint16_t seen; /* of the used ring */

/* ---- Registers ------------------------------------------------------------------------------------------ */

static void write8(unsigned at, uint8_t value)
{
	common[at] = value;
}

static void write16(unsigned at, uint16_t value)
{
	*(volatile uint16_t *)(volatile void *)(common + at) = htole16(value);
}

static void write32(unsigned at, uint32_t value)
{
	*(volatile uint32_t *)(volatile void *)(common + at) = htole32(value);
}

static uint16_t read16(unsigned at)
{
	return le16toh(*(volatile uint16_t *)(volatile void *)(common + at));
}

static uint32_t read32(unsigned at)
{
	return le32toh(*(volatile uint32_t *)(volatile void *)(common + at));
}

static void write64(unsigned at, uint64_t value)
{
	*(volatile uint64_t *)(volatile void *)(common + at) = htole64(value);
}

static uint64_t read64(const volatile uint8_t *at)
{
	return le64toh(*(const volatile uint64_t *)(const volatile void *)at);
}

static uint8_t config8(unsigned at)
{
	uint8_t value = 0;

	if (pread(card.device, &value, 1, (off_t)(card.config + at)) != 1)
		run_must("configuration space reads", false);
	return value;
}

static uint32_t config32(unsigned at)
{
	uint32_t value = 0;

	if (pread(card.device, &value, 4, (off_t)(card.config + at)) != 4)
		run_must("configuration space reads", false);
	return le32toh(value);
}

/* The structures that virtio's capabilities name (4.1.4). */
static void find_registers(void)
{
	for (unsigned at = config8(PCI_CAPABILITY_LIST); at; at = config8(at + PCI_CAP_LIST_NEXT)) {
		volatile uint8_t **where = NULL;
		if (config8(at) != PCI_CAP_ID_VNDR)
			continue;
		uint8_t type = config8(at + offsetof(struct virtio_pci_cap, cfg_type));
		where = type == VIRTIO_PCI_CAP_COMMON_CFG   ? &common
			: type == VIRTIO_PCI_CAP_NOTIFY_CFG ? &notify
			: type == VIRTIO_PCI_CAP_DEVICE_CFG ? &config
							    : NULL;
		if (!where || *where)
			continue;
		uint8_t bar = config8(at + offsetof(struct virtio_pci_cap, bar));
		run_must("it names a BAR", bar < RUN_BARS);
		*where = run_card_bar(&card, bar) +
			 config32(at + offsetof(struct virtio_pci_cap, offset));
		if (type == VIRTIO_PCI_CAP_NOTIFY_CFG)
			notify_multiplier = config32(at + sizeof(struct virtio_pci_cap));
	}
	run_must("all registers of virtio's", common && notify && config);
}

/* ---- The device --------------------------------------------------------------------------------------------- */

static void set_up_queue(void)
{
	vring_init(&ring, QUEUE, memory, 4096);
	ring.desc = (void *)(memory + DESC);
	ring.avail = (void *)(memory + AVAIL);
	ring.used = (void *)(memory + USED);
	memset(memory, 0, DATA);
	write16(VIRTIO_PCI_COMMON_Q_SELECT, 0);
	run_must("queue 0", read16(VIRTIO_PCI_COMMON_Q_SIZE) >= QUEUE);
	write16(VIRTIO_PCI_COMMON_Q_SIZE, QUEUE);
	write16(VIRTIO_PCI_COMMON_Q_MSIX, 1);
	run_is("has vector 1", read16(VIRTIO_PCI_COMMON_Q_MSIX), 1);
	/* One by a store of 64 bits, the others as the specification wants it (4.1.3.1). */
	write64(VIRTIO_PCI_COMMON_Q_DESCLO, iova + DESC);
	write32(VIRTIO_PCI_COMMON_Q_AVAILLO, (uint32_t)(iova + AVAIL));
	write32(VIRTIO_PCI_COMMON_Q_AVAILHI, (uint32_t)((iova + AVAIL) >> 32));
	write32(VIRTIO_PCI_COMMON_Q_USEDLO, (uint32_t)(iova + USED));
	write32(VIRTIO_PCI_COMMON_Q_USEDHI, (uint32_t)((iova + USED) >> 32));
	run_is("and its descriptors where they are",
		(long)(read32(VIRTIO_PCI_COMMON_Q_DESCLO) |
			(uint64_t)read32(VIRTIO_PCI_COMMON_Q_DESCHI) << 32),
		(long)(iova + DESC));
	write16(VIRTIO_PCI_COMMON_Q_ENABLE, 1);
}

static void start_device(void)
{
	const uint32_t version_1 = 1u << (VIRTIO_F_VERSION_1 - 32);

	write8(VIRTIO_PCI_COMMON_STATUS, 0);
	run_is("the device is reset", common[VIRTIO_PCI_COMMON_STATUS], 0);
	write8(VIRTIO_PCI_COMMON_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	write8(VIRTIO_PCI_COMMON_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	write32(VIRTIO_PCI_COMMON_DFSELECT, 1);
	run_must("it is of virtio 1", read32(VIRTIO_PCI_COMMON_DF) & version_1);
	write32(VIRTIO_PCI_COMMON_GFSELECT, 0);
	write32(VIRTIO_PCI_COMMON_GF, 1u << VIRTIO_BLK_F_FLUSH);
	write32(VIRTIO_PCI_COMMON_GFSELECT, 1);
	write32(VIRTIO_PCI_COMMON_GF, version_1);
	const uint8_t agreed = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
			       VIRTIO_CONFIG_S_FEATURES_OK;
	write8(VIRTIO_PCI_COMMON_STATUS, agreed);
	run_is("features are agreed on", common[VIRTIO_PCI_COMMON_STATUS], agreed);
	set_up_queue();
	write8(VIRTIO_PCI_COMMON_STATUS, agreed | VIRTIO_CONFIG_S_DRIVER_OK);
	run_is("it runs", common[VIRTIO_PCI_COMMON_STATUS], agreed | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* ---- Requests ------------------------------------------------------------------------------------------------- */

static uint8_t *data_of(unsigned slot)
{
	return memory + DATA + slot * BLOCK;
}

static volatile uint8_t *status_of(unsigned slot)
{
	return memory + HEADERS + slot * 64 + 32;
}

/* Request slot: three descriptors of its own. Data of length bytes; the device writes it if it is a read. */
static void submit(unsigned slot, uint32_t type, uint64_t sector, uint32_t length)
{
	struct virtio_blk_outhdr *header = (void *)(memory + HEADERS + slot * 64);
	const uint16_t first = (uint16_t)(slot * 3);
	const bool reads = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	uint16_t next = first;

	*header = (struct virtio_blk_outhdr){ .type = htole32(type), .sector = htole64(sector) };
	*status_of(slot) = 0xff;
	ring.desc[next] = (struct vring_desc){ htole64(iova + HEADERS + slot * 64),
		htole32(sizeof(*header)), htole16(VRING_DESC_F_NEXT),
		htole16((uint16_t)(next + 1)) };
	if (length) {
		next++;
		ring.desc[next] = (struct vring_desc){ htole64(iova + DATA + slot * BLOCK),
			htole32(length),
			htole16((uint16_t)(VRING_DESC_F_NEXT | (reads ? VRING_DESC_F_WRITE : 0))),
			htole16((uint16_t)(next + 1)) };
	}
	next++;
	ring.desc[first + (length ? 1 : 0)].next = htole16(next);
	ring.desc[next] = (struct vring_desc){ htole64(iova + HEADERS + slot * 64 + 32), htole32(1),
		htole16(VRING_DESC_F_WRITE), 0 };
	uint16_t idx = le16toh(ring.avail->idx);
	ring.avail->ring[idx % QUEUE] = htole16(first);
	__atomic_store_n(&ring.avail->idx, htole16((uint16_t)(idx + 1)), __ATOMIC_RELEASE);
}

static void kick(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	write16(VIRTIO_PCI_COMMON_Q_SELECT, 0);
	*(volatile uint16_t *)(volatile void *)(notify +
						notify_multiplier *
							read16(VIRTIO_PCI_COMMON_Q_NOFF)) = 0;
}

static bool done(void)
{
	return le16toh(__atomic_load_n(&ring.used->idx, __ATOMIC_ACQUIRE)) != seen;
}

/* The slot of the next that is done, -1: none comes. */
static int reap(void)
{
	time_t end = time(NULL) + PATIENCE;

	while (!done())
		if (time(NULL) > end)
			return -1;
	unsigned first = le32toh(ring.used->ring[seen % QUEUE].id);
	seen++;
	return first < QUEUE && first % 3 == 0 && !*status_of(first / 3) ? (int)(first / 3) : -1;
}

static bool does(uint32_t type, uint64_t sector, uint32_t length)
{
	submit(0, type, sector, length);
	kick();
	return reap() == 0;
}

/* ---- What is done ------------------------------------------------------------------------------------------------ */

static void identify(const char *serial)
{
	char name[VIRTIO_BLK_ID_BYTES + 1] = "";

	run_must("it says who it is", does(VIRTIO_BLK_T_GET_ID, 0, VIRTIO_BLK_ID_BYTES));
	memcpy(name, data_of(0), VIRTIO_BLK_ID_BYTES);
	run_is("as it was told to", strcmp(name, serial), 0);
}

/* The interrupt comes, and says that something is in the ring. */
static void interrupts(int fd)
{
	struct pollfd ready = { fd, POLLIN, 0 };
	uint64_t count = 0;

	submit(0, VIRTIO_BLK_T_IN, 0, BLOCK);
	kick();
	run_is("an interrupt comes", poll(&ready, 1, PATIENCE * 1000), 1);
	run_is("by its eventfd", read(fd, &count, sizeof(count)), 8);
	run_is("once", (long)count, 1);
	run_is("when the request is done", done(), 1);
	run_is("it is the one", reap(), 0);
}

/* No interrupt, not even one for which nobody waits. */
static void polls(int fd)
{
	struct pollfd ready = { fd, POLLIN, 0 };

	run_must("it works on without", does(VIRTIO_BLK_T_IN, 0, BLOCK));
	run_is("in silence", poll(&ready, 1, 0), 0);
}

/* Each block of the first half to its place in the second: order is a permutation, as many at once as there is room for. */
static bool copy(uint64_t blocks)
{
	uint64_t to_read = 0, to_reap = blocks, step = 7919;
	uint64_t at[DEPTH] = { 0 };
	bool writes[DEPTH] = { false };

	while (blocks % step == 0)
		step += 2;
	for (unsigned slot = 0; slot < DEPTH && to_read < blocks; slot++, to_read++) {
		at[slot] = to_read * step % blocks;
		submit(slot, VIRTIO_BLK_T_IN, at[slot] * 8, BLOCK);
	}
	kick();
	while (to_reap) {
		int slot = reap();
		if (slot < 0)
			return false;
		if (!writes[slot]) {
			submit((unsigned)slot, VIRTIO_BLK_T_OUT, (blocks + at[slot]) * 8, BLOCK);
			writes[slot] = true;
		} else {
			to_reap--;
			writes[slot] = false;
			if (to_read == blocks)
				continue;
			at[slot] = to_read++ * step % blocks;
			submit((unsigned)slot, VIRTIO_BLK_T_IN, at[slot] * 8, BLOCK);
		}
		kick();
	}
	return true;
}

static bool equal(uint64_t blocks)
{
	uint8_t before[BLOCK];

	for (uint64_t i = 0; i < blocks; i += 5) {
		if (!does(VIRTIO_BLK_T_IN, i * 8, BLOCK))
			return false;
		memcpy(before, data_of(0), BLOCK);
		if (!does(VIRTIO_BLK_T_IN, (blocks + i) * 8, BLOCK) ||
			memcmp(before, data_of(0), BLOCK) != 0)
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	const int vectors[] = { eventfd(0, 0), eventfd(0, EFD_NONBLOCK), -1, eventfd(0, 0) };

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 4)
		return 2;
	run_card_open(&card, argv[2], !strcmp(argv[1], "group"));
	find_registers();
	iova = (card.iova + MEMORY - 1) / MEMORY * MEMORY;
	memory = run_card_memory(&card, MEMORY, iova);
	run_card_vectors(&card, vectors, 4);
	start_device();
	uint64_t blocks = read64(config) / 8 / 2; /* capacity, by a load of 64 bits */
	run_must("the disk has some size", blocks > DEPTH);
	interrupts(vectors[1]);
	run_card_no_vectors(&card);
	identify(argv[3]);
	polls(vectors[1]);
	run_must("half of the disk is copied", copy(blocks));
	run_must("and flushed", does(VIRTIO_BLK_T_FLUSH, 0, 0));
	run_must("and read back", equal(blocks));
	write8(VIRTIO_PCI_COMMON_STATUS, 0);
	run_is("the device is reset", common[VIRTIO_PCI_COMMON_STATUS], 0);
	memory[0] = 1;
	run_card_unmap(&card, iova, MEMORY);
	run_is("the memory stays the program's", memory[0], 1);
	run_card_close(&card);
	return run_finish();
}
