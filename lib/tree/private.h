/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The FUSE front end, between tree.c (mount, loop), request.c (what the kernel asks) and waiting.c
 * (answers that come later).
 */
#ifndef MEDIO_TREE_PRIVATE_H
#define MEDIO_TREE_PRIVATE_H

#define FUSE_USE_VERSION 34
#include <fuse3/fuse_lowlevel.h>

#include "tree/inval.h"
#include "tree/node.h"
#include "tree/tree.h"

struct medio_tree {
	struct medio_nodes nodes;
	struct medio_loop *loop;
	struct fuse_session *session;
	struct fuse_buf buf;
	struct medio_watch *watch, *inval_watch;
	struct medio_timer *timer; /* of those who were interrupted */
	bool timer_armed;
	struct medio_timer *late; /* of those who wait for the kernel to forget */
	struct medio_inval *inval;
	struct medio_list waiting; /* struct medio_waiting.item */
	struct medio_list settled; /* the same, being answered; else empty */
	struct medio_list files;   /* struct medio_tree_file.item */
	bool mounted, gone;
	bool stuck;	 /* the thread of inval was left behind */
	bool ending;	 /* being freed: nothing new begins */
	bool no_opendir; /* the kernel need not open folders */
	unsigned variant;
};

/* An open file that can be read: what it said when it was last read from the start. */
struct medio_tree_file {
	struct medio_list item; /* of the tree */
	unsigned refs;
	bool shown;
	size_t len;
	char *text;
};
/* FUSE keeps it for us as a number. NULL: the file was opened to write only. */
union medio_tree_handle {
	uint64_t number;
	struct medio_tree_file *file;
};
static inline struct medio_tree_file *medio_tree_file_of(const struct fuse_file_info *info)
{
	return (union medio_tree_handle){ .number = info->fh }.file;
}
/* Closed, or a read of it has ended. */
void medio_tree_file_unref(struct medio_tree_file *file);

/*
 * A read, a write or a settle that is not answered yet. It lives until both its operation has ended
 * and it was answered; the answer may come first (interrupted, or the tree is freed).
 */
struct medio_waiting {
	struct medio_list item;	      /* of the tree; on no list: the tree is gone */
	struct medio_tree *tree;      /* NULL: the tree is gone */
	fuse_req_t req;		      /* NULL: answered */
	struct medio_tree_file *file; /* read */
	off_t offset;
	size_t size;
	medio_mdev_done *done; /* settle */
	void *opaque;
	int ret;
	uint64_t after;	      /* done, but not before so many are forgotten */
	uint64_t until;	      /* or that long */
	uint64_t interrupted; /* when it is to be given up, 0: it was not interrupted */
	bool starting, finished;
};

/* Read at offset or write of size bytes: operations of FUSE. */
void medio_waiting_read(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info);
void medio_waiting_write(fuse_req_t req, fuse_ino_t ino, const char *text, size_t size,
	off_t offset, struct fuse_file_info *info);
/* The kernel has forgotten more: some can be answered. */
void medio_waiting_settle(struct medio_tree *tree);
/* The timers'. */
void medio_waiting_give_up(void *opaque);
void medio_waiting_late(void *opaque);
/* The tree ends: -ENODEV to everybody. */
void medio_waiting_end(struct medio_tree *tree);

extern const struct fuse_lowlevel_ops medio_tree_requests;

/*
 * The kernel holds a lock of the inode while a write to it waits, and so one `create` at a time. So
 * each lookup of a `create` makes another inode of it: these bits of its number vary.
 */
#define MEDIO_NODE_MASK ((UINT64_C(1) << MEDIO_NODE_BITS) - 1)

static inline int medio_tree_get(struct medio_tree *tree, fuse_ino_t ino, struct medio_node *node)
{
	return medio_node_get(&tree->nodes, ino & MEDIO_NODE_MASK, node);
}

#endif
