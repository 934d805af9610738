/* SPDX-License-Identifier: BSD-3-Clause */
/* A split ring (2.7): a table of descriptors, a ring of what is available, a ring of what is used. */
#include "virtq_private.h"

#include <endian.h>
#include <stdatomic.h>
#include <stddef.h>

/* 2.7.5 */
struct desc {
	uint64_t iova;
	uint32_t len;
	uint16_t flags;
	uint16_t next; /* if flags has NEXT */
};

/* The driver area (2.7.6). After ring comes used_event, which an interrupt waits for (2.7.7). */
struct avail {
	_Atomic uint16_t flags; /* 1: no interrupts; 0 with EVENT_IDX */
	_Atomic uint16_t idx;
	_Atomic uint16_t ring[];
};

struct used_elem {
	_Atomic uint32_t id; /* the first descriptor of a chain */
	_Atomic uint32_t len;
};

/* The device area (2.7.8). After ring comes avail_event, which a notification waits for (2.7.10). */
struct used {
	_Atomic uint16_t flags; /* 1: no notifications */
	_Atomic uint16_t idx;
	struct used_elem ring[];
};

_Static_assert(sizeof(struct desc) == VIRTQ_DESC_BYTES, "2.7.5");
_Static_assert(sizeof(struct used_elem) == 8 && sizeof(_Atomic uint16_t) == 2, "2.7.8");

#define NO_INTERRUPT 1u
#define NO_NOTIFY    1u

static struct desc *descs_of(const struct virtq *vq)
{
	return (struct desc *)vq->mem;
}

static struct avail *avail_of(const struct virtq *vq)
{
	return (struct avail *)(vq->mem + vq->driver);
}

static struct used *used_of(const struct virtq *vq)
{
	return (struct used *)(vq->mem + vq->device);
}

static uint16_t get16(const _Atomic uint16_t *from, memory_order order)
{
	return le16toh(atomic_load_explicit(from, order));
}

static void put16(_Atomic uint16_t *to, uint16_t value, memory_order order)
{
	atomic_store_explicit(to, htole16(value), order);
}

static size_t driver_bytes(unsigned size)
{
	return sizeof(struct avail) + ((size_t)size + 1) * sizeof(uint16_t);
}

static size_t device_bytes(unsigned size)
{
	return sizeof(struct used) + size * sizeof(struct used_elem) + sizeof(uint16_t);
}

static void reset(struct virtq *vq)
{
	vq->split = (struct virtq_split){ 0 };
}

static struct desc describe(const struct virtq_seg *seg, unsigned flags, unsigned next)
{
	return (struct desc){ htole64(seg->iova), htole32(seg->len), htole16((uint16_t)flags),
		htole16((uint16_t)next) };
}

static unsigned add(
	struct virtq *vq, const struct virtq_seg *segs, unsigned out, unsigned n, bool table)
{
	struct virtq_split *split = &vq->split;
	struct desc *descs = descs_of(vq);
	unsigned id = vq->free, last = id;

	if (table) {
		void *at;
		uint64_t iova = virtq_table(vq, id, &at);
		struct desc *row = at;
		/* 2.7.5.3: the first of the table is the chain's first. */
		for (unsigned i = 0; i < n; i++)
			row[i] = describe(&segs[i],
				(i < out ? 0 : VIRTQ_DESC_WRITE) |
					(i + 1 < n ? VIRTQ_DESC_NEXT : 0),
				i + 1 < n ? i + 1 : 0);
		descs[id] = describe(
			&(struct virtq_seg){ iova, n * VIRTQ_DESC_BYTES }, VIRTQ_DESC_INDIRECT, 0);
	} else {
		unsigned at = id;
		for (unsigned i = 0; i < n; i++) {
			bool more = i + 1 < n;
			last = at;
			at = vq->slots[at].next;
			descs[last] = describe(&segs[i],
				(i < out ? 0 : VIRTQ_DESC_WRITE) | (more ? VIRTQ_DESC_NEXT : 0),
				more ? at : 0);
		}
	}
	vq->free = vq->slots[last].next;
	vq->slots[id].last = (uint16_t)last;
	atomic_store_explicit(&avail_of(vq)->ring[split->avail & (vq->size - 1)],
		htole16((uint16_t)id), memory_order_relaxed);
	split->avail++;
	return id;
}

static bool publish(struct virtq *vq)
{
	struct used *used = used_of(vq);
	uint16_t old = vq->split.shown, now = vq->split.avail;

	/* Release: the device that sees the index sees the descriptors (2.7.13.3.1). */
	put16(&avail_of(vq)->idx, now, memory_order_release);
	vq->split.shown = now;
	/* The index is seen before we read whether the device wants to hear of it, or it could go to
	 * sleep between the two (2.7.13.4.1). */
	atomic_thread_fence(memory_order_seq_cst);
	if (!vq->event_idx)
		return !(get16(&used->flags, memory_order_relaxed) & NO_NOTIFY);
	_Atomic uint16_t *avail_event = (_Atomic uint16_t *)&used->ring[vq->size];
	uint16_t event = get16(avail_event, memory_order_relaxed);
	/* Is it one of the entries that were just shown? All modulo 65536. */
	return (uint16_t)(event - old) < (uint16_t)(now - old);
}

static uint16_t notify_data(const struct virtq *vq)
{
	return vq->split.shown;
}

static int peek(struct virtq *vq, uint32_t *id, uint32_t *len, bool *claim)
{
	struct virtq_split *split = &vq->split;

	*claim = true;
	if (split->used == split->used_seen) {
		/* Acquire: what the device wrote before it moved its index is seen. */
		uint16_t seen = get16(&used_of(vq)->idx, memory_order_acquire);
		uint16_t fresh = (uint16_t)(seen - split->used);
		if (!fresh)
			return 0;
		if (fresh > vq->pending - vq->hidden)
			return virtq_fail(vq,
				"the device moved its used index by %u, from %u to %u, having %u "
				"chains",
				fresh, split->used, seen, vq->pending - vq->hidden);
		split->used_seen = seen;
	}
	struct used_elem *elem = &used_of(vq)->ring[split->used & (vq->size - 1)];
	*id = le32toh(atomic_load_explicit(&elem->id, memory_order_relaxed));
	*len = le32toh(atomic_load_explicit(&elem->len, memory_order_relaxed));
	return 1;
}

static void release(struct virtq *vq, unsigned id)
{
	vq->slots[vq->slots[id].last].next = vq->free;
	vq->free = (uint16_t)id;
	vq->split.used++;
}

static bool ready(const struct virtq *vq)
{
	return vq->split.used != vq->split.used_seen ||
	       vq->split.used != get16(&used_of(vq)->idx, memory_order_relaxed);
}

static void set_irq(struct virtq *vq, bool want)
{
	struct avail *avail = avail_of(vq);

	if (!vq->event_idx) {
		put16(&avail->flags, want ? 0 : NO_INTERRUPT, memory_order_relaxed);
		return;
	}
	/* An interrupt comes with the chain that goes to used_event; the one before the next is as far
	 * off as can be. The flags stay 0 (2.7.7.1). */
	put16(&avail->ring[vq->size], (uint16_t)(want ? vq->split.used : vq->split.used - 1),
		memory_order_relaxed);
}

const struct virtq_format virtq_split = {
	.driver_bytes = driver_bytes,
	.device_bytes = device_bytes,
	.reset = reset,
	.add = add,
	.publish = publish,
	.notify_data = notify_data,
	.peek = peek,
	.release = release,
	.ready = ready,
	.set_irq = set_irq,
};
