/* SPDX-License-Identifier: BSD-3-Clause */
/* The fault filter: each action on each thing it can be done to, the attributes, and a removed card. */
#include <sys/eventfd.h>

#include "test_filter_spy.h"

#include "device/irq.h"

#define MS UINT64_C(1000000)

static void run_until_answers(struct test_bed *bed, unsigned answers)
{
	while (bed->end.answers < answers)
		assert_true(medio_loop_run_once(bed->loop, 60000) >= 1);
}

/* ---- Accesses ---------------------------------------------------------------------------------- */

static void errors_strike_what_the_rule_covers_and_nothing_else(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "fault:do=error,region=bar0,offset=0x4,size=4,error=ENXIO");
	assert_int_equal(bed_read(&bed, 0, 4), 0);
	assert_int_equal(bed_read(&bed, 4, 4), -ENXIO);
	assert_int_equal(bed_write(&bed, 7, 1, 1), -ENXIO);
	assert_int_equal(bed_read(&bed, 0, 8), -ENXIO); /* touches it */
	assert_int_equal(bed_read(&bed, 8, 4), 0);
	assert_string_equal(bed.device->log, "r0 r8 ");
	expect_attr(&bed, "filters/fault/matched", "3\n");
	expect_attr(&bed, "filters/fault/struck", "3\n");
	test_bed_close(&bed);

	SPY_OPEN(&bed, "fault:do=error,on=write,register=second");
	assert_int_equal(bed_read(&bed, 4, 4), 0);
	assert_int_equal(bed_write(&bed, 4, 1, 4), -EIO);
	assert_int_equal(bed_write(&bed, 8, 1, 4), 0);
	test_bed_close(&bed);
}

static void values_are_given_instead_of_the_devices(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "fault:do=value,register=first,value=0x12345678");
	assert_int_equal(bed_write(&bed, 0, 7, 4), 0);
	assert_int_equal(bed_read(&bed, 0, 4), 0x12345678);
	assert_int_equal(bed_read(&bed, 0, 2), 0x5678);
	assert_int_equal(bed_read(&bed, 4, 4), 0);
	assert_string_equal(bed.device->log, "w0 r4 ");
	test_bed_close(&bed);

	SPY_OPEN(&bed, "fault:do=value,register=table[1]");
	assert_int_equal(bed_read(&bed, 0x14, 2), 0xffff);
	assert_int_equal(bed_read(&bed, 0x10, 4), 0);
	assert_int_equal(bed_read(&bed, 0x18, 4), 0);
	test_bed_close(&bed);
}

static void configuration_space_is_struck_when_it_is_named(void **state)
{
	struct test_bed bed;
	uint8_t buf[4];

	SPY_OPEN(&bed, "fault:do=value,register=config.device_id,value=0xbeef",
		"fault:do=error,region=any");
	assert_int_equal(medio_instance_read(bed.inst, MEDIO_REGION_CONFIG, 2, buf, 2), 0);
	assert_int_equal(medio_get_le(buf, 2), 0xbeef);
	assert_int_equal(medio_instance_read(bed.inst, MEDIO_REGION_CONFIG, 0, buf, 2), 0);
	assert_int_equal(medio_get_le(buf, 2), 0x1234);
	assert_int_equal(bed_read(&bed, 0, 4), -EIO);
	expect_attr(&bed, "filters/fault/struck", "1\n");
	expect_attr(&bed, "filters/fault.1/struck", "1\n");
	test_bed_close(&bed);
}

static void a_bit_is_flipped_both_ways(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "fault:do=flip,on=read,register=first,bit=9");
	assert_int_equal(bed_write(&bed, 0, 0x1000, 4), 0);
	assert_int_equal(bed_read(&bed, 0, 4), 0x1200);
	assert_int_equal(bed_read(&bed, 0, 1), 0x02); /* bit 9 of one byte is its bit 1 */
	assert_int_equal(medio_get_le(bed.device->regs, 4), 0x1000);
	test_bed_close(&bed);

	SPY_OPEN(&bed, "fault:do=flip,on=write,register=first,times=2");
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(bed_write(&bed, 0, 0, 4), 0);
		uint64_t value = medio_get_le(bed.device->regs, 4);
		assert_true(value && !(value & (value - 1))); /* one bit, whichever */
	}
	assert_int_equal(bed_write(&bed, 0, 0, 4), 0);
	assert_int_equal(medio_get_le(bed.device->regs, 4), 0);
	test_bed_close(&bed);
}

static void a_write_larger_than_most_is_flipped_too(void **state)
{
	static uint8_t zeros[4096];
	struct test_bed bed;

	SPY_OPEN(&bed, "fault:do=flip,on=write,bit=0", "fault:do=none");
	assert_int_equal(medio_instance_write(bed.inst, 0, 0, zeros, sizeof(zeros)), 0);
	assert_string_equal(bed.device->log, "w0 ");
	assert_int_equal(zeros[0], 0); /* the client's own is as it was */
	test_bed_close(&bed);
}

static void writes_are_dropped_after_some_and_so_often(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "fault:do=drop,after=1,times=2");
	for (uint32_t i = 1; i <= 4; i++)
		assert_int_equal(bed_write(&bed, 4 * (i - 1), i, 4), 0);
	assert_string_equal(bed.device->log, "w0 wc ");
	assert_int_equal(bed_read(&bed, 0, 4), 1);
	expect_attr(&bed, "filters/fault/matched", "4\n");
	expect_attr(&bed, "filters/fault/struck", "2\n");
	test_bed_close(&bed);
}

static void a_doorbell_is_a_write_that_can_be_lost(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "fault:do=drop,register=first,times=1");
	medio_next_doorbell(spy_dev, 0, 4);
	medio_next_doorbell(spy_dev, 0, 0);
	medio_next_doorbell(spy_dev, 0, 0);
	assert_string_equal(bed.device->log, "bell4 bell0 ");
	assert_int_equal(store_attr(&bed, "filters/fault/remove", "1"), 0);
	medio_next_doorbell(spy_dev, 0, 4);
	assert_string_equal(bed.device->log, "bell4 bell0 ");
	test_bed_close(&bed);
}

static void what_is_delayed_keeps_the_order(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "fault:do=delay,on=write,register=first,time=3ms");
	uint64_t begin = medio_now_ns();
	assert_int_equal(bed_write(&bed, 0, 5, 4), MEDIO_DEFERRED);
	assert_int_equal(bed_read(&bed, 0, 4), MEDIO_DEFERRED);
	assert_string_equal(bed.device->log, "");
	run_until_answers(&bed, 2);
	assert_true(medio_now_ns() - begin >= 3 * MS);
	assert_string_equal(bed.device->log, "w0 r0 ");
	assert_int_equal(medio_get_le(bed.end.data, 4), 5);
	assert_int_equal(bed_read(&bed, 0, 4), 5);
	/* What waits when the client goes happens before it has gone. */
	assert_int_equal(bed_write(&bed, 0, 6, 4), MEDIO_DEFERRED);
	medio_instance_detach(bed.inst);
	assert_int_equal(medio_get_le(bed.device->regs, 4), 6);
	test_bed_close(&bed);
}

/* ---- Chance ------------------------------------------------------------------------------------ */

static void struck(const char *spec, char out[101])
{
	struct test_bed bed;

	SPY_OPEN(&bed, spec);
	for (unsigned i = 0; i < 100; i++)
		out[i] = bed_read(&bed, 0, 4) == -EIO ? 'x' : '.';
	out[100] = '\0';
	test_bed_close(&bed);
}

static void chance_is_the_seeds(void **state)
{
	char one[101], again[101], other[101];
	unsigned count = 0;

	struck("fault:do=error,prob=0.2,seed=7", one);
	struck("fault:do=error,prob=20%,seed=7", again);
	struck("fault:do=error,prob=0.2,seed=8", other);
	assert_string_equal(one, again);
	assert_string_not_equal(one, other);
	for (const char *c = one; *c; c++)
		count += *c == 'x';
	assert_in_range(count, 8, 35);
	struck("fault:do=error,prob=0", one);
	assert_null(strchr(one, 'x'));
	struck("fault:do=error,prob=1", one);
	assert_null(strchr(one, '.'));
}

/* ---- Interrupts -------------------------------------------------------------------------------- */

static void interrupts_are_lost_doubled_and_invented(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "fault:do=drop,on=irq,vector=0,times=1");
	bed_write(&bed, DEV_IRQ, 2, 4);
	assert_string_equal(spy_log, "");
	bed_write(&bed, DEV_IRQ, 2, 4);
	assert_string_equal(spy_log, "pulse0 ");
	test_bed_close(&bed);

	SPY_OPEN(&bed, "fault:do=drop,on=irq,vector=1");
	bed_write(&bed, DEV_IRQ, 1, 4);
	bed_write(&bed, DEV_IRQ, 0, 4);
	assert_string_equal(spy_log, "up0 down0 ");
	test_bed_close(&bed);

	SPY_OPEN(&bed, "fault:do=drop,on=irq");
	bed_write(&bed, DEV_IRQ, 1, 4);
	bed_write(&bed, DEV_IRQ, 0, 4);
	assert_string_equal(spy_log, "down0 "); /* which changes nothing */
	test_bed_close(&bed);

	SPY_OPEN(&bed, "fault:do=duplicate");
	bed_write(&bed, DEV_IRQ, 2, 4);
	bed_write(&bed, DEV_IRQ, 1, 4);
	assert_string_equal(spy_log, "pulse0 pulse0 up0 pulse0 ");
	test_bed_close(&bed);

	SPY_OPEN(&bed, "fault:do=spurious,on=write,register=first,vector=3");
	bed_write(&bed, 4, 0, 4);
	assert_string_equal(spy_log, "");
	bed_write(&bed, 0, 0, 4);
	assert_string_equal(spy_log, "pulse3 ");
	assert_string_equal(bed.device->log, "w4 w0 ");
	test_bed_close(&bed);
}

static void a_line_that_nobody_raised_rises_and_falls(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct test_bed bed;
	uint64_t came = 0;

	assert_true(fd >= 0);
	SPY_OPEN(&bed, "fault:do=spurious,on=write,register=first");
	assert_int_equal(
		medio_irq_set_eventfds(bed.inst, MEDIO_IRQ_INTX, MEDIO_IRQ_TRIGGER, 0, 1, &fd), 0);
	bed_write(&bed, 0, 0, 4);
	assert_string_equal(spy_log, "up0 down0 ");
	assert_int_equal(read(fd, &came, sizeof(came)), sizeof(came));
	assert_int_equal(came, 1);
	/* One that is high already is left alone. */
	bed_write(&bed, DEV_IRQ, 1, 4);
	spy_log[0] = '\0';
	bed_write(&bed, 0, 0, 4);
	assert_string_equal(spy_log, "");
	test_bed_close(&bed);
}

/* ---- DMA --------------------------------------------------------------------------------------- */

static void dma_fails_where_the_rule_says(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "fault:do=error,on=dma-write,offset=0x1000,size=16");
	spy_memory(&bed);
	assert_int_equal(bed_write(&bed, DEV_DMA, 0x1000, 4), 0);
	assert_int_equal(bed_write(&bed, DEV_DMA_WRITE, 0x1000, 4), -EFAULT);
	assert_int_equal(bed_write(&bed, DEV_DMA_WRITE, 0x1010, 4), 0);
	assert_int_equal(bed_write(&bed, DEV_GET, 0x100f, 4), -EFAULT);
	assert_int_equal(bed_write(&bed, DEV_GET, 0x1010, 4), 0);
	assert_int_equal(bed_write(&bed, DEV_ASYNC, 0x1000, 4), 0);
	assert_int_equal(bed_write(&bed, DEV_ASYNC_WRITE, 0x1000, 4), -EFAULT);
	expect_attr(&bed, "filters/fault/struck", "3\n");
	test_bed_close(&bed);

	SPY_OPEN(&bed, "fault:do=error,on=dma,error=EREMOTEIO,after=1");
	spy_memory(&bed);
	assert_int_equal(bed_write(&bed, DEV_DMA, 0x1000, 4), 0);
	assert_int_equal(bed_write(&bed, DEV_DMA, 0x1000, 4), -EREMOTEIO);
	assert_int_equal(bed_write(&bed, DEV_ASYNC, 0x1000, 4), -EREMOTEIO);
	test_bed_close(&bed);
}

/* ---- Removal ----------------------------------------------------------------------------------- */

static void expect_gone(struct test_bed *bed)
{
	uint8_t buf[4];

	bed->device->log[0] = spy_log[0] = '\0';
	assert_int_equal(bed_read(bed, 0, 4), 0xffffffff);
	assert_int_equal(bed_write(bed, 0, 1, 4), 0);
	assert_int_equal(bed_write(bed, DEV_IRQ, 2, 4), 0);
	assert_int_equal(medio_instance_read(bed->inst, MEDIO_REGION_CONFIG, 0, buf, 4), 0);
	assert_int_equal(medio_get_le(buf, 4), 0xffffffff);
	assert_string_equal(bed->device->log, "");
	/* The device below works on, and nobody hears of it. */
	struct medio_dev *dev = medio_instance_device(bed->inst);
	medio_irq_pulse(dev, 1);
	medio_irq_set(dev, 0, false);
	medio_irq_set(dev, 0, true);
	assert_string_equal(spy_log, "");
	assert_int_equal(medio_dma_read(dev, 0x1000, buf, 4), -ENODEV);
	assert_int_equal(medio_dma_write(dev, 0x1000, buf, 4), -ENODEV);
	assert_null(medio_dma_get(dev, 0x1000, 4, MEDIO_PROT_READ, NULL));
}

static void a_card_goes_after_some_accesses_and_comes_back_at_a_reset(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "fault:do=remove,after=2");
	spy_memory(&bed);
	bed_write(&bed, 0, 42, 4);
	bed_write(&bed, DEV_IRQ, 1, 4);
	assert_string_equal(spy_log, "up0 ");
	expect_attr(&bed, "filters/fault/remove", "0\n");
	assert_int_equal(bed_read(&bed, 0, 4), 0xffffffff);
	assert_string_equal(spy_log, "up0 down0 ");
	expect_attr(&bed, "filters/fault/remove", "1\n");
	expect_gone(&bed);
	medio_instance_reset(bed.inst, MEDIO_RESET_DEVICE);
	expect_attr(&bed, "filters/fault/remove", "0\n");
	for (unsigned i = 0; i < 10; i++) /* once is enough */
		assert_int_equal(bed_read(&bed, 0, 4), 0);
	test_bed_close(&bed);
}

static void a_card_goes_and_comes_by_hand(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "fault");
	spy_memory(&bed);
	bed_write(&bed, 0, 42, 4);
	assert_int_equal(store_attr(&bed, "filters/fault/remove", "1\n"), 0);
	expect_gone(&bed);
	assert_int_equal(store_attr(&bed, "filters/fault/remove", "0"), 0);
	/* The line that rose meanwhile is up. */
	assert_string_equal(spy_log, "up0 ");
	assert_int_equal(bed_read(&bed, 0, 4), 42);
	assert_int_equal(store_attr(&bed, "filters/fault/remove", "2"), -EINVAL);
	assert_int_equal(store_attr(&bed, "filters/fault/remove", ""), -EINVAL);
	assert_int_equal(store_attr(&bed, "filters/fault/enabled", "1"), -EOPNOTSUPP);
	assert_int_equal(store_attr(&bed, "filters/fault/struck", "1"), -EIO);
	assert_int_equal(store_attr(&bed, "filters/fault.1/remove", "1"), -ENOENT);
	test_bed_close(&bed);
}

static void a_rule_can_be_switched_off_and_on(void **state)
{
	struct test_bed bed;

	SPY_OPEN(&bed, "fault:do=error");
	assert_int_equal(bed_read(&bed, 0, 4), -EIO);
	assert_int_equal(store_attr(&bed, "filters/fault/enabled", "0"), 0);
	assert_int_equal(bed_read(&bed, 0, 4), 0);
	expect_attr(&bed, "filters/fault/enabled", "0\n");
	assert_int_equal(store_attr(&bed, "filters/fault/enabled", "1"), 0);
	assert_int_equal(bed_read(&bed, 0, 4), -EIO);
	expect_attr(&bed, "filters/fault/matched", "2\n");
	test_bed_close(&bed);
}

/* ---- Words ------------------------------------------------------------------------------------- */

static void rules_that_make_no_sense_are_refused_with_words(void **state)
{
	static const struct {
		const char *spec, *words;
	} bad[] = {
		{ "fault:region=bar0", "a rule says what is done" },
		{ "fault:do=erorr", "did you mean 'error'?" },
		{ "fault:do=flip,on=irq", "do=flip cannot be done to that" },
		{ "fault:do=duplicate,on=read", "do=duplicate cannot be done to that" },
		{ "fault:do=error,offset=4", "say which, as in region=bar0" },
		{ "fault:do=error,region=bar0,size=4", "say where" },
		{ "fault:do=error,region=bar0,offset=x", "'offset' must be a number" },
		{ "fault:do=error,region=bar0,offset=-1", "'offset' must be a number" },
		{ "fault:do=error,region=bar0,offset=4,size=0", "'size' must be 1 or more" },
		{ "fault:do=error,prob=2", "'prob' must be 0 to 1" },
		{ "fault:do=error,prob=nan", "'prob' must be 0 to 1" },
		{ "fault:do=error,prob=-0.1", "'prob' must be 0 to 1" },
		{ "fault:do=error,error=EWRONG", "'error' must be an errno" },
		{ "fault:do=error,error=0", "'error' must be an errno" },
		{ "fault:do=drop,error=EIO", "'error' is for do=error" },
		{ "fault:do=error,value=1", "'value' is for do=value" },
		{ "fault:do=error,bit=1", "'bit' is for do=flip" },
		{ "fault:do=error,vector=1", "'vector' is for interrupts" },
		{ "fault:do=drop,on=irq,region=bar0", "no region and offset" },
		{ "fault:do=error,on=dma,region=bar0", "no region" },
		{ "fault:do=delay", "do=delay needs 'time'" },
		{ "fault:do=error,register=third", "no register 'third'; there are first, second" },
		{ "fault:do=error,register=table", "as in register=table[0]" },
		{ "fault:do=error,register=table[3]", "no register" },
		{ "fault:do=error,register=first,region=bar0", "leave out 'region'" },
		{ "fault:do=error,register=config.nothing", "no register" },
	};
	struct test_bed bed;
	char why[512];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *const filters[] = { bad[i].spec, NULL };
		assert_int_equal(spy_try(&bed, filters, why, sizeof(why)), -EINVAL);
		if (!strstr(why, bad[i].words))
			fail_msg("%s: %s", bad[i].spec, why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_strike_what_the_rule_covers_and_nothing_else),
		cmocka_unit_test(values_are_given_instead_of_the_devices),
		cmocka_unit_test(configuration_space_is_struck_when_it_is_named),
		cmocka_unit_test(a_bit_is_flipped_both_ways),
		cmocka_unit_test(a_write_larger_than_most_is_flipped_too),
		cmocka_unit_test(writes_are_dropped_after_some_and_so_often),
		cmocka_unit_test(a_doorbell_is_a_write_that_can_be_lost),
		cmocka_unit_test(what_is_delayed_keeps_the_order),
		cmocka_unit_test(chance_is_the_seeds),
		cmocka_unit_test(interrupts_are_lost_doubled_and_invented),
		cmocka_unit_test(a_line_that_nobody_raised_rises_and_falls),
		cmocka_unit_test(dma_fails_where_the_rule_says),
		cmocka_unit_test(a_card_goes_after_some_accesses_and_comes_back_at_a_reset),
		cmocka_unit_test(a_card_goes_and_comes_by_hand),
		cmocka_unit_test(a_rule_can_be_switched_off_and_on),
		cmocka_unit_test(rules_that_make_no_sense_are_refused_with_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
