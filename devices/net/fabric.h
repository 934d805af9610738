/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A switch: ports, and which addresses are behind them. What is for a port goes to it alone, what is for all
 * or for nobody that is known to all others. It is data and calls only: no file, no timer, and the
 * time is an argument.
 *
 *     fabric_send(port, frames, n, now)       ops.give() of each port that they are for
 *     fabric_flush(fabric)                    ops.given() of each that got some since
 *
 * Ports are trusted or not. A trusted port is as one of any switch: the addresses behind it are learned, and
 * frames for nobody who is known go there too. To one that is not trusted goes what is for its own
 * address, broadcasts, and the groups that it wants; nothing is learned from it.
 *
 * VLANs (IEEE 802.1Q). A port with a VLAN is an access port: what it sends is in that VLAN, without a tag; one of
 * the VLAN's frames has its tag taken off on the way to it, and others do not get there. It cannot send
 * tags. A port without a VLAN is a trunk: frames keep or get their tags.
 *
 * Threads: one.
 */
#ifndef NET_FABRIC_H
#define NET_FABRIC_H

#include "net.h"

#define FABRIC_PORTS 258u /* 256 virtual functions, their physical one, and the way out */
#define FABRIC_MACS  64u  /* addresses of its own that a trusted port can say */

struct fabric;
struct fabric_port;

/* What is connected to a port. All but give and given may be NULL. */
struct fabric_port_ops {
	/*
	 * n frames for it, at most NET_BURST, in order; nothing of them is used afterwards. A frame can have
	 * two pieces more than NET_MAX_IOV. How many of them it took, now or into a queue; the others are
	 * lost. later: they come while the switch has others in hand, so that they are to be queued, and
	 * nothing is to be sent from within.
	 */
	unsigned (*give)(void *opaque, const struct net_frame *frames, unsigned n, bool later);
	/* Those of a batch have come. */
	void (*given)(void *opaque);
	/* Of a port that is not trusted: is it in this group? NULL: in all. */
	bool (*wants)(void *opaque, const uint8_t group[6]);
	/* The link came up or went down. */
	void (*link)(void *opaque, bool up);
	/* fabric_send() left frames, and its limit has been changed since: try again. */
	void (*room)(void *opaque);
};

enum fabric_link {
	FABRIC_LINK_AUTO,
	FABRIC_LINK_ON,
	FABRIC_LINK_OFF
}; /* AUTO: as fabric_set_carrier() */

struct fabric_settings {
	bool has_mac; /* mac is its own, and nobody else's */
	uint8_t mac[6];
	uint16_t vlan; /* 1 to VLAN_MAX; 0: a trunk */
	bool trust, spoofchk;
	enum fabric_link link;
	uint32_t rate; /* Mbit/s that it may send; 0: no limit */
};

struct fabric_counts {
	uint64_t sent, sent_bytes, received, received_bytes; /* as the port sees it */
	uint64_t
		dropped; /* of both, for want of room, or not allowed in its VLAN, or the link was down */
	uint64_t spoofed; /* sent from another's address, and dropped */
	uint64_t limited; /* times that the rate held it up */
};

/* NULL: out of memory. seed: any number that others do not know. */
struct fabric *fabric_new(uint64_t seed);
/* Its ports are gone. NULL is allowed. */
void fabric_free(struct fabric *fabric);
/* Is the way out up? True at first. */
void fabric_set_carrier(struct fabric *fabric, bool up);
/* `to` gets a copy of every frame that a port with fabric_port_set_mirrored() sends or is given, once, with the
 * VLAN's tag, whatever its own settings are; not of its own. NULL: nobody does. */
void fabric_set_mirror(struct fabric *fabric, struct fabric_port *to);

/* A port that is trusted, without an address and with the link on. NULL: out of memory, or there are FABRIC_PORTS. */
struct fabric_port *fabric_port_new(
	struct fabric *fabric, const struct fabric_port_ops *ops, void *opaque);
void fabric_port_free(struct fabric_port *port);
unsigned fabric_num_ports(const struct fabric *fabric);
struct fabric *fabric_of(const struct fabric_port *port);

/* The values were checked. They hold for the next frame. */
void fabric_port_set(struct fabric_port *port, const struct fabric_settings *settings);
void fabric_port_set_mirrored(struct fabric_port *port, bool on);
/*
 * The addresses that a port's card uses, mac and count others. -EPERM: it is not trusted, and mac is not its
 * own; nothing is changed then. The others of one that is not trusted mean nothing, until it is; of more
 * than FABRIC_MACS the rest is left out.
 */
int fabric_port_set_macs(
	struct fabric_port *port, const uint8_t mac[6], const uint8_t (*others)[6], unsigned count);
bool fabric_port_is_up(const struct fabric_port *port);
const struct fabric_counts *fabric_port_counts(const struct fabric_port *port);

/* The port sends n frames, whole ones as net_send() has checked them; now: ns, above 0. How many of the first
 * were sent or lost; fewer than n: its rate is used up, for fabric_wait() ns. */
unsigned fabric_send(
	struct fabric_port *port, const struct net_frame *frames, unsigned n, uint64_t now);
uint64_t fabric_wait(const struct fabric_port *port, uint64_t now);
/* A batch of sends is over. */
void fabric_flush(struct fabric *fabric);

#endif
