/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio-blk: a disk of a guest's, the device of kind 2. What a request does is in request.c; here is what
 * the disk says of itself, its cache mode, and its life.
 *
 * Source: Virtual I/O Device (VIRTIO) 1.3, 5.2.
 */
#include "virtio-blk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "blk.h"

/* ---- What the disk says of itself (5.2.4) --------------------------------------------------------- */

/*
 * Two descriptors of a request are its header and its status. Not more than fit into a queue of 128, which
 * drivers and front-ends choose without asking, and then go by this.
 */
static uint32_t seg_max(const struct blk *blk)
{
	return (uint32_t)(blk->virtio.queue_size < 128 ? blk->virtio.queue_size : 128) - 2;
}

/* For firmware that still asks: as every disk of the last twenty years says, up to what it can (ATA). */
static void put_geometry(const struct blk *blk, uint8_t *config)
{
	uint64_t cylinders = blk->info.bytes / BLK_SECTOR / (16u * 63);
	size_t at = offsetof(struct virtio_blk_config, geometry);

	medio_put_le(config + at, 2, cylinders < 16383 ? cylinders : 16383);
	config[at + 2] = 16;
	config[at + 3] = 63;
}

#define PUT(field_, value_) \
	medio_put_le(config + offsetof(struct virtio_blk_config, field_), \
		sizeof(((struct virtio_blk_config *)NULL)->field_), value_)

void blk_config_read(struct medio_dev *dev, uint8_t *config)
{
	const struct blk *blk = medio_priv(dev);
	uint64_t optimal = blk->info.optimal / blk->block;

	PUT(capacity, blk->info.bytes / BLK_SECTOR);
	PUT(seg_max, seg_max(blk));
	put_geometry(blk, config);
	PUT(blk_size, blk->block);
	PUT(physical_block_exp, (unsigned)__builtin_ctz(blk->physical / blk->block));
	PUT(min_io_size, blk->physical / blk->block);
	PUT(opt_io_size, optimal);
	PUT(wce, blk->writeback);
	PUT(num_queues, blk->num_queues);
	PUT(max_discard_sectors, BLK_DISCARD_SECTORS);
	PUT(max_discard_seg, BLK_DISCARD_SEGMENTS);
	PUT(discard_sector_alignment,
		(blk->info.discard_unit > blk->block ? blk->info.discard_unit : blk->block) /
			BLK_SECTOR);
	PUT(max_write_zeroes_sectors, BLK_ZEROES_SECTORS);
	PUT(max_write_zeroes_seg, BLK_ZEROES_SEGMENTS);
	PUT(write_zeroes_may_unmap, blk->info.discards);
}

/* ---- The cache mode (5.2.5.2, 5.2.6.2) ------------------------------------------------------------- */

static void on_cache_flushed(struct disk_request *req, int ret)
{
	struct blk *blk = (struct blk *)((char *)req - offsetof(struct blk, cache_flush));

	blk->cache_flushing = false;
	if (ret)
		medio_log(blk->dev, MEDIO_LOG_ERROR,
			"cannot flush the disk's cache for write-through: %s", strerror(-ret));
}

static void set_writeback(struct blk *blk, bool writeback)
{
	bool flush = blk->writeback && !writeback;

	blk->writeback = writeback;
	blk->durable = !writeback;
	/* A driver that was told of write-through flushes no more, also not what it wrote before. */
	if (!flush || blk->cache_flushing || blk->info.readonly)
		return;
	blk->cache_flushing = true;
	blk->cache_flush = (struct disk_request){ .op = DISK_FLUSH, .done = on_cache_flushed };
	disk_submit(blk->disk, &blk->cache_flush);
	disk_kick(blk->disk);
}

/* One field can be written: `writeback`, a byte. */
void blk_config_write(struct medio_dev *dev, unsigned offset, const void *buf, unsigned count)
{
	struct blk *blk = medio_priv(dev);
	const uint8_t *bytes = buf;
	unsigned at = offsetof(struct virtio_blk_config, wce);

	if (offset != at || count != 1 || !medio_virtio_has(dev, VIRTIO_BLK_F_CONFIG_WCE))
		medio_guest_error(dev,
			"a write of %u bytes at %u of the configuration: only `writeback` is for "
			"the driver, a byte at %u, with CONFIG_WCE (5.2.5)",
			count, offset, at);
	else if (*bytes > 1)
		medio_guest_error(dev, "a cache mode of %u, not 0 or 1 (5.2.4)", *bytes);
	else
		set_writeback(blk, *bytes);
}

/* A driver that cannot flush is never told of a write that could be lost. It reads the size after this. */
int blk_features(struct medio_dev *dev, uint64_t accepted)
{
	struct blk *blk = medio_priv(dev);

	disk_refresh(blk->disk);
	blk->writeback = accepted & MEDIO_VIRTIO_BIT(VIRTIO_BLK_F_FLUSH);
	/* CONFIG_WCE without FLUSH begins as write-through too (5.2.5.2). */
	blk->durable = !blk->writeback;
	return 0;
}

/* ---- Its size ---------------------------------------------------------------------------------------- */

static void on_resize(void *opaque)
{
	struct blk *blk = opaque;
	uint64_t before = blk->info.bytes;

	disk_get_info(blk->disk, &blk->info);
	if (blk->info.bytes == before)
		return;
	medio_log(blk->dev, MEDIO_LOG_INFO, "the disk has %llu bytes now, it had %llu",
		(unsigned long long)blk->info.bytes, (unsigned long long)before);
	medio_virtio_config_changed(blk->dev);
}

/* Only while there is a driver to tell. */
static void rescan_later(struct blk *blk)
{
	if (blk->rescan && blk->options.file)
		medio_timer_arm(blk->rescan_timer, blk->rescan);
}

static void on_rescan(void *opaque)
{
	struct blk *blk = opaque;

	disk_refresh(blk->disk);
	rescan_later(blk);
}

void blk_live(struct medio_dev *dev)
{
	rescan_later(medio_priv(dev));
}

/* ---- Requests ---------------------------------------------------------------------------------------- */

/* Requests between two looks at whether the driver could already go on, and those that the disk may have together. */
#define EARLY	 8u
#define TOGETHER 16u

void blk_kick(struct medio_dev *dev, struct medio_virtq *queue)
{
	struct blk *blk = medio_priv(dev);
	struct medio_virtq_chain *chain = medio_virtq_pop(queue);

	blk->in_turn = true;
	blk->turn = queue;
	for (unsigned n = 1; chain; n++) {
		/* While this one is done, the next one's first bytes come from the driver's processor. */
		struct medio_virtq_chain *next = medio_virtq_pop(queue);
		blk->more = next != NULL;
		if (next)
			blk_request_fetch(next);
		if (!blk_request_begin(blk, chain)) {
			medio_virtq_unpop(queue, next != NULL);
			break;
		}
		if (n % TOGETHER == 0)
			disk_kick(blk->disk);
		if (n % EARLY == 0)
			medio_virtq_flush_early(queue);
		chain = next;
	}
	blk->more = false;
	disk_kick(blk->disk);
	blk->in_turn = false;
}

bool blk_poll(struct medio_dev *dev)
{
	struct blk *blk = medio_priv(dev);

	blk->in_turn = true;
	blk->turn = NULL;
	bool found = disk_poll(blk->disk);
	if (found)
		disk_kick(blk->disk);
	blk->in_turn = false;
	return found;
}

/* A request of several steps goes on within, so it takes some rounds. */
void blk_drain(struct medio_dev *dev)
{
	struct blk *blk = medio_priv(dev);

	do {
		disk_drain(blk->disk);
	} while (disk_under_way(blk->disk));
}

/* ---- Life -------------------------------------------------------------------------------------------- */

static bool is_block(uint64_t bytes)
{
	return bytes >= BLK_SECTOR && bytes <= 65536 && !(bytes & (bytes - 1));
}

/* What the parameters make of the disk's own blocks. */
static int choose_blocks(struct blk *blk)
{
	uint64_t block = blk->block_size ? blk->block_size : blk->info.block;
	uint64_t physical = blk->physical_size ? blk->physical_size : blk->info.physical;

	if (!is_block(blk->info.block))
		return medio_fail(blk->dev, EINVAL,
			"the disk behind has blocks of %u bytes: powers of two from 512 to 65536 "
			"are possible",
			blk->info.block);
	if (!is_block(block))
		return medio_fail(blk->dev, EINVAL,
			"block-size=%llu: a power of two from 512 to 65536 is possible",
			(unsigned long long)block);
	if (block < blk->info.block)
		return medio_fail(blk->dev, EINVAL,
			"block-size=%llu: the disk behind has blocks of %u bytes, and takes no "
			"parts of them",
			(unsigned long long)block, blk->info.block);
	if (blk->info.bytes % block)
		return medio_fail(blk->dev, EINVAL,
			"block-size=%llu: the disk's %llu bytes are not a multiple of that",
			(unsigned long long)block, (unsigned long long)blk->info.bytes);
	if (blk->physical_size && (!is_block(physical) || physical < block))
		return medio_fail(blk->dev, EINVAL,
			"physical-block-size=%llu: a power of two from the block's %llu bytes to "
			"65536 is possible",
			(unsigned long long)physical, (unsigned long long)block);
	blk->block = (uint32_t)block;
	blk->physical = (uint32_t)(physical > block ? physical : block);
	return 0;
}

static int check_params(struct blk *blk)
{
	if (blk->virtio.queue_size < 4)
		return medio_fail(blk->dev, EINVAL,
			"queue-size=%llu: a request takes three descriptors, so 4 are the least",
			(unsigned long long)blk->virtio.queue_size);
	if (blk->serial && strlen(blk->serial) > VIRTIO_BLK_ID_BYTES)
		return medio_fail(blk->dev, EINVAL, "serial=%s: %zu bytes, at most %d are possible",
			blk->serial, strlen(blk->serial), VIRTIO_BLK_ID_BYTES);
	return 0;
}

void blk_offer(struct blk *blk)
{
	struct medio_dev *dev = blk->dev;

	medio_virtio_set_queues(dev, (unsigned)blk->num_queues);
	if (blk->num_queues > 1)
		medio_virtio_offer(dev, MEDIO_VIRTIO_BIT(VIRTIO_BLK_F_MQ));
	if (blk->info.readonly)
		medio_virtio_offer(dev, MEDIO_VIRTIO_BIT(VIRTIO_BLK_F_RO));
	else if (blk->info.zeroes)
		medio_virtio_offer(dev, MEDIO_VIRTIO_BIT(VIRTIO_BLK_F_WRITE_ZEROES));
	if (!blk->info.readonly && blk->info.discards)
		medio_virtio_offer(dev, MEDIO_VIRTIO_BIT(VIRTIO_BLK_F_DISCARD));
}

int blk_make_parts(struct blk *blk)
{
	blk->waiting_end = &blk->waiting;
	blk->writeback = true;
	blk->rescan_timer = medio_timer_new(blk->dev, on_rescan, blk);
	blk->bounce = aligned_alloc(4096, BLK_BOUNCE);
	return blk->rescan_timer && blk->bounce ? 0 : -ENOMEM;
}

void blk_free_parts(struct blk *blk)
{
	medio_timer_free(blk->rescan_timer);
	if (blk->disk)
		disk_drain(blk->disk);
	free(blk->bounce);
}

static void blk_fini(struct medio_dev *dev)
{
	struct blk *blk = medio_priv(dev);

	blk_free_parts(blk);
	disk_close(blk->disk);
}

static int blk_init(struct medio_dev *dev)
{
	struct blk *blk = medio_priv(dev);

	blk->dev = dev;
	int ret = check_params(blk);
	if (!ret)
		ret = disk_open(dev, &blk->options, on_resize, blk, &blk->disk);
	if (ret)
		return ret;
	disk_get_info(blk->disk, &blk->info);
	ret = choose_blocks(blk);
	if (!ret)
		ret = blk_choose_slices(blk);
	if (!ret)
		ret = blk_make_parts(blk);
	if (ret) {
		blk_fini(dev);
		return ret;
	}
	blk_offer(blk);
	return 0;
}

void blk_reset(struct medio_dev *dev)
{
	struct blk *blk = medio_priv(dev);

	medio_timer_disarm(blk->rescan_timer);
	/* As before any features, for a driver that reads it then. */
	blk->writeback = true;
	blk->durable = false;
}

/* ---- Migration: the cache mode, and slices ----------------------------------------------------------- */

/* Bytes: a version, the cache mode, two that are 0; of a physical function 8 more, the length of its slices. */
ssize_t blk_save(struct medio_dev *dev, void *buf, size_t cap)
{
	const struct blk *blk = medio_priv(dev);
	uint8_t saved[12] = { blk->slice ? 2 : 1, blk->writeback };
	size_t size = blk->slice ? sizeof(saved) : 4;

	medio_put_le(saved + 4, 8, blk->slice);
	if (cap >= size)
		memcpy(buf, saved, size);
	return (ssize_t)size;
}

int blk_load(struct medio_dev *dev, const void *buf, size_t size)
{
	struct blk *blk = medio_priv(dev);
	uint8_t saved[4];

	if (size != (blk->slice ? 12 : 4))
		return -EINVAL;
	memcpy(saved, buf, sizeof(saved));
	if (saved[0] != (blk->slice ? 2 : 1) || saved[1] > 1 || saved[2] || saved[3])
		return -EINVAL;
	blk->writeback = saved[1];
	blk->durable = !blk->writeback;
	if (medio_virtio_is_live(dev))
		rescan_later(blk);
	return 0;
}

/* ---- Attributes -------------------------------------------------------------------------------------- */

/* "blk/reads" and its like: a number each. */
static const struct {
	const char *name;
	size_t offset;
} numbers[] = {
	{ "blk/reads", offsetof(struct blk, counts.reads) },
	{ "blk/read_bytes", offsetof(struct blk, counts.read_bytes) },
	{ "blk/writes", offsetof(struct blk, counts.writes) },
	{ "blk/written_bytes", offsetof(struct blk, counts.written_bytes) },
	{ "blk/flushes", offsetof(struct blk, counts.flushes) },
	{ "blk/discards", offsetof(struct blk, counts.discards) },
	{ "blk/zeroes", offsetof(struct blk, counts.zeroes) },
	{ "blk/errors", offsetof(struct blk, counts.errors) },
	{ "blk/unsupported", offsetof(struct blk, counts.unknown) },
	{ "blk/bounced", offsetof(struct blk, counts.bounced) },
	{ "blk/capacity", offsetof(struct blk, info.bytes) },
	{ "blk/begins", offsetof(struct blk, begins) },
	{ "blk/slice", offsetof(struct blk, slice) },
};

static ssize_t show_number(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const char *blk = medio_priv(dev);

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		uint64_t value;
		if (strcmp(attr->name, numbers[i].name) != 0)
			continue;
		memcpy(&value, blk + numbers[i].offset, sizeof(value));
		return snprintf(buf, size, "%llu\n", (unsigned long long)value);
	}
	return -ENOENT;
}

static ssize_t show_backend(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct blk *blk = medio_priv(dev);

	(void)attr;
	return snprintf(buf, size, "%s\n", blk->info.backend);
}

/* As the kernel's queue/write_cache says it. */
static ssize_t show_cache(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct blk *blk = medio_priv(dev);

	(void)attr;
	return snprintf(buf, size, "%s\n", blk->durable ? "write through" : "write back");
}

/* How the backend did it all, a word and a number each. */
static ssize_t show_work(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct blk *blk = medio_priv(dev);
	struct disk_counts n;

	(void)attr;
	disk_get_counts(blk->disk, &n);
	return snprintf(buf, size,
		"at_once %llu\nrings %llu\nthreads %llu\nbounced %llu\nflushes %llu\nerrors "
		"%llu\ncalls %llu\n",
		(unsigned long long)n.at_once, (unsigned long long)n.rings,
		(unsigned long long)n.threads, (unsigned long long)n.bounced,
		(unsigned long long)n.flushes, (unsigned long long)n.errors,
		(unsigned long long)n.calls);
}

static int store_rescan(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	struct blk *blk = medio_priv(dev);

	(void)attr;
	if (!size || buf[0] != '1' || (size > 1 && buf[1] != '\n') || size > 2)
		return -EINVAL;
	disk_refresh(blk->disk);
	return 0;
}

const struct medio_attr blk_attrs[] = {
	MEDIO_VIRTIO_ATTRS,
	{ "blk/reads", show_number, NULL },
	{ "blk/read_bytes", show_number, NULL },
	{ "blk/writes", show_number, NULL },
	{ "blk/written_bytes", show_number, NULL },
	{ "blk/flushes", show_number, NULL },
	{ "blk/discards", show_number, NULL },
	{ "blk/zeroes", show_number, NULL },
	{ "blk/errors", show_number, NULL },
	{ "blk/unsupported", show_number, NULL },
	{ "blk/bounced", show_number, NULL },
	{ "blk/capacity", show_number, NULL },
	{ "blk/begins", show_number, NULL },
	{ "blk/slice", show_number, NULL },
	{ "blk/backend", show_backend, NULL },
	{ "blk/cache", show_cache, NULL },
	{ "blk/work", show_work, NULL },
	{ "blk/rescan", NULL, store_rescan },
	{ NULL, NULL, NULL },
};

/* ---- The type ---------------------------------------------------------------------------------------- */

static const struct medio_param params[] = {
	DISK_PARAMS(struct blk, options),
	{ .name = "serial",
		.kind = MEDIO_PARAM_STRING,
		.offset = offsetof(struct blk, serial),
		.help = "what the disk calls itself, 20 bytes at most" },
	{ .name = "num-queues",
		.kind = MEDIO_PARAM_UINT,
		.offset = offsetof(struct blk, num_queues),
		.deflt = "4",
		.help = "queues, so that each CPU of the guest can have one",
		.min = 1,
		.max = BLK_MAX_QUEUES },
	{ .name = "block-size",
		.kind = MEDIO_PARAM_SIZE,
		.offset = offsetof(struct blk, block_size),
		.help = "bytes of a logical block, as the guest sees it; 0: as the disk behind",
		.max = 65536 },
	{ .name = "physical-block-size",
		.kind = MEDIO_PARAM_SIZE,
		.offset = offsetof(struct blk, physical_size),
		.help = "bytes of a physical block; 0: as the disk behind",
		.max = 65536 },
	{ .name = "rescan",
		.kind = MEDIO_PARAM_TIME,
		.offset = offsetof(struct blk, rescan),
		.deflt = "1s",
		.help = "how often to look whether file has another size; 0s: only when told to",
		.max = UINT64_C(3600000000000) },
	{ .name = "vfs",
		.kind = MEDIO_PARAM_UINT,
		.offset = offsetof(struct blk, vfs),
		.deflt = "0",
		.help = "virtual functions that there can be, each an equal slice of the disk; 0: none",
		.max = 256 },
	{ .name = "numvfs",
		.kind = MEDIO_PARAM_UINT,
		.offset = offsetof(struct blk, numvfs),
		.deflt = "0",
		.help = "virtual functions that there are from the start",
		.max = 256 },
	MEDIO_VIRTIO_PARAMS,
	{ .name = NULL },
};

static const struct medio_virtio_ops ops = {
	BLK_OPS,
	.shape = blk_shape,
	.init = blk_init,
	.fini = blk_fini,
	.load_early = blk_load_slices,
};

static const struct medio_virtio_type blk_virtio = { BLK_VIRTIO, .ops = &ops };

const struct medio_type medio_virtio_blk = {
	MEDIO_VIRTIO_TYPE(&blk_virtio, struct blk, VIRTIO_ID_BLOCK, BLK_MAX_QUEUES, 0x010000),
	.name = "virtio-blk",
	.summary = "Virtio disk",
	.description =
		"A disk that any guest has a driver for, on a file, memory or an NBD server.",
	.params = params,
	.attrs = blk_attrs,
};

const struct medio_type *const medio_virtio_blk_types[] = { &medio_virtio_blk, &medio_virtio_blk_vf,
	NULL };
