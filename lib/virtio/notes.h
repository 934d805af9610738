/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A queue's notes of what is in flight (inflight.h), kept up and taken up again.
 *
 *     notes.c          while the queue is live, and its end
 *     notes_recover.c  what another process has left
 *
 * The memory is shared with whoever keeps it. It is read once, when the queue starts; from then on it is
 * only written, and what has to be known is here. A process may be killed between any two of the writes:
 * where their order matters it is said.
 *
 * Split: a chain is in flight if its head says so; of the used ring's index and used_idx the first is ahead
 * while the heads of a batch are cleared, and these are linked from last_batch_head on.
 *
 * Packed: a chain is in flight if the entry of its first descriptor says so, and hangs on that one. used_idx is
 * ahead of old_used_idx from before a batch is shown to after its chains are cleared; whether it was shown the
 * ring tells, and then its entries are as many of the free ones, from free_head on.
 *
 * Threads: the device's.
 */
#ifndef MEDIO_VIRTIO_NOTES_H
#define MEDIO_VIRTIO_NOTES_H

#include "virtio/inflight_layout.h"
#include "virtio/virtq_private.h"

struct medio_virtq_notes {
	union {
		void *at; /* the owner's memory */
		struct medio_inflight_split *split;
		struct medio_inflight_packed *packed;
	};
	uint64_t counter; /* of the next chain */
	uint16_t *used;	  /* notes of chains that were used and not shown, num_used of them */
	unsigned num_used;
	uint16_t *again; /* notes of chains to pop again, the oldest first */
	unsigned num_again, next_again;
	uint16_t last_batch;	       /* split: last_batch_head */
	uint16_t free;		       /* packed: free_head */
	struct medio_virtq_place done; /* packed: as of the last batch */
	/* Entries as they were found, and for a packed ring their links and lengths as they are. */
	union {
		struct medio_inflight_split_desc *heads;
		struct medio_inflight_packed_desc *entries;
	};
};

/* ---- Life ------------------------------------------------------------------------------------------ */

/* Take up q->setup.inflight. q's areas are mapped. position: what the front-end says; on success what is true.
 * -ENOMEM, -EINVAL: the notes cannot be; with words. */
int medio_virtq_notes_start(
	struct medio_virtq *q, struct medio_virtq_position *position, char *words, size_t size);
/* The queue's position is set: what is noted of it. */
void medio_virtq_notes_place(struct medio_virtq *q);
/* The queue is stopped and idle: if all that was noted is done with, the notes say so. They are not
 * written from now on. */
void medio_virtq_notes_end(struct medio_virtq *q);
/* They stay as they are. */
void medio_virtq_notes_free(struct medio_virtq *q);

/* Read what is there and mend what a killed process has left half done; notes->again is what it had in
 * flight, position where the ring goes on. -EINVAL, with words. */
int medio_virtq_notes_recover_split(
	struct medio_virtq *q, struct medio_virtq_position *position, char *words, size_t size);
int medio_virtq_notes_recover_packed(
	struct medio_virtq *q, struct medio_virtq_position *position, char *words, size_t size);

/* ---- While it is live ------------------------------------------------------------------------------- */

/* As medio_virtq_split_pop() and medio_virtq_packed_pop(), after what is to be popped again. */
int medio_virtq_notes_pop(struct medio_virtq *q, struct medio_virtq_build *b);
/* As medio_virtq_split_unpop() and medio_virtq_packed_unpop(). */
void medio_virtq_notes_unpop(struct medio_virtq *q, const struct medio_virtq_slot *slot);
/* Before what was used is shown, and after that. */
void medio_virtq_notes_showing(struct medio_virtq *q);
void medio_virtq_notes_shown(struct medio_virtq *q);

/* There are chains to pop again. */
static inline bool medio_virtq_notes_left(const struct medio_virtq_notes *notes)
{
	return notes->next_again != notes->num_again;
}

/* A chain was written to the ring as used. */
static inline void medio_virtq_notes_use(struct medio_virtq *q, const struct medio_virtq_slot *slot)
{
	q->notes->used[q->notes->num_used++] = slot->note;
}

/* ---- The memory ---------------------------------------------------------------------------------------- */

/* A store that comes after all that were made before it. */
#define MEDIO_NOTES_PUT(field_, value_) __atomic_store_n(&(field_), value_, __ATOMIC_RELEASE)
/* Read once. */
#define MEDIO_NOTES_GET(field_) __atomic_load_n(&(field_), __ATOMIC_ACQUIRE)

static inline void medio_virtq_notes_put_place(struct medio_inflight_packed *ring,
	struct medio_virtq_place used, struct medio_virtq_place old)
{
	const union medio_inflight_place place = {
		.used_idx = used.at,
		.used_wrap_counter = used.wrap,
		.old_used_idx = old.at,
		.old_used_wrap_counter = old.wrap,
	};

	MEDIO_NOTES_PUT(ring->place.word, place.word);
}

#endif
