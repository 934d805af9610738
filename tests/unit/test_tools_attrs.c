/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/attrs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/error.h"

static void expect(struct json_object *attrs, const char *text)
{
	assert_string_equal(json_object_to_json_string_ext(
				    attrs, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
		text);
}

static void test_a_name_without_a_slash_is_a_parameter(void **state)
{
	char *path = medio_attrs_path("port0");

	(void)state;
	assert_string_equal(path, "params/port0");
	free(path);
	path = medio_attrs_path("medio/mode");
	assert_string_equal(path, "medio/mode");
	free(path);
}

static void test_values_are_set_in_place_or_at_the_end(void **state)
{
	struct json_object *attrs = json_object_new_array();

	(void)state;
	assert_int_equal(medio_attrs_assign(attrs, "port0=pty", NULL), 0);
	assert_int_equal(medio_attrs_assign(attrs, "vendor/x=a=b", NULL), 0);
	assert_int_equal(medio_attrs_assign(attrs, "port1=", NULL), 0);
	assert_int_equal(medio_attrs_assign(attrs, "params/port0=echo", NULL), 0);
	expect(attrs,
		"[{\"params/port0\":\"echo\"},{\"vendor/x\":\"a=b\"},{\"params/port1\":\"\"}]");
	const char *names[2];
	assert_int_equal(medio_attrs_names(attrs, names, 0, 2), 2);
	assert_string_equal(names[1], "vendor/x");
	json_object_put(attrs);
}

static void test_what_is_no_assignment_is_refused(void **state)
{
	static const char *const bad[] = { "port0", "=pty", "" };
	struct json_object *attrs = json_object_new_array();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct medio_error *err = NULL;
		assert_int_equal(medio_attrs_assign(attrs, bad[i], &err), -EINVAL);
		assert_non_null(strstr(medio_error_text(err), "write NAME=VALUE"));
		medio_error_free(err);
	}
	expect(attrs, "[]");
	json_object_put(attrs);
}

static void test_every_one_of_a_name_is_removed(void **state)
{
	struct json_object *attrs = json_tokener_parse(
		"[{\"a\":\"1\"},{\"b\":\"2\"},{\"a\":\"3\"}]");

	(void)state;
	assert_true(medio_attrs_remove(attrs, "a"));
	expect(attrs, "[{\"b\":\"2\"}]");
	assert_false(medio_attrs_remove(attrs, "a"));
	json_object_put(attrs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_name_without_a_slash_is_a_parameter),
		cmocka_unit_test(test_values_are_set_in_place_or_at_the_end),
		cmocka_unit_test(test_what_is_no_assignment_is_refused),
		cmocka_unit_test(test_every_one_of_a_name_is_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
