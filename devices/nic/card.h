/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of nic: a virtio network card as a physical function, its virtual ones, and the switch between them.
 *
 *     nic.c        the type of the physical function, and its life
 *     vf.c         the type of a virtual one; what is set of it reaches its port
 *     uplink.c     the way out: the network of NET_PARAMS, at a port of the switch
 *     settings.c   what is set of virtual functions, as text
 *     attrs.c      what operators see and change
 *     state.c      settings as bytes, behind those of the card
 *
 *     a driver        a driver         a driver
 *        |               |                |
 *     virtio-net      virtio-net       virtio-net        devices/virtio-net, as they are
 *      (the PF)         (VF 0)           (VF 1)
 *        |  port         |  port          |  port        devices/net/port.c
 *     ===== the switch: devices/net/fabric.h ========
 *        |  port
 *     uplink: user, tap, socket, switch, null, loop
 *
 * Threads: the card's, which are its VFs' too.
 */
#ifndef NIC_CARD_H
#define NIC_CARD_H

#include "net/queue.h"
#include "settings.h"
#include "virtio-net/vnet.h"

struct nic;

struct nic_uplink {
	struct net *net;
	struct fabric *fabric;
	struct fabric_port *port;
	struct net_queue queue;	   /* what the network had no room for */
	struct medio_timer *later; /* gives what came while the switch was busy */
	uint64_t now;		   /* of this batch; 0: not looked yet */
};

struct nic {
	struct medio_vnet vnet; /* the physical function's; its options are the uplink's */
	/* Parameters. */
	uint64_t vfs, numvfs;
	struct medio_sriov sriov;
	struct net_options port_options;
	struct fabric *fabric;
	struct nic_uplink uplink;
	struct nic_settings settings[NIC_VFS];
	struct medio_vnet *vf[NIC_VFS]; /* NULL: it is not there */
	struct nic_mirror mirror;
};

static inline struct nic *nic_of(const struct medio_dev *dev)
{
	return medio_priv(dev);
}

/* The port with this number, or NULL. */
struct fabric_port *nic_port(const struct nic *nic, unsigned port);
/* What is set of VF n holds from now on, if it is there; and the mirror. */
void nic_apply_vf(struct nic *nic, unsigned n);
void nic_apply_mirror(struct nic *nic);

/* -errno after medio_fail(). */
int nic_uplink_open(struct nic_uplink *up, struct medio_dev *dev, const struct net_options *options,
	struct fabric *fabric);
void nic_uplink_close(struct nic_uplink *up);

#define NIC_ATTRS \
	{ "vfs/set", NULL, nic_store_vfs }, { "vfs/state", nic_show_vfs, NULL }, \
		{ "mirror", nic_show_mirror, nic_store_mirror }, \
	{ \
		"uplink", nic_show_uplink, NULL \
	}
int nic_store_vfs(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size);
ssize_t nic_show_vfs(struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size);
int nic_store_mirror(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size);
ssize_t nic_show_mirror(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size);
ssize_t nic_show_uplink(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size);
/* Of a VF: its own, as one of vfs/state. */
ssize_t nic_show_vf(struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size);

ssize_t nic_save(struct medio_dev *dev, void *buf, size_t cap);
/* What is an operator's; the driver's. */
int nic_load_early(struct medio_dev *dev, const void *buf, size_t size);
int nic_load(struct medio_dev *dev, const void *buf, size_t size);

#endif
