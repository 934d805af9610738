/* SPDX-License-Identifier: BSD-3-Clause */
#include "serve/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/outbox.h"

#define IN_STALLED   (4u << 20) /* what a peer may send while a request waits */
#define OUT_HIGH     (4u << 20) /* unsent output at which requests are no longer taken */
#define RECVS_A_TURN 16		/* then the loop's other devices have a turn */
#define DRAIN_NS     1000000000u

enum conn_state { OPEN, DRAINING, CLOSED };

struct medio_conn {
	struct medio_loop *loop;
	const struct medio_conn_ops *ops;
	void *opaque;
	struct medio_watch *watch;
	struct medio_poller *poller;
	struct medio_timer *timer; /* OPEN: the rest of a message is due; DRAINING: enough waited */
	uint64_t timeout_ns;
	size_t max_message;
	int fd;
	enum conn_state state;
	bool stalled; /* the first message in the buffer waits */
	bool busy;    /* inside process(): medio_conn_continue() need not call it */
	bool eof;
	bool progress; /* a message was done since the timer for the rest of one was armed */
	uint32_t events;

	struct medio_inbox in;
	struct medio_outbox out;
};

bool medio_conn_is_open(const struct medio_conn *conn)
{
	return conn->state == OPEN;
}

static void want(struct medio_conn *conn, uint32_t events)
{
	if (conn->watch && conn->events != events) {
		conn->events = events;
		medio_watch_set(conn->watch, events);
	}
}

/* ---- The end --------------------------------------------------------------------------------------- */

static void shut(struct medio_conn *conn)
{
	if (conn->state == CLOSED)
		return;
	conn->state = CLOSED;
	medio_timer_disarm(conn->timer);
	medio_watch_free(conn->watch);
	medio_poller_free(conn->poller);
	conn->watch = NULL;
	conn->poller = NULL;
	close(conn->fd);
	conn->fd = -1;
	conn->ops->gone(conn->opaque);
}

void medio_conn_close(struct medio_conn *conn, const char *why)
{
	if (conn->state != OPEN)
		return;
	medio_conn_flush(conn);
	conn->state = DRAINING;
	conn->stalled = false;
	if (!conn->busy)
		medio_inbox_clear(&conn->in);
	shutdown(conn->fd, SHUT_WR);
	want(conn, EPOLLIN);
	medio_timer_arm(conn->timer, DRAIN_NS);
	conn->ops->closed(conn->opaque, why);
	if (conn->eof)
		shut(conn);
}

void medio_conn_free(struct medio_conn *conn)
{
	if (!conn)
		return;
	if (conn->state != CLOSED) {
		conn->state = CLOSED;
		medio_watch_free(conn->watch);
		medio_poller_free(conn->poller);
		close(conn->fd);
	}
	medio_timer_free(conn->timer);
	medio_outbox_fini(&conn->out);
	medio_inbox_fini(&conn->in);
	free(conn);
}

/* ---- Output ------------------------------------------------------------------------------------------ */

void *medio_conn_reserve(struct medio_conn *conn, size_t size)
{
	return medio_outbox_reserve(&conn->out, size);
}

void medio_conn_commit(struct medio_conn *conn, size_t size)
{
	medio_outbox_commit(&conn->out, size);
}

void medio_conn_release(struct medio_conn *conn)
{
	medio_outbox_commit(&conn->out, 0);
}

bool medio_conn_reserved(const struct medio_conn *conn)
{
	return conn->out.reserved;
}

int medio_conn_attach_fds(struct medio_conn *conn, const int *fds, unsigned count)
{
	return medio_outbox_attach_fds(&conn->out, fds, count);
}

void medio_conn_flush(struct medio_conn *conn)
{
	if (conn->state != OPEN || medio_outbox_empty(&conn->out))
		return;
	int ret = medio_outbox_send(&conn->out, conn->fd);
	if (ret < 0 && ret != -EAGAIN)
		conn->eof = true; /* nobody will read the rest; what was received still counts */
	want(conn, ret == -EAGAIN ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* ---- Input -------------------------------------------------------------------------------------------- */

static const char *words(ssize_t err)
{
	switch (-err) {
	case E2BIG:
		return "it sent more descriptors than allowed";
	case ENOMEM:
		return "out of memory";
	case EMFILE:
		return "there was no room for the descriptors it sent";
	case EBADMSG:
		return "it sent a message with an impossible size";
	default:
		return NULL;
	}
}

/* True: bytes came. The connection may have ended either way. */
static bool receive(struct medio_conn *conn, bool wait, bool *more)
{
	size_t limit = conn->max_message + (conn->stalled ? IN_STALLED : 0);
	ssize_t n = wait ? medio_inbox_wait(&conn->in, conn->fd, limit, more)
			 : medio_inbox_receive(&conn->in, conn->fd, limit, more);
	if (n > 0)
		return true;
	if (n == -EAGAIN)
		return false;
	if (n == -ENOBUFS) /* it must wait until we have caught up */
		want(conn, conn->events & ~(uint32_t)EPOLLIN);
	else if (n == -E2BIG || n == -ENOMEM || n == -EMFILE)
		medio_conn_close(conn, words(n));
	else
		conn->eof = true;
	return false;
}

/* Run the message at `at`. False: no whole message is there, or the connection ended. */
static bool run_one(struct medio_conn *conn, size_t at, struct medio_request *req)
{
	conn->busy = true;
	enum medio_conn_verdict verdict = conn->ops->message(conn->opaque, req);
	conn->busy = false;
	conn->progress = true;
	if (conn->state != OPEN) {
		medio_inbox_clear(&conn->in);
		return false;
	}
	if (verdict == MEDIO_CONN_STALL) {
		conn->stalled = true;
		return false;
	}
	medio_inbox_remove(&conn->in, at, req->hdr.size);
	if (verdict == MEDIO_CONN_CLOSE)
		medio_conn_close(conn, NULL);
	return conn->state == OPEN;
}

static bool peek(struct medio_conn *conn, size_t at, struct medio_request *req)
{
	int ret = medio_inbox_peek(&conn->in, at, conn->max_message, req);
	if (ret < 0)
		medio_conn_close(conn, words(ret));
	return ret > 0;
}

static void process(struct medio_conn *conn)
{
	struct medio_request req;
	while (conn->state == OPEN && !conn->stalled &&
		medio_outbox_pending(&conn->out) < OUT_HIGH && peek(conn, 0, &req))
		if (!run_one(conn, 0, &req))
			break;
}

/* While a request waits, replies to our own commands must still get through: they may be what it
 * waits for. They are taken out of the middle of the stream. */
static void process_replies(struct medio_conn *conn)
{
	struct medio_request req;
	size_t at = 0;
	while (conn->state == OPEN && conn->stalled && peek(conn, at, &req)) {
		if ((req.hdr.flags & MEDIO_VU_TYPE_MASK) != MEDIO_VU_REPLY)
			at += req.hdr.size;
		else if (!run_one(conn, at, &req))
			break;
	}
}

/* Half a message must be followed by its other half in time. Each half has its own time: a receive
 * of a busy stream always ends in the middle of a message. */
static void time_rest(struct medio_conn *conn)
{
	bool partial = medio_inbox_unread(&conn->in) && !conn->stalled &&
		       medio_outbox_pending(&conn->out) < OUT_HIGH;
	if (!partial)
		medio_timer_disarm(conn->timer);
	else if (conn->progress || !medio_timer_armed(conn->timer))
		medio_timer_arm(conn->timer, conn->timeout_ns);
	conn->progress = false;
}

static void run(struct medio_conn *conn)
{
	/* A continued request may leave others runnable, and a stalled one may be answered by a
	 * reply behind it: until nothing moves. */
	bool stalled;
	do {
		process(conn);
		stalled = conn->stalled;
		if (stalled)
			process_replies(conn);
	} while (conn->state == OPEN && stalled && !conn->stalled);
	if (conn->state != OPEN)
		return;
	medio_conn_flush(conn);
	if (conn->eof) {
		medio_conn_close(conn, NULL);
		return;
	}
	time_rest(conn);
}

/* Take what the socket has; wait: and wait for it. True if there was something. */
static bool turn(struct medio_conn *conn, bool wait)
{
	bool more = true;
	bool any = false;
	for (int i = 0; i < RECVS_A_TURN && more && conn->state == OPEN; i++) {
		more = false;
		if (!receive(conn, wait, &more))
			break;
		wait = false;
		any = true;
		if (conn->state == OPEN)
			run(conn);
	}
	if (conn->eof && conn->state == OPEN)
		run(conn);
	return any;
}

static void drain(struct medio_conn *conn)
{
	bool more = true;
	for (int i = 0; i < RECVS_A_TURN && more && !conn->eof; i++) {
		medio_inbox_clear(&conn->in);
		ssize_t n = medio_inbox_receive(&conn->in, conn->fd, conn->max_message, &more);
		if (n == 0 || (n < 0 && n != -EAGAIN && n != -E2BIG && n != -EMFILE))
			conn->eof = true;
	}
	medio_inbox_clear(&conn->in);
	if (conn->eof)
		shut(conn);
}

static void on_ready(void *opaque, uint32_t events)
{
	struct medio_conn *conn = opaque;
	if (conn->state == DRAINING) {
		drain(conn);
		return;
	}
	if (events & EPOLLOUT) {
		medio_conn_flush(conn);
		run(conn); /* output below the mark: requests that waited for that */
	}
	if (conn->state != OPEN)
		return;
	if (conn->events & EPOLLIN && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		turn(conn, false);
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		/* The peer has gone while as much as we keep is waiting, so nothing is read. */
		conn->eof = true;
		run(conn);
	}
}

void medio_conn_look(struct medio_conn *conn)
{
	struct pollfd p = { .fd = conn->fd, .events = POLLIN };
	if (conn->state == OPEN && !conn->busy && poll(&p, 1, 0) > 0 && p.revents & POLLHUP)
		on_ready(conn, EPOLLIN | EPOLLHUP);
}

static bool on_poll(void *opaque)
{
	struct medio_conn *conn = opaque;
	return conn->state == OPEN && conn->events & EPOLLIN && turn(conn, false);
}

/* Not while something else than the next message is awaited. */
static bool on_wait(void *opaque)
{
	struct medio_conn *conn = opaque;
	return conn->state == OPEN && !conn->stalled && conn->events == EPOLLIN && turn(conn, true);
}

/* The fd blocks where no flag says otherwise, and then not for long. */
static void offer_wait(struct medio_conn *conn)
{
	struct timeval limit = { .tv_usec = MEDIO_HOT_WAIT_MS * 1000 };
	int flags = fcntl(conn->fd, F_GETFL);
	if (flags >= 0 && fcntl(conn->fd, F_SETFL, flags & ~O_NONBLOCK) == 0 &&
		setsockopt(conn->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0)
		medio_watch_set_wait(conn->watch, on_wait);
}

static void on_timer(void *opaque)
{
	struct medio_conn *conn = opaque;
	if (conn->state == DRAINING)
		shut(conn);
	else if (conn->state == OPEN)
		medio_conn_close(conn, medio_inbox_unread(&conn->in)
					       ? "the rest of a message did not come in time"
					       : "it said nothing in time");
}

void medio_conn_continue(struct medio_conn *conn)
{
	if (conn->state != OPEN || !conn->stalled)
		return;
	conn->stalled = false;
	want(conn, conn->events | EPOLLIN);
	if (!conn->busy)
		run(conn);
}

void medio_conn_linger(struct medio_conn *conn, uint64_t end_ns)
{
	medio_conn_close(conn, NULL);
	while (conn->state == DRAINING) {
		int64_t left = (int64_t)(end_ns - medio_now_ns());
		struct pollfd p = { .fd = conn->fd, .events = POLLIN };
		/* What is there already is taken even when time is up. */
		if (poll(&p, 1, left > 0 ? (int)(left / 1000000 + 1) : 0) <= 0)
			break;
		drain(conn);
		if (left <= 0)
			break;
	}
}

int medio_conn_new(struct medio_loop *loop, int fd, size_t max_message, unsigned timeout_ms,
	const struct medio_conn_ops *ops, void *opaque, struct medio_conn **out)
{
	struct medio_conn *conn = calloc(1, sizeof(*conn));
	if (!conn) {
		close(fd);
		return -ENOMEM;
	}
	conn->loop = loop;
	conn->ops = ops;
	conn->opaque = opaque;
	conn->fd = fd;
	conn->max_message = max_message;
	conn->timeout_ns = (uint64_t)timeout_ms * 1000000u;
	conn->events = EPOLLIN;
	conn->watch = medio_loop_watch(loop, fd, EPOLLIN, on_ready, conn);
	int ret = conn->watch ? 0 : -errno;
	conn->timer = medio_loop_timer(loop, on_timer, conn);
	conn->poller = medio_loop_poller(loop, on_poll, conn);
	if (ret == 0 && (!conn->timer || !conn->poller))
		ret = -ENOMEM;
	if (ret) {
		medio_conn_free(conn);
		return ret;
	}
	offer_wait(conn);
	medio_timer_arm(conn->timer, conn->timeout_ns); /* for its first message */
	*out = conn;
	return 0;
}
