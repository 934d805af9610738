/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver of virtio disks on a small disk: data, commands, what the device says of itself. */
#include <errno.h>

#include "../../drivers/block.h"
#include "test_bytes.h"
#include "test_tick.h"
#include "test_virtio_blk_bed.h"

#define F_SIZE_MAX (UINT64_C(1) << 1)
#define F_SEG_MAX  (UINT64_C(1) << 2)
#define F_RO	   (UINT64_C(1) << 5)
#define F_BLK_SIZE (UINT64_C(1) << 6)
#define F_FLUSH	   (UINT64_C(1) << 9)

static void identifies(void **state)
{
	struct bed *bed = *state;
	struct virtio_blk_info info;

	plug(bed, NULL);
	opens(bed, NULL);
	virtio_blk_get_info(bed->blk, &info);
	/* No orders for a terminal. */
	assert_string_equal(info.serial, "S-1 of ?[2J tests");
	assert_int_equal(info.blocks, BLOCKS);
	assert_int_equal(info.block, BLOCK);
	assert_int_equal(info.max_transfer, 1 << 20);
	assert_int_equal(info.depth, 256 / 3); /* descriptors of the queue, and of a command */
	assert_false(info.read_only);
	assert_true(info.volatile_cache);
	assert_int_equal(info.virtio.irq, MEDIO_CARD_MSIX);
	assert_int_equal(info.virtio.id, VIRTIO_ID_BLK);
	assert_int_equal(info.virtio.num_queues, 1);
}

static void knows_less(void **state)
{
	struct bed *bed = *state;
	struct virtio_blk_info info;

	virtio_quirks.hide = F_BLK_SIZE | F_SEG_MAX | F_FLUSH;
	virtio_quirks.offer = F_RO;
	virtio_blk_quirks.no_serial = true;
	plug(bed, NULL);
	opens(bed, NULL);
	virtio_blk_get_info(bed->blk, &info);
	assert_string_equal(info.serial, "");
	assert_int_equal(info.block, 512);
	assert_true(info.read_only);
	assert_false(info.volatile_cache);
	assert_int_equal(
		virtio_blk_submit(bed->blk, VIRTIO_BLK_WRITE, 0, 1, bed->iova, bed), -EROFS);
	says(virtio_blk_words(bed->blk), "read-only");
	/* Nothing to flush: done at once. */
	assert_int_equal(one(bed, VIRTIO_BLK_FLUSH, 0, 0, 0).ret, 0);
	assert_int_equal(one(bed, VIRTIO_BLK_READ, 0, 2048, bed->iova).ret, 0);
	assert_int_equal(virtio_blk_seen.flushes, 0);
}

/* Every kind of ring; write, wipe, read, and look at both sides of it. */
static void copies_over_every_ring(void **state)
{
	static const uint32_t counts[] = { 1, 2, 7, 8, 64, 255, 2040 };
	struct bed *bed = *state;

	for (unsigned kind = 0; kind < 8; kind++) {
		virtio_blk_model_clear();
		virtio_quirks.offer = (kind & 1 ? VIRTIO_F_RING_PACKED : 0) |
				      (kind & 2 ? VIRTIO_F_INDIRECT_DESC : 0) |
				      (kind & 4 ? VIRTIO_F_EVENT_IDX : 0);
		plug(bed, NULL);
		opens(bed, NULL);
		for (unsigned i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
			uint8_t *at = bed->buf + BLOCK;
			size_t size = (size_t)counts[i] * BLOCK;
			uint64_t before;
			scramble(at, size, kind * 16 + i);
			before = checksum(at, size);
			assert_int_equal(
				one(bed, VIRTIO_BLK_WRITE, 100 + i, counts[i], bed->iova + BLOCK)
					.ret,
				0);
			memset(bed->buf, 0xee, BUFFER);
			assert_int_equal(
				one(bed, VIRTIO_BLK_READ, 100 + i, counts[i], bed->iova + BLOCK)
					.ret,
				0);
			assert_int_equal(checksum(at, size), before);
			assert_int_equal(at[size], 0xee);
			assert_int_equal(at[-1], 0xee);
		}
		unplug(bed);
		assert_int_equal(virtio_seen.accepted & GENERIC, virtio_quirks.offer);
		assert_int_equal(!!virtio_seen.indirect, !!(kind & 2));
	}
}

static void splits_into_segments(void **state)
{
	struct bed *bed = *state;
	struct virtio_blk_info info;
	uint64_t before;

	virtio_quirks.offer = F_SIZE_MAX | VIRTIO_F_INDIRECT_DESC;
	virtio_blk_quirks.size_max = 1500;
	virtio_blk_quirks.seg_max = 5;
	plug(bed, NULL);
	opens(bed, NULL);
	virtio_blk_get_info(bed->blk, &info);
	assert_int_equal(info.max_transfer, 7500 / 512 * 512);
	scramble(bed->buf, info.max_transfer, 3);
	before = checksum(bed->buf, info.max_transfer);
	assert_int_equal(one(bed, VIRTIO_BLK_WRITE, 7, 14, bed->iova).ret, 0);
	memset(bed->buf, 0, BUFFER);
	assert_int_equal(one(bed, VIRTIO_BLK_READ, 7, 14, bed->iova).ret, 0);
	assert_int_equal(checksum(bed->buf, info.max_transfer), before);
	virtio_blk_close(bed->blk);
	bed->blk = NULL;
	card_bed_close(&bed->card_bed);
	assert_int_equal(virtio_blk_seen.segments, 5);
}

/* More descriptors than the ring has, and commands that no ring has room for. */
static void small_queues(void **state)
{
	static const unsigned sizes[] = { 4, 8, 16, 64 };
	struct bed *bed = *state;
	struct virtio_blk_done done[64];

	virtio_blk_quirks.size_max = 4096;
	/* A table of its own makes no chain longer than the ring either (2.7.5.3.1). */
	for (unsigned kind = 0; kind < 8; kind++) {
		struct virtio_blk_info info;
		unsigned i = kind / 2, n = 0;
		virtio_quirks.offer = F_SIZE_MAX | (kind % 2 ? VIRTIO_F_INDIRECT_DESC : 0);
		virtio_quirks.queue_size = sizes[i];
		plug(bed, NULL);
		opens(bed, NULL);
		virtio_blk_get_info(bed->blk, &info);
		/* A command of the largest size always has room. */
		assert_int_equal(info.max_transfer, (sizes[i] < 10 ? sizes[i] - 2 : 8) * 4096);
		assert_true(info.depth >= 1);
		for (unsigned round = 0; round < 100; round++) {
			while (!virtio_blk_submit(bed->blk, VIRTIO_BLK_READ, round,
				info.max_transfer / BLOCK, bed->iova, bed))
				n++;
			while (n) {
				int got = virtio_blk_poll(bed->blk, 60000, done, 64);
				assert_true(got > 0 && (unsigned)got <= n);
				n -= (unsigned)got;
			}
		}
		unplug(bed);
		assert_true(virtio_blk_seen.reads >= 100 * info.depth);
		virtio_blk_seen.reads = 0;
	}
	virtio_quirks.queue_size = 2;
	plug(bed, NULL);
	refused(bed, NULL, -ENOTSUP, "2 descriptors has no room");
}

static void completes_out_of_order(void **state)
{
	struct bed *bed = *state;
	struct virtio_blk_done done[64];
	char tags[64];
	unsigned n = 0;

	virtio_quirks.backwards = true;
	virtio_quirks.offer = VIRTIO_F_RING_PACKED;
	plug(bed, NULL);
	opens(bed, &(struct virtio_options){ .irq = VIRTIO_IRQ_BEST, .queue_size = 64 * 3 });
	for (unsigned i = 0; i < 64; i++) {
		memset(bed->buf, (int)i + 1, BLOCK);
		assert_int_equal(one(bed, VIRTIO_BLK_WRITE, i, 1, bed->iova).ret, 0);
	}
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(virtio_blk_submit(bed->blk, VIRTIO_BLK_READ, i, 1,
					 bed->iova + i * BLOCK, &tags[i]),
			0);
	assert_int_equal(
		virtio_blk_submit(bed->blk, VIRTIO_BLK_READ, 0, 1, bed->iova, bed), -EAGAIN);
	/* The last first; a small array takes them in parts. */
	while (n < 64) {
		int got = virtio_blk_poll(bed->blk, 60000, done + n, n < 10 ? 10 - n : 64 - n);
		assert_true(got > 0);
		n += (unsigned)got;
	}
	for (size_t i = 0; i < 64; i++) {
		assert_ptr_equal(done[i].tag, &tags[63 - i]);
		assert_int_equal(done[i].ret, 0);
		assert_int_equal(bed->buf[i * BLOCK], i + 1);
	}
	assert_int_equal(virtio_blk_poll(bed->blk, 0, done, 4), 0);
}

static void flushes(void **state)
{
	struct bed *bed = *state;

	plug(bed, NULL);
	opens(bed, NULL);
	assert_int_equal(one(bed, VIRTIO_BLK_WRITE, 0, 1, bed->iova).ret, 0);
	assert_int_equal(one(bed, VIRTIO_BLK_FLUSH, 0, 0, 0).ret, 0);
	unplug(bed);
	assert_int_equal(virtio_blk_seen.flushes, 1);
}

static void status_of(struct bed *bed, uint8_t status, int ret, const char *words)
{
	struct virtio_blk_done done;
	char buf[96];

	virtio_blk_quirks.fail_sector = 77;
	virtio_blk_quirks.fail_status = status;
	plug(bed, NULL);
	opens(bed, NULL);
	done = one(bed, VIRTIO_BLK_READ, 70, 16, bed->iova);
	assert_int_equal(done.ret, ret);
	assert_int_equal(done.status, status);
	virtio_blk_status_words(done.status, buf, sizeof(buf));
	assert_string_equal(buf, words);
	/* A command failed, the disk did not. */
	assert_int_equal(one(bed, VIRTIO_BLK_READ, 78, 1, bed->iova).ret, 0);
	unplug(bed);
}

static void errors_have_names(void **state)
{
	status_of(*state, 1, -EIO, "the device met an error (status 1)");
	status_of(*state, 2, -ENOTSUP, "the device does not know this command (status 2)");
	status_of(*state, 9, -EPROTO, "a status that cannot be (status 9)");
}

static void a_signal_ends_the_opening_of_a_silent_one(void **state)
{
	struct bed *bed = *state;

	virtio_quirks.silent = true;
	plug(bed, NULL);
	tick(1);
	assert_int_equal(
		virtio_blk_open(bed->card, NULL, &bed->blk, bed->words, sizeof(bed->words)),
		-EINTR);
	tick(0);
	says(bed->words, "a signal came");
}

static void status_not_written(void **state)
{
	struct bed *bed = *state;

	virtio_blk_quirks.no_status = true;
	plug(bed, NULL);
	opens(bed, NULL);
	assert_int_equal(one(bed, VIRTIO_BLK_READ, 0, 1, bed->iova).ret, -EPROTO);
	/* Nor is the serial number believed. */
	struct virtio_blk_info info;
	virtio_blk_get_info(bed->blk, &info);
	assert_string_equal(info.serial, "");
}

static void refuses_bad_commands(void **state)
{
	struct bed *bed = *state;
	struct virtio_blk *blk;

	plug(bed, NULL);
	opens(bed, NULL);
	blk = bed->blk;
	assert_int_equal(virtio_blk_submit(blk, VIRTIO_BLK_READ, 0, 0, bed->iova, bed), -EINVAL);
	assert_int_equal(virtio_blk_submit(blk, VIRTIO_BLK_READ, 0, 2049, bed->iova, bed), -EINVAL);
	says(virtio_blk_words(blk), "2049 blocks, a command moves 1 to 2048");
	assert_int_equal(
		virtio_blk_submit(blk, VIRTIO_BLK_READ, BLOCKS, 1, bed->iova, bed), -ERANGE);
	assert_int_equal(
		virtio_blk_submit(blk, VIRTIO_BLK_WRITE, BLOCKS - 1, 2, bed->iova, bed), -ERANGE);
	assert_int_equal(
		virtio_blk_submit(blk, VIRTIO_BLK_READ, UINT64_MAX, 2, bed->iova, bed), -ERANGE);
	unplug(bed);
	assert_int_equal(virtio_blk_seen.reads + virtio_blk_seen.writes, 0);
}

static void refuses_nonsense(void **state)
{
	struct bed *bed = *state;
	static const struct {
		struct virtio_blk_quirks quirks;
		const char *words;
	} cases[] = {
		{ { .blk_size = 511 }, "blocks of 511" },
		{ { .blk_size = 1536 }, "blocks of 1536" },
		{ { .blk_size = 1u << 31 }, "blocks of 2147483648" },
		{ { .capacity = UINT64_MAX / 512 + 1 }, "sectors cannot be" },
		{ { .blk_size = 4096, .size_max = 100, .seg_max = 4 },
			"4 segments of 100 bytes do not carry a block of 4096" },
		{ { .size_max = 0 }, "do not carry a block" },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		virtio_blk_model_clear();
		virtio_blk_quirks = cases[i].quirks;
		virtio_quirks.offer = i >= 4 ? F_SIZE_MAX : 0;
		plug(bed, NULL);
		refused(bed, NULL, -EPROTO, cases[i].words);
		card_bed_close(&bed->card_bed);
		assert_true(virtio_seen.failed);
		assert_string_equal(virtio_seen.wrong, "");
	}
}

/* Blocks of 4096 bytes are eight sectors on the wire. */
static void large_blocks(void **state)
{
	struct bed *bed = *state;
	struct virtio_blk_info info;

	virtio_blk_quirks.blk_size = 4096;
	plug(bed, NULL);
	opens(bed, NULL);
	virtio_blk_get_info(bed->blk, &info);
	assert_int_equal(info.block, 4096);
	assert_int_equal(info.blocks, BLOCKS / 8);
	memset(bed->buf, 0x5a, 4096);
	assert_int_equal(one(bed, VIRTIO_BLK_WRITE, BLOCKS / 8 - 1, 1, bed->iova).ret, 0);
	assert_int_equal(
		virtio_blk_submit(bed->blk, VIRTIO_BLK_READ, BLOCKS / 8, 1, bed->iova, bed),
		-ERANGE);
	memset(bed->buf, 0, 4096);
	assert_int_equal(one(bed, VIRTIO_BLK_READ, BLOCKS / 8 - 1, 1, bed->iova).ret, 0);
	assert_int_equal(bed->buf[4095], 0x5a);
}

/* ---- As a disk among others -------------------------------------------------------------------- */

static void is_found_as_a_disk(void **state)
{
	static const struct virtio_model_shape shapes[] = { { 0 }, { .transitional = true } };
	const struct block_options second = { .irq = BLOCK_IRQ_BEST, .unit = 2 };
	struct bed *bed = *state;
	struct block_done done;
	struct block *disk;

	for (unsigned i = 0; i < 2; i++) {
		virtio_quirks.offer = i ? VIRTIO_F_RING_PACKED : 0;
		virtio_blk_quirks.fail_status = 1;
		virtio_blk_quirks.fail_sector = 3;
		plug(bed, &shapes[i]);
		assert_int_equal(
			block_open(bed->card, &second, &disk, bed->words, sizeof(bed->words)),
			-EINVAL);
		assert_string_equal(bed->words, "no unit 2: a virtio disk is one");
		assert_int_equal(
			block_open(bed->card, NULL, &disk, bed->words, sizeof(bed->words)), 0);
		const struct block_info *info = block_get_info(disk);
		assert_string_equal(info->driver, "virtio-blk");
		assert_string_equal(info->model,
			i ? "virtio block device, packed ring" : "virtio block device, split ring");
		assert_string_equal(info->serial, "S-1 of ?[2J tests");
		assert_int_equal(info->size, (uint64_t)BLOCKS * BLOCK);
		assert_int_equal(block_submit(disk, BLOCK_READ, 1024, 1024, bed->iova, bed), 0);
		assert_int_equal(block_poll(disk, 60000, &done, 1), 1);
		assert_int_equal(done.ret, -EIO);
		assert_string_equal(done.words, "the device met an error (status 1)");
		assert_int_equal(block_submit(disk, BLOCK_READ, 2048, 1024, bed->iova, bed), 0);
		assert_int_equal(block_poll(disk, 60000, &done, 1), 1);
		assert_int_equal(done.ret, 0);
		block_close(disk);
		unplug(bed);
	}
}

static void others_are_no_disk(void **state)
{
	static struct medio_type other;
	struct bed *bed = *state;
	struct block *disk;

	other = *virtio_model_type(&virtio_model_blk, &(struct virtio_model_shape){ 0 });
	other.id.device = 0x1041;
	assert_int_equal(card_bed_open(&bed->card_bed, &other, NULL, bed->way), 0);
	assert_int_equal(
		block_open(bed->card_bed.card, NULL, &disk, bed->words, sizeof(bed->words)),
		-ENODEV);
	assert_string_equal(bed->words,
		"no disk that there is a driver for: it is 1af4:1041 of class 010000; there are nvme "
		"(class 010802) and virtio-blk (1af4:1042 or 1af4:1001)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identifies),
		TEST(knows_less),
		TEST(copies_over_every_ring),
		TEST(splits_into_segments),
		TEST(small_queues),
		TEST(completes_out_of_order),
		TEST(flushes),
		TEST(errors_have_names),
		TEST(a_signal_ends_the_opening_of_a_silent_one),
		TEST(status_not_written),
		TEST(refuses_bad_commands),
		TEST(refuses_nonsense),
		TEST(large_blocks),
		TEST(is_found_as_a_disk),
		TEST(others_are_no_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
