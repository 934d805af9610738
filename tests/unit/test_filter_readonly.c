/* SPDX-License-Identifier: BSD-3-Clause */
/* The readonly filter: what is refused, what a client still needs, and how it is told. */
#include "test_filter_spy.h"

static int config_write(struct test_bed *bed, unsigned offset, uint32_t value, size_t count)
{
	uint8_t buf[4];

	medio_put_le(buf, count, value);
	return medio_instance_write(bed->inst, MEDIO_REGION_CONFIG, offset, buf, count);
}

static uint32_t config_read(struct test_bed *bed, unsigned offset, size_t count)
{
	uint8_t buf[4] = { 0 };

	assert_int_equal(
		medio_instance_read(bed->inst, MEDIO_REGION_CONFIG, offset, buf, count), 0);
	return (uint32_t)medio_get_le(buf, count);
}

/* Where the MSI capability is. */
static unsigned msi(struct test_bed *bed)
{
	unsigned at = config_read(bed, 0x34, 1);

	while (at && config_read(bed, at, 1) != 5)
		at = config_read(bed, at + 1, 1);
	assert_int_not_equal(at, 0);
	return at;
}

static void writes_vanish_and_reads_pass(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "readonly");
	bed.device->regs[0] = 0x42;
	assert_int_equal(bed_write(&bed, 0, 7, 4), 0);
	assert_int_equal(bed_write(&bed, DEV_FAIL, 7, 4), 0);
	assert_int_equal(bed_read(&bed, 0, 4), 0x42);
	assert_string_equal(bed.device->log, "r0 ");
	medio_next_doorbell(spy_dev, 0, 0);
	assert_string_equal(bed.device->log, "r0 ");
	expect_attr(&bed, "filters/readonly/refused", "writes 2\ndoorbells 1\ndma 0\nresets 0\n");
	test_bed_close(&bed);
}

static void or_fail(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "readonly:answer=error");
	assert_int_equal(bed_write(&bed, 0, 7, 4), -EACCES);
	assert_int_equal(config_write(&bed, 0x0c, 1, 1), -EACCES);
	assert_int_equal(config_write(&bed, 0x04, 6, 2), 0);
	assert_string_equal(bed.device->log, "");
	test_bed_close(&bed);
}

static void a_client_can_still_set_up_the_card(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "readonly:answer=error");
	assert_int_equal(config_write(&bed, 0x04, 6, 2), 0);
	assert_int_equal(config_read(&bed, 0x04, 2), 6);
	assert_int_equal(config_write(&bed, 0x10, 0xfe000000, 4), 0);
	assert_int_equal(config_read(&bed, 0x10, 4), 0xfe000000);
	assert_int_equal(config_write(&bed, 0x3c, 11, 1), 0);
	unsigned at = msi(&bed);
	assert_int_equal(config_write(&bed, at + 2, 1, 2), 0);
	assert_int_equal(config_read(&bed, at + 2, 2) & 1, 1);
	/* Of a write that covers both, what is needed is done: command and status. */
	assert_int_equal(config_write(&bed, 0x04, 0, 4), -EACCES);
	assert_int_equal(config_read(&bed, 0x04, 2), 0);
	assert_int_equal(config_write(&bed, 0x0c, 1, 1), -EACCES);
	assert_int_equal(config_read(&bed, 0x0c, 1), 0);
	test_bed_close(&bed);
}

static void configuration_space_can_be_open_or_shut(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "readonly:config=all");
	assert_int_equal(config_write(&bed, 0x0c, 0x10, 1), 0);
	assert_int_equal(config_read(&bed, 0x0c, 1), 0x10);
	test_bed_close(&bed);
	SPY_OPEN(&bed, "readonly:config=none");
	assert_int_equal(config_write(&bed, 0x04, 6, 2), 0);
	assert_int_equal(config_read(&bed, 0x04, 2), 0);
	test_bed_close(&bed);
}

static void dma_may_write_or_not(void **state)
{
	struct test_bed bed;
	struct medio_dev *dev;
	uint8_t buf[4] = { 1 };
	int err = 0;

	SPY_OPEN(&bed, "readonly");
	spy_memory(&bed);
	assert_int_equal(medio_dma_write(medio_instance_device(bed.inst), 0x1000, buf, 4), 0);
	test_bed_close(&bed);

	SPY_OPEN(&bed, "readonly:dma=off");
	spy_memory(&bed);
	dev = medio_instance_device(bed.inst);
	assert_int_equal(medio_dma_write(dev, 0x1000, buf, 4), -EACCES);
	assert_int_equal(
		medio_dma_write_async(dev, 0x1000, buf, 4, test_async_done, NULL), -EACCES);
	assert_null(medio_dma_get(dev, 0x1000, 4, MEDIO_PROT_WRITE, &err));
	assert_int_equal(err, -EACCES);
	assert_null(medio_dma_get(dev, 0x1000, 4, MEDIO_PROT_WRITE, NULL));
	assert_non_null(medio_dma_get(dev, 0x1000, 4, MEDIO_PROT_READ, &err));
	assert_int_equal(medio_dma_read(dev, 0x1000, buf, 4), 0);
	expect_attr(&bed, "filters/readonly/refused", "writes 0\ndoorbells 0\ndma 4\nresets 0\n");
	test_bed_close(&bed);
}

static void resets_pass_or_not(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "readonly");
	medio_instance_reset(bed.inst, MEDIO_RESET_DEVICE);
	assert_string_equal(bed.device->log, "reset ");
	test_bed_close(&bed);
	SPY_OPEN(&bed, "readonly:reset=off");
	medio_instance_reset(bed.inst, MEDIO_RESET_DEVICE);
	assert_string_equal(bed.device->log, "");
	expect_attr(&bed, "filters/readonly/refused", "writes 0\ndoorbells 0\ndma 0\nresets 1\n");
	test_bed_close(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_vanish_and_reads_pass),
		cmocka_unit_test(or_fail),
		cmocka_unit_test(a_client_can_still_set_up_the_card),
		cmocka_unit_test(configuration_space_can_be_open_or_shut),
		cmocka_unit_test(dma_may_write_or_not),
		cmocka_unit_test(resets_pass_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
