/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thread of the program's that stands still at the end of a caught system call, for what can be done in its address
 * space only: to map memory there. It is stopped with ptrace for that moment (PTRACE_SEIZE, PTRACE_INTERRUPT), makes
 * system calls for us, and goes on with the call's answer. All other threads of the process can be made to stand
 * still as well, so that memory can be copied that they write.
 *
 * While it is held the call's read, write, take_fd and find work; give and swap do until the thread is made to do something
 * (medio_hold_syscall(), medio_hold_others(), medio_hold_regs()), so that what a program is given it is given after it is
 * known that it can be held. Answering the call lets it go.
 *
 * Who cannot be held: a program that somebody else traces (a debugger), and one on a machine that this has not been
 * written for (anything but x86-64): -EPERM, -ENOSYS.
 *
 * Calls of other threads that a signal, but for us, would have ended (epoll_wait and its like) go on as if nothing
 * had been.
 */
#ifndef MEDIO_COMPAT_HOLD_H
#define MEDIO_COMPAT_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "compat/call.h"

struct medio_hold;
struct user_regs_struct;

/* Hold the thread that makes this call; again, if it is held already. -EPERM, -ENOSYS, -ESRCH: as said above, or it is
 * gone; the call can then still be answered. */
int medio_hold_thread(struct medio_call *call, struct medio_hold **out);
/* All other threads of its process as well. -EPERM: one of them cannot be; then none of them is. -ESRCH. */
int medio_hold_others(struct medio_hold *hold);
/* Let them go on again; the thread itself stays. */
void medio_hold_let_others(struct medio_hold *hold);
/*
 * Have it make a system call: 0 and what that returned, which may be -errno. -ESRCH: it is gone. Signals wait meanwhile.
 * The filter sees such a call too. mmap() is marked for it to let through: MEDIO_HOLD_MARK in the upper half of
 * the argument fd, which the kernel does not look at.
 */
int medio_hold_syscall(struct medio_hold *hold, unsigned nr, const uint64_t args[6], int64_t *ret);
#define MEDIO_HOLD_MARK 0x6d656469u

/* ---- For who catches calls (notify.c), and faults (mmio.c) ------------------------------------- */

struct medio_hold_caller {
	/* The thread is in a call that was caught: answer it with anything, so that the thread leaves the kernel, where it
	 * stops. NULL: it is in no such call, and stops where it is. -ENOENT: the call has ended by itself. */
	int (*leave)(void *opaque);
	void *opaque;
	/* Looks after threads that cannot be stopped at once. NULL: they are waited for. */
	struct medio_compat *compat;
};

/* What call->ops->hold() does. caller is copied. Errors as medio_hold_thread(), and -ENOMEM. */
int medio_hold_start(pid_t tid, const struct medio_hold_caller *caller, struct medio_hold **out);
/* Let the thread (and the others) go: out of its call with *ret, or (NULL) on at its registers. hold is freed. */
void medio_hold_end(struct medio_hold *hold, const int64_t *ret);
/* The thread's registers, to be looked at and changed until the end. NULL: it is gone. */
struct user_regs_struct *medio_hold_regs(struct medio_hold *hold);
pid_t medio_hold_tid(const struct medio_hold *hold);

#endif
