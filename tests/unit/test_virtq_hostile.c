/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver's side of a virtqueue, on a device that breaks rules: each is named, and none does harm. */
#include "test_virtq_bed.h"

#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WRITE = 2, AVAIL = 1 << 7, USED = 1 << 15 };

/* 8 descriptors and no tables; chain n has n - 1 segments to read and one of 16 bytes to write, and its tag
 * is n. Three of them are under way, and chain 1, 2 and 3 the device has. */
static void begin(struct bed *bed, bool packed, struct vqd_chain chains[4])
{
	struct virtq_options opts = { .size = 8, .packed = packed };

	bed_new(bed, &opts);
	for (unsigned n = 1; n <= 3; n++)
		assert_int_equal(bed_add(bed, n - 1, 1, n), 0);
	virtq_publish(bed->vq);
	for (unsigned n = 1; chains && n <= 3; n++)
		chains[n] = bed_pop(bed);
}

static void put(uint8_t *at, uint64_t value, size_t size)
{
	uint64_t bytes = htole64(value);

	memcpy(at, &bytes, size);
}

/* Write entry n of the used ring, or descriptor n of a packed one in its first round, with these flags beside
 * the two that say whose it is. */
static void use(struct bed *bed, unsigned n, uint32_t id, uint32_t len, unsigned flags)
{
	if (bed->opts.packed) {
		uint8_t *desc = bed_at(bed, bed->places.desc + UINT64_C(16) * n);
		put(desc + 8, len, 4);
		put(desc + 12, id, 2);
		put(desc + 14, AVAIL | USED | flags, 2);
	} else {
		uint8_t *used = bed_at(bed, bed->places.device);
		put(used + 4 + (size_t)8 * n, id, 4);
		put(used + 8 + (size_t)8 * n, len, 4);
		put(used + 2, n + 1, 2);
	}
}

static void set_index(struct bed *bed, unsigned index)
{
	put(bed_at(bed, bed->places.device) + 2, index, 2);
}

/* It breaks, and works again after a reset, which hands back all that was not taken. */
static void count(void *arg, void *tag)
{
	++*(unsigned *)arg;
}

static void ends(struct bed *bed, unsigned left, const char *words)
{
	unsigned back = 0;

	bed_breaks(bed, words);
	assert_int_equal(virtq_pending(bed->vq), left);
	virtq_reset(bed->vq, count, &back);
	assert_int_equal(back, left);
	assert_string_equal(virtq_words(bed->vq), "");
	bed_device(bed);
	assert_int_equal(bed_add(bed, 0, 1, 4), 0);
	assert_true(virtq_publish(bed->vq));
	struct vqd_chain chain = bed_pop(bed);
	vqd_push(&bed->dev, &chain, 16);
	bed_take(bed, 4, 16);
	bed_free(bed);
}

/* ---- Indices and ids --------------------------------------------------------------------------- */

static void the_used_index_runs_ahead(void **state)
{
	static const unsigned indices[] = { 4, 5, 8, 9, 0x8000, 0xffff };
	struct bed bed;

	for (size_t i = 0; i < sizeof(indices) / sizeof(*indices); i++) {
		begin(&bed, false, NULL);
		set_index(&bed, indices[i]);
		ends(&bed, 3, "used index by");
	}
	/* It counts what is left, and what was shown. */
	struct vqd_chain chains[4];
	begin(&bed, false, chains);
	vqd_push(&bed.dev, &chains[1], 0);
	bed_take(&bed, 1, 0);
	bed_add(&bed, 1, 0, 5);
	set_index(&bed, 4);
	ends(&bed, 3, "used index by 3, from 1 to 4, having 2 chains");
}

static void the_used_index_goes_back(void **state)
{
	struct vqd_chain chains[4];
	struct bed bed;

	begin(&bed, false, chains);
	vqd_push(&bed.dev, &chains[1], 0);
	vqd_push(&bed.dev, &chains[2], 0);
	bed_take(&bed, 1, 0);
	set_index(&bed, 0); /* too late: the driver has seen both */
	bed_take(&bed, 2, 0);
	ends(&bed, 1, "used index by 65534");
}

static void nothing_is_under_way(void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		struct virtq_options opts = { .size = 8, .packed = packed };
		struct bed bed;
		bed_new(&bed, &opts);
		use(&bed, 0, 0, 0, 0);
		ends(&bed, 0, packed ? "having no chains" : "having 0 chains");
	}
}

static void an_id_is_none(void **state)
{
	static const uint32_t ids[] = { 8, 9, 255, 0x7fff, 0xffff, 0x10000, 0x80000000,
		0xffffffff };
	struct bed bed;

	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
		for (unsigned packed = 0; packed < (ids[i] > 0xffff ? 1 : 2); packed++) {
			begin(&bed, packed, NULL);
			use(&bed, 0, ids[i], 0, 0);
			ends(&bed, 3, "of a queue of 8 descriptors");
		}
}

static void an_id_is_free(void **state)
{
	struct bed bed;

	for (unsigned packed = 0; packed < 2; packed++) {
		begin(&bed, packed, NULL);
		use(&bed, 0, 7, 0, 0);
		ends(&bed, 3, "used chain 7, which it does not have");
	}
}

static void an_id_is_the_middle_of_a_chain(void **state)
{
	struct vqd_chain chains[4];
	struct bed bed;

	begin(&bed, false, chains);
	use(&bed, 0, chains[3].id + 1, 0, 0);
	ends(&bed, 3, "which it does not have");
}

static void a_chain_is_used_twice(void **state)
{
	struct vqd_chain chains[4];
	struct bed bed;

	for (unsigned packed = 0; packed < 2; packed++) {
		begin(&bed, packed, chains);
		use(&bed, 0, chains[2].id, 0, 0);
		bed_take(&bed, 2, 0);
		use(&bed, packed ? 2 : 1, chains[2].id, 0, 0);
		ends(&bed, 2, "which it does not have");
	}
}

static void a_chain_is_used_before_it_was_shown(void **state)
{
	struct bed bed;

	for (unsigned packed = 0; packed < 2; packed++) {
		begin(&bed, packed, NULL);
		assert_int_equal(bed_add(&bed, 1, 0, 4), 0);
		use(&bed, 0, packed ? 3 : 6, 0, 0); /* its id */
		ends(&bed, 4, "which it does not have");
	}
}

/* ---- Lengths ----------------------------------------------------------------------------------- */

static void more_is_written_than_there_is_room(void **state)
{
	static const uint32_t lens[] = { 17, 18, 0x8000, UINT32_MAX };
	struct vqd_chain chains[4];
	struct bed bed;

	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++)
		for (unsigned packed = 0; packed < 2; packed++) {
			begin(&bed, packed, chains);
			use(&bed, 0, chains[3].id, lens[i], WRITE);
			ends(&bed, 3, "has room for 16");
		}
}

static void something_is_written_where_nothing_can_be(void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		struct virtq_options opts = { .size = 8, .packed = packed };
		struct bed bed;
		bed_new(&bed, &opts);
		assert_int_equal(bed_add(&bed, 2, 0, 1), 0);
		virtq_publish(bed.vq);
		struct vqd_chain chain = bed_pop(&bed);
		use(&bed, 0, chain.id, 1, WRITE);
		ends(&bed, 1, "has room for 0");
	}
}

static void a_packed_length_without_its_flag_is_a_hint(void **state)
{
	struct vqd_chain chains[4];
	struct bed bed;

	begin(&bed, true, chains);
	use(&bed, 0, chains[1].id, 16, 0); /* as QEMU's devices do */
	bed_take(&bed, 1, 16);
	use(&bed, 1, chains[2].id, 17, 0); /* reserved, and cannot be true (2.8.4) */
	bed_take(&bed, 2, 0);
	bed_free(&bed);
}

/* ---- Memory ------------------------------------------------------------------------------------ */

static void what_the_device_wrecks_is_not_read_again(void **state)
{
	for (unsigned kind = 0; kind < BED_KINDS; kind++) {
		struct virtq_options opts = bed_kind(kind, 8);
		unsigned ids[4];
		struct bed bed;
		bed_new(&bed, &opts);
		for (unsigned n = 1; n <= 3; n++)
			assert_int_equal(bed_add(&bed, n % 2, 1, n), 0);
		virtq_publish(bed.vq);
		for (unsigned n = 1; n <= 3; n++)
			ids[n] = bed_pop(&bed).id;
		/* Everything but the used index. */
		memset(bed.ring, 0xff, bed.ring_bytes);
		if (opts.packed)
			memset(bed_at(&bed, bed.places.desc), 0, 16 * 8);
		else
			set_index(&bed, 0);
		/* Descriptors of the ring that come back with 2, and with 3: tables take one. */
		unsigned one = 1, two = opts.indirect || !opts.packed ? 2 : 3;
		use(&bed, 0, ids[2], 0, 0);
		bed_take(&bed, 2, 0);
		use(&bed, one, ids[3], 16, WRITE);
		bed_take(&bed, 3, 16);
		use(&bed, two, ids[1], 1, WRITE);
		bed_take(&bed, 1, 1);
		assert_int_equal(virtq_room(bed.vq, 1), 8);
		bed_free(&bed);
	}
}

/* Whatever the device's wishes for notifications are, asking is right: it must bear one too many. */
static void wishes_that_make_no_sense_do_no_harm(void **state)
{
	static const uint32_t words[] = { 0x30000, 0x27fff, 0x2ffff, 0xfffc0000, 0xffffffff,
		0x28008 };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		for (unsigned kind = 0; kind < BED_KINDS; kind++) {
			struct virtq_options opts = bed_kind(kind, 8);
			struct bed bed;
			bed_new(&bed, &opts);
			uint8_t *device = bed_at(&bed, bed.places.device);
			put(opts.packed ? device : device + 4 + 64, words[i], opts.packed ? 4 : 2);
			for (unsigned n = 1; n <= 8; n++) {
				assert_int_equal(bed_add(&bed, 1, 0, n), 0);
				bool notify = virtq_publish(bed.vq);
				if (opts.packed && words[i] >> 16 != 2)
					assert_true(notify);
			}
			assert_string_equal(virtq_words(bed.vq), "");
			bed_free(&bed);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_used_index_runs_ahead),
		cmocka_unit_test(the_used_index_goes_back),
		cmocka_unit_test(nothing_is_under_way),
		cmocka_unit_test(an_id_is_none),
		cmocka_unit_test(an_id_is_free),
		cmocka_unit_test(an_id_is_the_middle_of_a_chain),
		cmocka_unit_test(a_chain_is_used_twice),
		cmocka_unit_test(a_chain_is_used_before_it_was_shown),
		cmocka_unit_test(more_is_written_than_there_is_room),
		cmocka_unit_test(something_is_written_where_nothing_can_be),
		cmocka_unit_test(a_packed_length_without_its_flag_is_a_hint),
		cmocka_unit_test(what_the_device_wrecks_is_not_read_again),
		cmocka_unit_test(wishes_that_make_no_sense_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
