/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The core and its PCI transport under our own driver: a test device with one to eight queues passes traffic,
 * in each kind of ring, with each kind of interrupt, notified and polled.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../drivers/virtio/virtio.h"
#include "test_bytes.h"
#include "test_card_bed.h"
#include "test_virtio_echo.h"

#define RW    (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)
#define SLOTS 32u
#define SLOT  8192u /* half of it for the device to read, half for it to write */

struct bed {
	enum card_bed_way way;
	struct card_bed card_bed;
	struct virtio *v;
	struct virtio_queue *queues[ECHO_QUEUES];
	unsigned num_queues;
	uint8_t *buf;
	uint64_t iova;
	unsigned lens[ECHO_QUEUES][SLOTS]; /* of what is under way */
	char words[VIRTIO_WORDS];
};

static int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	if (!bed)
		return -1;
	bed->way = card_bed_way(state);
	echo_clear();
	*state = bed;
	return 0;
}

static void unplug(struct bed *bed)
{
	virtio_close(bed->v);
	bed->v = NULL;
	card_bed_close(&bed->card_bed);
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	unplug(bed);
	free(bed);
	return 0;
}

/* A card with params, its driver up with n queues. */
static void plug(struct bed *bed, const char *const *params, const struct virtio_options *opts,
	uint64_t wanted, unsigned n)
{
	void *ptr;

	assert_int_equal(card_bed_open(&bed->card_bed, &echo_type, params, bed->way), 0);
	assert_int_equal(medio_card_dma_alloc_any(bed->card_bed.card,
				 (uint64_t)ECHO_QUEUES * SLOTS * SLOT, RW, &bed->iova, &ptr),
		0);
	bed->buf = ptr;
	if (virtio_open(bed->card_bed.card, ECHO_ID, opts, &bed->v, bed->words, sizeof(bed->words)))
		fail_msg("%s", bed->words);
	if (virtio_accept(bed->v, wanted, 0))
		fail_msg("%s", virtio_words(bed->v));
	bed->num_queues = n;
	for (unsigned i = 0; i < n; i++)
		if (virtio_queue(bed->v, i, 0, 4, &bed->queues[i]))
			fail_msg("%s", virtio_words(bed->v));
	if (virtio_ready(bed->v))
		fail_msg("%s", virtio_words(bed->v));
}

/* ---- Traffic ------------------------------------------------------------------------------------- */

static uint8_t *slot_at(struct bed *bed, unsigned queue, unsigned slot)
{
	return bed->buf + ((size_t)queue * SLOTS + slot) * SLOT;
}

/* One request of len bytes, in three pieces to read and two to write (fewer if it is short). */
static void ask(struct bed *bed, unsigned queue, unsigned slot, unsigned len, unsigned seed)
{
	uint8_t *out = slot_at(bed, queue, slot);
	uint64_t at = bed->iova + (uint64_t)(out - bed->buf);
	unsigned first = len / 3 + 1, second = len - first, half = (len + 1) / 2;
	struct virtq_seg segs[4];
	unsigned num_out = 0, num_in = 0;

	scramble(out, len, seed);
	memset(out + SLOT / 2, 0, SLOT / 2);
	segs[num_out++] = (struct virtq_seg){ at, first };
	if (second)
		segs[num_out++] = (struct virtq_seg){ at + first, second };
	segs[num_out + num_in++] = (struct virtq_seg){ at + SLOT / 2, half };
	if (len - half)
		segs[num_out + num_in++] = (struct virtq_seg){ at + SLOT / 2 + half, len - half };
	bed->lens[queue][slot] = len;
	assert_int_equal(virtq_add(virtio_ring(bed->queues[queue]), segs, num_out, num_in,
				 &bed->lens[queue][slot]),
		0);
	virtio_owed(bed->queues[queue]);
}

/* Take what a queue has; gives how many there were. */
static unsigned take(struct bed *bed, unsigned queue)
{
	struct virtq_done done;
	unsigned n = 0;
	int ret;

	while ((ret = virtq_take(virtio_ring(bed->queues[queue]), &done)) > 0) {
		unsigned slot = (unsigned)((unsigned *)done.tag - bed->lens[queue]);
		unsigned len = bed->lens[queue][slot];
		const uint8_t *out = slot_at(bed, queue, slot);
		assert_int_equal(done.len, len);
		for (unsigned i = 0; i < len; i++)
			if ((out[i] ^ ECHO_FLIP) != out[SLOT / 2 + i])
				fail_msg("queue %u, byte %u of %u", queue, i, len);
		n++;
	}
	assert_int_equal(ret, 0);
	return n;
}

static void wait_for(struct bed *bed)
{
	int ret = virtio_wait(bed->v, bed->queues, bed->num_queues, 120000);

	if (ret != 1)
		fail_msg("no answer: %d %s", ret, virtio_words(bed->v));
}

/* Batches on all queues at once, of all sizes. */
static void exchange(struct bed *bed, unsigned rounds, unsigned batch)
{
	unsigned seed = 1;

	for (unsigned round = 0; round < rounds; round++) {
		unsigned due = 0;
		for (unsigned q = 0; q < bed->num_queues; q++) {
			unsigned room = virtq_room(virtio_ring(bed->queues[q]), 4);
			unsigned n = batch < room ? batch : room;
			for (unsigned i = 0; i < n; i++, due++, seed++)
				ask(bed, q, i, 1 + seed * 37 % (SLOT / 2), seed);
			assert_int_equal(virtio_kick(bed->queues[q]), 0);
		}
		while (due) {
			wait_for(bed);
			for (unsigned q = 0; q < bed->num_queues; q++)
				due -= take(bed, q);
		}
	}
}

/* ---- Tests ------------------------------------------------------------------------------------- */

static const struct kind {
	const char *param;
	uint64_t refuse;
} rings[] = {
	{ NULL, VIRTIO_F_RING_PACKED | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX },
	{ NULL, VIRTIO_F_RING_PACKED | VIRTIO_F_EVENT_IDX },
	{ NULL, VIRTIO_F_RING_PACKED | VIRTIO_F_INDIRECT_DESC },
	{ NULL, VIRTIO_F_RING_PACKED },
	{ NULL, VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX },
	{ NULL, VIRTIO_F_EVENT_IDX },
	{ NULL, VIRTIO_F_INDIRECT_DESC },
	{ NULL, 0 },
	{ "packed=off", 0 },
	{ "indirect=off", 0 },
	{ "event-idx=off", 0 },
	{ "queue-size=8", 0 },
	{ "order-platform=on", 0 },
};

static void every_ring_with(struct bed *bed, int irq, const char *poll)
{
	for (unsigned i = 0; i < sizeof(rings) / sizeof(*rings); i++) {
		const char *params[] = { poll, rings[i].param, NULL };
		const struct virtio_options opts = { .irq = irq, .refuse = rings[i].refuse };
		plug(bed, params, &opts, 0, 1 + i % ECHO_QUEUES);
		exchange(bed, 3, 1);
		exchange(bed, 4, 8);
		unplug(bed);
		assert_int_equal(echo_seen.finis, echo_seen.inits);
	}
	assert_int_equal(echo_seen.in_flight_at_reset, 0);
}

static void every_ring_with_msix(void **state)
{
	every_ring_with(*state, MEDIO_CARD_MSIX, "poll=off");
}

static void every_ring_with_intx(void **state)
{
	every_ring_with(*state, MEDIO_CARD_INTX, "poll=off");
}

static void every_ring_without_interrupts(void **state)
{
	every_ring_with(*state, VIRTIO_IRQ_NONE, "poll=off");
}

static void every_ring_polled(void **state)
{
	every_ring_with(*state, MEDIO_CARD_MSIX, "poll=on");
}

static void every_ring_polled_for_a_while(void **state)
{
	every_ring_with(*state, MEDIO_CARD_MSIX, "poll=adaptive");
}

static void notifications_that_tell_how_far(void **state)
{
	static const char *const params[] = { "notification-data=on", NULL };
	struct virtio_info info;

	plug(*state, params, NULL, VIRTIO_F_NOTIFICATION_DATA, 2);
	exchange(*state, 4, 8);
	virtio_get_info(((struct bed *)*state)->v, &info);
	assert_true(info.accepted & VIRTIO_F_NOTIFICATION_DATA);
	assert_true(info.kicks > 0);
}

/* Chains are held, given back late, and the last first. */
static void held(void *arg)
{
	(void)arg;
	echo_quirks.hold = true;
}

static void chains_seen(void *arg)
{
	*(unsigned *)arg = echo_seen.chains;
}

/* The device gets to it: a doorbell is an eventfd that its loop looks at. */
static void until_chains(struct bed *bed, unsigned n)
{
	unsigned seen = 0;

	while (seen < n) {
		assert_true(medio_card_process(bed->card_bed.card) >= 0);
		card_bed_on_device(&bed->card_bed, chains_seen, &seen);
	}
}

static void release_all(void *arg)
{
	(void)arg;
	echo_release(echo_latest(), ECHO_HELD, true);
}

static void answers_come_later_and_in_another_order(void **state)
{
	struct bed *bed = *state;

	for (unsigned packed = 0; packed < 2; packed++) {
		const struct virtio_options opts = { .irq = VIRTIO_IRQ_BEST,
			.refuse = packed ? 0 : VIRTIO_F_RING_PACKED };
		plug(bed, NULL, &opts, 0, 1);
		card_bed_on_device(&bed->card_bed, held, NULL);
		for (unsigned i = 0; i < 16; i++)
			ask(bed, 0, i, 100 + i, i);
		assert_int_equal(virtio_kick(bed->queues[0]), 0);
		until_chains(bed, 16);
		card_bed_on_device(&bed->card_bed, release_all, NULL);
		unsigned due = 16;
		while (due) {
			wait_for(bed);
			due -= take(bed, 0);
		}
		unplug(bed);
		echo_clear();
	}
}

/* A device that does a little at a time is asked again, and another queue is served in between. */
static void again_is_fair(void **state)
{
	struct bed *bed = *state;

	echo_quirks.limit = 1;
	plug(bed, NULL, NULL, 0, 3);
	exchange(bed, 3, 16);
}

static void many_chains_a_turn(void **state)
{
	static const char *const params[] = { "queue-size=1024", "indirect=off", NULL };
	struct bed *bed = *state;

	plug(bed, params, NULL, 0, 8);
	exchange(bed, 20, SLOTS);
}

static void the_driver_comes_back(void **state)
{
	struct bed *bed = *state;

	plug(bed, NULL, NULL, 0, 4);
	exchange(bed, 2, 4);
	for (unsigned i = 0; i < 3; i++) {
		virtio_close(bed->v);
		assert_int_equal(virtio_open(bed->card_bed.card, ECHO_ID, NULL, &bed->v, bed->words,
					 sizeof(bed->words)),
			0);
		assert_int_equal(virtio_accept(bed->v, 0, 0), 0);
		for (unsigned q = 0; q < 4; q++)
			assert_int_equal(virtio_queue(bed->v, q, 0, 4, &bed->queues[q]), 0);
		assert_int_equal(virtio_ready(bed->v), 0);
		exchange(bed, 2, 4);
	}
	assert_int_equal(echo_seen.lives, 4);
	for (unsigned q = 0; q < 4; q++)
		assert_int_equal(echo_seen.on[q], 4);
	assert_int_equal(echo_seen.on[5], 0);
}

/* The device is polled: its notifications are written nowhere but into shared memory, or not at all. */
static void polling_needs_no_kicks(void **state)
{
	static const char *const params[] = { "poll=on", NULL };
	struct bed *bed = *state;
	struct virtio_info info;
	char text[8192];

	plug(bed, params, NULL, 0, 2);
	exchange(bed, 8, 4);
	virtio_get_info(bed->v, &info);
	assert_true(info.kicks <= 2);
	assert_true(echo_seen.polls > 0);
	if (bed->way == CARD_BED_LOCAL) {
		ssize_t len = medio_instance_attr_show(
			bed->card_bed.inst, "virtio/poll", text, sizeof(text));
		assert_true(len > 0 && (size_t)len < sizeof(text));
		text[len] = '\0';
		assert_non_null(strstr(text, "on, awake, polls "));
		assert_null(strstr(text, "productive 0"));
	}
}

/* As a migration does it, here back into the same card: its driver notices nothing. */
static void a_migration_between_requests(void **state)
{
	struct bed *bed = *state;

	for (unsigned i = 0; i < 4; i++) {
		const struct virtio_options opts = {
			.irq = i & 1 ? MEDIO_CARD_INTX : MEDIO_CARD_MSIX,
			.refuse = i & 2 ? VIRTIO_F_RING_PACKED : 0,
		};
		struct medio_card *card;
		uint8_t saved[8192];
		size_t size = 0, got;
		plug(bed, NULL, &opts, 0, 3);
		exchange(bed, 5, 7);
		card = bed->card_bed.card;
		assert_int_equal(medio_card_mig_set(card, MEDIO_CARD_MIG_STOP), 0);
		assert_int_equal(medio_card_mig_set(card, MEDIO_CARD_MIG_STOP_COPY), 0);
		do {
			assert_int_equal(
				medio_card_mig_read(card, saved + size, sizeof(saved) - size, &got),
				0);
			size += got;
		} while (got);
		assert_int_equal(medio_card_mig_set(card, MEDIO_CARD_MIG_STOP), 0);
		assert_int_equal(medio_card_mig_set(card, MEDIO_CARD_MIG_RESUMING), 0);
		assert_int_equal(medio_card_mig_write(card, saved, size), 0);
		assert_int_equal(medio_card_mig_set(card, MEDIO_CARD_MIG_STOP), 0);
		assert_int_equal(medio_card_mig_set(card, MEDIO_CARD_MIG_RUNNING), 0);
		exchange(bed, 5, 7);
		unplug(bed);
		assert_int_equal(echo_seen.loads, i + 1);
	}
}

#define TEST(fn_) CARD_BED_TEST(fn_, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_ring_with_msix),
		TEST(every_ring_with_intx),
		TEST(every_ring_without_interrupts),
		TEST(every_ring_polled),
		TEST(every_ring_polled_for_a_while),
		TEST(notifications_that_tell_how_far),
		TEST(answers_come_later_and_in_another_order),
		TEST(again_is_fair),
		TEST(many_chains_a_turn),
		TEST(the_driver_comes_back),
		TEST(polling_needs_no_kicks),
		TEST(a_migration_between_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
