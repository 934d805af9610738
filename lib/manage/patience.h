/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls that somebody else can make wait. A descriptor that comes over a socket is closed by who
 * receives or drops the message, and closing a TCP connection that lingers (SO_LINGER) takes as long
 * as its former owner likes: any local user can send one to a socket that he may connect to. A
 * listener that a worker holds too can be made to block. mediod has one thread, which must not wait:
 * on Linux 6.16 such sockets take no descriptors at all, and what is done between begin and end is
 * interrupted by a signal (SIGALRM, of a timer of this thread) after some milliseconds, again and
 * again.
 */
#ifndef MEDIO_MANAGE_PATIENCE_H
#define MEDIO_MANAGE_PATIENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* They do not nest. */
void medio_patience_begin(void);
/* Whether it was lost in between. */
bool medio_patience_end(void);

/* close(), recv() without waiting, accept4() that gives what does not block and is closed on exec. The
 * last: ETIMEDOUT, somebody made the listener block. */
void medio_patience_close(int fd);
ssize_t medio_patience_recv(int fd, void *buf, size_t size);
int medio_patience_accept(int listener);
/* Nobody can send a descriptor to this socket, or to one that it accepts. -ENOPROTOOPT: the kernel
 * does not know that. */
int medio_patience_no_descriptors(int fd);

#endif
