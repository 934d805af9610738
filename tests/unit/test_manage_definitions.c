/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/definitions.h"

#include "test_manage_fake.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#define OTHER_UUID "00000000-0000-0000-0000-000000000001"

static char dir[64];

static int setup(void **state)
{
	fake_setup(state);
	snprintf(dir, sizeof(dir), "/tmp/medio-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	fake->manager.places.definitions = dir;
	return 0;
}

static int drop(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	nftw(dir, drop, 8, FTW_DEPTH | FTW_PHYS);
	return fake_teardown(state);
}

#define WITH_DIR(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void put(const char *parent, const char *name, const char *text)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, parent);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/%s", dir, parent, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int parse(const char *text, struct medio_definition *def, struct medio_error **err)
{
	return medio_definition_parse(text, strlen(text), def, err);
}

/* A whole one; attributes are names and values in turn, NULL ends them. */
static struct medio_definition make(const char *uuid, const char *const *attrs)
{
	struct medio_definition def = { 0 };

	snprintf(def.uuid, sizeof(def.uuid), "%s", uuid);
	def.parent = strdup("mtty");
	def.type = strdup("mtty-2");
	for (; attrs && attrs[0]; attrs += 2)
		assert_int_equal(medio_definition_set(&def, attrs[0], attrs[1]), 0);
	return def;
}

/* ---- Text -------------------------------------------------------------------------------------- */

/* As mdevctl 1.2 writes it. */
static const char theirs[] = "{\n"
			     "  \"mdev_type\": \"mtty-2\",\n"
			     "  \"start\": \"auto\",\n"
			     "  \"attrs\": [\n"
			     "    {\n"
			     "      \"params/port0\": \"pty\"\n"
			     "    },\n"
			     "    {\n"
			     "      \"vendor/x\": \"\xc3\xa4 \\\"q\\\" \\\\ b\"\n"
			     "    }\n"
			     "  ]\n"
			     "}";

static void test_a_file_of_mdevctl_is_understood_and_printed_the_same(void **state)
{
	struct medio_definition def = { 0 };

	(void)state;
	assert_int_equal(parse(theirs, &def, NULL), 0);
	assert_string_equal(def.type, "mtty-2");
	assert_true(def.automatic);
	assert_int_equal(def.names.count, 2);
	assert_string_equal(def.names.items[0], "params/port0");
	assert_string_equal(def.values.items[0], "pty");
	assert_string_equal(def.values.items[1], "\xc3\xa4 \"q\" \\ b");
	char *text = medio_definition_print(&def);
	assert_int_equal(strlen(text), strlen(theirs) + 1);
	assert_memory_equal(text, theirs, strlen(theirs));
	assert_string_equal(text + strlen(theirs), "\n");
	free(text);
	medio_definition_free(&def);
}

static void test_what_may_be_missing_or_more(void **state)
{
	struct medio_definition def = { 0 };

	(void)state;
	assert_int_equal(parse("{\"start\":\"manual\",\"mdev_type\":\"a\"}", &def, NULL), 0);
	assert_false(def.automatic);
	assert_int_equal(def.names.count, 0);
	medio_definition_free(&def);
	assert_int_equal(parse(" {\"x\":[1],\"attrs\":null,\"start\":\"manual\","
			       "\"mdev_type\":\"a\"}\n\n",
				 &def, NULL),
		0);
	medio_definition_free(&def);
}

static void test_nonsense_is_refused_in_words_and_changes_nothing(void **state)
{
	static const struct {
		const char *text, *words;
	} bad[] = {
		{ "", "no end" },
		{ "{\"mdev_type\":\"a\",\"start\":\"auto\"", "no end" },
		{ "nonsense", "no JSON" },
		{ "[]", "JSON object" },
		{ "{\"start\":\"auto\"}", "mdev_type" },
		{ "{\"mdev_type\":\"\",\"start\":\"auto\"}", "mdev_type" },
		{ "{\"mdev_type\":3,\"start\":\"auto\"}", "mdev_type" },
		{ "{\"mdev_type\":\"a\\u0000b\",\"start\":\"auto\"}", "mdev_type" },
		{ "{\"mdev_type\":\"a\"}", "\"auto\" or \"manual\"" },
		{ "{\"mdev_type\":\"a\",\"start\":\"soon\"}", "\"auto\" or \"manual\"" },
		{ "{\"mdev_type\":\"a\",\"start\":\"auto\",\"attrs\":{}}", "no list" },
		{ "{\"mdev_type\":\"a\",\"start\":\"auto\",\"attrs\":[3]}", "one {" },
		{ "{\"mdev_type\":\"a\",\"start\":\"auto\",\"attrs\":[{}]}", "one {" },
		{ "{\"mdev_type\":\"a\",\"start\":\"auto\",\"attrs\":[{\"b\":\"1\",\"c\":\"2\"}]}",
			"one {" },
		{ "{\"mdev_type\":\"a\",\"start\":\"auto\",\"attrs\":[{\"b\":1}]}",
			"'b' is no text" },
		{ "{\"mdev_type\":\"a\",\"start\":\"auto\",\"attrs\":[{\"\":\"1\"}]}", "no name" },
		{ "{\"mdev_type\":\"\xff\",\"start\":\"auto\"}", "no JSON" },
		{ "{\"mdev_type\":\"a\",\"start\":\"auto\"}x", "" },
		{ "[[[[[[[[[[[[]]]]]]]]]]]]", "no JSON" },
	};
	struct medio_definition def = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct medio_error *err = NULL;
		assert_int_equal(parse(bad[i].text, &def, &err), -EINVAL);
		assert_words(err, bad[i].words);
		assert_null(def.type);
		assert_int_equal(def.names.count, 0);
	}
}

static void test_attributes_are_set_in_place_and_unset(void **state)
{
	struct medio_definition def = make(
		FAKE_UUID, (const char *const[]){ "a", "1", "b", "2", "c", "3", "b", "4", NULL });

	(void)state;
	assert_int_equal(def.names.count, 3);
	assert_string_equal(def.values.items[1], "4");
	assert_int_equal(medio_definition_unset(&def, "a"), 0);
	assert_int_equal(medio_definition_unset(&def, "a"), -ENOENT);
	assert_int_equal(def.names.count, 2);
	assert_int_equal(def.values.count, 2);
	assert_string_equal(def.names.items[0], "b");
	assert_string_equal(def.values.items[1], "3");
	assert_null(def.names.items[2]);
	medio_definition_free(&def);
}

/* ---- Files ------------------------------------------------------------------------------------- */

static void test_what_is_saved_is_loaded_by_any_umask(void **state)
{
	struct medio_definition def = make(
		FAKE_UUID, (const char *const[]){ "params/port0", "pty", "a", "", NULL });
	struct medio_definition back = { 0 };
	char path[256];
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/deeper/down", dir);
	mode_t mask = umask(0077);
	assert_int_equal(medio_definition_save(path, &def, true, NULL), 0);
	umask(mask);
	assert_int_equal(medio_definition_load(path, NULL, FAKE_UUID, &back, NULL), 0);
	assert_string_equal(back.uuid, FAKE_UUID);
	assert_string_equal(back.parent, "mtty");
	assert_int_equal(back.names.count, 2);
	assert_string_equal(back.values.items[1], "");
	medio_definition_free(&back);
	snprintf(path, sizeof(path), "%s/deeper/down/mtty/" FAKE_UUID, dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	*strrchr(path, '/') = '\0';
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	assert_int_equal(st.st_nlink, 2);
	medio_definition_free(&def);
}

static void test_create_is_not_over_another_and_leaves_no_other_files(void **state)
{
	struct medio_definition def = make(FAKE_UUID, NULL);
	struct medio_error *err = NULL;
	char path[256];

	(void)state;
	assert_int_equal(medio_definition_save(dir, &def, true, NULL), 0);
	assert_int_equal(medio_definition_save(dir, &def, true, &err), -EEXIST);
	assert_words(err, "is defined already for parent 'mtty'");
	def.automatic = true;
	assert_int_equal(medio_definition_save(dir, &def, false, NULL), 0);
	medio_definition_free(&def);
	assert_int_equal(medio_definition_load(dir, "mtty", FAKE_UUID, &def, NULL), 0);
	assert_true(def.automatic);
	medio_definition_free(&def);
	assert_int_equal(medio_definition_delete(dir, "mtty", FAKE_UUID, NULL), 0);
	snprintf(path, sizeof(path), "%s/mtty", dir);
	assert_int_equal(rmdir(path), 0);
}

static void test_names_do_not_lead_elsewhere(void **state)
{
	static const char *const parents[] = { "..", ".", "", ".x", "a/b", "../x", "scripts.d" };
	static const char *const uuids[] = { "", "x", "../../../../../../../../../../etc/passwd",
		"C2E088BA-954F-11EC-A584-525400666F2B", "c2e088ba-954f-11ec-a584-525400666f2b0" };
	struct medio_definition def = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
		assert_int_equal(
			medio_definition_load(dir, parents[i], FAKE_UUID, &def, NULL), -EINVAL);
		assert_int_equal(
			medio_definition_delete(dir, parents[i], FAKE_UUID, NULL), -EINVAL);
		def = make(FAKE_UUID, NULL);
		free(def.parent);
		def.parent = strdup(parents[i]);
		assert_int_equal(medio_definition_save(dir, &def, true, NULL), -EINVAL);
		medio_definition_free(&def);
	}
	for (size_t i = 0; i < sizeof(uuids) / sizeof(uuids[0]); i++) {
		assert_int_equal(medio_definition_load(dir, "mtty", uuids[i], &def, NULL), -EINVAL);
		assert_int_equal(medio_definition_delete(dir, "mtty", uuids[i], NULL), -EINVAL);
	}
}

static void test_what_could_not_be_read_again_is_not_written(void **state)
{
	struct medio_definition def = make(
		FAKE_UUID, (const char *const[]){ "a", "\xff\xfe", NULL });
	char path[256];

	(void)state;
	assert_int_equal(medio_definition_save(dir, &def, true, NULL), -EINVAL);
	snprintf(path, sizeof(path), "%s/mtty", dir);
	assert_int_equal(access(path, F_OK), -1);
	medio_definition_free(&def);
}

static void test_the_parent_is_found_or_must_be_said(void **state)
{
	struct medio_definition def = { 0 };
	struct medio_error *err = NULL;

	(void)state;
	assert_int_equal(medio_definition_load(dir, NULL, FAKE_UUID, &def, &err), -ENOENT);
	assert_words(err, FAKE_UUID " is not defined");
	put("mtty", FAKE_UUID, theirs);
	assert_int_equal(medio_definition_load(dir, NULL, FAKE_UUID, &def, NULL), 0);
	medio_definition_free(&def);
	assert_int_equal(medio_definition_load(dir, "other", FAKE_UUID, &def, &err), -ENOENT);
	assert_words(err, "not defined for parent 'other'");
	put("0000:00:02.0", FAKE_UUID, theirs);
	assert_int_equal(medio_definition_load(dir, NULL, FAKE_UUID, &def, &err), -EEXIST);
	assert_words(err, "'0000:00:02.0' and for 'mtty': say which");
	assert_int_equal(medio_definition_delete(dir, NULL, FAKE_UUID, NULL), -EEXIST);
	assert_int_equal(medio_definition_load(dir, "0000:00:02.0", FAKE_UUID, &def, NULL), 0);
	assert_string_equal(def.parent, "0000:00:02.0");
	medio_definition_free(&def);
	assert_int_equal(medio_definition_delete(dir, "mtty", FAKE_UUID, NULL), 0);
	assert_int_equal(medio_definition_delete(dir, NULL, FAKE_UUID, NULL), 0);
	assert_int_equal(medio_definition_delete(dir, "mtty", FAKE_UUID, &err), -ENOENT);
	assert_words(err, "not defined for parent 'mtty'");
}

static void test_what_is_no_file_of_a_sane_size_is_refused(void **state)
{
	struct medio_definition def = { 0 };
	struct medio_error *err = NULL;
	char path[256];

	(void)state;
	put("mtty", OTHER_UUID, "");
	snprintf(path, sizeof(path), "%s/mtty/" FAKE_UUID, dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(medio_definition_load(dir, "mtty", FAKE_UUID, &def, &err), -EINVAL);
	assert_words(err, "no file");
	unlink(path);
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(ftruncate(fd, 1 << 30), 0);
	close(fd);
	assert_int_equal(medio_definition_load(dir, "mtty", FAKE_UUID, &def, &err), -EINVAL);
	assert_words(err, "at most 64 KiB");
}

static int note(void *opaque, const struct medio_definition *def)
{
	(void)opaque;
	fake_log("%s/%s", def->parent, def->uuid + 34);
	return !strcmp(def->type, "stop") ? 7 : 0;
}

static void note_bad(void *opaque, const char *path, const char *words)
{
	(void)opaque;
	(void)words;
	fake_log("bad %s", path + strlen(dir) + 1);
}

static void test_each_is_told_in_order_and_others_are_left_out(void **state)
{
	(void)state;
	assert_int_equal(medio_definitions_each("/no/such/dir", note, note_bad, NULL), 0);
	put("b", "00000000-0000-0000-0000-000000000003", theirs);
	put("b", "00000000-0000-0000-0000-000000000002", "nonsense");
	put("b", "00000000-0000-0000-0000-000000000001", theirs);
	put("b", "00000000-0000-0000-0000-00000000000", theirs);
	put("b", ".00000000-0000-0000-0000-000000000001.77", theirs);
	put("b", "README", theirs);
	put("a", "00000000-0000-0000-0000-000000000009", theirs);
	put("scripts.d", "00000000-0000-0000-0000-000000000009", theirs);
	put(".hidden", "00000000-0000-0000-0000-000000000009", theirs);
	put(".", "mediod.conf", "[daemon]\n");
	assert_int_equal(medio_definitions_each(dir, note, note_bad, NULL), 0);
	assert_log("a/09|b/01|bad b/00000000-0000-0000-0000-000000000002|b/03");
	assert_int_equal(medio_definitions_each(dir, note, NULL, NULL), 0);
	assert_log("a/09|b/01|b/03");
	put("a", "00000000-0000-0000-0000-000000000009",
		"{\"mdev_type\":\"stop\",\"start\":\"auto\"}");
	assert_int_equal(medio_definitions_each(dir, note, note_bad, NULL), 7);
	assert_log("a/09");
}

/* ---- Start ------------------------------------------------------------------------------------- */

static const struct medio_who root = { .uid = 0, .gid = 0, .pid = 1 };
static const struct medio_who user = { .uid = 1000, .gid = 1000, .pid = 1 };

struct end {
	unsigned times;
	struct medio_mdev *mdev;
	int ret;
	char words[256];
};

static void started(void *opaque, struct medio_mdev *mdev, int ret, const char *words)
{
	struct end *end = opaque;

	end->times++;
	end->mdev = mdev;
	end->ret = ret;
	snprintf(end->words, sizeof(end->words), "%s", words ? words : "");
}

static struct end start_as(const struct medio_who *who, const char *const *attrs)
{
	struct medio_definition def = make(FAKE_UUID, attrs);
	struct end end = { 0 };

	medio_definition_start(&fake->manager, &def, who, started, &end);
	medio_definition_free(&def); /* it has its own copy */
	assert_int_equal(end.times, 1);
	if (end.ret) {
		assert_null(end.mdev);
		assert_null(medio_bus_find_mdev(fake->manager.bus, FAKE_UUID, 36));
	} else {
		assert_non_null(end.mdev);
	}
	return end;
}

static void test_creation_is_given_what_makes_the_instance(void **state)
{
	fake_parent();
	struct end end = start_as(
		&root, (const char *const[]){ "params/port0", "pty", "vendor/sample", "first",
			       "medio/filters", "trace\ndelay:ms=1,x=2", "medio/restart", "restore",
			       "params/size", "2K", "medio/mode", "0660", NULL });

	(void)state;
	assert_int_equal(end.ret, 0);
	assert_log("create:0:0|store:vendor/sample=first");
	struct medio_managed *inst = medio_managed_of(end.mdev);
	assert_int_equal(inst->params.count, 2);
	assert_string_equal(inst->params.items[0], "port0=pty");
	assert_string_equal(inst->params.items[1], "size=2K");
	assert_int_equal(inst->filters.count, 2);
	assert_string_equal(inst->filters.items[1], "delay:ms=1,x=2");
	assert_int_equal(inst->restart, MEDIO_RESTART_RESTORE);
	assert_int_equal(inst->mode, 0660);
}

static void test_a_definition_taken_from_what_runs_makes_the_same(void **state)
{
	struct medio_definition def = { 0 };

	fake_parent();
	struct end end = start_as(
		&root, (const char *const[]){ "params/port0", "pty", "params/flag", "on",
			       "medio/filters", "a\nb", "medio/restart", "never", NULL });
	(void)state;
	assert_int_equal(medio_definition_from(end.mdev, &def), 0);
	assert_string_equal(def.uuid, FAKE_UUID);
	assert_string_equal(def.parent, "mtty");
	assert_string_equal(def.type, "mtty-2");
	assert_false(def.automatic);
	assert_string_equal(def.names.items[0], "params/port0");
	assert_int_equal(def.names.count, 4);
	char *text = medio_definition_print(&def);
	assert_non_null(strstr(text, "\"params/port0\": \"pty\""));
	assert_non_null(strstr(text, "\"params/flag\": \"on\""));
	assert_non_null(strstr(text, "\"medio/filters\": \"a\\nb\""));
	assert_non_null(strstr(text, "\"medio/restart\": \"never\""));
	free(text);
	medio_definition_free(&def);

	/* Another's remains his, from the beginning. */
	struct medio_managed *inst = medio_managed_of(end.mdev);
	inst->uid = 1000;
	inst->gid = 100;
	inst->mode = 0660;
	assert_int_equal(medio_definition_from(end.mdev, &def), 0);
	assert_string_equal(def.names.items[0], "medio/owner");
	assert_string_equal(def.values.items[0], "1000:100");
	assert_string_equal(def.names.items[5], "medio/mode");
	assert_string_equal(def.values.items[5], "0660");
	medio_definition_free(&def);
}

static void test_a_bad_attribute_takes_the_instance_away_again(void **state)
{
	fake_parent();
	struct end end = start_as(&root,
		(const char *const[]){ "vendor/sample", "x", "none", "y", "alpha", "z", NULL });

	(void)state;
	assert_int_equal(end.ret, -ENOENT);
	assert_string_equal(end.words, "attribute none: No such file or directory");
	assert_log("create:0:0|store:vendor/sample=x|remove:now");
	end = start_as(&root, (const char *const[]){ "alpha", "z", NULL });
	assert_int_equal(end.ret, -EIO);
	end = start_as(&root, (const char *const[]){ "medio/restart", "sometimes", NULL });
	assert_int_equal(end.ret, -EINVAL);
	assert_non_null(strstr(end.words, "Known: never, reset, restore"));
}

static void test_attributes_answered_later_are_waited_for(void **state)
{
	struct medio_definition def = make(FAKE_UUID,
		(const char *const[]){ "vendor/sample", "x", "medio/mode", "0666", NULL });
	struct end end = { 0 };

	(void)state;
	fake_parent();
	fake->store_ret = MEDIO_DEFERRED;
	medio_definition_start(&fake->manager, &def, &root, started, &end);
	assert_int_equal(end.times, 0);
	fake_answer(1);
	assert_int_equal(end.times, 1);
	assert_int_equal(end.ret, 0);
	assert_int_equal(medio_managed_of(end.mdev)->mode, 0666);
	assert_int_equal(medio_mdev_remove(end.mdev, NULL, NULL), 0);

	/* One that fails late. */
	medio_definition_start(&fake->manager, &def, &root, started, &end);
	fake_answer(-EBUSY);
	assert_int_equal(end.times, 2);
	assert_int_equal(end.ret, -EBUSY);
	assert_null(medio_bus_find_mdev(fake->manager.bus, FAKE_UUID, 36));

	/* One that somebody removes meanwhile. */
	medio_definition_start(&fake->manager, &def, &root, started, &end);
	assert_int_equal(medio_mdev_remove(
				 medio_bus_find_mdev(fake->manager.bus, FAKE_UUID, 36), NULL, NULL),
		0);
	fake_answer(-ENODEV);
	assert_int_equal(end.times, 3);
	assert_int_equal(end.ret, -ENODEV);
	medio_definition_free(&def);
}

static void test_parent_and_type_must_be_there(void **state)
{
	struct end end = start_as(&root, NULL);

	(void)state;
	assert_int_equal(end.ret, -ENOENT);
	assert_non_null(strstr(end.words, "unknown parent 'mtty'"));
	fake_parent();
	struct medio_definition def = make(FAKE_UUID, NULL);
	def.type[5] = '3';
	medio_definition_start(&fake->manager, &def, &root, started, &end);
	assert_int_equal(end.ret, -ENOENT);
	assert_non_null(strstr(end.words, "did you mean 'mtty-"));
	medio_definition_free(&def);
	assert_log("");
}

static void test_an_instance_is_its_owners_from_the_beginning(void **state)
{
	static const char *const his[] = { "medio/owner", "1000:1000", "medio/mode", "0660", NULL };
	static const char *const roots[] = { "medio/owner", "0:0", NULL };

	(void)state;
	fake_parent();
	struct end end = start_as(&root, his);
	assert_int_equal(end.ret, 0);
	assert_log("create:1000:1000:permitted");
	assert_int_equal(medio_managed_of(end.mdev)->uid, 1000);
	assert_int_equal(medio_mdev_remove(end.mdev, NULL, NULL), 0);

	end = start_as(&user, his);
	assert_int_equal(end.ret, 0);
	assert_log("create:1000:1000");
	assert_int_equal(medio_mdev_remove(end.mdev, NULL, NULL), 0);

	end = start_as(&user, roots);
	assert_int_equal(end.ret, -EACCES);
	assert_logged("uid 1000 (pid 1) may not start " FAKE_UUID " for uid 0");
}

static void test_automatic_ones_start_once_and_trouble_is_logged(void **state)
{
	(void)state;
	fake_parent();
	put("mtty", FAKE_UUID, theirs);
	put("mtty", OTHER_UUID, "{\"mdev_type\":\"mtty-1\",\"start\":\"manual\"}");
	put("mtty", "00000000-0000-0000-0000-000000000002",
		"{\"mdev_type\":\"mtty-1\",\"start\":\"auto\"}");
	put("gone", "00000000-0000-0000-0000-000000000003",
		"{\"mdev_type\":\"mtty-1\",\"start\":\"auto\"}");
	put("mtty", "00000000-0000-0000-0000-000000000004", "nonsense");
	medio_definitions_start_auto(&fake->manager);
	/* "vendor/x" of theirs is no attribute of the type: it is taken away again. */
	assert_null(medio_bus_find_mdev(fake->manager.bus, FAKE_UUID, 36));
	assert_null(medio_bus_find_mdev(fake->manager.bus, OTHER_UUID, 36));
	assert_non_null(
		medio_bus_find_mdev(fake->manager.bus, "00000000-0000-0000-0000-000000000002", 36));
	assert_non_null(
		strstr(fake->log, FAKE_UUID " does not start by itself: attribute vendor/x"));
	assert_non_null(strstr(fake->log, "000000000003 does not start by itself: unknown parent"));
	assert_non_null(strstr(fake->log, "definition left out: "));
	assert_non_null(strstr(fake->log, "000000000004: no JSON"));
	fake->log[0] = '\0';
	put("mtty", FAKE_UUID, "{\"mdev_type\":\"mtty-1\",\"start\":\"auto\"}");
	medio_definitions_start_auto(&fake->manager);
	assert_non_null(medio_bus_find_mdev(fake->manager.bus, FAKE_UUID, 36));
	assert_null(strstr(fake->log, "000000000002"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(test_a_file_of_mdevctl_is_understood_and_printed_the_same),
		WITH_DIR(test_what_may_be_missing_or_more),
		WITH_DIR(test_nonsense_is_refused_in_words_and_changes_nothing),
		WITH_DIR(test_attributes_are_set_in_place_and_unset),
		WITH_DIR(test_what_is_saved_is_loaded_by_any_umask),
		WITH_DIR(test_create_is_not_over_another_and_leaves_no_other_files),
		WITH_DIR(test_names_do_not_lead_elsewhere),
		WITH_DIR(test_what_could_not_be_read_again_is_not_written),
		WITH_DIR(test_the_parent_is_found_or_must_be_said),
		WITH_DIR(test_what_is_no_file_of_a_sane_size_is_refused),
		WITH_DIR(test_each_is_told_in_order_and_others_are_left_out),
		WITH_DIR(test_creation_is_given_what_makes_the_instance),
		WITH_DIR(test_a_definition_taken_from_what_runs_makes_the_same),
		WITH_DIR(test_a_bad_attribute_takes_the_instance_away_again),
		WITH_DIR(test_attributes_answered_later_are_waited_for),
		WITH_DIR(test_parent_and_type_must_be_there),
		WITH_DIR(test_an_instance_is_its_owners_from_the_beginning),
		WITH_DIR(test_automatic_ones_start_once_and_trouble_is_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
