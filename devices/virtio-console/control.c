/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages about ports (5.3.6.2). What is to be said to the driver is not a list of messages but what
 * is due for each port, so that it is bounded however long the driver posts no buffers, and says what
 * is so when it does.
 */
#include "console.h"

#include <errno.h>
#include <string.h>

#include <linux/virtio_console.h>

#define HEADER sizeof(struct virtio_console_control)

struct message {
	uint8_t bytes[HEADER + MEDIO_CONSOLE_MAX_NAME];
	size_t len;
};

static bool active(const struct medio_console *console)
{
	return medio_virtio_has(console->dev, VIRTIO_CONSOLE_F_MULTIPORT) && console->driver_ready;
}

/* ---- To the driver -------------------------------------------------------------------------------- */

static struct message message_of(
	const struct medio_console_port *port, uint16_t event, uint16_t value)
{
	struct message msg = { .len = HEADER };

	medio_put_le(msg.bytes + offsetof(struct virtio_console_control, id), 4, port->id);
	medio_put_le(msg.bytes + offsetof(struct virtio_console_control, event), 2, event);
	medio_put_le(msg.bytes + offsetof(struct virtio_console_control, value), 2, value);
	return msg;
}

static struct message resize_message(const struct medio_console_port *port)
{
	struct message msg = message_of(port, VIRTIO_CONSOLE_RESIZE, 0);
	bool swap = port->console->resize_order == MEDIO_CONSOLE_ROWS_COLS;

	medio_put_le(msg.bytes + HEADER, 2, swap ? port->size.rows : port->size.cols);
	medio_put_le(msg.bytes + HEADER + 2, 2, swap ? port->size.cols : port->size.rows);
	msg.len += 4;
	return msg;
}

static struct message name_message(const struct medio_console_port *port)
{
	struct message msg = message_of(port, VIRTIO_CONSOLE_PORT_NAME, 0);
	const char *name = port->console->name[port->id];
	size_t len = strlen(name);

	memcpy(msg.bytes + HEADER, name, len);
	msg.len += len;
	return msg;
}

/* The first of what is due, as one bit; 0: nothing is. */
static unsigned next_due(const struct medio_console_port *port)
{
	unsigned due = port->due;

	if (port->ready && medio_console_port_host_open(port) != port->told_open)
		due |= MEDIO_CONSOLE_DUE_OPEN;
	else
		due &= ~MEDIO_CONSOLE_DUE_OPEN;
	return due & -due;
}

static struct message message_due(const struct medio_console_port *port, unsigned due)
{
	switch (due) {
	case MEDIO_CONSOLE_DUE_REMOVE:
		return message_of(port, VIRTIO_CONSOLE_PORT_REMOVE, 0);
	case MEDIO_CONSOLE_DUE_ADD:
		return message_of(port, VIRTIO_CONSOLE_PORT_ADD, 0);
	case MEDIO_CONSOLE_DUE_CONSOLE:
		return message_of(port, VIRTIO_CONSOLE_CONSOLE_PORT, 1);
	case MEDIO_CONSOLE_DUE_RESIZE:
		return resize_message(port);
	case MEDIO_CONSOLE_DUE_NAME:
		return name_message(port);
	default:
		return message_of(
			port, VIRTIO_CONSOLE_PORT_OPEN, medio_console_port_host_open(port));
	}
}

/* It has been said. */
static void done(struct medio_console_port *port, unsigned due)
{
	port->due &= ~due;
	if (due == MEDIO_CONSOLE_DUE_REMOVE)
		port->added = false;
	else if (due == MEDIO_CONSOLE_DUE_ADD)
		port->added = true;
	else if (due == MEDIO_CONSOLE_DUE_OPEN)
		port->told_open = medio_console_port_host_open(port);
}

/* False: the driver has no buffer for it now. */
static bool send_due(struct medio_console_port *port, struct medio_virtq *queue, unsigned due)
{
	struct message msg = message_due(port, due);
	struct medio_virtq_chain *chain;

	chain = medio_virtq_pop(queue);
	if (!chain)
		return false;
	if (chain->out_bytes || chain->in_bytes < msg.len) {
		if (chain->out_bytes)
			medio_virtio_broken(port->console->dev,
				"queue %u: a buffer to read in the control receiveq (5.3.6.1)",
				MEDIO_CONSOLE_CONTROL_RX);
		else
			medio_virtio_broken(port->console->dev,
				"queue %u: a buffer of %zu bytes for a message of %zu (5.3.6.2)",
				MEDIO_CONSOLE_CONTROL_RX, chain->in_bytes, msg.len);
		medio_virtq_push(chain, 0);
		return false;
	}
	medio_virtq_push(chain, (uint32_t)medio_virtq_write(chain, 0, msg.bytes, msg.len));
	done(port, due);
	return true;
}

/* All of this port. False: the driver has no more buffers now. */
static bool send_port(struct medio_console_port *port, struct medio_virtq *queue)
{
	unsigned due;

	while ((due = next_due(port)))
		if (!send_due(port, queue, due))
			return false;
	return true;
}

void medio_console_control_send(struct medio_console *console)
{
	struct medio_virtq *queue = medio_virtio_queue(console->dev, MEDIO_CONSOLE_CONTROL_RX);
	unsigned i;

	if (!queue || !active(console))
		return;
	medio_virtq_want_kicks(queue, false);
	for (i = 0; i < console->num_ports; i++)
		if (!send_port(&console->port[i], queue))
			break;
	/* Asking looks whether some have come meanwhile. */
	medio_virtq_want_kicks(queue, i < console->num_ports);
	medio_virtq_flush(queue);
}

int medio_console_control_plug(struct medio_console_port *port, bool plugged)
{
	if (port->plugged == plugged)
		return -EALREADY;
	port->plugged = plugged;
	if (!active(port->console))
		return 0;
	if (plugged) {
		/* Behind a removal that the driver has not been told of. */
		port->due |= MEDIO_CONSOLE_DUE_ADD;
	} else {
		port->ready = port->guest_open = port->told_open = false;
		port->due = port->added ? MEDIO_CONSOLE_DUE_REMOVE : 0;
	}
	medio_console_control_send(port->console);
	/* What the driver still has in the transmitq goes nowhere, but does not wait either. */
	medio_console_port_go_on(port);
	return 0;
}

void medio_console_control_reset(struct medio_console *console)
{
	console->driver_ready = false;
}

/* ---- From the driver ------------------------------------------------------------------------------ */

static void device_ready(struct medio_console *console, unsigned value)
{
	if (console->driver_ready) {
		medio_guest_error(console->dev, "DEVICE_READY again (5.3.6.2)");
		return;
	}
	if (value != 1) {
		medio_guest_error(console->dev, "the driver could not set up its control queues");
		return;
	}
	console->driver_ready = true;
	for (unsigned i = 0; i < console->num_ports; i++)
		if (console->port[i].plugged)
			console->port[i].due = MEDIO_CONSOLE_DUE_ADD;
}

static void port_ready(struct medio_console_port *port, unsigned value)
{
	const struct medio_console *console = port->console;

	/* The answer to a PORT_ADD that has been taken back meanwhile. */
	if (port->due & (MEDIO_CONSOLE_DUE_REMOVE | MEDIO_CONSOLE_DUE_ADD))
		return;
	if (!port->added || port->ready) {
		medio_guest_error(console->dev, "port %u: PORT_READY %s (5.3.6.2)", port->id,
			port->added ? "again" : "for a port that was not added");
		return;
	}
	if (value != 1) {
		medio_guest_error(
			console->dev, "port %u: the driver could not set it up", port->id);
		return;
	}
	port->ready = true;
	if (port->is_console)
		port->due |= MEDIO_CONSOLE_DUE_CONSOLE;
	if (port->is_console && port->size.cols &&
		medio_virtio_has(console->dev, VIRTIO_CONSOLE_F_SIZE))
		port->due |= MEDIO_CONSOLE_DUE_RESIZE;
	if (console->name[port->id])
		port->due |= MEDIO_CONSOLE_DUE_NAME;
}

static void port_open(struct medio_console_port *port, unsigned value)
{
	if (!port->ready) {
		/* It may be closing what was just taken away. */
		if (value || port->plugged)
			medio_guest_error(port->console->dev,
				"port %u: PORT_OPEN before PORT_READY (5.3.6.2)", port->id);
		return;
	}
	if (value > 1) {
		medio_guest_error(port->console->dev,
			"port %u: PORT_OPEN %u, neither 0 nor 1 (5.3.6.2)", port->id, value);
		return;
	}
	port->guest_open = value;
	medio_console_port_receive(port);
}

static void take(struct medio_console *console, const uint8_t *bytes)
{
	uint32_t id = medio_get_le(bytes + offsetof(struct virtio_console_control, id), 4);
	unsigned event = medio_get_le(bytes + offsetof(struct virtio_console_control, event), 2);
	unsigned value = medio_get_le(bytes + offsetof(struct virtio_console_control, value), 2);

	if (event == VIRTIO_CONSOLE_DEVICE_READY) {
		device_ready(console, value);
		return;
	}
	if (event != VIRTIO_CONSOLE_PORT_READY && event != VIRTIO_CONSOLE_PORT_OPEN) {
		medio_guest_error(console->dev,
			"port %u: message %u, which no driver sends (5.3.6.2)", id, event);
		return;
	}
	if (!console->driver_ready || id >= console->num_ports) {
		medio_guest_error(console->dev, "port %u: message %u %s (5.3.6.2)", id, event,
			console->driver_ready ? "about a port that does not exist"
					      : "before DEVICE_READY");
		return;
	}
	if (event == VIRTIO_CONSOLE_PORT_READY)
		port_ready(&console->port[id], value);
	else
		port_open(&console->port[id], value);
}

void medio_console_control_receive(struct medio_console *console, struct medio_virtq *queue)
{
	struct medio_virtq_chain *chain;

	while ((chain = medio_virtq_pop(queue))) {
		uint8_t bytes[HEADER];
		bool whole = !chain->in_bytes &&
			     medio_virtq_read(chain, 0, bytes, HEADER) == HEADER;

		if (!whole && chain->in_bytes)
			medio_virtio_broken(console->dev,
				"queue %u: a buffer to write in the control transmitq (5.3.6.1)",
				MEDIO_CONSOLE_CONTROL_TX);
		else if (!whole)
			medio_virtio_broken(console->dev,
				"queue %u: a message of %zu bytes, shorter than its header "
				"(5.3.6.2)",
				MEDIO_CONSOLE_CONTROL_TX, chain->out_bytes);
		medio_virtq_push(chain, 0);
		if (!whole)
			return;
		take(console, bytes);
	}
	medio_console_control_send(console);
}
