/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One vfio-user connection: a non-blocking stream socket cut into messages, with file descriptors
 * beside them. Knows headers and sizes, not what messages mean.
 *
 *     state      reading             writing     ends when
 *     OPEN       messages            yes         the peer goes, or medio_conn_close()
 *     DRAINING   thrown away         no          the peer goes, or after a second
 *     CLOSED     -                   -           freed
 *
 * Draining exists because a socket closed with unread data resets the connection, and stock QEMU
 * aborts on a reset.
 *
 * Threads: the loop's.
 */
#ifndef MEDIO_SERVE_CONN_H
#define MEDIO_SERVE_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/inbox.h"
#include "util/loop.h"

enum medio_conn_verdict {
	MEDIO_CONN_NEXT,  /* done with this message */
	MEDIO_CONN_STALL, /* keep it; ask again after medio_conn_continue() */
	MEDIO_CONN_CLOSE, /* the peer cannot be understood: close */
};

struct medio_conn_ops {
	enum medio_conn_verdict (*message)(void *opaque, struct medio_request *req);
	/* The connection is no longer OPEN; why is a sentence, or NULL: the peer left in good order. */
	void (*closed)(void *opaque, const char *why);
	/* It is CLOSED: free it, but not from within this call. */
	void (*gone)(void *opaque);
};

struct medio_conn;

/* fd is taken. max_message bounds a message, header included. -ENOMEM, -EPERM. */
int medio_conn_new(struct medio_loop *loop, int fd, size_t max_message, unsigned timeout_ms,
	const struct medio_conn_ops *ops, void *opaque, struct medio_conn **out);
/* Closes at once what is still open. */
void medio_conn_free(struct medio_conn *conn);
/* Send what is queued, then drain. why as in closed(); it is copied. */
void medio_conn_close(struct medio_conn *conn, const char *why);
bool medio_conn_is_open(const struct medio_conn *conn);
/* See at once whether the peer has hung up; if so the connection ends as it would a moment later. */
void medio_conn_look(struct medio_conn *conn);
/* Drain until end_ns (CLOCK_MONOTONIC), blocking: for the end of a program. */
void medio_conn_linger(struct medio_conn *conn, uint64_t end_ns);

/* Go on after MEDIO_CONN_STALL. */
void medio_conn_continue(struct medio_conn *conn);

/*
 * Output. reserve gives size contiguous bytes to fill, commit queues the first size of them; what
 * is queued is sent when the messages at hand are done, or by flush. Between reserve and commit
 * (or release) nothing else may be reserved. NULL: out of memory.
 */
void *medio_conn_reserve(struct medio_conn *conn, size_t size);
void medio_conn_commit(struct medio_conn *conn, size_t size);
void medio_conn_release(struct medio_conn *conn);
bool medio_conn_reserved(const struct medio_conn *conn);
/* Attach fds (borrowed until sent; at most 16) to the message being committed next. */
int medio_conn_attach_fds(struct medio_conn *conn, const int *fds, unsigned count);
void medio_conn_flush(struct medio_conn *conn);

#endif
