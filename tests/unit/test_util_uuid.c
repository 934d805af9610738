/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/uuid.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"

static void any_case_comes_in_and_lower_case_goes_out(void **state)
{
	static const uint8_t bytes[] = { 0x83, 0xb8, 0xf4, 0xf2, 0x50, 0x9f, 0x38, 0x2f, 0x3c, 0x1e,
		0xe6, 0xbf, 0xe0, 0xfa, 0x10, 0x01 };
	char text[MEDIO_UUID_TEXT];
	uint8_t uuid[MEDIO_UUID_SIZE];

	assert_int_equal(medio_uuid_parse("83B8F4F2-509f-382F-3c1e-E6BFE0FA1001", 36, uuid), 0);
	assert_memory_equal(uuid, bytes, sizeof(bytes));
	medio_uuid_format(uuid, text);
	assert_string_equal(text, UUID);
}

static void only_36_characters_and_a_newline_are_a_uuid(void **state)
{
	uint8_t uuid[MEDIO_UUID_SIZE], before[MEDIO_UUID_SIZE];
	char text[64];

	memset(uuid, 0x5a, sizeof(uuid));
	memcpy(before, uuid, sizeof(uuid));
	assert_int_equal(medio_uuid_parse(UUID, 35, uuid), -EINVAL);
	assert_int_equal(medio_uuid_parse(UUID "x", 37, uuid), -EINVAL);
	assert_int_equal(medio_uuid_parse(UUID "\n\n", 38, uuid), -EINVAL);
	assert_int_equal(medio_uuid_parse("", 0, uuid), -EINVAL);
	assert_int_equal(medio_uuid_parse("\n", 1, uuid), -EINVAL);
	/* Every character matters: break one at a time. */
	for (size_t i = 0; i < 36; i++) {
		strcpy(text, UUID);
		text[i] = text[i] == '-' ? '0' : 'g';
		assert_int_equal(medio_uuid_parse(text, 36, uuid), -EINVAL);
		text[i] = '\0';
		assert_int_equal(medio_uuid_parse(text, 36, uuid), -EINVAL);
	}
	assert_memory_equal(uuid, before, sizeof(uuid));
	assert_int_equal(medio_uuid_parse(UUID "\n", 37, uuid), 0);
	assert_int_equal(medio_uuid_parse(UUID, 37, uuid), 0);
	assert_memory_not_equal(uuid, before, sizeof(uuid));
}

static void random_ones_differ_and_say_version_4(void **state)
{
	uint8_t a[MEDIO_UUID_SIZE], b[MEDIO_UUID_SIZE];

	medio_uuid_random(a);
	medio_uuid_random(b);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(a[6] >> 4, 4);
	assert_int_equal(a[8] >> 6, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_case_comes_in_and_lower_case_goes_out),
		cmocka_unit_test(only_36_characters_and_a_newline_are_a_uuid),
		cmocka_unit_test(random_ones_differ_and_say_version_4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
