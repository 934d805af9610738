/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * medio/error.h: an error in words, for the user. Functions that take a `struct medio_error **`
 * store one there on failure (if the pointer is not NULL); free it with medio_error_free().
 */
#ifndef MEDIO_ERROR_H
#define MEDIO_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#ifndef MEDIO_API
#define MEDIO_API __attribute__((visibility("default")))
#endif

struct medio_error;
/* The words, without a full stop or newline. Owned by err. Any thread. */
MEDIO_API const char *medio_error_text(const struct medio_error *err);
/* NULL is allowed. */
MEDIO_API void medio_error_free(struct medio_error *err);

#ifdef __cplusplus
}
#endif

#endif
