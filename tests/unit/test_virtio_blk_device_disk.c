/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio-blk on real disks behind, under our own driver: what is written is there, for whoever looks. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../devices/passthrough/passthrough.h"
#include "../../devices/virtio-blk/virtio-blk.h"
#include "../../drivers/virtio/virtio_blk.h"
#include "test_bytes.h"
#include "test_card_bed.h"

#define RW     (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)
#define BLOCK  512u
#define BLOCKS 8192u
#define DEPTH  32u
#define SLOT   65536u /* bytes of memory that a command has */

struct bed {
	enum card_bed_way way;
	struct card_bed bed;
	struct virtio_blk *blk;
	uint8_t *buf; /* DEPTH slots at iova */
	uint64_t iova;
	char dir[64], path[80], words[VIRTIO_WORDS];
};

/* On a disk, not in memory, where O_DIRECT may not be. */
static int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	if (!bed)
		return -1;
	bed->way = card_bed_way(state);
	snprintf(bed->dir, sizeof(bed->dir), "/var/tmp/virtio-blk-XXXXXX");
	if (!mkdtemp(bed->dir))
		return -1;
	snprintf(bed->path, sizeof(bed->path), "%s/disk", bed->dir);
	int fd = open(bed->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, BLOCKS * BLOCK))
		return -1;
	close(fd);
	*state = bed;
	return 0;
}

static void closes(struct bed *bed)
{
	virtio_blk_close(bed->blk);
	bed->blk = NULL;
	card_bed_close(&bed->bed);
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	closes(bed);
	unlink(bed->path);
	rmdir(bed->dir);
	free(bed);
	return 0;
}

/* With these parameters; "file" is the bed's. */
static void opens(struct bed *bed, const char *first, const char *second)
{
	char file[100];
	const char *params[] = { first, second, NULL };
	const struct virtio_options opts = { .irq = VIRTIO_IRQ_BEST };
	void *ptr;

	snprintf(file, sizeof(file), "file=%s", bed->path);
	if (!strcmp(first, "file"))
		params[0] = file;
	assert_int_equal(card_bed_open(&bed->bed, &medio_virtio_blk, params, bed->way), 0);
	assert_int_equal(
		medio_card_dma_alloc_any(bed->bed.card, DEPTH * SLOT, RW, &bed->iova, &ptr), 0);
	bed->buf = ptr;
	if (virtio_blk_open(bed->bed.card, &opts, &bed->blk, bed->words, sizeof(bed->words)))
		fail_msg("%s", bed->words);
}

static int one(struct bed *bed, enum virtio_blk_op op, uint64_t block, uint32_t count)
{
	struct virtio_blk_done done = { 0 };

	assert_int_equal(virtio_blk_submit(bed->blk, op, block, count, bed->iova, bed), 0);
	int n = virtio_blk_poll(bed->blk, 30000, &done, 1);
	if (n != 1)
		fail_msg("%d: %s", n, virtio_blk_words(bed->blk));
	return done.ret;
}

/* Commands of any size at any place, many at once; a copy beside tells what must be read. */
static void any_commands(struct bed *bed, unsigned rounds, bool in_file)
{
	static uint8_t copy[BLOCKS * BLOCK];
	uint32_t seed = 1, n = 0;

	memset(copy, 0, sizeof(copy));
	for (unsigned round = 0; round < rounds; round++) {
		struct virtio_blk_done done[DEPTH];
		/* Each in a part of the disk of its own, so that their order does not matter. */
		const uint32_t part = BLOCKS / DEPTH;
		uint32_t first[DEPTH], count[DEPTH];
		bool writes[DEPTH];
		for (uint32_t i = 0; i < DEPTH; i++) {
			seed = seed * 1664525 + 1013904223;
			count[i] = 1 + (seed >> 16) % (SLOT / BLOCK);
			first[i] = i * part + (seed >> 8) % (part - count[i] + 1);
			writes[i] = seed >> 30 & 1;
			uint8_t *slot = bed->buf + (size_t)i * SLOT;
			if (writes[i]) {
				scramble(slot, count[i] * BLOCK, seed);
				memcpy(copy + first[i] * BLOCK, slot, count[i] * BLOCK);
			}
			assert_int_equal(virtio_blk_submit(bed->blk,
						 writes[i] ? VIRTIO_BLK_WRITE : VIRTIO_BLK_READ,
						 first[i], count[i], bed->iova + i * SLOT, slot),
				0);
		}
		for (n = 0; n < DEPTH;) {
			int got = virtio_blk_poll(bed->blk, 30000, done, DEPTH);
			if (got <= 0)
				fail_msg("%d: %s", got, virtio_blk_words(bed->blk));
			for (int i = 0; i < got; i++)
				assert_int_equal(done[i].ret, 0);
			n += (unsigned)got;
		}
		for (uint32_t i = 0; i < DEPTH; i++)
			assert_memory_equal(bed->buf + (size_t)i * SLOT, copy + first[i] * BLOCK,
				count[i] * BLOCK);
	}
	assert_int_equal(one(bed, VIRTIO_BLK_FLUSH, 0, 0), 0);
	/* From beginning to end. */
	for (uint32_t at = 0; at < BLOCKS; at += SLOT / BLOCK) {
		assert_int_equal(one(bed, VIRTIO_BLK_READ, at, SLOT / BLOCK), 0);
		assert_memory_equal(bed->buf, copy + at * BLOCK, SLOT);
	}
	if (in_file) {
		static uint8_t file[BLOCKS * BLOCK];
		int fd = open(bed->path, O_RDONLY | O_CLOEXEC);
		assert_int_equal(read(fd, file, sizeof(file)), sizeof(file));
		close(fd);
		assert_memory_equal(file, copy, sizeof(copy));
	}
}

static void on_memory(void **state)
{
	opens(*state, "mem=4M", "poll=adaptive");
	any_commands(*state, 30, false);
}

static void on_a_file(void **state)
{
	static const char *const hows[] = { "aio=auto", "aio=threads", "direct=on", "packed=off",
		"poll=on", "num-queues=1" };
	struct bed *bed = *state;

	for (unsigned i = 0; i < sizeof(hows) / sizeof(*hows); i++) {
		assert_int_equal(truncate(bed->path, 0), 0);
		assert_int_equal(truncate(bed->path, BLOCKS * BLOCK), 0);
		opens(bed, "file", hows[i]);
		any_commands(bed, 8, true);
		closes(bed);
	}
}

static void what_was_there_is_read(void **state)
{
	struct bed *bed = *state;
	uint8_t block[BLOCK];
	int fd = open(bed->path, O_WRONLY | O_CLOEXEC);

	scramble(block, BLOCK, 7);
	assert_int_equal(pwrite(fd, block, BLOCK, 77 * BLOCK), BLOCK);
	close(fd);
	opens(bed, "file", "readonly=on");
	struct virtio_blk_info info;
	virtio_blk_get_info(bed->blk, &info);
	assert_true(info.read_only);
	assert_int_equal(info.blocks, BLOCKS);
	assert_int_equal(one(bed, VIRTIO_BLK_READ, 77, 1), 0);
	assert_memory_equal(bed->buf, block, BLOCK);
}

/* A file that is cut short under it gives errors, and the rest of it is there. */
static void a_file_cut_short(void **state)
{
	struct bed *bed = *state;

	opens(bed, "file", "rescan=0s");
	memset(bed->buf, 0x5a, 4096);
	assert_int_equal(one(bed, VIRTIO_BLK_WRITE, 0, 8), 0);
	assert_int_equal(one(bed, VIRTIO_BLK_WRITE, BLOCKS - 8, 8), 0);
	assert_int_equal(truncate(bed->path, 4096), 0);
	assert_int_equal(one(bed, VIRTIO_BLK_READ, BLOCKS - 8, 8), -EIO);
	memset(bed->buf, 0, 4096);
	assert_int_equal(one(bed, VIRTIO_BLK_READ, 0, 8), 0);
	assert_int_equal(bed->buf[4095], 0x5a);
}

#define TEST(name) CARD_BED_TEST_PASSED(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(on_memory),
		TEST(on_a_file),
		TEST(what_was_there_is_read),
		TEST(a_file_cut_short),
	};

	card_bed_passthrough = &medio_passthrough;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
