/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio network card for tests of a driver, on test_virtio_model.h: what is sent comes back, unless it is
 * mute, and a test may have frames of its own come.
 */
#ifndef TEST_VIRTIO_NET_MODEL_H
#define TEST_VIRTIO_NET_MODEL_H

#include "test_virtio_model.h"

/* What it is and does wrong. Set before it is opened or by card_bed_on_device(). */
extern struct virtio_net_quirks {
	uint8_t mac[6];
	uint16_t mtu;
	bool down;		 /* the link */
	unsigned late_ms;	 /* so long frames come back later, 0: at once */
	bool mute;		 /* frames do not come back */
	uint8_t flags, gso_type; /* in the header of what comes */
	uint32_t written;	 /* bytes it says it wrote, 0: those it did */
} virtio_net_quirks;

extern struct virtio_net_seen {
	unsigned frames;  /* that were sent */
	unsigned waiting; /* that could not come yet: no buffers */
} virtio_net_seen;

/* Forget both, and those of test_virtio_model.h. */
void virtio_net_model_clear(void);
/* Let a frame come. On the device's thread. */
void virtio_net_model_deliver(const uint8_t *frame, size_t len);
/* The link goes or comes, and the device says that something changed. On its thread. */
void virtio_net_model_link(bool up);

extern const struct virtio_model_kind virtio_model_net;

#endif
