/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls of another process's main thread, counted by stopping it at each: tenfold slower at least. */
#ifndef MEDIO_TOOLS_TRACER_H
#define MEDIO_TOOLS_TRACER_H

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

struct medio_tracer {
	pthread_t thread;
	pid_t pid;
	_Atomic uint64_t calls;
	_Atomic int ready; /* 1: it counts; below 0: -errno */
};

/* Count those of pid, a child of this process. -errno: it cannot, and pid is as it was. */
int medio_tracer_start(struct medio_tracer *t, pid_t pid);
uint64_t medio_tracer_calls(struct medio_tracer *t);
/* After pid was made to end: reaps the thread, and may reap pid. */
void medio_tracer_join(struct medio_tracer *t);

#endif
