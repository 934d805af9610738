/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole PCI device: a counter. BAR 0 has three registers of 32 bits:
 *     0x0  COUNT    how far it has counted
 *     0x4  ADD      write n: count n further; an interrupt when that overflows
 *     0x8  SCRATCH  keeps what is written
 */
#include <errno.h>
#include <medio/device.h>

enum { COUNT = 0x0, ADD = 0x4, SCRATCH = 0x8 };

struct counter {
	uint32_t count, scratch;
};

static int counter_read(
	struct medio_dev *dev, unsigned bar, uint64_t offset, void *buf, size_t size)
{
	const struct counter *c = medio_priv(dev);
	if (size != 4)
		return -EINVAL; /* the guest reads all-ones */
	medio_put_le(buf, 4, offset == COUNT ? c->count : offset == SCRATCH ? c->scratch : 0);
	return 0;
}

static int counter_write(
	struct medio_dev *dev, unsigned bar, uint64_t offset, const void *buf, size_t size)
{
	struct counter *c = medio_priv(dev);
	if (size != 4)
		return -EINVAL;
	uint32_t value = (uint32_t)medio_get_le(buf, 4);
	if (offset == ADD && __builtin_add_overflow(c->count, value, &c->count))
		medio_irq_pulse(dev, 0);
	if (offset == SCRATCH)
		c->scratch = value;
	return 0;
}

static void counter_reset(struct medio_dev *dev, enum medio_reset kind)
{
	*(struct counter *)medio_priv(dev) = (struct counter){ 0 };
}

const struct medio_type counter_type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "counter",
	.summary = "A counter that interrupts when it overflows",
	.id = { .vendor = 0x1234, .device = 0x0c01, .class_code = 0xff0000 },
	.bars = { { .kind = MEDIO_BAR_MEM32, .size = 4096 } },
	.irqs = { .msi = 1 },
	.state_size = sizeof(struct counter),
	.ops = &(const struct medio_device_ops){ .region_read = counter_read,
		.region_write = counter_write,
		.reset = counter_reset },
};
MEDIO_PLUGIN(&counter_type);
