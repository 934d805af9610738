/* SPDX-License-Identifier: BSD-3-Clause */
#include "histogram.h"

static uint64_t clamp(const struct histogram *h, uint64_t ns)
{
	if (ns < h->min)
		return h->min;
	return ns > h->max ? h->max : ns;
}

uint64_t histogram_permille(const struct histogram *h, unsigned permille)
{
	if (!h->count)
		return 0;
	/* The rank of the one that is asked for, from 1 on: of two, the larger one is the 99th percentile. */
	uint64_t rank = h->count / 1000 * permille + (h->count % 1000 * permille + 999) / 1000;
	uint64_t before = 0;
	if (!rank)
		rank = 1;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (before + h->buckets[i] < rank) {
			before += h->buckets[i];
			continue;
		}
		uint64_t low = i ? UINT64_C(1) << i : 0, width = i ? low : 2;
		double part = (double)(rank - before) / (double)h->buckets[i];
		return clamp(h, low + (uint64_t)(part * (double)width));
	}
	return h->max;
}
