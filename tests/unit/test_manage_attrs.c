/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/attrs.h"

#include "test_manage_fake.h"

static const struct medio_who root = { .uid = 0, .pid = 1 };
static const struct medio_who owner = { .uid = 1000, .gid = 1000, .pid = 1 };
static const struct medio_who stranger = { .uid = 1001, .gid = 1001, .pid = 1 };

static struct medio_mdev *instance(const char *const *params, unsigned nparams)
{
	struct medio_creation how = {
		.who = owner, .params = params, .nparams = nparams, .restart = -1
	};
	struct medio_parent *parent = fake_parent();
	struct medio_mdev *mdev = NULL;

	fake->creating = &how;
	assert_int_equal(medio_mdev_create(parent, &fake_two, FAKE_UUID, 36, NULL, &mdev, NULL), 0);
	fake->creating = NULL;
	return mdev;
}

/* ---- Show -------------------------------------------------------------------------------------- */

struct shown {
	ssize_t ret;
	char text[4096];
};

static void shown(void *opaque, ssize_t ret, const char *text)
{
	struct shown *s = opaque;

	s->ret = ret;
	snprintf(s->text, sizeof(s->text), "%.*s", (int)(ret > 0 ? ret : 0), text);
}

static void expect(struct medio_mdev *mdev, const char *path, const char *text)
{
	struct shown s = { .ret = -1 };

	assert_int_equal(medio_attr_show(mdev, path, shown, &s), 0);
	assert_string_equal(s.text, text);
	assert_int_equal(s.ret, strlen(text));
}

static void test_a_parameter_shows_what_was_assigned_or_its_default(void **state)
{
	static const char *const params[] = { "port0=pty", "flag", "size=131072" };
	struct medio_mdev *mdev = instance(params, 3);

	(void)state;
	expect(mdev, "params/port0", "pty\n");
	expect(mdev, "params/flag", "on\n");
	expect(mdev, "params/size", "128K\n");
	expect(mdev, "params/mode", "pty\n");
	expect(mdev, "params/file", "\n");
}

static void test_mediods_attributes_show_the_instance(void **state)
{
	struct medio_mdev *mdev = instance(NULL, 0);
	struct medio_managed *inst = medio_managed_of(mdev);

	(void)state;
	expect(mdev, "medio/client", "\n");
	inst->num_clients = 1;
	expect(mdev, "medio/client", "99 1000\n");
	expect(mdev, "medio/filters", "\n");
	medio_strv_add(&inst->filters, "trace");
	medio_strv_add(&inst->filters, "delay:ms=1,x=2");
	expect(mdev, "medio/filters", "trace\ndelay:ms=1,x=2\n");
	expect(mdev, "medio/mode", "0600\n");
	expect(mdev, "medio/owner", "1000:1000\n");
	expect(mdev, "medio/pid", "\n");
	inst->process = (struct medio_process *)inst;
	expect(mdev, "medio/pid", "4711\n");
	inst->process = NULL;
	expect(mdev, "medio/restart", "reset\n");
	expect(mdev, "medio/socket", "/run/x/vfio-user.sock\n");
	expect(mdev, "medio/state", "running\n");
	inst->trouble = strdup("killed by signal 9");
	expect(mdev, "medio/state", "dead\nkilled by signal 9\n");
	struct shown s;
	assert_int_equal(medio_attr_show(mdev, "medio/qemu_device", shown, &s), 0);
	assert_non_null(strstr(s.text, "/run/x/vfio-user.sock"));
	assert_int_equal(s.text[s.ret - 1], '\n');
}

static void test_the_devices_own_come_from_the_driver(void **state)
{
	struct medio_mdev *mdev = instance(NULL, 0);

	(void)state;
	expect(mdev, "vendor/sample", "hello\n");
}

static void test_errors_of_show(void **state)
{
	struct medio_mdev *mdev = instance(NULL, 0);
	struct shown s;

	(void)state;
	assert_int_equal(medio_attr_show(mdev, "params/none", shown, &s), -ENOENT);
	assert_int_equal(medio_attr_show(mdev, "params/", shown, &s), -ENOENT);
	assert_int_equal(medio_attr_show(mdev, "medio/none", shown, &s), -ENOENT);
	assert_int_equal(medio_attr_show(mdev, "none", shown, &s), -ENOENT);
	assert_int_equal(medio_mdev_unbind(mdev, NULL, NULL), 0);
	assert_int_equal(medio_attr_show(mdev, "params/port0", shown, &s), -ENODEV);
	assert_int_equal(medio_attr_show(mdev, "medio/socket", shown, &s), -ENODEV);
	assert_int_equal(medio_attr_show(mdev, "vendor/sample", shown, &s), -ENODEV);
}

/* ---- Store ------------------------------------------------------------------------------------- */

static int last, times;

static void stored(void *opaque, int ret)
{
	(void)opaque;
	last = ret;
	times++;
}

/* What it returned, or else what the callback was told, once. */
static int store_as(
	struct medio_mdev *mdev, const struct medio_who *who, const char *path, const char *text)
{
	times = 0;
	int ret = medio_attr_store(mdev, who, path, text, strlen(text), stored, NULL);
	assert_int_equal(times, ret ? 0 : 1);
	return ret ? ret : last;
}

static int store(struct medio_mdev *mdev, const char *path, const char *text)
{
	return store_as(mdev, &owner, path, text);
}

static void test_a_parameter_is_checked_before_the_instance_is_touched(void **state)
{
	struct medio_mdev *mdev = instance(NULL, 0);

	(void)state;
	assert_int_equal(store(mdev, "params/size", "9999G\n"), -EINVAL);
	assert_logged("'size' must be a size like 64K (K, M, G, T) 1K..1M, not '9999G'");
	assert_int_equal(store(mdev, "params/mode", "ptty"), -EINVAL);
	assert_logged("did you mean 'pty'?");
	assert_int_equal(store(mdev, "params/port0", "pty\nfile=/etc"), -EINVAL);
	assert_logged("one line");
	assert_int_equal(
		medio_attr_store(mdev, &owner, "params/port0", "p\0y", 3, stored, NULL), -EINVAL);
	assert_logged("text");
	assert_int_equal(store(mdev, "params/none", "1"), -ENOENT);
	assert_int_equal(store(mdev, "params/port0", "pty:link=/tmp/x\n"), 0);
	assert_log("param:port0=pty:link=/tmp/x");
	expect(mdev, "params/port0", "pty:link=/tmp/x\n");
	assert_int_equal(store(mdev, "params/file", "\n"), 0);
	assert_log("param:file=");
}

static void test_the_answer_may_come_later(void **state)
{
	struct medio_mdev *mdev = instance(NULL, 0);

	(void)state;
	fake->store_ret = MEDIO_DEFERRED;
	times = 0;
	assert_int_equal(medio_attr_store(mdev, &owner, "params/port0", "pty", 3, stored, NULL), 0);
	assert_int_equal(times, 0);
	fake_answer(-EBUSY);
	assert_int_equal(times, 1);
	assert_int_equal(last, -EBUSY);
	assert_int_equal(
		medio_attr_store(mdev, &owner, "vendor/sample", "pty", 3, stored, NULL), 0);
	assert_int_equal(times, 1);
	fake_answer(3);
	assert_int_equal(times, 2);
	assert_int_equal(last, 0);
}

static void test_mediods_attributes_change_the_instance(void **state)
{
	struct medio_mdev *mdev = instance(NULL, 0);
	struct medio_managed *inst = medio_managed_of(mdev);

	(void)state;
	assert_int_equal(store(mdev, "medio/filters", "trace\n\ndelay:ms=1,x=2\n"), 0);
	assert_log("filters:2");
	assert_string_equal(inst->filters.items[1], "delay:ms=1,x=2");
	assert_int_equal(store(mdev, "medio/filters", "\n"), 0);
	assert_log("filters:0");
	assert_int_equal(store(mdev, "medio/mode", "660\n"), 0);
	assert_int_equal(inst->mode, 0660);
	assert_int_equal(store(mdev, "medio/restart", "restore\n"), 0);
	assert_int_equal(inst->restart, MEDIO_RESTART_RESTORE);
	assert_int_equal(store_as(mdev, &root, "medio/owner", "7:8\n"), 0);
	assert_int_equal(inst->uid, 7);
	assert_int_equal(inst->gid, 8);
	assert_int_equal(store_as(mdev, &root, "medio/owner", "root"), 0);
	assert_int_equal(inst->uid, 0);
	assert_int_equal(inst->gid, 0);
}

static void test_bad_values_change_nothing_and_are_logged(void **state)
{
	static const struct {
		const char *path, *text, *words;
	} bad[] = {
		{ "medio/mode", "", "a mode is octal" },
		{ "medio/mode", "8", "a mode is octal" },
		{ "medio/mode", "1777", "a mode is octal" },
		{ "medio/mode", "00600", "a mode is octal" },
		{ "medio/mode", "-1", "a mode is octal" },
		{ "medio/restart", "restor", "did you mean 'restore'?" },
		{ "medio/owner", "1:", "is no owner" },
		{ "medio/owner", "4294967295:0", "is no owner" },
		{ "medio/owner", "no-such-user-here", "there is no user" },
		{ "medio/owner", "", "there is no user" },
	};
	struct medio_mdev *mdev = instance(NULL, 0);
	struct medio_managed *inst = medio_managed_of(mdev);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(store_as(mdev, &root, bad[i].path, bad[i].text), -EINVAL);
		assert_logged(bad[i].words);
	}
	assert_int_equal(inst->mode, 0600);
	assert_int_equal(inst->uid, 1000);
	assert_int_equal(inst->restart, MEDIO_RESTART_RESET);
}

static void test_who_may_write(void **state)
{
	static const char *const paths[] = { "params/port0", "medio/mode", "vendor/sample" };
	struct medio_mdev *mdev = instance(NULL, 0);

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		fake->log[0] = '\0';
		assert_int_equal(store_as(mdev, &stranger, paths[i], "600"), -EACCES);
		assert_logged("uid 1001 (pid 1) may not write");
		assert_int_equal(store_as(mdev, &owner, paths[i], "600"), 0);
		assert_int_equal(store_as(mdev, &root, paths[i], "600"), 0);
	}
	fake->log[0] = '\0';
	assert_int_equal(store_as(mdev, &owner, "medio/owner", "1001:1001"), -EACCES);
	assert_logged("may not write medio/owner");
	assert_int_equal(medio_managed_of(mdev)->uid, 1000);
}

static void test_errors_of_store(void **state)
{
	struct medio_mdev *mdev = instance(NULL, 0);

	(void)state;
	assert_int_equal(store(mdev, "medio/state", "x"), -EIO);
	assert_log("");
	assert_int_equal(store(mdev, "medio/none", "x"), -ENOENT);
	assert_int_equal(store(mdev, "alpha", "x"), -EIO);
	assert_int_equal(store(mdev, "none", "x"), -ENOENT);
	fake->store_ret = -EBUSY;
	assert_int_equal(store(mdev, "vendor/sample", "x"), -EBUSY);
	assert_int_equal(medio_mdev_unbind(mdev, NULL, NULL), 0);
	assert_int_equal(store(mdev, "params/port0", "x"), -ENODEV);
	assert_int_equal(store(mdev, "vendor/sample", "x"), -ENODEV);
}

static void test_the_devices_own_get_the_text_as_it_was_written(void **state)
{
	struct medio_mdev *mdev = instance(NULL, 0);

	(void)state;
	assert_int_equal(store(mdev, "vendor/sample", "x\n"), 0);
	assert_log("store:vendor/sample=x\n");
}

/* ---- Filters ------------------------------------------------------------------------------------ */

static const struct medio_attr gate_attrs[] = {
	{ "open", (void *)1, (void *)1 },
	{ "count", (void *)1, NULL },
	{ NULL },
};
static const struct medio_filter gate = { .name = "gate", .attrs = gate_attrs };
static const struct medio_filter plain = { .name = "gat" };
static const struct medio_filter *const known[] = { &plain, &gate, NULL };

static struct medio_mdev *filtered(void)
{
	struct medio_mdev *mdev = instance(NULL, 0);
	struct medio_managed *inst = medio_managed_of(mdev);

	inst->manager->known_filters = known;
	medio_strv_add(&inst->filters, "gate:a=1");
	medio_strv_add(&inst->filters, "gat");
	medio_strv_add(&inst->filters, "gate");
	return mdev;
}

static void test_filters_attributes_are_asked_of_the_worker(void **state)
{
	struct medio_mdev *mdev = filtered();
	struct shown s;

	(void)state;
	expect(mdev, "filters/gate/open", "told\n");
	assert_log("ask:filters/gate/open=");
	assert_int_equal(store(mdev, "filters/gate.1/open", "1\n"), 0);
	assert_log("ask-store:filters/gate.1/open=1\n");
	assert_int_equal(store(mdev, "filters/gate/count", "1"), -EIO);
	assert_int_equal(store(mdev, "filters/gate/none", "1"), -ENOENT);
	assert_int_equal(medio_attr_show(mdev, "filters/gate.2/open", shown, &s), -ENOENT);
	assert_int_equal(medio_attr_show(mdev, "filters/gat/open", shown, &s), -ENOENT);
	assert_int_equal(medio_attr_show(mdev, "filters/gate", shown, &s), -ENOENT);
	assert_int_equal(store_as(mdev, &stranger, "filters/gate/open", "1"), -EACCES);
	assert_int_equal(medio_mdev_unbind(mdev, NULL, NULL), 0);
	assert_int_equal(medio_attr_show(mdev, "filters/gate/open", shown, &s), -ENODEV);
}

static void test_filters_attributes_stand_among_the_others(void **state)
{
	static const char *const wanted[] = { "alpha", "filters/gate.1/count",
		"filters/gate.1/open", "filters/gate/count", "filters/gate/open", "medio/client" };
	struct medio_mdev *mdev = filtered();
	bool writable;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		assert_string_equal(medio_attr_path(mdev, i, &writable), wanted[i]);
		assert_int_equal(writable, i == 2 || i == 4);
	}
	/* They go with their filter. */
	medio_strv_free(&medio_managed_of(mdev)->filters);
	assert_string_equal(medio_attr_path(mdev, 1, NULL), "medio/client");
}

/* ---- The order --------------------------------------------------------------------------------- */

static void test_paths_are_sorted_each_once_and_say_what_is_writable(void **state)
{
	static const struct {
		const char *path;
		bool writable;
	} wanted[] = {
		{ "alpha", false },
		{ "medio/client", false },
		{ "medio/filters", true },
		{ "medio/mode", true },
		{ "medio/owner", true },
		{ "medio/pid", false },
		{ "medio/qemu_device", false },
		{ "medio/restart", true },
		{ "medio/socket", false },
		{ "medio/state", false },
		{ "params/file", true },
		{ "params/flag", true },
		{ "params/mode", true },
		{ "params/port0", true },
		{ "params/size", true },
		{ "vendor/sample", true },
	};
	struct medio_mdev *mdev = instance(NULL, 0);
	const unsigned count = sizeof(wanted) / sizeof(wanted[0]);

	(void)state;
	for (unsigned i = 0; i < count; i++) {
		bool writable = !wanted[i].writable;
		const char *path = medio_attr_path(mdev, i, &writable);
		assert_string_equal(path, wanted[i].path);
		assert_int_equal(writable, wanted[i].writable);
	}
	assert_null(medio_attr_path(mdev, count, NULL));
	/* Another type between. */
	struct medio_mdev *one = NULL;
	assert_int_equal(
		medio_mdev_create(medio_mdev_parent(mdev), &fake_one, NULL, 0, NULL, &one, NULL),
		0);
	assert_string_equal(medio_attr_path(one, 8, NULL), "medio/state");
	assert_null(medio_attr_path(one, 9, NULL));
	assert_string_equal(medio_attr_path(mdev, 13, NULL), "params/port0");
}

static void test_a_card_that_can_have_virtual_functions_shows_them(void **state)
{
	static const struct {
		const char *path, *text;
		bool writable;
	} wanted[] = {
		{ "sriov_drivers_autoprobe", "1\n", true },
		{ "sriov_numvfs", "5\n", true },
		{ "sriov_offset", "1\n", false },
		{ "sriov_stride", "2\n", false },
		{ "sriov_totalvfs", "64\n", false },
		{ "sriov_vf_device", "c0f\n", false },
	};
	struct medio_mdev *mdev = instance(NULL, 0);
	struct medio_managed *inst = medio_managed_of(mdev);
	struct shown s = { 0 };
	unsigned found = 0;
	bool writable;

	(void)state;
	assert_int_equal(medio_attr_show(mdev, "sriov_numvfs", shown, &s), -ENOENT);
	assert_int_equal(store(mdev, "sriov_numvfs", "1"), -ENOENT);
	inst->vfs = calloc(1, sizeof(*inst->vfs));
	inst->vfs->total = 64;
	inst->vfs->offset = 1;
	inst->vfs->stride = 2;
	inst->vfs->vf_device = 0xc0f;
	inst->vfs->wanted = 5;
	for (unsigned n = 0; found < 6; n++) {
		const char *path = medio_attr_path(mdev, n, &writable);
		assert_non_null(path);
		if (strcmp(path, wanted[found].path) != 0)
			continue;
		assert_int_equal(writable, wanted[found].writable);
		expect(mdev, path, wanted[found].text);
		found++;
	}
	assert_int_equal(store(mdev, "sriov_numvfs", "0x7\n"), 0);
	assert_log("numvfs:7");
	assert_int_equal(store(mdev, "sriov_totalvfs", "1"), -EIO);
	assert_int_equal(store(mdev, "sriov_numvfs", "seven"), -EINVAL);
	assert_int_equal(store(mdev, "sriov_numvfs", "65536"), -ERANGE);
	assert_int_equal(store_as(mdev, &stranger, "sriov_numvfs", "1"), -EACCES);
	assert_int_equal(store(mdev, "sriov_drivers_autoprobe", "off\n"), 0);
	assert_true(inst->vfs->leave_unbound);
	assert_int_equal(store(mdev, "sriov_drivers_autoprobe", "Y"), 0);
	assert_false(inst->vfs->leave_unbound);
	assert_int_equal(store(mdev, "sriov_drivers_autoprobe", "2"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FAKE(test_a_parameter_shows_what_was_assigned_or_its_default),
		WITH_FAKE(test_filters_attributes_are_asked_of_the_worker),
		WITH_FAKE(test_filters_attributes_stand_among_the_others),
		WITH_FAKE(test_mediods_attributes_show_the_instance),
		WITH_FAKE(test_the_devices_own_come_from_the_driver),
		WITH_FAKE(test_errors_of_show),
		WITH_FAKE(test_a_parameter_is_checked_before_the_instance_is_touched),
		WITH_FAKE(test_the_answer_may_come_later),
		WITH_FAKE(test_mediods_attributes_change_the_instance),
		WITH_FAKE(test_bad_values_change_nothing_and_are_logged),
		WITH_FAKE(test_who_may_write),
		WITH_FAKE(test_errors_of_store),
		WITH_FAKE(test_the_devices_own_get_the_text_as_it_was_written),
		WITH_FAKE(test_paths_are_sorted_each_once_and_say_what_is_writable),
		WITH_FAKE(test_a_card_that_can_have_virtual_functions_shows_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
