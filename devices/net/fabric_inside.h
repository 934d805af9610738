/* SPDX-License-Identifier: BSD-3-Clause */
/* A switch from inside: its ports (fabric.c), and the way of a frame through it (passage.c). */
#ifndef NET_FABRIC_INSIDE_H
#define NET_FABRIC_INSIDE_H

#include "fabric.h"
#include "rate.h"
#include "stations.h"

struct fabric_port {
	struct station_owner owner; /* first */
	struct fabric *fabric;
	const struct fabric_port_ops *ops;
	void *opaque;
	struct fabric_settings settings;
	struct rate rate;
	bool up;
	bool mirrored;
	bool waiting; /* for its rate */
	bool touched; /* was given frames in this batch */
	unsigned num_macs;
	uint8_t macs[FABRIC_MACS + 1][6]; /* that its card uses */
	struct fabric_counts counts;
};

/* Ports by their own addresses; open addressing. */
#define FABRIC_OWN 1024u

struct fabric {
	struct fabric_port *ports[FABRIC_PORTS], *touched[FABRIC_PORTS];
	struct fabric_port *trusted[FABRIC_PORTS]; /* those of ports that are */
	struct fabric_port *own[FABRIC_OWN];
	struct fabric_port *mirror;
	unsigned num_ports, num_touched, num_trusted;
	bool carrier;
	bool busy; /* frames are being given to ports */
	uint64_t seed;
	struct stations stations;
};

/* Whose own address it is, or NULL. */
struct fabric_port *fabric_owner(const struct fabric *fabric, const uint8_t mac[6]);

#endif
