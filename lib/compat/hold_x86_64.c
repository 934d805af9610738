/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/hold_cpu.h"

#include <errno.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "util/cleanup.h"

#define SYSCALL 0x050f /* the instruction's two bytes */
#define ERESTARTNOHAND \
	514 /* in the kernel only: EINTR if a handler runs, else make the call again */

bool medio_hold_cpu_known(void)
{
	return true;
}

int medio_hold_cpu_prepare(
	pid_t tid, const struct user_regs_struct *at, unsigned nr, const uint64_t args[6])
{
	struct user_regs_struct regs = *at;

	regs.rip -= 2;
	errno = 0;
	long word = ptrace(PTRACE_PEEKTEXT, tid, regs.rip, 0);
	if (errno)
		return errno == ESRCH ? -ESRCH : -EPERM;
	if ((word & 0xffff) != SYSCALL)
		return -EPERM;
	regs.rax = nr;
	regs.orig_rax = ~UINT64_C(0); /* in no call: nothing is to be made again */
	regs.rdi = args[0];
	regs.rsi = args[1];
	regs.rdx = args[2];
	regs.r10 = args[3];
	regs.r8 = args[4];
	regs.r9 = args[5];
	return ptrace(PTRACE_SETREGS, tid, 0, &regs) < 0 ? -errno : 0;
}

int64_t medio_hold_cpu_result(const struct user_regs_struct *regs)
{
	return (int64_t)regs->rax;
}

void medio_hold_cpu_answer(struct user_regs_struct *regs, int64_t ret)
{
	regs->rax = (uint64_t)ret;
	regs->orig_rax = ~UINT64_C(0);
}

void medio_hold_cpu_again(pid_t tid, struct user_regs_struct *regs)
{
	/* read() and readv(): of files of FUSE's, as /dev/uioN is one. */
	static const unsigned calls[] = { __NR_read, __NR_readv, __NR_epoll_wait, __NR_epoll_pwait,
		441 /* epoll_pwait2 */, __NR_semop, __NR_semtimedop, __NR_rt_sigtimedwait,
		__NR_io_uring_enter };

	if ((int64_t)regs->rax != -EINTR)
		return;
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(calls); i++)
		if (regs->orig_rax == calls[i]) {
			ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, rax),
				-(long)ERESTARTNOHAND);
			return;
		}
}
