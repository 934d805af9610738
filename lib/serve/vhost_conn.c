/* SPDX-License-Identifier: BSD-3-Clause */
#include "serve/vhost_conn.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/loop.h"

#define MESSAGES_A_TURN 16 /* then the loop's other devices have a turn */
#define HEAD		sizeof(struct medio_vhu_header)

struct medio_vhost_conn {
	struct medio_loop *loop;
	const struct medio_vhost_conn_ops *ops;
	void *opaque;
	struct medio_watch *watch;
	struct medio_timer *timer; /* the rest of a message is due */
	uint64_t timeout_ns;
	int fd; /* -1: closed */
	size_t got;
	struct medio_vhu_message in;
	struct {
		size_t size, sent; /* size 0: nothing waits */
		int fd;
		uint8_t bytes[HEAD + MEDIO_VHU_MAX_PAYLOAD];
	} out;
};

bool medio_vhost_conn_is_open(const struct medio_vhost_conn *conn)
{
	return conn->fd >= 0;
}

static void forget_message(struct medio_vhost_conn *conn)
{
	for (unsigned i = 0; i < conn->in.num_fds; i++)
		if (conn->in.fds[i] >= 0)
			close(conn->in.fds[i]);
	conn->in.num_fds = 0;
	conn->got = 0;
}

static void forget_answer(struct medio_vhost_conn *conn)
{
	if (conn->out.fd >= 0)
		close(conn->out.fd);
	conn->out.fd = -1;
	conn->out.size = 0;
}

static void shut(struct medio_vhost_conn *conn)
{
	medio_watch_free(conn->watch);
	conn->watch = NULL;
	medio_timer_free(conn->timer);
	conn->timer = NULL;
	if (conn->fd >= 0)
		close(conn->fd);
	conn->fd = -1;
	forget_answer(conn);
}

void medio_vhost_conn_close(struct medio_vhost_conn *conn, const char *why)
{
	if (conn->fd < 0)
		return;
	shut(conn);
	conn->ops->closed(conn->opaque, why);
}

void medio_vhost_conn_free(struct medio_vhost_conn *conn)
{
	if (!conn)
		return;
	shut(conn);
	forget_message(conn);
	free(conn);
}

/* ---- Output ---------------------------------------------------------------------------------------- */

/* 0, -EAGAIN, or what sendmsg() says. */
static int send_some(struct medio_vhost_conn *conn)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { conn->out.bytes + conn->out.sent, conn->out.size - conn->out.sent };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (conn->out.fd >= 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &conn->out.fd, sizeof(int));
	}
	ssize_t n = sendmsg(conn->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (conn->out.fd >= 0)
		close(conn->out.fd);
	conn->out.fd = -1;
	conn->out.sent += (size_t)n;
	return conn->out.sent == conn->out.size ? 0 : -EAGAIN;
}

static void flush(struct medio_vhost_conn *conn)
{
	int ret = send_some(conn);
	if (ret == -EAGAIN) {
		medio_watch_set(conn->watch, EPOLLOUT);
		return;
	}
	/* Nobody reads: the end of the stream comes next, with the same words for all. */
	forget_answer(conn);
	medio_watch_set(conn->watch, EPOLLIN);
}

void medio_vhost_conn_reply(
	struct medio_vhost_conn *conn, uint32_t request, const void *payload, uint32_t size, int fd)
{
	const struct medio_vhu_header hdr = { request, MEDIO_VHU_VERSION | MEDIO_VHU_REPLY, size };
	if (conn->fd < 0 || conn->out.size) {
		if (fd >= 0)
			close(fd);
		return;
	}
	memcpy(conn->out.bytes, &hdr, sizeof(hdr));
	memcpy(conn->out.bytes + sizeof(hdr), payload, size);
	conn->out.size = sizeof(hdr) + size;
	conn->out.sent = 0;
	conn->out.fd = fd;
	flush(conn);
}

/* ---- Input ------------------------------------------------------------------------------------------ */

static int take_fds(struct medio_vhost_conn *conn, struct msghdr *msg)
{
	int ret = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (conn->in.num_fds == MEDIO_VHU_MAX_FDS) {
				close(fd);
				ret = -E2BIG;
			} else {
				conn->in.fds[conn->in.num_fds++] = fd;
			}
		}
	}
	/* The kernel has dropped some: more than fit here, or than this process may have. */
	return msg->msg_flags & MSG_CTRUNC ? -E2BIG : ret;
}

/* Bytes received; 0: the end of the stream; -EAGAIN, -E2BIG, or what recvmsg() says. */
static ssize_t receive(struct medio_vhost_conn *conn, void *to, size_t size)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * MEDIO_VHU_MAX_FDS)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { to, size };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n = recvmsg(conn->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	int ret = take_fds(conn, &msg);
	return ret ? ret : n;
}

/* Where the next bytes of the message go. */
static void *rest(struct medio_vhost_conn *conn, size_t *size)
{
	if (conn->got < HEAD) {
		*size = HEAD - conn->got;
		return (uint8_t *)&conn->in.hdr + conn->got;
	}
	size_t at = conn->got - HEAD;
	*size = conn->in.hdr.size - at;
	return (uint8_t *)&conn->in.payload + at;
}

static void ended(struct medio_vhost_conn *conn, ssize_t ret)
{
	if (ret == -E2BIG)
		medio_vhost_conn_close(conn,
			"more file descriptors with a message than the 8 that are allowed, or than "
			"this process has room for");
	else
		medio_vhost_conn_close(
			conn, conn->got ? "it left in the middle of a message" : NULL);
}

/* Receive more of the message at hand. True: it is whole. */
static bool more(struct medio_vhost_conn *conn)
{
	char words[MEDIO_VHU_WORDS];
	for (;;) {
		size_t size;
		void *to = rest(conn, &size);
		if (!size)
			return true;
		ssize_t n = receive(conn, to, size);
		if (n == -EAGAIN)
			return false;
		if (n <= 0) {
			ended(conn, n);
			return false;
		}
		bool head = conn->got < HEAD;
		conn->got += (size_t)n;
		if (head && conn->got == HEAD && medio_vhu_check_header(&conn->in.hdr, words)) {
			medio_vhost_conn_close(conn, words);
			return false;
		}
	}
}

static void turn(struct medio_vhost_conn *conn)
{
	bool any = false;
	for (int i = 0; i < MESSAGES_A_TURN && conn->fd >= 0 && !conn->out.size; i++) {
		if (!more(conn))
			break;
		any = true;
		conn->ops->message(conn->opaque, conn, &conn->in);
		forget_message(conn);
	}
	if (conn->fd < 0)
		return;
	/* Half a message must be followed by its other half in time. */
	if (!conn->got)
		medio_timer_disarm(conn->timer);
	else if (any || !medio_timer_armed(conn->timer))
		medio_timer_arm(conn->timer, conn->timeout_ns);
}

static void on_ready(void *opaque, uint32_t events)
{
	struct medio_vhost_conn *conn = opaque;
	if (conn->out.size) {
		if (events & (EPOLLERR | EPOLLHUP))
			forget_answer(
				conn); /* nobody will read it; what was sent to us still counts */
		else
			flush(conn);
	}
	if (conn->fd >= 0 && !conn->out.size)
		turn(conn);
}

void medio_vhost_conn_look(struct medio_vhost_conn *conn)
{
	struct pollfd p = { .fd = conn->fd, .events = POLLIN };
	while (conn->fd >= 0 && poll(&p, 1, 0) > 0 && p.revents & POLLHUP)
		on_ready(conn, EPOLLIN | EPOLLHUP);
}

static void on_timer(void *opaque)
{
	medio_vhost_conn_close(opaque, "the rest of a message did not come in time");
}

int medio_vhost_conn_new(struct medio_loop *loop, int fd, unsigned timeout_ms,
	const struct medio_vhost_conn_ops *ops, void *opaque, struct medio_vhost_conn **out)
{
	struct medio_vhost_conn *conn = calloc(1, sizeof(*conn));
	if (!conn) {
		close(fd);
		return -ENOMEM;
	}
	conn->loop = loop;
	conn->ops = ops;
	conn->opaque = opaque;
	conn->fd = fd;
	conn->out.fd = -1;
	conn->timeout_ns = (uint64_t)timeout_ms * 1000000u;
	conn->watch = medio_loop_watch(loop, fd, EPOLLIN, on_ready, conn);
	int ret = conn->watch ? 0 : -errno;
	conn->timer = medio_loop_timer(loop, on_timer, conn);
	if (ret == 0 && !conn->timer)
		ret = -ENOMEM;
	if (ret) {
		medio_vhost_conn_free(conn);
		return ret;
	}
	*out = conn;
	return 0;
}
