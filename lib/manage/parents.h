/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parents a mediod has: which, and with what parameters. A parent is asked for in words,
 * "mtty,ports=24,per-worker=100", on the command line or as a section of the configuration file.
 */
#ifndef MEDIO_MANAGE_PARENTS_H
#define MEDIO_MANAGE_PARENTS_H

#include "manage/managed.h"

/* A parent this program can offer. Constant data. */
struct medio_parent_kind {
	const struct medio_parent_desc *desc; /* capacity is the default */
	const char *
		units; /* what its capacity counts, and the parameter's name: "ports"; NULL: none */
	unsigned cards; /* made when it is asked for by name, unless that says another number */
};

/* What can be said of every parent; one table (parents.c) gives parser, --help and manual page. */
struct medio_parent_settings {
	uint64_t units;	     /* "ports": 0: the kind's default */
	uint64_t per_worker; /* instances in one worker: 1 */
	int restart;	     /* enum medio_restart: reset */
	uint64_t memory;     /* limit of a worker, bytes; 0: none */
	uint64_t checkpoint; /* nanoseconds between checkpoints with restart=restore: 100 ms */
	char *user;	     /* run workers as this user; NULL: as the instance's owner */
	char *files;	     /* folders that shared workers may open files in, colon between */
	char *plugin;	     /* a device from a shared object instead of a built-in parent */
	uint64_t cards;	     /* cards of its first type that mediod makes itself */
};

extern const struct medio_param medio_parent_params[];

struct medio_managed_parent {
	struct medio_list item;	       /* in manager->parents, until it is freed */
	struct medio_list known;       /* in the list of all there are */
	char *spec;		       /* as asked for */
	struct medio_parent_desc desc; /* our own copy: the capacity can change */
	struct medio_parent_settings settings;
	/* Parameters that instances of a type that has them begin with, beside what they are given. Only of
	 * parents whose first type can have virtual functions. */
	struct medio_strv params;
	uid_t uid; /* of settings.user; (uid_t)-1: none was given */
	gid_t gid;
	char *plugin;			   /* absolute path; NULL: built in */
	const struct medio_type *types[3]; /* of a plug-in; of its virtual functions */
	struct medio_parent *parent;
};

/* What a worker is told to load for a type of parent: the type's name, or the plug-in's path. */
const char *medio_managed_parent_source(
	const struct medio_managed_parent *parent, const struct medio_type *type);
/* NULL for a parent that medio_parents_set() did not make (a test's). */
struct medio_managed_parent *medio_managed_parent_of(const struct medio_parent *parent);

/*
 * Check one thing said of parent name: an assignment "key=value", or, with assignment NULL, that there
 * can be such a parent at all (has_plugin: a plug-in's path was given for it). -EINVAL with words that
 * name what is allowed, -ENOMEM. A user and a plug-in are not looked for.
 */
int medio_parent_check(const struct medio_parent_kind *kinds, unsigned nkinds, const char *name,
	const char *assignment, bool has_plugin, struct medio_error **err);

/* Load the type in a plug-in: for plugin=PATH. Errors with words. */
typedef int medio_plugin_open(
	const char *path, const struct medio_type **out, struct medio_error **err);

/*
 * Make the parents be those of specs (nspecs; 0: every kind with its defaults). Called again it
 * changes what differs: new ones are registered, those no longer named are unregistered (their
 * instances are removed as users let go), settings change for instances to come. A spec that is
 * wrong changes nothing. -EINVAL with words that name what is allowed, -EBUSY a parent of that name
 * is still being unregistered, -ENOMEM, or medio_parent_register()'s.
 */
int medio_parents_set(struct medio_manager *m, const struct medio_parent_kind *kinds,
	unsigned nkinds, medio_plugin_open *open_plugin, const char *const *specs, unsigned nspecs,
	struct medio_error **err);
/*
 * Make the cards that parents are to have from the start (cards=N) and that are not there: number n of parent
 * P has the UUID medio_functions_card_uuid(P, n), and belongs to mediod's own user. Not waited for, and
 * what fails is logged.
 */
void medio_parents_make_cards(struct medio_manager *m);
/* Unregister all, before medio_manager_fini(): one with open instances goes with the last of them, at
 * the latest with the bus. With manager->bus NULL: free what is left. */
void medio_parents_free(struct medio_manager *m);

#endif
