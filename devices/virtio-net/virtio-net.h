/* SPDX-License-Identifier: BSD-3-Clause */
/* The network card virtio-net: its type, for the program that offers it. */
#ifndef MEDIO_VIRTIO_NET_H
#define MEDIO_VIRTIO_NET_H

#include <medio/device.h>

extern const struct medio_type medio_virtio_net;

/* As a list; NULL ends it. */
extern const struct medio_type *const medio_virtio_net_types[];

#endif
