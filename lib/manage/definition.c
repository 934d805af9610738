/* SPDX-License-Identifier: BSD-3-Clause */
/* A definition: its text, and its attributes. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manage/definitions.h"
#include "manage/managed.h"
#include "util/error.h"

#define NESTING	     8 /* of JSON; a definition has 3 */
#define DEFAULT_MODE 0600

void medio_definition_free(struct medio_definition *def)
{
	free(def->parent);
	free(def->type);
	medio_strv_free(&def->names);
	medio_strv_free(&def->values);
	*def = (struct medio_definition){ 0 };
}

/* ---- Attributes -------------------------------------------------------------------------------- */

static int append(struct medio_definition *def, const char *name, const char *value)
{
	int ret = medio_strv_add(&def->names, name);

	if (ret)
		return ret;
	ret = medio_strv_add(&def->values, value);
	if (ret) {
		free(def->names.items[--def->names.count]);
		def->names.items[def->names.count] = NULL;
	}
	return ret;
}

int medio_definition_set(struct medio_definition *def, const char *name, const char *value)
{
	for (unsigned i = 0; i < def->names.count; i++) {
		if (strcmp(def->names.items[i], name) != 0)
			continue;
		char *copy = strdup(value);
		if (!copy)
			return -ENOMEM;
		free(def->values.items[i]);
		def->values.items[i] = copy;
		return 0;
	}
	return append(def, name, value);
}

static void take_out(struct medio_strv *v, unsigned at)
{
	free(v->items[at]);
	v->count--;
	/* The NULL at the end moves too. */
	memmove(v->items + at, v->items + at + 1, (v->count - at + 1) * sizeof(*v->items));
}

int medio_definition_unset(struct medio_definition *def, const char *name)
{
	int ret = -ENOENT;

	/* mdevctl lets a name be there more than once. */
	for (unsigned i = def->names.count; i-- > 0;) {
		if (strcmp(def->names.items[i], name) != 0)
			continue;
		take_out(&def->names, i);
		take_out(&def->values, i);
		ret = 0;
	}
	return ret;
}

/* "name=value" as attribute "params/name"; "name" alone is a flag that is on. */
static int set_param(struct medio_definition *def, const char *assignment)
{
	const char *equals = strchrnul(assignment, '=');
	char *name;

	if (asprintf(&name, "params/%.*s", (int)(equals - assignment), assignment) < 0)
		return -ENOMEM;
	int ret = medio_definition_set(def, name, *equals ? equals + 1 : "on");
	free(name);
	return ret;
}

static int set_filters(struct medio_definition *def, const struct medio_strv *filters)
{
	size_t size = 1;

	for (unsigned i = 0; i < filters->count; i++)
		size += strlen(filters->items[i]) + 1;
	char *text = malloc(size), *at = text;
	if (!text)
		return -ENOMEM;
	*at = '\0';
	for (unsigned i = 0; i < filters->count; i++) {
		at = stpcpy(at, i ? "\n" : "");
		at = stpcpy(at, filters->items[i]);
	}
	int ret = filters->count ? medio_definition_set(def, "medio/filters", text) : 0;
	free(text);
	return ret;
}

/* Whose it is, in front of what he may not do as somebody else. Who is mediod itself needs no word. */
static int set_owner(struct medio_definition *def, const struct medio_managed *inst)
{
	char text[32];

	if (inst->uid == inst->manager->policy.uid)
		return 0;
	snprintf(text, sizeof(text), "%u:%u", (unsigned)inst->uid, (unsigned)inst->gid);
	return medio_definition_set(def, "medio/owner", text);
}

static int set_mode(struct medio_definition *def, const struct medio_managed *inst)
{
	char text[16];

	if (inst->mode == DEFAULT_MODE)
		return 0;
	snprintf(text, sizeof(text), "%04o", (unsigned)inst->mode);
	return medio_definition_set(def, "medio/mode", text);
}

static int fill_from(const struct medio_mdev *mdev, struct medio_definition *def)
{
	const struct medio_managed *inst = medio_managed_of(mdev);
	int ret = 0;

	memcpy(def->uuid, medio_mdev_uuid(mdev), sizeof(def->uuid));
	def->parent = strdup(medio_parent_desc(medio_mdev_parent(mdev))->name);
	def->type = strdup(medio_mdev_type(mdev)->name);
	if (!def->parent || !def->type)
		return -ENOMEM;
	if (!inst)
		return 0;
	ret = set_owner(def, inst);
	for (unsigned i = 0; i < inst->params.count && !ret; i++)
		ret = set_param(def, inst->params.items[i]);
	if (!ret)
		ret = set_filters(def, &inst->filters);
	if (!ret)
		ret = medio_definition_set(
			def, "medio/restart", medio_restart_names[inst->restart]);
	if (!ret)
		ret = set_mode(def, inst);
	return ret;
}

int medio_definition_from(const struct medio_mdev *mdev, struct medio_definition *def)
{
	struct medio_definition fresh = { 0 };
	int ret = fill_from(mdev, &fresh);

	if (ret)
		medio_definition_free(&fresh);
	else
		*def = fresh;
	return ret;
}

/* ---- From text --------------------------------------------------------------------------------- */

static int refuse(struct medio_error **err, const char *words)
{
	return medio_error_set(err, EINVAL, "%s", words);
}

/* The string under key, or NULL: there is none, or one with a zero in it. */
static const char *string_of(struct json_object *value)
{
	if (!json_object_is_type(value, json_type_string))
		return NULL;
	const char *text = json_object_get_string(value);
	return strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

static const char *get_string(struct json_object *from, const char *key)
{
	return string_of(json_object_object_get(from, key));
}

/* {"name":"value"} */
static int read_attr(
	struct json_object *attr, struct medio_definition *def, struct medio_error **err)
{
	if (!json_object_is_type(attr, json_type_object) || json_object_object_length(attr) != 1)
		return refuse(err, "an attribute is one {\"NAME\": \"VALUE\"}");
	struct json_object_iterator it = json_object_iter_begin(attr);
	const char *name = json_object_iter_peek_name(&it);
	const char *value = string_of(json_object_iter_peek_value(&it));
	if (!*name)
		return refuse(err, "an attribute has no name");
	if (!value)
		return medio_error_set(
			err, EINVAL, "the value of attribute '%.64s' is no text", name);
	return append(def, name, value) ? medio_error_set(err, ENOMEM, "out of memory") : 0;
}

static int read_attrs(
	struct json_object *attrs, struct medio_definition *def, struct medio_error **err)
{
	if (!attrs)
		return 0;
	if (!json_object_is_type(attrs, json_type_array))
		return refuse(err, "\"attrs\" is no list");
	for (size_t i = 0; i < json_object_array_length(attrs); i++) {
		int ret = read_attr(json_object_array_get_idx(attrs, i), def, err);
		if (ret)
			return ret;
	}
	return 0;
}

static int read_definition(
	struct json_object *from, struct medio_definition *def, struct medio_error **err)
{
	if (!json_object_is_type(from, json_type_object))
		return refuse(err, "a definition is a JSON object");
	const char *type = get_string(from, "mdev_type");
	const char *start = get_string(from, "start");
	if (!type || !*type)
		return refuse(err, "\"mdev_type\" is missing");
	if (!start || (strcmp(start, "auto") != 0 && strcmp(start, "manual") != 0))
		return refuse(err, "\"start\" must be \"auto\" or \"manual\"");
	def->automatic = !strcmp(start, "auto");
	def->type = strdup(type);
	if (!def->type)
		return medio_error_set(err, ENOMEM, "out of memory");
	return read_attrs(json_object_object_get(from, "attrs"), def, err);
}

static int parse_json(
	const char *text, size_t size, struct json_object **out, struct medio_error **err)
{
	struct json_tokener *tok = json_tokener_new_ex(NESTING);

	if (!tok)
		return medio_error_set(err, ENOMEM, "out of memory");
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	*out = json_tokener_parse_ex(tok, text, (int)size);
	enum json_tokener_error error = json_tokener_get_error(tok);
	int ret = 0;
	if (error == json_tokener_continue)
		ret = refuse(err, "the JSON text has no end");
	else if (error != json_tokener_success)
		ret = medio_error_set(
			err, EINVAL, "no JSON text: %s", json_tokener_error_desc(error));
	/* Strict does not look at white space after the end in every version. */
	for (size_t i = json_tokener_get_parse_end(tok); !ret && i < size; i++) {
		if (!strchr(" \t\r\n", text[i]) || !text[i])
			ret = refuse(err, "something follows the JSON text");
	}
	json_tokener_free(tok);
	if (ret)
		json_object_put(*out);
	return ret;
}

int medio_definition_parse(
	const char *text, size_t size, struct medio_definition *def, struct medio_error **err)
{
	struct medio_definition fresh = { 0 };
	struct json_object *json = NULL;

	if (size > MEDIO_DEFINITION_MAX)
		return medio_error_set(
			err, EINVAL, "a definition has at most %u KiB", MEDIO_DEFINITION_MAX >> 10);
	int ret = parse_json(text, size, &json, err);
	if (ret)
		return ret;
	ret = read_definition(json, &fresh, err);
	json_object_put(json);
	if (ret) {
		medio_definition_free(&fresh);
		return ret;
	}
	def->type = fresh.type;
	def->automatic = fresh.automatic;
	def->names = fresh.names;
	def->values = fresh.values;
	return 0;
}

/* ---- To text ----------------------------------------------------------------------------------- */

/* Takes value. */
static int add(struct json_object *to, const char *key, struct json_object *value)
{
	if (value && json_object_object_add(to, key, value) == 0)
		return 0;
	json_object_put(value);
	return -ENOMEM;
}

static struct json_object *attrs_array(const struct medio_definition *def)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; list && i < def->names.count; i++) {
		struct json_object *attr = json_object_new_object();
		if (!attr ||
			add(attr, def->names.items[i],
				json_object_new_string(def->values.items[i])) ||
			json_object_array_add(list, attr)) {
			json_object_put(attr);
			json_object_put(list);
			return NULL;
		}
	}
	return list;
}

char *medio_definition_print(const struct medio_definition *def)
{
	struct json_object *json = json_object_new_object();
	char *text = NULL;

	if (json && !add(json, "mdev_type", json_object_new_string(def->type)) &&
		!add(json, "start", json_object_new_string(def->automatic ? "auto" : "manual")) &&
		!add(json, "attrs", attrs_array(def))) {
		const char *print = json_object_to_json_string_ext(
			json, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
				      JSON_C_TO_STRING_NOSLASHESCAPE);
		if (!print || asprintf(&text, "%s\n", print) < 0)
			text = NULL;
	}
	json_object_put(json);
	return text;
}
