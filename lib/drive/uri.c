/* SPDX-License-Identifier: BSD-3-Clause */
#include "drive/uri.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drive/backend.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/nearest.h"
#include "util/uuid.h"

#define SYSTEM_RUNTIME "/run/medio"

static const struct {
	const char *scheme;
	const struct medio_backend *backend;
} schemes[] = {
	{ "vfio-user", &medio_backend_vfio_user },
	{ "vfio", &medio_backend_vfio },
	{ "iommufd", &medio_backend_iommufd },
	{ "uio", &medio_backend_uio },
	{ "local", &medio_backend_local },
};

static int unknown_scheme(const char *uri, size_t len, struct medio_error **err)
{
	const char *names[MEDIO_ARRAY_SIZE(schemes)];
	char typed[16], bdf[MEDIO_BDF_TEXT];

	if (medio_kernel_bdf(uri, bdf))
		return medio_error_set(err, EINVAL,
			"%s: a PCI address alone does not say how to get there; vfio:%s does, with "
			"vfio-pci as its driver (`medio bind %s`)",
			uri, bdf, bdf);
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(schemes); i++)
		names[i] = schemes[i].scheme;
	snprintf(typed, sizeof(typed), "%.*s", (int)(len < 15 ? len : 15), uri);
	const char *near = medio_nearest(typed, names, MEDIO_ARRAY_SIZE(names));
	return medio_error_set(err, EINVAL,
		"%s: no such kind of device; vfio-user:/path names a socket%s%s%s", uri,
		near ? " (did you mean " : "", near ? near : "", near ? ":?)" : "");
}

static int take(char *address, char **out, struct medio_error **err)
{
	*out = address;
	return address ? 0 : medio_error_set(err, ENOMEM, "out of memory");
}

/* ---- Instances --------------------------------------------------------------------------------- */

/* The socket of an instance in folder/sub; NULL: out of memory. *there: it exists. */
static char *socket_in(const char *folder, const char *sub, const char *uuid, bool *there)
{
	char *path = NULL;

	if (asprintf(&path, "%s%s/%s/vfio-user.sock", folder, sub, uuid) < 0)
		return NULL;
	*there = access(path, F_OK) == 0 || errno != ENOENT;
	return path;
}

/*
 * A mediod's instance: $MEDIO_RUNTIME_DIR says where it keeps them; without that it is the user's own or
 * the system's. A mediod that is not running now does not matter.
 */
static int find_instance(const char *uuid, char **address, struct medio_error **err)
{
	const char *dir = secure_getenv("MEDIO_RUNTIME_DIR"),
		   *own = secure_getenv("XDG_RUNTIME_DIR");
	_cleanup_free_ char *path = NULL;
	bool there = false;

	if (dir && *dir) {
		path = socket_in(dir, "", uuid, &there);
	} else {
		if (geteuid() != 0 && own && *own)
			path = socket_in(own, "/medio", uuid, &there);
		if (!there) {
			free(path);
			path = socket_in(SYSTEM_RUNTIME, "", uuid, &there);
		}
	}
	if (path && !there)
		return medio_error_set(err, ENOENT,
			"no instance %s: there is no %s; 'medio list' lists what there is", uuid,
			path);
	return take(medio_steal_ptr(path), address, err);
}

/* ------------------------------------------------------------------------------------------------ */

int medio_uri_parse(const char *uri, const struct medio_backend **backend, char **address,
	struct medio_error **err)
{
	size_t len = strcspn(uri, ":/");
	uint8_t bytes[MEDIO_UUID_SIZE];
	char uuid[MEDIO_UUID_TEXT];

	*backend = &medio_backend_vfio_user;
	if (uri[len] == '/')
		return take(strdup(uri), address, err);
	if (!medio_uuid_parse(uri, strlen(uri), bytes)) {
		medio_uuid_format(bytes, uuid);
		return find_instance(uuid, address, err);
	}
	if (uri[len] != ':')
		return unknown_scheme(uri, len, err);
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(schemes); i++) {
		if (strlen(schemes[i].scheme) != len || strncmp(schemes[i].scheme, uri, len) != 0)
			continue;
		if (!uri[len + 1])
			return medio_error_set(err, EINVAL, "%s: the address is empty", uri);
		*backend = schemes[i].backend;
		return take(strdup(uri + len + 1), address, err);
	}
	return unknown_scheme(uri, len, err);
}
