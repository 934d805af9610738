/* SPDX-License-Identifier: BSD-3-Clause */
#include "net-describe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "net-frame.h"
#include "util/cleanup.h"

/* Types of Ethernet's header, of IEEE 802's list. */
enum { IPV4 = 0x0800, ARP = 0x0806, VLAN = 0x8100, IPV6 = 0x86dd, SERVICE_VLAN = 0x88a8 };
enum { LEAST_TYPE = 0x0600 }; /* below it is a length (IEEE 802.3) */

/* Protocols over IP, of IANA's list. */
enum { ICMP = 1, TCP = 6, UDP = 17, ICMPV6 = 58 };

static const struct {
	uint16_t type;
	const char *name;
} kinds[] = {
	{ IPV4, "IPv4" },
	{ ARP, "ARP" },
	{ 0x0842, "Wake-on-LAN" },
	{ IPV6, "IPv6" },
	{ 0x8847, "MPLS" },
	{ 0x8863, "PPPoE discovery" },
	{ 0x8864, "PPPoE" },
	{ 0x888e, "802.1X" },
	{ MEDIO_NET_TEST_TYPE, "test" },
	{ 0x88cc, "LLDP" },
	{ 0x88f7, "PTP" },
};

static const struct {
	uint8_t number;
	const char *name;
} protocols[] = {
	{ 0, "hop-by-hop options" },
	{ ICMP, "ICMP" },
	{ 2, "IGMP" },
	{ TCP, "TCP" },
	{ UDP, "UDP" },
	{ 41, "IPv6" },
	{ 43, "routing header" },
	{ 44, "fragment" },
	{ 47, "GRE" },
	{ 50, "ESP" },
	{ 51, "AH" },
	{ ICMPV6, "ICMPv6" },
	{ 59, "nothing" },
	{ 89, "OSPF" },
	{ 132, "SCTP" },
};

/* What is left of a frame. */
struct rest {
	const uint8_t *at;
	size_t len;
};

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* Append to an array; what does not fit is left out. */
#define ADD(buf, ...)	snprintf((buf) + strlen(buf), sizeof(buf) - strlen(buf), __VA_ARGS__)
#define SAY(words, ...) ADD((words)->detail, __VA_ARGS__)

/* ---- Addresses --------------------------------------------------------------------------------- */

void medio_net_mac_format(const uint8_t mac[6], char buf[MEDIO_NET_MAC])
{
	snprintf(buf, MEDIO_NET_MAC, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
}

static int digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

int medio_net_mac_parse(const char *text, uint8_t mac[6])
{
	uint8_t got[6];

	if (strlen(text) != MEDIO_NET_MAC - 1)
		return -EINVAL;
	for (unsigned i = 0; i < 6; i++) {
		int high = digit(text[3 * i]), low = digit(text[3 * i + 1]);
		char end = text[3 * i + 2];
		if (high < 0 || low < 0 || (i < 5 && end != ':' && end != '-'))
			return -EINVAL;
		got[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(mac, got, sizeof(got));
	return 0;
}

/* ---- What is inside ---------------------------------------------------------------------------- */

static void describe_arp(const struct rest *rest, struct medio_net_words *out)
{
	const uint8_t *at = rest->at;
	char sender[INET_ADDRSTRLEN], target[INET_ADDRSTRLEN], mac[MEDIO_NET_MAC];

	if (rest->len < 28 || get16(at) != 1 || get16(at + 2) != IPV4 || at[4] != 6 || at[5] != 4) {
		SAY(out, rest->len < 8 ? "cut short" : "not of IPv4 over Ethernet");
		return;
	}
	medio_net_mac_format(at + 8, mac);
	inet_ntop(AF_INET, at + 14, sender, sizeof(sender));
	inet_ntop(AF_INET, at + 24, target, sizeof(target));
	if (get16(at + 6) == 1)
		SAY(out, "who has %s, tell %s", target, sender);
	else if (get16(at + 6) == 2)
		SAY(out, "%s is at %s", sender, mac);
	else
		SAY(out, "operation %u", get16(at + 6));
}

static void say_protocol(uint8_t number, struct medio_net_words *out)
{
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(protocols); i++) {
		if (protocols[i].number == number) {
			SAY(out, ", %s", protocols[i].name);
			return;
		}
	}
	SAY(out, ", protocol %u", number);
}

/* Ports, or what ICMP says. */
static void describe_transport(
	uint8_t protocol, const struct rest *rest, struct medio_net_words *out)
{
	const uint8_t *at = rest->at;

	say_protocol(protocol, out);
	if ((protocol == TCP || protocol == UDP) && rest->len >= 4)
		SAY(out, " port %u > %u", get16(at), get16(at + 2));
	if (protocol != ICMP && protocol != ICMPV6)
		return;
	if (rest->len < 8) {
		SAY(out, " cut short");
		return;
	}
	bool six = protocol == ICMPV6;
	if (at[0] == (six ? 128 : 8) || at[0] == (six ? 129 : 0))
		SAY(out, " echo %s, sequence %u", at[0] == (six ? 128 : 8) ? "request" : "reply",
			get16(at + 6));
	else
		SAY(out, " type %u, code %u", at[0], at[1]);
}

static void describe_ipv4(const struct rest *rest, struct medio_net_words *out)
{
	const uint8_t *at = rest->at;
	size_t header = rest->len ? (at[0] & 15u) * 4u : 0;
	char source[INET_ADDRSTRLEN], destination[INET_ADDRSTRLEN];

	if (rest->len < 20 || at[0] >> 4 != 4 || header < 20 || header > rest->len) {
		SAY(out, rest->len < 20 ? "cut short" : "a broken header");
		return;
	}
	inet_ntop(AF_INET, at + 12, source, sizeof(source));
	inet_ntop(AF_INET, at + 16, destination, sizeof(destination));
	SAY(out, "%s > %s", source, destination);
	/* Only the first fragment has what is inside. */
	if (get16(at + 6) & 0x1fff) {
		say_protocol(at[9], out);
		SAY(out, " fragment from %u on", (get16(at + 6) & 0x1fffu) * 8u);
		return;
	}
	describe_transport(at[9], &(struct rest){ at + header, rest->len - header }, out);
}

static void describe_ipv6(const struct rest *rest, struct medio_net_words *out)
{
	const uint8_t *at = rest->at;
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
	size_t next = 40;

	if (rest->len < next || at[0] >> 4 != 6) {
		SAY(out, rest->len < next ? "cut short" : "a broken header");
		return;
	}
	uint8_t protocol = at[6];
	inet_ntop(AF_INET6, at + 8, source, sizeof(source));
	inet_ntop(AF_INET6, at + 24, destination, sizeof(destination));
	SAY(out, "%s > %s", source, destination);
	/* Hop-by-hop options stand before multicast listener reports, which every kernel sends. */
	if (!protocol && rest->len >= next + 8) {
		protocol = at[next];
		next += (at[next + 1] + 1u) * 8u;
	}
	next = next < rest->len ? next : rest->len;
	describe_transport(protocol, &(struct rest){ at + next, rest->len - next }, out);
}

static void describe_test(const uint8_t *frame, size_t len, struct medio_net_words *out)
{
	struct medio_net_test test;

	switch (medio_net_test_check(frame, len, &test)) {
	case MEDIO_NET_TEST_GOOD:
		SAY(out, "number %" PRIu64 "%s", test.sequence, test.answer ? ", answered" : "");
		break;
	case MEDIO_NET_TEST_DAMAGED:
		SAY(out, "damaged");
		break;
	case MEDIO_NET_TEST_NONE:
		SAY(out, "not of this program");
		break;
	}
}

static void describe_kind(uint16_t type, const struct rest *rest, struct medio_net_words *out)
{
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(kinds); i++) {
		if (kinds[i].type == type) {
			ADD(out->kind, "%s", kinds[i].name);
			break;
		}
	}
	if (type == ARP)
		describe_arp(rest, out);
	else if (type == IPV4)
		describe_ipv4(rest, out);
	else if (type == IPV6)
		describe_ipv6(rest, out);
}

void medio_net_describe(const uint8_t *frame, size_t len, struct medio_net_words *out)
{
	size_t at = 14;

	*out = (struct medio_net_words){ 0 };
	if (len < at) {
		snprintf(out->kind, sizeof(out->kind), "cut short");
		return;
	}
	medio_net_mac_format(frame, out->destination);
	medio_net_mac_format(frame + 6, out->source);
	uint16_t type = get16(frame + 12);
	for (unsigned tags = 0; (type == VLAN || type == SERVICE_VLAN) && tags < 2 && len >= at + 4;
		tags++) {
		ADD(out->kind, "VLAN %u, ", get16(frame + at) & 0xfff);
		type = get16(frame + at + 2);
		at += 4;
	}
	size_t named = strlen(out->kind);
	describe_kind(type, &(struct rest){ frame + at, len - at }, out);
	if (type == MEDIO_NET_TEST_TYPE && at == 14)
		describe_test(frame, len, out);
	if (strlen(out->kind) == named && type < LEAST_TYPE)
		ADD(out->kind, "802.3");
	else if (strlen(out->kind) == named)
		ADD(out->kind, "0x%04x", type);
}

void medio_net_line(const uint8_t *frame, size_t len, char *buf, size_t size)
{
	struct medio_net_words words;

	medio_net_describe(frame, len, &words);
	snprintf(buf, size, "%s%s%s%s%s, length %zu%s%s", words.source, *words.source ? " > " : "",
		words.destination, *words.source ? ", " : "", words.kind, len,
		*words.detail ? ": " : "", words.detail);
}
