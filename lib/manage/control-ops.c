/* SPDX-License-Identifier: BSD-3-Clause */
/* The operations on instances, and the table of all. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manage/attrs.h"
#include "manage/describe.h"
#include "manage/functions.h"
#include "manage/managed.h"
#include "manage/request.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/nearest.h"

#define MAX_NAMES 64

/* ---- Looking ----------------------------------------------------------------------------------- */

static void op_hello(struct medio_request *request)
{
	medio_request_done(request, medio_control_hello(request->control));
}

static void op_list(struct medio_request *request)
{
	struct medio_mdev *mdev = NULL;

	if (medio_request_has(request, "uuid") && !(mdev = medio_request_mdev(request)))
		return;
	struct json_object *list = json_object_new_array();
	if (mdev)
		json_object_array_add(list, medio_describe_mdev(mdev));
	else
		while ((mdev = medio_bus_next_mdev(request->manager->bus, mdev)))
			json_object_array_add(list, medio_describe_mdev(mdev));
	medio_request_done(request, list);
}

static void op_stats(struct medio_request *request)
{
	struct medio_usage last = { 0 };
	struct medio_mdev *mdev = NULL;

	if (medio_request_has(request, "uuid") && !(mdev = medio_request_mdev(request)))
		return;
	struct json_object *list = json_object_new_array();
	if (mdev)
		json_object_array_add(list, medio_describe_stats(mdev, &last));
	else
		while ((mdev = medio_bus_next_mdev(request->manager->bus, mdev)))
			json_object_array_add(list, medio_describe_stats(mdev, &last));
	medio_request_done(request, list);
}

/* NULL after the request has been failed. */
static struct medio_parent *find_parent(struct medio_request *request, const char *name)
{
	struct medio_bus *bus = request->manager->bus;
	struct medio_parent *parent = medio_bus_find_parent(bus, name);
	struct medio_error *err = NULL;
	const char *names[MAX_NAMES];
	unsigned count = 0;

	if (parent)
		return parent;
	while (count < MAX_NAMES && (parent = medio_bus_next_parent(bus, parent)))
		names[count++] = medio_parent_desc(parent)->name;
	medio_unknown(&err, "parent", name, names, count);
	medio_request_error(request, -EINVAL, err);
	return NULL;
}

static void op_types(struct medio_request *request)
{
	const char *name = medio_request_string(request, "parent");
	struct medio_parent *parent = NULL;

	if (name && !(parent = find_parent(request, name)))
		return;
	struct json_object *list = json_object_new_array();
	if (parent)
		json_object_array_add(list, medio_describe_parent(parent));
	else
		while ((parent = medio_bus_next_parent(request->manager->bus, parent)))
			json_object_array_add(list, medio_describe_parent(parent));
	medio_request_done(request, list);
}

/* ---- Start and stop ---------------------------------------------------------------------------- */

static void started(void *opaque, struct medio_mdev *mdev, int ret, const char *words)
{
	struct medio_request *request = opaque;

	if (mdev)
		medio_request_done(request, medio_describe_mdev(mdev));
	else
		medio_request_fail(request, ret, words);
}

int medio_request_restart(const char *name, int *out, struct medio_error **err)
{
	unsigned count = 0;

	for (; medio_restart_names[count]; count++) {
		if (!strcmp(medio_restart_names[count], name)) {
			*out = (int)count;
			return 0;
		}
	}
	return medio_unknown(err, "restart policy", name, medio_restart_names, count);
}

static int unknown_type(struct medio_parent *parent, const char *name, struct medio_error **err)
{
	const struct medio_type *const *types = medio_parent_desc(parent)->types;
	const char *names[MAX_NAMES];
	unsigned count = 0;
	char what[80];

	for (; types[count] && count < MAX_NAMES; count++)
		names[count] = types[count]->name;
	snprintf(what, sizeof(what), "type of parent '%s'", medio_parent_desc(parent)->name);
	return medio_unknown(err, what, name, names, count);
}

int medio_request_type(struct medio_request *request, struct medio_parent **parent,
	const struct medio_type **type, struct medio_error **err)
{
	const char *parent_name = medio_request_string(request, "parent");
	const char *name = medio_request_string(request, "type");

	/* A name that is not there is a wrong word, not a missing file. */
	if (!parent_name)
		return medio_bus_find_type(request->manager->bus, name, parent, type, err) ? -EINVAL
											   : 0;
	*parent = find_parent(request, parent_name);
	if (!*parent)
		return 1;
	*type = medio_parent_find_type(*parent, name);
	return *type ? 0 : unknown_type(*parent, name, err);
}

/* All but the strings, which live in params and filters. */
static int understand_start(struct medio_request *request, struct medio_creation *how,
	struct medio_strv *params, struct medio_strv *filters, struct medio_error **err)
{
	const char *restart = medio_request_string(request, "restart");
	int ret = 0;

	how->restart = -1;
	if (restart)
		ret = medio_request_restart(restart, &how->restart, err);
	if (ret == 0)
		ret = medio_request_strings(request, "params", params);
	if (ret == 0)
		ret = medio_request_strings(request, "filters", filters);
	how->who = request->who;
	how->params = medio_strv_items(params);
	how->nparams = params->count;
	how->filters = medio_strv_items(filters);
	how->nfilters = filters->count;
	return ret;
}

static void start_type(struct medio_request *request)
{
	const char *uuid = medio_request_string(request, "uuid");
	struct medio_strv params = { 0 }, filters = { 0 };
	struct medio_creation how = { 0 };
	const struct medio_type *type;
	struct medio_parent *parent;
	struct medio_error *err = NULL;
	int ret = medio_request_type(request, &parent, &type, &err);

	if (ret == 1) /* failed already */
		return;
	if (ret == 0)
		ret = understand_start(request, &how, &params, &filters, &err);
	if (ret)
		medio_request_error(request, ret, err);
	else
		medio_manager_create(request->manager, parent, type, uuid, uuid ? strlen(uuid) : 0,
			&how, started, request);
	medio_strv_free(&params);
	medio_strv_free(&filters);
}

static void op_start(struct medio_request *request)
{
	static const char *const others[] = { "params", "filters", "restart" };

	if (medio_request_has(request, "type")) {
		start_type(request);
		return;
	}
	if (!medio_request_has(request, "uuid")) {
		medio_request_fail(
			request, -EINVAL, "say 'type', or the 'uuid' of what is defined");
		return;
	}
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(others); i++) {
		if (medio_request_has(request, others[i])) {
			medio_request_fail(request, -EINVAL,
				"a definition says its parameters, filters and restart itself: "
				"modify it, or say 'type'");
			return;
		}
	}
	medio_op_start_defined(request, started);
}

static void stopped(void *opaque, int ret)
{
	struct medio_request *request = opaque;

	if (ret) {
		medio_request_fail(request, ret, NULL);
		return;
	}
	struct json_object *result = json_object_new_object();
	json_object_object_add(
		result, "uuid", json_object_new_string(medio_request_string(request, "uuid")));
	medio_request_done(request, result);
}

static void op_stop(struct medio_request *request)
{
	struct medio_mdev *mdev = medio_request_mdev(request);

	if (mdev && medio_mdev_pf(mdev))
		medio_request_fail(request, -EBUSY,
			"a virtual function goes when sriov_numvfs of its card is set to 0 (medio "
			"sriov CARD 0), with the others of it");
	else if (mdev)
		medio_manager_remove(request->manager, mdev, &request->who,
			medio_request_bool(request, "now"), stopped, request);
}

/* ---- Attributes -------------------------------------------------------------------------------- */

/* What was read, without the newline that sysfs has. */
static struct json_object *value_of(ssize_t ret, const char *text)
{
	if (ret < 0 || !text)
		return NULL;
	while (ret > 0 && text[ret - 1] == '\n')
		ret--;
	return json_object_new_string_len(text, (int)ret);
}

static void attr_failed(struct medio_request *request, int ret)
{
	const char *attr = medio_request_string(request, "attr");
	struct medio_error *err = NULL;

	if (ret == -ENOENT)
		medio_error_set(&err, ENOENT, "the instance has no attribute '%s'", attr);
	else if (ret == -EINVAL)
		medio_error_set(&err, EINVAL,
			"attribute '%s' cannot have that value; mediod's log says why", attr);
	else if (ret == -EBUSY)
		medio_error_set(&err, EBUSY,
			"a client has the instance open: '%s' can be changed when it has left",
			attr);
	else if (ret == -EIO)
		medio_error_set(&err, EIO, "attribute '%s' cannot be %s", attr,
			medio_request_has(request, "value") ? "written" : "read");
	else
		medio_error_set(&err, -ret, "%s: %s", attr, strerror(-ret));
	medio_request_error(request, ret, err);
}

static void got(void *opaque, ssize_t ret, const char *text)
{
	struct medio_request *request = opaque;

	if (ret < 0) {
		attr_failed(request, (int)ret);
		return;
	}
	struct json_object *result = json_object_new_object();
	json_object_object_add(
		result, "attr", json_object_new_string(medio_request_string(request, "attr")));
	json_object_object_add(result, "value", value_of(ret, text));
	medio_request_done(request, result);
}

/* Reading all attributes, one after the other. */
struct reading {
	struct medio_request *request;
	struct json_object *list;
	unsigned n;
	char *attr; /* that is being read */
	bool writable, asking, answered;
};

static void read_on(struct reading *reading);

static void read_one(void *opaque, ssize_t ret, const char *text)
{
	struct reading *reading = opaque;
	struct json_object *entry = json_object_new_object();

	json_object_object_add(entry, "attr", json_object_new_string(reading->attr));
	json_object_object_add(entry, "value", value_of(ret, text));
	json_object_object_add(entry, "writable", json_object_new_boolean(reading->writable));
	json_object_array_add(reading->list, entry);
	free(medio_steal_ptr(reading->attr));
	reading->answered = true;
	if (!reading->asking)
		read_on(reading);
}

/* The next attribute of what may be gone meanwhile. NULL: that was all. */
static const char *next_attr(struct reading *reading, struct medio_mdev **mdev)
{
	const char *uuid = medio_request_string(reading->request, "uuid");

	*mdev = medio_bus_find_mdev(reading->request->manager->bus, uuid, strlen(uuid));
	if (!*mdev)
		*mdev = medio_functions_find(reading->request->manager->bus, uuid);
	if (!*mdev)
		return NULL;
	const char *attr = medio_attr_path(*mdev, reading->n++, &reading->writable);
	reading->attr = attr ? strdup(attr) : NULL;
	return reading->attr;
}

static void read_on(struct reading *reading)
{
	struct medio_mdev *mdev;

	while (next_attr(reading, &mdev)) {
		reading->asking = true;
		reading->answered = false;
		int ret = medio_attr_show(mdev, reading->attr, read_one, reading);
		if (ret)
			read_one(reading, ret, NULL);
		reading->asking = false;
		if (!reading->answered)
			return;
	}
	medio_request_done(reading->request, reading->list);
	free(reading);
}

static void read_all(struct medio_request *request)
{
	struct reading *reading = calloc(1, sizeof(*reading));

	if (!reading) {
		medio_request_fail(request, -ENOMEM, NULL);
		return;
	}
	reading->request = request;
	reading->list = json_object_new_array();
	read_on(reading);
}

static void op_get(struct medio_request *request)
{
	struct medio_mdev *mdev = medio_request_mdev(request);

	if (!mdev)
		return;
	const char *attr = medio_request_string(request, "attr");
	if (!attr) {
		read_all(request);
		return;
	}
	int ret = medio_attr_show(mdev, attr, got, request);
	if (ret)
		attr_failed(request, ret);
}

static void was_set(void *opaque, int ret)
{
	struct medio_request *request = opaque;

	if (ret)
		attr_failed(request, ret);
	else
		medio_request_done(request, json_object_new_object());
}

static void op_set(struct medio_request *request)
{
	struct medio_mdev *mdev = medio_request_mdev(request);
	struct medio_error *err = NULL;

	if (!mdev)
		return;
	const char *attr = medio_request_string(request, "attr");
	const char *value = medio_request_string(request, "value");
	int ret = medio_request_check_attr(
		request->manager, medio_mdev_type(mdev), attr, value, &err);
	if (ret) {
		medio_request_error(request, ret, err);
		return;
	}
	ret = medio_attr_store(mdev, &request->who, attr, value, strlen(value), was_set, request);
	if (ret)
		attr_failed(request, ret);
}

/* ---- The daemon -------------------------------------------------------------------------------- */

static void op_reload(struct medio_request *request)
{
	const struct medio_control_options *opts = medio_control_options_of(request->control);
	struct medio_error *err = NULL;
	int ret = opts->reload ? opts->reload(opts->opaque, &err) : -EOPNOTSUPP;

	if (ret)
		medio_request_error(request, ret, err);
	else
		medio_request_done(request, json_object_new_object());
}

/* Answered first: afterwards nobody may be there to do it. */
static void end(struct medio_request *request, void (*fn)(void *opaque), void *opaque)
{
	if (!fn) {
		medio_request_fail(request, -EOPNOTSUPP, NULL);
		return;
	}
	medio_request_done(request, json_object_new_object());
	fn(opaque);
}

static void op_leave(struct medio_request *request)
{
	const struct medio_control_options *opts = medio_control_options_of(request->control);

	end(request, opts->leave, opts->opaque);
}

static void op_quit(struct medio_request *request)
{
	const struct medio_control_options *opts = medio_control_options_of(request->control);

	end(request, opts->quit, opts->opaque);
}

/* ---- The table --------------------------------------------------------------------------------- */

static const struct medio_op_key uuid_keys[] = {
	{ "uuid", MEDIO_OP_STRING, false },
	{ NULL },
};
static const struct medio_op_key parent_keys[] = {
	{ "parent", MEDIO_OP_STRING, false },
	{ NULL },
};
static const struct medio_op_key start_keys[] = {
	{ "uuid", MEDIO_OP_STRING, false },
	{ "parent", MEDIO_OP_STRING, false },
	{ "type", MEDIO_OP_STRING, false },
	{ "params", MEDIO_OP_STRINGS, false },
	{ "filters", MEDIO_OP_STRINGS, false },
	{ "restart", MEDIO_OP_STRING, false },
	{ NULL },
};
static const struct medio_op_key stop_keys[] = {
	{ "uuid", MEDIO_OP_STRING, true },
	{ "now", MEDIO_OP_BOOL, false },
	{ NULL },
};
static const struct medio_op_key get_keys[] = {
	{ "uuid", MEDIO_OP_STRING, true },
	{ "attr", MEDIO_OP_STRING, false },
	{ NULL },
};
static const struct medio_op_key set_keys[] = {
	{ "uuid", MEDIO_OP_STRING, true },
	{ "attr", MEDIO_OP_STRING, true },
	{ "value", MEDIO_OP_STRING, true },
	{ NULL },
};
static const struct medio_op_key sriov_keys[] = {
	{ "uuid", MEDIO_OP_STRING, true },
	{ "numvfs", MEDIO_OP_NUMBER, false },
	{ "vf", MEDIO_OP_NUMBER, false },
	{ "settings", MEDIO_OP_STRINGS, false },
	{ NULL },
};
static const struct medio_op_key definitions_keys[] = {
	{ "uuid", MEDIO_OP_STRING, false },
	{ "parent", MEDIO_OP_STRING, false },
	{ NULL },
};
static const struct medio_op_key define_keys[] = {
	{ "uuid", MEDIO_OP_STRING, false },
	{ "parent", MEDIO_OP_STRING, false },
	{ "type", MEDIO_OP_STRING, false },
	{ "auto", MEDIO_OP_BOOL, false },
	{ "attrs", MEDIO_OP_PAIRS, false },
	{ NULL },
};
static const struct medio_op_key modify_keys[] = {
	{ "uuid", MEDIO_OP_STRING, true },
	{ "parent", MEDIO_OP_STRING, false },
	{ "type", MEDIO_OP_STRING, false },
	{ "auto", MEDIO_OP_BOOL, false },
	{ "attrs", MEDIO_OP_PAIRS, false },
	{ "add", MEDIO_OP_PAIRS, false },
	{ "index", MEDIO_OP_NUMBER, false },
	{ "remove", MEDIO_OP_STRINGS, false },
	{ NULL },
};
static const struct medio_op_key undefine_keys[] = {
	{ "uuid", MEDIO_OP_STRING, true },
	{ "parent", MEDIO_OP_STRING, false },
	{ NULL },
};

/* Whether an instance may be started, stopped or changed is the manager's to say. */
const struct medio_op medio_control_ops[] = {
	{ "hello", NULL, MEDIO_MAY_LOOK, op_hello },
	{ "list", uuid_keys, MEDIO_MAY_LOOK, op_list },
	{ "types", parent_keys, MEDIO_MAY_LOOK, op_types },
	{ "start", start_keys, MEDIO_MAY_LOOK, op_start },
	{ "stop", stop_keys, MEDIO_MAY_LOOK, op_stop },
	{ "get", get_keys, MEDIO_MAY_LOOK, op_get },
	{ "set", set_keys, MEDIO_MAY_LOOK, op_set },
	{ "stats", uuid_keys, MEDIO_MAY_LOOK, op_stats },
	{ "sriov", sriov_keys, MEDIO_MAY_LOOK, medio_op_sriov },
	{ "definitions", definitions_keys, MEDIO_MAY_LOOK, medio_op_definitions },
	{ "define", define_keys, MEDIO_MAY_CREATE, medio_op_define },
	{ "modify", modify_keys, MEDIO_MAY_CREATE, medio_op_modify },
	{ "undefine", undefine_keys, MEDIO_MAY_CREATE, medio_op_undefine },
	{ "monitor", NULL, MEDIO_MAY_LOOK, medio_control_subscribe },
	{ "reload", NULL, MEDIO_MAY_ADMINISTER, op_reload },
	{ "leave", NULL, MEDIO_MAY_ADMINISTER, op_leave },
	{ "quit", NULL, MEDIO_MAY_ADMINISTER, op_quit },
	{ NULL },
};
