/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtio transport on a device that insists on the specification, and then on one that does not: the
 * order of steps, features, capabilities, interrupts, the device's health.
 */
#include <errno.h>

#include "test_virtio_blk_bed.h"

#include "../../drivers/virtio/virtio_spec.h"

#define F_BLK_SIZE (UINT64_C(1) << 6)

/* ---- Steps ------------------------------------------------------------------------------------- */

/* The device looks at each; its words are looked at by the end of every test. */
static void steps_in_order(void **state)
{
	struct bed *bed = *state;
	struct medio_card_dma_info dma;

	plug(bed, NULL);
	opens(bed, NULL);
	assert_int_equal(one(bed, VIRTIO_BLK_READ, 0, 1, bed->iova).ret, 0);
	virtio_blk_close(bed->blk);
	bed->blk = NULL;
	/* Only the test's own is left. */
	medio_card_get_dma_info(bed->card, &dma);
	assert_int_equal(dma.num_maps, 1);
	/* And it can be had again. */
	opens(bed, NULL);
	assert_int_equal(one(bed, VIRTIO_BLK_READ, 0, 1, bed->iova).ret, 0);
	unplug(bed);
	assert_int_equal(virtio_seen.resets, 4);
	assert_int_equal(virtio_seen.oks, 2);
	assert_int_equal(virtio_seen.status, 0);
}

static void reset_never_ends(void **state)
{
	const struct virtio_options opts = { .irq = VIRTIO_IRQ_BEST, .silent_ms = 20 };
	struct bed *bed = *state;

	virtio_quirks.resets_never = true;
	plug(bed, NULL);
	refused(bed, &opts, -ETIMEDOUT, "its reset does not end: the status is still 0x01");
	unplug(bed);
	assert_true(virtio_seen.failed);
}

static void needs_reset_at_once(void **state)
{
	struct bed *bed = *state;

	virtio_quirks.needs_reset = true;
	plug(bed, NULL);
	refused(bed, NULL, -EIO, "needs a reset at once (status 0x4f)");
}

/* ---- Features ---------------------------------------------------------------------------------- */

static void features_are_chosen(void **state)
{
	const struct virtio_options opts = { .irq = VIRTIO_IRQ_BEST,
		.refuse = VIRTIO_F_RING_PACKED | F_BLK_SIZE };
	struct bed *bed = *state;
	struct virtio_blk_info info;

	virtio_quirks.offer = GENERIC | VIRTIO_F_ORDER_PLATFORM | VIRTIO_F_IN_ORDER |
			      VIRTIO_F_NOTIFICATION_DATA | UINT64_C(1) << 63;
	plug(bed, NULL);
	opens(bed, &opts);
	virtio_blk_get_info(bed->blk, &info);
	assert_true(info.virtio.offered & UINT64_C(1) << 63);
	assert_true(info.virtio.offered & F_BLK_SIZE);
	/* What it does not know, and what was refused, it leaves alone. */
	assert_int_equal(info.virtio.accepted,
		VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM |
			VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | 1 << 2 | 1 << 9);
}

static void features_missing(void **state)
{
	struct bed *bed = *state;
	struct virtio *v;

	virtio_quirks.hide = VIRTIO_F_VERSION_1;
	plug(bed, NULL);
	refused(bed, NULL, -ENOTSUP, "does not offer the feature VERSION_1 (bit 32)");
	unplug(bed);
	assert_true(virtio_seen.failed);

	virtio_blk_model_clear();
	plug(bed, NULL);
	assert_int_equal(
		virtio_open(bed->card, VIRTIO_ID_BLK, NULL, &v, bed->words, sizeof(bed->words)), 0);
	assert_int_equal(virtio_accept(v, 0, UINT64_C(1) << 11), -ENOTSUP);
	says(virtio_words(v), "CONFIG_WCE (bit 11)");
	virtio_close(v);
}

static void features_refused(void **state)
{
	struct bed *bed = *state;

	virtio_quirks.refuses = true;
	plug(bed, NULL);
	refused(bed, NULL, -ENOTSUP, "the device refuses the features 0x3000002");
	unplug(bed);
	assert_true(virtio_seen.failed);
}

/* ---- What it is on the bus --------------------------------------------------------------------- */

static void another_kind(void **state)
{
	struct bed *bed = *state;
	struct virtio *v;

	plug(bed, NULL);
	assert_int_equal(
		virtio_open(bed->card, VIRTIO_ID_NET, NULL, &v, bed->words, sizeof(bed->words)),
		-ENODEV);
	assert_string_equal(bed->words, "a virtio disk (kind 2), not a network card (kind 1)");
	unplug(bed);
	/* It has not even been touched. */
	assert_int_equal(virtio_seen.resets, 0);
}

static void no_virtio_at_all(void **state)
{
	static struct medio_type other;
	struct bed *bed = *state;

	other = *virtio_model_type(&virtio_model_blk, &(struct virtio_model_shape){ 0 });
	other.id.vendor = 0x1234;
	assert_int_equal(card_bed_open(&bed->card_bed, &other, NULL, bed->way), 0);
	bed->card = bed->card_bed.card;
	refused(bed, NULL, -ENODEV, "no virtio device: 1234:1042");
}

static void transitional(void **state)
{
	const struct virtio_model_shape shape = { .transitional = true };
	struct bed *bed = *state;

	plug(bed, &shape);
	opens(bed, NULL);
	assert_int_equal(one(bed, VIRTIO_BLK_READ, 0, 1, bed->iova).ret, 0);
}

static void shape_refused(
	struct bed *bed, struct virtio_model_shape shape, int ret, const char *words)
{
	plug(bed, &shape);
	refused(bed, NULL, ret, words);
	unplug(bed);
	assert_int_equal(virtio_seen.resets, 0);
}

static void capabilities_refused(void **state)
{
	static const char *const names[] = { "", "common configuration", "notifications",
		"interrupt status", "configuration of its kind" };
	struct bed *bed = *state;

	for (unsigned kind = VIRTIO_CAP_COMMON; kind <= VIRTIO_CAP_DEVICE; kind++) {
		char words[96];
		snprintf(words, sizeof(words), "no capability that tells of its %s", names[kind]);
		shape_refused(bed, (struct virtio_model_shape){ .skip = kind }, -EPROTO, words);
		snprintf(words, sizeof(words), "its %s: ", names[kind]);
		shape_refused(bed, (struct virtio_model_shape){ .tiny = kind }, -EPROTO, words);
		shape_refused(bed, (struct virtio_model_shape){ .outside = kind }, -EPROTO,
			"are not in BAR 2, which has 32768");
	}
	shape_refused(bed, (struct virtio_model_shape){ .odd = VIRTIO_CAP_COMMON }, -EPROTO,
		"not aligned");
	shape_refused(
		bed, (struct virtio_model_shape){ .multiplier = 6 }, -EPROTO, "6 bytes apart");
	shape_refused(
		bed, (struct virtio_model_shape){ .multiplier = 1 }, -EPROTO, "1 bytes apart");
	shape_refused(bed, (struct virtio_model_shape){ .legacy = true }, -ENOTSUP,
		"a legacy device, it has no capabilities of virtio 1");
}

static void notified_nowhere(void **state)
{
	struct bed *bed = *state;

	virtio_quirks.notify_off = 1024;
	plug(bed, NULL);
	refused(bed, NULL, -EPROTO, "queue 0 is notified at 0x1000, but there are only 4096");
	unplug(bed);
	assert_int_equal(virtio_seen.oks, 0);
}

/* ---- Queues ------------------------------------------------------------------------------------ */

static void queue_sizes(void **state)
{
	struct virtio_options opts = { .irq = VIRTIO_IRQ_BEST, .queue_size = 11 };
	struct bed *bed = *state;

	for (unsigned packed = 0; packed < 2; packed++) {
		struct virtio_queue *queue;
		struct virtio *v;
		virtio_quirks.offer = packed ? VIRTIO_F_RING_PACKED : 0;
		plug(bed, NULL);
		assert_int_equal(virtio_open(bed->card, VIRTIO_ID_BLK, &opts, &v, bed->words,
					 sizeof(bed->words)),
			0);
		assert_int_equal(virtio_accept(v, 0, 0), 0);
		assert_int_equal(virtio_queue(v, 0, 0, 1, &queue), 0);
		/* A split ring has a power of two. */
		assert_int_equal(virtio_queue_size(queue), packed ? 11 : 8);
		assert_int_equal(virtio_queue(v, 0, 0, 1, &queue), -EINVAL);
		assert_int_equal(virtio_queue(v, 1, 0, 1, &queue), -EINVAL);
		says(virtio_words(v), "queue 1: the device has 1");
		virtio_close(v);
		unplug(bed);
	}
}

static void bad_options(void **state)
{
	struct bed *bed = *state;

	plug(bed, NULL);
	refused(bed, &(struct virtio_options){ .irq = MEDIO_CARD_MSI }, -EINVAL, "there are MSI-X");
	refused(bed, &(struct virtio_options){ .irq = 7 }, -EINVAL, "no kind 7");
	refused(bed, &(struct virtio_options){ .queue_size = 32769 }, -EINVAL, "queues of 32769");
}

/* ---- Notifications ----------------------------------------------------------------------------- */

static void rings_doorbells(void **state)
{
	struct bed *bed = *state;
	struct virtio_blk_info info;

	plug(bed, &(struct virtio_model_shape){ .doorbells = true });
	opens(bed, NULL);
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(one(bed, VIRTIO_BLK_READ, i, 1, bed->iova).ret, 0);
	virtio_blk_get_info(bed->blk, &info);
	assert_in_range(info.virtio.kicks, 1, 51);
	unplug(bed);
	assert_int_equal(virtio_seen.bells, virtio_seen.kicks);
	assert_in_range(virtio_seen.kicks, 1, info.virtio.kicks);
}

/* No call reaches the device for these. */
static void notifies_in_mapped_memory(void **state)
{
	struct bed *bed = *state;

	plug(bed, &(struct virtio_model_shape){ .mapped = true });
	opens(bed, NULL);
	uint64_t before = card_bed_stats(&bed->card_bed).writes;
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(one(bed, VIRTIO_BLK_READ, i, 1, bed->iova).ret, 0);
	assert_int_equal(card_bed_stats(&bed->card_bed).writes, before);
	unplug(bed);
	assert_in_range(virtio_seen.mapped, 1, 21);
	assert_int_equal(virtio_seen.mapped, virtio_seen.kicks);
}

static void notifies_far_apart(void **state)
{
	struct bed *bed = *state;

	plug(bed, &(struct virtio_model_shape){ .multiplier = 1024 });
	virtio_quirks.notify_off = 0;
	opens(bed, NULL);
	assert_int_equal(one(bed, VIRTIO_BLK_READ, 0, 1, bed->iova).ret, 0);
	unplug(bed);
	assert_int_equal(virtio_seen.kicks, 2);
	assert_int_equal(virtio_seen.bells, 0);
}

/* The value of the doorbell tells where the ring is; the device looks at its width. */
static void notifies_with_data(void **state)
{
	struct bed *bed = *state;

	for (unsigned packed = 0; packed < 2; packed++) {
		struct virtio_queue *queue;
		struct virtq_done done;
		struct virtio *v;
		virtio_blk_model_clear();
		virtio_quirks.offer = VIRTIO_F_NOTIFICATION_DATA |
				      (packed ? VIRTIO_F_RING_PACKED : 0);
		/* Its eventfd could not tell. */
		plug(bed, &(struct virtio_model_shape){ .doorbells = true });
		assert_int_equal(virtio_open(bed->card, VIRTIO_ID_BLK, NULL, &v, bed->words,
					 sizeof(bed->words)),
			0);
		assert_int_equal(virtio_accept(v, 0, VIRTIO_F_NOTIFICATION_DATA), 0);
		assert_int_equal(virtio_queue(v, 0, 4, 1, &queue), 0);
		assert_int_equal(virtio_ready(v), 0);
		for (unsigned i = 0; i < 20; i++) {
			const struct virtq_seg segs[] = { { bed->iova, 16 },
				{ bed->iova + 512, 513 } };
			memset(bed->buf, 0, 16);
			assert_int_equal(virtq_add(virtio_ring(queue), segs, 1, 1, bed), 0);
			assert_int_equal(virtio_kick(queue), 0);
			assert_int_equal(virtio_wait(v, &queue, 1, 120000), 1);
			assert_int_equal(virtq_take(virtio_ring(queue), &done), 1);
			assert_int_equal(done.len, 513);
		}
		virtio_close(v);
		unplug(bed);
		assert_int_equal(virtio_seen.chains, 20);
	}
}

/* ---- Interrupts -------------------------------------------------------------------------------- */

static void interrupted_by(
	struct bed *bed, struct virtio_model_shape shape, int irq, uint64_t offer, int want)
{
	const struct virtio_options opts = { .irq = irq };
	struct virtio_blk_done done;
	struct virtio_blk_info info;

	virtio_blk_model_clear();
	virtio_quirks.later = true;
	virtio_quirks.offer = offer;
	plug(bed, &shape);
	opens(bed, &opts);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(one(bed, VIRTIO_BLK_READ, i, 1, bed->iova).ret, 0);
	/* On a slow machine all may have been answered before the driver slept: it looks at what came. */
	assert_int_equal(virtio_blk_poll(bed->blk, 0, &done, 1), 0);
	virtio_blk_get_info(bed->blk, &info);
	assert_int_equal(info.virtio.irq, want);
	assert_int_equal(info.virtio.interrupts > 0, want >= 0);
	unplug(bed);
}

static void every_interrupt_works(void **state)
{
	static const uint64_t offers[] = { 0, VIRTIO_F_EVENT_IDX, VIRTIO_F_RING_PACKED,
		VIRTIO_F_RING_PACKED | VIRTIO_F_EVENT_IDX };
	const struct virtio_model_shape all = { 0 }, shared = { .msix = 1 },
					line = { .no_msix = true },
					none = { .no_msix = true, .no_intx = true };
	struct bed *bed = *state;

	for (unsigned i = 0; i < 4; i++) {
		interrupted_by(bed, all, VIRTIO_IRQ_BEST, offers[i], MEDIO_CARD_MSIX);
		interrupted_by(bed, shared, MEDIO_CARD_MSIX, offers[i], MEDIO_CARD_MSIX);
		interrupted_by(bed, line, VIRTIO_IRQ_BEST, offers[i], MEDIO_CARD_INTX);
		interrupted_by(bed, all, MEDIO_CARD_INTX, offers[i], MEDIO_CARD_INTX);
		interrupted_by(bed, none, VIRTIO_IRQ_BEST, offers[i], VIRTIO_IRQ_NONE);
		interrupted_by(bed, all, VIRTIO_IRQ_NONE, offers[i], VIRTIO_IRQ_NONE);
	}
}

static void vectors_not_there(void **state)
{
	struct bed *bed = *state;

	virtio_quirks.no_vectors = true;
	plug(bed, NULL);
	refused(bed, NULL, -EBUSY, "no interrupt vector 0 for its configuration");
	unplug(bed);
	assert_true(virtio_seen.failed);
}

/* ---- Configuration ----------------------------------------------------------------------------- */

/* While it changes no half of an old value is taken for one of the new. */
static void configuration_is_whole(void **state)
{
	struct bed *bed = *state;
	struct virtio_blk_info info;

	for (unsigned n = 1; n < 12; n++) {
		virtio_blk_model_clear();
		virtio_quirks.unrest = n;
		plug(bed, NULL);
		opens(bed, NULL);
		virtio_blk_get_info(bed->blk, &info);
		assert_int_equal(info.blocks, BLOCKS);
		unplug(bed);
	}
}

static void configuration_restless(void **state)
{
	struct bed *bed = *state;

	virtio_quirks.restless = true;
	plug(bed, NULL);
	refused(bed, NULL, -EPROTO, "changes while it is read, for ever");
}

static void change(void *arg)
{
	(void)arg;
	virtio_model_changed(virtio_model_latest());
}

static void configuration_change_is_told(void **state)
{
	static const int kinds[] = { MEDIO_CARD_MSIX, MEDIO_CARD_INTX, VIRTIO_IRQ_NONE };
	struct bed *bed = *state;

	for (unsigned i = 0; i < 3; i++) {
		const struct virtio_options opts = { .irq = kinds[i] };
		struct virtio_queue *queue;
		struct virtio *v;
		uint8_t byte;
		plug(bed, NULL);
		assert_int_equal(virtio_open(bed->card, VIRTIO_ID_BLK, &opts, &v, bed->words,
					 sizeof(bed->words)),
			0);
		assert_int_equal(virtio_accept(v, 0, 0), 0);
		assert_int_equal(virtio_queue(v, 0, 4, 1, &queue), 0);
		assert_int_equal(virtio_ready(v), 0);
		assert_int_equal(virtio_wait(v, &queue, 1, 0), 0);
		assert_false(virtio_config_changed(v));
		card_bed_on_device(&bed->card_bed, change, NULL);
		assert_int_equal(virtio_wait(v, &queue, 1, 0), 0);
		/* An interrupt tells at once; without any the driver looks now and then. */
		while (!virtio_config_changed(v)) {
			assert_int_equal(kinds[i], VIRTIO_IRQ_NONE);
			assert_int_equal(virtio_wait(v, &queue, 1, 10), 0);
		}
		assert_false(virtio_config_changed(v));
		assert_int_equal(virtio_config(v, VIRTIO_MODEL_CONFIG, &byte, 1), -EPROTO);
		assert_int_equal(virtio_config(v, 4, &byte, SIZE_MAX), -EPROTO);
		virtio_close(v);
		unplug(bed);
	}
}

/* ---- Health ------------------------------------------------------------------------------------ */

static void set_quirks(void *arg)
{
	const struct virtio_quirks *quirks = arg;
	uint64_t offer = virtio_quirks.offer;

	virtio_quirks = *quirks;
	virtio_quirks.offer = offer;
}

/* A device that does so once it is open. */
static void breaks_under_way(
	struct bed *bed, int irq, struct virtio_quirks quirks, int ret, const char *words)
{
	const struct virtio_options opts = { .irq = irq, .silent_ms = quirks.silent ? 300 : 60000 };

	virtio_blk_model_clear();
	virtio_quirks.offer = quirks.offer;
	plug(bed, NULL);
	opens(bed, &opts);
	card_bed_on_device(&bed->card_bed, set_quirks, &quirks);
	breaks(bed, ret, words);
	unplug(bed);
}

static void needs_reset_under_way(void **state)
{
	static const int kinds[] = { MEDIO_CARD_MSIX, MEDIO_CARD_INTX, VIRTIO_IRQ_NONE };

	for (unsigned i = 0; i < 3; i++)
		breaks_under_way(*state, kinds[i],
			(struct virtio_quirks){ .needs_reset_on_kick = true }, -EIO,
			"has met an error and needs a reset (status 0x4f)");
}

static void gone_before(void **state)
{
	struct bed *bed = *state;

	virtio_quirks.gone = true;
	plug(bed, NULL);
	refused(bed, NULL, -ENODEV, "the device is gone: its registers read as all ones");
}

static void gone_under_way(void **state)
{
	breaks_under_way(*state, VIRTIO_IRQ_BEST, (struct virtio_quirks){ .gone_on_kick = true },
		-ENODEV, "the device is gone");
	breaks_under_way(*state, VIRTIO_IRQ_NONE, (struct virtio_quirks){ .gone_on_kick = true },
		-ENODEV, "the device is gone");
}

static void silence_ends(void **state)
{
	breaks_under_way(*state, VIRTIO_IRQ_BEST, (struct virtio_quirks){ .silent = true },
		-ETIMEDOUT, "queue 0: 1 requests have been without an answer for 300 ms");
}

/* A driver that hands out memory which it has not mapped hears of that. */
static void silence_has_a_reason(void **state)
{
	const struct virtio_options opts = { .irq = VIRTIO_IRQ_BEST, .silent_ms = 300 };
	struct bed *bed = *state;
	struct virtio_blk_done done;
	int ret = 0;

	plug(bed, NULL);
	opens(bed, &opts);
	assert_int_equal(virtio_blk_submit(bed->blk, VIRTIO_BLK_READ, 0, 1, 0x123456000, bed), 0);
	while (ret >= 0)
		ret = virtio_blk_poll(bed->blk, 60000, &done, 1);
	assert_int_equal(ret, -ETIMEDOUT);
	says(virtio_blk_words(bed->blk), "without an answer for 300 ms");
	/* A server looks it up itself, and tells its own log. */
	if (bed->way == CARD_BED_LOCAL)
		says(virtio_blk_words(bed->blk), "0x123456000");
	virtio_blk_close(bed->blk);
	bed->blk = NULL;
	card_bed_close(&bed->card_bed);
	/* That is what the device has seen of it. */
	says(virtio_seen.wrong, "0x123456000");
	virtio_seen.wrong[0] = '\0';
}

static void lies_in_rings(void **state)
{
	static const uint64_t offers[] = { 0, VIRTIO_F_RING_PACKED };

	for (unsigned i = 0; i < 2; i++) {
		uint64_t offer = offers[i];
		breaks_under_way(*state, VIRTIO_IRQ_BEST,
			(struct virtio_quirks){ .offer = offer, .id_add = 300 }, -EPROTO, "300");
		breaks_under_way(*state, VIRTIO_IRQ_BEST,
			(struct virtio_quirks){ .offer = offer, .id_add = 3 }, -EPROTO, "");
		breaks_under_way(*state, VIRTIO_IRQ_BEST,
			(struct virtio_quirks){ .offer = offer, .len_add = 1 }, -EPROTO, "514");
		breaks_under_way(*state, VIRTIO_IRQ_BEST,
			(struct virtio_quirks){ .offer = offer, .twice = true }, -EPROTO, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(steps_in_order),
		TEST(reset_never_ends),
		TEST(needs_reset_at_once),
		TEST(features_are_chosen),
		TEST(features_missing),
		TEST(features_refused),
		TEST(another_kind),
		TEST(no_virtio_at_all),
		TEST(transitional),
		TEST(capabilities_refused),
		TEST(notified_nowhere),
		TEST(queue_sizes),
		TEST(bad_options),
		TEST(rings_doorbells),
		TEST(notifies_in_mapped_memory),
		TEST(notifies_far_apart),
		TEST(notifies_with_data),
		TEST(every_interrupt_works),
		TEST(vectors_not_there),
		TEST(configuration_is_whole),
		TEST(configuration_restless),
		TEST(configuration_change_is_told),
		TEST(needs_reset_under_way),
		TEST(gone_before),
		TEST(gone_under_way),
		TEST(silence_ends),
		TEST(silence_has_a_reason),
		TEST(lies_in_rings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
