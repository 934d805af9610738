/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/error.h"

/* A number of the kernel's settings; -1: it has none of that name. */
static long setting(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[32];
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (len <= 0)
		return -1;
	text[len] = '\0';
	return strtol(text, NULL, 10);
}

/* Why there is no user namespace for us, and what to do. */
static int refuse(int errnum, struct medio_error **err)
{
	const char *remedy =
		"Run it as root, or, in a container, with --privileged or with a seccomp "
		"profile that allows unshare and mount";

	if (setting("/proc/sys/kernel/unprivileged_userns_clone") == 0)
		remedy = "They are for root only here: sysctl kernel.unprivileged_userns_clone=1 "
			 "allows them, or run it as root";
	else if (setting("/proc/sys/user/max_user_namespaces") == 0)
		remedy = "None are allowed here: sysctl user.max_user_namespaces=15000 allows "
			 "them, or run it as root";
	else if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
		remedy = "AppArmor keeps them from programs without a profile: sysctl "
			 "kernel.apparmor_restrict_unprivileged_userns=0 allows them, or run it as "
			 "root";
	else if (errnum == ENOSPC || errnum == EUSERS)
		remedy = "There are too many of them already: see user.max_user_namespaces and "
			 "user.max_mnt_namespaces in sysctl";
	else if (errnum == EINVAL)
		remedy = "The kernel has been built without them (CONFIG_USER_NS): run it as root";
	return medio_error_set(err, errnum, "cannot make a user and a mount namespace: %s. %s",
		strerror(errnum), remedy);
}

static int write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* One user, one group: the same inside. Which other groups we are in still counts. */
static int map_self(unsigned uid, unsigned gid)
{
	char line[48];

	snprintf(line, sizeof(line), "%u %u 1\n", uid, uid);
	int ret = write_text("/proc/self/uid_map", line);
	if (ret)
		return ret;
	ret = write_text("/proc/self/setgroups", "deny\n");
	if (ret && ret != -ENOENT)
		return ret;
	snprintf(line, sizeof(line), "%u %u 1\n", gid, gid);
	return write_text("/proc/self/gid_map", line);
}

int medio_namespaces_enter(bool *alone, struct medio_error **err)
{
	unsigned uid = geteuid(), gid = getegid();

	*alone = unshare(CLONE_NEWNS) < 0;
	if (*alone) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			return refuse(errno, err);
		int ret = map_self(uid, gid);
		if (ret)
			return refuse(-ret, err);
	}
	/* What is mounted outside later is seen inside, not the other way round. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0)
		return 0;
	if (errno == EINVAL)
		return medio_error_set(err, EINVAL,
			"the root folder is no mount, as in a chroot: mount it over itself first "
			"(mount --bind DIR DIR), or start medio run outside of it");
	return refuse(errno, err);
}

int medio_namespaces_fuse(int *fd, struct medio_error **err)
{
	*fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (*fd >= 0)
		return 0;
	if (errno == EACCES || errno == EPERM)
		return medio_error_set(err, errno,
			"/dev/fuse: %s. Let this user read and write it (chmod 666 /dev/fuse), or, in a "
			"container, start that with --device /dev/fuse",
			strerror(errno));
	return medio_error_set(err, errno,
		"/dev/fuse: %s. The kernel must have FUSE (modprobe fuse); a container must be started "
		"with --device /dev/fuse",
		strerror(errno));
}
