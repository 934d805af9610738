/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Worker processes as mediod sees them: started ahead of need, spoken to over a socket without ever
 * waiting, heard of when they die. What the instances in them are is run.h's matter.
 *
 * State        until                                        then
 * SPARE        an instance comes                            SERVING
 * ADOPTING     it has told all it runs (DONE; 2 s)          SERVING, ENDING
 * SERVING      its last instance is stopped                 ENDING (a shared one: after 5 s)
 * ENDING       it exits (5 s, then SIGKILL)
 *
 * A worker that breaks the protocol, does not answer START within 30 s, about an attribute within 10 s
 * or STOP within 5 s, or does not read, is killed; whatever the cause, its end is told once, by medio_run_lost().
 */
#ifndef MEDIO_MANAGE_PROCESS_H
#define MEDIO_MANAGE_PROCESS_H

#include "manage/parents.h"
#include "worker/shared.h"
#include "worker/wire.h"

#define MEDIO_POOL_BUCKETS 64

struct medio_adoption;

struct medio_workers {
	struct medio_manager *manager;
	struct medio_list processes; /* struct medio_process.item */
	struct medio_list spares;    /* struct medio_process.place */
	unsigned num_spares;
	struct medio_list pools[MEDIO_POOL_BUCKETS]; /* struct medio_pool.item */
	struct medio_list dead;			     /* struct medio_process.item, to be freed */
	struct medio_list partings;		     /* struct medio_parting.item, client.h */
	struct medio_list starved;		     /* struct medio_managed.starved_item */
	struct medio_waiter *waiters;		     /* to be told from the loop */
	struct medio_timer *refill, *later, *thirst;
	struct medio_mdev_subscriber *subscriber;
	const struct medio_adoption *adopted; /* while its instance is created again */
	uint64_t cookie;		      /* the last one given out */
	unsigned vfs_jobs;		      /* numbers of virtual functions that are being set */
	unsigned waiting;		      /* instances that wait to be restarted */
	unsigned bad_spares;		      /* spares that died, one after the other */
	bool ending;			      /* nothing is started any more */
	bool told_lacks;		      /* what their sandbox is made without */
	struct medio_wire_packet packet;
};

enum medio_process_state {
	MEDIO_PROCESS_SPARE,
	MEDIO_PROCESS_ADOPTING,
	MEDIO_PROCESS_SERVING,
	MEDIO_PROCESS_ENDING,
	MEDIO_PROCESS_DEAD,
};

/* Workers that instances of one parent and one owner share. */
struct medio_pool {
	struct medio_list item;
	struct medio_list roomy; /* struct medio_process.place: those with a free slot */
	const struct medio_parent *parent;
	uid_t uid;
	gid_t gid;
	unsigned count; /* of processes */
};

struct medio_process {
	struct medio_workers *workers;
	struct medio_list item;
	struct medio_list place; /* among spares, or those of its pool with room */
	enum medio_process_state state;
	char name[32]; /* of its socket, in RUNTIME/workers */
	pid_t pid;     /* 0: not known (a worker of a former mediod) */
	bool killed;   /* by us; why says for what */
	char *why;
	int pidfd, sock;
	struct medio_watch *pid_watch, *sock_watch;
	struct medio_timer *timer; /* looks at what is overdue */
	uint64_t since;		   /* when state was entered, or an empty one was left idle */
	struct medio_list out;	   /* struct packet.item (post.c): not sent yet */
	size_t out_size;
	uint64_t sent_ns; /* the last time that one was */

	struct medio_pool *pool;	      /* NULL: isolated */
	struct medio_list runs;		      /* struct medio_run.item, starting and running */
	struct medio_list strangers;	      /* struct medio_run.item: left to a later mediod */
	struct medio_list starting, stopping; /* struct medio_run.pending, oldest first */
	struct medio_list awaited;	      /* struct medio_managed.awaited_item */
	struct medio_list asked;	      /* struct medio_asked.item, oldest first */
	unsigned count;			      /* of runs and strangers */
	union medio_shared_slot *slots;	      /* nslots of them */
	uint64_t *used;			      /* a bit each */
	unsigned nslots, nused, hint;	      /* no slot below hint is free */

	struct {
		uint64_t since;
		unsigned lines, lost;
	} log; /* lines it may still write */
};

/* Something that a process was asked and has not answered. */
struct medio_asked {
	struct medio_list item; /* in process->asked */
	uint64_t since;
};

/* What a process is to be like. */
struct medio_process_need {
	const struct medio_parent *parent;
	uid_t uid;
	gid_t gid;
	unsigned per_worker;
	bool vfs; /* alone, with slots for virtual functions behind its own */
	const struct medio_process *other; /* not in this one; NULL: in any */
};

/* -ENOMEM. */
int medio_workers_new(struct medio_manager *m, struct medio_workers **out);
/* leaving: processes are let be. Else they end, or are killed; waits for that. */
void medio_workers_free(struct medio_workers *workers, bool leaving);
/* Call workers' waiters and free what is dead, from the loop. */
void medio_workers_later(struct medio_workers *workers);

/* A process with a free slot, and that slot, which is then taken. Errors with words. */
int medio_process_take(struct medio_workers *workers, const struct medio_process_need *need,
	struct medio_process **out, unsigned *slot, struct medio_error **err);
/* A run of it has gone: its slot is free again. Ends a process that has nothing to do. */
void medio_process_give(struct medio_process *process, unsigned slot);
/* Meet a worker of a former mediod: its slots, when it tells of them. -ECONNREFUSED: there is
 * nobody. */
int medio_process_meet(struct medio_workers *workers, const char *name, struct medio_process **out,
	struct medio_error **err);
/* Take over its counters' memory (fd, taken; -1: it has none). -EPROTO. */
int medio_process_adopt_slots(struct medio_process *process, int fd);
/* That slot is in use. -EPROTO: it was already, or there is no such slot. */
int medio_process_claim(struct medio_process *process, unsigned slot);
/* It has told all it runs; pool as in need (per_worker 1: none). */
void medio_process_adopted(struct medio_process *process, const struct medio_process_need *need);

/* Send, or keep until it reads: msg's descriptors stay the caller's. 0 also if the process is dying,
 * which is told otherwise. -EMSGSIZE, -ENOMEM, -EMFILE. */
int medio_process_send(struct medio_process *process, const struct medio_wire_msg *msg);
/* Something is waited for: see that it comes in time. */
void medio_process_expect(struct medio_process *process);
/* Let it end by itself, and kill it if it does not. */
void medio_process_end(struct medio_process *process);
/* Kill it, for a reason. Its end is told later. */
void medio_process_kill(struct medio_process *process, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- Between the files of this noun ------------------------------------------------------------- */

/* process.c. hang_up: close our end, and see that it exits. bury: it is dead. */
int medio_process_spawn(
	struct medio_workers *workers, struct medio_process **out, struct medio_error **err);
void medio_process_hang_up(struct medio_process *process);
/* On a fresh connection, the worker forgets the former one. */
int medio_process_reconnect(struct medio_process *process);
void medio_process_bury(struct medio_process *process, const char *event, const char *words);
void medio_workers_bury_dead(struct medio_workers *workers);
void medio_workers_let_be(struct medio_workers *workers);

/* process-end.c: how the process behind a pidfd that is readable ended, and reap it if it is a child
 * of ours. why: it was killed by us, for that; NULL: it was not. */
struct medio_process_end {
	char event[32];	 /* "died:9", "exited:1", "died" */
	char words[256]; /* "was killed by SIGSEGV" */
};
void medio_process_end_of(int pidfd, const char *why, struct medio_process_end *end);

/* pool.c */
void medio_pool_leave(struct medio_process *process);
void medio_pool_spare_died(struct medio_workers *workers, pid_t pid, const char *words);
void medio_pool_refill(void *opaque);

/* post.c: messages out and in. receive: at most so many. flush_hard: wait a moment. */
void medio_post_on_socket(void *opaque, uint32_t events);
void medio_post_receive(struct medio_process *process, unsigned max);
void medio_post_drop(struct medio_process *process);
void medio_post_flush_hard(struct medio_process *process);

#endif
