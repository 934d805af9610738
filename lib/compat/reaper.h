/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads that are traced and die while their tracer waits for something else. A thread that calls exec() waits in the kernel
 * for all others of its process to be gone, which of one that is traced its tracer has to take note of; and it holds a
 * lock that the tracer needs to trace one thread more (Linux fs/exec.c, de_thread(); kernel/ptrace.c,
 * cred_guard_mutex). Each waits for the other then, unless the tracer takes note of the dead in a signal handler.
 *
 * Threads: the tracer, one in the process.
 */
#ifndef MEDIO_COMPAT_REAPER_H
#define MEDIO_COMPAT_REAPER_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct medio_reaper {
	bool on;
	sigset_t mask;
	struct sigaction action;
};

/* From now on tid is traced, and to be looked after; and no more. */
void medio_reaper_add(pid_t tid);
void medio_reaper_remove(pid_t tid);
/* Between these two the dead are taken note of as soon as they are. SIGCHLD that came meanwhile comes again behind. */
void medio_reaper_start(struct medio_reaper *reaper);
void medio_reaper_stop(const struct medio_reaper *reaper);

#endif
