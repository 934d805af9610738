/* SPDX-License-Identifier: BSD-3-Clause */
/* From a definition to an instance: create it, write its attributes in order, or take it away again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manage/attrs.h"
#include "manage/definitions.h"
#include "manage/user.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/nearest.h"

#define MAX_NAMES 64

struct start {
	struct medio_manager *manager;
	struct medio_definition def;
	struct medio_who who;
	medio_manager_created *started;
	void *opaque;
	/* What creation itself is given: its worker is then started once. */
	struct medio_strv params, filters;
	int restart;
	struct medio_who owner; /* uid -1: none is named */
	struct medio_mdev *mdev;
	unsigned at;		   /* next attribute */
	int ret;		   /* why it failed */
	struct medio_error *words; /* … in words; NULL: none */
	bool storing, answered;	   /* a store is under way, and was answered from within: */
	int answer;
};

static void end(struct start *start)
{
	start->started(start->opaque, start->ret ? NULL : start->mdev, start->ret,
		start->words ? medio_error_text(start->words) : NULL);
	medio_error_free(start->words);
	medio_definition_free(&start->def);
	medio_strv_free(&start->params);
	medio_strv_free(&start->filters);
	free(start);
}

/* ---- What creation takes ----------------------------------------------------------------------- */

static int add_lines(struct medio_strv *to, const char *text)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *line;

	if (!copy)
		return -ENOMEM;
	while ((line = strsep(&rest, "\n"))) {
		int ret = *line ? medio_strv_add(to, line) : 0;
		if (ret)
			return ret;
	}
	return 0;
}

static int find_restart(const char *name, int *restart, struct medio_error **err)
{
	unsigned count = 0;

	for (; medio_restart_names[count]; count++) {
		if (!strcmp(medio_restart_names[count], name)) {
			*restart = (int)count;
			return 0;
		}
	}
	medio_unknown(err, "restart policy", name, medio_restart_names, count);
	return -EINVAL;
}

/* 1: attribute i is creation's own; 0: it is written later; -errno. */
static int take_attr(struct start *start, unsigned i)
{
	const char *name = start->def.names.items[i], *value = start->def.values.items[i];
	int ret;

	if (!strncmp(name, "params/", 7))
		ret = medio_strv_assign(&start->params, name + 7, value);
	else if (!strcmp(name, "medio/filters"))
		ret = add_lines(&start->filters, value);
	else if (!strcmp(name, "medio/restart"))
		ret = find_restart(value, &start->restart, &start->words);
	else if (!strcmp(name, "medio/owner"))
		ret = medio_user_find_owner(
			value, &start->owner.uid, &start->owner.gid, &start->words);
	else
		return 0;
	return ret ? ret : 1;
}

static int take_attrs(struct start *start)
{
	start->restart = -1;
	start->owner.uid = (uid_t)-1;
	for (unsigned i = 0; i < start->def.names.count; i++) {
		int ret = take_attr(start, i);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static bool is_taken(const char *name)
{
	return !strncmp(name, "params/", 7) || !strcmp(name, "medio/filters") ||
	       !strcmp(name, "medio/restart") || !strcmp(name, "medio/owner");
}

/*
 * Who the instance is for. Not whoever starts it and then given away: by then its worker would have
 * opened files as the first one.
 */
static int find_owner(struct start *start, struct medio_creation *how)
{
	const struct medio_policy *policy = &start->manager->policy;

	how->who = start->who;
	if (start->owner.uid == (uid_t)-1 || start->owner.uid == start->who.uid)
		return 0;
	if (!medio_policy_allows(policy, &start->who, MEDIO_MAY_ADMINISTER, 0)) {
		medio_manager_refused(start->manager, &start->who, "start %s for uid %u",
			start->def.uuid, (unsigned)start->owner.uid);
		return medio_error_set(
			&start->words, EACCES, "%s is defined for another user", start->def.uuid);
	}
	how->who = start->owner;
	how->permitted = true;
	return 0;
}

/* ---- Attributes, one after the other ----------------------------------------------------------- */

static void removed(void *opaque, int ret)
{
	(void)ret; /* somebody else may have been faster */
	end(opaque);
}

/* Still the one that was made: somebody may have removed it between two attributes. */
static bool is_there(const struct start *start)
{
	return medio_bus_find_mdev(start->manager->bus, start->def.uuid,
		       sizeof(start->def.uuid) - 1) == start->mdev;
}

static void give_up(struct start *start, int ret)
{
	start->ret = ret;
	medio_error_set(&start->words, -ret, "attribute %s: %s", start->def.names.items[start->at],
		strerror(-ret));
	if (is_there(start))
		medio_manager_remove(
			start->manager, start->mdev, &start->who, true, removed, start);
	else
		end(start);
}

static void store_next(struct start *start);

static void stored(void *opaque, int ret)
{
	struct start *start = opaque;

	if (start->storing) { /* from within: the loop below goes on, no deeper for each one */
		start->answered = true;
		start->answer = ret;
	} else if (ret) {
		give_up(start, ret);
	} else {
		start->at++;
		store_next(start);
	}
}

/* 0 it is written, -errno, or MEDIO_DEFERRED: stored() goes on. */
static int store(struct start *start)
{
	const char *value = start->def.values.items[start->at];

	if (!is_there(start))
		return -ENODEV;
	start->storing = true;
	start->answered = false;
	int ret = medio_attr_store(start->mdev, &start->who, start->def.names.items[start->at],
		value, strlen(value), stored, start);
	start->storing = false;
	if (ret)
		return ret;
	return start->answered ? start->answer : MEDIO_DEFERRED;
}

static void store_next(struct start *start)
{
	int ret = 0;

	for (; start->at < start->def.names.count; start->at++) {
		if (is_taken(start->def.names.items[start->at]))
			continue;
		ret = store(start);
		if (ret)
			break;
	}
	if (!ret)
		end(start);
	else if (ret != MEDIO_DEFERRED)
		give_up(start, ret);
}

/* ---- Start ------------------------------------------------------------------------------------- */

static void created(void *opaque, struct medio_mdev *mdev, int ret, const char *words)
{
	struct start *start = opaque;

	start->mdev = mdev;
	if (!ret) {
		store_next(start);
		return;
	}
	start->ret = ret;
	if (words)
		medio_error_set(&start->words, -ret, "%s", words);
	end(start);
}

/* 0, or -errno with words. */
static int find_place(
	struct start *start, struct medio_parent **parent, const struct medio_type **type)
{
	const struct medio_definition *def = &start->def;
	const char *names[MAX_NAMES];
	unsigned count = 0;

	*parent = medio_bus_find_parent(start->manager->bus, def->parent);
	if (!*parent) {
		struct medio_parent *at = NULL;
		while ((at = medio_bus_next_parent(start->manager->bus, at)) && count < MAX_NAMES)
			names[count++] = medio_parent_desc(at)->name;
		medio_unknown(&start->words, "parent", def->parent, names, count);
		return -ENOENT;
	}
	*type = medio_parent_find_type(*parent, def->type);
	if (*type)
		return 0;
	const struct medio_type *const *types = medio_parent_desc(*parent)->types;
	for (; types[count] && count < MAX_NAMES; count++)
		names[count] = types[count]->name;
	medio_unknown(&start->words, "type", def->type, names, count);
	return -ENOENT;
}

static int copy_definition(const struct medio_definition *from, struct medio_definition *to)
{
	memcpy(to->uuid, from->uuid, sizeof(to->uuid));
	to->automatic = from->automatic;
	to->parent = strdup(from->parent);
	to->type = strdup(from->type);
	if (!to->parent || !to->type ||
		medio_strv_copy(&to->names, medio_strv_items(&from->names), from->names.count))
		return -ENOMEM;
	return medio_strv_copy(&to->values, medio_strv_items(&from->values), from->values.count);
}

void medio_definition_start(struct medio_manager *m, const struct medio_definition *def,
	const struct medio_who *who, medio_manager_created *started, void *opaque)
{
	struct start *start = calloc(1, sizeof(*start));
	struct medio_creation how = { 0 };
	const struct medio_type *type;
	struct medio_parent *parent;

	if (!start) {
		started(opaque, NULL, -ENOMEM, NULL);
		return;
	}
	start->manager = m;
	start->who = *who;
	start->started = started;
	start->opaque = opaque;
	start->ret = copy_definition(def, &start->def);
	if (!start->ret)
		start->ret = take_attrs(start);
	if (!start->ret)
		start->ret = find_owner(start, &how);
	if (!start->ret)
		start->ret = find_place(start, &parent, &type);
	if (start->ret) {
		end(start);
		return;
	}
	how.params = medio_strv_items(&start->params);
	how.nparams = start->params.count;
	how.filters = medio_strv_items(&start->filters);
	how.nfilters = start->filters.count;
	how.restart = start->restart;
	medio_manager_create(m, parent, type, start->def.uuid, sizeof(start->def.uuid) - 1, &how,
		created, start);
}

/* ---- All that start by themselves -------------------------------------------------------------- */

struct automatic {
	struct medio_manager *manager;
	char uuid[37];
};

static void auto_started(void *opaque, struct medio_mdev *mdev, int ret, const char *words)
{
	struct automatic *automatic = opaque;

	(void)mdev;
	if (ret)
		medio_manager_log(automatic->manager, MEDIO_LOG_ERROR,
			"%s does not start by itself: %s", automatic->uuid,
			words ? words : strerror(-ret));
	free(automatic);
}

static int start_auto(void *opaque, const struct medio_definition *def)
{
	struct medio_manager *m = opaque;
	struct medio_who who = { .uid = m->policy.uid, .gid = getegid(), .pid = getpid() };

	if (!def->automatic || medio_bus_find_mdev(m->bus, def->uuid, sizeof(def->uuid) - 1))
		return 0;
	struct automatic *automatic = calloc(1, sizeof(*automatic));
	if (!automatic)
		return -ENOMEM;
	automatic->manager = m;
	memcpy(automatic->uuid, def->uuid, sizeof(automatic->uuid));
	medio_definition_start(m, def, &who, auto_started, automatic);
	return 0;
}

static void bad_file(void *opaque, const char *path, const char *words)
{
	(void)path; /* the words name it */
	medio_manager_log(opaque, MEDIO_LOG_ERROR, "definition left out: %s", words);
}

void medio_definitions_start_auto(struct medio_manager *m)
{
	int ret = medio_definitions_each(m->places.definitions, start_auto, bad_file, m);

	if (ret)
		medio_manager_log(m, MEDIO_LOG_ERROR, "cannot start definitions in %s: %s",
			m->places.definitions, strerror(-ret));
}
