/* SPDX-License-Identifier: BSD-3-Clause */
/* The virtio console: its type, for the program that offers it. */
#ifndef MEDIO_VIRTIO_CONSOLE_VIRTIO_CONSOLE_H
#define MEDIO_VIRTIO_CONSOLE_VIRTIO_CONSOLE_H

#include <medio/device.h>

extern const struct medio_type medio_virtio_console;

/* NULL ends the list. */
extern const struct medio_type *const medio_virtio_console_types[];

#endif
