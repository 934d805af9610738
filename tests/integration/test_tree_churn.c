/* SPDX-License-Identifier: BSD-3-Clause */
/* The management tree with many at once, and with what takes long. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tree_bed.h"

#define UUID1  "00000000-0000-0000-0000-000000000001"
#define TYPE1  "class/mdev_bus/mtty/mdev_supported_types/mtty-1"
#define MDEV1  "bus/mdev/devices/" UUID1
#define ROUNDS 100

static struct tree_bed bed;

static void bed_with(const struct tree_options *opts)
{
	tree_bed_new(&bed, opts);
	assert_int_equal(chdir(bed.path), 0);
}

static void bed_end(void)
{
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(tree_bed_free(&bed), 0);
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	ssize_t ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text));
	ret = ret < 0 ? -errno : 0;
	close(fd);
	return (int)ret;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static pid_t start(int (*fn)(unsigned), unsigned number)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(bed.control); /* its end is what ends the server */
		alarm(120);
		_exit(fn(number));
	}
	assert_true(pid > 0);
	return pid;
}

static int status_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

/* ---- Churn ------------------------------------------------------------------------------------- */

static bool there(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

/* Its own UUIDs: everything must be there at once, and gone at once. */
static int writer(unsigned number)
{
	char uuid[64], path[256], other[256];

	for (unsigned i = 0; i < ROUNDS; i++) {
		snprintf(uuid, sizeof(uuid), "00000000-0000-0000-%04u-%012u", number, i);
		snprintf(path, sizeof(path), "bus/mdev/devices/%s/remove", uuid);
		snprintf(other, sizeof(other), TYPE1 "/devices/%s/iommu_group/devices/%s", uuid,
			uuid);
		if (put(TYPE1 "/create", uuid) != 0)
			return 1;
		if (!there(path) || !there(other))
			return 2;
		if (put(path, "1") != 0)
			return 3;
		if (there(path) || there(other))
			return 4;
	}
	return 0;
}

/* All of them the same UUID: one wins, and nobody sees anything but the kernel's errno. */
static int fighter(unsigned number)
{
	int ret;

	(void)number;
	for (unsigned i = 0; i < ROUNDS; i++) {
		ret = put(TYPE1 "/create", UUID1);
		if (ret != 0 && ret != -EEXIST)
			return 1;
		ret = put(MDEV1 "/remove", "1");
		/* -EACCES: open() with O_CREAT of a file whose folder is still there. */
		if (ret != 0 && ret != -ENOENT && ret != -ENODEV && ret != -EAGAIN &&
			ret != -EACCES)
			return 2;
	}
	return 0;
}

/* What is listed is a UUID; and once: none of them comes again after it has gone. */
static int read_all(bool once)
{
	static char seen[20000][40];

	for (unsigned round = 0; round < 50; round++) {
		DIR *dir = opendir("bus/mdev/devices");
		const struct dirent *entry;
		unsigned count = 0;

		if (!dir)
			return 1;
		while ((entry = readdir(dir)) && count < 20000) {
			if (entry->d_name[0] == '.')
				continue;
			if (strlen(entry->d_name) != 36 || entry->d_type != DT_LNK)
				return 2;
			for (unsigned i = 0; once && i < count; i++) {
				if (strcmp(seen[i], entry->d_name) == 0)
					return 3;
			}
			snprintf(seen[count++], 40, "%.39s", entry->d_name);
		}
		closedir(dir);
		if (system("ls -lR . >/dev/null 2>&1") < 0)
			return 4;
	}
	return 0;
}

static int reader_of_many(unsigned number)
{
	(void)number;
	return read_all(true);
}

static int reader_of_one(unsigned number)
{
	(void)number;
	return read_all(false);
}

static unsigned open_files(void)
{
	char path[64];
	unsigned count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)bed.pid);
	dir = opendir(path);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void with_everybody(int (*fn)(unsigned), int (*reader)(unsigned))
{
	const struct tree_options opts = { .ops = true };
	unsigned before;
	pid_t pids[10];

	bed_with(&opts);
	before = open_files();
	for (unsigned i = 0; i < 10; i++)
		pids[i] = start(i < 8 ? fn : reader, i);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(status_of(pids[i]), 0);
	put(MDEV1 "/remove", "1");
	assert_int_equal(system("test -z \"$(ls bus/mdev/devices kernel/iommu_groups " TYPE1
				"/devices | grep -v :)\""),
		0);
	assert_int_equal(open_files(), before);
	bed_end();
}

static void test_eight_writers_and_two_readers(void **state)
{
	(void)state;
	with_everybody(writer, reader_of_many);
}

static void test_eight_fight_for_one_uuid(void **state)
{
	(void)state;
	with_everybody(fighter, reader_of_one);
}

/* ---- What takes long --------------------------------------------------------------------------- */

static int create_one(unsigned number)
{
	char uuid[64];

	snprintf(uuid, sizeof(uuid), "00000000-0000-0000-0000-%012u", number);
	return -put(TYPE1 "/create", uuid);
}

static void test_creates_that_take_long_go_on_side_by_side(void **state)
{
	const struct tree_options opts = { .probe_ms = 2000 };
	int64_t begin;
	pid_t pids[8];

	(void)state;
	bed_with(&opts);
	begin = now_ms();
	for (unsigned i = 0; i < 8; i++)
		pids[i] = start(create_one, i);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(status_of(pids[i]), 0);
	assert_true(now_ms() - begin >= 2000);
	/* One after the other it would be 16000. */
	assert_true(now_ms() - begin < 14000);
	bed_end();
}

static int remove_one(unsigned number)
{
	(void)number;
	return -put(MDEV1 "/remove", "1");
}

static void test_a_removal_waits_for_the_user_and_others_are_served(void **state)
{
	const struct tree_options opts = { .probe_ms = 1, .open = true, .release_ms = 2000 };
	int64_t begin;
	pid_t pid;

	(void)state;
	bed_with(&opts);
	assert_int_equal(put(TYPE1 "/create", UUID1), 0);
	begin = now_ms();
	pid = start(remove_one, 0);
	while (there(MDEV1 "/remove") && now_ms() - begin < 60000)
		usleep(1000);
	assert_false(there(MDEV1 "/remove"));
	assert_true(there(MDEV1 "/mdev_type"));
	assert_int_equal(put(TYPE1 "/create", UUID1), -EEXIST);
	assert_int_equal(status_of(pid), 0);
	assert_true(now_ms() - begin >= 2000);
	assert_false(there(MDEV1));
	bed_end();
}

static void nothing(int signum)
{
	(void)signum;
}

static int interrupted_remove(unsigned number)
{
	const struct sigaction action = { .sa_handler = nothing };

	(void)number;
	sigaction(SIGUSR1, &action, NULL);
	return put(MDEV1 "/remove", "1") == -EINTR ? 0 : 1;
}

static void test_waiting_can_be_interrupted_and_the_removal_goes_on(void **state)
{
	const struct tree_options opts = { .probe_ms = 1, .open = true, .release_ms = 1500 };
	int64_t begin;
	pid_t pid;

	(void)state;
	bed_with(&opts);
	assert_int_equal(put(TYPE1 "/create", UUID1), 0);
	begin = now_ms();
	pid = start(interrupted_remove, 0);
	while (there(MDEV1 "/remove") && now_ms() - begin < 1000)
		usleep(1000);
	kill(pid, SIGUSR1);
	assert_int_equal(status_of(pid), 0);
	assert_true(there(MDEV1));
	while (there(MDEV1) && now_ms() - begin < 10000)
		usleep(1000);
	assert_false(there(MDEV1));
	bed_end();
}

static void test_a_short_wait_is_not_disturbed_by_signals(void **state)
{
	const struct tree_options opts = { .probe_ms = 1, .open = true, .release_ms = 100 };
	pid_t pid;

	(void)state;
	bed_with(&opts);
	assert_int_equal(put(TYPE1 "/create", UUID1), 0);
	pid = start(interrupted_remove, 0);
	while (there(MDEV1 "/remove"))
		usleep(1000);
	kill(pid, SIGUSR1);
	assert_int_equal(status_of(pid), 1); /* it was not interrupted */
	assert_false(there(MDEV1));
	bed_end();
}

static int killed_remove(unsigned number)
{
	(void)number;
	return put(MDEV1 "/remove", "1");
}

static void test_who_waits_can_be_killed(void **state)
{
	const struct tree_options opts = { .probe_ms = 1, .open = true };
	int64_t begin = now_ms();
	pid_t pid;

	(void)state;
	bed_with(&opts);
	assert_int_equal(put(TYPE1 "/create", UUID1), 0);
	pid = start(killed_remove, 0);
	while (there(MDEV1 "/remove") && now_ms() - begin < 60000)
		usleep(1000);
	kill(pid, SIGKILL);
	assert_int_equal(status_of(pid), 256 + SIGKILL);
	bed_end();
}

static int waits_until_the_end(unsigned number)
{
	(void)number;
	return put(MDEV1 "/remove", "1") == -ENODEV ? 0 : 1;
}

static void test_who_waits_when_the_server_ends_gets_enodev(void **state)
{
	const struct tree_options opts = { .probe_ms = 1, .open = true };
	int64_t begin = now_ms();
	pid_t pid;

	(void)state;
	bed_with(&opts);
	assert_int_equal(put(TYPE1 "/create", UUID1), 0);
	pid = start(waits_until_the_end, 0);
	while (there(MDEV1 "/remove") && now_ms() - begin < 60000)
		usleep(1000);
	bed_end();
	assert_int_equal(status_of(pid), 0);
}

static int walks_for_ever(unsigned number)
{
	(void)number;
	while (system("ls -lR . >/dev/null 2>&1") == 0)
		;
	return 0;
}

static void test_the_server_ends_while_others_create_and_look(void **state)
{
	const struct tree_options opts = { .ops = true };
	pid_t pids[6];

	(void)state;
	bed_with(&opts);
	for (unsigned i = 0; i < 6; i++)
		pids[i] = start(i < 3 ? writer : walks_for_ever, i);
	usleep(300000);
	bed_end();
	for (unsigned i = 0; i < 6; i++)
		assert_true(status_of(pids[i]) < 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_eight_writers_and_two_readers),
		cmocka_unit_test(test_eight_fight_for_one_uuid),
		cmocka_unit_test(test_creates_that_take_long_go_on_side_by_side),
		cmocka_unit_test(test_a_removal_waits_for_the_user_and_others_are_served),
		cmocka_unit_test(test_waiting_can_be_interrupted_and_the_removal_goes_on),
		cmocka_unit_test(test_a_short_wait_is_not_disturbed_by_signals),
		cmocka_unit_test(test_who_waits_can_be_killed),
		cmocka_unit_test(test_who_waits_when_the_server_ends_gets_enodev),
		cmocka_unit_test(test_the_server_ends_while_others_create_and_look),
	};
	const char *why = tree_bed_cannot();

	if (why) {
		printf("1..0 # SKIP %s\n", why);
		fprintf(stderr, "cannot mount a tree: %s\n", why);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
