/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a stream leads: parameter socket. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <sys/socket.h>
#include <sys/un.h>

#include <medio/device.h>

#define ADDRESS_MAX 8u /* that one name stands for */

struct address {
	const char *text; /* as it was written */
	bool listens;
	unsigned count; /* of choices */
	struct {
		struct sockaddr_storage at;
		socklen_t len;
	} choices[ADDRESS_MAX];
	/* Of the socket file that address_listen() made, to remove no other. */
	dev_t dev;
	ino_t ino;
};

/*
 * Read [listen-]unix:PATH or [listen-]tcp:[HOST]:PORT; HOST is a name, IPv4, or IPv6 in brackets, and without
 * one this machine. Names are looked up here, and this can take a while. text must stay. -errno after
 * medio_fail().
 */
int address_read(struct medio_dev *dev, const char *text, struct address *out);
/* A listening socket, or -errno. A socket file nobody listens at any more is replaced; a new one is for
 * this user only. */
int address_listen(struct address *address);
/* A socket that connects to choice number i, or has; or -errno. */
int address_connect(const struct address *address, unsigned i);
/* Remove the file of a listening socket. */
void address_remove(const struct address *address);

#endif
