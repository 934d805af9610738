/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An instance is changed by being made anew beside the old one, which ends when the new one runs. If
 * both want what only one can have (a socket's path), the old one ends first; if the new one then
 * does not start, the old one is begun again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "manage/record.h"
#include "manage/run.h"
#include "util/error.h"

struct medio_change {
	struct medio_strv params, filters; /* what it is to have */
	struct medio_run *former;	   /* is being stopped, to make way; NULL: none */
	bool alone;			   /* the old one has made way */
	medio_mdev_done *done;		   /* NULL: it was our own idea */
	void *opaque;
};

static void change_free(struct medio_change *change)
{
	if (!change)
		return;
	medio_strv_free(&change->params);
	medio_strv_free(&change->filters);
	free(change);
}

/* Take it off inst. What is done is told last: who hears it may remove inst. */
static void end(struct medio_managed *inst, int ret)
{
	struct medio_change *change = inst->change;
	medio_mdev_done *done = change->done;
	void *opaque = change->opaque;

	if (change->former)
		change->former->heir = NULL;
	inst->change = NULL;
	change_free(change);
	medio_managed_listen(inst);
	if (done)
		done(opaque, ret);
}

void medio_change_drop(struct medio_managed *inst, int ret)
{
	if (inst->change)
		end(inst, ret);
}

/* It is to be as it was. */
static void failed(struct medio_managed *inst, int ret, const char *words)
{
	struct medio_change *change = inst->change;

	medio_manager_log(inst->manager, MEDIO_LOG_WARN, "%s stays as it was: %s",
		medio_mdev_uuid(inst->mdev), words);
	inst->change = NULL;
	if (!inst->run && change->alone)
		medio_managed_begin(inst, inst->restart == MEDIO_RESTART_RESTORE);
	else if (!inst->run && inst->trouble) /* it was dead before */
		medio_managed_unbind(inst);
	else if (!inst->run) /* it has died meanwhile */
		medio_managed_restart(inst, words);
	inst->change = change;
	end(inst, ret);
}

static int begin(struct medio_managed *inst, struct medio_error **err)
{
	struct medio_run_plan plan = {
		.params = &inst->change->params,
		.filters = &inst->change->filters,
		.other = inst->process,
	};

	if (inst->listener < 0) {
		int ret = medio_managed_bind(inst, err);
		if (ret)
			return ret;
	}
	return medio_run_start(inst, &plan, err);
}

static void begin_or_fail(struct medio_managed *inst)
{
	struct medio_error *err = NULL;

	int ret = begin(inst, &err);
	if (!ret) {
		medio_managed_listen(inst); /* not now */
		return;
	}
	failed(inst, ret, medio_error_text(err));
	medio_error_free(err);
}

void medio_change_alone(struct medio_managed *inst)
{
	inst->change->former = NULL;
	begin_or_fail(inst);
}

/* They may have been in each other's way: two of a kind cannot have the same path. */
static bool is_conflict(int ret)
{
	return ret == -EADDRINUSE || ret == -EBUSY || ret == -EEXIST;
}

static void make_way(struct medio_managed *inst)
{
	struct medio_run *former = inst->run;

	medio_managed_drop_attrs(inst);
	inst->change->alone = true;
	inst->change->former = former;
	medio_run_stop(former);
	former->heir = inst;
}

static void exchange(struct medio_strv *a, struct medio_strv *b)
{
	struct medio_strv list = *a;

	*a = *b;
	*b = list;
}

void medio_change_started(
	struct medio_managed *inst, struct medio_run *run, int ret, const char *words)
{
	if (ret) {
		medio_run_free(run);
		if (is_conflict(ret) && inst->run)
			make_way(inst);
		else
			failed(inst, ret, words);
		return;
	}
	medio_managed_drop_attrs(inst);
	inst->next = NULL;
	medio_run_stop(inst->run);
	exchange(&inst->params, &inst->change->params);
	exchange(&inst->filters, &inst->change->filters);
	medio_managed_set_run(inst, run);
	medio_managed_save(inst);
	medio_mdev_changed(inst->mdev, "MEDIO_CHANGE=params");
	end(inst, 0);
}

/* 0: it can be changed now. What we began by ourselves gives way to what somebody asks for. */
static int may_change(struct medio_managed *inst)
{
	if (inst->change && !inst->change->done && inst->next && !inst->change->alone) {
		medio_run_stop(inst->next);
		medio_change_drop(inst, 0);
	}
	if (medio_mdev_state(inst->mdev) != MEDIO_MDEV_ACTIVE || inst->next || inst->change ||
		inst->waiting || inst->awaited)
		return -EAGAIN;
	if (medio_mdev_pf(inst->mdev))
		return -EOPNOTSUPP;
	return inst->num_clients || medio_mdev_num_vfs(inst->mdev) ? -EBUSY : 0;
}

static struct medio_change *change_new(
	const struct medio_managed *inst, medio_mdev_done *done, void *opaque)
{
	struct medio_change *change = calloc(1, sizeof(*change));

	if (!change)
		return NULL;
	change->done = done;
	change->opaque = opaque;
	if (medio_strv_copy(&change->params, medio_strv_items(&inst->params), inst->params.count) ||
		medio_strv_copy(
			&change->filters, medio_strv_items(&inst->filters), inst->filters.count)) {
		change_free(change);
		return NULL;
	}
	return change;
}

void medio_managed_set_param(struct medio_managed *inst, const char *name, const char *value,
	medio_mdev_done *done, void *opaque)
{
	int ret = may_change(inst);
	struct medio_change *change = ret ? NULL : change_new(inst, done, opaque);

	if (!ret && (!*name || strchr(name, '=')))
		ret = -EINVAL;
	if (!ret && (!change || medio_strv_assign(&change->params, name, value)))
		ret = -ENOMEM;
	if (!ret) {
		inst->change = change;
		begin_or_fail(inst);
		return;
	}
	change_free(change);
	if (done)
		done(opaque, ret);
}

void medio_managed_set_filters(struct medio_managed *inst, const char *const *filters,
	unsigned nfilters, medio_mdev_done *done, void *opaque)
{
	int ret = may_change(inst);
	struct medio_change *change = ret ? NULL : change_new(inst, done, opaque);

	if (!ret && (!change || medio_strv_copy(&change->filters, filters, nfilters)))
		ret = -ENOMEM;
	if (!ret) {
		inst->change = change;
		begin_or_fail(inst);
		return;
	}
	change_free(change);
	if (done)
		done(opaque, ret);
}

/* ---- Simple ones -------------------------------------------------------------------------------------- */

/* What a worker is told when it starts has changed: it is replaced if nobody minds. */
static void replace(struct medio_managed *inst, const char *what)
{
	struct medio_change *change = may_change(inst) ? NULL : change_new(inst, NULL, NULL);

	if (change) {
		inst->change = change;
		begin_or_fail(inst);
	} else {
		medio_manager_log(inst->manager, MEDIO_LOG_INFO, "%s: %s from its next start on",
			medio_mdev_uuid(inst->mdev), what);
	}
}

int medio_managed_set_owner(struct medio_managed *inst, uid_t uid, gid_t gid)
{
	if (chown(inst->socket, uid, gid) < 0)
		return -errno;
	inst->uid = uid;
	inst->gid = gid;
	int ret = medio_managed_save(inst);
	/* A virtual function's worker is its card's. */
	if (inst->run && !medio_mdev_pf(inst->mdev))
		replace(inst, "its worker runs as its new owner");
	return ret;
}

int medio_managed_set_mode(struct medio_managed *inst, mode_t mode)
{
	if (mode & ~(mode_t)0777)
		return -EINVAL;
	if (chmod(inst->socket, mode) < 0)
		return -errno;
	inst->mode = mode;
	return medio_managed_save(inst);
}

int medio_managed_set_restart(struct medio_managed *inst, enum medio_restart restart)
{
	if (restart > MEDIO_RESTART_RESTORE)
		return -EINVAL;
	if (medio_mdev_pf(inst->mdev)) /* as its card says */
		return -EOPNOTSUPP;
	for (struct medio_mdev *vf = NULL; (vf = medio_mdev_next_vf(inst->mdev, vf));) {
		struct medio_managed *of = medio_managed_of(vf);
		if (!of)
			continue;
		of->restart = restart;
		medio_managed_save(of);
	}
	inst->restart = restart;
	int ret = medio_managed_save(inst);
	/* A worker keeps checkpoints from its start on. */
	if (restart == MEDIO_RESTART_RESTORE && inst->checkpoint < 0 && inst->run)
		replace(inst, "its state is saved");
	return ret;
}
