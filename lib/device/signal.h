/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signalling a client's eventfd without ever blocking on it. An eventfd in blocking mode whose
 * counter a client has filled would stop the writer; such an fd is asked with poll() first. (A
 * client that flips the mode after handing the fd over can delay its own device, no other.)
 */
#ifndef MEDIO_DEVICE_SIGNAL_H
#define MEDIO_DEVICE_SIGNAL_H

#include <stdbool.h>

/* Whether fd is an eventfd, as far as can be told. */
bool medio_signal_is_eventfd(int fd);
/* Whether fd is in blocking mode. */
bool medio_signal_blocks(int fd);
/* Add 1; a counter that is full already says what there is to say. fd -1 does nothing. */
void medio_signal(int fd, bool careful);
/* Take what was signalled; false if nothing was. */
bool medio_signal_drain(int fd);

#endif
