/* SPDX-License-Identifier: BSD-3-Clause */
/* A listening unix socket with a name in the file system, which goes when the listener does. */
#ifndef MEDIO_SERVE_LISTENER_H
#define MEDIO_SERVE_LISTENER_H

#include <sys/types.h>

struct medio_error;

struct medio_listener {
	int fd; /* -1: closed */
	char *path;
	dev_t dev; /* of the file we made: nobody else's is removed */
	ino_t ino;
};

/*
 * Listen at path, a stale socket there being replaced. Errors, with words:
 *   -ENAMETOOLONG over 107 bytes   -EADDRINUSE somebody listens there, or it is not a socket
 *   -EINVAL       empty            or what socket(), bind(), listen() say
 */
int medio_listener_open(
	struct medio_listener *listener, const char *path, mode_t mode, struct medio_error **err);
void medio_listener_close(struct medio_listener *listener);

#endif
