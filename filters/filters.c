/* SPDX-License-Identifier: BSD-3-Clause */
#include "filters.h"

#include <stddef.h>

#include "delay/delay.h"
#include "fault/fault.h"
#include "limit/limit.h"
#include "readonly/readonly.h"
#include "stats/stats.h"
#include "trace/trace.h"

const struct medio_filter *const medio_builtin_filters[] = {
	&medio_filter_delay,
	&medio_filter_fault,
	&medio_filter_limit,
	&medio_filter_readonly,
	&medio_filter_stats,
	&medio_filter_trace,
	NULL,
};
