/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree's face of the manager: who writes what where becomes who may do what. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "manage/attrs.h"
#include "mediod.h"
#include "util/error.h"

static struct medio_who who_of(const struct medio_tree_caller *caller)
{
	return (struct medio_who){ .uid = caller->uid, .gid = caller->gid, .pid = caller->pid };
}

/* A write to `create` that waits for its end. */
struct creating {
	medio_mdev_done *done;
	void *opaque;
};

static void on_created(void *opaque, struct medio_mdev *mdev, int ret, const char *words)
{
	struct creating creating = *(struct creating *)opaque;

	(void)mdev;
	(void)words; /* the manager has logged them; a shell hears the errno */
	free(opaque);
	creating.done(creating.opaque, ret);
}

static int tree_create(void *opaque, const struct medio_tree_caller *caller,
	struct medio_parent *parent, const struct medio_type *type, const char *text, size_t len,
	medio_mdev_done *done, void *done_opaque)
{
	struct medio_daemon *d = opaque;
	/* The tree has looked at the modes of `create`, which are the policy's until root chose. */
	struct medio_creation how = { .who = who_of(caller), .restart = -1, .permitted = true };
	struct creating *creating = malloc(sizeof(*creating));

	if (!creating)
		return -ENOMEM;
	*creating = (struct creating){ .done = done, .opaque = done_opaque };
	medio_manager_create(&d->manager, parent, type, text, len, &how, on_created, creating);
	return 0;
}

static int tree_remove(void *opaque, const struct medio_tree_caller *caller,
	struct medio_mdev *mdev, medio_mdev_done *done, void *done_opaque)
{
	struct medio_daemon *d = opaque;
	struct medio_who who = who_of(caller);

	medio_manager_remove(&d->manager, mdev, &who, false, done, done_opaque);
	return 0;
}

static const char *tree_attr_path(
	void *opaque, const struct medio_mdev *mdev, unsigned n, bool *writable)
{
	(void)opaque;
	return medio_attr_path(mdev, n, writable);
}

static int tree_attr_show(void *opaque, struct medio_mdev *mdev, const char *path,
	medio_mdev_attr_done *done, void *done_opaque)
{
	(void)opaque;
	return medio_attr_show(mdev, path, done, done_opaque);
}

static int tree_attr_store(void *opaque, const struct medio_tree_caller *caller,
	struct medio_mdev *mdev, const char *path, const char *text, size_t size,
	medio_mdev_done *done, void *done_opaque)
{
	struct medio_who who = who_of(caller);

	(void)opaque;
	return medio_attr_store(mdev, &who, path, text, size, done, done_opaque);
}

/* The policy as owner, group and mode. An instance's files are its owner's alone. */
static void tree_access(void *opaque, const struct medio_parent *parent,
	const struct medio_mdev *mdev, struct medio_tree_access *access)
{
	const struct medio_daemon *d = opaque;
	const struct medio_policy *policy = &d->manager.policy;
	const struct medio_managed *inst = mdev ? medio_managed_of(mdev) : NULL;
	bool group = !inst && policy->group != (gid_t)-1;

	(void)parent;
	access->uid = inst ? inst->uid : policy->uid;
	access->gid = group ? policy->group : inst ? inst->gid : getegid();
	access->mode = group ? 0220 : 0200;
}

static void tree_refused(
	void *opaque, const struct medio_tree_caller *caller, const char *path, const char *what)
{
	struct medio_daemon *d = opaque;
	struct medio_who who = who_of(caller);

	medio_manager_refused(&d->manager, &who, "%s %s", what, path);
}

/* Not from within the tree's own call. */
static void on_gone(void *opaque)
{
	struct medio_daemon *d = opaque;

	medio_daemon_free_tree(d);
	medio_manager_log(&d->manager, MEDIO_LOG_WARN,
		"the tree was unmounted by somebody else; a reload (SIGHUP) mounts it again");
}

static void tree_gone(void *opaque)
{
	struct medio_daemon *d = opaque;

	medio_timer_arm(d->tree_gone, 0);
}

static const struct medio_tree_ops ops = {
	.create = tree_create,
	.remove = tree_remove,
	.attr_path = tree_attr_path,
	.attr_show = tree_attr_show,
	.attr_store = tree_attr_store,
	.access = tree_access,
	.refused = tree_refused,
	.gone = tree_gone,
};

/* An instance that went by another way than the tree is gone from it, too, when that is told. */
static void settle(void *opaque, medio_mdev_done *done, void *done_opaque)
{
	struct medio_daemon *d = opaque;

	medio_tree_settle(d->tree, done, done_opaque);
}

int medio_daemon_mount_tree(struct medio_daemon *d, struct medio_error **err)
{
	struct medio_error *why = NULL;

	if (d->config.no_tree)
		return 0;
	if (!d->tree_dir && asprintf(&d->tree_dir, "%s/sys", d->runtime) < 0)
		d->tree_dir = NULL;
	d->tree_gone = medio_loop_timer(d->manager.loop, on_gone, d);
	if (!d->tree_dir || !d->tree_gone) {
		medio_daemon_free_tree(d);
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	int ret = medio_tree_new(
		d->manager.loop, d->manager.bus, d->tree_dir, &ops, d, &d->tree, &why);
	if (ret) {
		medio_daemon_free_tree(d);
		medio_manager_log(&d->manager, MEDIO_LOG_WARN,
			"goes on without a tree, the control socket does all: %s",
			why ? medio_error_text(why) : strerror(-ret));
	} else {
		d->manager.settle = settle;
		d->manager.settle_opaque = d;
	}
	medio_error_free(why);
	return 0;
}

void medio_daemon_free_tree(struct medio_daemon *d)
{
	d->manager.settle = NULL;
	if (d->tree) {
		medio_tree_free(d->tree);
		if (d->tree_dir)
			rmdir(d->tree_dir); /* made for it */
	}
	d->tree = NULL;
	medio_timer_free(d->tree_gone);
	d->tree_gone = NULL;
}
