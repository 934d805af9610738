/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree behind fs.h as data, without FUSE: nodes, the inodes that the kernel knows them by, and open files. fs.c puts FUSE in
 * front of it, tests call it directly.
 *
 * A node is what is in a folder; an inode is what a program's descriptor has. For most nodes they are one and the same.
 * A special file's node has as many inodes as there have been lookups of it that the kernel still remembers.
 */
#ifndef MEDIO_COMPAT_FSNODE_H
#define MEDIO_COMPAT_FSNODE_H

#include <sys/stat.h>
#include <time.h>

#include "compat/fs.h"
#include "compat/kfile.h"
#include "util/list.h"

#define MEDIO_FS_ROOT_INO 1 /* FUSE_ROOT_ID */

struct medio_uio_file;

enum medio_fskind {
	MEDIO_FS_FOLDER,
	MEDIO_FS_LINK,
	MEDIO_FS_TEXT,
	MEDIO_FS_FILE,
	MEDIO_FS_SPECIAL,
	MEDIO_FS_UIO,
};

struct medio_fsinode {
	struct medio_list hash; /* of the fs, by number */
	uint64_t ino;
	struct medio_fsnode *node; /* NULL: it has been taken away */
	struct medio_list opens;   /* struct medio_fsopen.link */
	/* Of a special file's only. */
	bool special;
	uint64_t lookups; /* that the kernel has not forgotten */
	struct medio_kfile *file;
	bool opening;
};

struct medio_fsnode {
	struct medio_fs *fs;
	struct medio_fsnode *parent; /* the root's: itself */
	struct medio_list sibling, children;
	uint64_t order; /* among its siblings: grows, and stays */
	enum medio_fskind kind;
	mode_t mode; /* permission bits */
	uid_t uid;
	gid_t gid;
	bool owned; /* uid and gid have been set; else they are the fs's */
	char *name;
	char *text; /* of a text; a link's target */
	size_t len;
	const struct medio_fsfile_ops *ops;
	medio_fsnode_open *open;
	void *opaque;
	struct medio_uio *uio;
	struct medio_fsinode inode; /* of a special file: not used */
	struct medio_kfile mapped;  /* how its mmap() is found; entered if it has one */
};

#define MEDIO_FS_BUCKETS 256

struct medio_fs {
	struct medio_compat *compat;
	struct medio_fsnode *root;
	struct medio_list inodes[MEDIO_FS_BUCKETS];
	struct medio_list owned;
	uint64_t next_ino, next_order;
	uid_t uid;
	gid_t gid;
	struct timespec made; /* of all files */
	/* fs.c's. end() is called first when the tree is freed. */
	void *session;
	void (*end)(struct medio_fs *fs);
};

/* An open file; the caller's memory. */
struct medio_fsopen {
	struct medio_list link;
	struct medio_fsinode *inode;
	unsigned flags;
	struct medio_uio_file *uio;
	void (*changed)(void *opaque);
	void *opaque;
};

/* What has this number; NULL. */
struct medio_fsinode *medio_fsinode_find(struct medio_fs *fs, uint64_t ino);
/* What is called so in a folder: an inode, of a special file a new one with one lookup. -ENOENT, -ENOTDIR, -ENOMEM. */
int medio_fsinode_lookup(
	struct medio_fs *fs, uint64_t dir, const char *name, struct medio_fsinode **out);
/* The kernel forgets so many lookups of it. */
void medio_fsinode_forget(struct medio_fs *fs, uint64_t ino, uint64_t lookups);
void medio_fsinode_stat(const struct medio_fsinode *inode, struct stat *out);
/* The first child behind order; NULL. */
struct medio_fsnode *medio_fsnode_next(const struct medio_fsnode *node, uint64_t order);

/*
 * flags: of open(). changed(opaque) is called when a read that gave -EAGAIN may give another answer now, or poll's answer may
 * be another. -EACCES: nothing there to read or to write; -EISDIR, -ELOOP, -ENODEV; -EBUSY: this very inode is open, by a
 * way round the lookup (/proc/self/fd); or what the special file says.
 */
int medio_fsopen_open(struct medio_fsopen *open, struct medio_fsinode *inode, unsigned flags,
	void (*changed)(void *opaque), void *opaque);
/* Closed for the last time: the special file's struct medio_kfile is released. */
void medio_fsopen_close(struct medio_fsopen *open);
/* How many bytes, or -errno: -EAGAIN of a UIO device only. */
ssize_t medio_fsopen_read(struct medio_fsopen *open, void *buf, size_t size, uint64_t offset);
ssize_t medio_fsopen_write(
	struct medio_fsopen *open, const void *buf, size_t size, uint64_t offset);
/* Events of poll(). */
unsigned medio_fsopen_poll(const struct medio_fsopen *open);

#endif
