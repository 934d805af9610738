/* SPDX-License-Identifier: BSD-3-Clause */
/* nic-vf: a virtual function, a virtio network card at a port of its physical function's switch. */
#include <errno.h>
#include <string.h>

#include "card.h"
#include "net/port.h"
#include "nic.h"

/* ---- What is set of it ----------------------------------------------------------------------------- */

struct fabric_port *nic_port(const struct nic *nic, unsigned port)
{
	if (port == NIC_PORT_UPLINK)
		return nic->uplink.port;
	const struct medio_vnet *vnet = port == NIC_PORT_PF ? &nic->vnet : nic->vf[port];
	return vnet ? net_port_of(vnet->net) : NULL;
}

void nic_apply_vf(struct nic *nic, unsigned n)
{
	const struct fabric_settings *settings = &nic->settings[n].port;
	struct medio_vnet *vnet = nic->vf[n];

	if (!vnet)
		return;
	fabric_port_set(net_port_of(vnet->net), settings);
	if (memcmp(vnet->own_mac, settings->mac, 6) != 0)
		medio_vnet_set_own_mac(vnet, settings->mac);
}

void nic_apply_mirror(struct nic *nic)
{
	const struct nic_mirror *mirror = &nic->mirror;
	bool on = mirror->to != NIC_NO_MIRROR;

	for (unsigned i = 0; i < NIC_PORTS; i++) {
		struct fabric_port *port = nic_port(nic, i);
		if (port)
			fabric_port_set_mirrored(port, mirror->from[i]);
	}
	fabric_set_mirror(nic->fabric, on ? nic_port(nic, mirror->to) : NULL);
}

/* ---- Life ------------------------------------------------------------------------------------------ */

/* It has no parameters: it is as its physical function says. */
static int vf_shape(struct medio_dev *dev, struct medio_type *type)
{
	const struct medio_dev *pf = medio_vf_pf(dev);
	struct medio_vnet *vnet = medio_vnet_of(dev);

	(void)type;
	if (!pf)
		return medio_fail(dev, ENODEV,
			"a virtual function comes with its card: make a 'nic', and say how many it is to "
			"have (numvfs)");
	const struct medio_vnet *of = medio_vnet_of(pf);
	vnet->mtu = of->mtu;
	vnet->pairs = of->pairs;
	vnet->speed = of->speed;
	vnet->offloads = of->offloads;
	vnet->mergeable = of->mergeable;
	vnet->control = of->control;
	return 0;
}

static int vf_init(struct medio_dev *dev)
{
	struct nic *nic = nic_of(medio_vf_pf(dev));
	unsigned n = medio_vf_index(dev);
	int ret = medio_vnet_init(dev, &nic->port_options, nic->settings[n].port.mac);

	if (ret)
		return ret;
	nic->vf[n] = medio_vnet_of(dev);
	nic_apply_vf(nic, n);
	nic_apply_mirror(nic);
	return 0;
}

static void vf_fini(struct medio_dev *dev)
{
	nic_of(medio_vf_pf(dev))->vf[medio_vf_index(dev)] = NULL;
	medio_vnet_fini(dev);
}

/* ---- The type -------------------------------------------------------------------------------------- */

static const struct medio_attr attrs[] = {
	MEDIO_VNET_ATTRS,
	{ "vf/state", nic_show_vf, NULL },
	{ NULL },
};

static const struct medio_virtio_ops ops = {
	MEDIO_VNET_OPS,
	.shape = vf_shape,
	.init = vf_init,
	.fini = vf_fini,
	.poll = medio_vnet_poll,
	.save = medio_vnet_save,
	.load = medio_vnet_load,
};

static const struct medio_virtio_type virtio = { MEDIO_VNET_VIRTIO, .ops = &ops };

const struct medio_type medio_nic_vf = {
	MEDIO_VIRTIO_VF_TYPE(
		&virtio, struct medio_vnet, VIRTIO_ID_NET, MEDIO_VNET_MAX_QUEUES, 0x020000),
	.name = "nic-vf",
	.summary = "Virtual function of a nic",
	.description = "Made by writing sriov_numvfs of a card of type nic.",
	.attrs = attrs,
};
