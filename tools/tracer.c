/* SPDX-License-Identifier: BSD-3-Clause */
/* Counts the system calls of another process, whose main thread it stops at each. */
#include "tracer.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

static bool entering(pid_t pid)
{
	struct __ptrace_syscall_info info;
	return ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0 &&
	       info.op == PTRACE_SYSCALL_INFO_ENTRY;
}

static void *trace(void *opaque)
{
	struct medio_tracer *t = opaque;
	int status;

	if (ptrace(PTRACE_SEIZE, t->pid, 0, PTRACE_O_TRACESYSGOOD) < 0 ||
		ptrace(PTRACE_INTERRUPT, t->pid, 0, 0) < 0) {
		atomic_store(&t->ready, -errno);
		return NULL;
	}
	for (;;) {
		pid_t pid = waitpid(t->pid, &status, __WALL);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid != t->pid || !WIFSTOPPED(status))
			return NULL;
		int sig = WSTOPSIG(status);
		if (sig == (SIGTRAP | 0x80) && entering(t->pid))
			atomic_fetch_add(&t->calls, 1);
		bool ours = status >> 16 || sig == (SIGTRAP | 0x80) || sig == SIGTRAP;
		ptrace(PTRACE_SYSCALL, t->pid, 0, ours ? 0 : sig);
		atomic_store(&t->ready, 1);
	}
}

int medio_tracer_start(struct medio_tracer *t, pid_t pid)
{
	memset(t, 0, sizeof(*t));
	t->pid = pid;
	int ret = pthread_create(&t->thread, NULL, trace, t);
	if (ret)
		return -ret;
	while ((ret = atomic_load(&t->ready)) == 0)
		sched_yield();
	return ret < 0 ? ret : 0;
}

uint64_t medio_tracer_calls(struct medio_tracer *t)
{
	return atomic_load(&t->calls);
}

void medio_tracer_join(struct medio_tracer *t)
{
	pthread_join(t->thread, NULL);
}
