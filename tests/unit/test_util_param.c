/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/param.h"

#include "util/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct state {
	bool flag;
	uint64_t port, free, size, wait;
	char *file, *empty;
	int mode;
};

static const char *const modes[] = { "echo", "pty", "file", NULL };

static const struct medio_param params[] = {
	{ "flag", MEDIO_PARAM_BOOL, offsetof(struct state, flag), "yes", "a flag" },
	{ "port", MEDIO_PARAM_UINT, offsetof(struct state, port), "3", "a number", 1, 15 },
	{ "free", MEDIO_PARAM_UINT, offsetof(struct state, free), NULL, "any number" },
	{ "size", MEDIO_PARAM_SIZE, offsetof(struct state, size), "64K", "a size", 4096, 1 << 30 },
	{ "wait", MEDIO_PARAM_TIME, offsetof(struct state, wait), "10us", "a time" },
	{ "file", MEDIO_PARAM_STRING, offsetof(struct state, file), "/dev/null", "a file" },
	{ "empty", MEDIO_PARAM_STRING, offsetof(struct state, empty), NULL, "a file" },
	{ "mode", MEDIO_PARAM_CHOICE, offsetof(struct state, mode), "pty", "a choice", 0, 0,
		modes },
	{ NULL },
};

static const struct medio_param *find(const char *name)
{
	const struct medio_param *p = params;

	while (strcmp(p->name, name) != 0)
		p++;
	return p;
}

static int setup(void **state)
{
	static struct state s;

	memset(&s, 0xa5, sizeof(s)); /* default may not rely on zeroed state */
	*state = &s;
	return medio_params_default(params, &s, NULL);
}

static int teardown(void **state)
{
	medio_params_free(params, *state);
	return 0;
}

/* Set it, and see it refused with exactly these words and the state untouched. */
static void refused(struct state *s, const char *assignment, const char *words)
{
	struct medio_error *err = NULL;
	struct state before = *s;

	assert_int_equal(medio_params_set(params, s, "mtty-2", assignment, &err), -EINVAL);
	assert_string_equal(medio_error_text(err), words);
	assert_memory_equal(&before, s, sizeof(before));
	medio_error_free(err);
}

static void accepted(struct state *s, const char *assignment)
{
	struct medio_error *err = NULL;

	if (medio_params_set(params, s, "mtty-2", assignment, &err) != 0)
		fail_msg("%s", medio_error_text(err));
	assert_null(err);
}

static void printed(const struct state *s, const char *name, const char *text)
{
	char buf[64];

	assert_int_equal(medio_param_print(find(name), s, buf, sizeof(buf)), strlen(text));
	assert_string_equal(buf, text);
}

static void defaults_are_stored_and_print_as_written(void **state)
{
	struct state *s = *state;

	assert_true(s->flag);
	assert_int_equal(s->port, 3);
	assert_int_equal(s->free, 0);
	assert_int_equal(s->size, 65536);
	assert_int_equal(s->wait, 10000);
	assert_string_equal(s->file, "/dev/null");
	assert_null(s->empty);
	assert_int_equal(s->mode, 1);
	printed(s, "flag", "on");
	printed(s, "port", "3");
	printed(s, "free", "0");
	printed(s, "size", "64K");
	printed(s, "wait", "10us");
	printed(s, "file", "/dev/null");
	printed(s, "empty", "");
	printed(s, "mode", "pty");
}

static void a_bad_default_fails_and_frees_what_was_set(void **state)
{
	static const struct medio_param bad[] = {
		{ "file", MEDIO_PARAM_STRING, offsetof(struct state, file), "x" },
		{ "port", MEDIO_PARAM_UINT, offsetof(struct state, port), "many" },
		{ "empty", MEDIO_PARAM_STRING, offsetof(struct state, empty), "y" },
		{ NULL },
	};
	struct medio_error *err = NULL;
	struct state s;

	memset(&s, 0xa5, sizeof(s));
	assert_int_equal(medio_params_default(bad, &s, &err), -EINVAL);
	assert_string_equal(
		medio_error_text(err), "the default 'many' of parameter 'port' is not valid");
	assert_null(s.file);
	assert_null(s.empty);
	medio_error_free(err);
	assert_int_equal(medio_params_default(NULL, &s, NULL), 0);
}

static void booleans_take_every_form_and_a_bare_name(void **state)
{
	static const char *const on[] = { "flag", "flag=on", "flag=yes", "flag=true", "flag=1",
		"flag=ON" };
	static const char *const off[] = { "flag=off", "flag=no", "flag=false", "flag=0" };
	struct state *s = *state;

	for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++) {
		s->flag = false;
		accepted(s, on[i]);
		assert_true(s->flag);
	}
	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
		s->flag = true;
		accepted(s, off[i]);
		assert_false(s->flag);
	}
	refused(s, "flag=2", "mtty-2: 'flag' must be a boolean (on or off), not '2'");
	refused(s, "flag=", "mtty-2: 'flag' must be a boolean (on or off), not ''");
}

static void numbers_are_bounded_and_take_nothing_else(void **state)
{
	static const char *const bad[] = { "0", "16", "-1", "+1", " 1", "1 ", "1x", "", "0x", "x1",
		"1e1", "18446744073709551617", "0x10000000000000001", "3K" };
	struct state *s = *state;
	char assignment[64], words[128];

	accepted(s, "port=15");
	assert_int_equal(s->port, 15);
	accepted(s, "port=0xF");
	assert_int_equal(s->port, 15);
	accepted(s, "port=010"); /* decimal: no octal surprises */
	assert_int_equal(s->port, 10);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(assignment, sizeof(assignment), "port=%s", bad[i]);
		snprintf(words, sizeof(words), "mtty-2: 'port' must be a number 1..15, not '%s'",
			bad[i]);
		refused(s, assignment, words);
	}
	accepted(s, "free=18446744073709551615");
	assert_true(s->free == UINT64_MAX);
	refused(s, "free=18446744073709551616",
		"mtty-2: 'free' must be a number, not '18446744073709551616'");
}

static void sizes_scale_by_1024_and_do_not_wrap(void **state)
{
	struct state *s = *state;

	accepted(s, "size=4096");
	assert_int_equal(s->size, 4096);
	accepted(s, "size=1M");
	assert_int_equal(s->size, 1 << 20);
	printed(s, "size", "1M");
	accepted(s, "size=5k");
	printed(s, "size", "5K");
	accepted(s, "size=4097");
	printed(s, "size", "4097");
	refused(s, "size=2G",
		"mtty-2: 'size' must be a size like 64K (K, M, G, T) 4K..1G, not '2G'");
	/* 2^24 T is 2^64: it would wrap to 0, and 2^24 T + 4 K to a valid size. */
	refused(s, "size=16777216T",
		"mtty-2: 'size' must be a size like 64K (K, M, G, T) 4K..1G, not '16777216T'");
	refused(s, "size=64KiB",
		"mtty-2: 'size' must be a size like 64K (K, M, G, T) 4K..1G, not '64KiB'");
}

static void times_need_a_unit_unless_zero(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = { { "5ns", 5 }, { "7us", 7000 }, { "2ms", 2000000 }, { "3s", 3000000000 },
		{ "0", 0 } };
	struct state *s = *state;
	char assignment[64];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(assignment, sizeof(assignment), "wait=%s", good[i].text);
		accepted(s, assignment);
		assert_true(s->wait == good[i].ns);
		printed(s, "wait", good[i].ns ? good[i].text : "0ns");
	}
	refused(s, "wait=5 parsecs",
		"mtty-2: 'wait' must be a time like 10us (ns, us, ms, s), not '5 parsecs'");
	refused(s, "wait=5", "mtty-2: 'wait' must be a time like 10us (ns, us, ms, s), not '5'");
	refused(s, "wait=18446744074s",
		"mtty-2: 'wait' must be a time like 10us (ns, us, ms, s), not '18446744074s'");
}

static void strings_are_copied_and_replaced(void **state)
{
	struct state *s = *state;
	char assignment[] = "file=a=b,c";

	accepted(s, assignment);
	memset(assignment, 'x', sizeof(assignment) - 1);
	assert_string_equal(s->file, "a=b,c");
	accepted(s, "file=");
	assert_string_equal(s->file, "");
	refused(s, "file", "mtty-2: 'file' needs a value: file=VALUE, text");
	refused(s, "port", "mtty-2: 'port' needs a value: port=VALUE, a number 1..15");
}

static void choices_suggest_the_nearest(void **state)
{
	struct state *s = *state;

	accepted(s, "mode=file");
	assert_int_equal(s->mode, 2);
	refused(s, "mode=ehco",
		"mtty-2: 'mode' must be one of echo|pty|file, not 'ehco'; did you mean 'echo'?");
	refused(s, "mode=socket", "mtty-2: 'mode' must be one of echo|pty|file, not 'socket'");
}

static void unknown_names_are_answered_with_the_nearest_and_all(void **state)
{
	struct medio_error *err = NULL;
	struct state *s = *state;

	refused(s, "prot=1",
		"mtty-2: unknown parameter 'prot'; did you mean 'port'? "
		"Known: flag, port, free, size, wait, file, empty, mode");
	refused(s, "baudrate=1",
		"mtty-2: unknown parameter 'baudrate'. "
		"Known: flag, port, free, size, wait, file, empty, mode");
	refused(s, "=1", "mtty-2: '=1' is not a parameter; write name=value");
	refused(s, "", "mtty-2: '' is not a parameter; write name=value");
	assert_int_equal(medio_params_set(NULL, s, "edu", "x=1", &err), -EINVAL);
	assert_string_equal(medio_error_text(err), "edu: unknown parameter 'x': there are none");
	medio_error_free(err);
	assert_int_equal(medio_params_set(params, s, "edu", "x=1", NULL), -EINVAL);
}

static void described(const char *name, const char *text)
{
	char buf[64], tiny[4];

	assert_int_equal(medio_param_describe(find(name), buf, sizeof(buf)), strlen(text));
	assert_string_equal(buf, text);
	assert_int_equal(medio_param_describe(find(name), tiny, sizeof(tiny)), strlen(text));
	assert_int_equal(strncmp(tiny, text, 3), 0);
}

static void descriptions_say_what_is_allowed_and_fit_any_buffer(void **state)
{
	described("flag", "boolean (on or off)");
	described("port", "number 1..15");
	described("free", "number");
	described("size", "size like 64K (K, M, G, T) 4K..1G");
	described("wait", "time like 10us (ns, us, ms, s)");
	described("file", "text");
	described("mode", "echo|pty|file");
}

#define WITH_STATE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STATE(defaults_are_stored_and_print_as_written),
		cmocka_unit_test(a_bad_default_fails_and_frees_what_was_set),
		WITH_STATE(booleans_take_every_form_and_a_bare_name),
		WITH_STATE(numbers_are_bounded_and_take_nothing_else),
		WITH_STATE(sizes_scale_by_1024_and_do_not_wrap),
		WITH_STATE(times_need_a_unit_unless_zero),
		WITH_STATE(strings_are_copied_and_replaced),
		WITH_STATE(choices_suggest_the_nearest),
		WITH_STATE(unknown_names_are_answered_with_the_nearest_and_all),
		cmocka_unit_test(descriptions_say_what_is_allowed_and_fit_any_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
