/* SPDX-License-Identifier: BSD-3-Clause */
/* Notes of what is in flight that somebody has made up: each lie is found, and said. */
#include "test_virtq_core_bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "virtio/inflight.h"
#include "virtio/inflight_layout.h"

#define SIZE 8u

static union {
	_Alignas(64) uint8_t bytes[4096];
	struct medio_inflight_split split;
	struct medio_inflight_packed packed;
} notes;

/* Three chains in flight, of two descriptors each, one of which was used and shown: those at 2 and 4 are left. */
static void in_flight(struct bed *bed, unsigned kind)
{
	struct medio_virtq_chain *first;
	char words[MEDIO_VIRTQ_WORDS];

	memset(&notes, 0, sizeof(notes));
	bed_new(bed, kind, SIZE, 2);
	medio_virtq_stop(bed->q);
	bed->setup.inflight = &notes;
	if (medio_virtq_start(bed->q, &bed->setup, NULL, words))
		fail_msg("%s", words);
	for (unsigned i = 0; i < 3; i++)
		bed_add(bed, 1, 1, i + 1);
	virtq_publish(bed->vq);
	first = bed_pop(bed);
	bed_pop(bed);
	bed_pop(bed);
	medio_virtq_push(first, 16);
	medio_virtq_flush(bed->q);
	bed_take(bed, 1, 16);
	bed_queue_anew(bed);
}

static int start(struct bed *bed, char *words)
{
	return medio_virtq_start(bed->q, &bed->setup, NULL, words);
}

static void is_refused(struct bed *bed, const char *what)
{
	char words[MEDIO_VIRTQ_WORDS];

	assert_int_equal(start(bed, words), -EINVAL);
	if (!strstr(words, what))
		fail_msg("'%s' does not say '%s'", words, what);
	assert_false(medio_virtq_is_live(bed->q));
	/* Nothing is left of it. */
	bed->setup.inflight = NULL;
	if (start(bed, words))
		fail_msg("%s", words);
	bed_free(bed);
}

/* So many chains are popped again, and then a rule is found broken. */
static void breaks_after(struct bed *bed, unsigned n, const char *what)
{
	char words[MEDIO_VIRTQ_WORDS];

	if (start(bed, words))
		fail_msg("%s", words);
	while (n--)
		bed_pop(bed);
	bed_breaks(bed, what);
	bed_free(bed);
}

/* ---- Split ----------------------------------------------------------------------------------------- */

static void lie_version(void)
{
	notes.split.version = 2;
}

static void lie_size(void)
{
	notes.split.desc_num = SIZE - 1;
}

static void lie_batch_of_more_than_there_are(void)
{
	notes.split.used_idx -= SIZE + 1;
}

static void lie_last_batch_head(void)
{
	notes.split.used_idx--;
	notes.split.last_batch_head = SIZE;
}

static void lie_last_batch_list(void)
{
	notes.split.used_idx -= 2;
	notes.split.desc[notes.split.last_batch_head].next = 0xffff;
}

static void lies_of_a_split_ring_are_found(void **state)
{
	const struct {
		void (*lie)(void);
		const char *words;
	} all[] = {
		{ lie_version, "queue 0: notes of what is in flight of version 2; 1 is known" },
		{ lie_size, "in a queue of 7, which has 8" },
		{ lie_batch_of_more_than_there_are, "in another ring: 9 chains used since, of 8" },
		{ lie_last_batch_head, "in another ring" },
		{ lie_last_batch_list, "in another ring" },
	};

	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct bed bed;
		in_flight(&bed, 0);
		all[i].lie();
		is_refused(&bed, all[i].words);
	}
}

/* The lists of a split ring are in its table, which is checked as ever. */
static void what_a_split_ring_has_in_flight_is_checked(void **state)
{
	struct bed bed;

	in_flight(&bed, 0);
	bed_desc(&bed, 2, BED_DATA, 16, 1, SIZE);
	breaks_after(&bed, 0, "descriptor 2 goes on at 8, of 8");
	in_flight(&bed, 0);
	bed_desc(&bed, 4, 0x10, 16, 0, 0);
	breaks_after(&bed, 1, "descriptor 4 has a buffer of 16 bytes at 0x10");

	/* One that the driver makes available again, though the notes have it. */
	in_flight(&bed, 0);
	bed_avail(&bed, 2);
	breaks_after(&bed, 2, "descriptor 2 is made available, and is in use already");
}

/* As many as the ring holds can be in flight, no more. */
static void all_heads_in_flight_leave_no_room(void **state)
{
	char words[MEDIO_VIRTQ_WORDS];
	struct bed bed;

	in_flight(&bed, 0);
	for (unsigned i = 0; i < SIZE; i++) {
		notes.split.desc[i].inflight = 0xff;
		notes.split.desc[i].counter = ~UINT64_C(0) - i;
		bed_desc(&bed, i, BED_DATA + UINT64_C(16) * i, 1, 0, 0);
	}
	for (unsigned i = 3; i < SIZE + 1; i++)
		bed_avail(&bed, 0);
	if (start(&bed, words))
		fail_msg("%s", words);
	/* In the order of their counters. */
	for (unsigned i = SIZE; i-- > 0;)
		assert_ptr_equal(
			bed_pop(&bed)->out[0].iov_base, bed_at(&bed, BED_DATA + UINT64_C(16) * i));
	bed_avail(&bed, 0);
	bed_breaks(&bed, "the available index went from 9 to 10, with 0 of 8 descriptors free");
	bed_free(&bed);
}

/* ---- Packed ---------------------------------------------------------------------------------------- */

/* The entries of the two chains in flight. */
static struct medio_inflight_packed_desc *entry(unsigned i)
{
	return &notes.packed.desc[i];
}

static void lie_place(void)
{
	notes.packed.place.used_idx = SIZE;
}

static void lie_old_place(void)
{
	notes.packed.place.old_used_idx = 0xffff;
}

static void lie_wrap(void)
{
	notes.packed.place.old_used_wrap_counter = 2;
}

static void lie_more_than_a_round(void)
{
	/* From 4 to 6 of the next round. */
	notes.packed.place.old_used_idx = 4;
	notes.packed.place.used_idx = 6;
	notes.packed.place.used_wrap_counter = 0;
}

static void lie_free_head(void)
{
	/* A batch that was shown: the first descriptor of the ring is used. */
	notes.packed.place.old_used_idx = 0;
	notes.packed.free_head = SIZE;
}

static void lie_no_descriptors(void)
{
	entry(2)->num = 0;
}

static void lie_many_descriptors(void)
{
	entry(2)->num = SIZE + 1;
}

static void lie_link(void)
{
	entry(2)->next = SIZE;
}

static void lie_loop(void)
{
	entry(2)->next = 2;
}

static void lie_last(void)
{
	entry(2)->last = 4;
}

static void lie_common_entry(void)
{
	entry(2)->next = entry(2)->last = 5;
}

static void lies_of_a_packed_ring_are_found(void **state)
{
	static const char what[] = "notes of what is in flight that contradict themselves";
	const struct {
		void (*lie)(void);
		const char *words;
	} all[] = {
		{ lie_version, "queue 0: notes of what is in flight of version 2; 1 is known" },
		{ lie_size, "in a queue of 7, which has 8" },
		{ lie_place, what },
		{ lie_old_place, what },
		{ lie_wrap, what },
		{ lie_more_than_a_round, what },
		{ lie_free_head, what },
		{ lie_no_descriptors, what },
		{ lie_many_descriptors, what },
		{ lie_link, what },
		{ lie_loop, what },
		{ lie_last, what },
		{ lie_common_entry, what },
	};

	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct bed bed;
		in_flight(&bed, PACKED);
		all[i].lie();
		is_refused(&bed, all[i].words);
	}
}

static void what_a_packed_ring_has_in_flight_is_checked(void **state)
{
	struct bed bed;

	in_flight(&bed, PACKED);
	entry(3)->id = SIZE;
	breaks_after(&bed, 0, "name buffer 8, which there is not");
	in_flight(&bed, PACKED);
	entry(5)->id = entry(3)->id;
	breaks_after(&bed, 1, "which is in use already");
	in_flight(&bed, PACKED);
	entry(2)->flags |= 4;
	breaks_after(&bed, 0, "have INDIRECT in a list, in entry 2");
	in_flight(&bed, PACKED);
	entry(4)->addr = 0x10;
	breaks_after(&bed, 1, "a buffer of 16 bytes at 0x10");
	in_flight(&bed, PACKED);
	entry(4)->flags |= 2;
	entry(5)->flags &= 0xfffd;
	breaks_after(&bed, 1, "is to be read, behind one to be written");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lies_of_a_split_ring_are_found),
		cmocka_unit_test(what_a_split_ring_has_in_flight_is_checked),
		cmocka_unit_test(all_heads_in_flight_leave_no_room),
		cmocka_unit_test(lies_of_a_packed_ring_are_found),
		cmocka_unit_test(what_a_packed_ring_has_in_flight_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
