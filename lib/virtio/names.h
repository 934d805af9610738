/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of virtio's numbers: kinds of devices, features, status bits. For people and JSON.
 *
 * Source: Virtual I/O Device (VIRTIO) 1.3, 2.1, 5, 6.
 */
#ifndef MEDIO_VIRTIO_NAMES_H
#define MEDIO_VIRTIO_NAMES_H

#include <stddef.h>
#include <stdint.h>

/* "net", "block" …; NULL: not known. */
const char *medio_virtio_kind_name(uint16_t id);
/* The feature of bit `bit` in devices of this kind, such as "MRG_RXBUF"; NULL: not known. */
const char *medio_virtio_feature_name(uint16_t id, unsigned bit);
/* One status bit (a power of two): "ACKNOWLEDGE" …; NULL: not known. */
const char *medio_virtio_status_name(uint8_t bit);
/* All bits by name, "VERSION_1 RING_PACKED bit 61": the length, cut to size. */
size_t medio_virtio_features_print(uint16_t id, uint64_t features, char *buf, size_t size);
size_t medio_virtio_status_print(uint8_t status, char *buf, size_t size);

#endif
