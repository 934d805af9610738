/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections of clients. mediod accepts them, counts them as users of their instance and hands them
 * to its worker, but keeps a descriptor of each: when the worker dies the connection lives on, and
 * can be ended in order. A socket closed with unread data is reset, and stock QEMU aborts on a reset.
 */
#ifndef MEDIO_MANAGE_CLIENT_H
#define MEDIO_MANAGE_CLIENT_H

#include "manage/managed.h"

struct medio_client {
	struct medio_list item; /* in inst->clients */
	struct medio_managed *inst;
	uint64_t cookie;
	int fd;
	struct medio_who who;
};

/* A connection that is being let go: nothing more is said, what comes is thrown away until the other
 * side has closed it, for a second at most. */
struct medio_parting;

/* Watch function of a listener; opaque is the instance. */
void medio_client_on_listener(void *opaque, uint32_t events);
/* Descriptors are to be had again, perhaps (workers->thirst's function). */
void medio_client_on_thirst(void *opaque);
/* One that a worker has; fd is taken. -ENODEV nobody may use the instance now, -EEXIST, -ENOMEM. */
int medio_client_adopt(struct medio_managed *inst, uint64_t cookie, int fd);
/* Its worker has let it go. inst may be gone then. */
void medio_client_gone(struct medio_managed *inst, uint64_t cookie);
/* Part with all of them. inst may be gone then. */
void medio_clients_close(struct medio_managed *inst);
/* The instance is going and counts nobody any more. leaving: its worker goes on with them. */
void medio_clients_drop(struct medio_managed *inst, bool leaving);

/* fd is taken. */
void medio_parting_new(struct medio_workers *workers, int fd);
void medio_partings_free(struct medio_workers *workers);

#endif
