/* SPDX-License-Identifier: BSD-3-Clause */
#include "device.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <medio/local.h>

#include "catalog.h"
#include "client.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/uuid.h"

static int open_instance(const char *uuid, const struct medio_card_options *opts,
	struct medio_card **out, struct medio_error **err)
{
	_cleanup_free_ char *path = medio_client_socket(uuid);
	_cleanup_free_ char *uri = NULL;

	if (!path || asprintf(&uri, "vfio-user:%s", path) < 0) {
		uri = NULL;
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return medio_error_set(err, ENOENT,
			"no instance %s: there is no %s; 'medio list' lists what there is", uuid,
			path);
	return medio_card_open(uri, opts, out, err);
}

int medio_tool_device_open(const char *device, const struct medio_card_options *opts,
	struct medio_card **out, struct medio_error **err)
{
	uint8_t bytes[MEDIO_UUID_SIZE];
	char uuid[MEDIO_UUID_TEXT];

	medio_local_types(medio_catalog_type);
	if (medio_uuid_parse(device, strlen(device), bytes))
		return medio_card_open(device, opts, out, err);
	medio_uuid_format(bytes, uuid);
	return open_instance(uuid, opts, out, err);
}
