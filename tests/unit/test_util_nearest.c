/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = { "mtty-1", "mtty-2", "virtio-blk", "virtio-net", "edu" };

static const char *near(const char *typed)
{
	const char *name = medio_nearest(typed, names, 5);

	return name ? name : "";
}

static void one_slip_is_understood(void **state)
{
	assert_string_equal(near("mtty2"), "mtty-2");	       /* dropped */
	assert_string_equal(near("mtty--2"), "mtty-2");	       /* doubled */
	assert_string_equal(near("mtyt-2"), "mtty-2");	       /* swapped */
	assert_string_equal(near("MTTY-2"), "mtty-2");	       /* shouted */
	assert_string_equal(near("virtoi-bkl"), "virtio-blk"); /* swapped twice */
	assert_string_equal(near("ed"), "edu");
	assert_string_equal(near("virt"), "virtio-blk"); /* the rest left out */
}

static void the_nearer_wins_and_the_first_of_equals(void **state)
{
	assert_string_equal(near("virtio-nlk"), "virtio-blk");
	assert_string_equal(near("virtio-xet"), "virtio-net");
	assert_string_equal(near("mtty-3"), "mtty-1");
}

static void something_else_is_not_guessed(void **state)
{
	assert_string_equal(near("nvme"), "");
	assert_string_equal(near("virtio-scsi"), "");
	assert_string_equal(near("e"), ""); /* all of it would be wrong */
	assert_string_equal(near(""), "");
	assert_null(medio_nearest("mtty-1", NULL, 0));
}

static void long_text_is_refused_not_overrun(void **state)
{
	const char *long_name[1];
	char text[200];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	long_name[0] = text;
	assert_null(medio_nearest(text, names, 5));
	assert_null(medio_nearest(text, long_name, 1));
	assert_null(medio_nearest("aaaa", long_name, 1));
	text[63] = '\0'; /* the longest that is compared */
	assert_ptr_equal(medio_nearest(text + 1, long_name, 1), text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_slip_is_understood),
		cmocka_unit_test(the_nearer_wins_and_the_first_of_equals),
		cmocka_unit_test(something_else_is_not_guessed),
		cmocka_unit_test(long_text_is_refused_not_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
