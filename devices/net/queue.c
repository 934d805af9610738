/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A ring of records, each in one piece: a header, the frame. One that does not fit before the end goes
 * to the start, and the header that would have been there says so.
 */
#include "queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"

#define AROUND UINT32_MAX

struct record {
	uint32_t bytes; /* of the frame; AROUND: the next record is at the start */
	struct virtio_net_hdr_v1 hdr;
};

static size_t space_of(size_t bytes)
{
	return (sizeof(struct record) + bytes + 7) & ~(size_t)7;
}

int net_queue_init(struct net_queue *queue)
{
	*queue = (struct net_queue){ .bytes = malloc(NET_QUEUE_BYTES) };
	return queue->bytes ? 0 : -ENOMEM;
}

void net_queue_fini(struct net_queue *queue)
{
	free(queue->bytes);
	*queue = (struct net_queue){ 0 };
}

/* Where a record of `space` bytes can go, or -1. tail == head means empty, so they never meet. */
static ssize_t find_place(const struct net_queue *queue, size_t space)
{
	if (queue->tail < queue->head)
		return queue->head - queue->tail > space ? (ssize_t)queue->tail : -1;
	if (NET_QUEUE_BYTES - queue->tail > space + sizeof(struct record))
		return (ssize_t)queue->tail;
	return queue->head > space ? 0 : -1;
}

bool net_queue_put(struct net_queue *queue, const struct net_frame *frame)
{
	struct record record = { .bytes = (uint32_t)frame->bytes, .hdr = frame->hdr };
	size_t space = space_of(frame->bytes);

	if (!queue->bytes)
		return false;
	if (!queue->count)
		queue->head = queue->tail = 0;
	ssize_t at = find_place(queue, space);
	if (at < 0)
		return false;
	if ((size_t)at != queue->tail) {
		const struct record around = { .bytes = AROUND };

		memcpy(queue->bytes + queue->tail, &around, sizeof(around));
	}
	memcpy(queue->bytes + at, &record, sizeof(record));
	frame_copy(frame, 0, queue->bytes + at + sizeof(record), frame->bytes);
	queue->tail = (size_t)at + space;
	queue->count++;
	return true;
}

static size_t first(const struct net_queue *queue, struct record *record)
{
	size_t at = queue->head;

	memcpy(record, queue->bytes + at, sizeof(*record));
	if (record->bytes == AROUND) {
		at = 0;
		memcpy(record, queue->bytes, sizeof(*record));
	}
	return at;
}

bool net_queue_peek(const struct net_queue *queue, struct net_frame *frame, struct iovec *iov)
{
	struct record record;

	if (!queue->count)
		return false;
	size_t at = first(queue, &record);
	frame_plain(frame, iov, queue->bytes + at + sizeof(record), record.bytes);
	frame->hdr = record.hdr;
	return true;
}

void net_queue_drop(struct net_queue *queue)
{
	struct record record;

	if (!queue->count)
		return;
	queue->head = first(queue, &record) + space_of(record.bytes);
	queue->count--;
}
