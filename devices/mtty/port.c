/* SPDX-License-Identifier: BSD-3-Clause */
#include "port.h"

#include <errno.h>
#include <stdio.h>

static const struct medio_mtty_backend *const backends[] = {
	&medio_mtty_echo,
	&medio_mtty_pty,
	&medio_mtty_unix,
	&medio_mtty_stdio,
	&medio_mtty_file,
	&medio_mtty_null,
};

#define NUM_BACKENDS (sizeof(backends) / sizeof(backends[0]))

/* Transmit FIFO to backend, until one is empty or the other full. True if anything moved. */
static bool pump_tx(struct medio_mtty_port *port)
{
	uint8_t buf[MEDIO_MTTY_FIFO_SIZE];
	bool moved = false;

	while (!medio_mtty_uart_looped(&port->uart)) {
		size_t len = medio_mtty_uart_tx_peek(&port->uart, buf, sizeof(buf));
		size_t sent;

		if (!len)
			break;
		sent = port->backend->send(port, buf, len);
		if (!sent) {
			port->held += port->held < UINT32_MAX;
			break;
		}
		medio_mtty_uart_tx_done(&port->uart, sent);
		port->stats.tx += sent;
		moved = true;
	}
	return moved;
}

/* One step of wire to receiver: a break if it is its turn, else bytes. */
static bool pump_rx_step(struct medio_mtty_port *port, unsigned room)
{
	size_t len;
	const uint8_t *bytes = medio_mtty_wire_peek(&port->rx, &len);

	if (port->break_at == 0) {
		port->break_at = -1;
		medio_mtty_uart_rx_put(&port->uart, 0, MEDIO_MTTY_LSR_BI | MEDIO_MTTY_LSR_FE);
		return true;
	}
	if (len > room)
		len = room;
	if (port->break_at > 0 && len > (size_t)port->break_at)
		len = port->break_at;
	for (size_t i = 0; i < len; i++)
		medio_mtty_uart_rx_put(&port->uart, bytes[i], 0);
	medio_mtty_wire_taken(&port->rx, len);
	port->stats.rx += len;
	if (port->break_at > 0)
		port->break_at -= (int)len;
	return len;
}

/* Wire to receive FIFO. In loopback the line is cut off: what is on it waits. */
static bool pump_rx(struct medio_mtty_port *port)
{
	bool moved = false;
	unsigned room;

	if (!medio_mtty_wire_room(&port->rx))
		port->wire_was_full = true;
	while (!medio_mtty_uart_looped(&port->uart) &&
		(room = medio_mtty_uart_rx_room(&port->uart)) > 0 && pump_rx_step(port, room))
		moved = true;

	if (port->wire_was_full && port->rx.count <= MEDIO_MTTY_WIRE_SIZE / 2) {
		/* Only at half, so that the backend then has work worth a system call. */
		port->wire_was_full = false;
		if (port->backend->room)
			port->backend->room(port);
	}
	return moved;
}

static void timeout_update(struct medio_mtty_port *port)
{
	uint64_t ns = medio_mtty_uart_timeout_ns(&port->uart);

	if (!ns) {
		if (port->timeout_armed)
			medio_timer_disarm(port->timeout);
		port->timeout_armed = false;
		return;
	}
	if (port->timeout_armed && port->timeout_activity == port->uart.activity)
		return;
	port->timeout_armed = true;
	port->timeout_activity = port->uart.activity;
	medio_timer_arm(port->timeout, ns);
}

void medio_mtty_port_kick(struct medio_mtty_port *port)
{
	bool irq;

	if (port->pumping) {
		port->again = true;
		return;
	}
	port->pumping = true;
	do {
		bool moved;

		port->again = false;
		/* A byte sent may be one received (echo), and one received makes room to send. */
		do {
			moved = pump_tx(port);
			moved = pump_rx(port) || moved;
		} while (moved);
	} while (port->again);
	port->pumping = false;

	timeout_update(port);
	irq = medio_mtty_uart_irq(&port->uart);
	if (irq && !port->irq)
		port->stats.interrupts++;
	port->irq = irq;
	port->changed(port);
}

static void timeout_fired(void *opaque)
{
	struct medio_mtty_port *port = opaque;

	port->timeout_armed = false;
	medio_mtty_uart_timeout(&port->uart);
	medio_mtty_port_kick(port);
}

void medio_mtty_port_lines(struct medio_mtty_port *port, uint8_t lines)
{
	medio_mtty_uart_lines(&port->uart, lines);
	medio_mtty_port_kick(port);
}

uint8_t medio_mtty_port_read(struct medio_mtty_port *port, unsigned reg)
{
	uint8_t value = medio_mtty_uart_read(&port->uart, reg);

	medio_mtty_port_kick(port);
	return value;
}

void medio_mtty_port_write(struct medio_mtty_port *port, unsigned reg, uint8_t value)
{
	bool was_breaking = medio_mtty_uart_breaking(&port->uart);

	medio_mtty_uart_write(&port->uart, reg, value);
	if (!was_breaking && medio_mtty_uart_breaking(&port->uart) && port->backend->send_break)
		port->backend->send_break(port);
	medio_mtty_port_kick(port);
}

void medio_mtty_port_reset(struct medio_mtty_port *port)
{
	medio_mtty_uart_reset(&port->uart);
	port->held = 0;
	if (port->backend->reset)
		port->backend->reset(port);
	medio_mtty_port_kick(port);
}

void medio_mtty_port_loaded(struct medio_mtty_port *port)
{
	/* The wire may be fuller or emptier than the backend knows. */
	port->wire_was_full = false;
	if (port->backend->room)
		port->backend->room(port);
	medio_mtty_port_kick(port);
}

static int unknown(struct medio_mtty_port *port, const char *spec)
{
	char list[256];
	int len = 0;

	for (unsigned i = 0; i < NUM_BACKENDS; i++)
		len += snprintf(
			list + len, sizeof(list) - len, "%s%s", i ? ", " : "", backends[i]->usage);
	return medio_fail(
		port->dev, EINVAL, "port%u: '%s' is none of: %s", port->index, spec, list);
}

/* Split spec into backend and argument. */
static int parse(struct medio_mtty_port *port, const char *spec, const char **arg)
{
	const char *colon = strchr(spec, ':');
	size_t len = colon ? (size_t)(colon - spec) : strlen(spec);

	*arg = colon && colon[1] ? colon + 1 : NULL;
	for (unsigned i = 0; i < NUM_BACKENDS; i++) {
		const struct medio_mtty_backend *b = backends[i];

		if (strlen(b->name) != len || memcmp(b->name, spec, len) != 0)
			continue;
		if (b->arg == MEDIO_MTTY_ARG_NONE
				? colon != NULL
				: (colon || b->arg == MEDIO_MTTY_ARG_REQUIRED) && !*arg)
			return medio_fail(port->dev, EINVAL, "port%u: '%s': must be %s",
				port->index, spec, b->usage);
		port->backend = b;
		return 0;
	}
	return unknown(port, spec);
}

int medio_mtty_port_open(struct medio_mtty_port *port, struct medio_dev *dev, unsigned index,
	const char *spec, medio_mtty_port_changed_fn *changed)
{
	const char *arg;
	int ret;

	port->dev = dev;
	port->index = index;
	port->changed = changed;
	port->break_at = -1;
	ret = parse(port, spec, &arg);
	if (ret)
		return ret;
	port->timeout = medio_timer_new(dev, timeout_fired, port);
	if (!port->timeout)
		return medio_fail(dev, ENOMEM, "port%u: no memory", index);
	medio_mtty_uart_reset(&port->uart);
	/* Nobody looks at the port yet: what open() does to the lines is no change. */
	port->pumping = true;
	ret = port->backend->open(port, arg);
	port->pumping = port->again = false;
	if (ret) {
		medio_timer_free(port->timeout);
		port->timeout = NULL;
		return ret;
	}
	medio_mtty_uart_reset(&port->uart);
	return 0;
}

void medio_mtty_port_close(struct medio_mtty_port *port)
{
	port->pumping = true; /* the card is going: lines that drop tell nobody */
	if (port->backend->close)
		port->backend->close(port);
	medio_timer_free(port->timeout);
}
