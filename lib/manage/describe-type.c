/* SPDX-License-Identifier: BSD-3-Clause */
/* Parents and their types. They are data: this needs no manager. */
#include <stdio.h>

#include "manage/carriers.h"
#include "manage/describe.h"
#include "util/param.h"

static void add_string(struct json_object *to, const char *key, const char *value)
{
	json_object_object_add(to, key, value ? json_object_new_string(value) : NULL);
}

struct json_object *medio_describe_params(const struct medio_param *params)
{
	struct json_object *list = json_object_new_array();

	for (; params && params->name; params++) {
		struct json_object *param = json_object_new_object();
		char what[160];

		medio_param_describe(params, what, sizeof(what));
		add_string(param, "name", params->name);
		add_string(param, "value", what);
		add_string(param, "default", params->deflt);
		add_string(param, "help", params->help);
		json_object_array_add(list, param);
	}
	return list;
}

static struct json_object *describe_bars(const struct medio_type *type)
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

static struct json_object *describe_irqs(const struct medio_irqs *irqs)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "intx", json_object_new_int(irqs->intx_pin));
	json_object_object_add(object, "msi", json_object_new_int(irqs->msi));
	json_object_object_add(object, "msix", json_object_new_int(irqs->msix.vectors));
	return object;
}

/* What it can be served as; a virtual function only as what it is, a PCI card: the first. */
static struct json_object *describe_carriers(const struct medio_type *type, bool vf)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < medio_num_carriers; i++)
		if (medio_carriers[i].carries(type) && (!vf || !i))
			json_object_array_add(list, json_object_new_string(medio_carriers[i].name));
	return list;
}

/* Without the newlines that sysfs has. */
static void add_shown(struct json_object *to, const char *key, struct medio_parent *parent,
	const struct medio_type *type)
{
	char text[4096];
	ssize_t len = medio_type_show(parent, type, key, text, sizeof(text));

	while (len > 0 && text[len - 1] == '\n')
		len--;
	json_object_object_add(
		to, key, len < 0 ? NULL : json_object_new_string_len(text, (int)len));
}

static struct json_object *describe_type(struct medio_parent *parent, const struct medio_type *type)
{
	struct json_object *object = json_object_new_object();
	char id[16];

	add_string(object, "name", type->name);
	add_string(object, "summary", type->summary);
	add_shown(object, "description", parent, type);
	add_shown(object, "device_api", parent, type);
	json_object_object_add(object, "available_instances",
		json_object_new_uint64(medio_type_available(parent, type)));
	snprintf(id, sizeof(id), "%04x:%04x", type->id.vendor, type->id.device);
	add_string(object, "id", id);
	snprintf(id, sizeof(id), "%06x", type->id.class_code & 0xffffff);
	add_string(object, "class", id);
	bool vf = medio_type_is_vf(parent, type);
	json_object_object_add(object, "vf", json_object_new_boolean(vf));
	json_object_object_add(object, "as", describe_carriers(type, vf));
	json_object_object_add(object, "bars", describe_bars(type));
	json_object_object_add(object, "irqs", describe_irqs(&type->irqs));
	json_object_object_add(object, "parameters", medio_describe_params(type->params));
	return object;
}

static struct json_object *describe_units(struct medio_parent *parent)
{
	unsigned capacity = medio_parent_desc(parent)->capacity;
	struct json_object *units;

	if (!capacity)
		return NULL;
	units = json_object_new_object();
	json_object_object_add(units, "capacity", json_object_new_uint64(capacity));
	json_object_object_add(
		units, "left", json_object_new_uint64(medio_parent_units_left(parent)));
	return units;
}

struct json_object *medio_describe_parent(struct medio_parent *parent)
{
	const struct medio_parent_desc *desc = medio_parent_desc(parent);
	struct json_object *object = json_object_new_object();
	struct json_object *types = json_object_new_array();
	char path[512];

	add_string(object, "name", desc->name);
	medio_parent_path(parent, path, sizeof(path));
	add_string(object, "path", path);
	json_object_object_add(object, "units", describe_units(parent));
	for (const struct medio_type *const *type = desc->types; *type; type++)
		json_object_array_add(types, describe_type(parent, *type));
	json_object_object_add(object, "types", types);
	return object;
}
