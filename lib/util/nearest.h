/* SPDX-License-Identifier: BSD-3-Clause */
/* "did you mean": the nearest of some names to what a user typed. */
#ifndef MEDIO_UTIL_NEAREST_H
#define MEDIO_UTIL_NEAREST_H

#include <stddef.h>

struct medio_error;

/* The name with the smallest edit distance to typed, if it is near enough to be meant; else NULL. */
const char *medio_nearest(const char *typed, const char *const *names, size_t count);

/*
 * Words for a name nobody knows, into *err: "unknown WHAT 'typed'; did you mean 'near'? Known: a, b"
 * (what: "filter", "parameter"). names: count of them, perhaps none. Returns -EINVAL.
 */
int medio_unknown(struct medio_error **err, const char *what, const char *typed,
	const char *const *names, size_t count);

#endif
