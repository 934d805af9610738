/* SPDX-License-Identifier: BSD-3-Clause */
#include "vnet.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define SHORT_HEAD (MEDIO_VNET_ETHERNET + 4u) /* addresses, type, a tag's number */

/* ---- Which queue ------------------------------------------------------------------------------- */

static struct medio_virtq *queue_of(const struct medio_vnet *vnet, unsigned pair)
{
	return vnet->open >> pair & 1 ? medio_virtio_queue(vnet->dev, 2 * pair) : NULL;
}

/* A flow comes in where it last went out (5.1.6.5.6); one that never did, anywhere, but always there. NULL:
 * no queue is live. */
static struct medio_virtq *choose(const struct medio_vnet *vnet, const uint8_t *head, size_t len)
{
	unsigned pair = 0;

	if (vnet->active > 1) {
		int flow = medio_vnet_flow(head, len);
		if (flow >= 0)
			pair = vnet->flows[flow] ? vnet->flows[flow] - 1u : (unsigned)flow;
		pair %= vnet->active;
	}
	struct medio_virtq *queue = queue_of(vnet, pair);
	/* Being reset by itself: another one. */
	for (unsigned i = 0; !queue && i < vnet->active; i++)
		queue = queue_of(vnet, i);
	return queue;
}

/* ---- Room -------------------------------------------------------------------------------------- */

enum room { ROOM, NO_ROOM, NEVER };

/* No frame fits in less than its header (5.1.6.3.1). */
static bool is_buffer(struct medio_vnet *vnet, struct medio_virtq_chain *chain)
{
	if (chain->in_bytes >= MEDIO_VNET_HEADER)
		return true;
	medio_virtio_broken(vnet->dev,
		"queue %u: a receive buffer of %zu bytes, less than the %u of a header (5.1.6.3.1)",
		medio_virtq_index(chain->queue), chain->in_bytes, MEDIO_VNET_HEADER);
	return false;
}

/*
 * Take chains for `bytes` bytes, header and all, into vnet->chains: as many as it takes where they can be
 * merged, else one. NEVER: it does not fit, whatever the driver adds.
 */
static enum room take(
	struct medio_vnet *vnet, struct medio_virtq *queue, size_t bytes, unsigned *count)
{
	bool merge = medio_virtio_has(vnet->dev, VIRTIO_NET_F_MRG_RXBUF);
	unsigned n = 0, pieces = 0;
	size_t room = 0;

	while (room < bytes && n < MEDIO_VIRTIO_MAX_QUEUE_SIZE && (merge || !n)) {
		struct medio_virtq_chain *chain = medio_virtq_pop(queue);
		if (!chain)
			break;
		vnet->chains[n++] = chain;
		if (!is_buffer(vnet, chain)) {
			while (n)
				medio_virtq_push(vnet->chains[--n], 0);
			return NEVER;
		}
		room += chain->in_bytes;
		pieces += chain->num_in + chain->num_out;
	}
	*count = n;
	if (room >= bytes)
		return ROOM;
	medio_virtq_unpop(queue, n);
	/* Those were all that the queue can hold. */
	unsigned size = medio_virtq_size(queue);
	return n && (!merge || n >= size || pieces >= size) ? NEVER : NO_ROOM;
}

/* Once more with notifications on, so that none is missed in between. */
static enum room take_or_wait(
	struct medio_vnet *vnet, struct medio_virtq *queue, size_t bytes, unsigned *count)
{
	uint32_t bit = UINT32_C(1) << medio_virtq_index(queue) / 2;
	enum room room = take(vnet, queue, bytes, count);

	if (room == NO_ROOM && !(vnet->starved & bit)) {
		vnet->starved |= bit;
		medio_virtq_want_kicks(queue, true);
		room = take(vnet, queue, bytes, count);
	}
	if (room != NO_ROOM && vnet->starved & bit) {
		vnet->starved &= ~bit;
		medio_virtq_want_kicks(queue, false);
	}
	return room;
}

/* ---- Copy -------------------------------------------------------------------------------------- */

/* Where a copy stands in the pieces it comes from. */
struct source {
	const struct iovec *iov;
	unsigned left; /* pieces */
	size_t at;     /* bytes of the first that are gone */
};

/* Fill `to` with the next `len` bytes, or as many as there are: how many. */
static size_t copy_out(struct source *src, uint8_t *to, size_t len)
{
	size_t done = 0;

	while (done < len && src->left) {
		size_t part = src->iov->iov_len - src->at;
		if (part > len - done)
			part = len - done;
		/* Where frames come back a driver may have them copied onto themselves. */
		memmove(to + done, (const uint8_t *)src->iov->iov_base + src->at, part);
		done += part;
		src->at += part;
		if (src->at == src->iov->iov_len) {
			src->iov++;
			src->left--;
			src->at = 0;
		}
	}
	return done;
}

/* Into the chain from byte `from` on, until it is full or nothing is left: bytes copied. */
static size_t fill(const struct medio_virtq_chain *chain, size_t from, struct source *src)
{
	size_t done = 0;

	for (unsigned i = 0; i < chain->num_in && src->left; i++) {
		const struct iovec *in = &chain->in[i];
		if (from >= in->iov_len) {
			from -= in->iov_len;
			continue;
		}
		done += copy_out(src, (uint8_t *)in->iov_base + from, in->iov_len - from);
		from = 0;
	}
	return done;
}

/* What the driver is told of the frame: nothing that it did not accept (5.1.6.4.1). */
static struct virtio_net_hdr_v1 header_of(
	const struct medio_vnet *vnet, const struct net_frame *frame, unsigned count)
{
	struct virtio_net_hdr_v1 hdr = { 0 };

	if (vnet->guest_offloads & MEDIO_VIRTIO_BIT(VIRTIO_NET_F_GUEST_CSUM)) {
		hdr = frame->hdr;
		hdr.flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID;
	}
	hdr.num_buffers = htole16((uint16_t)count);
	return hdr;
}

/* Most buffers are in one piece, and most frames too, or their first bytes are apart. */
static inline bool is_simple(const struct net_frame *frame)
{
	return frame->niov == 1 || frame->niov == 2;
}

static inline size_t place_whole(const struct medio_virtq_chain *chain,
	const struct virtio_net_hdr_v1 *hdr, const struct net_frame *frame)
{
	uint8_t *to = chain->in->iov_base;

	memcpy(to, hdr, MEDIO_VNET_HEADER);
	to += MEDIO_VNET_HEADER;
	if (frame->niov == 2) {
		memmove(to, frame->iov[0].iov_base, frame->iov[0].iov_len);
		to += frame->iov[0].iov_len;
	}
	const struct iovec *last = &frame->iov[frame->niov - 1];
	memmove(to, last->iov_base, last->iov_len);
	return MEDIO_VNET_HEADER + frame->bytes;
}

/* vnet->chains have room for all of it. */
static void place(struct medio_vnet *vnet, const struct net_frame *frame, unsigned count)
{
	struct virtio_net_hdr_v1 hdr = header_of(vnet, frame, count);
	struct source src = { frame->iov, frame->niov, 0 };
	struct medio_virtq_chain *chain = vnet->chains[0];
	size_t written;

	if (count == 1 && chain->num_in == 1 && is_simple(frame)) {
		medio_virtq_push(chain, (uint32_t)place_whole(chain, &hdr, frame));
		return;
	}
	written = medio_virtq_write(chain, 0, &hdr, MEDIO_VNET_HEADER);
	for (unsigned i = 0; i < count; i++) {
		written += fill(vnet->chains[i], i ? 0 : MEDIO_VNET_HEADER, &src);
		medio_virtq_push(vnet->chains[i], (uint32_t)written);
		written = 0;
	}
	vnet->counts.merged += count > 1;
}

/* ---- Events ------------------------------------------------------------------------------------ */

/* A whole frame beyond the MTU that the driver relies on (5.1.4.1). */
static bool is_too_long(
	const struct medio_vnet *vnet, const struct net_frame *frame, const uint8_t *head)
{
	size_t most = MEDIO_VNET_ETHERNET + vnet->mtu;

	if (!vnet->mtu || frame->bytes <= most || frame->hdr.gso_type & ~VIRTIO_NET_HDR_GSO_ECN)
		return false;
	if (head[12] == 0x81 && head[13] == 0x00)
		most += 4;
	return frame->bytes > most && medio_virtio_has(vnet->dev, VIRTIO_NET_F_MTU);
}

/* What there is to look at: with one pair of queues the flow does not matter. */
static size_t read_head(
	const struct medio_vnet *vnet, const struct net_frame *frame, uint8_t head[MEDIO_VNET_HEAD])
{
	struct source src = { frame->iov, frame->niov, 0 };

	if (vnet->active > 1 || !frame->niov || frame->iov->iov_len < SHORT_HEAD)
		return copy_out(&src, head, MEDIO_VNET_HEAD);
	memcpy(head, frame->iov->iov_base, SHORT_HEAD);
	return SHORT_HEAD;
}

static bool wants(const struct medio_vnet *vnet, const uint8_t *head, size_t len)
{
	return len >= MEDIO_VNET_ETHERNET &&
	       (vnet->filter.promisc ||
		       medio_vnet_filter_wants(&vnet->filter,
			       medio_virtio_has(vnet->dev, VIRTIO_NET_F_CTRL_VLAN), head, len));
}

int medio_vnet_receive(void *opaque, const struct net_frame *frame)
{
	struct medio_vnet *vnet = opaque;
	uint8_t head[MEDIO_VNET_HEAD];
	size_t len = read_head(vnet, frame, head);
	struct medio_virtq *queue;
	unsigned count;

	if (!medio_virtio_is_live(vnet->dev) || !medio_vnet_is_up(vnet) ||
		!(queue = choose(vnet, head, len))) {
		vnet->counts.receive_down++;
		return 0;
	}
	if (!wants(vnet, head, len)) {
		vnet->counts.filtered++;
		return 0;
	}
	enum room room = is_too_long(vnet, frame, head)
				 ? NEVER
				 : take_or_wait(
					   vnet, queue, MEDIO_VNET_HEADER + frame->bytes, &count);
	if (room == NO_ROOM) {
		vnet->counts.receive_waits++;
		return -EAGAIN;
	}
	if (room == NEVER) {
		vnet->counts.too_long++;
		return 0;
	}
	place(vnet, frame, count);
	vnet->filled |= UINT32_C(1) << medio_virtq_index(queue) / 2;
	vnet->counts.received++;
	vnet->counts.received_bytes += frame->bytes;
	return 0;
}

/* ---- Bursts ------------------------------------------------------------------------------------ */

/* Where a plain frame is to go, as medio_vnet_receive() has it; NULL: nowhere. */
static struct medio_virtq *goes_to(const struct medio_vnet *vnet, const struct net_frame *frame)
{
	uint8_t head[MEDIO_VNET_HEAD];
	size_t len;

	if (frame->bytes < MEDIO_VNET_ETHERNET)
		return NULL;
	len = read_head(vnet, frame, head);
	return wants(vnet, head, len) && !is_too_long(vnet, frame, head) ? choose(vnet, head, len)
									 : NULL;
}

/* How many of the first of n frames go where the first goes. */
static unsigned go_together(const struct medio_vnet *vnet, const struct net_frame *frames,
	unsigned n, struct medio_virtq **queue)
{
	unsigned run = 1;

	if (vnet->active == 1 && vnet->filter.promisc && !vnet->mtu) {
		*queue = frames->bytes < MEDIO_VNET_ETHERNET ? NULL : queue_of(vnet, 0);
		while (run < n && frames[run].bytes >= MEDIO_VNET_ETHERNET)
			run++;
		return run;
	}
	*queue = goes_to(vnet, frames);
	while (*queue && run < n && goes_to(vnet, &frames[run]) == *queue)
		run++;
	return run;
}

/* Does a simple frame fit in a chain in one piece? */
static inline bool fits(const struct medio_virtq_chain *chain, const struct net_frame *frame)
{
	return chain->num_in == 1 && is_simple(frame) &&
	       frame->bytes + MEDIO_VNET_HEADER <= chain->in_bytes;
}

/*
 * The lines of the cache that frames begin in become ours, together: the driver's processor read them last, and each
 * store to one waits for it. Between copies, which wait for what they read, each of these journeys is made
 * by itself: on two processors without a common cache that takes twice as long as all the rest. What is stored
 * lies where the frame comes anyway; only a driver that receives into what it sends spoils that.
 */
static inline void own_lines(struct medio_virtq_chain *const *chains, unsigned n)
{
	for (unsigned i = 0; i < n && chains[i]->num_in; i++) {
		const struct iovec *in = chains[i]->in;
		volatile uint8_t *to = in->iov_base;
		if (in->iov_len > 64)
			to[64] = 0;
		*to = 0;
	}
}

/*
 * Frames that go to one queue, each into a chain of its own: how many of the first; the next takes more than this,
 * such as several chains, or there is none for it.
 */
static unsigned place_many(struct medio_vnet *vnet, struct medio_virtq *queue,
	const struct net_frame *frames, unsigned n)
{
	const struct virtio_net_hdr_v1 plain = { .num_buffers = htole16(1) };
	struct medio_virtq_chain *chains[NET_BURST];
	unsigned popped = medio_virtq_pop_many(queue, chains, n), placed = 0;
	uint32_t written[NET_BURST];

	own_lines(chains, popped);
	for (; placed < popped && fits(chains[placed], &frames[placed]); placed++) {
		const struct net_frame *frame = &frames[placed];
		written[placed] = (uint32_t)place_whole(chains[placed], &plain, frame);
		vnet->counts.received_bytes += frame->bytes;
	}
	medio_virtq_unpop(queue, popped - placed);
	medio_virtq_push_many(chains, written, placed);
	if (placed)
		vnet->filled |= UINT32_C(1) << medio_virtq_index(queue) / 2;
	vnet->counts.received += placed;
	return placed;
}

unsigned medio_vnet_receive_many(void *opaque, const struct net_frame *frames, unsigned n)
{
	struct medio_vnet *vnet = opaque;
	const bool ready = medio_virtio_is_live(vnet->dev) && medio_vnet_is_up(vnet);
	unsigned done = 0;

	while (done < n) {
		struct medio_virtq *queue = NULL;
		unsigned run = 1, placed = 0;
		if (ready)
			run = go_together(vnet, &frames[done], n - done, &queue);
		/* A queue that was found empty is looked into with its notifications on. */
		if (queue && !(vnet->starved & UINT32_C(1) << medio_virtq_index(queue) / 2))
			placed = place_many(vnet, queue, &frames[done], run);
		if (placed == NET_BURST)
			medio_virtq_flush_early(queue);
		done += placed;
		if (placed == run)
			continue;
		if (medio_vnet_receive(vnet, &frames[done]) == -EAGAIN)
			break;
		done++;
	}
	return done;
}

void medio_vnet_received(void *opaque)
{
	struct medio_vnet *vnet = opaque;

	for (uint32_t left = vnet->filled; left; left &= left - 1) {
		struct medio_virtq *queue = queue_of(vnet, (unsigned)__builtin_ctz(left));
		if (queue)
			medio_virtq_flush(queue);
	}
	vnet->filled = 0;
}

void medio_vnet_refilled(struct medio_vnet *vnet, struct medio_virtq *queue)
{
	if (vnet->starved & UINT32_C(1) << medio_virtq_index(queue) / 2)
		net_resume(vnet->net);
}
