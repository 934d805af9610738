/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree/attrs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tree/kind.h"
#include "tree/node.h"

void medio_attrs_clear(struct medio_attrs *attrs)
{
	for (unsigned i = 0; i < attrs->count; i++)
		free(attrs->items[i].path);
	free(attrs->items);
	memset(attrs, 0, sizeof(*attrs));
}

#define MAX_DEPTH 15

/* Components that can be names of files, and the first none that a folder has anyway. */
static bool path_ok(const char *path)
{
	unsigned depth = 0;
	size_t len;

	for (;; path += len + 1) {
		len = strcspn(path, "/");
		if (!len || len >= MEDIO_NODE_NAME || ++depth > MAX_DEPTH ||
			(len == 1 && path[0] == '.') ||
			(len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (path[len] == '\0')
			return true;
	}
}

int medio_attrs_add(struct medio_attrs *attrs, const char *path, bool readable, bool writable)
{
	if (!path_ok(path) || attrs->count == MEDIO_ATTRS_MAX)
		return 0;
	if (attrs->count == attrs->room) {
		unsigned room = attrs->room ? attrs->room * 2 : 16;
		struct medio_attr_path *items = reallocarray(
			attrs->items, room, sizeof(struct medio_attr_path));

		if (!items)
			return -ENOMEM;
		attrs->items = items;
		attrs->room = room;
	}
	attrs->items[attrs->count].path = strdup(path);
	if (!attrs->items[attrs->count].path)
		return -ENOMEM;
	attrs->items[attrs->count].readable = readable;
	attrs->items[attrs->count].writable = writable;
	attrs->count++;
	return 0;
}

/* By components, so that what is in one folder stands together, behind a file of its name. */
static int compare(const void *a, const void *b)
{
	const char *left = ((const struct medio_attr_path *)a)->path;
	const char *right = ((const struct medio_attr_path *)b)->path;

	while (*left && *left == *right) {
		left++;
		right++;
	}
	if (*left == *right)
		return 0;
	if (!*left || !*right)
		return *left ? 1 : -1;
	if (*left == '/' || *right == '/')
		return *left == '/' ? -1 : 1;
	return (unsigned char)*left < (unsigned char)*right ? -1 : 1;
}

/* other is path, or inside a folder of that name. */
static bool covers(const char *path, const char *other)
{
	size_t len = strlen(path);

	return strncmp(path, other, len) == 0 && (other[len] == '\0' || other[len] == '/');
}

void medio_attrs_sort(struct medio_attrs *attrs)
{
	unsigned kept = 0;

	if (attrs->count)
		qsort(attrs->items, attrs->count, sizeof(*attrs->items), compare);
	for (unsigned i = 0; i < attrs->count; i++) {
		if (kept && covers(attrs->items[kept - 1].path, attrs->items[i].path))
			free(attrs->items[i].path);
		else
			attrs->items[kept++] = attrs->items[i];
	}
	attrs->count = kept;
}

const struct medio_attr_path *medio_attrs_find(const struct medio_attrs *attrs, const char *path)
{
	for (unsigned i = 0; i < attrs->count; i++) {
		if (strcmp(attrs->items[i].path, path) == 0)
			return &attrs->items[i];
	}
	return NULL;
}

/* path is inside the folder, len bytes: where its next component begins, else NULL. */
static const char *inside(const char *path, const char *folder, size_t len)
{
	if (!len)
		return path;
	return strncmp(path, folder, len) == 0 && path[len] == '/' ? path + len + 1 : NULL;
}

bool medio_attrs_has_folder(const struct medio_attrs *attrs, const char *path)
{
	size_t len;

	return medio_attrs_next(attrs, path, NULL, &len);
}

const char *medio_attrs_next(
	const struct medio_attrs *attrs, const char *folder, const char *after, size_t *len)
{
	size_t prefix = strlen(folder);

	for (unsigned i = 0; i < attrs->count; i++) {
		const char *path = attrs->items[i].path, *name = inside(path, folder, prefix);
		size_t size = name ? (size_t)(name - path) + strcspn(name, "/") : 0;
		int order = name && after ? strncmp(path, after, size) : 1;

		/* No name has a '/', so this is the order of compare(). */
		if (!name || order < 0 || (order == 0 && strlen(after) >= size))
			continue;
		*len = size;
		return path;
	}
	return NULL;
}
