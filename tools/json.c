/* SPDX-License-Identifier: BSD-3-Clause */
#include "json.h"

#include <json-c/json.h>
#include <string.h>

char *medio_json_escape(const char *text)
{
	struct json_object *object = json_object_new_string(text);
	const char *printed = json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_NOSLASHESCAPE);
	char *copy = printed ? strdup(printed) : NULL;
	json_object_put(object);
	return copy;
}
