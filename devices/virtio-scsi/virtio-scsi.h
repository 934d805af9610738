/* SPDX-License-Identifier: BSD-3-Clause */
/* The virtio SCSI host: its type, for the program that offers it. */
#ifndef MEDIO_VIRTIO_SCSI_VIRTIO_SCSI_H
#define MEDIO_VIRTIO_SCSI_VIRTIO_SCSI_H

#include <medio/device.h>

extern const struct medio_type medio_virtio_scsi;

/* As a list; NULL ends it. */
extern const struct medio_type *const medio_virtio_scsi_types[];

#endif
