/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/overlay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compat/fsnode.h"
#include "compat/kdev.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Where all of our file system is. */
#define OURS "/dev/.medio"

/* ---- Mounts ------------------------------------------------------------------------------------- */

static int mount_tmpfs(const char *path, struct medio_error **err)
{
	if (mount("medio", path, "tmpfs", MS_NOSUID, "mode=0755,size=4m") == 0)
		return 0;
	return medio_error_set(err, errno, "cannot mount a tmpfs at %s: %s", path, strerror(errno));
}

static int bind(const char *from, const char *to)
{
	return mount(from, to, NULL, MS_BIND | MS_REC, NULL) < 0 ? -errno : 0;
}

/* An empty file or folder as a place for a mount. */
static int make_place(const char *path, mode_t mode)
{
	if (S_ISDIR(mode))
		return mkdir(path, mode & 07777) < 0 && errno != EEXIST ? -errno : 0;
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* ---- One entry ----------------------------------------------------------------------------------- */

static int copy_link(int dir, const char *name, const char *to)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(dir, name, target, sizeof(target) - 1);

	if (len < 0)
		return -errno;
	target[len] = '\0';
	return symlink(target, to) < 0 ? -errno : 0;
}

/* An entry of the machine's as it is; one that is gone by now, or that we may not see, is left out. */
static int put_real(int dir, const char *name, const char *to)
{
	char from[64 + NAME_MAX];
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return 0;
	if (S_ISLNK(st.st_mode))
		return copy_link(dir, name, to);
	snprintf(from, sizeof(from), "/proc/self/fd/%d/%s", dir, name);
	int ret = make_place(to, st.st_mode);
	if (ret)
		return ret;
	ret = bind(from, to);
	if (ret == -ENOENT || ret == -EACCES) {
		if (S_ISDIR(st.st_mode))
			rmdir(to);
		else
			unlink(to);
		return 0;
	}
	return ret;
}

/* An entry of ours, path in our file system, which the machine has not, or not as a folder. */
static int put_ours(const struct medio_fsnode *node, const char *path, const char *to)
{
	char from[PATH_MAX + sizeof(OURS)];
	int ret;

	snprintf(from, sizeof(from), OURS "%s", path);
	switch (node->kind) {
	case MEDIO_FS_LINK:
		return symlink(medio_fs_target(node), to) < 0 ? -errno : 0;
	case MEDIO_FS_SPECIAL:
	case MEDIO_FS_UIO:
		/* Each open must be a lookup, which a file that is bound has none of. */
		return symlink(from, to) < 0 ? -errno : 0;
	case MEDIO_FS_FOLDER:
	case MEDIO_FS_TEXT:
	case MEDIO_FS_FILE:
		break;
	}
	ret = make_place(to, node->kind == MEDIO_FS_FOLDER ? S_IFDIR | 0755 : S_IFREG);
	return ret ? ret : bind(from, to);
}

/* ---- Folders that both have ----------------------------------------------------------------------- */

static struct medio_fsnode *child_named(const struct medio_fsnode *node, const char *name)
{
	struct medio_fsnode *child;

	for (unsigned n = 0; (child = medio_fs_child(node, n)); n++)
		if (!strcmp(medio_fs_name(child), name))
			return child;
	return NULL;
}

/* The machine's own VFIO, if it has one, cannot be used besides ours: its ioctls are ours. */
static bool is_whole(const char *path)
{
	return !strcmp(path, "/dev/vfio");
}

static int merge(
	int dir, const struct medio_fsnode *node, const char *path, struct medio_error **err);

/* Our child of a folder that is merged at path: over, or besides, what dir has of that name. */
static int merge_child(
	int dir, const struct medio_fsnode *child, const char *path, struct medio_error **err)
{
	_cleanup_close_ int below = -1;
	char to[PATH_MAX];
	struct stat st;

	snprintf(to, sizeof(to), "%s/%s", path, medio_fs_name(child));
	if (medio_fs_is_folder(child) && !is_whole(to))
		below = openat(
			dir, medio_fs_name(child), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below < 0) {
		int ret = put_ours(child, to, to);
		return ret ? medio_error_set(err, -ret, "cannot put %s in its place: %s", to,
				     strerror(-ret))
			   : 0;
	}
	if (fstat(below, &st) < 0 || make_place(to, st.st_mode))
		return medio_error_set(err, errno, "cannot make %s: %s", to, strerror(errno));
	return merge(below, child, to, err);
}

static int merge_real(
	int dir, const struct medio_fsnode *node, const char *path, struct medio_error **err)
{
	char to[PATH_MAX];
	struct dirent *entry;
	int ret = 0;
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = copy < 0 ? NULL : fdopendir(copy);

	if (!list) {
		ret = -errno;
		if (copy >= 0)
			close(copy);
		return medio_error_set(err, -ret, "cannot list %s: %s", path, strerror(-ret));
	}
	while (!ret && (entry = readdir(list))) {
		const char *name = entry->d_name;
		if (!strcmp(name, ".") || !strcmp(name, "..") || child_named(node, name))
			continue;
		snprintf(to, sizeof(to), "%s/%s", path, name);
		if (!strcmp(to, OURS)) /* of a run that this one is in */
			continue;
		ret = put_real(dir, name, to);
		if (ret)
			medio_error_set(err, -ret, "cannot bind %s again: %s", to, strerror(-ret));
	}
	closedir(list);
	return ret;
}

/* dir is the machine's folder, path the empty one that takes its place. */
static int merge(
	int dir, const struct medio_fsnode *node, const char *path, struct medio_error **err)
{
	struct medio_fsnode *child;
	int ret = merge_real(dir, node, path, err);

	for (unsigned n = 0; !ret && (child = medio_fs_child(node, n)); n++)
		ret = merge_child(dir, child, path, err);
	return ret;
}

/* ---- All of it ------------------------------------------------------------------------------------ */

int medio_overlay_begin(int fuse, struct medio_overlay *overlay, struct medio_error **err)
{
	char options[128];

	overlay->dev = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	overlay->sys = open("/sys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (overlay->dev < 0 || overlay->sys < 0)
		return medio_error_set(err, errno, "cannot open %s: %s",
			overlay->dev < 0 ? "/dev" : "/sys", strerror(errno));
	snprintf(options, sizeof(options),
		"fd=%d,rootmode=40755,user_id=%u,group_id=%u,allow_other,default_permissions", fuse,
		getuid(), getgid());
	int ret = mount_tmpfs("/dev", err);
	if (ret)
		return ret;
	if (mkdir(OURS, 0755) < 0 ||
		mount("medio", OURS, "fuse", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
		return medio_error_set(err, errno,
			"cannot mount medio's files: %s. The kernel must have FUSE (modprobe fuse), and "
			"allow it in user namespaces (Linux 4.18)",
			strerror(errno));
	return 0;
}

/* What is /dev/vfio/devices/vfioN before it is bound must be a character device, for programs that look. */
static int put_devices(struct medio_compat *compat, struct medio_error **err)
{
	char path[64];
	int ret = mount_tmpfs("/dev/vfio/devices", err);

	if (ret)
		return ret;
	medio_list_for_each (item, &compat->kdevs) {
		const struct medio_kdev *kdev = medio_container_of(item, struct medio_kdev, link);
		if (kdev->look == MEDIO_KDEV_UIO)
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/vfio%u", kdev->number);
		ret = make_place(path, S_IFREG);
		if (!ret)
			ret = bind("/dev/null", path);
		if (ret)
			return medio_error_set(
				err, -ret, "cannot make %s: %s", path, strerror(-ret));
	}
	return 0;
}

/* Nothing can be made there, as nothing can without us. */
static void lock_folder(const char *path)
{
	mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID, NULL);
}

int medio_overlay_make(struct medio_compat *compat, const struct medio_overlay *overlay, bool alone,
	uint64_t *dev, struct medio_error **err)
{
	_cleanup_free_ char *here = getcwd(NULL, 0);
	const struct medio_fsnode *root = medio_fs_root(compat->fs);
	const struct medio_fsnode *dev_node = child_named(root, "dev");
	const struct medio_fsnode *sys_node = child_named(root, "sys");
	struct stat st;

	if (stat(OURS, &st) < 0)
		return medio_error_set(
			err, errno, "cannot reach medio's files: %s", strerror(errno));
	mode_t mask = umask(0);
	int ret = dev_node ? merge(overlay->dev, dev_node, "/dev", err) : 0;
	if (!ret)
		ret = put_devices(compat, err);
	if (!ret)
		ret = mount_tmpfs("/sys", err);
	if (!ret && sys_node)
		ret = merge(overlay->sys, sys_node, "/sys", err);
	umask(mask);
	if (ret)
		return ret;
	lock_folder("/sys");
	if (alone)
		lock_folder("/dev");
	/* It may be in one of the two. */
	if (here && (!strncmp(here, "/dev", 4) || !strncmp(here, "/sys", 4)) && chdir(here) < 0)
		return medio_error_set(
			err, errno, "cannot go to %s again: %s", here, strerror(errno));
	*dev = st.st_dev;
	return 0;
}
