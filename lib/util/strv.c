/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/strv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int append(struct medio_strv *v, char *item)
{
	char **items = item ? realloc(v->items, (v->count + 2) * sizeof(*items)) : NULL;

	if (!items) {
		free(item);
		return -ENOMEM;
	}
	items[v->count++] = item;
	items[v->count] = NULL;
	v->items = items;
	return 0;
}

int medio_strv_add(struct medio_strv *v, const char *item)
{
	return append(v, strdup(item));
}

int medio_strv_copy(struct medio_strv *v, const char *const *items, unsigned count)
{
	struct medio_strv copy = { 0 };

	for (unsigned i = 0; i < count; i++) {
		int ret = medio_strv_add(&copy, items[i]);
		if (ret) {
			medio_strv_free(&copy);
			return ret;
		}
	}
	medio_strv_free(v);
	*v = copy;
	return 0;
}

/* What follows "name=" in item, or NULL. */
static const char *value_of(const char *item, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(item, name, len) && item[len] == '=' ? item + len + 1 : NULL;
}

int medio_strv_assign(struct medio_strv *v, const char *name, const char *value)
{
	char *item;

	if (asprintf(&item, "%s=%s", name, value) < 0)
		return -ENOMEM;
	for (unsigned i = 0; i < v->count; i++) {
		if (value_of(v->items[i], name) || !strcmp(v->items[i], name)) {
			free(v->items[i]);
			v->items[i] = item;
			return 0;
		}
	}
	return append(v, item);
}

const char *medio_strv_value(const struct medio_strv *v, const char *name)
{
	for (unsigned i = 0; i < v->count; i++) {
		const char *value = value_of(v->items[i], name);
		if (value)
			return value;
	}
	return NULL;
}

void medio_strv_free(struct medio_strv *v)
{
	for (unsigned i = 0; i < v->count; i++)
		free(v->items[i]);
	free(v->items);
	*v = (struct medio_strv){ 0 };
}
