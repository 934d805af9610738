/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which address was last seen behind which port of a switch, in each VLAN: a table of fixed size, in buckets. An
 * owner (a port) has a share of it only, and takes the place of its own entries first, so that one that
 * sends from ever new addresses makes nobody else unknown.
 */
#ifndef NET_STATIONS_H
#define NET_STATIONS_H

#include <stdint.h>

#define STATIONS_BUCKETS 1024u /* a power of two */
#define STATIONS_WAYS	 4u
#define STATIONS_SHARE	 256u	       /* addresses behind one port */
#define STATIONS_AGE_NS	 300000000000u /* as IEEE 802.1D recommends, 7.9.2 */

/* What an address is behind: the first member of a port. */
struct station_owner {
	unsigned stations; /* entries that are its own */
};

struct station {
	struct station_owner *owner; /* NULL: the entry is free */
	uint8_t mac[6];
	uint16_t vlan;
	uint64_t seen;
};

struct stations {
	uint64_t seed; /* so that nobody knows which addresses share a bucket */
	uint64_t swept;
	struct station at[STATIONS_BUCKETS][STATIONS_WAYS];
};

/* Who is behind this address, or NULL: not known, or not seen for too long. */
struct station_owner *stations_find(
	struct stations *s, unsigned vlan, const uint8_t mac[6], uint64_t now);
/* A frame came from it. Addresses of groups are nobody's. */
void stations_learn(struct stations *s, struct station_owner *owner, unsigned vlan,
	const uint8_t mac[6], uint64_t now);
void stations_forget(struct stations *s, const struct station_owner *owner);

#endif
