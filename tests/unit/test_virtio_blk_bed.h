/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of virtio and of its disks share: a disk, in process or over vfio-user, and its driver. */
#ifndef TEST_VIRTIO_BLK_BED_H
#define TEST_VIRTIO_BLK_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../drivers/virtio/virtio_blk.h"
#include "test_card_bed.h"
#include "test_virtio_blk_model.h"

#define RW	(MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)
#define BUFFER	(1u << 20)
#define BLOCK	VIRTIO_BLK_MODEL_SECTOR
#define BLOCKS	VIRTIO_BLK_MODEL_SECTORS
#define GENERIC (VIRTIO_F_RING_PACKED | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX)

struct bed {
	enum card_bed_way way;
	struct card_bed card_bed;
	struct medio_card *card;
	struct virtio_blk *blk;
	uint8_t *buf; /* BUFFER bytes at iova */
	uint64_t iova;
	char words[VIRTIO_WORDS];
};

static inline int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	if (!bed)
		return -1;
	bed->way = card_bed_way(state);
	virtio_blk_model_clear();
	*state = bed;
	return 0;
}

/* The device is there from now on, and does as quirks say. */
static inline void plug(struct bed *bed, const struct virtio_model_shape *shape)
{
	static const struct virtio_model_shape plain;
	void *ptr;

	assert_int_equal(card_bed_open(&bed->card_bed,
				 virtio_model_type(&virtio_model_blk, shape ? shape : &plain), NULL,
				 bed->way),
		0);
	bed->card = bed->card_bed.card;
	assert_int_equal(medio_card_dma_alloc_any(bed->card, BUFFER, RW, &bed->iova, &ptr), 0);
	bed->buf = ptr;
}

/* It is gone, and the driver has done nothing wrong. */
static inline void unplug(struct bed *bed)
{
	virtio_blk_close(bed->blk);
	bed->blk = NULL;
	card_bed_close(&bed->card_bed);
	assert_string_equal(virtio_seen.wrong, "");
}

static inline int teardown(void **state)
{
	struct bed *bed = *state;

	unplug(bed);
	free(bed);
	return 0;
}

static inline void opens(struct bed *bed, const struct virtio_options *opts)
{
	if (virtio_blk_open(bed->card, opts, &bed->blk, bed->words, sizeof(bed->words)))
		fail_msg("%s", bed->words);
}

static inline void says(const char *words, const char *part)
{
	if (!strstr(words, part))
		fail_msg("'%s' does not say '%s'", words, part);
}

/* It fails with ret, in words that hold this. */
static inline void refused(
	struct bed *bed, const struct virtio_options *opts, int ret, const char *words)
{
	int got = virtio_blk_open(bed->card, opts, &bed->blk, bed->words, sizeof(bed->words));

	if (got == 0)
		fail_msg("it opens, and should not: '%s'", words);
	says(bed->words, words);
	assert_int_equal(got, ret);
}

/* A command by itself: what came of it. */
static inline struct virtio_blk_done one(
	struct bed *bed, enum virtio_blk_op op, uint64_t block, uint32_t count, uint64_t iova)
{
	struct virtio_blk_done done = { 0 };

	assert_int_equal(virtio_blk_submit(bed->blk, op, block, count, iova, bed), 0);
	int n = virtio_blk_poll(bed->blk, 60000, &done, 1);
	if (n != 1)
		fail_msg("%d: %s", n, virtio_blk_words(bed->blk));
	assert_ptr_equal(done.tag, bed);
	return done;
}

/* A command breaks the device with ret, in these words, and it is not talked to again. */
static inline void breaks(struct bed *bed, int ret, const char *words)
{
	struct virtio_blk_done done[4];
	int got = 0;

	assert_int_equal(virtio_blk_submit(bed->blk, VIRTIO_BLK_READ, 0, 1, bed->iova, bed), 0);
	/* A good one may come before the bad one. */
	while (got >= 0)
		got = virtio_blk_poll(bed->blk, 60000, done, 1);
	says(virtio_blk_words(bed->blk), words);
	assert_int_equal(got, ret);
	assert_int_equal(virtio_blk_submit(bed->blk, VIRTIO_BLK_READ, 0, 1, bed->iova, bed), ret);
	assert_int_equal(virtio_blk_poll(bed->blk, 0, done, 1), ret);
}

#define TEST(name) CARD_BED_TEST(name, setup, teardown)

#endif
