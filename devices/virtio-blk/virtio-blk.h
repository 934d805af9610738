/* SPDX-License-Identifier: BSD-3-Clause */
/* The virtio block device: its type, for the program that offers it. */
#ifndef MEDIO_VIRTIO_BLK_VIRTIO_BLK_H
#define MEDIO_VIRTIO_BLK_VIRTIO_BLK_H

#include <medio/device.h>

extern const struct medio_type medio_virtio_blk, medio_virtio_blk_vf;

/* As a list; NULL ends it. */
extern const struct medio_type *const medio_virtio_blk_types[];

#endif
