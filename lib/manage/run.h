/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A run: an instance within a process. An instance has one where it runs, and one where it is being
 * started; after a stop the run alone is left until the process has answered.
 */
#ifndef MEDIO_MANAGE_RUN_H
#define MEDIO_MANAGE_RUN_H

#include "manage/process.h"

enum medio_run_state { MEDIO_RUN_STARTING, MEDIO_RUN_RUNNING, MEDIO_RUN_STOPPING };

struct medio_run {
	struct medio_list item;	   /* in process->runs or strangers, unless it is stopping */
	struct medio_list pending; /* in process->starting or stopping */
	struct medio_process *process;
	struct medio_managed *inst; /* NULL: it is stopping, or a stranger */
	uint8_t uuid[MEDIO_UUID_SIZE];
	struct medio_managed *heir; /* waits for its end to be started (change.c); NULL: nobody */
	enum medio_run_state state;
	unsigned slot;
	int checkpoint; /* until it runs, then its instance's; -1: none */
	bool restore;	/* was asked to begin with the checkpoint */
	uint64_t since;
};

/* What is started: the instance's own lists, or those it is to have. */
struct medio_run_plan {
	const struct medio_strv *params, *filters;
	bool restore;
	const struct medio_process *other; /* not in this process */
};

/* What a process that can run inst, with these parameters, has to be. */
void medio_run_need(const struct medio_managed *inst, const struct medio_strv *params,
	const struct medio_parent_settings *settings, struct medio_process_need *need);
/* Begin: inst->next is set. medio_managed_started() follows, unless the run is stopped before. */
int medio_run_start(
	struct medio_managed *inst, const struct medio_run_plan *plan, struct medio_error **err);
/* The process has told that it runs inst (adoption). */
struct medio_run *medio_run_found(
	struct medio_process *process, struct medio_managed *inst, unsigned slot);
/* End it: inst no longer knows it. NULL is allowed. */
void medio_run_stop(struct medio_run *run);
/* What is no instance of ours: tell the process to stop it, or let it be for a later mediod. */
void medio_run_stop_stranger(struct medio_process *process, const uint8_t *uuid, unsigned slot);
void medio_run_keep_stranger(struct medio_process *process, const uint8_t *uuid, unsigned slot);
/* mediod ends for good, and they with it. */
void medio_run_stop_strangers(struct medio_process *process);
/* It is gone: unlink it from everywhere, free it. */
void medio_run_free(struct medio_run *run);

/* Whether a line that the process, or the driver of what it runs, causes may be logged: not more than somebody
 * can read. */
bool medio_run_may_log(struct medio_process *process);
/* Words of somebody we do not trust, for a log. */
void medio_run_clean(const char *text, char *buf, size_t size);

/* From process.c: a message came; the process is dead, event is "died:9", words say it. */
void medio_run_message(struct medio_process *process, struct medio_wire_msg *msg);
void medio_run_lost(struct medio_process *process, const char *event, const char *words);
/* mediod leaves: the process goes on without us. */
void medio_run_forget(struct medio_process *process);

/* ---- The instance (managed.c, restart.c, adopt.c, change.c) -------------------------------------- */

/* Somebody to tell from the loop. */
struct medio_waiter {
	struct medio_waiter *next;
	medio_mdev_done *done;
	void *opaque;
	int ret;
};

/* By UUID, in whatever state; NULL: there is none of ours. */
struct medio_managed *medio_managed_find(struct medio_manager *m, const uint8_t *uuid);
/* An attribute call was answered. */
void medio_managed_attr_answered(struct medio_managed *inst, const struct medio_wire_msg *msg);
/* A run was started (ret 0) or could not be: run is still linked then, and to be freed. */
void medio_managed_started(struct medio_run *run, int ret, bool restored, const char *words);
/* A run ended with its process. */
void medio_managed_lost(struct medio_run *run, const char *event, const char *words);
/* Make run the one where the instance runs; NULL: none. */
void medio_managed_set_run(struct medio_managed *inst, struct medio_run *run);
/* Accept clients, if it runs and is not being changed; or do not. */
void medio_managed_listen(struct medio_managed *inst);
/* A listening socket at its path; none. */
int medio_managed_bind(struct medio_managed *inst, struct medio_error **err);
void medio_managed_unbind(struct medio_managed *inst);
/* A listener that a worker has too must not block us. -errno. */
int medio_managed_guard(int listener);
/* Its record, for the next mediod. */
int medio_managed_save(struct medio_managed *inst);
/* Nothing runs it: words say why, and are for `medio list` too. */
void medio_managed_trouble(struct medio_managed *inst, const char *words);
/* Answer what was asked of it with -ENODEV. */
void medio_managed_drop_attrs(struct medio_managed *inst);
/* The user of it is asked no more, but disconnected. */
void medio_managed_disconnect(struct medio_managed *inst);
/* done is called from the loop. -ENOMEM. */
int medio_managed_wait(struct medio_managed *inst, medio_mdev_done *done, void *opaque);
/* Unlink what is known to be in there, and the folder. */
void medio_managed_remove_folder(const struct medio_manager *m, const char *uuid);
/* Subscriber of the bus: forgets instances that had no driver any more. */
void medio_managed_on_event(void *opaque, const struct medio_mdev_event *event);
/* Settings of its parent; defaults if the parent has none. */
void medio_managed_settings(const struct medio_parent *parent, struct medio_parent_settings *out);
/* Answer the first probe; inst may be gone after a failure. */
void medio_managed_probed(struct medio_managed *inst, int ret, const char *words);

/* restart.c: nothing runs it, for that reason: begin again by its policy, or give up. */
void medio_managed_restart(struct medio_managed *inst, const char *words);
/* Begin now. restore: from its checkpoint. Begins again later if that fails. */
void medio_managed_begin(struct medio_managed *inst, bool restore);
/* It is started again. */
void medio_managed_restarted(struct medio_managed *inst, bool restored);
/* Timer function of an instance that waits. */
void medio_managed_on_timer(void *opaque);
/* Its user is asked; ask again, or take it away, in time. */
void medio_managed_ask_later(struct medio_managed *inst);
void medio_managed_arm(struct medio_managed *inst, uint64_t after_ns);

/* change.c: inst->next, begun for a change, has started or not. */
void medio_change_started(
	struct medio_managed *inst, struct medio_run *run, int ret, const char *words);
/* The old one has ended, which was in the way of the new. */
void medio_change_alone(struct medio_managed *inst);
/* Called off: tell who waits. */
void medio_change_drop(struct medio_managed *inst, int ret);

/* adopt.c: probe for an instance that was there before. */
struct medio_adoption {
	const struct medio_record *record;
	struct medio_process *process; /* that ran it, and lives; NULL: none */
};
int medio_managed_adopt_one(struct medio_managed *inst, const struct medio_adoption *adoption);
/* What a process tells of itself; false: it broke the protocol. */
bool medio_adopt_message(struct medio_process *process, struct medio_wire_msg *msg);
/* It will tell no more: those that waited for it are started again. */
void medio_adopt_finish(struct medio_process *process, const char *words);

#endif
