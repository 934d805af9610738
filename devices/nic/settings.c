/* SPDX-License-Identifier: BSD-3-Clause */
#include "settings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/rate.h"
#include "net/vlan.h"
#include "virtio-net/vnet.h"

#define LONGEST 64u /* bytes of a word that means something */

const char *const nic_link_names[] = { "auto", "on", "off", NULL };

struct reader {
	const char *at, *end;
	char *words;
	char word[LONGEST]; /* the latest */
};

static int say(struct reader *r, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int say(struct reader *r, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->words, NIC_WORDS, fmt, ap);
	va_end(ap);
	return -err;
}

static bool ends_word(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* The next word of this line. 1: there is one, in r->word; 0: the line is over; -errno: it is none of ours. */
static int next_word(struct reader *r)
{
	size_t len = 0;

	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t'))
		r->at++;
	while (r->at + len < r->end && !ends_word(r->at[len]))
		len++;
	if (!len)
		return 0;
	if (len >= sizeof(r->word) || memchr(r->at, 0, len))
		return say(r, EINVAL, "a word of %zu bytes: no such thing is known", len);
	memcpy(r->word, r->at, len);
	r->word[len] = '\0';
	r->at += len;
	return 1;
}

/* A decimal number, nothing else. */
static int read_number(const char *text, uint64_t max, uint64_t *out)
{
	size_t len = strlen(text);

	if (!len || strspn(text, "0123456789") != len)
		return -EINVAL;
	errno = 0;
	uint64_t value = strtoull(text, NULL, 10);
	if (errno || value > max)
		return -ERANGE;
	*out = value;
	return 0;
}

static int read_vf(struct reader *r, const char *text, unsigned total, unsigned *n)
{
	uint64_t number;
	int ret = read_number(text, total - 1, &number);

	if (ret == -ERANGE)
		return say(
			r, ERANGE, "VF %s: there are %u at most, 0 to %u", text, total, total - 1);
	if (!ret)
		*n = (unsigned)number;
	return ret;
}

/* ---- What can be set ------------------------------------------------------------------------------- */

typedef int set_fn(struct reader *r, unsigned n, struct nic_settings *settings, const char *value);

static int set_mac(struct reader *r, unsigned n, struct nic_settings *settings, const char *value)
{
	static const uint8_t none[6];
	uint8_t mac[6];

	if (!medio_vnet_mac_parse(value, mac))
		return say(r, EINVAL, "VF %u: mac=%s is not six numbers such as 52:54:00:12:34:56",
			n, value);
	if (mac[0] & 1 || !memcmp(mac, none, 6))
		return say(r, EINVAL,
			"VF %u: mac=%s cannot be a card's own: the first number must be even, and "
			"not all of them 0",
			n, value);
	memcpy(settings->port.mac, mac, 6);
	return 0;
}

static int set_number(struct reader *r, unsigned n, const char *name, const char *value,
	uint64_t max, const char *range, uint64_t *out)
{
	int ret = read_number(value, max, out);

	return ret ? say(r, -ret, "VF %u: %s=%s: %s", n, name, value, range) : 0;
}

static int set_vlan(struct reader *r, unsigned n, struct nic_settings *settings, const char *value)
{
	uint64_t vlan = 0;
	int ret = set_number(r, n, "vlan", value, VLAN_MAX, "0 (none) to 4094", &vlan);

	if (!ret)
		settings->port.vlan = (uint16_t)vlan;
	return ret;
}

static int set_qos(struct reader *r, unsigned n, struct nic_settings *settings, const char *value)
{
	uint64_t qos = 0;

	(void)settings;
	return set_number(r, n, "qos", value, 0, "0 only, frames have no priorities here", &qos);
}

static int set_rate(struct reader *r, unsigned n, struct nic_settings *settings, const char *value)
{
	uint64_t rate = 0;
	int ret = set_number(
		r, n, "rate", value, RATE_MAX, "0 (no limit) to 1000000, in Mbit/s", &rate);

	if (!ret)
		settings->port.rate = (uint32_t)rate;
	return ret;
}

static int read_switch(struct reader *r, unsigned n, const char *name, const char *value, bool *out)
{
	bool on = !strcmp(value, "on");

	if (!on && strcmp(value, "off") != 0)
		return say(r, EINVAL, "VF %u: %s=%s: on or off", n, name, value);
	*out = on;
	return 0;
}

static int set_spoofchk(
	struct reader *r, unsigned n, struct nic_settings *settings, const char *value)
{
	return read_switch(r, n, "spoofchk", value, &settings->port.spoofchk);
}

static int set_trust(struct reader *r, unsigned n, struct nic_settings *settings, const char *value)
{
	return read_switch(r, n, "trust", value, &settings->port.trust);
}

static int set_link(struct reader *r, unsigned n, struct nic_settings *settings, const char *value)
{
	static const char *const ips[] = { "auto", "enable", "disable" };

	for (unsigned i = 0; i < sizeof(ips) / sizeof(*ips); i++) {
		if (strcmp(value, nic_link_names[i]) != 0 && strcmp(value, ips[i]) != 0)
			continue;
		settings->port.link = (enum fabric_link)i;
		return 0;
	}
	return say(r, EINVAL, "VF %u: link=%s: auto (as the uplink), on or off", n, value);
}

static const struct {
	const char *name;
	set_fn *set;
} keys[] = {
	{ "mac", set_mac },
	{ "vlan", set_vlan },
	{ "qos", set_qos },
	{ "rate", set_rate },
	{ "spoofchk", set_spoofchk },
	{ "trust", set_trust },
	{ "link", set_link },
	{ "state", set_link },
};

/* r->word is one. */
static int read_setting(struct reader *r, unsigned n, struct nic_settings *settings)
{
	char *value = strchr(r->word, '=');

	if (!value)
		return say(r, EINVAL, "VF %u: '%s' is not of the form NAME=VALUE", n, r->word);
	*value++ = '\0';
	for (unsigned i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		if (strcmp(keys[i].name, r->word) != 0)
			continue;
		settings->changed = true;
		return keys[i].set(r, n, settings, value);
	}
	return say(r, EINVAL,
		"VF %u: no setting '%s'; there are mac, vlan, qos, rate, spoofchk, trust and link",
		n, r->word);
}

/* ---- Lines ----------------------------------------------------------------------------------------- */

static int read_line(struct reader *r, struct nic_settings *settings, unsigned total)
{
	unsigned n = 0, count = 0;
	int more = next_word(r);

	if (more <= 0)
		return more;
	int ret = read_vf(r, r->word, total, &n);
	if (ret == -EINVAL)
		return say(r, EINVAL, "'%s' is not the number of a VF, which comes first", r->word);
	while (!ret && (more = next_word(r)) > 0) {
		ret = read_setting(r, n, &settings[n]);
		count++;
	}
	if (ret || more < 0)
		return ret ? ret : more;
	if (!count)
		return say(r, EINVAL, "VF %u: nothing is set; say for example vlan=7", n);
	return 0;
}

/* Two with one address would take each other's frames. */
static int check_macs(
	struct reader *r, const struct nic_settings *settings, unsigned total, const uint8_t pf[6])
{
	for (unsigned i = 0; i < total; i++) {
		const uint8_t *mac = settings[i].port.mac;
		char text[18];

		if (!settings[i].changed)
			continue;
		medio_vnet_mac_print(mac, text);
		if (!memcmp(mac, pf, 6))
			return say(r, EINVAL, "VF %u: mac=%s is the physical function's", i, text);
		for (unsigned k = 0; k < total; k++) {
			if (k != i && !memcmp(mac, settings[k].port.mac, 6))
				return say(r, EINVAL, "VF %u: mac=%s is that of VF %u", i, text, k);
		}
	}
	return 0;
}

int nic_settings_read(const char *text, size_t size, const uint8_t pf[6],
	struct nic_settings *settings, unsigned total, char words[NIC_WORDS])
{
	struct reader r = { .at = text, .end = text + size, .words = words };
	struct nic_settings changed[NIC_VFS];
	int ret = 0;

	words[0] = '\0';
	memcpy(changed, settings, total * sizeof(*settings));
	while (!ret && r.at < r.end) {
		ret = read_line(&r, changed, total);
		if (!ret && r.at < r.end && *r.at == '\n')
			r.at++;
	}
	if (!ret)
		ret = check_macs(&r, changed, total, pf);
	if (!ret)
		memcpy(settings, changed, total * sizeof(*settings));
	return ret;
}

/* ---- The mirror ------------------------------------------------------------------------------------ */

static int read_port(struct reader *r, unsigned total, unsigned *port)
{
	int ret = 0;

	if (!strcmp(r->word, "pf"))
		*port = NIC_PORT_PF;
	else if (!strcmp(r->word, "uplink"))
		*port = NIC_PORT_UPLINK;
	else
		ret = read_vf(r, r->word, total, port);
	if (ret == -EINVAL)
		return say(r, EINVAL, "'%s' is no port: the number of a VF, pf or uplink", r->word);
	return ret;
}

static int read_sources(struct reader *r, unsigned total, struct nic_mirror *mirror)
{
	unsigned port = 0, count = 0;
	int more, ret = 0;

	while (!ret && (more = next_word(r)) > 0) {
		count++;
		if (!strcmp(r->word, "all")) {
			for (unsigned i = 0; i < NIC_PORTS; i++)
				mirror->from[i] = i != mirror->to && (i < total || i >= NIC_VFS);
			continue;
		}
		ret = read_port(r, total, &port);
		if (!ret && port == mirror->to)
			ret = say(r, EINVAL, "'%s' cannot get copies of its own frames", r->word);
		if (!ret)
			mirror->from[port] = true;
	}
	if (!ret && more < 0)
		ret = more;
	if (!ret && !count)
		ret = say(r, EINVAL, "whose frames? Say numbers of VFs, pf, uplink or all");
	return ret;
}

int nic_mirror_read(const char *text, size_t size, unsigned total, struct nic_mirror *mirror,
	char words[NIC_WORDS])
{
	struct reader r = { .at = text, .end = text + size, .words = words };
	struct nic_mirror asked = { .to = NIC_NO_MIRROR };
	unsigned to = 0;

	words[0] = '\0';
	if (r.at < r.end && r.end[-1] == '\n')
		r.end--;
	int ret = next_word(&r);
	if (!ret)
		ret = say(&r, EINVAL,
			"'off', or a port and those that it gets copies of: '3 pf uplink'");
	if (ret < 0)
		return ret;
	ret = 0;
	if (strcmp(r.word, "off") != 0) {
		ret = read_port(&r, total, &to);
		asked.to = (uint16_t)to;
		if (!ret)
			ret = read_sources(&r, total, &asked);
	}
	if (!ret && r.at < r.end)
		ret = say(&r, EINVAL, "there is more behind it: one line is all");
	if (!ret)
		*mirror = asked;
	return ret;
}

static void put(char *buf, size_t size, size_t *len, unsigned port)
{
	char number[12];
	const char *name = port == NIC_PORT_PF ? "pf" : "uplink";

	if (port < NIC_VFS) {
		snprintf(number, sizeof(number), "%u", port);
		name = number;
	}
	int n = snprintf(*len < size ? buf + *len : NULL, *len < size ? size - *len : 0, "%s%s",
		*len ? " " : "", name);
	*len += n > 0 ? (size_t)n : 0;
}

size_t nic_mirror_print(const struct nic_mirror *mirror, char *buf, size_t size)
{
	size_t len = 0;

	if (mirror->to == NIC_NO_MIRROR)
		return (size_t)snprintf(buf, size, "off\n");
	put(buf, size, &len, mirror->to);
	for (unsigned i = 0; i < NIC_PORTS; i++) {
		if (mirror->from[i])
			put(buf, size, &len, i);
	}
	if (len < size)
		buf[len] = '\n';
	return len + 1;
}
