/* SPDX-License-Identifier: BSD-3-Clause */
/* Host calls that a device makes beside DMA and interrupts: areas on request, config space it answers itself,
 * what it needs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device/instance.h"

#define CAP 0x40

struct dev {
	bool share, share_wrong;
	struct medio_dev *dev;
	unsigned reads, writes; /* of the region */
	unsigned asked;		/* config_read */
	uint8_t value;
};

static int dev_init(struct medio_dev *dev)
{
	struct dev *d = medio_priv(dev);

	d->dev = dev;
	if (d->share_wrong)
		return medio_region_share(dev, 1);
	medio_dev_needs(dev, MEDIO_NEEDS_RING);
	medio_dev_needs(dev, MEDIO_NEEDS_TUN);
	return d->share ? medio_region_share(dev, 0) : 0;
}

static int dev_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct dev *d = medio_priv(dev);

	(void)region;
	(void)offset;
	d->reads++;
	memset(buf, 0x11, count);
	return 0;
}

static int dev_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct dev *d = medio_priv(dev);

	(void)region;
	(void)offset;
	(void)buf;
	(void)count;
	d->writes++;
	return 0;
}

static void dev_config_read(struct medio_dev *dev, unsigned offset, size_t count)
{
	struct dev *d = medio_priv(dev);

	if (offset <= CAP + 7 && offset + count > CAP + 7) {
		d->asked++;
		d->value++;
		assert_int_equal(medio_config_set(dev, CAP + 7, &d->value, 1), 0);
	}
}

static const struct medio_param params[] = {
	{ "share", MEDIO_PARAM_BOOL, offsetof(struct dev, share), NULL, "Share", 0, 0, NULL },
	{ "wrong", MEDIO_PARAM_BOOL, offsetof(struct dev, share_wrong), NULL, "Wrong", 0, 0, NULL },
	{ 0 },
};
static const struct medio_mmap_area areas[] = { { 4096, 4096 }, { 0 } };
static const struct medio_cap caps[] = {
	{ .kind = MEDIO_CAP_VENDOR, .offset = CAP, .size = 8, .data = "\1\2\3\4\5\6\7\10" },
	{ 0 },
};
static const struct medio_device_ops ops = {
	.init = dev_init,
	.region_read = dev_read,
	.region_write = dev_write,
	.config_read = dev_config_read,
};
static const struct medio_type type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "dev",
	.bars = {
		{ MEDIO_BAR_MEM32, .size = 8192, .areas = areas, .areas_if_shared = true },
		{ MEDIO_BAR_MEM32, .size = 4096 },
	},
	.caps = caps,
	.params = params,
	.state_size = sizeof(struct dev),
	.ops = &ops,
};

struct bed {
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct dev *d;
};

static int make(struct bed *bed, const char *param)
{
	struct medio_instance_options opts = { .params = &param, .nparams = !!param };

	assert_int_equal(medio_loop_new(&bed->loop), 0);
	int ret = medio_instance_new(bed->loop, &type, &opts, &bed->inst, NULL);
	if (ret)
		medio_loop_free(bed->loop);
	else
		bed->d = medio_priv(medio_instance_device(bed->inst));
	return ret;
}

static void done(struct bed *bed)
{
	medio_instance_free(bed->inst);
	medio_loop_free(bed->loop);
}

static void areas_are_trapped_until_they_are_shared(void **state)
{
	struct bed bed;
	struct medio_region_view view;
	uint32_t word = 7;

	(void)state;
	assert_int_equal(make(&bed, NULL), 0);
	assert_int_equal(medio_instance_region(bed.inst, 0, &view), 0);
	assert_int_equal(view.num_areas, 0);
	assert_int_equal(view.fd, -1);
	assert_null(medio_region_ptr(bed.d->dev, 0));
	assert_int_equal(medio_instance_write(bed.inst, 0, 4096, &word, 4), 0);
	assert_int_equal(bed.d->writes, 1);
	/* After init() it is too late. */
	assert_int_equal(medio_region_share(bed.d->dev, 0), -EINVAL);
	done(&bed);
}

static void shared_areas_are_memory(void **state)
{
	struct bed bed;
	struct medio_region_view view;
	uint32_t word = 7;

	(void)state;
	assert_int_equal(make(&bed, "share=on"), 0);
	assert_int_equal(medio_instance_region(bed.inst, 0, &view), 0);
	assert_int_equal(view.num_areas, 1);
	assert_true(view.fd >= 0);
	assert_int_equal(medio_instance_write(bed.inst, 0, 4096, &word, 4), 0);
	assert_int_equal(bed.d->writes, 0);
	assert_memory_equal((char *)medio_region_ptr(bed.d->dev, 0) + 4096, &word, 4);
	assert_int_equal(medio_instance_write(bed.inst, 0, 0, &word, 4), 0);
	assert_int_equal(bed.d->writes, 1);
	done(&bed);
}

static void a_bar_without_such_areas_cannot_be_shared(void **state)
{
	struct bed bed;

	(void)state;
	assert_int_equal(make(&bed, "wrong=on"), -EINVAL);
}

static void a_device_answers_reads_of_its_capability(void **state)
{
	struct bed bed;
	uint8_t bytes[12];

	(void)state;
	assert_int_equal(make(&bed, NULL), 0);
	assert_int_equal(
		medio_instance_read(bed.inst, MEDIO_REGION_CONFIG, CAP, bytes, sizeof(bytes)), 0);
	assert_int_equal(bed.d->asked, 1);
	assert_int_equal(bytes[3], 1);
	assert_int_equal(bytes[7], 1);
	assert_int_equal(medio_instance_read(bed.inst, MEDIO_REGION_CONFIG, 0, bytes, 4), 0);
	assert_int_equal(bed.d->asked, 1);
	assert_int_equal(medio_instance_read(bed.inst, MEDIO_REGION_CONFIG, CAP + 7, bytes, 1), 0);
	assert_int_equal(bytes[0], 2);
	assert_int_equal(medio_config_get(bed.d->dev, CAP + 7, bytes, 1), 0);
	assert_int_equal(bytes[0], 2);
	assert_int_equal(medio_config_get(bed.d->dev, 4096, bytes, 1), -EINVAL);
	done(&bed);
}

static void a_device_sets_bytes_of_its_capabilities_only(void **state)
{
	struct bed bed;
	uint8_t bytes[16] = { 0 };

	(void)state;
	assert_int_equal(make(&bed, NULL), 0);
	struct medio_dev *dev = bed.d->dev;
	assert_int_equal(medio_config_set(dev, CAP + 3, bytes, 8), 0);
	assert_int_equal(medio_config_set(dev, CAP + 10, bytes, 1), 0);
	assert_int_equal(medio_config_set(dev, 0, bytes, 2), -EINVAL);
	assert_int_equal(medio_config_set(dev, CAP, bytes, 4), -EINVAL);
	assert_int_equal(medio_config_set(dev, CAP + 2, bytes, 1), -EINVAL);
	assert_int_equal(medio_config_set(dev, CAP + 3, bytes, 9), -EINVAL);
	assert_int_equal(medio_config_set(dev, CAP + 11, bytes, 1), -EINVAL);
	assert_int_equal(medio_config_set(dev, UINT32_MAX, bytes, 1), -EINVAL);
	done(&bed);
}

static void what_a_device_needs_is_known(void **state)
{
	struct bed bed;

	(void)state;
	assert_int_equal(make(&bed, NULL), 0);
	assert_int_equal(medio_instance_needs(bed.inst), MEDIO_NEEDS_RING | MEDIO_NEEDS_TUN);
	/* No client, no interrupts. */
	assert_int_equal(medio_irq_kind(bed.d->dev), -1);
	done(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(areas_are_trapped_until_they_are_shared),
		cmocka_unit_test(shared_areas_are_memory),
		cmocka_unit_test(a_bar_without_such_areas_cannot_be_shared),
		cmocka_unit_test(a_device_answers_reads_of_its_capability),
		cmocka_unit_test(a_device_sets_bytes_of_its_capabilities_only),
		cmocka_unit_test(what_a_device_needs_is_known),
	};

	return cmocka_run_group_tests_name("device_host", tests, NULL, NULL);
}
