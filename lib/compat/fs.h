/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file system behind /dev/vfio, /dev/iommu, /dev/uioN and our part of /sys, for a program that runs under `medio
 * run`: a tree of nodes, and FUSE in front of it. Folders, links and texts are data; files with a meaning have
 * operations; special files make a struct medio_kfile at each open.
 *
 * Threads: the supervisor's.
 */
#ifndef MEDIO_COMPAT_FS_H
#define MEDIO_COMPAT_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct medio_call;
struct medio_compat;
struct medio_fs;
struct medio_fsnode;
struct medio_kfile;
struct medio_uio;

/* A file whose content is made when it is asked for. */
struct medio_fsfile_ops {
	/* size bytes at offset; how many there were, or -errno. NULL: no such access, whatever the mode says. */
	ssize_t (*read)(void *opaque, void *buf, size_t size, uint64_t offset);
	ssize_t (*write)(void *opaque, const void *buf, size_t size, uint64_t offset);
	/* mmap() of it, which the filter caught. NULL: -ENODEV. */
	int64_t (*mmap)(void *opaque, struct medio_call *call);
	uint64_t size; /* as stat says; 0: 4096, as sysfs has it */
};

/* Opening a special file: *out is entered into the table of files under ino (kfile.h). -errno is the program's. */
typedef int medio_fsnode_open(void *opaque, uint64_t ino, unsigned flags, struct medio_kfile **out);

/* An empty tree; compat->fs, if there is none yet. -ENOMEM. */
int medio_fs_new(struct medio_compat *compat, struct medio_fs **out);
/* The program has ended. Open files are released, then what the tree owns; before the devices and groups go. */
void medio_fs_free(struct medio_fs *fs);
/* The root: has the folders dev and sys, whose content is put over the machine's own (launch.h). */
struct medio_fsnode *medio_fs_root(struct medio_fs *fs);
/*
 * Who owns all files, as the mount's user namespace counts. At first: this process's user and group. Files' owners and modes
 * are data, which the kernel looks at if it is mounted with default_permissions.
 */
void medio_fs_owner(struct medio_fs *fs, uid_t uid, gid_t gid);
/* Call fn(opaque) when the tree is freed, after its nodes: opaque is what some files' operations get. -ENOMEM: it
 * has been called already. */
int medio_fs_own(struct medio_fs *fs, void (*fn)(void *opaque), void *opaque);
/*
 * A node in parent, NULL: no memory, or there is one. folder() gives one that is there already. names and texts are
 * copied. path() walks and makes folders: "sys/bus/pci/devices".
 */
struct medio_fsnode *medio_fs_folder(struct medio_fsnode *parent, const char *name);
struct medio_fsnode *medio_fs_path(struct medio_fs *fs, const char *path);
struct medio_fsnode *medio_fs_link(
	struct medio_fsnode *parent, const char *name, const char *target);
struct medio_fsnode *medio_fs_text(struct medio_fsnode *parent, const char *name, mode_t mode,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* opaque is its owner's: see medio_fs_own(). */
struct medio_fsnode *medio_fs_file(struct medio_fsnode *parent, const char *name, mode_t mode,
	const struct medio_fsfile_ops *ops, void *opaque);
/* Every way to it gives another inode, so that each open file has one of its own. */
struct medio_fsnode *medio_fs_special(struct medio_fsnode *parent, const char *name, mode_t mode,
	medio_fsnode_open *open, void *opaque);
/* The node owns uio from then on, unless it is NULL. */
struct medio_fsnode *medio_fs_uio(
	struct medio_fsnode *parent, const char *name, mode_t mode, struct medio_uio *uio);
/* Takes a node and all below it away. Files of it that are open say -ENODEV; special ones stay what they are. */
void medio_fs_remove(struct medio_fsnode *node);
/* For launch.h and tests: the n-th child, NULL; its name; what it is. */
struct medio_fsnode *medio_fs_child(const struct medio_fsnode *node, unsigned n);
const char *medio_fs_name(const struct medio_fsnode *node);
bool medio_fs_is_folder(const struct medio_fsnode *node);
const char *medio_fs_target(const struct medio_fsnode *node); /* NULL: no link */

/* Serve a FUSE file system that has been mounted with fd, which is then owned, also after a failure. Words in *err. */
struct medio_error;
int medio_fs_serve(struct medio_fs *fs, int fd, struct medio_error **err);

/* Groups, vfioN and uioN are numbered behind the machine's own, which stay to be seen. Before the first device is made. */
void medio_sysfs_begin(struct medio_compat *compat);
/* The machine as the program is to see it, for all devices of compat: sysfs.c makes it, once, before the program starts. */
int medio_sysfs_make(struct medio_compat *compat, struct medio_error **err);

#endif
