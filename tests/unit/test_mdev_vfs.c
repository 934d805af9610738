/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual functions as instances: who makes them, in which order they go, and what the tree shows of them. */
#include "test_mdev_fake.h"

#include "tree/node.h"

static const struct medio_type vf_type = { .name = "card-vf", .summary = "A virtual function" };
static const struct medio_sriov sriov = { .vf = &vf_type, .total_vfs = 8 };
static const struct medio_type card_type = { .name = "card", .summary = "A card", .sriov = &sriov };
static const struct medio_type *const card_types[] = { &card_type, &vf_type, NULL };
static const struct medio_parent_desc cards = {
	.name = "cards", .types = card_types, .capacity = 2
};

static struct medio_nodes nodes;

static int setup(void **state)
{
	struct fake *fake;

	fake_setup(state);
	fake = *state;
	fake->one = &card_type;
	assert_int_equal(
		medio_parent_register(fake->bus, &cards, &fake_driver, &fake->parent, NULL), 0);
	fake->log[0] = '\0';
	return medio_nodes_init(&nodes, fake->bus, NULL, NULL);
}

static int teardown(void **state)
{
	medio_nodes_fini(&nodes);
	return fake_teardown(state);
}

#define WITH_CARDS(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* VF n of pf is number 100 + n. */
static int make(
	struct fake *fake, struct medio_mdev *pf, unsigned n, bool unbound, struct medio_mdev **out)
{
	const struct medio_mdev_options opts = { .pf = pf, .vf = n, .unbound = unbound };
	char text[64];

	return medio_mdev_create(
		fake->parent, &vf_type, fake_uuid(100 + n, text), 36, &opts, out, NULL);
}

static struct medio_mdev *with_vfs(struct fake *fake, unsigned count)
{
	struct medio_mdev *pf = fake_instance(fake, &card_type, 1);

	for (unsigned n = 0; n < count; n++)
		assert_int_equal(make(fake, pf, n, false, NULL), 0);
	fake->log[0] = '\0';
	return pf;
}

static void only_a_card_makes_them(void **state)
{
	struct fake *fake = *state;
	struct medio_error *err = NULL;
	struct medio_mdev *pf, *vf;

	assert_true(medio_type_is_vf(fake->parent, &vf_type));
	assert_false(medio_type_is_vf(fake->parent, &card_type));
	assert_int_equal(medio_type_available(fake->parent, &vf_type), 0);
	assert_int_equal(
		medio_mdev_create(fake->parent, &vf_type, NULL, 0, NULL, NULL, &err), -EUSERS);
	assert_non_null(strstr(medio_error_text(err), "sriov_numvfs"));
	medio_error_free(err);
	pf = with_vfs(fake, 0);
	assert_int_equal(make(fake, pf, 256, false, NULL), -EINVAL);
	assert_int_equal(make(fake, pf, 3, false, &vf), 0);
	assert_log(fake, "add:103 probe:103 bind:103");
	assert_ptr_equal(medio_mdev_pf(vf), pf);
	assert_int_equal(medio_mdev_vf_index(vf), 3);
	assert_int_equal(make(fake, pf, 3, false, NULL), -EEXIST);
	assert_null(medio_mdev_pf(pf));
	assert_null(medio_mdev_vf(pf, 0));
	assert_ptr_equal(medio_mdev_vf(pf, 3), vf);
	/* In the order of their numbers, whenever they came. */
	assert_int_equal(make(fake, pf, 1, false, NULL), 0);
	assert_int_equal(make(fake, pf, 2, false, NULL), 0);
	unsigned n = 1;
	for (vf = NULL; (vf = medio_mdev_next_vf(pf, vf)); n++)
		assert_int_equal(medio_mdev_vf_index(vf), n);
	assert_int_equal(n, 4);
	assert_int_equal(medio_mdev_num_vfs(pf), 3);
}

static void a_shape_that_has_them_is_known_by_its_name(void **state)
{
	static const struct medio_type disk = { .name = "disk" }, disk_vf = { .name = "disk-vf" };
	static const struct medio_type disk_vfs = { .name = "disk-vfs" };
	static const struct medio_type *const types[] = { &disk, &disk_vfs, &disk_vf, NULL };
	static const struct medio_parent_desc disks = { .name = "disks", .types = types };
	struct fake *fake = *state;
	struct medio_parent *parent;

	assert_int_equal(medio_parent_register(fake->bus, &disks, &fake_driver, &parent, NULL), 0);
	assert_ptr_equal(medio_type_vf(parent, &disk), &disk_vf);
	assert_null(medio_type_vf(parent, &disk_vf));
	assert_true(medio_type_is_vf(parent, &disk_vf));
	assert_false(medio_type_is_vf(parent, &disk_vfs));
	assert_false(medio_type_is_vf(parent, &disk));
	assert_ptr_equal(medio_type_vf(fake->parent, &card_type), &vf_type);
}

static void they_take_nothing_of_the_pool(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *pf = with_vfs(fake, 5);

	assert_int_equal(medio_parent_units_left(fake->parent), 1);
	assert_int_equal(medio_mdev_unbind(medio_mdev_vf(pf, 2), NULL, NULL), 0);
	assert_int_equal(medio_parent_units_left(fake->parent), 1);
	assert_int_equal(medio_mdev_bind(medio_mdev_vf(pf, 2), NULL, NULL, NULL), 0);
	fake->probe_ret = -EIO;
	assert_int_equal(make(fake, pf, 7, false, NULL), -EIO);
	assert_null(medio_mdev_vf(pf, 7));
	assert_int_equal(medio_mdev_remove_vfs(pf, 0, NULL, NULL), 0);
	assert_int_equal(medio_parent_units_left(fake->parent), 1);
}

static void none_goes_by_itself(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *pf = with_vfs(fake, 2);

	assert_int_equal(medio_mdev_remove(medio_mdev_vf(pf, 0), NULL, NULL), -EBUSY);
	assert_log(fake, "");
	assert_int_equal(medio_mdev_num_vfs(pf), 2);
}

static void they_go_in_order_and_the_open_ones_are_asked(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *pf = with_vfs(fake, 3), *vf = medio_mdev_vf(pf, 1);

	assert_int_equal(medio_mdev_open(vf), 0);
	assert_int_equal(medio_mdev_remove_vfs(pf, 0, fake_done, fake), MEDIO_DEFERRED);
	assert_log(fake, "stop:100 unbind:100 remove:100 request:101/0 stop:102 unbind:102 "
			 "remove:102");
	assert_int_equal(medio_mdev_remove_vfs(pf, 0, fake_done, fake), -EAGAIN);
	assert_int_equal(make(fake, pf, 1, false, NULL), -EEXIST);
	medio_mdev_close(vf);
	assert_log(fake, "stop:101 unbind:101 remove:101 done:0");
	assert_int_equal(medio_mdev_state(pf), MEDIO_MDEV_ACTIVE);
	assert_int_equal(medio_mdev_remove_vfs(pf, 0, fake_done, fake), 0);
	assert_log(fake, "");
}

static void the_upper_ones_alone(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *pf = with_vfs(fake, 4), *vf = medio_mdev_vf(pf, 3);

	medio_mdev_open(vf);
	assert_int_equal(medio_mdev_remove_vfs(pf, 2, fake_done, fake), MEDIO_DEFERRED);
	fake->log[0] = '\0';
	medio_mdev_close(vf);
	assert_log(fake, "stop:103 unbind:103 remove:103 done:0");
	assert_int_equal(medio_mdev_num_vfs(pf), 2);
}

static void a_card_goes_after_them(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *pf = with_vfs(fake, 2), *vf = medio_mdev_vf(pf, 0);

	medio_mdev_open(vf);
	assert_int_equal(medio_mdev_remove(pf, fake_done, fake), MEDIO_DEFERRED);
	assert_log(fake, "request:100/0 stop:101 unbind:101 remove:101");
	assert_int_equal(make(fake, pf, 5, false, NULL), -ENODEV);
	medio_mdev_close(vf);
	assert_log(fake, "stop:100 unbind:100 remove:100 stop:1 unbind:1 remove:1 done:0");
}

static void without_its_driver_a_card_has_none(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *pf = with_vfs(fake, 2);

	assert_int_equal(medio_mdev_unbind(pf, fake_done, fake), 0);
	assert_log(fake, "stop:100 unbind:100 remove:100 stop:101 unbind:101 remove:101 stop:1 "
			 "unbind:1");
	assert_int_equal(medio_mdev_state(pf), MEDIO_MDEV_UNBOUND);
}

static void a_parent_goes_after_all_of_them(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *pf = with_vfs(fake, 2), *vf = medio_mdev_vf(pf, 1);

	medio_mdev_open(vf);
	assert_int_equal(medio_parent_unregister(fake->parent, fake_done, fake), MEDIO_DEFERRED);
	assert_log(fake, "stop:100 unbind:100 remove:100 request:101/0");
	medio_mdev_close(vf);
	assert_log(fake, "stop:101 unbind:101 remove:101 stop:1 unbind:1 remove:1 "
			 "change:cards:MDEV_STATE=unregistered done:0");
}

static void a_bus_takes_down_what_is_open(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *pf = with_vfs(fake, 3);

	medio_mdev_open(medio_mdev_vf(pf, 0));
	medio_mdev_open(medio_mdev_vf(pf, 2));
	assert_int_equal(medio_mdev_remove(pf, NULL, NULL), MEDIO_DEFERRED);
	/* The rest is teardown's: it must end. */
}

static void one_may_begin_without_a_driver(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *pf = with_vfs(fake, 0), *vf;

	assert_int_equal(make(fake, pf, 0, true, &vf), 0);
	assert_log(fake, "add:100");
	assert_int_equal(medio_mdev_state(vf), MEDIO_MDEV_UNBOUND);
	assert_int_equal(medio_mdev_group(vf), -1);
	assert_int_equal(medio_mdev_bind(vf, NULL, NULL, NULL), 0);
	assert_log(fake, "probe:100 bind:100");
	assert_int_equal(medio_mdev_remove_vfs(pf, 0, NULL, NULL), 0);
	assert_log(fake, "stop:100 unbind:100 remove:100");
}

static void one_whose_probe_is_under_way_goes_too(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *pf = with_vfs(fake, 0);

	fake->probe_ret = MEDIO_DEFERRED;
	assert_int_equal(make(fake, pf, 0, false, NULL), MEDIO_DEFERRED);
	assert_int_equal(make(fake, pf, 1, false, NULL), MEDIO_DEFERRED);
	medio_mdev_probe_done(medio_mdev_vf(pf, 1), -EIO);
	assert_int_equal(medio_mdev_num_vfs(pf), 1);
	fake->log[0] = '\0';
	assert_int_equal(medio_mdev_remove_vfs(pf, 0, NULL, NULL), 0);
	assert_log(fake, "stop:100 remove:100");
}

/* ---- The tree ---------------------------------------------------------------------------------- */

static int walk(const char *path, struct medio_node *out)
{
	char left[256], *rest = left, *name;

	snprintf(left, sizeof(left), "%s", path);
	assert_int_equal(medio_node_get(&nodes, MEDIO_NODE_ROOT, out), 0);
	while ((name = strsep(&rest, "/"))) {
		int ret = medio_node_lookup(&nodes, medio_node_id(out), name, out);
		if (ret)
			return ret;
	}
	return 0;
}

#define CARD "devices/virtual/cards/cards/00000000-0000-0000-0000-000000000001"
#define VF0  "devices/virtual/cards/cards/00000000-0000-0000-0000-000000000100"

static void assert_link(const char *path, const char *target)
{
	char text[MEDIO_NODE_PATH];
	struct medio_node node;

	assert_int_equal(walk(path, &node), 0);
	assert_true(medio_node_target(&nodes, &node, text, sizeof(text)) > 0);
	assert_string_equal(text, target);
}

/* Names of links in the card's folder, one behind the other. */
static void list(char *buf, size_t size)
{
	struct medio_node_entry entry = { .offset = 0 };
	struct medio_node dir;
	size_t len = 0;

	buf[0] = '\0';
	assert_int_equal(walk(CARD, &dir), 0);
	while (medio_node_next(&nodes, medio_node_id(&dir), entry.offset, &entry) > 0)
		if (!strncmp(entry.name, "virtfn", 6) || !strcmp(entry.name, "physfn"))
			len += (size_t)snprintf(buf + len, size - len, "%s ", entry.name);
}

static void folders_have_links_to_each_other(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *pf = with_vfs(fake, 3);
	struct medio_node node;
	char names[256];

	assert_link(CARD "/virtfn0", "../00000000-0000-0000-0000-000000000100");
	assert_link(CARD "/virtfn2", "../00000000-0000-0000-0000-000000000102");
	assert_link(VF0 "/physfn", "../00000000-0000-0000-0000-000000000001");
	assert_int_equal(walk(CARD "/virtfn3", &node), -ENOENT);
	assert_int_equal(walk(CARD "/virtfn00", &node), -ENOENT);
	assert_int_equal(walk(CARD "/virtfn", &node), -ENOENT);
	assert_int_equal(walk(CARD "/virtfn65536", &node), -ENOENT);
	assert_int_equal(walk(CARD "/physfn", &node), -ENOENT);
	assert_int_equal(walk(VF0 "/virtfn0", &node), -ENOENT);
	list(names, sizeof(names));
	assert_string_equal(names, "virtfn0 virtfn1 virtfn2 ");
	assert_int_equal(walk(CARD "/virtfn1", &node), 0);
	uint64_t id = medio_node_id(&node);
	assert_int_equal(medio_mdev_remove_vfs(pf, 1, NULL, NULL), 0);
	assert_int_equal(medio_node_get(&nodes, id, &node), -ENOENT);
	list(names, sizeof(names));
	assert_string_equal(names, "virtfn0 ");
}

static unsigned gone;
static void entry_gone(void *opaque, uint64_t dir, const char *name)
{
	(void)opaque, (void)dir;
	gone += !strcmp(name, "virtfn0");
}

static void the_watcher_hears_that_a_link_is_gone(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *pf = with_vfs(fake, 1);
	struct medio_node node;

	gone = 0;
	nodes.subjects.watcher.entry_gone = entry_gone;
	assert_int_equal(walk(CARD "/virtfn0", &node), 0);
	assert_int_equal(medio_mdev_remove_vfs(pf, 0, NULL, NULL), 0);
	assert_int_equal(gone, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_CARDS(only_a_card_makes_them),
		WITH_CARDS(a_shape_that_has_them_is_known_by_its_name),
		WITH_CARDS(they_take_nothing_of_the_pool),
		WITH_CARDS(none_goes_by_itself),
		WITH_CARDS(they_go_in_order_and_the_open_ones_are_asked),
		WITH_CARDS(the_upper_ones_alone),
		WITH_CARDS(a_card_goes_after_them),
		WITH_CARDS(without_its_driver_a_card_has_none),
		WITH_CARDS(a_parent_goes_after_all_of_them),
		WITH_CARDS(a_bus_takes_down_what_is_open),
		WITH_CARDS(one_may_begin_without_a_driver),
		WITH_CARDS(one_whose_probe_is_under_way_goes_too),
		WITH_CARDS(folders_have_links_to_each_other),
		WITH_CARDS(the_watcher_hears_that_a_link_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
