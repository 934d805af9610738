/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/config.h"
#include "manage/parents.h"

#include "test_manage_fake.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const struct medio_parent_kind kinds[] = { { .desc = &fake_mtty, .units = "ports" } };

static struct medio_config config;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(medio_config_init(&config), 0);
	config.kinds = kinds;
	config.nkinds = 1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	medio_config_free(&config);
	return 0;
}

#define WITH_CONFIG(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static int parse(const char *text, struct medio_error **err)
{
	return medio_config_parse(&config, "m.conf", text, strlen(text), err);
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(config.grace_ns, 30000000000);
	assert_int_equal(config.spares, 2);
	assert_false(config.no_tree);
	assert_null(config.runtime);
	assert_int_equal(config.parents.count, 0);
}

static void test_every_key_is_read(void **state)
{
	(void)state;
	assert_int_equal(parse("# what mediod does\n"
			       "[daemon]\n"
			       "runtime-dir = /run/x\n"
			       "definitions=/etc/x ; not mdevctl's\n"
			       "  group = vm\n"
			       "metrics = unix:/run/x/metrics\n"
			       "no-tree = yes\n"
			       "grace = 5s\n"
			       "spares = 7\n"
			       "\n"
			       "[parent mtty]\n"
			       "ports = 8\n"
			       "restart = never\n"
			       "[ parent  lamp ]\r\n"
			       "plugin = /usr/lib/lamp.so\r\n"
			       "units = 2",
				 NULL),
		0);
	assert_string_equal(config.runtime, "/run/x");
	assert_string_equal(config.definitions, "/etc/x");
	assert_string_equal(config.group, "vm");
	assert_string_equal(config.metrics, "unix:/run/x/metrics");
	assert_true(config.no_tree);
	assert_int_equal(config.grace_ns, 5000000000);
	assert_int_equal(config.spares, 7);
	assert_int_equal(config.parents.count, 2);
	assert_string_equal(config.parents.items[0], "mtty,ports=8,restart=never");
	assert_string_equal(config.parents.items[1], "lamp,plugin=/usr/lib/lamp.so,units=2");
}

static void test_a_parent_without_keys_is_one_with_its_defaults(void **state)
{
	(void)state;
	assert_int_equal(parse("[daemon]\n[parent mtty]", NULL), 0);
	assert_int_equal(config.parents.count, 1);
	assert_string_equal(config.parents.items[0], "mtty");
}

static void test_a_later_file_has_the_last_word(void **state)
{
	(void)state;
	parse("[daemon]\ngroup = a\nmetrics = 9000\n[parent mtty]\nports = 8\n", NULL);
	assert_int_equal(
		parse("[parent mtty]\nports = 4\n[daemon]\ngroup = b\nmetrics =\n", NULL), 0);
	assert_int_equal(config.parents.count, 1);
	assert_string_equal(config.parents.items[0], "mtty,ports=4");
	assert_string_equal(config.group, "b");
	assert_null(config.metrics);
}

static void test_a_long_name_of_a_section_is_not_cut_off(void **state)
{
	char text[256], name[61];

	(void)state;
	memset(name, 'a', 60);
	name[60] = '\0';
	snprintf(text, sizeof(text), "[parent %s]\nplugin = /x\n[parent %.59sb]\nplugin = /y\n",
		name, name);
	assert_int_equal(parse(text, NULL), 0);
	assert_int_equal(config.parents.count, 2);
	assert_ptr_equal(strstr(config.parents.items[0], name), config.parents.items[0]);
}

static void test_what_is_wrong_is_told_with_its_line(void **state)
{
	static const struct {
		const char *text, *words;
	} bad[] = {
		{ "[daemon]\n\ngroop = x\n",
			"m.conf:3: [daemon]: unknown parameter 'groop'; did you mean 'group'?" },
		{ "\xef\xbb\xbf[deamon]\n",
			"m.conf:1: unknown section 'deamon'; did you mean 'daemon'?" },
		{ "[parent mtty]\nports = 3\nprots = 3\n",
			"m.conf:3: parent mtty: unknown parameter 'prots'; did you mean 'ports'?" },
		{ "[daemon]\n[parent mtyt]\nuser = root\n", "m.conf:2: " },
		{ "[daemon]\n[parent mtyt]\nuser = root\n", "did you mean 'mtty'?" },
		{ "[daemon]\ngrace = soon\n", "m.conf:2: [daemon]: 'grace' must be a time" },
		{ "[daemon]\nspares = 65\n", "0..64" },
		{ "[daemon]\nruntime-dir = run\n", "m.conf:2: 'runtime-dir' must be a path from" },
		{ "[daemon]\ngroup x\n", "m.conf:2: neither [section] nor key = value" },
		{ "[daemon]\ngroup x\nnonsense = 3\n", "m.conf:2: neither" },
		{ "group = x\n", "m.conf:1: 'group' stands before any section" },
		{ "[daemon\ngroup = x\n", "m.conf:1: ']' is missing" },
		{ "[parent]\n", "write [parent NAME]" },
		{ "[parent a b]\n", "write [parent NAME]" },
		{ "[parent a,ports=3]\n", "write [parent NAME]" },
		{ "[parents mtty]\n", "unknown section 'parents mtty'" },
		{ "[parent mtty]\n[parent mtty]\n",
			"m.conf:2: section [parent mtty] is there twice" },
		{ "[parent mtty]\nfiles = /a,plugin=/b\n", "cannot have a comma" },
		{ "[parent lamp]\nplugin = lamp.so\n", "must be a path from the root" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct medio_error *err = NULL;
		assert_int_equal(parse(bad[i].text, &err), -EINVAL);
		assert_words(err, bad[i].words);
	}
}

static void test_what_is_no_text_is_refused(void **state)
{
	struct medio_error *err = NULL;
	char text[400] = "[daemon]\ngroup = ";

	(void)state;
	assert_int_equal(
		medio_config_parse(&config, "m.conf", "[daemon]\ngro\0up=x\n", 18, &err), -EINVAL);
	assert_words(err, "m.conf:2: this is no text");
	memset(text + strlen(text), 'x', 300);
	assert_int_equal(parse(text, &err), -EINVAL);
	assert_words(err, "m.conf:2: the line is longer than");
}

static void test_an_indented_line_is_a_line(void **state)
{
	struct medio_error *err = NULL;

	(void)state;
	assert_int_equal(parse("[daemon]\ngroup = a\n\tspares = 3\n   [parent mtty]\n", NULL), 0);
	assert_string_equal(config.group, "a");
	assert_int_equal(config.spares, 3);
	assert_int_equal(config.parents.count, 1);
	assert_int_equal(parse("[daemon]\ngroup = a\n\tmore\n", &err), -EINVAL);
	assert_words(err, "m.conf:3: ");
}

static void test_without_kinds_parents_are_checked_later(void **state)
{
	(void)state;
	config.kinds = NULL;
	assert_int_equal(parse("[parent whatever]\nanything = 3\n", NULL), 0);
	assert_string_equal(config.parents.items[0], "whatever,anything=3");
}

/* ---- Files ------------------------------------------------------------------------------------- */

static void test_a_file_may_be_missing_if_that_is_said(void **state)
{
	struct medio_error *err = NULL;

	(void)state;
	assert_int_equal(medio_config_read(&config, "/no/such/file", true, NULL), 0);
	assert_int_equal(medio_config_read(&config, "/no/such/file", false, &err), -ENOENT);
	assert_words(err, "/no/such/file");
	assert_int_equal(medio_config_read(&config, "/dev/null", true, &err), -EINVAL);
	assert_words(err, "no file of at most");
	assert_int_equal(medio_config_read(&config, "/tmp", true, &err), -EINVAL);
	medio_error_free(err);
}

static void test_a_file_is_read(void **state)
{
	char path[] = "/tmp/medio-test-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, "[daemon]\nspares=9\n", 18), 18);
	close(fd);
	assert_int_equal(medio_config_read(&config, path, false, NULL), 0);
	assert_int_equal(config.spares, 9);
	unlink(path);
}

/* ---- Places ------------------------------------------------------------------------------------ */

static void expect(char *path, const char *wanted)
{
	if (wanted)
		assert_string_equal(path, wanted);
	else
		assert_null(path);
	free(path);
}

static void test_the_environment_says_where(void **state)
{
	char here[4096], wanted[5000];
	bool root = geteuid() == 0;

	(void)state;
	unsetenv("MEDIO_RUNTIME_DIR");
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	setenv("XDG_CONFIG_HOME", "/home/x/conf", 1);
	expect(medio_config_runtime_dir(), root ? "/run/medio" : "/run/user/7/medio");
	expect(medio_config_definitions_dir(), root ? "/etc/mdevctl.d" : "/home/x/conf/medio");
	expect(medio_config_file(),
		root ? "/etc/medio/mediod.conf" : "/home/x/conf/medio/mediod.conf");
	unsetenv("XDG_CONFIG_HOME");
	setenv("HOME", "/home/x", 1);
	expect(medio_config_definitions_dir(), root ? "/etc/mdevctl.d" : "/home/x/.config/medio");
	unsetenv("HOME");
	unsetenv("XDG_RUNTIME_DIR");
	expect(medio_config_runtime_dir(), root ? "/run/medio" : NULL);
	expect(medio_config_definitions_dir(), root ? "/etc/mdevctl.d" : NULL);
	setenv("MEDIO_RUNTIME_DIR", "/tmp/r", 1);
	expect(medio_config_runtime_dir(), "/tmp/r");
	expect(medio_config_find_daemon(), "/tmp/r");
	setenv("MEDIO_RUNTIME_DIR", "r", 1);
	assert_non_null(getcwd(here, sizeof(here)));
	snprintf(wanted, sizeof(wanted), "%s/r", here);
	expect(medio_config_runtime_dir(), wanted);
	unsetenv("MEDIO_RUNTIME_DIR");
}

static void test_a_client_looks_where_somebody_listens(void **state)
{
	char dir[] = "/tmp/medio-test-XXXXXX", own[64];
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	(void)state;
	if (geteuid() == 0) {
		/* Root has one place only. */
		expect(medio_config_find_daemon(), "/run/medio");
		return;
	}
	assert_non_null(mkdtemp(dir));
	setenv("XDG_RUNTIME_DIR", dir, 1);
	snprintf(own, sizeof(own), "%s/medio", dir);
	mkdir(own, 0700);
	expect(medio_config_find_daemon(), "/run/medio");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/control", own);
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	expect(medio_config_find_daemon(), "/run/medio"); /* nobody listens: a dead one's */
	assert_int_equal(listen(sock, 1), 0);
	expect(medio_config_find_daemon(), own);
	close(sock);
	unlink(addr.sun_path);
	rmdir(own);
	rmdir(dir);
	unsetenv("XDG_RUNTIME_DIR");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_CONFIG(test_defaults),
		WITH_CONFIG(test_every_key_is_read),
		WITH_CONFIG(test_a_parent_without_keys_is_one_with_its_defaults),
		WITH_CONFIG(test_a_later_file_has_the_last_word),
		WITH_CONFIG(test_a_long_name_of_a_section_is_not_cut_off),
		WITH_CONFIG(test_what_is_wrong_is_told_with_its_line),
		WITH_CONFIG(test_what_is_no_text_is_refused),
		WITH_CONFIG(test_an_indented_line_is_a_line),
		WITH_CONFIG(test_without_kinds_parents_are_checked_later),
		WITH_CONFIG(test_a_file_may_be_missing_if_that_is_said),
		WITH_CONFIG(test_a_file_is_read),
		cmocka_unit_test(test_the_environment_says_where),
		cmocka_unit_test(test_a_client_looks_where_somebody_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
