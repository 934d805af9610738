/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Definitions: instances that are to be, in mdevctl's own files: DIR/PARENT/UUID holds
 * {"mdev_type":T,"start":"auto"|"manual","attrs":[{NAME:VALUE},...]}. Attributes are written after
 * creation, in order, as mdevctl writes them to the tree: "params/port0", "medio/restart",
 * "vendor/...". Files are read when they are asked for: mdevctl may have changed them.
 */
#ifndef MEDIO_MANAGE_DEFINITIONS_H
#define MEDIO_MANAGE_DEFINITIONS_H

#include "manage/manager.h"

#define MEDIO_DEFINITION_MAX (64u << 10) /* bytes of a file */

struct medio_definition {
	char uuid[37];
	char *parent, *type;
	bool automatic;
	struct medio_strv names, values; /* attributes, in order */
};

void medio_definition_free(struct medio_definition *def);
/* Give attribute name a value: in the place of an earlier one, or at the end. -ENOMEM. */
int medio_definition_set(struct medio_definition *def, const char *name, const char *value);
/* Forget attribute name. -ENOENT. */
int medio_definition_unset(struct medio_definition *def, const char *name);
/* What would make an instance that runs: parent, type, owner if it is not mediod's own user,
 * parameters, filters, restart, mode. -ENOMEM. */
int medio_definition_from(const struct medio_mdev *mdev, struct medio_definition *def);
/* Understand size bytes of a file. -EINVAL with words. def->parent and uuid are the caller's. */
int medio_definition_parse(
	const char *text, size_t size, struct medio_definition *def, struct medio_error **err);
/* As a file has it, with a newline at its end; free() it. NULL: out of memory. */
char *medio_definition_print(const struct medio_definition *def);

/* Read one. parent NULL: whichever parent has it (-EEXIST: more than one has). -ENOENT, -EINVAL,
 * -EACCES, with words. uuid: 36 lower-case characters. */
int medio_definition_load(const char *dir, const char *parent, const char *uuid,
	struct medio_definition *def, struct medio_error **err);
/* Write one, atomically; the folders are made. create: -EEXIST if it is there. */
int medio_definition_save(
	const char *dir, const struct medio_definition *def, bool create, struct medio_error **err);
/* -ENOENT. */
int medio_definition_delete(
	const char *dir, const char *parent, const char *uuid, struct medio_error **err);
/* Call fn for each, sorted by parent and UUID; bad files are told to bad (may be NULL) and skipped.
 * fn returns not 0 to stop. No such dir: none. */
int medio_definitions_each(const char *dir,
	int (*fn)(void *opaque, const struct medio_definition *def),
	void (*bad)(void *opaque, const char *path, const char *words), void *opaque);

/*
 * Start a definition: create, then its attributes. On an attribute's failure the instance is removed
 * again, as mdevctl does. Parameters, filters, "medio/restart" and "medio/owner" are not written
 * after but given to the creation. Who may administer can start one for its owner, others only
 * their own (-EACCES, logged). started as medio_manager_create()'s; -ENOENT: no such parent or type.
 */
void medio_definition_start(struct medio_manager *m, const struct medio_definition *def,
	const struct medio_who *who, medio_manager_created *started, void *opaque);
/* Start all that are automatic and not there; problems are logged. */
void medio_definitions_start_auto(struct medio_manager *m);

#endif
