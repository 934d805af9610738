/* SPDX-License-Identifier: BSD-3-Clause */
/* A network that is a port of a switch (fabric.h): what backends of that kind have in common. */
#ifndef NET_PORT_H
#define NET_PORT_H

#include "backend.h"
#include "fabric.h"

/* net->state of such a network. */
struct net_port {
	struct net *net;
	struct fabric_port *port;
	struct medio_timer *later; /* gives what came while the switch was busy */
	struct medio_timer *wait;  /* until its rate lets it send */
	uint64_t now;		   /* of this batch; 0: not looked yet */
	void *opaque;		   /* the backend's */
};

/* Make net a port of fabric, or say why not with medio_fail(). */
int net_port_attach(struct net *net, struct fabric *fabric);
void net_port_detach(struct net *net);
/* As in struct net_backend. */
int net_port_send(struct net *net, const struct net_frame *frame);
unsigned net_port_send_many(struct net *net, const struct net_frame *frames, unsigned n);
void net_port_flush(struct net *net);
int net_port_macs(
	struct net *net, const uint8_t mac[6], const uint8_t (*others)[6], unsigned count);

/* Of a network that was opened with options.fabric. */
struct fabric_port *net_port_of(const struct net *net);

#endif
