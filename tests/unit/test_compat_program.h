/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that makes calls, for tests of lib/compat without one: its memory is the test's own, of which it can reach what
 * it has been told; its descriptors are the test's own too.
 */
#ifndef TEST_COMPAT_PROGRAM_H
#define TEST_COMPAT_PROGRAM_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compat/compat.h"
#include "compat/kfile.h"

#define PROGRAM_AREAS 8

struct program_area {
	char *start;
	size_t size;
};

struct program {
	struct medio_compat *compat;
	struct program_area areas[PROGRAM_AREAS]; /* what it can reach; none: everything */
	unsigned num_areas;
	unsigned limit; /* descriptors that it can still be given; 0: any number */
};

struct program_call {
	struct medio_call call;
	struct program *program;
};

static inline struct program *program_of(struct medio_call *call)
{
	return ((struct program_call *)(void *)call)->program;
}

static inline bool program_reaches(const struct program *p, uint64_t addr, size_t size)
{
	if (!p->num_areas)
		return addr >= 4096 && addr + size >= addr;
	for (unsigned i = 0; i < p->num_areas; i++) {
		uint64_t start = (uintptr_t)p->areas[i].start;
		if (addr >= start && size <= p->areas[i].size &&
			addr - start <= p->areas[i].size - size)
			return true;
	}
	return false;
}

static inline int program_read(struct medio_call *call, uint64_t addr, void *buf, size_t size)
{
	if (!program_reaches(program_of(call), addr, size))
		return -EFAULT;
	memcpy(buf, (const void *)(uintptr_t)addr, size);
	return 0;
}

static inline int program_write(
	struct medio_call *call, uint64_t addr, const void *buf, size_t size)
{
	if (!program_reaches(program_of(call), addr, size))
		return -EFAULT;
	memcpy((void *)(uintptr_t)addr, buf, size);
	return 0;
}

static inline int program_take_fd(struct medio_call *call, int fd, int *out)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	(void)call;
	if (copy < 0)
		return -EBADF;
	*out = copy;
	return 0;
}

static inline struct medio_kfile *program_find(struct medio_call *call, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return NULL;
	return medio_kfile_find(program_of(call)->compat, st.st_dev, st.st_ino);
}

static inline int program_give(struct medio_call *call, int srcfd, unsigned flags)
{
	struct program *p = program_of(call);

	if (p->limit && p->limit-- == 1) {
		p->limit = 1;
		return -EMFILE;
	}
	int fd = fcntl(srcfd, flags & O_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
	return fd < 0 ? -errno : fd;
}

static inline int program_swap(struct medio_call *call, int fd, int srcfd, unsigned flags)
{
	(void)call;
	return dup3(srcfd, fd, (int)flags) < 0 ? -errno : 0;
}

static const struct medio_call_ops program_ops = {
	.read = program_read,
	.write = program_write,
	.take_fd = program_take_fd,
	.find = program_find,
	.give = program_give,
	.swap = program_swap,
};

static inline struct program_call program_call(struct program *p, struct medio_kfile *file,
	unsigned nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	return (struct program_call){
		.call = { &program_ops, p->compat, getpid(), nr, { a0, a1, a2, a3 }, file },
		.program = p,
	};
}

/* ioctl(fd, cmd, arg) on a file of ours; what it gives. */
static inline int64_t program_ioctl_file(
	struct program *p, struct medio_kfile *file, int fd, unsigned cmd, uint64_t arg)
{
	struct program_call c = program_call(p, file, __NR_ioctl, (uint64_t)fd, cmd, arg, 0);

	return file->ops->ioctl ? file->ops->ioctl(file, &c.call, cmd, arg) : -ENOTTY;
}

static inline int64_t program_ioctl(struct program *p, int fd, unsigned cmd, void *arg)
{
	struct program_call c = program_call(
		p, NULL, __NR_ioctl, (uint64_t)fd, cmd, (uintptr_t)arg, 0);
	struct medio_kfile *file = program_find(&c.call, fd);

	return file ? program_ioctl_file(p, file, fd, cmd, (uintptr_t)arg) : -EBADF;
}

static inline int64_t program_pread(
	struct program *p, struct medio_kfile *file, void *buf, size_t count, uint64_t offset)
{
	struct program_call c = program_call(
		p, file, __NR_pread64, 0, (uintptr_t)buf, count, offset);

	return file->ops->pread ? file->ops->pread(file, &c.call, (uintptr_t)buf, count, offset)
				: -EINVAL;
}

static inline int64_t program_pwrite(
	struct program *p, struct medio_kfile *file, const void *buf, size_t count, uint64_t offset)
{
	struct program_call c = program_call(
		p, file, __NR_pwrite64, 0, (uintptr_t)buf, count, offset);

	return file->ops->pwrite ? file->ops->pwrite(file, &c.call, (uintptr_t)buf, count, offset)
				 : -EINVAL;
}

#endif
