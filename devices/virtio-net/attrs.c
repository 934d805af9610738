/* SPDX-License-Identifier: BSD-3-Clause */
/* What operators see of a card, and change. */
#include "vnet.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static ssize_t cut(int len, size_t size)
{
	return len < 0 ? -EIO : (size_t)len < size ? len : (ssize_t)size;
}

static ssize_t show_mac(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	char text[18];

	(void)attr;
	medio_vnet_mac_print(medio_vnet_of(dev)->filter.mac, text);
	return cut(snprintf(buf, size, "%s\n", text), size);
}

/* "up"; "down" by the network; "off" by the operator. */
static ssize_t show_link(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct medio_vnet *vnet = medio_vnet_of(dev);

	(void)attr;
	return cut(snprintf(buf, size, "%s\n",
			   vnet->unplugged	    ? "off"
			   : medio_vnet_is_up(vnet) ? "up"
						    : "down"),
		size);
}

/* The word that a user wrote, without what echo puts behind it. */
static bool says(const char *buf, size_t size, const char *word)
{
	while (size && (buf[size - 1] == '\n' || buf[size - 1] == ' '))
		size--;
	return strlen(word) == size && !memcmp(buf, word, size);
}

static int store_link(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	struct medio_vnet *vnet = medio_vnet_of(dev);

	(void)attr;
	if (says(buf, size, "up") || says(buf, size, "on") || says(buf, size, "1"))
		vnet->unplugged = false;
	else if (says(buf, size, "down") || says(buf, size, "off") || says(buf, size, "0"))
		vnet->unplugged = true;
	else
		return medio_fail(dev, EINVAL, "net/link: 'up' or 'down', not '%.*s'",
			(int)(size < 32 ? size : 32), buf);
	medio_vnet_link_changed(vnet);
	return 0;
}

static ssize_t show_announce(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	(void)attr;
	return cut(
		snprintf(buf, size, "%s\n", medio_vnet_of(dev)->announce ? "asked" : "no"), size);
}

static int store_announce(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	(void)attr;
	if (!says(buf, size, "1"))
		return medio_fail(
			dev, EINVAL, "net/announce: write 1 to ask the driver to announce itself");
	if (!medio_vnet_announce(medio_vnet_of(dev)))
		return medio_fail(dev, EOPNOTSUPP,
			"net/announce: there is no driver that could (it has not accepted "
			"GUEST_ANNOUNCE, or sends its commands to somebody else)");
	return 0;
}

static ssize_t show_backend(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct medio_vnet *vnet = medio_vnet_of(dev);

	(void)attr;
	return cut(snprintf(buf, size, "%s\n", net_describe(vnet->net)), size);
}

static ssize_t show_pairs(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct medio_vnet *vnet = medio_vnet_of(dev);

	(void)attr;
	return cut(snprintf(buf, size, "%u of %" PRIu64 "\n", vnet->active, vnet->pairs), size);
}

/* Words, and how many addresses and VLANs. */
static ssize_t show_filter(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct medio_vnet_filter *f = &medio_vnet_of(dev)->filter;
	unsigned vlans = 0;

	(void)attr;
	for (size_t i = 0; i < sizeof(f->vlans); i++)
		vlans += (unsigned)__builtin_popcount(f->vlans[i]);
	return cut(snprintf(buf, size, "%s%s%s%s%s%sunicast %s%u multicast %s%u vlans %u\n",
			   f->promisc ? "promiscuous " : "", f->allmulti ? "all-multicast " : "",
			   f->alluni ? "all-unicast " : "", f->nomulti ? "no-multicast " : "",
			   f->nouni ? "no-unicast " : "", f->nobcast ? "no-broadcast " : "",
			   f->unicast.too_many ? "many " : "", f->unicast.count,
			   f->multicast.too_many ? "many " : "", f->multicast.count, vlans),
		size);
}

/* One a line: a name and a number. */
static ssize_t show_counters(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct medio_vnet *vnet = medio_vnet_of(dev);
	const struct medio_vnet_counts *c = &vnet->counts;
	struct net_counts net = { 0 };
	size_t at = 0;

	(void)attr;
	net_get_counts(vnet->net, &net);
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "sent", c->sent },
		{ "sent_bytes", c->sent_bytes },
		{ "sent_bad", c->send_bad },
		{ "sent_link_down", c->send_down },
		{ "send_waits", c->send_waits },
		{ "received", c->received },
		{ "received_bytes", c->received_bytes },
		{ "received_merged", c->merged },
		{ "received_filtered", c->filtered },
		{ "received_link_down", c->receive_down },
		{ "received_too_long", c->too_long },
		{ "receive_waits", c->receive_waits },
		{ "commands", c->commands },
		{ "commands_refused", c->refused },
		{ "network_dropped", net.dropped },
		{ "network_cut", net.cut },
		{ "network_summed", net.summed },
		{ "network_calls", net.calls },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows) && at < size; i++) {
		int len = snprintf(
			buf + at, size - at, "%s %" PRIu64 "\n", rows[i].name, rows[i].value);
		if (len < 0)
			return -EIO;
		at += (size_t)len;
	}
	return (ssize_t)(at < size ? at : size);
}

/* ---- By name --------------------------------------------------------------------------------------- */

static const struct medio_attr all[] = {
	{ "net/mac", show_mac, NULL },
	{ "net/link", show_link, store_link },
	{ "net/announce", show_announce, store_announce },
	{ "net/backend", show_backend, NULL },
	{ "net/pairs", show_pairs, NULL },
	{ "net/filter", show_filter, NULL },
	{ "net/counters", show_counters, NULL },
};

static const struct medio_attr *find(const char *name)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (!strcmp(all[i].name, name))
			return &all[i];
	return NULL;
}

ssize_t medio_vnet_attr_show(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct medio_attr *mine = find(attr->name);

	return mine ? mine->show(dev, mine, buf, size) : -ENOENT;
}

int medio_vnet_attr_store(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	const struct medio_attr *mine = find(attr->name);

	return mine && mine->store ? mine->store(dev, mine, buf, size) : -ENOENT;
}
