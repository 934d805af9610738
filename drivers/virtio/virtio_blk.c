/* SPDX-License-Identifier: BSD-3-Clause */
/* Block devices (5.2): a header that the device reads, data, a byte of status that it writes. */
#include "virtio_blk.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 5.2.3 */
#define F_SIZE_MAX (UINT64_C(1) << 1)
#define F_SEG_MAX  (UINT64_C(1) << 2)
#define F_RO	   (UINT64_C(1) << 5)
#define F_BLK_SIZE (UINT64_C(1) << 6)
#define F_FLUSH	   (UINT64_C(1) << 9)

/* 5.2.4: the configuration, little-endian. */
enum { CAPACITY = 0 /* 8 bytes, in sectors */, SIZE_MAX_ = 8, SEG_MAX = 12, BLK_SIZE = 20 };

/* 5.2.6 */
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2, S_NONE = 0xff /* not written yet */ };

struct header {
	uint32_t type, reserved;
	uint64_t sector;
};

_Static_assert(sizeof(struct header) == 16, "a header has 16 bytes");

#define SECTOR	     512u
#define ID_BYTES     20u
#define PAGE	     4096u
#define MAX_BLOCK    (1u << 20)
#define MAX_TRANSFER (1u << 20)
#define MAX_SEGS     32u /* of data */

/* A command's place in memory that the device reaches. */
struct slot {
	struct header header;
	uint8_t status, unused[15];
};

struct shared {
	struct slot slots[VIRTIO_BLK_DEPTH];
	char id[ID_BYTES + 4];
} __attribute__((aligned(PAGE)));

struct virtio_blk {
	struct virtio *v;
	struct virtio_queue *queue;
	struct virtio_blk_info info;
	struct shared *shared;
	uint64_t iova;
	uint32_t size_max;
	unsigned segs; /* of data, at most */
	bool added;    /* commands that the device has not been told of */
	int broken;
	void *tags[VIRTIO_BLK_DEPTH]; /* by slot */
	uint8_t free[VIRTIO_BLK_DEPTH];
	unsigned num_free;
	void *flushed[VIRTIO_BLK_DEPTH]; /* tags of flushes with nothing to flush */
	unsigned num_flushed;
};

const char *virtio_blk_words(const struct virtio_blk *blk)
{
	return virtio_words(blk->v);
}

/* ---- What the device is ------------------------------------------------------------------------ */

static int get32(struct virtio_blk *blk, unsigned offset, uint32_t *out)
{
	int ret = virtio_config(blk->v, offset, out, sizeof(*out));

	*out = le32toh(*out);
	return ret;
}

static int read_sizes(struct virtio_blk *blk, uint64_t *sectors, uint32_t *seg_max)
{
	struct virtio *v = blk->v;
	int ret = virtio_config(v, CAPACITY, sectors, sizeof(*sectors));

	*sectors = le64toh(*sectors);
	blk->info.block = SECTOR;
	blk->size_max = UINT32_MAX;
	*seg_max = 1;
	if (!ret && virtio_has(v, F_BLK_SIZE))
		ret = get32(blk, BLK_SIZE, &blk->info.block);
	if (!ret && virtio_has(v, F_SIZE_MAX))
		ret = get32(blk, SIZE_MAX_, &blk->size_max);
	if (!ret && virtio_has(v, F_SEG_MAX))
		ret = get32(blk, SEG_MAX, seg_max);
	return ret;
}

static int read_config(struct virtio_blk *blk)
{
	struct virtio_blk_info *info = &blk->info;
	uint64_t sectors = 0, most;
	uint32_t seg_max = 0;
	int ret = read_sizes(blk, &sectors, &seg_max);
	uint32_t block = info->block;

	if (ret)
		return ret;
	if (block < SECTOR || block > MAX_BLOCK || block & (block - 1))
		return virtio_fail(blk->v, -EPROTO, "blocks of %u bytes cannot be", block);
	if (sectors > UINT64_MAX / SECTOR)
		return virtio_fail(blk->v, -EPROTO, "a disk of %llu sectors cannot be",
			(unsigned long long)sectors);
	blk->segs = seg_max < 1 ? 1 : seg_max < MAX_SEGS ? seg_max : MAX_SEGS;
	most = (uint64_t)blk->segs * blk->size_max;
	most = most < MAX_TRANSFER ? most : MAX_TRANSFER;
	info->max_transfer = (uint32_t)(most - most % block);
	if (!info->max_transfer)
		return virtio_fail(blk->v, -EPROTO,
			"%u segments of %u bytes do not carry a block of %u", seg_max,
			blk->size_max, block);
	/* As many as such a command needs. */
	blk->segs = (unsigned)((info->max_transfer + (uint64_t)blk->size_max - 1) / blk->size_max);
	info->blocks = sectors / (block / SECTOR);
	info->read_only = virtio_has(blk->v, F_RO);
	info->volatile_cache = virtio_has(blk->v, F_FLUSH);
	return 0;
}

/* ---- Commands ---------------------------------------------------------------------------------- */

/* Put one into the ring, with bytes of data at iova that the device reads or writes. */
static int add(struct virtio_blk *blk, uint32_t type, uint64_t sector, uint64_t iova,
	uint32_t bytes, void *tag)
{
	struct virtq *ring = virtio_ring(blk->queue);
	struct virtq_seg segs[MAX_SEGS + 2];
	unsigned n = 0, id;
	bool out = type == T_OUT;

	if (!blk->num_free)
		return -EAGAIN;
	id = blk->free[blk->num_free - 1];
	struct slot *slot = &blk->shared->slots[id];
	uint64_t at = blk->iova + offsetof(struct shared, slots) + id * sizeof(*slot);
	segs[n++] = (struct virtq_seg){ at, sizeof(slot->header) };
	for (uint32_t piece; bytes; bytes -= piece, iova += piece) {
		piece = bytes < blk->size_max ? bytes : blk->size_max;
		segs[n++] = (struct virtq_seg){ iova, piece };
	}
	segs[n++] = (struct virtq_seg){ at + offsetof(struct slot, status), 1 };
	int ret = virtq_add(ring, segs, out ? n - 1 : 1, out ? 1 : n - 1, &blk->tags[id]);
	if (ret == -EAGAIN)
		return ret;
	if (ret)
		return virtio_fail(blk->v, ret, "%s", virtq_words(ring));
	slot->header = (struct header){ .type = htole32(type), .sector = htole64(sector) };
	__atomic_store_n(&slot->status, S_NONE, __ATOMIC_RELAXED);
	blk->tags[id] = tag;
	blk->num_free--;
	blk->added = true;
	return 0;
}

static int status_errno(uint8_t status)
{
	switch (status) {
	case S_OK:
		return 0;
	case S_IOERR:
		return -EIO;
	case S_UNSUPP:
		return -ENOTSUP;
	default:
		return -EPROTO;
	}
}

void virtio_blk_status_words(uint8_t status, char *buf, size_t size)
{
	const char *words = status == S_IOERR	 ? "the device met an error"
			    : status == S_UNSUPP ? "the device does not know this command"
			    : status == S_NONE	 ? "the device has not said what came of it"
						 : "a status that cannot be";

	snprintf(buf, size, "%s (status %u)", words, status);
}

static unsigned take(struct virtio_blk *blk, struct virtio_blk_done *done, unsigned cap)
{
	struct virtq_done came;
	unsigned n = 0;
	int ret = 0;

	for (; n < cap && blk->num_flushed; n++)
		done[n] = (struct virtio_blk_done){ .tag = blk->flushed[--blk->num_flushed] };
	while (n < cap && (ret = virtq_take(virtio_ring(blk->queue), &came)) > 0) {
		unsigned id = (unsigned)((void **)came.tag - blk->tags);
		uint8_t status = __atomic_load_n(&blk->shared->slots[id].status, __ATOMIC_RELAXED);
		blk->free[blk->num_free++] = (uint8_t)id;
		done[n++] = (struct virtio_blk_done){ blk->tags[id], status_errno(status), status };
	}
	if (ret < 0)
		blk->broken = virtio_fail(blk->v, ret, "%s", virtq_words(virtio_ring(blk->queue)));
	return n;
}

int virtio_blk_poll(
	struct virtio_blk *blk, int timeout_ms, struct virtio_blk_done *done, unsigned cap)
{
	int ret = blk->broken;

	if (!ret && blk->added)
		ret = virtio_kick(blk->queue);
	blk->added = false;
	if (!ret) {
		unsigned n = take(blk, done, cap);
		if (n)
			return (int)n;
		ret = blk->broken;
	}
	if (!ret && cap)
		ret = virtio_wait(blk->v, &blk->queue, 1, timeout_ms);
	if (ret > 0) {
		unsigned n = take(blk, done, cap);
		ret = n ? (int)n : blk->broken;
	}
	if (ret < 0 && ret != -EINTR)
		blk->broken = ret;
	return ret;
}

static int check_range(struct virtio_blk *blk, uint64_t block, uint32_t count)
{
	const struct virtio_blk_info *info = &blk->info;

	if (!count || count > info->max_transfer / info->block)
		return virtio_fail(blk->v, -EINVAL, "%u blocks, a command moves 1 to %u", count,
			info->max_transfer / info->block);
	if (block >= info->blocks || count > info->blocks - block)
		return virtio_fail(blk->v, -ERANGE, "%u blocks from %llu, there are %llu", count,
			(unsigned long long)block, (unsigned long long)info->blocks);
	return 0;
}

int virtio_blk_submit(struct virtio_blk *blk, enum virtio_blk_op op, uint64_t block, uint32_t count,
	uint64_t iova, void *tag)
{
	uint32_t size = blk->info.block;
	int ret = blk->broken;

	if (ret)
		return ret;
	if (op == VIRTIO_BLK_FLUSH && !blk->info.volatile_cache) {
		if (blk->num_flushed == VIRTIO_BLK_DEPTH)
			return -EAGAIN;
		blk->flushed[blk->num_flushed++] = tag;
		return 0;
	}
	if (op == VIRTIO_BLK_FLUSH)
		return add(blk, T_FLUSH, 0, 0, 0, tag);
	ret = check_range(blk, block, count);
	if (ret)
		return ret;
	if (op == VIRTIO_BLK_WRITE && blk->info.read_only)
		return virtio_fail(blk->v, -EROFS, "the disk is read-only");
	return add(blk, op == VIRTIO_BLK_READ ? T_IN : T_OUT, block * (size / SECTOR), iova,
		count * size, tag);
}

/* ---- Open and close ---------------------------------------------------------------------------- */

/* Its serial number (5.2.6.1); a device that does not know the command has none. */
static int get_serial(struct virtio_blk *blk)
{
	struct virtio_blk_done done = { 0 };
	int ret = add(blk, T_GET_ID, 0, blk->iova + offsetof(struct shared, id), ID_BYTES, blk);

	if (ret)
		return ret;
	do
		ret = virtio_blk_poll(blk, -1, &done, 1);
	while (!ret);
	if (ret == -EINTR)
		return virtio_fail(blk->v, ret, "serial number: a signal came before the answer");
	if (ret < 0)
		return ret;
	memcpy(blk->info.serial, blk->shared->id, done.ret ? 0 : ID_BYTES);
	for (char *at = blk->info.serial; *at; at++)
		*at = *at >= ' ' && *at <= '~' ? *at : '?';
	return 0;
}

static int make_memory(struct virtio_blk *blk)
{
	void *ptr;
	int ret = medio_card_dma_alloc_any(virtio_card(blk->v), sizeof(struct shared),
		MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, &blk->iova, &ptr);

	if (ret)
		return virtio_fail(blk->v, ret, "memory for commands: %s",
			medio_card_last_error(virtio_card(blk->v)));
	blk->shared = ptr;
	return 0;
}

/* A command takes a descriptor for each segment, and has no more of them than the queue; also in a table of
 * its own (2.7.5.3.1). */
static int count_depth(struct virtio_blk *blk)
{
	unsigned size = virtio_queue_size(blk->queue), room;

	if (size < blk->segs + 2) {
		if (size < 3 || (uint64_t)(size - 2) * blk->size_max < blk->info.block)
			return virtio_fail(blk->v, -ENOTSUP,
				"a queue of %u descriptors has no room for a command", size);
		uint64_t most = (uint64_t)(size - 2) * blk->size_max;
		blk->segs = size - 2;
		blk->info.max_transfer = (uint32_t)(most - most % blk->info.block);
	}
	room = virtq_room(virtio_ring(blk->queue), blk->segs + 2);
	blk->info.depth = room < VIRTIO_BLK_DEPTH ? room : VIRTIO_BLK_DEPTH;
	blk->num_free = blk->info.depth;
	for (unsigned i = 0; i < blk->num_free; i++)
		blk->free[i] = (uint8_t)i;
	return blk->num_free ? 0 : virtio_fail(blk->v, -ENOTSUP, "its queue has no room");
}

/* Steps 4 to 8; the first three are virtio_open()'s. */
static int start(struct virtio_blk *blk)
{
	struct virtio *v = blk->v;
	unsigned size;
	int ret = virtio_accept(v, F_SIZE_MAX | F_SEG_MAX | F_RO | F_BLK_SIZE | F_FLUSH, 0);

	if (!ret)
		ret = read_config(blk);
	if (ret)
		return ret;
	size = virtio_has(v, VIRTIO_F_INDIRECT_DESC) ? VIRTIO_BLK_DEPTH : VIRTIO_BLK_DEPTH * 4;
	ret = virtio_queue(v, 0, size, blk->segs + 2, &blk->queue);
	if (!ret)
		ret = count_depth(blk);
	if (!ret)
		ret = make_memory(blk);
	if (!ret)
		ret = virtio_ready(v);
	if (ret)
		return ret;
	virtio_owed(blk->queue);
	return get_serial(blk);
}

int virtio_blk_open(struct medio_card *card, const struct virtio_options *opts,
	struct virtio_blk **out, char *words, size_t size)
{
	struct virtio_blk *blk = calloc(1, sizeof(*blk));
	int ret;

	if (!blk) {
		snprintf(words, size, "out of memory");
		return -ENOMEM;
	}
	ret = virtio_open(card, VIRTIO_ID_BLK, opts, &blk->v, words, size);
	if (ret) {
		free(blk);
		return ret;
	}
	ret = start(blk);
	if (ret) {
		snprintf(words, size, "%s", virtio_words(blk->v));
		virtio_blk_close(blk);
		return ret;
	}
	*out = blk;
	return 0;
}

void virtio_blk_close(struct virtio_blk *blk)
{
	if (!blk)
		return;
	struct medio_card *card = virtio_card(blk->v);

	/* First the device must stop. */
	virtio_close(blk->v);
	if (blk->shared)
		medio_card_dma_unmap(card, blk->iova, sizeof(struct shared));
	free(blk);
}

void virtio_blk_get_info(const struct virtio_blk *blk, struct virtio_blk_info *out)
{
	*out = blk->info;
	virtio_get_info(blk->v, &out->virtio);
}
