/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "compat/maps.h"

#define PAGE 4096

static int parse(const char *text, struct medio_maps_area *area)
{
	static char line[512];

	snprintf(line, sizeof(line), "%s", text);
	return medio_maps_parse(line, area);
}

static void a_line_says_where_what_and_of_which_file(void **state)
{
	struct medio_maps_area area;

	(void)state;
	assert_int_equal(parse("7f0c4a000000-7f0c4a021000 rw-s 00300000 fd:1a 1234567   "
			       "  /memfd:a name (deleted)\n",
				 &area),
		0);
	assert_int_equal(area.start, 0x7f0c4a000000);
	assert_int_equal(area.end, 0x7f0c4a021000);
	assert_int_equal(area.prot, PROT_READ | PROT_WRITE);
	assert_true(area.shared);
	assert_int_equal(area.offset, 0x300000);
	assert_int_equal(area.major, 0xfd);
	assert_int_equal(area.minor, 0x1a);
	assert_int_equal(area.ino, 1234567);
	assert_string_equal(area.name, "/memfd:a name (deleted)");

	assert_int_equal(parse("00400000-00401000 r-xp 00000000 00:00 0 \n", &area), 0);
	assert_int_equal(area.prot, PROT_READ | PROT_EXEC);
	assert_false(area.shared);
	assert_int_equal(area.ino, 0);
	assert_string_equal(area.name, "");
	/* Without the blank, without the line's end, and the highest there is. */
	assert_int_equal(parse("0-1000 ---p 0 00:00 0", &area), 0);
	assert_int_equal(area.prot, 0);
	assert_string_equal(area.name, "");
	assert_int_equal(
		parse("ffffffffff600000-ffffffffff601000 --xp ffffffffffffffff ffffffff:ffffffff "
		      "18446744073709551615 [vsyscall]",
			&area),
		0);
	assert_int_equal(area.offset, UINT64_MAX);
	assert_int_equal(area.ino, UINT64_MAX);
	assert_int_equal(area.major, UINT32_MAX);
	assert_string_equal(area.name, "[vsyscall]");
}

static void anything_else_is_no_line(void **state)
{
	static const char *const bad[] = { "", "\n", "-", "1000-", "1000-2000", "1000-2000 rw-p",
		"1000-2000 rw-p 0 00:00", "1000-2000 rw-p 0 00:00 ", "2000-1000 rw-p 0 00:00 0 ",
		"1000-1000 rw-p 0 00:00 0 ", "1000 2000 rw-p 0 00:00 0 ",
		"1000-2000 rw-x 0 00:00 0 ", "1000-2000 wr-p 0 00:00 0 ",
		"1000-2000 rwp 0 00:00 0 ", "1000-2000 rw-pp 0 00:00 0 ",
		"1000-2000 rw-p 0 0000 0 ", "1000-2000 rw-p x 00:00 0 ", "1000-2000 rw-p 0 00:00 a",
		"1000-2000 rw-p 0 00:00 0x", "10000000000000000-20000000000000000 rw-p 0 00:00 0 ",
		"1000-2000 rw-p 0 00:00 18446744073709551616 ", "1000-2000 rw-p 0 100000000:00 0 ",
		"1000-2000 rw-p 0 00:100000000 0 ", " 1000-2000 rw-p 0 00:00 0 ",
		"+1000-2000 rw-p 0 00:00 0 ", "1000-2000  rw-p 0 00:00 0 ",
		"A000-B000 rw-p 0 00:00 0 " };
	struct medio_maps_area area = { .start = 77 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i], &area) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
	assert_int_equal(area.start, 77);
}

struct seen {
	unsigned count;
	struct medio_maps_area areas[8];
	int answer;
};

static int see(void *opaque, const struct medio_maps_area *area)
{
	struct seen *seen = opaque;

	assert_true(seen->count < 8);
	seen->areas[seen->count++] = *area;
	return seen->answer;
}

static void the_areas_of_a_range_are_walked_in_order(void **state)
{
	struct seen seen = { 0 };
	struct stat st;

	(void)state;
	int fd = memfd_create("walked", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 8 * PAGE), 0);
	assert_int_equal(fstat(fd, &st), 0);
	char *at = mmap(NULL, 5 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(at != MAP_FAILED);
	assert_true(mmap(at + PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 3 * PAGE) ==
		    at + PAGE);
	assert_int_equal(munmap(at + 3 * PAGE, PAGE), 0);

	uint64_t start = (uintptr_t)at;
	assert_int_equal(
		medio_maps_walk(getpid(), start + PAGE + 1, start + 4 * PAGE, see, &seen), 0);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.areas[0].start, start + PAGE);
	assert_int_equal(seen.areas[0].end, start + 2 * PAGE);
	assert_int_equal(seen.areas[0].prot, PROT_READ);
	assert_true(seen.areas[0].shared);
	assert_int_equal(seen.areas[0].offset, 3 * PAGE);
	assert_int_equal(seen.areas[0].ino, st.st_ino);
	assert_int_equal(seen.areas[0].major, major(st.st_dev));
	assert_int_equal(seen.areas[0].minor, minor(st.st_dev));
	assert_int_equal(seen.areas[1].start, start + 2 * PAGE);
	assert_int_equal(seen.areas[1].end, start + 3 * PAGE);
	assert_int_equal(seen.areas[1].prot, 0);
	/* Who has seen enough says so. */
	seen = (struct seen){ .answer = -EFAULT };
	assert_int_equal(medio_maps_walk(getpid(), start, start + 5 * PAGE, see, &seen), -EFAULT);
	assert_int_equal(seen.count, 1);
	seen = (struct seen){ 0 };
	assert_int_equal(
		medio_maps_walk(getpid(), start + 3 * PAGE, start + 4 * PAGE, see, &seen), 0);
	assert_int_equal(seen.count, 0);
	munmap(at, 5 * PAGE);
	close(fd);
}

static void a_process_that_is_gone_has_none(void **state)
{
	struct seen seen = { 0 };
	pid_t child = fork();

	(void)state;
	if (!child)
		_exit(0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(medio_maps_walk(child, 0, UINT64_MAX, see, &seen), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_says_where_what_and_of_which_file),
		cmocka_unit_test(anything_else_is_no_line),
		cmocka_unit_test(the_areas_of_a_range_are_walked_in_order),
		cmocka_unit_test(a_process_that_is_gone_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
