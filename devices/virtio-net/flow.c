/* SPDX-License-Identifier: BSD-3-Clause */
#include "vnet.h"

#include <netinet/in.h>
#include <string.h>

static uint32_t word(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint16_t half(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* Both ends count alike, so that the answer goes where the question came from. */
static uint32_t ends(const uint8_t *source, const uint8_t *destination, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 4)
		sum = (sum << 5 | sum >> 27) ^ word(source + i) ^ word(destination + i);
	return sum;
}

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

int medio_vnet_flow(const uint8_t *head, size_t len)
{
	size_t at = MEDIO_VNET_ETHERNET;
	uint8_t protocol;
	uint32_t sum;

	if (len < at)
		return -1;
	uint16_t type = half(head + 12);
	for (unsigned tags = 0; tags < 2 && (type == 0x8100 || type == 0x88a8); tags++, at += 4) {
		if (len < at + 4)
			return -1;
		type = half(head + at + 2);
	}
	if (type == 0x0800 && len >= at + 20 && head[at] >> 4 == 4) {
		size_t header = (head[at] & 15u) * 4;
		sum = ends(head + at + 12, head + at + 16, 4);
		protocol = head[at + 9];
		/* Fragments but the first have no ports; so none of them is told by its ports. */
		if (header < 20 || half(head + at + 6) & 0x3fff)
			protocol = 0;
		at += header;
	} else if (type == 0x86dd && len >= at + 40 && head[at] >> 4 == 6) {
		sum = ends(head + at + 8, head + at + 24, 16);
		protocol = head[at + 6];
		at += 40;
	} else {
		return -1;
	}
	sum ^= protocol * 0x01000193u;
	if (has_ports(protocol) && len >= at + 4)
		sum ^= (uint32_t)(half(head + at) ^ half(head + at + 2)) * 0x9e3779b1u;
	return (int)((sum * 0x85ebca6bu) >> 22) & (int)(MEDIO_VNET_FLOWS - 1);
}
