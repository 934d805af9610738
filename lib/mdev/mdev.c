/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An instance's life, as the table of enum medio_mdev_state has it. The order of what happens, and
 * of the errors, is that of Linux drivers/vfio/mdev/mdev_core.c; where that sleeps, a state waits.
 */
#include "mdev/private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- The record -------------------------------------------------------------------------------- */

static void mdev_free(struct medio_mdev *mdev)
{
	medio_error_free(mdev->words);
	free(mdev->opts);
	free(mdev);
}

static int mdev_new(struct medio_parent *parent, const struct medio_type *type,
	const uint8_t uuid[MEDIO_UUID_SIZE], const struct medio_mdev_options *opts,
	struct medio_mdev **out)
{
	struct medio_mdev *mdev = calloc(1, sizeof(*mdev));

	if (!mdev)
		return -ENOMEM;
	memcpy(mdev->uuid, uuid, MEDIO_UUID_SIZE);
	if (medio_mdev_options_copy(opts, &mdev->opts) < 0 ||
		medio_bus_insert(parent->bus, mdev) < 0) {
		mdev_free(mdev);
		return -ENOMEM;
	}
	medio_uuid_format(uuid, mdev->text);
	mdev->parent = parent;
	mdev->type = type;
	mdev->group = -1;
	mdev->fresh = true;
	mdev->state = MEDIO_MDEV_ADDING;
	if (opts) {
		mdev->created = opts->created;
		mdev->created_opaque = opts->opaque;
	}
	medio_list_init(&mdev->bound_item);
	medio_list_init(&mdev->vfs);
	medio_list_init(&mdev->vf_item);
	if (opts && opts->pf)
		medio_mdev_vf_enter(mdev, opts->pf, opts->vf);
	medio_list_append(&parent->mdevs, &mdev->parent_item);
	parent->count++;
	*out = mdev;
	return 0;
}

/* Out of every list; the memory stays for those who are to be told. Gives the PF of a virtual function,
 * for medio_mdev_vf_left(). */
static struct medio_mdev *mdev_unlink(struct medio_mdev *mdev)
{
	struct medio_parent *parent = mdev->parent;

	medio_bus_erase(parent->bus, mdev);
	medio_list_remove(&mdev->parent_item);
	parent->count--;
	medio_mdev_vfs_orphan(mdev);
	return medio_mdev_vf_leave(mdev);
}

/* A virtual function is part of a card that has taken its share. */
static bool takes_units(const struct medio_mdev *mdev)
{
	return !mdev->opts || !mdev->opts->pf;
}

static void give_units(struct medio_mdev *mdev)
{
	if (takes_units(mdev))
		medio_parent_give_units(mdev->parent, mdev->type);
}

/* ---- A driver comes and goes ------------------------------------------------------------------- */

/* Undo attach(): the group, the units, the place in the driver's list. */
static void detach(struct medio_mdev *mdev)
{
	medio_bus_group_give(mdev->parent->bus, mdev->group);
	mdev->group = -1;
	give_units(mdev);
	medio_list_remove(&mdev->bound_item);
	mdev->binding = NULL;
	mdev->bound = false;
}

static int attach_end(struct medio_mdev *mdev, int ret)
{
	if (ret < 0) {
		detach(mdev);
		return ret;
	}
	mdev->bound = true;
	medio_bus_emit(mdev->parent->bus, MEDIO_MDEV_BIND, mdev->parent, mdev, NULL);
	mdev->state = MEDIO_MDEV_ACTIVE;
	mdev->fresh = false;
	return 0;
}

/* Give mdev to a driver; its units are taken already. 0, -errno, MEDIO_DEFERRED. */
static int attach(struct medio_mdev *mdev, struct medio_mdev_binding *binding)
{
	int wanted = medio_mdev_options(mdev)->group;
	int ret = medio_bus_group_take(mdev->parent->bus, mdev, wanted > 0 ? wanted - 1 : -1);

	if (ret < 0) {
		give_units(mdev);
		return ret;
	}
	mdev->group = ret;
	mdev->binding = binding;
	medio_list_append(&binding->mdevs, &mdev->bound_item);
	mdev->state = MEDIO_MDEV_PROBING;
	mdev->answered = false;
	mdev->held++;
	ret = binding->driver->probe(mdev);
	mdev->held--;
	if (mdev->opts)
		mdev->opts->context = NULL; /* what it points at is the caller's of create */
	if (ret > 0 && !mdev->answered)
		return MEDIO_DEFERRED;
	return attach_end(mdev, mdev->answered ? mdev->answer : ret);
}

static int probe_failed(struct medio_mdev *mdev, int ret, struct medio_error **err)
{
	if (mdev->words)
		return medio_error_set(err, -ret, "%s", medio_error_text(mdev->words));
	return medio_error_set(
		err, -ret, "%s: its driver could not start it: %s", mdev->text, strerror(-ret));
}

void medio_mdev_probe_done(struct medio_mdev *mdev, int ret)
{
	struct medio_parent *parent = mdev->parent;
	struct medio_mdev_waiter bind = mdev->bind;
	struct medio_mdev *pf = NULL;
	bool fresh = mdev->fresh;

	assert(mdev->state == MEDIO_MDEV_PROBING && !mdev->bound && ret <= 0);
	if (mdev->held) { /* from within probe: attach() goes on */
		mdev->answered = true;
		mdev->answer = ret;
		return;
	}
	memset(&mdev->bind, 0, sizeof(mdev->bind));
	medio_parent_enter(parent);
	attach_end(mdev, ret);
	if (ret < 0 && fresh) {
		medio_bus_emit(parent->bus, MEDIO_MDEV_REMOVE, parent, mdev, NULL);
		pf = mdev_unlink(mdev);
	} else if (ret < 0) {
		mdev->state = MEDIO_MDEV_UNBOUND;
	}
	medio_parent_leave(parent);

	if (fresh && mdev->created)
		mdev->created(mdev->created_opaque, mdev, ret,
			ret < 0 && mdev->words ? medio_error_text(mdev->words) : NULL);
	if (fresh && ret < 0)
		mdev_free(mdev);
	medio_mdev_tell(&bind, ret);
	medio_mdev_vf_left(pf);
}

/* ---- Create ------------------------------------------------------------------------------------ */

static int parse_uuid(const struct medio_bus *bus, const char *text, size_t len,
	uint8_t uuid[MEDIO_UUID_SIZE], struct medio_error **err)
{
	const struct medio_mdev *other;

	if (!text)
		medio_uuid_random(uuid);
	else if (medio_uuid_parse(text, len, uuid) < 0)
		return medio_error_set(err, EINVAL,
			"'%.*s' is not a UUID; one looks like 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001",
			(int)(len < 64 ? len : 64), text);
	other = medio_bus_lookup(bus, uuid);
	if (other)
		return medio_error_set(err, EEXIST, "%s exists already, a %s of %s", other->text,
			other->type->name, other->parent->desc->name);
	return 0;
}

static bool offers(const struct medio_parent *parent, const struct medio_type *type)
{
	const struct medio_type *const *at = parent->desc->types;

	while (*at && *at != type)
		at++;
	return *at != NULL;
}

/* In the order of mdev_device_create(); see medio_mdev_create(). */
static int may_create(const struct medio_parent *parent, const struct medio_type *type,
	const struct medio_mdev_binding *binding, struct medio_error **err)
{
	const struct medio_mdev_driver *driver = parent->driver;
	const char *name = parent->desc->name;

	if (!driver->get_available && driver->max_instances &&
		parent->count >= driver->max_instances)
		return medio_error_set(err, EUSERS,
			"%s has all the instances its driver allows: %u", name,
			driver->max_instances);
	if (parent->leaving)
		return medio_error_set(err, ENODEV, "%s is being unregistered", name);
	if (!binding)
		return medio_error_set(
			err, ENODEV, "%s: its driver %s is not there", name, driver->name);
	if (!type || !offers(parent, type))
		return medio_error_set(err, ENODEV, "%s does not offer that type", name);
	if (parent->busy)
		return medio_error_set(err, EAGAIN, "%s is busy with another instance", name);
	return 0;
}

/* It is there, and nobody drives it. */
static int leave_unbound(struct medio_mdev *mdev)
{
	give_units(mdev);
	mdev->opts->context = NULL;
	mdev->state = MEDIO_MDEV_UNBOUND;
	mdev->fresh = false;
	return 0;
}

/* ADD, and the driver. On failure nothing is left. */
static int start(
	struct medio_mdev *mdev, struct medio_mdev_binding *binding, struct medio_error **err)
{
	struct medio_parent *parent = mdev->parent;
	struct medio_mdev *pf = NULL;
	int ret;

	medio_parent_enter(parent);
	medio_bus_emit(parent->bus, MEDIO_MDEV_ADD, parent, mdev, NULL);
	ret = medio_mdev_options(mdev)->unbound ? leave_unbound(mdev) : attach(mdev, binding);
	if (ret < 0) {
		probe_failed(mdev, ret, err);
		medio_bus_emit(parent->bus, MEDIO_MDEV_REMOVE, parent, mdev, NULL);
		pf = mdev_unlink(mdev);
		mdev_free(mdev);
	}
	medio_parent_leave(parent);
	medio_mdev_vf_left(pf);
	return ret;
}

static int no_units(
	const struct medio_parent *parent, const struct medio_type *type, struct medio_error **err)
{
	return medio_error_set(err, ENOSPC, "%s has %u of %u units left, and %s takes %u",
		parent->desc->name, medio_parent_units_left(parent), parent->desc->capacity,
		type->name, type->units ? type->units : 1);
}

int medio_mdev_create(struct medio_parent *parent, const struct medio_type *type, const char *uuid,
	size_t len, const struct medio_mdev_options *opts, struct medio_mdev **out,
	struct medio_error **err)
{
	struct medio_mdev_binding *binding = medio_mdev_binding_find(parent->bus, parent->driver);
	uint8_t id[MEDIO_UUID_SIZE];
	struct medio_mdev *mdev;
	int ret;

	ret = parse_uuid(parent->bus, uuid, len, id, err);
	if (ret < 0)
		return ret;
	ret = may_create(parent, type, binding, err);
	if (ret == 0)
		ret = medio_mdev_vf_check(parent, type, opts, err);
	if (ret < 0)
		return ret;
	bool takes = !opts || !opts->pf;
	if (takes && medio_parent_take_units(parent, type) < 0)
		return no_units(parent, type, err);
	ret = mdev_new(parent, type, id, opts, &mdev);
	if (ret < 0) {
		if (takes)
			medio_parent_give_units(parent, type);
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	ret = start(mdev, binding, err);
	if (ret >= 0 && out)
		*out = mdev;
	return ret;
}

/* ---- The end ----------------------------------------------------------------------------------- */

static bool ending(const struct medio_mdev *mdev)
{
	return mdev->state == MEDIO_MDEV_REMOVING || mdev->state == MEDIO_MDEV_UNBINDING;
}

/* The driver's remove, UNBIND. A probe that was not answered has bound nothing. */
static void stop_driver(struct medio_mdev *mdev)
{
	bool was_bound = mdev->bound;

	if (mdev->binding->driver->remove)
		mdev->binding->driver->remove(mdev);
	detach(mdev);
	if (was_bound)
		medio_bus_emit(mdev->parent->bus, MEDIO_MDEV_UNBIND, mdev->parent, mdev, NULL);
}

/*
 * Nobody uses it: end it, or its driver. Who is to be told is told last, when everything else is
 * in order and they may call anything.
 */
static void finish(struct medio_mdev *mdev)
{
	struct medio_parent *parent = mdev->parent;
	struct medio_mdev_binding *binding = mdev->binding;
	struct medio_mdev_waiter removed = mdev->removed, bind = mdev->bind, driver_done,
				 parent_done;
	struct medio_mdev *pf = NULL;
	bool gone = mdev->state == MEDIO_MDEV_REMOVING, cancelled = binding && !mdev->bound;

	memset(&mdev->bind, 0, sizeof(mdev->bind));
	medio_parent_enter(parent);
	mdev->held++;
	if (binding) {
		binding->held++;
		stop_driver(mdev);
	}
	if (gone) {
		medio_bus_emit(parent->bus, MEDIO_MDEV_REMOVE, parent, mdev, NULL);
		pf = mdev_unlink(mdev);
	} else {
		mdev->state = MEDIO_MDEV_UNBOUND;
	}
	mdev->held--;
	medio_parent_leave(parent);
	if (binding)
		binding->held--;
	driver_done = medio_mdev_binding_reap(binding);
	parent_done = medio_parent_reap(parent);

	if (mdev->fresh && mdev->created)
		mdev->created(mdev->created_opaque, mdev, -ENODEV,
			"its parent or driver was unregistered meanwhile");
	if (gone)
		mdev_free(mdev);
	medio_mdev_tell(&bind, cancelled ? -ENODEV : 0);
	medio_mdev_tell(&removed, 0);
	medio_mdev_vf_left(pf);
	medio_mdev_tell(&driver_done, 0);
	medio_mdev_tell(&parent_done, 0);
}

void medio_mdev_settle(struct medio_mdev *mdev)
{
	if (ending(mdev) && !mdev->opens && !mdev->held && !mdev->nvfs)
		finish(mdev);
}

void medio_mdev_hold(struct medio_mdev *mdev)
{
	mdev->held++;
}

void medio_mdev_release(struct medio_mdev *mdev)
{
	mdev->held--;
	medio_mdev_settle(mdev);
}

static void ask(struct medio_mdev *mdev)
{
	const struct medio_mdev_driver *driver = mdev->binding->driver;

	if (driver->request)
		driver->request(mdev, mdev->requests++);
}

int medio_mdev_end(struct medio_mdev *mdev, bool remove)
{
	bool asked = ending(mdev);

	if (mdev->state == MEDIO_MDEV_REMOVING)
		return MEDIO_DEFERRED;
	/* An instance whose first probe is called off has never been one. */
	if (remove || mdev->fresh) {
		mdev->state = MEDIO_MDEV_REMOVING;
		medio_list_remove(&mdev->parent_item);
		medio_list_append(&mdev->parent->going, &mdev->parent_item);
	} else {
		mdev->state = MEDIO_MDEV_UNBINDING;
	}
	mdev->held++;
	medio_mdev_vfs_end(mdev, 0);
	if (mdev->opens && !asked) {
		mdev->requests = 0;
		ask(mdev);
	}
	mdev->held--;
	if (mdev->opens || mdev->held || mdev->nvfs)
		return MEDIO_DEFERRED;
	finish(mdev);
	return 0;
}

int medio_mdev_remove(struct medio_mdev *mdev, medio_mdev_done *done, void *done_opaque)
{
	int ret;

	if (mdev->fresh || mdev->state == MEDIO_MDEV_PROBING || mdev->state == MEDIO_MDEV_REMOVING)
		return -EAGAIN;
	if (mdev->parent->leaving)
		return -ENODEV;
	if (mdev->pf)
		return -EBUSY;
	if (mdev->held || mdev->parent->busy)
		return -EAGAIN;
	ret = medio_mdev_end(mdev, true);
	if (ret == MEDIO_DEFERRED) {
		mdev->removed.fn = done;
		mdev->removed.opaque = done_opaque;
	}
	return ret;
}

void medio_mdev_request(struct medio_mdev *mdev)
{
	if (!ending(mdev) || !mdev->opens)
		return;
	medio_mdev_hold(mdev);
	ask(mdev);
	medio_mdev_release(mdev);
}

/* ---- Bind and unbind --------------------------------------------------------------------------- */

int medio_mdev_unbind(struct medio_mdev *mdev, medio_mdev_done *done, void *done_opaque)
{
	int ret;

	if (mdev->state == MEDIO_MDEV_UNBOUND || mdev->parent->leaving)
		return -ENODEV;
	if (mdev->state != MEDIO_MDEV_ACTIVE || mdev->held || mdev->parent->busy)
		return -EAGAIN;
	ret = medio_mdev_end(mdev, false);
	if (ret == MEDIO_DEFERRED) {
		mdev->bind.fn = done;
		mdev->bind.opaque = done_opaque;
	}
	return ret;
}

int medio_mdev_bind(
	struct medio_mdev *mdev, medio_mdev_done *done, void *done_opaque, struct medio_error **err)
{
	struct medio_parent *parent = mdev->parent;
	struct medio_mdev_binding *binding = medio_mdev_binding_find(parent->bus, parent->driver);
	int ret;

	if (mdev->bound)
		return medio_error_set(err, EBUSY, "%s has a driver", mdev->text);
	if (mdev->state != MEDIO_MDEV_UNBOUND || mdev->held || parent->busy)
		return medio_error_set(err, EAGAIN, "%s is in the middle of something", mdev->text);
	if (parent->leaving || !binding)
		return medio_error_set(err, ENODEV, "%s: its driver %s is not there", mdev->text,
			parent->driver->name);
	if (takes_units(mdev) && medio_parent_take_units(parent, mdev->type) < 0)
		return no_units(parent, mdev->type, err);

	medio_error_free(mdev->words);
	mdev->words = NULL;
	medio_parent_enter(parent);
	ret = attach(mdev, binding);
	medio_parent_leave(parent);
	if (ret == MEDIO_DEFERRED) {
		mdev->bind.fn = done;
		mdev->bind.opaque = done_opaque;
	} else if (ret < 0) {
		mdev->state = MEDIO_MDEV_UNBOUND;
		probe_failed(mdev, ret, err);
	}
	return ret;
}

/* ---- Users ------------------------------------------------------------------------------------- */

bool medio_mdev_usable(const struct medio_mdev *mdev)
{
	/* Also while BIND is being told: who hears it may go and use the device. */
	return mdev->bound && !ending(mdev);
}

int medio_mdev_open(struct medio_mdev *mdev)
{
	if (!medio_mdev_usable(mdev))
		return -ENODEV;
	mdev->opens++;
	return 0;
}

void medio_mdev_close(struct medio_mdev *mdev)
{
	assert(mdev->opens);
	mdev->opens--;
	medio_mdev_settle(mdev);
}
