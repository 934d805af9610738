/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bucket that bytes drip into: `rate` a second, `burst` at most. Who takes no more than is in it
 * never gets more than burst + rate * t bytes in t seconds. It knows no clock: times are the caller's,
 * in nanoseconds, and one that runs backwards stands still.
 */
#ifndef MEDIO_VIRTIO_RNG_BUCKET_H
#define MEDIO_VIRTIO_RNG_BUCKET_H

#include <stdint.h>

struct medio_bucket {
	uint64_t rate;	/* bytes a second, 0: no limit */
	uint64_t burst; /* bytes, at least 1 */
	uint64_t bytes; /* in it */
	uint64_t part;	/* of the next byte, in billionths */
	uint64_t then;	/* when it was last looked into */
};

/* A full one. rate and burst up to 2^40. */
void medio_bucket_init(struct medio_bucket *bucket, uint64_t rate, uint64_t burst, uint64_t now);
/* Bytes that can be taken now; UINT64_MAX without a limit. */
uint64_t medio_bucket_look(struct medio_bucket *bucket, uint64_t now);
/* Take bytes, at most as many as medio_bucket_look() said. */
void medio_bucket_take(struct medio_bucket *bucket, uint64_t bytes);
/* Nanoseconds from the last look until `bytes` (at most burst) are in it, at most INT64_MAX; 0: they are. */
uint64_t medio_bucket_wait(const struct medio_bucket *bucket, uint64_t bytes);

#endif
