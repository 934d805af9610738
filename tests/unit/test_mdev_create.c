/* SPDX-License-Identifier: BSD-3-Clause */
/* Creating: every errno, their order, the pool, and what is found afterwards. */
#include "test_mdev_fake.h"

#include <limits.h>

#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"

static int create(struct fake *fake, const char *uuid, size_t len, struct medio_error **err)
{
	return medio_mdev_create(fake->parent, fake->two, uuid, len, NULL, NULL, err);
}

static void uuids_are_taken_in_the_kernels_forms_only(void **state)
{
	struct fake *fake = *state;
	struct medio_error *err = NULL;
	struct medio_mdev *mdev;

	assert_int_equal(create(fake, UUID, 35, &err), -EINVAL);
	assert_string_equal(medio_error_text(err),
		"'83b8f4f2-509f-382f-3c1e-e6bfe0fa100' is not a UUID; one looks like " UUID);
	medio_error_free(err);
	assert_int_equal(create(fake, UUID "\n\n", 38, NULL), -EINVAL);
	assert_int_equal(create(fake, "83b8f4f2+509f-382f-3c1e-e6bfe0fa1001", 36, NULL), -EINVAL);
	assert_int_equal(create(fake, "g3b8f4f2-509f-382f-3c1e-e6bfe0fa1001", 36, NULL), -EINVAL);
	assert_log(fake, "");

	assert_int_equal(create(fake, "83B8F4F2-509F-382F-3C1E-E6BFE0FA1001\n", 37, NULL), 0);
	mdev = medio_bus_find_mdev(fake->bus, UUID, 36);
	assert_non_null(mdev);
	assert_string_equal(medio_mdev_uuid(mdev), UUID);

	/* Without one, each instance gets its own. */
	assert_int_equal(create(fake, NULL, 0, NULL), 0);
	assert_int_equal(create(fake, NULL, 0, NULL), 0);
	assert_null(medio_bus_find_mdev(fake->bus, "nonsense", 8));
}

static void a_uuid_is_taken_once_under_any_parent_even_if_the_pool_is_empty(void **state)
{
	static const struct medio_type small = { .name = "small" };
	static const struct medio_type *const types[] = { &small, NULL };
	static const struct medio_parent_desc desc = { "other", NULL, types, 1 };
	struct fake *fake = *state;
	struct medio_error *err = NULL;
	struct medio_parent *other;

	assert_int_equal(create(fake, UUID, 36, NULL), 0);
	assert_int_equal(create(fake, UUID "\n", 37, &err), -EEXIST);
	assert_string_equal(medio_error_text(err), UUID " exists already, a mtty-2 of mtty");
	medio_error_free(err);

	assert_int_equal(medio_parent_register(fake->bus, &desc, &fake_driver, &other, NULL), 0);
	assert_int_equal(medio_mdev_create(other, &small, UUID, 36, NULL, NULL, NULL), -EEXIST);
	assert_int_equal(medio_mdev_create(other, &small, NULL, 0, NULL, NULL, NULL), 0);
	assert_int_equal(medio_mdev_create(other, &small, NULL, 0, NULL, NULL, NULL), -ENOSPC);
	assert_int_equal(medio_mdev_create(other, &small, UUID, 36, NULL, NULL, NULL), -EEXIST);
}

static unsigned available(struct fake *fake, const struct medio_type *type)
{
	char text[16];
	ssize_t len = medio_type_show(
		fake->parent, type, "available_instances", text, sizeof(text));

	assert_true(len > 1 && text[len - 1] == '\n');
	return (unsigned)atoi(text);
}

static void types_share_a_pool_of_24_ports(void **state)
{
	struct fake *fake = *state;
	struct medio_error *err = NULL;
	struct medio_mdev *mdev;

	assert_int_equal(available(fake, fake->one), 24);
	assert_int_equal(available(fake, fake->two), 12);
	for (unsigned i = 0; i < 11; i++)
		fake_instance(fake, fake->two, i);
	assert_int_equal(available(fake, fake->one), 2);
	assert_int_equal(available(fake, fake->two), 1);
	mdev = fake_instance(fake, fake->one, 100);
	assert_int_equal(available(fake, fake->one), 1);
	assert_int_equal(available(fake, fake->two), 0);

	/* One port is left: a single fits, a dual does not, and leaves no trace. */
	assert_int_equal(create(fake, NULL, 0, &err), -ENOSPC);
	assert_string_equal(
		medio_error_text(err), "mtty has 1 of 24 units left, and mtty-2 takes 2");
	medio_error_free(err);
	assert_log(fake, "");
	fake_instance(fake, fake->one, 101);
	assert_int_equal(fake_create(fake, fake->one, 102, NULL), -ENOSPC);
	assert_int_equal(medio_parent_units_left(fake->parent), 0);

	assert_int_equal(medio_mdev_remove(mdev, NULL, NULL), 0);
	assert_int_equal(available(fake, fake->one), 1);
	assert_int_equal(available(fake, fake->two), 0);
}

static void a_pool_may_shrink_below_what_is_taken(void **state)
{
	static struct medio_parent_desc desc = { "elastic", NULL, mtty_types, 4 };
	struct fake *fake = *state;
	struct medio_error *err = NULL;
	struct medio_mdev *one, *two;

	assert_int_equal(
		medio_parent_register(fake->bus, &desc, &fake_driver, &fake->parent, NULL), 0);
	assert_int_equal(fake_create(fake, fake->two, 1, &one), 0);
	assert_int_equal(fake_create(fake, fake->two, 2, &two), 0);
	desc.capacity = 3;
	assert_int_equal(medio_parent_units_left(fake->parent), 0);
	assert_int_equal(available(fake, fake->one), 0);
	assert_int_equal(create(fake, NULL, 0, &err), -ENOSPC);
	assert_string_equal(
		medio_error_text(err), "elastic has 0 of 3 units left, and mtty-2 takes 2");
	medio_error_free(err);

	/* What one gives back is not enough, then it is. */
	assert_int_equal(medio_mdev_remove(one, NULL, NULL), 0);
	assert_int_equal(available(fake, fake->one), 1);
	assert_int_equal(available(fake, fake->two), 0);
	assert_int_equal(medio_mdev_unbind(two, NULL, NULL), 0);
	desc.capacity = 1;
	assert_int_equal(medio_mdev_bind(two, NULL, NULL, NULL), -ENOSPC);
	desc.capacity = 2;
	assert_int_equal(medio_mdev_bind(two, NULL, NULL, NULL), 0);

	/* No pool, and one again: who came meanwhile is counted. */
	desc.capacity = 0;
	assert_int_equal(fake_create(fake, fake->two, 3, &one), 0);
	assert_int_equal(medio_mdev_remove(two, NULL, NULL), 0);
	desc.capacity = 3;
	assert_int_equal(medio_parent_units_left(fake->parent), 1);
	assert_int_equal(medio_mdev_remove(one, NULL, NULL), 0);
	assert_int_equal(medio_parent_units_left(fake->parent), 3);
	assert_int_equal(medio_parent_unregister(fake->parent, NULL, NULL), 0);
}

static void a_failed_probe_leaves_nothing_but_words(void **state)
{
	struct fake *fake = *state;
	struct medio_error *err = NULL;
	struct medio_mdev *mdev = NULL;
	char text[64];

	fake->probe_ret = -EIO;
	assert_int_equal(medio_mdev_create(fake->parent, fake->two, fake_uuid(1, text), 36, NULL,
				 &mdev, &err),
		-EIO);
	assert_string_equal(medio_error_text(err), "no power");
	medio_error_free(err);
	assert_log(fake, "add:1 probe:1 remove:1");
	assert_null(mdev);
	assert_null(medio_bus_next_mdev(fake->bus, NULL));
	assert_null(medio_bus_find_group(fake->bus, 0));
	assert_int_equal(available(fake, fake->one), 24);
	fake->probe_ret = 0;
	assert_int_equal(medio_mdev_group(fake_instance(fake, fake->two, 1)), 0);
}

static const struct medio_mdev_driver two_driver = {
	.name = "two",
	.device_api = "vfio-platform",
	.max_instances = 2,
	.probe = fake_probe,
};

static void max_instances_gives_eusers_before_anything_but_eexist(void **state)
{
	static const struct medio_type *const types[] = { &mtty_2, NULL };
	static const struct medio_parent_desc desc = { "limited", NULL, types, 4 };
	struct fake *fake = *state;
	struct medio_mdev *mdev;
	char text[64];

	assert_int_equal(medio_mdev_driver_register(fake->bus, &two_driver, fake, NULL), 0);
	assert_int_equal(
		medio_parent_register(fake->bus, &desc, &two_driver, &fake->parent, NULL), 0);
	assert_int_equal(available(fake, fake->two), 2);
	assert_int_equal(fake_create(fake, fake->two, 1, &mdev), 0);
	assert_int_equal(available(fake, fake->two), 1);
	assert_int_equal(fake_create(fake, fake->two, 2, NULL), 0);
	assert_int_equal(available(fake, fake->two), 0);
	assert_int_equal(
		fake_create(fake, fake->two, 3, NULL), -EUSERS); /* the pool is empty too */
	assert_int_equal(fake_create(fake, NULL, 3, NULL), -EUSERS);
	assert_int_equal(fake_create(fake, fake->two, 2, NULL), -EEXIST);
	assert_int_equal(
		medio_mdev_create(fake->parent, fake->two, "x", 1, NULL, NULL, NULL), -EINVAL);

	/* Without a driver it still counts as an instance, but gives its units back. */
	assert_int_equal(medio_mdev_unbind(mdev, NULL, NULL), 0);
	assert_int_equal(medio_parent_units_left(fake->parent), 2);
	assert_int_equal(fake_create(fake, fake->two, 3, NULL), -EUSERS);
	assert_int_equal(medio_mdev_remove(mdev, NULL, NULL), 0);
	assert_int_equal(fake_create(fake, fake->two, 3, NULL), 0);

	assert_int_equal(
		medio_type_show(fake->parent, fake->two, "device_api", text, sizeof(text)), 14);
	assert_string_equal(text, "vfio-platform\n");
}

static void a_type_of_somebody_else_is_enodev(void **state)
{
	static const struct medio_type alien = { .name = "mtty-1" };
	struct fake *fake = *state;

	assert_int_equal(fake_create(fake, &alien, 1, NULL), -ENODEV);
	assert_int_equal(fake_create(fake, NULL, 1, NULL), -ENODEV);
	assert_log(fake, "");
}

static unsigned seven(struct medio_parent *parent, const struct medio_type *type)
{
	return 7;
}

static ssize_t say(
	struct medio_parent *parent, const struct medio_type *type, char *buf, size_t size)
{
	return snprintf(buf, size, "said of %s\n", type->name);
}

static const struct medio_mdev_driver own_driver = {
	.name = "own",
	.probe = fake_probe,
	.max_instances = 1,
	.get_available = seven,
	.show_description = say,
};

static void a_driver_that_counts_for_itself_is_believed(void **state)
{
	static const struct medio_type *const types[] = { &mtty_2, NULL };
	static const struct medio_parent_desc desc = { "own", NULL, types, 1 };
	struct fake *fake = *state;
	struct medio_mdev *mdev;
	char text[64];

	assert_int_equal(medio_mdev_driver_register(fake->bus, &own_driver, fake, NULL), 0);
	assert_int_equal(
		medio_parent_register(fake->bus, &desc, &own_driver, &fake->parent, NULL), 0);
	assert_int_equal(available(fake, fake->two), 7);
	assert_int_equal(fake_create(fake, fake->two, 1, NULL), 0);
	assert_int_equal(fake_create(fake, fake->two, 2, &mdev), 0);
	assert_int_equal(medio_mdev_remove(mdev, NULL, NULL), 0);
	assert_int_equal(medio_parent_units_left(fake->parent), 1);
	assert_int_equal(
		medio_type_show(fake->parent, fake->two, "description", text, sizeof(text)), 15);
	assert_string_equal(text, "said of mtty-2\n");
}

static void a_type_shows_sysfs_text(void **state)
{
	struct fake *fake = *state;
	char text[32];

	assert_int_equal(medio_type_show(fake->parent, fake->two, "name", text, sizeof(text)), 17);
	assert_string_equal(text, "Dual port serial\n");
	assert_int_equal(
		medio_type_show(fake->parent, fake->two, "device_api", text, sizeof(text)), 9);
	assert_string_equal(text, "vfio-pci\n");
	assert_int_equal(
		medio_type_show(fake->parent, fake->two, "description", text, sizeof(text)), 10);
	assert_string_equal(text, "Two UARTs\n");
	assert_int_equal(
		medio_type_show(fake->parent, fake->one, "description", text, 32), -ENOENT);
	assert_int_equal(medio_type_show(fake->parent, fake->two, "create", text, 32), -ENOENT);
	assert_int_equal(medio_type_show(fake->parent, fake->two, "name", text, 17), -ENOBUFS);
}

static void types_are_found_or_the_nearest_named(void **state)
{
	struct fake *fake = *state;
	const struct medio_type *type = NULL;
	struct medio_parent *parent = NULL;
	struct medio_error *err = NULL;

	assert_int_equal(medio_bus_find_type(fake->bus, "mtty-2", &parent, &type, &err), 0);
	assert_ptr_equal(parent, fake->parent);
	assert_ptr_equal(type, fake->two);
	assert_int_equal(medio_bus_find_type(fake->bus, "mtyt-2", &parent, &type, &err), -ENOENT);
	assert_string_equal(medio_error_text(err),
		"unknown type 'mtyt-2'; did you mean 'mtty-2'? Known: mtty-1, mtty-2");
	assert_int_equal(medio_bus_find_type(fake->bus, "nvme", &parent, &type, &err), -ENOENT);
	assert_string_equal(medio_error_text(err), "unknown type 'nvme'. Known: mtty-1, mtty-2");
	medio_error_free(err);
	assert_ptr_equal(medio_bus_find_parent(fake->bus, "mtty"), fake->parent);
	assert_null(medio_bus_find_parent(fake->bus, "mtt"));
}

static void lists_walk_from_old_to_new(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *a = fake_instance(fake, fake->one, 1);
	struct medio_mdev *b = fake_instance(fake, fake->two, 2);
	struct medio_mdev *c = fake_instance(fake, fake->one, 3);
	char path[128];

	assert_ptr_equal(medio_bus_next_mdev(fake->bus, NULL), a);
	assert_ptr_equal(medio_bus_next_mdev(fake->bus, a), b);
	assert_ptr_equal(medio_bus_next_mdev(fake->bus, b), c);
	assert_null(medio_bus_next_mdev(fake->bus, c));
	assert_ptr_equal(medio_parent_next_mdev(fake->parent, fake->one, NULL), a);
	assert_ptr_equal(medio_parent_next_mdev(fake->parent, fake->one, a), c);
	assert_ptr_equal(medio_parent_next_mdev(fake->parent, fake->two, NULL), b);
	assert_null(medio_parent_next_mdev(fake->parent, fake->two, b));
	assert_ptr_equal(medio_parent_next_mdev(fake->parent, NULL, a), b);
	assert_int_equal(medio_mdev_path(b, path, sizeof(path)), 63);
	assert_string_equal(
		path, "/devices/virtual/mtty/mtty/00000000-0000-0000-0000-000000000002");
	assert_int_equal(medio_mdev_path(b, path, 5), 63); /* as snprintf */
	assert_string_equal(path, "/dev");
}

static void groups_take_the_smallest_free_number(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *mdevs[4];

	for (unsigned i = 0; i < 4; i++) {
		mdevs[i] = fake_instance(fake, fake->one, i);
		assert_int_equal(medio_mdev_group(mdevs[i]), i);
		assert_ptr_equal(medio_bus_find_group(fake->bus, (int)i), mdevs[i]);
	}
	assert_int_equal(medio_mdev_remove(mdevs[2], NULL, NULL), 0);
	assert_int_equal(medio_mdev_remove(mdevs[1], NULL, NULL), 0);
	assert_null(medio_bus_find_group(fake->bus, 1));
	fake->log[0] = '\0';
	assert_int_equal(medio_mdev_group(fake_instance(fake, fake->one, 11)), 1);
	assert_int_equal(medio_mdev_group(fake_instance(fake, fake->one, 12)), 2);
	assert_int_equal(medio_mdev_group(fake_instance(fake, fake->one, 13)), 4);
	assert_null(medio_bus_find_group(fake->bus, -1));
	assert_null(medio_bus_find_group(fake->bus, 1 << 20));
}

static struct medio_mdev *in_group(struct fake *fake, int group)
{
	struct medio_mdev_options opts = { .group = group };
	struct medio_mdev *mdev;

	assert_int_equal(
		medio_mdev_create(fake->parent, fake->one, NULL, 0, &opts, &mdev, NULL), 0);
	assert_ptr_equal(medio_bus_find_group(fake->bus, medio_mdev_group(mdev)), mdev);
	return mdev;
}

static void a_group_can_be_asked_for_and_is_given_if_it_is_free(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *seven = in_group(fake, 8), *zero;

	assert_int_equal(medio_mdev_group(seven), 7);
	zero = in_group(fake, 1);
	assert_int_equal(medio_mdev_group(zero), 0);
	assert_int_equal(medio_mdev_group(in_group(fake, 0)), 1);
	assert_int_equal(medio_mdev_group(in_group(fake, 8)), 2);
	assert_int_equal(
		medio_mdev_group(in_group(fake, MEDIO_MDEV_GROUPS)), MEDIO_MDEV_GROUPS - 1);
	/* What cannot be had is not an error, and costs no memory. */
	assert_int_equal(medio_mdev_group(in_group(fake, MEDIO_MDEV_GROUPS + 1)), 3);
	assert_int_equal(medio_mdev_group(in_group(fake, INT_MAX)), 4);
	assert_int_equal(medio_mdev_group(in_group(fake, INT_MIN)), 5);
	assert_int_equal(medio_mdev_group(in_group(fake, -1)), 6);
	/* The next one steps over a number that was asked for. */
	assert_int_equal(medio_mdev_group(in_group(fake, 0)), 8);

	/* Who comes back to its driver has its number again, unless somebody took it. */
	assert_int_equal(medio_mdev_unbind(seven, NULL, NULL), 0);
	assert_int_equal(medio_mdev_remove(zero, NULL, NULL), 0);
	assert_int_equal(medio_mdev_bind(seven, NULL, NULL, NULL), 0);
	assert_int_equal(medio_mdev_group(seven), 7);
	assert_int_equal(medio_mdev_unbind(seven, NULL, NULL), 0);
	in_group(fake, 8);
	assert_int_equal(medio_mdev_bind(seven, NULL, NULL, NULL), 0);
	assert_int_equal(medio_mdev_group(seven), 0);
}

static const void *seen_context;

static void see_context(struct fake *fake, const char *entry, struct medio_mdev *mdev)
{
	(void)fake;
	if (strncmp(entry, "probe", 5) == 0)
		seen_context = medio_mdev_options(mdev)->context;
}

static void the_context_is_there_in_the_first_probe_only(void **state)
{
	struct fake *fake = *state;
	const char *param = "a=b";
	int thing;
	struct medio_mdev_options opts = { .context = &thing };
	struct medio_mdev *mdev;

	fake->hook = see_context;
	for (unsigned nparams = 0; nparams < 2; nparams++) {
		opts.params = &param;
		opts.nparams = nparams;
		assert_int_equal(
			medio_mdev_create(fake->parent, fake->one, NULL, 0, &opts, &mdev, NULL), 0);
		assert_ptr_equal(seen_context, &thing);
		assert_null(medio_mdev_options(mdev)->context);
		assert_int_equal(medio_mdev_options(mdev)->nparams, nparams);
		assert_int_equal(medio_mdev_unbind(mdev, NULL, NULL), 0);
		assert_int_equal(medio_mdev_bind(mdev, NULL, NULL, NULL), 0);
		assert_null(seen_context);
	}
	/* An answer that comes later comes without it. */
	fake->probe_ret = MEDIO_DEFERRED;
	assert_int_equal(medio_mdev_create(fake->parent, fake->one, NULL, 0, &opts, &mdev, NULL),
		MEDIO_DEFERRED);
	assert_ptr_equal(seen_context, &thing);
	assert_null(medio_mdev_options(mdev)->context);
	medio_mdev_probe_done(mdev, 0);
}

static void options_are_copied_for_the_driver(void **state)
{
	struct fake *fake = *state;
	char param[] = "port0=echo";
	const char *params[] = { param, "port1=pty" }, *filters[] = { "trace", "delay:ns=5us" };
	struct medio_mdev_options opts = {
		.params = params, .nparams = 2, .filters = filters, .nfilters = 2
	};
	const struct medio_mdev_options *copy;
	struct medio_mdev *mdev;

	assert_int_equal(
		medio_mdev_create(fake->parent, fake->two, NULL, 0, &opts, &mdev, NULL), 0);
	memset(param, 'x', sizeof(param) - 1);
	params[1] = filters[0] = filters[1] = NULL;
	copy = medio_mdev_options(mdev);
	assert_int_equal(copy->nparams, 2);
	assert_int_equal(copy->nfilters, 2);
	assert_string_equal(copy->params[0], "port0=echo");
	assert_string_equal(copy->params[1], "port1=pty");
	assert_string_equal(copy->filters[0], "trace");
	assert_string_equal(copy->filters[1], "delay:ns=5us");
	fake->log[0] = '\0';
	assert_int_equal(medio_mdev_options(fake_instance(fake, fake->one, 1))->nparams, 0);
}

static void registering_a_parent_checks_what_it_is(void **state)
{
	static const struct medio_type *const none[] = { NULL };
	static const struct medio_type *const twice[] = { &mtty_1, &mtty_1, NULL };
	static const struct medio_type slash = { .name = "a/b" };
	static const struct medio_type *const bad[] = { &slash, NULL };
	static const struct medio_parent_desc nameless = { NULL, NULL, mtty_types };
	static const struct medio_parent_desc dots = { "..", NULL, mtty_types };
	static const struct medio_parent_desc typeless = { "a", NULL, none };
	static const struct medio_parent_desc typenull = { "a" };
	static const struct medio_parent_desc badtype = { "a", NULL, bad };
	static const struct medio_parent_desc doubled = { "a", NULL, twice };
	static const struct medio_parent_desc same = { "mtty", NULL, mtty_types };
	static const struct medio_parent_desc good = { "a", NULL, mtty_types };
	struct fake *fake = *state;
	struct medio_parent *parent = NULL;

#define REGISTER(desc, driver) medio_parent_register(fake->bus, desc, driver, &parent, NULL)
	assert_int_equal(REGISTER(&nameless, &fake_driver), -EINVAL);
	assert_int_equal(REGISTER(&dots, &fake_driver), -EINVAL);
	assert_int_equal(REGISTER(&typeless, &fake_driver), -EINVAL);
	assert_int_equal(REGISTER(&typenull, &fake_driver), -EINVAL);
	assert_int_equal(REGISTER(&badtype, &fake_driver), -EINVAL);
	assert_int_equal(REGISTER(&doubled, &fake_driver), -EEXIST);
	assert_int_equal(REGISTER(&mtty, &fake_driver), -EEXIST);
	assert_int_equal(REGISTER(&same, &fake_driver), -EEXIST);
	assert_int_equal(REGISTER(&good, &two_driver), -ENODEV);
	assert_null(parent);
	assert_log(fake, "");
	assert_int_equal(REGISTER(&good, &fake_driver), 0);
	/* No pool and no limit: there are always more. */
	assert_int_equal(medio_type_available(parent, &mtty_2), UINT32_MAX);
}

static ssize_t show_name(
	struct medio_parent *parent, const struct medio_parent_attr *attr, char *buf, size_t size)
{
	return snprintf(buf, size, "%s\n", medio_parent_desc(parent)->name);
}

static int store_five(struct medio_parent *parent, const struct medio_parent_attr *attr,
	const char *buf, size_t size)
{
	return size == 5 ? 0 : -ERANGE;
}

static void a_parents_attributes_are_found_by_path(void **state)
{
	static const struct medio_parent_attr attrs[] = {
		{ "mtty_dev/sample_mtty_dev", show_name, NULL },
		{ "knob", NULL, store_five },
		{ NULL },
	};
	static const struct medio_parent_desc desc = { "attrs", "/devices/pci/card", mtty_types, 0,
		attrs };
	struct fake *fake = *state;
	struct medio_parent *parent;
	char text[32];

	assert_int_equal(medio_parent_register(fake->bus, &desc, &fake_driver, &parent, NULL), 0);
	assert_int_equal(
		medio_parent_attr_show(parent, "mtty_dev/sample_mtty_dev", text, sizeof(text)), 6);
	assert_string_equal(text, "attrs\n");
	assert_int_equal(medio_parent_attr_show(parent, "knob", text, sizeof(text)), -EIO);
	assert_int_equal(medio_parent_attr_show(parent, "none", text, sizeof(text)), -ENOENT);
	assert_int_equal(medio_parent_attr_store(parent, "knob", "12345", 5), 0);
	assert_int_equal(medio_parent_attr_store(parent, "knob", "1", 1), -ERANGE);
	assert_int_equal(medio_parent_attr_store(parent, "mtty_dev/sample_mtty_dev", "1", 1), -EIO);
	assert_int_equal(medio_parent_attr_store(fake->parent, "knob", "1", 1), -ENOENT);
	medio_parent_path(parent, text, sizeof(text));
	assert_string_equal(text, "/devices/pci/card");
}

#define MANY 10000

static void ten_thousand_instances_come_and_go(void **state)
{
	static const struct medio_parent_desc desc = { "many", NULL, mtty_types, 3 * MANY };
	struct medio_mdev **mdevs = calloc(MANY, sizeof(struct medio_mdev *));
	struct fake *fake = *state;
	char text[64];

	assert_int_equal(
		medio_parent_register(fake->bus, &desc, &fake_driver, &fake->parent, NULL), 0);
	medio_mdev_unsubscribe(fake->sub);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(fake_create(fake, i % 2 ? fake->two : fake->one, i, &mdevs[i]), 0);
	assert_int_equal(medio_parent_units_left(fake->parent), 3 * MANY / 2);
	for (unsigned i = 0; i < MANY; i++) {
		assert_ptr_equal(medio_bus_find_mdev(fake->bus, fake_uuid(i, text), 36), mdevs[i]);
		assert_int_equal(medio_mdev_group(mdevs[i]), i);
	}
	for (unsigned i = 1; i < MANY; i += 2)
		assert_int_equal(medio_mdev_remove(mdevs[i], NULL, NULL), 0);
	for (unsigned i = 0; i < MANY; i++)
		assert_ptr_equal(medio_bus_find_mdev(fake->bus, fake_uuid(i, text), 36),
			i % 2 ? NULL : mdevs[i]);
	assert_int_equal(medio_parent_unregister(fake->parent, NULL, NULL), 0);
	assert_null(medio_bus_next_mdev(fake->bus, NULL));
	free(mdevs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FAKE(uuids_are_taken_in_the_kernels_forms_only),
		WITH_FAKE(a_uuid_is_taken_once_under_any_parent_even_if_the_pool_is_empty),
		WITH_FAKE(types_share_a_pool_of_24_ports),
		WITH_FAKE(a_pool_may_shrink_below_what_is_taken),
		WITH_FAKE(a_failed_probe_leaves_nothing_but_words),
		WITH_FAKE(max_instances_gives_eusers_before_anything_but_eexist),
		WITH_FAKE(a_type_of_somebody_else_is_enodev),
		WITH_FAKE(a_driver_that_counts_for_itself_is_believed),
		WITH_FAKE(a_type_shows_sysfs_text),
		WITH_FAKE(types_are_found_or_the_nearest_named),
		WITH_FAKE(lists_walk_from_old_to_new),
		WITH_FAKE(groups_take_the_smallest_free_number),
		WITH_FAKE(a_group_can_be_asked_for_and_is_given_if_it_is_free),
		WITH_FAKE(the_context_is_there_in_the_first_probe_only),
		WITH_FAKE(options_are_copied_for_the_driver),
		WITH_FAKE(registering_a_parent_checks_what_it_is),
		WITH_FAKE(a_parents_attributes_are_found_by_path),
		WITH_FAKE(ten_thousand_instances_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
