/* SPDX-License-Identifier: BSD-3-Clause */
/* A program's eventfds, which are in blocking mode or not as it likes: none of this waits for it. */
#ifndef MEDIO_COMPAT_KDEV_SIGNAL_H
#define MEDIO_COMPAT_KDEV_SIGNAL_H

#include <stdbool.h>

#include "compat/call.h"

/* The program's descriptor fd as one of ours, *out. -EBADF; -EINVAL: it is no eventfd. */
int medio_kdev_take_eventfd(struct medio_call *call, int fd, int *out);
/* Add 1. A counter that is full says all there is to say. fd -1 does nothing. */
void medio_kdev_signal(int fd);
/* Take what was signalled; false: nothing was. */
bool medio_kdev_drain(int fd);

#endif
