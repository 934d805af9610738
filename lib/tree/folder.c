/* SPDX-License-Identifier: BSD-3-Clause */
/* How folders find what is in them, where names are not constant. */
#include "tree/kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tree/node.h"

/* Offsets in listings: fixed names by kind, then attributes, virtual functions, subjects by serial number. */
#define ATTR_OFFSET    0x100u
#define VIRTFN_OFFSET  0x80000u
#define SUBJECT_OFFSET 0x100000u

static void set(
	struct medio_node *node, enum medio_at kind, struct medio_subject *subject, unsigned number)
{
	node->kind = &medio_kinds[kind];
	node->subject = subject;
	node->number = number;
}

static const struct medio_parent_desc *desc_of(const struct medio_subject *parent)
{
	return medio_parent_desc(parent->parent);
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

bool medio_folder_next_bus_device(struct medio_nodes *nodes, const struct medio_node *dir,
	uint64_t after, struct medio_node *entry, uint64_t *offset)
{
	(void)dir;
	return next_of_sort(nodes, MEDIO_OF_MDEV, MEDIO_AT_BUS_LINK, after, entry, offset);
}

bool medio_folder_find_bus_device(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
{
	(void)dir;
	return find_mdev(nodes, name, MEDIO_AT_BUS_LINK, entry);
}

bool medio_folder_next_driver(struct medio_nodes *nodes, const struct medio_node *dir,
	uint64_t after, struct medio_node *entry, uint64_t *offset)
{
	(void)dir;
	medio_subjects_look_at_drivers(&nodes->subjects);
	return next_of_sort(nodes, MEDIO_OF_DRIVER, MEDIO_AT_DRIVER, after, entry, offset);
}

bool medio_folder_find_driver(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
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

bool medio_folder_next_driver_link(struct medio_nodes *nodes, const struct medio_node *dir,
	uint64_t after, struct medio_node *entry, uint64_t *offset)
{
	for (; next_of_sort(nodes, MEDIO_OF_MDEV, MEDIO_AT_DRIVER_LINK, after, entry, offset);
		after = *offset) {
		if (driver_has(nodes, dir, entry))
			return true;
	}
	return false;
}

bool medio_folder_find_driver_link(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
{
	return find_mdev(nodes, name, MEDIO_AT_DRIVER_LINK, entry) && driver_has(nodes, dir, entry);
}

bool medio_folder_next_class_mdev(struct medio_nodes *nodes, const struct medio_node *dir,
	uint64_t after, struct medio_node *entry, uint64_t *offset)
{
	(void)dir;
	return next_of_sort(
		nodes, MEDIO_OF_PARENT, MEDIO_AT_PARENT_MDEV_LINK, after, entry, offset);
}

bool medio_folder_find_class_mdev(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
{
	(void)dir;
	return find_parent(nodes, name, MEDIO_AT_PARENT_MDEV_LINK, entry);
}

bool medio_folder_next_class(struct medio_nodes *nodes, const struct medio_node *dir,
	uint64_t after, struct medio_node *entry, uint64_t *offset)
{
	(void)dir;
	return next_of_sort(nodes, MEDIO_OF_PARENT, MEDIO_AT_PARENT_CLASS, after, entry, offset);
}

bool medio_folder_find_class(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
{
	(void)dir;
	return find_parent(nodes, name, MEDIO_AT_PARENT_CLASS, entry);
}

bool medio_folder_next_class_link(struct medio_nodes *nodes, const struct medio_node *dir,
	uint64_t after, struct medio_node *entry, uint64_t *offset)
{
	(void)nodes;
	set(entry, MEDIO_AT_PARENT_CLASS_LINK, dir->subject, 0);
	*offset = SUBJECT_OFFSET;
	return after < SUBJECT_OFFSET;
}

bool medio_folder_find_class_link(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
{
	(void)nodes;
	set(entry, MEDIO_AT_PARENT_CLASS_LINK, dir->subject, 0);
	return strcmp(desc_of(dir->subject)->name, name) == 0;
}

bool medio_folder_next_group(struct medio_nodes *nodes, const struct medio_node *dir,
	uint64_t after, struct medio_node *entry, uint64_t *offset)
{
	(void)dir;
	return next_of_sort(nodes, MEDIO_OF_MDEV, MEDIO_AT_GROUP, after, entry, offset);
}

bool medio_folder_find_group(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
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

bool medio_folder_next_group_link(struct medio_nodes *nodes, const struct medio_node *dir,
	uint64_t after, struct medio_node *entry, uint64_t *offset)
{
	(void)nodes;
	set(entry, MEDIO_AT_GROUP_LINK, dir->subject, dir->number);
	*offset = SUBJECT_OFFSET;
	return after < SUBJECT_OFFSET;
}

bool medio_folder_find_group_link(struct medio_nodes *nodes, const struct medio_node *dir,
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
bool medio_folder_find_inside(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
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

bool medio_folder_next_inside(struct medio_nodes *nodes, const struct medio_node *dir,
	uint64_t after, struct medio_node *entry, uint64_t *offset)
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
		if (medio_folder_find_inside(
			    nodes, dir, at->sort == MEDIO_OF_FOLDER ? at->name : at->base, entry) &&
			entry->subject == at)
			return true;
	}
	return false;
}

/* ---- What is in folders: types ----------------------------------------------------------------- */

bool medio_folder_next_type(struct medio_nodes *nodes, const struct medio_node *dir, uint64_t after,
	struct medio_node *entry, uint64_t *offset)
{
	set(entry, MEDIO_AT_TYPE, dir->subject,
		after < ATTR_OFFSET ? 0 : (unsigned)(after - ATTR_OFFSET) + 1);
	*offset = ATTR_OFFSET + entry->number;
	return medio_node_there(nodes, entry);
}

bool medio_folder_find_type(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
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

bool medio_folder_next_type_link(struct medio_nodes *nodes, const struct medio_node *dir,
	uint64_t after, struct medio_node *entry, uint64_t *offset)
{
	uint64_t serial = after > SUBJECT_OFFSET ? after - SUBJECT_OFFSET : 0;
	struct medio_subject *at;

	while ((at = medio_subject_inside(&nodes->subjects, dir->subject, serial))) {
		serial = at->serial;
		set(entry, MEDIO_AT_TYPE_LINK, at, 0);
		*offset = SUBJECT_OFFSET + serial;
		if (at->sort == MEDIO_OF_MDEV && medio_subject_type_index(at) == dir->number &&
			medio_node_there(nodes, entry))
			return true;
	}
	return false;
}

bool medio_folder_find_type_link(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
{
	return find_mdev(nodes, name, MEDIO_AT_TYPE_LINK, entry) &&
	       entry->subject->up == dir->subject &&
	       medio_subject_type_index(entry->subject) == dir->number;
}

/* ---- What is in folders: attributes ------------------------------------------------------------ */

static const char *attr_folder(struct medio_nodes *nodes, const struct medio_node *dir)
{
	return medio_kind_of(dir) == MEDIO_AT_ATTR_DIR
		       ? medio_names_path(&nodes->names, dir->number)
		       : "";
}

static bool set_attr(struct medio_nodes *nodes, struct medio_subject *subject, const char *path,
	size_t len, struct medio_node *entry)
{
	int number = medio_names_number(&nodes->names, path, len);

	if (number < 0)
		return false;
	set(entry, path[len] ? MEDIO_AT_ATTR_DIR : MEDIO_AT_ATTR, subject, (unsigned)number);
	return true;
}

bool medio_folder_next_attr(struct medio_nodes *nodes, const struct medio_node *dir, uint64_t after,
	struct medio_node *entry, uint64_t *offset)
{
	const struct medio_attrs *attrs = medio_node_attrs(nodes, dir->subject);
	const char *path, *last = NULL;
	size_t len;

	if (after >= ATTR_OFFSET)
		last = medio_names_path(&nodes->names, (unsigned)(after - ATTR_OFFSET));
	if (!attrs || (after >= ATTR_OFFSET && !last))
		return false;
	path = medio_attrs_next(attrs, attr_folder(nodes, dir), last, &len);
	if (!path || !set_attr(nodes, dir->subject, path, len, entry))
		return false;
	*offset = ATTR_OFFSET + entry->number;
	return true;
}

bool medio_folder_find_attr(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
{
	const struct medio_attrs *attrs = medio_node_attrs(nodes, dir->subject);
	const char *folder = attr_folder(nodes, dir), *path, *last;
	size_t len, from = strlen(folder) + (*folder != '\0');

	if (!attrs || !*name || strchr(name, '/'))
		return false;
	for (unsigned i = 0; i < attrs->count; i++) {
		path = attrs->items[i].path;
		len = from + strlen(name);
		last = strlen(path) >= len ? path + len : NULL;
		if (last && (*last == '/' || *last == '\0') &&
			strncmp(path + from, name, len - from) == 0 &&
			(!from || (strncmp(path, folder, from - 1) == 0 && path[from - 1] == '/')))
			return set_attr(nodes, dir->subject, path, len, entry);
	}
	return false;
}

/* ---- What is in folders: virtual functions ------------------------------------------------------- */

bool medio_folder_next_in_mdev(struct medio_nodes *nodes, const struct medio_node *dir,
	uint64_t after, struct medio_node *entry, uint64_t *offset)
{
	const struct medio_mdev *vf = NULL;

	if (after < VIRTFN_OFFSET && medio_folder_next_attr(nodes, dir, after, entry, offset))
		return true;
	while ((vf = medio_mdev_next_vf(dir->subject->mdev, vf))) {
		set(entry, MEDIO_AT_MDEV_VIRTFN, dir->subject, medio_mdev_vf_index(vf));
		*offset = VIRTFN_OFFSET + entry->number;
		if ((after < VIRTFN_OFFSET || *offset > after) && medio_node_there(nodes, entry))
			return true;
	}
	return false;
}

/* "virtfn12": no other way to write a number. */
bool medio_folder_find_in_mdev(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
{
	char text[16];

	if (strncmp(name, "virtfn", 6) == 0) {
		unsigned n = (unsigned)strtoul(name + 6, NULL, 10) & 0xffff;

		snprintf(text, sizeof(text), "virtfn%u", n);
		set(entry, MEDIO_AT_MDEV_VIRTFN, dir->subject, n);
		if (strcmp(text, name) == 0 && medio_node_there(nodes, entry))
			return true;
	}
	return medio_folder_find_attr(nodes, dir, name, entry);
}

bool medio_folder_next_in_parent(struct medio_nodes *nodes, const struct medio_node *dir,
	uint64_t after, struct medio_node *entry, uint64_t *offset)
{
	return (after < SUBJECT_OFFSET &&
		       medio_folder_next_attr(nodes, dir, after, entry, offset)) ||
	       medio_folder_next_inside(nodes, dir, after, entry, offset);
}

bool medio_folder_find_in_parent(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry)
{
	return (find_mdev(nodes, name, MEDIO_AT_MDEV, entry) &&
		       entry->subject->up == dir->subject) ||
	       medio_folder_find_attr(nodes, dir, name, entry);
}
