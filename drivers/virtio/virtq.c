/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtqueue of either format: who has which chain. The descriptors are the formats' affair. */
#include "virtq_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096u

/* ---- Layout ------------------------------------------------------------------------------------ */

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* Fill in what the options decide; gives the bytes of the ring's memory, 0: out of range. */
static size_t lay_out(struct virtq *vq, const struct virtq_options *opts)
{
	const struct virtq_format *format = opts->packed ? &virtq_packed : &virtq_split;
	unsigned size = opts->size;

	if (!size || size > VIRTQ_MAX_SIZE || (!opts->packed && (size & (size - 1))))
		return 0;
	/* No chain is longer than the queue, in a table neither (2.7.5.3.1, 2.8.17); one segment needs
	 * no table. */
	unsigned indirect = opts->indirect < size ? opts->indirect : size;
	if (indirect < 2)
		indirect = 0;
	size_t driver = round_up((size_t)size * VIRTQ_DESC_BYTES, VIRTQ_LINE);
	size_t device = round_up(driver + format->driver_bytes(size), VIRTQ_LINE);
	size_t tables = round_up(device + format->device_bytes(size), VIRTQ_LINE);
	size_t each = (size_t)indirect * VIRTQ_DESC_BYTES;
	if (each && (SIZE_MAX - PAGE - tables) / each < size)
		return 0;
	*vq = (struct virtq){
		.format = format,
		.size = size,
		.event_idx = opts->event_idx,
		.indirect = indirect,
		.driver = driver,
		.device = device,
		.tables = tables,
	};
	return round_up(tables + size * each, PAGE);
}

size_t virtq_bytes(const struct virtq_options *opts)
{
	struct virtq vq;

	return lay_out(&vq, opts);
}

/* Empty. The tables may stay as they are: nothing points to them. */
static void clear(struct virtq *vq)
{
	memset(vq->mem, 0, vq->tables);
	memset(vq->slots, 0, vq->size * sizeof(*vq->slots));
	for (unsigned id = 0; id + 1 < vq->size; id++)
		vq->slots[id].next = (uint16_t)(id + 1);
	vq->free = 0;
	vq->num_free = vq->size;
	vq->pending = vq->hidden = 0;
	vq->broken = false;
	vq->words[0] = '\0';
	vq->format->reset(vq);
	vq->format->set_irq(vq, false);
}

int virtq_new(const struct virtq_options *opts, void *mem, uint64_t iova, struct virtq **out)
{
	struct virtq like;
	size_t bytes = lay_out(&like, opts);

	if (!bytes || !mem || (uintptr_t)mem % PAGE || iova % PAGE || iova > UINT64_MAX - bytes)
		return -EINVAL;
	struct virtq *vq = malloc(sizeof(*vq) + like.size * sizeof(*vq->slots));
	if (!vq)
		return -ENOMEM;
	*vq = like;
	vq->mem = mem;
	vq->iova = iova;
	clear(vq);
	*out = vq;
	return 0;
}

void virtq_free(struct virtq *vq)
{
	free(vq);
}

void virtq_get_places(const struct virtq *vq, struct virtq_places *out)
{
	*out = (struct virtq_places){
		.desc = vq->iova,
		.driver = vq->iova + vq->driver,
		.device = vq->iova + vq->device,
	};
}

uint64_t virtq_table(const struct virtq *vq, unsigned id, void **out)
{
	size_t at = vq->tables + (size_t)id * vq->indirect * VIRTQ_DESC_BYTES;

	*out = vq->mem + at;
	return vq->iova + at;
}

/* ---- What breaks it ---------------------------------------------------------------------------- */

int virtq_fail(struct virtq *vq, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(vq->words, sizeof(vq->words), fmt, args);
	va_end(args);
	vq->broken = true;
	return -EPROTO;
}

const char *virtq_words(const struct virtq *vq)
{
	return vq->words;
}

void virtq_reset(struct virtq *vq, void (*fn)(void *arg, void *tag), void *arg)
{
	for (unsigned id = 0; fn && id < vq->size; id++)
		if (vq->slots[id].tag)
			fn(arg, vq->slots[id].tag);
	clear(vq);
}

/* ---- Chains in --------------------------------------------------------------------------------- */

/* Descriptors of the ring that a chain of n segments takes. */
static unsigned descs_for(const struct virtq *vq, unsigned n)
{
	return n > 1 && n <= vq->indirect ? 1 : n;
}

int virtq_add(struct virtq *vq, const struct virtq_seg *segs, unsigned out, unsigned in, void *tag)
{
	uint64_t total = 0, room = 0;

	if (vq->broken)
		return -EPROTO;
	if (!tag || out > vq->size || in > vq->size - out || !(out + in))
		return -EINVAL;
	unsigned n = out + in;
	for (unsigned i = 0; i < n; i++) {
		if (!segs[i].len || segs[i].iova > UINT64_MAX - segs[i].len)
			return -EINVAL;
		total += segs[i].len;
		room += i < out ? 0 : segs[i].len;
	}
	if (total > UINT64_C(1) << 32) /* 2.7.5.2 */
		return -EINVAL;
	unsigned descs = descs_for(vq, n);
	if (vq->num_free < descs)
		return -EAGAIN;
	unsigned id = vq->format->add(vq, segs, out, n, descs < n);
	struct virtq_slot *slot = &vq->slots[id];
	slot->tag = tag;
	slot->room = room;
	slot->batch = vq->batch;
	slot->descs = (uint16_t)descs;
	vq->num_free -= descs;
	vq->pending++;
	vq->hidden++;
	return 0;
}

unsigned virtq_room(const struct virtq *vq, unsigned segs)
{
	return vq->broken || !segs || segs > vq->size ? 0 : vq->num_free / descs_for(vq, segs);
}

unsigned virtq_pending(const struct virtq *vq)
{
	return vq->pending;
}

bool virtq_publish(struct virtq *vq)
{
	if (vq->broken || !vq->hidden)
		return false;
	bool notify = vq->format->publish(vq);
	vq->hidden = 0;
	vq->batch++;
	return notify;
}

uint16_t virtq_notify_data(const struct virtq *vq)
{
	return vq->format->notify_data(vq);
}

/* ---- Chains out -------------------------------------------------------------------------------- */

int virtq_take(struct virtq *vq, struct virtq_done *done)
{
	uint32_t id = 0, len = 0;
	bool claim = true;

	if (vq->broken)
		return -EPROTO;
	int ret = vq->format->peek(vq, &id, &len, &claim);
	if (ret <= 0)
		return ret;
	if (id >= vq->size)
		return virtq_fail(vq, "the device used a chain %u of a queue of %u descriptors", id,
			vq->size);
	struct virtq_slot *slot = &vq->slots[id];
	if (!slot->tag || slot->batch == vq->batch)
		return virtq_fail(vq, "the device used chain %u, which it does not have", id);
	if (len > slot->room) {
		if (claim)
			return virtq_fail(vq,
				"the device says that it wrote %u bytes to chain %u, which has "
				"room for %llu",
				len, id, (unsigned long long)slot->room);
		len = 0;
	}
	*done = (struct virtq_done){ slot->tag, len };
	slot->tag = NULL;
	vq->num_free += slot->descs;
	vq->pending--;
	vq->format->release(vq, id);
	return 1;
}

bool virtq_ready(const struct virtq *vq)
{
	return vq->broken || vq->format->ready(vq);
}

bool virtq_want_irq(struct virtq *vq)
{
	if (vq->broken)
		return true;
	vq->format->set_irq(vq, true);
	/* The wish is seen before we look: or the device used a chain just before it, we see none, and
	 * nobody wakes us (2.7.14, 2.8.22). */
	atomic_thread_fence(memory_order_seq_cst);
	return vq->format->ready(vq);
}

void virtq_no_irq(struct virtq *vq)
{
	if (!vq->broken)
		vq->format->set_irq(vq, false);
}
