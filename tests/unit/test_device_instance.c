/* SPDX-License-Identifier: BSD-3-Clause */
/* Making an instance, its words for what is wrong, its log, and the small helpers. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "device/instance.h"

struct dev {
	uint64_t count;
	char *name;
	int colour;
	bool fast;
	uint64_t fail;
	struct medio_dev *dev;
};

static int dev_init(struct medio_dev *dev)
{
	struct dev *d = medio_priv(dev);
	d->dev = dev;
	if (d->fail == 1)
		return medio_fail(dev, ENOSPC, "%u ports asked, %u are free", 7, 3);
	return d->fail ? -EIO : 0;
}

static const char *const colours[] = { "red", "green", NULL };
static const struct medio_param params[] = {
	{ "count", MEDIO_PARAM_UINT, offsetof(struct dev, count), "3", "How many", 1, 9, NULL },
	{ "name", MEDIO_PARAM_STRING, offsetof(struct dev, name), NULL, "Name", 0, 0, NULL },
	{ "colour", MEDIO_PARAM_CHOICE, offsetof(struct dev, colour), "green", "Which", 0, 0,
		colours },
	{ "fast", MEDIO_PARAM_BOOL, offsetof(struct dev, fast), NULL, "Be quick", 0, 0, NULL },
	{ "fail", MEDIO_PARAM_UINT, offsetof(struct dev, fail), NULL, "Fail", 0, 0, NULL },
	{ 0 },
};
static const struct medio_device_ops ops = { .init = dev_init };
static const struct medio_type type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "dev",
	.bars = { { MEDIO_BAR_MEM32, false, 4096, NULL, NULL, 0 } },
	.params = params,
	.state_size = sizeof(struct dev),
	.ops = &ops,
};

static struct medio_loop *loop;

static int loop_setup(void **state)
{
	(void)state;
	return medio_loop_new(&loop);
}

static int loop_teardown(void **state)
{
	(void)state;
	medio_loop_free(loop);
	return 0;
}

/* ---- Making ------------------------------------------------------------------------------------------ */

static int make(const struct medio_type *of, const char *param, const char *uuid,
	struct medio_instance **out, char words[512])
{
	struct medio_instance_options opts = { .uuid = uuid, .params = &param, .nparams = !!param };
	struct medio_error *err = NULL;
	int ret = medio_instance_new(loop, of, &opts, out, &err);
	snprintf(words, 512, "%s", err ? medio_error_text(err) : "");
	medio_error_free(err);
	return ret;
}

static void parameters_have_defaults_and_are_set(void **state)
{
	(void)state;
	struct medio_instance *inst;
	const char *const set[] = { "count=9", "name=a=b", "colour=red", "fast=yes" };
	struct medio_instance_options opts = { .params = set, .nparams = 4 };
	assert_int_equal(medio_instance_new(loop, &type, NULL, &inst, NULL), 0);
	const struct dev *d = medio_priv(medio_instance_device(inst));
	assert_int_equal(d->count, 3);
	assert_null(d->name);
	assert_int_equal(d->colour, 1);
	assert_false(d->fast);
	assert_ptr_equal(medio_dev_type(d->dev), &type);
	medio_instance_free(inst);
	assert_int_equal(medio_instance_new(loop, &type, &opts, &inst, NULL), 0);
	d = medio_priv(medio_instance_device(inst));
	assert_int_equal(d->count, 9);
	assert_string_equal(d->name, "a=b");
	assert_int_equal(d->colour, 0);
	assert_true(d->fast);
	medio_instance_free(inst);
	medio_instance_free(NULL);
}

static void what_is_wrong_is_said(void **state)
{
	(void)state;
	struct medio_instance *inst = NULL;
	struct medio_type other = type;
	char words[512];
	assert_int_equal(make(&type, "cuont=1", NULL, &inst, words), -EINVAL);
	assert_non_null(strstr(words, "count"));
	assert_int_equal(make(&type, "count=10", NULL, &inst, words), -EINVAL);
	assert_int_equal(make(&type, "colour=blue", NULL, &inst, words), -EINVAL);
	assert_non_null(strstr(words, "green"));
	assert_int_equal(make(&type, "fail=1", NULL, &inst, words), -ENOSPC);
	assert_string_equal(words, "dev: 7 ports asked, 3 are free");
	assert_int_equal(make(&type, "fail=2", NULL, &inst, words), -EIO);
	assert_non_null(strstr(words, "dev: cannot start: "));
	assert_int_equal(make(&type, NULL, "83b8f4f2", &inst, words), -EINVAL);
	assert_non_null(strstr(words, "not a UUID"));
	other.abi++;
	assert_int_equal(make(&other, NULL, NULL, &inst, words), -EPROTO);
	assert_non_null(strstr(words, "build it again"));
	other = type;
	other.bars[0].size = 4097;
	assert_int_equal(make(&other, NULL, NULL, &inst, words), -EINVAL);
	assert_non_null(strstr(words, "BAR 0"));
	assert_null(inst);
	/* Nobody listens: the errno alone. */
	assert_int_equal(medio_instance_new(loop, &other, NULL, &inst, NULL), -EINVAL);
}

static void a_failure_closes_no_descriptor_of_others(void **state)
{
	(void)state;
	struct medio_instance *inst;
	char words[512];
	bool was_open = fcntl(0, F_GETFD) >= 0;
	make(&type, "fail=1", NULL, &inst, words);
	make(&type, "nonsense", NULL, &inst, words);
	make(&type, NULL, "nonsense", &inst, words);
	assert_int_equal(fcntl(0, F_GETFD) >= 0, was_open);
}

static void a_uuid_is_kept_in_lower_case_or_made(void **state)
{
	(void)state;
	struct medio_instance *a, *b;
	char words[512];
	assert_int_equal(make(&type, NULL, "83B8F4F2-509F-382F-3C1E-E6BFE0FA1001", &a, words), 0);
	assert_string_equal(medio_instance_uuid(a), "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001");
	assert_int_equal(make(&type, NULL, NULL, &b, words), 0);
	assert_int_equal(strlen(medio_instance_uuid(b)), 36);
	assert_string_equal(medio_dev_uuid(medio_instance_device(b)), medio_instance_uuid(b));
	assert_string_not_equal(medio_instance_uuid(a), medio_instance_uuid(b));
	medio_instance_free(a);
	medio_instance_free(b);
}

/* ---- The log -------------------------------------------------------------------------------------------- */

struct lines {
	unsigned count;
	enum medio_log_level level;
	char last[1024];
};

static void on_log(void *opaque, enum medio_log_level level, const char *line)
{
	struct lines *l = opaque;
	l->count++;
	l->level = level;
	snprintf(l->last, sizeof(l->last), "%s", line);
}

static void what_a_guest_can_cause_is_limited(void **state)
{
	(void)state;
	struct lines lines = { 0 };
	struct medio_instance_options opts = {
		.uuid = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", .log = on_log, .log_opaque = &lines
	};
	struct medio_instance *inst;
	assert_int_equal(medio_instance_new(loop, &type, &opts, &inst, NULL), 0);
	struct medio_dev *dev = medio_instance_device(inst);
	medio_log(dev, MEDIO_LOG_INFO, "hello %d", 5);
	assert_string_equal(lines.last, "dev 83b8f4f2: hello 5");
	assert_int_equal(lines.level, MEDIO_LOG_INFO);
	lines.count = 0;
	uint64_t first = medio_now_ns() / 1000000000;
	for (int i = 0; i < 1000; i++)
		medio_guest_error(dev, "bad write");
	uint64_t last = medio_now_ns() / 1000000000;
	assert_true(lines.count >= 10 && lines.count <= (last - first + 1) * 11);
	assert_int_equal(lines.level, MEDIO_LOG_WARN);
	/* What a device says by itself is not. */
	lines.count = 0;
	for (int i = 0; i < 1000; i++)
		medio_log(dev, MEDIO_LOG_WARN, "important");
	assert_int_equal(lines.count, 1000);
	/* Long lines are cut, not overrun; medio_fail after the start is a line. */
	medio_log(dev, MEDIO_LOG_WARN, "%02000d", 1);
	assert_true(strlen(lines.last) < 600);
	assert_int_equal(medio_fail(dev, EIO, "lost %s", "it"), -EIO);
	assert_string_equal(lines.last, "dev 83b8f4f2: lost it");
	assert_int_equal(lines.level, MEDIO_LOG_ERROR);
	medio_instance_free(inst);
}

/* ---- Counters and attributes ------------------------------------------------------------------------------ */

static void counters_may_be_anywhere_and_begin_at_zero(void **state)
{
	(void)state;
	struct medio_stats stats;
	struct medio_instance_options opts = { .stats = &stats };
	struct medio_instance *inst;
	uint8_t byte;
	memset(&stats, 0xff, sizeof(stats));
	assert_int_equal(medio_instance_new(loop, &type, &opts, &inst, NULL), 0);
	assert_ptr_equal(medio_instance_stats(inst), &stats);
	assert_int_equal(stats.reads | stats.errors | stats.connected, 0);
	assert_int_equal(medio_instance_read(inst, 0, 0, &byte, 1), 0);
	assert_int_equal(medio_instance_read(inst, 0, 4096, &byte, 1), -EINVAL);
	assert_int_equal(stats.reads, 1);
	medio_instance_free(inst);
	assert_int_equal(stats.reads, 1); /* and stay */

	assert_int_equal(medio_instance_new(loop, &type, NULL, &inst, NULL), 0);
	assert_int_equal(medio_instance_write(inst, 0, 0, &byte, 1), 0);
	assert_int_equal(medio_instance_stats(inst)->writes, 1);
	medio_instance_free(inst);
}

static ssize_t show_count(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct dev *d = medio_priv(dev);
	return snprintf(buf, size, "%s %llu\n", attr->name, (unsigned long long)d->count);
}

static int store_count(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	struct dev *d = medio_priv(dev);
	(void)attr;
	if (size != 1)
		return -ERANGE;
	d->count = (uint64_t)(buf[0] - '0');
	return 0;
}

static void attributes_are_found_by_name(void **state)
{
	static const struct medio_attr attrs[] = {
		{ "group/count", show_count, store_count },
		{ "read-only", show_count, NULL },
		{ "write-only", NULL, store_count },
		{ NULL },
	};
	(void)state;
	struct medio_type with = type;
	struct medio_instance *inst;
	char text[64];
	assert_int_equal(medio_instance_new(loop, &type, NULL, &inst, NULL), 0);
	assert_int_equal(medio_instance_attr_show(inst, "count", text, sizeof(text)), -ENOENT);
	assert_int_equal(medio_instance_attr_store(inst, "count", "1", 1), -ENOENT);
	medio_instance_free(inst);

	with.attrs = attrs;
	assert_int_equal(medio_instance_new(loop, &with, NULL, &inst, NULL), 0);
	assert_int_equal(medio_instance_attr_show(inst, "group/count", text, sizeof(text)), 14);
	assert_string_equal(text, "group/count 3\n");
	assert_int_equal(medio_instance_attr_show(inst, "group/count", text, 13), -ENOBUFS);
	assert_int_equal(medio_instance_attr_store(inst, "group/count", "8", 1), 0);
	assert_int_equal(medio_instance_attr_show(inst, "read-only", text, sizeof(text)), 12);
	assert_string_equal(text, "read-only 8\n");
	assert_int_equal(medio_instance_attr_store(inst, "group/count", "88", 2), -ERANGE);
	assert_int_equal(medio_instance_attr_store(inst, "read-only", "1", 1), -EIO);
	assert_int_equal(medio_instance_attr_show(inst, "write-only", text, sizeof(text)), -EIO);
	assert_int_equal(medio_instance_attr_show(inst, "group", text, sizeof(text)), -ENOENT);
	medio_instance_free(inst);
}

/* ---- Helpers ---------------------------------------------------------------------------------------------- */

static char pieces[256];

static int on_piece(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	size_t used = strlen(pieces);
	(void)dev;
	(void)region;
	snprintf(pieces + used, sizeof(pieces) - used, "%llu+%zu ", (unsigned long long)offset,
		count);
	memset(buf, (int)offset, count);
	return offset == 100 ? -EIO : 0;
}

static void an_access_is_split_into_aligned_pieces(void **state)
{
	(void)state;
	uint8_t buf[32];
	pieces[0] = '\0';
	assert_int_equal(medio_reg_split(NULL, 0, 3, buf, 10, 4, on_piece), 0);
	assert_string_equal(pieces, "3+1 4+4 8+4 12+1 ");
	assert_memory_equal(buf, "\3\4\4\4\4\10\10\10\10\14", 10);
	pieces[0] = '\0';
	assert_int_equal(medio_reg_split(NULL, 0, 5, buf, 2, 8, on_piece), 0);
	assert_int_equal(medio_reg_split(NULL, 0, 1, buf, 3, 1, on_piece), 0);
	assert_int_equal(medio_reg_split(NULL, 0, 1, buf, 0, 4, on_piece), 0);
	assert_string_equal(pieces, "5+2 1+1 2+1 3+1 ");
	pieces[0] = '\0';
	assert_int_equal(medio_reg_split(NULL, 0, 96, buf, 16, 4, on_piece), -EIO);
	assert_string_equal(pieces, "96+4 100+4 ");
}

static void values_are_little_endian_of_any_size(void **state)
{
	(void)state;
	uint8_t buf[10];
	for (size_t n = 1; n <= 8; n++) {
		uint64_t value = 0x8877665544332211 & (n == 8 ? UINT64_MAX : (1ull << 8 * n) - 1);
		memset(buf, 0xee, sizeof(buf));
		medio_put_le(buf, n, value);
		assert_int_equal(buf[0], 0x11);
		assert_int_equal(buf[n - 1], 0x11 * n);
		assert_int_equal(buf[n], 0xee);
		assert_true(medio_get_le(buf, n) == value);
	}
	medio_put_le(buf, 10, UINT64_MAX);
	assert_int_equal(buf[8] | buf[9], 0);
}

#define WITH_LOOP(name) cmocka_unit_test_setup_teardown(name, loop_setup, loop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(parameters_have_defaults_and_are_set),
		WITH_LOOP(what_is_wrong_is_said),
		WITH_LOOP(a_failure_closes_no_descriptor_of_others),
		WITH_LOOP(a_uuid_is_kept_in_lower_case_or_made),
		WITH_LOOP(what_a_guest_can_cause_is_limited),
		WITH_LOOP(counters_may_be_anywhere_and_begin_at_zero),
		WITH_LOOP(attributes_are_found_by_name),
		cmocka_unit_test(an_access_is_split_into_aligned_pieces),
		cmocka_unit_test(values_are_little_endian_of_any_size),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
