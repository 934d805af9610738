/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What another process has left in the notes. Nothing in them is believed: they are copied, and the copy is
 * checked. Mending may itself be cut short, and then begins anew from what it has left.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "virtio/inflight.h"
#include "virtio/notes.h"

#define VERSION_WORDS "notes of what is in flight of version %u; 1 is known"
#define SIZE_WORDS    "notes of what is in flight in a queue of %u, which has %u"

/* A chain in flight. */
struct found {
	uint64_t counter;
	uint16_t note;
};

static int earlier(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->counter != y->counter)
		return x->counter < y->counter ? -1 : 1;
	return (x->note > y->note) - (x->note < y->note);
}

/* The chains are to be popped again in the order of their counters. */
static void take(struct medio_virtq_notes *notes, struct found *found, unsigned n)
{
	qsort(found, n, sizeof(*found), earlier);
	for (unsigned i = 0; i < n; i++)
		notes->again[i] = found[i].note;
	notes->num_again = n;
	notes->next_again = 0;
}

/* ---- Split ----------------------------------------------------------------------------------------- */

static unsigned copy_heads(struct medio_virtq *q)
{
	struct medio_virtq_notes *notes = q->notes;
	unsigned in_flight = 0;

	for (unsigned i = 0; i < q->size; i++) {
		struct medio_inflight_split_desc *from = &notes->split->desc[i];
		notes->heads[i] = (struct medio_inflight_split_desc){
			.inflight = MEDIO_NOTES_GET(from->inflight) != 0,
			.next = MEDIO_NOTES_GET(from->next),
			.counter = MEDIO_NOTES_GET(from->counter),
		};
		in_flight += notes->heads[i].inflight;
		if (notes->heads[i].counter >= notes->counter)
			notes->counter = notes->heads[i].counter + 1;
	}
	return in_flight;
}

/* The last n chains that were used are not in flight any more, whatever the notes say. */
static int end_batch_split(struct medio_virtq *q, uint16_t head, unsigned n)
{
	struct medio_virtq_notes *notes = q->notes;

	while (n--) {
		if (head >= q->size)
			return -EINVAL;
		notes->heads[head].inflight = 0;
		MEDIO_NOTES_PUT(notes->split->desc[head].inflight, 0);
		head = notes->heads[head].next;
	}
	return 0;
}

static unsigned gather_split(struct medio_virtq *q, struct found *found)
{
	unsigned n = 0;

	for (unsigned i = 0; i < q->size; i++)
		if (q->notes->heads[i].inflight)
			found[n++] = (struct found){ q->notes->heads[i].counter, (uint16_t)i };
	return n;
}

/* Of what process ever: memory that is empty, or notes that can be of this queue. */
static int check_head(const struct medio_virtq *q, unsigned version, unsigned desc_num,
	bool in_flight, char *words, size_t size)
{
	if (version > MEDIO_INFLIGHT_VERSION) {
		snprintf(words, size, VERSION_WORDS, version);
		return -EINVAL;
	}
	/* A driver may make its queue smaller than it could be, and another one larger again. */
	if (in_flight && desc_num < q->size) {
		snprintf(words, size, SIZE_WORDS, desc_num, q->size);
		return -EINVAL;
	}
	return 0;
}

int medio_virtq_notes_recover_split(
	struct medio_virtq *q, struct medio_virtq_position *position, char *words, size_t size)
{
	struct medio_virtq_notes *notes = q->notes;
	struct medio_inflight_split *at = notes->split;
	const uint16_t idx = medio_virtq_get16(q->device + 2, __ATOMIC_ACQUIRE);
	const uint16_t version = MEDIO_NOTES_GET(at->version);
	const uint16_t desc_num = MEDIO_NOTES_GET(at->desc_num);

	notes->counter = 1;
	unsigned in_flight = version ? copy_heads(q) : 0;
	int ret = check_head(q, version, desc_num, in_flight, words, size);
	if (ret)
		return ret;
	if (!version || desc_num < q->size)
		medio_virtq_inflight_init(at, false, q->size);
	notes->last_batch = MEDIO_NOTES_GET(at->last_batch_head);
	const uint16_t batch = (uint16_t)(idx - MEDIO_NOTES_GET(at->used_idx));
	if (in_flight && (batch > q->size || end_batch_split(q, notes->last_batch, batch))) {
		snprintf(words, size,
			"notes of what is in flight in another ring: %u chains used since, of %u",
			batch, q->size);
		return -EINVAL;
	}
	MEDIO_NOTES_PUT(at->used_idx, idx);
	struct found *found = calloc(q->size, sizeof(*found));
	if (!found) {
		snprintf(words, size, "no memory left for its notes");
		return -ENOMEM;
	}
	take(notes, found, gather_split(q, found));
	free(found);
	/* What was available before that was popped. */
	*position = (struct medio_virtq_position){ (uint16_t)(idx + notes->num_again), idx };
	return 0;
}

/* ---- Packed ---------------------------------------------------------------------------------------- */

static struct medio_virtq_place place_after(
	const struct medio_virtq *q, struct medio_virtq_place place, unsigned n)
{
	const unsigned at = place.at + n;

	if (at < q->size)
		return (struct medio_virtq_place){ (uint16_t)at, place.wrap };
	return (struct medio_virtq_place){ (uint16_t)(at - q->size), !place.wrap };
}

static uint16_t position_of(struct medio_virtq_place place)
{
	return (uint16_t)(place.at | (unsigned)place.wrap << 15);
}

static uint8_t *flags_at(const struct medio_virtq *q, unsigned i)
{
	return q->desc + MEDIO_VIRTQ_DESC_BYTES * i + 14;
}

/* Of a descriptor that is available at a place (2.8.1). */
static unsigned available_flags(struct medio_virtq_place place)
{
	return place.wrap ? MEDIO_VIRTQ_AVAIL : MEDIO_VIRTQ_USED;
}

/* The number of chains in flight; anything: any of them was ever popped. */
static unsigned copy_entries(struct medio_virtq *q, bool *anything)
{
	struct medio_virtq_notes *notes = q->notes;
	unsigned in_flight = 0;

	for (unsigned i = 0; i < q->size; i++) {
		struct medio_inflight_packed_desc *from = &notes->packed->desc[i];
		notes->entries[i] = (struct medio_inflight_packed_desc){
			.inflight = MEDIO_NOTES_GET(from->inflight) != 0,
			.next = MEDIO_NOTES_GET(from->next),
			.last = MEDIO_NOTES_GET(from->last),
			.num = MEDIO_NOTES_GET(from->num),
			.counter = MEDIO_NOTES_GET(from->counter),
			.id = MEDIO_NOTES_GET(from->id),
			.flags = MEDIO_NOTES_GET(from->flags),
			.len = MEDIO_NOTES_GET(from->len),
			.addr = MEDIO_NOTES_GET(from->addr),
		};
		in_flight += notes->entries[i].inflight;
		*anything |= notes->entries[i].inflight || notes->entries[i].counter;
		if (notes->entries[i].counter >= notes->counter)
			notes->counter = notes->entries[i].counter + 1;
	}
	return in_flight;
}

/* A batch of n descriptors was shown: their entries are free. */
static int end_batch_packed(struct medio_virtq *q, unsigned n)
{
	struct medio_virtq_notes *notes = q->notes;
	const uint16_t head = MEDIO_NOTES_GET(notes->packed->free_head);

	for (uint16_t at = head; n--; at = notes->entries[at].next) {
		if (at >= q->size)
			return -EINVAL;
		notes->entries[at].inflight = 0;
		MEDIO_NOTES_PUT(notes->packed->desc[at].inflight, 0);
	}
	MEDIO_NOTES_PUT(notes->packed->old_free_head, head);
	return 0;
}

/* Where the device is: with the last batch, or if that was not shown, without. */
static int find_place(struct medio_virtq *q, struct medio_virtq_place *out)
{
	struct medio_inflight_packed *ring = q->notes->packed;
	const union medio_inflight_place in = { .word = MEDIO_NOTES_GET(ring->place.word) };
	const struct medio_virtq_place now = { in.used_idx, in.used_wrap_counter & 1 };
	const struct medio_virtq_place old = { in.old_used_idx, in.old_used_wrap_counter & 1 };

	if (now.at >= q->size || old.at >= q->size || in.used_wrap_counter > 1 ||
		in.old_used_wrap_counter > 1)
		return -EINVAL;
	*out = old;
	if (now.at != old.at || now.wrap != old.wrap) {
		const unsigned flags = medio_virtq_get16(flags_at(q, old.at), __ATOMIC_ACQUIRE);
		const unsigned n = now.wrap == old.wrap ? now.at - old.at
							: now.at + q->size - old.at;
		if (n > q->size)
			return -EINVAL;
		/* What the driver put there, or what it was given for it? */
		if ((flags & (MEDIO_VIRTQ_AVAIL | MEDIO_VIRTQ_USED)) != available_flags(old)) {
			*out = now;
			if (end_batch_packed(q, n))
				return -EINVAL;
		}
	}
	medio_virtq_notes_put_place(ring, *out, *out);
	return 0;
}

/* Entries of a chain belong to no other one. */
static int claim(struct medio_virtq *q, unsigned head, uint8_t *taken)
{
	const struct medio_inflight_packed_desc *entries = q->notes->entries;
	unsigned at = head;

	if (!entries[head].num || entries[head].num > q->size)
		return -EINVAL;
	for (unsigned n = entries[head].num; n--; at = entries[at].next) {
		if (at >= q->size || taken[at])
			return -EINVAL;
		taken[at] = 1;
		if (!n)
			return at == entries[head].last ? 0 : -EINVAL;
	}
	return -EINVAL;
}

static int gather_packed(
	struct medio_virtq *q, struct found *found, unsigned *n, unsigned *descs, uint8_t *taken)
{
	for (unsigned i = 0; i < q->size; i++) {
		const struct medio_inflight_packed_desc *entry = &q->notes->entries[i];
		if (!entry->inflight)
			continue;
		if (claim(q, i, taken))
			return -EINVAL;
		*descs += entry->num;
		found[(*n)++] = (struct found){ entry->counter, (uint16_t)i };
	}
	return 0;
}

/* What no chain has hangs together again. Nothing depends on it while there is no batch. */
static void link_rest(struct medio_virtq *q, const uint8_t *taken)
{
	struct medio_virtq_notes *notes = q->notes;
	uint16_t next = 0;

	for (unsigned i = q->size; i-- > 0;) {
		if (taken[i])
			continue;
		notes->entries[i].next = next;
		notes->entries[i].inflight = 0;
		MEDIO_NOTES_PUT(notes->packed->desc[i].next, next);
		MEDIO_NOTES_PUT(notes->packed->desc[i].inflight, 0);
		next = (uint16_t)i;
	}
	notes->free = next;
	MEDIO_NOTES_PUT(notes->packed->free_head, next);
	MEDIO_NOTES_PUT(notes->packed->old_free_head, next);
}

/* In the ring n descriptors are the device's, none of which the driver has seen used. But used it may have been
 * called there already, behind the first one of a batch. */
static void scrub(struct medio_virtq *q, struct medio_virtq_place place, unsigned n)
{
	for (; n--; place = place_after(q, place, 1))
		medio_virtq_put16(
			flags_at(q, place.at), (uint16_t)available_flags(place), __ATOMIC_RELAXED);
	medio_virtq_dirty(q, q->setup.desc, (uint64_t)MEDIO_VIRTQ_DESC_BYTES * q->size);
}

static int recover_packed(struct medio_virtq *q, struct found *found, uint8_t *taken, bool anything,
	struct medio_virtq_position *position)
{
	struct medio_virtq_place used;
	unsigned n = 0, descs = 0;

	if (anything && (find_place(q, &used) || gather_packed(q, found, &n, &descs, taken)))
		return -EINVAL;
	take(q->notes, found, n);
	link_rest(q, taken);
	if (!anything)
		return 0;
	scrub(q, used, descs);
	*position = (struct medio_virtq_position){ position_of(place_after(q, used, descs)),
		position_of(used) };
	return 0;
}

int medio_virtq_notes_recover_packed(
	struct medio_virtq *q, struct medio_virtq_position *position, char *words, size_t size)
{
	struct medio_inflight_packed *at = q->notes->packed;
	const uint16_t version = MEDIO_NOTES_GET(at->version);
	const uint16_t desc_num = MEDIO_NOTES_GET(at->desc_num);
	bool anything = false;

	q->notes->counter = 1;
	unsigned in_flight = version ? copy_entries(q, &anything) : 0;
	int ret = check_head(q, version, desc_num, in_flight, words, size);
	if (ret)
		return ret;
	if (!version || desc_num < q->size)
		medio_virtq_inflight_init(at, true, q->size);
	struct found *found = calloc(q->size, sizeof(*found));
	uint8_t *taken = calloc(q->size, sizeof(*taken));
	ret = found && taken
		      ? recover_packed(q, found, taken, anything && desc_num >= q->size, position)
		      : -ENOMEM;
	if (ret)
		snprintf(words, size, "%s",
			ret == -ENOMEM ? "no memory left for its notes"
				       : "notes of what is in flight that contradict themselves, "
					 "or the ring");
	free(found);
	free(taken);
	return ret;
}
