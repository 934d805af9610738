/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this layer share: the records behind the handles of <medio/mdev.h>.
 *
 * Two counters keep callbacks from pulling the floor away. parent->busy (and bus->busy, the sum)
 * counts operations under way on a parent; what would start another is refused. mdev->held counts
 * calls into the driver that still use the instance; what would free it waits for the last one.
 */
#ifndef MEDIO_MDEV_PRIVATE_H
#define MEDIO_MDEV_PRIVATE_H

#include <medio/mdev.h>

#include "util/error.h"
#include "util/list.h"
#include "util/uuid.h"

/* Somebody to tell, after everything is in order again; fn NULL: nobody. */
struct medio_mdev_waiter {
	medio_mdev_done *fn;
	void *opaque;
};

static inline void medio_mdev_tell(const struct medio_mdev_waiter *waiter, int ret)
{
	if (waiter->fn)
		waiter->fn(waiter->opaque, ret);
}

struct medio_bus {
	struct medio_list parents;     /* struct medio_parent.item, as registered */
	struct medio_list drivers;     /* struct medio_mdev_binding.item */
	struct medio_list mdevs;       /* struct medio_mdev.bus_item, oldest first */
	struct medio_list subscribers; /* struct medio_mdev_subscriber.item */
	unsigned busy, emitting;
	struct medio_mdev **buckets; /* by UUID; nbuckets is a power of two, or 0 */
	size_t nbuckets, nmdevs;
	struct medio_mdev **groups; /* by number; NULL: free */
	size_t ngroups, free_group; /* no number below free_group is free */
};

/* A registered driver. */
struct medio_mdev_binding {
	struct medio_list item;
	struct medio_bus *bus;
	const struct medio_mdev_driver *driver;
	void *opaque;
	struct medio_list mdevs;     /* struct medio_mdev.bound_item: probing or bound */
	struct medio_list unbinding; /* those that were told to, while leaving */
	bool leaving;
	unsigned held; /* somebody still works on it: not to be freed */
	struct medio_mdev_waiter done;
};

struct medio_parent {
	struct medio_list item;
	struct medio_bus *bus;
	const struct medio_parent_desc *desc;
	const struct medio_mdev_driver *driver;
	struct medio_list mdevs; /* struct medio_mdev.parent_item, oldest first */
	struct medio_list going; /* those being removed */
	unsigned count;		 /* in both lists */
	uint64_t units;		 /* taken, also while there is no pool */
	unsigned busy;
	bool leaving;
	struct medio_mdev_waiter done;
};

struct medio_mdev {
	struct medio_list bus_item, parent_item, bound_item;
	struct medio_mdev *hash_next;
	uint8_t uuid[MEDIO_UUID_SIZE];
	char text[MEDIO_UUID_TEXT];
	struct medio_parent *parent;
	const struct medio_type *type;
	struct medio_mdev_binding *binding; /* from probe on, NULL: no driver */
	enum medio_mdev_state state;
	bool bound;    /* probe has succeeded */
	bool fresh;    /* was never active: a failing probe removes it */
	bool answered; /* probe_done came before probe returned */
	int answer;
	int group;
	unsigned opens, held, requests;
	struct medio_mdev_options *opts; /* one allocation; NULL: there is nothing to know */
	void (*created)(void *opaque, struct medio_mdev *mdev, int ret, const char *words);
	void *created_opaque;
	struct medio_mdev_waiter removed, bind;
	struct medio_mdev *pf;	   /* VF: whose; NULL: none, or it has gone */
	struct medio_list vf_item; /* VF: in pf->vfs */
	struct medio_list vfs;	   /* PF: by number */
	uint16_t vf, nvfs;	   /* VF: its number. PF: how many */
	uint16_t vfs_from;	   /* who waits for vfs_done waits for those */
	struct medio_mdev_waiter vfs_done;
	struct medio_error *words; /* of medio_mdev_fail() */
	void *data;
};

/* The cost of ten thousand idle instances is theirs only. */
_Static_assert(sizeof(struct medio_mdev) <= 512, "an instance record is small");

/* A name becomes a folder's name. */
bool medio_mdev_name_ok(const char *name);

/* bus.c: tables. insert: -ENOMEM. group_take: the wanted number if it is free, else the
 * smallest free one, or -ENOMEM. */
int medio_bus_insert(struct medio_bus *bus, struct medio_mdev *mdev);
void medio_bus_erase(struct medio_bus *bus, struct medio_mdev *mdev);
struct medio_mdev *medio_bus_lookup(
	const struct medio_bus *bus, const uint8_t uuid[MEDIO_UUID_SIZE]);
int medio_bus_group_take(struct medio_bus *bus, struct medio_mdev *mdev, int wanted);
void medio_bus_group_give(struct medio_bus *bus, int group);

/* event.c */
void medio_bus_emit(struct medio_bus *bus, enum medio_mdev_action action,
	struct medio_parent *parent, struct medio_mdev *mdev, const char *env);
void medio_bus_free_subscribers(struct medio_bus *bus);

/* driver.c. reap: if the driver is leaving and nothing is bound any more, free the binding and hand
 * out who is to be told. */
struct medio_mdev_binding *medio_mdev_binding_find(
	const struct medio_bus *bus, const struct medio_mdev_driver *driver);
struct medio_mdev_waiter medio_mdev_binding_reap(struct medio_mdev_binding *binding);

/* parent.c. take: -ENOSPC. reap: as above, for a parent that is leaving; sends its last event. */
void medio_parent_enter(struct medio_parent *parent);
void medio_parent_leave(struct medio_parent *parent);
int medio_parent_take_units(struct medio_parent *parent, const struct medio_type *type);
void medio_parent_give_units(struct medio_parent *parent, const struct medio_type *type);
struct medio_mdev_waiter medio_parent_reap(struct medio_parent *parent);

/* mdev.c: the end of an instance, or of its driver (remove false), which is started whatever state
 * it is in. 0: it has ended; MEDIO_DEFERRED: it waits for close. */
int medio_mdev_end(struct medio_mdev *mdev, bool remove);
/* Finish what waited for the last close or the last call. mdev may be gone. */
void medio_mdev_settle(struct medio_mdev *mdev);
/* vfs.c: enter its PF's list, checked before. */
int medio_mdev_vf_check(const struct medio_parent *parent, const struct medio_type *type,
	const struct medio_mdev_options *opts, struct medio_error **err);
void medio_mdev_vf_enter(struct medio_mdev *vf, struct medio_mdev *pf, unsigned n);
/* Leave it: the PF (NULL: it was none), held; left: it is told, and no more held. */
struct medio_mdev *medio_mdev_vf_leave(struct medio_mdev *vf);
void medio_mdev_vf_left(struct medio_mdev *pf);
/* Those that are left have none any more. */
void medio_mdev_vfs_orphan(struct medio_mdev *pf);
/* The end of each, in order. */
void medio_mdev_vfs_end(struct medio_mdev *pf, unsigned from);

/* Opened and asked things of: a driver is bound and stays. */
bool medio_mdev_usable(const struct medio_mdev *mdev);
void medio_mdev_hold(struct medio_mdev *mdev);
void medio_mdev_release(struct medio_mdev *mdev);

/* options.c: -ENOMEM; options in which there is nothing to know give NULL. One allocation, to
 * free(). */
int medio_mdev_options_copy(const struct medio_mdev_options *opts, struct medio_mdev_options **out);

#endif
