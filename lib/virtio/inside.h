/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the core share; transports and queues see core.h and virtq.h only.
 *
 *     core.c      life, queues, notifications, quiet and drain
 *     by_queue.c  queues that start and stop by themselves
 *     status.c    the status and its steps, features, resets, NEEDS_RESET
 *     config.c    the device's configuration and its generation
 *     poll.c      when to look for work without being told
 *     state.c     save and load
 *     show.c      attributes
 */
#ifndef MEDIO_VIRTIO_INSIDE_H
#define MEDIO_VIRTIO_INSIDE_H

#include "virtio/core.h"

/* Features of rings; <linux/virtio_ring.h> has names that would be taken for the driver's. */
#define MEDIO_VIRTIO_INDIRECT_DESC 28u
#define MEDIO_VIRTIO_EVENT_IDX	   29u
/* Not in the headers of every kernel. */
#define MEDIO_VIRTIO_NOTIFICATION_DATA 38u

/* Bits of the status that a driver may write (2.1). SUSPEND is of 1.4, and not offered. */
#define MEDIO_VIRTIO_STATUS_KNOWN 0xcfu

/* Reasons to pop nothing for now. */
enum {
	MEDIO_VIRTIO_HOLD_QUIET = 1,  /* quiesce() to resume() */
	MEDIO_VIRTIO_HOLD_CLIENT = 2, /* there is none, or it has not shown that it goes on */
	MEDIO_VIRTIO_HOLD_MASTER = 4, /* bus mastering is off */
};

struct medio_virtio_core_queue {
	struct medio_virtio_queue_regs regs;
	struct medio_virtq *vq;
	/* By queue: where it starts, or was when it was stopped; else it begins at its beginning. */
	struct medio_virtq_position at;
	bool has_at;
	void *inflight; /* the transport's notes, while it is enabled */
	bool told;	/* the device has been told that it is live, and not that it is not */
	bool again;	/* kick() is due */
	bool quiet;	/* never polled (poll-queues); its driver notifies */
};

/* What load() has read and cannot use before there is memory. */
struct medio_virtio_pending {
	struct medio_virtq_position
		*positions; /* one a queue; NULL: bytes alone, or nothing at all */
	uint8_t *bytes;	    /* the device's own */
	size_t size;
};

struct medio_virtio_polling {
	struct medio_poller *poller; /* NULL with poll=off */
	bool always;		     /* poll=on, whatever the parameter says */
	bool awake;
	unsigned idle;	      /* rounds without work since the clock was last looked at */
	uint64_t worked_ns;   /* when there was work last, as far as the clock was looked at */
	uint64_t woke_ns;     /* when it woke up */
	uint64_t live_ns;     /* when the device went live */
	uint64_t live_cpu_ns; /* the thread's CPU time then */
	uint64_t rounds, productive, wakes;
	uint64_t awake_ns; /* in all, without the present time awake */
};

struct medio_virtio_core {
	struct medio_dev *dev;
	const struct medio_virtio_type *type;
	const struct medio_virtio_ops *ops; /* never NULL */
	const struct medio_virtio_transport *transport;
	void *opaque;

	uint64_t offered, driver_features, accepted;
	uint8_t status;
	bool in_init;	/* features and queues may still change */
	bool present;	/* a client is there */
	bool resetting; /* the driver's reset waits for chains in flight */
	bool quiescing; /* medio_quiesce_done() is owed */
	unsigned hold;	/* why nothing is popped, MEDIO_VIRTIO_HOLD_* */

	unsigned num_queues;
	struct medio_virtio_core_queue *queues; /* num_queues of them */
	unsigned next_again;			/* who is first in the next round */
	struct medio_timer *again;

	uint8_t *config; /* type->config_size bytes, while it is read */
	uint8_t generation;
	bool config_was_read; /* since the generation was last another one */

	struct medio_virtio_polling polling;
	struct medio_virtio_pending pending;
	struct medio_timer *revive; /* tries to go on after load() */
	unsigned revive_tries;
};

static inline struct medio_virtio *medio_virtio_params(const struct medio_virtio_core *core)
{
	return medio_priv(core->dev);
}

static inline bool medio_virtio_core_has(const struct medio_virtio_core *core, unsigned bit)
{
	return core->accepted >> bit & 1;
}

/* core.c */
void medio_virtio_core_hold(struct medio_virtio_core *core, unsigned why);
void medio_virtio_core_release(struct medio_virtio_core *core, unsigned why);
/* Chains may be popped: DRIVER_OK, and nothing that stands against it. */
bool medio_virtio_core_is_live(const struct medio_virtio_core *core);
/* Start a queue that is enabled, at position (NULL: its beginning). Errors of medio_virtq_start(). */
int medio_virtio_core_queue_start(struct medio_virtio_core *core, unsigned index,
	const struct medio_virtq_position *position, char *words);
/* Tell the device of a queue, and look into it soon. */
void medio_virtio_core_queue_told(struct medio_virtio_core *core, unsigned index, bool live);
/* Run kick() of a queue soon. */
void medio_virtio_core_again(struct medio_virtio_core *core, unsigned index);
/* A turn of a live queue; true: chains were popped. */
bool medio_virtio_core_turn(struct medio_virtio_core *core, unsigned index, bool poll);
/* Chains popped and not pushed, of all queues. */
unsigned medio_virtio_core_in_flight(const struct medio_virtio_core *core);
/* Show drivers what has been pushed in all queues. */
void medio_virtio_core_flush(struct medio_virtio_core *core);
/* The device gives back what it has; said in the log if it does not. */
void medio_virtio_core_drain(struct medio_virtio_core *core);

/* status.c */
/* Queues are started: tell the device. */
void medio_virtio_core_go_live(struct medio_virtio_core *core);
void medio_virtio_core_broken(struct medio_virtio_core *core, const char *words);
/* A queue has become idle: resets that waited for it go on. */
void medio_virtio_core_reset_idle(struct medio_virtio_core *core, unsigned index);

/* poll.c */
/* CPU time of this thread. */
uint64_t medio_virtio_thread_cpu_ns(void);
/* -ENOMEM; -EINVAL with words through medio_fail(). */
int medio_virtio_poll_init(struct medio_virtio_core *core);
void medio_virtio_poll_fini(struct medio_virtio_core *core);
/* The device went live, or not any more. */
void medio_virtio_poll_live(struct medio_virtio_core *core, bool live);
/* Is this queue looked into without being told, now? */
bool medio_virtio_polls(const struct medio_virtio_core *core, unsigned index);
/* There was work in a queue, or may be: adaptive polling begins, or goes on. */
void medio_virtio_poll_wake(struct medio_virtio_core *core, unsigned index);
/* Nothing is looked for while core->hold says so. */
void medio_virtio_poll_hold(struct medio_virtio_core *core);

/* state.c */
/* The device is live: its own bytes, if they were loaded before. */
void medio_virtio_core_own_late(struct medio_virtio_core *core);
/* Go on with what load() left pending, if there is memory for it. force: it is broken if there is not. */
void medio_virtio_core_revive(struct medio_virtio_core *core, bool force);
/* Memory came: that is tried soon. */
void medio_virtio_core_memory_came(struct medio_virtio_core *core);
void medio_virtio_core_forget_pending(struct medio_virtio_core *core);
/* Of a queue that is enabled before that: it begins anew, whatever load() has read. */
void medio_virtio_core_forget_position(struct medio_virtio_core *core, unsigned index);

#endif
