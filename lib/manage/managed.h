/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An instance as mediod has it, and the mdev driver "medio-worker" that runs it in a worker process.
 *
 * RUNTIME/UUID/vfio-user.sock   where clients come; mediod listens and accepts, so it knows who is
 *                               there, and keeps each connection's descriptor beside the worker: when
 *                               a worker dies, mediod reads what is left and closes in order, and the
 *                               client sees an end, not a reset
 * RUNTIME/UUID/instance.json    what a later mediod needs to know (record.h)
 * RUNTIME/workers/ID.sock       where a worker is spoken to (worker/wire.h)
 *
 * A worker that dies is an event (CHANGE, MEDIO_WORKER=died:SIGNAL or exited:STATUS). By restart its
 * instances then wait to be removed (never), start again as after power-on (reset), or with their
 * last checkpoint (restore): CHANGE, MEDIO_WORKER=restarted:reset. One that dies again and again is
 * restarted later each time, and no more after ten times within a minute.
 */
#ifndef MEDIO_MANAGE_MANAGED_H
#define MEDIO_MANAGE_MANAGED_H

#include <time.h>

#include "manage/manager.h"

enum medio_restart { MEDIO_RESTART_NEVER, MEDIO_RESTART_RESET, MEDIO_RESTART_RESTORE };
/* "never", "reset", "restore"; NULL-terminated. */
extern const char *const medio_restart_names[];

struct medio_process; /* process.h */
struct medio_run;     /* run.h: an instance within a process */
struct medio_functions;

struct medio_managed {
	struct medio_manager *manager;
	struct medio_mdev *mdev;
	struct medio_process *process; /* NULL: none runs it (it died, or is being started) */
	uid_t uid;		       /* owner */
	gid_t gid;
	mode_t mode; /* of its socket; 0600 */
	enum medio_restart restart;
	struct medio_strv params, filters;
	char *socket;			 /* path of its vfio-user socket */
	const struct medio_stats *stats; /* of the process that runs it; NULL: none */
	struct medio_list clients;	 /* struct medio_client.item, client.h; oldest first */
	unsigned num_clients;
	struct timespec created; /* CLOCK_REALTIME */
	unsigned restarts;
	char *trouble; /* why nothing runs it, in words; NULL: all is well */

	/* From here on: the driver's own. */
	int listener, checkpoint; /* fds; -1: none */
	struct medio_watch *listener_watch;
	struct medio_list
		starved_item;	       /* in workers->starved: no descriptors left to accept with */
	struct medio_run *run;	       /* where it runs */
	struct medio_run *next;	       /* where it is being started */
	struct medio_process *awaited; /* which is to tell of us (adoption); NULL: none */
	struct medio_list awaited_item; /* in awaited->awaited */
	struct medio_list attrs;	/* struct attr_call.item: not yet answered */
	unsigned num_attrs;
	struct medio_timer *timer;    /* to restart it, or while somebody is asked to let go */
	struct medio_deaths *deaths;  /* when its workers died; NULL: never */
	struct medio_change *change;  /* what set_param and set_filters are about; NULL: nothing */
	struct medio_waiter *waiters; /* more than mdev tells of its removal */
	struct medio_functions *vfs;  /* functions.h; NULL: it has not shown that it can have any */
	uint64_t asked_ns;	      /* since when its client is asked */
	enum { MEDIO_ASK_NOT, MEDIO_ASK, MEDIO_ASK_DISCONNECTED } asking;
	bool has_folder;
	bool probed;  /* the first start was answered */
	bool waiting; /* to be restarted */
};

/* The driver, registered by medio_manager_init(); its opaque is the struct medio_manager *. */
extern const struct medio_mdev_driver medio_mdev_worker;

/* NULL: not one of ours, or not probed yet. */
struct medio_managed *medio_managed_of(const struct medio_mdev *mdev);

/*
 * Everything that was running when a former mediod ended: read the records, meet the workers that
 * live, start again those that do not (by restart), clear away what is nobody's. Call when the
 * parents are registered. Returns the number of instances, or -errno with words. Finishes later:
 * medio_workers_settled() tells.
 */
int medio_managed_adopt(struct medio_manager *m, struct medio_error **err);
/* Nothing is being started, adopted or stopped. */
bool medio_workers_settled(const struct medio_workers *workers);
/* No more waiting for those that do not start: they are killed. */
void medio_workers_hurry(struct medio_workers *workers);

/* Ask the worker to show (text NULL) or store an attribute of its instance: 0, and done is called later; or
 * -errno and it is not: -ENODEV nothing runs it, -EAGAIN too many are being asked for, -E2BIG, -ENOMEM. */
int medio_managed_ask_attr(struct medio_managed *inst, const char *name, const char *text,
	size_t size, medio_mdev_attr_done *done, void *opaque);

/*
 * Change an instance that nobody has open: a parameter, or all of its filters. It is made anew in a
 * fresh worker (in density mode: within its worker); if that fails the old one stays. done is called
 * once (NULL: nobody asks): 0; -EINVAL with the words logged; -EBUSY a client is connected; -EAGAIN
 * it is being changed, started or removed; -EBUSY also for one that has virtual functions, which a change
 * would end, and -EOPNOTSUPP for one that is a virtual function: it is as its card is.
 */
void medio_managed_set_param(struct medio_managed *inst, const char *name, const char *value,
	medio_mdev_done *done, void *opaque);
void medio_managed_set_filters(struct medio_managed *inst, const char *const *filters,
	unsigned nfilters, medio_mdev_done *done, void *opaque);
/* Simple ones, at once. 0 or -errno; the socket's owner and mode follow, and the record. A new owner,
 * or restore, needs another worker: if nobody has it open that is made, else it comes later. */
int medio_managed_set_owner(struct medio_managed *inst, uid_t uid, gid_t gid);
int medio_managed_set_mode(struct medio_managed *inst, mode_t mode);
int medio_managed_set_restart(struct medio_managed *inst, enum medio_restart restart);

/* Process that runs it: its pid, or 0; how many instances it runs. */
pid_t medio_managed_pid(const struct medio_managed *inst, unsigned *sharing);
/* The pid of its client, or 0; who is its uid. */
pid_t medio_managed_client(const struct medio_managed *inst, uid_t *uid);
/* "running", "starting", "waiting" (to be restarted), "dead", "changing", "removing". */
const char *medio_managed_state(const struct medio_managed *inst);

#endif
