/* SPDX-License-Identifier: BSD-3-Clause */
/* Typed parameters: one table (medio_param, <medio/device.h>) gives parser, help text and JSON. */
#ifndef MEDIO_UTIL_PARAM_H
#define MEDIO_UTIL_PARAM_H

#include <medio/device.h>

struct medio_error;

/* Store every parameter's default in the state. params may be NULL. -ENOMEM. */
int medio_params_default(const struct medio_param *params, void *state, struct medio_error **err);
/* Parse one "name=value" ("name" alone means name=true for BOOL) and store it. what names the owner
 * in messages ("mtty-2", "filter delay"). -EINVAL with words that name what is allowed and the
 * nearest match. */
int medio_params_set(const struct medio_param *params, void *state, const char *what,
	const char *assignment, struct medio_error **err);
/* Print the current value as a user would write it; returns the length as snprintf. */
int medio_param_print(const struct medio_param *param, const void *state, char *buf, size_t size);
/* Free what STRING parameters own. */
void medio_params_free(const struct medio_param *params, void *state);
/* "boolean", "number 0..15", "echo|pty|…": what a value may be, for help and messages. */
int medio_param_describe(const struct medio_param *param, char *buf, size_t size);

#endif
