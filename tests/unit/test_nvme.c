/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The NVMe driver on a small controller, in the same process and over vfio-user: DMA and interrupts are
 * real, and the controller lies, forgets and vanishes as it is told.
 */
#include "test_nvme_model.h"
#include "test_tick.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../devices/passthrough/passthrough.h"
#include "../../drivers/nvme/nvme.h"
#include "../../drivers/nvme/nvme_spec.h"
#include "test_bytes.h"
#include "test_card_bed.h"

#define RW     (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)
#define MIB    (1u << 20)
#define BUFFER (3 * MIB)
#define BLOCK  NVME_MODEL_BLOCK
#define BLOCKS NVME_MODEL_BLOCKS

/* ---- Set-up ------------------------------------------------------------------------------------ */

struct bed {
	struct card_bed bed;
	struct medio_card *card;
	struct nvme *nvme;
	uint8_t *buf; /* BUFFER bytes at iova */
	uint64_t iova;
	char words[NVME_WORDS];
};

static int setup(void **state)
{
	enum card_bed_way way = card_bed_way(state);
	struct bed *bed = calloc(1, sizeof(*bed));
	void *ptr;

	quirks = (struct quirks){ 0 };
	seen = (struct seen){ 0 };
	assert_int_equal(card_bed_open(&bed->bed, &nvme_model_type, NULL, way), 0);
	bed->card = bed->bed.card;
	assert_int_equal(medio_card_dma_alloc_any(bed->card, BUFFER, RW, &bed->iova, &ptr), 0);
	bed->buf = ptr;
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	nvme_close(bed->nvme);
	card_bed_close(&bed->bed);
	free(bed);
	return 0;
}

static void set_quirks(void *arg)
{
	quirks = *(const struct quirks *)arg;
}

/* From now on the controller is like this. */
static void lies(struct bed *bed, struct quirks how)
{
	card_bed_on_device(&bed->bed, set_quirks, &how);
}

static void get_seen(void *arg)
{
	*(struct seen *)arg = seen;
}

static struct seen saw(struct bed *bed)
{
	struct seen now;

	card_bed_on_device(&bed->bed, get_seen, &now);
	return now;
}

static void opens(struct bed *bed, const struct nvme_options *opts)
{
	if (nvme_open(bed->card, opts, &bed->nvme, bed->words, sizeof(bed->words)))
		fail_msg("%s", bed->words);
}

/* It fails with ret, in words that hold this; the controller is left off. */
static void refused(struct bed *bed, const struct nvme_options *opts, int ret, const char *words)
{
	assert_int_equal(
		nvme_open(bed->card, opts, &bed->nvme, bed->words, sizeof(bed->words)), ret);
	if (!strstr(bed->words, words))
		fail_msg("'%s' does not say '%s'", bed->words, words);
	assert_int_equal(saw(bed).cc & NVME_CC_EN, 0);
}

/* Wait for n completions, which may come one by one. */
static void gather(struct bed *bed, struct nvme_done *done, unsigned n)
{
	for (unsigned i = 0; i < n;) {
		int got = nvme_poll(bed->nvme, 60000, done + i, n - i);
		assert_true(got > 0);
		i += (unsigned)got;
	}
}

/* A command by itself: what came of it. */
static struct nvme_done one(
	struct bed *bed, enum nvme_op op, uint64_t block, uint32_t count, uint64_t iova)
{
	struct nvme_done done = { 0 };

	assert_int_equal(nvme_submit(bed->nvme, op, block, count, iova, bed), 0);
	assert_int_equal(nvme_poll(bed->nvme, 60000, &done, 1), 1);
	assert_ptr_equal(done.tag, bed);
	return done;
}

/* ---- Tests ------------------------------------------------------------------------------------- */

static void identifies(void **state)
{
	struct bed *bed = *state;
	struct nvme_info info;

	lies(bed, (struct quirks){ .mdts = 5 });
	opens(bed, NULL);
	nvme_get_info(bed->nvme, &info);
	/* No orders for a terminal. */
	assert_string_equal(info.model, "A disk of ?[2J tests");
	assert_string_equal(info.serial, "S-1");
	assert_string_equal(info.firmware, "1.0");
	assert_int_equal(info.blocks, BLOCKS);
	assert_int_equal(info.block, BLOCK);
	assert_int_equal(info.max_transfer, 128 << 10);
	assert_int_equal(info.depth, NVME_DEPTH);
	assert_int_equal(info.nsid, 1);
	assert_int_equal(info.irq, MEDIO_CARD_MSIX);
}

/* Every number of pages around one, two and a list, from everywhere in a page. */
static void copies_through_prps(void **state)
{
	static const uint32_t counts[] = { 1, 7, 8, 9, 15, 16, 17, 24, 25, 255, 4088, 4096 };
	static const uint32_t offsets[] = { 0, 4, 512, 3584, 4092 };
	struct bed *bed = *state;

	opens(bed, NULL);
	for (unsigned i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		for (unsigned j = 0; j < sizeof(offsets) / sizeof(*offsets); j++) {
			uint8_t *at = bed->buf + offsets[j];
			size_t size = (size_t)counts[i] * BLOCK;
			uint64_t block = 100 + i * 7 + j, before;
			scramble(at, size, i * 16 + j);
			before = checksum(at, size);
			assert_int_equal(
				one(bed, NVME_WRITE, block, counts[i], bed->iova + offsets[j]).ret,
				0);
			memset(bed->buf, 0xee, size + 8192);
			assert_int_equal(
				one(bed, NVME_READ, block, counts[i], bed->iova + offsets[j]).ret,
				0);
			assert_int_equal(checksum(at, size), before);
			/* And nothing beside it. */
			assert_int_equal(at[size], 0xee);
			assert_int_equal(offsets[j] ? at[-1] : 0xee, 0xee);
		}
	}
	assert_true(saw(bed).lists > 20);
}

/* Three entries are full with two commands; a thousand go round more than 300 times. */
static void queues_wrap(void **state)
{
	struct bed *bed = *state;
	const struct nvme_options opts = { .irq = NVME_IRQ_BEST, .depth = 2 };
	struct nvme_done done[4];

	opens(bed, &opts);
	for (unsigned i = 0; i < 500; i++) {
		assert_int_equal(nvme_submit(bed->nvme, NVME_READ, i, 1, bed->iova, bed), 0);
		assert_int_equal(nvme_submit(bed->nvme, NVME_READ, i, 1, bed->iova, bed), 0);
		assert_int_equal(nvme_submit(bed->nvme, NVME_READ, i, 1, bed->iova, bed), -EAGAIN);
		gather(bed, done, 2);
	}
	assert_int_equal(saw(bed).commands, 1000);
	assert_int_equal(nvme_poll(bed->nvme, 0, done, 4), 0);
}

static void completes_out_of_order(void **state)
{
	struct bed *bed = *state;
	struct nvme_done done[64];
	char tags[64];

	lies(bed, (struct quirks){ .backwards = true });
	opens(bed, NULL);
	for (unsigned i = 0; i < 64; i++) {
		memset(bed->buf, (int)i + 1, BLOCK);
		assert_int_equal(one(bed, NVME_WRITE, i, 1, bed->iova).ret, 0);
	}
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(
			nvme_submit(bed->nvme, NVME_READ, i, 1, bed->iova + i * BLOCK, &tags[i]),
			0);
	/* The last first; a small array takes them in parts. */
	gather(bed, done, 10);
	gather(bed, done + 10, 54);
	for (size_t i = 0; i < 64; i++) {
		assert_ptr_equal(done[i].tag, &tags[63 - i]);
		assert_int_equal(done[i].ret, 0);
		assert_int_equal(bed->buf[i * BLOCK], i + 1);
	}
}

static void errors_have_names(void **state)
{
	struct bed *bed = *state;
	char words[96];

	lies(bed, (struct quirks){ .fail_block = 77, .fail_status = 0x4281 });
	opens(bed, NULL);
	struct nvme_done done = one(bed, NVME_READ, 70, 16, bed->iova);
	assert_int_equal(done.ret, -EIO);
	nvme_status_words(done.status, words, sizeof(words));
	assert_string_equal(
		words, "media error: unrecovered read error (2/81h, no use in trying again)");
	/* A command failed, the disk did not. */
	assert_int_equal(one(bed, NVME_READ, 78, 1, bed->iova).ret, 0);
	lies(bed, (struct quirks){ .fail_block = 77, .fail_status = 0x20 });
	assert_int_equal(one(bed, NVME_WRITE, 77, 1, bed->iova).ret, -EROFS);
	lies(bed, (struct quirks){ .fail_block = 77, .fail_status = 0x7c1 });
	done = one(bed, NVME_WRITE, 77, 1, bed->iova);
	assert_int_equal(done.ret, -EIO);
	nvme_status_words(done.status, words, sizeof(words));
	assert_string_equal(words, "vendor specific: a code this driver does not know (7/c1h)");
}

static void breaks(struct bed *bed, int ret, const char *words)
{
	struct nvme_done done[4];
	int got = 0;

	assert_int_equal(nvme_submit(bed->nvme, NVME_READ, 0, 1, bed->iova, bed), 0);
	/* A good one may come before the bad one. */
	while (got >= 0)
		got = nvme_poll(bed->nvme, 60000, done, 1);
	assert_int_equal(got, ret);
	if (!strstr(nvme_words(bed->nvme), words))
		fail_msg("'%s' does not say '%s'", nvme_words(bed->nvme), words);
	/* It is not talked to again. */
	assert_int_equal(nvme_submit(bed->nvme, NVME_READ, 0, 1, bed->iova, bed), ret);
	assert_int_equal(nvme_poll(bed->nvme, 0, done, 1), ret);
}

static void id_out_of_range(void **state)
{
	lies(*state, (struct quirks){ .id_add = 300 });
	opens(*state, NULL);
	breaks(*state, -EPROTO, "command 300 of queue 1, which is not under way");
}

static void id_not_under_way(void **state)
{
	lies(*state, (struct quirks){ .id_add = 5 });
	opens(*state, NULL);
	breaks(*state, -EPROTO, "command 5 of queue 1, which is not under way");
}

static void completed_twice(void **state)
{
	lies(*state, (struct quirks){ .twice = true });
	opens(*state, NULL);
	breaks(*state, -EPROTO, "which is not under way");
}

static void wrong_queue(void **state)
{
	lies(*state, (struct quirks){ .queue_add = 1 });
	opens(*state, NULL);
	breaks(*state, -EPROTO, "a command of queue 2");
}

static void wrong_position(void **state)
{
	lies(*state, (struct quirks){ .head_add = 70 });
	opens(*state, NULL);
	breaks(*state, -EPROTO, "position 71, in queue 1 of 65 entries");
}

static void removed_in_mid_transfer(void **state)
{
	struct bed *bed = *state;

	lies(bed, (struct quirks){ .gone_after = 3 });
	opens(bed, NULL);
	assert_int_equal(one(bed, NVME_READ, 0, 1, bed->iova).ret, 0);
	assert_int_equal(one(bed, NVME_READ, 0, 1, bed->iova).ret, 0);
	breaks(bed, -ENODEV, "the controller is gone");
}

static void silence_ends(void **state)
{
	const struct nvme_options opts = { .irq = NVME_IRQ_BEST, .silent_ms = 500 };

	lies(*state, (struct quirks){ .silent = true });
	opens(*state, &opts);
	breaks(*state, -ETIMEDOUT, "1 commands have been without an answer for 500 ms");
}

static void a_signal_ends_the_opening_of_a_silent_one(void **state)
{
	lies(*state, (struct quirks){ .mute = true });
	tick(1);
	refused(*state, NULL, -EINTR, "a signal came");
	tick(0);
}

static void never_gets_ready(void **state)
{
	lies(*state, (struct quirks){ .never_ready = true });
	refused(*state, NULL, -ETIMEDOUT, "did not get ready within 500 ms");
}

static void fatal_at_once(void **state)
{
	lies(*state, (struct quirks){ .fatal = true });
	refused(*state, NULL, -EIO, "fatal error (CSTS 0x2)");
}

static void gone_before(void **state)
{
	lies(*state, (struct quirks){ .gone = true });
	refused(*state, NULL, -ENODEV, "gone");
}

static void a_virtual_function_that_is_offline_is_said_to_be(void **state)
{
	lies(*state, (struct quirks){ .offline = true });
	refused(*state, NULL, -ENODEV, "it is offline: a virtual function needs");
}

/* What cannot be driven, or cannot be, is told before anything is read. */
static void refuses_nonsense(void **state)
{
	static const struct {
		struct quirks quirks;
		int ret;
		const char *words;
	} cases[] = {
		{ { .mqes = 1 }, -EPROTO, "queues of 1 entries" },
		{ { .mpsmin = 4 }, -ENOTSUP, "least page is 64 KiB" },
		{ { .sqes = 0x77 }, -EPROTO, "0x77" },
		{ { .format = 2 }, -EPROTO, "format 2 of 2" },
		{ { .format = 0x60 }, -EPROTO, "format 48 of 2" },
		{ { .shift = 8 }, -EPROTO, "blocks of 2^8" },
		{ { .shift = 17 }, -EPROTO, "blocks of 2^17" },
		{ { .shift = 63 }, -EPROTO, "blocks of 2^63" },
		{ { .shift = 14, .mdts = 1 }, -EPROTO, "a command moves at most 8192" },
		{ { .metadata = 8 }, -ENOTSUP, "8 bytes of metadata" },
		{ { .no_namespace = true }, -EINVAL, "no active namespace" },
		{ { .nsid = 5 }, -EPROTO, "at most 4, named 5" },
	};
	struct bed *bed = *state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		lies(bed, cases[i].quirks);
		refused(bed, NULL, cases[i].ret, cases[i].words);
	}
	lies(bed, (struct quirks){ 0 });
	opens(bed, NULL);
}

static void finds_namespaces(void **state)
{
	struct bed *bed = *state;
	struct nvme_options opts = { .irq = NVME_IRQ_NONE, .nsid = 2 };
	struct nvme_info info;

	lies(bed, (struct quirks){ .nsid = 3 });
	refused(bed, &opts, -EINVAL, "namespace 2 is not active");
	opts.nsid = 5;
	refused(bed, &opts, -EINVAL, "no namespace 5: there are at most 4");
	opts.nsid = 4;
	lies(bed, (struct quirks){ .nsid = 3, .names_wrong = true });
	refused(bed, &opts, -EPROTO, "named 3");
	opts.nsid = 0;
	opens(bed, &opts);
	nvme_get_info(bed->nvme, &info);
	assert_int_equal(info.nsid, 3);
	assert_int_equal(one(bed, NVME_READ, 0, 1, bed->iova).ret, 0);
}

static void shuts_down_in_order(void **state)
{
	struct bed *bed = *state;
	struct medio_card_dma_info dma;

	opens(bed, NULL);
	assert_int_equal(one(bed, NVME_WRITE, 0, 1, bed->iova).ret, 0);
	assert_int_equal(one(bed, NVME_FLUSH, 0, 0, 0).ret, 0);
	assert_int_equal(saw(bed).flushes, 1);
	nvme_close(bed->nvme);
	bed->nvme = NULL;
	assert_int_equal(saw(bed).deleted, 2);
	assert_int_equal(saw(bed).shutdowns, 1);
	assert_false(saw(bed).early);
	assert_int_equal(saw(bed).cc & NVME_CC_EN, 0);
	/* Only the test's own is left. */
	medio_card_get_dma_info(bed->card, &dma);
	assert_int_equal(dma.num_maps, 1);
	/* And it can be had again. */
	opens(bed, NULL);
	assert_int_equal(one(bed, NVME_READ, 0, 1, bed->iova).ret, 0);
}

static void every_interrupt_works(void **state)
{
	static const int kinds[] = { MEDIO_CARD_MSIX, MEDIO_CARD_MSI, MEDIO_CARD_INTX,
		NVME_IRQ_NONE };
	struct bed *bed = *state;

	lies(bed, (struct quirks){ .later = true });
	for (unsigned i = 0; i < 4; i++) {
		const struct nvme_options opts = { .irq = kinds[i] };
		struct nvme_info info;
		opens(bed, &opts);
		nvme_get_info(bed->nvme, &info);
		assert_int_equal(info.irq, kinds[i]);
		uint64_t reads = card_bed_stats(&bed->bed).reads;
		for (unsigned j = 0; j < 100; j++)
			assert_int_equal(one(bed, NVME_READ, j, 1, bed->iova).ret, 0);
		/* It did not lie there until the driver got worried and read the status. */
		assert_true(card_bed_stats(&bed->bed).reads - reads < 50);
		/* What was not slept through may have been seen before it was told of. */
		assert_int_equal(nvme_interrupts(bed->nvme) > 0, kinds[i] >= 0);
		nvme_close(bed->nvme);
		bed->nvme = NULL;
	}
}

static void refuses_bad_commands(void **state)
{
	struct bed *bed = *state;
	struct nvme_options opts = { .depth = NVME_DEPTH + 1 };

	refused(bed, &opts, -EINVAL, "a depth of 65");
	opts = (struct nvme_options){ .irq = 7 };
	refused(bed, &opts, -EINVAL, "no kind 7");
	lies(bed, (struct quirks){ .mqes = 2, .mdts = 1 });
	opens(bed, NULL);
	assert_int_equal(nvme_submit(bed->nvme, NVME_READ, 0, 0, bed->iova, bed), -EINVAL);
	assert_int_equal(nvme_submit(bed->nvme, NVME_READ, 0, 17, bed->iova, bed), -EINVAL);
	assert_int_equal(nvme_submit(bed->nvme, NVME_READ, 0, 1, bed->iova + 2, bed), -EINVAL);
	assert_int_equal(nvme_submit(bed->nvme, NVME_READ, BLOCKS, 1, bed->iova, bed), -ERANGE);
	assert_int_equal(nvme_submit(bed->nvme, NVME_READ, BLOCKS - 1, 2, bed->iova, bed), -ERANGE);
	assert_int_equal(nvme_submit(bed->nvme, NVME_READ, UINT64_MAX, 2, bed->iova, bed), -ERANGE);
	assert_int_equal(saw(bed).commands, 0);
	/* A queue of two entries holds one. */
	assert_int_equal(nvme_submit(bed->nvme, NVME_READ, 0, 16, bed->iova, bed), 0);
	assert_int_equal(nvme_submit(bed->nvme, NVME_READ, 0, 16, bed->iova, bed), -EAGAIN);
}

#define TEST(name) CARD_BED_TEST_PASSED(name, setup, teardown)
/* Of how long the driver waits a card in between tells nothing. */
#define DIRECT(name) CARD_BED_TEST(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identifies),
		TEST(a_signal_ends_the_opening_of_a_silent_one),
		TEST(copies_through_prps),
		TEST(queues_wrap),
		TEST(completes_out_of_order),
		TEST(errors_have_names),
		TEST(id_out_of_range),
		TEST(id_not_under_way),
		TEST(completed_twice),
		TEST(wrong_queue),
		TEST(wrong_position),
		TEST(removed_in_mid_transfer),
		DIRECT(silence_ends),
		DIRECT(never_gets_ready),
		TEST(fatal_at_once),
		TEST(gone_before),
		TEST(a_virtual_function_that_is_offline_is_said_to_be),
		TEST(refuses_nonsense),
		TEST(finds_namespaces),
		TEST(shuts_down_in_order),
		TEST(every_interrupt_works),
		TEST(refuses_bad_commands),
	};

	card_bed_passthrough = &medio_passthrough;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
