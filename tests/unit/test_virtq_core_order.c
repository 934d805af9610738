/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IN_ORDER (2.7.9, 2.8.8): a device that answers in any order, and a driver that knows which chains
 * come back when: it has the descriptors in the order of the ring, and one used entry may stand for
 * several that were only read. Of those with room for an answer each has its own: DPDK looks for it.
 */
#include "test_virtq_core_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "virtio/inflight_layout.h"

#define NEXT  1u
#define WRITE 2u
#define AVAIL 0x80u
#define USED  0x8000u

#define MAX 256u

/* The driver. */
struct driver {
	struct bed *bed;
	bool packed;
	unsigned size, free;
	unsigned at, wrap;	     /* the next descriptor */
	unsigned used_at, used_wrap; /* where the next used entry comes */
	uint16_t used;
	unsigned first, num; /* chains under way, in their order */
	struct {
		unsigned id, descs;
		uint32_t room, written; /* written: what the device will say */
	} chain[MAX];
	unsigned entries, taken;
};

static void driver_init(struct driver *d, struct bed *bed)
{
	*d = (struct driver){
		.bed = bed,
		.packed = bed->setup.packed,
		.size = bed->setup.size,
		.free = bed->setup.size,
		.wrap = 1,
		.used_wrap = 1,
	};
}

/* A chain that is read, of one descriptor, or that is also written, of two. */
static void driver_add(struct driver *d, uint32_t room)
{
	const unsigned slot = (d->first + d->num++) % MAX, descs = room ? 2 : 1, head = d->at;

	assert_true(d->num <= MAX && descs <= d->free);
	d->chain[slot].descs = descs;
	d->chain[slot].room = room;
	d->chain[slot].id = head;
	d->free -= descs;
	for (unsigned i = 0; i < descs; i++) {
		const unsigned flags = (i + 1 < descs ? NEXT : 0) | (i ? WRITE : 0);
		const unsigned mark = d->wrap ? AVAIL : USED;
		const unsigned next = (d->at + 1) % d->size;
		bed_desc(d->bed, d->at, BED_DATA + 256 * slot, i ? room : 4,
			(uint16_t)(d->packed ? head : flags),
			(uint16_t)(d->packed ? flags | mark : next));
		d->at = next;
		d->wrap ^= !next;
	}
	if (!d->packed)
		bed_avail(d->bed, head);
}

/* One used entry, if there is: as many chains as it stands for. */
static unsigned driver_take(struct driver *d)
{
	unsigned id, n = 0, descs = 0;
	uint32_t written;

	if (d->packed) {
		const uint64_t at = d->bed->setup.desc + UINT64_C(16) * d->used_at;
		const unsigned flags = bed_get16(d->bed, at + 14) & (AVAIL | USED);
		if (flags != (d->used_wrap ? AVAIL | USED : 0) || !d->num)
			return 0;
		id = bed_get16(d->bed, at + 12);
		written = bed_get32(d->bed, at + 8);
	} else {
		const uint16_t idx = bed_get16(d->bed, d->bed->setup.device + 2);
		const uint64_t at = d->bed->setup.device + 4 + UINT64_C(8) * (d->used % d->size);
		if (idx == d->used)
			return 0;
		id = bed_get32(d->bed, at);
		written = bed_get32(d->bed, at + 4);
	}
	/* All before the one that is named were only read. */
	for (;;) {
		assert_true(d->num > 0);
		const unsigned slot = d->first;
		const bool last = d->chain[slot].id == id;
		assert_true(last || !d->chain[slot].room);
		assert_int_equal(last ? written : 0, d->chain[slot].written);
		descs += d->chain[slot].descs;
		d->first = (d->first + 1) % MAX;
		d->num--;
		n++;
		if (last)
			break;
	}
	d->free += descs;
	d->used = (uint16_t)(d->used + n);
	d->used_wrap ^= (d->used_at + descs) / d->size;
	d->used_at = (d->used_at + descs) % d->size;
	d->entries++;
	d->taken += n;
	return n;
}

/* The device's side of a chain: tell the driver's record what it will say. */
static void push(struct driver *d, struct medio_virtq_chain *chain, uint32_t written)
{
	const uint8_t *base = bed_at(d->bed, BED_DATA);
	const size_t slot = (size_t)((const uint8_t *)chain->out[0].iov_base - base) / 256;

	d->chain[slot].written = written;
	medio_virtq_push(chain, written);
}

static void chains_wait_for_those_before(void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		struct medio_virtq_chain *chain[4];
		struct driver d;
		struct bed bed;
		bed_bare(&bed, IN_ORDER | packed, 8);
		driver_init(&d, &bed);
		for (unsigned i = 0; i < 4; i++) {
			driver_add(&d, 16);
			chain[i] = bed_pop(&bed);
		}
		push(&d, chain[1], 16);
		push(&d, chain[3], 5);
		medio_virtq_flush(bed.q);
		assert_int_equal(driver_take(&d), 0);
		assert_int_equal(medio_virtq_in_flight(bed.q), 2);
		push(&d, chain[0], 3);
		medio_virtq_flush(bed.q);
		assert_int_equal(bed.interrupts, 1);
		assert_int_equal(driver_take(&d), 1);
		assert_int_equal(driver_take(&d), 1);
		assert_int_equal(driver_take(&d), 0);
		push(&d, chain[2], 16);
		medio_virtq_flush(bed.q);
		/* Written whole, the third has one too. */
		assert_int_equal(driver_take(&d), 1);
		assert_int_equal(driver_take(&d), 1);
		assert_int_equal(d.entries, 4);
		bed_free(&bed);
	}
}

static void one_entry_stands_for_a_batch(void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		struct driver d;
		struct bed bed;
		bed_bare(&bed, IN_ORDER | packed, 64);
		driver_init(&d, &bed);
		for (unsigned round = 0; round < 10; round++) {
			for (unsigned i = 0; i < 50; i++) {
				driver_add(&d, 0);
				push(&d, bed_pop(&bed), 0);
			}
			medio_virtq_flush(bed.q);
			assert_int_equal(driver_take(&d), 50);
		}
		bed_free(&bed);
	}
}

static void in_order_chains_come_to_rest(void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		struct medio_virtq_chain *a, *b;
		char words[MEDIO_VIRTQ_WORDS];
		struct medio_virtq_position at;
		struct driver d;
		struct bed bed;
		bed_bare(&bed, IN_ORDER | packed, 8);
		driver_init(&d, &bed);
		for (unsigned i = 0; i < 3; i++)
			driver_add(&d, 8);
		a = bed_pop(&bed);
		b = bed_pop(&bed);
		bed_pop(&bed);
		medio_virtq_unpop(bed.q, 1);
		assert_false(medio_virtq_pause(bed.q));
		push(&d, b, 1);
		assert_int_equal(bed.idles, 0);
		push(&d, a, 2);
		assert_int_equal(bed.idles, 1);
		assert_int_equal(driver_take(&d) + driver_take(&d), 2);
		assert_true(medio_virtq_stop(bed.q));
		medio_virtq_get_position(bed.q, &at);
		assert_int_equal(at.avail, at.used);
		assert_int_equal(medio_virtq_start(bed.q, &bed.setup, &at, words), 0);
		push(&d, bed_pop(&bed), 3);
		medio_virtq_flush(bed.q);
		assert_int_equal(driver_take(&d), 1);
		/* Those that wait are forgotten with the rest. */
		driver_add(&d, 8);
		driver_add(&d, 8);
		a = bed_pop(&bed);
		push(&d, bed_pop(&bed), 8);
		assert_false(medio_virtq_stop(bed.q));
		assert_int_equal(driver_take(&d), 0);
		push(&d, a, 8);
		assert_int_equal(bed.idles, 2);
		assert_int_equal(driver_take(&d) + driver_take(&d), 2);
		bed_free(&bed);
	}
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void random_traffic_keeps_its_order(void **state)
{
	static const unsigned sizes[] = { 2, 3, 4, 7, 64, 256 };

	for (unsigned i = 0; i < 2 * sizeof(sizes) / sizeof(*sizes); i++) {
		const unsigned size = sizes[i / 2], packed = i % 2;
		struct medio_virtq_chain *held[MAX], *chain;
		uint32_t seed = 77 + i;
		unsigned num_held = 0;
		struct driver d;
		struct bed bed;
		if (!packed && size & (size - 1))
			continue;
		bed_bare(&bed, IN_ORDER | packed, size);
		driver_init(&d, &bed);
		for (unsigned step = 0; step < 20000 || num_held; step++) {
			switch (next_random(&seed) % 5) {
			case 0:
			case 1:
				if (d.free >= 2 && step < 20000)
					driver_add(&d, next_random(&seed) % 3);
				break;
			case 2:
				if ((chain = medio_virtq_pop(bed.q)))
					held[num_held++] = chain;
				break;
			case 3:
				if (num_held) {
					const unsigned n = next_random(&seed) % num_held;
					chain = held[n];
					held[n] = held[--num_held];
					push(&d, chain,
						(uint32_t)(next_random(&seed) %
							   (chain->in_bytes + 1)));
				}
				break;
			default:
				if (next_random(&seed) % 2)
					medio_virtq_flush(bed.q);
				driver_take(&d);
			}
		}
		medio_virtq_flush(bed.q);
		while (driver_take(&d))
			;
		while ((chain = medio_virtq_pop(bed.q))) {
			push(&d, chain, 0);
			medio_virtq_flush(bed.q);
			assert_int_equal(driver_take(&d), 1);
		}
		assert_int_equal(d.num, 0);
		assert_int_equal(d.free, size);
		assert_true(d.taken > 300);
		/* It was of use. */
		assert_true(size < 4 || d.entries < d.taken);
		bed_free(&bed);
	}
}

/* What is written of the first n of the chains held, at random, and given back together. */
static void push_bursts(
	struct driver *d, struct medio_virtq_chain *const *held, unsigned n, uint32_t *seed)
{
	const uint8_t *base = bed_at(d->bed, BED_DATA);
	uint32_t written[MAX];

	for (unsigned i = 0; i < n; i++) {
		const size_t slot = (size_t)((const uint8_t *)held[i]->out[0].iov_base - base) /
				    256;
		/* Often all of it. */
		written[i] = (uint32_t)(next_random(seed) % 2
						? next_random(seed) % (held[i]->in_bytes + 1)
						: held[i]->in_bytes);
		d->chain[slot].written = written[i];
	}
	medio_virtq_push_many(held, written, n);
}

static void bursts_keep_their_order(void **state)
{
	static const unsigned sizes[] = { 4, 64, 256 };

	for (unsigned i = 0; i < 2 * sizeof(sizes) / sizeof(*sizes); i++) {
		struct medio_virtq_chain *held[MAX];
		uint32_t seed = 5 + i;
		unsigned num = 0, n;
		struct driver d;
		struct bed bed;
		bed_bare(&bed, IN_ORDER | i % 2, sizes[i / 2]);
		driver_init(&d, &bed);
		for (unsigned step = 0; step < 20000 || num; step++) {
			for (n = next_random(&seed) % 40; step < 20000 && n && d.free >= 2; n--)
				driver_add(&d, next_random(&seed) % 3);
			num += medio_virtq_pop_many(bed.q, held + num, MAX - num);
			n = num ? 1 + next_random(&seed) % num : 0;
			/* Two that change places: what is before them goes on, they wait for each other. */
			if (n > 2 && next_random(&seed) % 4 == 0) {
				const unsigned at = next_random(&seed) % (n - 1);
				struct medio_virtq_chain *other = held[at];
				held[at] = held[at + 1];
				held[at + 1] = other;
			}
			push_bursts(&d, held, n, &seed);
			num -= n;
			memmove(held, held + n, num * sizeof(*held));
			assert_int_equal(medio_virtq_in_flight(bed.q), num);
			if (next_random(&seed) % 2)
				medio_virtq_flush(bed.q);
			while (next_random(&seed) % 8 && driver_take(&d))
				;
		}
		medio_virtq_flush(bed.q);
		while (driver_take(&d))
			;
		assert_int_equal(d.num, 0);
		assert_int_equal(d.free, sizes[i / 2]);
		assert_true(d.taken > 10000 && d.entries < d.taken);
		bed_free(&bed);
	}
}

static void a_burst_is_one_entry(void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		struct medio_virtq_chain *held[50];
		struct driver d;
		struct bed bed;
		bed_bare(&bed, IN_ORDER | packed, 64);
		driver_init(&d, &bed);
		for (unsigned round = 0; round < 10; round++) {
			for (unsigned i = 0; i < 50; i++)
				driver_add(&d, 0);
			assert_int_equal(medio_virtq_pop_many(bed.q, held, 50), 50);
			for (unsigned i = 0; i < 50; i++)
				d.chain[(d.first + i) % MAX].written = 0;
			medio_virtq_push_many(held, NULL, 50);
			assert_int_equal(driver_take(&d), 0);
			medio_virtq_flush(bed.q);
			assert_int_equal(driver_take(&d), 50);
		}
		assert_int_equal(d.entries, 10);
		bed_free(&bed);
	}
}

/* ---- Another process goes on ------------------------------------------------------------------------- */

static union {
	_Alignas(64) uint8_t bytes[4096];
	struct medio_inflight_split split;
	struct medio_inflight_packed packed;
} notes;

static void start_with_notes(struct bed *bed)
{
	char words[MEDIO_VIRTQ_WORDS];

	bed->setup.inflight = &notes;
	if (medio_virtq_start(bed->q, &bed->setup, NULL, words))
		fail_msg("%s", words);
}

/* Three chains in one used entry. how: killed before they are shown, after that, or before the notes say so. */
static void one_entry_for_several(unsigned packed, unsigned how)
{
	struct medio_virtq_chain *chain[4];
	struct driver d;
	struct bed bed;

	memset(&notes, 0, sizeof(notes));
	bed_bare(&bed, IN_ORDER | packed, 11 - 3 * !packed);
	medio_virtq_stop(bed.q);
	start_with_notes(&bed);
	driver_init(&d, &bed);
	for (unsigned i = 0; i < 4; i++)
		driver_add(&d, 0);
	for (unsigned i = 0; i < 4; i++)
		chain[i] = bed_pop(&bed);
	for (unsigned i = 3; i-- > 0;)
		push(&d, chain[i], 0);
	if (how)
		medio_virtq_flush(bed.q);
	if (how == 2 && packed) {
		for (unsigned i = 0; i < 3; i++)
			notes.packed.desc[i].inflight = 1;
		notes.packed.old_free_head = 0;
		notes.packed.place.old_used_idx = 0;
		assert_int_equal(notes.packed.place.used_idx, 3);
	} else if (how == 2) {
		for (unsigned i = 0; i < 3; i++)
			notes.split.desc[i].inflight = 1;
		assert_int_equal(notes.split.used_idx, 3);
		notes.split.used_idx = 0;
	}
	assert_int_equal(driver_take(&d), how ? 3 : 0);
	bed_queue_anew(&bed);
	start_with_notes(&bed);
	for (unsigned i = how ? 3 : 0; i < 4; i++)
		push(&d, bed_pop(&bed), 0);
	assert_null(medio_virtq_pop(bed.q));
	medio_virtq_flush(bed.q);
	assert_int_equal(driver_take(&d), how ? 1 : 4);
	/* And on. */
	for (unsigned i = 0; i < 3; i++)
		driver_add(&d, 0);
	for (unsigned i = 0; i < 3; i++)
		push(&d, bed_pop(&bed), 0);
	medio_virtq_flush(bed.q);
	assert_int_equal(driver_take(&d), 3);
	bed_free(&bed);
}

static void chains_of_one_entry_are_in_flight_or_are_not_together(void **state)
{
	for (unsigned packed = 0; packed < 2; packed++)
		for (unsigned how = 0; how < 3; how++)
			one_entry_for_several(packed, how);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains_wait_for_those_before),
		cmocka_unit_test(one_entry_stands_for_a_batch),
		cmocka_unit_test(in_order_chains_come_to_rest),
		cmocka_unit_test(random_traffic_keeps_its_order),
		cmocka_unit_test(bursts_keep_their_order),
		cmocka_unit_test(a_burst_is_one_entry),
		cmocka_unit_test(chains_of_one_entry_are_in_flight_or_are_not_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
