/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/functions.h"
#include "manage/request.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "util/nearest.h"
#include "util/uuid.h"

#define MAX_DEPTH 8  /* of nested JSON; ours is 4 deep */
#define MAX_NAMES 32 /* operations, or keys of one */

/* ---- Checking ---------------------------------------------------------------------------------- */

/* As C strings these would end early. */
static bool is_text(struct json_object *value)
{
	return json_object_is_type(value, json_type_string) &&
	       strlen(json_object_get_string(value)) == (size_t)json_object_get_string_len(value);
}

static bool is_pair(struct json_object *value)
{
	if (!json_object_is_type(value, json_type_object) || json_object_object_length(value) != 1)
		return false;
	json_object_object_foreach(value, name, text) return *name && is_text(text);
	return false;
}

static bool all_are(struct json_object *list, bool (*is)(struct json_object *))
{
	if (!json_object_is_type(list, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (!is(json_object_array_get_idx(list, i)))
			return false;
	return true;
}

static bool is_number(struct json_object *value)
{
	return json_object_is_type(value, json_type_int) && json_object_get_int64(value) >= 0 &&
	       json_object_get_int64(value) <= INT_MAX;
}

static int check_kind(
	const struct medio_op_key *key, struct json_object *value, struct medio_error **err)
{
	const char *what = "";
	bool good = false;

	switch (key->kind) {
	case MEDIO_OP_STRING:
		good = is_text(value);
		what = "a string";
		break;
	case MEDIO_OP_BOOL:
		good = json_object_is_type(value, json_type_boolean);
		what = "true or false";
		break;
	case MEDIO_OP_NUMBER:
		good = is_number(value);
		what = "a number from 0";
		break;
	case MEDIO_OP_STRINGS:
		good = all_are(value, is_text);
		what = "a list of strings";
		break;
	case MEDIO_OP_PAIRS:
		good = all_are(value, is_pair);
		what = "a list of objects of one string each, [{\"NAME\":\"VALUE\"},...]";
		break;
	}
	return good ? 0 : medio_error_set(err, EINVAL, "'%s' is to be %s", key->name, what);
}

static const struct medio_op_key *find_key(const struct medio_op *op, const char *name)
{
	for (const struct medio_op_key *key = op->keys; key && key->name; key++)
		if (!strcmp(key->name, name))
			return key;
	return NULL;
}

static int unknown_key(const struct medio_op *op, const char *name, struct medio_error **err)
{
	const char *names[MAX_NAMES] = { "op", "id" };
	unsigned count = 2;
	char what[64];

	for (const struct medio_op_key *key = op->keys; key && key->name; key++)
		names[count++] = key->name;
	snprintf(what, sizeof(what), "key of operation '%s'", op->name);
	return medio_unknown(err, what, name, names, count);
}

static int check_keys(struct json_object *json, const struct medio_op *op, struct medio_error **err)
{
	json_object_object_foreach(json, name, value)
	{
		if (!strcmp(name, "op") || !strcmp(name, "id"))
			continue;
		const struct medio_op_key *key = find_key(op, name);
		int ret = key ? check_kind(key, value, err) : unknown_key(op, name, err);
		if (ret)
			return ret;
	}
	for (const struct medio_op_key *key = op->keys; key && key->name; key++)
		if (key->required && !json_object_object_get_ex(json, key->name, NULL))
			return medio_error_set(
				err, EINVAL, "operation '%s' needs '%s'", op->name, key->name);
	return 0;
}

static int find_op(struct json_object *json, const struct medio_op **out, struct medio_error **err)
{
	const char *names[MAX_NAMES];
	struct json_object *name;
	unsigned count = 0;

	if (!json_object_object_get_ex(json, "op", &name) || !is_text(name))
		return medio_error_set(
			err, EINVAL, "'op' is to name an operation: {\"op\":\"list\"}");
	for (const struct medio_op *op = medio_control_ops; op->name; op++) {
		if (!strcmp(op->name, json_object_get_string(name))) {
			*out = op;
			return 0;
		}
		names[count++] = op->name;
	}
	return medio_unknown(err, "operation", json_object_get_string(name), names, count);
}

static struct json_object *parse(const char *line, size_t len, struct medio_error **err)
{
	struct json_tokener *tokener = json_tokener_new_ex(MAX_DEPTH);
	struct json_object *json = NULL;

	if (!tokener) {
		medio_error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* With its NUL the line is an end also to a tokener that hopes for more digits. */
	json = json_tokener_parse_ex(tokener, line, (int)len + 1);
	if (!json || !json_object_is_type(json, json_type_object)) {
		enum json_tokener_error code = json_tokener_get_error(tokener);
		const char *why = json_tokener_error_desc(code);
		if (code == json_tokener_success)
			why = "it is something else";
		medio_error_set(err, EINVAL, "a line is to be one JSON object: %s", why);
		json_object_put(json);
		json = NULL;
	}
	json_tokener_free(tokener);
	return json;
}

int medio_request_parse(const char *line, size_t len, struct json_object **json,
	const struct medio_op **op, struct medio_error **err)
{
	if (strlen(line) != len)
		return medio_error_set(err, EINVAL, "there is a NUL in the line");
	*json = parse(line, len, err);
	if (!*json)
		return -EINVAL;
	int ret = find_op(*json, op, err);
	return ret ? ret : check_keys(*json, *op, err);
}

/* ---- Values ------------------------------------------------------------------------------------ */

static struct json_object *get(const struct medio_request *request, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(request->json, key, &value);
	return value;
}

bool medio_request_has(const struct medio_request *request, const char *key)
{
	return json_object_object_get_ex(request->json, key, NULL);
}

const char *medio_request_string(const struct medio_request *request, const char *key)
{
	struct json_object *value = get(request, key);

	return value ? json_object_get_string(value) : NULL;
}

bool medio_request_bool(const struct medio_request *request, const char *key)
{
	return json_object_get_boolean(get(request, key));
}

int medio_request_number(const struct medio_request *request, const char *key)
{
	struct json_object *value = get(request, key);

	return value ? json_object_get_int(value) : -1;
}

int medio_request_strings(
	const struct medio_request *request, const char *key, struct medio_strv *out)
{
	struct json_object *list = get(request, key);
	size_t count = list ? json_object_array_length(list) : 0;
	int ret = 0;

	for (size_t i = 0; i < count && !ret; i++)
		ret = medio_strv_add(
			out, json_object_get_string(json_object_array_get_idx(list, i)));
	return ret;
}

int medio_request_pairs(const struct medio_request *request, const char *key,
	struct medio_strv *names, struct medio_strv *values)
{
	struct json_object *list = get(request, key);
	size_t count = list ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < count; i++) {
		json_object_object_foreach(json_object_array_get_idx(list, i), name, value)
		{
			int ret = medio_strv_add(names, name);
			if (!ret)
				ret = medio_strv_add(values, json_object_get_string(value));
			if (ret)
				return ret;
		}
	}
	return 0;
}

struct medio_mdev *medio_request_mdev(struct medio_request *request)
{
	const char *uuid = medio_request_string(request, "uuid");
	struct medio_mdev *mdev = medio_bus_find_mdev(request->manager->bus, uuid, strlen(uuid));
	struct medio_error *err = NULL;
	uint8_t bytes[MEDIO_UUID_SIZE];

	if (!mdev)
		mdev = medio_functions_find(request->manager->bus, uuid);
	if (mdev)
		return mdev;
	if (medio_uuid_parse(uuid, strlen(uuid), bytes))
		medio_request_error(request, -EINVAL,
			(medio_error_set(&err, EINVAL, "'%.64s' is no UUID", uuid), err));
	else
		medio_request_error(request, -ENOENT,
			(medio_error_set(&err, ENOENT, "no instance %s", uuid), err));
	return NULL;
}

/* ---- Answers ----------------------------------------------------------------------------------- */

/* First "ok", and last what there is most of. */
static struct json_object *answer(const struct medio_request *request, bool ok)
{
	struct json_object *object = json_object_new_object();
	struct json_object *id;

	json_object_object_add(object, "ok", json_object_new_boolean(ok));
	if (request->json && json_object_object_get_ex(request->json, "id", &id))
		json_object_object_add(object, "id", json_object_get(id));
	return object;
}

void medio_request_done(struct medio_request *request, struct json_object *result)
{
	if (!result) {
		medio_request_fail(request, -ENOMEM, NULL);
		return;
	}
	struct json_object *object = answer(request, true);
	json_object_object_add(object, "result", result);
	medio_control_answer(request, object);
}

void medio_request_fail(struct medio_request *request, int ret, const char *words)
{
	struct json_object *object = answer(request, false);
	const char *name = strerrorname_np(-ret);

	json_object_object_add(object, "errno", json_object_new_string(name ? name : "EIO"));
	json_object_object_add(
		object, "error", json_object_new_string(words ? words : strerror(-ret)));
	medio_control_answer(request, object);
}

void medio_request_error(struct medio_request *request, int ret, struct medio_error *err)
{
	medio_request_fail(request, ret, err ? medio_error_text(err) : NULL);
	medio_error_free(err);
}
