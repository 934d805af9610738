/* SPDX-License-Identifier: BSD-3-Clause */
/* medio-local: an instance of the mdev bus is a device that runs in this process. */
#include "device/instance.h"

#include <medio/mdev.h>
#include <medio/virtio.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"

/* ---- A device with one number ------------------------------------------------------------------ */

struct number {
	uint64_t value;
};

static unsigned running;

static int number_init(struct medio_dev *dev)
{
	struct number *number = medio_priv(dev);

	if (number->value == 13)
		return medio_fail(dev, EIO, "thirteen is unlucky");
	running++;
	return 0;
}

static void number_fini(struct medio_dev *dev)
{
	running--;
}

static void number_dma_unmap(struct medio_dev *dev, uint64_t iova, uint64_t size)
{
}

static ssize_t show_value(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	struct number *number = medio_priv(dev);

	return snprintf(buf, size, "%llu\n", (unsigned long long)number->value);
}

static int store_value(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	struct number *number = medio_priv(dev);

	if (!size || *buf < '0' || *buf > '9')
		return -EINVAL;
	number->value = (uint64_t)(*buf - '0');
	return 0;
}

static ssize_t show_too_much(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	return (ssize_t)size + 1;
}

static const struct medio_device_ops number_ops = {
	.init = number_init,
	.fini = number_fini,
	.dma_unmap = number_dma_unmap,
};

static const struct medio_param number_params[] = {
	{ "value", MEDIO_PARAM_UINT, offsetof(struct number, value), "7", "the number" },
	{ NULL },
};

static const struct medio_attr number_attrs[] = {
	{ "value", show_value, store_value },
	{ "much", show_too_much, NULL },
	{ NULL },
};

static const struct medio_type number_type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "number",
	.summary = "A number",
	.id = { 0x1234, 0x5678, 0x1234, 0x5678, 1, 0xff0000 },
	.bars = { { .kind = MEDIO_BAR_MEM32, .size = 4096 } },
	.params = number_params,
	.attrs = number_attrs,
	.state_size = sizeof(struct number),
	.ops = &number_ops,
};

/* ---- A virtio device that does nothing ----------------------------------------------------------- */

static const struct medio_virtio_type idle_virtio = { .id = 42, .max_queues = 1 };

static const struct medio_type idle_type = {
	MEDIO_VIRTIO_TYPE(&idle_virtio, struct medio_virtio, 42, 1, 0xff0000),
	.name = "idle",
	.summary = "Nothing",
	.params = (const struct medio_param[]){ MEDIO_VIRTIO_PARAMS, { NULL } },
};

static const struct medio_type *const types[] = { &number_type, &idle_type, NULL };
static const struct medio_parent_desc desc = { .name = "numbers", .types = types, .capacity = 2 };

/* ---- Set-up ------------------------------------------------------------------------------------ */

struct bed {
	struct medio_loop *loop;
	struct medio_bus *bus;
	struct medio_parent *parent;
	ssize_t ret;
	char text[64];
};

static int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	running = 0;
	assert_int_equal(medio_loop_new(&bed->loop), 0);
	assert_int_equal(medio_bus_new(&bed->bus), 0);
	assert_int_equal(
		medio_mdev_driver_register(bed->bus, &medio_mdev_local, bed->loop, NULL), 0);
	assert_int_equal(
		medio_parent_register(bed->bus, &desc, &medio_mdev_local, &bed->parent, NULL), 0);
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	medio_bus_free(bed->bus);
	medio_loop_free(bed->loop);
	free(bed);
	assert_int_equal(running, 0);
	return 0;
}

static int create(
	struct bed *bed, const char *param, struct medio_mdev **out, struct medio_error **err)
{
	const char *params[] = { param };
	struct medio_mdev_options opts = { .params = params, .nparams = param ? 1 : 0 };

	return medio_mdev_create(bed->parent, &number_type, UUID, 36, &opts, out, err);
}

static void answered(void *opaque, ssize_t ret, const char *text)
{
	struct bed *bed = opaque;

	bed->ret = ret;
	snprintf(bed->text, sizeof(bed->text), "%.*s", ret > 0 && text ? (int)ret : 0,
		text ? text : "");
}

/* ---- Tests ------------------------------------------------------------------------------------- */

static void create_starts_the_device_and_remove_ends_it(void **state)
{
	struct bed *bed = *state;
	struct medio_mdev *mdev = NULL;

	assert_int_equal(create(bed, NULL, &mdev, NULL), 0);
	assert_int_equal(running, 1);
	assert_string_equal(medio_instance_uuid(medio_mdev_local_instance(mdev)), UUID);
	assert_ptr_equal(
		medio_instance_type(medio_mdev_local_instance(mdev)), medio_mdev_type(mdev));
	assert_int_equal(medio_mdev_unbind(mdev, NULL, NULL), 0);
	assert_int_equal(running, 0);
	assert_null(medio_mdev_local_instance(mdev));
	assert_int_equal(medio_mdev_bind(mdev, NULL, NULL, NULL), 0);
	assert_int_equal(running, 1);
	assert_int_equal(medio_mdev_remove(mdev, NULL, NULL), 0);
	assert_int_equal(running, 0);
}

static size_t bar_size(const struct medio_mdev *mdev)
{
	struct medio_region_view view;

	assert_int_equal(medio_instance_region(medio_mdev_local_instance(mdev),
				 MEDIO_REGION_BAR0 + MEDIO_VIRTIO_BAR, &view),
		0);
	return view.size;
}

static void a_bare_one_has_no_card_also_when_it_is_bound_again(void **state)
{
	struct bed *bed = *state;
	const struct medio_mdev_options bare = { .bare = true };
	struct medio_mdev *mdev = NULL;

	assert_int_equal(
		medio_mdev_create(bed->parent, &idle_type, UUID, 36, &bare, &mdev, NULL), 0);
	assert_int_equal(bar_size(mdev), 0);
	assert_int_equal(medio_mdev_unbind(mdev, NULL, NULL), 0);
	assert_int_equal(medio_mdev_bind(mdev, NULL, NULL, NULL), 0);
	assert_int_equal(bar_size(mdev), 0);
	assert_int_equal(medio_mdev_remove(mdev, NULL, NULL), 0);
	assert_int_equal(
		medio_mdev_create(bed->parent, &idle_type, UUID, 36, NULL, &mdev, NULL), 0);
	assert_int_equal(bar_size(mdev), MEDIO_VIRTIO_BAR_SIZE);
	assert_int_equal(medio_mdev_remove(mdev, NULL, NULL), 0);
}

static void what_is_no_virtio_device_cannot_be_bare(void **state)
{
	struct bed *bed = *state;
	const struct medio_mdev_options bare = { .bare = true };
	struct medio_error *err = NULL;
	struct medio_mdev *mdev;

	assert_int_equal(medio_mdev_create(bed->parent, &number_type, UUID, 36, &bare, &mdev, &err),
		-ENOTSUP);
	assert_non_null(strstr(medio_error_text(err), "number is not a virtio device"));
	medio_error_free(err);
	assert_int_equal(running, 0);
}

static void what_the_device_says_reaches_the_user(void **state)
{
	struct bed *bed = *state;
	struct medio_error *err = NULL;
	struct medio_mdev *mdev;

	assert_int_equal(create(bed, "value=13", &mdev, &err), -EIO);
	assert_non_null(strstr(medio_error_text(err), "thirteen is unlucky"));
	assert_int_equal(create(bed, "vlaue=1", &mdev, &err), -EINVAL);
	assert_non_null(strstr(medio_error_text(err), "did you mean 'value'?"));
	medio_error_free(err);
	assert_int_equal(running, 0);
	assert_int_equal(medio_parent_units_left(bed->parent), 2);
}

static void attributes_show_and_store_the_devices_state(void **state)
{
	struct bed *bed = *state;
	struct medio_mdev *mdev = NULL;

	assert_int_equal(create(bed, "value=42", &mdev, NULL), 0);
	assert_int_equal(medio_mdev_attr_show(mdev, "value", answered, bed), 0);
	assert_int_equal(bed->ret, 3);
	assert_string_equal(bed->text, "42\n");
	assert_int_equal(medio_mdev_attr_store(mdev, "value", "5\n", 2, answered, bed), 0);
	assert_int_equal(bed->ret, 2);
	assert_int_equal(medio_mdev_attr_store(mdev, "value", "x", 1, answered, bed), 0);
	assert_int_equal(bed->ret, -EINVAL);
	assert_int_equal(medio_mdev_attr_show(mdev, "value", answered, bed), 0);
	assert_string_equal(bed->text, "5\n");
	assert_int_equal(medio_mdev_attr_show(mdev, "much", answered, bed), 0);
	assert_int_equal(bed->ret, -ENOBUFS);
}

static void pins_reach_the_instances_memory(void **state)
{
	struct bed *bed = *state;
	struct medio_mdev *mdev = NULL;
	void *pages[2] = { NULL, NULL };
	int fd = memfd_create("guest", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(pwrite(fd, "second page", 12, 4096), 12);
	assert_int_equal(create(bed, NULL, &mdev, NULL), 0);
	assert_int_equal(medio_mdev_open(mdev), 0);
	assert_int_equal(medio_mdev_pin_pages(mdev, 0x10000, 2, MEDIO_PROT_READ, pages), -EINVAL);
	assert_int_equal(medio_instance_dma_map(medio_mdev_local_instance(mdev), 0x10000, 8192,
				 MEDIO_PROT_READ, fd, 0, NULL),
		0);
	assert_int_equal(medio_mdev_pin_pages(mdev, 0x10000, 2, MEDIO_PROT_WRITE, pages), -EPERM);
	assert_int_equal(medio_mdev_pin_pages(mdev, 0x10000, 2, MEDIO_PROT_READ, pages), 2);
	assert_string_equal(pages[1], "second page");
	medio_mdev_unpin_pages(mdev, 0x10000, 2);
	/* The guest has not let the device be a bus master. */
	assert_int_equal(medio_mdev_dma_rw(mdev, 0x10000, pages, 8, false), -ENODEV);
	medio_mdev_close(mdev);
	close(fd);
}

#define WITH_BED(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BED(create_starts_the_device_and_remove_ends_it),
		WITH_BED(a_bare_one_has_no_card_also_when_it_is_bound_again),
		WITH_BED(what_is_no_virtio_device_cannot_be_bare),
		WITH_BED(what_the_device_says_reaches_the_user),
		WITH_BED(attributes_show_and_store_the_devices_state),
		WITH_BED(pins_reach_the_instances_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
