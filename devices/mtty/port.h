/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port: one UART, the wires at its connector, and the backend the connector is plugged into.
 *
 *     guest <-> registers | UART (16 + 16 bytes) | <- rx wire (4096 bytes) <- | backend
 *                         |                      | -------------------------> |
 *
 * What the guest sends goes to the backend as fast as it takes it. When it takes no more, bytes
 * stay in the transmit FIFO and THRE stays clear, so that a driver waits. What the backend receives
 * goes to the wire and from there to the receive FIFO whenever that has room, so a driver that is
 * slow loses nothing. Nothing here grows.
 */
#ifndef MEDIO_MTTY_PORT_H
#define MEDIO_MTTY_PORT_H

#include <medio/device.h>

#include "uart.h"
#include "wire.h"

struct medio_mtty_port;

/* What a port can be plugged into. One file each; all state is in port->state. */
struct medio_mtty_backend {
	const char *name;
	/* How a user writes it, for messages: "pty[:/path/of/link]". */
	const char *usage;
	/* What may follow the name: no argument is taken, one may be given, one must be. */
	enum { MEDIO_MTTY_ARG_NONE, MEDIO_MTTY_ARG_OPTIONAL, MEDIO_MTTY_ARG_REQUIRED } arg;
	/* Plug in. arg is what follows "name:", NULL if nothing does; it outlives the port. Set
	 * port->state. -errno after medio_fail(); close() is then not called. */
	int (*open)(struct medio_mtty_port *port, const char *arg);
	/* NULL: nothing to do. */
	void (*close)(struct medio_mtty_port *port);
	/*
	 * Take up to len (over 0) bytes the guest sends; returns how many. 0 means full: call
	 * medio_mtty_port_kick() when there is room again. It is also asked anew at each access.
	 */
	size_t (*send)(struct medio_mtty_port *port, const uint8_t *buf, size_t len);
	/* The receive wire, once full, has room again. NULL: does not matter. */
	void (*room)(struct medio_mtty_port *port);
	/* The guest begins to send a break. NULL: this medium has none. */
	void (*send_break)(struct medio_mtty_port *port);
	/* The card was reset; what is connected stays so. NULL: nothing to do. */
	void (*reset)(struct medio_mtty_port *port);
};

/* Called whenever something happened to a port that may move its interrupt line. */
typedef void medio_mtty_port_changed_fn(struct medio_mtty_port *port);

struct medio_mtty_stats {
	uint64_t tx;	     /* bytes that left the transmitter */
	uint64_t rx;	     /* bytes that reached the receiver */
	uint64_t unheard;    /* bytes sent while nobody was there to hear them */
	uint64_t interrupts; /* times the port raised its interrupt */
};

struct medio_mtty_port {
	struct medio_dev *dev;
	unsigned index;
	medio_mtty_port_changed_fn *changed;
	struct medio_mtty_uart uart;
	struct medio_mtty_wire rx; /* line to UART */
	/* A break came after this many bytes of the wire; -1: none is under way. */
	int break_at;
	bool wire_was_full; /* room() is owed */
	uint32_t held;	    /* sends that took nothing; the backend may set it back to 0 */
	bool irq;	    /* level of the port's own interrupt */
	bool pumping;	    /* in medio_mtty_port_kick(), which is then not entered again */
	bool again;	    /* ... but goes round once more */
	struct medio_timer *timeout; /* the UART's character timeout */
	uint32_t timeout_activity;   /* uart.activity when it was armed */
	bool timeout_armed;
	struct medio_mtty_stats stats;
	const struct medio_mtty_backend *backend;
	void *state; /* the backend's */
};

/*
 * Make port number index of dev and plug it into what spec names ("echo", "unix:/run/x").
 * -EINVAL: no such backend, an argument missing or too much; -ENOMEM; or what the backend's open
 * gives. Words are said with medio_fail(). On failure nothing is left to close.
 */
int medio_mtty_port_open(struct medio_mtty_port *port, struct medio_dev *dev, unsigned index,
	const char *spec, medio_mtty_port_changed_fn *changed);
void medio_mtty_port_close(struct medio_mtty_port *port);

uint8_t medio_mtty_port_read(struct medio_mtty_port *port, unsigned reg);
void medio_mtty_port_write(struct medio_mtty_port *port, unsigned reg, uint8_t value);
void medio_mtty_port_reset(struct medio_mtty_port *port);

/* ---- For backends and migration ----------------------------------------------------------------- */

/* Something changed: move what can be moved, then look at the interrupt and the timeout. */
void medio_mtty_port_kick(struct medio_mtty_port *port);
/* The state of the port was replaced from a migration stream. */
void medio_mtty_port_loaded(struct medio_mtty_port *port);
/* The modem lines the other end drives: MEDIO_MTTY_MSR_CTS, DSR, RI, DCD. */
void medio_mtty_port_lines(struct medio_mtty_port *port, uint8_t lines);

/* Lines of a peer that is there, and of nobody. */
#define MEDIO_MTTY_LINES_PEER (MEDIO_MTTY_MSR_CTS | MEDIO_MTTY_MSR_DSR | MEDIO_MTTY_MSR_DCD)
#define MEDIO_MTTY_LINES_NONE 0

extern const struct medio_mtty_backend medio_mtty_echo;
extern const struct medio_mtty_backend medio_mtty_null;
extern const struct medio_mtty_backend medio_mtty_pty;
extern const struct medio_mtty_backend medio_mtty_unix;
extern const struct medio_mtty_backend medio_mtty_stdio;
extern const struct medio_mtty_backend medio_mtty_file;

#endif
