/* SPDX-License-Identifier: BSD-3-Clause */
/* Slots of chains and their pieces; buffers that are not simple; tables of descriptors. */
#include "virtio/virtq_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Slots --------------------------------------------------------------------------------------- */

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

static size_t data_offset(void)
{
	return round_up(sizeof(struct medio_virtq_slot), 16);
}

int medio_virtq_slots_new(struct medio_virtq *q)
{
	/* One more than chains can be in flight: the one that is being read. */
	const unsigned size = q->size, n = size + 1;
	unsigned order = 1;

	assert(size && size <= MEDIO_VIRTIO_MAX_QUEUE_SIZE);
	while (order < n)
		order *= 2;
	q->stride = round_up(data_offset() + q->setup.request_size, 64);
	q->slots = aligned_alloc(64, q->stride * n);
	q->busy = calloc(size, sizeof(*q->busy));
	q->order = calloc(order, sizeof(*q->order));
	q->free = calloc(n, sizeof(*q->free));
	q->order_mask = order - 1;
	q->num_free = q->num_made = 0;
	q->popped = q->retired = 0;
	if (q->slots && q->busy && q->order && q->free)
		return 0;
	medio_virtq_slots_free(q);
	return -ENOMEM;
}

static void free_blocks(struct medio_virtq *q)
{
	for (unsigned kind = 0; kind < MEDIO_VIRTQ_BLOCK_KINDS; kind++) {
		struct medio_virtq_block *block;
		while ((block = q->blocks[kind])) {
			q->blocks[kind] = block->next;
			q->block_pieces -= MEDIO_VIRTQ_BLOCK_PIECES << kind;
			free(block);
		}
	}
}

void medio_virtq_slots_free(struct medio_virtq *q)
{
	for (unsigned i = 0; i < q->num_made; i++)
		medio_virtq_block_put(q, medio_virtq_slot(q, i));
	free_blocks(q);
	free(q->slots);
	free(q->busy);
	free(q->order);
	free(q->free);
	q->slots = q->busy = NULL;
	q->order = q->free = NULL;
	q->num_made = q->num_free = 0;
}

struct medio_virtq_slot *medio_virtq_slot_make(struct medio_virtq *q)
{
	struct medio_virtq_slot *slot = medio_virtq_slot(q, q->num_made);

	assert(q->num_made <= q->size);
	memset(slot, 0, sizeof(*slot));
	slot->number = (uint16_t)q->num_made++;
	slot->chain.queue = q;
	slot->chain.data = (uint8_t *)slot + data_offset();
	slot->iov = slot->own_iov;
	slot->iova = slot->own_iova;
	slot->cap = MEDIO_VIRTQ_OWN_PIECES;
	return slot;
}

/* ---- Pieces -------------------------------------------------------------------------------------- */

static void keep_block(struct medio_virtq *q, struct medio_virtq_block *block)
{
	block->next = q->blocks[block->kind];
	q->blocks[block->kind] = block;
}

void medio_virtq_block_put(struct medio_virtq *q, struct medio_virtq_slot *slot)
{
	if (!slot->block)
		return;
	keep_block(q, slot->block);
	slot->block = NULL;
	slot->iov = slot->own_iov;
	slot->iova = slot->own_iova;
	slot->cap = MEDIO_VIRTQ_OWN_PIECES;
}

/* A block of this kind, or NULL: chains in flight have them all, or there is no memory. */
static struct medio_virtq_block *block_get(struct medio_virtq *q, unsigned kind)
{
	const unsigned pieces = MEDIO_VIRTQ_BLOCK_PIECES << kind;
	struct medio_virtq_block *block = q->blocks[kind];

	if (block) {
		q->blocks[kind] = block->next;
		return block;
	}
	if (q->block_pieces + pieces > MEDIO_VIRTQ_BUDGET_PIECES)
		free_blocks(q); /* of other kinds, which nobody uses now */
	if (q->block_pieces + pieces > MEDIO_VIRTQ_BUDGET_PIECES)
		return NULL;
	block = malloc(sizeof(*block) + pieces * (sizeof(struct iovec) + sizeof(uint64_t)));
	if (!block)
		return NULL;
	block->kind = kind;
	q->block_pieces += pieces;
	return block;
}

static int grow(struct medio_virtq_build *b)
{
	struct medio_virtq *q = b->q;
	struct medio_virtq_slot *slot = b->slot;
	const unsigned kind = slot->block ? slot->block->kind + 1 : 0;

	if (kind == MEDIO_VIRTQ_BLOCK_KINDS)
		return medio_virtq_broke(q,
			"a chain in more than %u pieces of memory here, at "
			"descriptor %u",
			MEDIO_VIRTQ_MAX_PIECES, b->desc);
	struct medio_virtq_block *block = block_get(q, kind);
	if (!block) {
		/* One chain alone has always enough, unless the machine has no memory left. */
		if (!q->in_flight)
			return medio_virtq_broke(
				q, "no memory left for the chain of descriptor %u", b->desc);
		q->starved = true;
		return MEDIO_VIRTQ_WAIT;
	}
	const unsigned cap = MEDIO_VIRTQ_BLOCK_PIECES << kind;
	uint64_t *iova = (uint64_t *)(void *)(block->iov + cap);
	memcpy(block->iov, slot->iov, b->n * sizeof(*slot->iov));
	memcpy(iova, slot->iova, b->n * sizeof(*iova));
	if (slot->block)
		keep_block(q, slot->block);
	slot->block = block;
	slot->iov = block->iov;
	slot->iova = iova;
	slot->cap = cap;
	return 0;
}

static int add_piece(struct medio_virtq_build *b, void *at, uint64_t iova, size_t len)
{
	if (b->n == b->slot->cap) {
		int ret = grow(b);
		if (ret)
			return ret;
	}
	b->slot->iov[b->n] = (struct iovec){ at, len };
	b->slot->iova[b->n++] = iova;
	return 0;
}

/* ---- Buffers ------------------------------------------------------------------------------------- */

void *medio_virtq_translate_slow(
	struct medio_virtq *q, unsigned hint, uint64_t iova, size_t len, unsigned prot)
{
	for (unsigned i = 0; i < MEDIO_IOMMU_HITS; i++) {
		void *at = medio_iommu_hit_find(&q->domain->hits[i], iova, len, prot);
		if (at) {
			q->hints[hint] = (uint8_t)i;
			return at;
		}
	}
	q->hints[hint] = 0; /* where it will be */
	return medio_iommu_translate_simple(q->domain, iova, len, prot);
}

static const char *section(const struct medio_virtq_build *b, const char *split, const char *packed)
{
	return b->q->packed ? packed : split;
}

/* "descriptor 3", "entry 2 of descriptor 3's table" */
static const char *where(const struct medio_virtq_build *b, char buf[64])
{
	if (b->entry < 0)
		snprintf(buf, 64, "descriptor %u", b->desc);
	else
		snprintf(buf, 64, "entry %d of descriptor %u's table", b->entry, b->desc);
	return buf;
}

static int unreachable(
	const struct medio_virtq_build *b, const char *what, uint64_t iova, uint32_t len, int err)
{
	char buf[64];
	const char *why = err == -EACCES    ? "that the device may not reach so"
			  : err == -EREMOTE ? "that cannot be mapped here"
					    : "that is not mapped";

	/* Bus mastering went off meanwhile: later, if it comes back. */
	if (err == -ENODEV)
		return MEDIO_VIRTQ_WAIT;
	return medio_virtq_broke(b->q, "%s has %s of %u bytes at 0x%llx, memory %s (%s)",
		where(b, buf), what, len, (unsigned long long)iova, why,
		section(b, "2.7.5", "2.8.13"));
}

int medio_virtq_build_misplaced(struct medio_virtq_build *b)
{
	char buf[64];

	return medio_virtq_broke(b->q, "%s is to be read, behind one to be written (%s)",
		where(b, buf), section(b, "2.7.4.2", "2.8.17"));
}

int medio_virtq_build_too_long(struct medio_virtq_build *b)
{
	/* The limit itself cannot be told as a length written. The packed ring has no rule of its
	 * own. */
	return medio_virtq_broke(b->q,
		"a chain of %llu bytes at descriptor %u; it must be below 2^32 (2.7.5.2)",
		(unsigned long long)b->bytes, b->desc);
}

/* A buffer that is in several places here. */
static int add_pieces(struct medio_virtq_build *b, uint64_t iova, uint32_t len, unsigned prot)
{
	struct medio_iommu_iter iter;
	struct medio_iommu_run run;
	int ret = medio_iommu_iter_init(&iter, b->q->domain, iova, len, prot);

	while (ret == 0 && (ret = medio_iommu_iter_next(&iter, 0, &run)) > 0) {
		void *at = run.hva;
		ret = at ? 0 : -EREMOTE;
		if (at && !b->direct)
			at = medio_dma_get(b->q->dev, run.iova, run.len, prot, &ret);
		if (!at)
			break;
		if ((ret = add_piece(b, at, run.iova, run.len)))
			return ret;
		if (!iter.left)
			return 0;
	}
	return unreachable(b, "a buffer", iova, len, ret);
}

int medio_virtq_build_hard(struct medio_virtq_build *b, uint64_t iova, uint32_t len)
{
	const unsigned prot = b->write ? MEDIO_PROT_WRITE : MEDIO_PROT_READ;
	void *at = b->direct ? medio_iommu_translate_quick(b->q->domain, iova, len, prot) : NULL;
	int err = 0;

	if (at)
		return add_piece(b, at, iova, len);
	const uint64_t faults = medio_iommu_fault_total(b->q->domain);
	at = medio_dma_get(b->q->dev, iova, len, prot, &err);
	if (at)
		return add_piece(b, at, iova, len);
	if (err == -EFAULT && medio_iommu_fault_total(b->q->domain) == faults)
		return add_pieces(b, iova, len, prot);
	return unreachable(b, "a buffer", iova, len, err);
}

/* ---- Tables -------------------------------------------------------------------------------------- */

/* The memory of a table, or NULL: *err 0: entry by entry; MEDIO_VIRTQ_*. */
static const uint8_t *map_table(struct medio_virtq_build *b, uint64_t iova, uint32_t len, int *err)
{
	*err = 0;
	const uint8_t *at = b->direct ? medio_virtq_translate(b->q, MEDIO_VIRTQ_TABLES, iova, len,
						MEDIO_PROT_READ)
				      : NULL;
	if (at)
		return at;
	const uint64_t faults = medio_iommu_fault_total(b->q->domain);
	at = medio_dma_get(b->q->dev, iova, len, MEDIO_PROT_READ, err);
	if (!at && *err == -EFAULT && medio_iommu_fault_total(b->q->domain) == faults)
		*err = 0;
	else if (!at)
		*err = unreachable(b, "a table", iova, len, *err);
	return at;
}

/* Entry i of a table at `at`, or if that is NULL at iova, of len bytes. */
static int get_entry(struct medio_virtq_build *b, const uint8_t *at, uint64_t iova, uint32_t len,
	unsigned i, struct medio_virtq_desc *out)
{
	uint8_t copy[MEDIO_VIRTQ_DESC_BYTES];
	int ret = 0;

	if (at) {
		*out = medio_virtq_get_desc(at + MEDIO_VIRTQ_DESC_BYTES * i);
		return 0;
	}
	ret = medio_dma_read(
		b->q->dev, iova + (uint64_t)MEDIO_VIRTQ_DESC_BYTES * i, copy, sizeof(copy));
	if (ret)
		return unreachable(b, "a table", iova, len, ret);
	*out = medio_virtq_get_desc(copy);
	return 0;
}

/*
 * The usual table: the chain is all in it, of few entries in order and memory that is simple to find. False:
 * it is not that, or something is wrong with it, and nothing has changed; whoever finds out what reads it
 * anew and believes nothing of this.
 */
static inline __attribute__((always_inline)) bool add_table(
	struct medio_virtq_build *b, const uint8_t *table, unsigned count, const bool packed)
{
	struct medio_virtq *q = b->q;
	struct iovec *const iov = b->slot->iov;
	uint64_t *const iova = b->slot->iova;
	const unsigned most = b->slot->cap < q->size ? b->slot->cap : q->size;
	unsigned n = 0, i = 0, out = 0;
	unsigned write = 0, prot = MEDIO_PROT_READ;
	uint64_t bytes = 0, out_bytes = 0;
	bool more;

	if (!b->direct || b->descs || b->n || b->write)
		return false;
	do {
		const struct medio_virtq_desc d = medio_virtq_get_desc(
			table + MEDIO_VIRTQ_DESC_BYTES * i);
		const unsigned flags = packed ? d.b & MEDIO_VIRTQ_WRITE : d.a;
		const unsigned hint = n < MEDIO_VIRTQ_TABLES ? n : MEDIO_VIRTQ_TABLES - 1;
		/* This bounds loops too. */
		if (n == most || !d.len || flags & MEDIO_VIRTQ_INDIRECT)
			return false;
		if ((flags & MEDIO_VIRTQ_WRITE) != write) {
			if (write)
				return false;
			write = MEDIO_VIRTQ_WRITE;
			prot = MEDIO_PROT_WRITE;
			out = n;
			out_bytes = bytes;
		}
		void *at = medio_virtq_translate(q, hint, d.addr, d.len, prot);
		if (!at)
			return false;
		iov[n] = (struct iovec){ at, d.len };
		iova[n++] = d.addr;
		bytes += d.len;
		more = packed ? i + 1 < count : flags & MEDIO_VIRTQ_NEXT;
		i = packed ? i + 1 : d.b;
		if (more && i >= count)
			return false;
	} while (more);
	b->write = write;
	b->n = b->descs = n;
	b->out = out;
	b->bytes = bytes;
	b->out_bytes = out_bytes;
	return true;
}

int medio_virtq_build_table(struct medio_virtq_build *b, uint64_t iova, uint32_t len)
{
	struct medio_virtq *q = b->q;
	const unsigned count = len / MEDIO_VIRTQ_DESC_BYTES;
	struct medio_virtq_desc d = { 0 };
	char buf[64];
	int ret;

	if (!q->indirect)
		return medio_virtq_broke(q,
			"descriptor %u has INDIRECT, which was not negotiated (%s)", b->desc,
			section(b, "2.7.5.3.1", "2.8.19"));
	if (!len || len % MEDIO_VIRTQ_DESC_BYTES)
		return medio_virtq_broke(q,
			"descriptor %u has a table of %u bytes, not of entries of 16 (%s)", b->desc,
			len, section(b, "2.7.5.3", "2.8.7"));
	const uint8_t *table = map_table(b, iova, len, &ret);
	if (ret)
		return ret;
	q->counts.indirect++;
	if (table &&
		(q->packed ? add_table(b, table, count, true) : add_table(b, table, count, false)))
		return 0;
	for (unsigned i = 0;;) {
		b->entry = (int)i;
		if (__builtin_expect(++b->descs > q->size, 0) && b->descs > q->setup.longest)
			return medio_virtq_broke(q,
				"the chain in descriptor %u's table is longer than the queue of %u "
				"(%s)",
				b->desc, q->size > q->setup.longest ? q->size : q->setup.longest,
				section(b, "2.7.5.3.1", "2.8.17"));
		if ((ret = get_entry(b, table, iova, len, i, &d)))
			return ret;
		/* In packed tables WRITE alone has a meaning (2.8.7). */
		const unsigned flags = q->packed ? d.b & MEDIO_VIRTQ_WRITE : d.a;
		if (__builtin_expect(flags & MEDIO_VIRTQ_INDIRECT, 0))
			return medio_virtq_broke(
				q, "%s has INDIRECT again (2.7.5.3.1)", where(b, buf));
		ret = medio_virtq_build_add(b, d.addr, d.len, flags & MEDIO_VIRTQ_WRITE);
		if (__builtin_expect(ret, 0))
			return ret;
		if (q->packed ? i + 1 == count : !(flags & MEDIO_VIRTQ_NEXT))
			return 0;
		i = q->packed ? i + 1 : d.b;
		if (__builtin_expect(i >= count, 0))
			return medio_virtq_broke(
				q, "%s goes on at %u, of %u (2.7.5.3)", where(b, buf), i, count);
	}
}
