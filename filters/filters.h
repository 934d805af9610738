/* SPDX-License-Identifier: BSD-3-Clause */
/* The filters that come with medio, for struct medio_instance_options.known_filters. */
#ifndef MEDIO_FILTERS_H
#define MEDIO_FILTERS_H

#include <medio/filter.h>

/* In the order they are listed to users; ends with NULL. */
extern const struct medio_filter *const medio_builtin_filters[];

#endif
