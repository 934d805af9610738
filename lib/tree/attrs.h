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
/* Append. What cannot be a path in a folder is left out. -ENOMEM. */
int medio_attrs_add(struct medio_attrs *attrs, const char *path, bool readable, bool writable);
/* Sort, and leave out what is there twice or is a file and a folder at once. */
void medio_attrs_sort(struct medio_attrs *attrs);

/* NULL: there is none. */
const struct medio_attr_path *medio_attrs_find(const struct medio_attrs *attrs, const char *path);
/* There is something inside a folder of this path. */
bool medio_attrs_has_folder(const struct medio_attrs *attrs, const char *path);
/*
 * What is in a folder ("": the one all are in), in order: the first entry behind the entry after
 * (NULL: of all). NULL at the end, else a path of which the first *len bytes are the entry's; it is
 * a folder if there are more.
 */
const char *medio_attrs_next(
	const struct medio_attrs *attrs, const char *folder, const char *after, size_t *len);

/*
 * Paths as small numbers, so that an attribute's node has the same number whatever else is there.
 * They are never given back: there are as many as types have attributes of different names.
 */
struct medio_names {
	char **items;
	uint16_t *buckets; /* 1 more than the index; 0: free */
	unsigned count, nbuckets;
};

/* The number of the first len bytes of a path. -ENOMEM; -ENOSPC: 65535 are there. */
int medio_names_number(struct medio_names *names, const char *path, size_t len);
/* NULL: no such number was given. */
const char *medio_names_path(const struct medio_names *names, unsigned number);
void medio_names_clear(struct medio_names *names);

#endif
