/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vhost-user connection: a stream socket cut into messages, with file descriptors beside them. Knows
 * headers and sizes, not what messages mean.
 *
 * A message is received in two steps, header and payload, and never a byte beyond it: so the descriptors
 * that come are its own. While an answer waits for the front-end to read, nothing more is received.
 *
 * Threads: the loop's.
 */
#ifndef MEDIO_SERVE_VHOST_CONN_H
#define MEDIO_SERVE_VHOST_CONN_H

#include "proto/vhost_user.h"

struct medio_loop;
struct medio_vhost_conn;

struct medio_vhost_conn_ops {
	/* A message, its header checked; descriptors that are not taken are closed afterwards. */
	void (*message)(void *opaque, struct medio_vhost_conn *conn, struct medio_vhu_message *msg);
	/* The connection has ended; why is a sentence, or NULL: the front-end left in good order. Free
	 * it, but not from within this call. */
	void (*closed)(void *opaque, const char *why);
};

/* fd is taken, also on failure. -ENOMEM, -EPERM: not a socket. */
int medio_vhost_conn_new(struct medio_loop *loop, int fd, unsigned timeout_ms,
	const struct medio_vhost_conn_ops *ops, void *opaque, struct medio_vhost_conn **out);
/* Does not call closed(). NULL is allowed. */
void medio_vhost_conn_free(struct medio_vhost_conn *conn);
/* End it now; closed() is called once. */
void medio_vhost_conn_close(struct medio_vhost_conn *conn, const char *why);
bool medio_vhost_conn_is_open(const struct medio_vhost_conn *conn);
/* See at once whether the front-end has hung up. */
void medio_vhost_conn_look(struct medio_vhost_conn *conn);
/* Answer a request, once, from within message(). fd: goes with it and is owned from here on; -1: none. */
void medio_vhost_conn_reply(struct medio_vhost_conn *conn, uint32_t request, const void *payload,
	uint32_t size, int fd);

#endif
