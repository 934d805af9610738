/* SPDX-License-Identifier: BSD-3-Clause */
/* Ethernet frames in words: a line for each, of what is printable only, whatever is in the frame. */
#ifndef MEDIO_TOOLS_NET_DESCRIBE_H
#define MEDIO_TOOLS_NET_DESCRIBE_H

#include <stddef.h>
#include <stdint.h>

#define MEDIO_NET_MAC	18 /* "52:54:00:12:34:56" */
#define MEDIO_NET_WORDS 256

struct medio_net_words {
	char source[MEDIO_NET_MAC], destination[MEDIO_NET_MAC]; /* "" if the frame is too short */
	char kind[32];		      /* "ARP", "VLAN 5, IPv4", "0x88cc" */
	char detail[MEDIO_NET_WORDS]; /* "10.0.0.1 > 10.0.0.2, ICMP echo request"; "" */
};

/* What is in a frame of len bytes. */
void medio_net_describe(const uint8_t *frame, size_t len, struct medio_net_words *out);
/* "source > destination, kind, length N: detail" as one string. */
void medio_net_line(const uint8_t *frame, size_t len, char *buf, size_t size);

void medio_net_mac_format(const uint8_t mac[6], char buf[MEDIO_NET_MAC]);
/* "52:54:00:12:34:56", with - for : too. -EINVAL. */
int medio_net_mac_parse(const char *text, uint8_t mac[6]);

#endif
