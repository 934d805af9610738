/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any requests for entropy, with any limit: each is answered with as many bytes as it has room for at
 * most, and all together with no more than the limit gives.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <medio/local.h>
#include <medio/virtio.h>

#include "../../drivers/virtio/virtio.h"
#include "virtio-rng/virtio-rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY 262144u
#define STEPS  200u

struct input {
	const uint8_t *data;
	size_t size;
};

static struct driver {
	struct medio_card *card;
	struct virtio *v;
	struct virtio_queue *queue;
	uint64_t iova, sum;
	bool gone; /* it needs a reset */
} driver;

static uint8_t next(struct input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}

static unsigned next16(struct input *in)
{
	unsigned low = next(in);

	return low | (unsigned)next(in) << 8;
}

static void quiet(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

static void bring_up(uint8_t how)
{
	const struct virtio_options opts = {
		.irq = VIRTIO_IRQ_BEST,
		.refuse = (how & 1 ? VIRTIO_F_RING_PACKED : 0) |
			  (how & 2 ? VIRTIO_F_INDIRECT_DESC : 0) |
			  (how & 4 ? VIRTIO_F_EVENT_IDX : 0),
	};
	char words[VIRTIO_WORDS];

	driver.gone = false;
	if (virtio_open(driver.card, 4, &opts, &driver.v, words, sizeof(words)) ||
		virtio_accept(driver.v, 0, 0) || virtio_queue(driver.v, 0, 32, 8, &driver.queue) ||
		virtio_ready(driver.v))
		abort();
}

static void take(void)
{
	struct virtq_done done;
	int ret;

	while ((ret = virtq_take(virtio_ring(driver.queue), &done)) == 1)
		driver.sum += done.len;
	/* One that was answered with more than it has room for would break the ring. */
	assert(ret == 0);
}

static void request(struct input *in)
{
	struct virtq_seg segs[8];
	uint8_t how = next(in);
	unsigned out = how & 0x80 ? how & 3 : 0, ins = (how >> 2 & 3) + (out ? 0 : 1);

	for (unsigned i = 0; i < out + ins; i++)
		segs[i] = (struct virtq_seg){ driver.iova + next16(in), 1 + next16(in) };
	if (out + ins)
		virtq_add(virtio_ring(driver.queue), segs, out, ins, &driver);
	if (virtio_kick(driver.queue))
		driver.gone = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char rate[32], burst[32];
	const char *params[] = { rate, burst };
	struct medio_instance_options opts = { .params = params, .nparams = 2, .log = quiet };
	struct input in = { data, size };
	struct medio_instance *inst;
	struct medio_loop *loop;
	unsigned steps = 0, per_second, at_once;
	uint64_t began;
	void *ptr;

	per_second = next16(&in) * (next(&in) & 1 ? 1000 : 1);
	at_once = 1 + next16(&in);
	snprintf(rate, sizeof(rate), "rate=%u", per_second);
	snprintf(burst, sizeof(burst), "burst=%u", at_once);
	driver = (struct driver){ 0 };
	began = medio_now_ns();
	if (medio_loop_new(&loop) ||
		medio_instance_new(loop, &medio_virtio_rng, &opts, &inst, NULL) ||
		medio_card_open_instance(inst, &driver.card, NULL) ||
		medio_card_dma_alloc_any(driver.card, MEMORY,
			MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, &driver.iova, &ptr))
		abort();
	bring_up(next(&in));
	while (in.size && steps++ < STEPS) {
		uint8_t op = next(&in);
		if (op & 3)
			request(&in);
		else if (op & 4)
			take();
		else if (virtio_wait(driver.v, &driver.queue, 1, 0) < 0)
			driver.gone = true;
		if (driver.gone || op == 0xf8) {
			virtio_close(driver.v);
			bring_up(next(&in));
		}
	}
	take();
	if (per_second)
		assert(driver.sum <=
			at_once + (medio_now_ns() - began) / 1000 * per_second / 1000000 +
				per_second / 1000 + 1);
	virtio_close(driver.v);
	medio_card_close(driver.card);
	medio_instance_free(inst);
	medio_loop_free(loop);
	return 0;
}
