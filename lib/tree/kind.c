/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of kind.h, and how its folders find what is in them. */
#include "tree/kind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tree/node.h"

/* Offsets in listings: fixed names by kind, then attributes, then subjects by serial number. */
#define ATTR_OFFSET    0x100u
#define SUBJECT_OFFSET 0x100000u

static void set(
	struct medio_node *node, enum medio_at kind, struct medio_subject *subject, unsigned number)
{
	node->kind = &medio_kinds[kind];
	node->subject = subject;
	node->number = number;
}

/* ---- Whether it is there ----------------------------------------------------------------------- */

static const struct medio_parent_desc *desc_of(const struct medio_subject *parent)
{
	return medio_parent_desc(parent->parent);
}

static bool type_there(struct medio_nodes *nodes, const struct medio_node *node)
{
	unsigned count = 0;

	(void)nodes;
	while (desc_of(node->subject)->types[count])
		count++;
	return node->number < count;
}

static bool description_there(struct medio_nodes *nodes, const struct medio_node *node)
{
	char text[MEDIO_NODE_TEXT];

	return type_there(nodes, node) &&
	       medio_show_description(nodes, node, text, sizeof(text)) != -ENOENT;
}

/* A parent that waits for its last instance has left its class. */
static bool parent_stays(struct medio_nodes *nodes, const struct medio_node *node)
{
	(void)nodes;
	return !medio_parent_leaving(node->subject->parent);
}

/* Source: Linux remove_store(): the file goes before the device does. */
static bool removable(struct medio_nodes *nodes, const struct medio_node *node)
{
	(void)nodes;
	return medio_mdev_state(node->subject->mdev) != MEDIO_MDEV_REMOVING;
}

/* mdev_create_sysfs_files() comes after probe, mdev_remove_sysfs_files() first of all. */
static bool type_lists(struct medio_nodes *nodes, const struct medio_node *node)
{
	return node->subject->binds && removable(nodes, node);
}

static bool attr_there(struct medio_nodes *nodes, const struct medio_node *node)
{
	const struct medio_attrs *attrs = medio_node_attrs(nodes, node->subject);

	return attrs && node->number < attrs->count;
}

static bool attr_dir_there(struct medio_nodes *nodes, const struct medio_node *node)
{
	const struct medio_attrs *attrs = medio_node_attrs(nodes, node->subject);
	unsigned at = node->number % MEDIO_ATTR_MAX, depth = node->number / MEDIO_ATTR_MAX;

	return attrs && at < attrs->count && depth &&
	       medio_attr_prefix(attrs->items[at].path, depth) > 0;
}

/* ---- Where links point ------------------------------------------------------------------------- */

static void to_parent(
	struct medio_nodes *nodes, const struct medio_node *node, struct medio_node *target)
{
	(void)nodes;
	set(target, MEDIO_AT_PARENT, node->subject, 0);
}

static void to_mdev(
	struct medio_nodes *nodes, const struct medio_node *node, struct medio_node *target)
{
	(void)nodes;
	set(target, MEDIO_AT_MDEV, node->subject, 0);
}

static void to_type(
	struct medio_nodes *nodes, const struct medio_node *node, struct medio_node *target)
{
	(void)nodes;
	set(target, MEDIO_AT_TYPE, node->subject->up, medio_subject_type_index(node->subject));
}

static void to_group(
	struct medio_nodes *nodes, const struct medio_node *node, struct medio_node *target)
{
	(void)nodes;
	set(target, MEDIO_AT_GROUP, node->subject, node->number);
}

static void to_driver(
	struct medio_nodes *nodes, const struct medio_node *node, struct medio_node *target)
{
	struct medio_subject *driver = medio_node_driver(nodes, node->subject);

	if (driver)
		set(target, MEDIO_AT_DRIVER, driver, 0);
	else
		set(target, MEDIO_AT_BUS_DRIVERS, &nodes->subjects.tree, 0);
}

static void to_subsystem(
	struct medio_nodes *nodes, const struct medio_node *node, struct medio_node *target)
{
	if (node->subject->sort == MEDIO_OF_MDEV)
		set(target, MEDIO_AT_BUS_MDEV, &nodes->subjects.tree, 0);
	else if (strcmp(desc_of(node->subject)->name, "mdev_bus") == 0)
		set(target, MEDIO_AT_CLASS_MDEV, &nodes->subjects.tree, 0);
	else
		set(target, MEDIO_AT_PARENT_CLASS, node->subject, 0);
}

/* ---- What is in folders: subjects -------------------------------------------------------------- */

/* The next subject of a sort for which an entry of this kind is there. */
static bool next_of_sort(struct medio_nodes *nodes, enum medio_subject_sort sort,
	enum medio_at kind, uint64_t after, struct medio_node *entry, uint64_t *offset)
{
	uint64_t serial = after > SUBJECT_OFFSET ? after - SUBJECT_OFFSET : 0;
	struct medio_subject *at;

	while ((at = medio_subject_after(&nodes->subjects, sort, serial))) {
		serial = at->serial;
		set(entry, kind, at, medio_node_while_bound(kind) ? at->binds : 0);
		if (medio_node_there(nodes, entry)) {
			*offset = SUBJECT_OFFSET + serial;
			return true;
		}
	}
	return false;
}

/* The entry of this kind for an object, if it is there. */
static bool of_object(
	struct medio_nodes *nodes, const void *object, enum medio_at kind, struct medio_node *entry)
{
	struct medio_subject *subject = object ? medio_subject_by_object(&nodes->subjects, object)
					       : NULL;

	if (!subject)
		return false;
	set(entry, kind, subject, medio_node_while_bound(kind) ? subject->binds : 0);
	return medio_node_there(nodes, entry);
}

static bool find_parent(
	struct medio_nodes *nodes, const char *name, enum medio_at kind, struct medio_node *entry)
{
	return of_object(nodes, medio_bus_find_parent(nodes->subjects.bus, name), kind, entry);
}

/* Names of files are as they are shown: lower case. */
static bool find_mdev(
	struct medio_nodes *nodes, const char *name, enum medio_at kind, struct medio_node *entry)
{
	struct medio_mdev *mdev = medio_bus_find_mdev(nodes->subjects.bus, name, strlen(name));

	return mdev && strcmp(medio_mdev_uuid(mdev), name) == 0 &&
	       of_object(nodes, mdev, kind, entry);
}

static bool next_bus_device(struct medio_nodes *nodes, const struct medio_node *dir, uint64_t after,
	struct medio_node *entry, uint64_t *offset)
{
	(void)dir;
	return next_of_sort(nodes, MEDIO_OF_MDEV, MEDIO_AT_BUS_LINK, after, entry, offset);
}

static bool find_bus_device(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
{
	(void)dir;
	return find_mdev(nodes, name, MEDIO_AT_BUS_LINK, entry);
}

static bool next_driver(struct medio_nodes *nodes, const struct medio_node *dir, uint64_t after,
	struct medio_node *entry, uint64_t *offset)
{
	(void)dir;
	medio_subjects_look_at_drivers(&nodes->subjects);
	return next_of_sort(nodes, MEDIO_OF_DRIVER, MEDIO_AT_DRIVER, after, entry, offset);
}

static bool find_driver(struct medio_nodes *nodes, const struct medio_node *dir, const char *name,
	struct medio_node *entry)
{
	const struct medio_mdev_driver *driver = NULL;

	(void)dir;
	medio_subjects_look_at_drivers(&nodes->subjects);
	while ((driver = medio_bus_next_driver(nodes->subjects.bus, driver))) {
		if (strcmp(driver->name, name) == 0)
			return of_object(nodes, driver, MEDIO_AT_DRIVER, entry);
	}
	return false;
}

static bool driver_has(
	struct medio_nodes *nodes, const struct medio_node *dir, const struct medio_node *entry)
{
	return medio_node_driver(nodes, entry->subject) == dir->subject;
}

static bool next_driver_link(struct medio_nodes *nodes, const struct medio_node *dir,
	uint64_t after, struct medio_node *entry, uint64_t *offset)
{
	for (; next_of_sort(nodes, MEDIO_OF_MDEV, MEDIO_AT_DRIVER_LINK, after, entry, offset);
		after = *offset) {
		if (driver_has(nodes, dir, entry))
			return true;
	}
	return false;
}

static bool find_driver_link(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
{
	return find_mdev(nodes, name, MEDIO_AT_DRIVER_LINK, entry) && driver_has(nodes, dir, entry);
}

static bool next_class_mdev(struct medio_nodes *nodes, const struct medio_node *dir, uint64_t after,
	struct medio_node *entry, uint64_t *offset)
{
	(void)dir;
	return next_of_sort(
		nodes, MEDIO_OF_PARENT, MEDIO_AT_PARENT_MDEV_LINK, after, entry, offset);
}

static bool find_class_mdev(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
{
	(void)dir;
	return find_parent(nodes, name, MEDIO_AT_PARENT_MDEV_LINK, entry);
}

/* class/mdev_bus is one of the fixed names. */
static bool class_there(struct medio_nodes *nodes, const struct medio_node *node)
{
	(void)nodes;
	return strcmp(desc_of(node->subject)->name, "mdev_bus") != 0;
}

static bool next_class(struct medio_nodes *nodes, const struct medio_node *dir, uint64_t after,
	struct medio_node *entry, uint64_t *offset)
{
	(void)dir;
	return next_of_sort(nodes, MEDIO_OF_PARENT, MEDIO_AT_PARENT_CLASS, after, entry, offset);
}

static bool find_class(struct medio_nodes *nodes, const struct medio_node *dir, const char *name,
	struct medio_node *entry)
{
	(void)dir;
	return find_parent(nodes, name, MEDIO_AT_PARENT_CLASS, entry);
}

static bool next_class_link(struct medio_nodes *nodes, const struct medio_node *dir, uint64_t after,
	struct medio_node *entry, uint64_t *offset)
{
	(void)nodes;
	set(entry, MEDIO_AT_PARENT_CLASS_LINK, dir->subject, 0);
	*offset = SUBJECT_OFFSET;
	return after < SUBJECT_OFFSET;
}

static bool find_class_link(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
{
	(void)nodes;
	set(entry, MEDIO_AT_PARENT_CLASS_LINK, dir->subject, 0);
	return strcmp(desc_of(dir->subject)->name, name) == 0;
}

static bool next_group(struct medio_nodes *nodes, const struct medio_node *dir, uint64_t after,
	struct medio_node *entry, uint64_t *offset)
{
	(void)dir;
	return next_of_sort(nodes, MEDIO_OF_MDEV, MEDIO_AT_GROUP, after, entry, offset);
}

static bool find_group(struct medio_nodes *nodes, const struct medio_node *dir, const char *name,
	struct medio_node *entry)
{
	int number = 0;

	(void)dir;
	if (!*name || strlen(name) > 9 || (name[0] == '0' && name[1]))
		return false;
	for (; *name; name++) {
		if (*name < '0' || *name > '9')
			return false;
		number = number * 10 + (*name - '0');
	}
	return of_object(nodes, medio_bus_find_group(nodes->subjects.bus, number), MEDIO_AT_GROUP,
		       entry) &&
	       entry->subject->group == number;
}

static bool next_group_link(struct medio_nodes *nodes, const struct medio_node *dir, uint64_t after,
	struct medio_node *entry, uint64_t *offset)
{
	(void)nodes;
	set(entry, MEDIO_AT_GROUP_LINK, dir->subject, dir->number);
	*offset = SUBJECT_OFFSET;
	return after < SUBJECT_OFFSET;
}

static bool find_group_link(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
{
	(void)nodes;
	set(entry, MEDIO_AT_GROUP_LINK, dir->subject, dir->number);
	return strcmp(medio_mdev_uuid(dir->subject->mdev), name) == 0;
}

/* ---- What is in folders: devices/ -------------------------------------------------------------- */

static enum medio_at kind_in_devices(const struct medio_subject *subject)
{
	return subject->sort == MEDIO_OF_FOLDER ? MEDIO_AT_FOLDER
	       : subject->sort == MEDIO_OF_MDEV ? MEDIO_AT_MDEV
						: MEDIO_AT_PARENT;
}

/* A parent hides a folder of its name, and an older parent a newer one. */
static bool find_inside(struct medio_nodes *nodes, const struct medio_node *dir, const char *name,
	struct medio_node *entry)
{
	bool found = false;

	(void)nodes;
	medio_list_for_each (item, &dir->subject->entries) {
		struct medio_subject *at = medio_container_of(item, struct medio_subject, inside);

		if (strcmp(at->sort == MEDIO_OF_FOLDER ? at->name : at->base, name) != 0)
			continue;
		set(entry, kind_in_devices(at), at, 0);
		found = true;
		if (at->sort == MEDIO_OF_PARENT)
			return true;
	}
	return found;
}

static bool next_inside(struct medio_nodes *nodes, const struct medio_node *dir, uint64_t after,
	struct medio_node *entry, uint64_t *offset)
{
	uint64_t serial = after > SUBJECT_OFFSET ? after - SUBJECT_OFFSET : 0;
	struct medio_subject *at;

	while ((at = medio_subject_inside(&nodes->subjects, dir->subject, serial))) {
		serial = at->serial;
		*offset = SUBJECT_OFFSET + serial;
		if (at->sort == MEDIO_OF_MDEV) {
			set(entry, MEDIO_AT_MDEV, at, 0);
			return true;
		}
		if (find_inside(
			    nodes, dir, at->sort == MEDIO_OF_FOLDER ? at->name : at->base, entry) &&
			entry->subject == at)
			return true;
	}
	return false;
}

/* ---- What is in folders: types ----------------------------------------------------------------- */

static bool next_type(struct medio_nodes *nodes, const struct medio_node *dir, uint64_t after,
	struct medio_node *entry, uint64_t *offset)
{
	set(entry, MEDIO_AT_TYPE, dir->subject,
		after < ATTR_OFFSET ? 0 : (unsigned)(after - ATTR_OFFSET) + 1);
	*offset = ATTR_OFFSET + entry->number;
	return type_there(nodes, entry);
}

static bool find_type(struct medio_nodes *nodes, const struct medio_node *dir, const char *name,
	struct medio_node *entry)
{
	const struct medio_type *const *types = desc_of(dir->subject)->types;

	(void)nodes;
	for (unsigned i = 0; types[i]; i++) {
		set(entry, MEDIO_AT_TYPE, dir->subject, i);
		if (strcmp(types[i]->name, name) == 0)
			return true;
	}
	return false;
}

static bool next_type_link(struct medio_nodes *nodes, const struct medio_node *dir, uint64_t after,
	struct medio_node *entry, uint64_t *offset)
{
	uint64_t serial = after > SUBJECT_OFFSET ? after - SUBJECT_OFFSET : 0;
	struct medio_subject *at;

	while ((at = medio_subject_inside(&nodes->subjects, dir->subject, serial))) {
		serial = at->serial;
		set(entry, MEDIO_AT_TYPE_LINK, at, 0);
		*offset = SUBJECT_OFFSET + serial;
		if (at->sort == MEDIO_OF_MDEV && medio_subject_type_index(at) == dir->number &&
			type_lists(nodes, entry))
			return true;
	}
	return false;
}

static bool find_type_link(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
{
	return find_mdev(nodes, name, MEDIO_AT_TYPE_LINK, entry) &&
	       entry->subject->up == dir->subject &&
	       medio_subject_type_index(entry->subject) == dir->number;
}

/* ---- What is in folders: attributes ------------------------------------------------------------ */

static bool next_attr(struct medio_nodes *nodes, const struct medio_node *dir, uint64_t after,
	struct medio_node *entry, uint64_t *offset)
{
	const struct medio_attrs *attrs = medio_node_attrs(nodes, dir->subject);
	bool inner = medio_kind_of(dir) == MEDIO_AT_ATTR_DIR, folder;
	unsigned depth = inner ? dir->number / MEDIO_ATTR_MAX : 0;
	int at = after < ATTR_OFFSET ? -1 : (int)(after - ATTR_OFFSET);

	if (!attrs || (at >= 0 && (unsigned)at >= attrs->count))
		return false;
	at = medio_attrs_next(attrs, inner ? dir->number % MEDIO_ATTR_MAX : 0, depth, at, &folder);
	if (at < 0)
		return false;
	set(entry, folder ? MEDIO_AT_ATTR_DIR : MEDIO_AT_ATTR, dir->subject,
		folder ? (depth + 1) * MEDIO_ATTR_MAX + (unsigned)at : (unsigned)at);
	*offset = ATTR_OFFSET + (unsigned)at;
	return true;
}

static bool find_attr(struct medio_nodes *nodes, const struct medio_node *dir, const char *name,
	struct medio_node *entry)
{
	char component[MEDIO_NODE_NAME];
	uint64_t offset = 0;

	while (next_attr(nodes, dir, offset, entry, &offset)) {
		medio_node_name(nodes, entry, component, sizeof(component));
		if (strcmp(component, name) == 0)
			return true;
	}
	return false;
}

static bool next_in_parent(struct medio_nodes *nodes, const struct medio_node *dir, uint64_t after,
	struct medio_node *entry, uint64_t *offset)
{
	return (after < SUBJECT_OFFSET && next_attr(nodes, dir, after, entry, offset)) ||
	       next_inside(nodes, dir, after, entry, offset);
}

static bool find_in_parent(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
{
	return (find_mdev(nodes, name, MEDIO_AT_MDEV, entry) &&
		       entry->subject->up == dir->subject) ||
	       find_attr(nodes, dir, name, entry);
}

/* ---- The table --------------------------------------------------------------------------------- */

#define OF(sort) (1u << MEDIO_OF_##sort)
#define DIR	 .form = MEDIO_FORM_DIR, .mode = 0755
#define FILE(m)	 .form = MEDIO_FORM_FILE, .mode = (m)
#define LINK(to) .form = MEDIO_FORM_LINK, .mode = 0777, .target = (to)
#define IN(dir)	 .in = { MEDIO_AT_##dir }

const struct medio_kind medio_kinds[MEDIO_KINDS] = {
	[MEDIO_AT_ROOT] = { .subjects = OF(TREE), DIR },
	[MEDIO_AT_BUS] = { "bus", IN(ROOT), OF(TREE), DIR },
	[MEDIO_AT_BUS_MDEV] = { "mdev", IN(BUS), OF(TREE), DIR },
	[MEDIO_AT_BUS_DEVICES] = { "devices", IN(BUS_MDEV), OF(TREE), DIR, .next = next_bus_device,
		.find = find_bus_device },
	[MEDIO_AT_BUS_DRIVERS] = { "drivers", IN(BUS_MDEV), OF(TREE), DIR, .next = next_driver,
		.find = find_driver },
	[MEDIO_AT_BUS_AUTOPROBE] = { "drivers_autoprobe", IN(BUS_MDEV), OF(TREE), FILE(0644),
		.show = medio_show_autoprobe, .store = medio_store_autoprobe },
	[MEDIO_AT_BUS_PROBE] = { "drivers_probe", IN(BUS_MDEV), OF(TREE), FILE(0200),
		.store = medio_store_probe },
	[MEDIO_AT_BUS_UEVENT] = { "uevent", IN(BUS_MDEV), OF(TREE), FILE(0200),
		.store = medio_store_uevent },
	[MEDIO_AT_CLASS] = { "class", IN(ROOT), OF(TREE), DIR, .next = next_class,
		.find = find_class },
	[MEDIO_AT_CLASS_MDEV] = { "mdev_bus", IN(CLASS), OF(TREE), DIR, .next = next_class_mdev,
		.find = find_class_mdev },
	[MEDIO_AT_DEVICES] = { "devices", IN(ROOT), OF(TREE), DIR, .next = next_inside,
		.find = find_inside },
	[MEDIO_AT_KERNEL] = { "kernel", IN(ROOT), OF(TREE), DIR },
	[MEDIO_AT_GROUPS] = { "iommu_groups", IN(KERNEL), OF(TREE), DIR, .next = next_group,
		.find = find_group },

	[MEDIO_AT_FOLDER] = { .subjects = OF(FOLDER),
		DIR,
		.next = next_inside,
		.find = find_inside },

	[MEDIO_AT_DRIVER] = { .subjects = OF(DRIVER),
		DIR,
		.next = next_driver_link,
		.find = find_driver_link },
	[MEDIO_AT_DRIVER_BIND] = { "bind", IN(DRIVER), OF(DRIVER), FILE(0200),
		.store = medio_store_bind },
	[MEDIO_AT_DRIVER_UNBIND] = { "unbind", IN(DRIVER), OF(DRIVER), FILE(0200),
		.store = medio_store_unbind },
	[MEDIO_AT_DRIVER_UEVENT] = { "uevent", IN(DRIVER), OF(DRIVER), FILE(0200),
		.store = medio_store_uevent },

	[MEDIO_AT_PARENT] = { .subjects = OF(PARENT),
		DIR,
		.next = next_in_parent,
		.find = find_in_parent },
	[MEDIO_AT_PARENT_CLASS] = { .subjects = OF(PARENT),
		DIR,
		.there = class_there,
		.next = next_class_link,
		.find = find_class_link },
	[MEDIO_AT_PARENT_CLASS_LINK] = { .subjects = OF(PARENT),
		LINK(to_parent),
		.there = class_there },
	[MEDIO_AT_PARENT_MDEV_LINK] = { .subjects = OF(PARENT),
		LINK(to_parent),
		.there = parent_stays },
	[MEDIO_AT_TYPES] = { "mdev_supported_types", IN(PARENT), OF(PARENT), DIR, .next = next_type,
		.find = find_type },
	[MEDIO_AT_TYPE] = { .subjects = OF(PARENT), DIR, .there = type_there },
	[MEDIO_AT_TYPE_AVAILABLE] = { "available_instances", IN(TYPE), OF(PARENT), FILE(0444),
		.show = medio_show_available, .there = type_there },
	[MEDIO_AT_TYPE_CREATE] = { "create", IN(TYPE), OF(PARENT), FILE(0200), .flags = MEDIO_OWNED,
		.store = medio_store_create, .there = type_there },
	[MEDIO_AT_TYPE_DESCRIPTION] = { "description", IN(TYPE), OF(PARENT), FILE(0444),
		.show = medio_show_description, .there = description_there },
	[MEDIO_AT_TYPE_DEVICE_API] = { "device_api", IN(TYPE), OF(PARENT), FILE(0444),
		.show = medio_show_device_api, .there = type_there },
	[MEDIO_AT_TYPE_DEVICES] = { "devices", IN(TYPE), OF(PARENT), DIR, .there = type_there,
		.next = next_type_link, .find = find_type_link },
	[MEDIO_AT_TYPE_NAME] = { "name", IN(TYPE), OF(PARENT), FILE(0444),
		.show = medio_show_type_name, .there = type_there },

	[MEDIO_AT_MDEV] = { .subjects = OF(MDEV), DIR, .next = next_attr, .find = find_attr },
	[MEDIO_AT_MDEV_DRIVER] = { "driver", IN(MDEV), OF(MDEV), LINK(to_driver),
		.flags = MEDIO_WHILE_BOUND },
	[MEDIO_AT_MDEV_GROUP] = { "iommu_group", IN(MDEV), OF(MDEV), LINK(to_group),
		.flags = MEDIO_WHILE_BOUND },
	[MEDIO_AT_MDEV_TYPE] = { "mdev_type", IN(MDEV), OF(MDEV), LINK(to_type) },
	[MEDIO_AT_MDEV_REMOVE] = { "remove", IN(MDEV), OF(MDEV), FILE(0200), .flags = MEDIO_OWNED,
		.store = medio_store_remove, .there = removable },
	[MEDIO_AT_BUS_LINK] = { .subjects = OF(MDEV), LINK(to_mdev) },
	[MEDIO_AT_DRIVER_LINK] = { .subjects = OF(MDEV),
		LINK(to_mdev),
		.flags = MEDIO_WHILE_BOUND },
	[MEDIO_AT_TYPE_LINK] = { .subjects = OF(MDEV), LINK(to_mdev), .there = type_lists },
	[MEDIO_AT_GROUP] = { .subjects = OF(MDEV), DIR, .flags = MEDIO_WHILE_BOUND },
	[MEDIO_AT_GROUP_DEVICES] = { "devices", IN(GROUP), OF(MDEV), DIR,
		.flags = MEDIO_WHILE_BOUND, .next = next_group_link, .find = find_group_link },
	[MEDIO_AT_GROUP_LINK] = { .subjects = OF(MDEV), LINK(to_mdev), .flags = MEDIO_WHILE_BOUND },
	[MEDIO_AT_GROUP_RESERVED] = { "reserved_regions", IN(GROUP), OF(MDEV), FILE(0444),
		.flags = MEDIO_WHILE_BOUND, .show = medio_show_reserved },
	[MEDIO_AT_GROUP_TYPE] = { "type", IN(GROUP), OF(MDEV), FILE(0644),
		.flags = MEDIO_WHILE_BOUND, .show = medio_show_group_type,
		.store = medio_store_group_type },

#define BOTH OF(PARENT) | OF(MDEV)
	[MEDIO_AT_SUBSYSTEM] = { "subsystem", { MEDIO_AT_PARENT, MEDIO_AT_MDEV }, BOTH,
		LINK(to_subsystem) },
	[MEDIO_AT_UEVENT] = { "uevent", { MEDIO_AT_PARENT, MEDIO_AT_MDEV }, BOTH, FILE(0644),
		.flags = MEDIO_OWNED, .show = medio_show_uevent, .store = medio_store_uevent },
	[MEDIO_AT_POWER] = { "power", { MEDIO_AT_PARENT, MEDIO_AT_MDEV }, BOTH, DIR },
	[MEDIO_AT_POWER_AUTOSUSPEND] = { "autosuspend_delay_ms", IN(POWER), BOTH, FILE(0644),
		.flags = MEDIO_OWNED, .show = medio_show_autosuspend,
		.store = medio_store_autosuspend },
	[MEDIO_AT_POWER_CONTROL] = { "control", IN(POWER), BOTH, FILE(0644), .flags = MEDIO_OWNED,
		.show = medio_show_control, .store = medio_store_control },
	[MEDIO_AT_POWER_ACTIVE] = { "runtime_active_time", IN(POWER), BOTH, FILE(0444),
		.show = medio_show_zero },
	[MEDIO_AT_POWER_STATUS] = { "runtime_status", IN(POWER), BOTH, FILE(0444),
		.show = medio_show_status },
	[MEDIO_AT_POWER_SUSPENDED] = { "runtime_suspended_time", IN(POWER), BOTH, FILE(0444),
		.show = medio_show_zero },
	[MEDIO_AT_ATTR] = { .subjects = BOTH,
		FILE(0444),
		.flags = MEDIO_OWNED,
		.there = attr_there },
	[MEDIO_AT_ATTR_DIR] = { .subjects = BOTH,
		DIR,
		.there = attr_dir_there,
		.next = next_attr,
		.find = find_attr },
};
