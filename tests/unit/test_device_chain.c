/* SPDX-License-Identifier: BSD-3-Clause */
/* The chain: which link answers a call, and what is answered late. */
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
#include "device/irq.h"

/* What was called, in order: "a.read dev.read …". */
static char calls[1024];

static void note(const char *who, const char *what)
{
	size_t used = strlen(calls);
	snprintf(calls + used, sizeof(calls) - used, "%s%s.%s", used ? " " : "", who, what);
}

static void expect_calls(const char *want)
{
	assert_string_equal(calls, want);
	calls[0] = '\0';
}

/* ---- A device -------------------------------------------------------------------------------------- */

struct dev {
	struct medio_dev *dev;
	struct medio_token *token; /* of an access to 0x10 and above */
	bool defers;
};

static struct dev *the_dev;

static int dev_init(struct medio_dev *dev)
{
	the_dev = medio_priv(dev);
	the_dev->dev = dev;
	note("dev", "init");
	return 0;
}

static void dev_fini(struct medio_dev *dev)
{
	(void)dev;
	note("dev", "fini");
}

static int dev_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct dev *d = medio_priv(dev);
	(void)region;
	(void)offset;
	note("dev", "read");
	memset(buf, 0x44, count);
	if (!d->defers)
		return 0;
	d->token = medio_defer(dev);
	return MEDIO_DEFERRED;
}

static int dev_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	(void)dev;
	(void)region;
	(void)offset;
	(void)buf;
	(void)count;
	note("dev", "write");
	return 0;
}

static void dev_bell(struct medio_dev *dev, unsigned region, uint64_t offset)
{
	(void)dev;
	(void)region;
	(void)offset;
	note("dev", "bell");
}

static const struct medio_device_ops dev_ops = {
	.init = dev_init,
	.fini = dev_fini,
	.region_read = dev_read,
	.region_write = dev_write,
	.doorbell = dev_bell,
};
static const struct medio_doorbell bells[] = { { .offset = 8, .size = 4 } };
static const struct medio_type type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "dev",
	.bars = { { MEDIO_BAR_MEM32, false, 4096, NULL, bells, 1 } },
	.irqs = { .intx_pin = 1 },
	.state_size = sizeof(struct dev),
	.ops = &dev_ops,
};

/* ---- Filters ----------------------------------------------------------------------------------------- */

static int bare_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	note("reads", "read");
	return medio_next_region_read(dev, region, offset, buf, count);
}

static void bare_irq(struct medio_dev *dev, unsigned vector, bool level)
{
	note("irqs", level ? "raise" : "lower");
	medio_irq_set(dev, vector, level);
}

static void bare_reset(struct medio_dev *dev, enum medio_reset kind)
{
	note("irqs", "reset");
	medio_next_reset(dev, kind);
}

static void bare_completed(struct medio_dev *dev, int ret, const void *data, size_t count)
{
	(void)dev;
	(void)ret;
	(void)data;
	(void)count;
	note("reads", "completed");
}

/* Puts every access off; the test goes on with it. */
struct late {
	struct medio_token *token;
	unsigned region;
	uint64_t offset;
	uint8_t buf[64];
	size_t count;
	bool write;
	uint64_t id;
};

static struct late *the_late;

static int late_init(struct medio_dev *dev)
{
	the_late = medio_priv(dev);
	if (the_late->id == 13)
		return medio_fail(dev, EINVAL, "id %u brings bad luck", 13);
	return the_late->id == 14 ? -ENXIO : 0;
}

static void late_fini(struct medio_dev *dev)
{
	(void)dev;
	note("late", "fini");
}

static int late_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct late *late = medio_priv(dev);
	(void)buf;
	note("late", "read");
	*late = (struct late){ medio_defer(dev), region, offset, { 0 }, count, false, 0 };
	return MEDIO_DEFERRED;
}

static int late_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct late *late = medio_priv(dev);
	note("late", "write");
	*late = (struct late){ medio_defer(dev), region, offset, { 0 }, count, true, 0 };
	memcpy(late->buf, buf, count);
	return MEDIO_DEFERRED;
}

static void late_go_on(void)
{
	struct late *l = the_late;
	if (l->write)
		medio_next_complete_write(l->token, l->region, l->offset, l->buf, l->count);
	else
		medio_next_complete_read(l->token, l->region, l->offset, l->buf, l->count);
}

static const struct medio_device_ops reads_down = { .region_read = bare_read };
static const struct medio_host_ops reads_up = { .completed = bare_completed };
static const struct medio_device_ops irqs_down = { .reset = bare_reset };
static const struct medio_host_ops irqs_up = { .irq_set = bare_irq };
static const struct medio_device_ops late_down = {
	.init = late_init, .fini = late_fini, .region_read = late_read, .region_write = late_write
};
static const struct medio_param late_params[] = {
	{ "id", MEDIO_PARAM_UINT, offsetof(struct late, id), NULL, "Which", 0, 20, NULL }, { 0 }
};
static const struct medio_filter reads = {
	.abi = MEDIO_DEVICE_ABI, .name = "reads", .down = &reads_down, .up = &reads_up
};
static const struct medio_filter irqs = {
	.abi = MEDIO_DEVICE_ABI, .name = "irqs", .down = &irqs_down, .up = &irqs_up
};
static const struct medio_filter late = { .abi = MEDIO_DEVICE_ABI,
	.name = "late",
	.params = late_params,
	.state_size = sizeof(struct late),
	.down = &late_down };
static const struct medio_filter none = { .abi = MEDIO_DEVICE_ABI, .name = "none" };
static const struct medio_filter old = { .abi = MEDIO_DEVICE_ABI + 1, .name = "old" };
static const struct medio_filter *const known[] = { &reads, &irqs, &late, &none, &old, NULL };

/* ---- A transport --------------------------------------------------------------------------------------- */

static struct answer {
	unsigned count;
	int ret;
	uint8_t data[64];
	size_t size;
} answer;

static void on_completed(void *opaque, int ret, const void *data, size_t count)
{
	(void)opaque;
	answer.count++;
	answer.ret = ret;
	answer.size = data ? count : 0;
	if (data)
		memcpy(answer.data, data, count);
}

static void on_quiesced(void *opaque)
{
	(void)opaque;
}

static const struct medio_transport_ops transport = {
	.completed = on_completed,
	.quiesced = on_quiesced,
};

struct bed {
	struct medio_loop *loop;
	struct medio_instance *inst;
};

static int try_filters(struct bed *bed, const char *a, const char *b, char words[256])
{
	const char *filters[] = { a, b };
	struct medio_instance_options opts = { .filters = filters,
		.nfilters = b	? 2
			    : a ? 1
				: 0,
		.known_filters = known };
	struct medio_error *err = NULL;
	calls[0] = '\0';
	words[0] = '\0';
	memset(&answer, 0, sizeof(answer));
	assert_int_equal(medio_loop_new(&bed->loop), 0);
	int ret = medio_instance_new(bed->loop, &type, &opts, &bed->inst, &err);
	if (err)
		snprintf(words, 256, "%s", medio_error_text(err));
	medio_error_free(err);
	if (ret) {
		medio_loop_free(bed->loop);
		return ret;
	}
	expect_calls("dev.init");
	assert_int_equal(medio_instance_attach(bed->inst, &transport, NULL), 0);
	return 0;
}

static void with_filters(struct bed *bed, const char *a, const char *b)
{
	char words[256];
	if (try_filters(bed, a, b, words))
		fail_msg("%s", words);
}

static void bed_close(struct bed *bed)
{
	medio_instance_free(bed->inst);
	medio_loop_free(bed->loop);
}

/* ---- Tests -------------------------------------------------------------------------------------------------- */

static void a_call_goes_to_the_nearest_link_that_has_it(void **state)
{
	(void)state;
	struct bed bed;
	uint8_t buf[4];
	with_filters(&bed, "irqs", "reads");
	assert_int_equal(medio_instance_read(bed.inst, 0, 0, buf, 4), 0);
	expect_calls("reads.read dev.read");
	assert_int_equal(medio_instance_write(bed.inst, 0, 0, buf, 4), 0);
	expect_calls("dev.write");
	medio_irq_set(the_dev->dev, 0, true);
	expect_calls("irqs.raise");
	medio_instance_reset(bed.inst, MEDIO_RESET_DEVICE);
	expect_calls("irqs.reset"); /* the device has none */
	bed_close(&bed);
	expect_calls("dev.fini");
}

static void the_first_filter_is_nearest_to_the_transport(void **state)
{
	(void)state;
	struct bed bed;
	uint8_t buf[4];
	with_filters(&bed, "reads", "late");
	assert_int_equal(medio_instance_read(bed.inst, 0, 0, buf, 4), MEDIO_DEFERRED);
	expect_calls("reads.read late.read");
	late_go_on();
	expect_calls("dev.read reads.completed");
	bed_close(&bed);
	with_filters(&bed, "late", "reads");
	assert_int_equal(medio_instance_read(bed.inst, 0, 0, buf, 4), MEDIO_DEFERRED);
	expect_calls("late.read");
	late_go_on(); /* below it nothing was deferred, so nobody is told */
	expect_calls("reads.read dev.read");
	bed_close(&bed);
	calls[0] = '\0';
}

static void filters_see_config_space_the_device_does_not(void **state)
{
	(void)state;
	struct bed bed;
	uint8_t buf[4];
	with_filters(&bed, "reads", NULL);
	assert_int_equal(medio_instance_read(bed.inst, MEDIO_REGION_CONFIG, 0, buf, 4), 0);
	expect_calls("reads.read");
	bed_close(&bed);
	calls[0] = '\0';
}

static void two_of_one_filter_have_states_of_their_own(void **state)
{
	(void)state;
	struct bed bed;
	uint8_t buf[4] = { 0 };
	with_filters(&bed, "late:id=1", "late:id=2");
	assert_int_equal(the_late->id, 2);
	assert_int_equal(medio_instance_write(bed.inst, 0, 0, buf, 4), MEDIO_DEFERRED);
	expect_calls("late.write");
	assert_null(the_late->token);
	bed_close(&bed);
	expect_calls("dev.fini late.fini late.fini");
}

static void a_deferred_access_passes_its_answer_up_once(void **state)
{
	(void)state;
	struct bed bed;
	uint8_t buf[4];
	with_filters(&bed, "late", NULL);
	assert_int_equal(medio_instance_read(bed.inst, 0, 0, buf, 4), MEDIO_DEFERRED);
	assert_int_equal(answer.count, 0);
	late_go_on();
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.ret, 0);
	assert_int_equal(answer.size, 4);
	assert_memory_equal(answer.data, "\x44\x44\x44\x44", 4);
	/* The device defers below the filter that did. */
	the_dev->defers = true;
	assert_int_equal(medio_instance_read(bed.inst, 0, 0, buf, 4), MEDIO_DEFERRED);
	late_go_on();
	assert_int_equal(answer.count, 1);
	medio_complete(the_dev->token, 0, "abcd", 4);
	assert_int_equal(answer.count, 2);
	assert_memory_equal(answer.data, "abcd", 4);
	bed_close(&bed);
	calls[0] = '\0';
}

static void an_answer_that_is_none_becomes_an_error(void **state)
{
	(void)state;
	struct bed bed;
	uint8_t buf[4];
	with_filters(&bed, NULL, NULL);
	the_dev->defers = true;
	assert_int_equal(medio_instance_read(bed.inst, 0, 0, buf, 4), MEDIO_DEFERRED);
	medio_complete(the_dev->token, MEDIO_DEFERRED, NULL, 0);
	assert_int_equal(answer.ret, -EIO);
	bed_close(&bed);
	calls[0] = '\0';
}

static void answers_after_the_client_went_reach_nobody(void **state)
{
	(void)state;
	struct bed bed;
	uint8_t buf[4];
	with_filters(&bed, "late", NULL);
	the_dev->defers = true;
	assert_int_equal(medio_instance_read(bed.inst, 0, 0, buf, 4), MEDIO_DEFERRED);
	medio_instance_detach(bed.inst);
	assert_int_equal(medio_instance_attach(bed.inst, &transport, NULL), 0);
	late_go_on();
	medio_complete(the_dev->token, 0, "abcd", 4);
	assert_int_equal(answer.count, 0);
	/* Tokens never answered go with the instance. */
	assert_int_equal(medio_instance_read(bed.inst, 0, 0, buf, 4), MEDIO_DEFERRED);
	bed_close(&bed);
	calls[0] = '\0';
}

/* A filter that puts the write off does not swallow the ring. */
static void a_doorbell_rings_when_its_write_arrives(void **state)
{
	(void)state;
	struct bed bed;
	uint8_t buf[4] = { 0 };
	with_filters(&bed, NULL, NULL);
	assert_int_equal(medio_instance_write(bed.inst, 0, 8, buf, 4), 0);
	expect_calls("dev.write dev.bell");
	bed_close(&bed);
	with_filters(&bed, "late", NULL);
	assert_int_equal(medio_instance_write(bed.inst, 0, 8, buf, 4), MEDIO_DEFERRED);
	expect_calls("late.write");
	late_go_on();
	expect_calls("dev.write dev.bell");
	bed_close(&bed);
	calls[0] = '\0';
}

static void filters_that_cannot_be_are_explained(void **state)
{
	(void)state;
	struct bed bed;
	char words[256];
	assert_int_equal(try_filters(&bed, "latee", NULL, words), -EINVAL);
	assert_non_null(strstr(words, "did you mean 'late'?"));
	assert_non_null(strstr(words, "reads, irqs, late"));
	assert_int_equal(try_filters(&bed, "late:id=99", NULL, words), -EINVAL);
	assert_int_equal(try_filters(&bed, "late:di=1", NULL, words), -EINVAL);
	assert_non_null(strstr(words, "id"));
	assert_int_equal(try_filters(&bed, "old", NULL, words), -EPROTO);
	assert_non_null(strstr(words, "build it again"));
	assert_int_equal(try_filters(&bed, "late:id=13", NULL, words), -EINVAL);
	assert_string_equal(words, "late: id 13 brings bad luck");
	assert_int_equal(try_filters(&bed, "late:id=14", NULL, words), -ENXIO);
	assert_non_null(strstr(words, "filter late: cannot start"));
	/* The good one in front of a bad one is taken down again; the device never started. */
	assert_int_equal(try_filters(&bed, "late", "nonsense", words), -EINVAL);
	expect_calls("late.fini");
	with_filters(&bed, "none", NULL);
	bed_close(&bed);
	calls[0] = '\0';
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_goes_to_the_nearest_link_that_has_it),
		cmocka_unit_test(the_first_filter_is_nearest_to_the_transport),
		cmocka_unit_test(filters_see_config_space_the_device_does_not),
		cmocka_unit_test(two_of_one_filter_have_states_of_their_own),
		cmocka_unit_test(a_deferred_access_passes_its_answer_up_once),
		cmocka_unit_test(an_answer_that_is_none_becomes_an_error),
		cmocka_unit_test(answers_after_the_client_went_reach_nobody),
		cmocka_unit_test(a_doorbell_rings_when_its_write_arrives),
		cmocka_unit_test(filters_that_cannot_be_are_explained),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
