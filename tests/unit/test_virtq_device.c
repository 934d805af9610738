/* SPDX-License-Identifier: BSD-3-Clause */
/* The device's side of a virtqueue, see the header. All that both sides touch is touched once. */
#include "test_virtq_device.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { NEXT = 1, WRITE = 2, INDIRECT = 4, AVAIL = 1 << 7, USED = 1 << 15 };
enum { ENABLE = 0, DISABLE = 1, DESC = 2 }; /* 2.8.10 */

#define DESC_BYTES 16u

/* ---- Words and memory -------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static int broke(struct vqd *q, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (!q->broken[0])
		vsnprintf(q->broken, sizeof(q->broken), fmt, args);
	va_end(args);
	return -EPROTO;
}

const char *vqd_broken(const struct vqd *q)
{
	return q->broken;
}

static uint16_t get16(const uint8_t *at, memory_order order)
{
	return le16toh(atomic_load_explicit((const _Atomic uint16_t *)at, order));
}

static void put16(uint8_t *at, uint16_t value, memory_order order)
{
	atomic_store_explicit((_Atomic uint16_t *)at, htole16(value), order);
}

static uint32_t get32(const uint8_t *at)
{
	return le32toh(atomic_load_explicit((const _Atomic uint32_t *)at, memory_order_relaxed));
}

static void put32(uint8_t *at, uint32_t value)
{
	atomic_store_explicit((_Atomic uint32_t *)at, htole32(value), memory_order_relaxed);
}

static struct vqd_desc desc_at(const uint8_t *at)
{
	struct vqd_desc desc;

	memcpy(&desc, at, sizeof(desc));
	return (struct vqd_desc){ le64toh(desc.iova), le32toh(desc.len), le16toh(desc.a),
		le16toh(desc.b) };
}

/* The areas of a split ring (2.7.6, 2.7.8). */
static uint8_t *avail_ring(const struct vqd *q, unsigned i)
{
	return q->driver + 4 + 2 * (i & (q->opts.size - 1));
}

static uint8_t *used_event(const struct vqd *q)
{
	return q->driver + 4 + 2 * q->opts.size;
}

static uint8_t *used_ring(const struct vqd *q, unsigned i)
{
	return q->device + 4 + 8 * (i & (q->opts.size - 1));
}

static uint8_t *avail_event(const struct vqd *q)
{
	return q->device + 4 + 8 * q->opts.size;
}

int vqd_init(struct vqd *q, const struct vqd_options *opts)
{
	size_t size = opts->size;
	bool packed = opts->packed;

	memset(q, 0, sizeof(*q));
	q->opts = *opts;
	if (!size || size > VQD_MAX_SIZE || (!packed && (size & (size - 1)))) {
		broke(q, "a queue of %zu descriptors", size);
		return -EINVAL;
	}
	/* 2.7, 2.8.10.1 */
	if (opts->desc % 16 || opts->driver % (packed ? 4 : 2) || opts->device % 4) {
		broke(q, "an area is not aligned");
		return -EINVAL;
	}
	q->desc = opts->at(opts->arg, opts->desc, DESC_BYTES * size);
	q->driver = opts->at(opts->arg, opts->driver, packed ? 4 : 6 + 2 * size);
	q->device = opts->at(opts->arg, opts->device, packed ? 4 : 6 + 8 * size);
	if (!q->desc || !q->driver || !q->device) {
		broke(q, "an area is not in memory");
		return -EINVAL;
	}
	q->wrap = q->used_wrap = true;
	return 0;
}

/* A chain without segments, of which there is much room. */
static void start(struct vqd_chain *out, unsigned id)
{
	memset(out, 0, offsetof(struct vqd_chain, segs));
	out->id = id;
}

/* ---- Chains ------------------------------------------------------------------------------------ */

/* One more segment: those to write come last, none is empty, all are in memory, 4 GiB in all. */
static int more(struct vqd *q, struct vqd_chain *out, const struct vqd_desc *desc, unsigned flags)
{
	unsigned n = out->out + out->in;
	uint64_t total = desc->len;

	if (n >= q->opts.size)
		return broke(q, "a chain of more segments than the queue has descriptors");
	if (n >= VQD_MAX_SEGS)
		return broke(q, "a chain of more than %u segments", VQD_MAX_SEGS);
	if (!(flags & WRITE) && out->in)
		return broke(q, "a segment to read after one to write");
	if (!desc->len)
		return broke(q, "an empty segment");
	for (unsigned i = 0; i < n; i++)
		total += out->segs[i].len;
	if (total > UINT64_C(1) << 32)
		return broke(q, "a chain of more than 4 GiB");
	struct vqd_seg seg = { desc->iova, desc->len, NULL };
	seg.ptr = q->opts.at(q->opts.arg, seg.iova, seg.len);
	if (!seg.ptr)
		return broke(q, "a segment at 0x%llx that is not in memory",
			(unsigned long long)seg.iova);
	out->segs[n] = seg;
	if (flags & WRITE) {
		out->in++;
		out->in_bytes += seg.len;
	} else {
		out->out++;
	}
	return 0;
}

static int table(struct vqd *q, struct vqd_chain *out, uint64_t iova, uint32_t len)
{
	if (!q->opts.indirect)
		return broke(q, "INDIRECT, which was not negotiated");
	if (!len || len % DESC_BYTES || iova % DESC_BYTES)
		return broke(q, "a table of %u bytes", len);
	unsigned count = len / DESC_BYTES, i = 0;
	const uint8_t *rows = q->opts.at(q->opts.arg, iova, len);
	if (!rows)
		return broke(q, "a table that is not in memory");
	out->table = iova;
	out->table_len = len;
	for (unsigned seen = 1;; seen++) {
		struct vqd_desc row = desc_at(rows + DESC_BYTES * i);
		unsigned flags = q->opts.packed ? row.b : row.a;
		if (flags & ~(unsigned)(WRITE | (q->opts.packed ? 0 : NEXT)))
			return broke(q, "flags 0x%x in a table", flags);
		if (more(q, out, &row, flags))
			return -EPROTO;
		if (q->opts.packed ? seen == count : !(flags & NEXT))
			return seen == count ? 0 : broke(q, "a table whose end is unused");
		i = q->opts.packed ? i + 1 : row.b;
		if (i >= count || seen == count)
			return broke(q, "a chain that leaves its table, or goes in circles");
	}
}

static int split_chain(struct vqd *q, unsigned id, struct vqd_chain *out)
{
	unsigned i = id;

	start(out, id);
	for (;;) {
		if (i >= q->opts.size)
			return broke(q, "descriptor %u of %u", i, q->opts.size);
		if (++out->descs > q->opts.size)
			return broke(q, "a chain that goes in circles");
		struct vqd_desc desc = desc_at(q->desc + DESC_BYTES * i);
		if (desc.a & ~(NEXT | WRITE | INDIRECT))
			return broke(q, "descriptor %u has flags 0x%x", i, desc.a);
		if (desc.a & INDIRECT)
			return desc.a & (NEXT | WRITE)
				       ? broke(q, "descriptor %u has INDIRECT with others", i)
				       : table(q, out, desc.iova, desc.len);
		if (more(q, out, &desc, desc.a))
			return -EPROTO;
		if (!(desc.a & NEXT))
			return 0;
		i = desc.b;
	}
}

/* The ring's descriptors of a chain become busy, or not. None may be so already. */
static int split_mark(struct vqd *q, const struct vqd_chain *chain, bool busy)
{
	unsigned i = chain->id;

	for (unsigned n = 0; n < chain->descs; n++) {
		if (busy && q->busy[i])
			return broke(q, "descriptor %u is in two chains", i);
		q->busy[i] = busy;
		i = desc_at(q->desc + DESC_BYTES * i).b;
	}
	return 0;
}

static int split_pop(struct vqd *q, struct vqd_chain *out)
{
	unsigned flags = get16(q->driver, memory_order_relaxed);
	uint16_t fresh = (uint16_t)(get16(q->driver + 2, memory_order_acquire) - q->avail);

	if (flags > 1 || (flags && q->opts.event_idx))
		return broke(q, "the available ring has flags 0x%x", flags);
	if (get16(q->device, memory_order_relaxed) != q->flags ||
		get16(q->device + 2, memory_order_relaxed) != q->used ||
		(q->opts.event_idx &&
			get16(avail_event(q), memory_order_relaxed) != q->avail_event))
		return broke(q, "the driver wrote to the used ring");
	if (fresh > q->opts.size - q->descs)
		return broke(q, "the available index is %u ahead, with %u descriptors busy of %u",
			fresh, q->descs, q->opts.size);
	if (!fresh)
		return 0;
	unsigned id = get16(avail_ring(q, q->avail), memory_order_relaxed);
	if (split_chain(q, id, out) || split_mark(q, out, true))
		return -EPROTO;
	q->avail++;
	return 1;
}

static bool ahead(struct vqd *q, unsigned *at, unsigned n)
{
	*at += n;
	if (*at < q->opts.size)
		return false;
	*at -= q->opts.size;
	return true;
}

static int packed_pop(struct vqd *q, struct vqd_chain *out)
{
	unsigned at = q->at, flags;
	bool wrap = q->wrap;

	if (get32(q->device) != q->event)
		return broke(q, "the driver wrote to the device area");
	start(out, 0);
	do {
		const uint8_t *desc = q->desc + DESC_BYTES * at;
		flags = get16(desc + 14, out->descs ? memory_order_relaxed : memory_order_acquire);
		unsigned owner = flags & (AVAIL | USED);
		if (!out->descs && flags == q->last[at])
			return 0;
		if (owner != (wrap ? AVAIL : USED))
			return broke(q, "descriptor %u has flags 0x%x, round %d", at, flags, wrap);
		if (flags & ~(unsigned)(NEXT | WRITE | INDIRECT | AVAIL | USED))
			return broke(q, "descriptor %u has flags 0x%x", at, flags);
		if (++out->descs > q->opts.size - q->descs)
			return broke(q, "descriptor %u was not free", at);
		struct vqd_desc copy = desc_at(desc);
		if (flags & INDIRECT) {
			if (flags & (NEXT | WRITE) || out->descs > 1)
				return broke(q, "descriptor %u has INDIRECT with others", at);
			if (table(q, out, copy.iova, copy.len))
				return -EPROTO;
		} else if (more(q, out, &copy, flags)) {
			return -EPROTO;
		}
		out->id = copy.a;
		q->last[at] = (uint16_t)flags;
		wrap ^= ahead(q, &at, 1);
	} while (flags & NEXT);
	q->at = at;
	q->wrap = wrap;
	return 1;
}

int vqd_pop(struct vqd *q, struct vqd_chain *out)
{
	if (q->broken[0])
		return -EPROTO;
	int ret = q->opts.packed ? packed_pop(q, out) : split_pop(q, out);
	if (ret <= 0)
		return ret;
	if (q->in_flight[out->id])
		return broke(q, "chain %u is under way already", out->id);
	q->in_flight[out->id] = true;
	q->popped++;
	q->descs += out->descs;
	return 1;
}

/* ---- Used chains ------------------------------------------------------------------------------- */

/* A chain that is under way stays as it was. In a packed ring others' used descriptors lie on it, so only
 * the table can be looked at. */
static int unchanged(struct vqd *q, const struct vqd_chain *chain)
{
	struct vqd_chain now;
	int ret = 0;

	start(&now, chain->id);
	if (!q->opts.packed)
		ret = split_chain(q, chain->id, &now);
	else if (chain->table_len)
		ret = table(q, &now, chain->table, chain->table_len);
	else
		return 0;
	bool same = !ret && now.out == chain->out && now.in == chain->in &&
		    now.table == chain->table;
	for (unsigned n = 0; same && n < now.out + now.in; n++)
		same = now.segs[n].iova == chain->segs[n].iova &&
		       now.segs[n].len == chain->segs[n].len;
	if (!same)
		return broke(q, "chain %u was changed while it was under way", chain->id);
	return 0;
}

int vqd_push(struct vqd *q, const struct vqd_chain *chain, uint32_t written)
{
	int ret = 0;

	if (chain->id < 65536 && q->in_flight[chain->id]) {
		ret = unchanged(q, chain);
		if (!q->opts.packed)
			split_mark(q, chain, false);
		q->in_flight[chain->id] = false;
		q->popped--;
		q->descs -= chain->descs;
	}
	if (!q->opts.packed) {
		uint8_t *elem = used_ring(q, q->used++);
		put32(elem, chain->id);
		put32(elem + 4, written);
		put16(q->device + 2, q->used, memory_order_release);
		q->fresh++;
		return ret;
	}
	uint8_t *desc = q->desc + DESC_BYTES * q->used_at;
	unsigned flags = (q->used_wrap ? AVAIL | USED : 0) | (written ? WRITE : 0);
	put32(desc + 8, written);
	put16(desc + 12, (uint16_t)chain->id, memory_order_relaxed);
	put16(desc + 14, (uint16_t)flags, memory_order_release);
	q->last[q->used_at] = (uint16_t)flags;
	q->used_wrap ^= ahead(q, &q->used_at, chain->descs);
	q->fresh += chain->descs;
	return ret;
}

static bool packed_irq_due(struct vqd *q, unsigned fresh)
{
	uint32_t word = get32(q->driver);
	unsigned kind = word >> 16, at = word & 0x7fff;

	if (kind > (q->opts.event_idx ? DESC : DISABLE) || (kind == DESC && at >= q->opts.size)) {
		broke(q, "the driver's event suppression is 0x%x", word);
		return true;
	}
	if (kind != DESC)
		return kind == ENABLE;
	int event = (int)at - ((word >> 15 & 1) != q->used_wrap ? (int)q->opts.size : 0);
	/* A position with its counter comes again after two rounds. */
	if (event >= (int)q->used_at)
		event -= 2 * (int)q->opts.size;
	return event >= (int)q->used_at - (int)fresh;
}

bool vqd_irq_due(struct vqd *q)
{
	unsigned fresh = q->fresh;

	q->fresh = 0;
	if (!fresh)
		return false;
	/* What was pushed is seen before we read whether the driver wants to hear of it. */
	atomic_thread_fence(memory_order_seq_cst);
	if (q->opts.packed)
		return packed_irq_due(q, fresh);
	if (!q->opts.event_idx)
		return !(get16(q->driver, memory_order_relaxed) & 1);
	uint16_t event = get16(used_event(q), memory_order_relaxed);
	return (uint16_t)(q->used - event - 1) < fresh;
}

bool vqd_want_kick(struct vqd *q, bool want)
{
	if (q->opts.packed) {
		q->event = (uint32_t)(want ? q->opts.event_idx ? DESC : ENABLE : DISABLE) << 16;
		if (want && q->opts.event_idx)
			q->event |= q->at | (uint32_t)q->wrap << 15;
		put32(q->device, q->event);
	} else if (q->opts.event_idx) {
		q->avail_event = want ? q->avail : (uint16_t)(q->avail - 1);
		put16(avail_event(q), q->avail_event, memory_order_relaxed);
	} else {
		q->flags = !want;
		put16(q->device, q->flags, memory_order_relaxed);
	}
	if (!want)
		return false;
	/* The wish is seen before we look. */
	atomic_thread_fence(memory_order_seq_cst);
	if (q->opts.packed)
		return get16(q->desc + DESC_BYTES * q->at + 14, memory_order_relaxed) !=
		       q->last[q->at];
	return get16(q->driver + 2, memory_order_relaxed) != q->avail;
}

/* ---- Bytes ------------------------------------------------------------------------------------- */

static size_t copy(
	const struct vqd_seg *segs, unsigned n, size_t from, void *get, const void *put, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		if (from >= segs[i].len) {
			from -= segs[i].len;
			continue;
		}
		size_t part = segs[i].len - from < len - done ? segs[i].len - from : len - done;
		if (get)
			memcpy((uint8_t *)get + done, segs[i].ptr + from, part);
		else
			memcpy(segs[i].ptr + from, (const uint8_t *)put + done, part);
		done += part;
		from = 0;
	}
	return done;
}

size_t vqd_read(const struct vqd_chain *chain, size_t from, void *buf, size_t len)
{
	return copy(chain->segs, chain->out, from, buf, NULL, len);
}

size_t vqd_write(const struct vqd_chain *chain, size_t from, const void *buf, size_t len)
{
	return copy(chain->segs + chain->out, chain->in, from, NULL, buf, len);
}
