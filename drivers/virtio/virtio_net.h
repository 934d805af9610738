/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver for virtio network cards: one pair of queues, whole Ethernet frames without their check
 * sequence, no offloads.
 *
 *     virtio_net_open(card, NULL, &net, words, sizeof(words));
 *     virtio_net_send(net, frame, len, 1000);
 *     n = virtio_net_receive(net, buf, sizeof(buf), 1000);
 *
 * Source: Virtual I/O Device (VIRTIO) 1.3, 5.1.
 *
 * Threads: the card's.
 */
#ifndef VIRTIO_NET_H
#define VIRTIO_NET_H

#include "virtio.h"

#define VIRTIO_NET_FRAME 65553 /* bytes of the largest frame: MTU 65535, header, VLAN tag */

/* Feature bits (5.1.3) that this driver accepts where they are offered. */
#define VIRTIO_NET_F_MTU    (UINT64_C(1) << 3)
#define VIRTIO_NET_F_MAC    (UINT64_C(1) << 5)
#define VIRTIO_NET_F_STATUS (UINT64_C(1) << 16)

struct virtio_net;

struct virtio_net_info {
	uint8_t mac[6];
	bool has_mac; /* the device has said it */
	bool link;    /* up, or the device does not say */
	uint32_t mtu; /* bytes behind the Ethernet header; 1500 if the device does not say */
	unsigned receive_depth, send_depth; /* frames that the queues hold */
	uint64_t sent, received, sent_bytes, received_bytes;
	uint64_t dropped; /* frames that arrived broken and were not passed on */
	struct virtio_info virtio;
};

/* Errors of virtio_open(), virtio_accept() and virtio_queue(); -EPROTO: its configuration cannot be. */
int virtio_net_open(struct medio_card *card, const struct virtio_options *opts,
	struct virtio_net **out, char *words, size_t size);
/* Frames that have not gone out are lost. NULL is allowed. */
void virtio_net_close(struct virtio_net *net);
/* Asks the device for its link, as virtio_net_link(). */
int virtio_net_get_info(struct virtio_net *net, struct virtio_net_info *out);
const char *virtio_net_words(const struct virtio_net *net);
/* 1: the link is up, or the device does not say; 0: it is down. The device is asked only if it has said
 * that something changed. */
int virtio_net_link(struct virtio_net *net);

/*
 * Send a frame of len bytes, which is copied; waits for room, at most timeout_ms (-1: for ever, 0: not).
 * Several that are sent without waiting go out together with virtio_net_flush() or the next wait.
 * -EAGAIN: no room within the time; -EMSGSIZE: shorter than an Ethernet header or longer than the MTU
 * allows; -EINTR; or what broke the device.
 */
int virtio_net_send(struct virtio_net *net, const void *frame, size_t len, int timeout_ms);
/* Notify the device of what has been sent. */
int virtio_net_flush(struct virtio_net *net);
/* Wait until the device has sent everything. -EAGAIN: not within timeout_ms. */
int virtio_net_drain(struct virtio_net *net, int timeout_ms);
/*
 * Receive the next frame into buf: its length, 0 if none came within timeout_ms (-1: for ever, 0: only
 * look). -EMSGSIZE: it is longer than size and was dropped; -EINTR; or what broke the device.
 */
int virtio_net_receive(struct virtio_net *net, void *buf, size_t size, int timeout_ms);

#endif
