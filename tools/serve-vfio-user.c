/* SPDX-License-Identifier: BSD-3-Clause */
/* A PCI card, for QEMU, medio's own commands and any other vfio-user client. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manage/describe.h"
#include "serve.h"
#include "util/cleanup.h"
#include "util/error.h"

/* "-device" and what stands behind it. */
static struct json_object *qemu_words(const char *socket)
{
	_cleanup_free_ char *device = medio_describe_qemu(socket);
	char *space = device ? strchr(device, ' ') : NULL;
	struct json_object *words = space ? json_object_new_array() : NULL;

	if (!words)
		return NULL;
	json_object_array_add(words, json_object_new_string_len(device, (int)(space - device)));
	json_object_array_add(words, json_object_new_string(space + 1));
	return words;
}

static int know(struct medio_serve *serve, struct medio_error **err)
{
	_cleanup_free_ char *uri = NULL;

	if (asprintf(&uri, "vfio-user:%s", serve->socket) < 0) {
		uri = NULL;
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	medio_serve_know(serve, "socket", serve->socket);
	medio_serve_know(serve, "uri", uri);
	medio_serve_know_qemu(serve, qemu_words(serve->socket));
	return 0;
}

static int start(struct medio_serve *serve, struct medio_error **err)
{
	const struct medio_serve_options *opts = serve->opts;
	const struct medio_server_options server = {
		.max_data_xfer = (uint32_t)opts->max_xfer,
		.client_timeout_ms = (unsigned)opts->timeout_ms,
		.once = opts->once,
	};
	int ret = medio_serve_socket(serve, err);

	if (ret == 0)
		ret = know(serve, err);
	if (ret == 0)
		ret = medio_server_new(medio_mdev_local_instance(serve->mdev), serve->socket,
			&server, &serve->server, err);
	return ret;
}

static void stop(struct medio_serve *serve)
{
	medio_server_free(serve->server);
	medio_serve_socket_end(serve);
}

const struct medio_serve_as medio_serve_vfio_user = {
	.name = "vfio-user",
	.place = "socket",
	.start = start,
	.advise = medio_serve_tell_qemu,
	.stop = stop,
};
