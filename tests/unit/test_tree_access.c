/* SPDX-License-Identifier: BSD-3-Clause */
/* The management tree: attributes as files and folders, owners and modes. */
#include "test_mdev_fake.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tree/node.h"
#include "util/cleanup.h"

#define UUID1  "00000000-0000-0000-0000-000000000001"
#define UUID2  "00000000-0000-0000-0000-000000000002"
#define PARENT "devices/virtual/mtty/mtty"
#define TYPE1  PARENT "/mdev_supported_types/mtty-1"
#define MDEV1  PARENT "/" UUID1

static struct medio_nodes nodes;
static struct fake *fake;
static char seen[1024];

/* ---- What mediod adds -------------------------------------------------------------------------- */

static const char *const *paths;
static medio_mdev_attr_done *waiting;
static void *waiting_opaque;
static bool remove_in_show;
static size_t stored;

static const char *attr_path(
	void *opaque, const struct medio_mdev *mdev, unsigned n, bool *writable)
{
	(void)opaque;
	(void)mdev;
	*writable = paths[n] && strchr(paths[n], 'w');
	return paths[n];
}

static int attr_show(void *opaque, struct medio_mdev *mdev, const char *path,
	medio_mdev_attr_done *done, void *done_opaque)
{
	(void)opaque;
	if (remove_in_show) {
		assert_int_equal(medio_mdev_remove(mdev, NULL, NULL), 0);
		done(done_opaque, -ENODEV, NULL);
		return 0;
	}
	if (strcmp(path, "later") == 0) {
		waiting = done;
		waiting_opaque = done_opaque;
		return 0;
	}
	done(done_opaque, (ssize_t)strlen(path), path);
	return 0;
}

static int attr_store(void *opaque, const struct medio_tree_caller *who, struct medio_mdev *mdev,
	const char *path, const char *text, size_t size, medio_mdev_done *done, void *done_opaque)
{
	(void)opaque;
	(void)mdev;
	assert_int_equal(text[size], '\0');
	stored = size;
	snprintf(seen, sizeof(seen), "%u %s %s", (unsigned)who->uid, path, text);
	done(done_opaque, 0);
	return 0;
}

static void access_of(void *opaque, const struct medio_parent *parent,
	const struct medio_mdev *mdev, struct medio_tree_access *access)
{
	(void)opaque;
	assert_ptr_equal(parent, fake->parent);
	access->uid = mdev ? 1000 : 0;
	access->gid = 100;
	access->mode = mdev ? 0200 : 0220;
}

static const struct medio_tree_ops ops = { .attr_path = attr_path,
	.attr_show = attr_show,
	.attr_store = attr_store,
	.access = access_of };

static int setup(void **state)
{
	static const char *const usual[] = { "later", "medio/socket", "params/w", NULL };

	paths = usual;
	remove_in_show = false;
	fake_setup(state);
	fake = *state;
	return medio_nodes_init(&nodes, fake->bus, &ops, fake);
}

static int teardown(void **state)
{
	medio_nodes_fini(&nodes);
	return fake_teardown(state);
}

#define WITH_TREE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Without links. */
static int walk(const char *path, struct medio_node *out)
{
	char name[MEDIO_NODE_NAME];
	struct medio_node next;

	assert_int_equal(medio_node_get(&nodes, MEDIO_NODE_ROOT, out), 0);
	while (*path) {
		size_t len = strcspn(path, "/");
		int ret;

		snprintf(name, sizeof(name), "%.*s", (int)len, path);
		path += len + (path[len] == '/');
		ret = medio_node_lookup(&nodes, medio_node_id(out), name, &next);
		if (ret < 0)
			return ret;
		*out = next;
	}
	return 0;
}

static struct medio_node at(const char *path)
{
	struct medio_node node;

	if (walk(path, &node) < 0)
		fail_msg("no '%s'", path);
	return node;
}

static void names(const struct medio_node *dir, char *out, size_t size)
{
	struct medio_node_entry entry = { .offset = 0 };

	while (medio_node_next(&nodes, medio_node_id(dir), entry.offset, &entry) > 0) {
		enum medio_at kind = medio_kind_of(&entry.node);
		struct medio_node up;

		if (kind != MEDIO_AT_ATTR && kind != MEDIO_AT_ATTR_DIR)
			continue;
		snprintf(out + strlen(out), size - strlen(out), "%s%s ", entry.name,
			kind == MEDIO_AT_ATTR_DIR ? "{" : "");
		medio_node_up(&nodes, &entry.node, &up);
		assert_int_equal(medio_node_id(&up), medio_node_id(dir));
		if (kind == MEDIO_AT_ATTR_DIR) {
			names(&entry.node, out, size);
			snprintf(out + strlen(out), size - strlen(out), "} ");
		}
	}
}

/* ---- Attributes -------------------------------------------------------------------------------- */

static void test_paths_become_folders(void **state)
{
	static const char *const some[] = { "b/two/x", "a", "a-b", "b/one", "b/two/y", "b/two-/z",
		"c/d/e/f/g", NULL };
	struct medio_node node;
	char text[512] = "", path[MEDIO_NODE_PATH];

	(void)state;
	paths = some;
	fake_instance(fake, fake->one, 1);
	node = at(MDEV1);
	names(&node, text, sizeof(text));
	assert_string_equal(text, "a a-b b{ one two{ x y } two-{ z } } c{ d{ e{ f{ g } } } } ");
	node = at(MDEV1 "/c/d/e/f/g");
	assert_true(medio_node_path(&nodes, &node, path, sizeof(path)) > 0);
	assert_string_equal(path, MDEV1 "/c/d/e/f/g");
	assert_int_equal(walk(MDEV1 "/c/d/e/g", &node), -ENOENT);
	assert_int_equal(walk(MDEV1 "/b/two/z", &node), -ENOENT);
}

static void test_paths_that_cannot_be_are_left_out(void **state)
{
	static const char *const some[] = { "", "/x", "x/", "x//y", "..", "../x", "x/../y", ".",
		"remove", "driver/x", "power/x", "file", "file/inside", "file", "ok",
		"1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", NULL };
	char text[512] = "";
	struct medio_node node;

	(void)state;
	paths = some;
	fake_instance(fake, fake->one, 1);
	node = at(MDEV1);
	names(&node, text, sizeof(text));
	assert_string_equal(text, "file ok ");
	node = at(MDEV1 "/remove");
	assert_int_equal(medio_kind_of(&node), MEDIO_AT_MDEV_REMOVE);
}

static void test_an_attribute_keeps_its_number_whatever_else_comes(void **state)
{
	static const char *const few[] = { "m/b", "z", NULL };
	static const char *const more[] = { "a", "m/a", "m/b", "z", NULL };
	struct medio_mdev *mdev = NULL;
	struct medio_node b, m, z, again;

	(void)state;
	paths = few;
	fake->probe_ret = MEDIO_DEFERRED;
	assert_int_equal(fake_create(fake, fake->one, 1, &mdev), MEDIO_DEFERRED);
	b = at(MDEV1 "/m/b");
	m = at(MDEV1 "/m");
	z = at(MDEV1 "/z");
	paths = more;
	medio_mdev_probe_done(mdev, 0);
	again = at(MDEV1 "/m/b");
	assert_int_equal(medio_node_id(&again), medio_node_id(&b));
	again = at(MDEV1 "/m");
	assert_int_equal(medio_node_id(&again), medio_node_id(&m));
	again = at(MDEV1 "/z");
	assert_int_equal(medio_node_id(&again), medio_node_id(&z));
	at(MDEV1 "/a");
	at(MDEV1 "/m/a");
}

static void test_many_names(void **state)
{
	struct medio_names names = { 0 };
	char path[32];

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		for (int i = 0; i < 65535; i++) {
			int len = snprintf(path, sizeof(path), "n/%d", i);

			assert_int_equal(medio_names_number(&names, path, (size_t)len), i);
		}
	}
	assert_int_equal(medio_names_number(&names, "one more", 8), -ENOSPC);
	assert_int_equal(medio_names_number(&names, "n/123456", 5), 123);
	assert_string_equal(medio_names_path(&names, 65534), "n/65534");
	assert_null(medio_names_path(&names, 65535));
	medio_names_clear(&names);
}

static int result;
static void on_text(void *opaque, ssize_t ret, const char *text)
{
	(void)opaque;
	result = (int)ret;
	if (ret >= 0)
		snprintf(seen, sizeof(seen), "%.*s", (int)ret, text);
}

static void on_done(void *opaque, int ret)
{
	(void)opaque;
	result = ret;
}

static void test_attributes_are_asked_by_path(void **state)
{
	const struct medio_tree_caller who = { 7, 8, 9 };
	struct medio_node node;

	(void)state;
	fake_instance(fake, fake->one, 1);
	node = at(MDEV1 "/medio/socket");
	assert_int_equal(medio_node_show(&nodes, &node, on_text, NULL), 0);
	assert_string_equal(seen, "medio/socket");
	node = at(MDEV1 "/params/w");
	assert_int_equal(medio_node_store(&nodes, &node, &who, "x\n", 2, on_done, NULL), 0);
	assert_string_equal(seen, "7 params/w x\n");
}

static void test_a_show_may_end_later_or_remove_its_instance(void **state)
{
	struct medio_node node;

	(void)state;
	fake_instance(fake, fake->one, 1);
	node = at(MDEV1 "/later");
	result = 4711;
	assert_int_equal(medio_node_show(&nodes, &node, on_text, NULL), 0);
	assert_int_equal(result, 4711);
	waiting(waiting_opaque, 3, "abc");
	assert_int_equal(result, 3);
	remove_in_show = true;
	assert_int_equal(medio_node_show(&nodes, &node, on_text, NULL), 0);
	assert_int_equal(result, -ENODEV);
	assert_int_equal(walk(MDEV1, &node), -ENOENT);
}

static void test_a_store_is_a_page_at_most(void **state)
{
	const struct medio_tree_caller who = { 0, 0, 1 };
	char page[2 * MEDIO_NODE_TEXT];
	struct medio_node node;

	(void)state;
	fake_instance(fake, fake->one, 1);
	memset(page, 'a', sizeof(page));
	node = at(MDEV1 "/params/w");
	assert_int_equal(
		medio_node_store(&nodes, &node, &who, page, sizeof(page), on_done, NULL), 0);
	assert_int_equal(stored, MEDIO_NODE_TEXT);
}

/* ---- Owners and modes -------------------------------------------------------------------------- */

static bool in_wheel(const struct medio_node_asker *asker, gid_t gid)
{
	(void)asker;
	return gid == 100;
}

static const struct medio_node_asker root = { { 0, 0, 1 }, NULL };
static const struct medio_node_asker owner = { { 1000, 1000, 1 }, NULL };
static const struct medio_node_asker member = { { 2000, 100, 1 }, NULL };
static const struct medio_node_asker supplementary = { { 2000, 2000, 1 }, in_wheel };
static const struct medio_node_asker nobody = { { 65534, 65534, 1 }, NULL };

static int may(const char *path, const struct medio_node_asker *asker, bool read, bool write)
{
	struct medio_node node = at(path);

	return medio_node_open(&nodes, &node, asker, read, write);
}

static void test_who_may_create(void **state)
{
	(void)state;
	assert_int_equal(may(TYPE1 "/create", &root, false, true), 0);
	assert_int_equal(may(TYPE1 "/create", &member, false, true), 0);
	assert_int_equal(may(TYPE1 "/create", &supplementary, false, true), 0);
	assert_int_equal(may(TYPE1 "/create", &owner, false, true), -EACCES);
	assert_int_equal(may(TYPE1 "/create", &nobody, false, true), -EACCES);
}

static void test_who_may_change_an_instance(void **state)
{
	static const char *const writable[] = { MDEV1 "/remove", MDEV1 "/params/w", MDEV1 "/uevent",
		MDEV1 "/power/control" };

	(void)state;
	fake_instance(fake, fake->one, 1);
	for (unsigned i = 0; i < MEDIO_ARRAY_SIZE(writable); i++) {
		assert_int_equal(may(writable[i], &root, false, true), 0);
		assert_int_equal(may(writable[i], &owner, false, true), 0);
		assert_int_equal(may(writable[i], &member, false, true), -EACCES);
		assert_int_equal(may(writable[i], &nobody, false, true), -EACCES);
		assert_int_equal(may(writable[i], &nobody, true, false), i ? 0 : -EACCES);
	}
	assert_int_equal(may(MDEV1 "/medio/socket", &nobody, true, false), 0);
}

/* As sysfs: Linux kernfs_fop_open(), KERNFS_ROOT_EXTRA_OPEN_PERM_CHECK. */
static void test_root_may_not_do_what_a_file_cannot(void **state)
{
	const mode_t all = 0666;
	struct medio_node node;

	(void)state;
	fake_instance(fake, fake->one, 1);
	assert_int_equal(may(TYPE1 "/create", &root, true, false), -EACCES);
	assert_int_equal(may(TYPE1 "/create", &root, true, true), -EACCES);
	assert_int_equal(may(TYPE1 "/name", &root, false, true), -EACCES);
	assert_int_equal(may(MDEV1 "/medio/socket", &root, false, true), -EACCES);
	node = at(TYPE1 "/name");
	assert_int_equal(medio_node_chmod(&nodes, &node, &root, &all, NULL, NULL), 0);
	assert_int_equal(may(TYPE1 "/name", &root, false, true), -EACCES);
	/* access(2) asks for less. */
	assert_int_equal(medio_node_access(&nodes, &node, &root, R_OK | W_OK), 0);
	assert_int_equal(medio_node_access(&nodes, &node, &root, X_OK), -EACCES);
	node = at(PARENT);
	assert_int_equal(medio_node_access(&nodes, &node, &nobody, R_OK | X_OK), 0);
	assert_int_equal(medio_node_access(&nodes, &node, &nobody, W_OK), -EACCES);
	assert_int_equal(may(PARENT, &root, false, true), -EISDIR);
}

static void test_chmod_and_chown_are_roots_and_the_owners(void **state)
{
	const mode_t open = 0222, closed = 0;
	const uid_t uid = 65534, mine = 1000;
	const gid_t gid = 100, other = 5;
	struct medio_node create = at(TYPE1 "/create"), remove;
	struct medio_node_stat stat;

	(void)state;
	fake_instance(fake, fake->one, 1);
	remove = at(MDEV1 "/remove");
	assert_int_equal(medio_node_chmod(&nodes, &create, &nobody, &open, NULL, NULL), -EPERM);
	assert_int_equal(medio_node_chmod(&nodes, &create, &root, NULL, &uid, NULL), 0);
	assert_int_equal(may(TYPE1 "/create", &nobody, false, true), 0);
	medio_node_stat(&nodes, &create, &stat);
	assert_int_equal(stat.mode, S_IFREG | 0220);
	assert_int_equal(stat.uid, 65534);
	assert_int_equal(medio_node_chmod(&nodes, &create, &nobody, &closed, NULL, NULL), 0);
	assert_int_equal(may(TYPE1 "/create", &nobody, false, true), -EACCES);
	assert_int_equal(may(TYPE1 "/create", &root, false, true), -EACCES);

	assert_int_equal(medio_node_chmod(&nodes, &remove, &owner, NULL, &uid, NULL), -EPERM);
	assert_int_equal(medio_node_chmod(&nodes, &remove, &owner, NULL, &mine, NULL), 0);
	assert_int_equal(medio_node_chmod(&nodes, &remove, &owner, NULL, NULL, &other), -EPERM);
	assert_int_equal(medio_node_chmod(&nodes, &remove, &owner, NULL, NULL, &gid), 0);
}

static void test_what_chmod_made_goes_with_its_instance(void **state)
{
	const mode_t all = 0666;
	struct medio_mdev *mdev = fake_instance(fake, fake->one, 1);
	struct medio_node node = at(MDEV1 "/params/w");

	(void)state;
	assert_int_equal(medio_node_chmod(&nodes, &node, &root, &all, NULL, NULL), 0);
	assert_int_equal(may(MDEV1 "/params/w", &nobody, true, true), 0);
	assert_int_equal(may(MDEV1 "/remove", &nobody, false, true), -EACCES);
	assert_int_equal(medio_mdev_remove(mdev, NULL, NULL), 0);
	fake->log[0] = '\0';
	fake_instance(fake, fake->one, 1);
	assert_int_equal(may(MDEV1 "/params/w", &nobody, true, true), -EACCES);
}

static void test_folders_and_links_stay_as_they_are(void **state)
{
	const mode_t closed = 0;
	struct medio_node dir = at(PARENT), link = at(PARENT "/subsystem");

	(void)state;
	assert_int_equal(medio_node_chmod(&nodes, &dir, &root, &closed, NULL, NULL), -EPERM);
	assert_int_equal(medio_node_chmod(&nodes, &link, &root, &closed, NULL, NULL), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TREE(test_paths_become_folders),
		WITH_TREE(test_paths_that_cannot_be_are_left_out),
		WITH_TREE(test_an_attribute_keeps_its_number_whatever_else_comes),
		cmocka_unit_test(test_many_names),
		WITH_TREE(test_attributes_are_asked_by_path),
		WITH_TREE(test_a_show_may_end_later_or_remove_its_instance),
		WITH_TREE(test_a_store_is_a_page_at_most),
		WITH_TREE(test_who_may_create),
		WITH_TREE(test_who_may_change_an_instance),
		WITH_TREE(test_root_may_not_do_what_a_file_cannot),
		WITH_TREE(test_chmod_and_chown_are_roots_and_the_owners),
		WITH_TREE(test_what_chmod_made_goes_with_its_instance),
		WITH_TREE(test_folders_and_links_stay_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
