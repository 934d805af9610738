/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The management tree: a bus as a file system that looks like /sys. node.h knows what is where and
 * what reading and writing it means, without any I/O; tree.c is the FUSE front end.
 *
 *     class/mdev_bus/PARENT               -> ../../devices/…/PARENT
 *     devices/…/PARENT/                   mdev_supported_types/TYPE/{create,name,device_api,
 *                                         available_instances,description,devices/UUID}, the
 *                                         parent's attributes, uevent, subsystem, power/
 *     devices/…/PARENT/UUID/              driver, iommu_group, mdev_type, subsystem (links), uevent,
 *                                         power/, remove, the device's attributes, params/, medio/;
 *                                         of a card with virtual functions virtfnN, of these physfn
 *                                         (links)
 *     bus/mdev/devices/UUID               -> ../../../devices/…/PARENT/UUID
 *     bus/mdev/drivers/NAME/              UUID links, bind, unbind
 *     kernel/iommu_groups/N/devices/UUID  links
 *
 * Modes, owners and errno are sysfs's. Permission is checked here (root passes), and each refusal is
 * logged; chmod and chown by root work on files, as on sysfs.
 */
#ifndef MEDIO_TREE_TREE_H
#define MEDIO_TREE_TREE_H

#include <medio/mdev.h>

struct medio_tree;

/* Who asks, from the FUSE request. */
struct medio_tree_caller {
	uid_t uid;
	gid_t gid;
	pid_t pid;
};

/* How a new file looks until somebody changes it. */
struct medio_tree_access {
	uid_t uid;
	gid_t gid;
	mode_t mode; /* permission bits */
};

/*
 * What the owner of the tree adds to the bus. Any may be NULL. Asynchronous ones: 0, and done is
 * called once, perhaps from within; or -errno and it is not called.
 */
struct medio_tree_ops {
	/* A write to a type's `create`, to an instance's `remove` (a number that is not 0).
	 * NULL: medio_mdev_create() and medio_mdev_remove(). */
	int (*create)(void *opaque, const struct medio_tree_caller *who,
		struct medio_parent *parent, const struct medio_type *type, const char *text,
		size_t len, medio_mdev_done *done, void *done_opaque);
	int (*remove)(void *opaque, const struct medio_tree_caller *who, struct medio_mdev *mdev,
		medio_mdev_done *done, void *done_opaque);
	/* Attributes of an instance by path ("medio/socket", "params/port0", and the type's own).
	 * path: the n-th, in any order, NULL after the last, valid until the next call. Called in
	 * every state, also before the driver's probe; what it says may change with the events BIND,
	 * UNBIND and CHANGE only. A path that takes a name the folder has anyway ("remove", "power/x")
	 * is left out. NULL: only type->attrs, while a driver is bound. */
	const char *(*attr_path)(
		void *opaque, const struct medio_mdev *mdev, unsigned n, bool *writable);
	int (*attr_show)(void *opaque, struct medio_mdev *mdev, const char *path,
		medio_mdev_attr_done *done, void *done_opaque);
	int (*attr_store)(void *opaque, const struct medio_tree_caller *who,
		struct medio_mdev *mdev, const char *path, const char *text, size_t size,
		medio_mdev_done *done, void *done_opaque);
	/* Owner and mode of a type's `create` (mdev NULL), or of an instance's writable files (mdev
	 * set; mode is that of `remove`; attributes get 0444 more). */
	void (*access)(void *opaque, const struct medio_parent *parent,
		const struct medio_mdev *mdev, struct medio_tree_access *access);
	/* Somebody other than root may not: a line for the log. path is below the tree; what is
	 * "write", "truncate", "chmod", "chown", "touch". Users can call for this as often as they
	 * like, so let the log be limited. */
	void (*refused)(void *opaque, const struct medio_tree_caller *who, const char *path,
		const char *what);
	/* A valid write to a `uevent`: of an instance (mdev), of something else (NULL), path as in
	 * DEVPATH; action "add" …, env "SYNTH_UUID=…". NULL: CHANGE with env for an instance, and
	 * nothing for the others. */
	void (*uevent)(void *opaque, const struct medio_tree_caller *who, const char *path,
		struct medio_mdev *mdev, const char *action, const char *env);
	/* Somebody else unmounted the tree, or its connection was aborted: nothing more comes, and
	 * medio_tree_free() is what is left to do (not from here). */
	void (*gone)(void *opaque);
};

/*
 * Mount the tree of bus at path (the folder is made; what a dead mediod left mounted there is taken
 * away first) and serve it on loop. Visible for all users if we are root or /etc/fuse.conf says
 * user_allow_other; else for ours alone. Errors, with words that say what to do: -ENODEV no
 * /dev/fuse; -EPERM, -ENOENT (fusermount3 is missing) …; -EBUSY a live one is mounted there.
 */
int medio_tree_new(struct medio_loop *loop, struct medio_bus *bus, const char *path,
	const struct medio_tree_ops *ops, void *opaque, struct medio_tree **out,
	struct medio_error **err);
/*
 * The kernel remembers names, and is told to forget those that are gone on another thread. A write is
 * answered after that. Who removes an instance otherwise, and then says so to somebody who looks into
 * the tree, does it from done: called once, with 0, from within or later. Always, also when the tree
 * is gone or being freed.
 */
void medio_tree_settle(struct medio_tree *tree, medio_mdev_done *done, void *opaque);
/* Unmount; requests that wait get -ENODEV, and what they began goes on: their done callbacks may
 * still be called. NULL is allowed. Not from a callback of ops. */
void medio_tree_free(struct medio_tree *tree);

#endif
