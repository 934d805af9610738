/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker's connection to mediod. Sending never waits: what the socket does not take now is kept
 * in a queue, in order; log lines are dropped when that is long, and while it is very long nothing
 * is received, so that whoever asks without reading answers asks no more.
 */
#ifndef MEDIO_WORKER_LINK_H
#define MEDIO_WORKER_LINK_H

#include <medio/serve.h>

#include "worker/wire.h"

struct medio_link;

struct medio_link_ops {
	/* A message; fds that are not taken (set to -1) are closed afterwards. One without the fds
	 * it should have lost them to the limit of open files. -errno: it makes no sense, and the
	 * connection is over. */
	int (*received)(void *opaque, struct medio_wire_msg *msg);
	/* After medio_link_feed(): send one more message with medio_link_try(). 1: there are more,
	 * 0: that was all, -errno: what medio_link_try() gave; asked again later. */
	int (*feed)(void *opaque);
	/* Nothing waits to be sent, after something did. */
	void (*flushed)(void *opaque);
	/* The other end has gone, or made no sense. Frees the link. */
	void (*gone)(void *opaque);
};

/* fd is the link's (also on failure). -ENOMEM … */
int medio_link_new(struct medio_loop *loop, int fd, const struct medio_link_ops *ops, void *opaque,
	struct medio_link **out);
/* NULL is allowed. */
void medio_link_free(struct medio_link *link);
/* Send, or keep until it can be sent; no fds. */
void medio_link_send(struct medio_link *link, const struct medio_wire_msg *msg);
/* As above, but it may be lost; how many were is told in a line of its own. */
void medio_link_log(struct medio_link *link, const struct medio_wire_msg *msg);
/* Send now, with fds, or not at all: -EAGAIN, -ETOOMANYREFS … */
int medio_link_try(struct medio_link *link, const struct medio_wire_msg *msg);
/* Have feed() called whenever the socket takes more, until it says that there is no more. */
void medio_link_feed(struct medio_link *link);
bool medio_link_is_flushed(const struct medio_link *link);

#endif
