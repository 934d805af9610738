/* SPDX-License-Identifier: BSD-3-Clause */
#include "bucket.h"

#define SECOND	 UINT64_C(1000000000)
#define MAX_COST (3600 * SECOND) /* of one taking */
#define MAX_DEBT (24 * MAX_COST) /* more is not counted */

static uint64_t cost(uint64_t n, uint64_t rate)
{
	/* n / rate seconds: whole ones, and the rest without overflow for any rate up to 2^34. */
	uint64_t whole = n / rate, rest = n % rate;

	if (whole >= MAX_COST / SECOND)
		return MAX_COST;
	uint64_t part = rest <= UINT64_MAX / SECOND ? rest * SECOND / rate : rest / (rate / SECOND);
	return whole * SECOND + part;
}

uint64_t bucket_ready(const struct bucket *bucket, uint64_t burst_ns, uint64_t now)
{
	if (!bucket->rate || bucket->paid <= now + burst_ns)
		return now;
	return bucket->paid - burst_ns;
}

uint64_t bucket_take(struct bucket *bucket, uint64_t n, uint64_t burst_ns, uint64_t now)
{
	if (!bucket->rate)
		return now;
	uint64_t when = bucket_ready(bucket, burst_ns, now);
	/* What was not used is not saved up: the burst is all there is. */
	if (bucket->paid < now)
		bucket->paid = now;
	if (bucket->paid - now < MAX_DEBT)
		bucket->paid += cost(n, bucket->rate);
	return when;
}
