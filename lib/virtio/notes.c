/* SPDX-License-Identifier: BSD-3-Clause */
/* A queue's notes of what is in flight: kept up while it is live. */
#include "virtio/notes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/inflight.h"

/* ---- Life ------------------------------------------------------------------------------------------ */

void medio_virtq_notes_free(struct medio_virtq *q)
{
	struct medio_virtq_notes *notes = q->notes;

	if (!notes)
		return;
	free(notes->used);
	free(notes->again);
	free(notes->heads);
	free(notes);
	q->notes = NULL;
}

int medio_virtq_notes_start(
	struct medio_virtq *q, struct medio_virtq_position *position, char *words, size_t size)
{
	const size_t entry = q->packed ? sizeof(*q->notes->entries) : sizeof(*q->notes->heads);
	struct medio_virtq_notes *notes = calloc(1, sizeof(*notes));
	int ret = -ENOMEM;

	q->notes = notes;
	if (notes) {
		notes->at = q->setup.inflight;
		notes->used = calloc(q->size, sizeof(*notes->used));
		notes->again = calloc(q->size, sizeof(*notes->again));
		notes->heads = calloc(q->size, entry);
	}
	if (notes && notes->used && notes->again && notes->heads)
		ret = q->packed ? medio_virtq_notes_recover_packed(q, position, words, size)
				: medio_virtq_notes_recover_split(q, position, words, size);
	else
		snprintf(words, size, "no memory left for its notes");
	if (ret)
		medio_virtq_notes_free(q);
	return ret;
}

void medio_virtq_notes_place(struct medio_virtq *q)
{
	if (!q->packed)
		return;
	q->notes->done = q->packed_ring.used;
	medio_virtq_notes_put_place(q->notes->packed, q->notes->done, q->notes->done);
}

/* Notes without any counter are those of a queue that has not popped anything. */
void medio_virtq_notes_end(struct medio_virtq *q)
{
	struct medio_virtq_notes *notes = q->notes;

	if (!notes)
		return;
	if (!q->broken && !notes->num_used && !medio_virtq_notes_left(notes)) {
		for (unsigned i = 0; i < q->size; i++) {
			if (q->packed)
				MEDIO_NOTES_PUT(notes->packed->desc[i].counter, 0);
			else
				MEDIO_NOTES_PUT(notes->split->desc[i].counter, 0);
		}
		/* The next driver's queue may be of the other format. */
		memset(notes->at, 0, medio_virtq_inflight_bytes(q->packed, q->size));
	}
	medio_virtq_notes_free(q);
}

/* ---- Pop ------------------------------------------------------------------------------------------- */

static inline uint16_t note_split(struct medio_virtq_notes *notes, uint16_t head)
{
	struct medio_inflight_split_desc *note = &notes->split->desc[head];

	note->counter = notes->counter++;
	MEDIO_NOTES_PUT(note->inflight, 1);
	return head;
}

static inline const uint8_t *desc_at(const struct medio_virtq *q, unsigned i)
{
	return q->desc + MEDIO_VIRTQ_DESC_BYTES * (i < q->size ? i : i - q->size);
}

/* n descriptors of the ring, from `from` on. They are read anew: whatever the driver may have made of them
 * meanwhile is checked again if they are popped again. */
static inline uint16_t note_packed(struct medio_virtq *q, unsigned from, unsigned n)
{
	struct medio_virtq_notes *notes = q->notes;
	struct medio_inflight_packed *ring = notes->packed;
	struct medio_inflight_packed_desc *first = &ring->desc[notes->free];
	const uint16_t head = notes->free;
	uint16_t at = head, last = head;

	for (unsigned i = 0; i < n; i++) {
		const struct medio_virtq_desc d = medio_virtq_get_desc(desc_at(q, from + i));
		struct medio_inflight_packed_desc *note = &ring->desc[at];
		note->id = d.a;
		note->flags = d.b;
		note->len = d.len;
		note->addr = d.addr;
		last = at;
		at = notes->entries[at].next;
	}
	notes->entries[head].last = last;
	notes->entries[head].num = (uint16_t)n;
	first->last = last;
	first->num = (uint16_t)n;
	first->counter = notes->counter++;
	MEDIO_NOTES_PUT(first->inflight, 1);
	notes->free = at;
	MEDIO_NOTES_PUT(ring->free_head, at);
	MEDIO_NOTES_PUT(ring->old_free_head, at);
	return head;
}

/* A chain of a packed ring by its copy. */
static int read_copy(struct medio_virtq *q, struct medio_virtq_build *b, unsigned head)
{
	const struct medio_inflight_packed_desc *entries = q->notes->entries;
	const unsigned n = entries[head].num;
	unsigned at = head;
	int ret;

	for (unsigned i = 0; i < n; i++) {
		const struct medio_inflight_packed_desc *d = &entries[at];
		b->desc = at;
		if (!(d->flags & MEDIO_VIRTQ_INDIRECT)) {
			b->descs++;
			ret = medio_virtq_build_add(
				b, d->addr, d->len, d->flags & MEDIO_VIRTQ_WRITE);
		} else if (n > 1) {
			ret = medio_virtq_broke(q,
				"the notes of what is in flight have INDIRECT in a list, in entry %u "
				"(2.8.19)",
				at);
		} else {
			ret = medio_virtq_build_table(b, d->addr, d->len);
		}
		if (ret)
			return ret;
		at = d->next;
	}
	b->slot->id = entries[entries[head].last].id;
	b->slot->descs = (uint16_t)n;
	return 0;
}

/* What was in flight when another process was killed. Its descriptors are accounted for in the queue's
 * position. */
static int pop_again(struct medio_virtq *q, struct medio_virtq_build *b)
{
	struct medio_virtq_notes *notes = q->notes;
	struct medio_virtq_slot *slot = b->slot;
	const uint16_t note = notes->again[notes->next_again];
	int ret = q->packed ? read_copy(q, b, note) : medio_virtq_split_read(q, b, note);

	if (ret == 0)
		ret = medio_virtq_build_end(b);
	if (ret)
		return ret;
	if (!q->packed) {
		slot->id = note;
		slot->descs = 1;
	}
	if (slot->id >= q->size || q->busy[slot->id])
		return medio_virtq_broke(q,
			"the notes of what is in flight name buffer %u, %s (2.7.13, 2.8.21.1)",
			slot->id,
			slot->id >= q->size ? "which there is not" : "which is in use already");
	q->busy[slot->id] = 1;
	slot->note = note;
	slot->again = true;
	notes->next_again++;
	return 1;
}

int medio_virtq_notes_pop(struct medio_virtq *q, struct medio_virtq_build *b)
{
	const unsigned from = q->packed_ring.avail.at;
	int ret;

	if (__builtin_expect(medio_virtq_notes_left(q->notes), 0))
		return pop_again(q, b);
	if (!q->packed) {
		ret = medio_virtq_split_pop(q, b);
		if (ret > 0)
			b->slot->note = note_split(q->notes, b->slot->id);
	} else {
		ret = medio_virtq_packed_pop(q, b);
		if (ret > 0)
			b->slot->note = note_packed(q, from, b->slot->descs);
	}
	b->slot->again = false;
	return ret;
}

/* The entries of a chain are free. */
static inline void link_free(struct medio_virtq_notes *notes, uint16_t head)
{
	const uint16_t last = notes->entries[head].last;

	notes->entries[last].next = notes->free;
	notes->packed->desc[last].next = notes->free;
	notes->free = head;
}

void medio_virtq_notes_unpop(struct medio_virtq *q, const struct medio_virtq_slot *slot)
{
	struct medio_virtq_notes *notes = q->notes;
	struct medio_inflight_packed *ring = notes->packed;

	if (slot->again) {
		q->busy[slot->id] = 0;
		notes->next_again--;
		return;
	}
	if (!q->packed) {
		medio_virtq_split_unpop(q, slot);
		MEDIO_NOTES_PUT(notes->split->desc[slot->note].inflight, 0);
		return;
	}
	medio_virtq_packed_unpop(q, slot);
	/* What is free is looked for anew if we are killed here. */
	MEDIO_NOTES_PUT(ring->desc[slot->note].inflight, 0);
	link_free(notes, slot->note);
	MEDIO_NOTES_PUT(ring->free_head, notes->free);
	MEDIO_NOTES_PUT(ring->old_free_head, notes->free);
}

/* ---- Show ------------------------------------------------------------------------------------------ */

static void showing_split(struct medio_virtq_notes *notes)
{
	for (unsigned i = 0; i < notes->num_used; i++) {
		notes->split->desc[notes->used[i]].next = notes->last_batch;
		notes->last_batch = notes->used[i];
	}
	MEDIO_NOTES_PUT(notes->split->last_batch_head, notes->last_batch);
}

/* The place comes last: with it the batch is there. */
static void showing_packed(struct medio_virtq *q)
{
	struct medio_virtq_notes *notes = q->notes;

	for (unsigned i = 0; i < notes->num_used; i++)
		link_free(notes, notes->used[i]);
	MEDIO_NOTES_PUT(notes->packed->free_head, notes->free);
	medio_virtq_notes_put_place(notes->packed, q->packed_ring.used, notes->done);
}

void medio_virtq_notes_showing(struct medio_virtq *q)
{
	if (q->packed)
		showing_packed(q);
	else
		showing_split(q->notes);
}

void medio_virtq_notes_shown(struct medio_virtq *q)
{
	struct medio_virtq_notes *notes = q->notes;

	if (!q->packed) {
		for (unsigned i = 0; i < notes->num_used; i++)
			MEDIO_NOTES_PUT(notes->split->desc[notes->used[i]].inflight, 0);
		MEDIO_NOTES_PUT(notes->split->used_idx, q->split.shown);
	} else {
		for (unsigned i = 0; i < notes->num_used; i++)
			MEDIO_NOTES_PUT(notes->packed->desc[notes->used[i]].inflight, 0);
		MEDIO_NOTES_PUT(notes->packed->old_free_head, notes->free);
		notes->done = q->packed_ring.used;
		medio_virtq_notes_put_place(notes->packed, notes->done, notes->done);
	}
	notes->num_used = 0;
}
