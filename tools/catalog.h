/* SPDX-License-Identifier: BSD-3-Clause */
/* What these programs can make: the built-in parents with their types; and all of them on one bus. */
#ifndef MEDIO_TOOLS_CATALOG_H
#define MEDIO_TOOLS_CATALOG_H

#include "manage/parents.h"

/* Every built-in parent: the one table for serve, mediod and its workers. */
extern const struct medio_parent_kind medio_catalog_kinds[];
extern const unsigned medio_catalog_num_kinds;

/* A type by its name, or with a '/' in it the shared object of one, without a bus. -EINVAL, or what
 * loading it gave, with words that name what there is. */
int medio_catalog_type(const char *name, const struct medio_type **out, struct medio_error **err);

struct medio_catalog {
	struct medio_loop *loop;
	struct medio_bus *bus;
	struct medio_parent_desc plugin; /* the parent of a type from a shared object */
	const struct medio_type *plugin_types[2];
};

/* -ENOMEM and the like, with words. */
int medio_catalog_init(struct medio_catalog *catalog, struct medio_error **err);
void medio_catalog_fini(struct medio_catalog *catalog);
/*
 * The type a user named: a built-in one, or with a '/' in it the shared object of one. -EINVAL, or
 * what loading it gave, with words that name what there is.
 */
int medio_catalog_find(struct medio_catalog *catalog, const char *name,
	struct medio_parent **parent, const struct medio_type **type, struct medio_error **err);

#endif
