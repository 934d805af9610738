/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * socket: another program's end of a stream (stream.h). Connecting, it tries until somebody is there, and
 * again when he has gone, with longer and longer pauses. Listening, it takes one peer after the other.
 * While there is none the carrier is off and what is sent is lost, as on a cable that hangs loose.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "address.h"
#include "backend.h"
#include "frame.h"
#include "stream.h"

#define MIN_PAUSE_NS 100000000u
#define MAX_PAUSE_NS 5000000000u

enum state { APART, CONNECTING, TOGETHER };

struct link {
	struct net *net;
	struct address address;
	enum state state;
	int fd; /* the peer, or who is to be one; -1: none */
	struct medio_watch *watch;
	uint32_t events;
	bool unwatched; /* he has hung up while the card has no room */
	struct stream in, out;
	bool choked; /* the last send found no room */
	/* Listening. */
	int listener;
	struct medio_watch *listener_watch;
	/* Connecting. */
	struct medio_timer *retry;
	uint64_t pause, since;
	unsigned choice;
	bool told; /* that nobody is there */
};

static void part(struct link *l, const char *why);
static void on_peer(void *opaque, uint32_t events);

static void watch_for(struct link *l, uint32_t add, uint32_t remove)
{
	uint32_t events = (l->events | add) & ~remove;

	if (events == l->events)
		return;
	l->events = events;
	if (l->watch)
		medio_watch_set(l->watch, events);
}

static int watch_peer(struct link *l, uint32_t events)
{
	l->events = events;
	l->watch = medio_watch_new(l->net->dev, l->fd, events, on_peer, l);
	return l->watch ? 0 : -errno;
}

/* ---- Out ------------------------------------------------------------------------------------------- */

/* All that waits, in one call. */
static void write_out(struct link *l)
{
	size_t bytes = stream_pending(&l->out);

	if (!bytes || l->choked)
		return;
	ssize_t sent = send(l->fd, l->out.bytes + l->out.start, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
	l->net->counts.calls++;
	if (sent > 0)
		stream_out_take(&l->out, (size_t)sent);
	/* A peer that has gone is noticed when what he said last has been read. */
	if (sent != (ssize_t)bytes) {
		l->choked = true;
		watch_for(l, EPOLLOUT, 0);
	}
}

static int link_send(struct net *net, const struct net_frame *frame)
{
	struct link *l = net->state;

	if (l->state != TOGETHER) {
		net->counts.dropped++;
		return 0;
	}
	if (stream_out_put(&l->out, frame))
		return 0;
	write_out(l);
	return stream_out_put(&l->out, frame) ? 0 : -EAGAIN;
}

static void link_flush(struct net *net)
{
	struct link *l = net->state;

	if (l->state == TOGETHER)
		write_out(l);
}

/* ---- In -------------------------------------------------------------------------------------------- */

/* Frames that have come, as far as the card has room. */
static void give_frames(struct link *l)
{
	struct net_frame frame;
	struct iovec iov;
	const uint8_t *bytes;
	size_t len;
	int ret;

	while ((ret = stream_in_next(&l->in, &bytes, &len)) > 0) {
		frame_plain(&frame, &iov, bytes, len);
		if (net_deliver(l->net, &frame) == -EAGAIN)
			break;
		stream_in_take(&l->in);
	}
	if (ret == -EPROTO) {
		medio_log(l->net->dev, MEDIO_LOG_WARN,
			"socket: %s: the peer sends a frame of %zu bytes, the longest is %u: it is let "
			"go; does it speak as QEMU's -netdev stream does?",
			l->address.text, len, NET_MAX_FRAME);
		part(l, NULL);
	} else if (l->net->blocked) {
		watch_for(l, 0, EPOLLIN);
	}
	net_delivered(l->net);
}

static bool read_in(struct link *l)
{
	struct iovec space;

	stream_in_space(&l->in, &space);
	ssize_t got = recv(l->fd, space.iov_base, space.iov_len, MSG_DONTWAIT);
	l->net->counts.calls++;
	if (got > 0) {
		stream_in_add(&l->in, (size_t)got);
		give_frames(l);
		return true;
	}
	if (!got)
		part(l, "the peer has gone");
	else if (errno != EAGAIN && errno != EINTR)
		part(l, strerror(errno));
	return false;
}

static bool link_poll(struct net *net)
{
	struct link *l = net->state;

	return l->state == TOGETHER && !net->blocked && read_in(l);
}

static void link_resume(struct net *net)
{
	struct link *l = net->state;

	if (l->state != TOGETHER)
		return;
	give_frames(l);
	if (l->state != TOGETHER || net->blocked)
		return;
	watch_for(l, EPOLLIN, 0);
	if (l->unwatched && watch_peer(l, l->events))
		part(l, strerror(errno));
	l->unwatched = false;
}

/* ---- A peer comes and goes ------------------------------------------------------------------------- */

static void begin(struct link *l)
{
	const char *what = l->address.listens ? "connected at" : "connected to";

	l->state = TOGETHER;
	l->since = medio_now_ns();
	l->told = false;
	medio_log(l->net->dev, MEDIO_LOG_INFO, "socket: %s %s", what, l->address.text);
	watch_for(l, EPOLLIN, EPOLLOUT);
	net_set_up(l->net, true);
}

static void close_peer(struct link *l)
{
	medio_watch_free(l->watch);
	l->watch = NULL;
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	l->state = APART;
	l->choked = l->unwatched = false;
	stream_clear(&l->in);
	stream_clear(&l->out);
}

/* Words only once, until somebody was there. */
static void try_later(struct link *l, const char *why)
{
	medio_log(l->net->dev, l->told ? MEDIO_LOG_DEBUG : MEDIO_LOG_WARN,
		"socket: %s: %s; trying again", l->address.text, why);
	l->told = true;
	medio_timer_arm(l->retry, l->pause);
	l->pause = l->pause < MAX_PAUSE_NS / 2 ? 2 * l->pause : MAX_PAUSE_NS;
}

/* why: NULL, it has been said. */
static void part(struct link *l, const char *why)
{
	bool lasted = medio_now_ns() - l->since > MAX_PAUSE_NS;

	close_peer(l);
	if (why)
		medio_log(l->net->dev, MEDIO_LOG_INFO, "socket: %s: %s", l->address.text, why);
	if (l->address.listens) {
		medio_watch_set(l->listener_watch, EPOLLIN);
	} else {
		/* One that takes us and lets us go at once is no reason to hurry. */
		if (lasted)
			l->pause = MIN_PAUSE_NS;
		medio_timer_arm(l->retry, l->pause);
		l->pause = l->pause < MAX_PAUSE_NS / 2 ? 2 * l->pause : MAX_PAUSE_NS;
	}
	net_set_up(l->net, false);
	net_room(l->net);
}

/* Each address of a name has its turn. */
static void start_connecting(void *opaque)
{
	struct link *l = opaque;
	int ret = address_connect(&l->address, l->choice);

	l->choice = (l->choice + 1) % l->address.count;
	if (ret >= 0) {
		l->fd = ret;
		l->state = CONNECTING;
		ret = watch_peer(l, EPOLLOUT);
	}
	if (ret) {
		close_peer(l);
		try_later(l, strerror(-ret));
	}
}

static void finish_connecting(struct link *l)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (!err) {
		begin(l);
		return;
	}
	close_peer(l);
	try_later(l, strerror(err));
}

static void on_peer(void *opaque, uint32_t events)
{
	struct link *l = opaque;

	if (l->state == CONNECTING) {
		finish_connecting(l);
		return;
	}
	if (events & EPOLLOUT) {
		l->choked = false;
		watch_for(l, 0, EPOLLOUT);
		write_out(l);
		if (STREAM_BYTES - stream_pending(&l->out) >= STREAM_ROOM)
			net_room(l->net);
		write_out(l);
	}
	if (l->state != TOGETHER)
		return;
	if (!l->net->blocked) {
		if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			read_in(l);
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		/* Epoll would tell so again and again; what he said has not been given yet. */
		medio_watch_free(l->watch);
		l->watch = NULL;
		l->unwatched = true;
	}
}

static void on_arrival(void *opaque, uint32_t events)
{
	struct link *l = opaque;
	int on = 1;

	(void)events;
	l->fd = accept4(l->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (l->fd < 0)
		return;
	if (l->address.choices[0].at.ss_family != AF_UNIX)
		setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (watch_peer(l, 0)) {
		close_peer(l);
		return;
	}
	medio_watch_set(l->listener_watch, 0); /* the next one waits */
	begin(l);
}

/* ---- From open to close ---------------------------------------------------------------------------- */

static void link_close(struct net *net)
{
	struct link *l = net->state;

	if (l->state == TOGETHER)
		write_out(l);
	close_peer(l);
	medio_watch_free(l->listener_watch);
	medio_timer_free(l->retry);
	if (l->listener >= 0)
		close(l->listener);
	address_remove(&l->address);
	stream_fini(&l->in);
	stream_fini(&l->out);
	free(l);
}

static int start_listening(struct link *l)
{
	struct medio_dev *dev = l->net->dev;

	l->listener = address_listen(&l->address);
	if (l->listener < 0)
		return medio_fail(dev, -l->listener, "socket: cannot listen at '%s': %s",
			l->address.text, strerror(-l->listener));
	l->listener_watch = medio_watch_new(dev, l->listener, EPOLLIN, on_arrival, l);
	return l->listener_watch ? 0 : medio_fail(dev, errno, "socket: %s", strerror(errno));
}

static int start(struct link *l)
{
	struct medio_dev *dev = l->net->dev;

	if (stream_init(&l->in) || stream_init(&l->out))
		return medio_fail(dev, ENOMEM, "socket: no memory");
	int ret = address_read(dev, l->net->opts->socket, &l->address);
	if (ret)
		return ret;
	if (l->address.listens)
		return start_listening(l);
	l->retry = medio_timer_new(dev, start_connecting, l);
	if (!l->retry)
		return medio_fail(dev, ENOMEM, "socket: no memory");
	medio_dev_needs(dev, MEDIO_NEEDS_SOCKETS);
	start_connecting(l);
	return 0;
}

static int link_open(struct net *net)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l)
		return medio_fail(net->dev, ENOMEM, "socket: no memory");
	l->net = net;
	l->fd = l->listener = -1;
	l->pause = MIN_PAUSE_NS;
	net->state = l;
	int ret = start(l);
	if (ret) {
		link_close(net);
		return ret;
	}
	net_describe_as(net, "socket %s", net->opts->socket);
	return 0;
}

const struct net_backend net_socket = {
	.name = "socket",
	.open = link_open,
	.close = link_close,
	.send = link_send,
	.flush = link_flush,
	.resume = link_resume,
	.poll = link_poll,
};
