/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that wait, in order, in a fixed amount of memory. */
#ifndef NET_QUEUE_H
#define NET_QUEUE_H

#include "net.h"

#define NET_QUEUE_BYTES (1u << 20)

struct net_queue {
	uint8_t *bytes; /* NET_QUEUE_BYTES; NULL: nothing can be queued */
	size_t head, tail;
	unsigned count;
};

int net_queue_init(struct net_queue *queue);
void net_queue_fini(struct net_queue *queue);
/* False: it is full. */
bool net_queue_put(struct net_queue *queue, const struct net_frame *frame);
/* The first one, in place; *iov is filled in. False: there is none. */
bool net_queue_peek(const struct net_queue *queue, struct net_frame *frame, struct iovec *iov);
void net_queue_drop(struct net_queue *queue);

#endif
