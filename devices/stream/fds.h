/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stream's bytes over file descriptors, for the kinds that have some. It reads only what the
 * stream's wire has room for, and collects what the guest sends into one write for each
 * round of the event loop: a guest's sixteen bytes are one system call and not sixteen.
 */
#ifndef MEDIO_STREAM_FDS_H
#define MEDIO_STREAM_FDS_H

#include "stream.h"

struct medio_stream_fds;

/* The peer has gone and all it sent has been read. */
typedef void medio_stream_gone_fn(struct medio_stream *stream);

struct medio_stream_fds {
	struct medio_stream *stream;
	medio_stream_gone_fn *gone;
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
	struct medio_wire tx;	       /* accepted from the guest, not written yet */
};

/* Ready to be attached. -ENOMEM. */
int medio_stream_fds_init(
	struct medio_stream_fds *fds, struct medio_stream *stream, medio_stream_gone_fn *gone);
/* Writes what can be written at once, then detaches. */
void medio_stream_fds_fini(struct medio_stream_fds *fds);

/* Start to use these non-blocking files (a regular file never blocks). -errno: cannot watch. */
int medio_stream_fds_attach(struct medio_stream_fds *fds, int in, int out);
/* Stop. What has not been written is lost and counted. */
void medio_stream_fds_detach(struct medio_stream_fds *fds);
bool medio_stream_fds_attached(const struct medio_stream_fds *fds);

/* The stream's send and room operations. While detached, bytes sent are lost and counted. */
size_t medio_stream_fds_send(struct medio_stream_fds *fds, const uint8_t *buf, size_t len);
void medio_stream_fds_room(struct medio_stream_fds *fds);

#endif
