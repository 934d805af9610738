/* SPDX-License-Identifier: BSD-3-Clause */
#include "mdev/private.h"

#include "util/cleanup.h"
#include "util/nearest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Register and unregister ------------------------------------------------------------------- */

static int check_types(const struct medio_parent_desc *desc, struct medio_error **err)
{
	if (!desc->types || !desc->types[0])
		return medio_error_set(err, EINVAL, "parent '%s' has no types", desc->name);
	for (size_t i = 0; desc->types[i]; i++) {
		const char *name = desc->types[i]->name;

		if (!medio_mdev_name_ok(name))
			return medio_error_set(err, EINVAL,
				"parent '%s': a type needs a name, without '/'", desc->name);
		for (size_t j = 0; j < i; j++) {
			if (strcmp(desc->types[j]->name, name) == 0)
				return medio_error_set(err, EEXIST,
					"parent '%s' has type '%s' twice", desc->name, name);
		}
	}
	return 0;
}

int medio_parent_register(struct medio_bus *bus, const struct medio_parent_desc *desc,
	const struct medio_mdev_driver *driver, struct medio_parent **out, struct medio_error **err)
{
	struct medio_parent *parent;
	int ret;

	if (!medio_mdev_name_ok(desc->name))
		return medio_error_set(err, EINVAL, "a parent needs a name, without '/'");
	ret = check_types(desc, err);
	if (ret < 0)
		return ret;
	if (medio_bus_find_parent(bus, desc->name))
		return medio_error_set(
			err, EEXIST, "a parent '%s' is registered already", desc->name);
	if (!medio_mdev_binding_find(bus, driver))
		return medio_error_set(
			err, ENODEV, "parent '%s': its driver is not registered", desc->name);
	parent = calloc(1, sizeof(*parent));
	if (!parent)
		return medio_error_set(err, ENOMEM, "out of memory");
	parent->bus = bus;
	parent->desc = desc;
	parent->driver = driver;
	medio_list_init(&parent->mdevs);
	medio_list_init(&parent->going);
	medio_list_append(&bus->parents, &parent->item);
	/* Before the event: who hears it may unregister the parent again. */
	*out = parent;
	medio_bus_emit(bus, MEDIO_MDEV_CHANGE, parent, NULL, "MDEV_STATE=registered");
	return 0;
}

int medio_parent_unregister(struct medio_parent *parent, medio_mdev_done *done, void *done_opaque)
{
	if (parent->leaving)
		return -ENODEV;
	if (parent->busy)
		return -EAGAIN;

	parent->leaving = true;
	medio_parent_enter(parent);
	/* Each goes, or moves to the other list to wait there. */
	while (!medio_list_empty(&parent->mdevs))
		medio_mdev_end(
			medio_container_of(parent->mdevs.next, struct medio_mdev, parent_item),
			true);
	medio_parent_leave(parent);

	if (medio_list_empty(&parent->going)) {
		medio_parent_reap(parent);
		return 0;
	}
	parent->done.fn = done;
	parent->done.opaque = done_opaque;
	return MEDIO_DEFERRED;
}

struct medio_mdev_waiter medio_parent_reap(struct medio_parent *parent)
{
	struct medio_mdev_waiter done = { NULL, NULL };

	if (!parent->leaving || parent->busy || !medio_list_empty(&parent->mdevs) ||
		!medio_list_empty(&parent->going))
		return done;
	done = parent->done;
	medio_list_remove(&parent->item);
	medio_bus_emit(parent->bus, MEDIO_MDEV_CHANGE, parent, NULL, "MDEV_STATE=unregistered");
	free(parent);
	return done;
}

void medio_parent_enter(struct medio_parent *parent)
{
	parent->busy++;
	parent->bus->busy++;
}

void medio_parent_leave(struct medio_parent *parent)
{
	parent->busy--;
	parent->bus->busy--;
}

/* ---- The pool ---------------------------------------------------------------------------------- */

static unsigned units_of(const struct medio_type *type)
{
	return type->units ? type->units : 1;
}

/* Such a driver is not second-guessed. */
static bool counts_itself(const struct medio_parent *parent)
{
	return parent->driver->get_available != NULL;
}

/* The owner of desc may change its capacity at any time, also below what is taken. */
unsigned medio_parent_units_left(const struct medio_parent *parent)
{
	unsigned capacity = parent->desc->capacity;

	return parent->units < capacity ? capacity - (unsigned)parent->units : 0;
}

int medio_parent_take_units(struct medio_parent *parent, const struct medio_type *type)
{
	if (counts_itself(parent))
		return 0;
	if (parent->desc->capacity && units_of(type) > medio_parent_units_left(parent))
		return -ENOSPC;
	parent->units += units_of(type);
	return 0;
}

void medio_parent_give_units(struct medio_parent *parent, const struct medio_type *type)
{
	if (!counts_itself(parent))
		parent->units -= units_of(type);
}

unsigned medio_type_available(struct medio_parent *parent, const struct medio_type *type)
{
	const struct medio_mdev_driver *driver = parent->driver;
	unsigned available = UINT32_MAX;

	if (medio_type_is_vf(parent, type))
		return 0;
	if (driver->get_available)
		return driver->get_available(parent, type);
	if (parent->desc->capacity)
		available = medio_parent_units_left(parent) / units_of(type);
	if (driver->max_instances) {
		unsigned left = parent->count < driver->max_instances
					? driver->max_instances - parent->count
					: 0;

		if (left < available)
			available = left;
	}
	return available;
}

/* ---- Looking things up ------------------------------------------------------------------------- */

const struct medio_parent_desc *medio_parent_desc(const struct medio_parent *parent)
{
	return parent->desc;
}

const struct medio_mdev_driver *medio_parent_driver(const struct medio_parent *parent)
{
	return parent->driver;
}

struct medio_bus *medio_parent_bus(const struct medio_parent *parent)
{
	return parent->bus;
}

bool medio_parent_leaving(const struct medio_parent *parent)
{
	return parent->leaving;
}

int medio_parent_path(const struct medio_parent *parent, char *buf, size_t size)
{
	const struct medio_parent_desc *desc = parent->desc;

	if (desc->path)
		return snprintf(buf, size, "%s", desc->path);
	return snprintf(buf, size, "/devices/virtual/%s/%s", desc->name, desc->name);
}

struct medio_parent *medio_bus_next_parent(
	const struct medio_bus *bus, const struct medio_parent *prev)
{
	const struct medio_list *item = prev ? prev->item.next : bus->parents.next;

	return item == &bus->parents ? NULL : medio_container_of(item, struct medio_parent, item);
}

struct medio_parent *medio_bus_find_parent(const struct medio_bus *bus, const char *name)
{
	struct medio_parent *parent = NULL;

	while ((parent = medio_bus_next_parent(bus, parent))) {
		if (strcmp(parent->desc->name, name) == 0)
			return parent;
	}
	return NULL;
}

struct medio_mdev *medio_parent_next_mdev(const struct medio_parent *parent,
	const struct medio_type *type, const struct medio_mdev *prev)
{
	const struct medio_list *item = prev ? prev->parent_item.next : parent->mdevs.next;

	for (; item != &parent->mdevs; item = item->next) {
		struct medio_mdev *mdev = medio_container_of(item, struct medio_mdev, parent_item);

		if (!mdev->fresh && (!type || mdev->type == type))
			return mdev;
	}
	return NULL;
}

const struct medio_type *medio_parent_find_type(const struct medio_parent *parent, const char *name)
{
	const struct medio_type *const *type = parent->desc->types;

	while (*type && strcmp((*type)->name, name) != 0)
		type++;
	return *type;
}

/* Compared for the nearest name. */
#define MAX_NAMES 256

int medio_bus_find_type(const struct medio_bus *bus, const char *name, struct medio_parent **parent,
	const struct medio_type **type, struct medio_error **err)
{
	const char *names[MAX_NAMES];
	struct medio_parent *at = NULL;
	size_t count = 0;

	while ((at = medio_bus_next_parent(bus, at))) {
		const struct medio_type *found = medio_parent_find_type(at, name);

		if (found) {
			*parent = at;
			*type = found;
			return 0;
		}
		for (size_t i = 0; at->desc->types[i] && count < MAX_NAMES; i++)
			names[count++] = at->desc->types[i]->name;
	}
	medio_unknown(err, "type", name, names, count);
	return -ENOENT;
}

/* ---- Attributes -------------------------------------------------------------------------------- */

ssize_t medio_type_show(struct medio_parent *parent, const struct medio_type *type,
	const char *attr, char *buf, size_t size)
{
	const struct medio_mdev_driver *driver = parent->driver;
	int len;

	if (strcmp(attr, "name") == 0)
		len = snprintf(buf, size, "%s\n", type->summary ? type->summary : type->name);
	else if (strcmp(attr, "device_api") == 0)
		len = snprintf(
			buf, size, "%s\n", driver->device_api ? driver->device_api : "vfio-pci");
	else if (strcmp(attr, "available_instances") == 0)
		len = snprintf(buf, size, "%u\n", medio_type_available(parent, type));
	else if (strcmp(attr, "description") == 0 && driver->show_description)
		return driver->show_description(parent, type, buf, size);
	else if (strcmp(attr, "description") == 0 && type->description)
		len = snprintf(buf, size, "%s\n", type->description);
	else
		return -ENOENT;
	return len >= 0 && (size_t)len < size ? len : -ENOBUFS;
}

static const struct medio_parent_attr *find_attr(
	const struct medio_parent *parent, const char *name)
{
	const struct medio_parent_attr *attr = parent->desc->attrs;

	while (attr && attr->name && strcmp(attr->name, name) != 0)
		attr++;
	return attr && attr->name ? attr : NULL;
}

ssize_t medio_parent_attr_show(
	struct medio_parent *parent, const char *name, char *buf, size_t size)
{
	const struct medio_parent_attr *attr = find_attr(parent, name);

	if (!attr)
		return -ENOENT;
	return attr->show ? attr->show(parent, attr, buf, size) : -EIO;
}

int medio_parent_attr_store(
	struct medio_parent *parent, const char *name, const char *buf, size_t size)
{
	const struct medio_parent_attr *attr = find_attr(parent, name);

	if (!attr)
		return -ENOENT;
	return attr->store ? attr->store(parent, attr, buf, size) : -EIO;
}
