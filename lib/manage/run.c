/* SPDX-License-Identifier: BSD-3-Clause */
/* Instances within processes: the messages that start and stop them, and what processes answer. */
#include "manage/run.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "manage/client.h"
#include "manage/functions.h"
#include "util/cleanup.h"
#include "util/error.h"

#define FILES_ISOLATED 4096 /* descriptors: a guest's memory may come as many files */
#define LOG_BURST      200  /* lines a worker may write within LOG_NS */
#define LOG_NS	       10000000000u

/* ---- Where a run is kept ---------------------------------------------------------------------------- */

static struct medio_run *run_new(struct medio_process *process, struct medio_managed *inst,
	unsigned slot, enum medio_run_state state)
{
	struct medio_run *run = calloc(1, sizeof(*run));

	if (!run)
		return NULL;
	run->process = process;
	run->inst = inst;
	run->slot = slot;
	run->state = state;
	run->checkpoint = -1;
	run->since = medio_now_ns();
	medio_list_init(&run->item);
	medio_list_init(&run->pending);
	if (inst) {
		medio_uuid_parse(medio_mdev_uuid(inst->mdev), MEDIO_UUID_TEXT - 1, run->uuid);
		medio_list_append(&process->runs, &run->item);
		process->count++;
	}
	return run;
}

/* inst does not know it any more. */
static void unlink_run(struct medio_run *run)
{
	struct medio_managed *inst = run->inst;
	bool counted = !medio_list_empty(&run->item);

	medio_list_remove(&run->item);
	medio_list_remove(&run->pending);
	if (counted)
		run->process->count--;
	if (!inst)
		return;
	run->inst = NULL;
	if (inst->next == run)
		inst->next = NULL;
	if (inst->run == run)
		medio_managed_set_run(inst, NULL);
	/* What it began with is not lost. */
	if (inst->checkpoint < 0)
		inst->checkpoint = medio_steal_fd(run->checkpoint);
}

void medio_run_free(struct medio_run *run)
{
	struct medio_process *process = run->process;
	struct medio_managed *heir = run->heir;
	unsigned slot = run->slot;

	unlink_run(run);
	if (run->checkpoint >= 0)
		close(run->checkpoint);
	free(run);
	medio_process_give(process, slot);
	if (heir)
		medio_change_alone(heir);
}

struct medio_run *medio_run_found(
	struct medio_process *process, struct medio_managed *inst, unsigned slot)
{
	return run_new(process, inst, slot, MEDIO_RUN_RUNNING);
}

/* ---- Start ------------------------------------------------------------------------------------------ */

/* The strings of START, in pieces that stay where they are. */
struct text {
	const char *items[MEDIO_WIRE_STRINGS];
	unsigned count;
};

static int add_all(struct text *text, const char *const *items, unsigned count)
{
	if (count > MEDIO_WIRE_STRINGS - text->count)
		return -E2BIG;
	for (unsigned i = 0; i < count; i++)
		text->items[text->count++] = items[i];
	return 0;
}

/* files is cut into its folders. */
static int add_folders(struct text *text, char *files, uint16_t *count)
{
	char *folder;

	while (files && (folder = strsep(&files, ":"))) {
		if (!*folder)
			continue;
		if (add_all(text, (const char *const *)&folder, 1))
			return -E2BIG;
		(*count)++;
	}
	return 0;
}

static int make_checkpoint(struct medio_run *run, struct medio_managed *inst)
{
	void *map;

	if (inst->restart != MEDIO_RESTART_RESTORE)
		return 0;
	if (run->restore && inst->checkpoint >= 0) {
		run->checkpoint = medio_steal_fd(inst->checkpoint);
		return 0;
	}
	int fd = medio_shared_new("medio-checkpoint", MEDIO_CHECKPOINT_DEFAULT, PROT_READ, &map);
	if (fd < 0)
		return fd;
	munmap(map, MEDIO_CHECKPOINT_DEFAULT);
	run->checkpoint = fd;
	return 0;
}

static const char *source(const struct medio_managed *inst)
{
	const struct medio_type *type = medio_mdev_type(inst->mdev);
	const struct medio_managed_parent *parent = medio_managed_parent_of(
		medio_mdev_parent(inst->mdev));

	return parent ? medio_managed_parent_source(parent, type) : type->name;
}

static int send_start(struct medio_run *run, const struct medio_run_plan *plan,
	const struct medio_process_need *need, const struct medio_parent_settings *settings)
{
	struct medio_managed *inst = run->inst;
	_cleanup_free_ char *files = settings->files ? strdup(settings->files) : NULL;
	struct medio_wire_start start = {
		.uid = need->uid,
		.gid = need->gid,
		.slot = run->slot,
		.last = !run->process->pool,
		.memory = settings->memory,
		.checkpoint_ns = run->checkpoint >= 0 ? settings->checkpoint : 0,
		.restore = run->restore,
		.files = run->process->pool ? 0 : FILES_ISOLATED,
	};
	const char *type = source(inst);
	struct text text;
	struct medio_wire_msg msg = {
		.kind = MEDIO_WIRE_START,
		.counts = { (uint16_t)plan->params->count, (uint16_t)plan->filters->count },
		.strings = text.items,
		.data = &start,
		.size = sizeof(start),
		.fds = { inst->listener, run->checkpoint },
		.nfds = run->checkpoint >= 0 ? 2 : 1,
	};

	text.count = 0;
	if (medio_mdev_pf(inst->mdev)) {
		type = medio_mdev_type(inst->mdev)->name;
		msg.flags = MEDIO_WIRE_VF;
		msg.counts[0] = msg.counts[1] = 0;
		msg.strings = &type;
		msg.nstrings = 1;
		memcpy(msg.uuid, run->uuid, sizeof(msg.uuid));
		return medio_process_send(run->process, &msg);
	}
	if (settings->files && !files)
		return -ENOMEM;
	if (add_all(&text, &type, 1) ||
		add_all(&text, medio_strv_items(plan->params), plan->params->count) ||
		add_all(&text, medio_strv_items(plan->filters), plan->filters->count) ||
		add_folders(&text, files, &msg.counts[2]))
		return -E2BIG;
	msg.nstrings = text.count;
	memcpy(msg.uuid, run->uuid, sizeof(msg.uuid));
	return medio_process_send(run->process, &msg);
}

void medio_run_need(const struct medio_managed *inst, const struct medio_strv *params,
	const struct medio_parent_settings *settings, struct medio_process_need *need)
{
	const struct medio_parent *parent = medio_mdev_parent(inst->mdev);
	const struct medio_managed_parent *managed = medio_managed_parent_of(parent);
	bool user = managed && managed->settings.user;

	*need = (struct medio_process_need){
		.parent = parent,
		.uid = user ? managed->uid : inst->uid,
		.gid = user ? managed->gid : inst->gid,
		.vfs = !medio_mdev_pf(inst->mdev) &&
		       medio_functions_possible(medio_mdev_type(inst->mdev), params),
	};
	/* Its virtual functions are company enough. */
	need->per_worker = need->vfs || medio_mdev_pf(inst->mdev) || settings->per_worker <= 1
				   ? 1
				   : (unsigned)settings->per_worker;
}

/* A virtual function is there already, in the process of its card and in a slot of its own behind it. */
static int take_place(struct medio_managed *inst, const struct medio_process_need *need,
	struct medio_process **process, unsigned *slot, struct medio_error **err)
{
	const struct medio_managed *card = medio_functions_card(inst);

	if (!medio_mdev_pf(inst->mdev))
		return medio_process_take(inst->manager->workers, need, process, slot, err);
	if (!card || !card->run)
		return medio_error_set(err, ENODEV, "its card does not run");
	*process = card->run->process;
	*slot = card->run->slot + 1 + medio_mdev_vf_index(inst->mdev);
	return 0;
}

int medio_run_start(
	struct medio_managed *inst, const struct medio_run_plan *plan, struct medio_error **err)
{
	struct medio_parent_settings settings;
	struct medio_process_need need;
	struct medio_process *process = NULL;
	unsigned slot = 0;

	medio_managed_settings(medio_mdev_parent(inst->mdev), &settings);
	medio_run_need(inst, plan->params, &settings, &need);
	need.other = plan->other;
	int ret = take_place(inst, &need, &process, &slot, err);
	if (ret)
		return ret;
	assert(process);
	struct medio_run *run = run_new(process, inst, slot, MEDIO_RUN_STARTING);
	if (!run) {
		if (!medio_mdev_pf(inst->mdev))
			medio_process_give(process, slot);
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	medio_list_append(&process->starting, &run->pending);
	run->restore = plan->restore;
	ret = make_checkpoint(run, inst);
	if (!ret)
		ret = send_start(run, plan, &need, &settings);
	if (ret) {
		medio_run_free(run);
		if (ret == -E2BIG || ret == -EMSGSIZE)
			return medio_error_set(err, E2BIG, "too many parameters and filters");
		return medio_error_set(err, -ret, "its worker: %s", strerror(-ret));
	}
	inst->next = run;
	medio_process_expect(process);
	return 0;
}

/* ---- Stop ------------------------------------------------------------------------------------------- */

static void stop(struct medio_run *run)
{
	struct medio_process *process = run->process;
	struct medio_wire_msg msg = { .kind = MEDIO_WIRE_STOP };

	run->state = MEDIO_RUN_STOPPING;
	run->since = medio_now_ns();
	medio_list_append(&process->stopping, &run->pending);
	memcpy(msg.uuid, run->uuid, sizeof(msg.uuid));
	int ret = medio_process_send(process, &msg);
	if (ret)
		medio_process_kill(process, "it cannot be told to stop (%s)", strerror(-ret));
	medio_process_expect(process);
}

void medio_run_stop(struct medio_run *run)
{
	if (!run)
		return;
	if (run->checkpoint >= 0)
		close(medio_steal_fd(run->checkpoint));
	unlink_run(run);
	stop(run);
}

void medio_run_stop_stranger(struct medio_process *process, const uint8_t *uuid, unsigned slot)
{
	struct medio_run *run = run_new(process, NULL, slot, MEDIO_RUN_STOPPING);

	if (!run) {
		medio_process_kill(process, "out of memory");
		return;
	}
	memcpy(run->uuid, uuid, sizeof(run->uuid));
	stop(run);
}

void medio_run_keep_stranger(struct medio_process *process, const uint8_t *uuid, unsigned slot)
{
	struct medio_run *run = run_new(process, NULL, slot, MEDIO_RUN_RUNNING);

	if (!run) {
		medio_process_kill(process, "out of memory");
		return;
	}
	memcpy(run->uuid, uuid, sizeof(run->uuid));
	medio_list_append(&process->strangers, &run->item);
	process->count++;
}

void medio_run_stop_strangers(struct medio_process *process)
{
	char uuid[MEDIO_UUID_TEXT];

	while (!medio_list_empty(&process->strangers)) {
		struct medio_run *run = medio_container_of(
			process->strangers.next, struct medio_run, item);
		medio_uuid_format(run->uuid, uuid);
		medio_managed_remove_folder(process->workers->manager, uuid);
		unlink_run(run);
		stop(run);
	}
}

static void on_stopped(struct medio_process *process, const uint8_t *uuid)
{
	medio_list_for_each (item, &process->stopping) {
		struct medio_run *run = medio_container_of(item, struct medio_run, pending);
		if (!memcmp(run->uuid, uuid, sizeof(run->uuid))) {
			medio_run_free(run);
			return;
		}
	}
}

/* ---- What a process says ------------------------------------------------------------------------------ */

/* The run of uuid in process, in that state. */
static struct medio_run *find_run(
	struct medio_process *process, const uint8_t *uuid, enum medio_run_state state)
{
	const struct medio_managed *inst = medio_managed_find(process->workers->manager, uuid);
	struct medio_run *run = !inst ? NULL : state == MEDIO_RUN_STARTING ? inst->next : inst->run;

	return run && run->process == process && run->state == state ? run : NULL;
}

void medio_run_clean(const char *text, char *buf, size_t size)
{
	size_t n = 0;

	for (; *text && n + 1 < size; text++)
		buf[n++] = (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text;
	buf[n] = '\0';
}

static void on_started(struct medio_process *process, const struct medio_wire_msg *msg)
{
	struct medio_run *run = find_run(process, msg->uuid, MEDIO_RUN_STARTING);
	int ret = msg->ret > 0 || msg->ret < -4095 ? -EPROTO : msg->ret;
	char words[1024] = "";

	if (!run)
		return;
	if (!ret && medio_functions_take(run->inst, msg))
		ret = -EPROTO;
	if (ret)
		medio_run_clean(
			msg->nstrings ? msg->strings[0] : strerror(-ret), words, sizeof(words));
	medio_managed_started(run, ret, msg->flags & MEDIO_WIRE_RESTORED, words);
}

bool medio_run_may_log(struct medio_process *process)
{
	uint64_t now = medio_now_ns();

	if (now - process->log.since > LOG_NS) {
		if (process->log.lost)
			medio_manager_log(process->workers->manager, MEDIO_LOG_WARN,
				"worker %d: %u lines more were not kept", (int)process->pid,
				process->log.lost);
		process->log.since = now;
		process->log.lines = process->log.lost = 0;
	}
	if (process->log.lines++ < LOG_BURST)
		return true;
	process->log.lost++;
	return false;
}

static void on_log(struct medio_process *process, const struct medio_wire_msg *msg)
{
	static const uint8_t nobody[MEDIO_UUID_SIZE];
	enum medio_log_level level = msg->value <= MEDIO_LOG_DEBUG
					     ? (enum medio_log_level)msg->value
					     : MEDIO_LOG_INFO;
	char line[1024], who[MEDIO_UUID_TEXT];

	if (!medio_run_may_log(process))
		return;
	medio_run_clean(msg->strings[0], line, sizeof(line));
	medio_uuid_format(msg->uuid, who);
	if (memcmp(msg->uuid, nobody, sizeof(nobody)) != 0)
		medio_manager_log(process->workers->manager, level, "%s: %s", who, line);
	else
		medio_manager_log(
			process->workers->manager, level, "worker %d: %s", (int)process->pid, line);
}

/* Once: they are all alike. */
static void tell_lacks(struct medio_workers *workers, uint32_t flags)
{
	bool calls = flags & MEDIO_WIRE_SECCOMP, files = flags & MEDIO_WIRE_LANDLOCK;

	if (workers->told_lacks || (calls && files))
		return;
	workers->told_lacks = true;
	medio_manager_log(workers->manager, MEDIO_LOG_WARN,
		"workers are sandboxed without %s%s%s, which this kernel or this build does not "
		"have",
		calls ? "" : "seccomp", calls || files ? "" : " and ", files ? "" : "Landlock");
}

void medio_run_message(struct medio_process *process, struct medio_wire_msg *msg)
{
	bool ok = true;
	struct medio_run *run;

	switch (msg->kind) {
	case MEDIO_WIRE_STARTED:
		on_started(process, msg);
		break;
	case MEDIO_WIRE_STOPPED:
		on_stopped(process, msg->uuid);
		break;
	case MEDIO_WIRE_CLIENT_GONE:
		run = find_run(process, msg->uuid, MEDIO_RUN_RUNNING);
		if (run)
			medio_client_gone(run->inst, msg->cookie);
		break;
	case MEDIO_WIRE_ATTR:
		run = find_run(process, msg->uuid, MEDIO_RUN_RUNNING);
		if (run)
			medio_managed_attr_answered(run->inst, msg);
		break;
	case MEDIO_WIRE_VFS:
		run = find_run(process, msg->uuid, MEDIO_RUN_RUNNING);
		if (run)
			medio_functions_came(run->inst, msg->value);
		break;
	case MEDIO_WIRE_VFS_SET:
		run = find_run(process, msg->uuid, MEDIO_RUN_RUNNING);
		if (run)
			medio_functions_answered(run->inst, msg);
		break;
	case MEDIO_WIRE_LOG:
		on_log(process, msg);
		break;
	case MEDIO_WIRE_READY:
		ok = msg->value == MEDIO_WIRE_VERSION;
		tell_lacks(process->workers, msg->flags);
		if (ok && process->state == MEDIO_PROCESS_ADOPTING)
			ok = medio_adopt_message(process, msg);
		break;
	case MEDIO_WIRE_DONE: /* of a new worker: it has nothing to tell */
		ok = process->state != MEDIO_PROCESS_ADOPTING || medio_adopt_message(process, msg);
		break;
	default:
		ok = process->state == MEDIO_PROCESS_ADOPTING && medio_adopt_message(process, msg);
	}
	if (!ok)
		medio_process_kill(process, "it broke the protocol (message %u)", msg->kind);
}

/* Those that are nobody's. */
static void free_rest(struct medio_process *process)
{
	while (!medio_list_empty(&process->stopping))
		medio_run_free(
			medio_container_of(process->stopping.next, struct medio_run, pending));
	while (!medio_list_empty(&process->strangers))
		medio_run_free(medio_container_of(process->strangers.next, struct medio_run, item));
}

void medio_run_lost(struct medio_process *process, const char *event, const char *words)
{
	struct medio_manager *m = process->workers->manager;

	if (process->count || process->killed || !medio_list_empty(&process->awaited))
		medio_manager_log(m, MEDIO_LOG_WARN, "worker %d, which ran %u, %s",
			(int)process->pid, process->count, words);
	while (!medio_list_empty(&process->runs))
		medio_managed_lost(medio_container_of(process->runs.next, struct medio_run, item),
			event, words);
	free_rest(process);
	medio_adopt_finish(process, words);
}

void medio_run_forget(struct medio_process *process)
{
	while (!medio_list_empty(&process->runs))
		medio_run_free(medio_container_of(process->runs.next, struct medio_run, item));
	free_rest(process);
}
