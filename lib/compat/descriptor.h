/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a number of a descriptor means in a thread of the program: which of our files (kfile.h), or a descriptor of our own for
 * the same open file.
 *
 * The kernel says of /proc/TID/fd/N which inode it is. Our own FUSE file system is not asked for that (it would have to
 * answer while we wait), and where it belongs to a user namespace of the program's it does not let us look at all: then
 * /proc/TID/fdinfo/N has the number.
 */
#ifndef MEDIO_COMPAT_DESCRIPTOR_H
#define MEDIO_COMPAT_DESCRIPTOR_H

#include <sys/types.h>

struct medio_compat;
struct medio_kfile;

/* Folders of threads that have been asked about, so that the next question about one is a single system call. */
struct medio_descriptors {
	struct medio_compat *compat;
	struct {
		pid_t tid; /* 0: free */
		int fds;   /* /proc/TID/fd */
	} threads[64];
};

void medio_descriptors_init(struct medio_descriptors *d, struct medio_compat *compat);
void medio_descriptors_fini(struct medio_descriptors *d);

/* NULL: none of ours, or not open. */
struct medio_kfile *medio_descriptor_find(struct medio_descriptors *d, pid_t tid, int fd);
/* *out is the caller's. -EBADF. */
int medio_descriptor_take(pid_t tid, int fd, int *out);

#endif
