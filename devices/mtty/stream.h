/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stream: a port's bytes over file descriptors, for the backends that have some. It reads only
 * what the port's wire has room for, and collects what the guest sends into one write for each
 * round of the event loop: a guest's sixteen bytes are one system call and not sixteen.
 */
#ifndef MEDIO_MTTY_STREAM_H
#define MEDIO_MTTY_STREAM_H

#include "port.h"

struct medio_mtty_stream;

/* The peer has gone and all it sent has been read. May close or free the stream's port side. */
typedef void medio_mtty_stream_gone_fn(struct medio_mtty_port *port);

struct medio_mtty_stream {
	struct medio_mtty_port *port;
	medio_mtty_stream_gone_fn *gone;
	int in, out;	   /* not owned; may be the same; -1: that direction is not there */
	bool in_eof;	   /* nothing more will come, but there may still be somebody listening */
	bool hung_up;	   /* the peer has gone; there may be bytes left to read */
	bool out_blocked;  /* the last write found no room */
	bool in_socket;	   /* in is a socket, which may be a blocking one (stdio) */
	bool out_socket;   /* out is one: a write to nobody must not raise SIGPIPE */
	bool in_plain;	   /* in cannot be polled (a regular file): it is always ready */
	bool write_failed; /* said so once already */
	struct medio_watch *in_watch;  /* also of out, if it is the same */
	struct medio_watch *out_watch; /* only while blocked, if out is another than in */
	uint32_t in_events;	       /* what in_watch waits for */
	struct medio_timer *later;     /* does what is due at the end of this round */
	struct medio_mtty_wire tx;     /* accepted from the guest, not written yet */
};

/* Ready to be attached. -ENOMEM. */
int medio_mtty_stream_init(struct medio_mtty_stream *stream, struct medio_mtty_port *port,
	medio_mtty_stream_gone_fn *gone);
/* Writes what can be written at once, then detaches. */
void medio_mtty_stream_fini(struct medio_mtty_stream *stream);

/* Start to use these non-blocking files (a regular file never blocks). -errno: cannot watch. */
int medio_mtty_stream_attach(struct medio_mtty_stream *stream, int in, int out);
/* Stop. What has not been written is lost and counted. */
void medio_mtty_stream_detach(struct medio_mtty_stream *stream);
bool medio_mtty_stream_attached(const struct medio_mtty_stream *stream);

/* The port's send and room operations. While detached, bytes sent are lost and counted. */
size_t medio_mtty_stream_send(struct medio_mtty_stream *stream, const uint8_t *buf, size_t len);
void medio_mtty_stream_room(struct medio_mtty_stream *stream);

#endif
