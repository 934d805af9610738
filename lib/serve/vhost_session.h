/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One vhost-user front-end: what it has agreed on, its memory and rings. For the files of the back-end
 * only; others see <medio/serve.h>.
 *
 *     vhost_server.c    the socket, and who may come in
 *     vhost_session.c   life, dispatch, answers
 *     vhost_features.c  features, protocol features, status, resets
 *     vhost_memory.c    memory table and slots, user addresses to guest addresses
 *     vhost_vring.c     what the front-end says of a ring
 *     vhost_ring.c      when a ring runs
 *     vhost_config.c    the device's configuration, number of queues
 *     vhost_inflight.c  notes of what is in flight
 *     vhost_migrate.c   dirty log and the device's own state, for vhost_log.h and vhost_state.h
 *
 * A handler answers itself, or returns 0 or -errno after having said in the log what was wrong. A failure is
 * told to a front-end that asked to be told (REPLY_ACK); one that did not ask would go on as if all
 * were well, and loses its connection.
 *
 * Source: QEMU, docs/interop/vhost-user.rst.
 *
 * Threads: the loop's.
 */
#ifndef MEDIO_SERVE_VHOST_SESSION_H
#define MEDIO_SERVE_VHOST_SESSION_H

#include <sys/types.h>

#include "device/instance.h"
#include "serve/vhost_conn.h"
#include "virtio/core.h"

struct medio_guard;
struct medio_vhost_channel;
struct medio_vhost_log;
struct medio_vhost_session;
struct medio_vhost_state;

/* Memory slots that we tell front-ends of: more than any virtual machine monitor has. */
#define MEDIO_VHOST_MAX_REGIONS 512u

/* Protocol features that are offered. */
#define MEDIO_VHOST_PROTOCOL \
	(UINT64_C(1) << MEDIO_VHU_P_MQ | UINT64_C(1) << MEDIO_VHU_P_LOG_SHMFD | \
		UINT64_C(1) << MEDIO_VHU_P_REPLY_ACK | UINT64_C(1) << MEDIO_VHU_P_BACKEND_REQ | \
		UINT64_C(1) << MEDIO_VHU_P_CONFIG | UINT64_C(1) << MEDIO_VHU_P_INFLIGHT_SHMFD | \
		UINT64_C(1) << MEDIO_VHU_P_RESET_DEVICE | UINT64_C(1) << MEDIO_VHU_P_MEM_SLOTS | \
		UINT64_C(1) << MEDIO_VHU_P_STATUS | UINT64_C(1) << MEDIO_VHU_P_DEVICE_STATE)

/* Virtio features that this transport does not carry: DMA through messages of a vIOMMU (ACCESS_PLATFORM),
 * SR-IOV, the reset of a single queue, notifications with data, administration queues. */
#define MEDIO_VHOST_WITHHELD \
	(UINT64_C(1) << 33 | UINT64_C(1) << 37 | UINT64_C(1) << 38 | UINT64_C(1) << 39 | \
		UINT64_C(1) << 40 | UINT64_C(1) << 41)

/* One that we map. */
struct medio_vhost_region {
	struct medio_vhu_region at;
	dev_t dev; /* its file, to know it again in another table */
	ino_t ino;
	unsigned times; /* that it was added, and is to be removed */
};

/*
 * A ring, "Ring states". What it may do:
 *
 *                 stopped            started
 *     disabled    nothing            nothing
 *     enabled     nothing            it is live, once its size, addresses and the features are known
 *
 * The document has a ring start with its first kick. It is started when its kick is set up: what a
 * driver put there may have been announced to a back-end that has died since.
 */
struct medio_vhost_ring {
	struct medio_vhost_session *session;
	unsigned index;
	int kick_fd, call_fd, err_fd; /* -1: none */
	struct medio_watch *kick;
	bool call_blocks, err_blocks; /* the fd is in blocking mode */
	bool polled;		      /* started without a kick: work is looked for */
	bool started, enabled;
	bool live;     /* in the core */
	bool failed;   /* it could not be started; that is tried again when something changes */
	bool has_addr; /* SET_VRING_ADDR came */
	uint32_t size; /* 0: not known yet */
	uint32_t base; /* where it goes on, as SET_VRING_BASE has it */
	bool has_base; /* if not: at its beginning */
	struct medio_vhu_addr addr;
	uint64_t desc, driver, device; /* guest addresses that it was started with */
};

/* Notes of what is in flight: the front-end's memory, mapped here. */
struct medio_vhost_inflight {
	uint8_t *map; /* NULL: none */
	size_t map_size;
	struct medio_guard *guard;
	uint8_t *notes; /* in map */
	size_t stride;	/* bytes of a queue */
	unsigned num_queues;
};

struct medio_vhost_session {
	struct medio_vhost *server;
	struct medio_instance *inst;
	struct medio_virtio_core *core;
	struct medio_vhost_conn *conn;
	struct medio_vhost_channel *channel; /* NULL: none */
	struct medio_vhost_log *log;
	struct medio_vhost_state *state;
	struct medio_timer *end; /* what was found on the data path is dealt with here */

	bool spoke;	   /* it has sent a message */
	bool replied;	   /* the message at hand is answered */
	bool poisoned;	   /* memory has gone */
	bool has_features; /* SET_FEATURES came */
	bool status_set; /* SET_STATUS came: the steps of the driver are the front-end's business */
	bool inherited;	 /* what the device remembers may be of another driver */
	bool config_read; /* and it was of this generation */
	uint8_t generation;
	uint64_t features, protocol;

	unsigned num_regions;
	struct medio_vhost_region regions[MEDIO_VHOST_MAX_REGIONS];
	struct medio_vhost_inflight inflight;
	unsigned num_rings;
	struct medio_vhost_ring rings[]; /* num_rings of them */
};

static inline bool medio_vhost_has(const struct medio_vhost_session *s, unsigned protocol)
{
	return s->protocol >> protocol & 1;
}

/* vhost_session.c */
int medio_vhost_session_new(struct medio_vhost *server, struct medio_instance *inst,
	struct medio_virtio_core *core, int fd, unsigned timeout_ms,
	struct medio_vhost_session **out);
/* Lets the front-end go: queues are stopped, memory unmapped, the device's state is kept. */
void medio_vhost_session_free(struct medio_vhost_session *s);
void medio_vhost_answer(struct medio_vhost_session *s, const struct medio_vhu_message *msg,
	const void *payload, uint32_t size);
void medio_vhost_answer_u64(
	struct medio_vhost_session *s, const struct medio_vhu_message *msg, uint64_t value);
/* Say in the log what was wrong with a message; returns err. */
int medio_vhost_refuse(struct medio_vhost_session *s, const struct medio_vhu_message *msg, int err,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* vhost_server.c */
/* The session has ended by itself; it is freed soon. */
void medio_vhost_session_gone(struct medio_vhost *server, struct medio_vhost_session *s);

/* vhost_features.c */
int medio_vhost_get_features(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_set_features(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_get_protocol(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_set_protocol(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_set_status(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_get_status(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_reset_device(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_reset_owner(struct medio_vhost_session *s, struct medio_vhu_message *msg);
/* Are the driver's features taken? */
bool medio_vhost_features_ok(const struct medio_vhost_session *s);
bool medio_vhost_is_packed(const struct medio_vhost_session *s);
/* A ring is about to run. If this front-end leaves the steps to us, the driver is up. */
void medio_vhost_driver_up(struct medio_vhost_session *s);
/* The device forgets what another driver has told it, and hears the features of this one. */
void medio_vhost_new_driver(struct medio_vhost_session *s);

/* vhost_memory.c */
int medio_vhost_set_mem_table(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_get_max_slots(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_add_mem_reg(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_rem_mem_reg(struct medio_vhost_session *s, struct medio_vhu_message *msg);
/* The guest address of a user address. False: it is in no region. */
bool medio_vhost_translate(const struct medio_vhost_session *s, uint64_t user, uint64_t *guest);

/* vhost_vring.c */
int medio_vhost_vring_num(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_vring_addr(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_vring_set_base(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_vring_get_base(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_vring_kick(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_vring_call(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_vring_err(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_vring_enable(struct medio_vhost_session *s, struct medio_vhu_message *msg);

/* vhost_ring.c */
void medio_vhost_ring_init(struct medio_vhost_session *s, unsigned index);
void medio_vhost_ring_fini(struct medio_vhost_ring *ring);
/* Start every ring that may run now and does not. */
void medio_vhost_rings_update(struct medio_vhost_session *s);
/* Something has changed that rings depend on: those that could not be started are tried again. */
void medio_vhost_rings_retry(struct medio_vhost_session *s);
/* Memory has changed: rings that lie elsewhere now go on there. */
void medio_vhost_rings_moved(struct medio_vhost_session *s);
/* Not live any more; it goes on where it was. */
void medio_vhost_ring_rest(struct medio_vhost_ring *ring);
/* Stopped: its kick means nothing any more. */
void medio_vhost_ring_stop(struct medio_vhost_ring *ring);
bool medio_vhost_rings_live(const struct medio_vhost_session *s);
/* What is written in it for the driver is logged, or not, as its flags say. */
int medio_vhost_ring_log(struct medio_vhost_ring *ring);
/* Chains were used, and the driver wants to know. */
void medio_vhost_ring_call(struct medio_vhost_ring *ring);
/* The device needs a reset. */
void medio_vhost_rings_error(struct medio_vhost_session *s);

/* vhost_config.c */
int medio_vhost_get_config(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_set_config(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_get_queue_num(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_set_backend_fd(struct medio_vhost_session *s, struct medio_vhu_message *msg);
/* The configuration has changed, or the device needs a reset. */
void medio_vhost_config_interrupt(struct medio_vhost_session *s);
/* A ring runs: the front-end hears of a configuration that it has not read. */
void medio_vhost_config_tell(struct medio_vhost_session *s);

/* vhost_inflight.c */
int medio_vhost_get_inflight(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_set_inflight(struct medio_vhost_session *s, struct medio_vhu_message *msg);
/* Notes for a ring of this size; NULL: none are kept. */
void *medio_vhost_inflight_notes(struct medio_vhost_session *s, unsigned ring, unsigned size);
void medio_vhost_inflight_fini(struct medio_vhost_session *s);

/* vhost_migrate.c */
int medio_vhost_set_log_base(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_set_log_fd(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_set_state_fd(struct medio_vhost_session *s, struct medio_vhu_message *msg);
int medio_vhost_check_state(struct medio_vhost_session *s, struct medio_vhu_message *msg);

#endif
