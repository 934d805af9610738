/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What nodes belong to: each parent, instance and driver of the bus, and each folder on the way to a
 * parent. A subject has a serial number that is never used again, so a node's number (node.h) means
 * the same thing for ever, or nothing. Subjects come and go with the bus's events; of what is inside
 * them nothing is kept but what root has changed (modes and owners).
 */
#ifndef MEDIO_TREE_SUBJECT_H
#define MEDIO_TREE_SUBJECT_H

#include <limits.h>
#include <time.h>

#include <medio/mdev.h>

#include "tree/kind.h"
#include "util/list.h"

enum medio_subject_sort {
	MEDIO_OF_TREE,	 /* one, serial 0: what is there always */
	MEDIO_OF_FOLDER, /* "virtual" in devices/virtual/mtty */
	MEDIO_OF_PARENT,
	MEDIO_OF_MDEV,
	MEDIO_OF_DRIVER,
	MEDIO_SORTS
};

/* What chmod or chown made of one file. */
struct medio_mode {
	struct medio_mode *next;
	uint8_t kind;
	uint16_t number;
	uid_t uid;
	gid_t gid;
	mode_t mode; /* permission bits */
};

struct medio_subject {
	struct medio_list item;	   /* of its sort, by serial */
	struct medio_list inside;  /* FOLDER, PARENT, MDEV: what is in the same folder, by serial */
	struct medio_list entries; /* TREE (devices/), FOLDER, PARENT: subjects in its folder */
	struct medio_subject *next_serial, *next_object; /* of a bucket */
	struct medio_subject *up; /* MDEV: its parent. PARENT, FOLDER: the folder, or the TREE */
	uint64_t serial;
	enum medio_subject_sort sort;
	union {
		const void *object;
		struct medio_parent *parent;
		struct medio_mdev *mdev;
		const struct medio_mdev_driver *driver;
		char *name; /* FOLDER, owned; PARENT's is at `base` */
	};
	char *base;		       /* PARENT: last component of its path, owned */
	struct timespec born, changed; /* changed: of its folders */
	struct medio_mode *modes;
	uint16_t binds;	 /* MDEV: how often it was bound */
	int group;	 /* MDEV: while it is bound, else -1 */
	bool control_on; /* power/control */
	bool autoprobe;	 /* TREE */
	bool removing;	 /* MDEV: was being removed when last looked at */
	bool known;	 /* somebody has been given a node of it */
	unsigned ngoing; /* PARENT: how many were being removed when last looked at */
};

/* Told what is no more: an entry of a folder, or that a folder is not as it was. */
struct medio_nodes_watcher {
	void (*entry_gone)(void *opaque, uint64_t dir, const char *name);
	void (*dir_changed)(void *opaque, uint64_t dir);
	void *opaque;
};

struct medio_subjects {
	struct medio_bus *bus;
	struct medio_mdev_subscriber *subscriber;
	struct medio_subject tree;
	struct medio_list sorts[MEDIO_SORTS];
	struct medio_subject **by_serial, **by_object; /* nbuckets each, a power of two */
	size_t nbuckets, count;
	uint64_t last_serial;
	struct timespec last_change;
	struct medio_nodes_watcher watcher; /* all NULL: nobody */
};

/* -ENOMEM. What is on the bus already is taken in. */
int medio_subjects_init(struct medio_subjects *all, struct medio_bus *bus);
void medio_subjects_fini(struct medio_subjects *all);

/* NULL: it has gone. */
struct medio_subject *medio_subject_by_serial(struct medio_subjects *all, uint64_t serial);
struct medio_subject *medio_subject_by_object(struct medio_subjects *all, const void *object);
/* Of a driver: made when it is first asked for; drivers come and go without events. NULL: -ENOMEM, or
 * driver is not registered. */
struct medio_subject *medio_subject_of_driver(
	struct medio_subjects *all, const struct medio_mdev_driver *driver);
/* Bring the subjects of drivers in line with the bus. */
void medio_subjects_look_at_drivers(struct medio_subjects *all);

/* The first of a sort with a serial above after (0: the first of all), NULL at the end. */
struct medio_subject *medio_subject_after(
	struct medio_subjects *all, enum medio_subject_sort sort, uint64_t after);
/* The same among the entries of a folder. */
struct medio_subject *medio_subject_inside(
	struct medio_subjects *all, struct medio_subject *dir, uint64_t after);

/* Its folders are not as they were: a new time of change, above any before. */
void medio_subject_touch(struct medio_subjects *all, struct medio_subject *subject);

/* MDEV: its removal waits for a close, which is no event. */
void medio_subject_removing(struct medio_subjects *all, struct medio_subject *subject);

/* What chmod or chown made of a file, NULL: nothing. */
struct medio_mode *medio_subject_mode(
	const struct medio_subject *subject, enum medio_at kind, unsigned number);
/* The same, made if need be: NULL is -ENOMEM. */
struct medio_mode *medio_subject_new_mode(
	struct medio_subject *subject, enum medio_at kind, unsigned number);

/*
 * The number of a node (node.h): 36 bits of serial number, 16 of number, 6 of kind. 36 bits are a
 * thousand instances a second for two years.
 */
#define MEDIO_NODE_KIND_BITS 6
#define MEDIO_NODE_BITS	     58
static inline uint64_t medio_subject_node(
	const struct medio_subject *subject, enum medio_at kind, unsigned number)
{
	return subject->serial << (MEDIO_NODE_KIND_BITS + 16) |
	       (uint64_t)number << MEDIO_NODE_KIND_BITS | kind;
}
_Static_assert(MEDIO_KINDS <= 1 << MEDIO_NODE_KIND_BITS, "a kind fits into a node's number");

/* MDEV: which of its parent's types. */
unsigned medio_subject_type_index(const struct medio_subject *subject);

static inline bool medio_subject_bound(const struct medio_subject *subject)
{
	return subject->group >= 0;
}

#endif
