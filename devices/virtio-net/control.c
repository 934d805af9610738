/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands of the driver (5.1.6.5): a class, a command, its data, and a byte for the answer. One that is not
 * known, not negotiated or nonsense is answered with an error and changes nothing.
 */
#include "vnet.h"

#include <string.h>

#define HEAD sizeof(struct virtio_net_ctrl_hdr)

static bool has(const struct medio_vnet *vnet, unsigned bit)
{
	return medio_virtio_has(vnet->dev, bit);
}

/* The data's bytes from `from` on: len of them, or false. */
static bool get(const struct medio_virtq_chain *chain, size_t from, void *buf, size_t len)
{
	return medio_virtq_read(chain, HEAD + from, buf, len) == len;
}

static bool get_number(
	const struct medio_virtq_chain *chain, size_t from, size_t len, uint64_t *value)
{
	uint8_t bytes[8];

	if (!get(chain, from, bytes, len))
		return false;
	*value = medio_get_le(bytes, len);
	return true;
}

/* ---- What is let in (5.1.6.5.1 to 5.1.6.5.3) ----------------------------------------------------- */

static bool set_mode(
	struct medio_vnet *vnet, uint8_t command, const struct medio_virtq_chain *chain)
{
	struct medio_vnet_filter *filter = &vnet->filter;
	bool *const modes[] = {
		[VIRTIO_NET_CTRL_RX_PROMISC] = &filter->promisc,
		[VIRTIO_NET_CTRL_RX_ALLMULTI] = &filter->allmulti,
		[VIRTIO_NET_CTRL_RX_ALLUNI] = &filter->alluni,
		[VIRTIO_NET_CTRL_RX_NOMULTI] = &filter->nomulti,
		[VIRTIO_NET_CTRL_RX_NOUNI] = &filter->nouni,
		[VIRTIO_NET_CTRL_RX_NOBCAST] = &filter->nobcast,
	};
	unsigned needs = command <= VIRTIO_NET_CTRL_RX_ALLMULTI ? VIRTIO_NET_F_CTRL_RX
								: VIRTIO_NET_F_CTRL_RX_EXTRA;
	uint8_t on;

	if (command >= sizeof(modes) / sizeof(*modes) || !has(vnet, needs) ||
		!get(chain, 0, &on, 1))
		return false;
	*modes[command] = on != 0;
	return true;
}

/* One of the two tables, which begins at *at of the data; *at is then behind it. */
static bool get_macs(
	const struct medio_virtq_chain *chain, size_t *at, struct medio_vnet_macs *macs)
{
	uint64_t count;

	if (!get_number(chain, *at, 4, &count) ||
		count > (chain->out_bytes - HEAD - *at - 4) / sizeof(macs->at[0]))
		return false;
	*at += 4;
	macs->too_many = count > MEDIO_VNET_MACS;
	macs->count = macs->too_many ? 0 : (uint32_t)count;
	get(chain, *at, macs->at, macs->count * sizeof(macs->at[0]));
	*at += count * sizeof(macs->at[0]);
	return true;
}

static bool set_mac(struct medio_vnet *vnet, uint8_t command, const struct medio_virtq_chain *chain)
{
	struct medio_vnet_macs unicast = { 0 }, multicast = { 0 };
	uint8_t mac[6];
	size_t at = 0;

	if (command == VIRTIO_NET_CTRL_MAC_TABLE_SET) {
		if (!has(vnet, VIRTIO_NET_F_CTRL_RX) || !get_macs(chain, &at, &unicast) ||
			!get_macs(chain, &at, &multicast))
			return false;
		vnet->filter.unicast = unicast;
		vnet->filter.multicast = multicast;
		medio_vnet_tell_macs(vnet, vnet->filter.mac);
		return true;
	}
	/* A group's address is nobody's own, and some networks give a card no choice. */
	if (command != VIRTIO_NET_CTRL_MAC_ADDR_SET || !has(vnet, VIRTIO_NET_F_CTRL_MAC_ADDR) ||
		!get(chain, 0, mac, sizeof(mac)) || mac[0] & 1 || medio_vnet_tell_macs(vnet, mac))
		return false;
	memcpy(vnet->filter.mac, mac, sizeof(mac));
	return true;
}

static bool set_vlan(
	struct medio_vnet *vnet, uint8_t command, const struct medio_virtq_chain *chain)
{
	uint64_t vlan;

	if (!has(vnet, VIRTIO_NET_F_CTRL_VLAN) || !get_number(chain, 0, 2, &vlan) ||
		vlan >= MEDIO_VNET_VLANS)
		return false;
	uint8_t *byte = &vnet->filter.vlans[vlan / 8], bit = (uint8_t)(1u << vlan % 8);
	if (command == VIRTIO_NET_CTRL_VLAN_ADD)
		*byte |= bit;
	else if (command == VIRTIO_NET_CTRL_VLAN_DEL)
		*byte &= (uint8_t)~bit;
	else
		return false;
	return true;
}

/* ---- The rest (5.1.6.5.4 to 5.1.6.5.8) ------------------------------------------------------------ */

static bool acknowledge(struct medio_vnet *vnet, uint8_t command)
{
	if (!has(vnet, VIRTIO_NET_F_GUEST_ANNOUNCE) || command != VIRTIO_NET_CTRL_ANNOUNCE_ACK)
		return false;
	vnet->announce = false;
	return true;
}

static bool set_pairs(
	struct medio_vnet *vnet, uint8_t command, const struct medio_virtq_chain *chain)
{
	uint64_t pairs;

	if (!has(vnet, VIRTIO_NET_F_MQ) || command != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET ||
		!get_number(chain, 0, 2, &pairs) || !pairs || pairs > vnet->pairs)
		return false;
	/* What a queue that goes out of use has yet, goes out first; not what another processor adds meanwhile, for
	 * that may have no end. */
	for (unsigned i = (unsigned)pairs; i < vnet->active; i++) {
		struct medio_virtq *queue = medio_virtio_queue(vnet->dev, 2 * i + 1);
		if (queue) {
			medio_vnet_transmit(vnet, queue, medio_virtq_size(queue));
			medio_virtq_flush(queue);
		}
	}
	unsigned was = vnet->active;
	vnet->active = (unsigned)pairs;
	for (unsigned i = was; i < vnet->active; i++) {
		struct medio_virtq *queue = medio_virtio_queue(vnet->dev, 2 * i + 1);
		if (queue)
			medio_virtq_again(queue);
	}
	/* A frame may wait for room in a queue that is none any more. */
	net_resume(vnet->net);
	return true;
}

static bool set_offloads(
	struct medio_vnet *vnet, uint8_t command, const struct medio_virtq_chain *chain)
{
	uint64_t wanted, may = medio_virtio_accepted(vnet->dev) & medio_vnet_guest_bits();

	if (!has(vnet, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) ||
		command != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET ||
		!get_number(chain, 0, 8, &wanted) || wanted & ~may)
		return false;
	vnet->guest_offloads = wanted;
	medio_vnet_apply_offloads(vnet);
	return true;
}

static bool run(struct medio_vnet *vnet, const struct medio_virtq_chain *chain)
{
	struct virtio_net_ctrl_hdr head;

	if (medio_virtq_read(chain, 0, &head, HEAD) != HEAD)
		return false;
	switch (head.class) {
	case VIRTIO_NET_CTRL_RX:
		return set_mode(vnet, head.cmd, chain);
	case VIRTIO_NET_CTRL_MAC:
		return set_mac(vnet, head.cmd, chain);
	case VIRTIO_NET_CTRL_VLAN:
		return set_vlan(vnet, head.cmd, chain);
	case VIRTIO_NET_CTRL_ANNOUNCE:
		return acknowledge(vnet, head.cmd);
	case VIRTIO_NET_CTRL_MQ:
		return set_pairs(vnet, head.cmd, chain);
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
		return set_offloads(vnet, head.cmd, chain);
	}
	return false;
}

void medio_vnet_control(struct medio_vnet *vnet, struct medio_virtq *queue)
{
	struct medio_virtq_chain *chain;

	while ((chain = medio_virtq_pop(queue))) {
		uint8_t ack = VIRTIO_NET_ERR;
		if (!chain->in_bytes) {
			medio_virtq_push(chain, 0);
			medio_virtio_broken(vnet->dev,
				"queue %u: a command without a byte for its answer (5.1.6.5)",
				medio_virtq_index(queue));
			return;
		}
		if (run(vnet, chain))
			ack = VIRTIO_NET_OK;
		vnet->counts.commands++;
		vnet->counts.refused += ack != VIRTIO_NET_OK;
		medio_virtq_write(chain, 0, &ack, 1);
		medio_virtq_push(chain, 1);
	}
}
