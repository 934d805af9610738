/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The manager: what a mediod holds, and the operations that its three faces share. The tree
 * (lib/tree), the control socket (control.h) and the definitions that start by themselves
 * (definitions.h) all create and remove through here, so that permission, log line and errno are
 * the same whichever way somebody comes.
 *
 *     tree, control, auto-start
 *            |
 *        manager          who may (policy.h), parents (parents.h)
 *            |
 *        <medio/mdev.h>   the kernel's order of things
 *            |
 *        managed.h        the driver: one worker process an instance, or one for many
 *
 * Threads: all of it belongs to the loop's thread.
 */
#ifndef MEDIO_MANAGE_MANAGER_H
#define MEDIO_MANAGE_MANAGER_H

#include <stdarg.h>

#include <medio/mdev.h>

#include "manage/policy.h"
#include "manage/refusal.h"
#include "util/list.h"
#include "util/strv.h"

struct medio_filter;
struct medio_workers;

/* Files of a mediod. Paths are absolute. */
struct medio_places {
	char *runtime;	   /* /run/medio */
	char *definitions; /* /etc/mdevctl.d */
	char *worker;	   /* the program medio-worker */
};

struct medio_manager {
	struct medio_loop *loop;
	struct medio_bus *bus;
	struct medio_places places;
	struct medio_policy policy;
	struct medio_workers *workers; /* managed.h */
	struct medio_list parents;     /* struct medio_managed_parent.item, parents.h */
	/* remove of an open instance: ask so long, then take it away; 0: for ever */
	uint64_t grace_ns;
	unsigned spares; /* workers kept ready */
	/* Filters whose attributes instances show, ends with NULL. NULL: none. */
	const struct medio_filter *const *known_filters;
	bool leaving; /* mediod ends and its workers stay: let nothing go */
	int lock;     /* RUNTIME/lock: one mediod in a folder */
	/* An instance has gone by medio_manager_remove(): who asked is told from done, which is to be
	 * called once. For a tree whose names the kernel remembers. NULL: told at once. */
	void (*settle)(void *opaque, medio_mdev_done *done, void *done_opaque);
	void *settle_opaque;
	struct medio_refusals refusals;
	void (*log)(void *opaque, enum medio_log_level level, const char *line);
	void *log_opaque;
};

/*
 * Loop, bus and the driver of managed.h; places, policy, log and numbers have been set by the
 * caller, all else is zeros. Places are then the manager's to free, also on failure. Makes the
 * runtime folder, locks it, and lifts the soft limit of open files to the hard one. Errors with
 * words: -EADDRINUSE another mediod has the folder; -ENAMETOOLONG its path leaves no room for
 * sockets (55 bytes at most); -EPERM the folder is in others' hands; -ENOENT, -EACCES: it cannot be
 * made, or there is no program medio-worker.
 */
int medio_manager_init(struct medio_manager *m, struct medio_error **err);
/* leaving false: every instance is removed, every worker ends; takes up to some seconds. true:
 * workers are left running, for the next mediod. Frees the parents too. Not from a callback; what
 * else was made on the loop must be gone. */
void medio_manager_fini(struct medio_manager *m, bool leaving);

/* How to create an instance, beyond parent, type and UUID. Copied. */
struct medio_creation {
	struct medio_who who; /* who asks for it, and will own it */
	const char *const *params;
	unsigned nparams;
	const char *const *filters;
	unsigned nfilters;
	int restart; /* enum medio_restart, or -1: as the parent says */
	/* The modes of a `create` file of the tree have let him in: the policy is not asked. */
	bool permitted;
};

/* mdev is NULL if ret is -errno; words then say why, or are NULL. */
typedef void medio_manager_created(
	void *opaque, struct medio_mdev *mdev, int ret, const char *words);

/*
 * Create an instance; created is called once, from within or later. uuid as for
 * medio_mdev_create(). Errors: as medio_mdev_create(); -EACCES who may not (logged).
 */
void medio_manager_create(struct medio_manager *m, struct medio_parent *parent,
	const struct medio_type *type, const char *uuid, size_t len,
	const struct medio_creation *how, medio_manager_created *created, void *opaque);
/*
 * Remove one; done is called once, from within or later. who NULL: mediod itself. now: an open one
 * is not asked first but taken from its client; also if it is being asked already. -EACCES who may
 * not (logged); else as medio_mdev_remove().
 */
void medio_manager_remove(struct medio_manager *m, struct medio_mdev *mdev,
	const struct medio_who *who, bool now, medio_mdev_done *done, void *opaque);

void medio_manager_log(struct medio_manager *m, enum medio_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Somebody was refused: "uid 1000 (pid 42) may not ...". One who is refused again and again gets 20
 * lines in ten seconds, then a count. */
void medio_manager_refused(struct medio_manager *m, const struct medio_who *who, const char *fmt,
	...) __attribute__((format(printf, 3, 4)));

#endif
