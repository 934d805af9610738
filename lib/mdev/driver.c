/* SPDX-License-Identifier: BSD-3-Clause */
#include "mdev/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct medio_mdev_binding *medio_mdev_binding_find(
	const struct medio_bus *bus, const struct medio_mdev_driver *driver)
{
	medio_list_for_each (item, &bus->drivers) {
		struct medio_mdev_binding *binding = medio_container_of(
			item, struct medio_mdev_binding, item);

		if (binding->driver == driver && !binding->leaving)
			return binding;
	}
	return NULL;
}

static bool name_taken(const struct medio_bus *bus, const char *name)
{
	medio_list_for_each (item, &bus->drivers) {
		struct medio_mdev_binding *binding = medio_container_of(
			item, struct medio_mdev_binding, item);

		if (strcmp(binding->driver->name, name) == 0)
			return true;
	}
	return false;
}

int medio_mdev_driver_register(struct medio_bus *bus, const struct medio_mdev_driver *driver,
	void *opaque, struct medio_error **err)
{
	struct medio_mdev_binding *binding;

	if (!medio_mdev_name_ok(driver->name))
		return medio_error_set(err, EINVAL, "a driver needs a name, without '/'");
	if (!driver->probe)
		return medio_error_set(
			err, EINVAL, "driver '%s' has no probe operation", driver->name);
	if (name_taken(bus, driver->name))
		return medio_error_set(
			err, EEXIST, "a driver '%s' is registered already", driver->name);
	binding = calloc(1, sizeof(*binding));
	if (!binding)
		return medio_error_set(err, ENOMEM, "out of memory");
	binding->bus = bus;
	binding->driver = driver;
	binding->opaque = opaque;
	medio_list_init(&binding->mdevs);
	medio_list_init(&binding->unbinding);
	medio_list_append(&bus->drivers, &binding->item);
	return 0;
}

struct medio_mdev_waiter medio_mdev_binding_reap(struct medio_mdev_binding *binding)
{
	struct medio_mdev_waiter done = { NULL, NULL };

	if (!binding || !binding->leaving || binding->held || !medio_list_empty(&binding->mdevs) ||
		!medio_list_empty(&binding->unbinding))
		return done;
	done = binding->done;
	medio_list_remove(&binding->item);
	free(binding);
	return done;
}

int medio_mdev_driver_unregister(struct medio_bus *bus, const struct medio_mdev_driver *driver,
	medio_mdev_done *done, void *done_opaque)
{
	struct medio_mdev_binding *binding = medio_mdev_binding_find(bus, driver);

	if (!binding)
		return -ENODEV;
	if (bus->busy)
		return -EAGAIN;

	binding->leaving = true;
	binding->held++;
	/* Each is told once: it moves to the other list before it is. */
	while (!medio_list_empty(&binding->mdevs)) {
		struct medio_mdev *mdev = medio_container_of(
			binding->mdevs.next, struct medio_mdev, bound_item);

		medio_list_remove(&mdev->bound_item);
		medio_list_append(&binding->unbinding, &mdev->bound_item);
		medio_mdev_end(mdev, false);
	}
	binding->held--;

	if (medio_list_empty(&binding->unbinding)) {
		medio_mdev_binding_reap(binding);
		return 0;
	}
	binding->done.fn = done;
	binding->done.opaque = done_opaque;
	return MEDIO_DEFERRED;
}

const struct medio_mdev_driver *medio_bus_next_driver(
	const struct medio_bus *bus, const struct medio_mdev_driver *prev)
{
	const struct medio_mdev_binding *binding = prev ? medio_mdev_binding_find(bus, prev) : NULL;
	const struct medio_list *item = binding ? binding->item.next : bus->drivers.next;

	if (prev && !binding)
		return NULL;
	for (; item != &bus->drivers; item = item->next) {
		binding = medio_container_of(item, struct medio_mdev_binding, item);
		if (!binding->leaving)
			return binding->driver;
	}
	return NULL;
}
