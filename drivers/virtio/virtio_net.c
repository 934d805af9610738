/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtio_net.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Queues (5.1.2). */
enum { RECEIVE, TRANSMIT };

/* The device's configuration (5.1.4). */
enum { CONFIG_MAC = 0, CONFIG_STATUS = 6, CONFIG_MTU = 10, STATUS_LINK_UP = 1 };

/* What stands before each frame (5.1.6). Without offloads only num_buffers is ever not 0. */
struct header {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};

#define ETHERNET  14u /* two addresses and a type */
#define TAG	  4u  /* of a VLAN */
#define LEAST_MTU 68u /* 5.1.4.1 */
#define DEPTH	  256u
/* Memory of a queue's frames: not more than half a huge page. */
#define MOST_MEMORY (1u << 20)

/* The memory of one frame, with its header. */
struct slot {
	uint8_t *at;
	uint64_t iova;
};

/* One of the two queues, and memory for its frames. */
struct side {
	struct virtio_queue *queue;
	struct slot *slots;
	unsigned count; /* of slots */
	uint8_t *memory;
	uint64_t iova, bytes;
	bool fresh; /* something has been added that the device was not told of */
};

struct virtio_net {
	struct virtio *v;
	struct side rx, tx;
	unsigned *spare; /* slots of tx that are free, num_spare of them */
	unsigned num_spare;
	unsigned unfilled; /* slots given back to rx since the device was told */
	uint32_t frame;	   /* bytes of a slot */
	int broken;	   /* what every call gives from now on */
	int link;	   /* as it last was; -1: not known */
	struct virtio_net_info info;
};

/* ---- Words ------------------------------------------------------------------------------------- */

const char *virtio_net_words(const struct virtio_net *net)
{
	return virtio_words(net->v);
}

/* A signal and a caller's mistake break nothing. */
static int breaks(struct virtio_net *net, int ret)
{
	if (ret < 0 && ret != -EINTR)
		net->broken = ret;
	return ret;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Milliseconds of timeout_ms that are left since start; -1: for ever. */
static int left_of(uint64_t start, int timeout_ms)
{
	uint64_t passed = timeout_ms > 0 ? now_ms() - start : 0;

	if (timeout_ms <= 0)
		return timeout_ms;
	return passed < (unsigned)timeout_ms ? (int)((unsigned)timeout_ms - passed) : 0;
}

/* ---- Open and close ---------------------------------------------------------------------------- */

/* Read what the device says of itself: each part only if its feature was accepted (5.1.4). */
static int read_config(struct virtio_net *net)
{
	struct virtio_net_info *info = &net->info;
	uint16_t mtu = htole16(1500);
	int ret = 0;

	if (virtio_has(net->v, VIRTIO_NET_F_MAC))
		ret = virtio_config(net->v, CONFIG_MAC, info->mac, sizeof(info->mac));
	/* A group's address is nobody's own. */
	info->has_mac = !ret && virtio_has(net->v, VIRTIO_NET_F_MAC) && !(info->mac[0] & 1);
	if (!ret && virtio_has(net->v, VIRTIO_NET_F_MTU))
		ret = virtio_config(net->v, CONFIG_MTU, &mtu, sizeof(mtu));
	if (ret)
		return ret;
	info->mtu = le16toh(mtu);
	if (info->mtu < LEAST_MTU)
		return virtio_fail(net->v, -EPROTO,
			"the device says its MTU is %u bytes; the least there is is %u", info->mtu,
			LEAST_MTU);
	net->frame = (uint32_t)(sizeof(struct header) + ETHERNET + TAG + info->mtu + 63) & ~63u;
	return 0;
}

static int make_side(struct virtio_net *net, struct side *side, unsigned index, unsigned prot)
{
	struct medio_card *card = virtio_card(net->v);
	unsigned most = MOST_MEMORY / net->frame;
	void *ptr;
	int ret = virtio_queue(net->v, index, DEPTH, 1, &side->queue);

	if (ret)
		return ret;
	side->count = virtio_queue_size(side->queue);
	side->count = side->count < most ? side->count : most;
	side->slots = calloc(side->count, sizeof(*side->slots));
	if (!side->slots)
		return virtio_fail(net->v, -ENOMEM, "out of memory");
	side->bytes = ((uint64_t)side->count * net->frame + 4095) & ~UINT64_C(4095);
	ret = medio_card_dma_alloc_any(card, side->bytes, prot, &side->iova, &ptr);
	if (ret)
		return virtio_fail(net->v, ret, "memory for %u frames: %s", side->count,
			medio_card_last_error(card));
	side->memory = ptr;
	for (unsigned i = 0; i < side->count; i++)
		side->slots[i] = (struct slot){ side->memory + (size_t)i * net->frame,
			side->iova + (uint64_t)i * net->frame };
	return 0;
}

/* Hand a slot to the device, to be filled with a frame. */
static int give(struct virtio_net *net, struct slot *slot)
{
	const struct virtq_seg seg = { slot->iova, net->frame };
	struct virtq *ring = virtio_ring(net->rx.queue);
	int ret = virtq_add(ring, &seg, 0, 1, slot);

	if (ret)
		return breaks(
			net, virtio_fail(net->v, ret, "receive queue: %s", virtq_words(ring)));
	net->rx.fresh = true;
	net->unfilled++;
	return 0;
}

static int begin(struct virtio_net *net)
{
	int ret = virtio_accept(net->v,
		VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU | VIRTIO_NET_F_STATUS | VIRTIO_F_EVENT_IDX |
			VIRTIO_F_RING_PACKED,
		0);

	if (!ret)
		ret = read_config(net);
	if (!ret)
		ret = make_side(net, &net->rx, RECEIVE, MEDIO_CARD_DMA_WRITE);
	if (!ret)
		ret = make_side(net, &net->tx, TRANSMIT, MEDIO_CARD_DMA_READ);
	if (ret)
		return ret;
	virtio_owed(net->tx.queue);
	net->spare = calloc(net->tx.count, sizeof(*net->spare));
	if (!net->spare)
		return virtio_fail(net->v, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < net->tx.count; i++)
		net->spare[net->num_spare++] = net->tx.count - 1 - i;
	ret = virtio_ready(net->v);
	/* Buffers may be there before, but the device is told of none before it is alive. */
	for (unsigned i = 0; !ret && i < net->rx.count; i++)
		ret = give(net, &net->rx.slots[i]);
	return ret ? ret : virtio_net_flush(net);
}

int virtio_net_open(struct medio_card *card, const struct virtio_options *opts,
	struct virtio_net **out, char *words, size_t size)
{
	struct virtio_net *net = calloc(1, sizeof(*net));
	int ret;

	if (!net) {
		snprintf(words, size, "out of memory");
		return -ENOMEM;
	}
	net->link = -1;
	ret = virtio_open(card, VIRTIO_ID_NET, opts, &net->v, words, size);
	if (ret) {
		free(net);
		return ret;
	}
	ret = begin(net);
	if (ret) {
		snprintf(words, size, "%s", virtio_words(net->v));
		virtio_net_close(net);
		return ret;
	}
	*out = net;
	return 0;
}

static void drop_side(struct medio_card *card, struct side *side)
{
	if (side->memory)
		medio_card_dma_unmap(card, side->iova, side->bytes);
	free(side->slots);
}

void virtio_net_close(struct virtio_net *net)
{
	if (!net)
		return;
	struct medio_card *card = virtio_card(net->v);
	/* The reset comes first: after it the device reaches no memory. */
	virtio_close(net->v);
	drop_side(card, &net->rx);
	drop_side(card, &net->tx);
	free(net->spare);
	free(net);
}

/* ---- What it is like now ----------------------------------------------------------------------- */

int virtio_net_link(struct virtio_net *net)
{
	uint16_t status;

	if (net->broken || !virtio_has(net->v, VIRTIO_NET_F_STATUS))
		return net->broken ? net->broken : 1;
	/* Asked first: a change behind it is not missed. */
	if (!virtio_config_changed(net->v) && net->link >= 0)
		return net->link;
	int ret = virtio_config(net->v, CONFIG_STATUS, &status, sizeof(status));
	if (ret)
		return breaks(net, ret);
	net->link = !!(le16toh(status) & STATUS_LINK_UP);
	return net->link;
}

int virtio_net_get_info(struct virtio_net *net, struct virtio_net_info *out)
{
	int ret = virtio_net_link(net);

	if (ret < 0)
		return ret;
	net->info.link = ret;
	net->info.receive_depth = net->rx.count;
	net->info.send_depth = net->tx.count;
	virtio_get_info(net->v, &net->info.virtio);
	*out = net->info;
	return 0;
}

/* ---- Both ways --------------------------------------------------------------------------------- */

static int tell(struct virtio_net *net, struct side *side)
{
	if (!side->fresh)
		return 0;
	side->fresh = false;
	return breaks(net, virtio_kick(side->queue));
}

int virtio_net_flush(struct virtio_net *net)
{
	int ret = net->broken;

	if (!ret)
		ret = tell(net, &net->tx);
	if (!ret)
		ret = tell(net, &net->rx);
	net->unfilled = 0;
	return ret;
}

/* Wait until the device has used something of this side. 1, 0: not within timeout_ms, -errno. */
static int wait_for(struct virtio_net *net, struct side *side, int timeout_ms)
{
	int ret = virtio_net_flush(net);

	return ret ? ret : breaks(net, virtio_wait(net->v, &side->queue, 1, timeout_ms));
}

/* The next that the device has used: 1, 0, -errno. */
static int take(
	struct virtio_net *net, struct side *side, const char *name, struct virtq_done *done)
{
	struct virtq *ring = virtio_ring(side->queue);
	int ret = virtq_take(ring, done);

	if (ret < 0)
		virtio_fail(net->v, ret, "%s queue: %s", name, virtq_words(ring));
	return breaks(net, ret);
}

/* ---- Send -------------------------------------------------------------------------------------- */

/* Take back what has been sent. */
static int reclaim(struct virtio_net *net)
{
	struct virtq_done done;
	int ret = net->broken;

	while (!ret && (ret = take(net, &net->tx, "send", &done)) > 0) {
		net->spare[net->num_spare++] = (unsigned)((struct slot *)done.tag - net->tx.slots);
		ret = 0;
	}
	return ret;
}

/* Until at least `least` slots are free. */
static int make_room(struct virtio_net *net, unsigned least, int timeout_ms)
{
	uint64_t start = timeout_ms > 0 ? now_ms() : 0;
	bool late = false;

	for (;;) {
		int ret = reclaim(net);
		if (ret)
			return ret;
		if (net->num_spare >= least)
			return 0;
		if (late)
			return -EAGAIN;
		int left = left_of(start, timeout_ms);
		ret = wait_for(net, &net->tx, left);
		if (ret < 0)
			return ret;
		late = !left;
	}
}

/* A VLAN's tag is no part of the MTU. */
static bool fits(const struct virtio_net *net, const uint8_t *frame, size_t len)
{
	bool tagged = len >= ETHERNET + TAG && ((frame[12] == 0x81 && !frame[13]) ||
						       (frame[12] == 0x88 && frame[13] == 0xa8));

	return len >= ETHERNET && len <= ETHERNET + (tagged ? TAG : 0) + net->info.mtu;
}

int virtio_net_send(struct virtio_net *net, const void *frame, size_t len, int timeout_ms)
{
	struct virtq *ring = virtio_ring(net->tx.queue);
	int ret = net->broken;

	if (ret)
		return ret;
	if (!fits(net, frame, len))
		return virtio_fail(net->v, -EMSGSIZE,
			"a frame of %zu bytes: they have %u, and %u more for a VLAN, to %u", len,
			ETHERNET, TAG, ETHERNET + net->info.mtu);
	if (!net->num_spare)
		ret = make_room(net, 1, timeout_ms);
	if (ret)
		return ret;
	struct slot *slot = &net->tx.slots[net->spare[net->num_spare - 1]];
	const struct virtq_seg seg = { slot->iova, (uint32_t)(sizeof(struct header) + len) };
	/* Its header has been zeros since the memory was made. */
	memcpy(slot->at + sizeof(struct header), frame, len);
	ret = virtq_add(ring, &seg, 1, 0, slot);
	if (ret)
		return breaks(net, virtio_fail(net->v, ret, "send queue: %s", virtq_words(ring)));
	net->num_spare--;
	net->tx.fresh = true;
	net->info.sent++;
	net->info.sent_bytes += len;
	return 0;
}

int virtio_net_drain(struct virtio_net *net, int timeout_ms)
{
	return make_room(net, net->tx.count, timeout_ms);
}

/* ---- Receive ----------------------------------------------------------------------------------- */

/* The frame in a slot, of which the device wrote so many bytes: its length, 0 if it is broken, -EMSGSIZE. */
static int unpack(
	struct virtio_net *net, const struct slot *slot, uint32_t written, void *buf, size_t size)
{
	struct header header;
	uint32_t len = written - (uint32_t)sizeof(header);

	if (written < sizeof(header) + ETHERNET)
		return 0;
	/* The device may write while we look: the header is read once. */
	memcpy(&header, slot->at, sizeof(header));
	/* Without the offloads every frame is whole and its checksums are in place (5.1.6.3). Of
	 * num_buffers nothing is believed: devices leave it 0. */
	if (header.flags || header.gso_type)
		return 0;
	if (len > size)
		return virtio_fail(net->v, -EMSGSIZE,
			"a frame of %u bytes came, there is room for %zu", len, size);
	memcpy(buf, slot->at + sizeof(header), len);
	return (int)len;
}

/* The next frame that is there already: its length, 0, -errno. A device that gives nothing but broken
 * ones does not hold us here. */
static int receive_one(struct virtio_net *net, void *buf, size_t size)
{
	unsigned broken = 0;
	struct virtq_done done;
	int ret = take(net, &net->rx, "receive", &done);

	while (ret > 0) {
		int len = unpack(net, done.tag, done.len, buf, size);
		ret = give(net, done.tag);
		/* A device that is told of a few at a time does not run dry, nor is told often. */
		if (!ret && net->unfilled > net->rx.count / 4)
			ret = virtio_net_flush(net);
		if (ret)
			return ret;
		if (len) {
			net->info.received += len > 0;
			net->info.received_bytes += len > 0 ? (unsigned)len : 0;
			return len;
		}
		net->info.dropped++;
		ret = ++broken < net->rx.count ? take(net, &net->rx, "receive", &done) : 0;
	}
	return ret;
}

int virtio_net_receive(struct virtio_net *net, void *buf, size_t size, int timeout_ms)
{
	uint64_t start = timeout_ms > 0 ? now_ms() : 0;
	bool late = false;

	for (;;) {
		int ret = net->broken;
		if (!ret)
			ret = receive_one(net, buf, size);
		if (ret || late)
			return ret;
		int left = left_of(start, timeout_ms);
		ret = wait_for(net, &net->rx, left);
		if (ret < 0)
			return ret;
		late = !left;
	}
}
