/* SPDX-License-Identifier: BSD-3-Clause */
/* The record of an instance: what a later mediod reads is what this one wrote, or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <medio/error.h>

#include "manage/record.h"

#define HEAD \
	"{\"uuid\":\"00000000-0000-4000-8000-000000000001\",\"parent\":\"mtty\",\"type\":\"mtty-1\","
#define TAIL  "\"group\":3,\"uid\":1,\"gid\":2,\"mode\":384,\"restart\":\"reset\",\"created_ns\":5}"
#define WHOLE HEAD TAIL

static int parse(const char *text, struct medio_record *record)
{
	struct medio_error *err = NULL;

	int ret = medio_record_parse(text, strlen(text), record, &err);
	assert_int_equal(ret != 0, err != NULL); /* a failure has words */
	medio_error_free(err);
	return ret;
}

static void test_what_is_saved_is_loaded(void **state)
{
	char parent[] = "mtty", type[] = "mtty-2", worker[] = "0123.sock";
	char first[] = "port0=file:/tmp/a \"b\"\n\xff", second[] = "port1=";
	char filter[] = "trace:file=/x";
	char *params[] = { first, second, NULL }, *filters[] = { filter, NULL };
	const struct medio_record saved = {
		.uuid = "00000000-0000-4000-8000-00000000000f",
		.parent = parent,
		.type = type,
		.worker = worker,
		.group = 70000,
		.uid = 4294967294u,
		.gid = 12,
		.mode = 0660,
		.restart = MEDIO_RESTART_RESTORE,
		.params = { params, 2 },
		.filters = { filters, 1 },
		.created_ns = 1700000000123456789u,
	};
	char folder[] = "/tmp/medio-test-XXXXXX", path[64];
	struct medio_error *err = NULL;
	struct medio_record loaded;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/instance.json", folder);
	assert_int_equal(medio_record_load(folder, &loaded, &err), -ENOENT);
	medio_error_free(err);
	err = NULL;
	assert_int_equal(medio_record_save(folder, &saved), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600); /* parameters may be secrets */
	assert_int_equal(medio_record_load(folder, &loaded, &err), 0);
	assert_string_equal(loaded.uuid, saved.uuid);
	assert_string_equal(loaded.parent, saved.parent);
	assert_string_equal(loaded.type, saved.type);
	assert_string_equal(loaded.worker, saved.worker);
	assert_int_equal(loaded.group, saved.group);
	assert_int_equal(loaded.uid, saved.uid);
	assert_int_equal(loaded.gid, saved.gid);
	assert_int_equal(loaded.mode, saved.mode);
	assert_int_equal(loaded.restart, saved.restart);
	assert_true(loaded.created_ns == saved.created_ns);
	assert_int_equal(loaded.params.count, 2);
	assert_string_equal(loaded.params.items[0], params[0]);
	assert_string_equal(loaded.params.items[1], params[1]);
	assert_int_equal(loaded.filters.count, 1);
	assert_string_equal(loaded.filters.items[0], filters[0]);
	medio_record_free(&loaded);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0); /* and nothing else was left */
}

static void test_a_link_in_its_place_is_not_followed(void **state)
{
	char folder[] = "/tmp/medio-test-XXXXXX", path[64], other[64];
	struct medio_error *err = NULL;
	struct medio_record record;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/instance.json", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	int fd = open(other, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, WHOLE, strlen(WHOLE)), strlen(WHOLE));
	close(fd);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(medio_record_load(folder, &record, &err), -ELOOP);
	medio_error_free(err);
	unlink(path);
	unlink(other);
	rmdir(folder);
}

static void test_what_is_not_needed_may_be_absent(void **state)
{
	struct medio_record record;

	(void)state;
	assert_int_equal(parse(WHOLE, &record), 0);
	assert_null(record.worker);
	assert_int_equal(record.params.count, 0);
	medio_record_free(&record);
	assert_int_equal(parse(HEAD "\"more\":{\"of\":[1,2]}," TAIL, &record), 0);
	medio_record_free(&record);
}

static void test_everything_else_is_refused_with_words(void **state)
{
	static const char *const wrong[] = {
		"",
		"{",
		"[]",
		"null",
		"{}",
		HEAD,
		/* names that lead elsewhere */
		"{\"uuid\":\"../../../etc\",\"parent\":\"m\",\"type\":\"t\"," TAIL,
		"{\"uuid\":\"00000000-0000-4000-8000-000000000001\",\"parent\":\"../m\",\"type\":\"t\"," TAIL,
		HEAD "\"worker\":\"../../x.sock\"," TAIL,
		HEAD "\"worker\":\".\"," TAIL,
		HEAD "\"worker\":\"a\\u0000b\"," TAIL,
		HEAD "\"worker\":7," TAIL,
		/* numbers out of range: the last of two counts */
		WHOLE "x",
		HEAD
		"\"group\":-1,\"uid\":1,\"gid\":2,\"mode\":384,\"restart\":\"reset\",\"created_ns\":5}",
		HEAD
		"\"group\":1,\"uid\":4294967295,\"gid\":2,\"mode\":384,\"restart\":\"reset\",\"created_ns\":5}",
		HEAD
		"\"group\":1,\"uid\":1,\"gid\":2,\"mode\":2541,\"restart\":\"reset\",\"created_ns\":5}",
		HEAD
		"\"group\":1,\"uid\":1,\"gid\":2,\"mode\":384,\"restart\":\"often\",\"created_ns\":5}",
		HEAD "\"group\":1,\"uid\":1,\"gid\":2,\"mode\":384,\"created_ns\":5}",
		HEAD
		"\"group\":1,\"uid\":1,\"gid\":2,\"mode\":384,\"restart\":\"reset\",\"created_ns\":-5}",
		HEAD "\"params\":\"a\"," TAIL,
		HEAD "\"params\":[\"a\",1]," TAIL,
		HEAD "\"filters\":[\"a\\u0000b\"]," TAIL,
		HEAD "\"card\":-1,\"numvfs\":1,\"leave_unbound\":0," TAIL,
		HEAD "\"card\":0,\"numvfs\":257,\"leave_unbound\":0," TAIL,
		HEAD "\"card\":0,\"numvfs\":1," TAIL,
		HEAD "\"card\":0,\"numvfs\":1,\"leave_unbound\":2," TAIL,
		HEAD "\"pf\":\"nic0\",\"vf\":0," TAIL,
		HEAD "\"pf\":\"00000000-0000-4000-8000-000000000002\"," TAIL,
		HEAD "\"pf\":\"00000000-0000-4000-8000-000000000002\",\"vf\":256," TAIL,
	};
	struct medio_record record;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (parse(wrong[i], &record) != -EINVAL)
			fail_msg("not refused: %s", wrong[i]);
	}
}

static void test_cards_and_their_virtual_functions_know_each_other(void **state)
{
	static const char whole[] = HEAD
		"\"card\":2,\"numvfs\":7,\"leave_unbound\":1,"
		"\"pf\":\"00000000-0000-4000-8000-00000000000A\",\"vf\":255," TAIL;
	struct medio_record record, again;

	(void)state;
	assert_int_equal(parse(WHOLE, &record), 0);
	assert_int_equal(record.card, -1);
	assert_string_equal(record.pf, "");
	medio_record_free(&record);
	assert_int_equal(parse(whole, &record), 0);
	char *text = medio_record_print(&record);
	medio_record_free(&record);
	assert_int_equal(parse(text, &again), 0);
	assert_int_equal(again.card, 2);
	assert_int_equal(again.numvfs, 7);
	assert_true(again.leave_unbound);
	assert_string_equal(again.pf, "00000000-0000-4000-8000-00000000000a");
	assert_int_equal(again.vf, 255);
	medio_record_free(&again);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_saved_is_loaded),
		cmocka_unit_test(test_a_link_in_its_place_is_not_followed),
		cmocka_unit_test(test_what_is_not_needed_may_be_absent),
		cmocka_unit_test(test_everything_else_is_refused_with_words),
		cmocka_unit_test(test_cards_and_their_virtual_functions_know_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
