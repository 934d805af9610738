/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port: one UART, and the stream its connector is plugged into (stream/stream.h).
 *
 *     guest <-> registers | UART (16 + 16 bytes) | <- rx wire (4096 bytes) <- | stream
 *                         |                      | -------------------------> |
 *
 * What the guest sends goes to the stream as fast as it takes it. When it takes no more, bytes
 * stay in the transmit FIFO and THRE stays clear, so that a driver waits. What the stream receives
 * goes to the wire and from there to the receive FIFO whenever that has room, so a driver that is
 * slow loses nothing. Nothing here grows.
 */
#ifndef MEDIO_MTTY_PORT_H
#define MEDIO_MTTY_PORT_H

#include <medio/device.h>

#include "stream/stream.h"
#include "uart.h"

struct medio_mtty_port;

/* Called whenever something happened to a port that may move its interrupt line. */
typedef void medio_mtty_port_changed_fn(struct medio_mtty_port *port);

struct medio_mtty_stats {
	uint64_t tx;	     /* bytes that left the transmitter */
	uint64_t rx;	     /* bytes that reached the receiver */
	uint64_t interrupts; /* times the port raised its interrupt */
};

struct medio_mtty_port {
	struct medio_dev *dev;
	unsigned index;
	medio_mtty_port_changed_fn *changed;
	struct medio_mtty_uart uart;
	struct medio_stream stream; /* its wire is the line to the UART */
	/* A break came after this many bytes of the wire; -1: none is under way. */
	int break_at;
	uint32_t held; /* sends to the echo that took nothing since one did */
	bool irq;      /* level of the port's own interrupt */
	bool pumping;  /* in medio_mtty_port_kick(), which is then not entered again */
	bool again;    /* ... but goes round once more */
	struct medio_timer *timeout; /* the UART's character timeout */
	uint32_t timeout_activity;   /* uart.activity when it was armed */
	bool timeout_armed;
	struct medio_mtty_stats stats;
};

/*
 * Make port number index of dev and plug it into what spec names ("echo", "unix:/run/x").
 * What medio_stream_open() gives, -ENOMEM. Words are said with medio_fail(). On failure nothing is left to close.
 */
int medio_mtty_port_open(struct medio_mtty_port *port, struct medio_dev *dev, unsigned index,
	const char *spec, medio_mtty_port_changed_fn *changed);
void medio_mtty_port_close(struct medio_mtty_port *port);

uint8_t medio_mtty_port_read(struct medio_mtty_port *port, unsigned reg);
void medio_mtty_port_write(struct medio_mtty_port *port, unsigned reg, uint8_t value);
void medio_mtty_port_reset(struct medio_mtty_port *port);

/* ---- For migration ----------------------------------------------------------------------------- */

/* Something changed: move what can be moved, then look at the interrupt and the timeout. */
void medio_mtty_port_kick(struct medio_mtty_port *port);
/* The state of the port was replaced from a migration stream. */
void medio_mtty_port_loaded(struct medio_mtty_port *port);

#endif
