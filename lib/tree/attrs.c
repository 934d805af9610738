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

/* Components that can be names of files, and the first none that a folder has anyway. */
static bool path_ok(const char *path)
{
	unsigned depth = 0;
	size_t len;

	for (;; path += len + 1) {
		len = strcspn(path, "/");
		if (!len || len >= MEDIO_NODE_NAME || ++depth > MEDIO_ATTR_DEPTH ||
			(len == 1 && path[0] == '.') ||
			(len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (path[len] == '\0')
			return true;
	}
}

int medio_attrs_add(struct medio_attrs *attrs, const char *path, bool readable, bool writable)
{
	if (!path_ok(path) || attrs->count == MEDIO_ATTR_MAX)
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

int medio_attr_prefix(const char *path, unsigned depth)
{
	const char *at = path;

	for (; depth; depth--) {
		at = strchr(at, '/');
		if (!at)
			return -1;
		at++;
	}
	return (int)(at - path);
}

void medio_attr_component(const char *path, unsigned depth, char *buf, size_t size)
{
	int from = medio_attr_prefix(path, depth);
	size_t len;

	path += from > 0 ? from : 0;
	len = strcspn(path, "/");
	if (len >= size)
		len = size - 1;
	memcpy(buf, path, len);
	buf[len] = '\0';
}

/* The same up to and with component depth. */
static bool same_entry(const char *a, const char *b, int prefix)
{
	size_t len = strcspn(a + prefix, "/");

	return strncmp(a, b, (size_t)prefix + len) == 0 &&
	       (b[(size_t)prefix + len] == '/' || b[(size_t)prefix + len] == '\0');
}

int medio_attrs_next(
	const struct medio_attrs *attrs, unsigned at, unsigned depth, int after, bool *folder)
{
	int prefix = attrs->count ? medio_attr_prefix(attrs->items[at].path, depth) : -1;
	const char *dir;

	if (prefix < 0)
		return -1;
	dir = attrs->items[at].path;
	for (unsigned i = after < 0 ? at : (unsigned)after + 1; i < attrs->count; i++) {
		const char *path = attrs->items[i].path;

		if (strncmp(path, dir, (size_t)prefix) != 0)
			return -1;
		if (after >= 0 && same_entry(attrs->items[after].path, path, prefix))
			continue;
		*folder = strchr(path + prefix, '/');
		return (int)i;
	}
	return -1;
}
