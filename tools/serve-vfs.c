/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual functions of a card that is served: each at a socket of its own, beside the card's. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "manage/describe.h"
#include "manage/functions.h"
#include "serve.h"
#include "util/cleanup.h"
#include "util/error.h"

/* ---- What is told ---------------------------------------------------------------------------------- */

/* {"vf","present","uuid","socket","uri","qemu_device"} */
static struct json_object *describe(
	const struct medio_serve_vf *vf, unsigned index, const char *uuid)
{
	struct json_object *object = json_object_new_object();
	_cleanup_free_ char *device = medio_describe_qemu(vf->socket), *uri = NULL;

	if (asprintf(&uri, "vfio-user:%s", vf->socket) < 0)
		uri = NULL;
	json_object_object_add(object, "vf", json_object_new_int((int)index));
	json_object_object_add(object, "present", json_object_new_boolean(vf->server != NULL));
	medio_json_set(object, "uuid", uuid);
	medio_json_set(object, "socket", vf->socket);
	medio_json_set(object, "uri", uri);
	medio_json_set(object, "qemu_device", device);
	return object;
}

/* Those that are there when the command says that it is ready are facts: vf0_socket and so on. */
static void know(struct medio_serve *serve, unsigned index, struct json_object *vf)
{
	static const char *const keys[] = { "uuid", "socket", "uri", "qemu_device" };
	char name[32];

	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(keys); i++) {
		snprintf(name, sizeof(name), "vf%u_%s", index, keys[i]);
		medio_serve_know(serve, name, medio_json_string(vf, keys[i]));
	}
}

static void tell(struct medio_serve *serve, unsigned index, const char *uuid)
{
	const struct medio_serve_vf *vf = &serve->vfs[index];
	struct json_object *object = describe(vf, index, uuid);

	if (!serve->told && vf->server) {
		know(serve, index, object);
	} else if (serve->told && serve->opts->json) {
		puts(json_object_to_json_string_ext(
			object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		fflush(stdout);
	}
	if (!serve->opts->json && !serve->opts->quiet && !serve->opts->run) {
		if (vf->server)
			fprintf(stderr, "medio: VF %u is ready at %s, for QEMU: %s\n", index,
				vf->socket, medio_json_string(object, "qemu_device"));
		else
			fprintf(stderr, "medio: VF %u has gone\n", index);
	}
	json_object_put(object);
}

/* ---- They come and go ------------------------------------------------------------------------------ */

static void came(struct medio_serve *serve, struct medio_instance *inst, unsigned index)
{
	const struct medio_serve_options *opts = serve->opts;
	const struct medio_server_options server = {
		.max_data_xfer = (uint32_t)opts->max_xfer,
		.client_timeout_ms = (unsigned)opts->timeout_ms,
	};
	struct medio_serve_vf *vf = &serve->vfs[index];
	struct medio_error *err = NULL;
	int ret = 0;

	if (asprintf(&vf->socket, "%s.vf%u", serve->base, index) < 0) {
		vf->socket = NULL;
		ret = medio_error_set(&err, ENOMEM, "out of memory");
	}
	if (!ret)
		ret = medio_server_new(inst, vf->socket, &server, &vf->server, &err);
	if (ret) {
		fprintf(stderr, "medio: VF %u cannot be served: %s\n", index,
			medio_error_text(err));
		medio_error_free(err);
		free(medio_steal_ptr(vf->socket));
		return;
	}
	tell(serve, index, medio_instance_uuid(inst));
}

/* All clients hear at once that it is over: each then has less to wait for. */
static void went(struct medio_serve *serve, const struct medio_instance *inst, unsigned index)
{
	struct medio_serve_vf *vf = &serve->vfs[index];

	for (unsigned i = index; i < MEDIO_SERVE_VFS; i++)
		if (serve->vfs[i].server && !serve->vfs[i].going) {
			medio_server_disconnect(serve->vfs[i].server);
			serve->vfs[i].going = true;
		}
	if (!vf->server)
		return;
	medio_server_free(medio_steal_ptr(vf->server));
	if (!serve->ending)
		tell(serve, index, medio_instance_uuid(inst));
	free(medio_steal_ptr(vf->socket));
	vf->going = false;
}

void medio_serve_vf_present(void *opaque, struct medio_instance *inst, unsigned index, bool present)
{
	struct medio_serve *serve = opaque;

	if (index >= MEDIO_SERVE_VFS || !serve->vfs)
		return;
	if (present)
		came(serve, inst, index);
	else
		went(serve, inst, index);
}

/* ---- From the command line ---------------------------------------------------------------------------- */

/* "numvfs=4" is a parameter of the device, whose own table checks it. */
static unsigned wanted(const struct medio_option_list *args)
{
	unsigned num = 0;

	for (unsigned i = 1; i < args->count; i++)
		if (!strncmp(args->items[i], "numvfs=", 7) &&
			medio_functions_parse(args->items[i] + 7, &num))
			num = 0;
	return num;
}

int medio_serve_vfs_check(const struct medio_serve *serve, const struct medio_option_list *args,
	struct medio_error **err)
{
	if (serve->as->bare && wanted(args))
		return medio_error_set(err, EINVAL,
			"virtual functions are a card's, and over %s there is none: --as vfio-user "
			"serves them",
			serve->as->name);
	return 0;
}

int medio_serve_vfs_start(
	struct medio_serve *serve, const struct medio_option_list *args, struct medio_error **err)
{
	unsigned num = wanted(args);

	if (serve->as->bare)
		return 0;
	serve->vfs = calloc(MEDIO_SERVE_VFS, sizeof(*serve->vfs));
	serve->base = strdup(serve->socket);
	if (!serve->vfs || !serve->base)
		return medio_error_set(err, ENOMEM, "out of memory");
	return num ? medio_instance_set_vfs(medio_mdev_local_instance(serve->mdev), num, err) : 0;
}

void medio_serve_vfs_end(struct medio_serve *serve)
{
	free(medio_steal_ptr(serve->vfs));
	free(medio_steal_ptr(serve->base));
}
