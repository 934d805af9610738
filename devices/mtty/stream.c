/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long to wait for room in a file that blocks and cannot be polled. */
#define RETRY_NS 10000000u

static void ready(void *opaque, uint32_t events);
static void out_ready(void *opaque, uint32_t events);

static bool want_read(const struct medio_mtty_stream *s)
{
	return s->in >= 0 && !s->in_eof && medio_mtty_wire_room(&s->port->rx) > 0;
}

static void out_watch_update(struct medio_mtty_stream *s)
{
	if (s->out_blocked && !s->out_watch) {
		s->out_watch = medio_watch_new(s->port->dev, s->out, EPOLLOUT, out_ready, s);
		if (!s->out_watch)
			medio_timer_arm(s->later, RETRY_NS);
	} else if (!s->out_blocked && s->out_watch) {
		medio_watch_free(s->out_watch);
		s->out_watch = NULL;
	}
}

/* Wait for what can make a difference now. */
static void watches_update(struct medio_mtty_stream *s)
{
	uint32_t events = want_read(s) ? EPOLLIN : 0;

	if (s->out >= 0 && s->out == s->in)
		events |= s->out_blocked ? EPOLLOUT : 0;
	else if (s->out >= 0)
		out_watch_update(s);

	/*
	 * A hang-up is reported whether one waits for it or not. When it has been seen, or when
	 * there is nothing more to come of an input alone, no watch may remain on it.
	 */
	if (s->in_watch && !events && (s->hung_up || (s->in_eof && s->in != s->out))) {
		medio_watch_free(s->in_watch);
		s->in_watch = NULL;
	} else if (!s->in_watch && events && !s->in_plain) {
		s->in_watch = medio_watch_new(s->port->dev, s->in, events, ready, s);
	} else if (s->in_watch && events != s->in_events) {
		medio_watch_set(s->in_watch, events);
	}
	s->in_events = events;
	if (s->in_plain && want_read(s))
		medio_timer_arm(s->later, 0);
}

static void tx_lose(struct medio_mtty_stream *s)
{
	s->port->stats.unheard += s->tx.count;
	medio_mtty_wire_clear(&s->tx);
	s->out_blocked = false;
}

static ssize_t put(struct medio_mtty_stream *s, const uint8_t *bytes, size_t len)
{
	if (!s->out_socket)
		return write(s->out, bytes, len);
	return send(s->out, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t get(struct medio_mtty_stream *s, uint8_t *bytes, size_t len)
{
	if (!s->in_socket)
		return read(s->in, bytes, len);
	return recv(s->in, bytes, len, MSG_DONTWAIT);
}

/* Write until all is written or no more is taken. */
static void flush(struct medio_mtty_stream *s)
{
	bool blocked = false;

	while (s->tx.count) {
		size_t len;
		const uint8_t *bytes = medio_mtty_wire_peek(&s->tx, &len);
		ssize_t n = put(s, bytes, len);

		if (n > 0) {
			medio_mtty_wire_taken(&s->tx, n);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			blocked = true;
			break;
		}
		/* A peer that left is no fault; a full disk is. */
		if (errno != EPIPE && errno != EIO && errno != ECONNRESET && !s->write_failed) {
			medio_log(s->port->dev, MEDIO_LOG_ERROR, "port %u: cannot write: %s",
				s->port->index, strerror(errno));
			s->write_failed = true;
		}
		tx_lose(s);
	}
	s->out_blocked = blocked;
}

/* Read what there is room for. True if the peer has gone and this was all of it. */
static bool fill(struct medio_mtty_stream *s)
{
	while (want_read(s)) {
		size_t space;
		uint8_t *to = medio_mtty_wire_space(&s->port->rx, &space);
		ssize_t n = get(s, to, space);

		if (n > 0) {
			medio_mtty_wire_added(&s->port->rx, n);
			/* Short means that was all, except before a hang-up is understood. */
			if ((size_t)n < space && !s->hung_up && !s->in_plain)
				return false;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return s->hung_up;
		/* End of file, or a pty (EIO) or socket (ECONNRESET) whose other end is closed. */
		s->in_eof = true;
		if (n < 0)
			s->hung_up = true;
	}
	return s->in_eof && s->hung_up;
}

/* Do all that can be done, then wait for the rest. */
static void turn(struct medio_mtty_stream *s)
{
	bool gone;

	/* One file that hung up hears nothing more; an output of its own is not concerned. */
	if (s->hung_up && s->in == s->out)
		tx_lose(s);
	else if (s->out >= 0)
		flush(s);
	gone = fill(s);
	watches_update(s);
	if (gone && s->gone)
		s->gone(s->port);
	medio_mtty_port_kick(s->port);
}

static void ready(void *opaque, uint32_t events)
{
	struct medio_mtty_stream *s = opaque;

	if (events & (EPOLLHUP | EPOLLERR))
		s->hung_up = true;
	turn(s);
}

static void out_ready(void *opaque, uint32_t events)
{
	turn(opaque);
}

static void later(void *opaque)
{
	struct medio_mtty_stream *s = opaque;

	if (medio_mtty_stream_attached(s))
		turn(s);
}

int medio_mtty_stream_init(struct medio_mtty_stream *stream, struct medio_mtty_port *port,
	medio_mtty_stream_gone_fn *gone)
{
	*stream = (struct medio_mtty_stream){ .port = port, .gone = gone, .in = -1, .out = -1 };
	stream->later = medio_timer_new(port->dev, later, stream);
	return stream->later ? 0 : -ENOMEM;
}

void medio_mtty_stream_fini(struct medio_mtty_stream *stream)
{
	if (stream->out >= 0)
		flush(stream);
	medio_mtty_stream_detach(stream);
	medio_timer_free(stream->later);
}

static bool is_socket(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

int medio_mtty_stream_attach(struct medio_mtty_stream *stream, int in, int out)
{
	stream->in = in;
	stream->out = out;
	stream->in_socket = is_socket(in);
	stream->out_socket = is_socket(out);
	stream->in_eof = stream->hung_up = stream->out_blocked = stream->in_plain = false;
	if (in < 0)
		return 0;
	stream->in_events = want_read(stream) ? EPOLLIN : 0;
	stream->in_watch = medio_watch_new(stream->port->dev, in, stream->in_events, ready, stream);
	if (stream->in_watch)
		return 0;
	if (errno != EPERM) {
		int ret = -errno;

		stream->in = stream->out = -1;
		return ret;
	}
	stream->in_plain = true;
	medio_timer_arm(stream->later, 0);
	return 0;
}

void medio_mtty_stream_detach(struct medio_mtty_stream *stream)
{
	medio_watch_free(stream->in_watch);
	medio_watch_free(stream->out_watch);
	stream->in_watch = stream->out_watch = NULL;
	stream->in = stream->out = -1;
	tx_lose(stream);
}

bool medio_mtty_stream_attached(const struct medio_mtty_stream *stream)
{
	return stream->in >= 0 || stream->out >= 0;
}

size_t medio_mtty_stream_send(struct medio_mtty_stream *stream, const uint8_t *buf, size_t len)
{
	size_t taken;

	if (stream->out < 0) {
		stream->port->stats.unheard += len;
		return len;
	}
	taken = medio_mtty_wire_put(&stream->tx, buf, len);
	/* More than these waiting: the timer is armed, or a blocked write waits for room. */
	if (taken && stream->tx.count == taken && !stream->out_blocked)
		medio_timer_arm(stream->later, 0);
	return taken;
}

void medio_mtty_stream_room(struct medio_mtty_stream *stream)
{
	if (!medio_mtty_stream_attached(stream))
		return;
	/* A peer that hung up with bytes unread has no watch left to wake us. */
	if (stream->hung_up)
		medio_timer_arm(stream->later, 0);
	else
		watches_update(stream);
}
