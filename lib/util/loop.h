/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event loop: watches (fd readiness), timers (one-shot) and pollers, on one thread. The loop
 * itself is in <medio/serve.h>, what one does with a watch or timer in <medio/device.h>; here is
 * what only the library uses.
 */
#ifndef MEDIO_UTIL_LOOP_H
#define MEDIO_UTIL_LOOP_H

#include <medio/serve.h>

bool medio_timer_armed(const struct medio_timer *timer);

/*
 * A poller is asked over and over while the loop busy-polls (medio_loop_set_poll), or while it is awake
 * (medio_poller_set_awake), and then alone with others that are; it returns true if it found work. It
 * may free itself. One that is asleep must have a watch too: without polling it is never asked.
 */
struct medio_poller *medio_loop_poller(struct medio_loop *loop, medio_poller_fn *fn, void *opaque);

/*
 * A loop that another one runs, by watching medio_loop_fd() of it: pollers that are awake make no descriptor readable, so
 * outer asks them as it asks its own. NULL: no more, which is to be said before either loop is freed. -ENOMEM.
 */
int medio_loop_set_outer(struct medio_loop *loop, struct medio_loop *outer);

/*
 * Receiving is waiting too: an owner that can block in a receive saves the loop from asking epoll
 * first, one system call in three for a socket that asks and is answered. While a watch's fd has
 * been the only one with events for a while the loop calls wait instead. It blocks for at most
 * MEDIO_HOT_WAIT_MS, handles what comes and returns true; false at once if it must not block, or
 * nothing came. The loop's other fds are late by up to that and a clock tick; each time one is, it
 * takes eight times as long until this is tried again. Timers are never late.
 */
#define MEDIO_HOT_WAIT_MS 4
typedef bool medio_watch_wait_fn(void *opaque);
void medio_watch_set_wait(struct medio_watch *watch, medio_watch_wait_fn *wait);

/* Nanoseconds until the first timer is due, -1: none is armed. */
int64_t medio_loop_deadline(struct medio_loop *loop);

#endif
