/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A manager without workers: the functions of lib/manage that start processes, as fakes on a real bus.
 * What is asked of them and every log line goes into one log.
 */
#ifndef TEST_MANAGE_FAKE_H
#define TEST_MANAGE_FAKE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "manage/functions.h"
#include "manage/managed.h"
#include "util/error.h"

struct fake {
	struct medio_manager manager;
	const struct medio_creation *creating;
	/* How stores end: 0 at once, -errno, or MEDIO_DEFERRED: later, by fake_answer(). */
	int store_ret;
	medio_mdev_done *done;
	medio_mdev_attr_done *attr_done;
	void *opaque;
	char log[2048];
};

extern struct fake *fake;
struct fake *fake;

__attribute__((format(printf, 1, 2))) static inline void fake_log(const char *fmt, ...)
{
	size_t len = strlen(fake->log);
	va_list ap;

	va_start(ap, fmt);
	if (len)
		fake->log[len++] = '|';
	vsnprintf(fake->log + len, sizeof(fake->log) - len, fmt, ap);
	va_end(ap);
}

/* The log since the last look is exactly this. */
#define assert_log(text) \
	do { \
		assert_string_equal(fake->log, text); \
		fake->log[0] = '\0'; \
	} while (0)

/* It has this in it, and is then empty. */
#define assert_logged(text) \
	do { \
		if (!strstr(fake->log, text)) \
			fail_msg("'%s' is not in '%s'", text, fake->log); \
		fake->log[0] = '\0'; \
	} while (0)

void medio_manager_log(
	struct medio_manager *manager, enum medio_log_level level, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	(void)manager;
	(void)level;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fake_log("%s", line);
}

/* ---- The driver -------------------------------------------------------------------------------- */

const char *const medio_restart_names[] = { "never", "reset", "restore", NULL };

static inline int fake_probe(struct medio_mdev *mdev)
{
	struct medio_managed *inst = calloc(1, sizeof(*inst));
	const struct medio_creation *how = fake->creating;

	inst->manager = &fake->manager;
	inst->mdev = mdev;
	inst->mode = 0600;
	inst->restart = MEDIO_RESTART_RESET;
	inst->socket = strdup("/run/x/vfio-user.sock");
	if (how) {
		inst->uid = how->who.uid;
		inst->gid = how->who.gid;
		medio_strv_copy(&inst->params, how->params, how->nparams);
		medio_strv_copy(&inst->filters, how->filters, how->nfilters);
		if (how->restart >= 0)
			inst->restart = (enum medio_restart)how->restart;
	}
	medio_mdev_set_data(mdev, inst);
	return 0;
}

static inline void fake_remove(struct medio_mdev *mdev)
{
	struct medio_managed *inst = medio_mdev_data(mdev);

	medio_strv_free(&inst->params);
	medio_strv_free(&inst->filters);
	free(inst->socket);
	free(inst->trouble);
	free(inst->vfs);
	free(inst);
}

static inline void fake_request(struct medio_mdev *mdev, unsigned count)
{
	fake_log("request:%u %s", count, medio_parent_desc(medio_mdev_parent(mdev))->name);
}

static inline int fake_attr_show(struct medio_mdev *mdev, const struct medio_attr *attr,
	medio_mdev_attr_done *done, void *opaque)
{
	(void)mdev;
	(void)attr;
	done(opaque, 6, "hello\n");
	return 0;
}

static inline int fake_attr_store(struct medio_mdev *mdev, const struct medio_attr *attr,
	const char *text, size_t size, medio_mdev_attr_done *done, void *opaque)
{
	(void)mdev;
	fake_log("store:%s=%.*s", attr->name, (int)size, text);
	if (fake->store_ret == MEDIO_DEFERRED) {
		fake->attr_done = done;
		fake->opaque = opaque;
		return 0;
	}
	if (fake->store_ret < 0)
		return fake->store_ret;
	done(opaque, (ssize_t)size, NULL);
	return 0;
}

const struct medio_mdev_driver medio_mdev_worker = {
	.name = "medio-worker",
	.probe = fake_probe,
	.remove = fake_remove,
	.request = fake_request,
	.attr_show = fake_attr_show,
	.attr_store = fake_attr_store,
};

struct medio_managed *medio_managed_of(const struct medio_mdev *mdev)
{
	return medio_mdev_driver(mdev) == &medio_mdev_worker ? medio_mdev_data(mdev) : NULL;
}

/* Of a filter: as if the worker had answered. */
int medio_managed_ask_attr(struct medio_managed *inst, const char *name, const char *text,
	size_t size, medio_mdev_attr_done *done, void *opaque)
{
	(void)inst;
	fake_log("%s:%s=%.*s", text ? "ask-store" : "ask", name, (int)size, text ? text : "");
	if (text)
		done(opaque, (ssize_t)size, NULL);
	else
		done(opaque, 5, "told\n");
	return 0;
}

/* ---- Virtual functions ------------------------------------------------------------------------- */

void medio_functions_set(
	struct medio_managed *inst, unsigned num, medio_mdev_done *done, void *opaque)
{
	fake_log("numvfs:%u", num);
	if (!fake->store_ret)
		inst->vfs->wanted = num;
	if (done)
		done(opaque, fake->store_ret);
}

int medio_functions_set_autoprobe(struct medio_managed *inst, bool autoprobe)
{
	inst->vfs->leave_unbound = !autoprobe;
	return 0;
}

/* ---- What the manager does --------------------------------------------------------------------- */

void medio_manager_create(struct medio_manager *m, struct medio_parent *parent,
	const struct medio_type *type, const char *uuid, size_t len,
	const struct medio_creation *how, medio_manager_created *created, void *opaque)
{
	struct medio_error *err = NULL;
	struct medio_mdev *mdev = NULL;

	(void)m;
	fake_log("create:%u:%u%s", (unsigned)how->who.uid, (unsigned)how->who.gid,
		how->permitted ? ":permitted" : "");
	fake->creating = how;
	int ret = medio_mdev_create(parent, type, uuid, len, NULL, &mdev, &err);
	fake->creating = NULL;
	created(opaque, ret ? NULL : mdev, ret, err ? medio_error_text(err) : NULL);
	medio_error_free(err);
}

void medio_manager_remove(struct medio_manager *m, struct medio_mdev *mdev,
	const struct medio_who *who, bool now, medio_mdev_done *done, void *opaque)
{
	(void)m;
	(void)who;
	fake_log("remove%s", now ? ":now" : "");
	done(opaque, medio_mdev_remove(mdev, NULL, NULL));
}

static inline void fake_end_store(medio_mdev_done *done, void *opaque)
{
	if (fake->store_ret == MEDIO_DEFERRED) {
		fake->done = done;
		fake->opaque = opaque;
	} else {
		done(opaque, fake->store_ret);
	}
}

/* The end of a store that was deferred. */
static inline void fake_answer(int ret)
{
	medio_mdev_done *done = fake->done;
	medio_mdev_attr_done *attr_done = fake->attr_done;

	fake->done = NULL;
	fake->attr_done = NULL;
	assert_true(done || attr_done);
	if (done)
		done(fake->opaque, ret);
	else
		attr_done(fake->opaque, ret, NULL);
}

void medio_managed_set_param(struct medio_managed *inst, const char *name, const char *value,
	medio_mdev_done *done, void *opaque)
{
	fake_log("param:%s=%s", name, value);
	medio_strv_assign(&inst->params, name, value);
	fake_end_store(done, opaque);
}

void medio_managed_set_filters(struct medio_managed *inst, const char *const *filters,
	unsigned nfilters, medio_mdev_done *done, void *opaque)
{
	fake_log("filters:%u", nfilters);
	medio_strv_copy(&inst->filters, filters, nfilters);
	fake_end_store(done, opaque);
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

pid_t medio_managed_pid(const struct medio_managed *inst, unsigned *sharing)
{
	(void)sharing;
	return inst->process ? 4711 : 0;
}

pid_t medio_managed_client(const struct medio_managed *inst, uid_t *uid)
{
	*uid = 1000;
	return inst->num_clients ? 99 : 0;
}

const char *medio_managed_state(const struct medio_managed *inst)
{
	return inst->trouble ? "dead" : "running";
}

/* ---- Types ------------------------------------------------------------------------------------- */

struct fake_state {
	bool flag;
	uint64_t size;
	char *port0, *file;
	int mode;
};

static ssize_t fake_show(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	(void)dev;
	(void)attr;
	(void)buf;
	(void)size;
	return -EIO;
}

static int fake_store(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	(void)dev;
	(void)attr;
	(void)buf;
	(void)size;
	return -EIO;
}

static const char *const fake_modes[] = { "echo", "pty", NULL };
static const struct medio_param fake_params[] = {
	{ "port0", MEDIO_PARAM_STRING, offsetof(struct fake_state, port0), "echo", "" },
	{ "flag", MEDIO_PARAM_BOOL, offsetof(struct fake_state, flag), NULL, "" },
	{ "size", MEDIO_PARAM_SIZE, offsetof(struct fake_state, size), "64K", "", 1024, 1 << 20 },
	{ "file", MEDIO_PARAM_STRING, offsetof(struct fake_state, file), NULL, "" },
	{ "mode", MEDIO_PARAM_CHOICE, offsetof(struct fake_state, mode), "pty", "", 0, 0,
		fake_modes },
	{ NULL },
};
static const struct medio_attr fake_attrs[] = {
	{ "vendor/sample", fake_show, fake_store },
	{ "alpha", fake_show, NULL },
	{ "medio/state", fake_show, fake_store }, /* not to be reached: mediod's comes first */
	{ NULL },
};
static const struct medio_type fake_one = { .name = "mtty-1", .summary = "One port" };
static const struct medio_type fake_two = {
	.name = "mtty-2",
	.summary = "Two ports",
	.units = 2,
	.params = fake_params,
	.attrs = fake_attrs,
};
static const struct medio_type *const fake_types[] = { &fake_one, &fake_two, NULL };

/* ---- Set-up ------------------------------------------------------------------------------------ */

static inline int fake_setup(void **state)
{
	(void)state;
	fake = calloc(1, sizeof(*fake));
	assert_int_equal(medio_bus_new(&fake->manager.bus), 0);
	medio_list_init(&fake->manager.parents);
	fake->manager.policy.group = (gid_t)-1;
	assert_int_equal(
		medio_mdev_driver_register(fake->manager.bus, &medio_mdev_worker, fake, NULL), 0);
	return 0;
}

static inline int fake_teardown(void **state)
{
	(void)state;
	medio_bus_free(fake->manager.bus);
	free(fake);
	fake = NULL;
	return 0;
}

#define FAKE_UUID "c2e088ba-954f-11ec-a584-525400666f2b"

/* A parent that medio_parents_set() did not make. */
static const struct medio_parent_desc fake_mtty = {
	.name = "mtty", .types = fake_types, .capacity = 24
};

static inline struct medio_parent *fake_parent(void)
{
	struct medio_parent *parent;

	assert_int_equal(medio_parent_register(
				 fake->manager.bus, &fake_mtty, &medio_mdev_worker, &parent, NULL),
		0);
	return parent;
}

/* err has these words in it; frees it. */
#define assert_words(err, text) \
	do { \
		assert_non_null(err); \
		if (!strstr(medio_error_text(err), text)) \
			fail_msg("'%s' is not in '%s'", text, medio_error_text(err)); \
		medio_error_free(err); \
		err = NULL; \
	} while (0)

#define WITH_FAKE(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

#endif
