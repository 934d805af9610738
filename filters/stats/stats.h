/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MEDIO_FILTER_STATS_H
#define MEDIO_FILTER_STATS_H

#include <medio/filter.h>

extern const struct medio_filter medio_filter_stats;

#endif
