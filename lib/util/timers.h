/* SPDX-License-Identifier: BSD-3-Clause */
/* One-shot timers in a binary heap, earliest first. Part of the loop. */
#ifndef MEDIO_UTIL_TIMERS_H
#define MEDIO_UTIL_TIMERS_H

#include <stddef.h>
#include <stdint.h>

#include "util/loop.h"

struct medio_timers {
	struct medio_timer **heap; /* armed ones */
	size_t count, cap;
	void (*changed)(
		struct medio_timers *timers); /* one was armed or disarmed; NULL: nobody asks */
};

void medio_timers_fini(struct medio_timers *timers);
struct medio_timer *medio_timers_add(struct medio_timers *timers, medio_timer_fn *fn, void *opaque);
/* When the first is due, as medio_now_ns() counts; UINT64_MAX if none is armed. */
uint64_t medio_timers_due(const struct medio_timers *timers);
/* Nanoseconds until the first is due, 0 if one is, -1 if none is armed. */
int64_t medio_timers_wait(const struct medio_timers *timers);
/* Run those that are due now; returns how many. */
int medio_timers_run(struct medio_timers *timers);

#endif
