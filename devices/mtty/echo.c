/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * echo: a loopback plug on a cable. What is sent comes back, all of it and in order.
 *
 * The cable holds 4096 bytes besides the two FIFOs. When it is full the transmitter waits until the
 * guest reads. A guest that only ever writes (a console nobody logs in on) would wait for ever, so
 * one that touches the port STALL_ACCESSES times meanwhile and reads nothing loses what no longer
 * fits: an overrun, as on hardware from the seventeenth byte on. The first byte read makes the cable
 * safe again. Accesses are counted, not time: a guest that is paused or starved loses nothing.
 */
#include "port.h"

/* Linux polls LSR at most 10000 times for one character before it gives up on it. */
#define STALL_ACCESSES 16384

static int echo_open(struct medio_mtty_port *port, const char *arg)
{
	medio_mtty_port_lines(port, MEDIO_MTTY_LINES_PEER);
	return 0;
}

static size_t echo_send(struct medio_mtty_port *port, const uint8_t *buf, size_t len)
{
	size_t taken = medio_mtty_wire_put(&port->rx, buf, len);

	if (taken) {
		port->held = 0;
	} else if (port->held > STALL_ACCESSES) {
		medio_mtty_uart_rx_overrun(&port->uart, len);
		taken = len;
	}
	return taken;
}

static void echo_break(struct medio_mtty_port *port)
{
	port->break_at = (int)port->rx.count;
}

static void echo_reset(struct medio_mtty_port *port)
{
	/* What was on the cable came from the guest that is gone. */
	medio_mtty_wire_clear(&port->rx);
	port->break_at = -1;
}

const struct medio_mtty_backend medio_mtty_echo = {
	.name = "echo",
	.usage = "echo",
	.open = echo_open,
	.send = echo_send,
	.send_break = echo_break,
	.reset = echo_reset,
};
