/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the vfio-user backend share; the backend's table is in vfio_user_backend.c. */
#ifndef MEDIO_DRIVE_VFIO_USER_BACKEND_H
#define MEDIO_DRIVE_VFIO_USER_BACKEND_H

#include "drive/backend.h"
#include "drive/vfio_user.h"
#include "drive/vfio_user_dma.h"
#include "proto/version.h"

/* card->backend_state. */
struct medio_vu_session {
	struct medio_vu_client *client;
	struct medio_vu_caps caps; /* the server's */
	uint64_t max;		   /* bytes of data in a message, what we said */
	/* For another connection: */
	char *path; /* NULL: the connection was given */
	struct medio_vu_client_options opts;
};

static inline struct medio_vu_client *medio_vu_client_of(const struct medio_card *card)
{
	return ((struct medio_vu_session *)card->backend_state)->client;
}

/* The first words on a new connection: VERSION, and the card's info. With words. */
int medio_vu_session_hello(struct medio_card *card, struct medio_error **err);
/* vfio_user_reconnect.c; as the operation of struct medio_backend. */
int medio_vu_backend_reconnect(struct medio_card *card, int timeout_ms);

/* vfio_user_events.c; as the operations of struct medio_backend. */
int medio_vu_backend_doorbells(struct medio_card *card, unsigned region,
	struct medio_card_doorbell **out, unsigned *count);
int medio_vu_backend_irq(struct medio_card *card, unsigned index, struct medio_card_irq *out);
int medio_vu_backend_irq_set(struct medio_card *card, unsigned index, uint32_t flags,
	uint32_t start, uint32_t count, const int *fds);

#endif
