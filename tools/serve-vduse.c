/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio device of this machine's own kernel: VDUSE makes it, and whoever adds it to the vDPA bus gives it
 * a driver: virtio_vdpa (then it is a disk or a network interface of this machine), or vhost_vdpa (then it
 * is there for QEMU).
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve.h"
#include "util/error.h"

#define BUS	   "/sys/bus/vdpa/devices/"
#define NAME_BYTES 64

/* ---- The bus, as sysfs shows it ---------------------------------------------------------------- */

/* The first entry of folder that begins with prefix. */
static bool find_entry(const char *folder, const char *prefix, char *name, size_t size)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		found = entry->d_name[0] != '.' && !strncmp(entry->d_name, prefix, strlen(prefix));
		if (found)
			snprintf(name, size, "%s", entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* What the drivers made of it: NAME/virtio3/block/vda, NAME/virtio3/net/eth1, NAME/vhost-vdpa-0. */
static void look_up_device(struct medio_serve *serve)
{
	char folder[1024], virtio[256], found[256], text[512];

	snprintf(folder, sizeof(folder), BUS "%s", serve->as_name);
	if (find_entry(folder, "vhost-vdpa-", found, sizeof(found))) {
		struct json_object *words = json_object_new_array();
		snprintf(text, sizeof(text), "/dev/%s", found);
		medio_serve_know(serve, "device", text);
		snprintf(text, sizeof(text), "vhost-vdpa-device-pci,vhostdev=/dev/%s", found);
		json_object_array_add(words, json_object_new_string("-device"));
		json_object_array_add(words, json_object_new_string(text));
		medio_serve_know_qemu(serve, words);
		return;
	}
	if (!find_entry(folder, "virtio", virtio, sizeof(virtio)))
		return;
	snprintf(folder, sizeof(folder), BUS "%s/%s/block", serve->as_name, virtio);
	if (find_entry(folder, "", found, sizeof(found))) {
		snprintf(text, sizeof(text), "/dev/%s", found);
		medio_serve_know(serve, "device", text);
		return;
	}
	snprintf(folder, sizeof(folder), BUS "%s/%s/net", serve->as_name, virtio);
	if (find_entry(folder, "", found, sizeof(found)))
		medio_serve_know(serve, "device", found);
}

/* ---- On the bus ----------------------------------------------------------------------------------- */

/* What became of putting it there, or taking it off. */
struct move {
	struct medio_loop *loop;
	bool done;
	int ret;
	char *words;
};

static void on_moved(void *opaque, int ret, const char *words)
{
	struct move *move = opaque;

	move->done = true;
	move->ret = ret;
	move->words = words ? strdup(words) : NULL;
	medio_loop_stop(move->loop);
}

typedef int move_fn(struct medio_vduse *vduse, medio_vduse_attached_fn *done, void *opaque,
	struct medio_error **err);

/* The kernel asks the device for this and that meanwhile, so the loop runs here already. A signal ends the
 * wait, and then the device too: nothing may come back to a struct that is gone. */
static int run_move(struct medio_serve *serve, move_fn *begin, struct medio_error **err)
{
	struct move move = { .loop = serve->catalog.loop };
	int ret = begin(serve->vduse, on_moved, &move, err);

	if (ret)
		return ret;
	ret = medio_loop_run(serve->catalog.loop);
	if (!move.done) {
		medio_vduse_free(serve->vduse);
		serve->vduse = NULL;
		return medio_error_set(
			err, ret ? -ret : EINTR, "%s", ret ? strerror(-ret) : "interrupted");
	}
	if (move.ret)
		medio_error_set(
			err, -move.ret, "%s", move.words ? move.words : strerror(-move.ret));
	else if (move.words)
		fprintf(stderr, "medio: %s\n", move.words);
	free(move.words);
	return move.ret;
}

static int attach(struct medio_serve *serve, struct medio_error **err)
{
	int ret = run_move(serve, medio_vduse_attach, err);

	if (ret == 0)
		look_up_device(serve);
	return ret;
}

static void detach(struct medio_serve *serve)
{
	struct medio_error *err = NULL;

	if (run_move(serve, medio_vduse_detach, &err))
		fprintf(stderr, "medio: %s is not taken off the vDPA bus: %s\n", serve->as_name,
			err ? medio_error_text(err) : "?");
	medio_error_free(err);
}

/* ---- From start to end ---------------------------------------------------------------------------- */

/* It stands in commands and paths that people copy. */
static int check_name(const char *name, struct medio_error **err)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "._-";
	size_t len = strlen(name);

	if (!len || len > NAME_BYTES || name[strspn(name, good)] || name[0] == '-' ||
		name[0] == '.')
		return medio_error_set(err, EINVAL,
			"--as vduse=%.40s: a name has 1 to %d letters, digits, '_', '-' and '.', "
			"and begins with none of the last two",
			name, NAME_BYTES);
	return 0;
}

static void know(struct medio_serve *serve)
{
	char text[512];

	snprintf(text, sizeof(text), "/dev/vduse/%s", serve->as_name);
	medio_serve_know(serve, "path", text);
	snprintf(text, sizeof(text), "vdpa dev add name %s mgmtdev vduse", serve->as_name);
	medio_serve_know(serve, "attach", text);
	snprintf(text, sizeof(text), "vdpa dev del %s", serve->as_name);
	medio_serve_know(serve, "detach", text);
}

static int start(struct medio_serve *serve, struct medio_error **err)
{
	int ret = check_name(serve->as_name, err);

	if (ret == 0)
		ret = medio_vduse_new(
			medio_mdev_local_instance(serve->mdev), serve->as_name, &serve->vduse, err);
	if (ret)
		return ret;
	know(serve);
	/* One that somebody has put there before goes on. */
	if (medio_vduse_on_bus(serve->vduse))
		look_up_device(serve);
	else if (serve->opts->attach)
		return attach(serve, err);
	return 0;
}

static void advise(const struct medio_serve *serve)
{
	const char *device = medio_serve_fact(serve, "device");

	if (*device)
		fprintf(stderr, "medio: it is %s\n", device);
	else if (!medio_vduse_on_bus(serve->vduse))
		fprintf(stderr, "medio: put it on the vDPA bus with: %s\n",
			medio_serve_fact(serve, "attach"));
	medio_serve_tell_qemu(serve);
}

static void stop(struct medio_serve *serve)
{
	if (!serve->vduse)
		return;
	if (serve->opts->attach && medio_vduse_on_bus(serve->vduse))
		detach(serve);
	if (serve->vduse && medio_vduse_on_bus(serve->vduse))
		fprintf(stderr,
			"medio: %s is on the vDPA bus still, and waits there for the next medio "
			"serve --as vduse=%s; this takes it off: %s\n",
			serve->as_name, serve->as_name, medio_serve_fact(serve, "detach"));
	medio_vduse_free(serve->vduse);
}

const struct medio_serve_as medio_serve_vduse = {
	.name = "vduse",
	.bare = true,
	.must_advise = true,
	.place = "path",
	.start = start,
	.advise = advise,
	.stop = stop,
};
