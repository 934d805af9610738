/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any requests at a virtio disk of memory, in chains that a driver's ring makes: what stands in them, how
 * they are cut and where they point is the input. Each is answered, or the device says that it needs a
 * reset; nothing stays behind.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <medio/local.h>
#include <medio/virtio.h>

#include "../../drivers/virtio/virtio.h"
#include "virtio-blk/virtio-blk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY	   65536u
#define SEGS	   24u
#define MAX_CHAINS 256u

struct input {
	const uint8_t *data;
	size_t size;
};

static struct driver {
	struct medio_card *card;
	struct virtio *v;
	struct virtio_queue *queues[2];
	uint8_t *memory;
	uint64_t iova;
	unsigned made, taken;
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

/* ---- Requests ------------------------------------------------------------------------------------- */

/* A type or flags worth trying, and sectors near the ends of what there is. */
static void put_header(struct input *in, uint8_t *at)
{
	static const uint8_t types[] = { 0, 1, 4, 8, 11, 13, 14, 0 };
	static const uint64_t sectors[] = { 0, 1, 2047, 2048, UINT64_MAX, UINT64_MAX / 512,
		UINT64_C(1) << 55, 64 };
	uint8_t how = next(in);

	medio_put_le(at, 4, how & 0x80 ? next16(in) << 8 : types[how & 7]);
	medio_put_le(at + 4, 4, 0);
	medio_put_le(at + 8, 8, sectors[how >> 3 & 7] + (how & 0x40 ? next(in) : 0));
}

/* Pieces of the memory, mostly one after another, so that what was put there is what is read. */
static unsigned cut(struct input *in, struct virtq_seg *segs, unsigned max, size_t *at)
{
	unsigned n = next(in) % max;

	for (unsigned i = 0; i < n; i++) {
		unsigned how = next(in), len = how & 0x80 ? 512u * (how & 0x3f) : how & 0x3f;
		if (how & 0x40)
			*at = next16(in) % MEMORY;
		if (!len)
			len = 1 + next16(in) % 4096;
		if (len > MEMORY - *at)
			len = 1;
		segs[i] = (struct virtq_seg){ driver.iova + *at, len };
		*at = (*at + len) % MEMORY;
	}
	return n;
}

static void make_request(struct input *in)
{
	struct virtio_queue *queue = driver.queues[next(in) & 1];
	struct virtq_seg segs[2 * SEGS];
	size_t at = next16(in) % (MEMORY - 512), from = at;

	put_header(in, driver.memory + at);
	/* Segments of a discard. */
	for (unsigned i = 0, n = next(in) % 8; i < n; i++) {
		uint8_t *seg = driver.memory + from + 16 + i * (size_t)16;
		uint8_t how = next(in);
		medio_put_le(seg, 8, how & 1 ? next16(in) : next(in));
		medio_put_le(seg + 8, 4, how & 2 ? UINT32_MAX - next(in) : next(in));
		medio_put_le(seg + 12, 4, how >> 2 & 3);
	}
	unsigned out = cut(in, segs, SEGS, &at), ins = cut(in, segs + out, SEGS, &at);
	if (out + ins && !virtq_add(virtio_ring(queue), segs, out, ins, queue))
		driver.made++;
}

static void take(void)
{
	struct virtq_done done;

	for (unsigned i = 0; i < 2; i++) {
		int ret;
		while ((ret = virtq_take(virtio_ring(driver.queues[i]), &done)) == 1)
			driver.taken++;
		/* The device's rings are right whatever it is asked. */
		assert(ret == 0);
	}
}

/* Everything is answered, but by one that is out of order. */
static void settle(void)
{
	for (unsigned i = 0; i < 2; i++)
		if (!driver.gone && virtio_kick(driver.queues[i]))
			driver.gone = true;
	for (unsigned i = 0; i < 20000 && !driver.gone; i++) {
		take();
		if (driver.taken == driver.made)
			return;
		if (virtio_wait(driver.v, driver.queues, 2, 1) < 0)
			driver.gone = true;
	}
	assert(driver.gone);
}

static void step(struct input *in)
{
	uint8_t op = next(in);

	switch (op & 7) {
	case 0:
		settle();
		break;
	case 1:
		/* The cache mode, or what is not the driver's to write. */
		medio_card_write8(driver.card, MEDIO_VIRTIO_BAR,
			MEDIO_VIRTIO_CONFIG + (op & 8 ? next(in) % 64 : 32), next(in));
		break;
	case 2:
		take();
		for (unsigned i = 0; i < 2; i++)
			if (virtio_kick(driver.queues[i]))
				driver.gone = true;
		break;
	case 3:
		memset(driver.memory + next16(in) % (MEMORY - 256), next(in), next(in));
		break;
	default:
		make_request(in);
		break;
	}
}

/* ---- Life ------------------------------------------------------------------------------------------ */

static void bring_up(uint8_t how)
{
	const struct virtio_options opts = {
		.irq = VIRTIO_IRQ_BEST,
		.refuse = (how & 1 ? VIRTIO_F_RING_PACKED : 0) |
			  (how & 2 ? VIRTIO_F_INDIRECT_DESC : 0) |
			  (how & 4 ? VIRTIO_F_EVENT_IDX : 0),
	};
	char words[VIRTIO_WORDS];

	if (virtio_open(driver.card, 2, &opts, &driver.v, words, sizeof(words)) ||
		virtio_accept(driver.v, how & 8 ? 0xffffff : 0xfff ^ (how & 16 ? 1 << 9 : 0), 0))
		abort();
	for (unsigned i = 0; i < 2; i++)
		if (virtio_queue(driver.v, i, 64, 2 * SEGS, &driver.queues[i]))
			abort();
	if (virtio_ready(driver.v))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const params[] = { "mem=1M", "num-queues=2", "serial=fuzz" };
	struct medio_instance_options opts = { .params = params, .nparams = 3, .log = quiet };
	struct input in = { data, size };
	struct medio_instance *inst;
	struct medio_loop *loop;
	void *ptr;

	driver = (struct driver){ 0 };
	if (medio_loop_new(&loop) ||
		medio_instance_new(loop, &medio_virtio_blk, &opts, &inst, NULL) ||
		medio_card_open_instance(inst, &driver.card, NULL) ||
		medio_card_dma_alloc_any(driver.card, MEMORY,
			MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, &driver.iova, &ptr))
		abort();
	driver.memory = ptr;
	bring_up(next(&in));
	while (in.size && !driver.gone && driver.made < MAX_CHAINS)
		step(&in);
	if (!driver.gone)
		settle();
	virtio_close(driver.v);
	medio_card_close(driver.card);
	medio_instance_free(inst);
	medio_loop_free(loop);
	return 0;
}
