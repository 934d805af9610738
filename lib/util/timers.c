/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/timers.h"

#include <stdlib.h>

struct medio_timer {
	struct medio_timers *timers;
	medio_timer_fn *fn;
	void *opaque;
	uint64_t due;
	size_t pos; /* place in the heap, 1-based; 0: not armed */
};

void medio_timers_fini(struct medio_timers *timers)
{
	free(timers->heap);
	timers->heap = NULL;
	timers->count = timers->cap = 0;
}

/*
 * Room in the heap is made for every timer when it is created, armed or not, so that arming cannot
 * fail: cap counts timers that exist.
 */
struct medio_timer *medio_timers_add(struct medio_timers *timers, medio_timer_fn *fn, void *opaque)
{
	struct medio_timer *timer = calloc(1, sizeof(*timer));
	struct medio_timer **heap = realloc(
		timers->heap, (timers->cap + 1) * sizeof(struct medio_timer *));
	if (heap)
		timers->heap = heap;
	if (!timer || !heap) {
		free(timer);
		return NULL;
	}
	timers->cap++;
	timer->timers = timers;
	timer->fn = fn;
	timer->opaque = opaque;
	return timer;
}

static void put(struct medio_timers *timers, size_t pos, struct medio_timer *timer)
{
	timers->heap[pos - 1] = timer;
	timer->pos = pos;
}

static void sift(struct medio_timers *timers, size_t pos, struct medio_timer *timer)
{
	while (pos > 1 && timers->heap[pos / 2 - 1]->due > timer->due) {
		put(timers, pos, timers->heap[pos / 2 - 1]);
		pos /= 2;
	}
	for (;;) {
		size_t child = pos * 2;
		if (child > timers->count)
			break;
		if (child < timers->count &&
			timers->heap[child]->due < timers->heap[child - 1]->due)
			child++;
		if (timers->heap[child - 1]->due >= timer->due)
			break;
		put(timers, pos, timers->heap[child - 1]);
		pos = child;
	}
	put(timers, pos, timer);
}

void medio_timer_arm(struct medio_timer *timer, uint64_t after_ns)
{
	struct medio_timers *timers = timer->timers;
	uint64_t now = medio_now_ns();
	timer->due = after_ns > UINT64_MAX - now ? UINT64_MAX : now + after_ns;
	if (!timer->pos)
		timer->pos = ++timers->count;
	sift(timers, timer->pos, timer);
	if (timers->changed)
		timers->changed(timers);
}

void medio_timer_disarm(struct medio_timer *timer)
{
	struct medio_timers *timers = timer->timers;
	size_t pos = timer->pos;
	if (!pos)
		return;
	timer->pos = 0;
	struct medio_timer *last = timers->heap[--timers->count];
	if (last != timer)
		sift(timers, pos, last);
	if (timers->changed)
		timers->changed(timers);
}

bool medio_timer_armed(const struct medio_timer *timer)
{
	return timer->pos != 0;
}

void medio_timer_free(struct medio_timer *timer)
{
	if (!timer)
		return;
	medio_timer_disarm(timer);
	timer->timers->cap--;
	free(timer);
}

uint64_t medio_timers_due(const struct medio_timers *timers)
{
	return timers->count ? timers->heap[0]->due : UINT64_MAX;
}

int64_t medio_timers_wait(const struct medio_timers *timers)
{
	if (!timers->count)
		return -1;
	uint64_t now = medio_now_ns();
	uint64_t due = timers->heap[0]->due;
	if (due <= now)
		return 0;
	return due - now > INT64_MAX ? INT64_MAX : (int64_t)(due - now);
}

int medio_timers_run(struct medio_timers *timers)
{
	if (!timers->count)
		return 0;
	/* Those armed from a callback are later than now, so this ends. */
	uint64_t now = medio_now_ns();
	int ran = 0;
	while (timers->count && timers->heap[0]->due <= now) {
		struct medio_timer *timer = timers->heap[0];
		medio_timer_disarm(timer);
		timer->fn(timer->opaque);
		ran++;
	}
	return ran;
}
