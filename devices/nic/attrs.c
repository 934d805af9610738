/* SPDX-License-Identifier: BSD-3-Clause */
/* What operators see of virtual functions, and change. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "card.h"

/* ---- vfs/set --------------------------------------------------------------------------------------- */

int nic_store_vfs(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	struct nic *nic = nic_of(dev);
	unsigned total = (unsigned)nic->vfs;
	char words[NIC_WORDS];
	int ret = nic_settings_read(buf, size, nic->vnet.own_mac, nic->settings, total, words);
	if (ret)
		return medio_fail(dev, -ret, "%s: %s", attr->name, words);
	for (unsigned i = 0; i < total; i++)
		nic_apply_vf(nic, i);
	return 0;
}

/* ---- vfs/state ------------------------------------------------------------------------------------- */

struct text {
	char *buf;
	size_t size, len;
};

static void say(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(t->len < t->size ? t->buf + t->len : NULL,
		t->len < t->size ? t->size - t->len : 0, fmt, ap);
	va_end(ap);
	t->len += n > 0 ? (size_t)n : 0;
}

static ssize_t end(const struct text *t)
{
	return t->len < t->size ? (ssize_t)t->len : -ENOBUFS;
}

static const char *json_bool(bool value)
{
	return value ? "true" : "false";
}

static void say_vf(struct text *t, const struct nic *nic, unsigned n)
{
	static const struct fabric_counts none;
	const struct fabric_settings *s = &nic->settings[n].port;
	const struct fabric_port *port = nic_port(nic, n);
	const struct fabric_counts *c = port ? fabric_port_counts(port) : &none;
	char mac[18];

	medio_vnet_mac_print(s->mac, mac);
	say(t,
		"{\"vf\":%u,\"present\":%s,\"mac\":\"%s\",\"vlan\":%u,\"qos\":0,\"rate\":%" PRIu32
		",\"spoofchk\":%s,\"trust\":%s,\"link\":\"%s\",\"up\":%s",
		n, json_bool(port), mac, s->vlan, s->rate, json_bool(s->spoofchk),
		json_bool(s->trust), nic_link_names[s->link],
		json_bool(port && fabric_port_is_up(port)));
	say(t,
		",\"rx_packets\":%" PRIu64 ",\"rx_bytes\":%" PRIu64 ",\"tx_packets\":%" PRIu64
		",\"tx_bytes\":%" PRIu64 ",\"dropped\":%" PRIu64 ",\"spoofed\":%" PRIu64
		",\"limited\":%" PRIu64 "}",
		c->received, c->received_bytes, c->sent, c->sent_bytes, c->dropped, c->spoofed,
		c->limited);
}

/* Those that are there, and up to the last of which something was set. */
ssize_t nic_show_vfs(struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct nic *nic = nic_of(dev);
	struct text t = { buf, size, 0 };
	unsigned count = 0;

	(void)attr;
	for (unsigned i = 0; i < NIC_VFS; i++)
		count = nic->vf[i] || nic->settings[i].changed ? i + 1 : count;
	for (unsigned i = 0; i < count; i++) {
		say(&t, i ? ",\n " : "[");
		say_vf(&t, nic, i);
	}
	say(&t, "%s]\n", count ? "" : "[");
	return end(&t);
}

ssize_t nic_show_vf(struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	struct text t = { buf, size, 0 };

	(void)attr;
	say_vf(&t, nic_of(medio_vf_pf(dev)), medio_vf_index(dev));
	say(&t, "\n");
	return end(&t);
}

/* ---- mirror, uplink -------------------------------------------------------------------------------- */

int nic_store_mirror(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	struct nic *nic = nic_of(dev);
	char words[NIC_WORDS];
	int ret = nic_mirror_read(buf, size, (unsigned)nic->vfs, &nic->mirror, words);

	if (ret)
		return medio_fail(dev, -ret, "%s: %s", attr->name, words);
	nic_apply_mirror(nic);
	return 0;
}

ssize_t nic_show_mirror(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	size_t len = nic_mirror_print(&nic_of(dev)->mirror, buf, size);

	(void)attr;
	return len <= size ? (ssize_t)len : -ENOBUFS;
}

ssize_t nic_show_uplink(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct net *net = nic_of(dev)->uplink.net;
	struct text t = { buf, size, 0 };

	(void)attr;
	say(&t, "%s: %s\n", net_is_up(net) ? "up" : "down", net_describe(net));
	return end(&t);
}
