/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside a virtqueue of the device's side: what both formats share, and what each of them does.
 *
 *     virtq.c         life, areas, turns, quiet; the calls of <medio/virtio.h>
 *     virtq_split.c   2.7       virtq_packed.c   2.8
 *     virtq_chain.c   slots and pieces: buffers of a chain, checked and mapped
 *     virtq_burst.c   many chains at once
 *     notes.c         what is in flight, for another process
 *
 * Threads: the device's. The ring is shared with the driver, which runs at the same time: its
 * indices and flags are read and written with __atomic builtins, everything else in it is ordered
 * by those.
 */
#ifndef MEDIO_VIRTIO_VIRTQ_PRIVATE_H
#define MEDIO_VIRTIO_VIRTQ_PRIVATE_H

#include <endian.h>
#include <string.h>

#include "device/dma.h"
#include "iommu/iommu.h"
#include "virtio/virtq.h"

#define MEDIO_VIRTQ_DESC_BYTES 16u
/* Flags of descriptors (2.7.5, 2.8.1, 2.8.6, 2.8.7). */
#define MEDIO_VIRTQ_NEXT     1u
#define MEDIO_VIRTQ_WRITE    2u
#define MEDIO_VIRTQ_INDIRECT 4u
#define MEDIO_VIRTQ_AVAIL    (1u << 7)
#define MEDIO_VIRTQ_USED     (1u << 15)

/* Chains that one turn pops before others have theirs. */
#define MEDIO_VIRTQ_TURN 512u

/*
 * Pieces: a slot has place for some; a chain of more takes a block from the queue, of a power of
 * two of them. Blocks are made when they are first needed and then stay with the queue. A chain of
 * more than MEDIO_VIRTQ_MAX_PIECES is not served: buffers in so many places here are no driver's.
 */
#define MEDIO_VIRTQ_OWN_PIECES	 8u
#define MEDIO_VIRTQ_BLOCK_PIECES 32u /* of the smallest block */
#define MEDIO_VIRTQ_BLOCK_KINDS	 8u
#define MEDIO_VIRTQ_MAX_PIECES	 (MEDIO_VIRTQ_BLOCK_PIECES << (MEDIO_VIRTQ_BLOCK_KINDS - 1))
/* Of all blocks of a queue: 384 KiB. At least MEDIO_VIRTQ_MAX_PIECES, so that one chain can be
 * served. */
#define MEDIO_VIRTQ_BUDGET_PIECES 16384u

/* Chains of a driver look alike: the first buffer is a header, the last a status, what is between them data.
 * Which of the domain's hits had the memory of each the last time, for the first ones, and for tables. */
#define MEDIO_VIRTQ_HINTS  4u
#define MEDIO_VIRTQ_TABLES (MEDIO_VIRTQ_HINTS - 1)

struct medio_virtq_block {
	struct medio_virtq_block *next; /* among the free ones of its kind */
	unsigned kind;
	struct iovec iov[]; /* and behind them an iova for each */
};

/* One chain. */
struct medio_virtq_slot {
	struct medio_virtq_chain chain; /* first: what the device holds */
	uint16_t id;			/* split: of its first descriptor; packed: the buffer's */
	uint16_t descs;			/* that it takes in the ring */
	uint32_t written;		/* in order: until it is the turn of this chain */
	uint16_t number;		/* among the slots */
	uint16_t note;			/* with notes: where it stands there */
	bool again;			/* with notes: it stood there when the queue was started */
	bool in_flight;			/* popped and not pushed */
	unsigned cap;			/* pieces that there is place for */
	struct iovec *iov;
	uint64_t *iova;			 /* of each piece */
	struct medio_virtq_block *block; /* whose place that is; NULL: the slot's own */
	struct iovec own_iov[MEDIO_VIRTQ_OWN_PIECES];
	uint64_t own_iova[MEDIO_VIRTQ_OWN_PIECES];
	/* The device's data follows, aligned to 16. */
};

/* Free-running indices (2.7.6, 2.7.8). */
struct medio_virtq_split {
	uint16_t avail; /* the next to pop */
	uint16_t seen;	/* the driver's index when it was last read */
	uint16_t used;	/* the next to write */
	uint16_t shown; /* used as the driver knows it */
	uint16_t told;	/* used when the driver's wish for an interrupt was last asked for */
};

/* A position in the ring, with its wrap counter (2.8.1). */
struct medio_virtq_place {
	uint16_t at;
	bool wrap;
};

struct medio_virtq_packed {
	struct medio_virtq_place avail; /* the next to pop */
	struct medio_virtq_place seen;	/* not available when it was last read */
	struct medio_virtq_place used;	/* the next to write */
	unsigned out;			/* descriptors popped, and not shown as used */
	unsigned fresh;			/* used and not shown */
	unsigned untold;		/* shown since the driver's wish was last asked for */
	uint16_t first;			/* where the fresh ones begin */
	uint16_t first_flags;		/* written last: this shows them */
};

struct medio_virtq {
	/* There is nothing to pop whatever the ring says: not live, paused, broken, or areas are to
	 * be looked up. */
	bool closed;
	bool packed, event_idx, indirect, in_order;
	bool notify;			  /* notifications are asked for */
	bool saw_end;			  /* packed: seen is right since the turn's last look */
	enum medio_dma_way way;		  /* in a turn: how memory is reached */
	uint8_t hints[MEDIO_VIRTQ_HINTS]; /* for medio_virtq_translate() */
	unsigned size;
	unsigned in_flight; /* popped and not pushed */
	unsigned left;	    /* chains to pop in this turn */
	struct medio_dev *dev;
	struct medio_iommu *domain;
	uint8_t *desc, *driver, *device; /* the areas */
	struct medio_virtq_notes *notes; /* of what is in flight; NULL: none are kept */
	union {
		struct medio_virtq_split split;
		struct medio_virtq_packed packed_ring;
	};
	uint8_t *busy;	 /* by id: a chain of this id is in flight */
	uint16_t *order; /* slots in the order of pop(), a power of two of them */
	unsigned order_mask;
	unsigned popped;	     /* free-running index of order: the next */
	unsigned retired;	     /* in order: the first whose use is not written to the ring */
	uint16_t *free;		     /* slots that have been used and are free: a stack */
	unsigned num_free, num_made; /* those from num_made on have never been used */
	uint8_t *slots;		     /* size of them, stride bytes each */
	size_t stride;
	struct medio_virtq_counts counts;

	bool live, paused, broken, mapped;
	bool idle_due; /* idle() is to be called when the last chain is pushed */
	bool in_turn, limited;
	bool want;    /* kick() is wanted */
	bool wake;    /* the next turn runs kick() in any case */
	bool starved; /* pop() waits for blocks */
	unsigned index;
	const struct medio_virtq_owner *owner;
	void *opaque;
	struct medio_virtq_setup setup;
	struct medio_virtq_block *blocks[MEDIO_VIRTQ_BLOCK_KINDS]; /* free ones */
	unsigned block_pieces;					   /* of all, free or not */
};

/* ---- The ring's memory ------------------------------------------------------------------------- */

static inline uint16_t medio_virtq_get16(const uint8_t *at, int order)
{
	return le16toh(__atomic_load_n((const uint16_t *)(const void *)at, order));
}

static inline void medio_virtq_put16(uint8_t *at, uint16_t value, int order)
{
	__atomic_store_n((uint16_t *)(void *)at, htole16(value), order);
}

static inline void medio_virtq_put32(uint8_t *at, uint32_t value)
{
	__atomic_store_n((uint32_t *)(void *)at, htole32(value), __ATOMIC_RELAXED);
}

/* A descriptor of either format: split: flags, next; packed: id, flags. */
struct medio_virtq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t a, b;
};

/* Copied once: what is checked afterwards is what is used, whatever the driver writes meanwhile.
 * Tables may stand anywhere. */
static inline struct medio_virtq_desc medio_virtq_get_desc(const uint8_t *at)
{
	uint64_t addr, rest;

	memcpy(&addr, at, 8);
	memcpy(&rest, at + 8, 8);
	__asm__("" : "+r"(addr), "+r"(rest));
	rest = le64toh(rest);
	return (struct medio_virtq_desc){ le64toh(addr), (uint32_t)rest, (uint16_t)(rest >> 32),
		(uint16_t)(rest >> 48) };
}

/* The other processor has this line of the cache, and we want it soon: to read it, or all of it to write. It may be
 * any address. */
static inline void medio_virtq_fetch(const void *at, bool write)
{
#ifdef __x86_64__
	if (write) {
		__asm__ volatile("prefetchw %0" : : "m"(*(const char *)at));
		return;
	}
#endif
	if (write)
		__builtin_prefetch(at, 1);
	else
		__builtin_prefetch(at);
}

/* ---- Memory of chains -------------------------------------------------------------------------- */

/* As medio_iommu_translate_quick(), where the hint is wrong. */
void *medio_virtq_translate_slow(
	struct medio_virtq *q, unsigned hint, uint64_t iova, size_t len, unsigned prot);
static inline __attribute__((always_inline)) void *medio_virtq_translate(
	struct medio_virtq *q, unsigned hint, uint64_t iova, size_t len, unsigned prot)
{
	void *at = medio_iommu_hit_find(&q->domain->hits[q->hints[hint]], iova, len, prot);
	if (__builtin_expect(at != NULL, 1))
		return at;
	return medio_virtq_translate_slow(q, hint, iova, len, prot);
}

/* The table at iova is soon read: the driver wrote it, on another processor. It may not be there at all. */
static inline __attribute__((always_inline)) void medio_virtq_fetch_table(
	const struct medio_virtq *q, uint64_t iova)
{
	const void *at = medio_iommu_hit_find(
		&q->domain->hits[q->hints[MEDIO_VIRTQ_TABLES]], iova, 1, MEDIO_PROT_READ);
	if (at)
		__builtin_prefetch(at);
}

/* Written by us since, for a log of dirty pages. */
static inline void medio_virtq_dirty(struct medio_virtq *q, uint64_t iova, uint64_t len)
{
	medio_iommu_dirty(q->domain, iova, len);
}

/* ---- Chains (virtq_chain.c) ---------------------------------------------------------------------- */

static inline struct medio_virtq_slot *medio_virtq_slot(const struct medio_virtq *q, unsigned n)
{
	return (struct medio_virtq_slot *)(void *)(q->slots + n * q->stride);
}

int medio_virtq_slots_new(struct medio_virtq *q);
void medio_virtq_slots_free(struct medio_virtq *q);

/* A free slot; there is one for each chain that the ring can hold. */
struct medio_virtq_slot *medio_virtq_slot_make(struct medio_virtq *q);
static inline struct medio_virtq_slot *medio_virtq_slot_get(struct medio_virtq *q)
{
	if (__builtin_expect(q->num_free != 0, 1))
		return medio_virtq_slot(q, q->free[--q->num_free]);
	return medio_virtq_slot_make(q);
}
void medio_virtq_block_put(struct medio_virtq *q, struct medio_virtq_slot *slot);
static inline void medio_virtq_slot_put(struct medio_virtq *q, struct medio_virtq_slot *slot)
{
	if (__builtin_expect(slot->block != NULL, 0))
		medio_virtq_block_put(q, slot);
	q->free[q->num_free++] = slot->number;
}

/* A chain while it is read. */
struct medio_virtq_build {
	struct medio_virtq *q;
	struct medio_virtq_slot *slot;
	bool direct;
	bool write;	/* a buffer to be written was there */
	unsigned n;	/* pieces */
	unsigned out;	/* of these to read, once write is set */
	unsigned descs; /* descriptors, those of tables too */
	uint64_t bytes, out_bytes;
	/* For words: the descriptor, and of its table the entry, or -1. */
	unsigned desc;
	int entry;
};

/* Not 0 of the functions below: */
enum {
	MEDIO_VIRTQ_BROKE = -1, /* and the owner knows */
	MEDIO_VIRTQ_WAIT = -2,	/* for chains to be pushed, or memory to be reached */
};

/* As medio_virtq_build_add(), of what is not simple. */
int medio_virtq_build_hard(struct medio_virtq_build *b, uint64_t iova, uint32_t len);
int medio_virtq_build_misplaced(struct medio_virtq_build *b);

/* One more buffer (2.7.4.2, 2.7.5). None of its rules wants it to have a length. */
static inline __attribute__((always_inline)) int medio_virtq_build_add(
	struct medio_virtq_build *b, uint64_t iova, uint32_t len, bool write)
{
	const unsigned hint = b->n < MEDIO_VIRTQ_TABLES ? b->n : MEDIO_VIRTQ_TABLES - 1;
	void *at = NULL;

	if (write && !b->write) {
		b->write = true;
		b->out = b->n;
		b->out_bytes = b->bytes;
	} else if (__builtin_expect(b->write && !write, 0)) {
		return medio_virtq_build_misplaced(b);
	}
	b->bytes += len;
	if (__builtin_expect(!len, 0))
		return 0;
	if (__builtin_expect(b->direct, 1))
		at = medio_virtq_translate(
			b->q, hint, iova, len, write ? MEDIO_PROT_WRITE : MEDIO_PROT_READ);
	if (__builtin_expect(!at || b->n == b->slot->cap, 0))
		return medio_virtq_build_hard(b, iova, len);
	b->slot->iov[b->n] = (struct iovec){ at, len };
	b->slot->iova[b->n++] = iova;
	return 0;
}

/* The table that descriptor b->desc speaks of (2.7.5.3, 2.8.7). */
int medio_virtq_build_table(struct medio_virtq_build *b, uint64_t iova, uint32_t len);
/* A chain of 4 GiB or more. */
int medio_virtq_build_too_long(struct medio_virtq_build *b);

/* All descriptors are read: what the device sees of it. */
static inline __attribute__((always_inline)) int medio_virtq_build_end(struct medio_virtq_build *b)
{
	struct medio_virtq_slot *slot = b->slot;
	struct medio_virtq_chain *chain = &slot->chain;

	if (__builtin_expect(b->bytes >> 32 != 0, 0))
		return medio_virtq_build_too_long(b);
	if (!b->write) {
		b->out = b->n;
		b->out_bytes = b->bytes;
	}
	chain->out = slot->iov;
	chain->in = slot->iov + b->out;
	chain->num_out = b->out;
	chain->num_in = b->n - b->out;
	chain->out_bytes = b->out_bytes;
	chain->in_bytes = b->bytes - b->out_bytes;
	return 0;
}

/* ---- Simple chains ------------------------------------------------------------------------------- */

/*
 * A chain of one or two buffers that are simple to find, read into a slot without more ado. False of any of
 * these: it is not that, or something is wrong with it; whoever finds out what reads it anew, with
 * medio_virtq_pop(), and believes nothing of this.
 */
static inline __attribute__((always_inline)) bool medio_virtq_simple_add(struct medio_virtq *q,
	struct medio_virtq_slot *slot, unsigned n, const struct medio_virtq_desc *d, unsigned write)
{
	if (__builtin_expect(!d->len, 0))
		return false;
	char *at = medio_virtq_translate(
		q, n, d->addr, d->len, write ? MEDIO_PROT_WRITE : MEDIO_PROT_READ);
	if (__builtin_expect(!at, 0))
		return false;
	medio_virtq_fetch(at, write);
	medio_virtq_fetch(at + 64, write);
	slot->own_iov[n] = (struct iovec){ at, d->len };
	slot->own_iova[n] = d->addr;
	return true;
}

static inline __attribute__((always_inline)) void medio_virtq_simple_one(
	struct medio_virtq_slot *slot, const struct medio_virtq_desc *d, unsigned write)
{
	struct medio_virtq_chain *chain = &slot->chain;

	chain->out = slot->own_iov;
	chain->in = slot->own_iov + !write;
	chain->num_out = !write;
	chain->num_in = !!write;
	chain->out_bytes = write ? 0 : d->len;
	chain->in_bytes = write ? d->len : 0;
}

/* first and second: WRITE, of each. */
static inline __attribute__((always_inline)) bool medio_virtq_simple_two(struct medio_virtq *q,
	struct medio_virtq_slot *slot, const struct medio_virtq_desc d[2], unsigned first,
	unsigned second)
{
	struct medio_virtq_chain *chain = &slot->chain;
	const unsigned out = !first + !second;
	const uint64_t bytes = (uint64_t)d[0].len + d[1].len;

	if ((first && !second) || bytes >> 32 ||
		!medio_virtq_simple_add(q, slot, 0, &d[0], first) ||
		!medio_virtq_simple_add(q, slot, 1, &d[1], second))
		return false;
	chain->out = slot->own_iov;
	chain->in = slot->own_iov + out;
	chain->num_out = out;
	chain->num_in = 2 - out;
	chain->out_bytes = out == 2 ? bytes : out ? d[0].len : 0;
	chain->in_bytes = bytes - chain->out_bytes;
	return true;
}

/* It is in flight. */
static inline __attribute__((always_inline)) void medio_virtq_simple_end(
	struct medio_virtq *q, struct medio_virtq_slot *slot, unsigned id, unsigned descs)
{
	slot->id = (uint16_t)id;
	slot->descs = (uint16_t)descs;
	slot->in_flight = true;
	q->busy[id] = 1;
	q->order[q->popped++ & q->order_mask] = slot->number;
}

/* ---- Formats ------------------------------------------------------------------------------------- */

/*
 * pop: read the next chain into b: 1; 0: there is none; or MEDIO_VIRTQ_*, and nothing has changed.
 * The ring's indices have moved on then, and the chain's id is busy.
 * read (split): read the chain of a head into b. 0, or MEDIO_VIRTQ_*.
 * pop_simple: up to max simple chains, all or the first of those that are there: how many. more: the next is not
 * simple.
 * unpop: the chain goes back, being the last one popped.
 * use: write a chain, or in order n chains of which it is the last, of descs descriptors, as used.
 * show: let the driver see what was used.
 * tell: does the driver want an interrupt for what was shown since this was last asked?
 * is_awaited: to show what was used would interrupt the driver, as far as one can tell without.
 * is_empty: there is nothing to pop.
 * off, on: ask for no notifications, for some. True: something has come since that was last looked
 * at.
 */
int medio_virtq_split_pop(struct medio_virtq *q, struct medio_virtq_build *b);
unsigned medio_virtq_split_pop_simple(
	struct medio_virtq *q, struct medio_virtq_chain **chains, unsigned max, bool *more);
int medio_virtq_split_read(struct medio_virtq *q, struct medio_virtq_build *b, unsigned head);
void medio_virtq_split_unpop(struct medio_virtq *q, const struct medio_virtq_slot *slot);
void medio_virtq_split_show(struct medio_virtq *q);
bool medio_virtq_split_tell(struct medio_virtq *q);
bool medio_virtq_split_is_awaited(const struct medio_virtq *q);
bool medio_virtq_split_is_empty(struct medio_virtq *q);
void medio_virtq_split_off(struct medio_virtq *q);
bool medio_virtq_split_on(struct medio_virtq *q);

int medio_virtq_packed_pop(struct medio_virtq *q, struct medio_virtq_build *b);
unsigned medio_virtq_packed_pop_simple(
	struct medio_virtq *q, struct medio_virtq_chain **chains, unsigned max, bool *more);
void medio_virtq_packed_unpop(struct medio_virtq *q, const struct medio_virtq_slot *slot);
void medio_virtq_packed_show(struct medio_virtq *q);
bool medio_virtq_packed_tell(struct medio_virtq *q);
bool medio_virtq_packed_is_awaited(const struct medio_virtq *q);
bool medio_virtq_packed_is_empty(struct medio_virtq *q);
void medio_virtq_packed_off(struct medio_virtq *q);
bool medio_virtq_packed_on(struct medio_virtq *q);

static inline void medio_virtq_split_use(
	struct medio_virtq *q, uint16_t id, unsigned n, uint32_t written)
{
	uint8_t *elem = q->device + 4 + 8 * (q->split.used & (q->size - 1));

	medio_virtq_put32(elem, id);
	medio_virtq_put32(elem + 4, written);
	q->split.used = (uint16_t)(q->split.used + n);
}

/* n descriptors further in a ring of size. */
static inline void medio_virtq_packed_advance(
	unsigned size, struct medio_virtq_place *p, unsigned n)
{
	unsigned at = p->at + n;

	if (at >= size) {
		at -= size;
		p->wrap = !p->wrap;
	}
	p->at = (uint16_t)at;
}

/* Of a used descriptor. */
static inline uint16_t medio_virtq_packed_flags(bool wrap, uint32_t written)
{
	return (uint16_t)((wrap ? MEDIO_VIRTQ_AVAIL | MEDIO_VIRTQ_USED : 0) |
			  (written ? MEDIO_VIRTQ_WRITE : 0));
}

static inline void medio_virtq_packed_use(
	struct medio_virtq *q, uint16_t id, unsigned descs, uint32_t written)
{
	struct medio_virtq_packed *r = &q->packed_ring;
	uint8_t *d = q->desc + MEDIO_VIRTQ_DESC_BYTES * r->used.at;
	const uint16_t flags = medio_virtq_packed_flags(r->used.wrap, written);

	medio_virtq_put32(d + 8, written);
	medio_virtq_put16(d + 12, id, __ATOMIC_RELAXED);
	/* The driver looks at the first one alone until that is used (2.8.2). */
	if (r->fresh) {
		medio_virtq_put16(d + 14, flags, __ATOMIC_RELAXED);
	} else {
		r->first = r->used.at;
		r->first_flags = flags;
	}
	medio_virtq_packed_advance(q->size, &r->used, descs);
	r->fresh += descs;
}

/* ---- virtq.c --------------------------------------------------------------------------------------- */

/* May chains be popped now, and how is memory reached? MEDIO_DMA_OFF: they may not. */
enum medio_dma_way medio_virtq_may_pop(struct medio_virtq *q);
/* May the ring be touched? */
bool medio_virtq_usable_hard(struct medio_virtq *q);
static inline bool medio_virtq_usable(struct medio_virtq *q)
{
	return __builtin_expect(q->mapped && !q->broken, 1) || medio_virtq_usable_hard(q);
}

/* The driver broke a rule: gives MEDIO_VIRTQ_BROKE. */
int medio_virtq_broke(struct medio_virtq *q, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
