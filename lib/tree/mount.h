/* SPDX-License-Identifier: BSD-3-Clause */
/* The place where a tree is mounted. */
#ifndef MEDIO_TREE_MOUNT_H
#define MEDIO_TREE_MOUNT_H

#include <stdbool.h>

#include <medio/error.h>

/*
 * Make the folder, and take away what a process that died has left mounted there. path is absolute.
 * Errors, with words: -EBUSY a tree that lives is mounted there; -ENODEV no /dev/fuse; -EACCES,
 * -ENOENT and the like for the folder; -ENOENT fusermount3 is missing and we are not root.
 */
int medio_mount_prepare(const char *path, struct medio_error **err);
/* Others may look: we are root, or /etc/fuse.conf says user_allow_other. */
bool medio_mount_for_all(void);

#endif
