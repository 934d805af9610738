/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tree/attrs.h"

#define MAX_NAMES   UINT16_MAX
#define MIN_BUCKETS 64

/* FNV-1a. */
static uint32_t hash(const char *path, size_t len)
{
	uint32_t value = 2166136261u;

	for (size_t i = 0; i < len; i++)
		value = (value ^ (unsigned char)path[i]) * 16777619u;
	return value;
}

/* Where path is, or would be. */
static uint16_t *bucket(const struct medio_names *names, const char *path, size_t len)
{
	uint32_t at = hash(path, len);

	for (;; at++) {
		uint16_t *here = &names->buckets[at & (names->nbuckets - 1)];
		const char *item = *here ? names->items[*here - 1] : NULL;

		if (!item || (strncmp(item, path, len) == 0 && item[len] == '\0'))
			return here;
	}
}

/* Half of the buckets are free at least. */
static int grow(struct medio_names *names)
{
	unsigned count = names->nbuckets ? names->nbuckets * 2 : MIN_BUCKETS;
	uint16_t *buckets;
	char **items;

	if (names->count < names->nbuckets / 2)
		return 0;
	items = reallocarray(names->items, count / 2, sizeof(char *));
	if (!items)
		return -ENOMEM;
	names->items = items;
	buckets = calloc(count, sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	free(names->buckets);
	names->buckets = buckets;
	names->nbuckets = count;
	for (unsigned i = 0; i < names->count; i++)
		*bucket(names, items[i], strlen(items[i])) = (uint16_t)(i + 1);
	return 0;
}

int medio_names_number(struct medio_names *names, const char *path, size_t len)
{
	uint16_t *here;
	int ret = grow(names);

	if (ret < 0)
		return ret;
	here = bucket(names, path, len);
	if (*here)
		return *here - 1;
	if (names->count == MAX_NAMES)
		return -ENOSPC;
	names->items[names->count] = strndup(path, len);
	if (!names->items[names->count])
		return -ENOMEM;
	*here = (uint16_t)++names->count;
	return (int)names->count - 1;
}

const char *medio_names_path(const struct medio_names *names, unsigned number)
{
	return number < names->count ? names->items[number] : NULL;
}

void medio_names_clear(struct medio_names *names)
{
	for (unsigned i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
	free(names->buckets);
	memset(names, 0, sizeof(*names));
}
