/* SPDX-License-Identifier: BSD-3-Clause */
#include "bucket.h"

#define NS UINT64_C(1000000000)

void medio_bucket_init(struct medio_bucket *bucket, uint64_t rate, uint64_t burst, uint64_t now)
{
	*bucket =
		(struct medio_bucket){ .rate = rate, .burst = burst, .bytes = burst, .then = now };
}

uint64_t medio_bucket_look(struct medio_bucket *bucket, uint64_t now)
{
	uint64_t passed = now > bucket->then ? now - bucket->then : 0;

	if (!bucket->rate)
		return UINT64_MAX;
	if (now > bucket->then)
		bucket->then = now;
	/* Whole seconds by themselves, so that nothing overflows: 2^40 * 10^9 is below 2^70. */
	if (passed / NS >= bucket->burst / bucket->rate + 1) {
		bucket->bytes = bucket->burst;
		bucket->part = 0;
		return bucket->bytes;
	}
	unsigned __int128 parts = (unsigned __int128)passed * bucket->rate + bucket->part;
	uint64_t bytes = (uint64_t)(parts / NS);

	bucket->part = (uint64_t)(parts % NS);
	if (bytes >= bucket->burst - bucket->bytes) {
		bucket->bytes = bucket->burst;
		bucket->part = 0;
	} else {
		bucket->bytes += bytes;
	}
	return bucket->bytes;
}

void medio_bucket_take(struct medio_bucket *bucket, uint64_t bytes)
{
	if (bucket->rate)
		bucket->bytes -= bytes;
}

uint64_t medio_bucket_wait(const struct medio_bucket *bucket, uint64_t bytes)
{
	unsigned __int128 parts;

	if (!bucket->rate || bytes <= bucket->bytes)
		return 0;
	parts = (unsigned __int128)(bytes - bucket->bytes) * NS - bucket->part;
	parts = (parts + bucket->rate - 1) / bucket->rate;
	return parts < INT64_MAX ? (uint64_t)parts : INT64_MAX;
}
