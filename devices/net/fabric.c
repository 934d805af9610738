/* SPDX-License-Identifier: BSD-3-Clause */
/* The ports of a switch: which there are, and what each may. */
#include "fabric.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fabric_inside.h"

/* ---- Own addresses --------------------------------------------------------------------------------- */

static unsigned own_slot(const struct fabric *f, const uint8_t mac[6])
{
	uint64_t key = (medio_get_le(mac, 6) ^ f->seed) * UINT64_C(0x9e3779b97f4a7c15);

	return (unsigned)(key >> 40) & (FABRIC_OWN - 1);
}

struct fabric_port *fabric_owner(const struct fabric *f, const uint8_t mac[6])
{
	unsigned i = own_slot(f, mac);

	/* It is never full. */
	while (f->own[i] && memcmp(f->own[i]->settings.mac, mac, 6) != 0)
		i = (i + 1) & (FABRIC_OWN - 1);
	return f->own[i];
}

_Static_assert(FABRIC_OWN > 2 * FABRIC_PORTS, "the table of own addresses is never half full");

static void own_put(struct fabric *f, struct fabric_port *port)
{
	unsigned i = own_slot(f, port->settings.mac);

	while (f->own[i])
		i = (i + 1) & (FABRIC_OWN - 1);
	f->own[i] = port;
}

/* The lists that go by what ports are set to. */
static void sort_ports(struct fabric *f)
{
	memset(f->own, 0, sizeof(f->own));
	f->num_trusted = 0;
	for (unsigned i = 0; i < f->num_ports; i++) {
		struct fabric_port *port = f->ports[i];
		if (port->settings.has_mac)
			own_put(f, port);
		if (port->settings.trust)
			f->trusted[f->num_trusted++] = port;
	}
}

/* ---- Links ----------------------------------------------------------------------------------------- */

static void look_at_link(struct fabric_port *port)
{
	bool up = port->settings.link == FABRIC_LINK_AUTO ? port->fabric->carrier
							  : port->settings.link == FABRIC_LINK_ON;

	if (up == port->up)
		return;
	port->up = up;
	if (port->ops->link)
		port->ops->link(port->opaque, up);
}

void fabric_set_carrier(struct fabric *f, bool up)
{
	f->carrier = up;
	for (unsigned i = 0; i < f->num_ports; i++)
		look_at_link(f->ports[i]);
}

/* ---- Ports ----------------------------------------------------------------------------------------- */

struct fabric_port *fabric_port_new(
	struct fabric *f, const struct fabric_port_ops *ops, void *opaque)
{
	if (f->num_ports == FABRIC_PORTS)
		return NULL;
	struct fabric_port *port = calloc(1, sizeof(*port));
	if (!port)
		return NULL;
	port->fabric = f;
	port->ops = ops;
	port->opaque = opaque;
	port->settings = (struct fabric_settings){ .trust = true, .link = FABRIC_LINK_ON };
	port->up = true;
	f->ports[f->num_ports++] = port;
	sort_ports(f);
	return port;
}

/* Take port out of a list. The order of the rest stays. */
static unsigned take_out(struct fabric_port **list, unsigned n, const struct fabric_port *port)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++) {
		if (list[i] != port)
			list[kept++] = list[i];
	}
	return kept;
}

void fabric_port_free(struct fabric_port *port)
{
	if (!port)
		return;
	struct fabric *f = port->fabric;
	f->num_ports = take_out(f->ports, f->num_ports, port);
	f->num_touched = take_out(f->touched, f->num_touched, port);
	if (f->mirror == port)
		f->mirror = NULL;
	stations_forget(&f->stations, &port->owner);
	sort_ports(f);
	free(port);
}

static void set_rate(struct fabric_port *port, uint32_t mbit)
{
	bool waited = port->waiting;

	rate_set(&port->rate, mbit);
	port->waiting = false;
	if (waited && port->ops->room)
		port->ops->room(port->opaque);
}

void fabric_port_set(struct fabric_port *port, const struct fabric_settings *settings)
{
	struct fabric_settings before = port->settings;

	port->settings = *settings;
	/* What was learned of it may not hold any more. */
	if (before.vlan != settings->vlan || before.trust != settings->trust)
		stations_forget(&port->fabric->stations, &port->owner);
	sort_ports(port->fabric);
	look_at_link(port);
	if (before.rate != settings->rate)
		set_rate(port, settings->rate);
}

void fabric_port_set_mirrored(struct fabric_port *port, bool on)
{
	port->mirrored = on;
}

void fabric_set_mirror(struct fabric *f, struct fabric_port *to)
{
	f->mirror = to;
}

int fabric_port_set_macs(
	struct fabric_port *port, const uint8_t mac[6], const uint8_t (*others)[6], unsigned count)
{
	const struct fabric_settings *settings = &port->settings;

	if (!settings->trust && settings->has_mac && memcmp(mac, settings->mac, 6) != 0)
		return -EPERM;
	port->num_macs = 1 + (count < FABRIC_MACS ? count : FABRIC_MACS);
	memcpy(port->macs[0], mac, 6);
	for (unsigned i = 1; i < port->num_macs; i++)
		memcpy(port->macs[i], others[i - 1], 6);
	return 0;
}

bool fabric_port_is_up(const struct fabric_port *port)
{
	return port->up;
}

const struct fabric_counts *fabric_port_counts(const struct fabric_port *port)
{
	return &port->counts;
}

unsigned fabric_num_ports(const struct fabric *f)
{
	return f->num_ports;
}

struct fabric *fabric_of(const struct fabric_port *port)
{
	return port->fabric;
}

/* ---- Life ------------------------------------------------------------------------------------------ */

struct fabric *fabric_new(uint64_t seed)
{
	struct fabric *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->seed = f->stations.seed = seed;
	f->carrier = true;
	return f;
}

void fabric_free(struct fabric *f)
{
	free(f);
}
