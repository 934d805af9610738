/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A session: one client of one instance, from its VERSION to its end. The connection (conn.h) gives
 * it messages; a table sends each to its handler; handlers live in files by subject:
 *
 *     hello.c   VERSION                       memory.c   DMA_MAP, DMA_UNMAP
 *     info.c    GET_INFO, REGION_INFO ...     access.c   REGION_READ, _WRITE, _WRITE_MULTI
 *     irqs.c    GET_IRQ_INFO, SET_IRQS        feature.c  RESET, DEVICE_FEATURE, MIG_DATA_*
 *     remote.c  DMA_READ and DMA_WRITE, which go the other way
 */
#ifndef MEDIO_SERVE_SESSION_H
#define MEDIO_SERVE_SESSION_H

#include "device/instance.h"
#include "proto/version.h"
#include "serve/conn.h"
#include "util/list.h"

struct medio_server;

/* What a handler may return besides 0 (answered, or header-only reply) and -errno (error reply). */
enum {
	MEDIO_SESSION_STALL = 1, /* not finished: the message is given again after continue */
	MEDIO_SESSION_CLOSE = 2, /* the client makes no sense; s->why says why */
};

/* Where a region access stands that the device may answer later. */
enum medio_wait {
	MEDIO_WAIT_NONE,
	MEDIO_WAIT_CALL,     /* the device is being called */
	MEDIO_WAIT_DEFERRED, /* it will answer; the connection is stalled */
	MEDIO_WAIT_ANSWERED, /* it has: the answer is in s->answer */
};

struct medio_session {
	struct medio_server *server;
	struct medio_instance *inst;
	struct medio_conn *conn;
	struct medio_conn
		*twin;		/* for our own commands, if the client has twin-socket; else NULL */
	struct medio_list link; /* in the server's list of sessions */
	uint64_t number;	/* of medio_server_take() */
	bool taken;
	bool refused;  /* another client has the device: only VERSION is heard, EBUSY said */
	bool observer; /* it only looks: attributes, nothing else (observe.c) */
	bool attached;
	bool negotiated;
	bool finished; /* the connection is CLOSED, free it */
	bool poisoned;
	struct medio_vu_caps client; /* what it can do */
	uint32_t max_xfer;	     /* ours */
	char why[160];

	bool replied; /* the handler at work has committed its reply */
	enum medio_wait wait;
	int answer_ret;
	uint8_t *answer;
	size_t answer_count, answer_cap;
	uint64_t multi_done; /* entries of a REGION_WRITE_MULTI that are done */
	bool quiescing;	     /* waiting for the device to be quiet */
	bool quiet;	     /* it is: the handler asked again may go on */

	struct medio_list remote; /* DMA by messages, see remote.c */
	unsigned remote_in_flight;
	uint16_t remote_id;
	struct medio_timer *remote_timer;
};

/* fd is taken, also on failure. -ENOMEM, -EPERM. */
int medio_session_new(struct medio_server *server, struct medio_instance *inst, int fd,
	uint32_t max_xfer, unsigned timeout_ms, bool refused, struct medio_session **out);
/* Detach from the device now and free. */
void medio_session_free(struct medio_session *s);

/* Copy the fixed part of a payload; false if there is less. */
bool medio_request_take(const struct medio_request *req, void *out, size_t size);

/*
 * A reply with a payload of size bytes: fill what is returned, then send it, or drop it and return
 * an error. NULL: out of memory.
 */
void *medio_session_reply(struct medio_session *s, const struct medio_request *req, size_t size);
void medio_session_send(struct medio_session *s, const struct medio_request *req, size_t size);
/* A reply with this payload. 0, -ENOMEM. */
int medio_session_answer(
	struct medio_session *s, const struct medio_request *req, const void *payload, size_t size);
/* The header alone: done (err 0), or an error, which has nothing else (document, "Header"). */
void medio_session_reply_header(struct medio_session *s, const struct medio_request *req, int err);
/* Close because of what the client did: `return medio_session_broken(s, "…")`. */
int medio_session_broken(struct medio_session *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* 0: the device is quiet, go on, then call medio_session_resume(). Else return what this returns. */
int medio_session_quiesce(struct medio_session *s);
void medio_session_resume(struct medio_session *s);

typedef int medio_session_handler(struct medio_session *s, struct medio_request *req);
medio_session_handler medio_handle_version, medio_handle_dma_map, medio_handle_dma_unmap,
	medio_handle_info, medio_handle_region_info, medio_handle_io_fds, medio_handle_irq_info,
	medio_handle_set_irqs, medio_handle_read, medio_handle_write, medio_handle_write_multi,
	medio_handle_reset, medio_handle_feature, medio_handle_mig_read, medio_handle_mig_write;

/* observe.c: what an observer may ask. */
medio_session_handler medio_handle_attribute;
/* It is none who has the device, only an observer: the device is free for others. */
void medio_session_stand_aside(struct medio_session *s);

/* twin.c: a second socket for the commands that go to the client. Gives the client's end, which the
 * caller closes when it has been sent, or -errno. */
int medio_twin_open(struct medio_session *s);

/* remote.c */
int medio_remote_dma(void *session, bool write, uint64_t iova, void *buf, size_t len,
	medio_dma_done *done, void *opaque);
/* A reply to a DMA_READ or DMA_WRITE. 0, or MEDIO_SESSION_CLOSE. */
int medio_remote_reply(struct medio_session *s, struct medio_request *req);
/* Send what had to wait while a reply was being written. */
void medio_remote_kick(struct medio_session *s);
/* Everything outstanding ends with -ECANCELED. */
void medio_remote_cancel(struct medio_session *s);

/* server.c: the session is over for the device; and its connection is gone. */
void medio_server_client_left(struct medio_server *server, struct medio_session *s);
void medio_server_session_gone(struct medio_server *server, struct medio_session *s);

#endif
