/* SPDX-License-Identifier: BSD-3-Clause */
/* Attributes of a parent or an instance as files and folders: a sorted list of their paths. */
#ifndef MEDIO_TREE_ATTRS_H
#define MEDIO_TREE_ATTRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct medio_attr_path {
	char *path;
	bool readable, writable;
};

struct medio_attrs {
	uint64_t serial; /* whose they are; 0: nobody's */
	struct medio_attr_path *items;
	unsigned count, room;
};

void medio_attrs_clear(struct medio_attrs *attrs);
/* Append. What cannot be a path in a folder, or takes a name that is taken, is left out. -ENOMEM. */
int medio_attrs_add(struct medio_attrs *attrs, const char *path, bool readable, bool writable);
/* Sort, and leave out what is there twice or is a file and a folder at once. */
void medio_attrs_sort(struct medio_attrs *attrs);

/* Bytes of path before its depth-th component (0: none): "a/b/c", 1: 2. -1: it has not so many. */
int medio_attr_prefix(const char *path, unsigned depth);
/*
 * In the folder that has the first depth components of attribute at (depth 0: all of them are in it):
 * the first attribute after the entry that starts with attribute after (-1: the first of all).
 * *folder: that entry is a folder. -1 at the end.
 */
int medio_attrs_next(
	const struct medio_attrs *attrs, unsigned at, unsigned depth, int after, bool *folder);
/* Component depth of path, into buf. */
void medio_attr_component(const char *path, unsigned depth, char *buf, size_t size);

#endif
