/* SPDX-License-Identifier: BSD-3-Clause */
/* The limit filter: the bucket by itself, and accesses, DMA and doorbells that wait. */
#include "test_filter_spy.h"

#include "test_clock.h"

#include "filters/limit/bucket.h"

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

/* ---- The bucket -------------------------------------------------------------------------------- */

static void a_bucket_spaces_what_is_taken(void **state)
{
	struct bucket b = { .rate = 1000 };

	assert_int_equal(bucket_take(&b, 1, 0, 5 * S), 5 * S);
	assert_int_equal(bucket_take(&b, 1, 0, 5 * S), 5 * S + MS);
	assert_int_equal(bucket_take(&b, 10, 0, 5 * S), 5 * S + 2 * MS);
	assert_int_equal(bucket_take(&b, 1, 0, 5 * S), 5 * S + 12 * MS);
	assert_int_equal(bucket_ready(&b, 0, 5 * S), 5 * S + 13 * MS);
	/* What was not used is not saved up. */
	assert_int_equal(bucket_take(&b, 1, 0, 9 * S), 9 * S);
	assert_int_equal(bucket_take(&b, 1, 0, 9 * S), 9 * S + MS);
}

static void a_burst_comes_at_once_and_no_more(void **state)
{
	struct bucket b = { .rate = 1000 };
	unsigned at_once = 0;

	/* 10 ms at 1000 a second: those that would have come by then, and the one at their end. */
	while (bucket_take(&b, 1, 10 * MS, 7 * S) == 7 * S)
		at_once++;
	assert_int_equal(at_once, 11);
	assert_int_equal(bucket_take(&b, 1, 10 * MS, 7 * S), 7 * S + 2 * MS);
}

static void a_bucket_without_a_rate_is_no_limit_and_a_large_taking_no_end(void **state)
{
	struct bucket none = { 0 }, slow = { .rate = 1 }, fast = { .rate = UINT64_MAX };

	assert_int_equal(bucket_take(&none, UINT64_MAX, 0, 3), 3);
	assert_int_equal(bucket_take(&slow, UINT64_MAX, 0, 3), 3);
	assert_true(bucket_ready(&slow, 0, 3) <= 4 * 3600 * S);
	for (unsigned i = 0; i < 1000; i++)
		bucket_take(&slow, UINT64_MAX, 0, 3);
	assert_true(bucket_ready(&slow, 0, 3) <= 48 * 3600 * S);
	assert_int_equal(bucket_take(&fast, UINT64_MAX, 0, 3), 3);
	assert_in_range(bucket_ready(&fast, 0, 3), S - 10, S + 10);
}

/* ---- Accesses ---------------------------------------------------------------------------------- */

/* A millisecond passes, with the loop running. */
static void pass(struct test_bed *bed)
{
	clock_passes(MS);
	assert_true(medio_loop_run_once(bed->loop, 0) >= 0);
}

/* As many milliseconds until so many are answered. */
static unsigned wait_for(struct test_bed *bed, unsigned answers)
{
	unsigned ms = 0;

	for (; bed->end.answers < answers && ms < 10000; ms++)
		pass(bed);
	assert_int_equal(bed->end.answers, answers);
	return ms;
}

static void accesses_are_held_to_so_many(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "limit:iops=1000,burst=0ms");
	assert_int_equal(bed_write(&bed, 0, 1, 4), 0);
	for (unsigned i = 1; i <= 10; i++) {
		assert_int_equal(bed_write(&bed, 0, i, 4), MEDIO_DEFERRED);
		assert_int_equal(medio_get_le(bed.device->regs, 4), i == 1 ? 1 : i - 1);
		assert_int_equal(wait_for(&bed, i), 1);
		assert_int_equal(medio_get_le(bed.device->regs, 4), i);
	}
	test_bed_close(&bed);
}

static void bytes_are_held_to_so_many(void **state)
{
	static uint8_t bytes[1000];
	struct test_bed bed;

	SPY_OPEN(&bed, "limit:bandwidth=100000,burst=0ms");
	assert_int_equal(medio_instance_read(bed.inst, 0, 0, bytes, sizeof(bytes)), 0);
	assert_int_equal(bed_read(&bed, 0, 1), MEDIO_DEFERRED);
	assert_int_equal(wait_for(&bed, 1), 10);
	test_bed_close(&bed);
}

static void configuration_space_waits_only_for_those_before_it(void **state)
{
	struct test_bed bed;
	uint8_t buf[2];

	SPY_OPEN(&bed, "limit:iops=1");
	assert_int_equal(medio_instance_read(bed.inst, MEDIO_REGION_CONFIG, 0, buf, 2), 0);
	assert_int_equal(medio_instance_read(bed.inst, MEDIO_REGION_CONFIG, 0, buf, 2), 0);
	bed_read(&bed, 0, 4);
	assert_int_equal(bed_write(&bed, 0, 3, 4), MEDIO_DEFERRED);
	assert_int_equal(
		medio_instance_read(bed.inst, MEDIO_REGION_CONFIG, 0, buf, 2), MEDIO_DEFERRED);
	assert_string_equal(bed.device->log, "r0 ");
	/* It all happens before the client has left. */
	medio_instance_detach(bed.inst);
	assert_string_equal(bed.device->log, "r0 w0 left ");
	test_bed_close(&bed);
}

static void limits_change_while_the_device_runs(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "limit:iops=1,bandwidth=2K");
	expect_attr(&bed, "filters/limit/iops", "1\n");
	expect_attr(&bed, "filters/limit/bandwidth", "2048\n");
	expect_attr(&bed, "filters/limit/dma", "0\n");
	bed_read(&bed, 0, 4);
	assert_int_equal(store_attr(&bed, "filters/limit/iops", "0\n"), 0);
	assert_int_equal(store_attr(&bed, "filters/limit/bandwidth", "1G"), 0);
	expect_attr(&bed, "filters/limit/bandwidth", "1073741824\n");
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(bed_read(&bed, 0, 4), 0);
	expect_attr(&bed, "filters/limit/delayed", "0 0.000000\n");
	assert_int_equal(store_attr(&bed, "filters/limit/iops", "1"), 0);
	bed_read(&bed, 0, 4);
	assert_int_equal(bed_read(&bed, 0, 4), MEDIO_DEFERRED);
	static const char *const bad[] = { "", "-1", "x", "1X", "1KK", "1K ", "99999999T",
		"99999999999999999999999" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(store_attr(&bed, "filters/limit/iops", bad[i]), -EINVAL);
	expect_attr(&bed, "filters/limit/iops", "1\n");
	test_bed_close(&bed);
}

/* ---- DMA --------------------------------------------------------------------------------------- */

static void dma_is_owed_and_the_next_access_pays(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "limit:dma=1000,burst=0ms");
	spy_memory(&bed);
	assert_int_equal(bed_write(&bed, DEV_DMA, 0x1000, 4), 0); /* 32 bytes: 32 ms */
	assert_int_equal(bed_read(&bed, 0, 4), MEDIO_DEFERRED);
	assert_int_equal(wait_for(&bed, 1), 32);
	test_bed_close(&bed);
}

static void doorbells_wait_until_dma_is_paid_and_then_ring_once(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "limit:dma=200,burst=0ms");
	spy_memory(&bed);
	medio_next_doorbell(spy_dev, 0, 4);
	assert_string_equal(bed.device->log, "bell4 ");
	unsigned ms = 0;
	assert_int_equal(bed_write(&bed, DEV_DMA_WRITE, 0x1000, 4), 0);
	bed.device->log[0] = '\0';
	for (unsigned i = 0; i < 3; i++)
		medio_next_doorbell(spy_dev, 0, 8);
	medio_next_doorbell(spy_dev, 0, 4);
	for (; strlen(bed.device->log) < 12 && ms < 10000; ms++)
		pass(&bed);
	assert_int_equal(ms, 160);
	assert_string_equal(bed.device->log, "bell8 bell4 ");
	assert_int_equal(store_attr(&bed, "filters/limit/dma", "1"), 0);
	/* A reset forgets them; a client that leaves does not. */
	assert_int_equal(
		medio_dma_read(medio_instance_device(bed.inst), 0x1000, bed.device->memory, 8), 0);
	bed.device->log[0] = '\0';
	medio_next_doorbell(spy_dev, 0, 8);
	medio_instance_reset(bed.inst, MEDIO_RESET_DEVICE);
	assert_string_equal(bed.device->log, "reset ");
	medio_next_doorbell(spy_dev, 0, 4);
	medio_instance_detach(bed.inst);
	assert_string_equal(bed.device->log, "reset bell4 left ");
	test_bed_close(&bed);
}

static void the_end_of_asynchronous_dma_is_told_late(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "limit:dma=1000,burst=0ms");
	spy_memory(&bed);
	struct medio_dev *dev = medio_instance_device(bed.inst);
	struct test_device *d = bed.device;
	unsigned ms = 0;
	/* 8 bytes each: the first at once, the others 8 ms behind each other. */
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(
			medio_dma_read_async(dev, 0x1000, d->memory, 8, test_async_done, d), 0);
	for (; strcmp(d->log, "async 0;async 0;async 0;") != 0 && ms < 10000; ms++)
		pass(&bed);
	assert_int_equal(ms, 16);
	/* What fails is told at once, and what waits does not keep the device from being quiet. */
	d->log[0] = '\0';
	assert_int_equal(
		medio_dma_write_async(dev, 0x9000, d->memory, 8, test_async_done, d), -EFAULT);
	store_attr(&bed, "filters/limit/dma", "1");
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(
			medio_dma_write_async(dev, 0x1000, d->memory, 8, test_async_done, d), 0);
	assert_string_equal(d->log, "async 0;");
	medio_instance_quiesce(bed.inst);
	assert_true(medio_loop_run_once(bed.loop, 0) >= 0);
	assert_string_equal(d->log, "async 0;async 0;");
	medio_instance_resume(bed.inst);
	/* And an instance can end while one waits. */
	assert_int_equal(medio_dma_write_async(dev, 0x1000, d->memory, 8, test_async_done, d), 0);
	test_bed_close(&bed);
}

static int stand(void **state)
{
	clock_stands();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_spaces_what_is_taken),
		cmocka_unit_test(a_burst_comes_at_once_and_no_more),
		cmocka_unit_test(a_bucket_without_a_rate_is_no_limit_and_a_large_taking_no_end),
		cmocka_unit_test(accesses_are_held_to_so_many),
		cmocka_unit_test(bytes_are_held_to_so_many),
		cmocka_unit_test(configuration_space_waits_only_for_those_before_it),
		cmocka_unit_test(limits_change_while_the_device_runs),
		cmocka_unit_test(dma_is_owed_and_the_next_access_pays),
		cmocka_unit_test(doorbells_wait_until_dma_is_paid_and_then_ring_once),
		cmocka_unit_test(the_end_of_asynchronous_dma_is_told_late),
	};

	return cmocka_run_group_tests(tests, stand, NULL);
}
