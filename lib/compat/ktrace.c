/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/ktrace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compat/seccomp_abi.h"
#include "util/cleanup.h"
#include "util/error.h"

#define WORDS	    512
#define MAX_THREADS 4096u

/* A call between its beginning and its end. */
struct under_way {
	pid_t tid;
	uint64_t nr, args[6];
	const char *file;
};

struct ktrace {
	medio_story_line *line;
	void *opaque;
	pid_t pid;
	struct under_way *calls;
	unsigned num_calls, cap;
};

static volatile sig_atomic_t asked; /* a signal for the program */

static void on_signal(int sig)
{
	asked = sig;
}

/* ---- The program's side ---------------------------------------------------------------------------------- */

/* Which calls are looked at, by number; which of them are VFIO's tells the descriptor. */
static int install(void)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_pread64, 7, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_pwrite64, 6, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_mmap, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ioctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff00),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ';' << 8, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) ? -errno : 0;
}

/* Waits until it is traced, then becomes the program; or says by words what failed. */
static _Noreturn void become(char *const *argv, int go, int words, const sigset_t *mask)
{
	char byte;
	int ret = read(go, &byte, 1) == 1 ? install() : -ECANCELED;

	sigprocmask(SIG_SETMASK, mask, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (ret == 0) {
		execvp(argv[0], argv);
		ret = -errno;
	}
	if (write(words, &ret, sizeof(ret)) < 0)
		_exit(126);
	_exit(127);
}

/* ---- Calls -------------------------------------------------------------------------------------------------- */

static int read_memory(struct medio_call *call, uint64_t addr, void *buf, size_t size)
{
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): an address of the program's */
	struct iovec here = { buf, size }, there = { (void *)(uintptr_t)addr, size };

	return process_vm_readv(call->tid, &here, 1, &there, 1, 0) == (ssize_t)size ? 0 : -EFAULT;
}

static const struct medio_call_ops only_read = { .read = read_memory };

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* What a descriptor of VFIO's is; NULL: something else. */
static const char *file_of(pid_t tid, uint64_t fd)
{
	char path[64], link[256];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)tid, (int)fd);
	ssize_t len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		return NULL;
	link[len] = '\0';
	if (!strcmp(link, "/dev/vfio/vfio"))
		return "container";
	if (!strcmp(link, "/dev/iommu"))
		return "iommufd";
	if (begins(link, "/dev/vfio/devices/") || begins(link, "anon_inode:[vfio-device]"))
		return "device";
	return begins(link, "/dev/vfio/") ? "group" : NULL;
}

static struct under_way *find(struct ktrace *t, pid_t tid)
{
	for (unsigned i = 0; i < t->num_calls; i++)
		if (t->calls[i].tid == tid)
			return &t->calls[i];
	return NULL;
}

static void forget(struct ktrace *t, struct under_way *call)
{
	if (call)
		*call = t->calls[--t->num_calls];
}

/* It is about to make a call of those the filter stops. True: we want to see how it ends. */
static bool begun(struct ktrace *t, pid_t tid)
{
	struct __ptrace_syscall_info info = { 0 };

	forget(t, find(t, tid));
	if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) <= 0 ||
		info.op != PTRACE_SYSCALL_INFO_SECCOMP)
		return false;
	const char *file = file_of(
		tid, info.seccomp.nr == __NR_mmap ? info.seccomp.args[4] : info.seccomp.args[0]);
	if (!file)
		return false;
	if (t->num_calls == t->cap) {
		unsigned cap = t->cap ? 2 * t->cap : 16;
		struct under_way *more = cap > MAX_THREADS ? NULL
							   : realloc(t->calls, cap * sizeof(*more));
		if (!more)
			return false;
		t->calls = more;
		t->cap = cap;
	}
	struct under_way *call = &t->calls[t->num_calls++];
	*call = (struct under_way){ .tid = tid, .nr = info.seccomp.nr, .file = file };
	memcpy(call->args, info.seccomp.args, sizeof(call->args));
	return true;
}

static const char *name_of(uint64_t nr)
{
	switch (nr) {
	case __NR_ioctl:
		return "ioctl";
	case __NR_mmap:
		return "mmap";
	case __NR_pread64:
		return "read";
	default:
		return "write";
	}
}

static void ended(struct ktrace *t, pid_t tid)
{
	struct under_way *call = find(t, tid);
	struct __ptrace_syscall_info info = { 0 };
	char words[WORDS];

	if (!call)
		return;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) > 0 &&
		info.op == PTRACE_SYSCALL_INFO_EXIT) {
		struct medio_call seen = {
			.ops = &only_read, .tid = tid, .nr = (unsigned)call->nr
		};
		memcpy(seen.args, call->args, sizeof(seen.args));
		medio_story_kernel(&seen, call->file, info.exit.rval, words, sizeof(words));
		t->line(t->opaque, tid, name_of(call->nr), words, info.exit.rval);
	}
	forget(t, call);
}

/* ---- Stops --------------------------------------------------------------------------------------------------- */

/* One of its threads has stopped; have it go on. */
static void stopped(struct ktrace *t, pid_t tid, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16, deliver = 0;

	if (event == PTRACE_EVENT_SECCOMP) {
		ptrace(begun(t, tid) ? PTRACE_SYSCALL : PTRACE_CONT, tid, 0, 0);
		return;
	}
	if (sig == (SIGTRAP | 0x80)) {
		ended(t, tid);
	} else if (event == PTRACE_EVENT_STOP) {
		/* It was stopped (SIGSTOP, ^Z) and is to stay so until SIGCONT; or it is new. */
		if (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU) {
			ptrace(PTRACE_LISTEN, tid, 0, 0);
			return;
		}
	} else if (!event) {
		deliver = sig;
	}
	/* A signal may come in the middle of a call that is to be seen to its end. */
	ptrace(find(t, tid) ? PTRACE_SYSCALL : PTRACE_CONT, tid, 0, deliver);
}

static int follow(struct ktrace *t, int *status)
{
	int now;

	for (;;) {
		pid_t tid = waitpid(-1, &now, __WALL);
		if (tid < 0 && errno == EINTR) {
			if (asked)
				kill(t->pid, asked);
			asked = 0;
		} else if (tid < 0) {
			return errno == ECHILD ? 0 : -errno;
		} else if (WIFSTOPPED(now)) {
			stopped(t, tid, now);
		} else {
			forget(t, find(t, tid));
			if (tid == t->pid)
				*status = now;
		}
	}
}

/* ---- From start to end ---------------------------------------------------------------------------------------- */

static const unsigned long events = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE |
				    PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
				    PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;

static int start(struct ktrace *t, char *const *argv, const sigset_t *mask, int *words,
	struct medio_error **err)
{
	int go[2], said[2];

	if (pipe2(go, O_CLOEXEC) || pipe2(said, O_CLOEXEC))
		return medio_error_set(err, errno, "no descriptors left");
	t->pid = fork();
	if (t->pid == 0) {
		close(go[1]);
		become(argv, go[0], said[1], mask);
	}
	close(go[0]);
	close(said[1]);
	*words = said[0];
	int ret = t->pid < 0 ? -errno : 0;
	if (!ret && ptrace(PTRACE_SEIZE, t->pid, 0, events))
		ret = -errno;
	/* Without a byte it ends by itself. */
	if (!ret && write(go[1], "", 1) != 1)
		ret = -errno;
	close(go[1]);
	return ret ? medio_error_set(err, -ret, "cannot trace the program: %s", strerror(-ret)) : 0;
}

static int what_failed(const char *program, int words, struct medio_error **err)
{
	int ret = 0;

	if (read(words, &ret, sizeof(ret)) != sizeof(ret) || !ret)
		return 0;
	if (ret == -ENOENT || ret == -EACCES)
		return medio_error_set(err, -ret, "%s: %s", program, strerror(-ret));
	return medio_error_set(err, -ret,
		"the program's calls cannot be watched: %s; the kernel, or a container's policy, does "
		"not let it install a filter (seccomp)",
		strerror(-ret));
}

int medio_ktrace(char *const *argv, medio_story_line *line, void *opaque, int *status,
	struct medio_error **err)
{
	struct ktrace t = { .line = line, .opaque = opaque };
	struct sigaction action = { .sa_handler = on_signal }, before[2];
	_cleanup_close_ int words = -1;
	sigset_t mask, none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, &mask);
	sigaction(SIGTERM, &action, &before[0]);
	sigaction(SIGHUP, &action, &before[1]);
	int ret = start(&t, argv, &mask, &words, err);
	/* The terminal tells the program itself. */
	sighandler_t interrupt = signal(SIGINT, SIG_IGN), quit = signal(SIGQUIT, SIG_IGN);
	if (ret == 0) {
		ret = follow(&t, status);
		if (ret)
			medio_error_set(err, -ret, "waiting for the program: %s", strerror(-ret));
		else
			ret = what_failed(argv[0], words, err);
	}
	signal(SIGINT, interrupt);
	signal(SIGQUIT, quit);
	sigaction(SIGTERM, &before[0], NULL);
	sigaction(SIGHUP, &before[1], NULL);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	free(t.calls);
	return ret;
}
