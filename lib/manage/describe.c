/* SPDX-License-Identifier: BSD-3-Clause */
/* Instances, their counters, events. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "manage/describe.h"
#include "manage/functions.h"
#include "util/cleanup.h"

static void add_string(struct json_object *to, const char *key, const char *value)
{
	json_object_object_add(to, key, value ? json_object_new_string(value) : NULL);
}

static void add_int(struct json_object *to, const char *key, int64_t value)
{
	json_object_object_add(to, key, json_object_new_int64(value));
}

static void add_count(struct json_object *to, const char *key, uint64_t value)
{
	json_object_object_add(to, key, json_object_new_uint64(value));
}

/* A number with microseconds, written as such: printing a double would make up more digits. */
struct json_object *medio_describe_time(const struct timespec *time)
{
	char text[40];

	snprintf(text, sizeof(text), "%lld.%06ld", (long long)time->tv_sec, time->tv_nsec / 1000);
	return json_object_new_double_s((double)time->tv_sec + (double)time->tv_nsec / 1e9, text);
}

static void add_now(struct json_object *to)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	json_object_object_add(to, "time", medio_describe_time(&now));
}

static struct json_object *strings(const char *const *items, unsigned count)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < count; i++)
		json_object_array_add(list, json_object_new_string(items[i]));
	return list;
}

/* ---- Instances --------------------------------------------------------------------------------- */

static void add_owner(struct json_object *to, uid_t uid, gid_t gid)
{
	struct json_object *owner = json_object_new_object();

	add_int(owner, "uid", uid);
	add_int(owner, "gid", gid);
	json_object_object_add(to, "owner", owner);
}

static void add_client(struct json_object *to, const struct medio_managed *inst)
{
	struct json_object *client = NULL;
	uid_t uid = 0;
	pid_t pid = medio_managed_client(inst, &uid);

	if (pid) {
		client = json_object_new_object();
		add_int(client, "pid", pid);
		add_int(client, "uid", uid);
	}
	json_object_object_add(to, "client", client);
}

static void add_socket(struct json_object *to, const char *socket)
{
	_cleanup_free_ char *device = socket ? medio_describe_qemu(socket) : NULL;

	add_string(to, "socket", socket);
	add_string(to, "qemu_device", device);
}

static void add_managed(struct json_object *to, const struct medio_managed *inst)
{
	unsigned sharing = 0;
	pid_t pid = medio_managed_pid(inst, &sharing);

	add_string(to, "state", medio_managed_state(inst));
	add_string(to, "trouble", inst->trouble);
	add_owner(to, inst->uid, inst->gid);
	add_socket(to, inst->socket);
	add_int(to, "pid", pid);
	add_int(to, "sharing", sharing);
	add_string(to, "restart", medio_restart_names[inst->restart]);
	add_int(to, "restarts", inst->restarts);
	json_object_object_add(to, "created", medio_describe_time(&inst->created));
	json_object_object_add(
		to, "params", strings(medio_strv_items(&inst->params), inst->params.count));
	json_object_object_add(
		to, "filters", strings(medio_strv_items(&inst->filters), inst->filters.count));
	add_client(to, inst);
}

static void add_sriov(struct json_object *to, const struct medio_mdev *mdev)
{
	const struct medio_managed *inst = medio_managed_of(mdev);
	const struct medio_functions *vfs = medio_functions_of(inst);
	const struct medio_mdev *pf = medio_mdev_pf(mdev);
	char name[96];

	if (pf) {
		add_string(to, "pf", medio_mdev_uuid(pf));
		add_int(to, "vf", medio_mdev_vf_index(mdev));
	}
	if (!vfs)
		return;
	if (medio_functions_name(mdev, name, sizeof(name)))
		add_string(to, "name", name);
	add_int(to, "totalvfs", vfs->total);
	add_int(to, "numvfs", medio_functions_num(inst));
}

struct json_object *medio_describe_mdev(const struct medio_mdev *mdev)
{
	const struct medio_managed *inst = medio_managed_of(mdev);
	struct json_object *object = json_object_new_object();

	if (!object)
		return NULL;
	add_string(object, "uuid", medio_mdev_uuid(mdev));
	add_string(object, "parent", medio_parent_desc(medio_mdev_parent(mdev))->name);
	add_string(object, "type", medio_mdev_type(mdev)->name);
	add_int(object, "group", medio_mdev_group(mdev));
	add_sriov(object, mdev);
	if (inst)
		add_managed(object, inst);
	else
		add_string(object, "state", medio_mdev_state_name(medio_mdev_state(mdev)));
	return object;
}

/* ---- Counters ---------------------------------------------------------------------------------- */

static void add_stats(struct json_object *to, const struct medio_stats *stats)
{
	/* A worker writes them while we read: each is one load. */
	static const struct {
		const char *name;
		size_t offset;
	} counters[] = {
#define COUNTER(name_) { #name_, offsetof(struct medio_stats, name_) }
		COUNTER(messages),
		COUNTER(reads),
		COUNTER(writes),
		COUNTER(irqs),
		COUNTER(dma_read),
		COUNTER(dma_written),
		COUNTER(faults),
		COUNTER(errors),
		COUNTER(clients),
		COUNTER(connected),
#undef COUNTER
	};

	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(counters); i++) {
		const uint64_t *at = (const uint64_t *)((const char *)stats + counters[i].offset);
		add_count(to, counters[i].name, __atomic_load_n(at, __ATOMIC_RELAXED));
	}
}

struct json_object *medio_describe_stats(const struct medio_mdev *mdev, struct medio_usage *last)
{
	static const struct medio_stats none = { 0 };
	const struct medio_managed *inst = medio_managed_of(mdev);
	struct json_object *object = json_object_new_object();
	struct medio_usage usage = { 0 };
	unsigned sharing = 0;
	pid_t pid = inst ? medio_managed_pid(inst, &sharing) : 0;

	if (!object)
		return NULL;
	if (pid && last->pid != pid && medio_usage_read(pid, last))
		*last = (struct medio_usage){ 0 };
	if (pid && last->pid == pid)
		usage = *last;
	add_string(object, "uuid", medio_mdev_uuid(mdev));
	add_stats(object, inst && inst->stats ? inst->stats : &none);
	add_count(object, "cpu_ns", usage.cpu_ns);
	add_count(object, "rss", usage.rss);
	add_int(object, "pid", pid);
	add_int(object, "sharing", sharing);
	return object;
}

/* ---- Events ------------------------------------------------------------------------------------ */

/* "KEY=value", or NULL. */
static struct json_object *describe_env(const char *env)
{
	struct json_object *object = json_object_new_object();
	const char *value = env ? strchr(env, '=') : NULL;

	if (value) {
		_cleanup_free_ char *key = strndup(env, (size_t)(value - env));
		if (key)
			add_string(object, key, value + 1);
	}
	return object;
}

struct json_object *medio_describe_event(const struct medio_mdev_event *event)
{
	struct json_object *object = json_object_new_object();

	if (!object)
		return NULL;
	add_string(object, "action", medio_mdev_action_name(event->action));
	add_string(object, "path", event->path);
	add_string(object, "subsystem", event->subsystem);
	add_string(object, "driver", event->driver);
	json_object_object_add(object, "env", describe_env(event->env));
	add_string(object, "uuid", event->mdev ? medio_mdev_uuid(event->mdev) : NULL);
	add_string(object, "parent", medio_parent_desc(event->parent)->name);
	add_string(object, "type", event->mdev ? medio_mdev_type(event->mdev)->name : NULL);
	add_now(object);
	return object;
}
