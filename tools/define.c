/* SPDX-License-Identifier: BSD-3-Clause */
/* medio define: an instance that is to be, in mdevctl's own file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attrs.h"
#include "client.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/uuid.h"

struct options {
	struct medio_option_list filters;
	const char *uuid, *type, *parent, *restart;
	bool automatic, json;
};

static const struct medio_option options[] = {
	{ "uuid", 'u', MEDIO_OPTION_STRING, offsetof(struct options, uuid), "UUID",
		"The UUID it will have; a random one if left out" },
	{ "type", 't', MEDIO_OPTION_STRING, offsetof(struct options, type), "TYPE",
		"The type, if it is not the first argument" },
	{ "parent", 'p', MEDIO_OPTION_STRING, offsetof(struct options, parent), "NAME",
		"The parent, if several have the type" },
	{ "auto", 'a', MEDIO_OPTION_FLAG, offsetof(struct options, automatic), NULL,
		"Start it whenever mediod starts" },
	{ "filter", 'f', MEDIO_OPTION_LIST, offsetof(struct options, filters), "NAME[:KEY=VALUE,…]",
		"Put a filter in front of the device; may be given several times, the first "
		"is nearest to the client" },
	{ "restart", 'r', MEDIO_OPTION_STRING, offsetof(struct options, restart),
		"never|reset|restore",
		"What to do when the worker dies; as the parent says if left out" },
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print the definition as one JSON object" },
	{ NULL },
};

static bool is_uuid(const char *text)
{
	uint8_t bytes[MEDIO_UUID_SIZE];

	return medio_uuid_parse(text, strlen(text), bytes) == 0;
}

/* The filters, one a line. */
static int set_filters(struct json_object *attrs, const struct medio_option_list *filters,
	struct medio_error **err)
{
	size_t size = 1;

	if (!filters->count)
		return 0;
	for (unsigned i = 0; i < filters->count; i++)
		size += strlen(filters->items[i]) + 1;
	_cleanup_free_ char *text = malloc(size);
	if (!text)
		return medio_error_set(err, ENOMEM, "out of memory");
	char *at = text;
	for (unsigned i = 0; i < filters->count; i++) {
		at = stpcpy(at, i ? "\n" : "");
		at = stpcpy(at, filters->items[i]);
	}
	medio_attrs_set(attrs, "medio/filters", text);
	return 0;
}

/* What is said of it, beside what it is. rest: index of the first NAME=VALUE. */
static int fill_attrs(const struct options *opts, const struct medio_option_list *args,
	unsigned rest, struct json_object *attrs, struct medio_error **err)
{
	int ret = set_filters(attrs, &opts->filters, err);

	if (opts->restart)
		medio_attrs_set(attrs, "medio/restart", opts->restart);
	for (; ret == 0 && rest < args->count; rest++)
		ret = medio_attrs_assign(attrs, args->items[rest], err);
	return ret;
}

static int ask(const struct medio_command *cmd, const struct options *opts, const char *uuid,
	const char *type, struct json_object *attrs)
{
	struct json_object *request = medio_client_request("define"), *def = NULL;

	medio_client_set(request, "uuid", uuid);
	medio_client_set(request, "type", type);
	medio_client_set(request, "parent", opts->parent);
	if (opts->automatic)
		json_object_object_add(request, "auto", json_object_new_boolean(1));
	if (json_object_array_length(attrs))
		json_object_object_add(request, "attrs", json_object_get(attrs));
	int ret = medio_client_run(cmd, request, &def);
	if (ret == 0 && opts->json)
		medio_json_print(def);
	else if (ret == 0)
		puts(medio_json_string(def, "uuid"));
	json_object_put(def);
	return ret;
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	const struct options *opts = options_;
	const char *uuid = opts->uuid, *type = opts->type;
	struct medio_error *err = NULL;
	unsigned rest = 0;

	if (args->count && !strchr(args->items[0], '=')) {
		bool names_uuid = is_uuid(args->items[0]);
		if (names_uuid ? uuid != NULL : type != NULL)
			return medio_command_usage(cmd, "'%s' and --%s: say it once",
				args->items[0], names_uuid ? "uuid" : "type");
		*(names_uuid ? &uuid : &type) = args->items[0];
		rest = 1;
	}
	if (!uuid && !type)
		return medio_command_usage(cmd, "say a TYPE, or the UUID of an instance that runs");
	struct json_object *attrs = json_object_new_array();
	int ret = fill_attrs(opts, args, rest, attrs, &err);
	ret = ret ? medio_client_fail(cmd, ret, err) : ask(cmd, opts, uuid, type, attrs);
	json_object_put(attrs);
	return ret;
}

const struct medio_command medio_command_define = {
	.name = "define",
	.summary = "Define an instance, to be started later or by itself",
	.arguments = "[TYPE|UUID] [NAME=VALUE…]",
	.max_args = 256,
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
