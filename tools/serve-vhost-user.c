/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtio device without a card, for QEMU's vhost-user devices, DPDK's virtio_user, libblkio. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <medio/virtio.h>

#include "manage/describe.h"
#include "serve.h"
#include "text.h"

/* A name for QEMU's parts that is another one for each instance. */
static void name_parts(const struct medio_serve *serve, char name[16])
{
	snprintf(name, 16, "medio-%.8s", medio_mdev_uuid(serve->mdev));
}

/* The address that a network card shows; false: it has none. */
static bool show_mac(const struct medio_serve *serve, char *mac, size_t size)
{
	ssize_t len = medio_instance_attr_show(
		medio_mdev_local_instance(serve->mdev), "net/mac", mac, size - 1);

	if (len <= 0)
		return false;
	mac[len] = 0;
	mac[strcspn(mac, "\n")] = 0;
	return true;
}

static void know(struct medio_serve *serve)
{
	const struct medio_type *type = medio_mdev_type(serve->mdev);
	const struct medio_virtio_type *virtio = type->data;
	char id[16], mac[32];
	struct medio_describe_vhost vhost = {
		.virtio_id = virtio->id,
		.socket = serve->socket,
		.id = id,
		.mac = show_mac(serve, mac, sizeof(mac)) ? mac : NULL,
		.qemu_listens = serve->opts->connect,
	};

	name_parts(serve, id);
	medio_serve_queues(serve, &vhost.queues, &vhost.queue_size);
	medio_serve_know(serve, "socket", serve->socket);
	medio_serve_know_number(serve, "queues", vhost.queues);
	medio_serve_know_number(serve, "queue_size", vhost.queue_size);
	medio_serve_know_qemu(serve, medio_describe_qemu_vhost(&vhost));
}

static int start(struct medio_serve *serve, struct medio_error **err)
{
	const struct medio_serve_options *opts = serve->opts;
	const struct medio_vhost_options vhost = {
		.connect = opts->connect,
		.client_timeout_ms = (unsigned)opts->timeout_ms,
		.once = opts->once,
	};
	int ret = medio_serve_socket(serve, err);

	if (ret)
		return ret;
	know(serve);
	return medio_vhost_new(
		medio_mdev_local_instance(serve->mdev), serve->socket, &vhost, &serve->vhost, err);
}

static void advise(const struct medio_serve *serve)
{
	if (!serve->qemu) {
		fprintf(stderr,
			"medio: QEMU has no front-end for %s over vhost-user; --as vfio-user "
			"serves it to QEMU\n",
			medio_mdev_type(serve->mdev)->name);
		return;
	}
	medio_serve_tell_qemu(serve);
	fprintf(stderr, "medio: and memory that is shared: -object "
			"memory-backend-memfd,id=mem,size=1G,share=on -machine "
			"q35,memory-backend=mem -m 1G\n");
}

static void stop(struct medio_serve *serve)
{
	medio_vhost_free(serve->vhost);
	/* Of a front-end that listened in the private folder. */
	if (serve->folder && serve->socket)
		unlink(serve->socket);
	medio_serve_socket_end(serve);
}

const struct medio_serve_as medio_serve_vhost_user = {
	.name = "vhost-user",
	.bare = true,
	.place = "socket",
	.start = start,
	.advise = advise,
	.stop = stop,
};
