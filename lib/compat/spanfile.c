/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/spanfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "compat/tracee.h"
#include "util/cleanup.h"
#include "util/loop.h"

struct medio_spanfiles {
	struct medio_list files;
	int inotify; /* -1: until the end nothing is known to have ended */
	struct medio_watch *watch;
};

/* ---- The table --------------------------------------------------------------------------------- */

static void on_inotify(void *opaque, uint32_t events)
{
	struct medio_spanfiles *table = opaque;
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t got = read(table->inotify, buf, sizeof(buf));

	(void)events;
	for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= got;) {
		const struct inotify_event *event = (const void *)&buf[at];
		at += (ssize_t)(sizeof(*event) + event->len);
		medio_list_for_each (item, &table->files) {
			struct medio_spanfile *file = medio_container_of(
				item, struct medio_spanfile, link);
			if (!(event->mask & IN_CLOSE) || file->watch != event->wd)
				continue;
			inotify_rm_watch(table->inotify, file->watch);
			file->watch = -1;
			medio_spanfile_unref(file);
			break;
		}
	}
}

static struct medio_spanfiles *table_of(struct medio_compat *compat)
{
	struct medio_spanfiles *table = compat->spanfiles;

	if (table)
		return table;
	table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	medio_list_init(&table->files);
	table->inotify = compat->loop ? inotify_init1(IN_NONBLOCK | IN_CLOEXEC) : -1;
	if (table->inotify >= 0)
		table->watch = medio_loop_watch(
			compat->loop, table->inotify, EPOLLIN, on_inotify, table);
	if (table->inotify >= 0 && !table->watch) {
		close(table->inotify);
		table->inotify = -1;
	}
	compat->spanfiles = table;
	return table;
}

void medio_spanfiles_free(struct medio_spanfiles *table)
{
	if (!table)
		return;
	medio_list_for_each (item, &table->files) {
		struct medio_spanfile *file = medio_container_of(item, struct medio_spanfile, link);
		file->refs = 1;
		medio_spanfile_unref(file);
	}
	medio_watch_free(table->watch);
	if (table->inotify >= 0)
		close(table->inotify);
	free(table);
}

/* Owns fd, also on failure. */
static int enter(struct medio_compat *compat, int fd, bool writable, struct medio_spanfile **out)
{
	_cleanup_close_ int owned = fd;
	struct medio_spanfiles *table = table_of(compat);
	struct stat st;

	if (!table || fstat(fd, &st) < 0)
		return -ENOMEM;
	struct medio_spanfile *file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	*file = (struct medio_spanfile){
		.table = table,
		.refs = 1,
		.fd = medio_steal_fd(owned),
		.writable = writable,
		.major = major(st.st_dev),
		.minor = minor(st.st_dev),
		.ino = st.st_ino,
		.watch = -1,
	};
	medio_list_append(&table->files, &file->link);
	*out = file;
	return 0;
}

struct medio_spanfile *medio_spanfile_ref(struct medio_spanfile *file)
{
	file->refs++;
	return file;
}

void medio_spanfile_unref(struct medio_spanfile *file)
{
	if (!file || --file->refs)
		return;
	if (file->watch >= 0)
		inotify_rm_watch(file->table->inotify, file->watch);
	medio_list_remove(&file->link);
	close(file->fd);
	free(file);
}

int medio_spanfile_make(
	struct medio_compat *compat, uint64_t size, struct medio_spanfile **out, int *fd)
{
	char path[32];
	int ret, made = memfd_create("medio-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (made < 0)
		return -errno;
	/* Sealed, so that nobody need fear SIGBUS. */
	if (ftruncate(made, (off_t)size) < 0 ||
		fcntl(made, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
		close(made);
		return -ENOMEM;
	}
	/* Closing the first opening tells inotify nothing, closing a second does: the program's is one. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", made);
	_cleanup_close_ int theirs = open(path, O_RDWR | O_CLOEXEC);
	if (theirs < 0) {
		ret = -errno;
		close(made);
		return ret;
	}
	ret = enter(compat, made, true, out);
	if (ret)
		return ret;
	struct medio_spanfiles *table = (*out)->table;
	if (table->inotify >= 0)
		(*out)->watch = inotify_add_watch(table->inotify, path, IN_CLOSE);
	medio_spanfile_ref(*out); /* the program's; without a watch it has it till the end */
	*fd = medio_steal_fd(theirs);
	return 0;
}

/* ---- Finding ----------------------------------------------------------------------------------- */

/* Never a request to the file system itself: it may be ours, and wait for us. */
static bool is_same(int dir, const char *name, const struct medio_maps_area *area)
{
	struct statx st;
	int flags = AT_STATX_DONT_SYNC | (*name ? 0 : AT_EMPTY_PATH);

	return statx(dir, name, flags, STATX_INO | STATX_TYPE, &st) == 0 &&
	       st.stx_ino == area->ino && st.stx_dev_major == area->major &&
	       st.stx_dev_minor == area->minor;
}

static bool will_do(int fd, bool write)
{
	int mode = fcntl(fd, F_GETFL);

	return mode >= 0 && !(mode & O_PATH) &&
	       ((mode & O_ACCMODE) == O_RDWR || (!write && (mode & O_ACCMODE) == O_RDONLY));
}

/* Among the descriptors of the calling process (call), or of our own (NULL). */
static int find_descriptor(
	struct medio_call *call, const struct medio_maps_area *area, bool write, int *out)
{
	struct dirent *entry;
	char path[32];
	int found = -1;

	snprintf(path, sizeof(path), "/proc/%d/fd", call ? call->tid : getpid());
	DIR *dir = opendir(path);
	if (!dir)
		return -ENOENT;
	while (found < 0 && (entry = readdir(dir))) {
		int fd = (int)strtol(entry->d_name, NULL, 10);
		if (*entry->d_name == '.' || !is_same(dirfd(dir), entry->d_name, area))
			continue;
		if (!call)
			found = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		else if (call->ops->take_fd(call, fd, &found))
			found = -1;
		/* It may be another one by now. */
		if (found >= 0 && (!is_same(found, "", area) || !will_do(found, write))) {
			close(found);
			found = -1;
		}
	}
	closedir(dir);
	if (found < 0)
		return -ENOENT;
	*out = found;
	return 0;
}

/* As it is mapped: for the privileged. */
static int open_mapped(
	struct medio_call *call, const struct medio_maps_area *area, bool write, int *out)
{
	char path[80];

	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", call->tid,
		(unsigned long long)area->start, (unsigned long long)area->end);
	int fd = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -ENOENT;
	if (!is_same(fd, "", area)) {
		close(fd);
		return -ENOENT;
	}
	*out = fd;
	return 0;
}

/* May we look something up in this folder? Not in our own file system, whose requests wait for us. */
static bool is_foreign(struct medio_compat *compat, int dir)
{
	struct statx st;

	return compat->fs_dev &&
	       statx(dir, "", AT_STATX_DONT_SYNC | AT_EMPTY_PATH, STATX_TYPE, &st) == 0 &&
	       makedev(st.stx_dev_major, st.stx_dev_minor) != compat->fs_dev;
}

/* By the name the kernel gives, one folder after the other: what stands there now may be another file. */
static int open_named(
	struct medio_call *call, const struct medio_maps_area *area, bool write, int *out)
{
	char path[PATH_MAX], *rest = path, *part;
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/root", call->tid);
	_cleanup_close_ int at = open(path, O_PATH | O_CLOEXEC);
	if (at < 0 || *area->name != '/' || strlen(area->name) >= sizeof(path))
		return -ENOENT;
	snprintf(path, sizeof(path), "%s", area->name);
	while ((part = strsep(&rest, "/"))) {
		if (!*part)
			continue;
		if (!is_foreign(call->compat, at))
			return -ENOENT;
		int next = openat(at, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return -ENOENT;
		close(at);
		at = next;
	}
	if (!is_foreign(call->compat, at) || !is_same(at, "", area) || fstat(at, &st) < 0 ||
		!S_ISREG(st.st_mode))
		return -ENOENT;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", at);
	int fd = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (fd < 0)
		return -ENOENT;
	*out = fd;
	return 0;
}

int medio_spanfile_find(struct medio_call *call, const struct medio_maps_area *area, bool write,
	struct medio_spanfile **out)
{
	struct medio_spanfiles *table = table_of(call->compat);
	int fd;

	if (!table)
		return -ENOMEM;
	if (!area->ino)
		return -ENOENT;
	medio_list_for_each (item, &table->files) {
		struct medio_spanfile *file = medio_container_of(item, struct medio_spanfile, link);
		if (file->ino != area->ino || file->major != area->major ||
			file->minor != area->minor || (write && !file->writable))
			continue;
		*out = medio_spanfile_ref(file);
		return 0;
	}
	int ret = find_descriptor(call, area, write, &fd);
	if (ret)
		ret = find_descriptor(NULL, area, write, &fd); /* a device's own memory */
	if (ret)
		ret = open_mapped(call, area, write, &fd);
	if (ret)
		ret = open_named(call, area, write, &fd);
	return ret ? ret : enter(call->compat, fd, will_do(fd, true), out);
}

/* ---- Others that have it ----------------------------------------------------------------------- */

static int is_this(void *opaque, const struct medio_maps_area *area)
{
	const struct medio_maps_area *wanted = opaque;

	return area->ino == wanted->ino && area->major == wanted->major &&
	       area->minor == wanted->minor;
}

bool medio_spanfile_elsewhere(pid_t pid, const struct medio_maps_area *area)
{
	struct medio_maps_area wanted = *area;
	struct medio_tracee_status status;
	struct dirent *entry;
	bool found = false;

	if (medio_tracee_status(pid, &status))
		return true;
	DIR *dir = opendir("/proc");
	if (!dir)
		return true;
	while (!found && (entry = readdir(dir))) {
		pid_t other = (pid_t)strtol(entry->d_name, NULL, 10);
		if (other > 0 && other != status.tgid)
			found = medio_maps_walk(other, 0, UINT64_MAX, is_this, &wanted) > 0;
	}
	closedir(dir);
	return found;
}
