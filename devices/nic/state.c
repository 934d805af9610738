/* SPDX-License-Identifier: BSD-3-Clause */
/* What is set of virtual functions and the mirror, as bytes: for another process to go on with. */
#include <errno.h>
#include <string.h>

#include "card.h"
#include "net/rate.h"
#include "net/vlan.h"

#define VERSION 1u

enum { SPOOFCHK = 1, TRUST = 2, CHANGED = 4 };

struct saved_vf {
	uint8_t mac[6];
	uint8_t vlan[2];
	uint8_t rate[4];
	uint8_t flags, link, zero[2];
};

/* In front of what virtio-net saves. */
struct saved {
	uint8_t version[4];
	uint8_t total[4];
	uint8_t mirror_to[2];
	uint8_t zero[2];
	uint8_t mirror_from[NIC_PORTS]; /* 0 or 1 */
	uint8_t pad[2];
	struct saved_vf vfs[NIC_VFS];
};
_Static_assert(sizeof(struct saved) == 272 + 16 * NIC_VFS, "no gaps");

static void put_vf(const struct nic_settings *settings, struct saved_vf *out)
{
	const struct fabric_settings *port = &settings->port;

	memcpy(out->mac, port->mac, 6);
	medio_put_le(out->vlan, 2, port->vlan);
	medio_put_le(out->rate, 4, port->rate);
	out->flags = (uint8_t)((port->spoofchk ? SPOOFCHK : 0) | (port->trust ? TRUST : 0) |
			       (settings->changed ? CHANGED : 0));
	out->link = (uint8_t)port->link;
}

ssize_t nic_save(struct medio_dev *dev, void *buf, size_t cap)
{
	const struct nic *nic = nic_of(dev);
	struct saved s = { 0 };
	bool room = cap > sizeof(s);
	ssize_t card = medio_vnet_save(
		dev, room ? (uint8_t *)buf + sizeof(s) : NULL, room ? cap - sizeof(s) : 0);

	if (card < 0 || cap < sizeof(s) + (size_t)card)
		return card < 0 ? card : (ssize_t)sizeof(s) + card;
	medio_put_le(s.version, 4, VERSION);
	medio_put_le(s.total, 4, nic->vfs);
	medio_put_le(s.mirror_to, 2, nic->mirror.to);
	for (unsigned i = 0; i < NIC_PORTS; i++)
		s.mirror_from[i] = nic->mirror.from[i];
	for (unsigned i = 0; i < nic->vfs; i++)
		put_vf(&nic->settings[i], &s.vfs[i]);
	memcpy(buf, &s, sizeof(s));
	return (ssize_t)sizeof(s) + card;
}

static bool get_vf(const struct saved_vf *s, struct nic_settings *out)
{
	static const uint8_t none[6];
	uint64_t vlan = medio_get_le(s->vlan, 2), rate = medio_get_le(s->rate, 4);

	if (s->mac[0] & 1 || !memcmp(s->mac, none, 6) || vlan > VLAN_MAX || rate > RATE_MAX ||
		s->flags & ~(SPOOFCHK | TRUST | CHANGED) || s->link > FABRIC_LINK_OFF ||
		s->zero[0] || s->zero[1])
		return false;
	out->port = (struct fabric_settings){ .has_mac = true,
		.vlan = (uint16_t)vlan,
		.spoofchk = s->flags & SPOOFCHK,
		.trust = s->flags & TRUST,
		.link = (enum fabric_link)s->link,
		.rate = (uint32_t)rate };
	memcpy(out->port.mac, s->mac, 6);
	out->changed = s->flags & CHANGED;
	return true;
}

static bool are_distinct(const struct nic_settings *settings, unsigned total)
{
	for (unsigned i = 0; i < total; i++) {
		for (unsigned k = 0; k < i; k++) {
			if (!memcmp(settings[i].port.mac, settings[k].port.mac, 6))
				return false;
		}
	}
	return true;
}

static bool get_mirror(const struct saved *s, unsigned total, struct nic_mirror *out)
{
	uint64_t to = medio_get_le(s->mirror_to, 2);

	if (to != NIC_NO_MIRROR && (to >= NIC_PORTS || (to >= total && to < NIC_VFS)))
		return false;
	out->to = (uint16_t)to;
	for (unsigned i = 0; i < NIC_PORTS; i++) {
		if (s->mirror_from[i] > 1 || (s->mirror_from[i] && i == to))
			return false;
		out->from[i] = s->mirror_from[i];
	}
	return true;
}

int nic_load_early(struct medio_dev *dev, const void *buf, size_t size)
{
	struct nic *nic = nic_of(dev);
	unsigned total = (unsigned)nic->vfs;
	struct nic_settings settings[NIC_VFS];
	struct nic_mirror mirror;
	struct saved s;

	if (size < sizeof(s))
		return -EINVAL;
	memcpy(&s, buf, sizeof(s));
	if (medio_get_le(s.version, 4) != VERSION || medio_get_le(s.total, 4) != total ||
		s.zero[0] || s.zero[1] || s.pad[0] || s.pad[1] || !get_mirror(&s, total, &mirror))
		return -EINVAL;
	for (unsigned i = 0; i < total; i++) {
		if (!get_vf(&s.vfs[i], &settings[i]))
			return -EINVAL;
	}
	if (!are_distinct(settings, total))
		return -EINVAL;
	memcpy(nic->settings, settings, total * sizeof(*settings));
	nic->mirror = mirror;
	for (unsigned i = 0; i < total; i++)
		nic_apply_vf(nic, i);
	nic_apply_mirror(nic);
	return 0;
}

/* What is the driver's. */
int nic_load(struct medio_dev *dev, const void *buf, size_t size)
{
	size_t ours = sizeof(struct saved);

	return size < ours ? -EINVAL
			   : medio_vnet_load(dev, (const uint8_t *)buf + ours, size - ours);
}
