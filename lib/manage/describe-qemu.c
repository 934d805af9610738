/* SPDX-License-Identifier: BSD-3-Clause */
/* By itself, so that a program which only needs this has no manager in it. */
#include <linux/virtio_ids.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manage/describe.h"
#include "util/cleanup.h"

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

/* ---- vhost-user ------------------------------------------------------------------------------- */

static void add_word(struct json_object *words, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void add_word(struct json_object *words, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	int len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		return;
	json_object_array_add(words, json_object_new_string(text));
	free(text);
}

/* In QEMU's lists of options a comma stands twice. */
static char *double_commas(const char *text)
{
	char *doubled = malloc(2 * strlen(text) + 1), *at = doubled;

	if (!doubled)
		return NULL;
	do {
		if (*text == ',')
			*at++ = ',';
		*at++ = *text;
	} while (*text++);
	return doubled;
}

/* What it takes as a network card: QEMU keeps the card itself, and its address with it. */
static void add_net(struct json_object *words, const struct medio_describe_vhost *vhost)
{
	unsigned pairs = vhost->queues / 2;
	char many[64] = "";

	add_word(words, "-netdev");
	add_word(words, "vhost-user,id=%s,chardev=%s,queues=%u", vhost->id, vhost->id, pairs);
	if (pairs > 1) /* the vectors: one a queue, and for the configuration and control */
		snprintf(many, sizeof(many), ",mq=on,vectors=%u", 2 * pairs + 2);
	add_word(words, "-device");
	add_word(words, "virtio-net-pci,netdev=%s%s%s%s", vhost->id, vhost->mac ? ",mac=" : "",
		vhost->mac ? vhost->mac : "", many);
}

/* The queues are said: QEMU asks for one a CPU of the guest, whatever the device has; and it makes them smaller
 * than the largest request that a disk lets its driver make. */
static void add_device(struct json_object *words, const struct medio_describe_vhost *vhost)
{
	switch (vhost->virtio_id) {
	case VIRTIO_ID_NET:
		add_net(words, vhost);
		break;
	case VIRTIO_ID_BLOCK:
		add_word(words, "-device");
		add_word(words, "vhost-user-blk-pci,chardev=%s,num-queues=%u,queue-size=%u",
			vhost->id, vhost->queues, vhost->queue_size);
		break;
	case VIRTIO_ID_SCSI: /* beside one for control and one for events */
		add_word(words, "-device");
		add_word(words, "vhost-user-scsi-pci,chardev=%s,num_queues=%u,virtqueue_size=%u",
			vhost->id, vhost->queues - 2, vhost->queue_size);
		break;
	case VIRTIO_ID_RNG:
		add_word(words, "-device");
		add_word(words, "vhost-user-rng-pci,chardev=%s", vhost->id);
		break;
	}
}

struct json_object *medio_describe_qemu_vhost(const struct medio_describe_vhost *vhost)
{
	_cleanup_free_ char *path = double_commas(vhost->socket);
	struct json_object *words = path ? json_object_new_array() : NULL;

	if (!words)
		return NULL;
	add_word(words, "-chardev");
	add_word(words, "socket,id=%s,path=%s%s", vhost->id, path,
		vhost->qemu_listens ? ",server=on" : "");
	add_device(words, vhost);
	if (json_object_array_length(words) > 2)
		return words;
	json_object_put(words);
	return NULL;
}
