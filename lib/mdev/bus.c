/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry: instances by UUID and by group number. */
#include "mdev/private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MIN_BUCKETS 64
#define MIN_GROUPS  64

bool medio_mdev_name_ok(const char *name)
{
	return name && *name && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

int medio_bus_new(struct medio_bus **out)
{
	struct medio_bus *bus = calloc(1, sizeof(*bus));

	if (!bus)
		return -ENOMEM;
	medio_list_init(&bus->parents);
	medio_list_init(&bus->drivers);
	medio_list_init(&bus->mdevs);
	medio_list_init(&bus->subscribers);
	*out = bus;
	return 0;
}

static struct medio_mdev *first_waiting(struct medio_bus *bus)
{
	medio_list_for_each (item, &bus->mdevs) {
		struct medio_mdev *mdev = medio_container_of(item, struct medio_mdev, bus_item);

		if ((mdev->state == MEDIO_MDEV_REMOVING || mdev->state == MEDIO_MDEV_UNBINDING) &&
			!mdev->nvfs)
			return mdev;
	}
	return NULL;
}

void medio_bus_free(struct medio_bus *bus)
{
	struct medio_mdev *mdev;

	if (!bus)
		return;
	assert(!bus->busy && !bus->emitting);
	medio_list_for_each (item, &bus->mdevs) {
		medio_container_of(item, struct medio_mdev, bus_item)->opens = 0;
	}
	/* What waited for a close first: it may take a parent or a driver with it. */
	while ((mdev = first_waiting(bus)))
		medio_mdev_settle(mdev);
	while (!medio_list_empty(&bus->parents)) {
		struct medio_parent *parent = medio_container_of(
			bus->parents.prev, struct medio_parent, item);
		int ret = medio_parent_unregister(parent, NULL, NULL);

		assert(ret == 0);
		(void)ret;
	}
	while (!medio_list_empty(&bus->drivers)) {
		struct medio_mdev_binding *binding = medio_container_of(
			bus->drivers.prev, struct medio_mdev_binding, item);

		binding->leaving = true;
		medio_mdev_binding_reap(binding);
	}
	medio_bus_free_subscribers(bus);
	free(bus->buckets);
	free(bus->groups);
	free(bus);
}

/* ---- By UUID ----------------------------------------------------------------------------------- */

/* UUIDs need not be random (users number them), so both halves go through a multiplication. */
static size_t hash(const uint8_t uuid[MEDIO_UUID_SIZE])
{
	uint64_t half[2];

	memcpy(half, uuid, sizeof(half));
	half[0] = (half[0] ^ (half[0] >> 32)) * 0x9e3779b97f4a7c15u;
	half[1] = (half[1] ^ (half[1] >> 32) ^ half[0]) * 0xc2b2ae3d27d4eb4fu;
	return (size_t)(half[1] ^ (half[1] >> 29));
}

static struct medio_mdev **bucket(const struct medio_bus *bus, const uint8_t uuid[MEDIO_UUID_SIZE])
{
	return &bus->buckets[hash(uuid) & (bus->nbuckets - 1)];
}

/* One instance a bucket, on the average, at most. */
static int grow_buckets(struct medio_bus *bus)
{
	size_t count = bus->nbuckets ? bus->nbuckets * 2 : MIN_BUCKETS;
	struct medio_mdev **buckets;

	if (bus->nmdevs < bus->nbuckets)
		return 0;
	buckets = calloc(count, sizeof(struct medio_mdev *));
	if (!buckets)
		return -ENOMEM;
	free(bus->buckets);
	bus->buckets = buckets;
	bus->nbuckets = count;
	medio_list_for_each (item, &bus->mdevs) {
		struct medio_mdev *mdev = medio_container_of(item, struct medio_mdev, bus_item);
		struct medio_mdev **at = bucket(bus, mdev->uuid);

		mdev->hash_next = *at;
		*at = mdev;
	}
	return 0;
}

int medio_bus_insert(struct medio_bus *bus, struct medio_mdev *mdev)
{
	struct medio_mdev **at;
	int ret = grow_buckets(bus);

	if (ret < 0)
		return ret;
	at = bucket(bus, mdev->uuid);
	mdev->hash_next = *at;
	*at = mdev;
	medio_list_append(&bus->mdevs, &mdev->bus_item);
	bus->nmdevs++;
	return 0;
}

void medio_bus_erase(struct medio_bus *bus, struct medio_mdev *mdev)
{
	struct medio_mdev **at = bucket(bus, mdev->uuid);

	while (*at != mdev)
		at = &(*at)->hash_next;
	*at = mdev->hash_next;
	medio_list_remove(&mdev->bus_item);
	bus->nmdevs--;
}

struct medio_mdev *medio_bus_lookup(
	const struct medio_bus *bus, const uint8_t uuid[MEDIO_UUID_SIZE])
{
	struct medio_mdev *mdev;

	if (!bus->nbuckets)
		return NULL;
	for (mdev = *bucket(bus, uuid); mdev; mdev = mdev->hash_next) {
		if (memcmp(mdev->uuid, uuid, MEDIO_UUID_SIZE) == 0)
			return mdev;
	}
	return NULL;
}

struct medio_mdev *medio_bus_find_mdev(const struct medio_bus *bus, const char *uuid, size_t len)
{
	uint8_t parsed[MEDIO_UUID_SIZE];

	if (medio_uuid_parse(uuid, len, parsed) < 0)
		return NULL;
	return medio_bus_lookup(bus, parsed);
}

struct medio_mdev *medio_bus_next_mdev(const struct medio_bus *bus, const struct medio_mdev *prev)
{
	const struct medio_list *item = prev ? prev->bus_item.next : bus->mdevs.next;

	return item == &bus->mdevs ? NULL : medio_container_of(item, struct medio_mdev, bus_item);
}

/* ---- By group number --------------------------------------------------------------------------- */

/* Room for a number. */
static int grow_groups(struct medio_bus *bus, size_t group)
{
	size_t count = bus->ngroups ? bus->ngroups : MIN_GROUPS;
	struct medio_mdev **groups;

	if (group < bus->ngroups)
		return 0;
	while (count <= group)
		count *= 2;
	groups = reallocarray(bus->groups, count, sizeof(struct medio_mdev *));
	if (!groups)
		return -ENOMEM;
	memset(groups + bus->ngroups, 0, (count - bus->ngroups) * sizeof(struct medio_mdev *));
	bus->groups = groups;
	bus->ngroups = count;
	return 0;
}

int medio_bus_group_take(struct medio_bus *bus, struct medio_mdev *mdev, int wanted)
{
	size_t group = bus->free_group;

	while (group < bus->ngroups && bus->groups[group])
		group++;
	bus->free_group = group;
	if (wanted >= 0 && wanted < MEDIO_MDEV_GROUPS && !medio_bus_find_group(bus, wanted))
		group = (size_t)wanted;
	if (grow_groups(bus, group) < 0)
		return -ENOMEM;
	bus->groups[group] = mdev;
	return (int)group;
}

void medio_bus_group_give(struct medio_bus *bus, int group)
{
	bus->groups[group] = NULL;
	if ((size_t)group < bus->free_group)
		bus->free_group = (size_t)group;
}

struct medio_mdev *medio_bus_find_group(const struct medio_bus *bus, int group)
{
	return group >= 0 && (size_t)group < bus->ngroups ? bus->groups[group] : NULL;
}
