/* SPDX-License-Identifier: BSD-3-Clause */
/* The tests' own device finds each fault of a driver: what it lets pass would prove nothing of ours. */
#include "test_virtq_bed.h"

#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NEXT = 1, WRITE = 2, INDIRECT = 4, AVAIL = 1 << 7, USED = 1 << 15 };
enum area { RING, DRIVER, DEVICE, TABLE };

/* Something in memory that is other than the driver wrote it. */
struct fault {
	enum area area;
	unsigned at, size;
	uint64_t value;
	const char *words;
	bool event_idx;
};

/* A queue of 4 with one chain, of a segment to read and one to write. */
static void begin(struct bed *bed, bool packed, bool table, bool event_idx)
{
	struct virtq_options opts = { .size = 4, .packed = packed, .event_idx = event_idx };

	opts.indirect = table ? 4 : 0;
	bed_new(bed, &opts);
	assert_int_equal(bed_add(bed, 1, 1, 1), 0);
	virtq_publish(bed->vq);
}

static uint8_t *place(const struct bed *bed, enum area area)
{
	uint64_t iova = area == DRIVER ? bed->places.driver : bed->places.device;

	if (area == RING || area == TABLE)
		iova = bed->places.desc;
	if (area == TABLE) {
		memcpy(&iova, bed_at(bed, iova), sizeof(iova));
		iova = le64toh(iova);
	}
	return bed_at(bed, iova);
}

static void spoil(struct bed *bed, const struct fault *fault)
{
	uint64_t value = htole64(fault->value);

	memcpy(place(bed, fault->area) + fault->at, &value, fault->size);
}

static void says(struct bed *bed, const char *words)
{
	if (!strstr(vqd_broken(&bed->dev), words))
		fail_msg("'%s' does not say '%s'", vqd_broken(&bed->dev), words);
	bed->dev.broken[0] = '\0';
	bed_free(bed);
}

static void find(const struct fault *faults, size_t n, bool packed, bool table)
{
	for (size_t i = 0; i < n; i++) {
		struct vqd_chain chain;
		struct bed bed;
		begin(&bed, packed, table, faults[i].event_idx);
		spoil(&bed, &faults[i]);
		assert_int_equal(vqd_pop(&bed.dev, &chain), -EPROTO);
		assert_int_equal(vqd_pop(&bed.dev, &chain), -EPROTO);
		says(&bed, faults[i].words);
	}
}

#define FIND(faults, packed, table) find(faults, sizeof(faults) / sizeof(*(faults)), packed, table)

/* ---- Split ------------------------------------------------------------------------------------- */

static void split_descriptors(void **state)
{
	/* iova 0, len 8, flags 12, next 14; the second begins at 16. */
	static const struct fault faults[] = {
		{ RING, 12, 2, NEXT | 8, "flags 0x9" },
		{ RING, 12, 2, NEXT | AVAIL, "flags 0x81" },
		{ RING, 12, 2, INDIRECT, "not negotiated" },
		{ RING, 12, 2, INDIRECT | NEXT, "INDIRECT with others" },
		{ RING, 28, 2, NEXT | WRITE, "to read after one to write" },
		{ RING, 14, 2, 4, "descriptor 4 of 4" },
		{ RING, 14, 2, 0, "in circles" },
		{ RING, 8, 4, 0, "empty" },
		{ RING, 0, 8, BED_DATA_AT + BED_DATA - 15, "not in memory" },
		{ RING, 0, 8, 0, "not in memory" },
	};

	FIND(faults, false, false);
}

static void split_order_and_total(void **state)
{
	struct bed bed;
	struct vqd_chain chain;

	begin(&bed, false, false, false);
	spoil(&bed, &(struct fault){ RING, 12, 2, NEXT | WRITE, NULL });
	spoil(&bed, &(struct fault){ RING, 28, 2, 0, NULL });
	assert_int_equal(vqd_pop(&bed.dev, &chain), -EPROTO);
	says(&bed, "to read after one to write");
	begin(&bed, false, false, false);
	for (unsigned at = 0; at < 32; at += 16) {
		spoil(&bed, &(struct fault){ RING, at, 8, BED_VOID_AT, NULL });
		spoil(&bed, &(struct fault){ RING, at + 8, 4, 0x80000001, NULL });
	}
	assert_int_equal(vqd_pop(&bed.dev, &chain), -EPROTO);
	says(&bed, "4 GiB");
}

static void split_rings(void **state)
{
	/* flags 0, idx 2, ring 4; the used ring's entries are 8 bytes, and the events follow. */
	static const struct fault faults[] = {
		{ DRIVER, 0, 2, 2, "flags 0x2" },
		{ DRIVER, 0, 2, 1, "flags 0x1", true },
		{ DRIVER, 2, 2, 5, "5 ahead" },
		{ DRIVER, 2, 2, 0xffff, "65535 ahead" },
		{ DRIVER, 4, 2, 4, "descriptor 4 of 4" },
		{ DEVICE, 0, 2, 1, "wrote to the used ring" },
		{ DEVICE, 2, 2, 1, "wrote to the used ring" },
		{ DEVICE, 36, 2, 1, "wrote to the used ring", true },
	};

	FIND(faults, false, false);
}

static void split_tables(void **state)
{
	static const struct fault faults[] = {
		{ RING, 8, 4, 0, "a table of 0 bytes" },
		{ RING, 8, 4, 31, "a table of 31 bytes" },
		{ RING, 8, 4, 48, "unused" },
		{ RING, 8, 4, 16, "leaves its table" },
		{ RING, 12, 2, INDIRECT | WRITE, "INDIRECT with others" },
		{ RING, 0, 8, 0x100, "not in memory" },
		{ TABLE, 12, 2, NEXT | INDIRECT, "flags 0x5 in a table" },
		{ TABLE, 14, 2, 2, "leaves its table" },
		{ TABLE, 28, 2, NEXT | WRITE, "in circles" },
	};

	FIND(faults, false, true);
}

static void split_descriptors_of_two_chains(void **state)
{
	struct vqd_chain chain;
	struct bed bed;

	begin(&bed, false, false, false);
	assert_int_equal(bed_add(&bed, 1, 0, 2), 0);
	virtq_publish(bed.vq);
	bed_pop(&bed);
	spoil(&bed, &(struct fault){ DRIVER, 6, 2, 1, NULL });
	assert_int_equal(vqd_pop(&bed.dev, &chain), -EPROTO);
	says(&bed, "descriptor 1 is in two chains");
}

/* ---- Packed ------------------------------------------------------------------------------------ */

static void packed_descriptors(void **state)
{
	/* iova 0, len 8, id 12, flags 14. */
	static const struct fault faults[] = {
		{ RING, 14, 2, NEXT | USED, "flags 0x8001" },
		{ RING, 14, 2, NEXT | USED | AVAIL, "flags 0x8081" },
		{ RING, 14, 2, NEXT, "flags 0x1" },
		{ RING, 14, 2, NEXT | AVAIL | 8, "flags 0x89" },
		{ RING, 14, 2, INDIRECT | AVAIL, "not negotiated" },
		{ RING, 14, 2, INDIRECT | NEXT | AVAIL, "INDIRECT with others" },
		{ RING, 30, 2, INDIRECT | AVAIL, "INDIRECT with others" },
		{ RING, 30, 2, WRITE, "descriptor 1 has flags 0x2" },
		{ RING, 30, 2, WRITE | USED, "descriptor 1 has flags" },
		{ RING, 30, 2, WRITE | NEXT | AVAIL, "descriptor 2 has flags 0x0" },
		{ RING, 24, 4, 0, "empty" },
		{ RING, 16, 8, 1, "not in memory" },
		{ DEVICE, 0, 4, 0x10000, "wrote to the device area" },
	};

	FIND(faults, true, false);
}

static void packed_tables(void **state)
{
	static const struct fault faults[] = {
		{ RING, 8, 4, 33, "a table of 33 bytes" },
		{ RING, 14, 2, INDIRECT | AVAIL | WRITE, "INDIRECT with others" },
		{ TABLE, 14, 2, NEXT, "flags 0x1 in a table" },
		{ TABLE, 14, 2, AVAIL, "flags 0x80 in a table" },
	};

	FIND(faults, true, true);
}

static void packed_ids_of_two_chains(void **state)
{
	struct vqd_chain chain;
	struct bed bed;

	begin(&bed, true, false, false);
	assert_int_equal(bed_add(&bed, 1, 0, 2), 0);
	virtq_publish(bed.vq);
	unsigned id = bed_pop(&bed).id;
	spoil(&bed, &(struct fault){ RING, 44, 2, id, NULL });
	assert_int_equal(vqd_pop(&bed.dev, &chain), -EPROTO);
	says(&bed, "is under way already");
}

static void packed_more_than_is_free(void **state)
{
	struct vqd_chain chain;
	struct bed bed;

	begin(&bed, true, false, false);
	bed_pop(&bed);
	for (unsigned i = 2; i < 5; i++) {
		unsigned at = 16 * (i % 4), own = i < 4 ? AVAIL : USED;
		spoil(&bed, &(struct fault){ RING, at, 8, BED_DATA_AT, NULL });
		spoil(&bed, &(struct fault){ RING, at + 8, 4, 1, NULL });
		spoil(&bed, &(struct fault){ RING, at + 14, 2, own | (i < 4 ? NEXT : 0), NULL });
	}
	assert_int_equal(vqd_pop(&bed.dev, &chain), -EPROTO);
	says(&bed, "was not free");
}

static void packed_wishes(void **state)
{
	static const struct fault faults[] = {
		{ DRIVER, 0, 4, 0x20000, "suppression is 0x20000" },
		{ DRIVER, 0, 4, 0x30000, "suppression is 0x30000", true },
		{ DRIVER, 0, 4, 0x40000, "suppression is 0x40000", true },
		{ DRIVER, 0, 4, 0x20004, "suppression is 0x20004", true },
	};

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		struct bed bed;
		begin(&bed, true, false, faults[i].event_idx);
		struct vqd_chain chain = bed_pop(&bed);
		spoil(&bed, &faults[i]);
		assert_int_equal(vqd_push(&bed.dev, &chain, 0), 0);
		assert_true(vqd_irq_due(&bed.dev));
		says(&bed, faults[i].words);
	}
}

/* ---- Both -------------------------------------------------------------------------------------- */

static void chains_that_change_under_way(void **state)
{
	for (unsigned kind = 0; kind < 4; kind++) {
		bool packed = kind & 1, table = kind & 2;
		if (packed && !table)
			continue; /* used descriptors of others may lie there */
		struct bed bed;
		begin(&bed, packed, table, false);
		struct vqd_chain chain = bed_pop(&bed);
		spoil(&bed, &(struct fault){ table ? TABLE : RING, 8, 4, 15, NULL });
		assert_int_equal(vqd_push(&bed.dev, &chain, 0), -EPROTO);
		says(&bed, "was changed");
	}
}

static void places_that_are_wrong(void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		struct bed bed;
		begin(&bed, packed, false, false);
		struct vqd_options good = bed.dev.opts, bad;
		bad = good;
		bad.desc += 8;
		assert_int_equal(vqd_init(&bed.dev, &bad), -EINVAL);
		bad = good;
		bad.driver += packed ? 2 : 1;
		assert_int_equal(vqd_init(&bed.dev, &bad), -EINVAL);
		bad = good;
		bad.device += 2;
		assert_int_equal(vqd_init(&bed.dev, &bad), -EINVAL);
		bad = good;
		bad.device = 0;
		assert_int_equal(vqd_init(&bed.dev, &bad), -EINVAL);
		bad = good;
		bad.size = VQD_MAX_SIZE * 2;
		assert_int_equal(vqd_init(&bed.dev, &bad), -EINVAL);
		assert_int_equal(vqd_init(&bed.dev, &good), 0);
		bed_free(&bed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split_descriptors),
		cmocka_unit_test(split_order_and_total),
		cmocka_unit_test(split_rings),
		cmocka_unit_test(split_tables),
		cmocka_unit_test(split_descriptors_of_two_chains),
		cmocka_unit_test(packed_descriptors),
		cmocka_unit_test(packed_tables),
		cmocka_unit_test(packed_ids_of_two_chains),
		cmocka_unit_test(packed_more_than_is_free),
		cmocka_unit_test(packed_wishes),
		cmocka_unit_test(chains_that_change_under_way),
		cmocka_unit_test(places_that_are_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
