/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device for tests of filters: BAR 0, 4096 bytes. 0x0 to 0x1f keep what is written and write the
 * order of accesses into a log. Further registers, 4 bytes each:
 *     0x20  write: interrupt source 0 becomes what is written; 2: a pulse
 *     0x24  write: read 32 bytes of guest memory at that iova
 *     0x28  any access is deferred until the test answers it
 *     0x2c  any access fails with -EIO
 *     0x30  write: read 8 bytes there in the asynchronous way; 0x3c: write them
 *     0x34  write: write 32 bytes there
 *     0x38  write: take a pointer to 8 bytes there, to read and write
 */
#ifndef TEST_FILTER_DEVICE_H
#define TEST_FILTER_DEVICE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <medio/serve.h>

#include "device/instance.h"
#include "filters/filters.h"

enum {
	DEV_IRQ = 0x20,
	DEV_DMA = 0x24,
	DEV_DEFER = 0x28,
	DEV_FAIL = 0x2c,
	DEV_ASYNC = 0x30,
	DEV_DMA_WRITE = 0x34,
	DEV_GET = 0x38,
	DEV_ASYNC_WRITE = 0x3c,
};

struct test_device {
	uint8_t regs[0x20];
	struct medio_token *token;
	uint8_t memory[8]; /* of asynchronous DMA */
	char log[512];
};

static inline void test_log(struct test_device *d, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static inline void test_log(struct test_device *d, const char *fmt, ...)
{
	size_t len = strlen(d->log);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(d->log + len, sizeof(d->log) - len, fmt, ap);
	va_end(ap);
}

static inline void test_async_done(void *opaque, int ret)
{
	test_log(opaque, "async %d;", ret);
}

static inline int test_special(struct medio_dev *dev, uint64_t offset, uint32_t value)
{
	struct test_device *d = medio_priv(dev);
	uint8_t memory[32] = { 0 };
	int err = 0;

	switch (offset) {
	case DEV_IRQ:
		if (value == 2)
			medio_irq_pulse(dev, 0);
		else
			medio_irq_set(dev, 0, value);
		return 0;
	case DEV_DMA:
		return medio_dma_read(dev, value, memory, sizeof(memory));
	case DEV_ASYNC:
		return medio_dma_read_async(
			dev, value, d->memory, sizeof(d->memory), test_async_done, d);
	case DEV_DMA_WRITE:
		return medio_dma_write(dev, value, memory, sizeof(memory));
	case DEV_GET:
		return medio_dma_get(dev, value, 8, MEDIO_PROT_READ | MEDIO_PROT_WRITE, &err) ? 0
											      : err;
	case DEV_ASYNC_WRITE:
		return medio_dma_write_async(
			dev, value, d->memory, sizeof(d->memory), test_async_done, d);
	case DEV_DEFER:
		d->token = medio_defer(dev);
		return MEDIO_DEFERRED;
	case DEV_FAIL:
		return -EIO;
	default:
		return 0;
	}
}

static inline int test_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct test_device *d = medio_priv(dev);

	(void)region;
	test_log(d, "r%x ", (unsigned)offset);
	memset(buf, 0, count);
	if (offset < sizeof(d->regs) && count <= sizeof(d->regs) - offset) {
		memcpy(buf, d->regs + offset, count);
		return 0;
	}
	return offset == DEV_IRQ ? 0 : test_special(dev, offset, 0);
}

static inline int test_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct test_device *d = medio_priv(dev);

	(void)region;
	test_log(d, "w%x ", (unsigned)offset);
	if (offset < sizeof(d->regs) && count <= sizeof(d->regs) - offset) {
		memcpy(d->regs + offset, buf, count);
		return 0;
	}
	return test_special(dev, offset, (uint32_t)medio_get_le(buf, count));
}

static inline void test_reset(struct medio_dev *dev, enum medio_reset kind)
{
	struct test_device *d = medio_priv(dev);

	(void)kind;
	memset(d->regs, 0, sizeof(d->regs));
	test_log(d, "reset ");
}

static inline void test_doorbell(struct medio_dev *dev, unsigned region, uint64_t offset)
{
	(void)region;
	test_log(medio_priv(dev), "bell%x ", (unsigned)offset);
}

static inline void test_client(struct medio_dev *dev, bool present)
{
	test_log(medio_priv(dev), present ? "came " : "left ");
}

static const struct medio_device_ops test_ops = {
	.region_read = test_read,
	.region_write = test_write,
	.doorbell = test_doorbell,
	.reset = test_reset,
	.client = test_client,
};

static const struct medio_type test_type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "test-device",
	.summary = "Test device",
	.id = { 0x1234, 0x0001, 0x1234, 0x0001, 1, 0xff0000 },
	.bars = { { .kind = MEDIO_BAR_MEM32, .size = 4096 } },
	.irqs = { .intx_pin = 1 },
	.state_size = sizeof(struct test_device),
	.ops = &test_ops,
};

/* A client in this process: what it was answered. */
struct test_client_end {
	unsigned answers;
	int ret;
	uint8_t data[8];
};

static inline void test_completed(void *opaque, int ret, const void *data, size_t count)
{
	struct test_client_end *end = opaque;

	end->answers++;
	end->ret = ret;
	if (data && count <= sizeof(end->data))
		memcpy(end->data, data, count);
}

static const struct medio_transport_ops test_transport = { .completed = test_completed };

struct test_bed {
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct test_device *device;
	struct test_client_end end;
	char dir[32];
};

/* An instance with these filters, a client attached. NULL in filters ends them. */
static inline void test_bed_open(struct test_bed *bed, const char *const *filters)
{
	struct medio_instance_options opts = { .uuid = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001",
		.filters = filters,
		.known_filters = medio_builtin_filters };
	struct medio_error *err = NULL;

	while (filters && filters[opts.nfilters])
		opts.nfilters++;
	memset(&bed->end, 0, sizeof(bed->end));
	assert_int_equal(medio_loop_new(&bed->loop), 0);
	if (medio_instance_new(bed->loop, &test_type, &opts, &bed->inst, &err))
		fail_msg("%s", medio_error_text(err));
	bed->device = medio_priv(medio_instance_device(bed->inst));
	assert_int_equal(medio_instance_attach(bed->inst, &test_transport, &bed->end), 0);
}

static inline void test_bed_close(struct test_bed *bed)
{
	medio_instance_free(bed->inst);
	medio_loop_free(bed->loop);
}

static inline int bed_write(struct test_bed *bed, uint64_t offset, uint32_t value, size_t count)
{
	uint8_t buf[8] = { 0 };

	medio_put_le(buf, count, value);
	return medio_instance_write(bed->inst, 0, offset, buf, count);
}

/* Returns the value or -errno. */
static inline int64_t bed_read(struct test_bed *bed, uint64_t offset, size_t count)
{
	uint8_t buf[8] = { 0 };
	int ret = medio_instance_read(bed->inst, 0, offset, buf, count);

	return ret ? ret : (int64_t)medio_get_le(buf, count);
}

/* The bytes of a file, NUL-terminated, owned by the caller. */
static inline char *slurp(const char *path, size_t *size)
{
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	char *text = malloc(1 << 20);
	assert_non_null(text);
	size_t got = fread(text, 1, (1 << 20) - 1, f);
	fclose(f);
	text[got] = '\0';
	if (size)
		*size = got;
	return text;
}

#endif
