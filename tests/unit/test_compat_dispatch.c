/* SPDX-License-Identifier: BSD-3-Clause */
/* Caught calls reach the operation of their file, vectors as one access for each part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "compat/dispatch.h"
#include "test_compat_program.h"

#define AT (UINT64_C(1) << 62)

/* A file that writes down what is asked of it. */
struct spy {
	struct medio_kfile file;
	unsigned ioctls, mmaps, moves;
	unsigned cmd;
	uint64_t buf[40], count[40], offset[40];
	uint64_t most;	 /* bytes that one access moves */
	int64_t fail_at; /* the access that fails with -EIO; -1: none */
};

static struct spy *spy_of(struct medio_kfile *file)
{
	return medio_container_of(file, struct spy, file);
}

static int64_t spy_ioctl(
	struct medio_kfile *file, struct medio_call *call, unsigned cmd, uint64_t arg)
{
	(void)call;
	spy_of(file)->ioctls++;
	spy_of(file)->cmd = cmd;
	return (int64_t)arg;
}

static int64_t spy_move(struct medio_kfile *file, struct medio_call *call, uint64_t buf,
	uint64_t count, uint64_t offset)
{
	struct spy *spy = spy_of(file);
	unsigned n = spy->moves++;

	(void)call;
	assert_true(n < 40);
	spy->buf[n] = buf;
	spy->count[n] = count;
	spy->offset[n] = offset;
	if (spy->fail_at == n)
		return -EIO;
	return (int64_t)(count < spy->most ? count : spy->most);
}

static int64_t spy_mmap(struct medio_kfile *file, struct medio_call *call)
{
	(void)call;
	spy_of(file)->mmaps++;
	return 0x7000;
}

static const struct medio_kfile_ops spy_ops = {
	.what = "spy",
	.ioctl = spy_ioctl,
	.pread = spy_move,
	.pwrite = spy_move,
	.mmap = spy_mmap,
};
static const struct medio_kfile_ops mute_ops = { .what = "mute" };

static struct spy new_spy(const struct medio_kfile_ops *ops)
{
	return (struct spy){ .file = { .ops = ops }, .most = UINT64_MAX, .fail_at = -1 };
}

static int64_t dispatch(struct spy *spy, struct program *p, unsigned nr, uint64_t a1, uint64_t a2,
	uint64_t a3, uint64_t a5)
{
	struct program_call c = program_call(p, &spy->file, nr, 3, a1, a2, a3);

	c.call.args[5] = a5;
	return medio_dispatch(&c.call);
}

static void each_call_reaches_its_operation(void **state)
{
	struct spy spy = new_spy(&spy_ops);
	struct program p = { 0 };

	(void)state;
	assert_int_equal(dispatch(&spy, &p, __NR_ioctl, 0xffffffff00003b64, 9, 0, 0), 9);
	assert_int_equal(spy.cmd, 0x3b64);
	assert_int_equal(dispatch(&spy, &p, __NR_pread64, 0x1000, 4, AT + 8, 0), 4);
	assert_int_equal(dispatch(&spy, &p, __NR_pwrite64, 0x2000, 8, AT, 0), 8);
	assert_int_equal(dispatch(&spy, &p, __NR_mmap, 0, 0, 0, 0), 0x7000);
	assert_int_equal(spy.moves, 2);
	assert_int_equal(spy.buf[0], 0x1000);
	assert_int_equal(spy.offset[0], AT + 8);
	assert_int_equal(spy.count[1], 8);
	assert_int_equal(dispatch(&spy, &p, __NR_close, 0, 0, 0, 0), MEDIO_CALL_CONTINUE);
}

static void a_file_without_an_operation_answers_as_the_kernel_does(void **state)
{
	struct spy mute = new_spy(&mute_ops);
	struct program p = { 0 };

	(void)state;
	assert_int_equal(dispatch(&mute, &p, __NR_ioctl, 0x3b64, 0, 0, 0), -ENOTTY);
	assert_int_equal(dispatch(&mute, &p, __NR_pread64, 0x1000, 4, AT, 0), -EINVAL);
	assert_int_equal(dispatch(&mute, &p, __NR_pwrite64, 0x1000, 4, AT, 0), -EINVAL);
	assert_int_equal(dispatch(&mute, &p, __NR_mmap, 0, 0, 0, 0), -ENODEV);
}

static void one_access_moves_no_more_than_the_kernel_would(void **state)
{
	struct spy spy = new_spy(&spy_ops);
	struct program p = { 0 };

	(void)state;
	assert_int_equal(dispatch(&spy, &p, __NR_pread64, 0x1000, UINT64_MAX, AT, 0), 0x7ffff000);
}

static void parts_are_moved_one_by_one_at_growing_offsets(void **state)
{
	struct spy spy = new_spy(&spy_ops);
	struct program p = { 0 };
	static char pages[33][16];
	struct iovec parts[33];

	(void)state;
	for (unsigned i = 0; i < 33; i++)
		parts[i] = (struct iovec){ pages[i], i == 5 ? 0 : 4 };
	assert_int_equal(dispatch(&spy, &p, __NR_preadv, (uintptr_t)parts, 33, AT, 0), 32 * 4);
	assert_int_equal(spy.moves, 32); /* empty ones are none */
	assert_int_equal(spy.buf[31], (uintptr_t)pages[32]);
	assert_int_equal(spy.offset[31], AT + 31 * 4);
}

static void what_is_cut_short_ends_it_and_what_fails_later_is_cut_short(void **state)
{
	struct spy spy = new_spy(&spy_ops);
	struct program p = { 0 };
	struct iovec parts[3] = { { (void *)0x1000, 4 }, { (void *)0x2000, 8 },
		{ (void *)0x3000, 4 } };

	(void)state;
	spy.most = 6;
	assert_int_equal(dispatch(&spy, &p, __NR_pwritev, (uintptr_t)parts, 3, AT, 0), 10);
	assert_int_equal(spy.moves, 2);
	spy = new_spy(&spy_ops);
	spy.fail_at = 1;
	assert_int_equal(dispatch(&spy, &p, __NR_pwritev, (uintptr_t)parts, 3, AT, 0), 4);
	spy = new_spy(&spy_ops);
	spy.fail_at = 0;
	assert_int_equal(dispatch(&spy, &p, __NR_preadv2, (uintptr_t)parts, 3, AT, 0), -EIO);
}

static void bad_vectors_are_refused(void **state)
{
	struct spy spy = new_spy(&spy_ops);
	struct iovec parts[2] = { { (void *)0x1000, 4 },
		{ (void *)0x2000, (size_t)SSIZE_MAX + 1 } };
	struct program p = { .areas = { { (char *)parts, sizeof(parts) } }, .num_areas = 1 };

	(void)state;
	assert_int_equal(dispatch(&spy, &p, __NR_preadv, (uintptr_t)parts, 1025, AT, 0), -EINVAL);
	assert_int_equal(dispatch(&spy, &p, __NR_preadv, 0x40, 1, AT, 0), -EFAULT);
	assert_int_equal(dispatch(&spy, &p, __NR_preadv, (uintptr_t)&parts[1], 1, AT, 0), -EINVAL);
	assert_int_equal(dispatch(&spy, &p, __NR_preadv2, (uintptr_t)parts, 1, AT, 2), -EOPNOTSUPP);
	assert_int_equal(spy.moves, 0);
	assert_int_equal(dispatch(&spy, &p, __NR_preadv, 0x40, 0, AT, 0), 0);
}

static void the_descriptor_is_where_the_call_has_it(void **state)
{
	struct program p = { 0 };
	struct program_call c = program_call(&p, NULL, __NR_ioctl, 7, 0, 0, 0);

	(void)state;
	assert_int_equal(medio_dispatch_fd(&c.call), 7);
	c.call.nr = __NR_mmap;
	c.call.args[4] = UINT64_C(0x1234500000009);
	c.call.args[3] = MAP_SHARED;
	assert_int_equal(medio_dispatch_fd(&c.call), 9);
	c.call.args[3] |= MAP_ANONYMOUS;
	assert_int_equal(medio_dispatch_fd(&c.call), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_reaches_its_operation),
		cmocka_unit_test(a_file_without_an_operation_answers_as_the_kernel_does),
		cmocka_unit_test(one_access_moves_no_more_than_the_kernel_would),
		cmocka_unit_test(parts_are_moved_one_by_one_at_growing_offsets),
		cmocka_unit_test(what_is_cut_short_ends_it_and_what_fails_later_is_cut_short),
		cmocka_unit_test(bad_vectors_are_refused),
		cmocka_unit_test(the_descriptor_is_where_the_call_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
