/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A split virtqueue as the device sees it (2.7): descriptors and the available ring are read, the
 * used ring is written.
 *
 *     desc    addr 64, len 32, flags 16, next 16, …           16 bytes each
 *     driver  flags 16, idx 16, ring 16 …, used_event 16
 *     device  flags 16, idx 16, ring (id 32, len 32) …, avail_event 16
 */
#include "virtio/virtq_private.h"

#define NO_INTERRUPT 1u /* of the driver's flags (2.7.6) */
#define NO_NOTIFY    1u /* of ours (2.7.8) */

static const uint8_t *avail_at(const struct medio_virtq *q, unsigned i)
{
	return q->driver + 4 + 2 * (i & (q->size - 1));
}

/* Read the driver's index. 1: it has moved on; 0: it has not. */
static int look(struct medio_virtq *q)
{
	struct medio_virtq_split *s = &q->split;
	uint16_t idx = medio_virtq_get16(q->driver + 2, __ATOMIC_ACQUIRE);

	if (idx == s->seen)
		return 0;
	/* Each chain that is not shown as used takes a descriptor, and so does each new one. The
	 * index never goes back (2.7.6.1). */
	const unsigned room = q->size - (uint16_t)(s->avail - s->shown);
	if ((uint16_t)(idx - s->avail) > room)
		return medio_virtq_broke(q,
			"the available index went from %u to %u, with %u of %u descriptors free "
			"(2.7.6)",
			s->seen, idx, room, q->size);
	s->seen = idx;
	return 1;
}

int medio_virtq_split_read(struct medio_virtq *q, struct medio_virtq_build *b, unsigned head)
{
	unsigned i = head;

	for (;;) {
		if (__builtin_expect(++b->descs > q->size, 0))
			return medio_virtq_broke(q,
				"the chain from descriptor %u on is longer than the queue of %u, "
				"or a loop (2.7.5.2)",
				head, q->size);
		const struct medio_virtq_desc d = medio_virtq_get_desc(
			q->desc + MEDIO_VIRTQ_DESC_BYTES * i);
		b->desc = i;
		if (d.a & MEDIO_VIRTQ_INDIRECT) {
			if (d.a & MEDIO_VIRTQ_NEXT)
				return medio_virtq_broke(
					q, "descriptor %u has INDIRECT and NEXT (2.7.5.3.1)", i);
			b->descs--; /* it stands for those in its table */
			return medio_virtq_build_table(b, d.addr, d.len);
		}
		int ret = medio_virtq_build_add(b, d.addr, d.len, d.a & MEDIO_VIRTQ_WRITE);
		if (__builtin_expect(ret, 0) || !(d.a & MEDIO_VIRTQ_NEXT))
			return ret;
		if (__builtin_expect(d.b >= q->size, 0))
			return medio_virtq_broke(
				q, "descriptor %u goes on at %u, of %u (2.7.5)", i, d.b, q->size);
		i = d.b;
	}
}

/* What the chains after the next one to pop begin with; and of that one, its table. */
static inline void fetch_ahead(const struct medio_virtq *q)
{
	const uint16_t next = q->split.avail, left = (uint16_t)(q->split.seen - next);

	if (!left)
		return;
	const unsigned head = medio_virtq_get16(avail_at(q, next), __ATOMIC_RELAXED) &
			      (q->size - 1);
	const struct medio_virtq_desc d = medio_virtq_get_desc(
		q->desc + MEDIO_VIRTQ_DESC_BYTES * head);
	if (d.a & MEDIO_VIRTQ_INDIRECT)
		medio_virtq_fetch_table(q, d.addr);
	if (left > 1)
		__builtin_prefetch(q->desc + MEDIO_VIRTQ_DESC_BYTES *
						     (medio_virtq_get16(avail_at(q, next + 1u),
							      __ATOMIC_RELAXED) &
							     (q->size - 1)));
}

int medio_virtq_split_pop(struct medio_virtq *q, struct medio_virtq_build *b)
{
	struct medio_virtq_split *s = &q->split;
	int ret;

	if (s->avail == s->seen && (ret = look(q)) <= 0)
		return ret;
	const unsigned head = medio_virtq_get16(avail_at(q, s->avail), __ATOMIC_RELAXED);
	if (__builtin_expect(head >= q->size, 0))
		return medio_virtq_broke(
			q, "the available ring names descriptor %u, of %u (2.7.6)", head, q->size);
	if (__builtin_expect(q->busy[head], 0))
		return medio_virtq_broke(
			q, "descriptor %u is made available, and is in use already (2.7.13)", head);
	ret = medio_virtq_split_read(q, b, head);
	if (__builtin_expect(ret, 0) || (ret = medio_virtq_build_end(b)))
		return ret;
	b->slot->id = (uint16_t)head;
	b->slot->descs = 1; /* entries of the used ring */
	q->busy[head] = 1;
	s->avail++;
	fetch_ahead(q);
	return 1;
}

/* The chain of a head, if it is simple. */
static inline __attribute__((always_inline)) bool read_simple(
	struct medio_virtq *q, struct medio_virtq_slot *slot, unsigned head)
{
	struct medio_virtq_desc d[2] = { medio_virtq_get_desc(
		q->desc + MEDIO_VIRTQ_DESC_BYTES * head) };
	const unsigned write = d[0].a & MEDIO_VIRTQ_WRITE;

	if (__builtin_expect(!(d[0].a & (MEDIO_VIRTQ_NEXT | MEDIO_VIRTQ_INDIRECT)), 1)) {
		if (!medio_virtq_simple_add(q, slot, 0, &d[0], write))
			return false;
		medio_virtq_simple_one(slot, &d[0], write);
		return true;
	}
	if (d[0].a & MEDIO_VIRTQ_INDIRECT || d[0].b >= q->size || q->size < 2)
		return false;
	d[1] = medio_virtq_get_desc(q->desc + MEDIO_VIRTQ_DESC_BYTES * d[0].b);
	return !(d[1].a & (MEDIO_VIRTQ_NEXT | MEDIO_VIRTQ_INDIRECT)) &&
	       medio_virtq_simple_two(q, slot, d, write, d[1].a & MEDIO_VIRTQ_WRITE);
}

unsigned medio_virtq_split_pop_simple(
	struct medio_virtq *q, struct medio_virtq_chain **chains, unsigned max, bool *more)
{
	struct medio_virtq_split *s = &q->split;
	unsigned there = (uint16_t)(s->seen - s->avail), n = 0;

	if (there < max) {
		if (look(q) < 0)
			return 0;
		there = (uint16_t)(s->seen - s->avail);
	}
	if (there > max)
		there = max;
	for (; n < there; n++, s->avail++) {
		const unsigned head = medio_virtq_get16(avail_at(q, s->avail), __ATOMIC_RELAXED);
		struct medio_virtq_slot *slot = medio_virtq_slot_get(q);
		if (__builtin_expect(
			    head >= q->size || q->busy[head] || !read_simple(q, slot, head), 0)) {
			medio_virtq_slot_put(q, slot);
			*more = true;
			break;
		}
		medio_virtq_simple_end(q, slot, head, 1);
		chains[n] = &slot->chain;
	}
	return n;
}

void medio_virtq_split_unpop(struct medio_virtq *q, const struct medio_virtq_slot *slot)
{
	q->busy[slot->id] = 0;
	q->split.avail--;
}

bool medio_virtq_split_is_empty(struct medio_virtq *q)
{
	return q->split.avail == q->split.seen && look(q) <= 0;
}

/* Does the driver want an interrupt for the chains that were used last, so many? */
static bool wants(const struct medio_virtq *q, uint16_t fresh)
{
	if (!q->event_idx)
		return !(medio_virtq_get16(q->driver, __ATOMIC_RELAXED) & NO_INTERRUPT);
	const uint16_t event = medio_virtq_get16(q->driver + 4 + 2 * q->size, __ATOMIC_RELAXED);
	return (uint16_t)(q->split.used - event - 1) < fresh;
}

bool medio_virtq_split_is_awaited(const struct medio_virtq *q)
{
	return wants(q, (uint16_t)(q->split.used - q->split.shown));
}

void medio_virtq_split_show(struct medio_virtq *q)
{
	struct medio_virtq_split *s = &q->split;

	/* After the entries (2.7.8.2). */
	medio_virtq_put16(q->device + 2, s->used, __ATOMIC_RELEASE);
	s->shown = s->used;
	medio_virtq_dirty(q, q->setup.device, 6 + 8 * q->size);
}

bool medio_virtq_split_tell(struct medio_virtq *q)
{
	struct medio_virtq_split *s = &q->split;
	const uint16_t fresh = (uint16_t)(s->shown - s->told);

	s->told = s->shown;
	/* The driver asks for interrupts and then looks at the index; we do the reverse (2.7.7). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return wants(q, fresh);
}

void medio_virtq_split_off(struct medio_virtq *q)
{
	/* With EVENT_IDX the flag stays 0 (2.7.10.2), and the index that was asked for goes by. */
	if (q->event_idx)
		return;
	medio_virtq_put16(q->device, NO_NOTIFY, __ATOMIC_RELAXED);
	medio_virtq_dirty(q, q->setup.device, 2);
}

bool medio_virtq_split_on(struct medio_virtq *q)
{
	if (q->event_idx) {
		medio_virtq_put16(q->device + 4 + 8 * q->size, q->split.seen, __ATOMIC_RELAXED);
		medio_virtq_dirty(q, q->setup.device + 4 + 8 * q->size, 2);
	} else {
		medio_virtq_put16(q->device, 0, __ATOMIC_RELAXED);
		medio_virtq_dirty(q, q->setup.device, 2);
	}
	/* The wish is seen before we look (2.7.10). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return look(q) > 0;
}
