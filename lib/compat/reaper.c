/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/reaper.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The handler's: not touched while it can run. Who is in none of them only lacks its help. */
static pid_t *traced;
static unsigned num_traced, cap_traced;
static volatile sig_atomic_t came;

static void reap(void)
{
	for (unsigned i = 0; i < num_traced; i++) {
		const int flags = WEXITED | WNOHANG | __WALL;
		siginfo_t info = { .si_pid = 0 };
		/* A first thread is left for its process's parent, and nobody waits for it. */
		if (syscall(SYS_tgkill, traced[i], traced[i], 0) == 0)
			continue;
		/* Stops are told of as well, without being asked for; they are for others to see. */
		if (waitid(P_PID, (id_t)traced[i], &info, flags | WNOWAIT) == 0 && info.si_pid &&
			info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED)
			waitid(P_PID, (id_t)traced[i], &info, flags);
	}
}

static void on_child(int sig)
{
	int before = errno;

	(void)sig;
	came = 1;
	reap();
	errno = before;
}

static unsigned find(pid_t tid)
{
	unsigned i = 0;

	while (i < num_traced && traced[i] != tid)
		i++;
	return i;
}

void medio_reaper_add(pid_t tid)
{
	if (find(tid) < num_traced)
		return;
	if (num_traced == cap_traced) {
		unsigned cap = cap_traced ? cap_traced * 2 : 64;
		void *list = reallocarray(traced, cap, sizeof(*traced));
		if (!list)
			return;
		traced = list;
		cap_traced = cap;
	}
	traced[num_traced++] = tid;
}

void medio_reaper_remove(pid_t tid)
{
	unsigned i = find(tid);

	if (i == num_traced)
		return;
	traced[i] = traced[--num_traced];
	if (num_traced)
		return;
	free(traced);
	traced = NULL;
	cap_traced = 0;
}

void medio_reaper_start(struct medio_reaper *reaper)
{
	/* Without SA_RESTART; the kernel makes the call that waits again by itself. */
	struct sigaction action = { .sa_handler = on_child };
	sigset_t set;

	reaper->on = num_traced > 0;
	if (!reaper->on)
		return;
	came = 0;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaction(SIGCHLD, &action, &reaper->action);
	pthread_sigmask(SIG_UNBLOCK, &set, &reaper->mask);
	/* Somebody else may have seen the signal of one that is dead already. */
	reap();
}

void medio_reaper_stop(const struct medio_reaper *reaper)
{
	if (!reaper->on)
		return;
	pthread_sigmask(SIG_SETMASK, &reaper->mask, NULL);
	sigaction(SIGCHLD, &reaper->action, NULL);
	/* It may have been of somebody else's. */
	if (came)
		kill(getpid(), SIGCHLD);
}
