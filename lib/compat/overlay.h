/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our files over the machine's own /dev and /sys, in a mount namespace: a folder that both have becomes one of a tmpfs, with
 * the machine's entries (bound there, links copied) and ours, which win; one that only we have is our file system's.
 *
 *     /dev          tmpfs: all of the machine's, and
 *         vfio/     FUSE: vfio, 0, 1 …, devices (a tmpfs: vfio0 is /dev/null by another name)
 *         iommu     a link into
 *         .medio/   FUSE, all of it
 *     /sys          tmpfs: all of the machine's, and ours at any depth
 *
 * What the machine adds later to a folder that was merged is not seen.
 */
#ifndef MEDIO_COMPAT_OVERLAY_H
#define MEDIO_COMPAT_OVERLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "compat/compat.h"

/* The machine's own two folders. */
struct medio_overlay {
	int dev, sys;
};

/* Mount our file system, where nobody has looked at it yet: it can then be served through fuse, by another process. The
 * descriptors in *overlay are the caller's, to be given up with the process. */
int medio_overlay_begin(int fuse, struct medio_overlay *overlay, struct medio_error **err);
/* All the rest, while it is served. alone: in a user namespace. *dev: the number of our file system, as stat has it. */
int medio_overlay_make(struct medio_compat *compat, const struct medio_overlay *overlay, bool alone,
	uint64_t *dev, struct medio_error **err);

#endif
