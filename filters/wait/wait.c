/* SPDX-License-Identifier: BSD-3-Clause */
#include "wait/wait.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct wait_access {
	struct wait_access *next;
	struct medio_token *token;
	uint64_t due, offset;
	size_t count, capacity; /* of data */
	unsigned region;
	bool write;
	uint8_t data[];
};

static struct wait_access *access_new(struct wait_queue *queue, size_t count)
{
	struct wait_access *a = queue->spare;

	if (a && a->capacity >= count) {
		queue->spare = NULL;
		return a;
	}
	size_t capacity = count < 256 ? 256 : count;
	a = malloc(sizeof(*a) + capacity);
	if (a)
		a->capacity = capacity;
	return a;
}

static void access_free(struct wait_queue *queue, struct wait_access *a)
{
	if (queue->spare && queue->spare->capacity >= a->capacity) {
		free(a);
		return;
	}
	free(queue->spare);
	queue->spare = a;
}

/* The oldest goes down. What it causes may be a new access, or the end of the client. */
static void run_first(struct wait_queue *queue)
{
	struct wait_access *a = queue->first;

	queue->first = a->next;
	if (!queue->first)
		queue->last = NULL;
	if (a->write)
		medio_next_complete_write(a->token, a->region, a->offset, a->data, a->count);
	else
		medio_next_complete_read(a->token, a->region, a->offset, a->data, a->count);
	access_free(queue, a);
}

static void on_timer(void *opaque)
{
	struct wait_queue *queue = opaque;
	uint64_t now = medio_now_ns();

	while (queue->first && queue->first->due <= now)
		run_first(queue);
	if (!queue->first)
		return;
	now = medio_now_ns();
	medio_timer_arm(queue->timer, queue->first->due > now ? queue->first->due - now : 0);
}

int wait_add(struct wait_queue *queue, uint64_t due, unsigned region, uint64_t offset,
	const void *data, size_t count)
{
	struct wait_access *a = access_new(queue, count);

	if (!a)
		return -ENOMEM;
	a->token = medio_defer(queue->dev);
	if (!a->token) {
		access_free(queue, a);
		return -ENOMEM;
	}
	a->next = NULL;
	a->due = due;
	if (queue->last && queue->last->due > due)
		a->due = queue->last->due;
	a->region = region;
	a->offset = offset;
	a->count = count;
	a->write = data != NULL;
	if (data)
		memcpy(a->data, data, count);
	if (queue->last) {
		queue->last->next = a;
	} else {
		uint64_t now = medio_now_ns();
		queue->first = a;
		medio_timer_arm(queue->timer, due > now ? due - now : 0);
	}
	queue->last = a;
	return MEDIO_DEFERRED;
}

void wait_flush(struct wait_queue *queue)
{
	while (queue->first)
		run_first(queue);
}

int wait_init(struct wait_queue *queue, struct medio_dev *dev)
{
	queue->dev = dev;
	queue->timer = medio_timer_new(dev, on_timer, queue);
	return queue->timer ? 0 : -ENOMEM;
}

/* The device below is gone. The library frees the tokens. */
void wait_fini(struct wait_queue *queue)
{
	struct wait_access *next;

	for (struct wait_access *a = queue->first; a; a = next) {
		next = a->next;
		free(a);
	}
	free(queue->spare);
	medio_timer_free(queue->timer);
}
