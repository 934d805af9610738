/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/launch_child.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "compat/filter.h"
#include "compat/kdev.h"
#include "compat/namespaces.h"
#include "compat/overlay.h"
#include "util/cleanup.h"
#include "util/error.h"

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static int send_note(int socket, const struct medio_launch_note *note, int fd)
{
	struct medio_launch_note copy = *note;
	union control control = { .bytes = { 0 } };
	struct iovec iov = { &copy, sizeof(copy) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	return sendmsg(socket, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int medio_launch_receive(int socket, struct medio_launch_note *note, int *fd)
{
	union control control;
	struct iovec iov = { note, sizeof(*note) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t got = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC);

	*fd = -1;
	if (got < 0)
		return -errno;
	const struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	if (got && cmsg && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(cmsg), sizeof(*fd));
	return got == sizeof(*note) ? 0 : -EPIPE;
}

static void fail(int socket, int ret, struct medio_error *err) __attribute__((noreturn));
static void fail(int socket, int ret, struct medio_error *err)
{
	struct medio_launch_note note = { .step = MEDIO_LAUNCH_FAILED, .error = ret };

	snprintf(note.text, sizeof(note.text), "%s", err ? medio_error_text(err) : strerror(-ret));
	send_note(socket, &note, -1);
	_exit(127);
}

static bool has_uio(const struct medio_compat *compat)
{
	medio_list_for_each (item, &compat->kdevs)
		if (medio_container_of(item, struct medio_kdev, link)->look == MEDIO_KDEV_UIO)
			return true;
	return false;
}

/* What a program may expect of who starts it. */
static void reset_signals(const sigset_t *mask)
{
	sigset_t none;

	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask ? mask : &none, NULL);
}

static void prepare(struct medio_compat *compat, int socket)
{
	struct medio_launch_note note = { .step = MEDIO_LAUNCH_FUSE };
	struct medio_overlay overlay = { -1, -1 };
	struct medio_error *err = NULL;
	int fuse = -1, listener = -1;
	bool alone = false;
	char go;

	int ret = medio_namespaces_enter(&alone, &err);
	if (!ret)
		ret = medio_namespaces_fuse(&fuse, &err);
	if (!ret)
		ret = medio_overlay_begin(fuse, &overlay, &err);
	if (!ret)
		ret = send_note(socket, &note, fuse);
	if (!ret)
		ret = medio_overlay_make(compat, &overlay, alone, &note.dev, &err);
	if (!ret)
		ret = medio_filter_install(has_uio(compat), &listener, &err);
	note.step = MEDIO_LAUNCH_READY;
	if (!ret)
		ret = send_note(socket, &note, listener);
	if (ret)
		fail(socket, ret, err);
	close(fuse);
	close(overlay.dev);
	close(overlay.sys);
	close(listener);
	if (read(socket, &go, 1) != 1)
		_exit(127);
}

void medio_launch_child(struct medio_compat *compat, const struct medio_launch_options *opts,
	pid_t parent, int socket)
{
	struct medio_error *err = NULL;

	/* A program whose devices are gone is of no use to anybody. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	prepare(compat, socket);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* becoming another user takes it back */
	reset_signals(opts->mask);
	execvp(opts->argv[0], opts->argv);
	int ret = -errno;
	medio_error_set(&err, -ret, "cannot run '%s': %s%s", opts->argv[0], strerror(-ret),
		ret == -ENOENT ? ". Is it in PATH?" : "");
	fail(socket, ret, err);
}
