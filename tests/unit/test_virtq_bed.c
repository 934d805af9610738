/* SPDX-License-Identifier: BSD-3-Clause */
/* A ring in memory of this process with both its sides. */
#include "test_virtq_bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void *at(void *arg, uint64_t iova, size_t len)
{
	struct bed *bed = arg;

	if (iova >= BED_VOID_AT)
		return bed; /* nobody looks */
	if (iova >= BED_RING && iova - BED_RING < bed->ring_bytes &&
		len <= bed->ring_bytes - (iova - BED_RING))
		return bed->ring + (iova - BED_RING);
	if (iova >= BED_DATA_AT && iova - BED_DATA_AT < BED_DATA &&
		len <= BED_DATA - (iova - BED_DATA_AT))
		return bed->data + (iova - BED_DATA_AT);
	return NULL;
}

uint8_t *bed_at(const struct bed *bed, uint64_t iova)
{
	return at((void *)bed, iova, 1);
}

void bed_device(struct bed *bed)
{
	struct vqd_options opts = {
		.size = bed->opts.size,
		.packed = bed->opts.packed,
		.event_idx = bed->opts.event_idx,
		.indirect = bed->opts.indirect > 0,
		.desc = bed->places.desc,
		.driver = bed->places.driver,
		.device = bed->places.device,
		.at = at,
		.arg = bed,
	};
	int ret = vqd_init(&bed->dev, &opts);

	if (ret)
		fail_msg("%s", vqd_broken(&bed->dev));
}

void bed_new(struct bed *bed, const struct virtq_options *opts)
{
	memset(bed, 0, sizeof(*bed));
	bed->opts = *opts;
	bed->ring_bytes = virtq_bytes(opts);
	assert_true(bed->ring_bytes > 0);
	assert_int_equal(bed->ring_bytes % 4096, 0);
	/* No more than is asked for, so that a sanitizer sees who goes beyond. */
	assert_int_equal(posix_memalign((void **)&bed->ring, 4096, bed->ring_bytes), 0);
	memset(bed->ring, 0, bed->ring_bytes);
	bed->data = calloc(1, BED_DATA);
	assert_non_null(bed->data);
	assert_int_equal(virtq_new(opts, bed->ring, BED_RING, &bed->vq), 0);
	virtq_get_places(bed->vq, &bed->places);
	bed_device(bed);
}

void bed_free(struct bed *bed)
{
	if (*vqd_broken(&bed->dev))
		fail_msg("the driver: %s", vqd_broken(&bed->dev));
	virtq_free(bed->vq);
	free(bed->ring);
	free(bed->data);
}

int bed_add(struct bed *bed, unsigned out, unsigned in, uintptr_t tag)
{
	struct virtq_seg segs[64];

	assert_true(out + in <= 64);
	for (unsigned i = 0; i < out + in; i++)
		segs[i] = (struct virtq_seg){ BED_DATA_AT + UINT64_C(16) * i, 16 };
	return virtq_add(bed->vq, segs, out, in, BED_TAG(tag));
}

struct vqd_chain bed_pop(struct bed *bed)
{
	struct vqd_chain chain;
	int ret = vqd_pop(&bed->dev, &chain);

	if (ret < 0)
		fail_msg("the driver: %s", vqd_broken(&bed->dev));
	assert_int_equal(ret, 1);
	return chain;
}

void bed_take(struct bed *bed, uintptr_t tag, uint32_t len)
{
	struct virtq_done done = { 0 };
	int ret = virtq_take(bed->vq, &done);

	if (ret < 0)
		fail_msg("the device: %s", virtq_words(bed->vq));
	assert_int_equal(ret, 1);
	assert_ptr_equal(done.tag, BED_TAG(tag));
	assert_int_equal(done.len, len);
}

void bed_breaks(struct bed *bed, const char *words)
{
	struct virtq_done done = { 0 };

	assert_int_equal(virtq_take(bed->vq, &done), -EPROTO);
	assert_null(done.tag);
	if (!strstr(virtq_words(bed->vq), words))
		fail_msg("'%s' does not say '%s'", virtq_words(bed->vq), words);
	/* It stays broken, and whoever waits for it is told. */
	assert_int_equal(virtq_take(bed->vq, &done), -EPROTO);
	assert_int_equal(bed_add(bed, 1, 0, 1), -EPROTO);
	assert_int_equal(virtq_room(bed->vq, 1), 0);
	assert_true(virtq_ready(bed->vq));
	assert_true(virtq_want_irq(bed->vq));
	assert_false(virtq_publish(bed->vq));
}

struct virtq_options bed_kind(unsigned kind, unsigned size)
{
	return (struct virtq_options){
		.size = size,
		.packed = kind & 1,
		.event_idx = kind & 2,
		.indirect = kind & 4 ? size : 0,
	};
}
