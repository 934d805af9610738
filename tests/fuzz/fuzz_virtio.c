/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a virtio device: its capabilities, registers and configuration are the input, which also says
 * when a register lies, and whether the device serves its rings or writes into them what it likes. The
 * drivers of disks and of network cards open it and make requests; nothing it does may harm them.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../drivers/virtio/virtio_blk.h"
#include "../../drivers/virtio/virtio_net.h"
#include "../../drivers/virtio/virtio_spec.h"
#include "../unit/test_virtq_device.h"
#include "drive/backend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BAR	 4u
#define BAR_SIZE 16384u
#define QUEUES	 4u
#define MAX_MAPS 32u
/* A driver that asks more often is told that the card has died: no input makes it go on for ever. */
#define PATIENCE 400u

struct queue {
	struct vqd ring;
	bool ready;
};

static struct device {
	const uint8_t *data;
	size_t size, at;
	uint8_t config[256], bar[BAR_SIZE];
	uint8_t queue_regs[QUEUES][VIRTIO_COMMON_BYTES]; /* of each, as they were written */
	uint64_t accepted;
	struct queue queues[QUEUES];
	struct medio_card_mapping maps[MAX_MAPS];
	unsigned num_maps, asked;
	int always; /* an eventfd that is always ready, so that nobody sleeps */
	bool lies, serves;
} device;

static uint8_t next(void)
{
	return device.at < device.size ? device.data[device.at++] : 0;
}

static uint32_t next32(void)
{
	uint32_t low = next(), high = next();

	return low | high << 8 | (uint32_t)next() << 16 | (uint32_t)next() << 24;
}

/* ---- Rings ------------------------------------------------------------------------------------- */

static void *memory_at(void *arg, uint64_t iova, size_t len)
{
	(void)arg;
	for (unsigned i = 0; i < device.num_maps; i++) {
		const struct medio_card_mapping *map = &device.maps[i];
		if (iova >= map->iova && iova - map->iova < map->size &&
			len <= map->size - (iova - map->iova))
			return map->ptr + (iova - map->iova);
	}
	return NULL;
}

static uint64_t reg_of(const uint8_t *regs, unsigned reg, size_t width)
{
	uint64_t value = 0;

	memcpy(&value, regs + reg, width);
	return value;
}

static void enable(unsigned n)
{
	const uint8_t *regs = device.queue_regs[n];
	const struct vqd_options opts = {
		.size = (unsigned)reg_of(regs, VIRTIO_QUEUE_SIZE, 2),
		.packed = device.accepted & VIRTIO_F_RING_PACKED,
		.event_idx = device.accepted & VIRTIO_F_EVENT_IDX,
		.indirect = device.accepted & VIRTIO_F_INDIRECT_DESC,
		.desc = reg_of(regs, VIRTIO_QUEUE_DESC, 8),
		.driver = reg_of(regs, VIRTIO_QUEUE_DRIVER, 8),
		.device = reg_of(regs, VIRTIO_QUEUE_DEVICE, 8),
		.at = memory_at,
	};

	if (opts.size && opts.size <= VQD_MAX_SIZE)
		device.queues[n].ready = !vqd_init(&device.queues[n].ring, &opts);
}

/* Take chains and give them back, with data and lengths of the input. */
static void serve(struct vqd *ring)
{
	static struct vqd_chain chain;

	while (vqd_pop(ring, &chain) > 0) {
		uint8_t how = next();
		uint64_t written = chain.in_bytes;
		for (unsigned i = chain.out; i < chain.out + chain.in; i++)
			if (chain.segs[i].ptr)
				memset(chain.segs[i].ptr, how & 0x0f, chain.segs[i].len);
		if (how & 0x10)
			written = next32();
		if (how & 0x20)
			chain.id ^= next();
		if (!(how & 0x40))
			vqd_push(ring, &chain, (uint32_t)written);
	}
}

/* Write anywhere into memory that the driver has shared. */
static void scribble(void)
{
	for (unsigned n = next() % 16; n && device.num_maps; n--) {
		const struct medio_card_mapping *map = &device.maps[next() % device.num_maps];
		uint64_t at = next32() % map->size;
		map->ptr[at] = next();
	}
}

static void kicked(void)
{
	for (unsigned i = 0; i < QUEUES; i++)
		if (device.serves && device.queues[i].ready)
			serve(&device.queues[i].ring);
	if (!device.serves || device.lies)
		scribble();
}

/* ---- Registers --------------------------------------------------------------------------------- */

/* The common configuration where its capability says; SIZE_MAX if this is not in it. */
static uint64_t common_at;

static unsigned selected(void)
{
	return (unsigned)reg_of(device.bar + common_at, VIRTIO_QUEUE_SELECT, 2) % QUEUES;
}

static bool is_queue_reg(uint64_t reg)
{
	return reg >= VIRTIO_QUEUE_SIZE && reg < VIRTIO_COMMON_BYTES;
}

static int device_read(
	struct medio_card *card, unsigned region, uint64_t offset, void *buf, size_t count)
{
	uint64_t reg = offset - common_at;

	if (++device.asked > PATIENCE)
		return medio_card_say(card, ECONNRESET, "the test is over");
	if (region == MEDIO_CARD_CONFIG) {
		memcpy(buf, device.config + offset, count);
		return 0;
	}
	if (reg < VIRTIO_COMMON_BYTES && is_queue_reg(reg) && reg + count <= VIRTIO_COMMON_BYTES)
		memcpy(buf, device.queue_regs[selected()] + reg, count);
	else
		memcpy(buf, device.bar + offset, count);
	if (device.lies && next() & 1)
		for (size_t i = 0; i < count; i++)
			((uint8_t *)buf)[i] = next();
	return 0;
}

static void note_features(void)
{
	unsigned select = (unsigned)reg_of(device.bar + common_at, VIRTIO_DRIVER_FEATURE_SELECT, 4);
	uint64_t half = reg_of(device.bar + common_at, VIRTIO_DRIVER_FEATURE, 4);

	if (select < 2)
		device.accepted = (device.accepted & ~((uint64_t)UINT32_MAX << 32 * select)) |
				  half << 32 * select;
}

/* The features it offers are the 8 bytes at the end of its BAR. */
static void show_features(void)
{
	unsigned select = (unsigned)reg_of(device.bar + common_at, VIRTIO_DEVICE_FEATURE_SELECT, 4);

	if (select < 2)
		memcpy(device.bar + common_at + VIRTIO_DEVICE_FEATURE,
			device.bar + BAR_SIZE - 8 + 4 * select, 4);
}

static int device_write(
	struct medio_card *card, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	uint64_t reg = offset - common_at;

	if (++device.asked > PATIENCE)
		return medio_card_say(card, ECONNRESET, "the test is over");
	if (region == MEDIO_CARD_CONFIG)
		return 0;
	if (reg >= VIRTIO_COMMON_BYTES || reg + count > VIRTIO_COMMON_BYTES) {
		kicked();
		return 0;
	}
	if (is_queue_reg(reg)) {
		memcpy(device.queue_regs[selected()] + reg, buf, count);
		if (reg == VIRTIO_QUEUE_ENABLE)
			enable(selected());
		return 0;
	}
	memcpy(device.bar + offset, buf, count);
	if (reg == VIRTIO_DRIVER_FEATURE)
		note_features();
	if (reg == VIRTIO_DEVICE_FEATURE_SELECT)
		show_features();
	return 0;
}

/* ---- The card ---------------------------------------------------------------------------------- */

static int device_region(
	struct medio_card *card, unsigned region, struct medio_card_region_state *out)
{
	(void)card;
	out->view = (struct medio_card_region){
		.size = region == MEDIO_CARD_CONFIG ? sizeof(device.config)
			: region == BAR		    ? BAR_SIZE
						    : 0,
		.readable = true,
		.writable = true,
	};
	return 0;
}

static int device_irq(struct medio_card *card, unsigned index, struct medio_card_irq *out)
{
	(void)card;
	*out = (struct medio_card_irq){
		.count = index == MEDIO_CARD_MSIX ? device.data[0] >> 4 : index == MEDIO_CARD_INTX
	};
	return 0;
}

static int device_irq_set(struct medio_card *card, unsigned index, uint32_t flags, uint32_t start,
	uint32_t count, const int *fds)
{
	const uint64_t one = 1;

	(void)card;
	(void)index;
	(void)start;
	/* Each has come already. */
	for (uint32_t i = 0; fds && flags & MEDIO_CARD_IRQ_EVENTFD && i < count; i++)
		if (write(fds[i], &one, sizeof(one)) != sizeof(one))
			abort();
	return 0;
}

static int device_map(struct medio_card *card, const struct medio_card_mapping *mapping)
{
	if (device.num_maps == MAX_MAPS)
		return medio_card_say(card, ENOSPC, "no more mappings");
	device.maps[device.num_maps++] = *mapping;
	return 0;
}

static int device_unmap(struct medio_card *card, uint64_t iova, uint64_t size)
{
	unsigned n = 0;

	(void)card;
	for (unsigned i = 0; i < device.num_maps; i++)
		if (device.maps[i].iova - iova >= size)
			device.maps[n++] = device.maps[i];
	device.num_maps = n;
	memset(device.queues, 0, sizeof(device.queues));
	return 0;
}

static int device_fd(const struct medio_card *card)
{
	(void)card;
	return device.always;
}

static int device_process(struct medio_card *card)
{
	if (++device.asked > PATIENCE)
		return medio_card_say(card, ECONNRESET, "the test is over");
	if (device.lies && next() & 1)
		kicked();
	return 0;
}

static void device_close(struct medio_card *card)
{
	(void)card;
}

static int device_reset(struct medio_card *card)
{
	(void)card;
	return 0;
}

static const struct medio_backend backend = {
	.scheme = "fuzz",
	.close = device_close,
	.region = device_region,
	.irq = device_irq,
	.read = device_read,
	.write = device_write,
	.dma_map = device_map,
	.dma_unmap = device_unmap,
	.irq_set = device_irq_set,
	.reset = device_reset,
	.fd = device_fd,
	.process = device_process,
};

/* ---- What a driver does ------------------------------------------------------------------------ */

static void use_disk(struct medio_card *card, uint64_t iova, const struct virtio_options *opts)
{
	struct virtio_blk_done done[8];
	struct virtio_blk_info info;
	struct virtio_blk *blk;
	char words[VIRTIO_WORDS] = "";

	if (virtio_blk_open(card, opts, &blk, words, sizeof(words))) {
		if (!*words)
			abort();
		return;
	}
	virtio_blk_get_info(blk, &info);
	if (!info.block || !info.depth || info.max_transfer % info.block)
		abort();
	for (unsigned i = 0; i < 100; i++) {
		virtio_blk_submit(blk, i % 3, i, 1, iova, blk);
		int n = virtio_blk_poll(blk, 0, done, 8);
		if (n > 8 || (n < 0 && !*virtio_blk_words(blk)))
			abort();
		for (int j = 0; j < n; j++)
			if (done[j].tag != blk)
				abort();
	}
	virtio_blk_close(blk);
}

static void use_net(struct medio_card *card, const struct virtio_options *opts)
{
	static uint8_t frame[VIRTIO_NET_FRAME];
	struct virtio_net *net;
	char words[VIRTIO_WORDS] = "";

	if (virtio_net_open(card, opts, &net, words, sizeof(words))) {
		if (!*words)
			abort();
		return;
	}
	for (unsigned i = 0; i < 20; i++) {
		virtio_net_send(net, frame, 60 + i, 0);
		int n = virtio_net_receive(net, frame, sizeof(frame), 0);
		if (n > (int)sizeof(frame))
			abort();
	}
	virtio_net_close(net);
}

/* The first byte says what it is; then come the capabilities, and the rest of its BAR. */
static void make_device(const uint8_t *data, size_t size)
{
	int always = device.always;

	memset(&device, 0, sizeof(device));
	device = (struct device){ .data = data, .size = size, .at = 1, .always = always };
	uint16_t kind = data[0] & 1 ? VIRTIO_ID_NET : VIRTIO_ID_BLK;
	uint16_t ids[2] = { VIRTIO_VENDOR, (uint16_t)(VIRTIO_MODERN + kind) };
	device.serves = data[0] & 2;
	device.lies = data[0] & 4;
	memcpy(device.config, ids, sizeof(ids));
	device.config[6] = 0x10;
	device.config[0x34] = 0x40;
	for (unsigned i = 0x40; i < 0x40 + 4 * 20; i++)
		device.config[i] = next();
	/* Configuration of its kind, queues' registers, features. */
	for (unsigned i = 0; i < 64; i++)
		device.bar[0x2000 + i] = next();
	for (unsigned i = 0; i < QUEUES; i++) {
		device.queue_regs[i][VIRTIO_QUEUE_SIZE] = next();
		device.queue_regs[i][VIRTIO_QUEUE_SIZE + 1] = next();
		device.queue_regs[i][VIRTIO_QUEUE_NOTIFY_OFF] = next();
	}
	for (unsigned i = 0; i < 8; i++)
		device.bar[BAR_SIZE - 8 + i] = next();
	/* Where the common configuration is does not matter to the rest of this: as the first capability says,
	 * if it can be. */
	uint32_t offset = (uint32_t)reg_of(device.config, 0x40 + VIRTIO_CAP_OFFSET, 4);
	common_at = offset <= BAR_SIZE - VIRTIO_COMMON_BYTES ? offset : 0;
	device.bar[common_at + VIRTIO_NUM_QUEUES] = QUEUES;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct virtio_options opts = { .irq = VIRTIO_IRQ_BEST, .silent_ms = 1 };
	struct medio_card *card;
	uint64_t iova;
	void *ptr;

	if (size < 2 || size > 65536)
		return 0;
	if (!device.always)
		device.always = eventfd(1, EFD_CLOEXEC);
	make_device(data, size);
	card = medio_card_alloc(&backend, "fuzz:", NULL);
	if (!card || device.always < 0)
		abort();
	card->info =
		(struct medio_card_info){ .num_regions = 9, .num_irqs = 5, .max_data_xfer = 4096 };
	if (medio_card_join(card, NULL))
		abort();
	if (!medio_card_dma_alloc_any(
		    card, 1 << 20, MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, &iova, &ptr)) {
		if (data[0] & 1)
			use_net(card, &opts);
		else
			use_disk(card, iova, &opts);
	}
	medio_card_close(card);
	return 0;
}
