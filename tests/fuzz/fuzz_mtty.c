/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The card mtty under any guest, any line and any migration stream. An input is a list of steps: an
 * operation byte and its arguments. First byte even: a dual port card on the stand-in host, echo and
 * null. Odd: one port, with a stream that takes and gives as the input says.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mtty/mtty.h"
#include "mtty/port.h"
#include "../unit/test_mtty_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t size;
};

static uint8_t next(struct input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}

/* Save, change some bytes, load: taken whole or not at all. */
static void migrate(struct medio_dev *dev, struct input *in)
{
	const struct medio_device_ops *ops = dev->type->ops;
	static uint8_t before[16384], buf[16384], after[16384];
	ssize_t len = ops->save(dev, before, sizeof(before));
	int ret;

	assert(len > 0 && (size_t)len <= sizeof(before));
	memcpy(buf, before, len);
	for (unsigned n = next(in) % 4; n--;) {
		/* The headers are worth more tries than the wires. */
		size_t at = next(in) | (next(in) & 1) << 8;

		buf[at % len] = next(in);
	}
	ret = ops->load(dev, buf, len);
	assert(ops->save(dev, after, sizeof(after)) > 0);
	/* Nonsense changes nothing. */
	assert(ret == 0 || memcmp(before, after, len) == 0);
	/* The state as it was is always taken. */
	if (ret == 0)
		assert(ops->load(dev, before, len) == 0);
}

static void card_check(struct medio_dev *dev)
{
	bool any = false;

	for (unsigned bar = 0; bar < 2; bar++)
		any |= !(host_in(dev, bar, MEDIO_MTTY_IIR) & MEDIO_MTTY_IIR_NONE);
	/* Reading IIR may have taken a cause, but can not have made one. */
	assert(!dev->irq || any);
}

static void card_run(struct input *in)
{
	struct medio_dev dev;

	if (host_open(&dev, &medio_mtty_2, (const char *const[]){ "port1=null", NULL }) != 0)
		abort();
	while (in->size) {
		uint8_t op = next(in);
		uint8_t buf[16] = { 0 };
		unsigned bar = op >> 3 & 1, reg = op >> 4 & 7;

		switch (op & 7) {
		case 0:
			dev.type->ops->region_read(&dev, bar, reg, buf, 1 + next(in) % (8 - reg));
			break;
		case 1:
		case 2:
			host_out(&dev, bar, reg, next(in));
			break;
		case 3:
			for (unsigned n = next(in) * 32; n--;)
				host_out(&dev, bar, 0, n);
			break;
		case 4:
			host_next_timer(&dev);
			break;
		case 5:
			dev.type->ops->reset(&dev, MEDIO_RESET_DEVICE);
			break;
		case 6:
			migrate(&dev, in);
			break;
		case 7:
			for (unsigned n = next(in) * 32; n--;)
				host_in(&dev, bar, 0);
			break;
		}
		card_check(&dev);
	}
	assert(host_close(&dev) == 0);
}

/* ---- One port ------------------------------------------------------------------------------------ */

static struct input *line;

static size_t line_send(struct medio_stream *stream, const uint8_t *buf, size_t len)
{
	size_t taken = next(line) % (MEDIO_MTTY_FIFO_SIZE + 1);

	assert(len > 0 && len <= MEDIO_MTTY_FIFO_SIZE);
	return taken < len ? taken : len;
}

static const struct medio_stream_kind line_kind = {
	.name = "line",
	.usage = "line",
	.send = line_send,
};

static void nothing(struct medio_mtty_port *port)
{
}

static void port_check(const struct medio_mtty_port *port)
{
	const struct medio_mtty_uart *u = &port->uart;
	unsigned depth = u->fcr & MEDIO_MTTY_FCR_ENABLE ? MEDIO_MTTY_FIFO_SIZE : 1;

	assert(u->rx.count <= depth && u->rx.head < MEDIO_MTTY_FIFO_SIZE);
	assert(u->tx.count <= depth && u->tx.head < MEDIO_MTTY_FIFO_SIZE);
	assert(!u->thre_pending || !u->tx.count);
	assert(!u->timeout || u->rx.count);
	assert(!(u->ier & 0xf0) && !(u->mcr & 0xe0) && !(u->deltas & 0xf0));
	assert(port->stream.rx.count <= MEDIO_WIRE_SIZE && port->stream.rx.head < MEDIO_WIRE_SIZE);
	assert(port->break_at >= -1 && port->break_at <= (int)port->stream.rx.count);
	assert(port->irq == medio_mtty_uart_irq(u));
	/* Nothing waits that could go on: no byte is forgotten. */
	assert(medio_mtty_uart_looped(u) || !port->stream.rx.count || !medio_mtty_uart_rx_room(u));
	assert(!port->timeout_armed == !medio_mtty_uart_timeout_ns(u));
}

static void port_run(struct input *in)
{
	const char *const params[] = { "port0=null", NULL };
	struct medio_mtty_port *port = calloc(1, sizeof(*port));
	struct medio_dev dev;

	line = in;
	/* A card to hold the host's state; the port under test is another one. */
	if (host_open(&dev, &medio_mtty_1, params) != 0)
		abort();
	if (medio_mtty_port_open(port, &dev, 0, "null", nothing) != 0)
		abort();
	port->stream.kind = &line_kind;
	while (in->size) {
		uint8_t op = next(in), bytes[256];
		unsigned reg = op >> 4 & 7;

		switch (op & 7) {
		case 0:
		case 1:
			medio_mtty_port_read(port, reg);
			break;
		case 2:
		case 3:
			medio_mtty_port_write(port, reg, next(in));
			break;
		case 4:
			memset(bytes, op, sizeof(bytes));
			medio_wire_put(&port->stream.rx, bytes, next(in));
			if (op & 0x80)
				port->break_at = (int)port->stream.rx.count;
			medio_mtty_port_kick(port);
			break;
		case 5:
			medio_stream_set_peer(&port->stream, next(in) & 1);
			break;
		case 6:
			host_next_timer(&dev);
			break;
		case 7:
			if (op == 0xff)
				medio_mtty_port_reset(port);
			medio_mtty_port_kick(port);
			break;
		}
		port_check(port);
	}
	medio_mtty_port_close(port);
	free(port);
	assert(host_close(&dev) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	if (next(&in) & 1)
		port_run(&in);
	else
		card_run(&in);
	return 0;
}
