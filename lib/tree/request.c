/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel asks: nodes and errno, as sysfs. */
#include "tree/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/groups.h"

/*
 * How long the kernel may remember, in seconds. Names that go are taken back (inval.h), so this is a
 * limit for what cannot go wrong. Owners and modes of writable files can be other than they were
 * after a reload.
 */
#define LONG_TIME  300.0
#define SHORT_TIME 5.0

/* Room for listings; the kernel asks for a page or some. */
#define MAX_LISTING (256 * 1024)

struct asker {
	struct medio_node_asker base;
	fuse_req_t req;
};

/* Not libfuse's fuse_req_getgroups(): it looks for a text behind the end of what it has read. */
static bool in_group(const struct medio_node_asker *base, gid_t gid)
{
	return medio_groups_have(base->who.pid, base->who.uid, gid);
}

static struct asker asker_of(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return (struct asker){ { { ctx->uid, ctx->gid, ctx->pid }, in_group }, req };
}

/* Root is refused what nobody can do, which is nothing to report. */
static void refuse(fuse_req_t req, const struct medio_node *node, int ret, const char *what)
{
	struct medio_tree *tree = fuse_req_userdata(req);
	struct asker asker = asker_of(req);
	char path[MEDIO_NODE_PATH] = "";

	if (tree->nodes.ops->refused && asker.base.who.uid != 0) {
		medio_node_path(&tree->nodes, node, path, sizeof(path));
		tree->nodes.ops->refused(tree->nodes.opaque, &asker.base.who, path, what);
	}
	fuse_reply_err(req, -ret);
}

/* ---- Entries ----------------------------------------------------------------------------------- */

static void fill_stat(const struct medio_node_stat *from, struct stat *to)
{
	memset(to, 0, sizeof(*to));
	to->st_ino = from->id;
	to->st_mode = from->mode;
	/* As btrfs: 1 says that folders inside are not counted. */
	to->st_nlink = 1;
	to->st_uid = from->uid;
	to->st_gid = from->gid;
	to->st_size = (off_t)from->size;
	to->st_blksize = 4096;
	to->st_atim = to->st_mtim = to->st_ctim = from->mtime;
}

static double attr_time(const struct medio_node *node, const struct medio_node_stat *stat)
{
	if (stat->changing || medio_kind_of(node) == MEDIO_AT_TYPE_CREATE)
		return 0;
	return node->kind->flags & MEDIO_OWNED ? SHORT_TIME : LONG_TIME;
}

static double fill_attr(struct medio_tree *tree, const struct medio_node *node, struct stat *attr)
{
	struct medio_node_stat stat;

	medio_node_stat(&tree->nodes, node, &stat);
	fill_stat(&stat, attr);
	return attr_time(node, &stat);
}

static void fill_entry(
	struct medio_tree *tree, const struct medio_node *node, struct fuse_entry_param *entry)
{
	struct medio_node_stat stat;

	memset(entry, 0, sizeof(*entry));
	medio_node_stat(&tree->nodes, node, &stat);
	fill_stat(&stat, &entry->attr);
	entry->ino = stat.id;
	entry->attr_timeout = attr_time(node, &stat);
	entry->entry_timeout = stat.coming ? 0 : LONG_TIME;
	if (medio_kind_of(node) == MEDIO_AT_TYPE_CREATE) {
		entry->entry_timeout = 0;
		entry->ino |= (uint64_t)(tree->variant++ % 64) << MEDIO_NODE_BITS;
	}
}

static void do_lookup(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	struct medio_tree *tree = fuse_req_userdata(req);
	struct fuse_entry_param entry;
	struct medio_node node;
	int ret = medio_node_lookup(&tree->nodes, dir & MEDIO_NODE_MASK, name, &node);

	if (ret < 0) {
		fuse_reply_err(req, -ret);
		return;
	}
	fill_entry(tree, &node, &entry);
	fuse_reply_entry(req, &entry);
}

static void do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct medio_tree *tree = fuse_req_userdata(req);
	struct medio_node node;
	struct stat attr;
	double seconds;
	int ret = medio_tree_get(tree, ino, &node);

	(void)info;
	if (ret < 0) {
		fuse_reply_err(req, -ret);
		return;
	}
	seconds = fill_attr(tree, &node, &attr);
	fuse_reply_attr(req, &attr, seconds);
}

static void do_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct medio_tree *tree = fuse_req_userdata(req);
	char target[MEDIO_NODE_PATH];
	struct medio_node node;
	int ret = medio_tree_get(tree, ino, &node);

	if (ret == 0)
		ret = medio_node_target(&tree->nodes, &node, target, sizeof(target));
	if (ret < 0)
		fuse_reply_err(req, -ret);
	else
		fuse_reply_readlink(req, target);
}

/* ---- Owners and modes -------------------------------------------------------------------------- */

#define TIMES \
	(FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW | \
		FUSE_SET_ATTR_MTIME_NOW)

/* 0, or -errno and in *what what was refused. */
static int set_attr(struct medio_tree *tree, const struct medio_node *node,
	const struct asker *asker, const struct stat *attr, int what_to_set, const char **what)
{
	bool mode = what_to_set & FUSE_SET_ATTR_MODE, uid = what_to_set & FUSE_SET_ATTR_UID,
	     gid = what_to_set & FUSE_SET_ATTR_GID;
	int ret = 0;

	if (what_to_set & FUSE_SET_ATTR_SIZE) {
		*what = "truncate";
		ret = medio_node_access(&tree->nodes, node, &asker->base, W_OK);
	}
	if (ret == 0 && (mode || uid || gid)) {
		*what = mode ? "chmod" : "chown";
		ret = medio_node_chmod(&tree->nodes, node, &asker->base,
			mode ? &attr->st_mode : NULL, uid ? &attr->st_uid : NULL,
			gid ? &attr->st_gid : NULL);
	}
	/* Times are not kept; whoever may write may touch. */
	if (ret == 0 && (what_to_set & TIMES)) {
		*what = "touch";
		ret = medio_node_access(&tree->nodes, node, &asker->base, W_OK);
	}
	return ret;
}

static void do_setattr(
	fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *info)
{
	struct medio_tree *tree = fuse_req_userdata(req);
	struct asker asker = asker_of(req);
	const char *what = NULL;
	struct medio_node node;
	struct stat now;
	double seconds;
	int ret = medio_tree_get(tree, ino, &node);

	/* Through an open file: that it may be written was checked then. */
	if (info)
		to_set &= ~FUSE_SET_ATTR_SIZE;
	if (ret < 0) {
		fuse_reply_err(req, -ret);
		return;
	}
	ret = set_attr(tree, &node, &asker, attr, to_set, &what);
	if (ret == -EACCES || ret == -EPERM) {
		refuse(req, &node, ret, what);
	} else if (ret < 0) {
		fuse_reply_err(req, -ret);
	} else {
		seconds = fill_attr(tree, &node, &now);
		fuse_reply_attr(req, &now, seconds);
	}
}

static void do_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	struct medio_tree *tree = fuse_req_userdata(req);
	struct asker asker = asker_of(req);
	struct medio_node node;
	int ret = medio_tree_get(tree, ino, &node);

	if (ret == 0)
		ret = medio_node_access(
			&tree->nodes, &node, &asker.base, mask & (R_OK | W_OK | X_OK));
	fuse_reply_err(req, -ret);
}

/* ---- Files ------------------------------------------------------------------------------------- */

static struct medio_tree_file *file_new(struct medio_tree *tree)
{
	struct medio_tree_file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->refs = 1;
	medio_list_append(&tree->files, &file->item);
	return file;
}

static void do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct medio_tree *tree = fuse_req_userdata(req);
	union medio_tree_handle handle = { .number = 0 };
	struct medio_tree_file *file = NULL;
	struct asker asker = asker_of(req);
	int how = info->flags & O_ACCMODE;
	struct medio_node node;
	int ret = medio_tree_get(tree, ino, &node);

	if (ret < 0) {
		fuse_reply_err(req, -ret);
		return;
	}
	ret = medio_node_open(&tree->nodes, &node, &asker.base, how != O_WRONLY, how != O_RDONLY);
	if (ret == -EACCES && how != O_RDONLY) {
		refuse(req, &node, ret, "write");
		return;
	}
	/* What can be read can be read by all, so this is no refusal of somebody. */
	if (ret < 0) {
		fuse_reply_err(req, -ret);
		return;
	}
	if (how != O_WRONLY) {
		file = file_new(tree);
		if (!file) {
			fuse_reply_err(req, ENOMEM);
			return;
		}
	}
	handle.file = file;
	info->fh = handle.number;
	/* Each read and write is for us: nothing here is a file's bytes. */
	info->direct_io = 1;
	if (fuse_reply_open(req, info) == -ENOENT && file)
		medio_tree_file_unref(file); /* interrupted: nobody has it */
}

static void do_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	(void)ino;
	if (medio_tree_file_of(info))
		medio_tree_file_unref(medio_tree_file_of(info));
	fuse_reply_err(req, 0);
}

/* ---- Folders ----------------------------------------------------------------------------------- */

/* The kernel then asks no more, and remembers listings while the time of change stays the same. */
static void do_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct medio_tree *tree = fuse_req_userdata(req);

	(void)ino;
	if (tree->no_opendir)
		fuse_reply_err(req, ENOSYS);
	else
		fuse_reply_open(req, info);
}

/* Offsets the kernel sees: "." is 1, ".." is 2, and the others are those of nodes and 2. */
struct listing {
	struct medio_tree *tree;
	fuse_req_t req;
	char *buf;
	size_t size, len;
	bool plus;
};

/* Whether there was room for it. */
static bool put(struct listing *listing, const struct fuse_entry_param *entry, const char *name,
	off_t offset)
{
	char *at = listing->buf + listing->len;
	size_t room = listing->size - listing->len, need;

	if (listing->plus)
		need = fuse_add_direntry_plus(listing->req, at, room, name, entry, offset);
	else
		need = fuse_add_direntry(listing->req, at, room, name, &entry->attr, offset);
	if (need > room)
		return false;
	listing->len += need;
	return true;
}

static bool put_dots(struct listing *listing, const struct medio_node *dir, off_t offset)
{
	struct fuse_entry_param entry;
	struct medio_node up;

	memset(&entry, 0, sizeof(entry));
	entry.attr.st_mode = S_IFDIR;
	entry.attr.st_ino = medio_node_id(dir);
	if (offset < 1 && !put(listing, &entry, ".", 1))
		return false;
	medio_node_up(&listing->tree->nodes, dir, &up);
	entry.attr.st_ino = medio_node_id(&up);
	return offset >= 2 || put(listing, &entry, "..", 2);
}

static int list(struct listing *listing, fuse_ino_t ino, off_t offset)
{
	struct medio_tree *tree = listing->tree;
	struct medio_node_entry found;
	struct fuse_entry_param entry;
	struct medio_node dir;
	uint64_t at = offset > 2 ? (uint64_t)offset - 2 : 0;
	int ret = medio_tree_get(tree, ino, &dir);

	if (ret < 0)
		return ret;
	if (!put_dots(listing, &dir, offset))
		return 0;
	while ((ret = medio_node_next(&tree->nodes, medio_node_id(&dir), at, &found)) > 0) {
		fill_entry(tree, &found.node, &entry);
		at = found.offset;
		if (!put(listing, &entry, found.name, (off_t)at + 2))
			return 0;
	}
	return ret;
}

static void answer_listing(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, bool plus)
{
	struct listing listing = { fuse_req_userdata(req), req, .plus = plus };
	int ret;

	listing.size = size < MAX_LISTING ? size : MAX_LISTING;
	listing.buf = malloc(listing.size);
	if (!listing.buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	ret = list(&listing, ino, offset);
	if (ret < 0)
		fuse_reply_err(req, -ret);
	else
		fuse_reply_buf(req, listing.buf, listing.len);
	free(listing.buf);
}

static void do_readdir(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)info;
	answer_listing(req, ino, size, offset, false);
}

static void do_readdirplus(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)info;
	answer_listing(req, ino, size, offset, true);
}

/* ---- What sysfs does not do: the folder's own mode, then that it cannot ------------------------- */

static void cannot(fuse_req_t req)
{
	fuse_reply_err(req, fuse_req_ctx(req)->uid == 0 ? EPERM : EACCES);
}

static void do_mknod(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode, dev_t dev)
{
	(void)dir;
	(void)name;
	(void)mode;
	(void)dev;
	cannot(req);
}

static void do_mkdir(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode)
{
	(void)dir;
	(void)name;
	(void)mode;
	cannot(req);
}

static void do_unlink(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	(void)dir;
	(void)name;
	cannot(req);
}

static void do_symlink(fuse_req_t req, const char *target, fuse_ino_t dir, const char *name)
{
	(void)target;
	(void)dir;
	(void)name;
	cannot(req);
}

static void do_rename(fuse_req_t req, fuse_ino_t dir, const char *name, fuse_ino_t new_dir,
	const char *new_name, unsigned flags)
{
	(void)dir;
	(void)name;
	(void)new_dir;
	(void)new_name;
	(void)flags;
	cannot(req);
}

static void do_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t dir, const char *name)
{
	(void)ino;
	(void)dir;
	(void)name;
	cannot(req);
}

/* open() with O_CREAT of what is not there. Source: Linux fs/namei.c, lookup_open(). */
static void do_create(
	fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode, struct fuse_file_info *info)
{
	(void)dir;
	(void)name;
	(void)mode;
	(void)info;
	fuse_reply_err(req, EACCES);
}

static void do_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs stat = { .f_bsize = 4096, .f_frsize = 4096, .f_namemax = 255 };

	(void)ino;
	fuse_reply_statfs(req, &stat);
}

/* ---- The connection ---------------------------------------------------------------------------- */

static void do_init(void *opaque, struct fuse_conn_info *conn)
{
	const unsigned useless = FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				 FUSE_CAP_SPLICE_MOVE | FUSE_CAP_READDIRPLUS_AUTO |
				 FUSE_CAP_WRITEBACK_CACHE;
	const unsigned useful = FUSE_CAP_READDIRPLUS | FUSE_CAP_ATOMIC_O_TRUNC |
				FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_CACHE_SYMLINKS |
				FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_NO_OPENDIR_SUPPORT;
	struct medio_tree *tree = opaque;

	conn->want = (conn->want & ~useless) | (conn->capable & useful);
	tree->no_opendir = (conn->capable & useful) & FUSE_CAP_NO_OPENDIR_SUPPORT &&
			   (conn->capable & FUSE_CAP_AUTO_INVAL_DATA);
	/* A store of a page may lie across two, and comes in one piece all the same. */
	conn->max_write = 65536;
	/* Waiting is what these requests do; it is no reason to slow others down. */
	conn->max_background = 1024;
	conn->congestion_threshold = 1024;
}

const struct fuse_lowlevel_ops medio_tree_requests = {
	.init = do_init,
	.lookup = do_lookup,
	.getattr = do_getattr,
	.setattr = do_setattr,
	.readlink = do_readlink,
	.mknod = do_mknod,
	.mkdir = do_mkdir,
	.unlink = do_unlink,
	.rmdir = do_unlink,
	.symlink = do_symlink,
	.rename = do_rename,
	.link = do_link,
	.open = do_open,
	.read = medio_waiting_read,
	.write = medio_waiting_write,
	.release = do_release,
	.opendir = do_opendir,
	.readdir = do_readdir,
	.readdirplus = do_readdirplus,
	.statfs = do_statfs,
	.access = do_access,
	.create = do_create,
};
