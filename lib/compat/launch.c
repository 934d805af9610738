/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compat/fs.h"
#include "compat/launch_child.h"
#include "compat/notify.h"
#include "compat/tracee.h"
#include "util/cleanup.h"
#include "util/error.h"

/* The rest of a pipe or of a process group may end a moment later than the program. */
#define PATIENCE_NS UINT64_C(1000000000)

/* What a terminal's keys and reads from the background do to a process: the program first. */
static const int terminal_signals[] = { SIGTSTP, SIGTTIN, SIGTTOU };

struct medio_launch {
	struct medio_compat *compat;
	void (*ended)(void *opaque, int status);
	void (*left)(void *opaque);
	void *opaque;
	pid_t pid; /* 0: not started, or waited for */
	int pidfd, socket, signals;
	struct medio_watch *pid_watch, *socket_watch, *signals_watch;
	struct medio_timer *patience; /* until the end of what is left is spoken of */
	int reaped_before;
	struct sigaction before[MEDIO_ARRAY_SIZE(terminal_signals)];
	sigset_t mask;
	bool arranged; /* the three above are to be put back */

	bool starting; /* exec() has not been made yet */
	bool exited, told;
	bool gone; /* no process is left */
	int status;
	int error; /* of the start */
	struct medio_error **err;
};

/* ---- The end ------------------------------------------------------------------------------------ */

static void tell(struct medio_launch *launch)
{
	if (launch->told)
		return;
	launch->told = true;
	launch->ended(launch->opaque, launch->status);
}

static void on_patience(void *opaque)
{
	const struct medio_launch *launch = opaque;

	if (!launch->told && launch->left)
		launch->left(launch->opaque);
}

/* What it leaves behind has our files over its own, and may open a device only now: it is served to its end. */
static void tell_if_over(struct medio_launch *launch)
{
	if (launch->exited && launch->gone)
		tell(launch);
	else if (launch->exited)
		medio_timer_arm(launch->patience, PATIENCE_NS);
}

/*
 * Orphans of the program's are our children (PR_SET_CHILD_SUBREAPER): so they are still ours to look into for a security
 * module that asks for that, and kernels before 6.11 say that nobody is left only when all have been waited for.
 */
static void reap_orphans(const struct medio_launch *launch)
{
	struct medio_tracee_status status;
	siginfo_t info = { 0 };

	while (!waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid) {
		pid_t pid = info.si_pid;
		/* A thread that is traced is tracee.h's, also its stops, which waitid() always tells; the program itself
		 * is collect()'s. */
		if (pid == launch->pid || info.si_code == CLD_TRAPPED ||
			medio_tracee_status(pid, &status) || status.tgid != pid ||
			status.ppid != getpid())
			return;
		waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG);
		info.si_pid = 0;
	}
}

static void collect(struct medio_launch *launch)
{
	int status;

	/* One that ends at once is told of when its start has been. */
	if (launch->starting || !launch->pid)
		return;
	pid_t got = waitpid(launch->pid, &status, WNOHANG);
	if (got != launch->pid || !got || (!WIFEXITED(status) && !WIFSIGNALED(status)))
		return;
	launch->pid = 0;
	launch->exited = true;
	launch->status = status;
	medio_watch_free(launch->pid_watch);
	launch->pid_watch = NULL;
	reap_orphans(launch);
	tell_if_over(launch);
}

static void on_pid(void *opaque, uint32_t events)
{
	(void)events;
	collect(opaque);
}

/* Nobody is left who could make a call. */
static void on_gone(void *opaque)
{
	struct medio_launch *launch = opaque;

	launch->gone = true;
	tell_if_over(launch);
}

/* ---- Stops by a terminal ------------------------------------------------------------------------ */

/* Stop as well. The shell that waits for us gives the terminal to our group then, not to the program's own. */
static void stop_too(pid_t pid, bool meant)
{
	_cleanup_close_ int tty = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	pid_t group = getpgid(pid);
	bool front = tty >= 0 && tcgetpgrp(tty) == group;

	/* A shell that suspends itself does it with SIGSTOP; in the background somebody meant the program alone. */
	if (!front && meant)
		return;
	kill(getpid(), SIGSTOP);
	if (front && group != getpgrp() && tcgetpgrp(tty) == getpgrp())
		tcsetpgrp(tty, group);
	kill(pid, SIGCONT);
}

/* When the program has stopped so do we, so that the shell that waits for us sees it; and we go on together. */
static void on_child(void *opaque, uint32_t events)
{
	struct medio_launch *launch = opaque;
	struct signalfd_siginfo infos[8];
	siginfo_t info = { 0 };

	(void)events;
	while (read(launch->signals, infos, sizeof(infos)) > 0)
		;
	reap_orphans(launch);
	/* Stops for ptrace are hold.h's to collect. */
	if (!launch->pid ||
		waitid(P_PID, (id_t)launch->pid, &info, WSTOPPED | WNOHANG | WNOWAIT) < 0 ||
		info.si_pid != launch->pid || info.si_code != CLD_STOPPED)
		return;
	waitid(P_PID, (id_t)launch->pid, &info, WSTOPPED | WNOHANG);
	stop_too(launch->pid, info.si_status == SIGSTOP);
}

static int arrange_signals(struct medio_launch *launch)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	launch->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (launch->signals < 0)
		return -errno;
	launch->signals_watch = medio_loop_watch(
		launch->compat->loop, launch->signals, EPOLLIN, on_child, launch);
	launch->patience = medio_loop_timer(launch->compat->loop, on_patience, launch);
	if (!launch->signals_watch || !launch->patience)
		return -ENOMEM;
	prctl(PR_GET_CHILD_SUBREAPER, &launch->reaped_before);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigprocmask(SIG_BLOCK, &set, &launch->mask);
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(terminal_signals); i++)
		sigaction(terminal_signals[i], &ignore, &launch->before[i]);
	launch->arranged = true;
	return 0;
}

static void restore_signals(const struct medio_launch *launch)
{
	if (!launch->arranged)
		return;
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(terminal_signals); i++)
		sigaction(terminal_signals[i], &launch->before[i], NULL);
	sigprocmask(SIG_SETMASK, &launch->mask, NULL);
}

/* ---- The start ---------------------------------------------------------------------------------- */

static void start_failed(struct medio_launch *launch, int ret, const char *text)
{
	launch->error = medio_error_set(launch->err, -ret, "%s", text);
	launch->starting = false;
}

static int take_listener(struct medio_launch *launch, int fd, uint64_t dev)
{
	struct medio_compat *compat = launch->compat;

	compat->fs_dev = dev;
	int ret = medio_notify_new(compat, fd, on_gone, launch, &compat->notify);
	if (ret)
		return medio_error_set(
			launch->err, -ret, "cannot take the program's calls: %s", strerror(-ret));
	return write(launch->socket, "", 1) == 1
		       ? 0
		       : medio_error_set(launch->err, errno, "the program was killed");
}

static void on_note(void *opaque, uint32_t events)
{
	struct medio_launch *launch = opaque;
	struct medio_launch_note note;
	int fd, ret;

	(void)events;
	ret = medio_launch_receive(launch->socket, &note, &fd);
	if (ret) {
		/* Closed: by exec(), or by its death before that. */
		if (!launch->compat->notify)
			start_failed(launch, -ECHILD, "the program was killed before it began");
		launch->starting = false;
		return;
	}
	if (note.step == MEDIO_LAUNCH_FAILED)
		start_failed(launch, note.error, note.text);
	else if (fd < 0)
		start_failed(launch, -EMFILE, "too many files are open: raise ulimit -n");
	else {
		launch->error = note.step == MEDIO_LAUNCH_FUSE
					? medio_fs_serve(launch->compat->fs, fd, launch->err)
					: take_listener(launch, fd, note.dev);
		launch->starting = !launch->error;
	}
}

static int fork_program(struct medio_launch *launch, const struct medio_launch_options *opts)
{
	int pair[2];
	pid_t self = getpid();

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	launch->pid = fork();
	if (launch->pid == 0) {
		close(pair[0]);
		/* Blocked here or by who called; put back before exec(). */
		restore_signals(launch);
		medio_launch_child(launch->compat, opts, self, pair[1]);
	}
	int ret = launch->pid < 0 ? -errno : 0;
	close(pair[1]);
	launch->socket = pair[0];
	if (ret) {
		launch->pid = 0;
		return ret;
	}
	launch->pidfd = (int)syscall(SYS_pidfd_open, launch->pid, 0);
	if (launch->pidfd < 0)
		return -errno;
	launch->pid_watch = medio_loop_watch(
		launch->compat->loop, launch->pidfd, EPOLLIN, on_pid, launch);
	launch->socket_watch = medio_loop_watch(
		launch->compat->loop, launch->socket, EPOLLIN, on_note, launch);
	return launch->pid_watch && launch->socket_watch ? 0 : -ENOMEM;
}

static void free_launch(struct medio_compat *compat)
{
	struct medio_launch *launch = compat->launch;

	medio_notify_free(compat->notify);
	compat->notify = NULL;
	if (launch->pid) {
		kill(launch->pid, SIGKILL);
		while (waitpid(launch->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	medio_tracees_forget(compat);
	medio_watch_free(launch->pid_watch);
	medio_watch_free(launch->socket_watch);
	medio_watch_free(launch->signals_watch);
	medio_timer_free(launch->patience);
	restore_signals(launch);
	if (launch->arranged)
		prctl(PR_SET_CHILD_SUBREAPER, launch->reaped_before);
	const int fds[] = { launch->pidfd, launch->socket, launch->signals };
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(launch);
	compat->launch = NULL;
	compat->free_launch = NULL;
}

int medio_launch(struct medio_compat *compat, const struct medio_launch_options *opts,
	struct medio_error **err)
{
	struct medio_launch *launch = compat->launch ? NULL : calloc(1, sizeof(*launch));

	if (!launch)
		return medio_error_set(err, compat->launch ? EALREADY : ENOMEM,
			compat->launch ? "a program runs already" : "out of memory");
	if (!medio_fs_path(compat->fs, "dev/vfio/devices")) {
		free(launch);
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	*launch = (struct medio_launch){ .compat = compat,
		.ended = opts->ended,
		.left = opts->left,
		.opaque = opts->opaque,
		.pidfd = -1,
		.socket = -1,
		.signals = -1,
		.starting = true,
		.err = err };
	compat->launch = launch;
	compat->free_launch = free_launch;
	int ret = arrange_signals(launch);
	if (!ret)
		ret = fork_program(launch, opts);
	if (ret)
		medio_error_set(err, -ret, "cannot start a process: %s", strerror(-ret));
	while (!ret && launch->starting) {
		ret = medio_loop_run_once(compat->loop, -1);
		ret = ret < 0 && ret != -EINTR ? ret : launch->error;
	}
	launch->err = NULL;
	medio_watch_free(launch->socket_watch);
	launch->socket_watch = NULL;
	if (ret)
		free_launch(compat);
	return ret;
}

bool medio_launch_has_ended(const struct medio_compat *compat)
{
	return compat->launch && compat->launch->exited;
}

void medio_launch_kill(struct medio_compat *compat, int sig)
{
	struct medio_launch *launch = compat->launch;

	if (!launch)
		return;
	if (launch->pid)
		kill(launch->pid, sig);
	else
		tell(launch);
}
