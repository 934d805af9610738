/* SPDX-License-Identifier: BSD-3-Clause */
/* Many chains at once: what comes and goes is what would come and go one by one. */
#include "test_virtq_core_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "device/instance.h"
#include "iommu/iommu.h"

#define NEXT  1u
#define WRITE 2u
#define AVAIL 0x80u

#define SIZE	  64u
#define ALL_KINDS (PACKED | EVENT_IDX | INDIRECT | IN_ORDER)

/* Chains of these shapes: one buffer, two, more, with tables or without. */
static const struct shape {
	unsigned out, in;
} shapes[] = { { 1, 0 }, { 0, 1 }, { 1, 1 }, { 2, 0 }, { 0, 2 }, { 3, 2 }, { 1, 0 }, { 2, 2 } };

#define SHAPES (sizeof(shapes) / sizeof(*shapes))

static const struct shape *shape(unsigned tag)
{
	return &shapes[tag % SHAPES];
}

/* Our driver's ring with chains of tags first to last. */
static void add(struct bed *bed, unsigned first, unsigned last)
{
	for (unsigned tag = first; tag <= last; tag++)
		bed_add(bed, shape(tag)->out, shape(tag)->in, tag);
	virtq_publish(bed->vq);
}

static void is_chain(const struct bed *bed, const struct medio_virtq_chain *chain, unsigned tag)
{
	const uint8_t *data = bed_at(bed, BED_DATA);

	assert_ptr_equal(chain->queue, bed->q);
	assert_int_equal(chain->num_out, shape(tag)->out);
	assert_int_equal(chain->num_in, shape(tag)->in);
	assert_int_equal(chain->out_bytes, 16 * shape(tag)->out);
	assert_int_equal(chain->in_bytes, 16 * shape(tag)->in);
	for (unsigned i = 0; i < shape(tag)->out + shape(tag)->in; i++) {
		const struct iovec *iov = i < chain->num_out ? &chain->out[i]
							     : &chain->in[i - chain->num_out];
		assert_ptr_equal(iov->iov_base, data + (size_t)16 * i);
		assert_int_equal(iov->iov_len, 16);
	}
}

static void a_burst_is_as_many_chains_one_by_one(void **state)
{
	for (unsigned kind = 0; kind <= ALL_KINDS; kind++) {
		struct medio_virtq_chain *chains[32];
		uint32_t written[32];
		struct bed bed;
		unsigned tag = 1;
		bed_new(&bed, kind, SIZE, 8);
		for (unsigned round = 0; round < 40; round++) {
			const unsigned n = 1 + round % 12;
			add(&bed, tag, tag + n - 1);
			/* Fewer than there are, and then the rest. */
			unsigned got = medio_virtq_pop_many(bed.q, chains, (n + 1) / 2);
			assert_int_equal(got, (n + 1) / 2);
			got += medio_virtq_pop_many(bed.q, chains + got, 32 - got);
			assert_int_equal(got, n);
			assert_int_equal(medio_virtq_pop_many(bed.q, chains + n, 32 - n), 0);
			assert_int_equal(medio_virtq_in_flight(bed.q), n);
			for (unsigned i = 0; i < n; i++) {
				is_chain(&bed, chains[i], tag + i);
				/* In order a whole chain stands for those before it too, which our
				 * driver does not know. */
				written[i] = (uint32_t)chains[i]->in_bytes / 2;
			}
			if (kind & IN_ORDER) {
				for (unsigned i = 0; i < n; i++) {
					medio_virtq_push_many(&chains[i], &written[i], 1);
					medio_virtq_flush(bed.q);
				}
			} else {
				medio_virtq_push_many(chains, written, n);
				assert_false(virtq_ready(bed.vq));
				medio_virtq_flush(bed.q);
			}
			assert_int_equal(medio_virtq_in_flight(bed.q), 0);
			for (unsigned i = 0; i < n; i++)
				bed_take(&bed, tag + i, written[i]);
			tag += n;
		}
		bed_free(&bed);
	}
}

static void nothing_is_no_burst(void **state)
{
	for (unsigned kind = 0; kind <= PACKED; kind++) {
		struct medio_virtq_chain *chains[4];
		struct bed bed;
		bed_new(&bed, kind, SIZE, 8);
		assert_int_equal(medio_virtq_pop_many(bed.q, chains, 4), 0);
		add(&bed, 1, 1);
		assert_int_equal(medio_virtq_pop_many(bed.q, chains, 0), 0);
		medio_virtq_push_many(chains, NULL, 0);
		medio_virtq_unpop(bed.q, 0);
		assert_int_equal(medio_virtq_pop_many(bed.q, chains, 4), 1);
		medio_virtq_push_many(chains, NULL, 1);
		medio_virtq_flush(bed.q);
		bed_take(&bed, 1, 0);
		bed_free(&bed);
	}
}

static void the_last_ones_go_back_and_come_again(void **state)
{
	for (unsigned kind = 0; kind <= ALL_KINDS; kind++) {
		struct medio_virtq_chain *chains[16];
		struct bed bed;
		bed_new(&bed, kind & ~(unsigned)IN_ORDER, SIZE, 8);
		for (unsigned tag = 1; tag < 200; tag += 7) {
			add(&bed, tag, tag + 6);
			assert_int_equal(medio_virtq_pop_many(bed.q, chains, 16), 7);
			medio_virtq_unpop(bed.q, 5);
			medio_virtq_push_many(chains, NULL, 2);
			assert_int_equal(medio_virtq_pop_many(bed.q, chains, 16), 5);
			for (unsigned i = 0; i < 5; i++)
				is_chain(&bed, chains[i], tag + 2 + i);
			medio_virtq_push_many(chains, NULL, 5);
			medio_virtq_flush(bed.q);
			for (unsigned i = 0; i < 7; i++)
				bed_take(&bed, tag + i, 0);
		}
		bed_free(&bed);
	}
}

/* A good chain by hand in descriptor i: one buffer to be written. */
static void good(struct bed *bed, unsigned i)
{
	if (bed->setup.packed) {
		bed_desc(bed, i, BED_DATA + UINT64_C(64) * i, 64, (uint16_t)i, AVAIL | WRITE);
		return;
	}
	bed_desc(bed, i, BED_DATA + UINT64_C(64) * i, 64, WRITE, 0);
	bed_avail(bed, i);
}

static void a_bad_chain_in_the_middle_ends_the_burst(void **state)
{
	for (unsigned kind = 0; kind <= PACKED; kind++) {
		struct medio_virtq_chain *chains[8];
		struct bed bed;
		uint8_t before[64];
		bed_bare(&bed, kind, 8);
		for (unsigned i = 0; i < 6; i++)
			good(&bed, i);
		/* The fourth is nowhere. */
		bed_desc(&bed, 3, BED_DATA + BED_DATA_BYTES, 64, kind ? 3 : WRITE,
			kind ? AVAIL | WRITE : 0);
		assert_int_equal(medio_virtq_pop_many(bed.q, chains, 8), 3);
		assert_int_equal(bed.broken, 1);
		for (unsigned i = 0; i < 3; i++)
			assert_ptr_equal(
				chains[i]->in->iov_base, bed_at(&bed, BED_DATA + UINT64_C(64) * i));
		bed_breaks(&bed, "descriptor 3 has a buffer of 64 bytes");
		assert_int_equal(medio_virtq_pop_many(bed.q, chains + 3, 5), 0);
		/* What was good before it comes back, and nobody is told of it. */
		memcpy(before, bed_at(&bed, bed.setup.device), sizeof(before));
		medio_virtq_push_many(chains, (const uint32_t[]){ 1, 2, 3 }, 3);
		medio_virtq_flush(bed.q);
		assert_memory_equal(before, bed_at(&bed, bed.setup.device), sizeof(before));
		assert_int_equal(medio_virtq_in_flight(bed.q), 0);
		assert_int_equal(bed.interrupts, 0);
		bed_free(&bed);
	}
}

/* Each of these is read in a way of its own: none is taken for a simple one. */
static void what_is_not_simple_is_popped_all_the_same(void **state)
{
	struct medio_virtq_chain *chains[8];
	struct bed bed;

	bed_bare(&bed, 0, 16);
	/* Of no bytes; in two places here; not the hint's mapping; two of which the first is empty; three. */
	bed_desc(&bed, 0, BED_DATA, 0, 0, 0);
	bed_desc(&bed, 1, BED_SCATTER + 4000, 200, WRITE, 0);
	bed_desc(&bed, 2, BED_RO, 16, 0, 0);
	bed_desc(&bed, 3, BED_DATA, 0, NEXT, 4);
	bed_desc(&bed, 4, BED_DATA, 16, WRITE, 0);
	bed_desc(&bed, 5, BED_DATA, 16, NEXT, 6);
	bed_desc(&bed, 6, BED_DATA, 16, NEXT | WRITE, 7);
	bed_desc(&bed, 7, BED_DATA, 16, WRITE, 0);
	bed_desc(&bed, 8, BED_VAST, 0x80000000, NEXT, 9);
	bed_desc(&bed, 9, BED_VAST, 0x7fffffff, 0, 0);
	for (unsigned i = 0; i < 5; i++)
		bed_avail(&bed, (const unsigned[]){ 0, 1, 2, 3, 5 }[i]);
	bed_avail(&bed, 8);
	assert_int_equal(medio_virtq_pop_many(bed.q, chains, 8), 6);
	assert_int_equal(chains[0]->num_out + chains[0]->num_in, 0);
	assert_int_equal(chains[1]->num_in, 2);
	assert_int_equal(chains[1]->in_bytes, 200);
	assert_int_equal(chains[2]->out_bytes, 16);
	assert_int_equal(chains[3]->num_out, 0);
	assert_int_equal(chains[3]->in_bytes, 16);
	assert_int_equal(chains[4]->num_out, 1);
	assert_int_equal(chains[4]->num_in, 2);
	assert_int_equal(chains[5]->out_bytes, 0xffffffff);
	medio_virtq_push_many(chains, NULL, 6);
	bed_free(&bed);
}

/* The driver says more than there is room for. */
static void what_is_written_is_bounded(void **state)
{
	for (unsigned kind = 0; kind <= PACKED; kind++) {
		struct medio_virtq_chain *chains[2];
		struct bed bed;
		bed_bare(&bed, kind, 4);
		good(&bed, 0);
		good(&bed, 1);
		assert_int_equal(medio_virtq_pop_many(bed.q, chains, 2), 2);
		medio_virtq_push_many(chains, (const uint32_t[]){ 65, 64 }, 2);
		medio_virtq_flush(bed.q);
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(bed_get32(&bed, kind ? BED_RING + 16 * i + 8
							      : bed.setup.device + 4 + 8 * i + 4),
				64);
		bed_free(&bed);
	}
}

static struct {
	unsigned popped, calls;
} turn;

static void pop_all(struct medio_dev *dev, struct medio_virtq *q)
{
	struct medio_virtq_chain *chains[48];
	unsigned n;

	while ((n = medio_virtq_pop_many(q, chains, 48))) {
		turn.calls++;
		turn.popped += n;
		medio_virtq_push_many(chains, NULL, n);
	}
}

static void a_turn_has_its_limit(void **state)
{
	for (unsigned kind = 0; kind <= PACKED; kind++) {
		struct bed bed;
		bed_new(&bed, kind, 1024, 0);
		for (unsigned tag = 1; tag <= 600; tag++)
			bed_add(&bed, 1, 0, tag);
		virtq_publish(bed.vq);
		turn.popped = turn.calls = 0;
		assert_true(medio_virtq_turn(bed.q, pop_all, true));
		assert_int_equal(turn.popped, 512);
		assert_int_equal(turn.calls, 11);
		assert_int_equal(bed.agains, 1);
		assert_true(medio_virtq_turn(bed.q, pop_all, false));
		assert_int_equal(turn.popped, 600);
		for (unsigned tag = 1; tag <= 600; tag++)
			bed_take(&bed, tag, 0);
		bed_free(&bed);
	}
}

/* As a device does to whom fewer than it asked for are the last. */
static void pop_bursts(struct medio_dev *dev, struct medio_virtq *q)
{
	struct medio_virtq_chain *chains[32];
	unsigned n;

	(void)dev;
	/* The turn's limit is in the middle of a burst. */
	n = medio_virtq_pop_many(q, chains, 13);
	medio_virtq_push_many(chains, NULL, n);
	turn.popped += n;
	do {
		n = medio_virtq_pop_many(q, chains, 32);
		medio_virtq_push_many(chains, NULL, n);
		turn.popped += n;
	} while (n == 32);
}

static void a_burst_that_a_turn_cuts_short_is_not_the_last(void **state)
{
	for (unsigned kind = 0; kind <= ALL_KINDS; kind++) {
		struct medio_virtq_chain *chains[13];
		struct bed bed;
		bed_new(&bed, kind, 1024, 2);
		for (unsigned tag = 1; tag <= 600; tag++)
			bed_add(&bed, 1, 0, tag);
		virtq_publish(bed.vq);
		turn.popped = turn.calls = 0;
		assert_true(medio_virtq_turn(bed.q, pop_bursts, false));
		assert_int_equal(turn.popped, 512);
		/* Nobody notifies of the others again. */
		assert_int_equal(bed.agains, 1);
		assert_true(medio_virtq_turn(bed.q, pop_bursts, false));
		assert_int_equal(turn.popped, 600);
		assert_int_equal(medio_virtq_pop_many(bed.q, chains, 13), 0);
		bed_free(&bed);
	}
}

static void a_queue_at_rest_hears_of_the_last(void **state)
{
	for (unsigned kind = 0; kind <= PACKED; kind++) {
		struct medio_virtq_chain *chains[8];
		struct bed bed;
		bed_new(&bed, kind, SIZE, 0);
		add(&bed, 1, 8);
		assert_int_equal(medio_virtq_pop_many(bed.q, chains, 8), 8);
		assert_false(medio_virtq_pause(bed.q));
		add(&bed, 9, 9);
		medio_virtq_push_many(chains, NULL, 7);
		assert_int_equal(bed.idles, 0);
		medio_virtq_push_many(chains + 7, NULL, 1);
		assert_int_equal(bed.idles, 1);
		for (unsigned tag = 1; tag <= 8; tag++)
			bed_take(&bed, tag, 0);
		assert_int_equal(medio_virtq_pop_many(bed.q, chains, 8), 0);
		medio_virtq_resume(bed.q);
		assert_int_equal(medio_virtq_pop_many(bed.q, chains, 8), 1);
		medio_virtq_push_many(chains, NULL, 1);
		bed_free(&bed);
	}
}

static void a_filter_sees_each_buffer_of_a_burst(void **state)
{
	struct medio_virtq_chain *chains[4];
	struct bed bed;

	bed_bare_filtered(&bed, 0, 4);
	for (unsigned i = 0; i < 4; i++)
		good(&bed, i);
	bed_filter_gets = 0;
	assert_int_equal(medio_virtq_pop_many(bed.q, chains, 4), 4);
	assert_int_equal(bed_filter_gets, 4);
	medio_virtq_push_many(chains, NULL, 4);
	bed_free(&bed);
}

static uint64_t dirty_pages(struct bed *bed, uint64_t iova)
{
	uint64_t bits = 0;

	assert_int_equal(medio_iommu_dirty_report(medio_instance_iommu(bed->inst), iova,
				 64 * UINT64_C(4096), 4096, &bits, sizeof(bits)),
		0);
	return bits;
}

static void what_a_burst_wrote_is_logged(void **state)
{
	for (unsigned kind = 0; kind <= PACKED; kind++) {
		const struct medio_iommu_range all = { 0, UINT64_C(1) << 32 };
		struct medio_virtq_chain *chains[4];
		struct bed bed;
		bed_bare(&bed, kind, 256);
		struct medio_iommu *domain = medio_instance_iommu(bed.inst);
		for (unsigned i = 0; i < 4; i++) {
			bed_desc(&bed, i, BED_DATA + UINT64_C(0x2000) * i, 0x2000,
				kind ? (uint16_t)i : WRITE, kind ? AVAIL | WRITE : 0);
			if (!kind)
				bed_avail(&bed, i);
		}
		/* Two before the log begins, two while it is on. */
		assert_int_equal(medio_virtq_pop_many(bed.q, chains, 2), 2);
		assert_int_equal(medio_iommu_dirty_start(domain, 4096, &all, 1), 0);
		assert_int_equal(medio_virtq_pop_many(bed.q, chains + 2, 2), 2);
		dirty_pages(&bed, BED_DATA);
		medio_virtq_push_many(chains, (const uint32_t[]){ 1, 0x1001, 0, 0x1000 }, 4);
		assert_int_equal(dirty_pages(&bed, BED_DATA), 0x1 | 0xc | 0x40);
		medio_iommu_dirty_stop(domain);
		bed_free(&bed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_is_as_many_chains_one_by_one),
		cmocka_unit_test(nothing_is_no_burst),
		cmocka_unit_test(the_last_ones_go_back_and_come_again),
		cmocka_unit_test(a_bad_chain_in_the_middle_ends_the_burst),
		cmocka_unit_test(what_is_not_simple_is_popped_all_the_same),
		cmocka_unit_test(what_is_written_is_bounded),
		cmocka_unit_test(a_turn_has_its_limit),
		cmocka_unit_test(a_burst_that_a_turn_cuts_short_is_not_the_last),
		cmocka_unit_test(a_queue_at_rest_hears_of_the_last),
		cmocka_unit_test(a_filter_sees_each_buffer_of_a_burst),
		cmocka_unit_test(what_a_burst_wrote_is_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
