/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver for virtio network cards that does as little as there can be: both rings, no offloads. The driver of
 * drivers/virtio asks the clock and its card now and then while it waits, which is not what is measured.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench-lane.h"
#include "drivers/virtio/virtio.h"

enum { RECEIVE, TRANSMIT, QUEUES }; /* 5.1.2 */

#define MAC    (UINT64_C(1) << 5) /* VIRTIO_NET_F_MAC */
#define HEADER 12u		  /* before each frame (5.1.6) */
#define SIZE   64u		  /* of the rings */
#define SLOT   2048u
#define SLOTS  (QUEUES * SIZE)

struct card {
	struct virtio *v;
	struct virtio_queue *queues[QUEUES];
	struct virtq *rings[QUEUES];
	uint8_t *memory; /* SLOTS of them; the first SIZE to receive */
	uint64_t iova;
	uint8_t *spare[SIZE];
	unsigned num_spare;
	unsigned fresh[QUEUES]; /* added, and the device was not told */
};

static int check(struct medio_lane *lane, int ret, const char *what)
{
	const struct card *card = lane->state;

	return ret >= 0 ? ret : medio_lane_fail(lane, ret, "%s: %s", what, virtio_words(card->v));
}

static int add(struct medio_lane *lane, unsigned queue, uint8_t *slot, size_t bytes)
{
	struct card *card = lane->state;
	const struct virtq_seg seg = { card->iova + (uint64_t)(slot - card->memory),
		(uint32_t)bytes };

	card->fresh[queue]++;
	return check(lane,
		virtq_add(card->rings[queue], &seg, queue == TRANSMIT, queue == RECEIVE, slot),
		"the ring");
}

static int flush_virtio(struct medio_lane *lane)
{
	struct card *card = lane->state;
	int ret = 0;

	for (unsigned i = QUEUES; !ret && i--;) {
		/* Room for what may come is told of now and then, as drivers do. */
		if (card->fresh[i] < (i == RECEIVE ? SIZE / 4 : 1))
			continue;
		ret = check(lane, virtio_kick(card->queues[i]), "notifying");
		card->fresh[i] = 0;
	}
	return ret;
}

static int reclaim(struct medio_lane *lane)
{
	struct card *card = lane->state;
	struct virtq_done done;
	int ret;

	while ((ret = check(lane, virtq_take(card->rings[TRANSMIT], &done), "sending")) > 0)
		card->spare[card->num_spare++] = done.tag;
	return ret;
}

static int send_virtio(struct medio_lane *lane, const void *frame, size_t bytes)
{
	struct card *card = lane->state;
	int ret = 0;

	if (!card->num_spare)
		ret = reclaim(lane);
	if (ret || !card->num_spare)
		return ret;
	uint8_t *slot = card->spare[--card->num_spare];
	memcpy(slot + HEADER, frame, bytes); /* the header has been zeros since it was made */
	ret = add(lane, TRANSMIT, slot, HEADER + bytes);
	return ret ? ret : 1;
}

static int receive_virtio(struct medio_lane *lane, void *frame)
{
	struct card *card = lane->state;
	struct virtq_done done;
	int ret = check(lane, virtq_take(card->rings[RECEIVE], &done), "receiving");

	if (ret <= 0)
		return ret;
	if (done.len < HEADER || done.len - HEADER > LANE_MAX_FRAME)
		return medio_lane_fail(lane, -EPROTO, "a frame of %u bytes came", done.len);
	memcpy(frame, (uint8_t *)done.tag + HEADER, done.len - HEADER);
	ret = add(lane, RECEIVE, done.tag, SLOT);
	return ret ? ret : (int)(done.len - HEADER);
}

static int wait_virtio(struct medio_lane *lane)
{
	struct card *card = lane->state;
	int ret = flush_virtio(lane);

	if (ret || lane->polled)
		return ret;
	ret = check(lane, virtio_wait(card->v, card->queues, 1, LANE_WAIT_MS), "waiting");
	if (!ret)
		return medio_lane_fail(
			lane, -ETIMEDOUT, "no frame came in %d s", LANE_WAIT_MS / 1000);
	return ret < 0 ? ret : 0;
}

static int make_memory(struct medio_lane *lane)
{
	struct card *card = lane->state;
	void *memory;
	int ret = medio_card_dma_alloc_any(lane->card, (uint64_t)SLOTS * SLOT,
		MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, &card->iova, &memory);

	if (ret)
		return medio_lane_check(lane, ret, "memory for frames");
	card->memory = memory;
	for (unsigned i = 0; !ret && i < SIZE; i++) {
		card->spare[card->num_spare++] = card->memory + (SIZE + i) * SLOT;
		ret = add(lane, RECEIVE, card->memory + i * SLOT, SLOT);
	}
	return ret;
}

static int open_virtio(struct medio_lane *lane)
{
	const struct virtio_options opts = {
		.irq = lane->polled ? VIRTIO_IRQ_NONE : MEDIO_CARD_MSIX,
		.queue_size = SIZE,
	};
	struct card *card = calloc(1, sizeof(*card));

	if (!card)
		return medio_lane_fail(lane, -ENOMEM, "out of memory");
	lane->state = card;
	int ret = virtio_open(
		lane->card, VIRTIO_ID_NET, &opts, &card->v, lane->words, sizeof(lane->words));
	if (ret)
		return ret;
	ret = check(lane, virtio_accept(card->v, MAC, MAC), "its features");
	if (!ret)
		ret = check(lane, virtio_config(card->v, 0, lane->mac, 6), "its address");
	for (unsigned i = 0; !ret && i < QUEUES; i++) {
		ret = check(lane, virtio_queue(card->v, i, 0, 1, &card->queues[i]), "a queue");
		if (!ret)
			card->rings[i] = virtio_ring(card->queues[i]);
	}
	if (!ret)
		ret = check(lane, virtio_ready(card->v), "making it live");
	if (!ret)
		ret = make_memory(lane);
	return ret ? ret : flush_virtio(lane);
}

static void close_virtio(struct medio_lane *lane)
{
	struct card *card = lane->state;

	if (card)
		virtio_close(card->v);
	free(card);
}

const struct medio_lane_ops medio_lane_virtio = {
	.open = open_virtio,
	.close = close_virtio,
	.send = send_virtio,
	.flush = flush_virtio,
	.receive = receive_virtio,
	.wait = wait_virtio,
};
