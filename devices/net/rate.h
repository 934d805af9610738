/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * So many bits a second and no more: a token bucket, kept as the time until which what was sent has used up the
 * rate. It holds RATE_DEPTH_NS of the rate: after a pause so much may go at once, and who comes later than
 * it was told by less than that loses nothing.
 */
#ifndef NET_RATE_H
#define NET_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RATE_DEPTH_NS 30000000u /* 3 per cent of a second */
#define RATE_BATCH_NS 1000000u	/* of sending, that is waited for at least */
#define RATE_MAX      1000000u	/* Mbit/s */

struct rate {
	uint32_t mbit; /* a second; 0: no limit */
	uint32_t rest; /* bits times 1000 that are less than a nanosecond */
	uint64_t used; /* up to this time, ns */
};

static inline void rate_set(struct rate *rate, uint32_t mbit)
{
	*rate = (struct rate){ .mbit = mbit };
}

/* May something be sent now? */
static inline bool rate_may(const struct rate *rate, uint64_t now)
{
	return !rate->mbit || rate->used <= now + RATE_DEPTH_NS;
}

/* It was. */
static inline void rate_take(struct rate *rate, size_t bytes, uint64_t now)
{
	if (!rate->mbit)
		return;
	uint64_t thousandths = (uint64_t)bytes * 8 * 1000 + rate->rest;
	if (rate->used < now)
		rate->used = now;
	rate->used += thousandths / rate->mbit;
	rate->rest = (uint32_t)(thousandths % rate->mbit);
}

/* ns until something may be sent, some more of it at once; 0: now. */
static inline uint64_t rate_wait(const struct rate *rate, uint64_t now)
{
	if (rate_may(rate, now))
		return 0;
	return rate->used - RATE_DEPTH_NS + RATE_BATCH_NS - now;
}

#endif
