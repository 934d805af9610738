/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * delay: a slow device. Accesses wait before they go down, interrupts before they go up.
 *
 * Accesses keep their order: all wait in one queue, and one that would not be delayed waits for
 * those before it. Nobody is blocked meanwhile but the client that asked.
 */
#include "delay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_NS	   UINT64_C(3600000000000)
#define MAX_EVENTS 64 /* interrupts under way; a power of two */

/* An access that waits. */
struct access {
	struct access *next;
	struct medio_token *token;
	uint64_t due, offset;
	size_t count, capacity; /* of data */
	unsigned region;
	bool write;
	uint8_t data[];
};

enum edge { DOWN, UP, PULSE };

struct event {
	uint64_t due;
	unsigned vector;
	enum edge edge;
};

struct delay {
	uint64_t read, write, config, irq; /* parameters, ns */

	struct medio_timer *access_timer, *irq_timer;
	struct access *first, *last;
	struct access *spare; /* one to use again, so that a steady client allocates nothing */
	struct event events[MAX_EVENTS];
	unsigned head, tail; /* free-running: added at head, sent at tail */
};

static uint64_t until(uint64_t due)
{
	uint64_t now = medio_now_ns();

	return due > now ? due - now : 0;
}

/* ---- Accesses ---------------------------------------------------------------------------------- */

static struct access *access_new(struct delay *d, size_t count)
{
	struct access *a = d->spare;

	if (a && a->capacity >= count) {
		d->spare = NULL;
		return a;
	}
	size_t capacity = count < 256 ? 256 : count;
	a = malloc(sizeof(*a) + capacity);
	if (a)
		a->capacity = capacity;
	return a;
}

static void access_free(struct delay *d, struct access *a)
{
	if (d->spare && d->spare->capacity >= a->capacity) {
		free(a);
		return;
	}
	free(d->spare);
	d->spare = a;
}

/* The oldest goes down. What it causes may be a new access, or the end of the client. */
static void run_first(struct medio_dev *dev, struct delay *d)
{
	struct access *a = d->first;

	d->first = a->next;
	if (!d->first)
		d->last = NULL;
	if (a->write)
		medio_next_complete_write(a->token, a->region, a->offset, a->data, a->count);
	else
		medio_next_complete_read(a->token, a->region, a->offset, a->data, a->count);
	access_free(d, a);
}

static void on_access_timer(void *opaque)
{
	struct medio_dev *dev = opaque;
	struct delay *d = medio_priv(dev);
	uint64_t now = medio_now_ns();

	while (d->first && d->first->due <= now)
		run_first(dev, d);
	if (d->first)
		medio_timer_arm(d->access_timer, until(d->first->due));
}

static int enqueue(struct medio_dev *dev, uint64_t wait, unsigned region, uint64_t offset,
	const void *data, size_t count)
{
	struct delay *d = medio_priv(dev);
	struct access *a = access_new(d, count);

	if (!a)
		return -ENOMEM;
	a->token = medio_defer(dev);
	if (!a->token) {
		access_free(d, a);
		return -ENOMEM;
	}
	a->next = NULL;
	a->due = medio_now_ns() + wait;
	if (d->last && d->last->due > a->due)
		a->due = d->last->due;
	a->region = region;
	a->offset = offset;
	a->count = count;
	a->write = data != NULL;
	if (data)
		memcpy(a->data, data, count);
	if (d->last) {
		d->last->next = a;
	} else {
		d->first = a;
		medio_timer_arm(d->access_timer, wait);
	}
	d->last = a;
	return MEDIO_DEFERRED;
}

static int delay_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct delay *d = medio_priv(dev);
	uint64_t wait = region == MEDIO_REGION_CONFIG ? d->config : d->read;

	if (!wait && !d->first)
		return medio_next_region_read(dev, region, offset, buf, count);
	return enqueue(dev, wait, region, offset, NULL, count);
}

static int delay_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct delay *d = medio_priv(dev);
	uint64_t wait = region == MEDIO_REGION_CONFIG ? d->config : d->write;

	if (!wait && !d->first)
		return medio_next_region_write(dev, region, offset, buf, count);
	return enqueue(dev, wait, region, offset, buf, count);
}

/* What a client asked before it left still happens before it has left; the next one shall not see
 * it happen. */
static void delay_client(struct medio_dev *dev, bool present)
{
	struct delay *d = medio_priv(dev);

	while (!present && d->first)
		run_first(dev, d);
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

	d->access_timer = medio_timer_new(dev, on_access_timer, dev);
	d->irq_timer = medio_timer_new(dev, on_irq_timer, dev);
	if (d->access_timer && d->irq_timer)
		return 0;
	medio_timer_free(d->access_timer);
	medio_timer_free(d->irq_timer);
	return medio_fail(dev, ENOMEM, "out of memory");
}

/* The device below is gone: what waits, waits for nobody. The library frees the tokens. */
static void delay_fini(struct medio_dev *dev)
{
	struct delay *d = medio_priv(dev);
	struct access *next;

	for (struct access *a = d->first; a; a = next) {
		next = a->next;
		free(a);
	}
	free(d->spare);
	medio_timer_free(d->access_timer);
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
