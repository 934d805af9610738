/* SPDX-License-Identifier: BSD-3-Clause */
/* The stats filter: histograms, slots, what is counted, and how it is shown. */
#include "test_filter_spy.h"

#include "filters/stats/histogram.h"

/* ---- Histograms -------------------------------------------------------------------------------- */

static void a_histogram_tells_bounds_and_middles(void **state)
{
	struct histogram h = { 0 };

	assert_int_equal(histogram_permille(&h, 500), 0);
	assert_int_equal(histogram_mean(&h), 0);
	for (uint64_t ns = 1; ns <= 1000; ns++)
		histogram_add(&h, ns);
	assert_int_equal(h.count, 1000);
	assert_int_equal(h.min, 1);
	assert_int_equal(h.max, 1000);
	assert_int_equal(histogram_mean(&h), 500);
	/* Evenly spread in each bucket, as these are. */
	assert_in_range(histogram_permille(&h, 500), 495, 505);
	assert_in_range(histogram_permille(&h, 250), 245, 255);
	assert_in_range(histogram_permille(&h, 990), 980, 1000);
	assert_in_range(histogram_permille(&h, 0), 1, 2);
	assert_int_equal(histogram_permille(&h, 1000), 1000);
}

static void a_histogram_takes_any_time(void **state)
{
	struct histogram h = { 0 };

	histogram_add(&h, 0);
	histogram_add(&h, UINT64_MAX);
	assert_int_equal(h.buckets[0], 1);
	assert_int_equal(h.buckets[HISTOGRAM_BUCKETS - 1], 1);
	assert_int_equal(h.min, 0);
	assert_true(h.max == UINT64_MAX);
	histogram_permille(&h, 999);
	h = (struct histogram){ 0 };
	histogram_add(&h, 1500);
	assert_int_equal(histogram_permille(&h, 500), 1500);
	assert_int_equal(h.buckets[10], 1); /* 1024 to 2047 */
}

/* ---- Slots ------------------------------------------------------------------------------------- */

/* The table has a row "name what count". */
static bool has_row(struct test_bed *bed, const char *name, const char *what, unsigned count)
{
	char buf[16384], row[64];
	ssize_t len = medio_instance_attr_show(
		bed->inst, "filters/stats/registers", buf, sizeof(buf) - 1);

	assert_true(len > 0);
	buf[len] = '\0';
	snprintf(row, sizeof(row), "\n%-28s %-5s %10u", name, what, count);
	return strstr(buf, row) != NULL;
}

static void registers_are_counted_by_their_names(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "stats");
	bed_read(&bed, 0, 4);
	bed_read(&bed, 2, 2); /* the same one */
	bed_write(&bed, 0x14, 1, 4);
	bed_read(&bed, 0x1c, 4);     /* has no name */
	bed_read(&bed, DEV_FAIL, 4); /* one that fails takes time too */
	assert_true(has_row(&bed, "first", "read", 2));
	assert_false(has_row(&bed, "first", "write", 0));
	assert_true(has_row(&bed, "table[1]", "write", 1));
	assert_true(has_row(&bed, "bar0+0x1c", "read", 1));
	assert_true(has_row(&bed, "bar0+0x2c", "read", 1));
	test_bed_close(&bed);
}

static void registers_beyond_the_slots_are_the_others(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "stats:registers=2");
	/* Also more places than there is room for in the table that finds them. */
	for (unsigned i = 0; i < 32; i++)
		bed_read(&bed, i, 1);
	assert_true(has_row(&bed, "first", "read", 4));
	assert_true(has_row(&bed, "second", "read", 4));
	assert_true(has_row(&bed, "others", "read", 24));
	/* Those that have a slot keep it. */
	bed_read(&bed, 1, 1);
	assert_true(has_row(&bed, "first", "read", 5));
	test_bed_close(&bed);
}

static void a_late_answer_takes_until_it_comes(void **state)
{
	struct test_bed bed;
	char buf[4096];

	SPY_OPEN(&bed, "stats", "delay:write=20ms");
	assert_int_equal(bed_write(&bed, 0, 1, 4), MEDIO_DEFERRED);
	assert_false(has_row(&bed, "first", "write", 1));
	while (!bed.end.answers)
		medio_loop_run_once(bed.loop, 60000);
	assert_true(has_row(&bed, "first", "write", 1));
	ssize_t len = medio_instance_attr_show(
		bed.inst, "filters/stats/json", buf, sizeof(buf) - 1);
	assert_true(len > 0);
	buf[len] = '\0';
	const char *min = strstr(buf, "\"min_ns\":");
	assert_non_null(min);
	assert_true(strtoull(min + 9, NULL, 10) >= 20000000);
	test_bed_close(&bed);
}

/* ---- The rest ---------------------------------------------------------------------------------- */

static void interrupts_and_dma_are_counted(void **state)
{
	struct test_bed bed;
	char buf[8192];

	SPY_OPEN(&bed, "stats");
	spy_memory(&bed);
	for (unsigned i = 0; i < 3; i++)
		bed_write(&bed, DEV_IRQ, 2, 4);
	bed_write(&bed, DEV_IRQ, 1, 4);
	bed_write(&bed, DEV_IRQ, 0, 4);
	medio_irq_pulse(medio_instance_device(bed.inst), 100);
	bed_write(&bed, DEV_DMA, 0x1000, 4);
	bed_write(&bed, DEV_DMA, 0x9000, 4);
	bed_write(&bed, DEV_DMA_WRITE, 0x1000, 4);
	bed_write(&bed, DEV_ASYNC, 0x1000, 4);
	bed_write(&bed, DEV_ASYNC_WRITE, 0x1000, 4);
	bed_write(&bed, DEV_GET, 0x1000, 4);
	medio_instance_reset(bed.inst, MEDIO_RESET_DEVICE);
	assert_true(has_row(&bed, "irq 0", "", 4));
	assert_true(has_row(&bed, "irq 64 on", "", 1));
	assert_true(has_row(&bed, "dma get", "", 1));
	ssize_t len = medio_instance_attr_show(
		bed.inst, "filters/stats/json", buf, sizeof(buf) - 1);
	assert_true(len > 0);
	buf[len] = '\0';
	assert_non_null(strstr(buf, "\"irqs\":{\"0\":4,\"64+\":1}"));
	assert_non_null(strstr(buf, "\"read\":{\"count\":2,\"bytes\":40,\"failed\":1}"));
	assert_non_null(strstr(buf, "\"write\":{\"count\":2,\"bytes\":40,\"failed\":0}"));
	assert_non_null(strstr(buf, "\"get\":{\"count\":1,\"bytes\":8,\"failed\":0}"));
	assert_non_null(strstr(buf, "\"resets\":1}"));
	assert_non_null(strstr(buf, "\"name\":\"config.command\",\"region\":7,\"offset\":4,"));
	test_bed_close(&bed);
}

static void counting_can_begin_anew(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "stats");
	bed_read(&bed, 0, 4);
	bed_write(&bed, DEV_IRQ, 2, 4);
	assert_int_equal(store_attr(&bed, "filters/stats/reset", "1\n"), 0);
	assert_false(has_row(&bed, "first", "read", 1));
	assert_false(has_row(&bed, "irq 0", "", 1));
	bed_read(&bed, 0, 4);
	assert_true(has_row(&bed, "first", "read", 1));
	test_bed_close(&bed);
}

static void what_does_not_fit_is_told(void **state)
{
	struct test_bed bed;
	char small[600];

	SPY_OPEN(&bed, "stats");
	for (unsigned i = 0; i < 8; i++)
		bed_read(&bed, 4 * i, 4);
	assert_int_equal(
		medio_instance_attr_show(bed.inst, "filters/stats/registers", small, 64), -ENOBUFS);
	assert_int_equal(
		medio_instance_attr_show(bed.inst, "filters/stats/json", small, 64), -ENOBUFS);
	test_bed_close(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_histogram_tells_bounds_and_middles),
		cmocka_unit_test(a_histogram_takes_any_time),
		cmocka_unit_test(registers_are_counted_by_their_names),
		cmocka_unit_test(registers_beyond_the_slots_are_the_others),
		cmocka_unit_test(a_late_answer_takes_until_it_comes),
		cmocka_unit_test(interrupts_and_dma_are_counted),
		cmocka_unit_test(counting_can_begin_anew),
		cmocka_unit_test(what_does_not_fit_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
