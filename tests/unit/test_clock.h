/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A clock that stands until the test moves it, so that nothing depends on how long the machine takes. A program that
 * includes this is linked with --wrap=medio_now_ns: timers, polling and filters ask here. What waits for an event
 * does so for real, so a loop is run without waiting while the clock stands.
 */
#ifndef TEST_CLOCK_H
#define TEST_CLOCK_H

#include <stdint.h>

#include <medio/serve.h>

uint64_t __wrap_medio_now_ns(void);
uint64_t __real_medio_now_ns(void);

static uint64_t clock_stands_at; /* 0: it goes */

uint64_t __wrap_medio_now_ns(void)
{
	return clock_stands_at ? clock_stands_at : __real_medio_now_ns();
}

static inline void clock_stands(void)
{
	clock_stands_at = __real_medio_now_ns();
}

/* For what waits by itself until a timer is due. */
static inline void clock_goes(void)
{
	clock_stands_at = 0;
}

/* So much time passes at once. */
static inline void clock_passes(uint64_t ns)
{
	clock_stands_at += ns;
}

#endif
