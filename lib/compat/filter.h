/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The filter that stops a program's calls which may concern files of ours. It is installed by the program's process before
 * exec(), and inherited by all that come of it. See launch.h for what it catches.
 */
#ifndef MEDIO_COMPAT_FILTER_H
#define MEDIO_COMPAT_FILTER_H

#include <stdbool.h>

#include <medio/error.h>

/* Calls at an offset of this and more (up to 2^63) are caught: MEDIO_KDEV_OFFSET(0), in its upper half. */
#define MEDIO_FILTER_OFFSET (1u << 30)
/* With a UIO device: shared mappings of files at offsets below. */
#define MEDIO_FILTER_UIO_OFFSET 0x10000u

/*
 * Install it for this process: *listener is where its calls arrive. Errors, with words:
 *   -EBUSY            another supervisor listens here already
 *   -ENOSYS, -EINVAL  the kernel does not know user notification, or not what we need of it
 *   -EACCES, -EPERM   not allowed: a policy of a container's
 */
int medio_filter_install(bool uio, int *listener, struct medio_error **err);

#endif
