/* SPDX-License-Identifier: BSD-3-Clause */
/* The management tree as users have it: mounted, through the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <grp.h>
#include <unistd.h>

#include <cmocka.h>

#include "tree_bed.h"

#define UUID1  "00000000-0000-0000-0000-000000000001"
#define UUID2  "00000000-0000-0000-0000-000000000002"
#define PARENT "devices/virtual/mtty/mtty"
#define TYPE1  "class/mdev_bus/mtty/mdev_supported_types/mtty-1"
#define MDEV1  "bus/mdev/devices/" UUID1

static struct tree_bed bed;

static int setup_as(const struct tree_options *opts)
{
	tree_bed_new(&bed, opts);
	return chdir(bed.path);
}

static int setup(void **state)
{
	const struct tree_options opts = { 0 };

	(void)state;
	return setup_as(&opts);
}

static int setup_ops(void **state)
{
	const struct tree_options opts = { .ops = true };

	(void)state;
	return setup_as(&opts);
}

static int teardown(void **state)
{
	(void)state;
	return chdir("/") == 0 && tree_bed_free(&bed) == 0 ? 0 : -1;
}

#define WITH_BED(name)	   cmocka_unit_test_setup_teardown(name, setup, teardown)
#define WITH_OPS_BED(name) cmocka_unit_test_setup_teardown(name, setup_ops, teardown)

/* 0 or -errno, by one open as a shell's ">" does it, and one write. */
static int put_bytes(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	ssize_t ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, bytes, len);
	ret = ret < 0 ? -errno : ret;
	close(fd);
	return ret < 0 ? (int)ret : 0;
}

static int put(const char *path, const char *text)
{
	return put_bytes(path, text, strlen(text));
}

static const char *get(const char *path)
{
	static char text[8192];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	assert_true(fd >= 0);
	len = read(fd, text, sizeof(text) - 1);
	assert_true(len >= 0);
	text[len] = '\0';
	close(fd);
	return text;
}

static int exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

static void assert_errno(int ret, int err)
{
	assert_int_equal(ret < 0 ? errno : 0, err);
}

static bool logged(const char *line)
{
	char text[65536] = "";
	FILE *file = fopen(bed.log, "re");
	size_t len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	text[len] = '\0';
	if (file)
		fclose(file);
	return strstr(text, line);
}

/* Run fn as somebody else, in a process of his own; his exit status. */
static int as(uid_t uid, gid_t gid, gid_t extra, int (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (setgroups(extra ? 1 : 0, &extra) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
			_exit(99);
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- The mount --------------------------------------------------------------------------------- */

static bool mounted(const char *path, const char *with)
{
	FILE *file = fopen("/proc/self/mounts", "re");
	char line[1024], word[128];
	bool found = false;

	snprintf(word, sizeof(word), " %s ", path);
	while (fgets(line, sizeof(line), file))
		found = found || (strstr(line, word) && strstr(line, with));
	fclose(file);
	return found;
}

static void test_the_mount_says_what_it_is(void **state)
{
	struct statfs fs;

	(void)state;
	assert_true(mounted(bed.path, "medio "));
	assert_true(mounted(bed.path, " fuse.medio "));
	assert_true(mounted(bed.path, "nosuid,nodev,noexec"));
	assert_int_equal(statfs(".", &fs), 0);
	assert_int_equal(fs.f_namelen, 255);
	assert_int_equal(fs.f_bsize, 4096);
}

static void test_a_live_tree_is_not_mounted_over(void **state)
{
	const struct tree_options opts = { 0 };
	int status;
	pid_t pid;

	(void)state;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(null, 2);
		_exit(tree_bed_serve(bed.path, &opts, 0, -1, NULL) == -EBUSY ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(exists("bus/mdev"));
}

static void test_what_a_killed_server_left_is_replaced(void **state)
{
	const struct tree_options opts = { 0 };
	char was[sizeof(bed.path)];
	int status, fd;

	(void)state;
	memcpy(was, bed.path, sizeof(was));
	fd = open("bus/mdev/uevent", O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	kill(bed.pid, SIGKILL);
	assert_int_equal(waitpid(bed.pid, &status, 0), bed.pid);
	assert_errno(open("bus/mdev/uevent", O_WRONLY), ENOTCONN);
	close(fd);
	close(bed.control);
	assert_int_equal(chdir("/"), 0);
	assert_true(mounted(was, "fuse.medio"));
	/* The same folder again. */
	tree_bed_again(&bed, &opts);
	assert_string_equal(bed.path, was);
	assert_int_equal(chdir(bed.path), 0);
	assert_int_equal(put(TYPE1 "/create", UUID1), 0);
}

static void test_being_unmounted_under_use_is_told_and_survived(void **state)
{
	int fd = open("bus/mdev/drivers_autoprobe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(umount2(bed.path, MNT_DETACH), 0);
	/* Those who are inside are served until they have left. */
	assert_int_equal(put(TYPE1 "/create", UUID1), 0);
	close(fd);
	assert_int_equal(chdir("/"), 0);
	for (int i = 0; i < 500 && !logged("gone"); i++)
		usleep(10000);
	assert_true(logged("gone"));
	assert_int_equal(tree_bed_order(&bed, "remove " UUID1), 0);
}

/* ---- Looking ----------------------------------------------------------------------------------- */

static void test_stock_tools_walk_it_without_a_complaint(void **state)
{
	(void)state;
	assert_int_equal(put(TYPE1 "/create", UUID1), 0);
	assert_int_equal(system("find . >/dev/null"), 0);
	assert_int_equal(system("ls -lR . >/dev/null"), 0);
	assert_int_equal(
		system("test $(find . -type l ! -exec test -e {} \\; -print | wc -l) = 0"), 0);
	assert_int_equal(system("test \"$(realpath " MDEV1 "/subsystem)\" = \"$PWD/bus/mdev\""), 0);
	assert_int_equal(
		system("test \"$(readlink " MDEV1 "/mdev_type)\" = ../mdev_supported_types/mtty-1"),
		0);
	assert_int_equal(system("test \"$(cat " MDEV1 "/uevent)\" = DRIVER=idle"), 0);
	assert_int_equal(
		system("test \"$(stat -c '%a %s %U' " TYPE1 "/create)\" = '200 4096 root'"), 0);
	assert_int_equal(system("echo " UUID2 " > " TYPE1 "/create"), 0);
	assert_int_equal(system("echo 1 >> bus/mdev/devices/" UUID2 "/remove"), 0);
	assert_false(exists("bus/mdev/devices/" UUID2));
}

static void test_a_number_is_one_files(void **state)
{
	(void)state;
	assert_int_equal(put(TYPE1 "/create", UUID1), 0);
	assert_int_equal(put(TYPE1 "/create", UUID2), 0);
	assert_int_equal(
		system("test -z \"$(find . -printf '%i\\n' | sort | uniq -d | head -1)\""), 0);
	assert_int_equal(system("a=$(find . -printf '%i %p\\n'); b=$(ls -liR . >/dev/null; "
				"find . -printf '%i %p\\n'); test \"$a\" = \"$b\""),
		0);
}

static void test_reading_is_a_snapshot_from_the_start(void **state)
{
	char text[64];
	int fd;

	(void)state;
	fd = open(PARENT "/power/control", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, 2), 2);
	assert_int_equal(put(PARENT "/power/control", "on"), 0);
	assert_int_equal(read(fd, text + 2, sizeof(text) - 2), 3);
	assert_memory_equal(text, "auto\n", 5);
	assert_int_equal(read(fd, text, sizeof(text)), 0);
	assert_int_equal(pread(fd, text, sizeof(text), 0), 3);
	assert_memory_equal(text, "on\n", 3);
	assert_int_equal(pread(fd, text, sizeof(text), 100), 0);
	close(fd);
	/* The first read need not be from the start. */
	fd = open(PARENT "/power/control", O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, text, sizeof(text), 1), 2);
	assert_memory_equal(text, "n\n", 2);
	close(fd);
}

/* ---- Writing ----------------------------------------------------------------------------------- */

static void test_bad_writes_have_the_kernels_errno(void **state)
{
	static const struct {
		const char *path, *text;
		int ret;
	} writes[] = {
		{ TYPE1 "/create", "garbage", -EINVAL },
		{ TYPE1 "/create", UUID2 "xx", -EINVAL },
		{ TYPE1 "/create", UUID1 "\n", -EEXIST },
		{ TYPE1 "/name", "x", -EACCES },
		{ TYPE1 "/nosuch", "x", -EACCES },
		{ TYPE1 "/devices", "x", -EISDIR },
		{ MDEV1 "/remove", "garbage", -EINVAL },
		{ MDEV1 "/remove", "0\n", 0 },
		{ MDEV1 "/vendor/level", "x", -ERANGE },
		{ MDEV1 "/vendor/sample_mdev_dev", "1", -EACCES },
		{ MDEV1 "/nosuch", "1", -EACCES },
		{ MDEV1 "/power/control", "maybe", -EINVAL },
		{ MDEV1 "/uevent", "maybe", -EINVAL },
		{ "kernel/iommu_groups/0/type", "identity", -EINVAL },
		{ "bus/mdev/drivers/idle/unbind", UUID2, -ENODEV },
		{ "bus/mdev/drivers_probe", UUID2, -ENODEV },
		{ "bus/mdev/devices/" UUID2 "/remove", "1", -ENOENT },
	};

	(void)state;
	assert_int_equal(put(TYPE1 "/create", UUID1), 0);
	for (unsigned i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		int ret = put(writes[i].path, writes[i].text);

		if (ret != writes[i].ret)
			fail_msg("'%s' to %s: %d", writes[i].text, writes[i].path, ret);
	}
	assert_errno(open(TYPE1 "/create", O_RDONLY), EACCES);
	assert_errno(open(MDEV1 "/vendor/poke", O_RDONLY), EACCES);
}

static void test_a_store_is_one_write_of_at_most_a_page(void **state)
{
	const char *path = PARENT "/mtty_dev/sample_mtty_dev";
	char bytes[8193];
	int fd;

	(void)state;
	memset(bytes, 'a', sizeof(bytes));
	bytes[0] = 'b';
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, bytes, 5000), 4096);
	assert_string_equal(get(path), "4096 baaaaaaaaa\n");
	/* Across two pages of the writer's. */
	assert_int_equal(write(fd, bytes + 1000, 4096), 4096);
	assert_string_equal(get(path), "4096 aaaaaaaaaa\n");
	/* At an offset it is a store like any other. */
	assert_int_equal(pwrite(fd, bytes, 3, 100), 3);
	assert_string_equal(get(path), "3 baa\n");
	assert_int_equal(write(fd, bytes, 0), 0);
	assert_string_equal(get(path), "3 baa\n");
	close(fd);
	assert_int_equal(truncate(path, 0), 0);
	assert_string_equal(get(path), "3 baa\n");
	assert_int_equal(put(path, ""), 0);
	assert_string_equal(get(path), "3 baa\n");
}

static void test_what_was_created_is_there_and_what_was_removed_is_not(void **state)
{
	static const char *const paths[] = { MDEV1, PARENT "/" UUID1 "/power/control",
		TYPE1 "/devices/" UUID1, "bus/mdev/drivers/idle/" UUID1, "kernel/iommu_groups/0",
		"kernel/iommu_groups/0/devices/" UUID1 "/uevent" };
	const unsigned count = sizeof(paths) / sizeof(paths[0]);

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		for (unsigned i = 0; i < count; i++)
			assert_false(exists(paths[i]));
		assert_int_equal(put(TYPE1 "/create", UUID1), 0);
		for (unsigned i = 0; i < count; i++)
			assert_true(exists(paths[i]));
		assert_string_equal(get(MDEV1 "/uevent"), "DRIVER=idle\n");
		/* Through the tree, or by somebody who then settles. */
		if (round % 2)
			assert_int_equal(put(MDEV1 "/remove", "1\n"), 0);
		else
			assert_int_equal(tree_bed_order(&bed, "remove " UUID1), 0);
	}
}

static void test_unbind_and_bind_move_a_group(void **state)
{
	char link[256] = "";

	(void)state;
	assert_int_equal(put(TYPE1 "/create", UUID1), 0);
	assert_int_equal(put(TYPE1 "/create", UUID2), 0);
	assert_true(exists(MDEV1 "/iommu_group/type"));
	assert_true(readlink(MDEV1 "/iommu_group", link, sizeof(link)) > 0);
	assert_true(exists("bus/mdev/devices/" UUID2 "/iommu_group/type"));
	assert_int_equal(put("bus/mdev/drivers/idle/unbind", UUID1 "\n"), 0);
	assert_false(exists(MDEV1 "/driver"));
	assert_false(exists(MDEV1 "/iommu_group"));
	assert_false(exists(MDEV1 "/vendor/level"));
	assert_false(exists("kernel/iommu_groups/0"));
	assert_int_equal(put("bus/mdev/drivers/idle/unbind", UUID2 "\n"), 0);
	assert_int_equal(put("bus/mdev/drivers/idle/bind", UUID2 "\n"), 0);
	assert_int_equal(put("bus/mdev/drivers/idle/bind", UUID1 "\n"), 0);
	memset(link, 0, sizeof(link));
	assert_true(readlink(MDEV1 "/iommu_group", link, sizeof(link)) > 0);
	assert_string_equal(strrchr(link, '/'), "/1");
	assert_true(exists("kernel/iommu_groups/0/devices/" UUID2));
	assert_true(exists("kernel/iommu_groups/1/devices/" UUID1));
}

static void test_files_that_were_open_say_enodev_when_it_is_gone(void **state)
{
	char text[64];
	int remove, level, dir;

	(void)state;
	assert_int_equal(put(TYPE1 "/create", UUID1), 0);
	remove = open(MDEV1 "/remove", O_WRONLY | O_CLOEXEC);
	level = open(MDEV1 "/vendor/level", O_RDWR | O_CLOEXEC);
	dir = open(MDEV1, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(remove >= 0 && level >= 0 && dir >= 0);
	assert_int_equal(write(remove, "1", 1), 1);
	assert_errno((int)write(remove, "1", 1), ENODEV);
	assert_errno((int)write(level, "1", 1), ENODEV);
	assert_errno((int)read(level, text, sizeof(text)), ENODEV);
	assert_errno(openat(dir, "remove", O_WRONLY), ENOENT);
	assert_errno(open(MDEV1 "/remove", O_WRONLY), ENOENT);
	close(remove);
	close(level);
	close(dir);
}

/* A process that lists a folder into memory that never comes, and so holds the folder's lock. 0: it
 * cannot be had here. */
static pid_t hold_folder(const char *path)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int tube[2];
	char byte;

	assert_int_equal(pipe(tube), 0);
	pid_t pid = fork();
	if (!pid) {
		void *memory = mmap(
			NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		int fd = (int)syscall(SYS_userfaultfd, 0);
		int dir = open(path, O_RDONLY | O_DIRECTORY);
		setpgid(0, 0);
		area.range = (struct uffdio_range){ (uintptr_t)memory, 65536 };
		alarm(60);
		if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0 ||
			ioctl(fd, UFFDIO_REGISTER, &area) < 0)
			_exit(1);
		/* A second one tells when the first is caught: nobody else reads it. */
		if (!fork()) {
			struct uffd_msg msg;
			alarm(60);
			if (read(fd, &msg, sizeof(msg)) > 0 && write(tube[1], "x", 1) == 1)
				pause();
			_exit(0);
		}
		close(tube[1]);
		syscall(SYS_getdents64, dir, memory, 65536);
		_exit(0);
	}
	close(tube[1]);
	ssize_t got = read(tube[0], &byte, 1);
	close(tube[0]);
	if (got == 1)
		return pid;
	waitpid(pid, NULL, 0);
	return 0;
}

static void test_nobody_who_looks_holds_up_a_removal(void **state)
{
	struct timespec begin, end;

	(void)state;
	assert_int_equal(put(TYPE1 "/create", UUID1), 0);
	assert_true(exists(MDEV1));
	pid_t pid = hold_folder("bus/mdev/devices");
	if (!pid)
		skip();
	clock_gettime(CLOCK_MONOTONIC, &begin);
	assert_int_equal(put(PARENT "/" UUID1 "/remove", "1"), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - begin.tv_sec < 20);
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_an_unregistered_parent_is_gone_with_all_of_it(void **state)
{
	(void)state;
	assert_int_equal(put(TYPE1 "/create", UUID1), 0);
	assert_true(exists(PARENT "/uevent"));
	assert_int_equal(tree_bed_order(&bed, "unregister"), 0);
	assert_false(exists("class/mdev_bus/mtty"));
	assert_false(exists("class/mtty"));
	assert_false(exists(PARENT));
	assert_false(exists("devices/virtual"));
	assert_false(exists(MDEV1));
	assert_int_equal(system("test -z \"$(ls devices bus/mdev/devices | grep -v :)\""), 0);
}

/* ---- Permission -------------------------------------------------------------------------------- */

static int cannot_create(void)
{
	return put(TYPE1 "/create", UUID2) == -EACCES ? 0 : 1;
}

static int can_create(void)
{
	return put(TYPE1 "/create", UUID2) == 0 ? 0 : 1;
}

static int hostile(void)
{
	char text[64];
	int fd = open(MDEV1 "/uevent", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text)) <= 0)
		return 1;
	if (put(MDEV1 "/remove", "1") != -EACCES || put("bus/mdev/uevent", "add") != -EACCES)
		return 2;
	if (chmod(MDEV1 "/remove", 0666) == 0 || errno != EPERM)
		return 3;
	if (chown(MDEV1 "/remove", getuid(), getgid()) == 0 || errno != EPERM)
		return 4;
	if (truncate(MDEV1 "/remove", 0) == 0 || errno != EACCES)
		return 5;
	if (mkdir("x", 0700) == 0 || errno != EACCES)
		return 6;
	if (access(MDEV1 "/remove", W_OK) == 0 || errno != EACCES)
		return 7;
	return access(MDEV1 "/uevent", R_OK) == 0 ? 0 : 8;
}

static void test_who_may_not_is_refused_and_reported(void **state)
{
	(void)state;
	assert_int_equal(put(TYPE1 "/create", UUID1), 0);
	assert_int_equal(as(65534, 65534, 0, hostile), 0);
	assert_int_equal(as(65534, 65534, 0, cannot_create), 0);
	assert_true(logged("refused 65534 write " PARENT "/mdev_supported_types/mtty-1/create"));
	assert_true(logged("refused 65534 write " PARENT "/" UUID1 "/remove"));
	assert_true(logged("refused 65534 chmod " PARENT "/" UUID1 "/remove"));
	assert_true(logged("refused 65534 write bus/mdev/uevent"));
}

static void test_root_lets_others_in_by_owner_mode_and_group(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(chown(TYPE1 "/create", 65534, (gid_t)-1), 0);
	assert_int_equal(stat(TYPE1 "/create", &st), 0);
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(as(65534, 65534, 0, can_create), 0);
	assert_int_equal(put("bus/mdev/devices/" UUID2 "/remove", "1"), 0);
	assert_int_equal(chown(TYPE1 "/create", 0, 777), 0);
	assert_int_equal(as(65534, 65534, 777, cannot_create), 0);
	assert_int_equal(chmod(TYPE1 "/create", 0220), 0);
	assert_int_equal(as(65534, 65534, 0, cannot_create), 0);
	assert_int_equal(as(65534, 65534, 777, can_create), 0);
	assert_int_equal(put("bus/mdev/devices/" UUID2 "/remove", "1"), 0);
	assert_int_equal(as(65534, 777, 0, can_create), 0);
}

static int owns_instance(void)
{
	return put(MDEV1 "/medio/mode", "1") == 0 && put(MDEV1 "/remove", "1") == 0 ? 0 : 1;
}

static void test_what_the_daemon_says_about_owners_counts(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(TYPE1 "/create", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0220);
	assert_int_equal(st.st_gid, 4321);
	assert_int_equal(as(65534, 65534, 4321, can_create), 0);
	assert_int_equal(put(TYPE1 "/create", UUID1), 0);
	assert_int_equal(stat(MDEV1 "/medio/mode", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	assert_int_equal(st.st_uid, 1234);
	assert_int_equal(as(1234, 1234, 0, owns_instance), 0);
}

static void test_the_shape_of_the_tree_is_not_for_users_to_change(void **state)
{
	char value[16] = "";

	(void)state;
	assert_int_equal(put(TYPE1 "/create", UUID1), 0);
	assert_errno(mkdir("x", 0700), EPERM);
	assert_errno(rmdir(PARENT), EPERM);
	assert_errno(unlink(TYPE1 "/create"), EPERM);
	assert_errno(rename(MDEV1, "bus/mdev/devices/x"), EPERM);
	assert_errno(symlink("a", "x"), EPERM);
	assert_errno(link(TYPE1 "/name", "x"), EPERM);
	assert_errno(mknod("x", S_IFREG | 0600, 0), EPERM);
	assert_errno(open("x", O_CREAT | O_WRONLY | O_CLOEXEC, 0600), EACCES);
	assert_errno(chmod(PARENT, 0700), EPERM);
	assert_errno((int)getxattr(".", "user.x", value, sizeof(value)), ENOTSUP);
	assert_errno(setxattr(".", "user.x", value, sizeof(value), 0), ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BED(test_the_mount_says_what_it_is),
		WITH_BED(test_a_live_tree_is_not_mounted_over),
		WITH_BED(test_what_a_killed_server_left_is_replaced),
		WITH_BED(test_being_unmounted_under_use_is_told_and_survived),
		WITH_BED(test_stock_tools_walk_it_without_a_complaint),
		WITH_BED(test_a_number_is_one_files),
		WITH_BED(test_reading_is_a_snapshot_from_the_start),
		WITH_BED(test_bad_writes_have_the_kernels_errno),
		WITH_BED(test_a_store_is_one_write_of_at_most_a_page),
		WITH_BED(test_what_was_created_is_there_and_what_was_removed_is_not),
		WITH_BED(test_unbind_and_bind_move_a_group),
		WITH_BED(test_files_that_were_open_say_enodev_when_it_is_gone),
		WITH_BED(test_nobody_who_looks_holds_up_a_removal),
		WITH_BED(test_an_unregistered_parent_is_gone_with_all_of_it),
		WITH_BED(test_who_may_not_is_refused_and_reported),
		WITH_BED(test_root_lets_others_in_by_owner_mode_and_group),
		WITH_OPS_BED(test_what_the_daemon_says_about_owners_counts),
		WITH_BED(test_the_shape_of_the_tree_is_not_for_users_to_change),
	};
	const char *why = tree_bed_cannot();

	if (why) {
		printf("1..0 # SKIP %s\n", why);
		fprintf(stderr, "cannot mount a tree: %s\n", why);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
