/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MEDIO_FILTER_LIMIT_H
#define MEDIO_FILTER_LIMIT_H

#include <medio/filter.h>

extern const struct medio_filter medio_filter_limit;

#endif
