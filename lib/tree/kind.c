/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of kind.h. What is in folders whose entries change: folder.c. */
#include "tree/kind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tree/node.h"

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
	return medio_node_attr(nodes, node);
}

static bool attr_dir_there(struct medio_nodes *nodes, const struct medio_node *node)
{
	const struct medio_attrs *attrs = medio_node_attrs(nodes, node->subject);
	const char *path = medio_names_path(&nodes->names, node->number);

	return attrs && path && medio_attrs_has_folder(attrs, path);
}

/* Source: Linux drivers/pci/iov.c, pci_iov_add_virtfn(). */
static bool physfn_there(struct medio_nodes *nodes, const struct medio_node *node)
{
	const struct medio_mdev *pf = medio_mdev_pf(node->subject->mdev);

	return pf && medio_subject_by_object(&nodes->subjects, pf);
}

static bool virtfn_there(struct medio_nodes *nodes, const struct medio_node *node)
{
	const struct medio_mdev *vf = medio_mdev_vf(node->subject->mdev, node->number);

	return vf && medio_subject_by_object(&nodes->subjects, vf);
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

static void to_physfn(
	struct medio_nodes *nodes, const struct medio_node *node, struct medio_node *target)
{
	set(target, MEDIO_AT_MDEV,
		medio_subject_by_object(&nodes->subjects, medio_mdev_pf(node->subject->mdev)), 0);
}

static void to_virtfn(
	struct medio_nodes *nodes, const struct medio_node *node, struct medio_node *target)
{
	set(target, MEDIO_AT_MDEV,
		medio_subject_by_object(
			&nodes->subjects, medio_mdev_vf(node->subject->mdev, node->number)),
		0);
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

/* class/mdev_bus is one of the fixed names. */
static bool class_there(struct medio_nodes *nodes, const struct medio_node *node)
{
	(void)nodes;
	return strcmp(desc_of(node->subject)->name, "mdev_bus") != 0;
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
	[MEDIO_AT_BUS_DEVICES] = { "devices", IN(BUS_MDEV), OF(TREE), DIR,
		.next = medio_folder_next_bus_device, .find = medio_folder_find_bus_device },
	[MEDIO_AT_BUS_DRIVERS] = { "drivers", IN(BUS_MDEV), OF(TREE), DIR,
		.next = medio_folder_next_driver, .find = medio_folder_find_driver },
	[MEDIO_AT_BUS_AUTOPROBE] = { "drivers_autoprobe", IN(BUS_MDEV), OF(TREE), FILE(0644),
		.show = medio_show_autoprobe, .store = medio_store_autoprobe },
	[MEDIO_AT_BUS_PROBE] = { "drivers_probe", IN(BUS_MDEV), OF(TREE), FILE(0200),
		.store = medio_store_probe },
	[MEDIO_AT_BUS_UEVENT] = { "uevent", IN(BUS_MDEV), OF(TREE), FILE(0200),
		.store = medio_store_uevent },
	[MEDIO_AT_CLASS] = { "class", IN(ROOT), OF(TREE), DIR, .next = medio_folder_next_class,
		.find = medio_folder_find_class },
	[MEDIO_AT_CLASS_MDEV] = { "mdev_bus", IN(CLASS), OF(TREE), DIR,
		.next = medio_folder_next_class_mdev, .find = medio_folder_find_class_mdev },
	[MEDIO_AT_DEVICES] = { "devices", IN(ROOT), OF(TREE), DIR, .next = medio_folder_next_inside,
		.find = medio_folder_find_inside },
	[MEDIO_AT_KERNEL] = { "kernel", IN(ROOT), OF(TREE), DIR },
	[MEDIO_AT_GROUPS] = { "iommu_groups", IN(KERNEL), OF(TREE), DIR,
		.next = medio_folder_next_group, .find = medio_folder_find_group },

	[MEDIO_AT_FOLDER] = { .subjects = OF(FOLDER),
		DIR,
		.next = medio_folder_next_inside,
		.find = medio_folder_find_inside },

	[MEDIO_AT_DRIVER] = { .subjects = OF(DRIVER),
		DIR,
		.next = medio_folder_next_driver_link,
		.find = medio_folder_find_driver_link },
	[MEDIO_AT_DRIVER_BIND] = { "bind", IN(DRIVER), OF(DRIVER), FILE(0200),
		.store = medio_store_bind },
	[MEDIO_AT_DRIVER_UNBIND] = { "unbind", IN(DRIVER), OF(DRIVER), FILE(0200),
		.store = medio_store_unbind },
	[MEDIO_AT_DRIVER_UEVENT] = { "uevent", IN(DRIVER), OF(DRIVER), FILE(0200),
		.store = medio_store_uevent },

	[MEDIO_AT_PARENT] = { .subjects = OF(PARENT),
		DIR,
		.next = medio_folder_next_in_parent,
		.find = medio_folder_find_in_parent },
	[MEDIO_AT_PARENT_CLASS] = { .subjects = OF(PARENT),
		DIR,
		.there = class_there,
		.next = medio_folder_next_class_link,
		.find = medio_folder_find_class_link },
	[MEDIO_AT_PARENT_CLASS_LINK] = { .subjects = OF(PARENT),
		LINK(to_parent),
		.there = class_there },
	[MEDIO_AT_PARENT_MDEV_LINK] = { .subjects = OF(PARENT),
		LINK(to_parent),
		.there = parent_stays },
	[MEDIO_AT_TYPES] = { "mdev_supported_types", IN(PARENT), OF(PARENT), DIR,
		.next = medio_folder_next_type, .find = medio_folder_find_type },
	[MEDIO_AT_TYPE] = { .subjects = OF(PARENT),
		DIR,
		.flags = MEDIO_NUMBERED,
		.there = type_there },
	[MEDIO_AT_TYPE_AVAILABLE] = { "available_instances", IN(TYPE), OF(PARENT), FILE(0444),
		.show = medio_show_available, .flags = MEDIO_NUMBERED, .there = type_there },
	[MEDIO_AT_TYPE_CREATE] = { "create", IN(TYPE), OF(PARENT), FILE(0200),
		.flags = MEDIO_OWNED | MEDIO_NUMBERED, .store = medio_store_create,
		.there = type_there },
	[MEDIO_AT_TYPE_DESCRIPTION] = { "description", IN(TYPE), OF(PARENT), FILE(0444),
		.show = medio_show_description, .flags = MEDIO_NUMBERED,
		.there = description_there },
	[MEDIO_AT_TYPE_DEVICE_API] = { "device_api", IN(TYPE), OF(PARENT), FILE(0444),
		.show = medio_show_device_api, .flags = MEDIO_NUMBERED, .there = type_there },
	[MEDIO_AT_TYPE_DEVICES] = { "devices", IN(TYPE), OF(PARENT), DIR, .flags = MEDIO_NUMBERED,
		.there = type_there, .next = medio_folder_next_type_link,
		.find = medio_folder_find_type_link },
	[MEDIO_AT_TYPE_NAME] = { "name", IN(TYPE), OF(PARENT), FILE(0444),
		.show = medio_show_type_name, .flags = MEDIO_NUMBERED, .there = type_there },

	[MEDIO_AT_MDEV] = { .subjects = OF(MDEV),
		DIR,
		.next = medio_folder_next_in_mdev,
		.find = medio_folder_find_in_mdev },
	[MEDIO_AT_MDEV_DRIVER] = { "driver", IN(MDEV), OF(MDEV), LINK(to_driver),
		.flags = MEDIO_WHILE_BOUND },
	[MEDIO_AT_MDEV_GROUP] = { "iommu_group", IN(MDEV), OF(MDEV), LINK(to_group),
		.flags = MEDIO_WHILE_BOUND },
	[MEDIO_AT_MDEV_TYPE] = { "mdev_type", IN(MDEV), OF(MDEV), LINK(to_type) },
	[MEDIO_AT_MDEV_REMOVE] = { "remove", IN(MDEV), OF(MDEV), FILE(0200), .flags = MEDIO_OWNED,
		.store = medio_store_remove, .there = removable },
	[MEDIO_AT_MDEV_PHYSFN] = { "physfn", IN(MDEV), OF(MDEV), LINK(to_physfn),
		.there = physfn_there },
	[MEDIO_AT_MDEV_VIRTFN] = { .subjects = OF(MDEV),
		LINK(to_virtfn),
		.flags = MEDIO_NUMBERED,
		.there = virtfn_there },
	[MEDIO_AT_BUS_LINK] = { .subjects = OF(MDEV), LINK(to_mdev) },
	[MEDIO_AT_DRIVER_LINK] = { .subjects = OF(MDEV),
		LINK(to_mdev),
		.flags = MEDIO_WHILE_BOUND },
	[MEDIO_AT_TYPE_LINK] = { .subjects = OF(MDEV), LINK(to_mdev), .there = type_lists },
	[MEDIO_AT_GROUP] = { .subjects = OF(MDEV), DIR, .flags = MEDIO_WHILE_BOUND },
	[MEDIO_AT_GROUP_DEVICES] = { "devices", IN(GROUP), OF(MDEV), DIR,
		.flags = MEDIO_WHILE_BOUND, .next = medio_folder_next_group_link,
		.find = medio_folder_find_group_link },
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
		.flags = MEDIO_OWNED | MEDIO_NUMBERED,
		.there = attr_there },
	[MEDIO_AT_ATTR_DIR] = { .subjects = BOTH,
		DIR,
		.flags = MEDIO_NUMBERED,
		.there = attr_dir_there,
		.next = medio_folder_next_attr,
		.find = medio_folder_find_attr },
};
