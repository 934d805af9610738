/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio console (5.3): ports, each a stream (stream/stream.h) at one end and a pair of queues at
 * the other, and a pair of queues to talk about ports if there can be more than one.
 *
 *     queue 0, 1   receiveq, transmitq of port 0        port.c
 *     queue 2, 3   messages to and from the driver      control.c
 *     queue 4, 5   receiveq, transmitq of port 1
 *     ...
 *
 * No chain is ever held: what a stream does not take stays in the transmitq, with a note of how much
 * of its first chain has gone, and what comes waits in the stream's wire until the driver has opened
 * the port and posted buffers. So nothing is in flight when a reset or a change of memory comes, and
 * nothing grows.
 *
 * Source: Virtual I/O Device (VIRTIO) 1.3, 5.3.
 */
#ifndef MEDIO_VIRTIO_CONSOLE_CONSOLE_H
#define MEDIO_VIRTIO_CONSOLE_CONSOLE_H

#include <medio/virtio.h>

#include "stream/stream.h"

#define MEDIO_CONSOLE_MAX_PORTS	 16
#define MEDIO_CONSOLE_MAX_QUEUES (2 * MEDIO_CONSOLE_MAX_PORTS + 2)
#define MEDIO_CONSOLE_MAX_NAME	 64

enum { MEDIO_CONSOLE_CONTROL_RX = 2, MEDIO_CONSOLE_CONTROL_TX = 3 };

/* Messages to the driver that are due, in the order in which they go out (5.3.6.2). */
enum {
	MEDIO_CONSOLE_DUE_REMOVE = 1,
	MEDIO_CONSOLE_DUE_ADD = 2,
	MEDIO_CONSOLE_DUE_CONSOLE = 4,
	MEDIO_CONSOLE_DUE_RESIZE = 8,
	MEDIO_CONSOLE_DUE_NAME = 16,
	MEDIO_CONSOLE_DUE_OPEN = 32,
	MEDIO_CONSOLE_DUE_ALL = 63,
};

struct medio_console;

struct medio_console_port {
	struct medio_console *console;
	unsigned id;
	bool is_console; /* to the driver a place to log in, not a pipe */
	bool plugged;	 /* the driver is to have it */
	/* With MULTIPORT: what the driver has been told and has said. */
	bool added;	 /* PORT_ADD has been sent */
	bool ready;	 /* PORT_READY has come */
	bool guest_open; /* PORT_OPEN has come */
	bool told_open;	 /* the latest PORT_OPEN that was sent */
	unsigned due;	 /* MEDIO_CONSOLE_DUE_* */
	/* Of the first chain in the transmitq, bytes that the stream has taken already. */
	uint32_t skip;
	bool blocked; /* the stream took no more */
	bool lossy;   /* and nobody read for so long that what it does not take is lost */
	struct medio_timer *patience;
	struct medio_stream_size size;	   /* zeros: not known */
	struct medio_stream_size terminal; /* the terminal's, when last looked at */
	uint64_t tx, rx;		   /* bytes to and from the stream */
	uint64_t lost;			   /* bytes nobody read in time, or sent to no port */
	struct medio_stream stream;
};

struct medio_console {
	struct medio_virtio virtio;
	struct medio_dev *dev;
	/* Parameters. */
	uint64_t ports; /* 0: as many as others speak of */
	uint64_t consoles, cols, rows, patience;
	bool multiport;
	int resize_order; /* enum medio_console_order */
	char *plug[MEDIO_CONSOLE_MAX_PORTS];
	char *name[MEDIO_CONSOLE_MAX_PORTS];

	unsigned num_ports;
	bool driver_ready;	  /* DEVICE_READY has come */
	struct medio_timer *look; /* at the sizes of terminals */
	struct medio_console_port port[MEDIO_CONSOLE_MAX_PORTS];
};

/* The order in which a RESIZE message has the two numbers. */
enum medio_console_order { MEDIO_CONSOLE_COLS_ROWS, MEDIO_CONSOLE_ROWS_COLS };

/* ---- Ports ---------------------------------------------------------------------------------------- */

/* Open port number id of console, whose parameters and dev are set. -errno after medio_fail(). */
int medio_console_port_open(struct medio_console *console, unsigned id);
/* One that was never opened is allowed. */
void medio_console_port_close(struct medio_console_port *port);
/* A turn of one of its two queues. */
void medio_console_port_kick(struct medio_console_port *port, struct medio_virtq *queue);
/* Give the driver what has come, as far as it can be given. */
void medio_console_port_receive(struct medio_console_port *port);
/* Look into the transmitq, soon. */
void medio_console_port_wake(struct medio_console_port *port);
/* Both, if something waits to be sent. */
void medio_console_port_go_on(struct medio_console_port *port);
/* What the transmitq held is gone. */
void medio_console_port_unsent(struct medio_console_port *port);
/* The driver is gone; who is at the other end stays. */
void medio_console_port_reset(struct medio_console_port *port);
/* A character that needs no queues (5.3.4): to port 0. */
void medio_console_port_emergency(struct medio_console_port *port, uint8_t c);
/* Is somebody there, for the driver? */
bool medio_console_port_host_open(const struct medio_console_port *port);
/* Does the driver have it, and is it open there? */
bool medio_console_port_usable(const struct medio_console_port *port);
/* The window is of this size now. */
void medio_console_port_resize(
	struct medio_console_port *port, const struct medio_stream_size *size);
/* Look at the terminal, if it is one. */
void medio_console_port_look(struct medio_console_port *port);

/* The port of a data queue; NULL: that of no port there is. */
struct medio_console_port *medio_console_port_of(struct medio_console *console, unsigned queue);

/* Start to look at terminals now and then, if any can be one. */
void medio_console_look_soon(struct medio_console *console);

/* ---- Messages ------------------------------------------------------------------------------------- */

/* Send what is due, as far as the driver has posted buffers. */
void medio_console_control_send(struct medio_console *console);
/* Take what the driver says. */
void medio_console_control_receive(struct medio_console *console, struct medio_virtq *queue);
/* Give the driver this port, or take it away. -EALREADY: it is so. */
int medio_console_control_plug(struct medio_console_port *port, bool plugged);
/* The driver is gone. */
void medio_console_control_reset(struct medio_console *console);

/* ---- State, for migration and restarts ------------------------------------------------------------ */

ssize_t medio_console_save(struct medio_dev *dev, void *buf, size_t cap);
int medio_console_load(struct medio_dev *dev, const void *buf, size_t size);

/* ---- Attributes ----------------------------------------------------------------------------------- */

ssize_t medio_console_ports_show(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size);
ssize_t medio_console_size_show(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size);
int medio_console_size_store(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size);
int medio_console_ports_store(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size);

#endif
