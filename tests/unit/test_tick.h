/* SPDX-License-Identifier: BSD-3-Clause */
/* A signal that comes again and again, so that none can come too early to be noticed. */
#ifndef TEST_TICK_H
#define TEST_TICK_H

#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

static inline void tick_came(int sig)
{
	(void)sig;
}

/* SIGALRM each 10 ms, which ends system calls, or no more. */
static inline void tick(int on)
{
	const struct sigaction action = { .sa_handler = on ? tick_came : SIG_IGN };
	const struct itimerval each = { { 0, on ? 10000 : 0 }, { 0, on ? 10000 : 0 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &each, NULL);
}

#endif
