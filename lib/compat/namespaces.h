/* SPDX-License-Identifier: BSD-3-Clause */
/* The namespaces that a program runs in. */
#ifndef MEDIO_COMPAT_NAMESPACES_H
#define MEDIO_COMPAT_NAMESPACES_H

#include <stdbool.h>

#include <medio/error.h>

/*
 * A mount namespace of this process's own, from which nothing reaches the machine's; and a user namespace, in which user and
 * group are the same as before, unless this process may do without. *alone: it has a user namespace. Errors, with words
 * that say what to do: -EPERM, -ENOSPC, -EUSERS, -EINVAL, -EACCES.
 */
int medio_namespaces_enter(bool *alone, struct medio_error **err);
/* What FUSE will be served through, opened inside of them; *fd is the caller's. -ENODEV, -ENOENT, -EACCES. */
int medio_namespaces_fuse(int *fd, struct medio_error **err);

#endif
