/* SPDX-License-Identifier: BSD-3-Clause */
/* The management tree as data: what is where, and what reading and writing it means. */
#include "test_mdev_fake.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tree/node.h"
#include "util/cleanup.h"

/* ---- A tree on the fake bus -------------------------------------------------------------------- */

static struct medio_nodes nodes;
static struct fake *fake;
static char text[MEDIO_NODE_TEXT + 1];
static int result;
static const struct medio_tree_caller root_user;

static int setup_ops(void **state, const struct medio_tree_ops *ops)
{
	fake_setup(state);
	fake = *state;
	return medio_nodes_init(&nodes, fake->bus, ops, fake);
}

static int setup(void **state)
{
	return setup_ops(state, NULL);
}

static int teardown(void **state)
{
	medio_nodes_fini(&nodes);
	return fake_teardown(state);
}

#define WITH_TREE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#define UUID1  "00000000-0000-0000-0000-000000000001"
#define UUID2  "00000000-0000-0000-0000-000000000002"
#define PARENT "devices/virtual/mtty/mtty"
#define TYPE1  PARENT "/mdev_supported_types/mtty-1"
#define MDEV1  PARENT "/" UUID1

/* Walk as the kernel does, following links in the middle and, if asked to, at the end. */
static int walk(const char *path, bool follow, struct medio_node *out)
{
	char left[1024], target[MEDIO_NODE_PATH], name[MEDIO_NODE_NAME];
	struct medio_node here, next;
	unsigned links = 0;

	assert_int_equal(medio_node_get(&nodes, MEDIO_NODE_ROOT, &here), 0);
	snprintf(left, sizeof(left), "%s", path);
	while (left[0]) {
		size_t len = strcspn(left, "/");
		int ret;

		snprintf(name, sizeof(name), "%.*s", (int)len, left);
		memmove(left, left + len + (left[len] == '/'),
			strlen(left + len + (left[len] == '/')) + 1);
		if (strcmp(name, "..") == 0) {
			medio_node_up(&nodes, &here, &next);
			here = next;
			continue;
		}
		ret = medio_node_lookup(&nodes, medio_node_id(&here), name, &next);
		if (ret < 0)
			return ret;
		if (next.kind->form == MEDIO_FORM_LINK && (follow || left[0])) {
			char rest[sizeof(left)];

			if (++links > 40)
				return -ELOOP;
			assert_true(medio_node_target(&nodes, &next, target, sizeof(target)) > 0);
			assert_true(target[0] != '/');
			memcpy(rest, left, sizeof(rest));
			assert_true((size_t)snprintf(left, sizeof(left), "%s%s%s", target,
					    rest[0] ? "/" : "", rest) < sizeof(left));
			continue;
		}
		here = next;
	}
	*out = here;
	return 0;
}

static struct medio_node at(const char *path)
{
	struct medio_node node;

	if (walk(path, true, &node) < 0)
		fail_msg("no '%s'", path);
	return node;
}

static void on_text(void *opaque, ssize_t ret, const char *words)
{
	(void)opaque;
	result = ret < 0 ? (int)ret : 0;
	if (ret >= 0) {
		assert_true(ret <= MEDIO_NODE_TEXT);
		memcpy(text, words, (size_t)ret);
		text[ret] = '\0';
	}
}

static void on_done(void *opaque, int ret)
{
	(void)opaque;
	assert_int_equal(result, 4711);
	result = ret;
}

static int show(const char *path)
{
	struct medio_node node = at(path);
	int ret;

	text[0] = '\0';
	result = 4711;
	ret = medio_node_show(&nodes, &node, on_text, NULL);
	assert_true(ret <= 0);
	assert_true((ret == 0) == (result != 4711));
	return ret < 0 ? ret : result;
}

static const char *said(const char *path)
{
	assert_int_equal(show(path), 0);
	return text;
}

static int store_bytes(const char *path, const char *bytes, size_t len)
{
	struct medio_node node = at(path);
	int ret;

	result = 4711;
	ret = medio_node_store(&nodes, &node, &root_user, bytes, len, on_done, NULL);
	assert_true(ret <= 0);
	return ret < 0 ? ret : result;
}

static int store(const char *path, const char *words)
{
	return store_bytes(path, words, strlen(words));
}

/* ---- What is where ----------------------------------------------------------------------------- */

static char listing[65536];
static uint64_t ids[4096];
static unsigned nids;

static void list(const struct medio_node *dir, unsigned depth)
{
	struct medio_node_entry entry = { .offset = 0 };

	while (medio_node_next(&nodes, medio_node_id(dir), entry.offset, &entry) > 0) {
		size_t len = strlen(listing);
		const char *mark = entry.node.kind->form == MEDIO_FORM_DIR ? "/" : "";
		char target[MEDIO_NODE_PATH] = "";
		struct medio_node again, up;

		if (entry.node.kind->form == MEDIO_FORM_LINK) {
			memcpy(target, " ", 2);
			assert_true(medio_node_target(&nodes, &entry.node, target + 1,
					    sizeof(target) - 1) > 0);
		}
		snprintf(listing + len, sizeof(listing) - len, "%*s%s%s%s\n", (int)depth, "",
			entry.name, mark, target);
		/* A number is one node's, and finds it; so does its name; and it is where it is. */
		for (unsigned i = 0; i < nids; i++)
			assert_true(ids[i] != medio_node_id(&entry.node));
		ids[nids++] = medio_node_id(&entry.node);
		assert_int_equal(medio_node_get(&nodes, ids[nids - 1], &again), 0);
		assert_int_equal(
			medio_node_lookup(&nodes, medio_node_id(dir), entry.name, &again), 0);
		assert_int_equal(medio_node_id(&again), ids[nids - 1]);
		medio_node_up(&nodes, &entry.node, &up);
		assert_int_equal(medio_node_id(&up), medio_node_id(dir));
		if (entry.node.kind->form == MEDIO_FORM_DIR)
			list(&entry.node, depth + 1);
	}
}

static const char *list_all(const char *path)
{
	struct medio_node node = at(path);

	listing[0] = '\0';
	nids = 0;
	list(&node, 0);
	return listing;
}

static void test_tree_without_instances(void **state)
{
	(void)state;
	assert_string_equal(list_all(""), "bus/\n"
					  " mdev/\n"
					  "  devices/\n"
					  "  drivers/\n"
					  "   fake/\n"
					  "    bind\n"
					  "    unbind\n"
					  "    uevent\n"
					  "  drivers_autoprobe\n"
					  "  drivers_probe\n"
					  "  uevent\n"
					  "class/\n"
					  " mdev_bus/\n"
					  "  mtty ../../devices/virtual/mtty/mtty\n"
					  " mtty/\n"
					  "  mtty ../../devices/virtual/mtty/mtty\n"
					  "devices/\n"
					  " virtual/\n"
					  "  mtty/\n"
					  "   mtty/\n"
					  "    mdev_supported_types/\n"
					  "     mtty-1/\n"
					  "      available_instances\n"
					  "      create\n"
					  "      device_api\n"
					  "      devices/\n"
					  "      name\n"
					  "     mtty-2/\n"
					  "      available_instances\n"
					  "      create\n"
					  "      description\n"
					  "      device_api\n"
					  "      devices/\n"
					  "      name\n"
					  "    subsystem ../../../../class/mtty\n"
					  "    uevent\n"
					  "    power/\n"
					  "     autosuspend_delay_ms\n"
					  "     control\n"
					  "     runtime_active_time\n"
					  "     runtime_status\n"
					  "     runtime_suspended_time\n"
					  "kernel/\n"
					  " iommu_groups/\n");
}

static void test_an_instance_is_everywhere_it_belongs(void **state)
{
	(void)state;
	fake_instance(fake, fake->one, 1);
	assert_string_equal(list_all(MDEV1), "driver ../../../../../bus/mdev/drivers/fake\n"
					     "iommu_group ../../../../../kernel/iommu_groups/0\n"
					     "mdev_type ../mdev_supported_types/mtty-1\n"
					     "remove\n"
					     "subsystem ../../../../../bus/mdev\n"
					     "uevent\n"
					     "power/\n"
					     " autosuspend_delay_ms\n"
					     " control\n"
					     " runtime_active_time\n"
					     " runtime_status\n"
					     " runtime_suspended_time\n");
	assert_string_equal(list_all("bus/mdev/devices"),
		UUID1 " ../../../devices/virtual/mtty/mtty/" UUID1 "\n");
	assert_string_equal(list_all("bus/mdev/drivers/fake"),
		"bind\nunbind\nuevent\n" UUID1 " ../../../../devices/virtual/mtty/mtty/" UUID1
		"\n");
	assert_string_equal(list_all("kernel/iommu_groups"),
		"0/\n devices/\n  " UUID1 " ../../../../devices/virtual/mtty/mtty/" UUID1
		"\n reserved_regions\n type\n");
	assert_string_equal(list_all(TYPE1 "/devices"), UUID1 " ../../../" UUID1 "\n");
	assert_string_equal(list_all(PARENT "/mdev_supported_types/mtty-2/devices"), "");
}

static void test_every_link_resolves_to_what_it_names(void **state)
{
	static const struct {
		const char *link, *target;
	} links[] = {
		{ MDEV1 "/driver", "bus/mdev/drivers/fake" },
		{ MDEV1 "/iommu_group", "kernel/iommu_groups/0" },
		{ MDEV1 "/mdev_type", TYPE1 },
		{ MDEV1 "/subsystem", "bus/mdev" },
		{ PARENT "/subsystem", "class/mtty" },
		{ "class/mtty/mtty", PARENT },
		{ "class/mdev_bus/mtty", PARENT },
		{ "bus/mdev/devices/" UUID1, MDEV1 },
		{ "bus/mdev/drivers/fake/" UUID1, MDEV1 },
		{ "kernel/iommu_groups/0/devices/" UUID1, MDEV1 },
		{ TYPE1 "/devices/" UUID1, MDEV1 },
		{ "class/mdev_bus/mtty/" UUID1 "/mdev_type/devices/" UUID1 "/iommu_group/devices",
			"kernel/iommu_groups/0/devices" },
	};

	(void)state;
	fake_instance(fake, fake->one, 1);
	for (unsigned i = 0; i < MEDIO_ARRAY_SIZE(links); i++) {
		char path[MEDIO_NODE_PATH];
		struct medio_node node = at(links[i].link);

		assert_true(medio_node_path(&nodes, &node, path, sizeof(path)) > 0);
		assert_string_equal(path, links[i].target);
	}
}

static void test_what_is_not_there_is_enoent(void **state)
{
	static const char *const paths[] = { "sys", "bus/pci", "bus/mdev/devices/" UUID1,
		"class/mdev_bus/nosuch", "devices/virtual/nosuch", PARENT "/nosuch",
		PARENT "/" UUID2, PARENT "/mdev_supported_types/mtty-3", TYPE1 "/description",
		"kernel/iommu_groups/0", "kernel/iommu_groups/00", "kernel/iommu_groups/",
		"kernel/iommu_groups/x", "kernel/iommu_groups/99999999999999999999",
		"bus/mdev/drivers/nosuch" };
	struct medio_node node;

	(void)state;
	for (unsigned i = 0; i < MEDIO_ARRAY_SIZE(paths); i++)
		if (paths[i][strlen(paths[i]) - 1] != '/')
			assert_int_equal(walk(paths[i], true, &node), -ENOENT);
	assert_int_equal(medio_node_lookup(&nodes,
				 medio_node_id(&(struct medio_node){
					 &medio_kinds[MEDIO_AT_GROUPS], &nodes.subjects.tree, 0 }),
				 "", &node),
		-ENOENT);
}

static void test_names_of_instances_are_lower_case(void **state)
{
	struct medio_mdev *mdev = NULL;
	struct medio_node node;

	(void)state;
	assert_int_equal(medio_mdev_create(fake->parent, fake->one,
				 "ABCDEF00-0000-0000-0000-000000000001", 36, NULL, &mdev, NULL),
		0);
	assert_int_equal(
		walk("bus/mdev/devices/abcdef00-0000-0000-0000-000000000001", true, &node), 0);
	assert_int_equal(walk("bus/mdev/devices/ABCDEF00-0000-0000-0000-000000000001", true, &node),
		-ENOENT);
}

static void test_numbers_nobody_gave_are_enoent(void **state)
{
	struct medio_node node;

	(void)state;
	fake_instance(fake, fake->one, 1);
	for (uint64_t id = 0; id < 1u << 16; id++) {
		/* kinds, small numbers, some subjects */
		uint64_t spread = (id & 0x1ff) | (id >> 9) << 22;

		if (medio_node_get(&nodes, spread, &node) == 0)
			assert_int_equal(medio_node_id(&node), spread);
	}
	assert_int_equal(medio_node_get(&nodes, 0, &node), -ENOENT);
	assert_int_equal(medio_node_get(&nodes, UINT64_MAX, &node), -ENOENT);
}

static void test_a_file_is_no_folder(void **state)
{
	struct medio_node node = at(TYPE1 "/name"), out;
	struct medio_node_entry entry;

	(void)state;
	assert_int_equal(medio_node_lookup(&nodes, medio_node_id(&node), "x", &out), -ENOTDIR);
	assert_int_equal(medio_node_next(&nodes, medio_node_id(&node), 0, &entry), -ENOTDIR);
}

/* ---- Coming and going -------------------------------------------------------------------------- */

static void test_a_removed_instance_leaves_nothing(void **state)
{
	struct medio_mdev *mdev = fake_instance(fake, fake->one, 1);
	uint64_t id;
	struct medio_node node = at(MDEV1 "/uevent");
	size_t count = nodes.subjects.count;

	(void)state;
	id = medio_node_id(&node);
	assert_int_equal(medio_mdev_remove(mdev, NULL, NULL), 0);
	assert_int_equal(nodes.subjects.count, count - 1);
	assert_int_equal(medio_node_get(&nodes, id, &node), -ENOENT);
	assert_string_equal(list_all("bus/mdev/devices"), "");
	assert_string_equal(list_all("kernel/iommu_groups"), "");
	assert_string_equal(list_all("bus/mdev/drivers/fake"), "bind\nunbind\nuevent\n");
	/* The same UUID again is another node. */
	fake->log[0] = '\0';
	fake_instance(fake, fake->one, 1);
	node = at(MDEV1 "/uevent");
	assert_true(medio_node_id(&node) != id);
}

static void test_a_listing_has_what_lives_through_it_once(void **state)
{
	struct medio_node dir = at("bus/mdev/devices");
	struct medio_node_entry entry = { .offset = 0 };
	unsigned seen[64] = { 0 }, n = 0;

	(void)state;
	for (unsigned i = 0; i < 12; i++)
		fake_create(fake, fake->one, i, NULL);
	while (medio_node_next(&nodes, medio_node_id(&dir), entry.offset, &entry) > 0) {
		unsigned number = (unsigned)strtoul(entry.name + 24, NULL, 10);
		char uuid[64];

		seen[number]++;
		/* Every second one goes as soon as it was seen, and a new one comes. */
		if (number % 2 == 0 && number < 12) {
			fake_uuid(number, uuid);
			assert_int_equal(medio_mdev_remove(medio_bus_find_mdev(fake->bus, uuid, 36),
						 NULL, NULL),
				0);
			fake_create(fake, fake->one, 20 + n++, NULL);
		}
	}
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(seen[i], 1);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(seen[20 + i], 1);
}

static void test_a_group_that_comes_back_is_another_node(void **state)
{
	struct medio_mdev *mdev = fake_instance(fake, fake->one, 1);
	struct medio_node old = at("kernel/iommu_groups/0/type"), node;

	(void)state;
	assert_int_equal(medio_mdev_unbind(mdev, NULL, NULL), 0);
	assert_int_equal(walk("kernel/iommu_groups/0", true, &node), -ENOENT);
	assert_int_equal(walk(MDEV1 "/driver", true, &node), -ENOENT);
	assert_int_equal(walk(MDEV1 "/iommu_group", true, &node), -ENOENT);
	assert_int_equal(walk("bus/mdev/drivers/fake/" UUID1, true, &node), -ENOENT);
	assert_string_equal(said(MDEV1 "/uevent"), "");
	assert_int_equal(medio_mdev_bind(mdev, NULL, NULL, NULL), 0);
	node = at("kernel/iommu_groups/0/type");
	assert_true(medio_node_id(&node) != medio_node_id(&old));
	assert_int_equal(medio_node_get(&nodes, medio_node_id(&old), &node), -ENOENT);
}

static void test_while_a_removal_waits_it_has_no_remove_and_its_type_no_link(void **state)
{
	struct medio_mdev *mdev = fake_instance(fake, fake->one, 1);
	struct medio_node node;

	(void)state;
	assert_int_equal(medio_mdev_open(mdev), 0);
	result = 4711;
	node = at(MDEV1 "/remove");
	assert_int_equal(medio_node_store(&nodes, &node, &root_user, "1\n", 2, on_done, NULL), 0);
	assert_int_equal(result, 4711);
	assert_int_equal(medio_node_get(&nodes, medio_node_id(&node), &node), -ENOENT);
	assert_int_equal(walk(MDEV1 "/remove", true, &node), -ENOENT);
	assert_int_equal(walk(TYPE1 "/devices/" UUID1, true, &node), -ENOENT);
	assert_int_equal(walk("bus/mdev/devices/" UUID1 "/mdev_type", true, &node), 0);
	medio_mdev_close(mdev);
	assert_int_equal(result, 0);
	assert_int_equal(walk(MDEV1, true, &node), -ENOENT);
}

static void test_a_leaving_parent_has_left_its_class(void **state)
{
	struct medio_mdev *mdev = fake_instance(fake, fake->one, 1);
	struct medio_node node;

	(void)state;
	assert_int_equal(medio_mdev_open(mdev), 0);
	assert_int_equal(medio_parent_unregister(fake->parent, NULL, NULL), MEDIO_DEFERRED);
	assert_int_equal(walk("class/mdev_bus/mtty", true, &node), -ENOENT);
	assert_int_equal(walk(PARENT, true, &node), 0);
	assert_int_equal(store(TYPE1 "/create", UUID2), -ENODEV);
	medio_mdev_close(mdev);
	assert_string_equal(list_all("devices"), "");
	assert_string_equal(list_all("class"), "mdev_bus/\n");
	assert_true(medio_list_empty(&nodes.subjects.sorts[MEDIO_OF_FOLDER]));
}

static char told[65536];

static void entry_gone(void *opaque, uint64_t dir, const char *name)
{
	struct medio_node node;
	char path[MEDIO_NODE_PATH];
	size_t len = strlen(told);

	(void)opaque;
	assert_int_equal(medio_node_get(&nodes, dir, &node), 0);
	medio_node_path(&nodes, &node, path, sizeof(path));
	snprintf(told + len, sizeof(told) - len, "%s/%s\n", path, name);
}

static void test_the_watcher_hears_of_names_that_somebody_knows(void **state)
{
	struct medio_mdev *mdev = fake_instance(fake, fake->one, 1);
	struct medio_mdev *other = fake_instance(fake, fake->one, 2);

	(void)state;
	nodes.subjects.watcher.entry_gone = entry_gone;
	told[0] = '\0';
	assert_int_equal(medio_mdev_remove(other, NULL, NULL), 0);
	assert_string_equal(told, "");
	at(MDEV1);
	assert_int_equal(medio_mdev_remove(mdev, NULL, NULL), 0);
	assert_non_null(strstr(told, "kernel/iommu_groups/0\n"));
	assert_non_null(strstr(told, "bus/mdev/devices/" UUID1 "\n"));
	assert_non_null(strstr(told, MDEV1 "\n"));
	assert_non_null(strstr(told, TYPE1 "/devices/" UUID1 "\n"));
}

static void test_a_parent_with_a_path_of_its_own(void **state)
{
	static const struct medio_parent_desc cards[] = {
		{ .name = "0000:00:02.0",
			.path = "/devices/pci0000:00/0000:00:02.0",
			.types = mtty_types },
		{ .name = "0000:00:03.0",
			.path = "//devices//pci0000:00/0000:00:03.0/",
			.types = mtty_types },
		{ .name = "dots", .path = "/devices/dots/../dots", .types = mtty_types },
		{ .name = "mdev_bus", .types = mtty_types },
	};
	struct medio_parent *parents[4];
	struct medio_node node;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(medio_parent_register(
					 fake->bus, &cards[i], &fake_driver, &parents[i], NULL),
			0);
	at("devices/pci0000:00/0000:00:02.0/mdev_supported_types/mtty-1/create");
	at("class/mdev_bus/0000:00:03.0/subsystem/0000:00:03.0/uevent");
	assert_int_equal(walk("class/mdev_bus/dots", true, &node), -ENOENT);
	node = at("devices/virtual/mdev_bus/mdev_bus/subsystem");
	assert_int_equal(medio_kind_of(&node), MEDIO_AT_CLASS_MDEV);
	list_all("");
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(medio_parent_unregister(parents[i], NULL, NULL), 0);
	assert_int_equal(walk("devices/pci0000:00", true, &node), -ENOENT);
	assert_int_equal(nodes.subjects.count, 4); /* virtual, mtty, the parent, the driver */
}

/* ---- Reading ----------------------------------------------------------------------------------- */

static void test_texts_are_the_kernels(void **state)
{
	(void)state;
	fake_instance(fake, fake->two, 1);
	assert_string_equal(said(TYPE1 "/name"), "Single port serial\n");
	assert_string_equal(said(TYPE1 "/device_api"), "vfio-pci\n");
	assert_string_equal(said(TYPE1 "/available_instances"), "22\n");
	assert_string_equal(said(PARENT "/mdev_supported_types/mtty-2/description"), "Two UARTs\n");
	assert_string_equal(said(MDEV1 "/uevent"), "DRIVER=fake\n");
	assert_string_equal(said(PARENT "/uevent"), "");
	assert_string_equal(said("bus/mdev/drivers_autoprobe"), "1\n");
	assert_string_equal(said(MDEV1 "/power/control"), "auto\n");
	assert_string_equal(said(MDEV1 "/power/runtime_status"), "unsupported\n");
	assert_string_equal(said(MDEV1 "/power/runtime_active_time"), "0\n");
	assert_string_equal(said("kernel/iommu_groups/0/type"), "unknown\n");
	assert_string_equal(said("kernel/iommu_groups/0/reserved_regions"), "");
	assert_int_equal(show(MDEV1 "/power/autosuspend_delay_ms"), -EIO);
	assert_int_equal(show(TYPE1 "/create"), -EIO);
	assert_int_equal(show(PARENT), -EISDIR);
}

/* ---- Writing ----------------------------------------------------------------------------------- */

static void test_create_says_what_the_kernel_says(void **state)
{
	static const char *const bad[] = { "x", "\n", (UUID1 "x"), (UUID1 "\n\n"),
		"00000000-0000-0000-0000-00000000000", "00000000-0000-0000-0000-00000000000g",
		"00000000.0000-0000-0000-000000000001", (" " UUID1) };

	(void)state;
	for (unsigned i = 0; i < MEDIO_ARRAY_SIZE(bad); i++)
		assert_int_equal(store(TYPE1 "/create", bad[i]), -EINVAL);
	assert_int_equal(store(TYPE1 "/create", ""), 0);
	assert_string_equal(list_all("bus/mdev/devices"), "");
	assert_int_equal(store(TYPE1 "/create", UUID1), 0);
	assert_int_equal(store(TYPE1 "/create", UUID1 "\n"), -EEXIST);
	assert_int_equal(store(TYPE1 "/create", UUID2 "\n"), 0);
	fake->probe_ret = -EIO;
	assert_int_equal(store(TYPE1 "/create", "00000000-0000-0000-0000-000000000003"), -EIO);
	fake->probe_ret = 0;
	fake->log[0] = '\0';
	for (unsigned i = 3; i < 25; i++)
		assert_int_equal(fake_create(fake, fake->one, i, NULL), 0);
	assert_int_equal(store(TYPE1 "/create", "00000000-0000-0000-0000-000000000025"), -ENOSPC);
	assert_string_equal(said(TYPE1 "/available_instances"), "0\n");
}

static void test_a_create_that_takes_long_is_answered_later(void **state)
{
	struct medio_node node = at(TYPE1 "/create");
	struct medio_mdev *mdev;

	(void)state;
	fake->probe_ret = MEDIO_DEFERRED;
	result = 4711;
	assert_int_equal(medio_node_store(&nodes, &node, &root_user, UUID1, 36, on_done, NULL), 0);
	assert_int_equal(result, 4711);
	mdev = medio_bus_find_mdev(fake->bus, UUID1, 36);
	assert_int_equal(store(MDEV1 "/remove", "1"), -EAGAIN);
	medio_mdev_probe_done(mdev, -ENOMEM);
	assert_int_equal(result, -ENOMEM);
}

static void test_remove_takes_a_number(void **state)
{
	(void)state;
	fake_instance(fake, fake->one, 1);
	assert_int_equal(store(MDEV1 "/remove", "x"), -EINVAL);
	assert_int_equal(store(MDEV1 "/remove", "1 "), -EINVAL);
	assert_int_equal(store(MDEV1 "/remove", "-1"), -EINVAL);
	assert_int_equal(store(MDEV1 "/remove", "0\n"), 0);
	at(MDEV1);
	assert_int_equal(store(MDEV1 "/remove", "0x10\n"), 0);
	assert_null(medio_bus_find_mdev(fake->bus, UUID1, 36));
}

static void test_drivers_bind_and_unbind(void **state)
{
	struct medio_node node;

	(void)state;
	fake_instance(fake, fake->one, 1);
	assert_int_equal(store("bus/mdev/drivers/fake/bind", "nosuch"), -ENODEV);
	assert_int_equal(store("bus/mdev/drivers/fake/bind", UUID1), -EBUSY);
	assert_int_equal(store("bus/mdev/drivers/fake/unbind", UUID2), -ENODEV);
	assert_int_equal(store("bus/mdev/drivers/fake/unbind", UUID1 "\n"), 0);
	assert_int_equal(store("bus/mdev/drivers/fake/unbind", UUID1 "\n"), -ENODEV);
	assert_int_equal(walk("bus/mdev/drivers/fake/" UUID1, true, &node), -ENOENT);
	assert_int_equal(store("bus/mdev/drivers_probe", UUID1 "\n"), 0);
	assert_int_equal(store("bus/mdev/drivers_probe", UUID2), -ENODEV);
	assert_int_equal(store("bus/mdev/drivers/fake/bind", UUID1), 0);
	at("bus/mdev/drivers/fake/" UUID1);
}

static void test_uevent_takes_the_kernels_grammar(void **state)
{
	static const struct {
		const char *text;
		int ret;
	} cases[] = {
		{ "add", 0 },
		{ "change\n", 0 },
		{ "unbind", 0 },
		{ "remove\n", 0 },
		{ "addx", -EINVAL },
		{ "ad", -EINVAL },
		{ "\n", -EINVAL },
		{ "add ", -EINVAL },
		{ "add\n\n", -EINVAL },
		{ "add " UUID1, 0 },
		{ "add " UUID1 "\n", 0 },
		{ "add " UUID1 " A=1 B=2", 0 },
		{ "add " UUID1 " A=", -EINVAL },
		{ "add " UUID1 " A", -EINVAL },
		{ "add " UUID1 " =1", -EINVAL },
		{ "add " UUID1 " A-B=1", -EINVAL },
		{ "add " UUID1 "A=1", -EINVAL },
		{ "add  " UUID1, -EINVAL },
		{ "add 0000", -EINVAL },
	};

	(void)state;
	fake_instance(fake, fake->one, 1);
	for (unsigned i = 0; i < MEDIO_ARRAY_SIZE(cases); i++) {
		assert_int_equal(store(MDEV1 "/uevent", cases[i].text), cases[i].ret);
		assert_int_equal(store(PARENT "/uevent", cases[i].text), cases[i].ret);
		assert_int_equal(store("bus/mdev/uevent", cases[i].text), cases[i].ret);
		assert_int_equal(
			store("bus/mdev/drivers/fake/uevent", cases[i].text), cases[i].ret);
	}
	fake->log[0] = '\0';
	assert_int_equal(store(MDEV1 "/uevent", "add"), 0);
	assert_log(fake, "change:1:SYNTH_UUID=0");
	assert_int_equal(store(MDEV1 "/uevent", "change " UUID2), 0);
	assert_log(fake, "change:1:SYNTH_UUID=" UUID2);
}

static void test_other_writes(void **state)
{
	(void)state;
	fake_instance(fake, fake->one, 1);
	assert_int_equal(store(MDEV1 "/power/control", "off"), -EINVAL);
	assert_int_equal(store(MDEV1 "/power/control", "onn"), -EINVAL);
	assert_int_equal(store(MDEV1 "/power/control", "on\n"), 0);
	assert_string_equal(said(MDEV1 "/power/control"), "on\n");
	assert_string_equal(said(PARENT "/power/control"), "auto\n");
	assert_int_equal(store(MDEV1 "/power/control", "auto"), 0);
	assert_string_equal(said(MDEV1 "/power/control"), "auto\n");
	assert_int_equal(store(MDEV1 "/power/autosuspend_delay_ms", "1"), -EIO);
	assert_int_equal(store(MDEV1 "/power/runtime_status", "1"), -EIO);
	assert_int_equal(store("kernel/iommu_groups/0/type", "DMA"), -EINVAL);
	assert_int_equal(store("bus/mdev/drivers_autoprobe", "0"), 0);
	assert_string_equal(said("bus/mdev/drivers_autoprobe"), "0\n");
	assert_int_equal(store("bus/mdev/drivers_autoprobe", "1"), 0);
	assert_int_equal(store(TYPE1 "/name", "x"), -EIO);
	assert_int_equal(store(PARENT, "x"), -EISDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TREE(test_tree_without_instances),
		WITH_TREE(test_an_instance_is_everywhere_it_belongs),
		WITH_TREE(test_every_link_resolves_to_what_it_names),
		WITH_TREE(test_what_is_not_there_is_enoent),
		WITH_TREE(test_names_of_instances_are_lower_case),
		WITH_TREE(test_numbers_nobody_gave_are_enoent),
		WITH_TREE(test_a_file_is_no_folder),
		WITH_TREE(test_a_removed_instance_leaves_nothing),
		WITH_TREE(test_a_listing_has_what_lives_through_it_once),
		WITH_TREE(test_a_group_that_comes_back_is_another_node),
		WITH_TREE(test_while_a_removal_waits_it_has_no_remove_and_its_type_no_link),
		WITH_TREE(test_a_leaving_parent_has_left_its_class),
		WITH_TREE(test_the_watcher_hears_of_names_that_somebody_knows),
		WITH_TREE(test_a_parent_with_a_path_of_its_own),
		WITH_TREE(test_texts_are_the_kernels),
		WITH_TREE(test_create_says_what_the_kernel_says),
		WITH_TREE(test_a_create_that_takes_long_is_answered_later),
		WITH_TREE(test_remove_takes_a_number),
		WITH_TREE(test_drivers_bind_and_unbind),
		WITH_TREE(test_uevent_takes_the_kernels_grammar),
		WITH_TREE(test_other_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
