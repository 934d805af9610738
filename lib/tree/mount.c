/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/error.h"

extern char **environ;

static void close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}
#define _cleanup_file_ __attribute__((cleanup(close_file)))

/* A field of /proc/self/mountinfo has blanks and backslashes as octal digits. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] && from[2] && from[3]) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* What is mounted at path, on top, is a FUSE file system. */
static bool fuse_is_at(const char *path)
{
	_cleanup_file_ FILE *file = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	bool found = false;
	size_t size = 0;

	while (file && getline(&line, &size, file) >= 0) {
		char *save = NULL, *at = line, *dash = strstr(line, " - ");

		for (int field = 0; at && field < 5; field++)
			at = strtok_r(field ? NULL : line, " ", &save);
		if (!at || !dash)
			continue;
		unescape(at);
		if (strcmp(at, path) == 0)
			found = strncmp(dash + 3, "fuse", 4) == 0;
	}
	return found;
}

static int run_fusermount(const char *path)
{
	char *argv[] = { (char[]){ "fusermount3" }, (char[]){ "-u" }, (char[]){ "-q" },
		(char[]){ "-z" }, (char[]){ "--" }, (char *)path, NULL };
	int status;
	pid_t pid;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
		return -ENOENT;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

/* A FUSE mount whose server has died says ENOTCONN to everything. */
static int take_away_stale(const char *path, struct medio_error **err)
{
	struct statx now;

	if (!fuse_is_at(path))
		return 0;
	if (statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC, STATX_MODE, &now) == 0 || errno != ENOTCONN)
		return medio_error_set(err, EBUSY,
			"a file system is mounted at '%s' and in use; is another mediod running?",
			path);
	if (umount2(path, MNT_DETACH) == 0 || run_fusermount(path) == 0)
		return 0;
	return medio_error_set(err, EBUSY,
		"'%s' was left mounted by a process that died and cannot be unmounted; "
		"try 'umount -l %s' as root",
		path, path);
}

/* The folder's own path, as mountinfo says it, without a look at the folder itself. */
static int resolve(const char *path, char out[PATH_MAX])
{
	_cleanup_free_ char *one = strdup(path), *two = strdup(path), *dir = NULL;
	int len;

	if (!one || !two)
		return -ENOMEM;
	dir = realpath(dirname(one), NULL);
	if (!dir)
		return -errno;
	len = snprintf(out, PATH_MAX, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, basename(two));
	return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static bool has_fusermount(void)
{
	const char *dirs = getenv("PATH");
	char path[PATH_MAX];

	if (access("/usr/bin/fusermount3", X_OK) == 0)
		return true;
	for (size_t len; dirs && *dirs; dirs += len + (dirs[len] == ':')) {
		len = strcspn(dirs, ":");
		snprintf(path, sizeof(path), "%.*s/fusermount3", (int)len, dirs);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

int medio_mount_prepare(const char *path, struct medio_error **err)
{
	char real[PATH_MAX];
	int ret;

	if (access("/dev/fuse", F_OK) < 0)
		return medio_error_set(err, ENODEV,
			"there is no /dev/fuse: load the module 'fuse', or give the container "
			"that device");
	if (geteuid() != 0 && !has_fusermount())
		return medio_error_set(err, ENOENT,
			"fusermount3 is missing (package fuse3), without which only root mounts");
	ret = resolve(path, real);
	if (ret == 0)
		ret = take_away_stale(real, err);
	else
		medio_error_set(err, -ret, "cannot mount at '%s': %s", path, strerror(-ret));
	if (ret < 0)
		return ret;
	if (mkdir(real, 0755) < 0 && errno != EEXIST)
		return medio_error_set(
			err, errno, "cannot make the folder '%s': %s", path, strerror(errno));
	return 0;
}

bool medio_mount_for_all(void)
{
	_cleanup_file_ FILE *file = NULL;
	char line[256], word[256];

	if (geteuid() == 0)
		return true;
	file = fopen("/etc/fuse.conf", "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, " %255s", word) == 1 && strcmp(word, "user_allow_other") == 0)
			return true;
	}
	return false;
}
