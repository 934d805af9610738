/* SPDX-License-Identifier: BSD-3-Clause */
/* The attributes that mediod adds to an instance, "medio/…". A store's text has no newline at its end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manage/attrs.h"
#include "manage/describe.h"
#include "manage/user.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/nearest.h"

/* snprintf's result as show gives it. */
static ssize_t fits(int len, size_t size)
{
	return len >= 0 && (size_t)len < size ? len : -ENOBUFS;
}

/* The end of a store that failed, its words logged and freed. */
static void fail(struct medio_managed *inst, const char *name, struct medio_error *err, int ret,
	medio_mdev_done *done, void *opaque)
{
	medio_manager_log(inst->manager, MEDIO_LOG_WARN, "%s: cannot write %s: %s",
		medio_mdev_uuid(inst->mdev), name, medio_error_text(err));
	medio_error_free(err);
	done(opaque, ret);
}

static ssize_t show_client(struct medio_managed *inst, char *buf, size_t size)
{
	uid_t uid;
	pid_t pid = medio_managed_client(inst, &uid);

	if (!pid)
		return fits(snprintf(buf, size, "\n"), size);
	return fits(snprintf(buf, size, "%d %u\n", (int)pid, (unsigned)uid), size);
}

/* ---- Filters ----------------------------------------------------------------------------------- */

static ssize_t show_filters(struct medio_managed *inst, char *buf, size_t size)
{
	size_t len = 0;

	for (unsigned i = 0; i < inst->filters.count; i++) {
		ssize_t n = fits(snprintf(buf + len, size - len, "%s\n", inst->filters.items[i]),
			size - len);
		if (n < 0)
			return n;
		len += (size_t)n;
	}
	return len ? (ssize_t)len : fits(snprintf(buf, size, "\n"), size);
}

static void store_filters(struct medio_managed *inst, const char *text, size_t size,
	medio_mdev_done *done, void *opaque)
{
	_cleanup_free_ char *copy = strndup(text, size);
	struct medio_strv filters = { 0 };
	char *rest = copy, *line;
	int ret = copy ? 0 : -ENOMEM;

	while (!ret && (line = strsep(&rest, "\n")))
		ret = *line ? medio_strv_add(&filters, line) : 0;
	if (ret)
		done(opaque, ret);
	else
		medio_managed_set_filters(
			inst, medio_strv_items(&filters), filters.count, done, opaque);
	medio_strv_free(&filters);
}

/* ---- Who ---------------------------------------------------------------------------------------- */

static ssize_t show_mode(struct medio_managed *inst, char *buf, size_t size)
{
	return fits(snprintf(buf, size, "%04o\n", (unsigned)inst->mode), size);
}

static void store_mode(struct medio_managed *inst, const char *text, size_t size,
	medio_mdev_done *done, void *opaque)
{
	struct medio_error *err = NULL;
	mode_t mode = 0;

	for (size_t i = 0; i < size && i < 5; i++)
		mode = mode * 8 + (mode_t)(text[i] - '0');
	if (!size || size > 4 || strspn(text, "01234567") != size || mode > 0777) {
		int ret = medio_error_set(&err, EINVAL, "a mode is octal, 0000 to 0777");
		fail(inst, "medio/mode", err, ret, done, opaque);
		return;
	}
	done(opaque, medio_managed_set_mode(inst, mode));
}

static ssize_t show_owner(struct medio_managed *inst, char *buf, size_t size)
{
	return fits(snprintf(buf, size, "%u:%u\n", (unsigned)inst->uid, (unsigned)inst->gid), size);
}

static void store_owner(struct medio_managed *inst, const char *text, size_t size,
	medio_mdev_done *done, void *opaque)
{
	struct medio_error *err = NULL;
	uid_t uid;
	gid_t gid;

	(void)size;
	int ret = medio_user_find_owner(text, &uid, &gid, &err);
	if (ret)
		fail(inst, "medio/owner", err, ret, done, opaque);
	else
		done(opaque, medio_managed_set_owner(inst, uid, gid));
}

/* ---- The worker ---------------------------------------------------------------------------------- */

/* Without one an empty line: a 0 would be a dangerous argument for kill(1). */
static ssize_t show_pid(struct medio_managed *inst, char *buf, size_t size)
{
	pid_t pid = medio_managed_pid(inst, NULL);

	return fits(pid ? snprintf(buf, size, "%d\n", (int)pid) : snprintf(buf, size, "\n"), size);
}

static ssize_t show_restart(struct medio_managed *inst, char *buf, size_t size)
{
	return fits(snprintf(buf, size, "%s\n", medio_restart_names[inst->restart]), size);
}

static void store_restart(struct medio_managed *inst, const char *text, size_t size,
	medio_mdev_done *done, void *opaque)
{
	struct medio_error *err = NULL;
	unsigned count = 0;

	(void)size;
	for (; medio_restart_names[count]; count++) {
		if (!strcmp(medio_restart_names[count], text)) {
			done(opaque, medio_managed_set_restart(inst, (enum medio_restart)count));
			return;
		}
	}
	int ret = medio_unknown(&err, "restart policy", text, medio_restart_names, count);
	fail(inst, "medio/restart", err, ret, done, opaque);
}

static ssize_t show_state(struct medio_managed *inst, char *buf, size_t size)
{
	return fits(snprintf(buf, size, "%s\n%s%s", medio_managed_state(inst),
			    inst->trouble ? inst->trouble : "", inst->trouble ? "\n" : ""),
		size);
}

/* ---- The socket ---------------------------------------------------------------------------------- */

static ssize_t show_qemu_device(struct medio_managed *inst, char *buf, size_t size)
{
	_cleanup_free_ char *text = medio_describe_qemu(inst->socket);

	return text ? fits(snprintf(buf, size, "%s\n", text), size) : -ENOMEM;
}

static ssize_t show_socket(struct medio_managed *inst, char *buf, size_t size)
{
	return fits(snprintf(buf, size, "%s\n", inst->socket), size);
}

const struct medio_managed_attr medio_managed_attrs[] = {
	{ "medio/client", show_client, NULL },
	{ "medio/filters", show_filters, store_filters },
	{ "medio/mode", show_mode, store_mode },
	{ "medio/owner", show_owner, store_owner },
	{ "medio/pid", show_pid, NULL },
	{ "medio/qemu_device", show_qemu_device, NULL },
	{ "medio/restart", show_restart, store_restart },
	{ "medio/socket", show_socket, NULL },
	{ "medio/state", show_state, NULL },
	{ NULL },
};
