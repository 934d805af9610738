/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/hold_cpu.h"

#include <errno.h>

bool medio_hold_cpu_known(void)
{
	return false;
}

int medio_hold_cpu_prepare(
	pid_t tid, const struct user_regs_struct *at, unsigned nr, const uint64_t args[6])
{
	(void)tid;
	(void)at;
	(void)nr;
	(void)args;
	return -ENOSYS;
}

int64_t medio_hold_cpu_result(const struct user_regs_struct *regs)
{
	(void)regs;
	return -ENOSYS;
}

void medio_hold_cpu_answer(struct user_regs_struct *regs, int64_t ret)
{
	(void)regs;
	(void)ret;
}

void medio_hold_cpu_again(pid_t tid, struct user_regs_struct *regs)
{
	(void)tid;
	(void)regs;
}
