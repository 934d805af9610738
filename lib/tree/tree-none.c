/* SPDX-License-Identifier: BSD-3-Clause */
/* A build without FUSE: everything but the tree works. */
#include "tree/tree.h"

#include <errno.h>

#include "util/error.h"

int medio_tree_new(struct medio_loop *loop, struct medio_bus *bus, const char *path,
	const struct medio_tree_ops *ops, void *opaque, struct medio_tree **out,
	struct medio_error **err)
{
	(void)loop;
	(void)bus;
	(void)ops;
	(void)opaque;
	(void)out;
	return medio_error_set(err, EOPNOTSUPP,
		"no tree at '%s': this build is without FUSE; build it again with libfuse3-dev "
		"installed",
		path);
}

void medio_tree_settle(struct medio_tree *tree, medio_mdev_done *done, void *opaque)
{
	(void)tree;
	done(opaque, 0);
}

void medio_tree_free(struct medio_tree *tree)
{
	(void)tree;
}
