/* SPDX-License-Identifier: BSD-3-Clause */
/* One user who is refused all the time must not hide what others do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "manage/manager.h"

void medio_manager_log(struct medio_manager *m, enum medio_log_level level, const char *fmt, ...)
{
	(void)m;
	(void)level;
	(void)fmt;
}

#define SECOND UINT64_C(1000000000)

static void test_a_flood_is_counted_and_others_are_told(void **state)
{
	struct medio_refusals refusals = { 0 };
	unsigned lost = 99, told = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		told += (unsigned)medio_refusal_is_told(&refusals, 1000, SECOND + i, &lost);
	assert_int_equal(told, MEDIO_REFUSAL_LINES);
	assert_int_equal(lost, 0);
	assert_true(medio_refusal_is_told(&refusals, 1001, SECOND, &lost));
	assert_int_equal(lost, 0);
	/* When it goes on later, the rest is told as a number, once. */
	assert_true(medio_refusal_is_told(&refusals, 1000, 11 * SECOND, &lost));
	assert_int_equal(lost, 1000 - MEDIO_REFUSAL_LINES);
	assert_true(medio_refusal_is_told(&refusals, 1000, 11 * SECOND, &lost));
	assert_int_equal(lost, 0);
}

static void test_more_users_than_there_is_room_for_push_out_the_oldest(void **state)
{
	struct medio_refusals refusals = { 0 };
	unsigned lost;

	(void)state;
	for (uid_t uid = 1; uid <= MEDIO_REFUSAL_USERS; uid++)
		for (unsigned i = 0; i < 2 * MEDIO_REFUSAL_LINES; i++)
			medio_refusal_is_told(&refusals, uid, uid * SECOND / 100, &lost);
	assert_true(medio_refusal_is_told(&refusals, 5000, SECOND, &lost));
	/* The one who came first has made way, and begins anew; the others have not. */
	assert_false(medio_refusal_is_told(&refusals, 2, SECOND, &lost));
	assert_true(medio_refusal_is_told(&refusals, 1, SECOND, &lost));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_flood_is_counted_and_others_are_told),
		cmocka_unit_test(test_more_users_than_there_is_room_for_push_out_the_oldest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
