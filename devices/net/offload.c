/* SPDX-License-Identifier: BSD-3-Clause */
#include "offload.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "frame.h"

/* What is not in every <linux/virtio_net.h>. */
#define GSO_UDP_L4 5u /* VIRTIO_NET_HDR_GSO_UDP_L4 */

enum {
	TYPE_IPV4 = 0x0800,
	TYPE_IPV6 = 0x86dd,
	TYPE_VLAN = 0x8100,	    /* IEEE 802.1Q */
	TYPE_SERVICE_VLAN = 0x88a8, /* IEEE 802.1ad */
	MAX_TAGS = 2,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	TCP_SUM = 16, /* where a TCP header has its checksum */
	UDP_SUM = 6,
	TCP_FIN = 0x01,
	TCP_PSH = 0x08,
	TCP_CWR = 0x80,
	IP_MAX = 65535, /* bytes of a packet, by the field that says it */
};

/* ---- Sums (RFC 1071) ------------------------------------------------------------------------------ */

uint16_t offload_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* As words of 32 bits in this machine's order, folded at the end: the order does not matter (RFC 1071, 2). */
static uint64_t sum_native(const uint8_t *at, size_t len)
{
	uint64_t sum = 0, more = 0;

	for (; len >= 16; at += 16, len -= 16) {
		uint32_t w[4];

		memcpy(w, at, sizeof(w));
		sum += (uint64_t)w[0] + w[1];
		more += (uint64_t)w[2] + w[3];
	}
	sum += more;
	for (; len >= 2; at += 2, len -= 2) {
		uint16_t w;

		memcpy(&w, at, sizeof(w));
		sum += w;
	}
	if (len) {
		const uint8_t last[2] = { *at };
		uint16_t w;

		memcpy(&w, last, sizeof(w));
		sum += w;
	}
	return sum;
}

uint64_t offload_sum(uint64_t sum, const void *bytes, size_t len)
{
	return sum + be16toh(offload_fold(sum_native(bytes, len)));
}

/* Put the checksum of len bytes from at on, and of what sum is of already. 0 means that there is none
 * (RFC 768), and its other form is the same number. */
static void put_sum(uint8_t *field, uint64_t sum, const uint8_t *at, size_t len)
{
	unsigned value = (uint16_t)~offload_fold(offload_sum(sum, at, len));

	frame_put16(field, value ? value : 0xffff);
}

/* ---- What a frame asks for --------------------------------------------------------------------------- */

static int bad(const char **why, const char *words)
{
	*why = words;
	return -EINVAL;
}

/* Where the packet begins behind the tags, and its type. */
static int find_packet(struct offload *o, size_t len, unsigned *type, const char **why)
{
	unsigned at = 12;

	for (unsigned tags = 0;; tags++, at += 4) {
		if (at + 2 > len)
			return bad(why, "it ends in its tags");
		*type = frame_get16(o->bytes + at);
		if (*type != TYPE_VLAN && *type != TYPE_SERVICE_VLAN)
			break;
		if (tags == MAX_TAGS)
			return bad(why, "it has more than two VLAN tags");
	}
	o->ip = at + 2;
	return 0;
}

static int read_ipv4(struct offload *o, size_t len, unsigned *proto, const char **why)
{
	const uint8_t *ip = o->bytes + o->ip;

	if (o->ip + 20 > len || ip[0] >> 4 != 4 || (ip[0] & 15) < 5)
		return bad(why, "its IPv4 header is none");
	if (frame_get16(ip + 6) & 0x3fff)
		return bad(why, "it is a fragment");
	*proto = ip[9];
	o->transport = o->ip + 4 * (ip[0] & 15);
	return 0;
}

/* Behind the extension headers (RFC 8200, 4) that may stand before TCP and UDP. */
static int read_ipv6(struct offload *o, size_t len, unsigned *proto, const char **why)
{
	const uint8_t *ip = o->bytes + o->ip;
	unsigned at = o->ip + 40;

	if (at > len || ip[0] >> 4 != 6)
		return bad(why, "its IPv6 header is none");
	*proto = ip[6];
	while (*proto == 0 || *proto == 43 || *proto == 60) {
		if (at + 8 > len)
			return bad(why, "its IPv6 headers do not end, or are too long");
		*proto = o->bytes[at];
		at += 8 + 8 * o->bytes[at + 1];
	}
	o->transport = at;
	return 0;
}

static int read_transport(struct offload *o, size_t len, unsigned proto, const char **why)
{
	unsigned size = o->tcp ? 20 : 8;

	if (proto != (o->tcp ? PROTO_TCP : PROTO_UDP))
		return bad(why, "it is not of the protocol that it says it is");
	if (o->transport + size > len)
		return bad(why, "its headers do not end, or are too long");
	const uint8_t *t = o->bytes + o->transport;
	if (o->tcp && t[12] >> 4 < 5)
		return bad(why, "its TCP header is none");
	o->headers = o->transport + (o->tcp ? 4 * (t[12] >> 4) : 8);
	if (o->headers > len)
		return bad(why, "its headers do not end, or are too long");
	return 0;
}

static int read_kind(struct offload *o, unsigned gso_type, const char **why)
{
	bool ecn = gso_type & VIRTIO_NET_HDR_GSO_ECN;

	switch (gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		o->needs = NET_CAN_CSUM | NET_CAN_TSO4;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		o->needs = NET_CAN_CSUM | NET_CAN_TSO6;
		break;
	case GSO_UDP_L4:
		if (ecn)
			return bad(why, "it is UDP with ECN");
		o->needs = NET_CAN_CSUM | NET_CAN_USO;
		break;
	default:
		return bad(why, "it is to be cut in a way that there is not");
	}
	o->tcp = !(o->needs & NET_CAN_USO);
	if (ecn)
		o->needs |= NET_CAN_ECN;
	return 0;
}

/* The headers of a frame to be cut, and whether they are what its virtio_net_hdr says. */
static int read_headers(
	struct offload *o, const struct net_frame *frame, size_t sum_at, const char **why)
{
	size_t len = frame_copy(frame, 0, o->bytes, sizeof(o->bytes));
	unsigned type, proto;
	int ret = find_packet(o, len, &type, why);

	if (ret)
		return ret;
	o->ipv6 = type == TYPE_IPV6;
	if (type != TYPE_IPV4 && type != TYPE_IPV6)
		return bad(why, "it is neither IPv4 nor IPv6");
	if (o->tcp && o->ipv6 != !!(o->needs & NET_CAN_TSO6))
		return bad(why, "it is of the other version of IP");
	ret = o->ipv6 ? read_ipv6(o, len, &proto, why) : read_ipv4(o, len, &proto, why);
	if (!ret)
		ret = read_transport(o, len, proto, why);
	if (ret)
		return ret;
	if (o->sum_from != o->transport || sum_at != o->transport + (o->tcp ? TCP_SUM : UDP_SUM))
		return bad(why, "its checksum is not where its protocol has it");
	return 0;
}

/* Bytes of a packet with a payload of so many, as the IP header counts them. */
static size_t packet_of(const struct offload *o, size_t payload)
{
	return o->headers - o->ip - (o->ipv6 ? 40 : 0) + payload;
}

static int read_cut(struct offload *o, const struct net_frame *frame, const char **why)
{
	const struct virtio_net_hdr_v1 *hdr = &frame->hdr;
	int ret = read_kind(o, hdr->gso_type, why);

	if (ret)
		return ret;
	o->cut = true;
	o->gso_size = le16toh(hdr->gso_size);
	if (!(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return bad(why, "it is to be cut but has a checksum");
	if (o->gso_size < OFFLOAD_MIN_GSO)
		return bad(why, "it is to be cut in pieces of less than 8 bytes");
	ret = read_headers(o, frame, o->sum_at, why);
	if (ret)
		return ret;
	size_t payload = frame->bytes - o->headers;
	if (packet_of(o, payload < o->gso_size ? payload : o->gso_size) > IP_MAX)
		return bad(why, "its pieces are longer than IP packets can be");
	o->hdr.gso_type = hdr->gso_type;
	o->hdr.gso_size = hdr->gso_size;
	/* What a driver says of it is a hint only (5.1.6.2), and often wrong. */
	o->hdr.hdr_len = htole16((uint16_t)o->headers);
	return 0;
}

int offload_read(struct offload *o, const struct net_frame *frame, const char **why)
{
	const struct virtio_net_hdr_v1 *hdr = &frame->hdr;
	bool summed = !(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);

	o->needs = 0;
	o->cut = false;
	o->done = o->pieces = 0;
	memset(&o->hdr, 0, sizeof(o->hdr));
	if (frame->bytes < FRAME_MIN)
		return bad(why, "it is shorter than its header");
	if (frame->bytes > NET_MAX_FRAME)
		return bad(why, "it is too long");
	if (summed && hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return 0;
	o->needs = NET_CAN_CSUM;
	o->sum_from = le16toh(hdr->csum_start);
	o->sum_at = o->sum_from + le16toh(hdr->csum_offset);
	if (!summed) {
		if (o->sum_from < FRAME_MIN)
			return bad(why, "its checksum begins in its Ethernet header");
		if (o->sum_at + 2 > frame->bytes)
			return bad(why, "its checksum is behind its end");
		o->hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		o->hdr.csum_start = hdr->csum_start;
		o->hdr.csum_offset = hdr->csum_offset;
	}
	return hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE ? 0 : read_cut(o, frame, why);
}

/* ---- Pieces --------------------------------------------------------------------------------------------- */

/* The headers that each piece has of its own: 5.1.6.2, and what Linux's and every card's do. */
static void put_ip(const struct offload *o, uint8_t *bytes, size_t payload)
{
	uint8_t *ip = bytes + o->ip;
	unsigned size = (unsigned)packet_of(o, payload);

	if (o->ipv6) {
		frame_put16(ip + 4, size);
		return;
	}
	frame_put16(ip + 2, size);
	frame_put16(ip + 4, (frame_get16(ip + 4) + o->pieces) & 0xffff);
	frame_put16(ip + 10, 0);
	frame_put16(ip + 10, (uint16_t)~offload_fold(offload_sum(0, ip, o->transport - o->ip)));
}

static void put_transport(const struct offload *o, uint8_t *bytes, size_t payload, bool last)
{
	uint8_t *ip = bytes + o->ip, *t = bytes + o->transport;
	size_t size = o->headers - o->transport + payload;
	uint8_t *field = t + (o->tcp ? TCP_SUM : UDP_SUM);
	/* The pseudo header: the protocol, the length, both addresses. */
	uint64_t sum = (o->tcp ? PROTO_TCP : PROTO_UDP) + size;

	if (o->tcp) {
		frame_put32(t + 4, frame_get32(t + 4) + (uint32_t)o->done);
		if (!last)
			t[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
		if (o->pieces)
			t[13] &= (uint8_t)~TCP_CWR; /* RFC 3168, 6.1.2: said once */
	} else {
		frame_put16(t + 4, (unsigned)size);
	}
	sum = o->ipv6 ? offload_sum(sum, ip + 8, 32) : offload_sum(sum, ip + 12, 8);
	frame_put16(field, 0);
	put_sum(field, sum, t, size);
}

static bool next_cut(struct offload *o, const struct net_frame *frame, uint8_t *bytes, size_t *len)
{
	size_t left = frame->bytes - o->headers - o->done;
	size_t payload = left < o->gso_size ? left : o->gso_size;

	if (o->pieces && !left)
		return false;
	memcpy(bytes, o->bytes, o->headers);
	frame_copy(frame, o->headers + o->done, bytes + o->headers, payload);
	put_ip(o, bytes, payload);
	put_transport(o, bytes, payload, payload == left);
	o->done += payload;
	o->pieces++;
	*len = o->headers + payload;
	return true;
}

bool offload_next(struct offload *o, const struct net_frame *frame, uint8_t *bytes,
	struct net_frame *piece, struct iovec *iov)
{
	size_t len = frame->bytes;

	if (o->cut) {
		if (!next_cut(o, frame, bytes, &len))
			return false;
	} else if (o->pieces++) {
		return false;
	} else {
		frame_copy(frame, 0, bytes, len);
		if (o->needs) /* the pseudo header's sum is where the checksum goes (5.1.6.2) */
			put_sum(bytes + o->sum_at, 0, bytes + o->sum_from, len - o->sum_from);
	}
	frame_plain(piece, iov, bytes, len);
	return true;
}
