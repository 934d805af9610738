/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is told, and when: notifications, interrupts, turns. */
#include "test_virtq_core_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PACKED_DISABLE 1u
#define PACKED_DESC    2u

/* What kick() of this device does. */
static struct {
	struct bed *bed;
	unsigned runs;
	unsigned serve; /* chains to serve in a run at most */
	unsigned add;	/* chains that the driver adds in a run, before or after the device looks */
	bool add_late;
	uintptr_t tag;
	unsigned kicks;	  /* the driver was to notify us of those */
	unsigned refills; /* runs in which the driver takes and adds as long as there is room */
	bool unpop;	  /* take all that is left, and put it back */
	unsigned served;
} plan;

static void add(unsigned n)
{
	while (n--)
		bed_add(plan.bed, 1, 0, ++plan.tag);
	plan.kicks += virtq_publish(plan.bed->vq);
}

static void kick(struct medio_dev *dev, struct medio_virtq *q)
{
	struct medio_virtq_chain *chain;
	struct virtq_done done;
	unsigned n = plan.serve;

	assert_ptr_equal(dev, plan.bed->dev);
	plan.runs++;
	if (!plan.add_late && plan.add) {
		add(plan.add);
		plan.add = 0;
	}
	while (n-- && (chain = medio_virtq_pop(q))) {
		medio_virtq_push(chain, 0);
		plan.served++;
		if (!plan.refills)
			continue;
		medio_virtq_flush(q);
		while (virtq_take(plan.bed->vq, &done) > 0)
			;
		add(virtq_room(plan.bed->vq, 1));
	}
	if (plan.unpop) {
		for (n = 0; medio_virtq_pop(q); n++)
			;
		medio_virtq_unpop(q, n);
	}
	if (plan.add) {
		add(plan.add);
		plan.add = 0;
	}
}

static void begin(struct bed *bed, unsigned kind, unsigned size)
{
	bed_new(bed, kind, size, 2);
	memset(&plan, 0, sizeof(plan));
	plan.bed = bed;
	plan.serve = ~0u;
}

static void a_driver_notifies_once_for_each_rest(void **state)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct bed bed;
		begin(&bed, kind, 16);
		for (unsigned i = 0; i < 40; i++) {
			struct virtq_done done;
			plan.kicks = plan.runs = plan.served = 0;
			add(1);
			assert_int_equal(plan.kicks, 1);
			/* Without EVENT_IDX for each; with it, not again before we have looked. */
			add(1);
			assert_int_equal(plan.kicks, kind & EVENT_IDX ? 1 : 2);
			assert_true(medio_virtq_turn(bed.q, kick, false));
			assert_int_equal(plan.served, 2);
			assert_int_equal(plan.runs, 1);
			/* One too many does no harm. */
			assert_false(medio_virtq_turn(bed.q, kick, false));
			for (unsigned taken = 0; taken < 2; taken++)
				assert_int_equal(virtq_take(bed.vq, &done), 1);
		}
		assert_int_equal(bed.agains, 0);
		bed_free(&bed);
	}
}

static void nothing_is_notified_in_a_turn_or_while_polling(void **state)
{
	for (unsigned kind = 0; kind < KINDS; kind++)
		for (unsigned poll = 0; poll < 2; poll++) {
			struct bed bed;
			begin(&bed, kind, 16);
			add(1);
			assert_int_equal(plan.kicks, 1);
			plan.kicks = 0;
			plan.add = 3;
			plan.add_late = true;
			assert_true(medio_virtq_turn(bed.q, kick, poll));
			assert_int_equal(plan.kicks, 0);
			/* What came meanwhile was seen in the same turn; while polling, in the
			 * next. */
			assert_int_equal(plan.served, poll ? 1 : 4);
			if (poll) {
				assert_true(medio_virtq_turn(bed.q, kick, true));
				assert_int_equal(plan.served, 4);
				const unsigned runs = plan.runs;
				assert_false(medio_virtq_turn(bed.q, kick, true));
				assert_int_equal(plan.runs, runs);
				add(1);
				assert_int_equal(plan.kicks, 0);
				/* Polling ends when there is something; then when there is not. */
				assert_true(medio_virtq_arm(bed.q));
				medio_virtq_turn(bed.q, kick, true);
				assert_false(medio_virtq_arm(bed.q));
			}
			add(1);
			assert_int_equal(plan.kicks, 1);
			bed_free(&bed);
		}
}

/* Push n chains that are there. */
static void serve(struct bed *bed, unsigned n)
{
	while (n--) {
		struct medio_virtq_chain *chain = medio_virtq_pop(bed->q);
		assert_non_null(chain);
		medio_virtq_push(chain, 0);
	}
}

static unsigned takes(struct bed *bed)
{
	struct virtq_done done;
	unsigned n = 0;

	while (virtq_take(bed->vq, &done) > 0)
		n++;
	return n;
}

static void what_is_shown_early_interrupts_nobody(void **state)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct bed bed;
		begin(&bed, kind, 16);
		for (unsigned i = 0; i < 20; i++) {
			add(7);
			/* A driver that looks by itself sees them at once, */
			virtq_no_irq(bed.vq);
			serve(&bed, 2);
			assert_int_equal(takes(&bed), 0);
			medio_virtq_flush_early(bed.q);
			assert_int_equal(takes(&bed), 2);
			medio_virtq_flush_early(bed.q);
			assert_int_equal(bed.interrupts, i);
			/* one that sleeps is woken once, for all. */
			assert_false(virtq_want_irq(bed.vq));
			serve(&bed, 2);
			medio_virtq_flush_early(bed.q);
			serve(&bed, 2);
			medio_virtq_flush_early(bed.q);
			assert_int_equal(bed.interrupts, i);
			assert_int_equal(takes(&bed), 0);
			medio_virtq_flush(bed.q);
			assert_int_equal(bed.interrupts, i + 1);
			assert_int_equal(takes(&bed), 4);
			serve(&bed, 1);
			virtq_no_irq(bed.vq);
			medio_virtq_flush_early(bed.q);
			assert_int_equal(takes(&bed), 1);
		}
		assert_int_equal(bed.interrupts, 20);
		bed_free(&bed);
	}
}

/* It began to wait when what was shown early was on its way, and did not see it. */
static void a_driver_that_missed_what_was_shown_early_is_interrupted(void **state)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct bed bed;
		begin(&bed, kind, 16);
		for (unsigned i = 0; i < 20; i++) {
			add(4);
			virtq_no_irq(bed.vq);
			serve(&bed, 2);
			medio_virtq_flush_early(bed.q);
			serve(&bed, 2);
			medio_virtq_flush_early(bed.q);
			virtq_want_irq(bed.vq);
			assert_int_equal(bed.interrupts, i);
			medio_virtq_flush(bed.q);
			assert_int_equal(bed.interrupts, i + 1);
			medio_virtq_flush(bed.q);
			assert_int_equal(bed.interrupts, i + 1);
			assert_int_equal(takes(&bed), 4);
		}
		bed_free(&bed);
	}
}

/* 512 chains, and then it is others' turn. */
static void a_driver_that_refills_for_ever_does_not_hold_us(void **state)
{
	for (unsigned kind = 0; kind < KINDS; kind++)
		for (unsigned poll = 0; poll < 2; poll++) {
			struct bed bed;
			begin(&bed, kind, 4);
			plan.refills = 1;
			add(4);
			for (unsigned i = 1; i <= 3; i++) {
				assert_true(medio_virtq_turn(bed.q, kick, poll));
				assert_int_equal(plan.served, 512 * i);
				assert_int_equal(bed.agains, i);
			}
			/* No limit holds without a turn. */
			plan.refills = 0;
			while (medio_virtq_pop(bed.q))
				plan.served++;
			assert_int_equal(plan.served, 1540);
			bed_free(&bed);
		}
}

/* A device that leaves chains where they are is not run over and over; but it is for new ones. */
static void what_a_device_leaves_is_no_news(void **state)
{
	for (unsigned kind = 0; kind < KINDS; kind++)
		for (unsigned how = 0; how < 3; how++) {
			/* It looks at nothing; at some; at all. */
			const bool all = how == 2;
			struct bed bed;
			begin(&bed, kind, 32);
			plan.serve = how == 1 ? 1 : 0;
			plan.unpop = all;
			add(all ? 1 : 3);
			medio_virtq_turn(bed.q, kick, false);
			assert_in_range(plan.runs, 1, 3);
			plan.runs = plan.kicks = 0;
			/* New ones are told of. */
			add(1);
			assert_int_equal(plan.kicks, 1);
			medio_virtq_turn(bed.q, kick, false);
			assert_in_range(plan.runs, 1, 3);
			/* And those that come when it has looked at all. */
			plan.runs = plan.kicks = 0;
			plan.add = 1;
			plan.add_late = true;
			medio_virtq_turn(bed.q, kick, false);
			assert_in_range(plan.runs, 1, 3);
			if (all)
				assert_true(plan.kicks > 0 || plan.runs > 1);
			plan.kicks = 0;
			add(1);
			assert_int_equal(plan.kicks, 1);
			/* It comes back when it can. */
			const unsigned agains = bed.agains;
			medio_virtq_again(bed.q);
			assert_int_equal(bed.agains, agains + 1);
			plan.serve = ~0u;
			plan.unpop = false;
			medio_virtq_turn(bed.q, kick, false);
			assert_true(medio_virtq_is_empty(bed.q));
			assert_int_equal(plan.served, all ? 4 : 6);
			plan.kicks = 0;
			add(1);
			assert_int_equal(plan.kicks, 1);
			bed_free(&bed);
		}
}

static void kicks_that_are_not_wanted(void **state)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct bed bed;
		begin(&bed, kind, 16);
		medio_virtq_want_kicks(bed.q, false);
		if (!(kind & EVENT_IDX) || kind & PACKED) {
			/* A split ring with EVENT_IDX has no way to say it at once. */
			add(1);
			assert_int_equal(plan.kicks, 0);
		} else {
			add(1);
			plan.kicks = 0;
		}
		/* One that comes nevertheless, or polling, runs nothing. */
		assert_false(medio_virtq_turn(bed.q, kick, false));
		assert_false(medio_virtq_turn(bed.q, kick, true));
		assert_int_equal(plan.runs, 0);
		/* Asked for, it runs, and is not wanted still. */
		medio_virtq_again(bed.q);
		assert_int_equal(bed.agains, 1);
		assert_true(medio_virtq_turn(bed.q, kick, false));
		assert_int_equal(plan.served, 1);
		add(2);
		assert_int_equal(plan.kicks, 0);
		assert_true(medio_virtq_pop(bed.q) && medio_virtq_pop(bed.q));
		assert_null(medio_virtq_pop(bed.q));
		/* Wanted again, there is something that was not seen. */
		add(1);
		medio_virtq_want_kicks(bed.q, true);
		assert_int_equal(bed.agains, 2);
		assert_true(medio_virtq_turn(bed.q, kick, false));
		assert_int_equal(plan.served, 2);
		assert_int_equal(plan.kicks, 0);
		add(1);
		assert_int_equal(plan.kicks, 1);
		bed_free(&bed);
	}
}

/* Its memory is not to be touched. */
static void there_are_no_turns_without_bus_mastering(void **state)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct bed bed;
		uint8_t before[8];
		begin(&bed, kind, 16);
		add(1);
		medio_virtq_turn(bed.q, kick, true);
		add(1);
		memcpy(before, bed_at(&bed, bed.setup.device), sizeof(before));
		bed_bus_master(&bed, false);
		plan.runs = 0;
		assert_false(medio_virtq_turn(bed.q, kick, false));
		assert_false(medio_virtq_turn(bed.q, kick, true));
		assert_false(medio_virtq_arm(bed.q));
		assert_int_equal(plan.runs, 0);
		assert_memory_equal(before, bed_at(&bed, bed.setup.device), sizeof(before));
		bed_bus_master(&bed, true);
		assert_true(medio_virtq_turn(bed.q, kick, false));
		bed_free(&bed);
	}
}

static void interrupts_come_as_the_driver_wants_them(void **state)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct bed bed;
		begin(&bed, kind, 8);
		for (unsigned round = 0; round < 30; round++) {
			const unsigned before = bed.interrupts;
			struct virtq_done done;
			add(3);
			virtq_no_irq(bed.vq);
			medio_virtq_push(bed_pop(&bed), 0);
			medio_virtq_flush(bed.q);
			assert_int_equal(bed.interrupts, before);
			assert_true(virtq_want_irq(bed.vq));
			assert_int_equal(virtq_take(bed.vq, &done), 1);
			assert_false(virtq_want_irq(bed.vq));
			medio_virtq_push(bed_pop(&bed), 0);
			medio_virtq_push(bed_pop(&bed), 0);
			/* Not before it is shown; then one for both. */
			assert_int_equal(bed.interrupts, before);
			medio_virtq_flush(bed.q);
			assert_int_equal(bed.interrupts, before + 1);
			medio_virtq_flush(bed.q);
			assert_int_equal(bed.interrupts, before + 1);
			assert_int_equal(virtq_take(bed.vq, &done), 1);
			assert_int_equal(virtq_take(bed.vq, &done), 1);
		}
		struct medio_virtq_counts counts;
		medio_virtq_kicked(bed.q);
		medio_virtq_get_counts(bed.q, &counts);
		assert_int_equal(counts.interrupts, 30);
		assert_int_equal(counts.kicks, 1);
		bed_free(&bed);
	}
}

/* ---- The words of both sides, by hand -------------------------------------------------------------- */

/* One chain after the other through a ring of `size`, used `batch` at a time: which flushes
 * interrupted. */
static uint64_t packed_interrupts(
	unsigned size, unsigned batch, unsigned flushes, uint32_t event, bool event_idx)
{
	uint64_t result = 0;
	struct bed bed;
	unsigned n = 0;

	bed_bare(&bed, PACKED | (event_idx ? EVENT_IDX : 0), size);
	bed_put16(&bed, bed.setup.driver, (uint16_t)event);
	bed_put16(&bed, bed.setup.driver + 2, (uint16_t)(event >> 16));
	for (unsigned i = 0; i < flushes; i++) {
		const unsigned before = bed.interrupts;
		for (unsigned k = 0; k < batch; k++, n++) {
			bed_desc(&bed, n % size, BED_DATA, 1, (uint16_t)(n % size),
				n / size % 2 ? 0x8000 : 0x80);
			medio_virtq_push(bed_pop(&bed), 0);
		}
		medio_virtq_flush(bed.q);
		result |= (uint64_t)(bed.interrupts - before) << i;
	}
	bed_free(&bed);
	return result;
}

static void a_packed_ring_waits_for_a_place(void **state)
{
	const uint32_t desc = PACKED_DESC << 16, wrap = 0x8000;

	/* Each one; none; what is reserved is taken for each. */
	assert_int_equal(packed_interrupts(4, 1, 4, 0, true), 0xf);
	assert_int_equal(packed_interrupts(4, 1, 4, PACKED_DISABLE << 16, true), 0);
	assert_int_equal(packed_interrupts(4, 1, 4, 3 << 16, true), 0xf);
	assert_int_equal(packed_interrupts(4, 1, 4, desc | wrap | 2, false), 0xf);
	/* Place 2 of the first round; of the second; each comes again after two rounds. */
	assert_int_equal(packed_interrupts(4, 1, 16, desc | wrap | 2, true), 0x0404);
	assert_int_equal(packed_interrupts(4, 1, 16, desc | 2, true), 0x4040);
	/* Among several, across the end of the ring. */
	assert_int_equal(packed_interrupts(4, 3, 4, desc | wrap | 3, true), 0xa);
	assert_int_equal(packed_interrupts(4, 3, 4, desc | 1, true), 0x2);
	assert_int_equal(packed_interrupts(4, 3, 4, desc | 2, true), 0x4);
}

static uint64_t split_interrupts(
	unsigned batch, unsigned flushes, uint16_t flags, uint16_t event, bool event_idx)
{
	uint64_t result = 0;
	struct bed bed;

	bed_bare(&bed, event_idx ? EVENT_IDX : 0, 4);
	bed_put16(&bed, bed.setup.driver, flags);
	bed_put16(&bed, bed.setup.driver + 4 + 8, event);
	for (unsigned i = 0; i < 4; i++)
		bed_desc(&bed, i, BED_DATA, 1, 0, 0);
	for (unsigned i = 0, n = 0; i < flushes; i++) {
		const unsigned before = bed.interrupts;
		for (unsigned k = 0; k < batch; k++) {
			bed_avail(&bed, n++ % 4);
			medio_virtq_push(bed_pop(&bed), 0);
		}
		medio_virtq_flush(bed.q);
		result |= (uint64_t)(bed.interrupts - before) << i;
	}
	bed_free(&bed);
	return result;
}

static void a_split_ring_waits_for_an_index(void **state)
{
	/* 2.7.7.2: the flag, of which one bit counts, or the index alone. */
	assert_int_equal(split_interrupts(1, 4, 0, 2, false), 0xf);
	assert_int_equal(split_interrupts(1, 4, 1, 2, false), 0);
	assert_int_equal(split_interrupts(1, 4, 2, 2, false), 0xf);
	assert_int_equal(split_interrupts(1, 8, 1, 2, true), 0x4);
	assert_int_equal(split_interrupts(1, 8, 0, 0, true), 0x1);
	assert_int_equal(split_interrupts(3, 4, 0, 2, true), 0x1);
	assert_int_equal(split_interrupts(3, 4, 0, 3, true), 0x2);
	assert_int_equal(split_interrupts(3, 4, 0, 0xffff, true), 0);
}

/* What stands in the device's area (2.7.10.2, 2.8.14). */
static void the_device_says_what_it_may(void **state)
{
	struct bed bed;

	begin(&bed, 0, 4);
	assert_int_equal(bed_get16(&bed, bed.setup.device), 0);
	add(1);
	medio_virtq_turn(bed.q, kick, true);
	assert_int_equal(bed_get16(&bed, bed.setup.device), 1);
	medio_virtq_arm(bed.q);
	assert_int_equal(bed_get16(&bed, bed.setup.device), 0);
	bed_free(&bed);

	begin(&bed, EVENT_IDX, 4);
	add(2);
	medio_virtq_turn(bed.q, kick, true);
	assert_int_equal(bed_get16(&bed, bed.setup.device), 0);
	medio_virtq_arm(bed.q);
	assert_int_equal(bed_get16(&bed, bed.setup.device + 4 + 32), 2);
	bed_free(&bed);

	begin(&bed, PACKED | EVENT_IDX, 4);
	assert_int_equal(bed_get32(&bed, bed.setup.device), PACKED_DESC << 16 | 0x8000);
	add(3);
	medio_virtq_turn(bed.q, kick, true);
	assert_int_equal(bed_get32(&bed, bed.setup.device), PACKED_DISABLE << 16);
	medio_virtq_arm(bed.q);
	assert_int_equal(bed_get32(&bed, bed.setup.device), PACKED_DESC << 16 | 0x8003);
	bed_free(&bed);

	begin(&bed, PACKED, 4);
	assert_int_equal(bed_get32(&bed, bed.setup.device), 0);
	bed_free(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_driver_notifies_once_for_each_rest),
		cmocka_unit_test(nothing_is_notified_in_a_turn_or_while_polling),
		cmocka_unit_test(what_is_shown_early_interrupts_nobody),
		cmocka_unit_test(a_driver_that_missed_what_was_shown_early_is_interrupted),
		cmocka_unit_test(a_driver_that_refills_for_ever_does_not_hold_us),
		cmocka_unit_test(what_a_device_leaves_is_no_news),
		cmocka_unit_test(kicks_that_are_not_wanted),
		cmocka_unit_test(there_are_no_turns_without_bus_mastering),
		cmocka_unit_test(interrupts_come_as_the_driver_wants_them),
		cmocka_unit_test(a_packed_ring_waits_for_a_place),
		cmocka_unit_test(a_split_ring_waits_for_an_index),
		cmocka_unit_test(the_device_says_what_it_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
