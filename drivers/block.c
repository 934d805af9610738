/* SPDX-License-Identifier: BSD-3-Clause */
#include "block.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nvme/nvme.h"
#include "virtio/virtio_blk.h"

/* What a card says that it is. */
struct identity {
	uint16_t vendor, device;
	uint32_t class_code;
};

/* What a driver does for a disk; to add one, write these and list it below. */
struct block_driver {
	const char *name;
	bool (*drives)(const struct identity *identity);
	int (*open)(struct medio_card *card, const struct block_options *opts, void **out,
		struct block_info *info, char *words, size_t size);
	void (*close)(void *state);
	const char *(*words)(const void *state);
	uint64_t (*interrupts)(const void *state);
	/* In blocks. */
	int (*submit)(void *state, enum block_op op, uint64_t block, uint32_t count, uint64_t iova,
		void *tag);
	int (*poll)(void *state, int timeout_ms, struct block_done *done, unsigned cap);
};

struct block {
	const struct block_driver *driver;
	void *state;
	struct block_info info;
	char words[BLOCK_WORDS];
};

/* ---- NVMe -------------------------------------------------------------------------------------- */

static bool is_nvme(const struct identity *identity)
{
	return identity->class_code == NVME_CLASS;
}

static int nvme_disk_open(struct medio_card *card, const struct block_options *opts, void **out,
	struct block_info *info, char *words, size_t size)
{
	const struct nvme_options options = { .irq = opts->irq, .nsid = opts->unit };
	struct nvme_info got;
	struct nvme *nvme;
	int ret = nvme_open(card, &options, &nvme, words, size);

	if (ret)
		return ret;
	nvme_get_info(nvme, &got);
	*info = (struct block_info){
		.unit = got.nsid,
		.size = got.blocks * got.block,
		.block = got.block,
		.max_transfer = got.max_transfer,
		.depth = got.depth,
		.irq = got.irq,
	};
	memcpy(info->model, got.model, sizeof(info->model));
	memcpy(info->serial, got.serial, sizeof(info->serial));
	memcpy(info->firmware, got.firmware, sizeof(info->firmware));
	*out = nvme;
	return 0;
}

static void nvme_disk_close(void *state)
{
	nvme_close(state);
}

static const char *nvme_disk_words(const void *state)
{
	return nvme_words(state);
}

static uint64_t nvme_disk_interrupts(const void *state)
{
	return nvme_interrupts(state);
}

static int nvme_disk_submit(
	void *state, enum block_op op, uint64_t block, uint32_t count, uint64_t iova, void *tag)
{
	static const enum nvme_op ops[] = { NVME_READ, NVME_WRITE, NVME_FLUSH };

	return nvme_submit(state, ops[op], block, count, iova, tag);
}

static int nvme_disk_poll(void *state, int timeout_ms, struct block_done *done, unsigned cap)
{
	struct nvme_done came[NVME_DEPTH];
	int n = nvme_poll(state, timeout_ms, came, cap < NVME_DEPTH ? cap : NVME_DEPTH);

	for (int i = 0; i < n; i++) {
		done[i].tag = came[i].tag;
		done[i].ret = came[i].ret;
		done[i].words[0] = '\0';
		if (came[i].ret)
			nvme_status_words(came[i].status, done[i].words, sizeof(done[i].words));
	}
	return n;
}

/* ---- virtio ------------------------------------------------------------------------------------ */

/* Its own id, and that of a device which speaks the old way too (VIRTIO 1.3, 4.1.2.1). */
static bool is_virtio(const struct identity *identity)
{
	return identity->vendor == 0x1af4 &&
	       (identity->device == 0x1042 || identity->device == 0x1001);
}

static int virtio_disk_open(struct medio_card *card, const struct block_options *opts, void **out,
	struct block_info *info, char *words, size_t size)
{
	const struct virtio_options options = { .irq = opts->irq };
	struct virtio_blk_info got;
	struct virtio_blk *blk;
	int ret;

	if (opts->unit > 1) {
		snprintf(words, size, "no unit %u: a virtio disk is one", opts->unit);
		return -EINVAL;
	}
	ret = virtio_blk_open(card, &options, &blk, words, size);
	if (ret)
		return ret;
	virtio_blk_get_info(blk, &got);
	*info = (struct block_info){
		.unit = 1,
		.size = got.blocks * got.block,
		.block = got.block,
		.max_transfer = got.max_transfer,
		.depth = got.depth,
		.irq = got.virtio.irq,
	};
	snprintf(info->model, sizeof(info->model), "virtio block device, %s ring",
		got.virtio.accepted & VIRTIO_F_RING_PACKED ? "packed" : "split");
	memcpy(info->serial, got.serial, sizeof(info->serial));
	*out = blk;
	return 0;
}

static void virtio_disk_close(void *state)
{
	virtio_blk_close(state);
}

static const char *virtio_disk_words(const void *state)
{
	return virtio_blk_words(state);
}

static uint64_t virtio_disk_interrupts(const void *state)
{
	struct virtio_blk_info info;

	virtio_blk_get_info(state, &info);
	return info.virtio.interrupts;
}

static int virtio_disk_submit(
	void *state, enum block_op op, uint64_t block, uint32_t count, uint64_t iova, void *tag)
{
	static const enum virtio_blk_op ops[] = { VIRTIO_BLK_READ, VIRTIO_BLK_WRITE,
		VIRTIO_BLK_FLUSH };

	return virtio_blk_submit(state, ops[op], block, count, iova, tag);
}

static int virtio_disk_poll(void *state, int timeout_ms, struct block_done *done, unsigned cap)
{
	struct virtio_blk_done came[VIRTIO_BLK_DEPTH];
	int n = virtio_blk_poll(
		state, timeout_ms, came, cap < VIRTIO_BLK_DEPTH ? cap : VIRTIO_BLK_DEPTH);

	for (int i = 0; i < n; i++) {
		done[i].tag = came[i].tag;
		done[i].ret = came[i].ret;
		done[i].words[0] = '\0';
		if (came[i].ret)
			virtio_blk_status_words(
				came[i].status, done[i].words, sizeof(done[i].words));
	}
	return n;
}

/* ---- Any --------------------------------------------------------------------------------------- */

static const struct block_driver drivers[] = {
	{ "nvme", is_nvme, nvme_disk_open, nvme_disk_close, nvme_disk_words, nvme_disk_interrupts,
		nvme_disk_submit, nvme_disk_poll },
	{ "virtio-blk", is_virtio, virtio_disk_open, virtio_disk_close, virtio_disk_words,
		virtio_disk_interrupts, virtio_disk_submit, virtio_disk_poll },
};

#define NUM_DRIVERS (sizeof(drivers) / sizeof(*drivers))

static int find(struct medio_card *card, const struct block_driver **out, char *words, size_t size)
{
	uint32_t ids = 0, class_code = 0;
	int ret = medio_card_read32(card, MEDIO_CARD_CONFIG, 0, &ids);

	if (!ret)
		ret = medio_card_read32(card, MEDIO_CARD_CONFIG, 8, &class_code);
	if (ret) {
		snprintf(words, size, "configuration space: %s", medio_card_last_error(card));
		return ret;
	}
	const struct identity identity = { (uint16_t)ids, (uint16_t)(ids >> 16), class_code >> 8 };
	for (unsigned i = 0; i < NUM_DRIVERS; i++) {
		if (drivers[i].drives(&identity)) {
			*out = &drivers[i];
			return 0;
		}
	}
	snprintf(words, size,
		"no disk that there is a driver for: it is %04x:%04x of class %06x; there are "
		"nvme (class %06x) and virtio-blk (1af4:1042 or 1af4:1001)",
		identity.vendor, identity.device, identity.class_code, NVME_CLASS);
	return -ENODEV;
}

int block_open(struct medio_card *card, const struct block_options *opts, struct block **out,
	char *words, size_t size)
{
	static const struct block_options best = { .irq = BLOCK_IRQ_BEST };
	struct block *disk = calloc(1, sizeof(*disk));

	if (!disk) {
		snprintf(words, size, "out of memory");
		return -ENOMEM;
	}
	int ret = find(card, &disk->driver, words, size);
	if (!ret)
		ret = disk->driver->open(
			card, opts ? opts : &best, &disk->state, &disk->info, words, size);
	if (ret) {
		free(disk);
		return ret;
	}
	disk->info.driver = disk->driver->name;
	if (disk->info.depth > BLOCK_DEPTH)
		disk->info.depth = BLOCK_DEPTH;
	*out = disk;
	return 0;
}

void block_close(struct block *disk)
{
	if (!disk)
		return;
	disk->driver->close(disk->state);
	free(disk);
}

const struct block_info *block_get_info(const struct block *disk)
{
	return &disk->info;
}

const char *block_words(const struct block *disk)
{
	return disk->words[0] ? disk->words : disk->driver->words(disk->state);
}

uint64_t block_interrupts(const struct block *disk)
{
	return disk->driver->interrupts(disk->state);
}

int block_submit(struct block *disk, enum block_op op, uint64_t offset, uint32_t bytes,
	uint64_t iova, void *tag)
{
	uint32_t block = disk->info.block;

	disk->words[0] = '\0';
	if (op != BLOCK_FLUSH && (offset % block || bytes % block)) {
		snprintf(disk->words, sizeof(disk->words),
			"%u bytes at %llu are not whole blocks of %u", bytes,
			(unsigned long long)offset, block);
		return -EINVAL;
	}
	return disk->driver->submit(disk->state, op, offset / block, bytes / block, iova, tag);
}

int block_poll(struct block *disk, int timeout_ms, struct block_done *done, unsigned cap)
{
	disk->words[0] = '\0';
	return disk->driver->poll(disk->state, timeout_ms, done, cap);
}
