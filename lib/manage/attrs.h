/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attributes of an instance by path, as its folder in the tree has them: the device's own
 * ("vendor/sample_mdev_dev"), those of its filters ("filters/stats/registers"), its parameters
 * ("params/port0"), and mediod's ("medio/socket"). The tree, definitions and the control socket read and write through here.
 *
 *     medio/client      r    pid and uid of the client, or an empty line
 *     medio/filters     rw   one a line, nearest to the client first
 *     medio/mode        rw   of the socket, octal
 *     medio/owner       rw   UID:GID, or a user's name; to write: root
 *     medio/pid         r    of its worker
 *     medio/qemu_device r    the argument for QEMU
 *     medio/restart     rw   never, reset, restore
 *     medio/socket      r    where to connect
 *     medio/state       r    medio_managed_state(), and in a second line why
 *     sriov_…                of a card that can have virtual functions, see functions.h
 */
#ifndef MEDIO_MANAGE_ATTRS_H
#define MEDIO_MANAGE_ATTRS_H

#include "manage/managed.h"

struct medio_managed_attr {
	const char *name; /* "medio/socket"; NULL ends the table */
	/* Print, with a newline: the length or -errno. */
	ssize_t (*show)(struct medio_managed *inst, char *buf, size_t size);
	/* NULL: read-only. text is size bytes without the newline that echo writes, and a zero; done
	 * is called once. */
	void (*store)(struct medio_managed *inst, const char *text, size_t size,
		medio_mdev_done *done, void *opaque);
};
extern const struct medio_managed_attr medio_managed_attrs[];

/*
 * Any of them by its path. 0: done is called once, perhaps from within; -errno: it is not.
 * -ENOENT no such attribute, -EIO not readable or writable, -ENODEV nothing runs the instance; store:
 * -EACCES who may not (logged).
 */
int medio_attr_show(
	struct medio_mdev *mdev, const char *path, medio_mdev_attr_done *done, void *opaque);
int medio_attr_store(struct medio_mdev *mdev, const struct medio_who *who, const char *path,
	const char *text, size_t size, medio_mdev_done *done, void *opaque);
/* The n-th path, sorted; NULL after the last. Valid until the next call. writable may be NULL. */
const char *medio_attr_path(const struct medio_mdev *mdev, unsigned n, bool *writable);

#endif
