/* SPDX-License-Identifier: BSD-3-Clause */
/* A card that interrupts by itself, each vector in its turn: for a test of who watches interrupts. */
#include <errno.h>

#include <medio/device.h>

#define VECTORS 4u

struct ticker {
	uint64_t period;
	struct medio_timer *timer;
	unsigned next;
};

static void on_tick(void *opaque)
{
	struct medio_dev *dev = opaque;
	struct ticker *t = medio_priv(dev);

	/* The line rises and falls: also an event of INTx. */
	medio_irq_set(dev, t->next, true);
	medio_irq_set(dev, t->next, false);
	t->next = (t->next + 1) % VECTORS;
	medio_timer_arm(t->timer, t->period);
}

static int ticker_init(struct medio_dev *dev)
{
	struct ticker *t = medio_priv(dev);

	t->timer = medio_timer_new(dev, on_tick, dev);
	if (!t->timer)
		return -ENOMEM;
	medio_timer_arm(t->timer, t->period);
	return 0;
}

static void ticker_fini(struct medio_dev *dev)
{
	struct ticker *t = medio_priv(dev);

	medio_timer_free(t->timer);
}

static const struct medio_param params[] = {
	{ .name = "period",
		.kind = MEDIO_PARAM_TIME,
		.offset = offsetof(struct ticker, period),
		.deflt = "2ms",
		.help = "time between interrupts",
		.min = 1000 },
	{ 0 },
};

static const struct medio_type ticker = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "ticker",
	.summary = "Interrupts that come by themselves",
	.id = { .vendor = 0x1234, .device = 0x0c02, .class_code = 0xff0000 },
	.bars = { { .kind = MEDIO_BAR_MEM32, .size = 8192 } },
	.irqs = { .intx_pin = 1,
		.msi = VECTORS,
		.msix = { .vectors = VECTORS, .pba_offset = 4096 } },
	.params = params,
	.state_size = sizeof(struct ticker),
	.ops = &(const struct medio_device_ops){ .init = ticker_init, .fini = ticker_fini },
};
MEDIO_PLUGIN(&ticker);
