/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports of this machine that lead to the guest: parameter hostfwd. */
#ifndef NET_FORWARD_H
#define NET_FORWARD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORWARD_TEXT 80u

struct forward {
	bool udp;
	struct in_addr host, guest;
	uint16_t host_port, guest_port;
	char text[FORWARD_TEXT]; /* as it was written, cut if it is longer */
};

/*
 * Read tcp:[ADDR]:PORT-[ADDR]:PORT (or udp), of several with '+' between them the one that *at points to,
 * and put *at behind it; NULL: it was the last. Without addresses it is 127.0.0.1 here and guest there. 0;
 * -EINVAL: *why says what is wrong; out->text is set then too.
 */
int forward_read(const char **at, struct in_addr guest, struct forward *out, const char **why);

#endif
