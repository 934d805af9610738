/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a former mediod left: records of instances, and workers that run them. Each record becomes an
 * instance again; it is there when its worker has told of it, or, if that has gone, is started again.
 * Neither side is believed without the other: a worker may be in the hands of a guest, and gets back
 * only what the record says was its own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "manage/client.h"
#include "manage/functions.h"
#include "manage/record.h"
#include "manage/run.h"
#include "util/cleanup.h"
#include "util/error.h"

/* ---- What lies there -------------------------------------------------------------------------------- */

struct found {
	struct medio_record *records;
	size_t nrecords;
	struct medio_process **processes; /* sorted by name */
	size_t nprocesses;
};

static void found_free(struct found *found)
{
	for (size_t i = 0; i < found->nrecords; i++)
		medio_record_free(&found->records[i]);
	free(found->records);
	free(found->processes);
}

/* One more of size bytes in a vector whose capacity is the next power of two. NULL: out of memory. */
static void *grow(void **vector, size_t count, size_t size)
{
	if ((count & (count - 1)) == 0) {
		void *larger = reallocarray(*vector, count ? count * 2 : 1, size);
		if (!larger)
			return NULL;
		*vector = larger;
	}
	return (char *)*vector + count * size;
}

static bool is_uuid(const char *name)
{
	uint8_t uuid[MEDIO_UUID_SIZE];
	char text[MEDIO_UUID_TEXT];

	if (strlen(name) != MEDIO_UUID_TEXT - 1 || medio_uuid_parse(name, strlen(name), uuid))
		return false;
	medio_uuid_format(uuid, text);
	return !strcmp(text, name);
}

/* It says something about us and not about what we look at: another try may find it. */
static bool is_want(int ret)
{
	return ret == -ENOMEM || ret == -EMFILE || ret == -ENFILE || ret == -ENOBUFS;
}

static int read_record(
	struct medio_manager *m, const char *uuid, struct found *found, struct medio_error **out)
{
	struct medio_record *record = grow(
		(void **)&found->records, found->nrecords, sizeof(*found->records));
	struct medio_error *err = NULL;
	char folder[PATH_MAX];

	if (!record)
		return medio_error_set(out, ENOMEM, "out of memory");
	snprintf(folder, sizeof(folder), "%s/%s", m->places.runtime, uuid);
	int ret = medio_record_load(folder, record, &err);
	if (!ret && strcmp(record->uuid, uuid) != 0) {
		ret = medio_error_set(&err, EINVAL, "%s has the record of another", folder);
		medio_record_free(record);
	}
	if (!ret) {
		found->nrecords++;
		return 0;
	}
	if (is_want(ret) || ret == -EIO) {
		medio_error_free(*out);
		*out = err;
		return ret;
	}
	/* One that was just being made, or removed, has none. */
	medio_manager_log(m, ret == -ENOENT ? MEDIO_LOG_INFO : MEDIO_LOG_WARN,
		"%s is no instance, and goes: %s", uuid, medio_error_text(err));
	medio_error_free(err);
	medio_managed_remove_folder(m, uuid);
	return 0;
}

static int by_age(const void *a, const void *b)
{
	const struct medio_record *x = a, *y = b;

	/* Cards before their virtual functions. */
	if (!*x->pf != !*y->pf)
		return *x->pf ? 1 : -1;
	return x->created_ns < y->created_ns ? -1 : x->created_ns > y->created_ns;
}

static int read_records(struct medio_manager *m, struct found *found, struct medio_error **err)
{
	DIR *dir = opendir(m->places.runtime);
	struct dirent *entry;
	int ret = 0;

	if (!dir)
		return medio_error_set(err, errno, "%s: %s", m->places.runtime, strerror(errno));
	while (!ret && (entry = readdir(dir))) {
		if (is_uuid(entry->d_name))
			ret = read_record(m, entry->d_name, found, err);
	}
	closedir(dir);
	if (found->nrecords)
		qsort(found->records, found->nrecords, sizeof(*found->records), by_age);
	return ret;
}

static int meet(
	struct medio_manager *m, const char *name, struct found *found, struct medio_error **out)
{
	struct medio_process **slot = grow(
		(void **)&found->processes, found->nprocesses, sizeof(struct medio_process *));
	struct medio_error *err = NULL;
	char path[PATH_MAX];

	if (!slot)
		return medio_error_set(out, ENOMEM, "out of memory");
	int ret = medio_process_meet(m->workers, name, slot, &err);
	if (!ret) {
		found->nprocesses++;
		return 0;
	}
	if (is_want(ret)) {
		*out = err;
		return ret;
	}
	snprintf(path, sizeof(path), "%s/workers/%s", m->places.runtime, name);
	if (ret == -ECONNREFUSED || ret == -EPROTOTYPE) /* nobody, nobody of ours */
		unlink(path);
	else
		medio_manager_log(m, MEDIO_LOG_WARN, "%s", medio_error_text(err));
	medio_error_free(err);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct medio_process *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static int meet_all(struct medio_manager *m, struct found *found, struct medio_error **err)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int ret = 0;

	snprintf(path, sizeof(path), "%s/workers", m->places.runtime);
	DIR *dir = opendir(path);
	if (!dir)
		return medio_error_set(err, errno, "%s: %s", path, strerror(errno));
	while (!ret && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			ret = meet(m, entry->d_name, found, err);
	}
	closedir(dir);
	if (found->nprocesses)
		qsort(found->processes, found->nprocesses, sizeof(struct medio_process *), by_name);
	return ret;
}

#define FILES_OURS 64 /* descriptors of mediod itself, spares among them */

/*
 * A worker that hands over more than we may have open would have to be killed. The one before us had
 * room; so it is a setting that is wrong.
 */
static int check_room(const struct found *found, struct medio_error **err)
{
	/* A listener, a client, perhaps a checkpoint; a connection and a pidfd. */
	uint64_t needed = 3 * found->nrecords + 2 * found->nprocesses + FILES_OURS;
	struct rlimit limit;

	if (!found->nrecords || getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= needed)
		return 0;
	return medio_error_set(err, EMFILE,
		"%zu instances of a former mediod need %llu open files, and the limit is %llu: raise "
		"it (ulimit -n, LimitNOFILE=) and start again; they go on meanwhile",
		found->nrecords, (unsigned long long)needed, (unsigned long long)limit.rlim_cur);
}

static struct medio_process *find_process(const struct found *found, const char *name)
{
	struct medio_process key, *at = &key;

	if (!name || !found->nprocesses || strlen(name) >= sizeof(key.name))
		return NULL;
	snprintf(key.name, sizeof(key.name), "%s", name);
	struct medio_process **process = bsearch(
		&at, found->processes, found->nprocesses, sizeof(struct medio_process *), by_name);
	return process ? *process : NULL;
}

/* ---- Instances again ---------------------------------------------------------------------------------- */

static int create_again(struct medio_manager *m, const struct medio_record *record,
	const struct found *found, struct medio_error **err)
{
	struct medio_adoption adoption = {
		.record = record,
		.process = find_process(found, record->worker),
	};
	struct medio_creation how = {
		.who = { .uid = record->uid, .gid = record->gid },
		.restart = record->restart,
	};
	struct medio_mdev_options opts = {
		.params = medio_strv_items(&record->params),
		.nparams = record->params.count,
		.filters = medio_strv_items(&record->filters),
		.nfilters = record->filters.count,
		.group = record->group + 1,
		.context = &how,
	};
	struct medio_parent *parent = medio_bus_find_parent(m->bus, record->parent);

	if (!parent || medio_parent_driver(parent) != &medio_mdev_worker)
		return medio_error_set(err, ENODEV, "there is no parent %s", record->parent);
	const struct medio_type *type = medio_parent_find_type(parent, record->type);
	if (*record->pf) {
		opts.pf = medio_bus_find_mdev(m->bus, record->pf, MEDIO_UUID_TEXT - 1);
		opts.vf = record->vf;
		if (!opts.pf)
			return medio_error_set(err, ENODEV, "its card %s is not there", record->pf);
	}
	if (!type)
		return medio_error_set(
			err, ENODEV, "parent %s has no type %s", record->parent, record->type);
	m->workers->adopted = &adoption;
	int ret = medio_mdev_create(
		parent, type, record->uuid, MEDIO_UUID_TEXT - 1, &opts, NULL, err);
	m->workers->adopted = NULL;
	return ret < 0 ? ret : 0;
}

int medio_managed_adopt(struct medio_manager *m, struct medio_error **err)
{
	struct found found = { 0 };
	int count = 0;

	int ret = read_records(m, &found, err);
	if (!ret)
		ret = meet_all(m, &found, err);
	if (!ret)
		ret = check_room(&found, err);
	for (size_t i = 0; !ret && i < found.nrecords; i++) {
		const struct medio_record *record = &found.records[i];
		struct medio_error *why = NULL;
		if (create_again(m, record, &found, &why)) {
			/* What was given cannot be lost by another configuration. */
			medio_manager_log(m, MEDIO_LOG_ERROR,
				"%s is left as it is, with its worker: %s; start mediod with a "
				"parent that has room for it, or remove %s/%s",
				record->uuid, medio_error_text(why), m->places.runtime,
				record->uuid);
			medio_error_free(why);
			continue;
		}
		count++;
	}
	if (!ret && (count || found.nprocesses))
		medio_manager_log(m, MEDIO_LOG_INFO,
			"%d instances and %zu workers of a former mediod", count, found.nprocesses);
	found_free(&found);
	return ret ? ret : count;
}

/* It is an instance, but no worker has it. */
static void alone(struct medio_managed *inst, const char *words)
{
	struct medio_error *err = NULL;

	if (inst->restart != MEDIO_RESTART_NEVER && medio_managed_bind(inst, &err))
		inst->restart = MEDIO_RESTART_NEVER;
	medio_managed_restart(inst, err ? medio_error_text(err) : words);
	medio_error_free(err);
}

int medio_managed_adopt_one(struct medio_managed *inst, const struct medio_adoption *adoption)
{
	const struct medio_record *record = adoption->record;
	struct medio_process *process = adoption->process;

	if (medio_functions_remember(inst, record))
		return -ENOMEM;
	inst->has_folder = true;
	inst->mode = record->mode;
	inst->created.tv_sec = (time_t)(record->created_ns / 1000000000u);
	inst->created.tv_nsec = (long)(record->created_ns % 1000000000u);
	if (process && process->state == MEDIO_PROCESS_ADOPTING) {
		inst->awaited = process;
		medio_list_append(&process->awaited, &inst->awaited_item);
		return MEDIO_DEFERRED;
	}
	inst->probed = true;
	alone(inst, "its worker was gone when mediod came back");
	return 0;
}

void medio_adopt_finish(struct medio_process *process, const char *words)
{
	struct medio_manager *m = process->workers->manager;
	uint8_t uuid[MEDIO_UUID_SIZE];
	char why[300];

	snprintf(why, sizeof(why), "its worker %s", words);
	while (!medio_list_empty(&process->awaited)) {
		struct medio_managed *inst = medio_container_of(
			process->awaited.next, struct medio_managed, awaited_item);
		medio_list_remove(&inst->awaited_item);
		inst->awaited = NULL;
		medio_uuid_parse(medio_mdev_uuid(inst->mdev), MEDIO_UUID_TEXT - 1, uuid);
		medio_managed_probed(inst, 0, NULL);
		if (medio_managed_find(m, uuid) == inst)
			alone(inst, why);
	}
}

/* ---- What a worker tells ------------------------------------------------------------------------------- */

/* Whether fd is the listener of that path, which a worker could not have bound itself. */
static bool is_listener(int fd, const char *path)
{
	struct sockaddr_un addr;
	socklen_t addr_len = sizeof(addr), len = sizeof(int);
	int type = 0, listens = 0;

	memset(&addr, 0, sizeof(addr));
	if (getsockname(fd, (struct sockaddr *)&addr, &addr_len) < 0 ||
		addr.sun_family != AF_UNIX ||
		strncmp(addr.sun_path, path, sizeof(addr.sun_path)) != 0)
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM)
		return false;
	len = sizeof(int);
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens)
		return false;
	return fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) == 0 && !medio_managed_guard(fd);
}

/* One that could not be made an instance again, see medio_managed_adopt(). */
static bool has_record(const struct medio_manager *m, const uint8_t *uuid)
{
	char text[MEDIO_UUID_TEXT], path[PATH_MAX];

	medio_uuid_format(uuid, text);
	snprintf(path, sizeof(path), "%s/%s/instance.json", m->places.runtime, text);
	return access(path, F_OK) == 0;
}

static bool on_instance(struct medio_process *process, struct medio_wire_msg *msg)
{
	struct medio_managed *inst = medio_managed_find(process->workers->manager, msg->uuid);

	/* The slot of a virtual function follows from its card's. */
	if (!(inst && medio_mdev_pf(inst->mdev)) && medio_process_claim(process, msg->value))
		return false;
	if (!inst && has_record(process->workers->manager, msg->uuid)) {
		medio_run_keep_stranger(process, msg->uuid, msg->value);
		return true;
	}
	if (!inst || inst->awaited != process) {
		medio_run_stop_stranger(process, msg->uuid, msg->value);
		return true;
	}
	if (strcmp(msg->strings[0], medio_mdev_type(inst->mdev)->name) != 0 ||
		!is_listener(msg->fds[0], inst->socket))
		return false;
	if (medio_functions_take(inst, msg))
		return false;
	struct medio_run *run = medio_run_found(process, inst, msg->value);
	if (!run)
		return false;
	if (msg->nfds > 1 && inst->restart == MEDIO_RESTART_RESTORE)
		run->checkpoint = medio_steal_fd(msg->fds[1]);
	medio_list_remove(&inst->awaited_item);
	inst->awaited = NULL;
	inst->listener = medio_steal_fd(msg->fds[0]);
	medio_managed_set_run(inst, run);
	medio_managed_probed(inst, 0, NULL);
	return true;
}

static void on_client(struct medio_process *process, struct medio_wire_msg *msg)
{
	struct medio_managed *inst = medio_managed_find(process->workers->manager, msg->uuid);

	if (inst && inst->process == process && inst->run)
		medio_client_adopt(inst, msg->cookie, medio_steal_fd(msg->fds[0]));
}

static void on_done(struct medio_process *process)
{
	struct medio_parent_settings settings;
	struct medio_process_need need;
	const struct medio_managed *inst;

	medio_adopt_finish(process, "did not know it any more");
	if (medio_list_empty(&process->runs)) {
		medio_process_adopted(process, NULL);
		return;
	}
	inst = medio_container_of(process->runs.next, struct medio_run, item)->inst;
	medio_managed_settings(medio_mdev_parent(inst->mdev), &settings);
	medio_run_need(inst, &inst->params, &settings, &need);
	medio_process_adopted(process, &need);
	/* A card with virtual functions is alone with them. */
	medio_list_for_each (item, &process->runs) {
		struct medio_managed *card = medio_container_of(item, struct medio_run, item)->inst;
		if (card->vfs) {
			medio_functions_adopted(card);
			return;
		}
	}
}

bool medio_adopt_message(struct medio_process *process, struct medio_wire_msg *msg)
{
	switch (msg->kind) {
	case MEDIO_WIRE_READY:
		return !medio_process_adopt_slots(
			process, msg->nfds ? medio_steal_fd(msg->fds[0]) : -1);
	case MEDIO_WIRE_INSTANCE:
		return on_instance(process, msg);
	case MEDIO_WIRE_CLIENT:
		on_client(process, msg);
		return true;
	case MEDIO_WIRE_DONE:
		on_done(process);
		return true;
	default:
		return false;
	}
}
