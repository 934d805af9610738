/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tap: an interface of this machine's kernel. Checksums and large frames go through as they are, with a
 * virtio_net_hdr before each frame (Linux, Documentation/networking/tuntap.rst; TUNSETVNETHDRSZ).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "backend.h"
#include "frame.h"

#ifndef TUN_F_USO4 /* Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define HDR   sizeof(struct virtio_net_hdr_v1)
#define BATCH 64 /* frames that are read before others have their turn */

struct tap {
	int fd;
	struct medio_watch *watch; /* NULL: the interface has gone */
	uint32_t events;
	size_t held;	   /* bytes of the frame in bytes that the card had no room for */
	uint8_t *bytes;	   /* a header and NET_MAX_FRAME */
	uint8_t *gathered; /* NET_MAX_FRAME, for a frame in too many pieces */
};

static void watch_for(struct tap *tap, uint32_t add, uint32_t remove)
{
	uint32_t events = (tap->events | add) & ~remove;

	if (events == tap->events || !tap->watch)
		return;
	tap->events = events;
	medio_watch_set(tap->watch, events);
}

/* ---- In -------------------------------------------------------------------------------------------- */

static void gone(struct net *net, int err)
{
	struct tap *tap = net->state;

	medio_log(net->dev, MEDIO_LOG_ERROR, "tap: the interface has gone: %s", strerror(err));
	medio_watch_free(tap->watch);
	tap->watch = NULL;
	net_set_up(net, false);
	net_room(net);
}

/* The frame that was read. False: the card has no room, and it is held. */
static bool give(struct net *net, size_t bytes)
{
	struct tap *tap = net->state;
	struct net_frame frame;
	struct iovec iov;

	frame_plain(&frame, &iov, tap->bytes + HDR, bytes);
	memcpy(&frame.hdr, tap->bytes, HDR);
	tap->held = net_deliver(net, &frame) == -EAGAIN ? bytes : 0;
	return !tap->held;
}

static bool read_frames(struct net *net)
{
	struct tap *tap = net->state;
	bool any = false;

	for (unsigned i = 0; i < BATCH && tap->watch && !net->blocked; i++) {
		ssize_t got = read(tap->fd, tap->bytes, HDR + NET_MAX_FRAME);

		net->counts.calls++;
		if (got < 0) {
			if (errno != EAGAIN && errno != EINTR)
				gone(net, errno);
			break;
		}
		if ((size_t)got <= HDR)
			continue;
		any = true;
		if (!give(net, (size_t)got - HDR))
			break;
	}
	if (net->blocked)
		watch_for(tap, 0, EPOLLIN);
	net_delivered(net);
	return any;
}

static void tap_resume(struct net *net)
{
	struct tap *tap = net->state;

	if (tap->held && !give(net, tap->held))
		return;
	if (!net->blocked)
		watch_for(tap, EPOLLIN, 0);
}

static void on_ready(void *opaque, uint32_t events)
{
	struct net *net = opaque;
	struct tap *tap = net->state;

	if (events & EPOLLOUT) {
		watch_for(tap, 0, EPOLLOUT);
		net_room(net);
	}
	if (events & EPOLLIN)
		read_frames(net);
	else if (events & (EPOLLERR | EPOLLHUP))
		gone(net, ENODEV);
}

/* ---- Out ------------------------------------------------------------------------------------------- */

static int tap_send(struct net *net, const struct net_frame *frame)
{
	struct tap *tap = net->state;
	struct iovec iov[1 + NET_MAX_IOV] = { { (void *)&frame->hdr, HDR } };
	int niov = 2;

	if (frame->niov <= NET_MAX_IOV) {
		memcpy(iov + 1, frame->iov, frame->niov * sizeof(*iov));
		niov = 1 + (int)frame->niov;
	} else {
		iov[1] = (struct iovec){ tap->gathered,
			frame_copy(frame, 0, tap->gathered, NET_MAX_FRAME) };
	}
	net->counts.calls++;
	if (writev(tap->fd, iov, niov) >= 0)
		return 0;
	if (errno == EAGAIN && tap->watch) {
		watch_for(tap, EPOLLOUT, 0);
		return -EAGAIN;
	}
	net->counts.dropped++; /* the interface is down, or will not have it */
	return 0;
}

/* ---- What it can ----------------------------------------------------------------------------------- */

static unsigned to_tun(unsigned can)
{
	return (can & NET_CAN_CSUM ? TUN_F_CSUM : 0) | (can & NET_CAN_TSO4 ? TUN_F_TSO4 : 0) |
	       (can & NET_CAN_TSO6 ? TUN_F_TSO6 : 0) | (can & NET_CAN_ECN ? TUN_F_TSO_ECN : 0) |
	       (can & NET_CAN_USO ? TUN_F_USO4 | TUN_F_USO6 : 0);
}

/* What it may give the driver. What this kernel does not know is then not given either. */
static void tap_can(struct net *net)
{
	struct tap *tap = net->state;

	if (ioctl(tap->fd, TUNSETOFFLOAD, to_tun(net->can)) < 0)
		ioctl(tap->fd, TUNSETOFFLOAD, to_tun(net->can & ~(unsigned)NET_CAN_USO));
}

/* ---- From open to close ---------------------------------------------------------------------------- */

static void tap_close(struct net *net)
{
	struct tap *tap = net->state;

	medio_watch_free(tap->watch);
	if (tap->fd >= 0)
		close(tap->fd);
	free(tap->bytes);
	free(tap->gathered);
	free(tap);
}

static int cannot_attach(struct net *net, int err)
{
	const char *name = net->opts->tap;

	switch (err) {
	case EPERM:
		return medio_fail(net->dev, err,
			"tap: '%s' is not there, or not this user's; root makes it with: ip tuntap "
			"add dev %s mode tap user NAME",
			name, name);
	case EBUSY:
		return medio_fail(net->dev, err, "tap: '%s' is in use by another program", name);
	default:
		return medio_fail(net->dev, err, "tap: cannot use '%s': %s", name, strerror(err));
	}
}

/* An interface that was made for several queues wants to be told so. */
static int attach(struct net *net, int fd)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int size = HDR, little = 1;

	memcpy(ifr.ifr_name, net->opts->tap, strlen(net->opts->tap));
	int ret = ioctl(fd, TUNSETIFF, &ifr);
	if (ret < 0 && errno == EINVAL) {
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
		ret = ioctl(fd, TUNSETIFF, &ifr);
	}
	if (ret < 0)
		return cannot_attach(net, errno);
	if (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0 || ioctl(fd, TUNSETOFFLOAD, 0) < 0)
		return medio_fail(net->dev, errno, "tap: '%s' has no virtio headers: %s",
			net->opts->tap, strerror(errno));
	ioctl(fd, TUNSETVNETLE, &little); /* on a machine that is little-endian it is so anyway */
	return 0;
}

static int open_tap(struct net *net)
{
	struct tap *tap = net->state;
	size_t len = strlen(net->opts->tap);

	if (!len || len >= IFNAMSIZ)
		return medio_fail(net->dev, EINVAL,
			"tap: '%s' cannot be an interface: names have 1 to %d characters",
			net->opts->tap, IFNAMSIZ - 1);
	tap->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tap->fd < 0)
		return medio_fail(net->dev, errno, "tap: /dev/net/tun: %s", strerror(errno));
	int ret = attach(net, tap->fd);
	if (ret)
		return ret;
	net->takes = NET_CAN_ALL & ~(unsigned)NET_CAN_USO;
	if (ioctl(tap->fd, TUNSETOFFLOAD, to_tun(NET_CAN_ALL)) == 0)
		net->takes = NET_CAN_ALL;
	ioctl(tap->fd, TUNSETOFFLOAD, 0);
	tap->events = EPOLLIN;
	tap->watch = medio_watch_new(net->dev, tap->fd, EPOLLIN, on_ready, net);
	return tap->watch ? 0 : medio_fail(net->dev, errno, "tap: %s", strerror(errno));
}

static int tap_open(struct net *net)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	int ret = -ENOMEM;

	if (tap) {
		tap->fd = -1;
		tap->bytes = malloc(HDR + NET_MAX_FRAME);
		tap->gathered = malloc(NET_MAX_FRAME);
		net->state = tap;
		ret = tap->bytes && tap->gathered ? open_tap(net)
						  : medio_fail(net->dev, ENOMEM, "tap: no memory");
		if (ret)
			tap_close(net);
	}
	if (ret)
		return ret;
	medio_dev_needs(net->dev, MEDIO_NEEDS_TUN);
	net->up = true;
	net_describe_as(net, "tap '%s'", net->opts->tap);
	return 0;
}

const struct net_backend net_tap = {
	.name = "tap",
	.open = tap_open,
	.close = tap_close,
	.send = tap_send,
	.resume = tap_resume,
	.can = tap_can,
	.poll = read_frames,
};
