/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that a program is given: found by what stat says, released when nobody has them any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compat/compat.h"
#include "compat/kfile.h"

struct bed {
	struct medio_loop *loop;
	struct medio_compat *compat;
};

struct thing {
	struct medio_kfile file;
	unsigned released;
};

static void on_release(struct medio_kfile *file)
{
	medio_container_of(file, struct thing, file)->released++;
}

static const struct medio_kfile_ops ops = { .what = "thing", .release = on_release };

static int setup(void **state)
{
	static struct bed bed;

	assert_int_equal(medio_loop_new(&bed.loop), 0);
	assert_int_equal(medio_compat_new(bed.loop, NULL, &bed.compat), 0);
	*state = &bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	medio_compat_free(bed->compat);
	medio_loop_free(bed->loop);
	return 0;
}

static void settle(struct bed *bed)
{
	while (medio_loop_run_once(bed->loop, 0) > 0)
		;
}

static void await(struct bed *bed, const unsigned *what, unsigned value)
{
	while (*what != value)
		assert_true(medio_loop_run_once(bed->loop, 60000) > 0);
}

static struct medio_kfile *find(struct bed *bed, int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return medio_kfile_find(bed->compat, st.st_dev, st.st_ino);
}

static void a_file_is_found_through_any_descriptor_of_it_and_no_other(void **state)
{
	struct bed *bed = *state;
	struct thing a = { 0 }, b = { 0 };
	int fd_a, fd_b;

	assert_int_equal(medio_kfile_make(bed->compat, &ops, &a.file, &fd_a), 0);
	assert_int_equal(medio_kfile_make(bed->compat, &ops, &b.file, &fd_b), 0);
	int copy = dup(fd_a);
	int other = memfd_create("other", MFD_CLOEXEC);
	assert_ptr_equal(find(bed, copy), &a.file);
	assert_ptr_equal(find(bed, fd_b), &b.file);
	assert_null(find(bed, other));
	close(other);
	close(copy);
	close(fd_a);
	close(fd_b);
	await(bed, &a.released, 1);
	await(bed, &b.released, 1);
	assert_true(medio_list_empty(&bed->compat->files));
}

static void a_file_is_released_once_and_only_with_its_last_descriptor(void **state)
{
	struct bed *bed = *state;
	struct thing a = { 0 };
	char path[32];
	int fd;

	assert_int_equal(medio_kfile_make(bed->compat, &ops, &a.file, &fd), 0);
	int copy = dup(fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int again = open(path, O_RDONLY | O_CLOEXEC); /* another open file of the same inode */
	assert_true(again >= 0);
	close(fd);
	close(copy);
	settle(bed);
	assert_int_equal(a.released, 0);
	assert_ptr_equal(find(bed, again), &a.file);
	close(again);
	await(bed, &a.released, 1);
	settle(bed);
	assert_int_equal(a.released, 1);
}

static void a_mapping_keeps_a_file(void **state)
{
	struct bed *bed = *state;
	struct thing a = { 0 };
	int fd;

	assert_int_equal(medio_kfile_make(bed->compat, &ops, &a.file, &fd), 0);
	void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(map != MAP_FAILED);
	close(fd);
	settle(bed);
	assert_int_equal(a.released, 0);
	munmap(map, 4096);
	await(bed, &a.released, 1);
}

static void what_the_filter_does_not_catch_finds_an_empty_file_that_stays_so(void **state)
{
	struct bed *bed = *state;
	struct thing a = { 0 };
	char byte = 0;
	int fd;

	assert_int_equal(medio_kfile_make(bed->compat, &ops, &a.file, &fd), 0);
	assert_int_equal(read(fd, &byte, 1), 0);
	assert_int_equal(write(fd, &byte, 1), -1);
	assert_int_equal(ftruncate(fd, 4096), -1);
	close(fd);
	await(bed, &a.released, 1);
}

static void a_file_that_left_is_neither_found_nor_released(void **state)
{
	struct bed *bed = *state;
	struct thing a = { 0 };
	int fd;

	assert_int_equal(medio_kfile_make(bed->compat, &ops, &a.file, &fd), 0);
	medio_kfile_leave(&a.file);
	assert_null(find(bed, fd));
	close(fd);
	settle(bed);
	assert_int_equal(a.released, 0);
}

static void a_file_of_the_file_system_is_told_from_another_of_the_same_number(void **state)
{
	struct bed *bed = *state;
	struct thing a = { 0 };

	medio_kfile_enter(bed->compat, &ops, &a.file, 4711);
	assert_ptr_equal(medio_kfile_find(bed->compat, 99, 4711), &a.file);
	bed->compat->fs_dev = 42;
	assert_null(medio_kfile_find(bed->compat, 99, 4711));
	assert_null(medio_kfile_find(bed->compat, 42, 4711 + 64));
	assert_ptr_equal(medio_kfile_find(bed->compat, 42, 4711), &a.file);
	medio_kfile_leave(&a.file);
}

static void at_the_end_all_files_are_released(void **state)
{
	struct medio_loop *loop;
	struct medio_compat *compat;
	struct thing a = { 0 }, b = { 0 };
	int fd;

	(void)state;
	assert_int_equal(medio_loop_new(&loop), 0);
	assert_int_equal(medio_compat_new(loop, NULL, &compat), 0);
	medio_kfile_enter(compat, &ops, &a.file, 1);
	assert_int_equal(medio_kfile_make(compat, &ops, &b.file, &fd), 0);
	medio_compat_free(compat);
	close(fd);
	assert_int_equal(a.released, 1);
	assert_int_equal(b.released, 1);
	medio_loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_file_is_found_through_any_descriptor_of_it_and_no_other, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_file_is_released_once_and_only_with_its_last_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(a_mapping_keeps_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_the_filter_does_not_catch_finds_an_empty_file_that_stays_so, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_file_that_left_is_neither_found_nor_released, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_file_of_the_file_system_is_told_from_another_of_the_same_number, setup,
			teardown),
		cmocka_unit_test(at_the_end_all_files_are_released),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
