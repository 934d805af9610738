/* SPDX-License-Identifier: BSD-3-Clause */
/* How long something took: times in buckets of powers of two. Fixed memory, no allocation. */
#ifndef MEDIO_FILTER_STATS_HISTOGRAM_H
#define MEDIO_FILTER_STATS_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 36 /* the last holds all from 2^35 ns, 34 s, on */

/* Zeros are an empty one. Bucket i: from 2^i ns to below 2^(i + 1); the first also 0. */
struct histogram {
	uint64_t count, sum, min, max; /* ns */
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

static inline void histogram_add(struct histogram *h, uint64_t ns)
{
	unsigned bucket = ns < 2 ? 0 : 63 - (unsigned)__builtin_clzll(ns);

	h->buckets[bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1]++;
	if (!h->count++ || ns < h->min)
		h->min = ns;
	if (ns > h->max)
		h->max = ns;
	h->sum += ns;
}

static inline uint64_t histogram_mean(const struct histogram *h)
{
	return h->count ? h->sum / h->count : 0;
}

/* The time below which so many of a thousand are: 500 is the median. Inside a bucket they are taken to be
 * spread evenly. 0 of an empty one. */
uint64_t histogram_permille(const struct histogram *h, unsigned permille);

#endif
