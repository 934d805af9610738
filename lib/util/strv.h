/* SPDX-License-Identifier: BSD-3-Clause */
/* A list of strings of its own. Zeros are an empty one. */
#ifndef MEDIO_UTIL_STRV_H
#define MEDIO_UTIL_STRV_H

#include <stddef.h>

struct medio_strv {
	char **items; /* count of them, and a NULL */
	unsigned count;
};

/* Append a copy. -ENOMEM. */
int medio_strv_add(struct medio_strv *v, const char *item);
/* Make v a copy of count items; what was in it goes. -ENOMEM leaves v as it was. */
int medio_strv_copy(struct medio_strv *v, const char *const *items, unsigned count);
/* Store "name=value": in the place of an earlier assignment to name, or at the end. -ENOMEM. */
int medio_strv_assign(struct medio_strv *v, const char *name, const char *value);
/* The value assigned to name, or NULL. */
const char *medio_strv_value(const struct medio_strv *v, const char *name);
void medio_strv_free(struct medio_strv *v);

static inline const char *const *medio_strv_items(const struct medio_strv *v)
{
	return (const char *const *)v->items;
}

#endif
