/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event loop: watches (fd readiness), timers (one-shot) and pollers, on one thread. The loop
 * itself (new, free, run, run_once, stop, set_poll, fd) is in <medio/serve.h>, what one does with a
 * watch or timer in <medio/device.h>.
 */
#ifndef MEDIO_UTIL_LOOP_H
#define MEDIO_UTIL_LOOP_H

#include <medio/device.h>

struct medio_loop;

/* Watch fd (not owned) for EPOLL* events, level-triggered. NULL with errno set on failure. Watch
 * and timer may be freed at any time on the loop's thread, also from their own callback. */
struct medio_watch *medio_loop_watch(
	struct medio_loop *loop, int fd, uint32_t events, medio_watch_fn *fn, void *opaque);

/* A disarmed one-shot timer on CLOCK_MONOTONIC. NULL on ENOMEM. */
struct medio_timer *medio_loop_timer(struct medio_loop *loop, medio_timer_fn *fn, void *opaque);
bool medio_timer_armed(const struct medio_timer *timer);

/*
 * A poller is asked over and over while the loop busy-polls (medio_loop_set_poll); it returns true
 * if it found work. It may free itself. It must have a watch too: without polling it is never asked.
 */
struct medio_poller;
typedef bool medio_poller_fn(void *opaque);
struct medio_poller *medio_loop_poller(struct medio_loop *loop, medio_poller_fn *fn, void *opaque);
void medio_poller_free(struct medio_poller *poller);
uint64_t medio_loop_poll(const struct medio_loop *loop);

/* Nanoseconds until the first timer is due, -1: none is armed. */
int64_t medio_loop_deadline(struct medio_loop *loop);

#endif
