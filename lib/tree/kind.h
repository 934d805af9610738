/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What sorts of nodes there are, as one table: where each is, what it looks like, what reading and
 * writing it means. A node is a kind, a subject it belongs to (subject.h) and a small number:
 *
 *     kind          of a          number
 *     TYPE, TYPE_*  parent        which of its types
 *     ATTR*         parent, mdev  its path's (struct medio_names)
 *     MDEV_VIRTFN   mdev          the virtual function's
 *     GROUP*, *_DRIVER…  mdev     how often it has been bound, so that a new group is a new node
 *
 * Sources: Linux drivers/vfio/mdev/mdev_{core,sysfs,driver}.c, drivers/base/{bus,core,dd}.c,
 * drivers/base/power/sysfs.c, drivers/iommu/iommu.c, fs/kernfs, samples/vfio-mdev/mtty.c.
 */
#ifndef MEDIO_TREE_KIND_H
#define MEDIO_TREE_KIND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <medio/mdev.h>

#include "tree/tree.h"

struct medio_nodes;
struct medio_subject;

enum medio_at {
	MEDIO_AT_NONE,
	MEDIO_AT_ROOT, /* 1: what FUSE calls the root */
	MEDIO_AT_BUS,
	MEDIO_AT_BUS_MDEV,
	MEDIO_AT_BUS_DEVICES,
	MEDIO_AT_BUS_DRIVERS,
	MEDIO_AT_BUS_AUTOPROBE,
	MEDIO_AT_BUS_PROBE,
	MEDIO_AT_BUS_UEVENT,
	MEDIO_AT_CLASS,
	MEDIO_AT_CLASS_MDEV,
	MEDIO_AT_DEVICES,
	MEDIO_AT_KERNEL,
	MEDIO_AT_GROUPS,
	/* of a folder */
	MEDIO_AT_FOLDER,
	/* of a driver */
	MEDIO_AT_DRIVER,
	MEDIO_AT_DRIVER_BIND,
	MEDIO_AT_DRIVER_UNBIND,
	MEDIO_AT_DRIVER_UEVENT,
	/* of a parent */
	MEDIO_AT_PARENT,
	MEDIO_AT_PARENT_CLASS,	    /* class/NAME */
	MEDIO_AT_PARENT_CLASS_LINK, /* class/NAME/NAME */
	MEDIO_AT_PARENT_MDEV_LINK,  /* class/mdev_bus/NAME */
	MEDIO_AT_TYPES,
	MEDIO_AT_TYPE,
	MEDIO_AT_TYPE_AVAILABLE,
	MEDIO_AT_TYPE_CREATE,
	MEDIO_AT_TYPE_DESCRIPTION,
	MEDIO_AT_TYPE_DEVICE_API,
	MEDIO_AT_TYPE_DEVICES,
	MEDIO_AT_TYPE_NAME,
	/* of an instance */
	MEDIO_AT_MDEV,
	MEDIO_AT_MDEV_DRIVER,
	MEDIO_AT_MDEV_GROUP,
	MEDIO_AT_MDEV_TYPE,
	MEDIO_AT_MDEV_REMOVE,
	MEDIO_AT_MDEV_PHYSFN, /* of a virtual function */
	MEDIO_AT_MDEV_VIRTFN, /* virtfnN, of one that has them */
	MEDIO_AT_BUS_LINK,    /* bus/mdev/devices/UUID */
	MEDIO_AT_DRIVER_LINK, /* bus/mdev/drivers/NAME/UUID */
	MEDIO_AT_TYPE_LINK,   /* mdev_supported_types/TYPE/devices/UUID */
	MEDIO_AT_GROUP,	      /* kernel/iommu_groups/N */
	MEDIO_AT_GROUP_DEVICES,
	MEDIO_AT_GROUP_LINK, /* kernel/iommu_groups/N/devices/UUID */
	MEDIO_AT_GROUP_RESERVED,
	MEDIO_AT_GROUP_TYPE,
	/* of a parent or an instance */
	MEDIO_AT_SUBSYSTEM,
	MEDIO_AT_UEVENT,
	MEDIO_AT_POWER,
	MEDIO_AT_POWER_AUTOSUSPEND,
	MEDIO_AT_POWER_CONTROL,
	MEDIO_AT_POWER_ACTIVE,
	MEDIO_AT_POWER_STATUS,
	MEDIO_AT_POWER_SUSPENDED,
	MEDIO_AT_ATTR,
	MEDIO_AT_ATTR_DIR,
	MEDIO_KINDS
};

#define MEDIO_ATTRS_MAX 4096 /* of one parent or instance */

enum medio_node_form { MEDIO_FORM_DIR, MEDIO_FORM_FILE, MEDIO_FORM_LINK };

/* A node that was found to be there. */
struct medio_node {
	const struct medio_kind *kind;
	struct medio_subject *subject;
	unsigned number;
};

enum medio_kind_flags {
	MEDIO_OWNED = 1,       /* a writable file whose owner and mode ops->access says first */
	MEDIO_WHILE_BOUND = 2, /* there while a driver is; its number counts the binds */
	MEDIO_NUMBERED = 4     /* `there` looks at its number; without either it is 0 */
};

/* Show: print into buf, at most size bytes, and return the length or -errno. */
typedef ssize_t medio_kind_show_fn(
	struct medio_nodes *nodes, const struct medio_node *node, char *buf, size_t size);
/* Store: text is followed by a NUL. 0: done is called once, perhaps from within. -errno: it is not. */
typedef int medio_kind_store_fn(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_tree_caller *who, const char *text, size_t len, medio_mdev_done *done,
	void *opaque);

/* The first entry of a folder with an offset above after. */
typedef bool medio_kind_next_fn(struct medio_nodes *nodes, const struct medio_node *dir,
	uint64_t after, struct medio_node *entry, uint64_t *offset);
typedef bool medio_kind_find_fn(struct medio_nodes *nodes, const struct medio_node *dir,
	const char *name, struct medio_node *entry);

struct medio_kind {
	const char *name;	  /* NULL: it depends on the subject */
	uint8_t in[2];		  /* kinds of the folders it is in if it has a constant name */
	uint8_t subjects;	  /* bits 1 << enum medio_subject_sort */
	uint8_t form;		  /* enum medio_node_form */
	uint8_t flags;		  /* enum medio_kind_flags */
	mode_t mode;		  /* permission bits */
	medio_kind_show_fn *show; /* NULL: it cannot be read, whatever its mode */
	medio_kind_store_fn *store;
	/* NULL: there as long as its subject */
	bool (*there)(struct medio_nodes *nodes, const struct medio_node *node);
	/* LINK: the node it points at */
	void (*target)(struct medio_nodes *nodes, const struct medio_node *node,
		struct medio_node *target);
	/* DIR: its entries whose names depend */
	medio_kind_next_fn *next;
	medio_kind_find_fn *find;
};

extern const struct medio_kind medio_kinds[MEDIO_KINDS];

static inline enum medio_at medio_kind_of(const struct medio_node *node)
{
	return (enum medio_at)(node->kind - medio_kinds);
}

/* folder.c */
medio_kind_next_fn medio_folder_next_attr, medio_folder_next_bus_device, medio_folder_next_class,
	medio_folder_next_class_link, medio_folder_next_class_mdev, medio_folder_next_driver,
	medio_folder_next_driver_link, medio_folder_next_group, medio_folder_next_group_link,
	medio_folder_next_in_mdev, medio_folder_next_in_parent, medio_folder_next_inside,
	medio_folder_next_type, medio_folder_next_type_link;
medio_kind_find_fn medio_folder_find_attr, medio_folder_find_bus_device, medio_folder_find_class,
	medio_folder_find_class_link, medio_folder_find_class_mdev, medio_folder_find_driver,
	medio_folder_find_driver_link, medio_folder_find_group, medio_folder_find_group_link,
	medio_folder_find_in_mdev, medio_folder_find_in_parent, medio_folder_find_inside,
	medio_folder_find_type, medio_folder_find_type_link;

/* show.c */
medio_kind_show_fn medio_show_autoprobe, medio_show_available, medio_show_description,
	medio_show_device_api, medio_show_type_name, medio_show_uevent, medio_show_control,
	medio_show_autosuspend, medio_show_zero, medio_show_status, medio_show_reserved,
	medio_show_group_type;

/* store.c */
medio_kind_store_fn medio_store_autoprobe, medio_store_probe, medio_store_uevent, medio_store_bind,
	medio_store_unbind, medio_store_create, medio_store_remove, medio_store_control,
	medio_store_autosuspend, medio_store_group_type;

#endif
