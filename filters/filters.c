/* SPDX-License-Identifier: BSD-3-Clause */
#include "filters.h"

#include <stddef.h>

#include "delay/delay.h"
#include "trace/trace.h"

const struct medio_filter *const medio_builtin_filters[] = {
	&medio_filter_delay,
	&medio_filter_trace,
	NULL,
};
