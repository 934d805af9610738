/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accesses that wait in a filter before they go down: in the order in which they came, so that one which
 * need not wait itself waits for those before it.
 */
#ifndef MEDIO_FILTERS_WAIT_H
#define MEDIO_FILTERS_WAIT_H

#include <medio/filter.h>

struct wait_access;

/* Zeros are an empty one without a timer. */
struct wait_queue {
	struct medio_dev *dev;
	struct medio_timer *timer;
	struct wait_access *first, *last;
	struct wait_access *spare; /* one to use again, so that a steady client allocates nothing */
};

/* -ENOMEM. */
int wait_init(struct wait_queue *queue, struct medio_dev *dev);
/* What waits, waits for nobody: for the filter's fini(). */
void wait_fini(struct wait_queue *queue);

static inline bool wait_is_empty(const struct wait_queue *queue)
{
	return !queue->first;
}

/*
 * Let an access wait until due (medio_now_ns()), and those before it have gone. data: count bytes of a write,
 * which are copied; NULL: a read. MEDIO_DEFERRED, or -ENOMEM.
 */
int wait_add(struct wait_queue *queue, uint64_t due, unsigned region, uint64_t offset,
	const void *data, size_t count);
/* All go down now: what a client asked before it left still happens before it has left. */
void wait_flush(struct wait_queue *queue);

#endif
