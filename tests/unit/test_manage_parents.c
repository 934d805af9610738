/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/parents.h"

#include "test_manage_fake.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct medio_parent_desc other_desc = { .name = "other", .types = fake_types };
static const struct medio_parent_kind kinds[] = {
	{ .desc = &fake_mtty, .units = "ports" },
	{ .desc = &other_desc },
};

static const struct medio_type plugin_type = { .name = "blinker", .summary = "A lamp" };
static unsigned loaded;

static int open_plugin(const char *path, const struct medio_type **out, struct medio_error **err)
{
	loaded++;
	if (strstr(path, "bad"))
		return medio_error_set(err, EINVAL, "bad plug-in");
	*out = &plugin_type;
	return 0;
}

#define SET(err, ...) \
	set((const char *const[]){ __VA_ARGS__ }, \
		sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *), err)

static int set(const char *const *specs, unsigned count, struct medio_error **err)
{
	return medio_parents_set(&fake->manager, kinds, 2, open_plugin, specs, count, err);
}

static struct medio_managed_parent *find(const char *name)
{
	struct medio_parent *parent = medio_bus_find_parent(fake->manager.bus, name);

	return parent ? medio_managed_parent_of(parent) : NULL;
}

static struct medio_mdev *create(const char *name, const char *uuid)
{
	struct medio_parent *parent = medio_bus_find_parent(fake->manager.bus, name);
	struct medio_mdev *mdev = NULL;

	assert_int_equal(medio_mdev_create(parent, medio_parent_desc(parent)->types[0], uuid, 36,
				 NULL, &mdev, NULL),
		0);
	return mdev;
}

static void finish(void)
{
	medio_parents_free(&fake->manager);
	assert_true(medio_list_empty(&fake->manager.parents));
}

/* ---- From words -------------------------------------------------------------------------------- */

static void test_without_specs_every_kind_is_there_with_its_defaults(void **state)
{
	(void)state;
	assert_int_equal(set(NULL, 0, NULL), 0);
	struct medio_managed_parent *mtty = find("mtty");
	assert_non_null(mtty);
	assert_non_null(find("other"));
	assert_int_equal(mtty->desc.capacity, 24);
	assert_int_equal(mtty->settings.per_worker, 1);
	assert_int_equal(mtty->settings.restart, MEDIO_RESTART_RESET);
	assert_int_equal(mtty->settings.checkpoint, 100000000);
	assert_int_equal(mtty->uid, (uid_t)-1);
	assert_ptr_equal(mtty->desc.opaque, mtty);
	assert_string_equal(medio_managed_parent_source(mtty, &fake_one), "mtty-1");
	finish();
}

static void test_a_spec_sets_what_it_names(void **state)
{
	(void)state;
	assert_int_equal(
		SET(NULL, "mtty,ports=8,per-worker=100,restart=restore,memory=64M,user=0"), 0);
	struct medio_managed_parent *mtty = find("mtty");
	assert_int_equal(mtty->desc.capacity, 8);
	assert_int_equal(mtty->settings.per_worker, 100);
	assert_int_equal(mtty->settings.restart, MEDIO_RESTART_RESTORE);
	assert_int_equal(mtty->settings.memory, 64 << 20);
	assert_int_equal(mtty->uid, 0);
	assert_int_equal(mtty->gid, 0);
	assert_string_equal(
		mtty->spec, "mtty,ports=8,per-worker=100,restart=restore,memory=64M,user=0");
	assert_null(find("other"));
	finish();
}

static void test_a_capacity_without_a_word_of_its_own_is_units(void **state)
{
	struct medio_error *err = NULL;

	(void)state;
	assert_int_equal(SET(NULL, "other,units=3"), 0);
	assert_int_equal(find("other")->desc.capacity, 3);
	assert_int_equal(SET(&err, "other,ports=3"), -EINVAL);
	assert_words(err, "unknown parameter 'ports'");
	assert_int_equal(SET(&err, "mtty,units=3"), -EINVAL);
	assert_words(err, "Known: ports");
	finish();
}

static void test_what_is_wrong_is_named_with_what_is_allowed(void **state)
{
	static const struct {
		const char *spec, *words;
	} bad[] = {
		{ "mtyt", "did you mean 'mtty'?" },
		{ "mtyt,prots=3", "did you mean 'mtty'?" },
		{ "mtty,prots=3", "did you mean 'ports'?" },
		{ "mtty,ports=x", "must be a number 0..4294967295, not 'x'" },
		{ "mtty,per-worker=0", "must be a number 1..65536" },
		{ "mtty,restart=rest", "one of never|reset|restore" },
		{ "mtty,", "is not a parameter" },
		{ "", "name of a parent" },
		{ "../etc,plugin=/x", "cannot be the name" },
		{ "a b,plugin=/x", "cannot be the name" },
		{ "scripts.d,plugin=/x", "cannot be the name" },
		{ "mtty,user=no-such-user-here", "parent mtty: user: there is no user" },
		{ "mtty,plugin=/bin/sh", "built in" },
		{ "lamp,plugin=/no/such/file.so", "No such file" },
	};

	(void)state;
	assert_int_equal(SET(NULL, "mtty,ports=8"), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct medio_error *err = NULL;
		assert_true(SET(&err, "mtty,ports=9", bad[i].spec) < 0);
		assert_words(err, bad[i].words);
		/* Nothing has changed. */
		assert_int_equal(find("mtty")->desc.capacity, 8);
		assert_null(find("lamp"));
	}
	finish();
}

static void test_a_parent_named_twice_is_refused(void **state)
{
	struct medio_error *err = NULL;

	(void)state;
	assert_int_equal(SET(&err, "mtty", "mtty,ports=3"), -EINVAL);
	assert_words(err, "named twice");
	assert_null(find("mtty"));
	assert_true(medio_list_empty(&fake->manager.parents));
}

/* ---- Reload ------------------------------------------------------------------------------------ */

static void test_reload_changes_settings_and_keeps_instances(void **state)
{
	(void)state;
	SET(NULL, "mtty,ports=8,files=/srv");
	struct medio_managed_parent *before = find("mtty");
	create("mtty", FAKE_UUID);
	fake->log[0] = '\0';
	assert_int_equal(SET(NULL, "mtty,ports=4,restart=never"), 0);
	assert_log("");
	assert_ptr_equal(find("mtty"), before);
	assert_int_equal(medio_parent_desc(before->parent)->capacity, 4);
	assert_int_equal(medio_parent_units_left(before->parent), 3);
	assert_int_equal(before->settings.restart, MEDIO_RESTART_NEVER);
	assert_null(before->settings.files);
	assert_string_equal(before->spec, "mtty,ports=4,restart=never");
	assert_non_null(medio_bus_find_mdev(fake->manager.bus, FAKE_UUID, 36));
	finish();
	assert_null(medio_bus_find_mdev(fake->manager.bus, FAKE_UUID, 36));
}

static void test_reload_adds_and_takes_away(void **state)
{
	(void)state;
	SET(NULL, "mtty");
	create("mtty", FAKE_UUID);
	fake->log[0] = '\0';
	assert_int_equal(SET(NULL, "other"), 0);
	assert_log("parent other is there|parent mtty goes");
	assert_null(find("mtty"));
	assert_non_null(find("other"));
	assert_null(medio_bus_find_mdev(fake->manager.bus, FAKE_UUID, 36));
	finish();
}

static void test_a_parent_in_use_goes_when_its_user_lets_go(void **state)
{
	struct medio_error *err = NULL;

	(void)state;
	SET(NULL, "mtty", "other");
	struct medio_mdev *mdev = create("mtty", FAKE_UUID);
	assert_int_equal(medio_mdev_open(mdev), 0);
	assert_int_equal(SET(NULL, "other"), 0);
	struct medio_managed_parent *mtty = find("mtty");
	assert_non_null(mtty);
	assert_true(medio_parent_leaving(mtty->parent));
	/* It cannot come back before that; another reload without it is no error. */
	assert_int_equal(SET(&err, "other", "mtty"), -EBUSY);
	assert_words(err, "still being taken away");
	assert_int_equal(SET(NULL, "other"), 0);
	medio_mdev_close(mdev);
	assert_null(find("mtty"));
	assert_int_equal(SET(NULL, "other", "mtty"), 0);
	assert_non_null(find("mtty"));
	finish();
}

static void test_a_parent_in_use_goes_with_the_bus_at_the_latest(void **state)
{
	(void)state;
	SET(NULL, "mtty");
	assert_int_equal(medio_mdev_open(create("mtty", FAKE_UUID)), 0);
	medio_parents_free(&fake->manager);
	assert_false(medio_list_empty(&fake->manager.parents));
	medio_bus_free(fake->manager.bus);
	fake->manager.bus = NULL;
	assert_true(medio_list_empty(&fake->manager.parents));
}

static void test_without_a_bus_memory_is_freed(void **state)
{
	(void)state;
	SET(NULL, "mtty", "other");
	medio_bus_free(fake->manager.bus);
	fake->manager.bus = NULL;
	finish();
}

static void test_others_parents_are_left_alone(void **state)
{
	struct medio_error *err = NULL;
	struct medio_parent *theirs = fake_parent();

	(void)state;
	assert_null(medio_managed_parent_of(theirs));
	assert_int_equal(SET(&err, "other", "mtty"), -EEXIST);
	assert_words(err, "there is a parent 'mtty' already");
	assert_null(find("other"));
	assert_int_equal(SET(NULL, "other"), 0);
	assert_non_null(find("other"));
	finish();
	assert_ptr_equal(medio_bus_find_parent(fake->manager.bus, "mtty"), theirs);
}

/* ---- Plug-ins ---------------------------------------------------------------------------------- */

static void test_a_plugin_is_a_parent_with_its_one_type(void **state)
{
	char dir[] = "/tmp/medio-test-XXXXXX", file[64], spec[256], moved[64];
	struct medio_error *err = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/lamp.so", dir);
	close(open(file, O_CREAT | O_WRONLY, 0600));
	snprintf(spec, sizeof(spec), "lamp,plugin=%s/../%s/lamp.so,units=2", dir, dir + 5);
	loaded = 0;
	assert_int_equal(SET(NULL, spec), 0);
	struct medio_managed_parent *lamp = find("lamp");
	assert_non_null(lamp);
	assert_string_equal(lamp->plugin, file);
	assert_int_equal(lamp->desc.capacity, 2);
	assert_ptr_equal(lamp->desc.types[0], &plugin_type);
	assert_null(lamp->desc.types[1]);
	assert_string_equal(medio_managed_parent_source(lamp, &plugin_type), file);

	/* It is not loaded again; another file under the name is refused. */
	snprintf(spec, sizeof(spec), "lamp,plugin=%s,units=3", file);
	assert_int_equal(SET(NULL, spec), 0);
	assert_int_equal(loaded, 1);
	assert_int_equal(find("lamp")->desc.capacity, 3);
	assert_int_equal(SET(&err, "lamp,plugin=/bin/sh"), -EBUSY);
	assert_words(err, "cannot change");

	/* One that does not load changes nothing. */
	snprintf(moved, sizeof(moved), "%s/bad.so", dir);
	close(open(moved, O_CREAT | O_WRONLY, 0600));
	snprintf(spec, sizeof(spec), "bad,plugin=%s", moved);
	assert_int_equal(SET(&err, spec), -EINVAL);
	assert_words(err, "bad plug-in");
	assert_non_null(find("lamp"));
	finish();
	unlink(moved);
	unlink(file);
	rmdir(dir);
}

static void test_check_needs_no_manager(void **state)
{
	struct medio_error *err = NULL;

	(void)state;
	assert_int_equal(medio_parent_check(kinds, 2, "mtty", NULL, false, NULL), 0);
	assert_int_equal(medio_parent_check(kinds, 2, "mtty", "ports=3", false, NULL), 0);
	assert_int_equal(medio_parent_check(kinds, 2, "lamp", "units=3", false, NULL), 0);
	assert_int_equal(medio_parent_check(kinds, 2, "lamp", NULL, true, NULL), 0);
	assert_int_equal(medio_parent_check(kinds, 2, "lamp", NULL, false, &err), -EINVAL);
	assert_words(err, "plugin=PATH");
	assert_int_equal(medio_parent_check(kinds, 2, "mtty", "prts=3", false, &err), -EINVAL);
	assert_words(err, "did you mean 'ports'?");
}

static const struct medio_type vf_type = { .name = "net-vf" };
static const struct medio_sriov sriov = { .vf = &vf_type, .total_vfs = 64 };
static const struct medio_param card_params[] = {
	{ "vfs", MEDIO_PARAM_UINT, 0, "64", "How many", .max = 256 },
	{ "null", MEDIO_PARAM_BOOL, 8, NULL, "Nothing behind it" },
	{ NULL },
};
static const struct medio_type card_type = {
	.name = "net", .sriov = &sriov, .params = card_params
};
static const struct medio_type *const card_types[] = { &card_type, &vf_type, NULL };
static const struct medio_parent_desc card_desc = { .name = "net", .types = card_types };
static const struct medio_parent_kind card_kinds[] = {
	{ .desc = &fake_mtty, .units = "ports" },
	{ .desc = &card_desc, .cards = 1 },
};

static int set_cards(const char *spec, struct medio_error **err)
{
	return medio_parents_set(
		&fake->manager, card_kinds, 2, open_plugin, &spec, spec ? 1 : 0, err);
}

static void test_cards_are_made_and_begin_with_their_parents_parameters(void **state)
{
	struct medio_error *err = NULL;
	char uuid[37];

	(void)state;
	assert_int_equal(set_cards(NULL, NULL), 0); /* nothing unasked */
	assert_int_equal(find("net")->settings.cards, 0);
	assert_int_equal(set_cards("net,vfs=8,null=on", NULL), 0);
	assert_int_equal(find("net")->settings.cards, 1);
	assert_int_equal(find("net")->params.count, 2);
	assert_string_equal(find("net")->params.items[0], "vfs=8");
	fake->log[0] = '\0';
	medio_parents_make_cards(&fake->manager);
	assert_logged("create:");
	medio_functions_card_uuid("net", 0, uuid);
	assert_non_null(medio_bus_find_mdev(fake->manager.bus, uuid, 36));
	medio_parents_make_cards(&fake->manager); /* it is there */
	assert_log("");
	assert_int_equal(set_cards("net,cards=3", NULL), 0);
	assert_int_equal(find("net")->params.count, 0);
	fake->log[0] = '\0';
	medio_parents_make_cards(&fake->manager);
	medio_functions_card_uuid("net", 2, uuid);
	assert_non_null(medio_bus_find_mdev(fake->manager.bus, uuid, 36));
	assert_int_equal(set_cards("net,vfs=257", &err), -EINVAL);
	assert_words(err, "256");
	assert_int_equal(set_cards("net,speed=1", &err), -EINVAL);
	assert_words(err, "speed");
	assert_int_equal(set_cards("mtty,vfs=1", &err), -EINVAL);
	assert_words(err, "vfs");
	assert_int_equal(set_cards("mtty,cards=1", &err), -EINVAL);
	assert_words(err, "virtual functions");
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FAKE(test_without_specs_every_kind_is_there_with_its_defaults),
		WITH_FAKE(test_a_spec_sets_what_it_names),
		WITH_FAKE(test_a_capacity_without_a_word_of_its_own_is_units),
		WITH_FAKE(test_what_is_wrong_is_named_with_what_is_allowed),
		WITH_FAKE(test_a_parent_named_twice_is_refused),
		WITH_FAKE(test_reload_changes_settings_and_keeps_instances),
		WITH_FAKE(test_reload_adds_and_takes_away),
		WITH_FAKE(test_a_parent_in_use_goes_when_its_user_lets_go),
		WITH_FAKE(test_a_parent_in_use_goes_with_the_bus_at_the_latest),
		WITH_FAKE(test_without_a_bus_memory_is_freed),
		WITH_FAKE(test_others_parents_are_left_alone),
		WITH_FAKE(test_a_plugin_is_a_parent_with_its_one_type),
		WITH_FAKE(test_cards_are_made_and_begin_with_their_parents_parameters),
		cmocka_unit_test(test_check_needs_no_manager),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
