/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes that are not like their neighbours, and a number that stands for many of them. */
#ifndef TEST_BYTES_H
#define TEST_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a. */
static inline uint64_t checksum(const uint8_t *at, size_t size)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	while (size--)
		sum = (sum ^ *at++) * UINT64_C(0x100000001b3);
	return sum;
}

static inline void scramble(uint8_t *at, size_t size, uint32_t seed)
{
	while (size--) {
		seed = seed * 1664525 + 1013904223;
		*at++ = (uint8_t)(seed >> 24);
	}
}

#endif
