/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where caught calls of the program arrive (filter.h), are told apart by the file they are about, handled by it (kfile.h) and
 * answered. Calls about no file of ours go on to the kernel.
 *
 * Which open file a descriptor is: what /proc/TID/fd/N says of its inode, without asking our own file system, which would
 * have to answer while we wait.
 *
 * Threads: the supervisor's.
 */
#ifndef MEDIO_COMPAT_NOTIFY_H
#define MEDIO_COMPAT_NOTIFY_H

#include "compat/compat.h"

/* Owns listener, also after a failure. gone(opaque): no process is left that could make a call. -ENOMEM. */
int medio_notify_new(struct medio_compat *compat, int listener, void (*gone)(void *opaque),
	void *opaque, struct medio_notify **out);
/* Calls that wait get -ENOSYS from the kernel. NULL is allowed. */
void medio_notify_free(struct medio_notify *notify);

#endif
