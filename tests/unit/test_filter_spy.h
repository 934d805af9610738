/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device for tests of filters (test_filter_device.h) with registers that have names, and a filter "spy"
 * that writes down what comes up: "up0 ", "down0 ", "pulse3 ".
 */
#ifndef TEST_FILTER_SPY_H
#define TEST_FILTER_SPY_H

#include <sys/mman.h>

#include "test_filter_device.h"

static char spy_log[1024];

static inline void spy_add(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline void spy_add(const char *fmt, ...)
{
	size_t len = strlen(spy_log);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(spy_log + len, sizeof(spy_log) - len, fmt, ap);
	va_end(ap);
}

static inline void spy_irq_set(struct medio_dev *dev, unsigned vector, bool level)
{
	spy_add("%s%u ", level ? "up" : "down", vector);
	medio_irq_set(dev, vector, level);
}

static inline void spy_irq_pulse(struct medio_dev *dev, unsigned vector)
{
	spy_add("pulse%u ", vector);
	medio_irq_pulse(dev, vector);
}

static struct medio_dev *spy_dev; /* to ring doorbells from, as a client does through an eventfd */

static inline int spy_init(struct medio_dev *dev)
{
	spy_dev = dev;
	return 0;
}

static const struct medio_device_ops spy_down = { .init = spy_init };
static const struct medio_host_ops spy_up = {
	.irq_set = spy_irq_set,
	.irq_pulse = spy_irq_pulse,
};
static const struct medio_filter spy = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "spy",
	.summary = "Write down what comes up",
	.down = &spy_down,
	.up = &spy_up,
};

static const struct medio_register spy_registers[] = {
	{ "first", 0, 0x00, 4 },
	{ "second", 0, 0x04, 4 },
	{ "table", 0, 0x10, 4, 3, 4 },
	{ "irq", 0, DEV_IRQ, 4 },
	{ 0 },
};

static struct medio_type spy_type;

/* As test_bed_open(); above the filters is a spy. A failure's words in why, NULL: there must be none. */
static inline int spy_try(struct test_bed *bed, const char *const *filters, char *why, size_t size)
{
	const struct medio_filter *known[16] = { &spy };
	const char *names[16] = { "spy" };
	struct medio_instance_options opts = { .uuid = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001",
		.filters = names,
		.nfilters = 1,
		.known_filters = known };
	struct medio_error *err = NULL;

	for (unsigned i = 0; medio_builtin_filters[i]; i++)
		known[i + 1] = medio_builtin_filters[i];
	for (; *filters; filters++)
		names[opts.nfilters++] = *filters;
	spy_type = test_type;
	spy_type.registers = spy_registers;
	spy_type.irqs.msi = 4;
	spy_log[0] = '\0';
	memset(&bed->end, 0, sizeof(bed->end));
	assert_int_equal(medio_loop_new(&bed->loop), 0);
	int ret = medio_instance_new(bed->loop, &spy_type, &opts, &bed->inst, &err);
	if (ret) {
		if (!why)
			fail_msg("%s", medio_error_text(err));
		snprintf(why, size, "%s", medio_error_text(err));
		medio_error_free(err);
		medio_loop_free(bed->loop);
		return ret;
	}
	bed->device = medio_priv(medio_instance_device(bed->inst));
	assert_int_equal(medio_instance_attach(bed->inst, &test_transport, &bed->end), 0);
	bed->device->log[0] = '\0';
	return 0;
}

#define SPY_OPEN(bed_, ...) spy_try(bed_, (const char *const[]){ __VA_ARGS__, NULL }, NULL, 0)

/* One page of memory at 0x1000, and the device may master the bus. */
static inline void spy_memory(struct test_bed *bed)
{
	int fd = memfd_create("guest", 0);

	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(medio_instance_dma_map(bed->inst, 0x1000, 4096,
				 MEDIO_PROT_READ | MEDIO_PROT_WRITE, fd, 0, NULL),
		0);
	close(fd);
	assert_int_equal(medio_instance_write(bed->inst, MEDIO_REGION_CONFIG, 4, "\x06\x00", 2), 0);
}

static inline void expect_attr(struct test_bed *bed, const char *name, const char *text)
{
	char buf[4096];
	ssize_t len = medio_instance_attr_show(bed->inst, name, buf, sizeof(buf) - 1);

	if (len < 0)
		fail_msg("%s: %s", name, strerror((int)-len));
	buf[len] = '\0';
	assert_string_equal(buf, text);
}

static inline int store_attr(struct test_bed *bed, const char *name, const char *text)
{
	return medio_instance_attr_store(bed->inst, name, text, strlen(text));
}

#endif
