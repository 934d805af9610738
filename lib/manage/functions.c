/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/functions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manage/client.h"
#include "manage/record.h"
#include "manage/run.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Somebody wants another number. */
struct medio_functions_job {
	struct medio_functions_job *next;
	struct medio_asked asked;
	unsigned num;
	enum { WAITING, REMOVING, ASKED, STARTING } step;
	uint64_t cookie;
	int ret;   /* what has failed so far */
	bool ours; /* nobody's wish: the number that is remembered */
	medio_mdev_done *done;
	void *opaque;
};

static struct medio_functions *make(struct medio_managed *inst)
{
	if (!inst->vfs) {
		inst->vfs = calloc(1, sizeof(*inst->vfs));
		if (inst->vfs)
			inst->vfs->number = -1;
	}
	return inst->vfs;
}

/* Callbacks may have taken the card away. */
struct mark {
	struct medio_manager *m;
	struct medio_managed *inst;
	uint8_t uuid[MEDIO_UUID_SIZE];
};

static struct mark mark(struct medio_managed *inst)
{
	struct mark mark = { .m = inst->manager, .inst = inst };

	medio_uuid_parse(medio_mdev_uuid(inst->mdev), MEDIO_UUID_TEXT - 1, mark.uuid);
	return mark;
}

static bool still_there(const struct mark *mark)
{
	return medio_managed_find(mark->m, mark->uuid) == mark->inst && mark->inst->vfs;
}

/* ---- What is remembered -------------------------------------------------------------------------- */

static bool number_taken(const struct medio_managed *inst, int number)
{
	const struct medio_parent *parent = medio_mdev_parent(inst->mdev);
	struct medio_mdev *mdev = NULL;

	while ((mdev = medio_bus_next_mdev(medio_parent_bus(parent), mdev))) {
		const struct medio_managed *other = medio_managed_of(mdev);
		if (medio_mdev_parent(mdev) == parent && other && other != inst && other->vfs &&
			other->vfs->number == number)
			return true;
	}
	return false;
}

/* One that mediod makes has the number in its UUID; the others get the smallest. */
static int find_number(const struct medio_managed *inst)
{
	const char *parent = medio_parent_desc(medio_mdev_parent(inst->mdev))->name;
	char uuid[MEDIO_UUID_TEXT];
	int number = 0;

	for (unsigned i = 0; i < MEDIO_FUNCTIONS_MAX; i++) {
		medio_functions_card_uuid(parent, i, uuid);
		if (!strcmp(uuid, medio_mdev_uuid(inst->mdev)) && !number_taken(inst, (int)i))
			return (int)i;
	}
	while (number_taken(inst, number))
		number++;
	return number;
}

int medio_functions_take(struct medio_managed *inst, const struct medio_wire_msg *msg)
{
	struct medio_wire_sriov sriov;

	if (msg->size != sizeof(sriov) || medio_mdev_pf(inst->mdev))
		return 0;
	memcpy(&sriov, msg->data, sizeof(sriov));
	if (!sriov.total || sriov.total > MEDIO_FUNCTIONS_MAX || sriov.num > sriov.total ||
		sriov.offset > UINT16_MAX || sriov.stride > UINT16_MAX ||
		sriov.vf_device > UINT16_MAX)
		return -EPROTO;
	struct medio_functions *vfs = make(inst);
	if (!vfs)
		return -ENOMEM;
	vfs->total = sriov.total;
	vfs->offset = sriov.offset;
	vfs->stride = sriov.stride;
	vfs->vf_device = (uint16_t)sriov.vf_device;
	vfs->there = sriov.num;
	if (vfs->number < 0)
		vfs->number = find_number(inst);
	return 0;
}

int medio_functions_remember(struct medio_managed *inst, const struct medio_record *record)
{
	if (record->card < 0)
		return 0;
	struct medio_functions *vfs = make(inst);
	if (!vfs)
		return -ENOMEM;
	vfs->wanted = record->numvfs;
	vfs->leave_unbound = record->leave_unbound;
	vfs->number = number_taken(inst, record->card) ? -1 : record->card;
	return 0;
}

static void want(struct medio_managed *inst, unsigned num)
{
	if (inst->vfs->wanted == num)
		return;
	inst->vfs->wanted = num;
	medio_managed_save(inst);
}

int medio_functions_set_autoprobe(struct medio_managed *inst, bool autoprobe)
{
	inst->vfs->leave_unbound = !autoprobe;
	return medio_managed_save(inst);
}

/* ---- The queue ------------------------------------------------------------------------------------- */

static void begin(struct medio_managed *inst);

/* The first is done. inst may be gone then. */
static void finish(struct medio_managed *inst, int ret)
{
	struct medio_functions_job *job = inst->vfs->jobs;
	struct mark here = mark(inst);

	inst->vfs->jobs = job->next;
	inst->manager->workers->vfs_jobs--;
	medio_list_remove(&job->asked.item);
	if (job->done)
		job->done(job->opaque, ret);
	free(job);
	if (still_there(&here))
		begin(inst);
}

static int add_job(
	struct medio_managed *inst, unsigned num, bool ours, medio_mdev_done *done, void *opaque)
{
	struct medio_functions_job *job = calloc(1, sizeof(*job)), **at = &inst->vfs->jobs;

	if (!job)
		return -ENOMEM;
	job->num = num;
	job->ours = ours;
	job->done = done;
	job->opaque = opaque;
	medio_list_init(&job->asked.item);
	while (*at)
		at = &(*at)->next;
	*at = job;
	inst->manager->workers->vfs_jobs++;
	return 0;
}

/* The worker is to have so many. */
static void ask(struct medio_managed *inst, unsigned num)
{
	struct medio_functions_job *job = inst->vfs->jobs;
	struct medio_wire_msg msg = { .kind = MEDIO_WIRE_SET_VFS, .value = num };

	if (!inst->run) {
		finish(inst, num ? -ENODEV : job->ret);
		return;
	}
	job->step = ASKED;
	job->cookie = ++inst->manager->workers->cookie;
	msg.cookie = job->cookie;
	memcpy(msg.uuid, inst->run->uuid, sizeof(msg.uuid));
	int ret = medio_process_send(inst->run->process, &msg);
	if (ret) {
		finish(inst, ret);
		return;
	}
	job->asked.since = medio_now_ns();
	medio_list_append(&inst->run->process->asked, &job->asked.item);
	medio_process_expect(inst->run->process);
}

/* Their mdevs have gone; opaque is the card. */
static void on_removed(void *opaque, int ret)
{
	struct medio_managed *inst = opaque;

	(void)ret;
	if (inst->vfs && inst->vfs->jobs && inst->vfs->jobs->step == REMOVING)
		ask(inst, 0);
}

static void take_away(struct medio_managed *inst)
{
	inst->vfs->jobs->step = REMOVING;
	int ret = medio_mdev_remove_vfs(inst->mdev, 0, on_removed, inst);
	if (ret < 0)
		finish(inst, ret);
	else if (ret != MEDIO_DEFERRED)
		on_removed(inst, 0);
}

/* In the order of sriov_numvfs_store(), whose device lock is our queue. */
static void begin(struct medio_managed *inst)
{
	struct medio_functions_job *job = inst->vfs->jobs;
	unsigned now = medio_functions_num(inst);

	if (!job || job->step != WAITING)
		return;
	if (job->num > inst->vfs->total)
		finish(inst, -ERANGE);
	else if (job->num == now && !job->ours)
		finish(inst, 0);
	else if (medio_mdev_state(inst->mdev) != MEDIO_MDEV_ACTIVE)
		finish(inst, -ENODEV);
	else if (!job->num) {
		want(inst, 0);
		take_away(inst);
	} else if (now && !job->ours)
		finish(inst, -EBUSY);
	else
		ask(inst, job->num);
}

void medio_functions_set(
	struct medio_managed *inst, unsigned num, medio_mdev_done *done, void *opaque)
{
	int ret = add_job(inst, num, false, done, opaque);

	if (!ret)
		begin(inst);
	else if (done)
		done(opaque, ret);
}

/* ---- They come --------------------------------------------------------------------------------------- */

static void failed(struct medio_managed *inst, unsigned n, int ret, const char *words)
{
	if (!inst->run || medio_run_may_log(inst->run->process))
		medio_manager_log(inst->manager, MEDIO_LOG_WARN,
			"%s: virtual function %u cannot be had: %s", medio_mdev_uuid(inst->mdev), n,
			words);
	if (inst->vfs->jobs && !inst->vfs->jobs->ret)
		inst->vfs->jobs->ret = ret;
}

/* The end of a create; opaque is the card. */
static void on_created(void *opaque, struct medio_mdev *mdev, int ret, const char *words)
{
	struct medio_managed *inst = opaque;

	if (ret < 0 && inst->vfs)
		failed(inst, medio_mdev_vf_index(mdev), ret, words ? words : strerror(-ret));
}

static const struct medio_type *type_of(const struct medio_managed *inst)
{
	return medio_type_vf(medio_mdev_parent(inst->mdev), medio_mdev_type(inst->mdev));
}

static int create(struct medio_managed *inst, unsigned n)
{
	struct medio_creation how = {
		.who = { .uid = inst->uid, .gid = inst->gid },
		.restart = (int)inst->restart,
	};
	struct medio_mdev_options opts = {
		.filters = medio_strv_items(&inst->filters),
		.nfilters = inst->filters.count,
		.context = &how,
		.pf = inst->mdev,
		.vf = n,
		.unbound = inst->vfs->leave_unbound,
		.created = on_created,
		.opaque = inst,
	};
	struct medio_error *err = NULL;
	char uuid[MEDIO_UUID_TEXT];

	medio_vf_uuid(medio_mdev_uuid(inst->mdev), n, uuid);
	int ret = medio_mdev_create(medio_mdev_parent(inst->mdev), type_of(inst), uuid,
		MEDIO_UUID_TEXT - 1, &opts, NULL, &err);
	if (ret < 0)
		failed(inst, n, ret, medio_error_text(err));
	medio_error_free(err);
	return ret < 0 ? ret : 0;
}

/* It is there from before its worker died. */
static void begin_again(struct medio_mdev *mdev)
{
	struct medio_managed *vf = medio_managed_of(mdev);

	if (vf && medio_mdev_state(mdev) == MEDIO_MDEV_ACTIVE && !vf->run && !vf->next)
		medio_managed_begin(vf, vf->restart == MEDIO_RESTART_RESTORE);
}

/* All have been probed: the first job may be done. */
static void settle(struct medio_managed *inst)
{
	struct medio_functions_job *job = inst->vfs->jobs;
	struct medio_mdev *vf = NULL;

	if (!job || job->step != STARTING)
		return;
	while ((vf = medio_mdev_next_vf(inst->mdev, vf))) {
		enum medio_mdev_state state = medio_mdev_state(vf);
		if (state == MEDIO_MDEV_ADDING || state == MEDIO_MDEV_PROBING)
			return;
	}
	if (job->ret && !job->ours) { /* all or none */
		job->num = 0;
		want(inst, 0);
		take_away(inst);
		return;
	}
	want(inst, inst->vfs->there);
	finish(inst, 0);
}

void medio_functions_probed(struct medio_manager *m, const char *uuid)
{
	struct medio_mdev *mdev = medio_bus_find_mdev(m->bus, uuid, strlen(uuid));
	struct medio_managed *inst = mdev ? medio_managed_of(mdev) : NULL;

	if (inst && inst->vfs)
		settle(inst);
}

/* ---- They go ----------------------------------------------------------------------------------------- */

/* From number on: whoever uses one has been let go already. inst may be gone then. */
static void vanish(struct medio_managed *inst, unsigned from)
{
	struct mark here = mark(inst);

	for (unsigned n = from; n < MEDIO_FUNCTIONS_MAX && still_there(&here); n++) {
		struct medio_mdev *mdev = medio_mdev_vf(inst->mdev, n);
		struct medio_managed *vf = mdev ? medio_managed_of(mdev) : NULL;
		if (vf && vf->num_clients)
			medio_clients_close(vf);
	}
	if (still_there(&here) && medio_mdev_num_vfs(inst->mdev))
		medio_mdev_remove_vfs(inst->mdev, from, NULL, NULL);
}

void medio_functions_came(struct medio_managed *inst, unsigned num)
{
	struct mark here = mark(inst);
	char env[32];

	if (!inst->vfs || num > inst->vfs->total)
		return;
	inst->vfs->there = num;
	if (medio_mdev_state(inst->mdev) != MEDIO_MDEV_ACTIVE && num)
		return; /* it is going, or looked at when it has come */
	if (!inst->vfs->jobs)
		want(inst, num);
	vanish(inst, num);
	if (!still_there(&here))
		return;
	for (unsigned n = 0; n < num && type_of(inst); n++) {
		struct medio_mdev *vf = medio_mdev_vf(inst->mdev, n);
		if (vf)
			begin_again(vf);
		else if (create(inst, n))
			break;
	}
	bool log = !inst->run || medio_run_may_log(inst->run->process);
	if (log && num)
		medio_manager_log(inst->manager, MEDIO_LOG_INFO, "%s has %u virtual functions",
			medio_mdev_uuid(inst->mdev), num);
	else if (log)
		medio_manager_log(inst->manager, MEDIO_LOG_INFO,
			"%s has no virtual functions any more", medio_mdev_uuid(inst->mdev));
	snprintf(env, sizeof(env), "MEDIO_NUMVFS=%u", num);
	medio_mdev_changed(inst->mdev, env);
}

void medio_functions_answered(struct medio_managed *inst, const struct medio_wire_msg *msg)
{
	struct medio_functions_job *job = inst->vfs ? inst->vfs->jobs : NULL;
	int ret = msg->ret > 0 || msg->ret < -4095 ? -EPROTO : msg->ret;
	char words[512];

	if (!job || job->step != ASKED || job->cookie != msg->cookie)
		return;
	medio_list_remove(&job->asked.item);
	if (ret) {
		medio_run_clean(
			msg->nstrings ? msg->strings[0] : strerror(-ret), words, sizeof(words));
		medio_manager_log(inst->manager, MEDIO_LOG_WARN, "%s: not %u virtual functions: %s",
			medio_mdev_uuid(inst->mdev), job->num, words);
		finish(inst, ret);
	} else if (job->num) {
		job->step = STARTING;
		settle(inst);
	} else {
		finish(inst, job->ret);
	}
}

/* ---- Its worker comes and goes ------------------------------------------------------------------------ */

/* "numvfs=4", which the device's own table has checked. */
static unsigned asked_for(const struct medio_managed *inst)
{
	const struct medio_param *param = medio_mdev_type(inst->mdev)->params;
	const char *value = NULL;
	unsigned num;

	for (; param && param->name; param++)
		if (!strcmp(param->name, "numvfs"))
			value = param->deflt;
	for (unsigned i = 0; i < inst->params.count; i++)
		if (!strncmp(inst->params.items[i], "numvfs=", 7))
			value = inst->params.items[i] + 7;
	return value && !medio_functions_parse(value, &num) ? num : 0;
}

void medio_functions_runs(struct medio_managed *inst, bool first)
{
	struct medio_functions *vfs = inst->vfs;

	if (!vfs || !vfs->total)
		return;
	if (first)
		vfs->wanted = asked_for(inst);
	if (vfs->wanted > vfs->total) {
		medio_manager_log(inst->manager, MEDIO_LOG_WARN,
			"%s: %u virtual functions are wanted, and it can have %u",
			medio_mdev_uuid(inst->mdev), vfs->wanted, vfs->total);
		vfs->wanted = vfs->total;
	}
	medio_managed_save(inst);
	/* Those that a checkpoint brought are told of by the worker. Asked for once more they are ours, as those
	 * that are made again: a reset of their card leaves them. */
	if ((!vfs->there || vfs->there == vfs->wanted) && vfs->wanted &&
		!add_job(inst, vfs->wanted, true, NULL, NULL))
		begin(inst);
}

void medio_functions_adopted(struct medio_managed *inst)
{
	struct mark here = mark(inst);

	if (inst->vfs->there)
		medio_functions_came(inst, inst->vfs->there);
	else
		vanish(inst, 0);
	if (!still_there(&here))
		return;
	if (inst->vfs->there) /* whose they are has not changed */
		medio_managed_save(inst);
	else
		medio_functions_runs(inst, false);
}

void medio_functions_lost(struct medio_managed *inst)
{
	struct medio_functions_job *job = inst->vfs ? inst->vfs->jobs : NULL;

	if (!inst->vfs)
		return;
	inst->vfs->there = 0;
	if (job && (job->step == ASKED || job->step == STARTING))
		finish(inst, job->num ? -EIO : 0);
}

void medio_functions_drop(struct medio_managed *inst)
{
	struct medio_functions *vfs = inst->vfs;

	inst->vfs = NULL;
	while (vfs && vfs->jobs) {
		struct medio_functions_job *job = vfs->jobs;
		vfs->jobs = job->next;
		inst->manager->workers->vfs_jobs--;
		medio_list_remove(&job->asked.item);
		if (job->done)
			job->done(job->opaque, -ENODEV);
		free(job);
	}
	free(vfs);
}
