/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The twin socket (document, "VFIO_USER_VERSION", twin_socket): our commands to the client and its
 * replies have a socket of their own, so that a simple client can serve them from another thread.
 */
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/session.h"

/* It may be silent for as long as we ask nothing; what we ask has a limit of its own (remote.c). */
#define NO_LIMIT_MS UINT_MAX
#define MAX_MESSAGE (MEDIO_VU_DMA_CHUNK + 4096u)

static enum medio_conn_verdict on_message(void *opaque, struct medio_request *req)
{
	struct medio_session *s = opaque;
	int ret = (req->hdr.flags & MEDIO_VU_TYPE_MASK) == MEDIO_VU_REPLY
			  ? medio_remote_reply(s, req)
			  : medio_session_broken(s, "it sent a command on the twin socket");
	if (ret == MEDIO_SESSION_CLOSE && medio_conn_is_open(s->conn))
		medio_conn_close(s->conn, s->why);
	return ret == MEDIO_SESSION_CLOSE ? MEDIO_CONN_CLOSE : MEDIO_CONN_NEXT;
}

/*
 * A client that leaves closes both, and which end is seen first is chance: what it has sent on the other
 * is still served. One that stays will be told when it is asked something (remote.c).
 */
static void on_closed(void *opaque, const char *why)
{
	struct medio_session *s = opaque;
	if (!why && !s->remote_in_flight)
		return;
	if (s->attached && medio_conn_is_open(s->conn))
		medio_conn_close(s->conn, why ? why : "it closed the twin socket");
}

static void on_gone(void *opaque)
{
	(void)opaque; /* freed with the session */
}

static const struct medio_conn_ops ops = {
	.message = on_message,
	.closed = on_closed,
	.gone = on_gone,
};

int medio_twin_open(struct medio_session *s)
{
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	int ret = medio_conn_new(
		medio_instance_loop(s->inst), fds[0], MAX_MESSAGE, NO_LIMIT_MS, &ops, s, &s->twin);
	if (ret) {
		close(fds[1]);
		return ret;
	}
	return fds[1];
}
