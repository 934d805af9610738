/* SPDX-License-Identifier: BSD-3-Clause */
/* An instance is changed by being made anew beside the old one, which ends when the new one runs. */
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
	medio_mdev_done *done;
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

static void end(struct medio_managed *inst, int ret)
{
	struct medio_change *change = inst->change;
	medio_mdev_done *done = change->done;
	void *opaque = change->opaque;

	inst->change = NULL;
	change_free(change);
	medio_managed_listen(inst);
	if (done)
		done(opaque, ret);
}

void medio_change_drop(struct medio_managed *inst, int ret)
{
	struct medio_change *change = inst->change;

	if (!change)
		return;
	inst->change = NULL;
	if (change->done)
		change->done(change->opaque, ret);
	change_free(change);
}

static void failed(struct medio_managed *inst, struct medio_run *run, int ret, const char *words)
{
	medio_manager_log(inst->manager, MEDIO_LOG_WARN, "%s stays as it was: %s",
		medio_mdev_uuid(inst->mdev), words);
	if (run)
		medio_run_free(run);
	/* The old one has died meanwhile, or was dead before. */
	if (!inst->run && inst->trouble)
		medio_managed_unbind(inst);
	else if (!inst->run)
		medio_managed_restart(inst, words);
	end(inst, ret);
}

void medio_change_started(
	struct medio_managed *inst, struct medio_run *run, int ret, const char *words)
{
	struct medio_change *change = inst->change;
	struct medio_strv list;

	if (ret) {
		failed(inst, run, ret, words);
		return;
	}
	medio_managed_drop_attrs(inst);
	inst->next = NULL;
	medio_run_stop(inst->run);
	medio_managed_set_run(inst, run);
	list = inst->params;
	inst->params = change->params;
	change->params = list;
	list = inst->filters;
	inst->filters = change->filters;
	change->filters = list;
	medio_managed_save(inst);
	medio_mdev_changed(inst->mdev, "MEDIO_CHANGE=params");
	end(inst, 0);
}

/* 0: it can be changed now. */
static int may_change(const struct medio_managed *inst)
{
	if (medio_mdev_state(inst->mdev) != MEDIO_MDEV_ACTIVE || inst->next || inst->change ||
		inst->waiting || inst->awaited)
		return -EAGAIN;
	return inst->num_clients ? -EBUSY : 0;
}

static int begin(struct medio_managed *inst, struct medio_change *change, struct medio_error **err)
{
	struct medio_run_plan plan = {
		.params = &change->params,
		.filters = &change->filters,
		.other = inst->process,
	};

	if (inst->listener < 0) {
		int ret = medio_managed_bind(inst, err);
		if (ret)
			return ret;
	}
	return medio_run_start(inst, &plan, err);
}

/* change is taken. */
static void start(struct medio_managed *inst, struct medio_change *change)
{
	struct medio_error *err = NULL;

	int ret = begin(inst, change, &err);
	inst->change = change;
	if (ret) {
		failed(inst, NULL, ret, medio_error_text(err));
		medio_error_free(err);
		return;
	}
	medio_managed_listen(inst);
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
		start(inst, change);
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
		start(inst, change);
		return;
	}
	change_free(change);
	if (done)
		done(opaque, ret);
}

/* ---- Simple ones -------------------------------------------------------------------------------------- */

int medio_managed_set_owner(struct medio_managed *inst, uid_t uid, gid_t gid)
{
	if (chown(inst->socket, uid, gid) < 0)
		return -errno;
	inst->uid = uid;
	inst->gid = gid;
	return medio_managed_save(inst);
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

/* A worker keeps checkpoints from its start on, so one that has none is replaced if nobody minds. */
int medio_managed_set_restart(struct medio_managed *inst, enum medio_restart restart)
{
	if (restart > MEDIO_RESTART_RESTORE)
		return -EINVAL;
	inst->restart = restart;
	if (restart == MEDIO_RESTART_RESTORE && inst->checkpoint < 0 && inst->run) {
		struct medio_change *change = may_change(inst) ? NULL
							       : change_new(inst, NULL, NULL);
		if (change)
			start(inst, change);
		else
			medio_manager_log(inst->manager, MEDIO_LOG_INFO,
				"%s: its state is saved from its next start on",
				medio_mdev_uuid(inst->mdev));
	}
	return medio_managed_save(inst);
}
