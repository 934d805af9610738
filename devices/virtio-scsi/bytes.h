/* SPDX-License-Identifier: BSD-3-Clause */
/* SCSI's fields are big-endian, at any place. Never fail. */
#ifndef SCSI_BYTES_H
#define SCSI_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* A field of 1 to 8 bytes. */
static inline uint64_t scsi_get_be(const uint8_t *at, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

static inline void scsi_put_be(uint8_t *at, size_t bytes, uint64_t value)
{
	while (bytes--) {
		at[bytes] = (uint8_t)value;
		value >>= 8;
	}
}

#endif
