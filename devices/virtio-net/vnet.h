/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of virtio-net: what its parts share.
 *
 *     virtio-net.c   the type: parameters, features, configuration, life
 *     attrs.c        what operators see and change
 *     mac.c          addresses as text
 *     transmit.c     chains of the transmit queues become frames of the network
 *     receive.c      frames of the network are copied into chains of the receive queues
 *     filter.c       which frames those are (5.1.6.5.1 to 5.1.6.5.3)
 *     flow.c         which queue they go to (5.1.6.5.6)
 *     control.c      commands of the driver (5.1.6.5)
 *     migrate.c      what the driver has set up, as bytes
 *
 * Source: Virtual I/O Device (VIRTIO) 1.3, 5.1.
 *
 * Threads: the device's.
 */
#ifndef MEDIO_VNET_H
#define MEDIO_VNET_H

#include <linux/virtio_ids.h>

#include <medio/virtio.h>

#include "net/net.h"

/* Not in every <linux/virtio_net.h> (5.1.3, 5.1.6). */
#ifndef VIRTIO_NET_F_GUEST_USO4
#define VIRTIO_NET_F_GUEST_USO4 54
#define VIRTIO_NET_F_GUEST_USO6 55
#define VIRTIO_NET_F_HOST_USO	56
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define MEDIO_VNET_MOST_MTU   65535u /* 5.1.4 */
#define MEDIO_VNET_MAX_PAIRS  16u
#define MEDIO_VNET_MAX_QUEUES (2 * MEDIO_VNET_MAX_PAIRS + 1)
/* Addresses of either kind that are told apart; with more all of that kind are let in (5.1.6.5.2). */
#define MEDIO_VNET_MACS	    64u
#define MEDIO_VNET_VLANS    4096u
#define MEDIO_VNET_FLOWS    1024u
#define MEDIO_VNET_HEADER   12u /* bytes before a frame, whatever was negotiated (5.1.6) */
#define MEDIO_VNET_ETHERNET 14u
/* Bytes from a frame's start that the filter and the steering look at: two VLAN tags, IPv6, ports. */
#define MEDIO_VNET_HEAD (MEDIO_VNET_ETHERNET + 8u + 40u + 4u)

struct medio_vnet_macs {
	uint32_t count;
	bool too_many;
	uint8_t at[MEDIO_VNET_MACS][6];
};

/* What the driver lets in (5.1.6.5.1 to 5.1.6.5.3). */
struct medio_vnet_filter {
	uint8_t mac[6];
	bool promisc, allmulti, alluni, nomulti, nouni, nobcast;
	struct medio_vnet_macs unicast, multicast;
	uint8_t vlans[MEDIO_VNET_VLANS / 8];
};

struct medio_vnet_counts {
	uint64_t sent, sent_bytes, received, received_bytes;
	uint64_t send_bad;	/* the driver's frame or its header is nonsense */
	uint64_t send_down;	/* while the link was down */
	uint64_t send_waits;	/* the network had no room */
	uint64_t filtered;	/* not for this card */
	uint64_t receive_down;	/* no driver, no live queue, or the link was down */
	uint64_t too_long;	/* no buffer that it fits in, or beyond the MTU */
	uint64_t receive_waits; /* the driver had no buffers */
	uint64_t merged;	/* frames in several buffers */
	uint64_t commands, refused;
};

struct medio_vnet {
	struct medio_virtio virtio;
	struct medio_dev *dev;
	/* Parameters. */
	struct net_options options;
	char *mac;
	uint64_t mtu, pairs, speed;
	bool offloads, mergeable, control;
	/* The other side. */
	struct net *net;
	uint8_t own_mac[6]; /* after each reset */
	bool unplugged;	    /* the operator says so */
	bool was_up;	    /* what the driver was last told */
	/* What the driver has set up. */
	struct medio_vnet_filter filter;
	uint64_t guest_offloads; /* VIRTIO_NET_F_GUEST_*, 5.1.6.5.8 */
	unsigned active;	 /* pairs in use */
	bool announce;		 /* it is asked to, and has not yet */
	bool commanded;		 /* its control queue is, or was, live */
	/* At work. */
	bool send_waiting;		 /* until the network is ready again */
	uint32_t open;			 /* pairs whose receive queue is live, a bit each */
	uint32_t sending;		 /* those whose transmit queue is */
	uint32_t starved;		 /* those without room for a frame that waits */
	uint32_t filled;		 /* those with frames that the driver was not shown */
	uint8_t *bounce;		 /* NET_MAX_FRAME bytes: a frame in too many pieces */
	uint8_t flows[MEDIO_VNET_FLOWS]; /* pair that sent such a flow, plus 1 */
	struct medio_virtq_chain *chains[MEDIO_VIRTIO_MAX_QUEUE_SIZE];
	struct medio_vnet_counts counts;
};

static inline struct medio_vnet *medio_vnet_of(const struct medio_dev *dev)
{
	return medio_priv(dev);
}

/* ---- The parts of a type, for those whose state begins with a struct medio_vnet ------------------- */

#define MEDIO_VNET_PARAM(state_, name_, kind_, field_, default_, help_, ...) \
	{ \
		name_, MEDIO_PARAM_##kind_, offsetof(state_, field_), default_, help_, __VA_ARGS__ \
	}

/* A card's, beside NET_PARAMS() and MEDIO_VIRTIO_PARAMS_ORDERED. member_: the struct medio_vnet in state_, with its dot;
 * nothing if it is state_ itself. */
#define MEDIO_VNET_PARAMS(state_, member_) \
	MEDIO_VNET_PARAM(state_, "mac", STRING, member_ mac, NULL, \
		"hardware address, as 52:54:00:12:34:56; one made of the UUID if left out", \
		.min = 0), \
		MEDIO_VNET_PARAM(state_, "mtu", UINT, member_ mtu, "0", \
			"largest frame's payload, 68 to 65535; 0: the driver's choice", \
			.max = MEDIO_VNET_MOST_MTU), \
		MEDIO_VNET_PARAM(state_, "queue-pairs", UINT, member_ pairs, "1", \
			"pairs of a receive and a transmit queue (MQ)", .min = 1, \
			.max = MEDIO_VNET_MAX_PAIRS), \
		MEDIO_VNET_PARAM(state_, "speed", UINT, member_ speed, "10000", \
			"speed that drivers are told, in Mbit/s; 0: unknown", .max = INT32_MAX), \
		MEDIO_VNET_PARAM(state_, "offloads", BOOL, member_ offloads, "on", \
			"offer checksums and segmentation, both ways (CSUM, TSO, USO)", .min = 0), \
		MEDIO_VNET_PARAM(state_, "mergeable", BOOL, member_ mergeable, "on", \
			"offer to spread a frame over several buffers (MRG_RXBUF)", .min = 0), \
		MEDIO_VNET_PARAM(state_, "control", BOOL, member_ control, "on", \
			"offer the control queue (CTRL_VQ)", .min = 0)

/* Of struct medio_virtio_ops: all but init, fini, poll, save and load. */
#define MEDIO_VNET_OPS \
	.features = medio_vnet_features, .config_read = medio_vnet_config_read, \
	.config_write = medio_vnet_config_write, .live = medio_vnet_live, \
	.queue = medio_vnet_queue, .kick = medio_vnet_kick, .reset = medio_vnet_reset

/* Of struct medio_virtio_type: all but ops. */
#define MEDIO_VNET_VIRTIO \
	.id = VIRTIO_ID_NET, .max_queues = MEDIO_VNET_MAX_QUEUES, \
	.config_size = offsetof(struct virtio_net_config, duplex) + 1, \
	.features = MEDIO_VIRTIO_BIT(VIRTIO_NET_F_MAC) | MEDIO_VIRTIO_BIT(VIRTIO_NET_F_STATUS) | \
		    MEDIO_VIRTIO_BIT(VIRTIO_NET_F_SPEED_DUPLEX)

#define MEDIO_VNET_ATTRS \
	MEDIO_VIRTIO_ATTRS, { "net/mac", medio_vnet_attr_show, NULL }, \
		{ "net/link", medio_vnet_attr_show, medio_vnet_attr_store }, \
		{ "net/announce", medio_vnet_attr_show, medio_vnet_attr_store }, \
		{ "net/backend", medio_vnet_attr_show, NULL }, \
		{ "net/pairs", medio_vnet_attr_show, NULL }, \
		{ "net/filter", medio_vnet_attr_show, NULL }, \
	{ \
		"net/counters", medio_vnet_attr_show, NULL \
	}

int medio_vnet_features(struct medio_dev *dev, uint64_t accepted);
void medio_vnet_config_read(struct medio_dev *dev, uint8_t *config);
void medio_vnet_config_write(
	struct medio_dev *dev, unsigned offset, const void *buf, unsigned count);
void medio_vnet_live(struct medio_dev *dev);
void medio_vnet_queue(struct medio_dev *dev, struct medio_virtq *queue, bool live);
void medio_vnet_kick(struct medio_dev *dev, struct medio_virtq *queue);
bool medio_vnet_poll(struct medio_dev *dev);
void medio_vnet_reset(struct medio_dev *dev);
ssize_t medio_vnet_attr_show(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size);
int medio_vnet_attr_store(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size);

/* On this network; options must stay. own_mac: NULL: as the parameters say, medio_vnet_choose_mac(). */
int medio_vnet_init(
	struct medio_dev *dev, const struct net_options *options, const uint8_t own_mac[6]);
void medio_vnet_fini(struct medio_dev *dev);
/* Set vnet->own_mac from the parameter or the UUID; -EINVAL after medio_fail(). */
int medio_vnet_choose_mac(struct medio_dev *dev);

/* ---- What the parts share ------------------------------------------------------------------------- */

/* The network hears which addresses the card uses: mac, and those of the filter. -EPERM: mac is not let. */
int medio_vnet_tell_macs(struct medio_vnet *vnet, const uint8_t mac[6]);
/* It has another address from now on; the driver sees it in the configuration, and is told. */
void medio_vnet_set_own_mac(struct medio_vnet *vnet, const uint8_t mac[6]);
/* struct net_events: wants. */
bool medio_vnet_wants_group(void *opaque, const uint8_t group[6]);

/* The link as the driver sees it. */
bool medio_vnet_is_up(const struct medio_vnet *vnet);
/* The link may have changed: tell the driver if it has. */
void medio_vnet_link_changed(struct medio_vnet *vnet);
/* Ask the driver to announce itself; false: it cannot, or there is none. */
bool medio_vnet_announce(struct medio_vnet *vnet);
/* Without commands the pairs in use are those up to the last that is live. */
void medio_vnet_count_pairs(struct medio_vnet *vnet);
/* What the driver takes from the network has changed. */
void medio_vnet_apply_offloads(struct medio_vnet *vnet);
/* Every GUEST_* bit that can be switched at run time. */
uint64_t medio_vnet_guest_bits(void);

/* "52:54:00:12:34:56" to six bytes; false: it is no such thing. */
bool medio_vnet_mac_parse(const char *text, uint8_t mac[6]);
void medio_vnet_mac_print(const uint8_t mac[6], char text[18]);

/* Take what the driver has in a transmit queue, so many frames at most. In a turn that has its own limit. */
void medio_vnet_transmit(struct medio_vnet *vnet, struct medio_virtq *queue, unsigned most);
/* struct net_events: receive, receive_many, received. */
int medio_vnet_receive(void *opaque, const struct net_frame *frame);
unsigned medio_vnet_receive_many(void *opaque, const struct net_frame *frames, unsigned n);
void medio_vnet_received(void *opaque);
/* The driver has filled a receive queue up. */
void medio_vnet_refilled(struct medio_vnet *vnet, struct medio_virtq *queue);
/* Commands of the control queue. */
void medio_vnet_control(struct medio_vnet *vnet, struct medio_virtq *queue);

/* Everything is let in, until the driver says otherwise. */
void medio_vnet_filter_reset(struct medio_vnet_filter *filter, const uint8_t mac[6]);
/* head: the first len bytes of a frame, at least MEDIO_VNET_ETHERNET. vlans: the table counts. */
bool medio_vnet_filter_wants(
	const struct medio_vnet_filter *filter, bool vlans, const uint8_t *head, size_t len);

/*
 * The flow of a frame as a number below MEDIO_VNET_FLOWS, the same in both directions; -1: it is of none.
 * head as above.
 */
int medio_vnet_flow(const uint8_t *head, size_t len);

ssize_t medio_vnet_save(struct medio_dev *dev, void *buf, size_t cap);
int medio_vnet_load(struct medio_dev *dev, const void *buf, size_t size);

#endif
