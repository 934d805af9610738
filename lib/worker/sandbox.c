/* SPDX-License-Identifier: BSD-3-Clause */
/* What needs no library: who we are, limits, files. System calls: callfilter.c. */
#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <medio/device.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "worker/landlock.h"
#include "worker/callfilter.h"
#include "worker/wire.h"

/* ---- Identity ------------------------------------------------------------------------------------- */

/* The groups of the database; none for a uid that nobody has entered there. */
static int set_groups(uid_t uid, gid_t gid)
{
	struct passwd entry, *found = NULL;
	char text[4096];

	if (getpwuid_r(uid, &entry, text, sizeof(text), &found) == 0 && found)
		return initgroups(found->pw_name, gid) < 0 ? -errno : 0;
	return setgroups(0, NULL) < 0 ? -errno : 0;
}

static int become(uid_t uid, gid_t gid, struct medio_error **err)
{
	int ret = set_groups(uid, gid);
	if (ret)
		return medio_error_set(
			err, -ret, "cannot take the groups of user %u: %s", uid, strerror(-ret));
	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return medio_error_set(
			err, errno, "cannot become user %u: %s", uid, strerror(errno));
	return 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	memset(none, 0, sizeof(none));
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &head, none) < 0 ? -errno : 0;
}

int medio_sandbox_identity(uid_t uid, gid_t gid, struct medio_error **err)
{
	if (geteuid() != 0 && uid != geteuid())
		return medio_error_set(err, EPERM,
			"this process belongs to user %u and cannot become user %u", geteuid(),
			uid);
	/* It takes a capability to give up others: first this, and only as far as we may. */
	for (int cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
		;
	if (geteuid() == 0 && uid != 0) {
		int ret = become(uid, gid, err);
		if (ret)
			return ret;
	}
	int ret = drop_capabilities();
	if (ret)
		return medio_error_set(
			err, -ret, "cannot drop the capabilities: %s", strerror(-ret));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		prctl(PR_SET_DUMPABLE, medio_callfilter_watched(), 0, 0, 0) < 0)
		return medio_error_set(
			err, errno, "cannot give up privileges: %s", strerror(errno));
	return 0;
}

/* ---- Limits ----------------------------------------------------------------------------------------- */

static int lower(int resource, const char *what, uint64_t value, struct medio_error **err)
{
	struct rlimit limit;
	getrlimit((__rlimit_resource_t)resource, &limit);
	if (limit.rlim_max == RLIM_INFINITY || value < limit.rlim_max)
		limit.rlim_max = value;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit((__rlimit_resource_t)resource, &limit) < 0)
		return medio_error_set(err, errno, "cannot limit %s: %s", what, strerror(errno));
	return 0;
}

int medio_sandbox_limits(uint64_t memory, unsigned files, struct medio_error **err)
{
	int ret = lower(RLIMIT_CORE, "core dumps", 0, err);
	if (ret == 0)
		ret = lower(RLIMIT_NOFILE, "open files", files ? files : RLIM_INFINITY, err);
	if (ret == 0 && memory && !medio_callfilter_watched())
		ret = lower(RLIMIT_AS, "memory", memory, err);
	return ret;
}

/* ---- Files -------------------------------------------------------------------------------------------- */

#define FILE_RIGHTS (MEDIO_LANDLOCK_WRITE_FILE | MEDIO_LANDLOCK_READ_FILE | MEDIO_LANDLOCK_TRUNCATE)
#define READ_RIGHTS (MEDIO_LANDLOCK_READ_FILE | MEDIO_LANDLOCK_READ_DIR)
#define FOLDER_RIGHTS \
	(FILE_RIGHTS | MEDIO_LANDLOCK_READ_DIR | MEDIO_LANDLOCK_REMOVE_DIR | \
		MEDIO_LANDLOCK_REMOVE_FILE | MEDIO_LANDLOCK_MAKE_DIR | MEDIO_LANDLOCK_MAKE_REG | \
		MEDIO_LANDLOCK_MAKE_SOCK | MEDIO_LANDLOCK_MAKE_FIFO | MEDIO_LANDLOCK_MAKE_SYM | \
		MEDIO_LANDLOCK_REFER)
#define DEVICE_RIGHTS (FILE_RIGHTS | MEDIO_LANDLOCK_READ_DIR | MEDIO_LANDLOCK_IOCTL_DEV)

/* 0: there is none. */
static int landlock_version(void)
{
	int version = medio_callfilter_watched() ? 0 : medio_landlock_version();
	return version > 0 ? version : 0;
}

/* All the rights that a version knows: each that is not named here is forbidden. */
static struct medio_landlock_ruleset everything(int version, unsigned needs)
{
	struct medio_landlock_ruleset all = { .files = MEDIO_LANDLOCK_REFER - 1 };
	if (version >= 2)
		all.files |= MEDIO_LANDLOCK_REFER;
	if (version >= 3)
		all.files |= MEDIO_LANDLOCK_TRUNCATE;
	if (version >= 5)
		all.files |= MEDIO_LANDLOCK_IOCTL_DEV;
	if (version >= 4 && !(needs & MEDIO_NEEDS_SOCKETS))
		all.ports = MEDIO_LANDLOCK_BIND_TCP | MEDIO_LANDLOCK_CONNECT_TCP;
	if (version >= 6)
		all.scopes = MEDIO_LANDLOCK_ABSTRACT_UNIX | MEDIO_LANDLOCK_SIGNAL;
	return all;
}

/* The kernel refuses attributes it does not know unless they are left out. */
static size_t size_of_ruleset(int version)
{
	if (version >= 6)
		return sizeof(struct medio_landlock_ruleset);
	return version >= 4 ? offsetof(struct medio_landlock_ruleset, scopes)
			    : offsetof(struct medio_landlock_ruleset, ports);
}

static int allow(int ruleset, const char *path, uint64_t rights)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		rights &= FILE_RIGHTS | MEDIO_LANDLOCK_IOCTL_DEV;
	struct medio_landlock_beneath rule = { rights, fd };
	return syscall(SYS_landlock_add_rule, ruleset, MEDIO_LANDLOCK_BENEATH, &rule, 0) < 0
		       ? -errno
		       : 0;
}

static void allow_removing(int ruleset, const char *path, uint64_t handled)
{
	_cleanup_free_ char *folder = strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;
	if (!slash)
		return;
	slash[slash == folder] = '\0';
	allow(ruleset, folder, MEDIO_LANDLOCK_REMOVE_FILE & handled);
}

static int allow_folders(int ruleset, const char *const *folders, unsigned count, uint64_t rights,
	struct medio_error **err)
{
	for (unsigned i = 0; i < count; i++) {
		int ret = allow(ruleset, folders[i], rights);
		if (ret)
			return medio_error_set(err, -ret, "cannot allow the folder '%s': %s",
				folders[i], strerror(-ret));
	}
	return 0;
}

int medio_sandbox_files(
	const struct medio_sandbox_paths *paths, unsigned needs, struct medio_error **err)
{
	static const char *const terminals[] = { "/dev/ptmx", "/dev/pts" };
	int version = landlock_version();
	if (!version)
		return 1;
	struct medio_landlock_ruleset all = everything(version, needs);
	_cleanup_close_ int ruleset = (int)syscall(
		SYS_landlock_create_ruleset, &all, size_of_ruleset(version), 0);
	if (ruleset < 0)
		return medio_error_set(
			err, errno, "cannot make a Landlock ruleset: %s", strerror(errno));
	int ret = allow_folders(
		ruleset, paths->folders, paths->nfolders, FOLDER_RIGHTS & all.files, err);
	if (ret == 0)
		ret = allow_folders(ruleset, paths->read, paths->nread, READ_RIGHTS, err);
	if (ret)
		return ret;
	/* Where they are not, there is nothing to be opened. */
	for (unsigned i = 0; i < MEDIO_ARRAY_SIZE(terminals); i++)
		allow(ruleset, terminals[i], DEVICE_RIGHTS & all.files);
	if (needs & MEDIO_NEEDS_SOCKETS)
		allow(ruleset, "/etc/resolv.conf", MEDIO_LANDLOCK_READ_FILE);
	for (unsigned i = 0; i < paths->nmade; i++)
		allow_removing(ruleset, paths->made[i], all.files);
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return medio_error_set(
			err, errno, "cannot restrict files with Landlock: %s", strerror(errno));
	return 0;
}

/* Those that the device has made: Landlock binds the thread that asks for it, and what that one makes. */
static bool has_threads(void)
{
	struct stat st;
	/* A folder has two links, and one for each folder in it. */
	return stat("/proc/self/task", &st) < 0 || st.st_nlink > 3;
}

int medio_sandbox_calls(bool opens, unsigned needs, struct medio_error **err)
{
	/* The kernel's own threads, which do what a ring's submitter would wait for, are counted too; and
	 * of devices that are still to come nobody knows what they need. */
	bool more = opens || needs & MEDIO_NEEDS_RING;
	int ret = more || medio_callfilter_watched() ? 0 : lower(RLIMIT_NPROC, "processes", 0, err);
	if (ret)
		return ret;
	return medio_callfilter_apply(opens, needs, landlock_version() > 0 && !has_threads(), err);
}

/* The first question to the database of users loads what answers it. */
static void wake_database(void)
{
	struct passwd entry, *found = NULL;
	gid_t groups[1];
	char text[4096];
	int count = 1;
	if (geteuid() == 0 && getpwuid_r(0, &entry, text, sizeof(text), &found) == 0 && found)
		getgrouplist(found->pw_name, found->pw_gid, groups, &count);
}

void medio_sandbox_prepare(void)
{
	wake_database();
	bool landlock = landlock_version() > 0;
	medio_callfilter_prepare(false, landlock);
	medio_callfilter_prepare(true, landlock);
}

unsigned medio_sandbox_possible(void)
{
	return (medio_callfilter_possible() ? MEDIO_WIRE_SECCOMP : 0) |
	       (landlock_version() ? MEDIO_WIRE_LANDLOCK : 0);
}
