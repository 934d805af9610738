/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * user: a network of its own behind libslirp, which answers DHCP, DNS and TFTP, and makes of the guest's
 * connections sockets of this process.
 *
 * libslirp wants to be asked which descriptors to poll, and told what became of them, around each poll().
 * Here it is asked once after something has happened: a round. Between rounds the loop watches what it
 * named last. It names a descriptor's end before it closes it, so a number that comes again is a new one.
 *
 * What it is given is bounded, for its own sake and for ours: frames of an ordinary size, of the three
 * kinds it is for; connections; fragments, which it keeps for half a minute.
 *
 * Threads: libslirp has variables that all its networks share (the time, the name server). They are
 * written with the same values, so networks on several threads do each other no harm.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend.h"
#include "forward.h"
#include "frame.h"

#define MAX_FRAME     1514u /* bytes: an MTU of 1500 */
#define MAX_SOCKETS   512u
#define MAX_FRAGMENTS 16384u /* in FRAGMENT_NS */
#define FRAGMENT_NS   30000000000u
#define MAX_BOOTFILE  127u /* bytes, of DHCP's field (RFC 2131, 2) */
/* It has nothing to wait for when it asks for this long, or longer. */
#define IDLE_MS 1000u
/* It looks at the clock when it is polled only; what begins by an old one would end at once. */
#define CLOCK_NS 100000000u

/* An open descriptor of libslirp's. */
struct slot {
	struct user *user;
	int fd;
	struct medio_watch *watch; /* NULL: it is not to be watched now */
	uint32_t events;	   /* that the watch waits for */
	int wanted, seen;	   /* SLIRP_POLL_* */
	unsigned round;		   /* the last that named it */
};

struct user {
	struct net *net;
	Slirp *slirp;
	struct medio_timer *timer; /* the next round */
	bool soon;		   /* it is due */
	struct slot **slots;	   /* by descriptor; NULL: it is not open */
	size_t num_slots;
	unsigned num_open;
	unsigned round;
	uint64_t polled;    /* when libslirp looked at its clock last */
	unsigned fragments; /* since fragments_since */
	uint64_t fragments_since;
};

/* One of libslirp's timers. */
struct ticker {
	struct user *user;
	SlirpTimerId id;
	void *opaque;
	struct medio_timer *timer;
};

/* ---- Rounds ---------------------------------------------------------------------------------------- */

static void soon(struct user *u)
{
	if (u->soon)
		return;
	u->soon = true;
	medio_timer_arm(u->timer, 0);
}

static uint32_t to_epoll(int wanted)
{
	return (wanted & SLIRP_POLL_IN ? EPOLLIN : 0) | (wanted & SLIRP_POLL_OUT ? EPOLLOUT : 0) |
	       (wanted & SLIRP_POLL_PRI ? EPOLLPRI : 0);
}

static int from_epoll(uint32_t events)
{
	return (events & EPOLLIN ? SLIRP_POLL_IN : 0) | (events & EPOLLOUT ? SLIRP_POLL_OUT : 0) |
	       (events & EPOLLPRI ? SLIRP_POLL_PRI : 0) | (events & EPOLLERR ? SLIRP_POLL_ERR : 0) |
	       (events & EPOLLHUP ? SLIRP_POLL_HUP : 0);
}

static void on_ready(void *opaque, uint32_t events)
{
	struct slot *slot = opaque;

	slot->seen |= from_epoll(events);
	soon(slot->user);
}

static struct slot *slot_of(struct user *u, int fd)
{
	if (fd < 0)
		return NULL;
	if ((size_t)fd >= u->num_slots) {
		size_t count = (size_t)fd + 64;
		struct slot **slots = realloc((void *)u->slots, count * sizeof(struct slot *));

		if (!slots)
			return NULL;
		memset((void *)(slots + u->num_slots), 0,
			(count - u->num_slots) * sizeof(struct slot *));
		u->slots = slots;
		u->num_slots = count;
	}
	if (!u->slots[fd]) {
		struct slot *slot = calloc(1, sizeof(*slot));

		if (!slot)
			return NULL;
		slot->user = u;
		slot->fd = fd;
		u->slots[fd] = slot;
		u->num_open++;
	}
	return u->slots[fd];
}

static void slot_free(struct user *u, int fd)
{
	if (fd < 0 || (size_t)fd >= u->num_slots || !u->slots[fd])
		return;
	medio_watch_free(u->slots[fd]->watch);
	free(u->slots[fd]);
	u->slots[fd] = NULL;
	u->num_open--;
}

static int add_poll(int fd, int wanted, void *opaque)
{
	struct user *u = opaque;
	struct slot *slot = slot_of(u, fd);
	uint32_t events = to_epoll(wanted);

	if (!slot)
		return -1;
	slot->wanted = wanted;
	slot->round = u->round;
	if (!slot->watch)
		slot->watch = medio_watch_new(u->net->dev, fd, events, on_ready, slot);
	else if (slot->events != events)
		medio_watch_set(slot->watch, events);
	slot->events = events;
	return fd;
}

/* Only what was asked for: it takes anything else for the end of a connection. */
static int get_seen(int fd, void *opaque)
{
	struct user *u = opaque;
	struct slot *slot = fd >= 0 && (size_t)fd < u->num_slots ? u->slots[fd] : NULL;
	int seen;

	if (!slot)
		return 0;
	seen = slot->seen & slot->wanted;
	slot->seen = 0;
	return seen;
}

/* Watch what it names now, and nothing else: a hang-up nobody asks for would keep us awake. */
static void refill(struct user *u)
{
	uint32_t timeout = UINT32_MAX;

	u->round++;
	slirp_pollfds_fill(u->slirp, &timeout, add_poll, u);
	for (size_t i = 0; i < u->num_slots; i++) {
		struct slot *slot = u->slots[i];

		if (!slot || slot->round == u->round)
			continue;
		medio_watch_free(slot->watch);
		slot->watch = NULL;
		slot->seen = 0;
	}
	if (u->soon)
		return;
	if (timeout < IDLE_MS)
		medio_timer_arm(u->timer, timeout * UINT64_C(1000000));
	else
		medio_timer_disarm(u->timer);
}

static void poll_sockets(struct user *u, uint64_t now)
{
	u->polled = now;
	slirp_pollfds_poll(u->slirp, 0, get_seen, u);
}

static void on_round(void *opaque)
{
	struct user *u = opaque;

	u->soon = false;
	poll_sockets(u, medio_now_ns());
	refill(u);
	net_delivered(u->net);
}

/* ---- What libslirp calls ------------------------------------------------------------------------------- */

static ssize_t on_frame(const void *bytes, size_t len, void *opaque)
{
	struct user *u = opaque;
	struct net_frame frame;
	struct iovec iov;

	frame_plain(&frame, &iov, bytes, len);
	net_deliver_or_queue(u->net, &frame);
	return (ssize_t)len;
}

static void on_guest_error(const char *words, void *opaque)
{
	const struct user *u = opaque;

	medio_guest_error(u->net->dev, "user: %s", words);
}

static int64_t get_time(void *opaque)
{
	(void)opaque;
	return (int64_t)medio_now_ns();
}

static void on_tick(void *opaque)
{
	struct ticker *ticker = opaque;
	struct user *u = ticker->user;

	slirp_handle_timer(u->slirp, ticker->id, ticker->opaque);
	net_delivered(u->net);
	soon(u);
}

static void *ticker_new(SlirpTimerId id, void *timer_opaque, void *opaque)
{
	struct user *u = opaque;
	struct ticker *ticker = calloc(1, sizeof(*ticker));

	if (!ticker)
		return NULL;
	ticker->user = u;
	ticker->id = id;
	ticker->opaque = timer_opaque;
	ticker->timer = medio_timer_new(u->net->dev, on_tick, ticker);
	return ticker;
}

static void ticker_free(void *timer, void *opaque)
{
	struct ticker *ticker = timer;

	(void)opaque;
	if (ticker)
		medio_timer_free(ticker->timer);
	free(ticker);
}

static void ticker_set(void *timer, int64_t expire_ms, void *opaque)
{
	const struct ticker *ticker = timer;
	int64_t left = expire_ms * 1000000 - get_time(opaque);

	if (ticker && ticker->timer)
		medio_timer_arm(ticker->timer, left > 0 ? (uint64_t)left : 0);
}

static void on_open(int fd, void *opaque)
{
	(void)fd;
	soon(opaque);
}

static void on_close(int fd, void *opaque)
{
	slot_free(opaque, fd);
}

static void on_notify(void *opaque)
{
	soon(opaque);
}

static const SlirpCb callbacks = {
	.send_packet = on_frame,
	.guest_error = on_guest_error,
	.clock_get_ns = get_time,
	.timer_new_opaque = ticker_new,
	.timer_free = ticker_free,
	.timer_mod = ticker_set,
	.register_poll_fd = on_open,
	.unregister_poll_fd = on_close,
	.notify = on_notify,
};

/* ---- What libslirp is given --------------------------------------------------------------------------- */

enum { TYPE_IPV4 = 0x0800, TYPE_ARP = 0x0806, TYPE_IPV6 = 0x86dd };
enum { PROTO_TCP = 6, PROTO_UDP = 17, TCP_SYN = 2, TCP_ACK = 16, DHCP_PORT = 67 };

/* May it begin a connection? What is not understood may. */
static bool begins(const uint8_t *frame, size_t len)
{
	bool ipv4 = frame_get16(frame + 12) == TYPE_IPV4;

	if (len < FRAME_MIN + 20)
		return true;
	size_t at = FRAME_MIN + (ipv4 ? 4 * (frame[FRAME_MIN] & 15u) : 40u);
	if (len < at + 20)
		return true;
	switch (frame[FRAME_MIN + (ipv4 ? 9 : 6)]) {
	case PROTO_TCP:
		return (frame[at + 13] & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	case PROTO_UDP:
		return frame_get16(frame + at + 2) != DHCP_PORT;
	default:
		return true;
	}
}

/* It keeps the pieces of a packet, whole or not, until the last has come or half a minute has gone. */
static bool too_many_fragments(struct user *u, const uint8_t *frame, size_t len)
{
	uint64_t now;

	if (frame_get16(frame + 12) != TYPE_IPV4 || len < FRAME_MIN + 20 ||
		!(frame_get16(frame + FRAME_MIN + 6) & 0x3fff))
		return false;
	now = medio_now_ns();
	if (now - u->fragments_since > FRAGMENT_NS) {
		u->fragments_since = now;
		u->fragments = 0;
	}
	return ++u->fragments > MAX_FRAGMENTS;
}

static bool acceptable(struct user *u, const uint8_t *frame, size_t len)
{
	unsigned type = frame_get16(frame + 12);

	if (type == TYPE_ARP)
		return true;
	if ((type != TYPE_IPV4 && type != TYPE_IPV6) || too_many_fragments(u, frame, len))
		return false;
	if (u->num_open < MAX_SOCKETS || !begins(frame, len))
		return true;
	medio_guest_error(
		u->net->dev, "user: there are %u connections, there will be no more", u->num_open);
	return false;
}

/* Out of the guest's memory first: libslirp looks twice. */
static int user_send(struct net *net, const struct net_frame *frame)
{
	struct user *u = net->state;
	uint8_t bytes[MAX_FRAME];

	if (frame->bytes > sizeof(bytes)) {
		net->counts.dropped++;
		medio_guest_error(net->dev,
			"user: a frame of %zu bytes is too long, %u is the most", frame->bytes,
			MAX_FRAME);
		return 0;
	}
	frame_copy(frame, 0, bytes, frame->bytes);
	if (!acceptable(u, bytes, frame->bytes)) {
		net->counts.dropped++;
		return 0;
	}
	uint64_t now = medio_now_ns();
	if (now - u->polled > CLOCK_NS)
		poll_sockets(u, now);
	slirp_input(u->slirp, bytes, (int)frame->bytes);
	soon(u);
	return 0;
}

/* ---- From open to close ---------------------------------------------------------------------------------- */

static struct in_addr host(unsigned last)
{
	return (struct in_addr){ htonl(0x0a000200u + last) }; /* 10.0.2.x */
}

static struct in6_addr host6(uint8_t last)
{
	return (struct in6_addr){ .s6_addr = { 0xfe, 0xc0, [15] = last } }; /* fec0::x */
}

static int check_options(struct net *net)
{
	const struct net_options *opts = net->opts;
	struct stat st;

	if (opts->bootfile && strlen(opts->bootfile) > MAX_BOOTFILE)
		return medio_fail(net->dev, EINVAL,
			"bootfile: %zu characters, DHCP has room for %u", strlen(opts->bootfile),
			MAX_BOOTFILE);
	if (!opts->tftp)
		return 0;
	if (opts->tftp[0] != '/')
		return medio_fail(net->dev, EINVAL,
			"tftp: '%s' has to be the whole path of a folder, from '/' on", opts->tftp);
	if (stat(opts->tftp, &st) < 0)
		return medio_fail(net->dev, errno, "tftp: '%s': %s", opts->tftp, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return medio_fail(net->dev, ENOTDIR, "tftp: '%s' is no folder", opts->tftp);
	return 0;
}

/* A worker that many instances share may not have any: better said now than found out by a guest. */
static int check_sockets(struct net *net)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return medio_fail(net->dev, errno, "user: cannot make a socket: %s%s",
			strerror(errno),
			errno == EACCES ? "; an instance that shares its worker (per-worker=) may "
					  "not: give it one of its own"
					: "");
	close(fd);
	return 0;
}

/* libslirp writes to connections that may be gone without saying MSG_NOSIGNAL. */
static void ignore_sigpipe(void)
{
	struct sigaction action;

	if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
}

static int add_forwards(struct user *u)
{
	const char *at = u->net->opts->hostfwd, *why;
	struct forward fwd;

	for (unsigned n = 1; at; n++) {
		if (forward_read(&at, host(15), &fwd, &why))
			return medio_fail(u->net->dev, EINVAL, "hostfwd: piece %u, '%s': %s", n,
				fwd.text, why);
		errno = 0;
		if (slirp_add_hostfwd(u->slirp, fwd.udp, fwd.host, fwd.host_port, fwd.guest,
			    fwd.guest_port) < 0) {
			int err = errno ? errno : EADDRINUSE;

			return medio_fail(u->net->dev, err,
				"hostfwd: piece %u, '%s': cannot listen at port %u: %s", n,
				fwd.text, fwd.host_port, strerror(err));
		}
	}
	return 0;
}

static void user_close(struct net *net)
{
	struct user *u = net->state;

	if (u->slirp)
		slirp_cleanup(u->slirp);
	for (size_t i = 0; i < u->num_slots; i++)
		slot_free(u, (int)i);
	medio_timer_free(u->timer);
	free((void *)u->slots);
	free(u);
}

static int begin(struct user *u)
{
	const struct net_options *opts = u->net->opts;
	const SlirpConfig config = {
		.version = 4,
		.restricted = opts->restricted,
		.in_enabled = true,
		.vnetwork = host(0),
		.vnetmask = { htonl(0xffffff00u) },
		.vhost = host(2),
		.vdhcp_start = host(15),
		.vnameserver = host(3),
		.in6_enabled = true,
		.vprefix_addr6 = host6(0),
		.vprefix_len = 64,
		.vhost6 = host6(2),
		.vnameserver6 = host6(3),
		.tftp_path = opts->tftp,
		.bootfile = opts->bootfile,
	};
	u->timer = medio_timer_new(u->net->dev, on_round, u);
	if (!u->timer || net_queue_init(&u->net->queue))
		return medio_fail(u->net->dev, ENOMEM, "user: no memory");
	u->slirp = slirp_new(&config, &callbacks, u);
	if (!u->slirp)
		return medio_fail(u->net->dev, EINVAL, "user: libslirp does not begin");
	return add_forwards(u);
}

static int user_open(struct net *net)
{
	int ret = check_options(net);

	if (!ret)
		ret = check_sockets(net);
	if (ret)
		return ret;
	struct user *u = calloc(1, sizeof(*u));
	if (!u)
		return medio_fail(net->dev, ENOMEM, "user: no memory");
	u->net = net;
	net->state = u;
	medio_dev_needs(net->dev, MEDIO_NEEDS_SOCKETS);
	ignore_sigpipe();
	ret = begin(u);
	if (ret) {
		user_close(net);
		return ret;
	}
	net->up = true;
	net_describe_as(net, "user (libslirp %s), 10.0.2.0/24%s", slirp_version_string(),
		net->opts->restricted ? ", restricted" : "");
	soon(u);
	return 0;
}

const struct net_backend net_user = {
	.name = "user",
	.open = user_open,
	.close = user_close,
	.send = user_send,
};
