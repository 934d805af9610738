/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Disks in a process that has given up what a worker gives up: rings, threads and connections that were
 * made before go on. Each test does it in a child of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_disk_bed.h"
#include "worker/sandbox.h"
#include "worker/wire.h"

#define SOMEBODY 54321

static char dir[] = "/tmp/medio-disk-sandbox-XXXXXX", image[64], param[80];

struct way {
	const char *aio, *direct;
};
static const struct way ways[] = { { "aio=io_uring", "direct=off" },
	{ "aio=io_uring", "direct=on" }, { "aio=threads", "direct=off" },
	{ "aio=threads", "direct=on" } };

static void make_image(void)
{
	int fd = open(image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 8 << 20), 0);
	assert_int_equal(fchown(fd, SOMEBODY, SOMEBODY), 0);
	close(fd);
}

/* The line that failed comes back as a status; what is said is what went wrong. */
#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			print_message("# line %d: %s\n", __LINE__, #cond); \
			_exit(1); \
		} \
	} while (0)

static void in_child(void (*fn)(const struct way *way), const struct way *way)
{
	int status;

	make_image();
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		alarm(60);
		CHECK(medio_sandbox_identity(SOMEBODY, SOMEBODY, NULL) == 0);
		CHECK(medio_sandbox_limits(1ull << 40, 200, NULL) == 0);
		fn(way);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		fail_msg("killed by %s", strsignal(WTERMSIG(status)));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void lock_in(unsigned needs)
{
	const struct medio_sandbox_paths paths = { .nfolders = 0 };

	CHECK(medio_sandbox_files(&paths, needs, NULL) == 0);
	CHECK(medio_sandbox_calls(false, needs, NULL) == 0);
}

static void alone(const struct way *way)
{
	struct disk_bed bed;
	struct disk_counts counts;

	CHECK(disk_bed_open(&bed, param, way->aio, way->direct, NULL) == 0);
	lock_in(medio_instance_needs(bed.inst));
	disk_bed_play(&bed, 50, 300);
	disk_refresh(bed.disk);
	disk_get_counts(bed.disk, &counts);
	/* By whom it is said to be done, and not in its place. */
	CHECK(counts.rings + counts.threads > 100);
	CHECK(!strstr(bed.log, "does not get on"));
	disk_bed_close(&bed);
}

static void a_disk_goes_on_when_its_worker_is_locked_in(void **state)
{
	in_child(alone, *state);
}

static void among_others(const struct way *way)
{
	const char *folders[] = { dir };
	const struct medio_sandbox_paths paths = { .folders = folders, .nfolders = 1 };
	struct disk_bed bed, other;

	(void)way;
	CHECK(medio_sandbox_files(&paths, 0, NULL) == 0);
	CHECK(medio_sandbox_calls(true, 0, NULL) == 0);
	CHECK(disk_bed_open(&bed, param, "aio=io_uring", NULL) == -EACCES);
	CHECK(strstr(bed.words, "aio=threads does without"));
	CHECK(disk_bed_open(&bed, param, NULL) == 0);
	CHECK(strstr(bed.log, "threads do what would block"));
	CHECK(disk_bed_open(&other, "mem=8M", NULL) == 0);
	disk_bed_play(&bed, 60, 300);
	disk_bed_play(&other, 61, 100);
	CHECK(disk_bed_open(&other, "nbd=nbd://127.0.0.1:9", NULL) < 0);
	disk_bed_close(&bed);
}

static void a_worker_of_many_makes_disks_with_threads(void **state)
{
	(void)state;
	in_child(among_others, NULL);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir) || chown(dir, SOMEBODY, SOMEBODY) < 0)
		return -1;
	snprintf(image, sizeof(image), "%s/image", dir);
	snprintf(param, sizeof(param), "file=%s", image);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return unlink(image) | rmdir(dir);
}

#define WAY(fn, i) \
	{ \
#fn " (" #i ")", fn, NULL, NULL, (void *)&ways[i] \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WAY(a_disk_goes_on_when_its_worker_is_locked_in, 0),
		WAY(a_disk_goes_on_when_its_worker_is_locked_in, 1),
		WAY(a_disk_goes_on_when_its_worker_is_locked_in, 2),
		WAY(a_disk_goes_on_when_its_worker_is_locked_in, 3),
		cmocka_unit_test(a_worker_of_many_makes_disks_with_threads),
	};
	const unsigned all = MEDIO_WIRE_SECCOMP | MEDIO_WIRE_LANDLOCK;
	if (getuid() != 0 || (medio_sandbox_possible() & all) != all) {
		printf("1..0 # SKIP needs root, a kernel with Landlock, and a build with seccomp "
		       "and without sanitizers\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
