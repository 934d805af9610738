/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio-net: a network card (5.1). What its queues carry goes to and comes from a network of devices/net.
 */
#include "virtio-net.h"

#include <errno.h>
#include <limits.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vnet.h"

#define BIT(n_) MEDIO_VIRTIO_BIT(n_)

/* 5.1.4 */
#define LEAST_MTU 68u

/* What a driver may leave to us: frames that it sends, and frames that it gets. */
#define HOST_BITS \
	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) | \
		BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_HOST_USO))
#define GUEST_BITS \
	(BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) | \
		BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN) | \
		BIT(VIRTIO_NET_F_GUEST_USO4) | BIT(VIRTIO_NET_F_GUEST_USO6))
#define CONTROL_BITS \
	(BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_RX) | BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) | \
		BIT(VIRTIO_NET_F_CTRL_VLAN) | BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) | \
		BIT(VIRTIO_NET_F_GUEST_ANNOUNCE))

uint64_t medio_vnet_guest_bits(void)
{
	return GUEST_BITS;
}

/* ---- The link, and news for the driver ----------------------------------------------------------- */

bool medio_vnet_is_up(const struct medio_vnet *vnet)
{
	return !vnet->unplugged && net_is_up(vnet->net);
}

/* Whatever waited may go on: it may not have to wait any more, or has to be dropped. */
static void go_on(struct medio_vnet *vnet)
{
	vnet->send_waiting = false;
	for (unsigned i = 0; i < vnet->active; i++) {
		struct medio_virtq *queue = medio_virtio_queue(vnet->dev, 2 * i + 1);
		if (queue)
			medio_virtq_again(queue);
	}
}

void medio_vnet_link_changed(struct medio_vnet *vnet)
{
	bool up = medio_vnet_is_up(vnet);

	if (up == vnet->was_up)
		return;
	vnet->was_up = up;
	if (medio_virtio_is_live(vnet->dev) && medio_virtio_has(vnet->dev, VIRTIO_NET_F_STATUS))
		medio_virtio_config_changed(vnet->dev);
	go_on(vnet);
	net_resume(vnet->net);
}

bool medio_vnet_announce(struct medio_vnet *vnet)
{
	/* Its answer is a command. */
	if (!medio_virtio_is_live(vnet->dev) || !vnet->commanded ||
		!medio_virtio_has(vnet->dev, VIRTIO_NET_F_GUEST_ANNOUNCE) ||
		!medio_virtio_has(vnet->dev, VIRTIO_NET_F_STATUS))
		return false;
	vnet->announce = true;
	medio_virtio_config_changed(vnet->dev);
	return true;
}

/* ---- Its addresses --------------------------------------------------------------------------------- */

int medio_vnet_tell_macs(struct medio_vnet *vnet, const uint8_t mac[6])
{
	const struct medio_vnet_macs *others = &vnet->filter.unicast;

	return net_set_macs(vnet->net, mac, others->at, others->count);
}

void medio_vnet_set_own_mac(struct medio_vnet *vnet, const uint8_t mac[6])
{
	memcpy(vnet->own_mac, mac, sizeof(vnet->own_mac));
	memcpy(vnet->filter.mac, mac, sizeof(vnet->filter.mac));
	medio_vnet_tell_macs(vnet, mac);
	if (medio_virtio_is_live(vnet->dev))
		medio_virtio_config_changed(vnet->dev);
}

/* ---- What the network says --------------------------------------------------------------------------- */

static void on_link(void *opaque, bool up)
{
	(void)up;
	medio_vnet_link_changed(opaque);
}

static void on_ready(void *opaque)
{
	go_on(opaque);
}

static const struct net_events events = {
	.receive = medio_vnet_receive,
	.receive_many = medio_vnet_receive_many,
	.received = medio_vnet_received,
	.ready = on_ready,
	.link = on_link,
	.wants = medio_vnet_wants_group,
};

/* ---- Features and configuration ------------------------------------------------------------------ */

static void offer(struct medio_dev *dev)
{
	const struct medio_vnet *vnet = medio_vnet_of(dev);
	uint64_t features = 0;

	if (vnet->mtu)
		features |= BIT(VIRTIO_NET_F_MTU);
	if (vnet->mergeable)
		features |= BIT(VIRTIO_NET_F_MRG_RXBUF);
	if (vnet->offloads)
		features |= HOST_BITS | GUEST_BITS;
	if (vnet->control)
		features |= CONTROL_BITS;
	if (vnet->control && vnet->offloads)
		features |= BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
	if (vnet->control && vnet->pairs > 1)
		features |= BIT(VIRTIO_NET_F_MQ);
	medio_virtio_offer(dev, features);
	medio_virtio_set_queues(dev, (unsigned)(2 * vnet->pairs + vnet->control));
}

/* A feature, and what else one of has to be there (5.1.3.1). Not CTRL_VQ for what needs it: somebody who answers
 * the driver's commands in front of us may accept the rest, and keep that queue. */
static const struct {
	unsigned bit;
	uint64_t needs;
	const char *words;
} needs[] = {
	{ VIRTIO_NET_F_GUEST_TSO4, BIT(VIRTIO_NET_F_GUEST_CSUM), "GUEST_TSO4 without GUEST_CSUM" },
	{ VIRTIO_NET_F_GUEST_TSO6, BIT(VIRTIO_NET_F_GUEST_CSUM), "GUEST_TSO6 without GUEST_CSUM" },
	{ VIRTIO_NET_F_GUEST_ECN, BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6),
		"GUEST_ECN without GUEST_TSO4 or GUEST_TSO6" },
	{ VIRTIO_NET_F_GUEST_USO4, BIT(VIRTIO_NET_F_GUEST_CSUM), "GUEST_USO4 without GUEST_CSUM" },
	{ VIRTIO_NET_F_GUEST_USO6, BIT(VIRTIO_NET_F_GUEST_CSUM), "GUEST_USO6 without GUEST_CSUM" },
	{ VIRTIO_NET_F_HOST_TSO4, BIT(VIRTIO_NET_F_CSUM), "HOST_TSO4 without CSUM" },
	{ VIRTIO_NET_F_HOST_TSO6, BIT(VIRTIO_NET_F_CSUM), "HOST_TSO6 without CSUM" },
	{ VIRTIO_NET_F_HOST_ECN, BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6),
		"HOST_ECN without HOST_TSO4 or HOST_TSO6" },
	{ VIRTIO_NET_F_HOST_USO, BIT(VIRTIO_NET_F_CSUM), "HOST_USO without CSUM" },
};

int medio_vnet_features(struct medio_dev *dev, uint64_t accepted)
{
	for (size_t i = 0; i < sizeof(needs) / sizeof(*needs); i++) {
		if (accepted & BIT(needs[i].bit) && !(accepted & needs[i].needs)) {
			medio_guest_error(dev, "features refused: %s (5.1.3.1)", needs[i].words);
			return -EINVAL;
		}
	}
	return 0;
}

/* Tell the network what the driver takes as it is. */
void medio_vnet_apply_offloads(struct medio_vnet *vnet)
{
	uint64_t on = vnet->guest_offloads;
	unsigned can = 0;

	if (on & BIT(VIRTIO_NET_F_GUEST_CSUM)) {
		can |= NET_CAN_CSUM;
		if (on & BIT(VIRTIO_NET_F_GUEST_TSO4))
			can |= NET_CAN_TSO4;
		if (on & BIT(VIRTIO_NET_F_GUEST_TSO6))
			can |= NET_CAN_TSO6;
		if (on & BIT(VIRTIO_NET_F_GUEST_ECN))
			can |= NET_CAN_ECN;
		if (on & BIT(VIRTIO_NET_F_GUEST_USO4) && on & BIT(VIRTIO_NET_F_GUEST_USO6))
			can |= NET_CAN_USO;
	}
	net_set_can(vnet->net, can);
}

void medio_vnet_config_read(struct medio_dev *dev, uint8_t *config)
{
	const struct medio_vnet *vnet = medio_vnet_of(dev);
	uint16_t status = 0;

	if (medio_vnet_is_up(vnet))
		status |= VIRTIO_NET_S_LINK_UP;
	if (vnet->announce)
		status |= VIRTIO_NET_S_ANNOUNCE;
	memcpy(config, vnet->filter.mac, 6);
	medio_put_le(config + offsetof(struct virtio_net_config, status), 2, status);
	medio_put_le(
		config + offsetof(struct virtio_net_config, max_virtqueue_pairs), 2, vnet->pairs);
	medio_put_le(config + offsetof(struct virtio_net_config, mtu), 2, vnet->mtu);
	medio_put_le(config + offsetof(struct virtio_net_config, speed), 4,
		vnet->speed ? vnet->speed : UINT32_MAX);
	config[offsetof(struct virtio_net_config, duplex)] = vnet->speed ? 1 : 0xff;
}

void medio_vnet_config_write(
	struct medio_dev *dev, unsigned offset, const void *buf, unsigned count)
{
	(void)buf;
	medio_guest_error(dev,
		"a write of %u bytes at %u of the configuration, which is read-only (5.1.4)", count,
		offset);
}

/* ---- Queues (5.1.2) ------------------------------------------------------------------------------ */

static unsigned most_pairs(const struct medio_vnet *vnet)
{
	return medio_virtio_has(vnet->dev, VIRTIO_NET_F_MQ) ? (unsigned)vnet->pairs : 1;
}

static bool is_control(const struct medio_vnet *vnet, unsigned index)
{
	return medio_virtio_has(vnet->dev, VIRTIO_NET_F_CTRL_VQ) && index == 2 * most_pairs(vnet);
}

/*
 * Does the driver command us, once its queues are live? If its commands are answered before they come here,
 * that queue never lives: then nothing is filtered here, and the pairs in use are those that are live.
 */
static void look_for_commands(struct medio_vnet *vnet)
{
	vnet->commanded = medio_virtio_has(vnet->dev, VIRTIO_NET_F_CTRL_VQ) &&
			  medio_virtio_queue(vnet->dev, 2 * most_pairs(vnet));
	if (!vnet->commanded)
		vnet->filter.promisc = true;
}

void medio_vnet_count_pairs(struct medio_vnet *vnet)
{
	uint32_t live = (vnet->open | vnet->sending) & ((UINT32_C(1) << most_pairs(vnet)) - 1);

	if (!vnet->commanded)
		vnet->active = live ? 32u - (unsigned)__builtin_clz(live) : 1;
}

static void control_came(struct medio_vnet *vnet)
{
	if (vnet->commanded)
		return;
	vnet->commanded = true;
	vnet->active = 1; /* until it says otherwise (5.1.6.5.5) */
}

void medio_vnet_kick(struct medio_dev *dev, struct medio_virtq *queue)
{
	struct medio_vnet *vnet = medio_vnet_of(dev);
	unsigned index = medio_virtq_index(queue);

	if (is_control(vnet, index))
		medio_vnet_control(vnet, queue);
	else if (index / 2 >= vnet->active)
		return;
	else if (index & 1)
		medio_vnet_transmit(vnet, queue, UINT_MAX);
	else
		medio_vnet_refilled(vnet, queue);
}

static void receive_queue(
	struct medio_vnet *vnet, struct medio_virtq *queue, uint32_t bit, bool live)
{
	vnet->open &= ~bit;
	vnet->starved &= ~bit;
	vnet->filled &= ~bit;
	if (live) {
		vnet->open |= bit;
		/* Buffers are looked for when there is a frame. */
		medio_virtq_want_kicks(queue, false);
	}
}

void medio_vnet_queue(struct medio_dev *dev, struct medio_virtq *queue, bool live)
{
	struct medio_vnet *vnet = medio_vnet_of(dev);
	unsigned index = medio_virtq_index(queue);
	uint32_t bit = UINT32_C(1) << index / 2;

	if (is_control(vnet, index)) {
		if (live)
			control_came(vnet);
		return;
	}
	if (index & 1)
		vnet->sending = live ? vnet->sending | bit : vnet->sending & ~bit;
	else
		receive_queue(vnet, queue, bit, live);
	medio_vnet_count_pairs(vnet);
	/* A frame that waited for room here goes elsewhere. */
	net_resume(vnet->net);
}

bool medio_vnet_poll(struct medio_dev *dev)
{
	return net_poll(medio_vnet_of(dev)->net);
}

/* ---- Life ------------------------------------------------------------------------------------------ */

/* The same for the same UUID: of 64 bits that depend on all of it, 46 (FNV-1a). */
static void mac_of_uuid(const char *uuid, uint8_t mac[6])
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *uuid; uuid++)
		hash = (hash ^ (uint8_t)*uuid) * UINT64_C(0x100000001b3);
	hash ^= hash >> 29;
	medio_put_le(mac, 6, hash);
	mac[0] = (uint8_t)((mac[0] & ~3u) | 2u); /* locally administered, of one card */
}

int medio_vnet_choose_mac(struct medio_dev *dev)
{
	struct medio_vnet *vnet = medio_vnet_of(dev);
	static const uint8_t none[6];

	if (!vnet->mac) {
		mac_of_uuid(medio_dev_uuid(dev), vnet->own_mac);
		return 0;
	}
	if (!medio_vnet_mac_parse(vnet->mac, vnet->own_mac))
		return medio_fail(dev, EINVAL,
			"mac: '%s' is not six numbers such as 52:54:00:12:34:56", vnet->mac);
	if (vnet->own_mac[0] & 1 || !memcmp(vnet->own_mac, none, 6))
		return medio_fail(dev, EINVAL,
			"mac: '%s' cannot be a card's own: the first number must be even, and not "
			"all of them 0",
			vnet->mac);
	return 0;
}

static void set_up(struct medio_vnet *vnet)
{
	medio_vnet_filter_reset(&vnet->filter, vnet->own_mac);
	memset(vnet->flows, 0, sizeof(vnet->flows));
	vnet->active = 1;
	vnet->announce = vnet->commanded = vnet->send_waiting = false;
	vnet->open = vnet->sending = vnet->starved = vnet->filled = 0;
	vnet->guest_offloads = 0;
	medio_vnet_tell_macs(vnet, vnet->own_mac);
}

static int check_params(struct medio_dev *dev)
{
	const struct medio_vnet *vnet = medio_vnet_of(dev);

	if (vnet->mtu && vnet->mtu < LEAST_MTU)
		return medio_fail(dev, EINVAL,
			"mtu: %" PRIu64 " is too small: %u to %u, or 0 to say none", vnet->mtu,
			LEAST_MTU, MEDIO_VNET_MOST_MTU);
	if (vnet->pairs > 1 && !vnet->control)
		return medio_fail(dev, EINVAL,
			"queue-pairs: more than one pair needs the control queue: leave out "
			"control=off");
	return 0;
}

void medio_vnet_fini(struct medio_dev *dev)
{
	struct medio_vnet *vnet = medio_vnet_of(dev);

	net_close(vnet->net);
	free(vnet->bounce);
}

int medio_vnet_init(
	struct medio_dev *dev, const struct net_options *options, const uint8_t own_mac[6])
{
	struct medio_vnet *vnet = medio_vnet_of(dev);
	int ret = check_params(dev);

	vnet->dev = dev;
	if (own_mac)
		memcpy(vnet->own_mac, own_mac, sizeof(vnet->own_mac));
	else if (!ret)
		ret = medio_vnet_choose_mac(dev);
	if (ret)
		return ret;
	offer(dev);
	vnet->bounce = malloc(NET_MAX_FRAME);
	if (!vnet->bounce)
		return -ENOMEM;
	ret = net_open(dev, options, &events, vnet, &vnet->net);
	if (ret) {
		free(vnet->bounce);
		return ret;
	}
	set_up(vnet);
	vnet->was_up = medio_vnet_is_up(vnet);
	return 0;
}

static int vnet_init(struct medio_dev *dev)
{
	return medio_vnet_init(dev, &medio_vnet_of(dev)->options, NULL);
}

void medio_vnet_live(struct medio_dev *dev)
{
	struct medio_vnet *vnet = medio_vnet_of(dev);

	vnet->guest_offloads = medio_virtio_accepted(dev) & GUEST_BITS;
	medio_vnet_apply_offloads(vnet);
	look_for_commands(vnet);
	net_resume(vnet->net);
}

void medio_vnet_reset(struct medio_dev *dev)
{
	struct medio_vnet *vnet = medio_vnet_of(dev);

	set_up(vnet);
	medio_vnet_apply_offloads(vnet);
	/* What waited for the driver is dropped. */
	net_resume(vnet->net);
}

/* ---- The type -------------------------------------------------------------------------------------- */

static const struct medio_param params[] = {
	NET_PARAMS(struct medio_vnet, options),
	MEDIO_VNET_PARAMS(struct medio_vnet, ),
	MEDIO_VIRTIO_PARAMS_ORDERED,
	{ NULL },
};

static const struct medio_virtio_ops ops = {
	MEDIO_VNET_OPS,
	.init = vnet_init,
	.fini = medio_vnet_fini,
	.poll = medio_vnet_poll,
	.save = medio_vnet_save,
	.load = medio_vnet_load,
};

static const struct medio_virtio_type virtio = { MEDIO_VNET_VIRTIO, .ops = &ops };

static const struct medio_attr attrs[] = { MEDIO_VNET_ATTRS, { NULL } };

const struct medio_type medio_virtio_net = {
	MEDIO_VIRTIO_TYPE(
		&virtio, struct medio_vnet, VIRTIO_ID_NET, MEDIO_VNET_MAX_QUEUES, 0x020000),
	.name = "virtio-net",
	.summary = "Virtio network card",
	.description =
		"A network card for guests that have a virtio driver: to a network of its own "
		"with DHCP and NAT, a tap device, another program's socket, or a switch.",
	.params = params,
	.attrs = attrs,
};

const struct medio_type *const medio_virtio_net_types[] = { &medio_virtio_net, NULL };
