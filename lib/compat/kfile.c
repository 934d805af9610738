/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/kfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "compat/compat.h"
#include "util/cleanup.h"

static struct medio_list *bucket(struct medio_compat *compat, uint64_t ino)
{
	return &compat->files_by_ino[ino % MEDIO_ARRAY_SIZE(compat->files_by_ino)];
}

/* Rare: at the end of a file. */
static struct medio_kfile *by_watch(struct medio_compat *compat, int watch)
{
	medio_list_for_each (item, &compat->files) {
		struct medio_kfile *file = medio_container_of(item, struct medio_kfile, link);

		if (file->watch == watch)
			return file;
	}
	return NULL;
}

/* Whether there may be more. */
static bool read_inotify(struct medio_compat *compat)
{
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t got = read(compat->inotify, buf, sizeof(buf));

	for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= got;) {
		const struct inotify_event *event = (const void *)&buf[at];

		at += (ssize_t)(sizeof(*event) + event->len);
		if (!(event->mask & IN_DELETE_SELF))
			continue;
		struct medio_kfile *file = by_watch(compat, event->wd);
		if (!file)
			continue;
		file->watch = -1; /* it went with the inode */
		medio_kfile_leave(file);
		file->ops->release(file);
	}
	return got > 0;
}

static void on_inotify(void *opaque, uint32_t events)
{
	(void)events;
	read_inotify(opaque);
}

void medio_kfile_settle(struct medio_compat *compat)
{
	while (compat->inotify >= 0 && read_inotify(compat))
		;
}

static int start_inotify(struct medio_compat *compat)
{
	_cleanup_close_ int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (fd < 0)
		return -errno;
	compat->inotify_watch = medio_loop_watch(compat->loop, fd, EPOLLIN, on_inotify, compat);
	if (!compat->inotify_watch)
		return -ENOMEM;
	compat->inotify = medio_steal_fd(fd);
	return 0;
}

int medio_kfile_watch(struct medio_compat *compat, const struct medio_kfile_ops *ops,
	struct medio_kfile *file, int memfd)
{
	char path[32];
	struct stat st;

	if (compat->inotify < 0) {
		int ret = start_inotify(compat);
		if (ret)
			return ret;
	}
	if (fstat(memfd, &st) < 0)
		return -errno;
	/* The file has no name, so it is gone, with its inode, when the last descriptor and the last mapping are. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd);
	int watch = inotify_add_watch(compat->inotify, path, IN_DELETE_SELF);
	if (watch < 0)
		return -errno;
	medio_kfile_enter(compat, ops, file, st.st_ino);
	file->dev = st.st_dev;
	file->watch = watch;
	return 0;
}

int medio_kfile_make(struct medio_compat *compat, const struct medio_kfile_ops *ops,
	struct medio_kfile *file, int *fd)
{
	_cleanup_close_ int memfd = memfd_create(ops->what, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (memfd < 0)
		return -errno;
	/* Whatever the filter does not catch finds an empty file that stays so. */
	if (fcntl(memfd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE) < 0)
		return -errno;
	int ret = medio_kfile_watch(compat, ops, file, memfd);
	if (ret)
		return ret;
	*fd = medio_steal_fd(memfd);
	return 0;
}

void medio_kfile_enter(struct medio_compat *compat, const struct medio_kfile_ops *ops,
	struct medio_kfile *file, uint64_t ino)
{
	file->ops = ops;
	file->compat = compat;
	file->dev = 0;
	file->ino = ino;
	file->watch = -1;
	medio_list_append(&compat->files, &file->link);
	medio_list_append(bucket(compat, ino), &file->by_ino);
}

void medio_kfile_leave(struct medio_kfile *file)
{
	if (file->watch >= 0)
		inotify_rm_watch(file->compat->inotify, file->watch);
	file->watch = -1;
	if (medio_list_empty(&file->link))
		return;
	medio_list_remove(&file->link);
	medio_list_remove(&file->by_ino);
}

struct medio_kfile *medio_kfile_find(struct medio_compat *compat, uint64_t dev, uint64_t ino)
{
	medio_list_for_each (item, bucket(compat, ino)) {
		struct medio_kfile *file = medio_container_of(item, struct medio_kfile, by_ino);
		uint64_t known = file->dev ? file->dev : compat->fs_dev;

		if (file->ino == ino && (known == dev || !known))
			return file;
	}
	return NULL;
}
