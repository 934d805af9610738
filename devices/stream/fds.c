/* SPDX-License-Identifier: BSD-3-Clause */
#include "fds.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long to wait for room in a file that blocks and cannot be polled. */
#define RETRY_NS 10000000u

static void ready(void *opaque, uint32_t events);
static void out_ready(void *opaque, uint32_t events);

static bool want_read(const struct medio_stream_fds *s)
{
	return s->in >= 0 && !s->in_eof && medio_wire_room(&s->stream->rx) > 0;
}

static void out_watch_update(struct medio_stream_fds *s)
{
	if (s->out_blocked && !s->out_watch) {
		s->out_watch = medio_watch_new(s->stream->dev, s->out, EPOLLOUT, out_ready, s);
		if (!s->out_watch)
			medio_timer_arm(s->later, RETRY_NS);
	} else if (!s->out_blocked && s->out_watch) {
		medio_watch_free(s->out_watch);
		s->out_watch = NULL;
	}
}

/* Wait for what can make a difference now. */
static void watches_update(struct medio_stream_fds *s)
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
		s->in_watch = medio_watch_new(s->stream->dev, s->in, events, ready, s);
	} else if (s->in_watch && events != s->in_events) {
		medio_watch_set(s->in_watch, events);
	}
	s->in_events = events;
	if (s->in_plain && want_read(s))
		medio_timer_arm(s->later, 0);
}

static void tx_lose(struct medio_stream_fds *s)
{
	s->stream->unheard += s->tx.count;
	medio_wire_clear(&s->tx);
	s->out_blocked = false;
}

static ssize_t put(struct medio_stream_fds *s, const uint8_t *bytes, size_t len)
{
	if (!s->out_socket)
		return write(s->out, bytes, len);
	return send(s->out, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t get(struct medio_stream_fds *s, uint8_t *bytes, size_t len)
{
	if (!s->in_socket)
		return read(s->in, bytes, len);
	return recv(s->in, bytes, len, MSG_DONTWAIT);
}

/* Write until all is written or no more is taken. */
static void flush(struct medio_stream_fds *s)
{
	bool blocked = false;

	while (s->tx.count) {
		size_t len;
		const uint8_t *bytes = medio_wire_peek(&s->tx, &len);
		ssize_t n = put(s, bytes, len);

		if (n > 0) {
			medio_wire_taken(&s->tx, n);
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
			medio_log(s->stream->dev, MEDIO_LOG_ERROR, "port %u: cannot write: %s",
				s->stream->index, strerror(errno));
			s->write_failed = true;
		}
		tx_lose(s);
	}
	s->out_blocked = blocked;
}

/* Read what there is room for. True if the peer has gone and this was all of it. */
static bool fill(struct medio_stream_fds *s)
{
	while (want_read(s)) {
		size_t space;
		uint8_t *to = medio_wire_space(&s->stream->rx, &space);
		ssize_t n = get(s, to, space);

		if (n > 0) {
			medio_wire_added(&s->stream->rx, n);
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
static void turn(struct medio_stream_fds *s)
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
		s->gone(s->stream);
	medio_stream_moved(s->stream);
}

static void ready(void *opaque, uint32_t events)
{
	struct medio_stream_fds *s = opaque;

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
	struct medio_stream_fds *s = opaque;

	if (medio_stream_fds_attached(s))
		turn(s);
}

int medio_stream_fds_init(
	struct medio_stream_fds *fds, struct medio_stream *stream, medio_stream_gone_fn *gone)
{
	*fds = (struct medio_stream_fds){ .stream = stream, .gone = gone, .in = -1, .out = -1 };
	fds->later = medio_timer_new(stream->dev, later, fds);
	return fds->later ? 0 : -ENOMEM;
}

void medio_stream_fds_fini(struct medio_stream_fds *fds)
{
	if (fds->out >= 0)
		flush(fds);
	medio_stream_fds_detach(fds);
	medio_timer_free(fds->later);
}

static bool is_socket(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

int medio_stream_fds_attach(struct medio_stream_fds *fds, int in, int out)
{
	fds->in = in;
	fds->out = out;
	fds->in_socket = is_socket(in);
	fds->out_socket = is_socket(out);
	fds->in_eof = fds->hung_up = fds->out_blocked = fds->in_plain = false;
	if (in < 0)
		return 0;
	fds->in_events = want_read(fds) ? EPOLLIN : 0;
	fds->in_watch = medio_watch_new(fds->stream->dev, in, fds->in_events, ready, fds);
	if (fds->in_watch)
		return 0;
	if (errno != EPERM) {
		int ret = -errno;

		fds->in = fds->out = -1;
		return ret;
	}
	fds->in_plain = true;
	medio_timer_arm(fds->later, 0);
	return 0;
}

void medio_stream_fds_detach(struct medio_stream_fds *fds)
{
	medio_watch_free(fds->in_watch);
	medio_watch_free(fds->out_watch);
	fds->in_watch = fds->out_watch = NULL;
	fds->in = fds->out = -1;
	tx_lose(fds);
}

bool medio_stream_fds_attached(const struct medio_stream_fds *fds)
{
	return fds->in >= 0 || fds->out >= 0;
}

size_t medio_stream_fds_send(struct medio_stream_fds *fds, const uint8_t *buf, size_t len)
{
	size_t taken;

	if (fds->out < 0) {
		fds->stream->unheard += len;
		return len;
	}
	taken = medio_wire_put(&fds->tx, buf, len);
	/* More than these waiting: the timer is armed, or a blocked write waits for room. */
	if (taken && fds->tx.count == taken && !fds->out_blocked)
		medio_timer_arm(fds->later, 0);
	return taken;
}

void medio_stream_fds_room(struct medio_stream_fds *fds)
{
	if (!medio_stream_fds_attached(fds))
		return;
	/* A peer that hung up with bytes unread has no watch left to wake us. */
	if (fds->hung_up)
		medio_timer_arm(fds->later, 0);
	else
		watches_update(fds);
}
