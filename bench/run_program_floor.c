/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel's own part costs: another process is asked, and answers at once. */
#include <errno.h>
#include <linux/filter.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compat/seccomp_abi.h"
#include "run_program.h"

static int pair[2] = { -1, -1 };

/* ---- Bytes on a socket -------------------------------------------------------------------------- */

static void answer_bytes(int fd)
{
	char byte;

	while (recv(fd, &byte, 1, 0) == 1 && send(fd, &byte, 1, MSG_NOSIGNAL) == 1)
		;
}

void program_floor_echo(int cpu)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		program_fail("socketpair");
	pid_t pid = fork();
	if (pid < 0)
		program_fail("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[0]);
		program_pin(cpu);
		answer_bytes(pair[1]);
		_exit(0);
	}
	close(pair[1]);
}

static void echo(unsigned n)
{
	char byte = 0;

	for (unsigned i = 0; i < n; i++)
		if (send(pair[0], &byte, 1, MSG_NOSIGNAL) != 1 || recv(pair[0], &byte, 1, 0) != 1)
			program_fail("echo");
}

/* ---- Filters ------------------------------------------------------------------------------------- */

static int install(struct sock_filter *code, unsigned short count, unsigned long flags)
{
	const struct sock_fprog program = { count, code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		flags | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program);
}

void program_floor_allow(void)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };

	if (install(code, 1, 0) < 0)
		program_fail("a filter");
}

static void answer_calls(int listener)
{
	struct seccomp_notif notif;

	/* As medio run asks for it. */
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	for (;;) {
		memset(&notif, 0, sizeof(notif));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notif) < 0)
			return;
		struct seccomp_notif_resp resp = { .id = notif.id };
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0)
			return;
	}
}

void program_floor_notify(int cpu)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* the number */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getsid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	int listener;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		program_fail("socketpair");
	/* Another process, with the same descriptors: the listener is made later. */
	long pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid < 0)
		program_fail("clone");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		program_pin(cpu);
		if (read(pair[1], &listener, sizeof(listener)) == sizeof(listener))
			answer_calls(listener);
		_exit(0);
	}
	listener = install(
		code, 4, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	if (listener < 0)
		program_fail("a filter with a listener");
	if (write(pair[0], &listener, sizeof(listener)) != sizeof(listener))
		program_fail("the listener");
}

static void notify(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (syscall(SYS_getsid, 0) != 0)
			program_fail("getsid");
}

const struct program_command program_floors[] = {
	{ "echo", echo },
	{ "notify", notify },
	{ NULL, NULL },
};
