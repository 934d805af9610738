/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree/subject.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIN_BUCKETS 64

/* ---- Finding ----------------------------------------------------------------------------------- */

static struct medio_subject **serial_bucket(const struct medio_subjects *all, uint64_t serial)
{
	return &all->by_serial[serial & (all->nbuckets - 1)];
}

static struct medio_subject **object_bucket(const struct medio_subjects *all, const void *object)
{
	uint64_t key = (uintptr_t)object;

	return &all->by_object[((key >> 4) * 0x9e3779b97f4a7c15u >> 32) & (all->nbuckets - 1)];
}

struct medio_subject *medio_subject_by_serial(struct medio_subjects *all, uint64_t serial)
{
	struct medio_subject *subject;

	if (!serial)
		return &all->tree;
	subject = *serial_bucket(all, serial);
	while (subject && subject->serial != serial)
		subject = subject->next_serial;
	return subject;
}

struct medio_subject *medio_subject_by_object(struct medio_subjects *all, const void *object)
{
	struct medio_subject *subject = *object_bucket(all, object);

	while (subject && subject->object != object)
		subject = subject->next_object;
	return subject;
}

static void hash(struct medio_subjects *all, struct medio_subject *subject)
{
	struct medio_subject **serial = serial_bucket(all, subject->serial);
	struct medio_subject **object = object_bucket(all, subject->object);

	subject->next_serial = *serial;
	*serial = subject;
	subject->next_object = *object;
	*object = subject;
}

static void unhash(struct medio_subjects *all, struct medio_subject *subject)
{
	struct medio_subject **at = serial_bucket(all, subject->serial);

	while (*at != subject)
		at = &(*at)->next_serial;
	*at = subject->next_serial;
	at = object_bucket(all, subject->object);
	while (*at != subject)
		at = &(*at)->next_object;
	*at = subject->next_object;
}

/* One subject a bucket, on the average, at most. */
static int grow(struct medio_subjects *all)
{
	size_t count = all->nbuckets ? all->nbuckets * 2 : MIN_BUCKETS;
	struct medio_subject **serials, **objects;

	if (all->count < all->nbuckets)
		return 0;
	serials = calloc(count, sizeof(struct medio_subject *));
	objects = calloc(count, sizeof(struct medio_subject *));
	if (!serials || !objects) {
		free(serials);
		free(objects);
		return -ENOMEM;
	}
	free(all->by_serial);
	free(all->by_object);
	all->by_serial = serials;
	all->by_object = objects;
	all->nbuckets = count;
	for (unsigned sort = 0; sort < MEDIO_SORTS; sort++) {
		medio_list_for_each (item, &all->sorts[sort]) {
			hash(all, medio_container_of(item, struct medio_subject, item));
		}
	}
	return 0;
}

/* In list by serial, which item is at the given offset in a subject: the first above after. */
static struct medio_subject *first_above(
	const struct medio_list *list, size_t offset, uint64_t after)
{
	for (const struct medio_list *item = list->next; item != list; item = item->next) {
		struct medio_subject *subject = (struct medio_subject *)((char *)item - offset);

		if (subject->serial > after)
			return subject;
	}
	return NULL;
}

/* Going on behind one that is still there is the usual case, and costs nothing. */
struct medio_subject *medio_subject_after(
	struct medio_subjects *all, enum medio_subject_sort sort, uint64_t after)
{
	struct medio_subject *at = after ? medio_subject_by_serial(all, after) : NULL;
	const struct medio_list *list = &all->sorts[sort];

	if (!at || at->sort != sort)
		return first_above(list, offsetof(struct medio_subject, item), after);
	return at->item.next == list
		       ? NULL
		       : medio_container_of(at->item.next, struct medio_subject, item);
}

struct medio_subject *medio_subject_inside(
	struct medio_subjects *all, struct medio_subject *dir, uint64_t after)
{
	struct medio_subject *at = after ? medio_subject_by_serial(all, after) : NULL;

	if (!at || at->up != dir)
		return first_above(&dir->entries, offsetof(struct medio_subject, inside), after);
	return at->inside.next == &dir->entries
		       ? NULL
		       : medio_container_of(at->inside.next, struct medio_subject, inside);
}

/* ---- What has changed -------------------------------------------------------------------------- */

void medio_subject_touch(struct medio_subjects *all, struct medio_subject *subject)
{
	struct timespec now, *last = &all->last_change;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec < last->tv_sec ||
		(now.tv_sec == last->tv_sec && now.tv_nsec <= last->tv_nsec)) {
		now = *last;
		now.tv_nsec++;
		if (now.tv_nsec == 1000000000) {
			now.tv_nsec = 0;
			now.tv_sec++;
		}
	}
	*last = now;
	subject->changed = now;
}

static void entry_gone(struct medio_subjects *all, const struct medio_subject *subject,
	enum medio_at kind, const struct medio_subject *dir, unsigned number, const char *name)
{
	if (subject->known && all->watcher.entry_gone)
		all->watcher.entry_gone(
			all->watcher.opaque, medio_subject_node(dir, kind, number), name);
}

static void dir_changed(struct medio_subjects *all, const struct medio_subject *subject)
{
	if (subject->known && all->watcher.dir_changed)
		all->watcher.dir_changed(
			all->watcher.opaque, medio_subject_node(subject, MEDIO_AT_MDEV, 0));
}

/* ---- Coming and going -------------------------------------------------------------------------- */

static void init(struct medio_subjects *all, struct medio_subject *subject)
{
	medio_list_init(&subject->item);
	medio_list_init(&subject->inside);
	medio_list_init(&subject->entries);
	subject->group = -1;
	medio_subject_touch(all, subject);
	subject->born = subject->changed;
}

/* NULL: -ENOMEM. up may be NULL: it is in no folder. */
static struct medio_subject *subject_new(struct medio_subjects *all, enum medio_subject_sort sort,
	const void *object, struct medio_subject *up)
{
	struct medio_subject *subject;

	if (grow(all) < 0)
		return NULL;
	subject = calloc(1, sizeof(*subject));
	if (!subject)
		return NULL;
	init(all, subject);
	subject->serial = ++all->last_serial;
	subject->sort = sort;
	subject->object = object;
	subject->up = up;
	medio_list_append(&all->sorts[sort], &subject->item);
	if (up) {
		medio_list_append(&up->entries, &subject->inside);
		medio_subject_touch(all, up);
	}
	hash(all, subject);
	all->count++;
	medio_subject_touch(all, &all->tree);
	return subject;
}

static void free_modes(struct medio_subject *subject)
{
	struct medio_mode *next;

	for (struct medio_mode *mode = subject->modes; mode; mode = next) {
		next = mode->next;
		free(mode);
	}
}

static void subject_drop(struct medio_subjects *all, struct medio_subject *subject)
{
	unhash(all, subject);
	all->count--;
	medio_list_for_each (item, &subject->entries) {
		struct medio_subject *entry = medio_container_of(
			item, struct medio_subject, inside);

		medio_list_remove(&entry->inside);
		entry->up = NULL;
	}
	medio_list_remove(&subject->item);
	medio_list_remove(&subject->inside);
	if (subject->up)
		medio_subject_touch(all, subject->up);
	medio_subject_touch(all, &all->tree);
	free_modes(subject);
	if (subject->sort == MEDIO_OF_FOLDER)
		free(subject->name);
	free(subject->base);
	free(subject);
}

/* ---- Folders ----------------------------------------------------------------------------------- */

static struct medio_subject *folder(
	struct medio_subjects *all, struct medio_subject *up, const char *name, size_t len)
{
	struct medio_subject *subject;
	char *copy;

	medio_list_for_each (item, &up->entries) {
		subject = medio_container_of(item, struct medio_subject, inside);
		if (subject->sort == MEDIO_OF_FOLDER && strlen(subject->name) == len &&
			memcmp(subject->name, name, len) == 0)
			return subject;
	}
	copy = strndup(name, len);
	subject = copy ? subject_new(all, MEDIO_OF_FOLDER, copy, up) : NULL;
	if (!subject)
		free(copy);
	return subject;
}

/* Folders that nothing is in go, from at upwards. */
static void drop_folders(struct medio_subjects *all, struct medio_subject *at)
{
	while (at && at->sort == MEDIO_OF_FOLDER && medio_list_empty(&at->entries)) {
		struct medio_subject *up = at->up;

		entry_gone(
			all, at, up->serial ? MEDIO_AT_FOLDER : MEDIO_AT_DEVICES, up, 0, at->name);
		subject_drop(all, at);
		at = up;
	}
}

/* The folders of a path under /sys, all but its last component; those missing are made. "/devices"
 * is the tree's own and is not counted, if the path starts with it. */
static struct medio_subject *folders_of(struct medio_subjects *all, const char *path, char **base)
{
	struct medio_subject *at = &all->tree, *next;
	size_t len;

	path += strspn(path, "/");
	if (strncmp(path, "devices/", 8) == 0)
		path += 8;
	for (;; path += len) {
		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (!len || (len <= 2 && strncmp(path, "..", len) == 0))
			break;
		if (path[len + strspn(path + len, "/")] == '\0') {
			*base = strndup(path, len);
			if (*base)
				return at;
			break;
		}
		next = folder(all, at, path, len);
		if (!next)
			break;
		at = next;
	}
	/* No memory, or no path. */
	drop_folders(all, at);
	return NULL;
}

/* ---- Parents, instances, drivers --------------------------------------------------------------- */

static bool on_bus(const struct medio_subjects *all, const struct medio_parent *parent)
{
	struct medio_parent *at = NULL;

	while ((at = medio_bus_next_parent(all->bus, at)) && at != parent)
		;
	return at;
}

static void add_parent(struct medio_subjects *all, struct medio_parent *parent)
{
	struct medio_subject *subject, *up;
	char path[PATH_MAX];
	char *base;
	int len;

	/* Somebody who heard of it first may have unregistered it. */
	if (!on_bus(all, parent) || medio_subject_by_object(all, parent))
		return;
	len = medio_parent_path(parent, path, sizeof(path));
	if (len < 0 || (size_t)len >= sizeof(path))
		return;
	up = folders_of(all, path, &base);
	if (!up)
		return;
	subject = subject_new(all, MEDIO_OF_PARENT, parent, up);
	if (subject)
		subject->base = base;
	else
		free(base);
	drop_folders(all, up);
}

static void drop_parent(struct medio_subjects *all, struct medio_subject *subject)
{
	const char *name = medio_parent_desc(subject->parent)->name;
	struct medio_subject *up = subject->up;

	entry_gone(all, subject, MEDIO_AT_CLASS_MDEV, &all->tree, 0, name);
	entry_gone(all, subject, MEDIO_AT_CLASS, &all->tree, 0, name);
	entry_gone(all, subject, up->serial ? MEDIO_AT_FOLDER : MEDIO_AT_DEVICES, up, 0,
		subject->base);
	subject_drop(all, subject);
	drop_folders(all, up);
}

static void bind_mdev(struct medio_subjects *all, struct medio_subject *subject)
{
	subject->group = medio_mdev_group(subject->mdev);
	subject->binds++;
	medio_subject_touch(all, subject);
	medio_subject_touch(all, &all->tree);
	dir_changed(all, subject);
}

static void unbind_mdev(struct medio_subjects *all, struct medio_subject *subject)
{
	const char *uuid = medio_mdev_uuid(subject->mdev);
	const struct medio_subject *driver;
	char group[16];

	snprintf(group, sizeof(group), "%d", subject->group);
	entry_gone(all, subject, MEDIO_AT_GROUPS, &all->tree, 0, group);
	entry_gone(all, subject, MEDIO_AT_MDEV, subject, 0, "driver");
	entry_gone(all, subject, MEDIO_AT_MDEV, subject, 0, "iommu_group");
	driver = medio_subject_by_object(
		all, medio_parent_driver(medio_mdev_parent(subject->mdev)));
	if (driver)
		entry_gone(all, subject, MEDIO_AT_DRIVER, driver, 0, uuid);
	subject->group = -1;
	medio_subject_touch(all, subject);
	medio_subject_touch(all, &all->tree);
	dir_changed(all, subject);
}

/* The subject of a virtual function's card, or NULL. */
static struct medio_subject *pf_of(struct medio_subjects *all, const struct medio_mdev *mdev)
{
	const struct medio_mdev *pf = medio_mdev_pf(mdev);

	return pf ? medio_subject_by_object(all, pf) : NULL;
}

static void add_mdev(struct medio_subjects *all, struct medio_mdev *mdev)
{
	struct medio_subject *up = medio_subject_by_object(all, medio_mdev_parent(mdev));
	struct medio_subject *subject;

	if (!up || medio_subject_by_object(all, mdev))
		return;
	subject = subject_new(all, MEDIO_OF_MDEV, mdev, up);
	if (subject && medio_mdev_driver(mdev))
		bind_mdev(all, subject);
	/* Its card has one more link. */
	if (subject && pf_of(all, mdev)) {
		medio_subject_touch(all, pf_of(all, mdev));
		dir_changed(all, pf_of(all, mdev));
	}
}

unsigned medio_subject_type_index(const struct medio_subject *subject)
{
	const struct medio_parent *parent = medio_mdev_parent(subject->mdev);
	const struct medio_type *const *types = medio_parent_desc(parent)->types;
	unsigned index = 0;

	while (types[index] && types[index] != medio_mdev_type(subject->mdev))
		index++;
	return index;
}

void medio_subject_removing(struct medio_subjects *all, struct medio_subject *subject)
{
	subject->removing = true;
	medio_subject_touch(all, subject);
	entry_gone(all, subject, MEDIO_AT_MDEV, subject, 0, "remove");
	dir_changed(all, subject);
	if (!subject->up)
		return;
	medio_subject_touch(all, subject->up);
	entry_gone(all, subject, MEDIO_AT_TYPE_DEVICES, subject->up,
		medio_subject_type_index(subject), medio_mdev_uuid(subject->mdev));
}

static void drop_mdev(struct medio_subjects *all, struct medio_subject *subject)
{
	const char *uuid = medio_mdev_uuid(subject->mdev);

	struct medio_subject *pf = pf_of(all, subject->mdev);
	char virtfn[24];

	if (medio_subject_bound(subject))
		unbind_mdev(all, subject);
	if (pf) {
		snprintf(virtfn, sizeof(virtfn), "virtfn%u", medio_mdev_vf_index(subject->mdev));
		entry_gone(all, pf, MEDIO_AT_MDEV, pf, 0, virtfn);
		medio_subject_touch(all, pf);
		dir_changed(all, pf);
	}
	entry_gone(all, subject, MEDIO_AT_BUS_DEVICES, &all->tree, 0, uuid);
	if (subject->up) {
		entry_gone(all, subject, MEDIO_AT_TYPE_DEVICES, subject->up,
			medio_subject_type_index(subject), uuid);
		entry_gone(all, subject, MEDIO_AT_PARENT, subject->up, 0, uuid);
	}
	subject_drop(all, subject);
}

static bool registered(const struct medio_subjects *all, const struct medio_mdev_driver *driver)
{
	const struct medio_mdev_driver *at = NULL;

	while ((at = medio_bus_next_driver(all->bus, at)) && at != driver)
		;
	return at;
}

struct medio_subject *medio_subject_of_driver(
	struct medio_subjects *all, const struct medio_mdev_driver *driver)
{
	struct medio_subject *subject = medio_subject_by_object(all, driver);

	if (registered(all, driver))
		return subject ? subject : subject_new(all, MEDIO_OF_DRIVER, driver, NULL);
	if (subject)
		subject_drop(all, subject);
	return NULL;
}

void medio_subjects_look_at_drivers(struct medio_subjects *all)
{
	const struct medio_mdev_driver *driver = NULL;

	medio_list_for_each (item, &all->sorts[MEDIO_OF_DRIVER]) {
		struct medio_subject *subject = medio_container_of(
			item, struct medio_subject, item);

		if (!registered(all, subject->driver))
			subject_drop(all, subject);
	}
	while ((driver = medio_bus_next_driver(all->bus, driver)))
		medio_subject_of_driver(all, driver);
}

/* ---- Events ------------------------------------------------------------------------------------ */

static void mdev_event(struct medio_subjects *all, const struct medio_mdev_event *event)
{
	struct medio_subject *subject = medio_subject_by_object(all, event->mdev);

	if (event->action == MEDIO_MDEV_ADD)
		add_mdev(all, event->mdev);
	if (!subject)
		return;
	switch (event->action) {
	case MEDIO_MDEV_ADD:
		break;
	case MEDIO_MDEV_REMOVE:
		drop_mdev(all, subject);
		break;
	case MEDIO_MDEV_BIND:
		bind_mdev(all, subject);
		break;
	case MEDIO_MDEV_UNBIND:
		unbind_mdev(all, subject);
		break;
	case MEDIO_MDEV_CHANGE:
		medio_subject_touch(all, subject);
		dir_changed(all, subject);
		break;
	}
}

static void on_event(void *opaque, const struct medio_mdev_event *event)
{
	struct medio_subjects *all = opaque;
	struct medio_subject *subject;

	if (event->mdev) {
		mdev_event(all, event);
	} else if (event->env && strcmp(event->env, "MDEV_STATE=registered") == 0) {
		add_parent(all, event->parent);
	} else if (event->env && strcmp(event->env, "MDEV_STATE=unregistered") == 0) {
		subject = medio_subject_by_object(all, event->parent);
		if (subject)
			drop_parent(all, subject);
	}
}

int medio_subjects_init(struct medio_subjects *all, struct medio_bus *bus)
{
	struct medio_parent *parent = NULL;
	struct medio_mdev *mdev = NULL;

	memset(all, 0, sizeof(*all));
	all->bus = bus;
	for (unsigned sort = 0; sort < MEDIO_SORTS; sort++)
		medio_list_init(&all->sorts[sort]);
	init(all, &all->tree);
	all->tree.autoprobe = true;
	if (grow(all) < 0 || medio_bus_subscribe(bus, on_event, all, &all->subscriber) < 0) {
		medio_subjects_fini(all);
		return -ENOMEM;
	}
	while ((parent = medio_bus_next_parent(bus, parent)))
		add_parent(all, parent);
	while ((mdev = medio_bus_next_mdev(bus, mdev)))
		add_mdev(all, mdev);
	return 0;
}

void medio_subjects_fini(struct medio_subjects *all)
{
	/* What is inside first. */
	for (int sort = MEDIO_SORTS - 1; sort >= 0; sort--) {
		while (!medio_list_empty(&all->sorts[sort]))
			subject_drop(all, medio_container_of(all->sorts[sort].prev,
						  struct medio_subject, item));
	}
	medio_mdev_unsubscribe(all->subscriber);
	free_modes(&all->tree);
	free(all->by_serial);
	free(all->by_object);
}

/* ---- Modes ------------------------------------------------------------------------------------- */

struct medio_mode *medio_subject_mode(
	const struct medio_subject *subject, enum medio_at kind, unsigned number)
{
	struct medio_mode *mode = subject->modes;

	while (mode && (mode->kind != kind || mode->number != number))
		mode = mode->next;
	return mode;
}

struct medio_mode *medio_subject_new_mode(
	struct medio_subject *subject, enum medio_at kind, unsigned number)
{
	struct medio_mode *mode = medio_subject_mode(subject, kind, number);

	if (mode)
		return mode;
	mode = calloc(1, sizeof(*mode));
	if (!mode)
		return NULL;
	mode->kind = (uint8_t)kind;
	mode->number = (uint16_t)number;
	mode->next = subject->modes;
	subject->modes = mode;
	return mode;
}
