/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A packed virtqueue as the device sees it (2.8): one ring of descriptors that both sides write,
 * and two words in which each says when it wants to be told.
 *
 *     desc            addr 64, len 32, id 16, flags 16, …     16 bytes each
 *     driver, device  offset 15 and wrap 1, flags 16          (2.8.14)
 */
#include "virtio/virtq_private.h"

enum { ENABLE = 0, DISABLE = 1, DESC = 2 }; /* 2.8.10 */

static uint8_t *desc_at(const struct medio_virtq *q, unsigned i)
{
	return q->desc + MEDIO_VIRTQ_DESC_BYTES * i;
}

/* A descriptor at a place is available if AVAIL has been changed to the counter (2.8.1, 2.8.15). */
static inline bool is_available(unsigned flags, bool wrap)
{
	return (flags & (MEDIO_VIRTQ_AVAIL | MEDIO_VIRTQ_USED)) ==
	       (wrap ? MEDIO_VIRTQ_AVAIL : MEDIO_VIRTQ_USED);
}

static bool available_at(const struct medio_virtq *q, struct medio_virtq_place p, int order)
{
	return is_available(medio_virtq_get16(desc_at(q, p.at) + 14, order), p.wrap);
}

/* The table of the chain at p, if there is one. */
static inline void fetch_table(const struct medio_virtq *q, struct medio_virtq_place p)
{
	const unsigned flags = medio_virtq_get16(desc_at(q, p.at) + 14, __ATOMIC_ACQUIRE);

	if (flags & MEDIO_VIRTQ_INDIRECT && is_available(flags, p.wrap))
		medio_virtq_fetch_table(q, medio_virtq_get_desc(desc_at(q, p.at)).addr);
}

int medio_virtq_packed_pop(struct medio_virtq *q, struct medio_virtq_build *b)
{
	struct medio_virtq_packed *r = &q->packed_ring;
	struct medio_virtq_place p = r->avail;
	const unsigned room = q->size - r->out;
	unsigned flags = medio_virtq_get16(desc_at(q, p.at) + 14, __ATOMIC_ACQUIRE), n = 0, id;
	int ret;

	if (!is_available(flags, p.wrap)) {
		r->seen = p;
		q->saw_end = true;
		return 0;
	}
	for (;;) {
		const struct medio_virtq_desc d = medio_virtq_get_desc(desc_at(q, p.at));
		if (n++) {
			flags = d.b;
			if (__builtin_expect(!is_available(flags, p.wrap), 0))
				return medio_virtq_broke(q,
					"descriptor %u is part of a list and not available (2.8.6)",
					p.at);
		}
		if (__builtin_expect(n > room, 0))
			return medio_virtq_broke(q,
				"descriptor %u is made available, and was not free (2.8.16)", p.at);
		b->desc = p.at;
		if (flags & MEDIO_VIRTQ_INDIRECT) {
			if (flags & MEDIO_VIRTQ_NEXT || n > 1)
				return medio_virtq_broke(
					q, "descriptor %u has INDIRECT in a list (2.8.19)", p.at);
			ret = medio_virtq_build_table(b, d.addr, d.len);
		} else {
			b->descs++;
			ret = medio_virtq_build_add(b, d.addr, d.len, flags & MEDIO_VIRTQ_WRITE);
		}
		if (__builtin_expect(ret, 0))
			return ret;
		id = d.a; /* of the last one (2.8.6) */
		medio_virtq_packed_advance(q->size, &p, 1);
		if (!(flags & MEDIO_VIRTQ_NEXT))
			break;
	}
	if (__builtin_expect(id >= q->size, 0))
		return medio_virtq_broke(q, "buffer id %u, of %u (2.8.21.1)", id, q->size);
	if (__builtin_expect(q->busy[id], 0))
		return medio_virtq_broke(
			q, "buffer id %u is made available, and is in use (2.8.21.1)", id);
	ret = medio_virtq_build_end(b);
	if (__builtin_expect(ret, 0))
		return ret;
	b->slot->id = (uint16_t)id;
	b->slot->descs = (uint16_t)n;
	q->busy[id] = 1;
	q->saw_end = false;
	r->avail = p;
	r->out += n;
	fetch_table(q, p);
	return 1;
}

/*
 * One simple chain at the next place; of two descriptors if the first has NEXT. Flags are those by which it is
 * available.
 */
static inline __attribute__((always_inline)) unsigned read_simple(
	struct medio_virtq *q, struct medio_virtq_slot *slot, unsigned flags, unsigned *id)
{
	struct medio_virtq_place p = q->packed_ring.avail;
	struct medio_virtq_desc d[2] = { medio_virtq_get_desc(desc_at(q, p.at)) };
	const unsigned write = flags & MEDIO_VIRTQ_WRITE;

	if (__builtin_expect(!(flags & (MEDIO_VIRTQ_NEXT | MEDIO_VIRTQ_INDIRECT)), 1)) {
		*id = d[0].a;
		if (!medio_virtq_simple_add(q, slot, 0, &d[0], write))
			return 0;
		medio_virtq_simple_one(slot, &d[0], write);
		return 1;
	}
	/* With a table the next one is no part of it, and may be the driver's still. */
	if (flags & MEDIO_VIRTQ_INDIRECT)
		return 0;
	medio_virtq_packed_advance(q->size, &p, 1);
	d[1] = medio_virtq_get_desc(desc_at(q, p.at));
	*id = d[1].a;
	if (!is_available(d[1].b, p.wrap) || d[1].b & (MEDIO_VIRTQ_NEXT | MEDIO_VIRTQ_INDIRECT) ||
		!medio_virtq_simple_two(q, slot, d, write, d[1].b & MEDIO_VIRTQ_WRITE))
		return 0;
	return 2;
}

unsigned medio_virtq_packed_pop_simple(
	struct medio_virtq *q, struct medio_virtq_chain **chains, unsigned max, bool *more)
{
	struct medio_virtq_packed *r = &q->packed_ring;
	unsigned n = 0, id = 0;

	for (; n < max; n++) {
		const unsigned flags = medio_virtq_get16(
			desc_at(q, r->avail.at) + 14, __ATOMIC_ACQUIRE);
		if (!is_available(flags, r->avail.wrap)) {
			r->seen = r->avail;
			q->saw_end = true;
			return n;
		}
		struct medio_virtq_slot *slot = medio_virtq_slot_get(q);
		const unsigned descs = read_simple(q, slot, flags, &id);
		if (__builtin_expect(
			    !descs || r->out + descs > q->size || id >= q->size || q->busy[id],
			    0)) {
			medio_virtq_slot_put(q, slot);
			*more = true;
			return n;
		}
		medio_virtq_simple_end(q, slot, id, descs);
		medio_virtq_packed_advance(q->size, &r->avail, descs);
		r->out += descs;
		q->saw_end = false;
		chains[n] = &slot->chain;
	}
	return n;
}

void medio_virtq_packed_unpop(struct medio_virtq *q, const struct medio_virtq_slot *slot)
{
	struct medio_virtq_packed *r = &q->packed_ring;

	q->busy[slot->id] = 0;
	r->out -= slot->descs;
	/* Back is as far as on by the rest of the ring, one round less. */
	medio_virtq_packed_advance(q->size, &r->avail, q->size - slot->descs);
	r->avail.wrap = !r->avail.wrap;
}

bool medio_virtq_packed_is_empty(struct medio_virtq *q)
{
	return !available_at(q, q->packed_ring.avail, __ATOMIC_RELAXED);
}

/* Does what was used just now, n descriptors before r->used, hold the place that the driver waits
 * for? */
static bool passed(const struct medio_virtq *q, uint32_t event, unsigned n)
{
	const struct medio_virtq_packed *r = &q->packed_ring;
	const bool wrap = event >> 15 & 1;
	int at = (int)(event & 0x7fff) - (wrap == r->used.wrap ? 0 : (int)q->size);

	return at < (int)r->used.at && at >= (int)r->used.at - (int)n;
}

/* Does the driver want an interrupt for the n descriptors that were used last? */
static bool wants(const struct medio_virtq *q, unsigned n)
{
	const uint32_t event = le32toh(
		__atomic_load_n((const uint32_t *)(const void *)q->driver, __ATOMIC_RELAXED));
	const unsigned kind = event >> 16 & 3;

	if (kind == DISABLE)
		return false;
	/* What is reserved is taken for a wish: one interrupt too many does no harm. */
	return kind != DESC || !q->event_idx || passed(q, event, n);
}

bool medio_virtq_packed_is_awaited(const struct medio_virtq *q)
{
	return wants(q, q->packed_ring.fresh);
}

void medio_virtq_packed_show(struct medio_virtq *q)
{
	struct medio_virtq_packed *r = &q->packed_ring;

	medio_virtq_put16(desc_at(q, r->first) + 14, r->first_flags, __ATOMIC_RELEASE);
	r->out -= r->fresh;
	r->untold += r->fresh;
	r->fresh = 0;
	medio_virtq_dirty(q, q->setup.desc, (uint64_t)MEDIO_VIRTQ_DESC_BYTES * q->size);
}

bool medio_virtq_packed_tell(struct medio_virtq *q)
{
	const unsigned n = q->packed_ring.untold;

	q->packed_ring.untold = 0;
	/* The driver asks for interrupts and then looks at the ring; we do the reverse (2.8.10). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return wants(q, n);
}

static void put_event(struct medio_virtq *q, unsigned kind, struct medio_virtq_place p)
{
	medio_virtq_put32(q->device, kind << 16 | (uint32_t)p.wrap << 15 | p.at);
	medio_virtq_dirty(q, q->setup.device, 4);
}

void medio_virtq_packed_off(struct medio_virtq *q)
{
	put_event(q, DISABLE, (struct medio_virtq_place){ 0 });
}

/*
 * What the device left in the ring is no news, and no change of it will be: the place to wait for
 * is the first behind it.
 */
static void find_end(struct medio_virtq *q)
{
	struct medio_virtq_packed *r = &q->packed_ring;
	unsigned room = q->size - r->out;

	r->seen = r->avail;
	while (room-- && available_at(q, r->seen, __ATOMIC_RELAXED))
		medio_virtq_packed_advance(q->size, &r->seen, 1);
}

bool medio_virtq_packed_on(struct medio_virtq *q)
{
	struct medio_virtq_packed *r = &q->packed_ring;

	if (!q->saw_end)
		find_end(q);
	if (q->event_idx)
		put_event(q, DESC, r->seen);
	else
		put_event(q, ENABLE, (struct medio_virtq_place){ 0 });
	/* The wish is seen before we look (2.8.10). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	const bool more = available_at(q, r->seen, __ATOMIC_RELAXED);
	q->saw_end = !more;
	return more;
}
