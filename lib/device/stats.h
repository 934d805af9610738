/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counting, for struct medio_stats. Only the loop's thread writes; the memory may be shared with
 * another process, so each value goes there in one store.
 */
#ifndef MEDIO_DEVICE_STATS_H
#define MEDIO_DEVICE_STATS_H

#include <stdint.h>

static inline void medio_stat_set(uint64_t *counter, uint64_t value)
{
	__atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static inline void medio_stat_add(uint64_t *counter, uint64_t more)
{
	medio_stat_set(counter, *counter + more);
}

#endif
