/* SPDX-License-Identifier: BSD-3-Clause */
/* The virtio entropy device: its type, for the program that offers it. */
#ifndef MEDIO_VIRTIO_RNG_VIRTIO_RNG_H
#define MEDIO_VIRTIO_RNG_VIRTIO_RNG_H

#include <medio/device.h>

extern const struct medio_type medio_virtio_rng;

/* NULL ends the list. */
extern const struct medio_type *const medio_virtio_rng_types[];

#endif
