/* SPDX-License-Identifier: BSD-3-Clause */
/* Open files of the tree. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "compat/fsnode.h"
#include "compat/uio.h"

/* The kernel's answer for files that have none of their own. */
#define ALWAYS (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)

static bool may_read(const struct medio_fsnode *node)
{
	return node->kind == MEDIO_FS_TEXT || (node->ops && node->ops->read);
}

static bool may_write(const struct medio_fsnode *node)
{
	return node->ops && node->ops->write;
}

/* As sysfs: what has no such operation cannot be opened for it, not even by root. A file that can be mapped can be opened. */
static int check(const struct medio_fsnode *node, unsigned flags)
{
	unsigned how = flags & O_ACCMODE;

	if (node->kind == MEDIO_FS_FOLDER)
		return how == O_RDONLY ? 0 : -EISDIR;
	if (node->kind == MEDIO_FS_LINK)
		return -ELOOP;
	if (node->kind != MEDIO_FS_TEXT && node->kind != MEDIO_FS_FILE)
		return 0;
	bool mappable = node->ops && node->ops->mmap;
	if (how != O_WRONLY && !(node->mode & 0444 && (may_read(node) || mappable)))
		return -EACCES;
	if (how != O_RDONLY && !(node->mode & 0222 && (may_write(node) || mappable)))
		return -EACCES;
	return 0;
}

static int open_special(struct medio_fsinode *inode, unsigned flags)
{
	struct medio_kfile *file = NULL;

	if (inode->opening || inode->file)
		return -EBUSY;
	inode->opening = true;
	int ret = inode->node->open(inode->node->opaque, inode->ino, flags, &file);
	inode->opening = false;
	if (ret)
		return ret;
	inode->file = file;
	return 0;
}

int medio_fsopen_open(struct medio_fsopen *open, struct medio_fsinode *inode, unsigned flags,
	void (*changed)(void *opaque), void *opaque)
{
	struct medio_fsnode *node = inode->node;

	if (!node)
		return -ENODEV;
	int ret = check(node, flags);
	if (ret)
		return ret;
	memset(open, 0, sizeof(*open));
	if (node->kind == MEDIO_FS_SPECIAL)
		ret = open_special(inode, flags);
	else if (node->kind == MEDIO_FS_UIO)
		ret = node->uio ? medio_uio_open(node->uio, changed, opaque, &open->uio) : -ENODEV;
	if (ret)
		return ret;
	open->inode = inode;
	open->flags = flags;
	open->changed = changed;
	open->opaque = opaque;
	medio_list_append(&inode->opens, &open->link);
	return 0;
}

void medio_fsopen_close(struct medio_fsopen *open)
{
	struct medio_fsinode *inode = open->inode;

	if (!inode)
		return;
	open->inode = NULL;
	medio_list_remove(&open->link);
	if (open->uio)
		medio_uio_close(open->uio);
	open->uio = NULL;
	struct medio_kfile *file = inode->file;
	inode->file = NULL;
	if (file) {
		medio_kfile_leave(file);
		if (file->ops->release)
			file->ops->release(file);
	}
	/* Forgotten before it was closed, which the kernel does not do. */
	if (inode->special && !inode->lookups && medio_list_empty(&inode->opens)) {
		medio_list_remove(&inode->hash);
		free(inode);
	}
}

static ssize_t read_text(const struct medio_fsnode *node, void *buf, size_t size, uint64_t offset)
{
	if (offset >= node->len)
		return 0;
	if (size > node->len - offset)
		size = node->len - (size_t)offset;
	memcpy(buf, node->text + offset, size);
	return (ssize_t)size;
}

static ssize_t read_uio(struct medio_uio_file *file, void *buf, size_t size)
{
	uint32_t count;
	int ret = medio_uio_read(file, size, &count);

	if (ret)
		return ret;
	memcpy(buf, &count, sizeof(count));
	return sizeof(count);
}

ssize_t medio_fsopen_read(struct medio_fsopen *open, void *buf, size_t size, uint64_t offset)
{
	const struct medio_fsnode *node = open->inode ? open->inode->node : NULL;

	if (!open->inode)
		return -ENODEV;
	if (open->uio)
		return read_uio(open->uio, buf, size);
	/* Special files have no read(), as the kernel's. */
	if (!node || node->kind == MEDIO_FS_SPECIAL)
		return -EINVAL;
	if (node->kind == MEDIO_FS_TEXT)
		return read_text(node, buf, size, offset);
	/* A BAR's file can be mapped only, says sysfs. */
	return node->ops && node->ops->read ? node->ops->read(node->opaque, buf, size, offset)
					    : -EIO;
}

ssize_t medio_fsopen_write(struct medio_fsopen *open, const void *buf, size_t size, uint64_t offset)
{
	const struct medio_fsnode *node = open->inode ? open->inode->node : NULL;

	if (!open->inode)
		return -ENODEV;
	if (open->uio) {
		int ret = medio_uio_write(open->uio, buf, size);
		return ret ? ret : (ssize_t)size;
	}
	if (!node || node->kind == MEDIO_FS_SPECIAL)
		return -EINVAL;
	return node->ops && node->ops->write ? node->ops->write(node->opaque, buf, size, offset)
					     : -EIO;
}

unsigned medio_fsopen_poll(const struct medio_fsopen *open)
{
	if (!open->inode)
		return POLLERR | POLLHUP;
	if (open->uio)
		return medio_uio_ready(open->uio) ? POLLIN | POLLRDNORM : 0;
	return ALWAYS;
}
