/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void set_stores_words_and_returns_the_errno(void **state)
{
	struct medio_error *err = NULL;

	assert_int_equal(medio_error_set(&err, EINVAL, "port %d", 7), -EINVAL);
	assert_string_equal(medio_error_text(err), "port 7");
	/* The old words may be an argument of the new. */
	assert_int_equal(medio_error_set(&err, EIO, "first %s", medio_error_text(err)), -EIO);
	assert_string_equal(medio_error_text(err), "first port 7");
	medio_error_free(err);
}

static void without_a_place_only_the_errno_is_left(void **state)
{
	assert_int_equal(medio_error_set(NULL, ENOENT, "lost"), -ENOENT);
	medio_error_prefix(NULL, "nothing");
	medio_error_free(NULL);
	assert_string_equal(medio_error_text(NULL), "unknown error");
}

static void prefixes_stack_up(void **state)
{
	struct medio_error *err = NULL;

	medio_error_prefix(&err, "nothing to prefix");
	assert_null(err);
	medio_error_set(&err, EINVAL, "no such file '%s'", "x");
	medio_error_prefix(&err, "port %u", 0u);
	medio_error_prefix(&err, "mtty-2");
	assert_string_equal(medio_error_text(err), "mtty-2: port 0: no such file 'x'");
	medio_error_free(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_stores_words_and_returns_the_errno),
		cmocka_unit_test(without_a_place_only_the_errno_is_left),
		cmocka_unit_test(prefixes_stack_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
