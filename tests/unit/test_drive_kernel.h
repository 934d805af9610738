/* SPDX-License-Identifier: BSD-3-Clause */
/* A machine in a temporary folder: sysfs as files and links, for tests of the kernel's backends. */
#ifndef TEST_DRIVE_KERNEL_H
#define TEST_DRIVE_KERNEL_H

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char machine[] = "/tmp/medio-machine.XXXXXX";

static void machine_path(char *out, const char *path)
{
	if (snprintf(out, PATH_MAX, "%s%s", machine, path) >= PATH_MAX)
		abort();
	for (char *slash = out + strlen(machine) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		mkdir(out, 0700);
		*slash = '/';
	}
}

static void machine_file(const char *path, const char *text)
{
	char full[PATH_MAX];

	machine_path(full, path);
	int fd = open(full, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void machine_link(const char *path, const char *target)
{
	char full[PATH_MAX];

	machine_path(full, path);
	unlink(full);
	assert_int_equal(symlink(target, full), 0);
}

/* The index-th number of 8 bytes in a file. */
static inline void machine_number(const char *path, uint64_t index, uint64_t value)
{
	char full[PATH_MAX];

	machine_path(full, path);
	int fd = open(full, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &value, 8, (off_t)(index * 8)), 8);
	close(fd);
}

static inline void machine_remove(const char *path)
{
	char full[PATH_MAX];

	machine_path(full, path);
	assert_int_equal(unlink(full), 0);
}

static void machine_begin(void)
{
	strcpy(machine + strlen(machine) - 6, "XXXXXX");
	assert_non_null(mkdtemp(machine));
}

static int machine_remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	return remove(path);
}

static void machine_end(void)
{
	nftw(machine, machine_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
