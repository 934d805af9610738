/* SPDX-License-Identifier: BSD-3-Clause */
/* What an instance waits for: to be restarted, or for its user to let go. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manage/client.h"
#include "manage/functions.h"
#include "manage/run.h"
#include "util/error.h"

#define MILLI 1000000ull

#define ASK_NS	    (10000 * MILLI) /* as the kernel does */
#define DEATHS_MAX  10
#define DEATHS_NS   (60000 * MILLI)
#define BACKOFF_NS  (100 * MILLI)
#define BACKOFF_MAX (5000 * MILLI)

/* The latest deaths, a ring. */
struct medio_deaths {
	uint64_t when[DEATHS_MAX];
	unsigned count, next;
};

void medio_managed_arm(struct medio_managed *inst, uint64_t after_ns)
{
	if (!inst->timer)
		inst->timer = medio_loop_timer(inst->manager->loop, medio_managed_on_timer, inst);
	if (inst->timer)
		medio_timer_arm(inst->timer, after_ns);
	else
		medio_manager_log(inst->manager, MEDIO_LOG_ERROR, "%s: out of memory",
			medio_mdev_uuid(inst->mdev));
}

/* ---- Restart ------------------------------------------------------------------------------------------ */

/* Note a death; how many there were within a minute before it. */
static unsigned note_death(struct medio_managed *inst)
{
	uint64_t now = medio_now_ns();
	unsigned recent = 0;

	if (!inst->deaths)
		inst->deaths = calloc(1, sizeof(*inst->deaths));
	if (!inst->deaths)
		return DEATHS_MAX;
	struct medio_deaths *deaths = inst->deaths;
	for (unsigned i = 0; i < deaths->count; i++)
		recent += now - deaths->when[i] < DEATHS_NS;
	deaths->when[deaths->next] = now;
	deaths->next = (deaths->next + 1) % DEATHS_MAX;
	if (deaths->count < DEATHS_MAX)
		deaths->count++;
	return recent;
}

static uint64_t backoff(unsigned recent)
{
	if (recent == 0)
		return 0;
	uint64_t ns = BACKOFF_NS << (recent - 1);
	return ns < BACKOFF_MAX ? ns : BACKOFF_MAX;
}

static void give_up(struct medio_managed *inst, const char *words)
{
	medio_manager_log(inst->manager, MEDIO_LOG_ERROR, "%s is dead: %s",
		medio_mdev_uuid(inst->mdev), words);
	medio_managed_unbind(inst);
	medio_managed_save(inst);
}

void medio_managed_restart(struct medio_managed *inst, const char *words)
{
	struct medio_workers *workers = inst->manager->workers;
	char why[400];

	medio_managed_trouble(inst, words);
	medio_managed_listen(inst);
	if (workers->ending)
		return;
	/* A virtual function begins again when its card does. */
	if (medio_mdev_pf(inst->mdev))
		return;
	if (inst->restart == MEDIO_RESTART_NEVER) {
		give_up(inst, words);
		return;
	}
	unsigned recent = note_death(inst);
	if (recent >= DEATHS_MAX) {
		snprintf(why, sizeof(why), "%s; that was too often within a minute", words);
		medio_managed_trouble(inst, why);
		give_up(inst, why);
		return;
	}
	inst->waiting = true;
	workers->waiting++;
	medio_managed_arm(inst, backoff(recent));
}

void medio_managed_begin(struct medio_managed *inst, bool restore)
{
	struct medio_run_plan plan = {
		.params = &inst->params,
		.filters = &inst->filters,
		.restore = restore,
	};
	struct medio_error *err = NULL;

	if (medio_run_start(inst, &plan, &err)) {
		medio_managed_restart(inst, medio_error_text(err));
		medio_error_free(err);
	}
}

void medio_managed_restarted(struct medio_managed *inst, bool restored)
{
	const char *how = restored ? "restored" : "reset";
	char env[64];

	inst->restarts++;
	medio_manager_log(inst->manager, MEDIO_LOG_INFO, "%s runs again, %s",
		medio_mdev_uuid(inst->mdev), how);
	medio_managed_save(inst);
	snprintf(env, sizeof(env), "MEDIO_WORKER=restarted:%s", how);
	medio_mdev_changed(inst->mdev, env);
}

/* ---- Ask the user to let go -------------------------------------------------------------------------- */

void medio_managed_ask_later(struct medio_managed *inst)
{
	uint64_t grace = inst->manager->grace_ns;
	uint64_t asked = medio_now_ns() - inst->asked_ns;
	uint64_t wait = ASK_NS;

	if (grace)
		wait = asked >= grace ? 0 : grace - asked < ASK_NS ? grace - asked : ASK_NS;
	medio_managed_arm(inst, wait);
}

static void ask_on(struct medio_managed *inst)
{
	struct medio_manager *m = inst->manager;
	const char *uuid = medio_mdev_uuid(inst->mdev);

	if (inst->asking == MEDIO_ASK_DISCONNECTED) {
		if (inst->process)
			medio_process_kill(
				inst->process, "it did not let go of the client of %s", uuid);
		else
			medio_clients_close(inst);
	} else if (m->grace_ns && medio_now_ns() - inst->asked_ns >= m->grace_ns) {
		medio_manager_log(
			m, MEDIO_LOG_WARN, "%s: its user did not let go; it is taken away", uuid);
		medio_managed_disconnect(inst);
	} else {
		medio_mdev_request(inst->mdev);
	}
}

void medio_managed_on_timer(void *opaque)
{
	struct medio_managed *inst = opaque;

	if (inst->waiting) {
		inst->waiting = false;
		inst->manager->workers->waiting--;
		if (!inst->manager->workers->ending)
			medio_managed_begin(inst, inst->restart == MEDIO_RESTART_RESTORE);
	} else if (inst->asking != MEDIO_ASK_NOT) {
		ask_on(inst);
	}
}
