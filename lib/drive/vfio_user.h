/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vfio-user client's connection: framing, ids, file descriptors, time limits. What the messages
 * mean is the backend's business (vfio_user_backend.c); tests drive servers with this directly.
 *
 * Two ways to use it, not to be mixed while an answer is awaited:
 *   call, post, flush, process   what a driver does; a failure of the transport kills the client, and
 *                                hangs up, so that the server lets go of what it was given
 *   send, send_bytes, recv       what a test does; nothing is checked but the framing
 *
 * Threads: one at a time.
 */
#ifndef MEDIO_DRIVE_VFIO_USER_H
#define MEDIO_DRIVE_VFIO_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "proto/vfio_user.h"

struct medio_error;
struct medio_vu_caps;
struct medio_vu_client;

#define MEDIO_VU_CLIENT_FDS 16 /* most fds in one message, sent or received */

struct medio_vu_client_options {
	size_t max_message;  /* bytes, header included; 0: 1 MiB of data and its headers */
	unsigned timeout_ms; /* 0: 5000 */
	bool poll;	     /* spin for answers */
	uint64_t until;	     /* as medio_vu_client_until(), and for connect; 0: no such limit */
};

/* A received message. Payload and fds are the client's and last until its next receive; set
 * fds[i] to -1 to keep one, the others are then closed. */
struct medio_vu_message {
	struct medio_vu_header header;
	const uint8_t *payload;
	size_t size; /* of the payload */
	int *fds;
	unsigned nfds;
};

/* What is sent: up to two pieces of payload (a structure and data), and fds. */
struct medio_vu_call {
	uint16_t cmd;
	uint32_t flags; /* of the header: MEDIO_VU_REPLY, MEDIO_VU_NO_REPLY, MEDIO_VU_ERROR */
	uint32_t error; /* of the header */
	const void *payload;
	size_t size;
	const void *data;
	size_t data_size;
	const int *fds;
	unsigned nfds; /* at most MEDIO_VU_CLIENT_FDS */
};

/* A connected socket, owned from here on (also on failure). -ENOMEM; -EINVAL: options. */
int medio_vu_client_new(
	int fd, const struct medio_vu_client_options *opts, struct medio_vu_client **out);
/* Connect to the socket at path. No message is sent. -ENAMETOOLONG, connect's errno, -ETIMEDOUT:
 * the server's queue stays full. With words. */
int medio_vu_client_connect(const char *path, const struct medio_vu_client_options *opts,
	struct medio_vu_client **out, struct medio_error **err);
/* NULL is allowed. */
void medio_vu_client_free(struct medio_vu_client *client);
/* For a program's poll(): of both sockets, if there is a twin; each message then costs the kernel
 * something. -1: no descriptor is left. And each for itself, the twin -1 if there is none. */
int medio_vu_client_fd(struct medio_vu_client *client);
void medio_vu_client_fds(const struct medio_vu_client *client, int out[2]);
bool medio_vu_client_dead(const struct medio_vu_client *client);
/* No call lasts beyond this time of medio_now_ns(), whatever timeout_ms is; 0: no such limit. */
void medio_vu_client_until(struct medio_vu_client *client, uint64_t until);
/* Words for the latest failure. */
const char *medio_vu_client_words(const struct medio_vu_client *client);
/* Find fault with what was received: kills the client, gives -EPROTO. */
int medio_vu_client_fault(struct medio_vu_client *client, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* VERSION: offer caps, learn the server's, of those offered; sets up the twin socket if both want it.
 * Errors as call, and -EPROTO another major version. With words. */
int medio_vu_client_version(struct medio_vu_client *client, const struct medio_vu_caps *offer,
	struct medio_vu_caps *got, struct medio_error **err);

/* Asked for each command of the server's while the client waits; must answer with reply() unless
 * the header says NO_REPLY. Returns 0, or -errno, which kills the client. */
typedef int medio_vu_request_fn(
	void *opaque, struct medio_vu_client *client, const struct medio_vu_message *request);
/* Without a handler every command is answered with ENOSYS. */
void medio_vu_client_handler(struct medio_vu_client *client, medio_vu_request_fn *fn, void *opaque);
/* Answer a request: error 0 with count pieces of payload, or an errno and none. */
int medio_vu_client_reply(struct medio_vu_client *client, const struct medio_vu_header *request,
	int error, struct iovec *iov, unsigned count);

/*
 * Send and wait for the answer. 0 with *reply; -errno: the server's answer, or the transport's
 * failure: -ETIMEDOUT, -EPROTO, -ECONNRESET, and from then on -ENOTCONN. reply may be NULL.
 */
int medio_vu_client_call(struct medio_vu_client *client, const struct medio_vu_call *call,
	struct medio_vu_message *reply);
/* As call, without waiting and without an answer; sent with the next call or flush. */
int medio_vu_client_post(struct medio_vu_client *client, const struct medio_vu_call *call);
/* A write of a region, posted; several short ones share a message where the server takes that. */
int medio_vu_client_post_write(struct medio_vu_client *client,
	const struct medio_vu_region_access *access, const void *data);
int medio_vu_client_flush(struct medio_vu_client *client);
/*
 * Several calls in one round trip: queue each (at most MEDIO_VU_CLIENT_QUEUE bytes of messages, or
 * -ENOBUFS), then collect their answers in the same order, every one. Nothing else in between.
 */
#define MEDIO_VU_CLIENT_QUEUE 8192
int medio_vu_client_queue(
	struct medio_vu_client *client, const struct medio_vu_call *call, uint16_t *id);
int medio_vu_client_collect(
	struct medio_vu_client *client, uint16_t cmd, uint16_t id, struct medio_vu_message *reply);
/* Answer the commands that are here, without waiting; not for ever, while more and more come: poll()
 * then tells of those that are left. Their number, or -errno as call. */
int medio_vu_client_process(struct medio_vu_client *client);

/* Send one message; *id (if not NULL) is what its answer will carry. -errno of the socket. */
int medio_vu_client_send(
	struct medio_vu_client *client, const struct medio_vu_call *call, uint16_t *id);
/* Send bytes as they are, with fds on the first. */
int medio_vu_client_send_bytes(struct medio_vu_client *client, const void *bytes, size_t size,
	const int *fds, unsigned nfds);
/* The next message, whatever it is. -ETIMEDOUT, -ECONNRESET: closed; -EPROTO: a size below the
 * header's or above max_message, a type that is neither command nor reply, too many fds. */
int medio_vu_client_recv(struct medio_vu_client *client, struct medio_vu_message *message);

#endif
