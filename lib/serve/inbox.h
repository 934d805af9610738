/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes and descriptors coming out of a stream socket, cut into vfio-user messages. A receive may
 * bring half a message or hundreds.
 *
 * Which message descriptors belong to: a receive joins the bytes of several sends but stops behind
 * the one that carried descriptors, so their message has bytes at the end of what was received. It
 * is the message being cut off there if its command is not yet known, else the last one in this
 * receive whose command takes descriptors, else the last one.
 */
#ifndef MEDIO_SERVE_INBOX_H
#define MEDIO_SERVE_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/vfio_user.h"

/* What we take with one message, and tell clients so (max_msg_fds). */
#define MEDIO_INBOX_MAX_FDS 16

/* A message as it stands in the buffer; payload is not aligned. */
struct medio_request {
	struct medio_vu_header hdr;
	const uint8_t *payload;
	size_t size; /* of payload */
	/* Descriptors that came with it. Whoever takes one writes -1; the rest is closed. */
	int *fds;
	unsigned num_fds;
};

struct medio_inbox_fds {
	size_t at; /* start of their message in buf */
	unsigned count;
	int fds[MEDIO_INBOX_MAX_FDS];
};

/* All zero is empty. */
struct medio_inbox {
	uint8_t *buf;
	size_t cap, start, end; /* unread bytes [start, end) */
	struct medio_inbox_fds *groups;
	unsigned num_groups, cap_groups;
};

void medio_inbox_fini(struct medio_inbox *box);
/* Forget what is there, closing descriptors. */
void medio_inbox_clear(struct medio_inbox *box);

static inline size_t medio_inbox_unread(const struct medio_inbox *box)
{
	return box->end - box->start;
}

/*
 * Receive without blocking. The buffer grows up to limit bytes. Returns the bytes received, *more
 * telling whether the socket may hold more; 0 at the end of the stream; or
 *   -EAGAIN   nothing there
 *   -ENOBUFS  limit bytes are waiting already
 *   -E2BIG    more descriptors with one message, or with messages not yet read, than allowed
 *   -EMFILE   descriptors came for which this process has no room
 *   -ENOMEM, or what recvmsg() says
 */
ssize_t medio_inbox_receive(struct medio_inbox *box, int fd, size_t limit, bool *more);
/* The same, blocking if fd does. */
ssize_t medio_inbox_wait(struct medio_inbox *box, int fd, size_t limit, bool *more);

/* The message at *at bytes behind the first unread one: 1 and *req if it is there as a whole, 0 if
 * not yet, -EBADMSG if its size is less than a header or more than max. */
int medio_inbox_peek(struct medio_inbox *box, size_t at, size_t max, struct medio_request *req);
/* Remove the message there (size: with header), closing what was not taken of its descriptors. */
void medio_inbox_remove(struct medio_inbox *box, size_t at, size_t size);

#endif
