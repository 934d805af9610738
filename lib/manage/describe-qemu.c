/* SPDX-License-Identifier: BSD-3-Clause */
/* By itself, so that a program which only needs this has no manager in it. */
#include <stdio.h>

#include "manage/describe.h"

char *medio_describe_qemu(const char *socket)
{
	struct json_object *path = json_object_new_string(socket);
	const char *text =
		path ? json_object_to_json_string_ext(path, JSON_C_TO_STRING_NOSLASHESCAPE) : NULL;
	char *device;

	if (!text || asprintf(&device,
			     "-device {\"driver\":\"vfio-user-pci\",\"socket\":{\"type\":\"unix\","
			     "\"path\":%s}}",
			     text) < 0)
		device = NULL;
	json_object_put(path);
	return device;
}
