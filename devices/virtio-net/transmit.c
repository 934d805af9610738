/* SPDX-License-Identifier: BSD-3-Clause */
#include "vnet.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

static bool has(const struct medio_vnet *vnet, unsigned bit)
{
	return medio_virtio_has(vnet->dev, bit);
}

/* May the driver ask for this kind of cutting? (5.1.6.2.1) */
static bool may_cut(const struct medio_vnet *vnet, uint8_t gso_type)
{
	bool ecn = gso_type & VIRTIO_NET_HDR_GSO_ECN;

	switch (gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return has(vnet, VIRTIO_NET_F_HOST_TSO4) &&
		       (!ecn || has(vnet, VIRTIO_NET_F_HOST_ECN));
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return has(vnet, VIRTIO_NET_F_HOST_TSO6) &&
		       (!ecn || has(vnet, VIRTIO_NET_F_HOST_ECN));
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return has(vnet, VIRTIO_NET_F_HOST_USO) && !ecn;
	}
	return false;
}

/*
 * Check the header of a frame, and clear what means nothing. NULL: it is good; else what is wrong with it.
 * Flags that are not known are ignored (5.1.6.2.2).
 */
static const char *check_header(const struct medio_vnet *vnet, struct net_frame *frame)
{
	struct virtio_net_hdr_v1 *hdr = &frame->hdr;

	hdr->num_buffers = 0;
	hdr->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	if (hdr->flags) {
		if (!has(vnet, VIRTIO_NET_F_CSUM))
			return "it leaves its checksum to be made, which was not negotiated";
		if ((size_t)le16toh(hdr->csum_start) + le16toh(hdr->csum_offset) + 2 > frame->bytes)
			return "its checksum is beyond its end";
	} else {
		hdr->csum_start = hdr->csum_offset = 0;
	}
	if (hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		hdr->gso_size = 0;
	} else {
		if (!may_cut(vnet, hdr->gso_type))
			return "it is to be cut in a way that was not negotiated";
		if (!hdr->flags)
			return "it is to be cut, and leaves no checksum to be made";
		if (!hdr->gso_size)
			return "it is to be cut into pieces of 0 bytes";
	}
	/* No more than a hint. */
	if (le16toh(hdr->hdr_len) > frame->bytes)
		hdr->hdr_len = htole16((uint16_t)frame->bytes);
	return NULL;
}

/* Where answers to this frame are to go. */
static void learn(
	struct medio_vnet *vnet, unsigned pair, const struct medio_virtq_chain *chain, size_t bytes)
{
	uint8_t head[MEDIO_VNET_HEAD];
	size_t len = bytes < sizeof(head) ? bytes : sizeof(head);
	int flow = medio_vnet_flow(head, medio_virtq_read(chain, MEDIO_VNET_HEADER, head, len));

	if (flow >= 0)
		vnet->flows[flow] = (uint8_t)(pair + 1);
}

static void bad(struct medio_vnet *vnet, const struct medio_virtq_chain *chain, const char *why)
{
	vnet->counts.send_bad++;
	medio_guest_error(vnet->dev,
		"queue %u: a frame of %zu bytes with its header is dropped: %s (5.1.6.2)",
		medio_virtq_index(chain->queue), chain->out_bytes, why);
}

/* 0: done with it, whatever became of it; -EAGAIN: the network has no room. */
static int send_one(struct medio_vnet *vnet, unsigned pair, const struct medio_virtq_chain *chain)
{
	struct iovec iov[NET_MAX_IOV];
	struct net_frame frame = { .iov = iov };

	if (chain->out_bytes < MEDIO_VNET_HEADER + MEDIO_VNET_ETHERNET) {
		bad(vnet, chain, "it is too short");
		return 0;
	}
	frame.bytes = chain->out_bytes - MEDIO_VNET_HEADER;
	if (frame.bytes > NET_MAX_FRAME) {
		bad(vnet, chain, "it is too long");
		return 0;
	}
	medio_virtq_read(chain, 0, &frame.hdr, MEDIO_VNET_HEADER);
	const char *why = check_header(vnet, &frame);
	if (why) {
		bad(vnet, chain, why);
		return 0;
	}
	if (!medio_vnet_is_up(vnet)) {
		vnet->counts.send_down++;
		return 0;
	}
	frame.niov = medio_iov_slice(
		chain->out, chain->num_out, MEDIO_VNET_HEADER, frame.bytes, iov, NET_MAX_IOV);
	if (!frame.niov) {
		medio_virtq_read(chain, MEDIO_VNET_HEADER, vnet->bounce, frame.bytes);
		iov[0] = (struct iovec){ vnet->bounce, frame.bytes };
		frame.niov = 1;
	}
	if (vnet->active > 1)
		learn(vnet, pair, chain, frame.bytes);
	int ret = net_send(vnet->net, &frame);
	if (ret == -EAGAIN)
		return ret;
	vnet->counts.sent++;
	vnet->counts.sent_bytes += frame.bytes;
	return 0;
}

/* ---- Bursts ------------------------------------------------------------------------------------ */

/* Frames that go out together, and a piece for those in one. */
struct burst {
	struct net_frame frames[NET_BURST];
	struct iovec iov[NET_BURST];
};

/* Is nothing to be made of it (5.1.6.2)? Then no other field of its header has a meaning. Read once. */
static inline bool is_plain(const uint8_t *header)
{
	uint16_t flags_and_gso;

	memcpy(&flags_and_gso, header, sizeof(flags_and_gso));
	__asm__("" : "+r"(flags_and_gso));
	return !(flags_and_gso & htole16(VIRTIO_NET_HDR_F_NEEDS_CSUM | 0xff00));
}

/* The plain frame of a chain, whose header is at the beginning of the first piece, or all of it. False: it takes
 * more than this, or is wrong. */
static inline bool read_plain(
	const struct medio_virtq_chain *chain, struct net_frame *frame, struct iovec *iov)
{
	const size_t first = chain->num_out ? chain->out->iov_len : 0;
	const uint8_t *at = chain->out->iov_base;

	if (first < MEDIO_VNET_HEADER || chain->num_out > NET_MAX_IOV ||
		chain->out_bytes < MEDIO_VNET_HEADER + MEDIO_VNET_ETHERNET ||
		chain->out_bytes > MEDIO_VNET_HEADER + NET_MAX_FRAME || !is_plain(at))
		return false;
	if (chain->num_out == 1) {
		*iov = (struct iovec){ (void *)(at + MEDIO_VNET_HEADER),
			first - MEDIO_VNET_HEADER };
		frame->iov = iov;
		frame->niov = 1;
	} else if (first == MEDIO_VNET_HEADER) {
		frame->iov = chain->out + 1;
		frame->niov = chain->num_out - 1;
	} else {
		return false;
	}
	frame->bytes = chain->out_bytes - MEDIO_VNET_HEADER;
	memset(&frame->hdr, 0, sizeof(frame->hdr));
	return true;
}

/* Plain frames, of the first of n chains: how many there are. */
static unsigned read_burst(struct medio_vnet *vnet, unsigned pair,
	struct medio_virtq_chain *const *chains, unsigned n, struct burst *burst)
{
	unsigned i = 0;

	while (i < n && read_plain(chains[i], &burst->frames[i], &burst->iov[i]))
		i++;
	if (vnet->active > 1)
		for (unsigned k = 0; k < i; k++)
			learn(vnet, pair, chains[k], burst->frames[k].bytes);
	return i;
}

/* How many of the first are done with; fewer than n: the network has no room. */
static unsigned send_many(
	struct medio_vnet *vnet, unsigned pair, struct medio_virtq_chain *const *chains, unsigned n)
{
	struct burst burst;
	unsigned done = 0;

	while (done < n) {
		/* While the link is down frames are counted one by one. */
		unsigned run = medio_vnet_is_up(vnet)
				       ? read_burst(vnet, pair, chains + done, n - done, &burst)
				       : 0;
		if (!run) {
			if (send_one(vnet, pair, chains[done]) == -EAGAIN)
				break;
			done++;
			continue;
		}
		unsigned sent = net_send_many(vnet->net, burst.frames, run);
		vnet->counts.sent += sent;
		for (unsigned i = 0; i < sent; i++)
			vnet->counts.sent_bytes += chains[done + i]->out_bytes - MEDIO_VNET_HEADER;
		done += sent;
		if (sent < run)
			break;
	}
	return done;
}

void medio_vnet_transmit(struct medio_vnet *vnet, struct medio_virtq *queue, unsigned most)
{
	unsigned pair = medio_virtq_index(queue) / 2, n;
	struct medio_virtq_chain *chains[NET_BURST];
	bool any = false;

	while (!vnet->send_waiting &&
		(n = medio_virtq_pop_many(queue, chains, most < NET_BURST ? most : NET_BURST))) {
		any = true;
		most -= n;
		/* Set first: the network may be ready again before it has said that it is not. */
		vnet->send_waiting = true;
		unsigned done = send_many(vnet, pair, chains, n);
		medio_virtq_unpop(queue, n - done);
		medio_virtq_push_many(chains, NULL, done);
		if (done < n) {
			vnet->counts.send_waits++;
			break;
		}
		vnet->send_waiting = false;
		/* Fewer than a burst are the last. */
		if (n < NET_BURST)
			break;
		medio_virtq_flush_early(queue);
	}
	if (any)
		net_flush(vnet->net);
}
