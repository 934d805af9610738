/* SPDX-License-Identifier: BSD-3-Clause */
/* Where metrics are to be had: "unix:PATH", "PORT", "127.0.0.1:PORT", "[::1]:PORT". */
#ifndef MEDIO_MANAGE_METRICS_LISTEN_H
#define MEDIO_MANAGE_METRICS_LISTEN_H

#include <sys/types.h>

struct medio_error;

/*
 * A listening socket, close-on-exec and non-blocking. A unix socket has mode 0660 and belongs to
 * group ((gid_t)-1: as it is made); *path is then its path, to unlink and free, else NULL. Errors,
 * with words: -EINVAL none of the four; -EADDRINUSE somebody listens there (a stale socket is
 * replaced); -EACCES, -ENOENT …
 */
int medio_metrics_listen(
	const char *where, gid_t group, int *fd, char **path, struct medio_error **err);

#endif
