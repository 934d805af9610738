/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a client writes to the control socket: lines, requests, operations, over a manager whose
 * instances have no workers. Whatever comes, each line gets one answer, which is a JSON object.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "manage/control.h"
#include "manage/functions.h"
#include "manage/lines.h"
#include "manage/managed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- The manager ------------------------------------------------------------------------------- */

const char *const medio_restart_names[] = { "never", "reset", "restore", NULL };

static struct medio_manager manager;
static const struct medio_creation *creating;
/* A store that takes time: answered when the connection has nothing more to do. */
static medio_mdev_done *pending;
static void *pending_opaque;

void medio_manager_log(struct medio_manager *m, enum medio_log_level level, const char *fmt, ...)
{
	(void)m;
	(void)level;
	(void)fmt;
}

static int probe(struct medio_mdev *mdev)
{
	struct medio_managed *inst = calloc(1, sizeof(*inst));

	inst->manager = &manager;
	inst->mdev = mdev;
	inst->socket = strdup("/run/x/vfio-user.sock");
	if (creating) {
		inst->uid = creating->who.uid;
		inst->restart = creating->restart < 0 ? MEDIO_RESTART_RESET
						      : (enum medio_restart)creating->restart;
		medio_strv_copy(&inst->params, creating->params, creating->nparams);
		medio_strv_copy(&inst->filters, creating->filters, creating->nfilters);
	}
	medio_mdev_set_data(mdev, inst);
	return 0;
}

static void removed(struct medio_mdev *mdev)
{
	struct medio_managed *inst = medio_mdev_data(mdev);

	medio_strv_free(&inst->params);
	medio_strv_free(&inst->filters);
	free(inst->socket);
	free(inst);
}

static int attr_show(struct medio_mdev *mdev, const struct medio_attr *attr,
	medio_mdev_attr_done *done, void *opaque)
{
	(void)mdev;
	(void)attr;
	done(opaque, 6, "hello\n");
	return 0;
}

static int attr_store(struct medio_mdev *mdev, const struct medio_attr *attr, const char *text,
	size_t size, medio_mdev_attr_done *done, void *opaque)
{
	(void)mdev;
	(void)attr;
	(void)text;
	done(opaque, (ssize_t)size, NULL);
	return 0;
}

static const struct medio_mdev_driver driver = { .name = "fuzz",
	.probe = probe,
	.remove = removed,
	.attr_show = attr_show,
	.attr_store = attr_store };

struct medio_managed *medio_managed_of(const struct medio_mdev *mdev)
{
	return medio_mdev_driver(mdev) ? medio_mdev_data(mdev) : NULL;
}

void medio_manager_create(struct medio_manager *m, struct medio_parent *parent,
	const struct medio_type *type, const char *uuid, size_t len,
	const struct medio_creation *how, medio_manager_created *created, void *opaque)
{
	struct medio_error *err = NULL;
	struct medio_mdev *mdev = NULL;

	(void)m;
	creating = how;
	int ret = medio_mdev_create(parent, type, uuid, len, NULL, &mdev, &err);
	creating = NULL;
	created(opaque, ret ? NULL : mdev, ret, err ? medio_error_text(err) : NULL);
	medio_error_free(err);
}

void medio_manager_remove(struct medio_manager *m, struct medio_mdev *mdev,
	const struct medio_who *who, bool now, medio_mdev_done *done, void *opaque)
{
	(void)m;
	(void)who;
	(void)now;
	done(opaque, medio_mdev_remove(mdev, NULL, NULL));
}

static void end_later(medio_mdev_done *done, void *opaque)
{
	if (pending) {
		done(opaque, -EAGAIN);
		return;
	}
	pending = done;
	pending_opaque = opaque;
}

static bool answer_pending(void)
{
	medio_mdev_done *done = pending;

	pending = NULL;
	if (done)
		done(pending_opaque, 0);
	return done;
}

void medio_managed_set_param(struct medio_managed *inst, const char *name, const char *value,
	medio_mdev_done *done, void *opaque)
{
	medio_strv_assign(&inst->params, name, value);
	end_later(done, opaque);
}

void medio_managed_set_filters(struct medio_managed *inst, const char *const *filters,
	unsigned nfilters, medio_mdev_done *done, void *opaque)
{
	medio_strv_copy(&inst->filters, filters, nfilters);
	end_later(done, opaque);
}

int medio_managed_set_owner(struct medio_managed *inst, uid_t uid, gid_t gid)
{
	inst->uid = uid;
	inst->gid = gid;
	return 0;
}

int medio_managed_set_mode(struct medio_managed *inst, mode_t mode)
{
	inst->mode = mode;
	return 0;
}

int medio_managed_set_restart(struct medio_managed *inst, enum medio_restart restart)
{
	inst->restart = restart;
	return 0;
}

int medio_managed_ask_attr(struct medio_managed *inst, const char *name, const char *text,
	size_t size, medio_mdev_attr_done *done, void *opaque)
{
	(void)inst;
	(void)name;
	if (text)
		done(opaque, (ssize_t)size, NULL);
	else
		done(opaque, 2, "1\n");
	return 0;
}

void medio_functions_set(
	struct medio_managed *inst, unsigned num, medio_mdev_done *done, void *opaque)
{
	(void)inst;
	(void)num;
	if (done)
		end_later(done, opaque);
}

int medio_functions_set_autoprobe(struct medio_managed *inst, bool autoprobe)
{
	(void)inst;
	(void)autoprobe;
	return 0;
}

pid_t medio_managed_pid(const struct medio_managed *inst, unsigned *sharing)
{
	(void)inst;
	if (sharing)
		*sharing = 0;
	return 0;
}

pid_t medio_managed_client(const struct medio_managed *inst, uid_t *uid)
{
	(void)inst;
	*uid = 1;
	return 1;
}

const char *medio_managed_state(const struct medio_managed *inst)
{
	(void)inst;
	return "running";
}

/* ---- What there is ----------------------------------------------------------------------------- */

struct state {
	char *port0;
	uint64_t size;
};

static ssize_t show(struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	(void)dev;
	(void)attr;
	(void)buf;
	(void)size;
	return -EIO;
}

static int store(struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	(void)dev;
	(void)attr;
	(void)buf;
	(void)size;
	return -EIO;
}

static const struct medio_param params[] = {
	{ "port0", MEDIO_PARAM_STRING, offsetof(struct state, port0), "echo", "" },
	{ "size", MEDIO_PARAM_SIZE, offsetof(struct state, size), "64K", "", 1024, 1 << 20 },
	{ NULL },
};
static const struct medio_attr attrs[] = {
	{ "alpha", show, store },
	{ NULL },
};
static const struct medio_type type = { .name = "mtty-1",
	.summary = "One port",
	.params = params,
	.attrs = attrs,
	.state_size = sizeof(struct state) };
static const struct medio_type *const types[] = { &type, NULL };
static const struct medio_parent_desc mtty = { .name = "mtty", .types = types, .capacity = 4 };

static int reload(void *opaque, struct medio_error **err)
{
	(void)opaque;
	(void)err;
	return 0;
}

static struct medio_control *begin(void)
{
	static char runtime[] = "/nowhere", definitions[] = "/dev/null/definitions";
	struct medio_control_options opts = { .reload = reload };
	struct medio_parent *parent;
	struct medio_control *control;
	const struct sockaddr anywhere = { .sa_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	manager = (struct medio_manager){ .places = { runtime, definitions, NULL },
		.policy = { 0, 100 } };
	medio_list_init(&manager.parents);
	/* Connections are given; this one only has to be there. */
	opts.fd = listener;
	if (bind(listener, &anywhere, sizeof(anywhere.sa_family)) || listen(listener, 1) ||
		medio_loop_new(&manager.loop) || medio_bus_new(&manager.bus) ||
		medio_mdev_driver_register(manager.bus, &driver, NULL, NULL) ||
		medio_parent_register(manager.bus, &mtty, &driver, &parent, NULL) ||
		medio_control_new(&manager, &opts, &control, NULL))
		abort();
	return control;
}

/* ---- One input --------------------------------------------------------------------------------- */

struct answers {
	struct medio_lines in;
	unsigned count; /* that are no events */
};

static void take_answers(struct answers *answers, int fd)
{
	char *line, *space;
	size_t room, len;
	ssize_t n;

	do {
		while (medio_lines_next(&answers->in, &line, &len) == 1) {
			struct json_object *object = json_tokener_parse(line);
			if (!json_object_is_type(object, json_type_object))
				abort();
			answers->count += json_object_object_get_ex(object, "ok", NULL);
			json_object_put(object);
		}
		space = medio_lines_space(&answers->in, &room);
		n = recv(fd, space, room, MSG_DONTWAIT);
		if (n > 0)
			medio_lines_received(&answers->in, (size_t)n);
	} while (n > 0);
}

static void settle(struct answers *answers, int fd)
{
	do {
		while (medio_loop_run_once(manager.loop, 0) > 0)
			take_answers(answers, fd);
	} while (answer_pending());
	take_answers(answers, fd);
}

/* The first byte says who it is, and in what pieces it comes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answers answers = { .in.max = 1 << 24 };
	unsigned lines = 0;
	int socks[2];

	if (!size || size > 65536)
		return 0;
	size_t piece = data[0] >> 2 ? data[0] >> 2 : 65536;
	const struct medio_who who = { .uid = data[0] & 1 ? 1000 : 0,
		.gid = data[0] & 2 ? 100 : 1000 };
	struct medio_control *control = begin();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, socks) ||
		medio_control_take(control, socks[0], &who))
		abort();
	for (size_t at = 1; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		if (send(socks[1], data + at, n, MSG_NOSIGNAL) != (ssize_t)n)
			abort();
		settle(&answers, socks[1]);
	}
	for (size_t i = 1; i < size; i++)
		lines += data[i] == '\n';
	if (answers.count != lines)
		abort();
	close(socks[1]);
	settle(&answers, -1);
	medio_control_free(control);
	medio_bus_free(manager.bus);
	medio_loop_free(manager.loop);
	medio_lines_free(&answers.in);
	return 0;
}
