/* SPDX-License-Identifier: BSD-3-Clause */
/* The delay filter: what it lets wait, in which order, and what becomes of it when the client goes. */
#include "test_filter_device.h"

#include <fcntl.h>

#define MS UINT64_C(1000000)

static void run_until_answers(struct test_bed *bed, unsigned answers)
{
	while (bed->end.answers < answers)
		assert_true(medio_loop_run_once(bed->loop, 5000) >= 1);
}

static void a_read_waits_and_is_answered_through_the_chain(void **state)
{
	struct test_bed bed;

	test_bed_open(&bed, (const char *const[]){ "delay:read=3ms", NULL });
	bed_write(&bed, 0, 0x12345678, 4);
	uint64_t begin = medio_now_ns();
	assert_int_equal(bed_read(&bed, 0, 4), MEDIO_DEFERRED);
	assert_string_equal(bed.device->log, "came w0 ");
	run_until_answers(&bed, 1);
	assert_true(medio_now_ns() - begin >= 3 * MS);
	assert_int_equal(bed.end.ret, 0);
	assert_int_equal(medio_get_le(bed.end.data, 4), 0x12345678);
	test_bed_close(&bed);
}

static void a_delayed_write_has_its_own_copy(void **state)
{
	uint8_t buf[4] = { 0x42 };
	struct test_bed bed;

	test_bed_open(&bed, (const char *const[]){ "delay:write=1ms", NULL });
	assert_int_equal(medio_instance_write(bed.inst, 0, 0, buf, 4), MEDIO_DEFERRED);
	buf[0] = 0x99;
	assert_int_equal(bed.device->regs[0], 0);
	run_until_answers(&bed, 1);
	assert_int_equal(bed.device->regs[0], 0x42);
	test_bed_close(&bed);
}

static void order_is_kept_even_before_what_is_not_delayed(void **state)
{
	struct test_bed bed;

	/* Reads and config are not delayed, and a large write needs a buffer of its own. */
	static uint8_t big[1024];

	test_bed_open(&bed, (const char *const[]){ "delay:write=2ms", NULL });
	assert_int_equal(bed_write(&bed, 0, 1, 4), MEDIO_DEFERRED);
	assert_int_equal(bed_read(&bed, 4, 4), MEDIO_DEFERRED);
	assert_int_equal(
		medio_instance_read(bed.inst, MEDIO_REGION_CONFIG, 0, big, 4), MEDIO_DEFERRED);
	assert_int_equal(medio_instance_write(bed.inst, 0, 8, big, sizeof(big)), MEDIO_DEFERRED);
	assert_int_equal(bed_read(&bed, 12, 4), MEDIO_DEFERRED);
	run_until_answers(&bed, 5);
	assert_string_equal(bed.device->log, "came w0 r4 w8 rc ");
	/* With nothing waiting, a read goes straight down again. */
	assert_int_equal(bed_read(&bed, 0, 4), 1);
	test_bed_close(&bed);
}

static void config_is_delayed_only_when_asked(void **state)
{
	struct test_bed bed;
	uint8_t buf[4];

	test_bed_open(&bed, (const char *const[]){ "delay:read=3600s,write=3600s", NULL });
	assert_int_equal(medio_instance_read(bed.inst, MEDIO_REGION_CONFIG, 0, buf, 4), 0);
	assert_int_equal(medio_get_le(buf, 4), 0x00011234);
	test_bed_close(&bed);
	test_bed_open(&bed, (const char *const[]){ "delay:config=1ms", NULL });
	assert_int_equal(
		medio_instance_read(bed.inst, MEDIO_REGION_CONFIG, 0, buf, 4), MEDIO_DEFERRED);
	run_until_answers(&bed, 1);
	assert_int_equal(medio_get_le(bed.end.data, 4), 0x00011234);
	test_bed_close(&bed);
}

static void two_delays_add_up(void **state)
{
	struct test_bed bed;

	test_bed_open(&bed, (const char *const[]){ "delay:read=2ms", "delay:read=3ms", NULL });
	uint64_t begin = medio_now_ns();
	assert_int_equal(bed_read(&bed, 0, 4), MEDIO_DEFERRED);
	run_until_answers(&bed, 1);
	assert_true(medio_now_ns() - begin >= 5 * MS);
	assert_int_equal(bed.end.answers, 1);
	test_bed_close(&bed);
}

static void a_device_that_defers_itself_is_answered_once(void **state)
{
	struct test_bed bed;

	test_bed_open(&bed, (const char *const[]){ "delay:read=1ms,write=1ms", NULL });
	assert_int_equal(bed_read(&bed, DEV_DEFER, 4), MEDIO_DEFERRED);
	while (!bed.device->token)
		medio_loop_run_once(bed.loop, 5000);
	assert_int_equal(bed.end.answers, 0);
	medio_complete(bed.device->token, 0, "\1\2\3\4", 4);
	assert_int_equal(bed.end.answers, 1);
	assert_memory_equal(bed.end.data, "\1\2\3\4", 4);
	assert_int_equal(bed_write(&bed, DEV_FAIL, 0, 4), MEDIO_DEFERRED);
	run_until_answers(&bed, 2);
	assert_int_equal(bed.end.ret, -EIO);
	test_bed_close(&bed);
}

static void what_waits_happens_before_the_client_has_left(void **state)
{
	struct test_bed bed;

	test_bed_open(&bed, (const char *const[]){ "delay:read=3600s,write=3600s", NULL });
	bed_write(&bed, 0, 7, 4);
	bed_read(&bed, 4, 4);
	medio_instance_detach(bed.inst);
	assert_string_equal(bed.device->log, "came w0 r4 left ");
	assert_int_equal(bed.end.answers, 0);
	/* Nothing is left for the next client. */
	assert_int_equal(medio_instance_attach(bed.inst, &test_transport, &bed.end), 0);
	assert_int_equal(bed_write(&bed, 0, 8, 4), MEDIO_DEFERRED);
	assert_string_equal(bed.device->log, "came w0 r4 left came ");
	test_bed_close(&bed);
}

static void an_instance_can_end_while_an_access_waits(void **state)
{
	struct medio_instance_options opts = {
		.filters = (const char *const[]){ "delay:write=3600s" },
		.nfilters = 1,
		.known_filters = medio_builtin_filters,
	};
	struct test_bed bed = { 0 };

	/* Without a client nobody tells the filter to let go. */
	assert_int_equal(medio_loop_new(&bed.loop), 0);
	assert_int_equal(medio_instance_new(bed.loop, &test_type, &opts, &bed.inst, NULL), 0);
	assert_int_equal(bed_write(&bed, 0, 1, 4), MEDIO_DEFERRED);
	test_bed_close(&bed);
}

/* ---- Interrupts, as a trace above the delay sees them -------------------------------------------- */

struct irq_log {
	char text[4096];
};

static void log_irq_set(struct medio_dev *dev, unsigned vector, bool level)
{
	struct irq_log *log = *(struct irq_log **)medio_priv(dev);
	size_t len = strlen(log->text);

	snprintf(log->text + len, sizeof(log->text) - len, "%s ", level ? "up" : "down");
	medio_irq_set(dev, vector, level);
}

static void log_irq_pulse(struct medio_dev *dev, unsigned vector)
{
	struct irq_log *log = *(struct irq_log **)medio_priv(dev);
	size_t len = strlen(log->text);

	snprintf(log->text + len, sizeof(log->text) - len, "pulse ");
	medio_irq_pulse(dev, vector);
}

static struct irq_log irq_log;

static int log_init(struct medio_dev *dev)
{
	*(struct irq_log **)medio_priv(dev) = &irq_log;
	irq_log.text[0] = '\0';
	return 0;
}

static const struct medio_device_ops log_down = { .init = log_init };
static const struct medio_host_ops log_up = { .irq_set = log_irq_set, .irq_pulse = log_irq_pulse };
static const struct medio_filter log_filter = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "log",
	.summary = "Log",
	.state_size = sizeof(struct irq_log *),
	.down = &log_down,
	.up = &log_up,
};

static void irq_bed_open(struct test_bed *bed, const char *delay)
{
	extern const struct medio_filter medio_filter_delay;
	const struct medio_filter *const known[] = { &log_filter, &medio_filter_delay, NULL };
	struct medio_instance_options opts = {
		.filters = (const char *const[]){ "log", delay },
		.nfilters = 2,
		.known_filters = known,
	};

	assert_int_equal(medio_loop_new(&bed->loop), 0);
	assert_int_equal(medio_instance_new(bed->loop, &test_type, &opts, &bed->inst, NULL), 0);
	bed->device = medio_priv(medio_instance_device(bed->inst));
}

static void interrupts_wait_and_keep_their_order(void **state)
{
	struct test_bed bed;

	irq_bed_open(&bed, "delay:irq=2ms");
	uint64_t begin = medio_now_ns();
	bed_write(&bed, DEV_IRQ, 1, 4);
	bed_write(&bed, DEV_IRQ, 2, 4);
	bed_write(&bed, DEV_IRQ, 0, 4);
	assert_string_equal(irq_log.text, "");
	while (strlen(irq_log.text) < strlen("up pulse down "))
		medio_loop_run_once(bed.loop, 5000);
	assert_true(medio_now_ns() - begin >= 2 * MS);
	assert_string_equal(irq_log.text, "up pulse down ");
	test_bed_close(&bed);
}

static void a_flood_of_interrupts_loses_none(void **state)
{
	struct test_bed bed;

	irq_bed_open(&bed, "delay:irq=3600s");
	for (int i = 0; i < 100; i++)
		bed_write(&bed, DEV_IRQ, 2, 4);
	/* 64 are kept; the oldest were let go early. */
	assert_int_equal(strlen(irq_log.text), 36 * strlen("pulse "));
	test_bed_close(&bed);
}

static void a_reset_drops_interrupts_under_way(void **state)
{
	struct test_bed bed;

	irq_bed_open(&bed, "delay:irq=1ms");
	bed_write(&bed, DEV_IRQ, 1, 4);
	medio_instance_reset(bed.inst, MEDIO_RESET_DEVICE);
	bed_write(&bed, DEV_IRQ, 2, 4);
	while (!*irq_log.text)
		medio_loop_run_once(bed.loop, 5000);
	assert_string_equal(irq_log.text, "pulse ");
	test_bed_close(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_waits_and_is_answered_through_the_chain),
		cmocka_unit_test(a_delayed_write_has_its_own_copy),
		cmocka_unit_test(order_is_kept_even_before_what_is_not_delayed),
		cmocka_unit_test(config_is_delayed_only_when_asked),
		cmocka_unit_test(two_delays_add_up),
		cmocka_unit_test(a_device_that_defers_itself_is_answered_once),
		cmocka_unit_test(what_waits_happens_before_the_client_has_left),
		cmocka_unit_test(an_instance_can_end_while_an_access_waits),
		cmocka_unit_test(interrupts_wait_and_keep_their_order),
		cmocka_unit_test(a_flood_of_interrupts_loses_none),
		cmocka_unit_test(a_reset_drops_interrupts_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
