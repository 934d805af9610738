/* SPDX-License-Identifier: BSD-3-Clause */
/* medio types: what can be served, with parameters, and the filters there are. */
#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "catalog.h"
#include "command.h"
#include "filters/filters.h"
#include "util/param.h"

struct options {
	bool json;
};

static const struct medio_option options[] = {
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print one JSON object: parents with their types, and filters" },
	{ NULL },
};

/* ---- For people ------------------------------------------------------------------------------------ */

static void print_params(const struct medio_param *params)
{
	for (; params && params->name; params++) {
		char what[160];
		medio_param_describe(params, what, sizeof(what));
		printf("    %s=%s\n        %s", params->name, what, params->help);
		if (params->deflt)
			printf(" (default: %s)", params->deflt);
		putchar('\n');
	}
}

static void print_type(struct medio_parent *parent, const struct medio_type *type)
{
	printf("%s%s%s  %s", medio_bold(stdout), type->name, medio_plain(stdout), type->summary);
	if (medio_parent_desc(parent)->capacity)
		printf("  [%u available]", medio_type_available(parent, type));
	printf("\n    PCI %04x:%04x, class %06x", type->id.vendor, type->id.device,
		type->id.class_code);
	for (unsigned i = 0; i < MEDIO_NUM_BARS; i++) {
		static const char *const kinds[] = { "", "I/O", "memory", "64-bit memory" };
		if (type->bars[i].kind)
			printf(", BAR%u %s %llu bytes", i, kinds[type->bars[i].kind],
				(unsigned long long)type->bars[i].size);
	}
	if (type->irqs.intx_pin)
		printf(", INT%c", 'A' + type->irqs.intx_pin - 1);
	if (type->irqs.msi)
		printf(", MSI %u", type->irqs.msi);
	if (type->irqs.msix.vectors)
		printf(", MSI-X %u", type->irqs.msix.vectors);
	putchar('\n');
	print_params(type->params);
}

static void print_filters(void)
{
	printf("\nFilters, for --filter:\n");
	for (const struct medio_filter *const *f = medio_builtin_filters; *f; f++) {
		printf("%s%s%s  %s\n", medio_bold(stdout), (*f)->name, medio_plain(stdout),
			(*f)->summary);
		print_params((*f)->params);
	}
}

static void print_text(struct medio_bus *bus)
{
	for (struct medio_parent *p = NULL; (p = medio_bus_next_parent(bus, p));) {
		const struct medio_type *const *type = medio_parent_desc(p)->types;
		for (; *type; type++)
			print_type(p, *type);
	}
	print_filters();
}

/* ---- For programs ------------------------------------------------------------------------------------ */

static void add_string(struct json_object *to, const char *key, const char *value)
{
	json_object_object_add(to, key, value ? json_object_new_string(value) : NULL);
}

static struct json_object *params_list(const struct medio_param *params)
{
	struct json_object *list = json_object_new_array();
	for (; params && params->name; params++) {
		char what[160];
		struct json_object *param = json_object_new_object();
		medio_param_describe(params, what, sizeof(what));
		add_string(param, "name", params->name);
		add_string(param, "value", what);
		add_string(param, "default", params->deflt);
		add_string(param, "help", params->help);
		json_object_array_add(list, param);
	}
	return list;
}

static struct json_object *bars_list(const struct medio_type *type)
{
	static const char *const kinds[] = { "none", "io", "mem32", "mem64" };
	struct json_object *list = json_object_new_array();
	for (int i = 0; i < MEDIO_NUM_BARS; i++) {
		if (!type->bars[i].kind)
			continue;
		struct json_object *bar = json_object_new_object();
		json_object_object_add(bar, "bar", json_object_new_int(i));
		add_string(bar, "kind", kinds[type->bars[i].kind]);
		json_object_object_add(bar, "size", json_object_new_uint64(type->bars[i].size));
		json_object_array_add(list, bar);
	}
	return list;
}

static struct json_object *type_object(struct medio_parent *parent, const struct medio_type *type)
{
	struct json_object *object = json_object_new_object();
	struct json_object *irqs = json_object_new_object();
	char id[16];
	add_string(object, "name", type->name);
	add_string(object, "summary", type->summary);
	add_string(object, "description", type->description);
	add_string(object, "device_api", "vfio-pci");
	json_object_object_add(object, "available_instances",
		json_object_new_uint64(medio_type_available(parent, type)));
	snprintf(id, sizeof(id), "%04x:%04x", type->id.vendor, type->id.device);
	add_string(object, "id", id);
	snprintf(id, sizeof(id), "%06x", type->id.class_code);
	add_string(object, "class", id);
	json_object_object_add(object, "bars", bars_list(type));
	json_object_object_add(irqs, "intx", json_object_new_int(type->irqs.intx_pin != 0));
	json_object_object_add(irqs, "msi", json_object_new_int(type->irqs.msi));
	json_object_object_add(irqs, "msix", json_object_new_int(type->irqs.msix.vectors));
	json_object_object_add(object, "irqs", irqs);
	json_object_object_add(object, "parameters", params_list(type->params));
	return object;
}

static void print_json(struct medio_bus *bus)
{
	struct json_object *top = json_object_new_object();
	struct json_object *parents = json_object_new_array();
	struct json_object *filters = json_object_new_array();
	for (struct medio_parent *p = NULL; (p = medio_bus_next_parent(bus, p));) {
		struct json_object *parent = json_object_new_object();
		struct json_object *types = json_object_new_array();
		add_string(parent, "name", medio_parent_desc(p)->name);
		for (const struct medio_type *const *t = medio_parent_desc(p)->types; *t; t++)
			json_object_array_add(types, type_object(p, *t));
		json_object_object_add(parent, "types", types);
		json_object_array_add(parents, parent);
	}
	for (const struct medio_filter *const *f = medio_builtin_filters; *f; f++) {
		struct json_object *filter = json_object_new_object();
		add_string(filter, "name", (*f)->name);
		add_string(filter, "summary", (*f)->summary);
		json_object_object_add(filter, "parameters", params_list((*f)->params));
		json_object_array_add(filters, filter);
	}
	json_object_object_add(top, "parents", parents);
	json_object_object_add(top, "filters", filters);
	puts(json_object_to_json_string_ext(
		top, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(top);
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	const struct options *opts = options_;
	struct medio_catalog catalog;
	struct medio_error *err = NULL;
	(void)args;
	if (medio_catalog_init(&catalog, &err)) {
		medio_command_fail(cmd, "%s", medio_error_text(err));
		medio_error_free(err);
		return MEDIO_EXIT_FAILURE;
	}
	if (opts->json)
		print_json(catalog.bus);
	else
		print_text(catalog.bus);
	medio_catalog_fini(&catalog);
	return MEDIO_EXIT_OK;
}

const struct medio_command medio_command_types = {
	.name = "types",
	.summary = "List the types of device there are, with their parameters",
	.arguments = "",
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
