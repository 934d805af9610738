/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "compat/descriptor.h"
#include "compat/dispatch.h"
#include "compat/hold.h"
#include "compat/seccomp_abi.h"
#include "util/cleanup.h"

struct medio_notify {
	struct medio_compat *compat;
	int listener;
	struct medio_watch *watch;
	void (*gone)(void *opaque);
	void *opaque;
	struct medio_descriptors descriptors;
};

struct call {
	struct medio_call call;
	struct medio_notify *notify;
	uint64_t id;
	struct medio_hold *hold;
};

static struct call *of(struct medio_call *call)
{
	return medio_container_of(call, struct call, call);
}

/* ---- What a handler may ask for ---------------------------------------------------------------- */

/* An address of the program's, for calls of the kernel's that want a pointer. */
static void *there(uint64_t addr)
{
	return (union {
		uint64_t number;
		void *pointer;
	}){ .number = addr }
		.pointer;
}

/*
 * The thread may have been killed while a device took its time, and another process have its number by now. One that is
 * held keeps it.
 */
static bool lives(const struct call *c)
{
	return c->hold || ioctl(c->notify->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &c->id) == 0;
}

static int read_memory(struct medio_call *call, uint64_t addr, void *buf, size_t size)
{
	const struct iovec to = { buf, size }, from = { there(addr), size };

	if (process_vm_readv(call->tid, &to, 1, &from, 1, 0) != (ssize_t)size || !lives(of(call)))
		return -EFAULT;
	return 0;
}

static int write_memory(struct medio_call *call, uint64_t addr, const void *buf, size_t size)
{
	const struct iovec from = { there((uintptr_t)buf), size }, to = { there(addr), size };

	if (!lives(of(call)) || process_vm_writev(call->tid, &from, 1, &to, 1, 0) != (ssize_t)size)
		return -EFAULT;
	return 0;
}

static int take_fd(struct medio_call *call, int fd, int *out)
{
	return lives(of(call)) ? medio_descriptor_take(call->tid, fd, out) : -EBADF;
}

static struct medio_kfile *find(struct medio_call *call, int fd)
{
	return medio_descriptor_find(&of(call)->notify->descriptors, call->tid, fd);
}

static int add_fd(struct medio_call *call, struct seccomp_notif_addfd *add)
{
	struct call *c = of(call);

	add->id = c->id;
	int fd = ioctl(c->notify->listener, SECCOMP_IOCTL_NOTIF_ADDFD, add);
	return fd < 0 ? -errno : fd;
}

static int give(struct medio_call *call, int srcfd, unsigned flags)
{
	struct seccomp_notif_addfd add = { .srcfd = (unsigned)srcfd, .newfd_flags = flags };

	return add_fd(call, &add);
}

static int swap(struct medio_call *call, int fd, int srcfd, unsigned flags)
{
	struct seccomp_notif_addfd add = {
		.flags = SECCOMP_ADDFD_FLAG_SETFD,
		.srcfd = (unsigned)srcfd,
		.newfd = (unsigned)fd,
		.newfd_flags = flags,
	};
	int ret = add_fd(call, &add);

	return ret < 0 ? ret : 0;
}

/* ---- Answers ----------------------------------------------------------------------------------- */

static int send_answer(const struct medio_notify *notify, uint64_t id, int64_t ret)
{
	struct seccomp_notif_resp resp = { .id = id };

	if (ret == MEDIO_CALL_CONTINUE)
		resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else if (ret < 0 && ret >= -4095)
		resp.error = (int)ret;
	else
		resp.val = ret;
	/* -ENOENT: it has been killed meanwhile. */
	return ioctl(notify->listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0 ? -errno : 0;
}

static void answer(struct call *c, int64_t ret)
{
	/* Its thread has left the call: the kernel cannot do it any more. */
	if (c->hold && ret == MEDIO_CALL_CONTINUE)
		ret = -ENOSYS;
	if (c->hold)
		medio_hold_end(c->hold, &ret);
	else
		send_answer(c->notify, c->id, ret);
}

/* ---- Threads that stand still ------------------------------------------------------------------ */

static int leave(void *opaque)
{
	const struct call *c = opaque;

	return send_answer(c->notify, c->id, 0);
}

static int hold(struct medio_call *call, struct medio_hold **out)
{
	struct call *c = of(call);
	const struct medio_hold_caller caller = {
		.leave = leave,
		.opaque = c,
		.compat = c->notify->compat,
	};

	if (!c->hold) {
		int ret = medio_hold_start(call->tid, &caller, &c->hold);
		if (ret)
			return ret;
	}
	*out = c->hold;
	return 0;
}

static const struct medio_call_ops ops = {
	.read = read_memory,
	.write = write_memory,
	.take_fd = take_fd,
	.find = find,
	.give = give,
	.swap = swap,
	.hold = hold,
};

/* ---- Calls come -------------------------------------------------------------------------------- */

static void on_call(struct medio_notify *notify)
{
	struct seccomp_notif notif;

	memset(&notif, 0, sizeof(notif));
	/* -ENOENT: it was interrupted before we came, and is made again. */
	if (ioctl(notify->listener, SECCOMP_IOCTL_NOTIF_RECV, &notif) < 0)
		return;
	struct call c = {
		.call = { .ops = &ops,
			.compat = notify->compat,
			.tid = (pid_t)notif.pid,
			.nr = (unsigned)notif.data.nr },
		.notify = notify,
		.id = notif.id,
	};
	for (unsigned i = 0; i < MEDIO_ARRAY_SIZE(c.call.args); i++)
		c.call.args[i] = notif.data.args[i];
	c.call.file = medio_descriptor_find(
		&notify->descriptors, c.call.tid, medio_dispatch_fd(&c.call));
	int64_t ret = c.call.file ? medio_dispatch(&c.call) : MEDIO_CALL_CONTINUE;
	if (c.call.file && ret != MEDIO_CALL_CONTINUE && medio_story_on(notify->compat))
		medio_story_call(&c.call, ret);
	answer(&c, ret);
}

static void on_listener(void *opaque, uint32_t events)
{
	struct medio_notify *notify = opaque;

	if (events & EPOLLIN) {
		on_call(notify);
		return;
	}
	if (events & (EPOLLHUP | EPOLLERR)) {
		medio_watch_free(notify->watch);
		notify->watch = NULL;
		notify->gone(notify->opaque);
	}
}

int medio_notify_new(struct medio_compat *compat, int listener, void (*gone)(void *opaque),
	void *opaque, struct medio_notify **out)
{
	struct medio_notify *notify = calloc(1, sizeof(*notify));

	if (!notify) {
		close(listener);
		return -ENOMEM;
	}
	notify->compat = compat;
	notify->listener = listener;
	notify->gone = gone;
	notify->opaque = opaque;
	medio_descriptors_init(&notify->descriptors, compat);
	/* Where the kernel does not know it, it is slower. */
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	notify->watch = medio_loop_watch(compat->loop, listener, EPOLLIN, on_listener, notify);
	if (!notify->watch) {
		medio_notify_free(notify);
		return -ENOMEM;
	}
	*out = notify;
	return 0;
}

void medio_notify_free(struct medio_notify *notify)
{
	if (!notify)
		return;
	medio_watch_free(notify->watch);
	close(notify->listener);
	medio_descriptors_fini(&notify->descriptors);
	free(notify);
}
