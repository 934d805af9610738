/* SPDX-License-Identifier: BSD-3-Clause */
/* The registers of a stopped thread, for hold.c: one file a processor, hold_x86_64.c and hold_other.c. */
#ifndef MEDIO_COMPAT_HOLD_CPU_H
#define MEDIO_COMPAT_HOLD_CPU_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

/* Has this been written for the machine? */
bool medio_hold_cpu_known(void);
/* The thread stands where it last made a system call: it is to make this one. -EPERM: it stands elsewhere. */
int medio_hold_cpu_prepare(
	pid_t tid, const struct user_regs_struct *at, unsigned nr, const uint64_t args[6]);
/* What a system call returned that has just ended. */
int64_t medio_hold_cpu_result(const struct user_regs_struct *regs);
/* It has left its call with ret, which is not to be made again whatever ret is. */
void medio_hold_cpu_answer(struct user_regs_struct *regs, int64_t ret);
/*
 * Being stopped has ended the thread's call with EINTR, where the kernel makes others again by itself (signal(7),
 * "Interruption of system calls by stop signals"): have that one made again too, unless a signal's handler runs first.
 */
void medio_hold_cpu_again(pid_t tid, struct user_regs_struct *regs);

#endif
