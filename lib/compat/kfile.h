/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An open file of ours, as a program has it: a container, a group, a device, /dev/iommu, a UIO device. The program's
 * descriptor is a real one (a file of our FUSE file system, or a memfd that it was given), so that dup(),
 * fork(), exec() and messages with descriptors are the kernel's business; which of ours it is tells its inode, and
 * that it has been closed for the last time the kernel tells us (RELEASE; or inotify, that the memfd's inode is gone).
 *
 * Threads: the supervisor's.
 */
#ifndef MEDIO_COMPAT_KFILE_H
#define MEDIO_COMPAT_KFILE_H

#include <stdint.h>

#include "compat/call.h"
#include "util/list.h"

struct medio_kfile;

/* Each may be NULL: -ENOTTY for ioctl, -EINVAL for pread and pwrite, -ENODEV for mmap. */
struct medio_kfile_ops {
	const char *what; /* "container" … for the story */
	int64_t (*ioctl)(
		struct medio_kfile *file, struct medio_call *call, unsigned cmd, uint64_t arg);
	/* count bytes at the program's address buf; offset as the program gave it. */
	int64_t (*pread)(struct medio_kfile *file, struct medio_call *call, uint64_t buf,
		uint64_t count, uint64_t offset);
	int64_t (*pwrite)(struct medio_kfile *file, struct medio_call *call, uint64_t buf,
		uint64_t count, uint64_t offset);
	/* mmap(addr, length, prot, flags, this file, offset): the arguments are the call's. */
	int64_t (*mmap)(struct medio_kfile *file, struct medio_call *call);
	/* The last descriptor of it has been closed, the last mapping too. Frees what holds the file. */
	void (*release)(struct medio_kfile *file);
};

struct medio_kfile {
	const struct medio_kfile_ops *ops;
	struct medio_compat *compat;
	struct medio_list link;	  /* of the compat's files */
	struct medio_list by_ino; /* in its table */
	uint64_t dev, ino;
	int watch; /* inotify's number, -1: FUSE tells */
};

/*
 * Make *file one that a program can be given: *fd, which is the caller's to give (call->ops->give or swap) and then to
 * close. When nobody has it any more file->ops->release() is called, also if it was never given.
 * -EMFILE, -ENOMEM, -ENOSPC (inotify's limit).
 */
int medio_kfile_make(struct medio_compat *compat, const struct medio_kfile_ops *ops,
	struct medio_kfile *file, int *fd);
/* The same of a memfd of the caller's, in which he has what he likes. */
int medio_kfile_watch(struct medio_compat *compat, const struct medio_kfile_ops *ops,
	struct medio_kfile *file, int memfd);
/* A file of the FUSE file system: dev is known only once somebody has asked, 0 till then. */
void medio_kfile_enter(struct medio_compat *compat, const struct medio_kfile_ops *ops,
	struct medio_kfile *file, uint64_t ino);
/* Take it out of the table, without release(). To be done before it is freed, except in release(). */
void medio_kfile_leave(struct medio_kfile *file);
/*
 * Have files released that the program has closed already, and of which nobody has told yet: before it is said that one is
 * in the way. Not while a file that may end so is worked on.
 */
void medio_kfile_settle(struct medio_compat *compat);
/* By device and inode number, as stat has them. NULL: none. */
struct medio_kfile *medio_kfile_find(struct medio_compat *compat, uint64_t dev, uint64_t ino);

#endif
