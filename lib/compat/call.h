/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One system call of a program that runs under `medio run`, caught because it may concern files of ours. What it
 * points to is the program's memory, what it names are the program's descriptors; both are hostile, and both
 * are reached through here only. Tests and fuzzers put a program of their own behind the table of operations.
 *
 * A handler returns what the program gets: a value of 0 or more, or -errno.
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

/* Not ours after all: the kernel is to do it. */
#define MEDIO_CALL_CONTINUE INT64_MIN

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
