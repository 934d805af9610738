/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The management tree as data: numbers of nodes, what is where, what reading and writing means. No
 * I/O. tree.c puts FUSE in front; tests and the fuzzer use it as it is.
 *
 * A node's number is never used for another node, and nothing is allocated for it: it is put together
 * from a subject's serial number, a kind and a small number (kind.h).
 *
 * Threads: the bus's.
 */
#ifndef MEDIO_TREE_NODE_H
#define MEDIO_TREE_NODE_H

#include <time.h>

#include "tree/attrs.h"
#include "tree/subject.h"

#define MEDIO_NODE_ROOT 1u
#define MEDIO_NODE_NAME 256  /* a name and its NUL */
#define MEDIO_NODE_PATH 4096 /* a path and its NUL */
#define MEDIO_NODE_TEXT 4096 /* one store, and what a file of sysfs claims as its size */

struct medio_nodes {
	struct medio_subjects subjects;
	const struct medio_tree_ops *ops;
	void *opaque;
	uid_t uid; /* of who serves the tree: owner of all that nobody else owns */
	gid_t gid;
	/* Of the subject that was asked about last, and the time of its last change. */
	struct medio_attrs attrs;
	struct timespec attrs_of;
	struct medio_names names; /* paths of attributes */
};

/* ops may be NULL, or any in it. -ENOMEM. */
int medio_nodes_init(struct medio_nodes *nodes, struct medio_bus *bus,
	const struct medio_tree_ops *ops, void *opaque);
void medio_nodes_fini(struct medio_nodes *nodes);

/* Find a node by number. -ENOENT: it is gone, or never was. */
int medio_node_get(struct medio_nodes *nodes, uint64_t id, struct medio_node *out);
uint64_t medio_node_id(const struct medio_node *node);
/* An entry of a folder. -ENOENT, -ENOTDIR. */
int medio_node_lookup(
	struct medio_nodes *nodes, uint64_t dir, const char *name, struct medio_node *out);

/* For kind.c, show.c and store.c. */
bool medio_node_while_bound(enum medio_at kind);
bool medio_node_there(struct medio_nodes *nodes, const struct medio_node *node);
void medio_node_name(
	struct medio_nodes *nodes, const struct medio_node *node, char *buf, size_t size);
/* The driver an instance is bound to, NULL: none. */
struct medio_subject *medio_node_driver(
	struct medio_nodes *nodes, const struct medio_subject *subject);
/* Valid until another subject is asked about. NULL: -ENOMEM. */
const struct medio_attrs *medio_node_attrs(
	struct medio_nodes *nodes, const struct medio_subject *subject);

/* Of an ATTR; the same. NULL: it is not there. */
const struct medio_attr_path *medio_node_attr(
	struct medio_nodes *nodes, const struct medio_node *node);

/* An entry of a listing. */
struct medio_node_entry {
	struct medio_node node;
	uint64_t offset; /* where to go on after it; never 0 */
	char name[MEDIO_NODE_NAME];
};
/*
 * The first entry behind offset, 0 for the start: 1 and *entry, or 0 at the end, or -ENOENT,
 * -ENOTDIR. What lives through a listing is in it once, whatever comes and goes meanwhile.
 */
int medio_node_next(
	struct medio_nodes *nodes, uint64_t dir, uint64_t offset, struct medio_node_entry *entry);
/* The folder a node is in; the root is in itself. */
void medio_node_up(struct medio_nodes *nodes, const struct medio_node *node, struct medio_node *up);
/* "bus/mdev/devices", "" for the root: the length. -ENAMETOOLONG. */
int medio_node_path(
	struct medio_nodes *nodes, const struct medio_node *node, char *buf, size_t size);
/* What a link says, as short as it can be, as sysfs has it: the length. -EINVAL no link. */
int medio_node_target(
	struct medio_nodes *nodes, const struct medio_node *node, char *buf, size_t size);

struct medio_node_stat {
	uint64_t id;
	mode_t mode; /* with S_IFMT */
	uid_t uid;
	gid_t gid;
	size_t size;
	struct timespec mtime;
	bool changing; /* a folder whose entries come and go by themselves, without a word to the
			  watcher about the folder itself */
	bool coming;   /* its name may go without a word to the watcher */
};
void medio_node_stat(
	struct medio_nodes *nodes, const struct medio_node *node, struct medio_node_stat *out);

void medio_node_owner(struct medio_nodes *nodes, const struct medio_node *node, uid_t *uid,
	gid_t *gid, mode_t *mode);

/* Someone who asks: who, and whether a gid is among the supplementary groups (NULL: none is). */
struct medio_node_asker {
	struct medio_tree_caller who;
	bool (*in_group)(const struct medio_node_asker *asker, gid_t gid);
};

/* access(2), want of R_OK, W_OK, X_OK: 0, or -EACCES. Root may, but execute what has no x. */
int medio_node_access(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_node_asker *asker, int want);
/*
 * Whether it may be opened to read and write: as access, and, as sysfs has it, also for root -EACCES
 * if no mode bit allows it to anybody, or the file cannot do that at all.
 * Source: Linux fs/kernfs/file.c, kernfs_fop_open(), KERNFS_ROOT_EXTRA_OPEN_PERM_CHECK.
 */
int medio_node_open(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_node_asker *asker, bool read, bool write);
/*
 * chmod and chown: NULL leaves as it is. 0; -EPERM for who may not, and for folders and links;
 * -ENOMEM. Source: Linux fs/attr.c, setattr_prepare().
 */
int medio_node_chmod(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_node_asker *asker, const mode_t *mode, const uid_t *uid,
	const gid_t *gid);

/* 0: done is called once, perhaps from within. -errno: it is not. -EISDIR, -EIO not readable. */
int medio_node_show(struct medio_nodes *nodes, const struct medio_node *node,
	medio_mdev_attr_done *done, void *opaque);
/* One write(2). text may be anything; what is above MEDIO_NODE_TEXT bytes is not looked at, so say
 * so to who wrote. 0: done is called once, perhaps from within. -errno: it is not. */
int medio_node_store(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_tree_caller *who, const char *text, size_t len, medio_mdev_done *done,
	void *opaque);

#endif
