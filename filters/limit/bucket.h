/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A token bucket, kept as the time up to which what was taken is paid for: nothing need be filled by a
 * timer. Pure; times in nanoseconds of one clock.
 */
#ifndef MEDIO_FILTER_LIMIT_BUCKET_H
#define MEDIO_FILTER_LIMIT_BUCKET_H

#include <stdint.h>

struct bucket {
	uint64_t rate; /* units a second; 0: no limit */
	uint64_t paid; /* until then */
};

/*
 * Take n units. Returns when: now, or the time at which there will be room. What came in less than burst_ns
 * before its time does not wait; a single taking of more than the burst allows waits for those before it only.
 */
uint64_t bucket_take(struct bucket *bucket, uint64_t n, uint64_t burst_ns, uint64_t now);
/* When what was taken so far will be paid for, or now. */
uint64_t bucket_ready(const struct bucket *bucket, uint64_t burst_ns, uint64_t now);

#endif
