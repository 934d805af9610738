/* SPDX-License-Identifier: BSD-3-Clause */
#include "attrs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/error.h"

char *medio_attrs_path(const char *name)
{
	char *path;

	return asprintf(&path, "%s%s", strchr(name, '/') ? "" : "params/", name) < 0 ? NULL : path;
}

static bool is_at(struct json_object *attrs, size_t i, const char *path)
{
	return json_object_object_get_ex(json_object_array_get_idx(attrs, i), path, NULL);
}

void medio_attrs_set(struct json_object *attrs, const char *path, const char *value)
{
	struct json_object *attr = json_object_new_object();
	size_t at = 0;

	json_object_object_add(attr, path, json_object_new_string(value));
	while (at < json_object_array_length(attrs) && !is_at(attrs, at, path))
		at++;
	json_object_array_put_idx(attrs, at, attr);
}

bool medio_attrs_remove(struct json_object *attrs, const char *path)
{
	bool found = false;

	for (size_t i = json_object_array_length(attrs); i-- > 0;) {
		if (!is_at(attrs, i, path))
			continue;
		json_object_array_del_idx(attrs, i, 1);
		found = true;
	}
	return found;
}

int medio_attrs_assign(struct json_object *attrs, const char *assignment, struct medio_error **err)
{
	const char *equals = strchr(assignment, '=');

	if (!equals || equals == assignment)
		return medio_error_set(err, EINVAL,
			"'%.64s' is no attribute; write NAME=VALUE, as in port0=pty or "
			"medio/restart=never",
			assignment);
	_cleanup_free_ char *name = strndup(assignment, (size_t)(equals - assignment));
	_cleanup_free_ char *path = name ? medio_attrs_path(name) : NULL;
	if (!path)
		return medio_error_set(err, ENOMEM, "out of memory");
	medio_attrs_set(attrs, path, equals + 1);
	return 0;
}

unsigned medio_attrs_names(
	struct json_object *attrs, const char **names, unsigned count, unsigned max)
{
	for (size_t i = 0; i < json_object_array_length(attrs); i++) {
		json_object_object_foreach(json_object_array_get_idx(attrs, i), name, value)
		{
			(void)value;
			if (count < max)
				names[count++] = name;
		}
	}
	return count;
}
