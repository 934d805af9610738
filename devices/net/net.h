/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stands behind a network card: a user-mode network, a tap device, another program's socket, a switch
 * between cards, or nothing. The card sends frames into it and is given those that come.
 *
 *     net_open(dev, &options, &events, opaque, &net);
 *     net_send(net, &frame);
 *     events.receive(opaque, &frame)     0, or -EAGAIN: call net_resume() when there is room
 *
 * Frames go one by one, or in bursts, which cost less a frame: net_send_many(), events.receive_many().
 *
 * Frames are whole Ethernet frames without their check sequence, with what a virtio_net_hdr says of them: a
 * checksum still to be made, segments still to be cut (5.1.6). A network that does not understand that
 * is given plain frames: offload.h does the work.
 *
 * Threads: the device's.
 */
#ifndef NET_H
#define NET_H

#include <linux/virtio_net.h>
#include <sys/uio.h>

#include <medio/device.h>

#define NET_MAX_FRAME 65553u /* bytes: MTU 65535, header, VLAN tag; also of a frame to be cut */
#define NET_MAX_IOV   64u    /* pieces of a frame that a network gives */
#define NET_BURST     32u    /* frames of a burst, at most */

/* Parameters of every network: NET_PARAMS(struct my_state, net). At most one of user, tap, socket, switch,
 * null, loop; none is user. */
struct net_options {
	bool user;	       /* libslirp: DHCP, DNS, NAT, without privileges */
	char *hostfwd;	       /* user: tcp:[ADDR]:PORT-[ADDR]:PORT, several with '+' between */
	char *tftp, *bootfile; /* user: a folder to serve, what DHCP names */
	bool restricted;       /* user: no way out */
	char *tap;	       /* name of a tap device */
	char *socket;  /* unix:PATH, tcp:HOST:PORT (connect), or listen-unix:PATH, listen-tcp:… */
	char *switch_; /* name of a switch in this process: parameter "switch" */
	bool null;     /* frames vanish */
	bool loop;     /* frames come back */
	char *pcap;    /* file that all frames are recorded in */
	/* Not a parameter: a port of this switch, which outlives the network. */
	struct fabric *fabric;
};

#define NET_PARAM(state_, member_, name_, kind_, field_, help_) \
	{ \
		name_, MEDIO_PARAM_##kind_, offsetof(state_, member_.field_), NULL, help_, \
			.min = 0 \
	}

#define NET_PARAMS(state_, member_) \
	NET_PARAM(state_, member_, "user", BOOL, user, \
		"a network of its own with DHCP, DNS and NAT, without privileges (the default)"), \
		NET_PARAM(state_, member_, "hostfwd", STRING, hostfwd, \
			"user: ports of this machine that lead to the guest, " \
			"tcp::2222-:22+udp::53-:53"), \
		NET_PARAM(state_, member_, "tftp", STRING, tftp, "user: a folder for TFTP"), \
		NET_PARAM(state_, member_, "bootfile", STRING, bootfile, \
			"user: the boot file that DHCP names"), \
		NET_PARAM(state_, member_, "restricted", BOOL, restricted, \
			"user: nothing leads out of it"), \
		NET_PARAM(state_, member_, "tap", STRING, tap, "a tap device by its name"), \
		NET_PARAM(state_, member_, "socket", STRING, socket, \
			"another program's end of a stream, framed as QEMU's -netdev stream: " \
			"unix:PATH, tcp:HOST:PORT, and listen-unix:, listen-tcp: to wait for one"), \
		NET_PARAM(state_, member_, "switch", STRING, switch_, \
			"a switch of this name, with all devices of this process that name it"), \
		NET_PARAM( \
			state_, member_, "null", BOOL, null, "frames go nowhere: for measuring"), \
		NET_PARAM(state_, member_, "loop", BOOL, loop, "frames come back: for measuring"), \
		NET_PARAM(state_, member_, "pcap", STRING, pcap, "record all frames in this file")

struct net_frame {
	const struct iovec *iov; /* the frame */
	unsigned niov;
	size_t bytes; /* in all, at most NET_MAX_FRAME */
	struct virtio_net_hdr_v1
		hdr; /* flags, gso_*, csum_*; little-endian as in the ring, num_buffers 0 */
};

/* What one end can be given besides plain frames, as VIRTIO_NET_HDR_GSO_* are named: bits NET_CAN_*. */
enum {
	NET_CAN_CSUM = 1, /* partial checksums */
	NET_CAN_TSO4 = 2,
	NET_CAN_TSO6 = 4,
	NET_CAN_ECN = 8,
	NET_CAN_USO = 16,
};

struct net_events {
	/* A frame has come. 0: taken (or dropped for good); -EAGAIN: no room now, the network keeps it and
	 * gives no more until net_resume(), or drops it if it cannot wait. */
	int (*receive)(void *opaque, const struct net_frame *frame);
	/* The same for n frames, 1 to NET_BURST, in order, plain ones (hdr all zero). How many of the first
	 * were taken; fewer than n is -EAGAIN for the next of them. NULL: receive() is called for each. */
	unsigned (*receive_many)(void *opaque, const struct net_frame *frames, unsigned n);
	/* All that came in one go has been given: show it to the driver now. */
	void (*received)(void *opaque);
	/* net_send() said -EAGAIN, and it can take frames again. */
	void (*ready)(void *opaque);
	/* The network came up (true) or went down: a carrier. */
	void (*link)(void *opaque, bool up);
	/* Is the card in this group? For networks that give some cards no more than that. NULL: in all. */
	bool (*wants)(void *opaque, const uint8_t group[6]);
};

struct net;

/* Words of failures through medio_fail(). */
int net_open(struct medio_dev *dev, const struct net_options *opts, const struct net_events *events,
	void *opaque, struct net **out);
void net_close(struct net *net);
/* What the driver can be given (NET_CAN_*), as negotiated; until told nothing. A frame with more is cut and
 * summed before receive(). */
void net_set_can(struct net *net, unsigned can);
/* What the network takes as it is; what a card may offer its driver in any case is everything. */
unsigned net_can(const struct net *net);
/* 0: sent, or dropped for good; -EAGAIN: keep it, ready() follows. iov is not used after return. */
int net_send(struct net *net, const struct net_frame *frame);
/* The same for n frames, in order: how many of the first were; fewer than n is -EAGAIN for the next of them. */
unsigned net_send_many(struct net *net, const struct net_frame *frames, unsigned n);
/* A batch of sends is over. */
void net_flush(struct net *net);
void net_resume(struct net *net);
/* The addresses that the card uses: mac, and count others. -EPERM: this network lets it have no other mac
 * than its own. */
int net_set_macs(struct net *net, const uint8_t mac[6], const uint8_t (*others)[6], unsigned count);
bool net_is_up(const struct net *net);
/* For polling devices: true if frames came. */
bool net_poll(struct net *net);
/* "user (libslirp 4.7.0), 10.0.2.0/24": for people. */
const char *net_describe(const struct net *net);

struct net_counts {
	uint64_t sent, sent_bytes, received, received_bytes;
	uint64_t dropped; /* in either direction */
	uint64_t cut;	  /* frames cut in software */
	uint64_t summed;  /* checksums made in software */
	uint64_t calls;	  /* system calls made for frames */
};
void net_get_counts(const struct net *net, struct net_counts *out);

#endif
