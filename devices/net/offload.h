/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a virtio_net_hdr asks for, done in software: a checksum that is completed, a large frame that is
 * cut in pieces.
 *
 *     struct offload o;
 *     const char *why;
 *
 *     offload_read(&o, &frame, &why)      0, or -EINVAL: the header cannot be what it says
 *     o.needs                             NET_CAN_*: who can that takes the frame as it is
 *     while (offload_next(&o, &frame, bytes, &piece, &iov))
 *             …                           plain frames, checksums made
 *
 * The header and the frame are hostile, and the frame can change meanwhile: its headers are copied once,
 * the copy is checked, and the pieces are made of the copy.
 *
 * Source: VIRTIO 1.3, 5.1.6.2 and 5.1.6.4; RFC 791, 8200, 9293, 768, 1071, 3168.
 */
#ifndef NET_OFFLOAD_H
#define NET_OFFLOAD_H

#include "net.h"

#define OFFLOAD_HEADERS 256u /* bytes of headers at most, of a frame to be cut */
#define OFFLOAD_MIN_GSO \
	8u /* bytes of a piece at least, as Linux has it: a TCP of 48 less options */

struct offload {
	unsigned needs;			/* NET_CAN_*; 0: a plain frame */
	struct virtio_net_hdr_v1 hdr;	/* as checked, for whoever takes the frame as it is */
	bool cut;			/* it has to be cut; else a checksum has to be made */
	bool tcp, ipv6;			/* of a frame to be cut */
	uint8_t bytes[OFFLOAD_HEADERS]; /* its headers */
	unsigned ip, transport;		/* where they begin */
	unsigned headers;		/* bytes of all of them */
	unsigned gso_size;		/* bytes of what they carry, in each piece */
	size_t sum_at, sum_from;	/* of a checksum: where it goes, what it is of */
	size_t done;			/* bytes of the payload that have been in pieces */
	unsigned pieces;		/* so far */
};

/* What frame asks for. -EINVAL: impossible; *why says how, words without end. */
int offload_read(struct offload *o, const struct net_frame *frame, const char **why);
/*
 * The next piece, in bytes (NET_MAX_FRAME of them); piece and *iov describe it. False: there are no more.
 * frame holds what it held in offload_read(), or a copy of it.
 */
bool offload_next(struct offload *o, const struct net_frame *frame, uint8_t *bytes,
	struct net_frame *piece, struct iovec *iov);
/* The Internet checksum's sum (RFC 1071) of len bytes, added to sum; and folded to its 16 bits, not
 * inverted. */
uint64_t offload_sum(uint64_t sum, const void *bytes, size_t len);
uint16_t offload_fold(uint64_t sum);

#endif
