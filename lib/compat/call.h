/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One system call of a program that runs under `medio run`, caught because it may concern files of ours. What it
 * points to is the program's memory, what it names are the program's descriptors; both are hostile, and both
 * are reached through here only. Tests and fuzzers put a program of their own behind the table of operations.
 *
 * A handler returns what the program gets: a value of 0 or more, or -errno; or it keeps the call and answers later.
 *
 * Threads: the supervisor's.
 */
#ifndef MEDIO_COMPAT_CALL_H
#define MEDIO_COMPAT_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct medio_call;
struct medio_compat;
struct medio_hold;
struct medio_kfile;

/* A handler's promise: medio_call_answer() follows, for what medio_call_keep() gave. */
#define MEDIO_CALL_LATER INT64_MIN
/* Not ours after all: the kernel is to do it. */
#define MEDIO_CALL_CONTINUE (INT64_MIN + 1)

struct medio_call_ops {
	/* Memory of the program. All or nothing is promised of neither; -EFAULT. */
	int (*read)(struct medio_call *call, uint64_t addr, void *buf, size_t size);
	int (*write)(struct medio_call *call, uint64_t addr, const void *buf, size_t size);
	/* The program's descriptor fd as one of this process's own, which is the caller's. -EBADF. */
	int (*take_fd)(struct medio_call *call, int fd, int *out);
	/* Which file of ours fd is; NULL: none. */
	struct medio_kfile *(*find)(struct medio_call *call, int fd);
	/* Give the program srcfd (which stays the caller's) at the lowest free number, which is returned; flags:
	 * O_CLOEXEC or 0. -EMFILE: the program's limit. */
	int (*give)(struct medio_call *call, int srcfd, unsigned flags);
	/* The program's number fd, which is open, becomes srcfd; what it was is closed there. */
	int (*swap)(struct medio_call *call, int fd, int srcfd, unsigned flags);
	/* Stop the thread on its way out of this call, with nothing of the program's own run in between; see
	 * hold.h. NULL: cannot be done here. */
	int (*hold)(struct medio_call *call, struct medio_hold **out);
	/* Once, at last. The call is gone then. */
	void (*answer)(struct medio_call *call, int64_t ret);
	/* The same call in memory of its own. NULL: no memory. */
	struct medio_call *(*keep)(struct medio_call *call);
};

struct medio_call {
	const struct medio_call_ops *ops;
	struct medio_compat *compat;
	pid_t tid;   /* the calling thread */
	unsigned nr; /* __NR_ioctl … of this machine */
	uint64_t args[6];
	struct medio_kfile *file; /* what it is about */
};

static inline int medio_call_read(struct medio_call *call, uint64_t addr, void *buf, size_t size)
{
	return size ? call->ops->read(call, addr, buf, size) : 0;
}

static inline int medio_call_write(
	struct medio_call *call, uint64_t addr, const void *buf, size_t size)
{
	return size ? call->ops->write(call, addr, buf, size) : 0;
}

/* Keep a call beyond its handler, which then returns MEDIO_CALL_LATER. NULL: no memory (answer -ENOMEM). */
static inline struct medio_call *medio_call_keep(struct medio_call *call)
{
	return call->ops->keep(call);
}

/* Answer a call that was kept. The program may have been killed meanwhile: nobody minds. */
static inline void medio_call_answer(struct medio_call *call, int64_t ret)
{
	call->ops->answer(call, ret);
}

/*
 * The structures of VFIO's ioctls begin with argsz, how much of one the program knows. Read what it has, at least min
 * and at most size bytes, the rest zeroed. -EINVAL: argsz below min; -EFAULT. (linux/vfio.h: "argsz")
 */
int medio_call_read_argsz(
	struct medio_call *call, uint64_t addr, void *buf, size_t min, size_t size);
/* iommufd's begin with size in the same place, and what is beyond ours must be zero: -E2BIG. */
int medio_call_read_sized(
	struct medio_call *call, uint64_t addr, void *buf, size_t min, size_t size);

#endif
