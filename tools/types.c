/* SPDX-License-Identifier: BSD-3-Clause */
/* medio types: what can be made, with parameters, and the filters there are. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "catalog.h"
#include "client.h"
#include "command.h"
#include "filters/filters.h"
#include "manage/describe.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/nearest.h"

struct options {
	const char *parent;
	bool builtin, json;
};

static const struct medio_option options[] = {
	{ "builtin", 'b', MEDIO_OPTION_FLAG, offsetof(struct options, builtin), NULL,
		"List what this program has itself, for medio serve, also when mediod runs" },
	{ "parent", 'p', MEDIO_OPTION_STRING, offsetof(struct options, parent), "NAME",
		"Only the types of this parent" },
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print one JSON object: parents with their types, and filters" },
	{ NULL },
};

/* ---- For people ------------------------------------------------------------------------------------ */

static void print_params(struct json_object *params)
{
	size_t count = params ? json_object_array_length(params) : 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *param = json_object_array_get_idx(params, i);
		printf("    %s=%s\n        %s", medio_json_string(param, "name"),
			medio_json_string(param, "value"), medio_json_string(param, "help"));
		if (medio_json_get(param, "default"))
			printf(" (default: %s)", medio_json_string(param, "default"));
		putchar('\n');
	}
}

static void print_bars(struct json_object *bars)
{
	static const char *const kinds[][2] = { { "io", "I/O" }, { "mem32", "memory" },
		{ "mem64", "64-bit memory" } };

	for (size_t i = 0; bars && i < json_object_array_length(bars); i++) {
		struct json_object *bar = json_object_array_get_idx(bars, i);
		const char *kind = medio_json_string(bar, "kind");
		for (size_t k = 0; k < MEDIO_ARRAY_SIZE(kinds); k++)
			if (!strcmp(kinds[k][0], kind))
				kind = kinds[k][1];
		printf(", BAR%lld %s %lld bytes", (long long)medio_json_int(bar, "bar"), kind,
			(long long)medio_json_int(bar, "size"));
	}
}

static void print_irqs(const struct json_object *irqs)
{
	long long pin = medio_json_int(irqs, "intx"), msi = medio_json_int(irqs, "msi");
	long long msix = medio_json_int(irqs, "msix");

	if (pin)
		printf(", INT%c", (char)('A' + pin - 1));
	if (msi)
		printf(", MSI %lld", msi);
	if (msix)
		printf(", MSI-X %lld", msix);
}

/* What `medio serve` can make of it. */
static void print_as(const struct json_object *type)
{
	struct json_object *as = medio_json_get(type, "as");

	printf("    served as");
	for (size_t i = 0; as && i < json_object_array_length(as); i++)
		printf("%s %s", i ? "," : "",
			json_object_get_string(json_object_array_get_idx(as, i)));
	putchar('\n');
}

static void print_type(const struct json_object *type)
{
	long long available = medio_json_int(type, "available_instances");

	printf("%s%s%s  %s", medio_bold(stdout), medio_json_string(type, "name"),
		medio_plain(stdout), medio_json_string(type, "summary"));
	if (json_object_get_boolean(medio_json_get(type, "vf")))
		printf("  [made by sriov_numvfs of a card]");
	else if (available != UINT_MAX) /* there is a limit */
		printf("  [%lld available]", available);
	printf("\n    PCI %s, class %s", medio_json_string(type, "id"),
		medio_json_string(type, "class"));
	print_bars(medio_json_get(type, "bars"));
	print_irqs(medio_json_get(type, "irqs"));
	putchar('\n');
	if (medio_json_get(type, "as")) /* a mediod of before has none */
		print_as(type);
	print_params(medio_json_get(type, "parameters"));
}

static void print_parent(const struct json_object *parent)
{
	struct json_object *types = medio_json_get(parent, "types");
	struct json_object *units = medio_json_get(parent, "units");

	printf("Parent %s%s%s", medio_bold(stdout), medio_json_string(parent, "name"),
		medio_plain(stdout));
	if (units)
		printf(", %lld of %lld units left", (long long)medio_json_int(units, "left"),
			(long long)medio_json_int(units, "capacity"));
	printf(":\n");
	for (size_t i = 0; types && i < json_object_array_length(types); i++)
		print_type(json_object_array_get_idx(types, i));
	putchar('\n');
}

static void print_text(struct json_object *parents, struct json_object *filters)
{
	for (size_t i = 0; i < json_object_array_length(parents); i++)
		print_parent(json_object_array_get_idx(parents, i));
	if (json_object_array_length(filters))
		printf("Filters, for --filter:\n");
	for (size_t i = 0; i < json_object_array_length(filters); i++) {
		struct json_object *filter = json_object_array_get_idx(filters, i);
		printf("%s%s%s  %s\n", medio_bold(stdout), medio_json_string(filter, "name"),
			medio_plain(stdout), medio_json_string(filter, "summary"));
		print_params(medio_json_get(filter, "parameters"));
	}
}

/* ---- Where from ---------------------------------------------------------------------------------- */

static struct json_object *describe_filters(void)
{
	struct json_object *list = json_object_new_array();

	for (const struct medio_filter *const *f = medio_builtin_filters; *f; f++) {
		struct json_object *filter = json_object_new_object();
		medio_json_set(filter, "name", (*f)->name);
		medio_json_set(filter, "summary", (*f)->summary);
		json_object_object_add(filter, "parameters", medio_describe_params((*f)->params));
		json_object_array_add(list, filter);
	}
	return list;
}

static int ask_builtin(struct json_object **parents, struct medio_error **err)
{
	struct medio_catalog catalog;
	struct medio_parent *parent = NULL;
	int ret = medio_catalog_init(&catalog, err);

	if (ret)
		return ret;
	*parents = json_object_new_array();
	while ((parent = medio_bus_next_parent(catalog.bus, parent)))
		json_object_array_add(*parents, medio_describe_parent(parent));
	medio_catalog_fini(&catalog);
	return 0;
}

/* 1: none runs. */
static int ask_daemon(struct json_object **parents, struct medio_error **err)
{
	struct medio_client client;
	int ret = medio_client_open(&client, err);

	if (ret == -ENOENT || ret == -ECONNREFUSED) {
		medio_error_free(*err);
		*err = NULL;
		return 1;
	}
	if (ret)
		return ret;
	ret = medio_client_ask(&client, medio_client_request("types"), parents, err);
	medio_client_close(&client);
	return ret;
}

static int only_parent(struct json_object **parents, const char *name, struct medio_error **err)
{
	struct json_object *all = *parents;

	for (size_t i = 0; i < json_object_array_length(all); i++) {
		struct json_object *parent = json_object_array_get_idx(all, i);
		if (strcmp(medio_json_string(parent, "name"), name) != 0)
			continue;
		*parents = json_object_new_array();
		json_object_array_add(*parents, json_object_get(parent));
		json_object_put(all);
		return 0;
	}
	return medio_error_set(err, EINVAL, "no parent '%s'", name);
}

/* A parent with only one of its types; NULL: it has no such type. */
static struct json_object *with_type(struct json_object *parent, const char *name)
{
	struct json_object *types = medio_json_get(parent, "types");

	for (size_t i = 0; types && i < json_object_array_length(types); i++) {
		struct json_object *type = json_object_array_get_idx(types, i);
		if (strcmp(medio_json_string(type, "name"), name) != 0)
			continue;
		struct json_object *one = json_object_new_array();
		json_object_array_add(one, json_object_get(type));
		json_object_object_add(parent, "types", one);
		return json_object_get(parent);
	}
	return NULL;
}

/* "unknown type …", with the names that there are. */
static int no_such_type(struct json_object *parents, const char *name, struct medio_error **err)
{
	const char *names[64];
	size_t count = 0;

	for (size_t i = 0; i < json_object_array_length(parents); i++) {
		struct json_object *types = medio_json_get(
			json_object_array_get_idx(parents, i), "types");
		for (size_t k = 0; types && k < json_object_array_length(types); k++)
			if (count < MEDIO_ARRAY_SIZE(names))
				names[count++] = medio_json_string(
					json_object_array_get_idx(types, k), "name");
	}
	return medio_unknown(err, "type", name, names, count);
}

/* Parents may have types of the same name: all of those. */
static int only_type(struct json_object **parents, const char *name, struct medio_error **err)
{
	struct json_object *all = *parents, *some = json_object_new_array();

	for (size_t i = 0; i < json_object_array_length(all); i++) {
		struct json_object *parent = with_type(json_object_array_get_idx(all, i), name);
		if (parent)
			json_object_array_add(some, parent);
	}
	if (json_object_array_length(some)) {
		json_object_put(all);
		*parents = some;
		return 0;
	}
	json_object_put(some);
	return no_such_type(all, name, err);
}

/* The filters are no part of one type. */
static void print(const struct options *opts, struct json_object *parents, bool with_filters)
{
	struct json_object *filters = with_filters ? describe_filters() : json_object_new_array();

	if (opts->json) {
		struct json_object *top = json_object_new_object();
		json_object_object_add(top, "parents", json_object_get(parents));
		json_object_object_add(top, "filters", json_object_get(filters));
		medio_json_print(top);
		json_object_put(top);
	} else {
		print_text(parents, filters);
	}
	json_object_put(filters);
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	const struct options *opts = options_;
	struct json_object *parents = NULL;
	struct medio_error *err = NULL;

	int ret = opts->builtin ? 1 : ask_daemon(&parents, &err);
	if (ret == 1)
		ret = ask_builtin(&parents, &err);
	if (ret == 0 && opts->parent)
		ret = only_parent(&parents, opts->parent, &err);
	if (ret == 0 && args->count)
		ret = only_type(&parents, args->items[0], &err);
	if (ret == 0)
		print(opts, parents, !args->count);
	json_object_put(parents);
	return ret ? medio_client_fail(cmd, ret, err) : MEDIO_EXIT_OK;
}

const struct medio_command medio_command_types = {
	.name = "types",
	.summary = "List the types of device there are, with their parameters",
	.arguments = "[TYPE]",
	.max_args = 1,
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
