/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "compat/compat.h"
#include "compat/kdev.h"
#include "compat/kfile.h"
#include "compat/tracee.h"
#include "util/cleanup.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* Linux 6.9 */
#endif

#define DEV_VFIO_DEVICES "/dev/vfio/devices/vfio"

void medio_descriptors_init(struct medio_descriptors *d, struct medio_compat *compat)
{
	memset(d, 0, sizeof(*d));
	d->compat = compat;
}

void medio_descriptors_fini(struct medio_descriptors *d)
{
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(d->threads); i++)
		if (d->threads[i].tid)
			close(d->threads[i].fds);
}

/* "17", at the end of buf. */
static const char *digits(int number, char buf[12])
{
	char *at = &buf[11];

	*at = '\0';
	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	return at;
}

/* The thread's folder; anew: what is known of it is not true any more. -1: there is no such thread. */
static int folder_of(struct medio_descriptors *d, pid_t tid, bool anew)
{
	size_t slot = (unsigned)tid % MEDIO_ARRAY_SIZE(d->threads);
	char path[32];

	if (d->threads[slot].tid == tid && !anew)
		return d->threads[slot].fds;
	if (d->threads[slot].tid)
		close(d->threads[slot].fds);
	d->threads[slot].tid = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", tid);
	int fds = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fds >= 0) {
		d->threads[slot].tid = tid;
		d->threads[slot].fds = fds;
	}
	return fds;
}

/* A file of ours that we may not look at: its number is in fdinfo (Linux 5.14). */
static struct medio_kfile *find_hidden(
	struct medio_descriptors *d, pid_t tid, int fd, const struct statx *stx)
{
	uint64_t dev = makedev(stx->stx_dev_major, stx->stx_dev_minor);
	char path[48], text[512];

	if (!d->compat->fs_dev || dev != d->compat->fs_dev)
		return NULL;
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", tid, fd);
	_cleanup_close_ int info = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
	if (len <= 0)
		return NULL;
	text[len] = '\0';
	const char *ino = strstr(text, "\nino:");
	return ino ? medio_kfile_find(d->compat, dev, strtoull(ino + strlen("\nino:"), NULL, 10))
		   : NULL;
}

/* /dev/vfio/devices/vfioN is /dev/null under another name, until it is bound. */
static struct medio_kfile *find_device(struct medio_descriptors *d, int fds, const char *name)
{
	char path[256];
	ssize_t len = readlinkat(fds, name, path, sizeof(path) - 1);

	if (len < 0)
		return NULL;
	path[len] = '\0';
	/* A program in a namespace of its own may have other folders before. */
	const char *found = strstr(path, DEV_VFIO_DEVICES);
	if (!found)
		return NULL;
	char *end;
	unsigned long number = strtoul(found + strlen(DEV_VFIO_DEVICES), &end, 10);
	if (*end || end == found + strlen(DEV_VFIO_DEVICES))
		return NULL;
	medio_list_for_each (item, &d->compat->kdevs) {
		struct medio_kdev *kdev = medio_container_of(item, struct medio_kdev, link);
		if (kdev->number == number && kdev->look != MEDIO_KDEV_UIO && kdev->cdev.ops)
			return &kdev->cdev;
	}
	return NULL;
}

struct medio_kfile *medio_descriptor_find(struct medio_descriptors *d, pid_t tid, int fd)
{
	const unsigned mask = STATX_TYPE | STATX_INO;
	char buf[12];
	struct statx stx;
	int ret = -1;

	if (fd < 0)
		return NULL;
	const char *name = digits(fd, buf);
	int fds = folder_of(d, tid, false);
	if (fds >= 0)
		ret = statx(fds, name, AT_STATX_DONT_SYNC, mask, &stx);
	if (ret < 0 && (errno == ENOENT || errno == ESRCH || errno == EACCES)) {
		/* No such descriptor; or another thread has the number tid by now; or the folder is from a moment in an
		 * exec(), when it was root's. */
		fds = folder_of(d, tid, true);
		ret = fds < 0 ? -1 : statx(fds, name, AT_STATX_DONT_SYNC, mask, &stx);
	}
	if (ret < 0 && errno == EACCES && fds >= 0 &&
		!statx(fds, name, AT_STATX_DONT_SYNC, 0, &stx))
		return find_hidden(d, tid, fd, &stx);
	if (ret < 0)
		return NULL;
	if (S_ISCHR(stx.stx_mode))
		return stx.stx_rdev_major == 1 && stx.stx_rdev_minor == 3
			       ? find_device(d, fds, name)
			       : NULL;
	return medio_kfile_find(
		d->compat, makedev(stx.stx_dev_major, stx.stx_dev_minor), stx.stx_ino);
}

int medio_descriptor_take(pid_t tid, int fd, int *out)
{
	struct medio_tracee_status status;
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD);

	if (fd < 0)
		return -EBADF;
	/* Older kernels know processes only, whose threads nearly always share their descriptors. */
	if (pidfd < 0 && !medio_tracee_status(tid, &status))
		pidfd = (int)syscall(SYS_pidfd_open, status.tgid, 0);
	int copy = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (copy < 0)
		return -EBADF;
	*out = copy; /* close-on-exec is set */
	return 0;
}
