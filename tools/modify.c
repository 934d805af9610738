/* SPDX-License-Identifier: BSD-3-Clause */
/* medio modify: change a definition. */
#include <errno.h>
#include <stdlib.h>

#include "attrs.h"
#include "client.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/nearest.h"

#define MAX_NAMES 256

struct options {
	struct medio_option_list removed;
	const char *type, *parent;
	bool automatic, manual, json;
};

static const struct medio_option options[] = {
	{ "parent", 'p', MEDIO_OPTION_STRING, offsetof(struct options, parent), "NAME",
		"The parent, if the UUID is defined for several" },
	{ "type", 't', MEDIO_OPTION_STRING, offsetof(struct options, type), "TYPE",
		"Have it be of another type" },
	{ "auto", 'a', MEDIO_OPTION_FLAG, offsetof(struct options, automatic), NULL,
		"Start it whenever mediod starts" },
	{ "manual", 'm', MEDIO_OPTION_FLAG, offsetof(struct options, manual), NULL,
		"Start it by command only" },
	{ "delete", 'd', MEDIO_OPTION_LIST, offsetof(struct options, removed), "NAME",
		"Leave out an attribute or parameter; may be given several times" },
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print the definition as one JSON object" },
	{ NULL },
};

/* What one run of the command holds. */
struct modify {
	const struct options *opts;
	const struct medio_option_list *args;
	struct medio_client client;
};

static struct json_object *make_request(const struct modify *modify, const char *op)
{
	struct json_object *request = medio_client_request(op);

	medio_client_set(request, "uuid", modify->args->items[0]);
	medio_client_set(request, "parent", modify->opts->parent);
	return request;
}

/* The attributes as they are; *attrs stays NULL if it is not clear of what: "modify" then says so. */
static int read_attrs(struct modify *modify, struct json_object **attrs, struct medio_error **err)
{
	struct json_object *result = NULL;
	int ret = medio_client_ask(
		&modify->client, make_request(modify, "definitions"), &result, err);

	if (ret)
		return ret;
	struct json_object *list = medio_json_get(result, "definitions");
	if (json_object_array_length(list) == 1)
		*attrs = json_object_get(
			medio_json_get(json_object_array_get_idx(list, 0), "attrs"));
	json_object_put(result);
	return 0;
}

static int remove_attr(struct json_object *attrs, const char *name, struct medio_error **err)
{
	_cleanup_free_ char *path = medio_attrs_path(name);
	const char *names[MAX_NAMES];

	if (!path)
		return medio_error_set(err, ENOMEM, "out of memory");
	if (medio_attrs_remove(attrs, path))
		return 0;
	return medio_unknown(err, "attribute of the definition", path, names,
		medio_attrs_names(attrs, names, 0, MAX_NAMES));
}

static int change(const struct modify *modify, struct json_object *attrs, struct medio_error **err)
{
	const struct medio_option_list *removed = &modify->opts->removed;
	int ret = 0;

	for (unsigned i = 0; ret == 0 && i < removed->count; i++)
		ret = remove_attr(attrs, removed->items[i], err);
	for (unsigned i = 1; ret == 0 && i < modify->args->count; i++)
		ret = medio_attrs_assign(attrs, modify->args->items[i], err);
	return ret;
}

static int work(struct modify *modify, struct medio_error **err)
{
	const struct options *opts = modify->opts;
	struct json_object *attrs = NULL, *request, *def = NULL;
	int ret = read_attrs(modify, &attrs, err);

	if (ret == 0 && attrs)
		ret = change(modify, attrs, err);
	if (ret) {
		json_object_put(attrs);
		return ret;
	}
	request = make_request(modify, "modify");
	medio_client_set(request, "type", opts->type);
	if (opts->automatic || opts->manual)
		json_object_object_add(request, "auto", json_object_new_boolean(opts->automatic));
	if (attrs)
		json_object_object_add(request, "attrs", attrs);
	ret = medio_client_ask(&modify->client, request, &def, err);
	if (ret == 0 && opts->json)
		medio_json_print(def);
	json_object_put(def);
	return ret;
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	struct modify modify = { .opts = options_, .args = args };
	struct medio_error *err = NULL;

	if (modify.opts->automatic && modify.opts->manual)
		return medio_command_usage(cmd, "--auto and --manual exclude each other");
	int ret = medio_client_open(&modify.client, &err);
	if (ret == 0) {
		ret = work(&modify, &err);
		medio_client_close(&modify.client);
	}
	return ret ? medio_client_fail(cmd, ret, err) : MEDIO_EXIT_OK;
}

const struct medio_command medio_command_modify = {
	.name = "modify",
	.summary = "Change a definition",
	.arguments = "UUID [NAME=VALUE…]",
	.min_args = 1,
	.max_args = 256,
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
