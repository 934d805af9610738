/* SPDX-License-Identifier: BSD-3-Clause */
/* "did you mean": the nearest of some names to what a user typed. */
#ifndef MEDIO_UTIL_NEAREST_H
#define MEDIO_UTIL_NEAREST_H

#include <stddef.h>

/* The name with the smallest edit distance to typed, if it is near enough to be meant; else NULL. */
const char *medio_nearest(const char *typed, const char *const *names, size_t count);

#endif
