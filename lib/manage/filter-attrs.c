/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/filter-attrs.h"

#include <stdio.h>
#include <string.h>

#define FOLDER	   "filters/"
#define FOLDER_LEN (sizeof(FOLDER) - 1)

bool medio_filter_attr_is(const char *path)
{
	return !strncmp(path, FOLDER, FOLDER_LEN);
}

/* "trace:file=x" is of the filter "trace". */
static bool names(const char *spec, const char *name, size_t len)
{
	return !strncmp(spec, name, len) && (!spec[len] || spec[len] == ':');
}

static const struct medio_filter *find_filter(
	const struct medio_filter *const *known, const char *spec)
{
	for (; known && *known; known++)
		if (names(spec, (*known)->name, strlen((*known)->name)))
			return *known;
	return NULL;
}

const struct medio_filter *medio_filter_attr_folder(const struct medio_filter *const *known,
	const struct medio_strv *filters, unsigned n, char folder[MEDIO_FILTER_FOLDER])
{
	const struct medio_filter *filter = find_filter(known, filters->items[n]);
	unsigned before = 0;
	int len;

	if (!filter || !filter->attrs)
		return NULL;
	for (unsigned i = 0; i < n; i++)
		before += names(filters->items[i], filter->name, strlen(filter->name));
	if (before)
		len = snprintf(folder, MEDIO_FILTER_FOLDER, FOLDER "%s.%u/", filter->name, before);
	else
		len = snprintf(folder, MEDIO_FILTER_FOLDER, FOLDER "%s/", filter->name);
	return len < MEDIO_FILTER_FOLDER ? filter : NULL;
}

static const struct medio_attr *find_attr(const struct medio_filter *filter, const char *name)
{
	const struct medio_attr *attr = filter->attrs;

	while (attr && attr->name && strcmp(attr->name, name) != 0)
		attr++;
	return attr && attr->name ? attr : NULL;
}

/* Of whichever filter: "filters/stats.3/reset" could be one, once there are so many. */
static const struct medio_attr *find_any(const struct medio_filter *const *known, const char *path)
{
	const char *name = path + FOLDER_LEN, *slash = strchr(name, '/');

	if (!slash)
		return NULL;
	for (; known && *known; known++) {
		size_t len = strlen((*known)->name);
		if (!strncmp(name, (*known)->name, len) &&
			(name + len == slash ||
				(name[len] == '.' && name + len + 1 < slash &&
					name + len + 1 + strspn(name + len + 1, "0123456789") ==
						slash)))
			return find_attr(*known, slash + 1);
	}
	return NULL;
}

const struct medio_attr *medio_filter_attr_find(
	const struct medio_filter *const *known, const struct medio_strv *filters, const char *path)
{
	char folder[MEDIO_FILTER_FOLDER];

	if (!medio_filter_attr_is(path))
		return NULL;
	if (!filters)
		return find_any(known, path);
	for (unsigned i = 0; i < filters->count; i++) {
		const struct medio_filter *filter = medio_filter_attr_folder(
			known, filters, i, folder);
		if (filter && !strncmp(path, folder, strlen(folder)))
			return find_attr(filter, path + strlen(folder));
	}
	return NULL;
}
