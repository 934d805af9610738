/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/tracee.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "compat/compat.h"
#include "compat/hold_cpu.h"
#include "compat/reaper.h"
#include "util/cleanup.h"
#include "util/loop.h"

#define SPINS	    64 /* looks at a thread before sleeping between them */
#define SLEEPS	    4  /* in which a thread must be seen deep in the kernel to be left there */
#define PAUSE_NS    200000L
#define LOOK_NS	    1000000L  /* for one that stops late: at first so often, */
#define LOOK_MAX_NS 20000000L /* at last so */
/* Flags of a task in /proc/TID/stat: Linux include/linux/sched.h, PF_IO_WORKER, PF_USER_WORKER, PF_KTHREAD. */
#define WORKER (0x10u | 0x4000u | 0x200000u)

static int read_proc(pid_t tid, const char *name, char *buf, size_t size)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/%s", tid, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, buf, size - 1);
	if (got <= 0)
		return -ESRCH;
	buf[got] = '\0';
	return 0;
}

static int number(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? (int)strtol(at + strlen(key), NULL, 10) : 0;
}

int medio_tracee_status(pid_t tid, struct medio_tracee_status *out)
{
	char text[1024];
	int ret = read_proc(tid, "status", text, sizeof(text));

	if (ret)
		return ret;
	/* The name comes first; line ends in it are written as \n. */
	const char *state = strstr(text, "\nState:\t");
	if (!state)
		return -ESRCH;
	*out = (struct medio_tracee_status){
		.state = state[8],
		.tgid = number(text, "\nTgid:\t"),
		.ppid = number(text, "\nPPid:\t"),
		.tracer = number(text, "\nTracerPid:\t"),
	};
	return 0;
}

/* "NSpid" has its numbers from our namespace to its own. */
static bool calls_itself(pid_t tid, pid_t number)
{
	char text[1024];

	if (read_proc(tid, "status", text, sizeof(text)))
		return false;
	char *at = strstr(text, "\nNSpid:\t");
	if (!at)
		return false;
	at += strlen("\nNSpid:\t");
	at[strcspn(at, "\n")] = '\0';
	const char *last = strrchr(at, '\t');
	return strtol(last ? last + 1 : at, NULL, 10) == number;
}

pid_t medio_tracee_find(pid_t tgid, pid_t number)
{
	char path[32];
	pid_t found = 0;

	if (syscall(SYS_tgkill, tgid, number, 0) == 0 ||
		syscall(SYS_kcmp, tgid, number, KCMP_VM, 0, 0) == 0)
		return number;
	snprintf(path, sizeof(path), "/proc/%d/task", tgid);
	DIR *tasks = opendir(path);
	struct dirent *task;
	while (tasks && !found && (task = readdir(tasks))) {
		pid_t tid = (pid_t)strtol(task->d_name, NULL, 10);
		if (tid && calls_itself(tid, number))
			found = tid;
	}
	if (tasks)
		closedir(tasks);
	return found;
}

static bool is_worker(pid_t tid)
{
	char text[1024];
	unsigned flags;

	if (read_proc(tid, "stat", text, sizeof(text)))
		return false;
	const char *at = strrchr(text, ')'); /* behind the name */
	return at && sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && flags & WORKER;
}

int medio_tracee_seize(pid_t tid)
{
	struct medio_tracee_status status;
	struct medio_reaper reaper;

	medio_reaper_start(&reaper);
	int ret = ptrace(PTRACE_SEIZE, tid, 0, PTRACE_O_TRACESYSGOOD) < 0 ? -errno : 0;
	medio_reaper_stop(&reaper);
	if (!ret)
		medio_reaper_add(tid);
	if (ret != -EPERM && ret != -EACCES)
		return ret ? -ESRCH : 0;
	ret = medio_tracee_status(tid, &status);
	if (ret)
		return ret;
	if (status.tracer == (pid_t)syscall(SYS_gettid))
		return -EALREADY;
	if (status.state == 'Z' || status.state == 'X')
		return -ESRCH;
	return is_worker(tid) ? -ENOTSUP : -EPERM;
}

void medio_tracee_interrupt(pid_t tid)
{
	ptrace(PTRACE_INTERRUPT, tid, 0, 0);
}

/* A first process of ours that has ended is left for who started it. */
static bool is_ours_to_reap(pid_t tid)
{
	struct medio_tracee_status status;

	return medio_tracee_status(tid, &status) || status.tgid != tid || status.ppid != getpid();
}

/* -EAGAIN: nothing yet. */
static int look(pid_t tid, int *stop)
{
	siginfo_t info = { 0 };
	int flags = WEXITED | WSTOPPED | WNOHANG | __WALL;

	if (waitid(P_PID, (id_t)tid, &info, flags | WNOWAIT) < 0) {
		if (errno == EINTR)
			return -EAGAIN;
		medio_reaper_remove(tid);
		return -ESRCH;
	}
	if (!info.si_pid)
		return -EAGAIN;
	bool stopped = info.si_code == CLD_TRAPPED || info.si_code == CLD_STOPPED;
	if (stopped || is_ours_to_reap(tid))
		waitid(P_PID, (id_t)tid, &info, flags);
	if (!stopped) {
		medio_reaper_remove(tid);
		return -ESRCH;
	}
	*stop = info.si_status;
	return 0;
}

bool medio_tracee_stands(pid_t tid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)tid, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) ==
		       0 &&
	       !info.si_pid;
}

static void pause_for(long ns)
{
	struct timespec time = { .tv_nsec = ns };

	nanosleep(&time, NULL);
}

int medio_tracee_wait(pid_t tid, bool patient, int *stop)
{
	struct medio_tracee_status status;
	unsigned deep = 0;

	for (unsigned i = 0;; i++) {
		int ret = look(tid, stop);
		if (ret != -EAGAIN)
			return ret;
		if (i < SPINS) {
			sched_yield();
			continue;
		}
		pause_for(PAUSE_NS);
		/* Killed, or its tid has become that of a thread that called exec(). */
		if (medio_tracee_status(tid, &status) || status.state == 'Z' ||
			status.state == 'X' || status.tracer != (pid_t)syscall(SYS_gettid))
			return look(tid, stop) ? -ESRCH : 0;
		/* Or it is such a thread, which nobody has asked yet: to trace it waited for the end of its exec(). */
		if (!patient)
			medio_tracee_interrupt(tid);
		deep = status.state == 'D' ? deep + 1 : 0;
		if (!patient && deep == SLEEPS)
			return -EBUSY;
	}
}

int medio_tracee_detach(pid_t tid, int sig)
{
	if (ptrace(PTRACE_DETACH, tid, 0, (long)sig) < 0)
		return -ESRCH;
	medio_reaper_remove(tid);
	return 0;
}

int medio_tracee_release(pid_t tid)
{
	struct user_regs_struct regs;
	struct iovec iov = { &regs, sizeof(regs) };

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &iov) == 0)
		medio_hold_cpu_again(tid, &regs);
	return medio_tracee_detach(tid, 0);
}

/* ---- Those that stop late ---------------------------------------------------------------------- */

struct late {
	struct medio_list link;
	pid_t tid, tgid;
	uint64_t ns;
	struct medio_timer *timer;
};

static void forget(struct late *late)
{
	medio_reaper_remove(late->tid);
	medio_list_remove(&late->link);
	medio_timer_free(late->timer);
	free(late);
}

static bool is_traced(pid_t tid)
{
	struct medio_tracee_status status;

	return !medio_tracee_status(tid, &status) && status.tracer == (pid_t)syscall(SYS_gettid);
}

/* exec() by a thread that is not the first makes it the first, by that one's number. */
static bool is_first_now(struct late *late)
{
	struct medio_tracee_status status;

	if (late->tid == late->tgid || !medio_tracee_status(late->tid, &status) ||
		!is_traced(late->tgid))
		return false;
	medio_reaper_remove(late->tid);
	late->tid = late->tgid;
	medio_reaper_add(late->tid);
	return true;
}

static void on_late(void *opaque)
{
	struct late *late = opaque;
	int stop, ret = look(late->tid, &stop);

	if (!ret && medio_tracee_release(late->tid))
		ret = -EAGAIN;
	if (ret == -ESRCH && is_first_now(late))
		ret = -EAGAIN;
	/* One that has ended may have to wait for the other threads before its end can be taken note of; until that is done its
	 * process does not end for its parent. */
	if (ret == -EAGAIN && is_traced(late->tid)) {
		medio_tracee_interrupt(late->tid);
		late->ns = late->ns * 2 < LOOK_MAX_NS ? late->ns * 2 : LOOK_MAX_NS;
		medio_timer_arm(late->timer, late->ns);
		return;
	}
	forget(late);
}

void medio_tracee_release_later(struct medio_compat *compat, pid_t tid, pid_t tgid)
{
	struct late *late = compat && compat->loop ? malloc(sizeof(*late)) : NULL;
	int stop;

	if (late) {
		*late = (struct late){ .tid = tid, .tgid = tgid, .ns = LOOK_NS };
		medio_list_append(&compat->late, &late->link);
		late->timer = medio_loop_timer(compat->loop, on_late, late);
		if (late->timer) {
			medio_timer_arm(late->timer, late->ns);
			return;
		}
		forget(late);
	}
	if (!medio_tracee_wait(tid, true, &stop))
		medio_tracee_release(tid);
}

void medio_tracee_release_first(struct medio_compat *compat, pid_t tgid)
{
	if (is_traced(tgid))
		medio_tracee_release_later(compat, tgid, tgid);
}

void medio_tracees_forget(struct medio_compat *compat)
{
	medio_list_for_each (item, &compat->late)
		forget(medio_container_of(item, struct late, link));
}
