/* SPDX-License-Identifier: BSD-3-Clause */
/* Random numbers on the driver's rings: that they come, how much at once, how much a second. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <medio/virtio.h>

#include "../../devices/virtio-rng/bucket.h"
#include "../../devices/virtio-rng/virtio-rng.h"
#include "../../drivers/virtio/virtio.h"
#include "test_card_bed.h"

#define RW	   (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)
#define SLOT	   (128u << 10) /* more than a request is given at once */
#define SLOTS	   16u
#define NS	   UINT64_C(1000000000)
#define TEST(name) CARD_BED_TEST(name, setup, teardown)

struct bed {
	enum card_bed_way way;
	struct card_bed bed;
	struct medio_card *card;
	struct virtio *v;
	struct virtio_queue *queue;
	uint8_t *memory;
	uint64_t iova;
	char words[VIRTIO_WORDS];
};

static int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	if (!bed)
		return -1;
	bed->way = card_bed_way(state);
	*state = bed;
	return 0;
}

static void unplugs(struct bed *bed)
{
	virtio_close(bed->v);
	bed->v = NULL;
	card_bed_close(&bed->bed);
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	unplugs(bed);
	free(bed);
	return 0;
}

static void brings_up(struct bed *bed, const struct virtio_options *opts)
{
	virtio_close(bed->v);
	if (virtio_open(bed->card, 4, opts, &bed->v, bed->words, sizeof(bed->words)))
		fail_msg("%s", bed->words);
	if (virtio_accept(bed->v, 0, 0) || virtio_queue(bed->v, 0, 0, 4, &bed->queue) ||
		virtio_ready(bed->v))
		fail_msg("%s", virtio_words(bed->v));
}

static void plugs(struct bed *bed, const struct virtio_options *opts, const char *const *params)
{
	void *ptr;

	assert_int_equal(card_bed_open(&bed->bed, &medio_virtio_rng, params, bed->way), 0);
	bed->card = bed->bed.card;
	assert_int_equal(
		medio_card_dma_alloc_any(bed->card, SLOTS * SLOT, RW, &bed->iova, &ptr), 0);
	bed->memory = ptr;
	brings_up(bed, opts);
}

static uint8_t *slot_at(struct bed *bed, unsigned slot)
{
	return bed->memory + (size_t)slot * SLOT;
}

static void asks(struct bed *bed, unsigned slot, size_t len)
{
	struct virtq_seg seg = { bed->iova + (uint64_t)slot * SLOT, (uint32_t)len };

	memset(slot_at(bed, slot), 0xee, SLOT);
	assert_int_equal(virtq_add(virtio_ring(bed->queue), &seg, 0, 1, slot_at(bed, slot)), 0);
	assert_int_equal(virtio_kick(bed->queue), 0);
}

/* The answer to that of this slot, which is the next: its bytes. */
static uint32_t takes(struct bed *bed, unsigned slot)
{
	struct virtq_done done;
	int ret = virtio_wait(bed->v, &bed->queue, 1, 60000);

	if (ret != 1)
		fail_msg("%d: %s", ret, virtio_words(bed->v));
	assert_int_equal(virtq_take(virtio_ring(bed->queue), &done), 1);
	assert_ptr_equal(done.tag, slot_at(bed, slot));
	return done.len;
}

/* No run of 16 equal bytes: not left as it was, which by chance it is once in 10^38 times. */
static void is_random(const uint8_t *at, size_t len)
{
	size_t run = 0;

	for (size_t i = 1; i < len; i++) {
		run = at[i] == at[i - 1] ? run + 1 : 0;
		assert_true(run < 15);
	}
}

static void is_untouched(const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		assert_int_equal(at[i], 0xee);
}

struct counts {
	struct bed *bed;
	unsigned long long bytes, requests, waits;
	int waiting;
};

static void count_there(void *arg)
{
	struct counts *c = arg;
	char text[256];
	ssize_t len = medio_instance_attr_show(
		c->bed->bed.inst, "rng/counts", text, sizeof(text) - 1);

	card_bed_must(len > 0);
	text[len] = '\0';
	card_bed_must(sscanf(text, "bytes %llu\nrequests %llu\nwaits %llu\nwaiting %d\n", &c->bytes,
			      &c->requests, &c->waits, &c->waiting) == 4);
}

static struct counts counts(struct bed *bed)
{
	struct counts c = { .bed = bed };

	card_bed_on_device(&bed->bed, count_there, &c);
	return c;
}

/* ---- Bytes ----------------------------------------------------------------------------------------- */

/* Each kind of ring, lengths around what is made at a time. */
static void fills_what_is_asked_for(void **state)
{
	static const uint64_t kinds[] = { VIRTIO_F_RING_PACKED, VIRTIO_F_INDIRECT_DESC,
		VIRTIO_F_EVENT_IDX };
	static const size_t lengths[] = { 1, 2, 63, 64, 4095, 4096, 4097, 65536 };
	struct bed *bed = *state;

	for (unsigned kind = 0; kind < 8; kind++) {
		struct virtio_options opts = { .irq = kind % 3 == 2 ? MEDIO_CARD_INTX
								    : VIRTIO_IRQ_BEST };
		unsigned long long sum = 0;

		for (unsigned i = 0; i < 3; i++)
			opts.refuse |= kind >> i & 1 ? kinds[i] : 0;
		plugs(bed, &opts, NULL);
		for (unsigned i = 0; i < 8; i++) {
			asks(bed, 0, lengths[i]);
			assert_int_equal(takes(bed, 0), lengths[i]);
			is_random(slot_at(bed, 0), lengths[i]);
			is_untouched(slot_at(bed, 0) + lengths[i], 1000);
			sum += lengths[i];
		}
		assert_int_equal(counts(bed).bytes, sum);
		assert_int_equal(counts(bed).requests, 8);
		assert_int_equal(counts(bed).waits, 0);
		unplugs(bed);
	}
}

/* More than that is answered with less, as it may be (5.4.6.2). */
static void large_requests_are_answered_in_part(void **state)
{
	struct bed *bed = *state;
	uint32_t len;

	plugs(bed, NULL, NULL);
	/* More in all than there is in a turn. */
	for (unsigned i = 0; i < SLOTS; i++)
		asks(bed, i, SLOT);
	for (unsigned i = 0; i < SLOTS; i++) {
		len = takes(bed, i);
		assert_true(len > 0 && len <= SLOT);
		is_random(slot_at(bed, i), len);
		is_untouched(slot_at(bed, i) + len, SLOT - len);
	}
}

static void pieces_are_filled_in_order(void **state)
{
	struct bed *bed = *state;
	struct virtq_seg segs[4];

	plugs(bed, NULL, NULL);
	memset(bed->memory, 0xee, 4 * SLOT);
	for (unsigned i = 0; i < 4; i++)
		segs[i] = (struct virtq_seg){ bed->iova + (uint64_t)i * SLOT, 100 + i };
	assert_int_equal(virtq_add(virtio_ring(bed->queue), segs, 0, 4, bed->memory), 0);
	assert_int_equal(virtio_kick(bed->queue), 0);
	assert_int_equal(takes(bed, 0), 406);
	for (unsigned i = 0; i < 4; i++) {
		is_random(slot_at(bed, i), 100 + i);
		is_untouched(slot_at(bed, i) + 100 + i, 100);
	}
}

static void something_to_read_breaks_it(void **state)
{
	struct bed *bed = *state;

	plugs(bed, NULL, NULL);
	for (unsigned in = 0; in < 2; in++) {
		struct virtq_seg segs[2] = { { bed->iova, 10 }, { bed->iova + 10, 10 } };
		assert_int_equal(virtq_add(virtio_ring(bed->queue), segs, 1, in, bed->memory), 0);
		assert_int_equal(virtio_kick(bed->queue), 0);
		struct virtq_done done;
		int ret;
		while ((ret = virtio_wait(bed->v, &bed->queue, 1, 60000)) == 1)
			assert_true(virtq_take(virtio_ring(bed->queue), &done) >= 0);
		assert_int_equal(ret, -EIO);
		brings_up(bed, NULL);
	}
	asks(bed, 0, 10);
	assert_int_equal(takes(bed, 0), 10);
}

/* ---- Not too fast ------------------------------------------------------------------------------------ */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

/* However slow the machine: never more than the burst and the rate times the time that passed. */
static void rate_is_never_exceeded(void **state)
{
	struct bed *bed = *state;
	uint64_t began = now_ns(), sum = 0;

	plugs(bed, NULL, (const char *const[]){ "rate=20000", "burst=1000", NULL });
	while (sum < 5000) {
		uint32_t len;
		asks(bed, 0, 700);
		len = takes(bed, 0);
		assert_true(len > 0 && len <= 700);
		is_random(slot_at(bed, 0), len);
		sum += len;
		assert_true(sum <= 1000 + (now_ns() - began) * 20000 / NS + 1);
	}
	assert_int_equal(counts(bed).bytes, sum);
	assert_true(counts(bed).waits > 0);
	assert_int_equal(counts(bed).waiting, 0);
}

/* What has to wait is not the device's yet: the driver may take it away, and begin anew; and that is no
 * way to get more. */
static void reset_while_waiting(void **state)
{
	struct bed *bed = *state;
	uint32_t len;

	plugs(bed, NULL, (const char *const[]){ "rate=1", "burst=100", NULL });
	asks(bed, 0, 100);
	assert_int_equal(takes(bed, 0), 100);
	asks(bed, 1, 100);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(virtio_wait(bed->v, &bed->queue, 1, 1), 0);
		brings_up(bed, NULL);
		asks(bed, 1, 100);
	}
	/* A reset costs nothing, and nothing is gained by it: there were 100, and one a second. */
	asks(bed, 2, 1);
	len = (uint32_t)counts(bed).bytes;
	assert_true(len >= 100 && len < 100 + 64);
}

/* A burst smaller than what is worth waiting for. */
static void tiny_burst_gives_single_bytes(void **state)
{
	struct bed *bed = *state;

	plugs(bed, NULL, (const char *const[]){ "rate=1000", "burst=1", NULL });
	for (unsigned i = 0; i < 5; i++) {
		asks(bed, 0, 500);
		assert_int_equal(takes(bed, 0), 1);
	}
}

/* ---- The bucket, under a clock of the test's ---------------------------------------------------------- */

static void bucket_fills_at_its_rate(void **state)
{
	struct medio_bucket b;

	medio_bucket_init(&b, 1000, 500, 7);
	assert_int_equal(medio_bucket_look(&b, 7), 500);
	medio_bucket_take(&b, 500);
	assert_int_equal(medio_bucket_look(&b, 7), 0);
	/* A byte is a millisecond: not a nanosecond sooner. */
	assert_int_equal(medio_bucket_wait(&b, 1), 1000000);
	assert_int_equal(medio_bucket_look(&b, 7 + 999999), 0);
	assert_int_equal(medio_bucket_wait(&b, 1), 1);
	assert_int_equal(medio_bucket_look(&b, 7 + 1000000), 1);
	assert_int_equal(medio_bucket_wait(&b, 1), 0);
	assert_int_equal(medio_bucket_wait(&b, 500), 499 * UINT64_C(1000000));
	/* Many small steps are one large one. */
	for (unsigned i = 0; i < 1000; i++)
		medio_bucket_look(&b, 7 + 1000000 + i * UINT64_C(10007));
	assert_int_equal(medio_bucket_look(&b, 7 + 1000000 + 10007 * UINT64_C(1000)), 11);
	/* Never more than the burst, however long. */
	assert_int_equal(medio_bucket_look(&b, 7 + 3600 * NS), 500);
	assert_int_equal(medio_bucket_look(&b, UINT64_MAX), 500);
	/* A clock that goes back gives nothing. */
	medio_bucket_take(&b, 500);
	assert_int_equal(medio_bucket_look(&b, 5), 0);
	assert_int_equal(medio_bucket_look(&b, UINT64_MAX), 0);
}

/* Whoever takes whatever there is, whenever: the sum stays below the line. And waiting as long as is said
 * is long enough. */
static void bucket_keeps_its_limit_under_any_use(void **state)
{
	static const uint64_t rates[] = { 1, 3, 999, 1000003, UINT64_C(1) << 40 };
	static const uint64_t bursts[] = { 1, 64, 4096, UINT64_C(1) << 40 };
	uint32_t seed = 1;

	for (unsigned r = 0; r < 5; r++)
		for (unsigned k = 0; k < 4; k++) {
			uint64_t now = 12345, sum = 0;
			struct medio_bucket b;
			medio_bucket_init(&b, rates[r], bursts[k], now);
			for (unsigned i = 0; i < 2000; i++) {
				uint64_t there, want;
				seed = seed * 1664525 + 1013904223;
				now += (uint64_t)(seed >> 8) << seed % 12;
				there = medio_bucket_look(&b, now);
				assert_true(there <= bursts[k]);
				want = there && seed & 64 ? 1 + seed % there : there;
				medio_bucket_take(&b, want);
				sum += want;
				assert_true((unsigned __int128)sum * NS <=
					    (unsigned __int128)bursts[k] * NS +
						    (unsigned __int128)(now - 12345) * rates[r]);
				want = 1 + seed % (bursts[k] < 5000 ? bursts[k] : 5000);
				now += medio_bucket_wait(&b, want);
				assert_true(medio_bucket_look(&b, now) >= want);
			}
		}
}

static void bucket_without_rate_is_bottomless(void **state)
{
	struct medio_bucket b;

	medio_bucket_init(&b, 0, 10, 0);
	medio_bucket_take(&b, 1000);
	assert_int_equal(medio_bucket_look(&b, 1), UINT64_MAX);
	assert_int_equal(medio_bucket_wait(&b, UINT64_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fills_what_is_asked_for),
		TEST(large_requests_are_answered_in_part),
		TEST(pieces_are_filled_in_order),
		TEST(something_to_read_breaks_it),
		TEST(rate_is_never_exceeded),
		TEST(reset_while_waiting),
		TEST(tiny_burst_gives_single_bytes),
		cmocka_unit_test(bucket_fills_at_its_rate),
		cmocka_unit_test(bucket_keeps_its_limit_under_any_use),
		cmocka_unit_test(bucket_without_rate_is_bottomless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
