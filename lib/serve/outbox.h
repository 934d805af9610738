/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes and descriptors on their way out of a socket: one send for as many messages as it can. */
#ifndef MEDIO_SERVE_OUTBOX_H
#define MEDIO_SERVE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEDIO_OUTBOX_MAX_FDS 16

struct medio_outbox_fds {
	size_t at; /* they go with the byte at this place in buf */
	unsigned count;
	int fds[MEDIO_OUTBOX_MAX_FDS]; /* borrowed */
};

/* All zero is empty. */
struct medio_outbox {
	uint8_t *buf;
	size_t cap, start, end; /* unsent bytes [start, end) */
	bool reserved;
	struct medio_outbox_fds *fds; /* in order of at */
	unsigned num_fds, cap_fds;
};

void medio_outbox_fini(struct medio_outbox *box);

static inline bool medio_outbox_empty(const struct medio_outbox *box)
{
	return box->start == box->end;
}

static inline size_t medio_outbox_pending(const struct medio_outbox *box)
{
	return box->end - box->start;
}

/* size contiguous bytes behind the rest, or NULL. commit makes them part of it. */
void *medio_outbox_reserve(struct medio_outbox *box, size_t size);
void medio_outbox_commit(struct medio_outbox *box, size_t size);
/* Attach to the next byte committed. -EINVAL: more than 16. -ENOMEM. */
int medio_outbox_attach_fds(struct medio_outbox *box, const int *fds, unsigned count);
/* Send without blocking: 0 all went, -EAGAIN some remains, or another -errno of sendmsg(). */
int medio_outbox_send(struct medio_outbox *box, int fd);

#endif
