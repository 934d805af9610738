/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * delay: a slow device. Accesses wait before they go down, interrupts before they go up.
 *
 * Accesses keep their order: all wait in one queue, and one that would not be delayed waits for
 * those before it. Nobody is blocked meanwhile but the client that asked.
 */
#include "delay.h"

#include <errno.h>

#include "wait/wait.h"

#define HOUR_NS	   UINT64_C(3600000000000)
#define MAX_EVENTS 64 /* interrupts under way; a power of two */

enum edge { DOWN, UP, PULSE };

struct event {
	uint64_t due;
	unsigned vector;
	enum edge edge;
};

struct delay {
	uint64_t read, write, config, irq; /* parameters, ns */

	struct wait_queue queue;
	struct medio_timer *irq_timer;
	struct event events[MAX_EVENTS];
	unsigned head, tail; /* free-running: added at head, sent at tail */
};

static uint64_t until(uint64_t due)
{
	uint64_t now = medio_now_ns();

	return due > now ? due - now : 0;
}

/* ---- Accesses ---------------------------------------------------------------------------------- */

static int delay_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct delay *d = medio_priv(dev);
	uint64_t wait = region == MEDIO_REGION_CONFIG ? d->config : d->read;

	if (!wait && wait_is_empty(&d->queue))
		return medio_next_region_read(dev, region, offset, buf, count);
	return wait_add(&d->queue, medio_now_ns() + wait, region, offset, NULL, count);
}

static int delay_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct delay *d = medio_priv(dev);
	uint64_t wait = region == MEDIO_REGION_CONFIG ? d->config : d->write;

	if (!wait && wait_is_empty(&d->queue))
		return medio_next_region_write(dev, region, offset, buf, count);
	return wait_add(&d->queue, medio_now_ns() + wait, region, offset, buf, count);
}

/* What a client asked before it left still happens before it has left; the next one shall not see
 * it happen. */
static void delay_client(struct medio_dev *dev, bool present)
{
	struct delay *d = medio_priv(dev);

	if (!present)
		wait_flush(&d->queue);
	medio_next_client(dev, present);
}

/* ---- Interrupts -------------------------------------------------------------------------------- */

static void send(struct medio_dev *dev, unsigned vector, enum edge edge)
{
	if (edge == PULSE)
		medio_irq_pulse(dev, vector);
	else
		medio_irq_set(dev, vector, edge == UP);
}

static void send_oldest(struct medio_dev *dev, struct delay *d)
{
	const struct event event = d->events[d->tail++ % MAX_EVENTS];

	send(dev, event.vector, event.edge);
}

static void on_irq_timer(void *opaque)
{
	struct medio_dev *dev = opaque;
	struct delay *d = medio_priv(dev);
	uint64_t now = medio_now_ns();

	while (d->tail != d->head && d->events[d->tail % MAX_EVENTS].due <= now)
		send_oldest(dev, d);
	if (d->tail != d->head)
		medio_timer_arm(d->irq_timer, until(d->events[d->tail % MAX_EVENTS].due));
}

static void delay_irq(struct medio_dev *dev, unsigned vector, enum edge edge)
{
	struct delay *d = medio_priv(dev);

	if (!d->irq) {
		send(dev, vector, edge);
		return;
	}
	/* Too many to keep: the oldest is early. */
	if (d->head - d->tail == MAX_EVENTS)
		send_oldest(dev, d);
	if (d->tail == d->head)
		medio_timer_arm(d->irq_timer, d->irq);
	d->events[d->head++ % MAX_EVENTS] = (struct event){ medio_now_ns() + d->irq, vector, edge };
}

static void delay_irq_set(struct medio_dev *dev, unsigned vector, bool level)
{
	delay_irq(dev, vector, level ? UP : DOWN);
}

static void delay_irq_pulse(struct medio_dev *dev, unsigned vector)
{
	delay_irq(dev, vector, PULSE);
}

/* The library has lowered every line; nothing from before the reset may raise one again. */
static void delay_reset(struct medio_dev *dev, enum medio_reset kind)
{
	struct delay *d = medio_priv(dev);

	d->tail = d->head;
	medio_timer_disarm(d->irq_timer);
	medio_next_reset(dev, kind);
}

/* ---- Life -------------------------------------------------------------------------------------- */

static int delay_init(struct medio_dev *dev)
{
	struct delay *d = medio_priv(dev);

	d->irq_timer = medio_timer_new(dev, on_irq_timer, dev);
	if (d->irq_timer && wait_init(&d->queue, dev) == 0)
		return 0;
	medio_timer_free(d->irq_timer);
	return medio_fail(dev, ENOMEM, "out of memory");
}

static void delay_fini(struct medio_dev *dev)
{
	struct delay *d = medio_priv(dev);

	wait_fini(&d->queue);
	medio_timer_free(d->irq_timer);
}

#define TIME(field, text) \
	{ \
		.name = #field, .kind = MEDIO_PARAM_TIME, .offset = offsetof(struct delay, field), \
		.max = HOUR_NS, .help = text \
	}

static const struct medio_param delay_params[] = {
	TIME(read, "a read of a BAR waits this long before the device sees it"),
	TIME(write, "a write to a BAR waits this long before the device sees it"),
	TIME(config, "an access to configuration space waits this long"),
	TIME(irq, "an interrupt waits this long before the client sees it"),
	{ NULL },
};

static const struct medio_device_ops delay_down = {
	.init = delay_init,
	.fini = delay_fini,
	.region_read = delay_read,
	.region_write = delay_write,
	.client = delay_client,
	.reset = delay_reset,
};

static const struct medio_host_ops delay_up = {
	.irq_set = delay_irq_set,
	.irq_pulse = delay_irq_pulse,
};

const struct medio_filter medio_filter_delay = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "delay",
	.summary = "Answer accesses and raise interrupts late",
	.params = delay_params,
	.state_size = sizeof(struct delay),
	.down = &delay_down,
	.up = &delay_up,
};
