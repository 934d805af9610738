/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a network is made of, and what net.c does for each kind: choice, counts, recording, checksums and
 * cutting for those that do not do it themselves, a queue for those that cannot wait.
 */
#ifndef NET_BACKEND_H
#define NET_BACKEND_H

#include "net.h"
#include "offload.h"
#include "queue.h"

#define NET_CAN_ALL (NET_CAN_CSUM | NET_CAN_TSO4 | NET_CAN_TSO6 | NET_CAN_ECN | NET_CAN_USO)

struct net_pcap;

/* A kind of network. All but open, close and send may be NULL. */
struct net_backend {
	const char *name;
	/* net->opts says what is asked for. Sets net->state, net->takes, net->up and the words of
	 * net_describe(), and calls nothing of net_events. -errno after medio_fail(), with nothing left to
	 * close. */
	int (*open)(struct net *net);
	void (*close)(struct net *net);
	/* The card sends: a frame that was checked, with no more than net->takes. 0: sent, or lost and
	 * counted; -EAGAIN: net_room() follows. */
	int (*send)(struct net *net, const struct net_frame *frame);
	/*
	 * The same for n frames, 1 to NET_BURST, in order, plain ones (hdr all zero): how many of the first were
	 * sent or lost; fewer than n is -EAGAIN for the next of them. NULL: send() is called for each.
	 */
	unsigned (*send_many)(struct net *net, const struct net_frame *frames, unsigned n);
	/* A batch of sends is over. */
	void (*flush)(struct net *net);
	/* The card has room again, and what was queued has been given. */
	void (*resume)(struct net *net);
	/* The driver's abilities changed: net->can. */
	void (*can)(struct net *net);
	/* Is there anything now? */
	bool (*poll)(struct net *net);
	/* As net_set_macs(). NULL: it does not matter. */
	int (*macs)(
		struct net *net, const uint8_t mac[6], const uint8_t (*others)[6], unsigned count);
};

/* A frame that is being cut: the pieces so far have been taken, the rest wait. */
struct net_cut {
	bool active;  /* there are more pieces to come, out of copy */
	bool waiting; /* piece has been made and not been taken */
	bool paused;  /* others have their turn: it goes on by itself */
	struct offload offload;
	struct net_frame frame; /* of copy */
	struct iovec iov;
	uint8_t *copy;
	struct net_frame piece; /* of piece_iov */
	struct iovec piece_iov;
	uint8_t *piece_bytes;
};

struct net {
	struct medio_dev *dev;
	const struct net_options *opts;
	const struct net_events *events;
	void *opaque;
	const struct net_backend *backend;
	void *state;	/* the backend's */
	unsigned can;	/* NET_CAN_*: the driver */
	unsigned takes; /* NET_CAN_*: the backend */
	bool up;
	bool blocked; /* receive() said -EAGAIN */
	bool starved; /* net_send() did */
	bool fresh;   /* frames were given that received() has not been told of */
	struct net_cut in, out;
	struct medio_timer *later; /* goes on with what was paused */
	struct net_queue queue;	   /* from the network, not taken yet */
	struct net_pcap *pcap;
	struct net_counts counts;
	char text[160];
};

extern const struct net_backend net_user, net_tap, net_socket, net_switch, net_null, net_loop,
	net_port_backend;

/* ---- For backends ---------------------------------------------------------------------------------- */

/*
 * A frame has come. 0: it is taken, or lost and counted; -EAGAIN: the card has no room, and resume()
 * follows. Nothing of frame is used afterwards.
 */
int net_deliver(struct net *net, const struct net_frame *frame);
/* The same for n frames, at most NET_BURST, in order: how many of the first were taken or lost; fewer than n
 * is -EAGAIN for the next of them. */
unsigned net_deliver_many(struct net *net, const struct net_frame *frames, unsigned n);
/* As above for those who cannot wait: what cannot be taken is queued, and lost when the queue is full. */
void net_deliver_or_queue(struct net *net, const struct net_frame *frame);
void net_deliver_or_queue_many(struct net *net, const struct net_frame *frames, unsigned n);
/* The last of those that came together. */
void net_delivered(struct net *net);
/* send() said -EAGAIN, and it can take frames again. */
void net_room(struct net *net);
/* The carrier. */
void net_set_up(struct net *net, bool up);
void net_describe_as(struct net *net, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
