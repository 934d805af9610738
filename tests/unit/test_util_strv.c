/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/strv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_zeros_are_an_empty_list(void **state)
{
	struct medio_strv v = { 0 };

	(void)state;
	assert_null(medio_strv_value(&v, "port0"));
	medio_strv_free(&v);
	assert_int_equal(medio_strv_copy(&v, NULL, 0), 0);
	assert_int_equal(v.count, 0);
	medio_strv_free(&v);
}

static void test_items_are_copies_in_order_and_a_null_ends_them(void **state)
{
	struct medio_strv v = { 0 };
	char text[] = "one";

	(void)state;
	assert_int_equal(medio_strv_add(&v, text), 0);
	text[0] = 'X';
	assert_int_equal(medio_strv_add(&v, "two"), 0);
	assert_int_equal(v.count, 2);
	assert_string_equal(v.items[0], "one");
	assert_string_equal(v.items[1], "two");
	assert_null(v.items[2]);
	medio_strv_free(&v);
	assert_null(v.items);
	assert_int_equal(v.count, 0);
}

static void test_copy_takes_the_place_of_what_was_there(void **state)
{
	static const char *const items[] = { "a", "b", "c" };
	struct medio_strv v = { 0 };

	(void)state;
	medio_strv_add(&v, "old");
	assert_int_equal(medio_strv_copy(&v, items, 2), 0);
	assert_int_equal(v.count, 2);
	assert_string_equal(v.items[1], "b");
	/* Its own items may be what is copied. */
	assert_int_equal(medio_strv_copy(&v, medio_strv_items(&v), 1), 0);
	assert_int_equal(v.count, 1);
	assert_string_equal(v.items[0], "a");
	assert_null(v.items[1]);
	medio_strv_free(&v);
}

static void test_assign_keeps_one_assignment_a_name_at_its_place(void **state)
{
	struct medio_strv v = { 0 };

	(void)state;
	medio_strv_add(&v, "flag");
	medio_strv_assign(&v, "port0", "pty");
	medio_strv_assign(&v, "port01", "echo");
	medio_strv_assign(&v, "port0", "null=1");
	medio_strv_assign(&v, "flag", "off");
	assert_int_equal(v.count, 3);
	assert_string_equal(v.items[0], "flag=off");
	assert_string_equal(v.items[1], "port0=null=1");
	assert_string_equal(v.items[2], "port01=echo");
	medio_strv_free(&v);
}

static void test_value_is_of_the_whole_name(void **state)
{
	struct medio_strv v = { 0 };

	(void)state;
	medio_strv_add(&v, "port01=echo");
	medio_strv_add(&v, "flag");
	medio_strv_add(&v, "file=");
	assert_null(medio_strv_value(&v, "port0"));
	assert_null(medio_strv_value(&v, "flag"));
	assert_string_equal(medio_strv_value(&v, "port01"), "echo");
	assert_string_equal(medio_strv_value(&v, "file"), "");
	medio_strv_free(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zeros_are_an_empty_list),
		cmocka_unit_test(test_items_are_copies_in_order_and_a_null_ends_them),
		cmocka_unit_test(test_copy_takes_the_place_of_what_was_there),
		cmocka_unit_test(test_assign_keeps_one_assignment_a_name_at_its_place),
		cmocka_unit_test(test_value_is_of_the_whole_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
