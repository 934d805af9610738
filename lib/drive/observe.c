/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking at a device that somebody else drives: medio's own extension of vfio-user. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drive/backend.h"
#include "drive/uri.h"
#include "drive/vfio_user.h"
#include "proto/version.h"
#include "util/cleanup.h"
#include "util/error.h"

static void free_client(struct medio_vu_client **client)
{
	medio_vu_client_free(*client);
}

static int not_ours(const char *uri, struct medio_error **err)
{
	return medio_error_set(
		err, ENOTSUP, "%s: its server does not let others look on; medio's own do", uri);
}

/* As an observer. Another server may take us for its client, or say that it has one. */
static int hello(struct medio_vu_client *client, const char *uri, struct medio_error **err)
{
	struct medio_vu_caps offer, got;

	medio_vu_caps_default(&offer);
	offer.observer = true;
	int ret = medio_vu_client_version(client, &offer, &got, err);
	if (ret == -EBUSY) {
		medio_error_free(err ? *err : NULL);
		if (err)
			*err = NULL;
		return not_ours(uri, err);
	}
	return ret || got.observer ? ret : not_ours(uri, err);
}

static int failed(struct medio_vu_client *client, const char *uri, const char *name, int ret,
	struct medio_error **err)
{
	if (medio_vu_client_dead(client))
		return medio_error_set(err, -ret, "%s: %s", uri, medio_vu_client_words(client));
	if (ret == -ENOENT)
		return medio_error_set(
			err, ENOENT, "%s: the device has no attribute '%s'", uri, name);
	return medio_error_set(err, -ret, "%s: attribute '%s': %s", uri, name, strerror(-ret));
}

static int take(const struct medio_vu_message *reply, char *buf, size_t size, size_t *len)
{
	if (reply->size >= size)
		return -ENOBUFS;
	memcpy(buf, reply->payload, reply->size);
	buf[reply->size] = '\0';
	if (len)
		*len = reply->size;
	return 0;
}

int medio_observe(const char *uri, const char *name, const char *value, char *buf, size_t size,
	size_t *len, struct medio_error **err)
{
	struct medio_vu_client *client __attribute__((cleanup(free_client))) = NULL;
	const struct medio_backend *backend;
	_cleanup_free_ char *path = NULL;
	struct medio_vu_message reply;
	struct medio_vu_call call = {
		.cmd = MEDIO_VU_ATTRIBUTE,
		.payload = name,
		.size = strlen(name) + 1,
		.data = value,
		.data_size = value ? strlen(value) : 0,
	};

	int ret = medio_uri_parse(uri, &backend, &path, err);
	if (ret)
		return ret;
	if (backend != &medio_backend_vfio_user)
		return medio_error_set(err, ENOTSUP,
			"%s: only a device that is served over vfio-user can be looked at beside "
			"its driver",
			uri);
	ret = medio_vu_client_connect(path, NULL, &client, err);
	if (ret == 0)
		ret = hello(client, uri, err);
	if (ret)
		return ret;
	ret = medio_vu_client_call(client, &call, &reply);
	if (ret == 0 && !value)
		ret = take(&reply, buf, size, len);
	return ret ? failed(client, uri, name, ret, err) : 0;
}
