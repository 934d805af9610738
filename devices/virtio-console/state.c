/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a console remembers beyond the library's state: a header of 8 bytes, and for each port 24
 * bytes and as many more as its wire holds. All little-endian.
 */
#include "console.h"

#include <errno.h>
#include <string.h>

#define VERSION 1

enum {
	HEAD_VERSION = 0, /* u8 */
	HEAD_PORTS = 1,	  /* u8 */
	HEAD_READY = 2,	  /* u8: DEVICE_READY has come */
	HEAD_LEN = 8,
};

enum {
	PORT_FLAGS = 0,	    /* u8: FLAG_* */
	PORT_DUE = 1,	    /* u8: MEDIO_CONSOLE_DUE_* */
	PORT_COLS = 4,	    /* u16 */
	PORT_ROWS = 6,	    /* u16 */
	PORT_SKIP = 8,	    /* u32: bytes of the first chain that have been sent */
	PORT_WIRE_LEN = 12, /* u32: bytes of the wire, which follow */
	PORT_LEN = 24,
};

enum {
	FLAG_PLUGGED = 1,
	FLAG_ADDED = 2,
	FLAG_READY = 4,
	FLAG_OPEN = 8,
	FLAG_TOLD_OPEN = 16,
	FLAGS = 31,
};

static void port_save(const struct medio_console_port *port, uint8_t *to)
{
	struct medio_wire wire = port->stream.rx;
	size_t done = 0, len;

	to[PORT_FLAGS] = (port->plugged ? FLAG_PLUGGED : 0) | (port->added ? FLAG_ADDED : 0) |
			 (port->ready ? FLAG_READY : 0) | (port->guest_open ? FLAG_OPEN : 0) |
			 (port->told_open ? FLAG_TOLD_OPEN : 0);
	to[PORT_DUE] = (uint8_t)port->due;
	medio_put_le(to + PORT_COLS, 2, port->size.cols);
	medio_put_le(to + PORT_ROWS, 2, port->size.rows);
	medio_put_le(to + PORT_SKIP, 4, port->skip);
	medio_put_le(to + PORT_WIRE_LEN, 4, wire.count);
	for (const uint8_t *bytes; (bytes = medio_wire_peek(&wire, &len)), len; done += len) {
		memcpy(to + PORT_LEN + done, bytes, len);
		medio_wire_taken(&wire, len);
	}
}

ssize_t medio_console_save(struct medio_dev *dev, void *buf, size_t cap)
{
	const struct medio_console *console = medio_priv(dev);
	size_t need = HEAD_LEN + (size_t)console->num_ports * PORT_LEN;
	uint8_t *to = buf;

	for (unsigned i = 0; i < console->num_ports; i++)
		need += console->port[i].stream.rx.count;
	if (cap < need)
		return (ssize_t)need;
	memset(to, 0, need);
	to[HEAD_VERSION] = VERSION;
	to[HEAD_PORTS] = (uint8_t)console->num_ports;
	to[HEAD_READY] = console->driver_ready;
	to += HEAD_LEN;
	for (unsigned i = 0; i < console->num_ports; i++) {
		port_save(&console->port[i], to);
		to += PORT_LEN + console->port[i].stream.rx.count;
	}
	return (ssize_t)need;
}

/* The bytes that a port takes, at most size; 0: nonsense. */
static size_t port_check(const uint8_t *from, size_t size)
{
	unsigned flags, needs;
	size_t wire;

	if (size < PORT_LEN)
		return 0;
	flags = from[PORT_FLAGS];
	wire = medio_get_le(from + PORT_WIRE_LEN, 4);
	/* What is ready was added, what is open is ready. */
	needs = (flags & (FLAG_OPEN | FLAG_TOLD_OPEN) ? FLAG_READY : 0) |
		(flags & FLAG_READY ? FLAG_ADDED | FLAG_PLUGGED : 0);
	if (flags & ~FLAGS || (flags & needs) != needs || from[PORT_DUE] & ~MEDIO_CONSOLE_DUE_ALL ||
		wire > MEDIO_WIRE_SIZE || wire > size - PORT_LEN)
		return 0;
	return PORT_LEN + wire;
}

static bool check(const struct medio_console *console, const uint8_t *from, size_t size)
{
	if (size < HEAD_LEN || from[HEAD_VERSION] != VERSION ||
		from[HEAD_PORTS] != console->num_ports || from[HEAD_READY] > 1)
		return false;
	from += HEAD_LEN;
	size -= HEAD_LEN;
	for (unsigned i = 0; i < console->num_ports; i++) {
		size_t len = port_check(from, size);

		if (!len)
			return false;
		from += len;
		size -= len;
	}
	return size == 0;
}

static size_t port_load(struct medio_console_port *port, const uint8_t *from)
{
	unsigned flags = from[PORT_FLAGS];
	size_t wire = medio_get_le(from + PORT_WIRE_LEN, 4);

	port->plugged = flags & FLAG_PLUGGED;
	port->added = flags & FLAG_ADDED;
	port->ready = flags & FLAG_READY;
	port->guest_open = flags & FLAG_OPEN;
	port->told_open = flags & FLAG_TOLD_OPEN;
	/* A name that is due is one that this console has. */
	port->due = from[PORT_DUE];
	if (!port->console->name[port->id])
		port->due &= ~MEDIO_CONSOLE_DUE_NAME;
	port->size.cols = (uint16_t)medio_get_le(from + PORT_COLS, 2);
	port->size.rows = (uint16_t)medio_get_le(from + PORT_ROWS, 2);
	port->skip = (uint32_t)medio_get_le(from + PORT_SKIP, 4);
	port->blocked = port->lossy = false;
	medio_wire_clear(&port->stream.rx);
	medio_wire_put(&port->stream.rx, from + PORT_LEN, wire);
	medio_stream_loaded(&port->stream);
	return PORT_LEN + wire;
}

int medio_console_load(struct medio_dev *dev, const void *buf, size_t size)
{
	struct medio_console *console = medio_priv(dev);
	const uint8_t *from = buf;

	if (!check(console, from, size))
		return medio_fail(dev, EINVAL, "this is not the state of a console of %u port%s",
			console->num_ports, console->num_ports == 1 ? "" : "s");
	console->driver_ready = from[HEAD_READY];
	from += HEAD_LEN;
	for (unsigned i = 0; i < console->num_ports; i++)
		from += port_load(&console->port[i], from);
	/* The terminals here may be of other sizes. */
	for (unsigned i = 0; i < console->num_ports; i++) {
		console->port[i].terminal = (struct medio_stream_size){ 0 };
		medio_console_port_look(&console->port[i]);
		medio_console_port_wake(&console->port[i]);
		medio_console_port_receive(&console->port[i]);
	}
	medio_console_control_send(console);
	medio_console_look_soon(console);
	return 0;
}
