/* SPDX-License-Identifier: BSD-3-Clause */
#include "caught.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "compat/compat.h"
#include "compat/hold.h"
#include "compat/span.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#define SPANS 512

int caught_left;
int64_t (*caught_more)(struct medio_call *call, unsigned cmd, struct caught_ask *ask);

long caught_call(unsigned cmd, struct caught_ask *ask)
{
	long ret = ioctl(-1, cmd, ask);

	return ret < 0 ? -errno : ret;
}

/* ---- The program's side ------------------------------------------------------------------------ */

static int listen_to_me(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ioctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff00),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x3b00, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	struct sock_fprog filter = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &filter);
}

static void send_fd(int sock, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .buf = { 0 } };
	char x = 0;
	struct iovec iov = { &x, 1 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	if (sendmsg(sock, &msg, 0) != 1)
		_exit(1);
}

static int recv_fd(int sock)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char x;
	struct iovec iov = { &x, 1 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf) };
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

/* ---- The supervisor's side --------------------------------------------------------------------- */

struct caught {
	struct medio_call call; /* first */
	struct supervisor *supervisor;
	uint64_t id;
	struct medio_hold *hold;
	bool left;
};

struct supervisor {
	struct medio_compat *compat;
	int listener;
	struct medio_span *spans[SPANS];
	unsigned num_spans;
};

static struct caught *caught_of(struct medio_call *call)
{
	return (struct caught *)(void *)call;
}

static int on_read(struct medio_call *call, uint64_t addr, void *buf, size_t size)
{
	struct iovec here = { buf, size }, there = { (void *)(uintptr_t)addr, size };

	return process_vm_readv(call->tid, &here, 1, &there, 1, 0) == (ssize_t)size ? 0 : -EFAULT;
}

static int on_write(struct medio_call *call, uint64_t addr, const void *buf, size_t size)
{
	struct iovec here = { (void *)(uintptr_t)buf, size };
	struct iovec there = { (void *)(uintptr_t)addr, size };

	return process_vm_writev(call->tid, &here, 1, &there, 1, 0) == (ssize_t)size ? 0 : -EFAULT;
}

static int tgid_of(pid_t tid)
{
	char path[48], line[128];
	int tgid = -1;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	FILE *file = fopen(path, "re");
	while (file && tgid < 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, "Tgid: %d", &tgid) != 1)
			tgid = -1;
	if (file)
		fclose(file);
	return tgid;
}

static int on_take_fd(struct medio_call *call, int fd, int *out)
{
	int pidfd = (int)syscall(SYS_pidfd_open, tgid_of(call->tid), 0);
	int got = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);

	if (pidfd >= 0)
		close(pidfd);
	*out = got;
	return got < 0 ? -EBADF : 0;
}

static int on_give(struct medio_call *call, int srcfd, unsigned flags)
{
	struct seccomp_notif_addfd add = {
		.id = caught_of(call)->id, .srcfd = (unsigned)srcfd, .newfd_flags = flags
	};
	int fd = ioctl(caught_of(call)->supervisor->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);

	return fd < 0 ? -errno : fd;
}

static int send_answer(struct caught *caught, int64_t ret)
{
	struct seccomp_notif_resp resp = {
		.id = caught->id, .val = ret < 0 ? 0 : ret, .error = ret < 0 ? (int)ret : 0
	};

	return ioctl(caught->supervisor->listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0 ? -errno
											: 0;
}

static int on_leave(void *opaque)
{
	((struct caught *)opaque)->left = true;
	return send_answer(opaque, 0);
}

static int on_hold(struct medio_call *call, struct medio_hold **out)
{
	struct caught *caught = caught_of(call);
	struct medio_hold_caller caller = { on_leave, caught, caught->supervisor->compat };
	int ret = caught->hold ? 0 : medio_hold_start(call->tid, &caller, &caught->hold);

	*out = caught->hold;
	return ret;
}

static void answer(struct caught *caught, int64_t ret)
{
	if (caught->hold)
		medio_hold_end(caught->hold, &ret);
	else
		send_answer(caught, ret);
}

static const struct medio_call_ops ops = {
	.read = on_read,
	.write = on_write,
	.take_fd = on_take_fd,
	.give = on_give,
	.hold = on_hold,
};

static unsigned count_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static int64_t take(struct supervisor *s, struct medio_call *call, struct caught_ask *ask)
{
	struct medio_span *span;
	int ret = medio_span_take(call, ask->addr, ask->size, ask->prot, &span);

	if (ret)
		return ret;
	assert(s->num_spans < SPANS);
	ask->span = s->num_spans;
	ask->pieces = span->num_pieces;
	ask->files = 0;
	for (unsigned i = 0; i < span->num_pieces; i++)
		ask->files += span->pieces[i].fd >= 0;
	s->spans[s->num_spans++] = span;
	return 0;
}

static int64_t kill_held(struct caught *caught)
{
	struct medio_hold *hold;
	int ret = on_hold(&caught->call, &hold);

	if (!ret)
		ret = medio_hold_others(hold);
	kill(tgid_of(caught->call.tid), SIGKILL);
	uint64_t args[6] = { 0 };
	int64_t got;
	/* It is gone, or goes while it does this. */
	while (!ret)
		ret = medio_hold_syscall(hold, __NR_getpid, args, &got);
	return ret;
}

static int64_t handle(struct caught *caught, unsigned cmd, struct caught_ask *ask)
{
	struct supervisor *s = caught->supervisor;
	struct medio_hold *hold;
	int ret;

	switch (cmd) {
	case CAUGHT_TAKE:
		return take(s, &caught->call, ask);
	case CAUGHT_READ:
		return medio_span_read(s->spans[ask->span], ask->offset, &ask->value, 8);
	case CAUGHT_WRITE:
		return medio_span_write(s->spans[ask->span], ask->offset, &ask->value, 8);
	case CAUGHT_PUT:
		medio_span_put(s->spans[ask->span]);
		s->spans[ask->span] = NULL;
		return 0;
	case CAUGHT_FILES:
		while (medio_loop_run_once(s->compat->loop, 0) > 0)
			;
		ask->value = count_files();
		return 0;
	case CAUGHT_NOTHING:
		return 42;
	case CAUGHT_HOLD:
		ret = on_hold(&caught->call, &hold);
		return ret ? ret : (int64_t)ask->value;
	case CAUGHT_KILL:
		return kill_held(caught);
	default:
		return caught_more ? caught_more(&caught->call, cmd, ask) : -ENOTTY;
	}
}

static void on_call(struct supervisor *s)
{
	struct seccomp_notif notif = { 0 };
	struct caught_ask ask = { 0 };

	if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_RECV, &notif) < 0)
		return;
	struct caught caught = {
		.call = { .ops = &ops,
			.compat = s->compat,
			.tid = (pid_t)notif.pid,
			.nr = __NR_ioctl },
		.supervisor = s,
		.id = notif.id,
	};
	memcpy(caught.call.args, notif.data.args, sizeof(caught.call.args));
	unsigned cmd = (unsigned)notif.data.args[1];
	if (notif.data.args[2])
		on_read(&caught.call, notif.data.args[2], &ask, sizeof(ask));
	int64_t ret = handle(&caught, cmd, &ask);
	if (notif.data.args[2] && cmd != CAUGHT_KILL)
		on_write(&caught.call, notif.data.args[2], &ask, sizeof(ask));
	answer(&caught, ret);
}

static void supervise(struct supervisor *s, pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd fds[3] = { { s->listener, POLLIN, 0 }, { pidfd, POLLIN, 0 },
		{ medio_loop_fd(s->compat->loop), POLLIN, 0 } };

	assert(pidfd >= 0);
	while (poll(fds, 3, -1) > 0 || errno == EINTR) {
		if (fds[0].revents & POLLIN)
			on_call(s);
		/* Timers too. */
		medio_loop_run_once(s->compat->loop, 0);
		if (fds[1].revents)
			break;
	}
	close(pidfd);
}

int caught_run(void (*program)(void))
{
	struct supervisor s = { 0 };
	struct medio_loop *loop;
	int pair[2], status = 0, ret = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
	unsigned before = count_files();

	assert(!ret);
	pid_t pid = fork();
	assert(pid >= 0);
	if (!pid) {
		int listener = listen_to_me();
		if (listener < 0)
			_exit(99);
		send_fd(pair[1], listener);
		close(listener);
		close(pair[0]);
		close(pair[1]);
		program();
		_exit(0);
	}
	close(pair[1]);
	s.listener = recv_fd(pair[0]);
	if (s.listener >= 0) {
		ret = medio_loop_new(&loop);
		assert(!ret);
		ret = medio_compat_new(loop, NULL, &s.compat);
		assert(!ret);
		/* There is none: any device but this is a foreign one. */
		s.compat->fs_dev = UINT64_MAX;
		supervise(&s, pid);
	}
	waitpid(pid, &status, 0);
	if (s.listener >= 0) {
		for (unsigned i = 0; i < s.num_spans; i++)
			medio_span_put(s.spans[i]);
		medio_compat_free(s.compat);
		medio_loop_free(loop);
		close(s.listener);
	}
	close(pair[0]);
	caught_left = (int)count_files() - (int)before + 2;
	return s.listener < 0 ? -1 : status;
}
