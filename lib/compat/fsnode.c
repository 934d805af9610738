/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/fsnode.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/compat.h"
#include "compat/uio.h"
#include "util/cleanup.h"

struct owned {
	struct medio_list link;
	void (*fn)(void *opaque);
	void *opaque;
};

/* ---- The table of inodes ----------------------------------------------------------------------- */

static struct medio_list *bucket(struct medio_fs *fs, uint64_t ino)
{
	return &fs->inodes[ino % MEDIO_FS_BUCKETS];
}

static void inode_init(struct medio_fs *fs, struct medio_fsinode *inode, struct medio_fsnode *node)
{
	inode->ino = fs->next_ino++;
	inode->node = node;
	medio_list_init(&inode->opens);
	medio_list_append(bucket(fs, inode->ino), &inode->hash);
}

struct medio_fsinode *medio_fsinode_find(struct medio_fs *fs, uint64_t ino)
{
	medio_list_for_each (item, bucket(fs, ino)) {
		struct medio_fsinode *inode = medio_container_of(item, struct medio_fsinode, hash);

		if (inode->ino == ino)
			return inode;
	}
	return NULL;
}

/* ---- Files whose mmap() is caught ---------------------------------------------------------------- */

static int64_t mapped_mmap(struct medio_kfile *file, struct medio_call *call)
{
	struct medio_fsnode *node = medio_container_of(file, struct medio_fsnode, mapped);

	if (node->kind == MEDIO_FS_UIO)
		return node->uio ? medio_uio_mmap(node->uio, call) : -ENODEV;
	return node->ops->mmap(node->opaque, call);
}

static const struct medio_kfile_ops file_ops = { .what = "file in /sys", .mmap = mapped_mmap };
static const struct medio_kfile_ops uio_ops = { .what = "UIO device", .mmap = mapped_mmap };

static bool has_mmap(const struct medio_fsnode *node)
{
	return node->fs->compat &&
	       ((node->kind == MEDIO_FS_FILE && node->ops->mmap) || node->kind == MEDIO_FS_UIO);
}

/* ---- Nodes --------------------------------------------------------------------------------------- */

static struct medio_fsnode *child(const struct medio_fsnode *parent, const char *name)
{
	medio_list_for_each (item, &parent->children) {
		struct medio_fsnode *node = medio_container_of(item, struct medio_fsnode, sibling);

		if (strcmp(node->name, name) == 0)
			return node;
	}
	return NULL;
}

static bool is_name(const char *name)
{
	return *name && strlen(name) <= 255 && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

static struct medio_fsnode *node_new(struct medio_fs *fs, enum medio_fskind kind, mode_t mode)
{
	struct medio_fsnode *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->fs = fs;
	node->kind = kind;
	node->mode = mode & 0777;
	medio_list_init(&node->children);
	medio_list_init(&node->sibling);
	medio_list_init(&node->inode.hash);
	medio_list_init(&node->inode.opens);
	return node;
}

/* Owns text. NULL also if parent, text or the name's place is not there. */
static struct medio_fsnode *add(struct medio_fsnode *parent, const char *name,
	enum medio_fskind kind, mode_t mode, char *text)
{
	_cleanup_free_ char *owned = text;

	if (!parent || parent->kind != MEDIO_FS_FOLDER || !is_name(name) || child(parent, name))
		return NULL;
	struct medio_fsnode *node = node_new(parent->fs, kind, mode);
	if (!node)
		return NULL;
	node->name = strdup(name);
	if (!node->name) {
		free(node);
		return NULL;
	}
	if (text)
		node->len = strlen(text);
	node->text = medio_steal_ptr(owned);
	node->parent = parent;
	node->order = parent->fs->next_order++;
	medio_list_append(&parent->children, &node->sibling);
	if (kind != MEDIO_FS_SPECIAL)
		inode_init(parent->fs, &node->inode, node);
	return node;
}

struct medio_fsnode *medio_fs_folder(struct medio_fsnode *parent, const char *name)
{
	struct medio_fsnode *there = parent && parent->kind == MEDIO_FS_FOLDER ? child(parent, name)
									       : NULL;

	if (there)
		return there->kind == MEDIO_FS_FOLDER ? there : NULL;
	return add(parent, name, MEDIO_FS_FOLDER, 0755, NULL);
}

struct medio_fsnode *medio_fs_path(struct medio_fs *fs, const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	struct medio_fsnode *node = fs->root;
	char *save = NULL;

	if (!copy)
		return NULL;
	for (char *name = strtok_r(copy, "/", &save); name && node;
		name = strtok_r(NULL, "/", &save))
		node = medio_fs_folder(node, name);
	return node;
}

struct medio_fsnode *medio_fs_link(
	struct medio_fsnode *parent, const char *name, const char *target)
{
	char *text = strdup(target);

	return text ? add(parent, name, MEDIO_FS_LINK, 0777, text) : NULL;
}

struct medio_fsnode *medio_fs_text(
	struct medio_fsnode *parent, const char *name, mode_t mode, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	int len = vasprintf(&text, fmt, ap);
	va_end(ap);
	return len < 0 ? NULL : add(parent, name, MEDIO_FS_TEXT, mode, text);
}

struct medio_fsnode *medio_fs_file(struct medio_fsnode *parent, const char *name, mode_t mode,
	const struct medio_fsfile_ops *ops, void *opaque)
{
	struct medio_fsnode *node = add(parent, name, MEDIO_FS_FILE, mode, NULL);

	if (!node)
		return NULL;
	node->ops = ops;
	node->opaque = opaque;
	if (has_mmap(node))
		medio_kfile_enter(parent->fs->compat, &file_ops, &node->mapped, node->inode.ino);
	return node;
}

struct medio_fsnode *medio_fs_special(struct medio_fsnode *parent, const char *name, mode_t mode,
	medio_fsnode_open *open, void *opaque)
{
	struct medio_fsnode *node = add(parent, name, MEDIO_FS_SPECIAL, mode, NULL);

	if (!node)
		return NULL;
	node->open = open;
	node->opaque = opaque;
	return node;
}

struct medio_fsnode *medio_fs_uio(
	struct medio_fsnode *parent, const char *name, mode_t mode, struct medio_uio *uio)
{
	struct medio_fsnode *node = add(parent, name, MEDIO_FS_UIO, mode, NULL);

	if (!node)
		return NULL;
	node->uio = uio;
	if (has_mmap(node))
		medio_kfile_enter(parent->fs->compat, &uio_ops, &node->mapped, node->inode.ino);
	return node;
}

/* Inodes of a special file that the kernel still knows live on without it. */
static void leave_inodes(struct medio_fsnode *node)
{
	if (node->kind != MEDIO_FS_SPECIAL)
		return;
	for (unsigned i = 0; i < MEDIO_FS_BUCKETS; i++) {
		medio_list_for_each (item, &node->fs->inodes[i]) {
			struct medio_fsinode *inode = medio_container_of(
				item, struct medio_fsinode, hash);

			if (inode->node == node)
				inode->node = NULL;
		}
	}
}

static void node_free(struct medio_fsnode *node)
{
	medio_list_for_each (item, &node->inode.opens) {
		struct medio_fsopen *open = medio_container_of(item, struct medio_fsopen, link);

		if (open->uio)
			medio_uio_close(open->uio);
		open->uio = NULL;
		open->inode = NULL;
		medio_list_remove(&open->link);
		/* Who waits in it is told. */
		open->changed(open->opaque);
	}
	leave_inodes(node);
	if (has_mmap(node))
		medio_kfile_leave(&node->mapped);
	medio_list_remove(&node->inode.hash);
	medio_list_remove(&node->sibling);
	medio_uio_free(node->uio);
	free(node->name);
	free(node->text);
	free(node);
}

void medio_fs_remove(struct medio_fsnode *node)
{
	struct medio_fsnode *at = node;

	if (!node)
		return;
	/* Leaves first, without recursion. */
	for (;;) {
		while (!medio_list_empty(&at->children))
			at = medio_container_of(at->children.next, struct medio_fsnode, sibling);
		struct medio_fsnode *up = at->parent;
		bool last = at == node;
		node_free(at);
		if (last)
			return;
		at = up;
	}
}

struct medio_fsnode *medio_fsnode_next(const struct medio_fsnode *node, uint64_t order)
{
	medio_list_for_each (item, &node->children) {
		struct medio_fsnode *at = medio_container_of(item, struct medio_fsnode, sibling);

		if (at->order > order)
			return at;
	}
	return NULL;
}

struct medio_fsnode *medio_fs_child(const struct medio_fsnode *node, unsigned n)
{
	medio_list_for_each (item, &node->children)
		if (!n--)
			return medio_container_of(item, struct medio_fsnode, sibling);
	return NULL;
}

const char *medio_fs_name(const struct medio_fsnode *node)
{
	return node->name ? node->name : "";
}

bool medio_fs_is_folder(const struct medio_fsnode *node)
{
	return node->kind == MEDIO_FS_FOLDER;
}

const char *medio_fs_target(const struct medio_fsnode *node)
{
	return node->kind == MEDIO_FS_LINK ? node->text : NULL;
}

/* ---- The tree ------------------------------------------------------------------------------------ */

static void free_fs(struct medio_compat *compat)
{
	medio_fs_free(compat->fs);
}

int medio_fs_new(struct medio_compat *compat, struct medio_fs **out)
{
	struct medio_fs *fs = calloc(1, sizeof(*fs));

	if (!fs)
		return -ENOMEM;
	fs->compat = compat;
	fs->uid = getuid();
	fs->gid = getgid();
	clock_gettime(CLOCK_REALTIME, &fs->made);
	fs->next_ino = MEDIO_FS_ROOT_INO;
	fs->next_order = 1;
	medio_list_init(&fs->owned);
	for (unsigned i = 0; i < MEDIO_FS_BUCKETS; i++)
		medio_list_init(&fs->inodes[i]);
	fs->root = node_new(fs, MEDIO_FS_FOLDER, 0755);
	if (!fs->root) {
		free(fs);
		return -ENOMEM;
	}
	fs->root->parent = fs->root;
	inode_init(fs, &fs->root->inode, fs->root);
	if (!medio_fs_folder(fs->root, "dev") || !medio_fs_folder(fs->root, "sys")) {
		medio_fs_free(fs);
		return -ENOMEM;
	}
	if (compat && !compat->fs) {
		compat->fs = fs;
		compat->free_fs = free_fs;
	}
	*out = fs;
	return 0;
}

/* What the kernel has not forgotten when the program ends. */
static void drop_inodes(struct medio_fs *fs)
{
	for (unsigned i = 0; i < MEDIO_FS_BUCKETS; i++) {
		medio_list_for_each (item, &fs->inodes[i]) {
			struct medio_fsinode *inode = medio_container_of(
				item, struct medio_fsinode, hash);

			medio_list_remove(&inode->hash);
			free(inode);
		}
	}
}

void medio_fs_free(struct medio_fs *fs)
{
	if (!fs)
		return;
	if (fs->compat && fs->compat->fs == fs) {
		fs->compat->fs = NULL;
		fs->compat->free_fs = NULL;
	}
	if (fs->end)
		fs->end(fs);
	medio_fs_remove(fs->root);
	drop_inodes(fs);
	while (!medio_list_empty(&fs->owned)) {
		/* The last first, as with everything that was made. */
		struct owned *owned = medio_container_of(fs->owned.prev, struct owned, link);

		medio_list_remove(&owned->link);
		owned->fn(owned->opaque);
		free(owned);
	}
	free(fs);
}

struct medio_fsnode *medio_fs_root(struct medio_fs *fs)
{
	return fs->root;
}

void medio_fs_owner(struct medio_fs *fs, uid_t uid, gid_t gid)
{
	fs->uid = uid;
	fs->gid = gid;
}

int medio_fs_own(struct medio_fs *fs, void (*fn)(void *opaque), void *opaque)
{
	struct owned *owned = malloc(sizeof(*owned));

	if (!owned) {
		fn(opaque);
		return -ENOMEM;
	}
	*owned = (struct owned){ .fn = fn, .opaque = opaque };
	medio_list_append(&fs->owned, &owned->link);
	return 0;
}

/* ---- Lookups ------------------------------------------------------------------------------------- */

int medio_fsinode_lookup(
	struct medio_fs *fs, uint64_t dir, const char *name, struct medio_fsinode **out)
{
	struct medio_fsinode *parent = medio_fsinode_find(fs, dir);

	if (!parent || !parent->node)
		return -ENOENT;
	if (parent->node->kind != MEDIO_FS_FOLDER)
		return -ENOTDIR;
	struct medio_fsnode *node = child(parent->node, name);
	if (!node)
		return -ENOENT;
	if (node->kind != MEDIO_FS_SPECIAL) {
		*out = &node->inode;
		return 0;
	}
	struct medio_fsinode *inode = calloc(1, sizeof(*inode));
	if (!inode)
		return -ENOMEM;
	inode_init(fs, inode, node);
	inode->special = true;
	inode->lookups = 1;
	*out = inode;
	return 0;
}

void medio_fsinode_forget(struct medio_fs *fs, uint64_t ino, uint64_t lookups)
{
	struct medio_fsinode *inode = medio_fsinode_find(fs, ino);

	if (!inode || !inode->special)
		return;
	inode->lookups -= lookups < inode->lookups ? lookups : inode->lookups;
	/* An open file holds it. */
	if (inode->lookups || inode->opening || !medio_list_empty(&inode->opens))
		return;
	medio_list_remove(&inode->hash);
	free(inode);
}

void medio_fsinode_stat(const struct medio_fsinode *inode, struct stat *out)
{
	static const mode_t types[] = {
		[MEDIO_FS_FOLDER] = S_IFDIR,
		[MEDIO_FS_LINK] = S_IFLNK,
		[MEDIO_FS_TEXT] = S_IFREG,
		[MEDIO_FS_FILE] = S_IFREG,
		[MEDIO_FS_SPECIAL] = S_IFREG,
		[MEDIO_FS_UIO] = S_IFREG,
	};
	const struct medio_fsnode *node = inode->node;

	memset(out, 0, sizeof(*out));
	out->st_ino = inode->ino;
	/* As btrfs: 1 says that folders inside are not counted. */
	out->st_nlink = 1;
	out->st_blksize = 4096;
	out->st_mode = S_IFREG;
	if (!node)
		return;
	out->st_atim = out->st_mtim = out->st_ctim = node->fs->made;
	out->st_mode = types[node->kind] | node->mode;
	out->st_uid = node->owned ? node->uid : node->fs->uid;
	out->st_gid = node->owned ? node->gid : node->fs->gid;
	if (node->kind == MEDIO_FS_LINK)
		out->st_size = (off_t)node->len;
	else if (node->kind == MEDIO_FS_TEXT || node->kind == MEDIO_FS_FILE)
		out->st_size = node->ops && node->ops->size ? (off_t)node->ops->size : 4096;
}
