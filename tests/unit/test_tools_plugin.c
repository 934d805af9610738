/* SPDX-License-Identifier: BSD-3-Clause */
/* What is taken for a plug-in, and how what is none is refused. Argument 1: where the modules are. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/plugin.h"
#include "util/error.h"

static const char *folder;

static int open_plugin(const char *name, const struct medio_type **type, struct medio_error **err)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/plugin_%s.so", folder, name);
	return medio_tool_plugin_open(path, type, err);
}

static void refused(const char *name, int expected, const char *words)
{
	const struct medio_type untouched = { 0 }, *type = &untouched;
	struct medio_error *err = NULL;

	assert_int_equal(open_plugin(name, &type, &err), expected);
	assert_ptr_equal(type, &untouched);
	if (!strstr(medio_error_text(err), words) || !strstr(medio_error_text(err), name))
		fail_msg("\"%s\" does not say '%s' of '%s'", medio_error_text(err), words, name);
	medio_error_free(err);
}

static void a_good_one_gives_its_type(void **state)
{
	const struct medio_type *type = NULL;

	assert_int_equal(open_plugin("good", &type, NULL), 0);
	assert_string_equal(type->name, "x");
}

static void another_abi_is_told_to_be_built_again(void **state)
{
	refused("abi", -EPROTO, "ABI 99, this medio has 3: build it again");
	refused("type_abi", -EPROTO, "ABI 98, this medio has 3: build it again");
}

static void one_without_a_type_is_refused(void **state)
{
	refused("typeless", -EINVAL, "names no type");
}

static void a_library_without_the_symbol_is_told_what_it_lacks(void **state)
{
	refused("symbol", -EINVAL, "MEDIO_PLUGIN(");
}

static void a_file_that_is_none_is_named(void **state)
{
	char dir[] = "/tmp/medio-plugin-XXXXXX", path[64];
	const char *modules = folder;
	FILE *f;

	refused("missing", -ENOENT, "No such file");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/plugin_text.so", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	for (int i = 0; i < 100; i++)
		fputs("This is no program at all.\n", f);
	fclose(f);
	folder = dir;
	refused("text", -EINVAL, "invalid ELF header");
	folder = modules;
	unlink(path);
	rmdir(dir);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_one_gives_its_type),
		cmocka_unit_test(another_abi_is_told_to_be_built_again),
		cmocka_unit_test(one_without_a_type_is_refused),
		cmocka_unit_test(a_library_without_the_symbol_is_told_what_it_lacks),
		cmocka_unit_test(a_file_that_is_none_is_named),
	};

	if (argc != 2)
		return 2;
	folder = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
