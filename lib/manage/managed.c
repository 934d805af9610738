/* SPDX-License-Identifier: BSD-3-Clause */
/* The mdev driver: instances, their sockets and folders, what is asked of them. */
#include "manage/managed.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "manage/client.h"
#include "manage/functions.h"
#include "manage/patience.h"
#include "manage/record.h"
#include "manage/run.h"
#include "util/cleanup.h"
#include "util/error.h"

#define ATTRS_MAX     1024 /* calls of one instance not yet answered */
#define BACKLOG	      64
#define DISCONNECT_NS 2000000000u

static struct medio_managed *ours(const struct medio_mdev *mdev)
{
	return medio_parent_driver(medio_mdev_parent(mdev)) == &medio_mdev_worker
		       ? medio_mdev_data(mdev)
		       : NULL;
}

struct medio_managed *medio_managed_of(const struct medio_mdev *mdev)
{
	return medio_mdev_driver(mdev) == &medio_mdev_worker ? medio_mdev_data(mdev) : NULL;
}

struct medio_managed *medio_managed_find(struct medio_manager *m, const uint8_t *uuid)
{
	char text[MEDIO_UUID_TEXT];

	if (!m->bus) /* the last workers are ending */
		return NULL;
	medio_uuid_format(uuid, text);
	const struct medio_mdev *mdev = medio_bus_find_mdev(m->bus, text, MEDIO_UUID_TEXT - 1);
	return mdev ? ours(mdev) : NULL;
}

void medio_managed_settings(const struct medio_parent *parent, struct medio_parent_settings *out)
{
	const struct medio_managed_parent *managed = medio_managed_parent_of(parent);

	*out = managed ? managed->settings
		       : (struct medio_parent_settings){
				 .per_worker = 1,
				 .restart = MEDIO_RESTART_RESET,
				 .checkpoint = 100000000,
			 };
}

/* ---- Files ------------------------------------------------------------------------------------------- */

static void folder_of(const struct medio_managed *inst, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", inst->manager->places.runtime,
		medio_mdev_uuid(inst->mdev));
}

void medio_managed_remove_folder(const struct medio_manager *m, const char *uuid)
{
	static const char *const files[] = { "vfio-user.sock", "instance.json",
		"instance.json.new" };
	char path[PATH_MAX];

	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", m->places.runtime, uuid, files[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/%s", m->places.runtime, uuid);
	if (rmdir(path) < 0 && errno != ENOENT)
		medio_manager_log((struct medio_manager *)m, MEDIO_LOG_WARN, "%s stays: %s", path,
			strerror(errno));
}

static int make_folder(struct medio_managed *inst, struct medio_error **err)
{
	char path[PATH_MAX], record[PATH_MAX + 16];

	folder_of(inst, path);
	snprintf(record, sizeof(record), "%s/instance.json", path);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return medio_error_set(err, errno, "%s: %s", path, strerror(errno));
	/* Of an instance that could not be taken over, and lives. */
	if (access(record, F_OK) == 0)
		return medio_error_set(
			err, EEXIST, "%s is another's, left from a former mediod", path);
	/* Whatever the umask. */
	if (chmod(path, 0755) < 0)
		return medio_error_set(err, errno, "%s: %s", path, strerror(errno));
	inst->has_folder = true;
	return 0;
}

int medio_managed_save(struct medio_managed *inst)
{
	const struct medio_run *run = inst->run ? inst->run : inst->next;
	struct medio_record record = {
		.parent = (char *)medio_parent_desc(medio_mdev_parent(inst->mdev))->name,
		.type = (char *)medio_mdev_type(inst->mdev)->name,
		.worker = run ? run->process->name : NULL,
		.group = medio_mdev_group(inst->mdev),
		.uid = inst->uid,
		.gid = inst->gid,
		.mode = inst->mode,
		.restart = inst->restart,
		.params = inst->params,
		.filters = inst->filters,
		.card = inst->vfs ? inst->vfs->number : -1,
		.numvfs = inst->vfs ? inst->vfs->wanted : 0,
		.leave_unbound = inst->vfs && inst->vfs->leave_unbound,
		.created_ns = (uint64_t)inst->created.tv_sec * 1000000000u +
			      (uint64_t)inst->created.tv_nsec,
	};
	char path[PATH_MAX];

	const struct medio_mdev *pf = medio_mdev_pf(inst->mdev);
	memcpy(record.uuid, medio_mdev_uuid(inst->mdev), sizeof(record.uuid));
	if (pf) {
		memcpy(record.pf, medio_mdev_uuid(pf), sizeof(record.pf));
		record.vf = medio_mdev_vf_index(inst->mdev);
	}
	folder_of(inst, path);
	int ret = medio_record_save(path, &record);
	if (ret)
		medio_manager_log(inst->manager, MEDIO_LOG_ERROR,
			"%s: a later mediod will not know what it is now: %s/instance.json: %s",
			record.uuid, path, strerror(-ret));
	return ret;
}

/* ---- Its socket ---------------------------------------------------------------------------------------- */

static int set_access(struct medio_managed *inst)
{
	if ((inst->uid != geteuid() || inst->gid != getegid()) &&
		chown(inst->socket, inst->uid, inst->gid) < 0)
		return -errno;
	return chmod(inst->socket, inst->mode) < 0 ? -errno : 0;
}

/*
 * Its worker holds the listener too, for the next mediod, and can make it a blocking one. We look
 * before we accept (client.c); should it be quicker, we lose a tick and not our life.
 */
int medio_managed_guard(int listener)
{
	const struct timeval tick = { .tv_usec = 1000 };

	return setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof(tick)) < 0 ? -errno : 0;
}

/* Nobody can connect until it listens, and then only those who may. */
int medio_managed_bind(struct medio_managed *inst, struct medio_error **err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	int len = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", inst->socket);
	if ((size_t)len >= sizeof(addr.sun_path))
		return medio_error_set(err, ENAMETOOLONG, "%s is too long", inst->socket);
	unlink(inst->socket);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return medio_error_set(err, errno, "%s: %s", inst->socket, strerror(errno));
	int ret = set_access(inst);
	if (!ret)
		ret = medio_managed_guard(fd);
	if (ret)
		return medio_error_set(err, -ret, "%s: %s", inst->socket, strerror(-ret));
	if (listen(fd, BACKLOG) < 0)
		return medio_error_set(err, errno, "%s: %s", inst->socket, strerror(errno));
	inst->listener = medio_steal_fd(fd);
	return 0;
}

/* Who connects is refused. */
void medio_managed_unbind(struct medio_managed *inst)
{
	medio_list_remove(&inst->starved_item);
	medio_watch_free(medio_steal_ptr(inst->listener_watch));
	if (inst->listener >= 0)
		medio_patience_close(medio_steal_fd(inst->listener));
}

void medio_managed_listen(struct medio_managed *inst)
{
	bool wanted = inst->run && !inst->change && inst->listener >= 0;

	if (!wanted && !inst->listener_watch)
		return;
	medio_list_remove(&inst->starved_item);
	if (!inst->listener_watch)
		inst->listener_watch = medio_loop_watch(
			inst->manager->loop, inst->listener, 0, medio_client_on_listener, inst);
	if (!inst->listener_watch)
		medio_manager_log(inst->manager, MEDIO_LOG_ERROR, "%s: cannot be connected to: %s",
			medio_mdev_uuid(inst->mdev), strerror(errno));
	else
		medio_watch_set(inst->listener_watch, wanted ? EPOLLIN : 0);
}

/* ---- Where it runs --------------------------------------------------------------------------------------- */

void medio_managed_trouble(struct medio_managed *inst, const char *words)
{
	free(inst->trouble);
	inst->trouble = words ? strdup(words) : NULL;
}

void medio_managed_set_run(struct medio_managed *inst, struct medio_run *run)
{
	inst->run = run;
	inst->process = run ? run->process : NULL;
	inst->stats = run && run->slot < run->process->nslots
			      ? &run->process->slots[run->slot].stats
			      : NULL;
	if (run) {
		medio_list_remove(&run->pending);
		run->state = MEDIO_RUN_RUNNING;
		if (inst->checkpoint >= 0)
			close(inst->checkpoint);
		inst->checkpoint = medio_steal_fd(run->checkpoint);
		medio_managed_trouble(inst, NULL);
	}
	medio_managed_listen(inst);
}

static void managed_free(struct medio_managed *inst)
{
	medio_functions_drop(inst);
	medio_timer_free(inst->timer);
	medio_strv_free(&inst->params);
	medio_strv_free(&inst->filters);
	free(inst->deaths);
	free(inst->socket);
	free(inst->trouble);
	free(inst);
}

/* Everything but what it is: nothing runs it, and nothing is left of it on disk. */
static void take_down(struct medio_managed *inst)
{
	struct medio_manager *m = inst->manager;

	medio_managed_drop_attrs(inst);
	medio_functions_drop(inst);
	medio_change_drop(inst, -ENODEV);
	medio_clients_drop(inst, m->leaving);
	medio_list_remove(&inst->awaited_item);
	inst->awaited = NULL;
	medio_managed_unbind(inst);
	if (m->leaving) {
		if (inst->run)
			medio_run_free(inst->run);
		if (inst->next)
			medio_run_free(inst->next);
	} else {
		medio_run_stop(inst->run);
		medio_run_stop(inst->next);
		if (inst->has_folder)
			medio_managed_remove_folder(m, medio_mdev_uuid(inst->mdev));
	}
	inst->has_folder = false;
	if (inst->checkpoint >= 0)
		close(medio_steal_fd(inst->checkpoint));
	if (inst->waiting)
		m->workers->waiting--;
	inst->waiting = false;
	inst->asking = MEDIO_ASK_NOT;
	inst->probed = false;
	medio_timer_free(medio_steal_ptr(inst->timer));
	while (inst->waiters) {
		struct medio_waiter *waiter = inst->waiters;
		inst->waiters = waiter->next;
		waiter->next = m->workers->waiters;
		m->workers->waiters = waiter;
		medio_workers_later(m->workers);
	}
}

/* ---- Probe ------------------------------------------------------------------------------------------------ */

/* The parent's for its cards first: what it is given comes behind, and counts. One of a former mediod has
 * all of them. */
static int fill_params(struct medio_managed *inst)
{
	const struct medio_mdev_options *opts = medio_mdev_options(inst->mdev);
	const struct medio_managed_parent *parent = medio_managed_parent_of(
		medio_mdev_parent(inst->mdev));
	const struct medio_strv *params = parent ? &parent->params : NULL;
	int ret = 0;

	if (!params || !params->count || inst->manager->workers->adopted ||
		medio_mdev_type(inst->mdev) != parent->desc.types[0])
		return medio_strv_copy(&inst->params, opts->params, opts->nparams);
	for (unsigned i = 0; !ret && i < params->count; i++)
		ret = medio_strv_add(&inst->params, params->items[i]);
	for (unsigned i = 0; !ret && i < opts->nparams; i++)
		ret = medio_strv_add(&inst->params, opts->params[i]);
	return ret;
}

static int fill(struct medio_managed *inst, const struct medio_creation *how)
{
	const struct medio_mdev_options *opts = medio_mdev_options(inst->mdev);
	const struct medio_policy *policy = &inst->manager->policy;
	struct medio_parent_settings settings;

	medio_managed_settings(medio_mdev_parent(inst->mdev), &settings);
	/* A virtual function that got no driver at first is its card's all the same. */
	const struct medio_managed *card = medio_functions_card(inst);
	inst->uid = how ? how->who.uid : card ? card->uid : policy->uid;
	inst->gid = how ? how->who.gid : card ? card->gid : getegid();
	inst->mode = 0600;
	int restart = how && how->restart >= 0 ? how->restart
		      : card		       ? (int)card->restart
					       : settings.restart;
	inst->restart = restart <= MEDIO_RESTART_RESTORE ? (enum medio_restart)restart
							 : MEDIO_RESTART_RESET;
	clock_gettime(CLOCK_REALTIME, &inst->created);
	if (fill_params(inst) || medio_strv_copy(&inst->filters, opts->filters, opts->nfilters) ||
		asprintf(&inst->socket, "%s/%s/vfio-user.sock", inst->manager->places.runtime,
			medio_mdev_uuid(inst->mdev)) < 0)
		return -ENOMEM;
	return 0;
}

static struct medio_managed *managed_new(struct medio_mdev *mdev)
{
	struct medio_managed *inst = calloc(1, sizeof(*inst));

	if (!inst)
		return NULL;
	inst->manager = medio_mdev_driver_opaque(mdev);
	inst->mdev = mdev;
	inst->listener = inst->checkpoint = -1;
	medio_list_init(&inst->clients);
	medio_list_init(&inst->attrs);
	medio_list_init(&inst->starved_item);
	medio_list_init(&inst->awaited_item);
	if (fill(inst, medio_mdev_options(mdev)->context)) {
		managed_free(inst);
		return NULL;
	}
	return inst;
}

/* A worker runs as the owner of its instance. Who is not root can only be himself; then root, who may
 * do everything, has instances made for him as ours. */
static int check_owner(struct medio_managed *inst, struct medio_error **err)
{
	uid_t self = geteuid();

	if (self == 0 || inst->uid == self)
		return 0;
	if (inst->uid == 0) {
		inst->uid = self;
		inst->gid = getegid();
		return 0;
	}
	return medio_error_set(err, EACCES,
		"this mediod is not root's: it cannot run a worker as uid %u", (unsigned)inst->uid);
}

static int begin(struct medio_managed *inst, struct medio_error **err)
{
	struct medio_run_plan plan = { .params = &inst->params, .filters = &inst->filters };

	int ret = check_owner(inst, err);
	if (!ret)
		ret = make_folder(inst, err);
	if (!ret)
		ret = medio_managed_bind(inst, err);
	if (!ret)
		ret = medio_run_start(inst, &plan, err);
	if (!ret) {
		ret = medio_managed_save(inst);
		if (ret)
			medio_error_set(err, -ret, "its record: %s", strerror(-ret));
	}
	return ret;
}

static int worker_probe(struct medio_mdev *mdev)
{
	struct medio_managed *inst = medio_mdev_data(mdev);
	struct medio_error *err = NULL;

	/* Unbound and bound again, it is what it was. */
	if (!inst)
		inst = managed_new(mdev);
	if (!inst)
		return medio_mdev_fail(mdev, ENOMEM, "out of memory");
	medio_mdev_set_data(mdev, inst);
	if (inst->manager->workers->adopted)
		return medio_managed_adopt_one(inst, inst->manager->workers->adopted);
	int ret = begin(inst, &err);
	if (!ret)
		return MEDIO_DEFERRED;
	medio_mdev_fail(mdev, -ret, "%s", medio_error_text(err));
	medio_error_free(err);
	take_down(inst);
	medio_mdev_set_data(mdev, NULL);
	managed_free(inst);
	return ret;
}

void medio_managed_probed(struct medio_managed *inst, int ret, const char *words)
{
	struct medio_mdev *mdev = inst->mdev;
	const struct medio_mdev *pf = medio_mdev_pf(mdev);
	struct medio_manager *m = inst->manager;
	char card[MEDIO_UUID_TEXT] = "";

	if (pf)
		memcpy(card, medio_mdev_uuid(pf), sizeof(card));
	inst->probed = true;
	if (ret) {
		medio_mdev_fail(mdev, -ret, "%s", words);
		take_down(inst);
		medio_mdev_set_data(mdev, NULL);
		managed_free(inst);
	}
	medio_mdev_probe_done(mdev, ret);
	if (*card)
		medio_functions_probed(m, card);
}

void medio_managed_started(struct medio_run *run, int ret, bool restored, const char *words)
{
	struct medio_managed *inst = run->inst;
	struct medio_manager *m = inst->manager;
	bool tried_restore = run->restore;

	if (inst->change) {
		medio_change_started(inst, run, ret, words);
		return;
	}
	if (!ret) {
		uint8_t uuid[MEDIO_UUID_SIZE];
		bool first = !inst->probed;
		inst->next = NULL;
		memcpy(uuid, run->uuid, sizeof(uuid));
		medio_managed_set_run(inst, run);
		if (first)
			medio_managed_probed(inst, 0, NULL);
		else
			medio_managed_restarted(inst, restored);
		/* Who heard it may have removed it. */
		if (medio_managed_find(m, uuid) == inst)
			medio_functions_runs(inst, first);
		return;
	}
	medio_run_free(run);
	if (!inst->probed) {
		medio_managed_probed(inst, ret, words);
	} else if (tried_restore) {
		medio_manager_log(inst->manager, MEDIO_LOG_WARN,
			"%s: cannot be restored, so it is reset: %s", medio_mdev_uuid(inst->mdev),
			words);
		medio_managed_begin(inst, false);
	} else {
		medio_managed_restart(inst, words);
	}
}

/* ---- Its worker dies ---------------------------------------------------------------------------------------- */

void medio_managed_lost(struct medio_run *run, const char *event, const char *words)
{
	struct medio_managed *inst = run->inst;
	struct medio_manager *m = inst->manager;
	struct medio_mdev *mdev = inst->mdev;
	bool was_next = inst->next == run;
	char env[64], why[300];
	uint8_t uuid[MEDIO_UUID_SIZE];

	memcpy(uuid, run->uuid, sizeof(uuid));
	snprintf(why, sizeof(why), "its worker %s", words);
	if (was_next && inst->change) {
		medio_change_started(inst, run, -EIO, why);
		return;
	}
	medio_run_free(run);
	if (was_next && !inst->probed) {
		medio_managed_probed(inst, -EIO, why);
		return;
	}
	if (!was_next) {
		medio_managed_drop_attrs(inst);
		medio_functions_lost(inst);
		if (medio_managed_find(m, uuid) != inst)
			return;
		snprintf(env, sizeof(env), "MEDIO_WORKER=%s", event);
		medio_mdev_changed(mdev, env);
		/* Who heard it may have removed it, and so may the last of its clients. */
		if (medio_managed_find(m, uuid) == inst)
			medio_clients_close(inst);
		if (medio_managed_find(m, uuid) != inst || medio_managed_of(mdev) != inst)
			return;
	}
	if (!inst->change)
		medio_managed_restart(inst, why);
}

/* ---- Remove --------------------------------------------------------------------------------------------------- */

static void worker_remove(struct medio_mdev *mdev)
{
	struct medio_managed *inst = medio_mdev_data(mdev);

	take_down(inst);
	/* Without a driver it keeps its owner and parameters; on_event() forgets them. */
	if (medio_mdev_state(mdev) == MEDIO_MDEV_UNBINDING)
		return;
	medio_mdev_set_data(mdev, NULL);
	managed_free(inst);
}

void medio_managed_on_event(void *opaque, const struct medio_mdev_event *event)
{
	struct medio_managed *inst = event->mdev ? ours(event->mdev) : NULL;

	if (!inst || event->action != MEDIO_MDEV_REMOVE)
		return;
	medio_mdev_set_data(event->mdev, NULL);
	managed_free(inst);
}

static void worker_request(struct medio_mdev *mdev, unsigned count)
{
	struct medio_managed *inst = medio_mdev_data(mdev);
	struct medio_wire_msg msg = { .kind = MEDIO_WIRE_REQUEST, .value = count };

	if (inst->asking == MEDIO_ASK_NOT) {
		inst->asking = MEDIO_ASK;
		inst->asked_ns = medio_now_ns();
		medio_manager_log(inst->manager, MEDIO_LOG_INFO,
			"%s is in use; its user is asked to let go", medio_mdev_uuid(mdev));
	}
	if (inst->asking != MEDIO_ASK)
		return;
	if (inst->run) {
		memcpy(msg.uuid, inst->run->uuid, sizeof(msg.uuid));
		medio_process_send(inst->run->process, &msg);
	}
	medio_managed_ask_later(inst);
}

void medio_managed_disconnect(struct medio_managed *inst)
{
	struct medio_wire_msg msg = { .kind = MEDIO_WIRE_DISCONNECT };

	if (inst->asking == MEDIO_ASK_DISCONNECTED)
		return;
	inst->asking = MEDIO_ASK_DISCONNECTED;
	if (inst->run) {
		memcpy(msg.uuid, inst->run->uuid, sizeof(msg.uuid));
		medio_process_send(inst->run->process, &msg);
	}
	medio_managed_arm(inst, DISCONNECT_NS);
}

int medio_managed_wait(struct medio_managed *inst, medio_mdev_done *done, void *opaque)
{
	struct medio_waiter *waiter = calloc(1, sizeof(*waiter));

	if (!waiter)
		return -ENOMEM;
	*waiter = (struct medio_waiter){ .next = inst->waiters, .done = done, .opaque = opaque };
	inst->waiters = waiter;
	return 0;
}

/* ---- Attributes ------------------------------------------------------------------------------------------------- */

struct attr_call {
	struct medio_list item;
	struct medio_asked asked;
	uint64_t cookie;
	bool show;
	medio_mdev_attr_done *done;
	void *opaque;
};

static int attr_call(struct medio_managed *inst, struct medio_wire_msg msg, const char *name,
	medio_mdev_attr_done *done, void *opaque)
{
	if (!inst->run)
		return -ENODEV;
	if (inst->num_attrs >= ATTRS_MAX)
		return -EAGAIN;
	struct attr_call *call = calloc(1, sizeof(*call));
	if (!call)
		return -ENOMEM;
	call->cookie = ++inst->manager->workers->cookie;
	call->show = msg.kind == MEDIO_WIRE_ATTR_SHOW;
	call->done = done;
	call->opaque = opaque;
	msg.cookie = call->cookie;
	msg.strings = &name;
	msg.nstrings = 1;
	memcpy(msg.uuid, inst->run->uuid, sizeof(msg.uuid));
	int ret = medio_process_send(inst->run->process, &msg);
	if (ret) {
		free(call);
		return ret == -EMSGSIZE ? -E2BIG : ret;
	}
	medio_list_append(&inst->attrs, &call->item);
	inst->num_attrs++;
	call->asked.since = medio_now_ns();
	medio_list_init(&call->asked.item);
	medio_list_append(&inst->run->process->asked, &call->asked.item);
	medio_process_expect(inst->run->process);
	return 0;
}

int medio_managed_ask_attr(struct medio_managed *inst, const char *name, const char *text,
	size_t size, medio_mdev_attr_done *done, void *opaque)
{
	const struct medio_wire_msg msg = {
		.kind = text ? MEDIO_WIRE_ATTR_STORE : MEDIO_WIRE_ATTR_SHOW,
		.data = text,
		.size = size,
	};

	return attr_call(inst, msg, name, done, opaque);
}

static int worker_attr_show(struct medio_mdev *mdev, const struct medio_attr *attr,
	medio_mdev_attr_done *done, void *opaque)
{
	return medio_managed_ask_attr(medio_mdev_data(mdev), attr->name, NULL, 0, done, opaque);
}

static int worker_attr_store(struct medio_mdev *mdev, const struct medio_attr *attr,
	const char *text, size_t size, medio_mdev_attr_done *done, void *opaque)
{
	return medio_managed_ask_attr(medio_mdev_data(mdev), attr->name, text, size, done, opaque);
}

static void attr_done(
	struct medio_managed *inst, struct attr_call *call, ssize_t ret, const char *text)
{
	medio_list_remove(&call->item);
	medio_list_remove(&call->asked.item);
	inst->num_attrs--;
	call->done(call->opaque, ret, text);
	free(call);
}

void medio_managed_attr_answered(struct medio_managed *inst, const struct medio_wire_msg *msg)
{
	ssize_t ret = msg->ret;

	medio_list_for_each (item, &inst->attrs) {
		struct attr_call *call = medio_container_of(item, struct attr_call, item);
		if (call->cookie != msg->cookie)
			continue;
		/* A length is not believed. */
		if (ret > 0 && call->show && (size_t)ret != msg->size)
			ret = -EPROTO;
		if (ret < -4095)
			ret = -EPROTO;
		attr_done(inst, call, ret, ret >= 0 && call->show ? msg->data : NULL);
		return;
	}
}

void medio_managed_drop_attrs(struct medio_managed *inst)
{
	while (!medio_list_empty(&inst->attrs))
		attr_done(inst, medio_container_of(inst->attrs.next, struct attr_call, item),
			-ENODEV, NULL);
}

const struct medio_mdev_driver medio_mdev_worker = {
	.name = "medio-worker",
	.device_api = "vfio-pci",
	.probe = worker_probe,
	.remove = worker_remove,
	.request = worker_request,
	.attr_show = worker_attr_show,
	.attr_store = worker_attr_store,
};
