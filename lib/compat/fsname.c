/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel asks about names and attributes; open files are in fs.c. */
#include "compat/fs_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How long the kernel may remember, in seconds: the tree does not change by itself. */
#define LONG_TIME 3600.0

/* ---- Nodes --------------------------------------------------------------------------------------- */

void medio_fsname_lookup(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	struct fuse_entry_param entry = { .attr_timeout = LONG_TIME };
	struct medio_fsinode *inode;
	int ret = medio_fsinode_lookup(medio_fs_of(req), dir, name, &inode);

	if (ret) {
		fuse_reply_err(req, -ret);
		return;
	}
	medio_fsinode_stat(inode, &entry.attr);
	entry.ino = inode->ino;
	/* A special file is looked up at each way to it, and is another one each time. */
	entry.entry_timeout = inode->special ? 0 : LONG_TIME;
	uint64_t ino = inode->ino;
	if (fuse_reply_entry(req, &entry) < 0)
		medio_fsinode_forget(medio_fs_of(req), ino, 1);
}

void medio_fsname_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups)
{
	medio_fsinode_forget(medio_fs_of(req), ino, lookups);
	fuse_reply_none(req);
}

static void reply_attr(fuse_req_t req, const struct medio_fsinode *inode)
{
	struct stat attr;

	if (!inode) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	medio_fsinode_stat(inode, &attr);
	fuse_reply_attr(req, &attr, LONG_TIME);
}

void medio_fsname_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	(void)info;
	reply_attr(req, medio_fsinode_find(medio_fs_of(req), ino));
}

/* Whether that is allowed the kernel has looked at. Sizes and times are not kept. */
void medio_fsname_setattr(
	fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *info)
{
	struct medio_fsinode *inode = medio_fsinode_find(medio_fs_of(req), ino);
	struct medio_fsnode *node = inode ? inode->node : NULL;

	(void)info;
	if (node && to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) {
		uid_t uid = node->owned ? node->uid : node->fs->uid;
		gid_t gid = node->owned ? node->gid : node->fs->gid;
		node->uid = to_set & FUSE_SET_ATTR_UID ? attr->st_uid : uid;
		node->gid = to_set & FUSE_SET_ATTR_GID ? attr->st_gid : gid;
		node->owned = true;
	}
	if (node && to_set & FUSE_SET_ATTR_MODE)
		node->mode = attr->st_mode & 0777;
	reply_attr(req, inode);
}

void medio_fsname_readlink(fuse_req_t req, fuse_ino_t ino)
{
	const struct medio_fsinode *inode = medio_fsinode_find(medio_fs_of(req), ino);
	const char *target = inode && inode->node ? medio_fs_target(inode->node) : NULL;

	if (target)
		fuse_reply_readlink(req, target);
	else
		fuse_reply_err(req, inode ? EINVAL : ENOENT);
}

/* ---- Folders ------------------------------------------------------------------------------------- */

struct listing {
	fuse_req_t req;
	char *buf;
	size_t size, len;
};

/* Whether there was room for it. */
static bool put(struct listing *listing, const char *name, const struct stat *attr, off_t offset)
{
	size_t room = listing->size - listing->len;
	size_t need = fuse_add_direntry(
		listing->req, listing->buf + listing->len, room, name, attr, offset);

	if (need > room)
		return false;
	listing->len += need;
	return true;
}

/* Offsets: "." is 1, ".." is 2, the others are those of nodes and 2. */
static void list(struct listing *listing, const struct medio_fsnode *dir, off_t offset)
{
	const struct medio_fsnode *at;
	struct stat attr;

	medio_fsinode_stat(&dir->inode, &attr);
	if (offset < 1 && !put(listing, ".", &attr, 1))
		return;
	medio_fsinode_stat(&dir->parent->inode, &attr);
	if (offset < 2 && !put(listing, "..", &attr, 2))
		return;
	uint64_t order = offset > 2 ? (uint64_t)offset - 2 : 0;
	while ((at = medio_fsnode_next(dir, order))) {
		order = at->order;
		struct medio_fsinode known = at->inode;
		known.node = (struct medio_fsnode *)at;
		/* Of a special file no number is known before it is looked up. */
		if (!known.ino)
			known.ino = UINT32_MAX;
		medio_fsinode_stat(&known, &attr);
		if (!put(listing, at->name, &attr, (off_t)order + 2))
			return;
	}
}

void medio_fsname_readdir(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	const struct medio_fsinode *inode = medio_fsinode_find(medio_fs_of(req), ino);
	struct listing listing = { .req = req,
		.size = size < MEDIO_FS_MAX_READ ? size : MEDIO_FS_MAX_READ };

	(void)info;
	if (!inode || !inode->node || !medio_fs_is_folder(inode->node)) {
		fuse_reply_err(req, inode ? ENOTDIR : ENOENT);
		return;
	}
	listing.buf = malloc(listing.size);
	if (!listing.buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	list(&listing, inode->node, offset);
	fuse_reply_buf(req, listing.buf, listing.len);
	free(listing.buf);
}

/* Names do not come and go by the program's will. */
static void refuse(fuse_req_t req)
{
	fuse_reply_err(req, fuse_req_ctx(req)->uid == 0 ? EPERM : EACCES);
}

void medio_fsname_mknod(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode, dev_t dev)
{
	(void)dir;
	(void)name;
	(void)mode;
	(void)dev;
	refuse(req);
}

void medio_fsname_mkdir(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode)
{
	(void)dir;
	(void)name;
	(void)mode;
	refuse(req);
}

void medio_fsname_unlink(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	(void)dir;
	(void)name;
	refuse(req);
}

void medio_fsname_symlink(fuse_req_t req, const char *target, fuse_ino_t dir, const char *name)
{
	(void)target;
	(void)dir;
	(void)name;
	refuse(req);
}

void medio_fsname_rename(fuse_req_t req, fuse_ino_t dir, const char *name, fuse_ino_t to,
	const char *new_name, unsigned flags)
{
	(void)dir;
	(void)name;
	(void)to;
	(void)new_name;
	(void)flags;
	refuse(req);
}

void medio_fsname_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t dir, const char *name)
{
	(void)ino;
	(void)dir;
	(void)name;
	refuse(req);
}
