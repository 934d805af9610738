/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operations on definitions. Who may define what: one who is not root or mediod's own user gets
 * "medio/owner" of his own in front of what he defines, and changes only such definitions; what
 * starts with the machine then runs as him, not as whoever starts it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manage/attrs.h"
#include "manage/definitions.h"
#include "manage/filter-attrs.h"
#include "manage/functions.h"
#include "manage/request.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/nearest.h"
#include "util/param.h"
#include "util/uuid.h"

#define OWNER	  "medio/owner"
#define PARAMS	  "params/"
#define MAX_ATTRS 256
#define MAX_NAMES 128

#define _cleanup_definition_ __attribute__((cleanup(medio_definition_free)))

/* ---- Telling ----------------------------------------------------------------------------------- */

static struct json_object *describe_attrs(const struct medio_definition *def)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < def->names.count; i++) {
		struct json_object *pair = json_object_new_object();
		json_object_object_add(
			pair, def->names.items[i], json_object_new_string(def->values.items[i]));
		json_object_array_add(list, pair);
	}
	return list;
}

static bool is_active(const struct medio_manager *m, const struct medio_definition *def)
{
	struct medio_mdev *mdev = medio_bus_find_mdev(m->bus, def->uuid, strlen(def->uuid));

	return mdev && !strcmp(medio_parent_desc(medio_mdev_parent(mdev))->name, def->parent);
}

static struct json_object *describe(
	const struct medio_manager *m, const struct medio_definition *def)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "uuid", json_object_new_string(def->uuid));
	json_object_object_add(object, "parent", json_object_new_string(def->parent));
	json_object_object_add(object, "type", json_object_new_string(def->type));
	json_object_object_add(object, "auto", json_object_new_boolean(def->automatic));
	json_object_object_add(object, "attrs", describe_attrs(def));
	json_object_object_add(object, "active", json_object_new_boolean(is_active(m, def)));
	return object;
}

struct telling {
	struct medio_request *request;
	struct json_object *definitions, *unreadable;
};

static int tell(void *opaque, const struct medio_definition *def)
{
	struct telling *telling = opaque;
	const char *uuid = medio_request_string(telling->request, "uuid");
	const char *parent = medio_request_string(telling->request, "parent");

	if ((!uuid || !strcasecmp(uuid, def->uuid)) && (!parent || !strcmp(parent, def->parent)))
		json_object_array_add(
			telling->definitions, describe(telling->request->manager, def));
	return 0;
}

static void tell_bad(void *opaque, const char *path, const char *words)
{
	struct telling *telling = opaque;
	struct json_object *bad = json_object_new_object();

	json_object_object_add(bad, "path", json_object_new_string(path));
	json_object_object_add(bad, "error", json_object_new_string(words));
	json_object_array_add(telling->unreadable, bad);
}

void medio_op_definitions(struct medio_request *request)
{
	const char *dir = request->manager->places.definitions;
	struct telling telling = { request, json_object_new_array(), json_object_new_array() };
	struct json_object *result = json_object_new_object();

	json_object_object_add(result, "definitions", telling.definitions);
	json_object_object_add(result, "unreadable", telling.unreadable);
	int ret = medio_definitions_each(dir, tell, tell_bad, &telling);
	if (ret < 0) {
		struct medio_error *err = NULL;
		json_object_put(result);
		medio_error_set(&err, -ret, "%s: %s", dir, strerror(-ret));
		medio_request_error(request, ret, err);
		return;
	}
	medio_request_done(request, result);
}

/* ---- Whose ------------------------------------------------------------------------------------- */

static bool is_admin(const struct medio_request *request)
{
	return medio_policy_allows(
		&request->manager->policy, &request->who, MEDIO_MAY_ADMINISTER, 0);
}

static int refuse(struct medio_request *request, const char *uuid, struct medio_error **err)
{
	medio_manager_refused(request->manager, &request->who, "%s %s", request->op->name, uuid);
	return medio_error_set(err, EACCES, "definition %s is not yours", uuid);
}

static void print_owner(const struct medio_request *request, char *text, size_t size)
{
	snprintf(text, size, "%u:%u", (unsigned)request->who.uid, (unsigned)request->who.gid);
}

/* Whether it begins with his own uid, and says so once only. */
static bool is_his(const struct medio_request *request, const struct medio_definition *def)
{
	char owner[32];
	unsigned count = 0;

	snprintf(owner, sizeof(owner), "%u:", (unsigned)request->who.uid);
	for (unsigned i = 0; i < def->names.count; i++)
		count += !strcmp(def->names.items[i], OWNER);
	return count == 1 && !strcmp(def->names.items[0], OWNER) &&
	       !strncmp(def->values.items[0], owner, strlen(owner));
}

/* ---- Lists of attributes ----------------------------------------------------------------------- */

/* Copies of the items before number at, those of more, and the others. */
static int splice(struct medio_strv *list, unsigned at, const struct medio_strv *more)
{
	struct medio_strv out = { 0 };
	int ret = 0;

	for (unsigned i = 0; i < at && !ret; i++)
		ret = medio_strv_add(&out, list->items[i]);
	for (unsigned i = 0; i < more->count && !ret; i++)
		ret = medio_strv_add(&out, more->items[i]);
	for (unsigned i = at; i < list->count && !ret; i++)
		ret = medio_strv_add(&out, list->items[i]);
	if (ret) {
		medio_strv_free(&out);
		return ret;
	}
	medio_strv_free(list);
	*list = out;
	return 0;
}

static int insert(struct medio_definition *def, unsigned at, const struct medio_strv *names,
	const struct medio_strv *values)
{
	int ret = splice(&def->names, at, names);

	return ret ? ret : splice(&def->values, at, values);
}

static int put_owner_first(const struct medio_request *request, struct medio_definition *def)
{
	struct medio_strv name = { 0 }, value = { 0 };
	char owner[32];

	print_owner(request, owner, sizeof(owner));
	int ret = medio_strv_add(&name, OWNER);
	if (ret == 0)
		ret = medio_strv_add(&value, owner);
	if (ret == 0)
		ret = insert(def, 0, &name, &value);
	medio_strv_free(&name);
	medio_strv_free(&value);
	return ret;
}

/* ---- Does it make sense ------------------------------------------------------------------------ */

static int unknown_param(const struct medio_type *type, const char *name, struct medio_error **err)
{
	const char *names[MAX_NAMES];
	unsigned count = 0;
	char what[80];

	for (const struct medio_param *p = type->params; p && p->name && count < MAX_NAMES; p++)
		names[count++] = p->name;
	snprintf(what, sizeof(what), "parameter of %s", type->name);
	return medio_unknown(err, what, name, names, count);
}

static int check_param(const struct medio_type *type, const char *name, const char *value,
	struct medio_error **err)
{
	struct medio_param table[2] = { { NULL }, { NULL } };
	_cleanup_free_ char *assignment = NULL;
	/* Whatever the kind of parameter is stored as. */
	union {
		uint64_t number;
		char *string;
	} state = { 0 };

	for (const struct medio_param *p = type->params; p && p->name; p++)
		if (!strcmp(p->name, name))
			table[0] = *p;
	if (!table[0].name)
		return unknown_param(type, name, err);
	table[0].offset = 0;
	if (asprintf(&assignment, "%s=%s", name, value) < 0) {
		assignment = NULL;
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	int ret = medio_params_set(table, &state, type->name, assignment, err);
	medio_params_free(table, &state);
	return ret;
}

int medio_request_check_attr(const struct medio_manager *m, const struct medio_type *type,
	const char *name, const char *value, struct medio_error **err)
{
	const char *names[MAX_NAMES];
	unsigned count = 0;
	int restart;

	if (!strncmp(name, PARAMS, strlen(PARAMS)))
		return check_param(type, name + strlen(PARAMS), value, err);
	if (!strcmp(name, "medio/restart"))
		return medio_request_restart(value, &restart, err);
	const struct medio_attr *of_filter = medio_filter_attr_find(m->known_filters, NULL, name);
	if (of_filter && of_filter->store)
		return 0;
	bool sriov = medio_functions_ever(type);
	for (const struct medio_managed_attr *a = medio_functions_attrs; sriov && a->name; a++) {
		if (!a->store || count == MAX_NAMES)
			continue;
		if (!strcmp(a->name, name))
			return 0;
		names[count++] = a->name;
	}
	for (const struct medio_managed_attr *a = medio_managed_attrs; a->name; a++) {
		if (!a->store || count == MAX_NAMES)
			continue;
		if (!strcmp(a->name, name))
			return 0;
		names[count++] = a->name;
	}
	for (const struct medio_attr *a = type->attrs; a && a->name; a++) {
		if (!a->store || count == MAX_NAMES)
			continue;
		if (!strcmp(a->name, name))
			return 0;
		names[count++] = a->name;
	}
	return medio_unknown(err, "attribute that can be written", name, names, count);
}

/* With a parent and type that are there now, and attributes that could be written. */
static int check(
	const struct medio_manager *m, const struct medio_definition *def, struct medio_error **err)
{
	struct medio_parent *parent = medio_bus_find_parent(m->bus, def->parent);
	const struct medio_type *type = parent ? medio_parent_find_type(parent, def->type) : NULL;

	if (!parent)
		return medio_error_set(err, EINVAL, "no parent '%.64s'", def->parent);
	if (!type)
		return medio_error_set(
			err, EINVAL, "parent '%s' has no type '%.64s'", def->parent, def->type);
	if (def->names.count > MAX_ATTRS)
		return medio_error_set(
			err, EINVAL, "a definition has at most %d attributes", MAX_ATTRS);
	/* Both lists are as long, and there or not. */
	unsigned count = def->names.items && def->values.items ? def->names.count : 0;
	for (unsigned i = 0; i < count; i++) {
		int ret = medio_request_check_attr(
			m, type, def->names.items[i], def->values.items[i], err);
		if (ret)
			return ret;
	}
	return 0;
}

/* ---- Define ------------------------------------------------------------------------------------ */

static int set_uuid(struct medio_definition *def, const char *text, struct medio_error **err)
{
	uint8_t bytes[MEDIO_UUID_SIZE];

	if (!text)
		medio_uuid_random(bytes);
	else if (medio_uuid_parse(text, strlen(text), bytes))
		return medio_error_set(err, EINVAL, "'%.64s' is no UUID", text);
	medio_uuid_format(bytes, def->uuid);
	return 0;
}

static int set_string(char **at, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*at);
	*at = copy;
	return 0;
}

/* Without a type: what runs under the UUID. */
static int define_running(
	struct medio_request *request, struct medio_definition *def, struct medio_error **err)
{
	struct medio_mdev *mdev = medio_bus_find_mdev(
		request->manager->bus, def->uuid, strlen(def->uuid));
	const struct medio_managed *inst = mdev ? medio_managed_of(mdev) : NULL;

	if (!medio_request_has(request, "uuid"))
		return medio_error_set(
			err, EINVAL, "say 'type', or the 'uuid' of an instance that runs");
	if (!inst)
		return medio_error_set(
			err, ENOENT, "no instance %s to take the type from; say 'type'", def->uuid);
	int ret = medio_definition_from(mdev, def);
	if (ret == 0 && medio_request_has(request, "attrs")) {
		medio_strv_free(&def->names);
		medio_strv_free(&def->values);
	}
	return ret;
}

/* 1: the request has been failed. */
static int define_type(
	struct medio_request *request, struct medio_definition *def, struct medio_error **err)
{
	const struct medio_type *type;
	struct medio_parent *parent;
	int ret = medio_request_type(request, &parent, &type, err);

	if (ret == 0)
		ret = set_string(&def->parent, medio_parent_desc(parent)->name);
	if (ret == 0)
		ret = set_string(&def->type, type->name);
	return ret;
}

static int define(
	struct medio_request *request, struct medio_definition *def, struct medio_error **err)
{
	int ret = set_uuid(def, medio_request_string(request, "uuid"), err);

	if (ret == 0)
		ret = medio_request_has(request, "type") ? define_type(request, def, err)
							 : define_running(request, def, err);
	if (ret == 0)
		ret = medio_request_pairs(request, "attrs", &def->names, &def->values);
	if (ret)
		return ret;
	def->automatic = medio_request_bool(request, "auto");
	ret = check(request->manager, def, err);
	if (ret)
		return ret;
	if (!is_admin(request)) {
		/* Also one he named himself: it is his now. */
		medio_definition_unset(def, OWNER);
		ret = put_owner_first(request, def);
	}
	return ret ? ret
		   : medio_definition_save(request->manager->places.definitions, def, true, err);
}

/* The answer of define and modify. */
static void answer(struct medio_request *request, const struct medio_definition *def, int ret,
	struct medio_error *err)
{
	if (ret < 0)
		medio_request_error(request, ret, err);
	else if (ret == 0)
		medio_request_done(request, describe(request->manager, def));
}

void medio_op_define(struct medio_request *request)
{
	_cleanup_definition_ struct medio_definition def = { 0 };
	struct medio_error *err = NULL;
	int ret = define(request, &def, &err);

	answer(request, &def, ret, err);
}

/* ---- Modify, undefine, start ------------------------------------------------------------------- */

static int load(
	struct medio_request *request, struct medio_definition *def, struct medio_error **err)
{
	const char *parent = medio_request_string(request, "parent");
	char uuid[MEDIO_UUID_TEXT];
	uint8_t bytes[MEDIO_UUID_SIZE];
	const char *text = medio_request_string(request, "uuid");

	if (medio_uuid_parse(text, strlen(text), bytes))
		return medio_error_set(err, EINVAL, "'%.64s' is no UUID", text);
	/* It will be the name of a folder. */
	if (parent && (!*parent || *parent == '.' || strchr(parent, '/')))
		return medio_error_set(err, EINVAL, "no parent '%.64s'", parent);
	medio_uuid_format(bytes, uuid);
	return medio_definition_load(request->manager->places.definitions, parent, uuid, def, err);
}

static int change_attrs(
	struct medio_request *request, struct medio_definition *def, struct medio_error **err)
{
	struct medio_strv removed = { 0 }, names = { 0 }, values = { 0 };
	int index = medio_request_number(request, "index");
	int ret = medio_request_strings(request, "remove", &removed);

	if (ret == 0 && medio_request_has(request, "attrs")) {
		medio_strv_free(&def->names);
		medio_strv_free(&def->values);
		ret = medio_request_pairs(request, "attrs", &def->names, &def->values);
	}
	for (unsigned i = 0; i < removed.count && !ret; i++)
		if (medio_definition_unset(def, removed.items[i]))
			ret = medio_error_set(err, ENOENT, "the definition has no attribute '%s'",
				removed.items[i]);
	if (ret == 0)
		ret = medio_request_pairs(request, "add", &names, &values);
	if (ret == 0 && index > (int)def->names.count)
		ret = medio_error_set(err, EINVAL,
			"'index' is %d; the definition has %u attributes", index, def->names.count);
	if (ret == 0)
		ret = insert(def, index < 0 ? def->names.count : (unsigned)index, &names, &values);
	medio_strv_free(&removed);
	medio_strv_free(&names);
	medio_strv_free(&values);
	return ret;
}

static int modify(
	struct medio_request *request, struct medio_definition *def, struct medio_error **err)
{
	const char *type = medio_request_string(request, "type");
	int ret = load(request, def, err);

	if (ret)
		return ret;
	if (!is_admin(request) && !is_his(request, def))
		return refuse(request, def->uuid, err);
	if (type)
		ret = set_string(&def->type, type);
	if (medio_request_has(request, "auto"))
		def->automatic = medio_request_bool(request, "auto");
	if (ret == 0)
		ret = change_attrs(request, def, err);
	if (ret == 0)
		ret = check(request->manager, def, err);
	if (ret == 0 && !is_admin(request)) {
		medio_definition_unset(def, OWNER);
		ret = put_owner_first(request, def);
	}
	return ret ? ret
		   : medio_definition_save(request->manager->places.definitions, def, false, err);
}

void medio_op_modify(struct medio_request *request)
{
	_cleanup_definition_ struct medio_definition def = { 0 };
	struct medio_error *err = NULL;
	int ret = modify(request, &def, &err);

	answer(request, &def, ret, err);
}

void medio_op_undefine(struct medio_request *request)
{
	_cleanup_definition_ struct medio_definition def = { 0 };
	struct medio_error *err = NULL;
	int ret = load(request, &def, &err);

	if (ret == 0 && !is_admin(request) && !is_his(request, &def))
		ret = refuse(request, def.uuid, &err);
	if (ret == 0)
		ret = medio_definition_delete(
			request->manager->places.definitions, def.parent, def.uuid, &err);
	if (ret) {
		medio_request_error(request, ret, err);
		return;
	}
	struct json_object *result = json_object_new_object();
	json_object_object_add(result, "uuid", json_object_new_string(def.uuid));
	medio_request_done(request, result);
}

void medio_op_start_defined(struct medio_request *request, medio_manager_created *started)
{
	_cleanup_definition_ struct medio_definition def = { 0 };
	struct medio_error *err = NULL;
	int ret = load(request, &def, &err);

	if (ret)
		medio_request_error(request, ret, err);
	else
		medio_definition_start(request->manager, &def, &request->who, started, request);
}
