/* SPDX-License-Identifier: BSD-3-Clause */
/* An error in words. One noun, one owner: whoever passed the `struct medio_error **`. */
#ifndef MEDIO_UTIL_ERROR_H
#define MEDIO_UTIL_ERROR_H

#include <stdarg.h>

#include <medio/error.h>

/*
 * Store words in *out (if out is not NULL) and return -errnum: `return medio_error_set(err, EINVAL,
 * "…", …);`. What was in *out is replaced. When memory runs out a constant text stands in.
 */
int medio_error_set(struct medio_error **out, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int medio_error_setv(struct medio_error **out, int errnum, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));
/* Put "prefix: " before the words of *out, if there are any. */
void medio_error_prefix(struct medio_error **out, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
