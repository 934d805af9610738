/* SPDX-License-Identifier: BSD-3-Clause */
#include "forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* The text until `end`, which text[len] is; -1: there is none. */
static ssize_t until(const char *text, size_t len, char end)
{
	const char *found = memchr(text, end, len);

	return found ? found - text : -1;
}

static bool read_address(const char *text, size_t len, struct in_addr empty, struct in_addr *out)
{
	char buf[INET_ADDRSTRLEN];

	if (!len) {
		*out = empty;
		return true;
	}
	if (len >= sizeof(buf))
		return false;
	memcpy(buf, text, len);
	buf[len] = '\0';
	return inet_pton(AF_INET, buf, out) == 1;
}

static bool read_port(const char *text, size_t len, uint16_t *out)
{
	unsigned value = 0;

	if (!len || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (unsigned)(text[i] - '0');
	}
	*out = (uint16_t)value;
	return value && value <= 65535;
}

/* [ADDR]:PORT, len bytes. */
static const char *read_end(
	const char *text, size_t len, struct in_addr empty, struct in_addr *addr, uint16_t *port)
{
	ssize_t colon = until(text, len, ':');

	if (colon < 0)
		return "there is no ':' before a port; a piece is tcp:[ADDR]:PORT-[ADDR]:PORT";
	if (!read_address(text, (size_t)colon, empty, addr))
		return "an address is not one of IPv4, such as 127.0.0.1, or nothing";
	if (!read_port(text + colon + 1, len - (size_t)colon - 1, port))
		return "a port is not a number from 1 to 65535";
	return NULL;
}

static const char *read_piece(
	const char *text, size_t len, struct in_addr guest, struct forward *out)
{
	const struct in_addr here = { htonl(INADDR_LOOPBACK) };

	if (len < 4 || (strncmp(text, "tcp:", 4) != 0 && strncmp(text, "udp:", 4) != 0))
		return "it begins neither with 'tcp:' nor with 'udp:'";
	out->udp = text[0] == 'u';
	text += 4;
	len -= 4;
	ssize_t dash = until(text, len, '-');
	if (dash < 0)
		return "there is no '-' between this machine's end and the guest's";
	const char *why = read_end(text, (size_t)dash, here, &out->host, &out->host_port);
	return why ? why
		   : read_end(text + dash + 1, len - (size_t)dash - 1, guest, &out->guest,
			     &out->guest_port);
}

int forward_read(const char **at, struct in_addr guest, struct forward *out, const char **why)
{
	size_t len = strcspn(*at, "+");
	size_t keep = len < FORWARD_TEXT ? len : FORWARD_TEXT - 1;

	memcpy(out->text, *at, keep);
	out->text[keep] = '\0';
	*why = read_piece(*at, len, guest, out);
	*at = (*at)[len] ? *at + len + 1 : NULL;
	return *why ? -EINVAL : 0;
}
