/* SPDX-License-Identifier: BSD-3-Clause */
/* The bytes of frames. */
#ifndef NET_FRAME_H
#define NET_FRAME_H

#include <string.h>

#include "net.h"

#define FRAME_MIN 14u /* bytes: two addresses and a type */

/* Copy up to len bytes from byte `from` of a frame to buf: how many there were. */
size_t frame_copy(const struct net_frame *frame, size_t from, void *buf, size_t len);
/* A frame of len bytes in one piece, plain. *iov is filled in and must stay. */
void frame_plain(struct net_frame *frame, struct iovec *iov, const void *bytes, size_t len);

/* Big-endian numbers. */
static inline unsigned frame_get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static inline uint32_t frame_get32(const uint8_t *at)
{
	return (uint32_t)frame_get16(at) << 16 | frame_get16(at + 2);
}

static inline void frame_put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void frame_put32(uint8_t *at, uint32_t value)
{
	frame_put16(at, value >> 16);
	frame_put16(at + 2, value & 0xffff);
}

#endif
