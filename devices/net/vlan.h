/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VLAN tags (IEEE 802.1Q, 9): which one a frame carries, and the same frame with one or without. The latter are views:
 * the first bytes are copied, the rest stays where it is.
 */
#ifndef NET_VLAN_H
#define NET_VLAN_H

#include "net.h"

#define VLAN_TAG  4u	/* bytes */
#define VLAN_HEAD 18u	/* bytes of a frame up to the end of its tag */
#define VLAN_MAX  4094u /* numbers of VLANs are 1 to this; 0: none */

/* What the first bytes of a frame say. */
struct vlan_tag {
	bool any;    /* there is a tag */
	bool proper; /* of kind 0x8100, whole, with a number that exists, or 0: a priority only */
	uint16_t vlan;
};

/* Does a tag stand where a frame has this for its type? */
bool vlan_is_tag(unsigned type);
/* head: the first len bytes of a frame, VLAN_HEAD or all. */
struct vlan_tag vlan_read(const uint8_t *head, size_t len);

struct vlan_view {
	struct net_frame frame;
	struct iovec iov[NET_MAX_IOV + 2];
	uint8_t head[VLAN_HEAD];
};

/* frame with its first len bytes (at most VLAN_HEAD) as they stand in head, whatever becomes of its own. */
bool vlan_hold(
	struct vlan_view *view, const struct net_frame *frame, const uint8_t *head, size_t len);
/* frame, which has a proper tag, without it; and with one. frame must stay as long as the view. False: it would be
 * too long, has too many pieces, or its checksum begins in front of the tag's end. */
bool vlan_strip(struct vlan_view *view, const struct net_frame *frame);
bool vlan_insert(struct vlan_view *view, const struct net_frame *frame, unsigned vlan);

#endif
