/* SPDX-License-Identifier: BSD-3-Clause */
#include "mdev/private.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

struct medio_mdev_subscriber {
	struct medio_list item;
	struct medio_bus *bus;
	medio_mdev_event_fn *fn; /* NULL: left while an event was under way */
	void *opaque;
};

int medio_bus_subscribe(struct medio_bus *bus, medio_mdev_event_fn *fn, void *opaque,
	struct medio_mdev_subscriber **out)
{
	struct medio_mdev_subscriber *sub = calloc(1, sizeof(*sub));

	if (!sub)
		return -ENOMEM;
	sub->bus = bus;
	sub->fn = fn;
	sub->opaque = opaque;
	medio_list_append(&bus->subscribers, &sub->item);
	*out = sub;
	return 0;
}

static void sub_free(struct medio_mdev_subscriber *sub)
{
	medio_list_remove(&sub->item);
	free(sub);
}

void medio_mdev_unsubscribe(struct medio_mdev_subscriber *sub)
{
	if (!sub)
		return;
	/* Somebody may stand on it in the list: medio_bus_emit() frees it when all have left. */
	if (sub->bus->emitting)
		sub->fn = NULL;
	else
		sub_free(sub);
}

void medio_bus_free_subscribers(struct medio_bus *bus)
{
	medio_list_for_each (item, &bus->subscribers) {
		sub_free(medio_container_of(item, struct medio_mdev_subscriber, item));
	}
}

void medio_bus_emit(struct medio_bus *bus, enum medio_mdev_action action,
	struct medio_parent *parent, struct medio_mdev *mdev, const char *env)
{
	struct medio_mdev_event event = {
		.action = action,
		.subsystem = mdev ? "mdev" : parent->desc->name,
		.driver = mdev && mdev->bound ? mdev->binding->driver->name : NULL,
		.env = env,
		.parent = parent,
		.mdev = mdev,
	};
	struct medio_list *last = bus->subscribers.prev, *at;
	char path[PATH_MAX];

	if (medio_list_empty(&bus->subscribers))
		return;
	if (mdev)
		medio_mdev_path(mdev, path, sizeof(path));
	else
		medio_parent_path(parent, path, sizeof(path));
	event.path = path;

	/* Who subscribes from a callback stands after last: this event was before its time. */
	bus->emitting++;
	for (at = bus->subscribers.next;; at = at->next) {
		struct medio_mdev_subscriber *sub = medio_container_of(
			at, struct medio_mdev_subscriber, item);

		if (sub->fn)
			sub->fn(sub->opaque, &event);
		if (at == last)
			break;
	}
	if (--bus->emitting)
		return;
	medio_list_for_each (item, &bus->subscribers) {
		struct medio_mdev_subscriber *sub = medio_container_of(
			item, struct medio_mdev_subscriber, item);

		if (!sub->fn)
			sub_free(sub);
	}
}

const char *medio_mdev_action_name(enum medio_mdev_action action)
{
	switch (action) {
	case MEDIO_MDEV_ADD:
		return "add";
	case MEDIO_MDEV_REMOVE:
		return "remove";
	case MEDIO_MDEV_CHANGE:
		return "change";
	case MEDIO_MDEV_BIND:
		return "bind";
	case MEDIO_MDEV_UNBIND:
		return "unbind";
	}
	return "unknown";
}
