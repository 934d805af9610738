/* SPDX-License-Identifier: BSD-3-Clause */
/* nic: a virtio network card with virtual functions, which are ports of the switch that it has. */
#include "nic.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "card.h"
#include "net/port.h"

#define DEFAULT_VFS 64u

/* ---- Addresses ------------------------------------------------------------------------------------- */

/* VF n: five bytes that depend on all of the card's (FNV-1a), and n. */
static void derive_mac(const uint8_t pf[6], unsigned n, uint8_t mac[6])
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (unsigned i = 0; i < 6; i++)
		hash = (hash ^ pf[i]) * UINT64_C(0x100000001b3);
	hash ^= hash >> 29;
	medio_put_le(mac, 5, hash);
	mac[0] = (uint8_t)((mac[0] & ~3u) | 2u); /* locally administered, of one card */
	mac[5] = (uint8_t)n;
	if (!memcmp(mac, pf, 5))
		mac[1] ^= 1;
}

static void set_defaults(struct nic *nic)
{
	for (unsigned i = 0; i < NIC_VFS; i++) {
		struct fabric_settings *port = &nic->settings[i].port;

		*port = (struct fabric_settings){ .has_mac = true, .spoofchk = true };
		derive_mac(nic->vnet.own_mac, i, port->mac);
	}
	nic->mirror = (struct nic_mirror){ .to = NIC_NO_MIRROR };
}

/* ---- Life ------------------------------------------------------------------------------------------ */

static const struct medio_sriov sriov = { .vf = &medio_nic_vf, .total_vfs = DEFAULT_VFS };

static int nic_shape(struct medio_dev *dev, struct medio_type *type)
{
	struct nic *nic = nic_of(dev);

	if (nic->numvfs > nic->vfs)
		return medio_fail(dev, ERANGE,
			"numvfs=%" PRIu64 ": vfs=%" PRIu64 " is how many there can be", nic->numvfs,
			nic->vfs);
	if (nic->vfs == DEFAULT_VFS)
		return 0;
	nic->sriov = sriov;
	nic->sriov.total_vfs = (uint16_t)nic->vfs;
	type->sriov = &nic->sriov;
	return 0;
}

/* The card's own port: it is who trusts. */
static void set_own_port(struct nic *nic)
{
	struct fabric_settings own = { .has_mac = true, .trust = true };

	memcpy(own.mac, nic->vnet.own_mac, sizeof(own.mac));
	fabric_port_set(nic_port(nic, NIC_PORT_PF), &own);
}

static int open_parts(struct medio_dev *dev)
{
	struct nic *nic = nic_of(dev);
	int ret = nic_uplink_open(&nic->uplink, dev, &nic->vnet.options, nic->fabric);

	if (ret)
		return ret;
	nic->port_options.fabric = nic->fabric;
	ret = medio_vnet_init(dev, &nic->port_options, nic->vnet.own_mac);
	if (ret)
		nic_uplink_close(&nic->uplink);
	return ret;
}

static int nic_init(struct medio_dev *dev)
{
	struct nic *nic = nic_of(dev);
	int ret = medio_vnet_choose_mac(dev);

	if (ret)
		return ret;
	set_defaults(nic);
	nic->fabric = fabric_new(medio_now_ns() ^ (uintptr_t)nic);
	if (!nic->fabric)
		return medio_fail(dev, ENOMEM, "no memory for a switch");
	ret = open_parts(dev);
	if (ret) {
		fabric_free(nic->fabric);
		return ret;
	}
	set_own_port(nic);
	return 0;
}

static void nic_fini(struct medio_dev *dev)
{
	struct nic *nic = nic_of(dev);

	medio_vnet_fini(dev);
	nic_uplink_close(&nic->uplink);
	fabric_free(nic->fabric);
}

/* Who polls looks at the way out too. */
static bool nic_poll(struct medio_dev *dev)
{
	return net_poll(nic_of(dev)->uplink.net);
}

/* ---- The type -------------------------------------------------------------------------------------- */

static const struct medio_param params[] = {
	{ .name = "vfs",
		.kind = MEDIO_PARAM_UINT,
		.offset = offsetof(struct nic, vfs),
		.deflt = "64",
		.help = "virtual functions that there can be (TotalVFs)",
		.min = 1,
		.max = NIC_VFS },
	{ .name = "numvfs",
		.kind = MEDIO_PARAM_UINT,
		.offset = offsetof(struct nic, numvfs),
		.deflt = "0",
		.help = "virtual functions that there are from the start",
		.max = NIC_VFS },
	NET_PARAMS(struct nic, vnet.options),
	MEDIO_VNET_PARAMS(struct nic, vnet.),
	MEDIO_VIRTIO_PARAMS_ORDERED,
	{ NULL },
};

static const struct medio_attr attrs[] = { MEDIO_VNET_ATTRS, NIC_ATTRS, { NULL } };

static const struct medio_virtio_ops ops = {
	MEDIO_VNET_OPS,
	.shape = nic_shape,
	.init = nic_init,
	.fini = nic_fini,
	.poll = nic_poll,
	.save = nic_save,
	.load = nic_load,
	.load_early = nic_load_early,
};

static const struct medio_virtio_type virtio = { MEDIO_VNET_VIRTIO, .ops = &ops };

const struct medio_type medio_nic = {
	MEDIO_VIRTIO_TYPE_CAPS(&virtio, struct nic, VIRTIO_ID_NET, MEDIO_VNET_MAX_QUEUES, 0x020000,
		medio_virtio_pcie_caps),
	.name = "nic",
	.summary = "Virtio network card with virtual functions",
	.description =
		"A network card with SR-IOV: up to 256 virtual functions, each a card of its own for "
		"another guest or driver, and between them a switch with VLANs, anti-spoofing, "
		"rates and a mirror.",
	.params = params,
	.attrs = attrs,
	.sriov = &sriov,
};

const struct medio_type *const medio_nic_types[] = { &medio_nic, &medio_nic_vf, NULL };
