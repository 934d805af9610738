/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thread that is traced for a moment: seized, asked to stop, waited for, let go. What ptrace(2) and waitid(2) leave to
 * the tracer is done here: a thread that ends meanwhile, whose tid another gets by exec(), and one that
 * stops late because it is deep in the kernel.
 *
 * Threads: the one that seized it.
 */
#ifndef MEDIO_COMPAT_TRACEE_H
#define MEDIO_COMPAT_TRACEE_H

#include <stdbool.h>
#include <sys/types.h>

struct medio_compat;

/* What /proc/TID/status says. */
struct medio_tracee_status {
	char state; /* R, S, D, T, t, Z, X */
	pid_t tgid, ppid, tracer;
};

/* -ESRCH: there is no such thread. */
int medio_tracee_status(pid_t tid, struct medio_tracee_status *out);

/* The thread of process tgid, or that shares its memory, which calls itself by this number: in a PID namespace within ours it has
 * another. 0: there is none. */
pid_t medio_tracee_find(pid_t tgid, pid_t number);

/* Trace it from now on; it runs on. -EPERM: somebody else does, or it is not ours to trace; -ESRCH; -EALREADY: we do
 * already; -ENOTSUP: it is a thread of the kernel's that works for the program. */
int medio_tracee_seize(pid_t tid);
/* Have it stop as soon as it leaves the kernel. */
void medio_tracee_interrupt(pid_t tid);
/*
 * Wait until it has stopped; *stop becomes what waitid(2) has in si_status: a signal, and an event << 8. -ESRCH: it is gone.
 * -EBUSY, unless patient: it sleeps in the kernel and does not leave it.
 */
int medio_tracee_wait(pid_t tid, bool patient, int *stop);
/* It still is where it was seen to stop: nothing has happened to it since, and its tid is nobody else's. */
bool medio_tracee_stands(pid_t tid);
/* Let a stopped one go, with a signal if that is not 0. -ESRCH: it has been killed; medio_tracee_release_later() does what is
 * left to do. */
int medio_tracee_detach(pid_t tid, int sig);
/* The same, as if it had never been stopped: what it slept in goes on. */
int medio_tracee_release(pid_t tid);
/* Let one of process tgid go that has been asked to stop and has not yet: as soon as it has, or has ended. compat NULL: wait for
 * that. */
void medio_tracee_release_later(struct medio_compat *compat, pid_t tid, pid_t tgid);
/* Of a process that was traced threads are gone: if one has called exec(), it is the first thread now, and to be let go. */
void medio_tracee_release_first(struct medio_compat *compat, pid_t tgid);
/* compat's end: the program has ended. */
void medio_tracees_forget(struct medio_compat *compat);

#endif
