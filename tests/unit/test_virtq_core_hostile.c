/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings that break a rule of the specification, one each: the rule is named, that queue pops no
 * more, and the next one is well.
 */
#include "test_virtq_core_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "device/instance.h"

#define NEXT  1u
#define WRITE 2u
#define TABLE 4u
#define AVAIL 0x80u
#define USED  0x8000u

struct desc {
	unsigned at;
	uint64_t addr;
	uint32_t len;
	uint16_t a, b;
};

struct rule {
	unsigned kind, size;
	const char *words;
	/* In the ring, and in a table at BED_DATA. */
	struct desc ring[8], table[5];
	/* Split: heads of the available ring, and how far its index is ahead besides. */
	unsigned num_heads, heads[4], ahead;
	unsigned good;	   /* chains that can be popped before */
	struct desc again; /* written then */
};

#define OK_AT (BED_DATA + 0x1000)

static const struct rule split_rules[] = {
	{ 0, 4, "the available index went from 0 to 5, with 4 of 4 descriptors free (2.7.6)",
		.ahead = 5 },
	{ 0, 4, "the available index went from 0 to 65535", .ahead = 65535 },
	{ 0, 4, "the available ring names descriptor 4, of 4 (2.7.6)", .num_heads = 1,
		.heads = { 4 } },
	{ 0, 4, "the available ring names descriptor 65535", .num_heads = 1, .heads = { 65535 } },
	{ 0, 4, "descriptor 1 is made available, and is in use already (2.7.13)",
		{ { 1, OK_AT, 4, 0, 0 } }, .num_heads = 2, .heads = { 1, 1 }, .good = 1 },
	{ 0, 4, "descriptor 0 goes on at 4, of 4 (2.7.5)", { { 0, OK_AT, 4, NEXT, 4 } },
		.num_heads = 1 },
	{ 0, 4, "from descriptor 2 on is longer than the queue of 4, or a loop (2.7.5.2)",
		{ { 2, OK_AT, 4, NEXT, 3 }, { 3, OK_AT, 4, NEXT, 2 } }, .num_heads = 1,
		.heads = { 2 } },
	{ 0, 4, "or a loop", { { 0, OK_AT, 0, NEXT, 0 } }, .num_heads = 1 },
	{ 0, 4, "descriptor 1 is to be read, behind one to be written (2.7.4.2)",
		{ { 0, OK_AT, 4, WRITE | NEXT, 1 }, { 1, OK_AT, 4, 0, 0 } }, .num_heads = 1 },
	{ 0, 4, "descriptor 1 is to be read, behind one to be written",
		{ { 0, OK_AT, 0, WRITE | NEXT, 1 }, { 1, OK_AT, 0, 0, 0 } }, .num_heads = 1 },
	{ 0, 4,
		"descriptor 0 has a buffer of 4 bytes at 0x20000000, memory that the device may "
		"not reach so (2.7.5)",
		{ { 0, BED_RO, 4, WRITE, 0 } }, .num_heads = 1 },
	{ 0, 4, "descriptor 0 has a buffer of 4097 bytes at 0x100ff000, memory that is not mapped",
		{ { 0, BED_DATA + BED_DATA_BYTES - 4096, 4097, 0, 0 } }, .num_heads = 1 },
	{ 0, 4, "not mapped", { { 0, 0, 1, 0, 0 } }, .num_heads = 1 },
	{ 0, 4, "not mapped", { { 0, ~UINT64_C(0), 1, 0, 0 } }, .num_heads = 1 },
	{ 0, 4, "not mapped", { { 0, ~UINT64_C(0) - 4, 6, 0, 0 } }, .num_heads = 1 },
	{ 0, 4, "not mapped", { { 0, BED_SCATTER + BED_SCATTER_BYTES - 4097, 4098, 0, 0 } },
		.num_heads = 1 },
	{ 0, 4, "memory that cannot be mapped here", { { 0, BED_REMOTE, 4, 0, 0 } },
		.num_heads = 1 },
	{ 0, 4, "a chain of 4294967296 bytes at descriptor 1; it must be below 2^32 (2.7.5.2)",
		{ { 0, BED_VAST, 0x80000000, NEXT, 1 }, { 1, BED_VAST, 0x80000000, 0, 0 } },
		.num_heads = 1 },
	{ 0, 4, "a chain of 17179869180 bytes",
		{ { 0, BED_VAST, ~0u, NEXT, 1 }, { 1, BED_VAST, ~0u, NEXT, 2 },
			{ 2, BED_VAST, ~0u, WRITE | NEXT, 3 }, { 3, BED_VAST, ~0u, WRITE, 0 } },
		.num_heads = 1 },
	{ 0, 4, "descriptor 0 has INDIRECT, which was not negotiated (2.7.5.3.1)",
		{ { 0, BED_DATA, 16, TABLE, 0 } }, .num_heads = 1 },
	{ INDIRECT, 4, "descriptor 0 has INDIRECT and NEXT (2.7.5.3.1)",
		{ { 0, BED_DATA, 16, TABLE | NEXT, 1 }, { 1, OK_AT, 4, 0, 0 } },
		{ { 0, OK_AT, 4, 0, 0 } }, .num_heads = 1 },
	{ INDIRECT, 4, "entry 0 of descriptor 0's table has INDIRECT again (2.7.5.3.1)",
		{ { 0, BED_DATA, 16, TABLE, 0 } }, { { 0, BED_DATA, 16, TABLE, 0 } },
		.num_heads = 1 },
	{ INDIRECT, 4, "a table of 0 bytes, not of entries of 16 (2.7.5.3)",
		{ { 0, BED_DATA, 0, TABLE, 0 } }, .num_heads = 1 },
	{ INDIRECT, 4, "a table of 40 bytes", { { 0, BED_DATA, 40, TABLE, 0 } }, .num_heads = 1 },
	{ INDIRECT, 4, "entry 1 of descriptor 0's table goes on at 2, of 2 (2.7.5.3)",
		{ { 0, BED_DATA, 32, TABLE, 0 } },
		{ { 0, OK_AT, 4, NEXT, 1 }, { 1, OK_AT, 4, NEXT, 2 } }, .num_heads = 1 },
	{ INDIRECT, 4,
		"the chain in descriptor 0's table is longer than the queue of 4 (2.7.5.3.1)",
		{ { 0, BED_DATA, 80, TABLE, 0 } },
		{ { 0, OK_AT, 4, NEXT, 1 }, { 1, OK_AT, 4, NEXT, 2 }, { 2, OK_AT, 4, NEXT, 3 },
			{ 3, OK_AT, 4, NEXT, 4 }, { 4, OK_AT, 4, 0, 0 } },
		.num_heads = 1 },
	{ INDIRECT, 4, "longer than the queue", { { 0, BED_DATA, 32, TABLE, 0 } },
		{ { 0, OK_AT, 4, NEXT, 1 }, { 1, OK_AT, 4, NEXT, 0 } }, .num_heads = 1 },
	{ INDIRECT, 2, "longer than the queue of 2",
		{ { 0, OK_AT, 4, NEXT, 1 }, { 1, BED_DATA, 32, TABLE, 0 } },
		{ { 0, OK_AT, 4, NEXT, 1 }, { 1, OK_AT, 4, 0, 0 } }, .num_heads = 1 },
	{ INDIRECT, 4,
		"entry 1 of descriptor 3's table is to be read, behind one to be written "
		"(2.7.4.2)",
		{ { 3, BED_DATA, 32, TABLE, 0 } },
		{ { 0, OK_AT, 4, NEXT | WRITE, 1 }, { 1, OK_AT, 4, 0, 0 } }, .num_heads = 1,
		.heads = { 3 } },
	{ INDIRECT, 4, "descriptor 0 has a table of 16 bytes at 0x10, memory that is not mapped",
		{ { 0, 16, 16, TABLE, 0 } }, .num_heads = 1 },
	{ INDIRECT, 4, "descriptor 0 has a table of 4294967280 bytes",
		{ { 0, BED_DATA, 0xfffffff0, TABLE, 0 } }, .num_heads = 1 },
	{ INDIRECT, 4, "entry 0 of descriptor 0's table has a buffer of 5 bytes at 0x1",
		{ { 0, BED_DATA, 16, TABLE, 0 } }, { { 0, 1, 5, 0, 0 } }, .num_heads = 1 },
};

static const struct rule packed_rules[] = {
	{ PACKED, 4, "descriptor 1 is part of a list and not available (2.8.6)",
		{ { 0, OK_AT, 4, 0, AVAIL | NEXT }, { 1, OK_AT, 4, 0, 0 } } },
	{ PACKED, 4, "descriptor 1 is part of a list and not available",
		{ { 0, OK_AT, 4, 0, AVAIL | NEXT }, { 1, OK_AT, 4, 0, AVAIL | USED } } },
	/* The wrap counter is another one then. */
	{ PACKED, 3, "descriptor 0 is part of a list and not available",
		{ { 0, OK_AT, 4, 0, AVAIL | NEXT }, { 1, OK_AT, 4, 0, AVAIL | NEXT },
			{ 2, OK_AT, 4, 0, AVAIL | NEXT } } },
	/* As the second round would be, while the first is under way. */
	{ PACKED, 2, "descriptor 0 is made available, and was not free (2.8.16)",
		{ { 0, OK_AT, 4, 1, AVAIL }, { 1, OK_AT, 4, 0, AVAIL } },
		.again = { 0, OK_AT, 4, 1, USED }, .good = 2 },
	{ PACKED, 4, "buffer id 4, of 4 (2.8.21.1)", { { 0, OK_AT, 4, 4, AVAIL } } },
	{ PACKED, 4, "buffer id 65535", { { 0, OK_AT, 4, 65535, AVAIL } } },
	{ PACKED, 4, "buffer id 2 is made available, and is in use (2.8.21.1)",
		{ { 0, OK_AT, 4, 2, AVAIL }, { 1, OK_AT, 4, 2, AVAIL } }, .good = 1 },
	{ PACKED, 4, "descriptor 1 is to be read, behind one to be written (2.8.17)",
		{ { 0, OK_AT, 4, 0, AVAIL | NEXT | WRITE }, { 1, OK_AT, 4, 0, AVAIL } } },
	{ PACKED, 4, "memory that the device may not reach so (2.8.13)",
		{ { 0, BED_RO, 4, 0, AVAIL | WRITE } } },
	{ PACKED, 4, "memory that is not mapped (2.8.13)", { { 0, 4096, 4, 0, AVAIL } } },
	{ PACKED, 4, "it must be below 2^32",
		{ { 0, BED_VAST, 0xffffffff, 0, AVAIL | NEXT }, { 1, BED_VAST, 1, 0, AVAIL } } },
	{ PACKED, 4, "INDIRECT, which was not negotiated (2.8.19)",
		{ { 0, BED_DATA, 16, 0, AVAIL | TABLE } } },
	{ PACKED | INDIRECT, 4, "descriptor 0 has INDIRECT in a list (2.8.19)",
		{ { 0, BED_DATA, 16, 0, AVAIL | TABLE | NEXT }, { 1, OK_AT, 4, 0, AVAIL } } },
	{ PACKED | INDIRECT, 4, "descriptor 1 has INDIRECT in a list (2.8.19)",
		{ { 0, OK_AT, 4, 0, AVAIL | NEXT }, { 1, BED_DATA, 16, 0, AVAIL | TABLE } },
		{ { 0, OK_AT, 4, 0, 0 } } },
	{ PACKED | INDIRECT, 4, "a table of 0 bytes, not of entries of 16 (2.8.7)",
		{ { 0, BED_DATA, 0, 0, AVAIL | TABLE } } },
	{ PACKED | INDIRECT, 4, "a table of 17 bytes", { { 0, BED_DATA, 17, 0, AVAIL | TABLE } } },
	{ PACKED | INDIRECT, 2,
		"the chain in descriptor 0's table is longer than the queue of 2 "
		"(2.8.17)",
		{ { 0, BED_DATA, 48, 0, AVAIL | TABLE } },
		{ { 0, OK_AT, 4, 0, 0 }, { 1, OK_AT, 4, 0, 0 }, { 2, OK_AT, 4, 0, 0 } } },
	{ PACKED | INDIRECT, 4, "entry 1 of descriptor 0's table is to be read, behind one",
		{ { 0, BED_DATA, 32, 0, AVAIL | TABLE } },
		{ { 0, OK_AT, 4, 0, WRITE }, { 1, OK_AT, 4, 0, 0 } } },
	{ PACKED | INDIRECT, 4, "a table of 4294967280 bytes at 0x10000000, memory that is not",
		{ { 0, BED_DATA, 0xfffffff0, 0, AVAIL | TABLE } } },
};

static void write_rule(struct bed *bed, const struct rule *rule)
{
	const struct desc *d;

	for (d = rule->table; d < rule->table + 5; d++)
		if (d->addr)
			bed_entry(bed, BED_DATA, d->at, d->addr, d->len, d->a, d->b);
	for (d = rule->ring; d < rule->ring + 8; d++)
		if (d->a || d->b || d->len)
			bed_desc(bed, d->at, d->addr, d->len, d->a, d->b);
	for (unsigned i = 0; i < rule->num_heads; i++)
		bed_avail(bed, rule->heads[i]);
	if (rule->ahead)
		bed_put16(bed, bed->setup.driver + 2, (uint16_t)rule->ahead);
}

/* A second queue of the same device, with its ring in DATA. */
struct other {
	unsigned broken;
};

static void on_broken(void *opaque, struct medio_virtq *q, const char *words)
{
	((struct other *)opaque)->broken++;
}

static const struct medio_virtq_owner other_owner = { .broken = on_broken };

static void the_other_is_well(struct bed *bed, unsigned kind)
{
	const uint64_t ring = BED_DATA + 0x80000;
	const struct medio_virtq_setup setup = {
		.size = 2,
		.packed = kind & PACKED,
		.desc = ring,
		.driver = ring + 32,
		.device = ring + 64,
	};
	char words[MEDIO_VIRTQ_WORDS];
	struct other other = { 0 };
	struct medio_virtq_chain *chain;
	struct medio_virtq *q;

	assert_int_equal(medio_virtq_new(bed->dev, 1, &other_owner, &other, &q), 0);
	assert_int_equal(medio_virtq_start(q, &setup, NULL, words), 0);
	bed_entry(bed, ring, 0, OK_AT, 5, kind & PACKED ? 0 : WRITE,
		kind & PACKED ? AVAIL | WRITE : 0);
	if (!(kind & PACKED))
		bed_put16(bed, ring + 32 + 2, 1);
	chain = medio_virtq_pop(q);
	assert_non_null(chain);
	medio_virtq_push(chain, 5);
	medio_virtq_flush(q);
	assert_int_equal(bed_get32(bed, kind & PACKED ? ring + 8 : ring + 64 + 8), 5);
	assert_int_equal(other.broken, 0);
	assert_true(medio_virtq_stop(q));
	medio_virtq_free(q);
}

/* Those that are good, one by one or with the bad one at once. */
static void pop_good(
	struct bed *bed, const struct rule *rule, struct medio_virtq_chain *chains[4], bool burst)
{
	const unsigned most = rule->again.len ? rule->good : 4;

	if (burst) {
		if (medio_virtq_pop_many(bed->q, chains, most) != rule->good)
			fail_msg("too early, or too late: %s", bed->words);
		return;
	}
	for (unsigned good = 0; good < rule->good; good++) {
		chains[good] = medio_virtq_pop(bed->q);
		if (!chains[good])
			fail_msg("too early: %s", bed->words);
	}
}

static void check_rules(const struct rule *rules, size_t n, bool burst)
{
	for (size_t i = 0; i < n; i++) {
		const struct rule *rule = &rules[i];
		struct medio_virtq_chain *chains[4] = { NULL }, *more[4];
		struct bed bed;
		bed_bare(&bed, rule->kind, rule->size);
		write_rule(&bed, rule);
		pop_good(&bed, rule, chains, burst);
		if (rule->again.len)
			bed_desc(&bed, rule->again.at, rule->again.addr, rule->again.len,
				rule->again.a, rule->again.b);
		if (burst)
			assert_int_equal(medio_virtq_pop_many(bed.q, more, 4), 0);
		bed_breaks(&bed, rule->words);
		assert_int_equal(strncmp(bed.words, "queue 0: ", 9), 0);
		assert_true(strlen(bed.words) < MEDIO_VIRTQ_WORDS - 1);
		the_other_is_well(&bed, rule->kind);
		/* What is under way comes back without harm; nothing is written any more. */
		uint8_t before[64];
		memcpy(before, bed_at(&bed, bed.setup.device), sizeof(before));
		if (burst)
			medio_virtq_push_many(chains, NULL, rule->good);
		for (unsigned good = 0; good < rule->good && !burst; good++)
			medio_virtq_push(chains[good], 0);
		medio_virtq_flush(bed.q);
		assert_memory_equal(before, bed_at(&bed, bed.setup.device), sizeof(before));
		assert_int_equal(medio_virtq_in_flight(bed.q), 0);
		assert_int_equal(bed.interrupts, 0);
		assert_int_equal(bed.broken, 1);
		bed_free(&bed);
	}
}

static void each_rule_of_a_split_ring(void **state)
{
	for (unsigned burst = 0; burst < 2; burst++)
		check_rules(split_rules, sizeof(split_rules) / sizeof(*split_rules), burst);
}

static void each_rule_of_a_packed_ring(void **state)
{
	for (unsigned burst = 0; burst < 2; burst++)
		check_rules(packed_rules, sizeof(packed_rules) / sizeof(*packed_rules), burst);
}

/* It cannot go back, nor beyond what is free, once it has moved (2.7.6.1). */
static void an_index_never_goes_back(void **state)
{
	for (unsigned to = 1; to <= 11; to++) {
		struct bed bed;
		bed_bare(&bed, 0, 4);
		for (unsigned i = 0; i < 4; i++)
			bed_desc(&bed, i, OK_AT, 4, 0, 0);
		for (unsigned i = 0; i < 6; i++) {
			bed_avail(&bed, i % 4);
			medio_virtq_push(bed_pop(&bed), 0);
			medio_virtq_flush(bed.q);
		}
		/* At 6 of 6, with 4 free: one that is under way leaves 3. */
		bed_avail(&bed, 1);
		bed_pop(&bed);
		bed_put16(&bed, bed.setup.driver + 2, (uint16_t)to);
		if (to >= 8 && to <= 10) {
			assert_non_null(medio_virtq_pop(bed.q));
		} else if (to == 7) {
			assert_null(medio_virtq_pop(bed.q));
			assert_int_equal(bed.broken, 0);
		} else {
			bed_breaks(&bed, "the available index went from 7 to");
		}
		bed_free(&bed);
	}
}

/* What was pushed is not the driver's before it was flushed. */
static void what_is_not_shown_is_not_free(void **state)
{
	struct bed bed;

	bed_bare(&bed, 0, 2);
	for (unsigned i = 0; i < 2; i++) {
		bed_desc(&bed, i, OK_AT, 4, 0, 0);
		bed_avail(&bed, i);
		medio_virtq_push(bed_pop(&bed), 0);
	}
	bed_avail(&bed, 0);
	bed_breaks(&bed, "the available index went from 2 to 3, with 0 of 2 descriptors free");
	bed_free(&bed);

	bed_bare(&bed, PACKED, 2);
	for (unsigned i = 0; i < 2; i++) {
		bed_desc(&bed, i, OK_AT, 4, (uint16_t)i, AVAIL);
		medio_virtq_push(bed_pop(&bed), 0);
	}
	bed_desc(&bed, 0, OK_AT, 4, 0, USED);
	bed_breaks(&bed, "descriptor 0 is made available, and was not free");
	bed_free(&bed);
}

/* Only a change of AVAIL makes available (2.8.15): not what lies there, nor what was used. */
static void packed_flags_that_are_not_available(void **state)
{
	static const uint16_t flags[] = { 0, USED, AVAIL | USED, NEXT, WRITE | NEXT | USED, 0x7f7f,
		0xffff };

	for (unsigned i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		struct bed bed;
		bed_bare(&bed, PACKED, 4);
		bed_desc(&bed, 0, OK_AT, 4, 0, flags[i]);
		assert_null(medio_virtq_pop(bed.q));
		assert_int_equal(bed.broken, 0);
		bed_desc(&bed, 0, OK_AT, 4, 0, AVAIL);
		medio_virtq_push(bed_pop(&bed), 0);
		bed_free(&bed);
	}
	/* The second round has the other counter. */
	struct bed bed;
	bed_bare(&bed, PACKED, 1);
	for (unsigned i = 0; i < 10; i++) {
		const uint16_t now = i % 2 ? USED : AVAIL, not_now = i % 2 ? AVAIL : USED;
		bed_desc(&bed, 0, OK_AT, 4, 0, not_now);
		assert_null(medio_virtq_pop(bed.q));
		bed_desc(&bed, 0, OK_AT, 4, 0, now);
		medio_virtq_push(bed_pop(&bed), 0);
		medio_virtq_flush(bed.q);
		assert_int_equal(bed_get16(&bed, BED_RING + 14), i % 2 ? 0 : AVAIL | USED);
	}
	bed_free(&bed);
}

static void a_chain_in_too_many_pieces(void **state)
{
	struct bed bed;

	/* 129 buffers of 32 pages each, none beside the other: 4128 pieces. */
	bed_bare(&bed, 0, 256);
	for (unsigned i = 0; i < 129; i++)
		bed_desc(&bed, i, BED_SCATTER, BED_SCATTER_BYTES, i < 128 ? NEXT : 0,
			(uint16_t)(i + 1));
	bed_avail(&bed, 0);
	bed_breaks(&bed, "a chain in more than 4096 pieces of memory here");
	bed_free(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_of_a_split_ring),
		cmocka_unit_test(each_rule_of_a_packed_ring),
		cmocka_unit_test(an_index_never_goes_back),
		cmocka_unit_test(what_is_not_shown_is_not_free),
		cmocka_unit_test(packed_flags_that_are_not_available),
		cmocka_unit_test(a_chain_in_too_many_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
