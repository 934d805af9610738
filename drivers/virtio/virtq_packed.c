/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A packed ring (2.8): one ring of descriptors, which the driver makes available in order and the device
 * overwrites with used ones in the order it is done. Whose a descriptor is tell two bits, compared with
 * a counter that flips at the ring's end.
 */
#include "virtq_private.h"

#include <endian.h>
#include <stdatomic.h>
#include <stddef.h>

/* 2.8.13 */
struct desc {
	uint64_t iova;
	_Atomic uint32_t len; /* used: bytes written */
	_Atomic uint16_t id;  /* available: in the last of a chain */
	_Atomic uint16_t flags;
};

/*
 * Either side's event suppression (2.8.14), read and written as one: the position and, above it, its wrap
 * counter; in the upper half one of these (2.8.10).
 */
typedef _Atomic uint32_t event;
#define EVENT_FLAGS(word)    ((word) >> 16 & 3)
#define EVENT_POSITION(word) ((word)&0x7fff)
#define EVENT_WRAP(word)     ((word) >> 15 & 1)
#define EVENT_ENABLE	     0u
#define EVENT_DISABLE	     1u
#define EVENT_DESC	     2u /* at that position; only with EVENT_IDX */

_Static_assert(sizeof(struct desc) == VIRTQ_DESC_BYTES, "2.8.13");
_Static_assert(sizeof(event) == 4, "2.8.14");

static struct desc *descs_of(const struct virtq *vq)
{
	return (struct desc *)vq->mem;
}

static event *driver_event(const struct virtq *vq)
{
	return (event *)(vq->mem + vq->driver);
}

static const event *device_event(const struct virtq *vq)
{
	return (const event *)(vq->mem + vq->device);
}

static size_t event_bytes(unsigned size)
{
	return sizeof(event);
}

static void reset(struct virtq *vq)
{
	/* Both counters begin with 1 (2.8.1). */
	vq->packed = (struct virtq_packed){ .avail_wrap = true, .used_wrap = true };
}

/* n descriptors further, where the counter may flip. */
static void advance(const struct virtq *vq, uint16_t *at, bool *wrap, unsigned n)
{
	unsigned to = *at + n;

	if (to >= vq->size) {
		to -= vq->size;
		*wrap = !*wrap;
	}
	*at = (uint16_t)to;
}

/* Everything but the flags. */
static void fill(struct desc *desc, uint64_t iova, uint32_t len, unsigned id)
{
	desc->iova = htole64(iova);
	atomic_store_explicit(&desc->len, htole32(len), memory_order_relaxed);
	atomic_store_explicit(&desc->id, htole16((uint16_t)id), memory_order_relaxed);
}

static void set_flags(struct desc *desc, unsigned flags, memory_order order)
{
	atomic_store_explicit(&desc->flags, htole16((uint16_t)flags), order);
}

/* Put a descriptor into the ring. The batch's first keeps its old flags until it is shown: the device
 * looks no further than there. */
static void put(struct virtq *vq, uint64_t iova, uint32_t len, unsigned id, unsigned flags)
{
	struct virtq_packed *packed = &vq->packed;
	struct desc *desc = &descs_of(vq)[packed->avail];

	flags |= packed->avail_wrap ? VIRTQ_DESC_AVAIL : VIRTQ_DESC_USED;
	fill(desc, iova, len, id);
	if (packed->descs) {
		set_flags(desc, flags, memory_order_relaxed);
	} else {
		packed->first = packed->avail;
		packed->first_wrap = packed->avail_wrap;
		packed->first_flags = (uint16_t)flags;
	}
	packed->descs++;
	advance(vq, &packed->avail, &packed->avail_wrap, 1);
}

static unsigned add(
	struct virtq *vq, const struct virtq_seg *segs, unsigned out, unsigned n, bool table)
{
	unsigned id = vq->free;

	vq->free = vq->slots[id].next;
	if (table) {
		void *at;
		uint64_t iova = virtq_table(vq, id, &at);
		struct desc *row = at;
		/* In a table WRITE is the only flag, and there are no ids (2.8.7, 2.8.19). */
		for (unsigned i = 0; i < n; i++) {
			fill(&row[i], segs[i].iova, segs[i].len, 0);
			set_flags(&row[i], i < out ? 0 : VIRTQ_DESC_WRITE, memory_order_relaxed);
		}
		put(vq, iova, n * VIRTQ_DESC_BYTES, id, VIRTQ_DESC_INDIRECT);
	} else {
		for (unsigned i = 0; i < n; i++)
			put(vq, segs[i].iova, segs[i].len, id,
				(i < out ? 0 : VIRTQ_DESC_WRITE) |
					(i + 1 < n ? VIRTQ_DESC_NEXT : 0));
	}
	return id;
}

static bool publish(struct virtq *vq)
{
	struct virtq_packed *packed = &vq->packed;
	int size = (int)vq->size, now = packed->avail, old = now - (int)packed->descs;

	/* Release: the device that sees these flags sees the rest of the batch (2.8.21.1.1). */
	set_flags(&descs_of(vq)[packed->first], packed->first_flags, memory_order_release);
	packed->descs = 0;
	/* They are seen before we read whether the device wants to hear of it (2.8.21.3.1). */
	atomic_thread_fence(memory_order_seq_cst);
	uint32_t word = le32toh(atomic_load_explicit(device_event(vq), memory_order_relaxed));
	if (EVENT_FLAGS(word) == EVENT_DISABLE)
		return false;
	if (EVENT_FLAGS(word) != EVENT_DESC || !vq->event_idx)
		return true; /* what is reserved is taken as a wish: one notification too many harms nobody */
	/* Is that position among those just shown? One of the counter's other value is a round back. */
	int at = (int)EVENT_POSITION(word) - (EVENT_WRAP(word) != packed->avail_wrap ? size : 0);
	return at >= old && at < now;
}

static uint16_t notify_data(const struct virtq *vq)
{
	const struct virtq_packed *packed = &vq->packed;
	bool hidden = packed->descs > 0;

	return (uint16_t)((hidden ? packed->first : packed->avail) |
			  (hidden ? packed->first_wrap : packed->avail_wrap) << 15);
}

/* The flags of a used descriptor: both bits as the counter is (2.8.1). */
static bool is_used(const struct virtq *vq, unsigned flags)
{
	return !(flags & VIRTQ_DESC_AVAIL) != vq->packed.used_wrap &&
	       !(flags & VIRTQ_DESC_USED) != vq->packed.used_wrap;
}

static unsigned next_flags(const struct virtq *vq, memory_order order)
{
	return le16toh(atomic_load_explicit(&descs_of(vq)[vq->packed.used].flags, order));
}

static int peek(struct virtq *vq, uint32_t *id, uint32_t *len, bool *claim)
{
	struct desc *desc = &descs_of(vq)[vq->packed.used];
	/* Acquire: what the device wrote before these flags is seen. */
	unsigned flags = next_flags(vq, memory_order_acquire);

	if (!is_used(vq, flags))
		return 0;
	if (vq->pending == vq->hidden)
		return virtq_fail(vq, "the device marked descriptor %u as used, having no chains",
			vq->packed.used);
	*id = le16toh(atomic_load_explicit(&desc->id, memory_order_relaxed));
	*len = le32toh(atomic_load_explicit(&desc->len, memory_order_relaxed));
	/* Without WRITE the length means nothing (2.8.4). QEMU's devices never set it, though, and tell the
	 * length all the same: it is believed as far as it can be true. */
	*claim = flags & VIRTQ_DESC_WRITE;
	return 1;
}

static void release(struct virtq *vq, unsigned id)
{
	struct virtq_slot *slot = &vq->slots[id];

	/* One used descriptor stands for the whole chain (2.8.6). */
	advance(vq, &vq->packed.used, &vq->packed.used_wrap, slot->descs);
	slot->next = vq->free;
	vq->free = (uint16_t)id;
}

static bool ready(const struct virtq *vq)
{
	return is_used(vq, next_flags(vq, memory_order_relaxed));
}

static void set_irq(struct virtq *vq, bool want)
{
	uint32_t word = (want ? vq->event_idx ? EVENT_DESC : EVENT_ENABLE : EVENT_DISABLE) << 16;

	if (want && vq->event_idx)
		word |= vq->packed.used | (uint32_t)vq->packed.used_wrap << 15;
	atomic_store_explicit(driver_event(vq), htole32(word), memory_order_relaxed);
}

const struct virtq_format virtq_packed = {
	.driver_bytes = event_bytes,
	.device_bytes = event_bytes,
	.reset = reset,
	.add = add,
	.publish = publish,
	.notify_data = notify_data,
	.peek = peek,
	.release = release,
	.ready = ready,
	.set_irq = set_irq,
};
