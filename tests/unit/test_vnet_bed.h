/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device virtio-net with a network of the test's own behind it, and in front of it a driver that makes every
 * chain by hand.
 *
 *     vnet_bed_open(&bed, (const char *[]){ "mergeable=off", NULL }, way);
 *     vnet_bed_start(&bed, VNET(MRG_RXBUF), 1);
 *     c = vnet_bed_add(&bed, RX(0), 0, 0, 2000, 1);
 *     vnet_bed_kick(&bed, RX(0));
 *     vnet_bed_deliver(&bed, frame, len, NULL);           the network has a frame
 *     written = vnet_bed_take(&bed, RX(0), &c);
 *
 * Threads: the test's. What the network does is done on the device's.
 */
#ifndef TEST_VNET_BED_H
#define TEST_VNET_BED_H

/* The driver's header first: from here on VIRTIO_F_* are the numbers of bits that the kernel's have. */
#include "../../drivers/virtio/virtio.h"

#include <linux/virtio_net.h>

#include "net/net.h"
#include "test_card_bed.h"

#define VNET(name_)   (UINT64_C(1) << VIRTIO_NET_F_##name_)
#define VNET_USO4     (UINT64_C(1) << 54)
#define VNET_USO6     (UINT64_C(1) << 55)
#define VNET_HOST_USO (UINT64_C(1) << 56)

#define VNET_HEADER  12u
#define VNET_LONG_MS 60000
#define VNET_QUEUES  33u
#define VNET_SENT    64u
#define VNET_MEMORY  (2u << 20)

#define RX(pair_) (2 * (pair_))
#define TX(pair_) (2 * (pair_) + 1)

/* A frame that the card has sent. */
struct vnet_sent {
	struct virtio_net_hdr_v1 hdr;
	size_t bytes;
	unsigned niov;
	uint8_t *data;
};

/* The network: one, for one card at a time. */
struct vnet_fake {
	struct vnet_sent sent[VNET_SENT]; /* the latest of each number modulo VNET_SENT */
	unsigned num_sent, flushes, resumes, waiting /* frames not taken yet */, batches;
	unsigned can;	 /* what the card says its driver takes */
	unsigned bursts; /* net_send_many() */
	unsigned room;	 /* frames it takes before it has no more room */
	unsigned cut;	 /* pieces of so many bytes that frames are given in; 0: one piece */
	/* Addresses that the card said it uses, and the one that it may, if it has no choice. */
	uint8_t mac[6], own_mac[6];
	unsigned other_macs;
	bool own_mac_only;
};
extern struct vnet_fake vnet_fake;

struct vnet_chain {
	unsigned queue;
	uint8_t *out, *in;
	size_t out_bytes, in_bytes;
};

struct vnet_bed {
	struct card_bed bed;
	struct virtio *v;
	struct virtio_options opts;
	struct virtio_queue *queues[VNET_QUEUES];
	unsigned control; /* which of them */
	uint8_t *memory;
	uint64_t iova;
	size_t used;
	char words[VIRTIO_WORDS], text[4096];
};

/* A device, and its driver up to step 3. */
void vnet_bed_open(struct vnet_bed *bed, const char *const *params, enum card_bed_way way);
/* Steps 4 to 8, with exactly these features of the card's kind, and pairs of queues; the control queue if it
 * was negotiated. */
void vnet_bed_start(struct vnet_bed *bed, uint64_t features, unsigned pairs);
/* Reset, and steps 1 to 3 again. */
void vnet_bed_reset(struct vnet_bed *bed);
void vnet_bed_close(struct vnet_bed *bed);

/* A chain of so many bytes in so many pieces each way. Its memory is zeroed. */
struct vnet_chain *vnet_bed_add(struct vnet_bed *bed, unsigned queue, size_t out_bytes,
	unsigned out, size_t in_bytes, unsigned in);
void vnet_bed_kick(struct vnet_bed *bed, unsigned queue);
/* Wait for the next used chain: bytes written. */
uint32_t vnet_bed_take(struct vnet_bed *bed, unsigned queue, struct vnet_chain **out);
/* The same, which must be this one. */
uint32_t vnet_bed_takes(struct vnet_bed *bed, struct vnet_chain *chain);
bool vnet_bed_is_used(struct vnet_bed *bed, unsigned queue);
/* Send this frame: add, kick and take. */
void vnet_bed_send(struct vnet_bed *bed, unsigned queue, const struct virtio_net_hdr_v1 *hdr,
	const void *frame, size_t len);
/* Run a command: VIRTIO_NET_OK or _ERR. */
uint8_t vnet_bed_command(
	struct vnet_bed *bed, uint8_t class, uint8_t command, const void *data, size_t len);

/* The network has a frame; hdr NULL: a plain one. It waits if the card has no room. */
void vnet_bed_deliver(
	struct vnet_bed *bed, const void *frame, size_t len, const struct virtio_net_hdr_v1 *hdr);
/* The same for several, which come at once: plain ones in bursts. */
void vnet_bed_deliver_many(struct vnet_bed *bed, const void *frame, size_t len, unsigned count);
/* Several of these lengths, one behind the other in frames. */
void vnet_bed_deliver_burst(
	struct vnet_bed *bed, const void *frames, const size_t *lens, unsigned count);
/* The network has room for so many frames again. */
void vnet_bed_room(struct vnet_bed *bed, unsigned frames);
void vnet_bed_carrier(struct vnet_bed *bed, bool up);

/* An attribute's text; write one: 0 or -errno. */
const char *vnet_bed_show(struct vnet_bed *bed, const char *name);
int vnet_bed_store(struct vnet_bed *bed, const char *name, const char *text);
/* A counter of net/counters now; wait until it is so much. */
uint64_t vnet_bed_count(struct vnet_bed *bed, const char *name);
void vnet_bed_counts(struct vnet_bed *bed, const char *name, uint64_t value);
/* Wait until the network has got so many frames: the last of them. */
const struct vnet_sent *vnet_bed_sent(struct vnet_bed *bed, unsigned count);
uint8_t vnet_bed_status(struct vnet_bed *bed); /* of the device, VIRTIO_NEEDS_RESET … */

/* Bytes that are different for each seed, with these addresses and this type in front. */
void vnet_bed_frame(uint8_t *frame, size_t len, uint32_t seed);

#endif
