/* SPDX-License-Identifier: BSD-3-Clause */
/* What the driver has set up by commands, for another process to go on with. */
#include "vnet.h"

#include <errno.h>
#include <string.h>

#define VERSION 1u

struct saved {
	uint32_t version, active;
	uint64_t guest_offloads;
	uint8_t promisc, allmulti, alluni, nomulti, nouni, nobcast, mac[6];
	uint8_t announce, unplugged, zero[2];
	struct {
		uint32_t count, too_many;
		uint8_t at[MEDIO_VNET_MACS][6];
	} unicast, multicast;
	uint8_t vlans[MEDIO_VNET_VLANS / 8];
	uint8_t flows[MEDIO_VNET_FLOWS];
};

ssize_t medio_vnet_save(struct medio_dev *dev, void *buf, size_t cap)
{
	const struct medio_vnet *vnet = medio_vnet_of(dev);
	const struct medio_vnet_filter *filter = &vnet->filter;
	struct saved s = { .version = VERSION,
		.active = vnet->active,
		.guest_offloads = vnet->guest_offloads,
		.promisc = filter->promisc,
		.allmulti = filter->allmulti,
		.alluni = filter->alluni,
		.nomulti = filter->nomulti,
		.nouni = filter->nouni,
		.nobcast = filter->nobcast,
		.announce = vnet->announce,
		.unplugged = vnet->unplugged,
		.unicast = { .count = filter->unicast.count, .too_many = filter->unicast.too_many },
		.multicast = { .count = filter->multicast.count,
			.too_many = filter->multicast.too_many } };

	if (cap >= sizeof(s)) {
		memcpy(s.mac, filter->mac, sizeof(s.mac));
		memcpy(s.unicast.at, filter->unicast.at, sizeof(s.unicast.at));
		memcpy(s.multicast.at, filter->multicast.at, sizeof(s.multicast.at));
		memcpy(s.vlans, filter->vlans, sizeof(s.vlans));
		memcpy(s.flows, vnet->flows, sizeof(s.flows));
		memcpy(buf, &s, sizeof(s));
	}
	return sizeof(s);
}

static bool is_possible(const struct medio_vnet *vnet, const struct saved *s)
{
	const uint8_t *flags[] = { &s->promisc, &s->allmulti, &s->alluni, &s->nomulti, &s->nouni,
		&s->nobcast, &s->announce, &s->unplugged };

	if (s->version != VERSION || !s->active || s->active > vnet->pairs ||
		s->guest_offloads & ~medio_vnet_guest_bits() || s->mac[0] & 1 || s->zero[0] ||
		s->zero[1])
		return false;
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (*flags[i] > 1)
			return false;
	for (size_t i = 0; i < sizeof(s->flows); i++)
		if (s->flows[i] > vnet->pairs)
			return false;
	return s->unicast.count <= MEDIO_VNET_MACS && s->unicast.too_many <= 1 &&
	       s->multicast.count <= MEDIO_VNET_MACS && s->multicast.too_many <= 1;
}

int medio_vnet_load(struct medio_dev *dev, const void *buf, size_t size)
{
	struct medio_vnet *vnet = medio_vnet_of(dev);
	struct medio_vnet_filter *filter = &vnet->filter;
	struct saved s;

	if (size != sizeof(s))
		return -EINVAL;
	memcpy(&s, buf, sizeof(s));
	if (!is_possible(vnet, &s))
		return -EINVAL;
	*filter = (struct medio_vnet_filter){ .promisc = s.promisc,
		.allmulti = s.allmulti,
		.alluni = s.alluni,
		.nomulti = s.nomulti,
		.nouni = s.nouni,
		.nobcast = s.nobcast,
		.unicast = { .count = s.unicast.count, .too_many = s.unicast.too_many },
		.multicast = { .count = s.multicast.count, .too_many = s.multicast.too_many } };
	memcpy(filter->mac, s.mac, sizeof(s.mac));
	memcpy(filter->unicast.at, s.unicast.at, sizeof(s.unicast.at));
	memcpy(filter->multicast.at, s.multicast.at, sizeof(s.multicast.at));
	memcpy(filter->vlans, s.vlans, sizeof(s.vlans));
	if (medio_vnet_tell_macs(vnet, filter->mac)) { /* not at this place of the network */
		memcpy(filter->mac, vnet->own_mac, sizeof(filter->mac));
		medio_vnet_tell_macs(vnet, filter->mac);
	}
	memcpy(vnet->flows, s.flows, sizeof(s.flows));
	vnet->active = s.active;
	/* Nobody could take back what was commanded elsewhere. */
	if (medio_virtio_is_live(dev) && !vnet->commanded) {
		filter->promisc = true;
		medio_vnet_count_pairs(vnet);
	}
	/* Of a device that is not live nothing was accepted. */
	vnet->guest_offloads = s.guest_offloads & medio_virtio_accepted(dev);
	vnet->announce = s.announce;
	vnet->unplugged = s.unplugged;
	medio_vnet_apply_offloads(vnet);
	/* It may be at another place of the network now. */
	medio_vnet_link_changed(vnet);
	medio_vnet_announce(vnet);
	return 0;
}
