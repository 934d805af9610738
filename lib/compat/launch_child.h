/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process that becomes the program: it makes its namespaces and mounts, installs the filter, and is then the program. It
 * tells its parent of each step over a socket (SOCK_SEQPACKET) that exec() closes.
 */
#ifndef MEDIO_COMPAT_LAUNCH_CHILD_H
#define MEDIO_COMPAT_LAUNCH_CHILD_H

#include <stdint.h>

#include "compat/launch.h"

enum medio_launch_step {
	MEDIO_LAUNCH_FUSE,  /* with /dev/fuse: serve it */
	MEDIO_LAUNCH_READY, /* with the filter's listener, and dev; waits for a byte before exec() */
	MEDIO_LAUNCH_FAILED, /* error and text */
};

struct medio_launch_note {
	enum medio_launch_step step;
	int error; /* -errno */
	uint64_t dev;
	char text[512];
};

/* Does not return. socket is connected to the parent. */
void medio_launch_child(struct medio_compat *compat, const struct medio_launch_options *opts,
	pid_t parent, int socket) __attribute__((noreturn));
/* What the other side of the socket gets: 0, -EPIPE at its end, -errno. *fd: -1, or the caller's. */
int medio_launch_receive(int socket, struct medio_launch_note *note, int *fd);

#endif
