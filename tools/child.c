/* SPDX-License-Identifier: BSD-3-Clause */
#include "child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TERM_MS 2000

static void reap(struct medio_child *child)
{
	int status;
	if (waitpid(child->pid, &status, 0) != child->pid)
		return;
	child->ended = true;
	child->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void on_end(void *opaque, uint32_t events)
{
	struct medio_child *child = opaque;
	(void)events;
	medio_watch_free(child->watch);
	child->watch = NULL;
	reap(child);
	medio_loop_stop(child->loop);
}

static _Noreturn void run(pid_t parent, const char *command, char *const *env)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent) /* it died before the line above */
		_exit(1);
	for (; *env; env++)
		putenv(*env);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

int medio_child_start(
	struct medio_child *child, struct medio_loop *loop, const char *command, char *const *env)
{
	*child = (struct medio_child){ .loop = loop, .pidfd = -1 };
	pid_t parent = getpid();
	child->pid = fork();
	if (child->pid < 0)
		return -errno;
	if (child->pid == 0)
		run(parent, command, env);
	child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	if (child->pidfd >= 0)
		child->watch = medio_loop_watch(loop, child->pidfd, EPOLLIN, on_end, child);
	if (!child->watch) {
		int ret = -errno;
		medio_child_end(child);
		return ret;
	}
	return 0;
}

void medio_child_end(struct medio_child *child)
{
	if (child->pid <= 0)
		return;
	medio_watch_free(child->watch);
	child->watch = NULL;
	if (!child->ended) {
		struct pollfd p = { .fd = child->pidfd, .events = POLLIN };
		kill(child->pid, SIGTERM);
		if (child->pidfd < 0 || poll(&p, 1, TERM_MS) <= 0)
			kill(child->pid, SIGKILL);
		reap(child);
	}
	if (child->pidfd >= 0)
		close(child->pidfd);
	child->pidfd = -1;
}
