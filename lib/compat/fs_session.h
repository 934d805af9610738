/* SPDX-License-Identifier: BSD-3-Clause */
/* FUSE in front of the tree: what fs.c (the session, open files) and fsname.c (names and attributes) share. */
#ifndef MEDIO_COMPAT_FS_SESSION_H
#define MEDIO_COMPAT_FS_SESSION_H

#define FUSE_USE_VERSION 35
#include <fuse3/fuse_lowlevel.h>

#include "compat/fsnode.h"

/* Room for a listing or a read; the kernel asks for less. */
#define MEDIO_FS_MAX_READ (1024 * 1024)

struct medio_fs_session {
	struct medio_fs *fs;
	struct fuse_session *fuse;
	struct fuse_buf buf;
	struct medio_watch *watch;
	struct medio_list files; /* fs.c's open files */
};

static inline struct medio_fs *medio_fs_of(fuse_req_t req)
{
	const struct medio_fs_session *session = fuse_req_userdata(req);

	return session->fs;
}

/* Operations of FUSE. */
void medio_fsname_lookup(fuse_req_t req, fuse_ino_t dir, const char *name);
void medio_fsname_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups);
void medio_fsname_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info);
void medio_fsname_setattr(
	fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *info);
void medio_fsname_readlink(fuse_req_t req, fuse_ino_t ino);
void medio_fsname_readdir(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info);
void medio_fsname_mknod(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode, dev_t dev);
void medio_fsname_mkdir(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode);
void medio_fsname_unlink(fuse_req_t req, fuse_ino_t dir, const char *name);
void medio_fsname_symlink(fuse_req_t req, const char *target, fuse_ino_t dir, const char *name);
void medio_fsname_rename(fuse_req_t req, fuse_ino_t dir, const char *name, fuse_ino_t to,
	const char *new_name, unsigned flags);
void medio_fsname_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t dir, const char *name);

#endif
