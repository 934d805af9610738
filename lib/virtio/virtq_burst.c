/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many chains at once. What has to be asked once for many is asked once, and chains that are simple are read by a
 * loop that does nothing else; the next that is not goes the usual way, with its checks and its words.
 */
#include "virtio/virtq_private.h"

#include <assert.h>

/* ---- Pop ----------------------------------------------------------------------------------------- */

static inline unsigned pop_simple(
	struct medio_virtq *q, struct medio_virtq_chain **chains, unsigned max, bool *more)
{
	const unsigned n = q->packed ? medio_virtq_packed_pop_simple(q, chains, max, more)
				     : medio_virtq_split_pop_simple(q, chains, max, more);

	q->in_flight += n;
	q->left -= n;
	q->counts.chains += n;
	return n;
}

unsigned medio_virtq_pop_many(
	struct medio_virtq *q, struct medio_virtq_chain **chains, unsigned max)
{
	const enum medio_dma_way way = max ? medio_virtq_may_pop(q) : MEDIO_DMA_OFF;
	unsigned n = 0;

	if (way == MEDIO_DMA_OFF)
		return 0;
	while (n < max) {
		const unsigned room = max - n < q->left ? max - n : q->left;
		struct medio_virtq_chain *chain;
		bool more = way != MEDIO_DMA_DIRECT || q->notes || !room;
		if (!more)
			n += pop_simple(q, chains + n, room, &more);
		/* A turn that ends here has to be told so, since there may be more. */
		if (n == max || (!more && q->left) || !(chain = medio_virtq_pop(q)))
			break;
		chains[n++] = chain;
	}
	return n;
}

/* ---- Push ---------------------------------------------------------------------------------------- */

/* What was written of a chain; its slot is free then. */
static inline __attribute__((always_inline)) uint32_t end_chain(struct medio_virtq_slot *slot,
	const uint32_t *written, unsigned i, uint8_t *busy, uint16_t *free)
{
	uint32_t bytes = written ? written[i] : 0;

	assert(slot->in_flight);
	if (__builtin_expect(bytes > slot->chain.in_bytes, 0))
		bytes = (uint32_t)slot->chain.in_bytes;
	slot->in_flight = false;
	busy[slot->id] = 0;
	free[i] = slot->number;
	return bytes;
}

static void push_split(struct medio_virtq *q, struct medio_virtq_chain *const *chains,
	const uint32_t *written, unsigned n)
{
	uint8_t *const ring = q->device + 4, *const busy = q->busy;
	uint16_t *const free = q->free + q->num_free;
	const unsigned mask = q->size - 1, from = q->split.used;

	for (unsigned i = 0; i < n; i++) {
		struct medio_virtq_slot *slot = (struct medio_virtq_slot *)(void *)chains[i];
		const uint32_t bytes = end_chain(slot, written, i, busy, free);
		uint8_t *elem = ring + 8 * ((from + i) & mask);
		medio_virtq_put32(elem, slot->id);
		medio_virtq_put32(elem + 4, bytes);
		if (__builtin_expect(slot->block != NULL, 0))
			medio_virtq_block_put(q, slot);
	}
	q->split.used = (uint16_t)(from + n);
}

static void push_packed(struct medio_virtq *q, struct medio_virtq_chain *const *chains,
	const uint32_t *written, unsigned n)
{
	struct medio_virtq_packed *ring = &q->packed_ring;
	uint8_t *const desc = q->desc, *const busy = q->busy;
	uint16_t *const free = q->free + q->num_free;
	struct medio_virtq_place p = ring->used;
	const unsigned size = q->size;
	unsigned fresh = ring->fresh;

	for (unsigned i = 0; i < n; i++) {
		struct medio_virtq_slot *slot = (struct medio_virtq_slot *)(void *)chains[i];
		const uint32_t bytes = end_chain(slot, written, i, busy, free);
		const unsigned descs = slot->descs;
		const uint16_t flags = medio_virtq_packed_flags(p.wrap, bytes);
		uint8_t *d = desc + MEDIO_VIRTQ_DESC_BYTES * p.at;
		medio_virtq_put32(d + 8, bytes);
		medio_virtq_put16(d + 12, slot->id, __ATOMIC_RELAXED);
		if (__builtin_expect(fresh != 0, 1)) {
			medio_virtq_put16(d + 14, flags, __ATOMIC_RELAXED);
		} else {
			ring->first = p.at;
			ring->first_flags = flags;
		}
		medio_virtq_packed_advance(size, &p, descs);
		fresh += descs;
		if (__builtin_expect(slot->block != NULL, 0))
			medio_virtq_block_put(q, slot);
	}
	ring->used = p;
	ring->fresh = fresh;
}

/* What so many chains, up to slot, are in the ring when all but the last were only read. */
static inline __attribute__((always_inline)) void end_group(struct medio_virtq *q,
	const struct medio_virtq_slot *slot, unsigned *chains, unsigned *descs, uint32_t written)
{
	if (q->packed)
		medio_virtq_packed_use(q, slot->id, *descs, written);
	else
		medio_virtq_split_use(q, slot->id, *chains, written);
	*chains = *descs = 0;
}

/* Chains that are the oldest in flight, in their order: how many of the first. As medio_virtq_push() of each, and
 * then its retire(). */
static unsigned push_in_order(struct medio_virtq *q, struct medio_virtq_chain *const *chains,
	const uint32_t *written, unsigned n)
{
	uint16_t *const free = q->free + q->num_free;
	unsigned i = 0, group = 0, descs = 0;
	struct medio_virtq_slot *slot = NULL;
	uint32_t bytes = 0;

	for (; i < n; i++) {
		struct medio_virtq_slot *next = (struct medio_virtq_slot *)(void *)chains[i];
		if (__builtin_expect(q->order[q->retired & q->order_mask] != next->number, 0))
			break;
		slot = next;
		q->retired++;
		bytes = end_chain(slot, written, i, q->busy, free);
		group++;
		descs += slot->descs;
		if (slot->chain.in_bytes)
			end_group(q, slot, &group, &descs, bytes);
		if (__builtin_expect(slot->block != NULL, 0))
			medio_virtq_block_put(q, slot);
	}
	if (group)
		end_group(q, slot, &group, &descs, bytes);
	return i;
}

void medio_virtq_push_many(
	struct medio_virtq_chain *const *chains, const uint32_t *written, unsigned n)
{
	struct medio_virtq *q = n ? chains[0]->queue : NULL;
	unsigned done = 0;

	if (!q)
		return;
	if (__builtin_expect(!q->notes && !q->starved && !q->idle_due && !q->domain->log.on &&
				     medio_virtq_usable(q),
		    1)) {
		done = n;
		if (q->in_order)
			done = push_in_order(q, chains, written, n);
		else if (q->packed)
			push_packed(q, chains, written, n);
		else
			push_split(q, chains, written, n);
		q->num_free += done;
		q->in_flight -= done;
	}
	for (unsigned i = done; i < n; i++)
		medio_virtq_push(chains[i], written ? written[i] : 0);
}
