/* SPDX-License-Identifier: BSD-3-Clause */
#include "vnet.h"

#include <string.h>

void medio_vnet_filter_reset(struct medio_vnet_filter *filter, const uint8_t mac[6])
{
	memset(filter, 0, sizeof(*filter));
	memcpy(filter->mac, mac, sizeof(filter->mac));
	filter->promisc = true;
}

static bool knows(const struct medio_vnet_macs *macs, const uint8_t mac[6])
{
	if (macs->too_many)
		return true;
	for (uint32_t i = 0; i < macs->count; i++)
		if (!memcmp(macs->at[i], mac, 6))
			return true;
	return false;
}

/* A tag without a VLAN (number 0) only carries a priority. */
static bool wants_vlan(const struct medio_vnet_filter *filter, const uint8_t *head, size_t len)
{
	unsigned vlan;

	if (len < MEDIO_VNET_ETHERNET + 4 || head[12] != 0x81 || head[13] != 0x00)
		return true;
	vlan = (head[14] & 15u) << 8 | head[15];
	return !vlan || filter->vlans[vlan / 8] & 1u << vlan % 8;
}

bool medio_vnet_filter_wants(
	const struct medio_vnet_filter *filter, bool vlans, const uint8_t *head, size_t len)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (filter->promisc)
		return true;
	if (vlans && !wants_vlan(filter, head, len))
		return false;
	if (!memcmp(head, broadcast, 6))
		return !filter->nobcast;
	if (head[0] & 1)
		return !filter->nomulti && (filter->allmulti || knows(&filter->multicast, head));
	return !filter->nouni &&
	       (filter->alluni || !memcmp(head, filter->mac, 6) || knows(&filter->unicast, head));
}

/* What a card cannot do without: IPv6's neighbour discovery (RFC 4291, 2.7.1). */
static bool is_discovery(const uint8_t group[6])
{
	static const uint8_t all_nodes[6] = { 0x33, 0x33, 0, 0, 0, 1 };

	return !memcmp(group, all_nodes, 6) ||
	       (group[0] == 0x33 && group[1] == 0x33 && group[2] == 0xff);
}

bool medio_vnet_wants_group(void *opaque, const uint8_t group[6])
{
	const struct medio_vnet *vnet = opaque;
	const struct medio_vnet_macs *groups = &vnet->filter.multicast;

	if (!vnet->commanded || !medio_virtio_has(vnet->dev, VIRTIO_NET_F_CTRL_RX) ||
		groups->too_many)
		return is_discovery(group);
	return knows(groups, group);
}
