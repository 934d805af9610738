/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio console of three ports under any driver: messages in any order, chains of any shape, ports
 * that are unplugged, windows that change, resets, states that are changed on their way. What is sent to the port
 * that echoes comes back in order and without a gap, as long as nothing has come between.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <medio/local.h>
#include <medio/virtio.h>

#include "../../drivers/virtio/virtio.h"
#include "virtio-console/virtio-console.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY	 65536u
#define QUEUES	 8u
#define STEPS	 400u
#define ECHO_IN	 6u /* receiveq and transmitq of port 2 */
#define ECHO_OUT 7u
#define ECHO_AT	 32768u /* 32 places of 512 bytes for it: 16 to send, 16 to receive */
#define PLACE	 512u

struct input {
	const uint8_t *data;
	size_t size;
};

static struct driver {
	struct medio_instance *inst;
	struct medio_card *card;
	struct virtio *v;
	struct virtio_queue *queues[QUEUES]; /* NULL: there is none */
	uint8_t *memory;
	uint64_t iova;
	bool gone; /* it needs a reset */
	/* The port that echoes. */
	bool exact;
	unsigned used[32]; /* places that are in a queue */
	uint8_t sent, heard;
} driver;

/* The device's link in the chain, and its own operations, to load what nobody would send. */
static struct medio_dev *device;
static const struct medio_virtio_type *original;

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

static int init(struct medio_dev *dev)
{
	device = dev;
	return original->ops->init(dev);
}

/* ---- Queues ---------------------------------------------------------------------------------------- */

static void kick(unsigned index)
{
	if (!driver.gone && driver.queues[index] && virtio_kick(driver.queues[index]))
		driver.gone = true;
}

static void echo_heard(const uint8_t *at, uint32_t len)
{
	if (!driver.exact)
		return;
	for (uint32_t i = 0; i < len; i++)
		assert(at[i] == driver.heard++);
}

static void take(void)
{
	struct virtq_done done;

	for (unsigned i = 0; i < QUEUES; i++) {
		int ret = 0;
		while (driver.queues[i] &&
			(ret = virtq_take(virtio_ring(driver.queues[i]), &done)) == 1) {
			unsigned *place = done.tag;
			if (place < driver.used || place >= driver.used + 32)
				continue;
			*place = 0;
			if (i == ECHO_IN)
				echo_heard(driver.memory + ECHO_AT +
						   (size_t)(place - driver.used) * PLACE,
					done.len);
		}
		/* The device's rings are right whatever it is asked. */
		assert(ret == 0);
	}
}

/* Pieces of the memory, anywhere below the echo's. */
static void any_chain(struct input *in)
{
	struct virtq_seg segs[16];
	unsigned index = next(in) % QUEUES, out = next(in) % 8, ins = next(in) % 8;

	for (unsigned i = 0; i < out + ins; i++) {
		unsigned at = next16(in) % ECHO_AT, len = 1 + next16(in) % 4096;
		segs[i] = (struct virtq_seg){ driver.iova + at, len };
	}
	if (index >= ECHO_IN)
		driver.exact = false;
	if (out + ins && driver.queues[index])
		virtq_add(virtio_ring(driver.queues[index]), segs, out, ins, &driver);
	kick(index);
}

static void message(struct input *in)
{
	static const uint8_t ids[] = { 0, 1, 2, 2, 2, 3, 16, 255 };
	uint8_t how = next(in), *at = driver.memory + (size_t)(how & 31) * 16;
	struct virtq_seg seg = { driver.iova + (uint64_t)(how & 31) * 16, 8 };

	if (!driver.queues[3])
		return;
	medio_put_le(at, 4, ids[how >> 5]);
	medio_put_le(at + 4, 2, next(in) % 10);
	medio_put_le(at + 6, 2, next(in) % 3);
	if (at[6] != 1)
		driver.exact = false;
	virtq_add(virtio_ring(driver.queues[3]), &seg, 1, 0, &driver);
	kick(3);
}

static void buffers(struct input *in)
{
	unsigned index = (next(in) & 3) * 2, len = 1 + next16(in) % 600;

	if (index == ECHO_IN)
		return;
	for (unsigned i = 0; i < 4 && driver.queues[index]; i++) {
		struct virtq_seg seg = { driver.iova + 4096 + (uint64_t)index * 2048 + i * 600,
			len };
		virtq_add(virtio_ring(driver.queues[index]), &seg, 0, 1, &driver);
	}
	kick(index);
}

/* What is sent to a port that the driver has not made ready goes nowhere. */
static bool echo_is_ready(void)
{
	char shown[4096];
	ssize_t len = medio_instance_attr_show(
		driver.inst, "console/ports", shown, sizeof(shown) - 1);

	assert(len > 0);
	shown[len] = '\0';
	return strstr(shown, "echo.port port echo open") ||
	       strstr(shown, "echo.port port echo closed");
}

static void echo(struct input *in, bool out)
{
	unsigned from = out ? 0 : 16, len = 1 + next16(in) % PLACE, i = from;

	while (i < from + 16 && driver.used[i])
		i++;
	if (i == from + 16 || !driver.queues[ECHO_OUT] || (out && !echo_is_ready()))
		return;
	struct virtq_seg seg = { driver.iova + ECHO_AT + (uint64_t)i * PLACE, len };
	uint8_t *at = driver.memory + ECHO_AT + (size_t)i * PLACE;
	for (unsigned k = 0; out && k < len; k++)
		at[k] = (uint8_t)(driver.sent + k);
	if (virtq_add(virtio_ring(driver.queues[out ? ECHO_OUT : ECHO_IN]), &seg, out, !out,
		    &driver.used[i]))
		return;
	driver.used[i] = 1;
	driver.sent = (uint8_t)(driver.sent + (out ? len : 0));
	kick(out ? ECHO_OUT : ECHO_IN);
}

/* ---- From outside ------------------------------------------------------------------------------------ */

static void attribute(struct input *in)
{
	static const char *const texts[] = { "plug 2", "unplug 2", "plug 0", "unplug 0", "80x25",
		"1 3x4", "2 80x25", "unplug 1", "plug 1", "0 65535x65535", "x", "plug 77" };
	char raw[8], shown[4096];
	uint8_t how = next(in);
	const char *name = how & 1 ? "console/ports" : "console/size";

	driver.exact = false;
	if (how & 0x80) {
		for (unsigned i = 0; i < sizeof(raw); i++)
			raw[i] = (char)next(in);
		medio_instance_attr_store(driver.inst, name, raw, how >> 3 & 7);
	} else {
		const char *text = texts[(how >> 1) % 12];
		medio_instance_attr_store(driver.inst, name, text, strlen(text));
	}
	assert(medio_instance_attr_show(driver.inst, name, shown, sizeof(shown)) > 0);
}

/* Saved, changed, and loaded: taken whole or not at all. */
static void migrate(struct input *in)
{
	static uint8_t before[32768], changed[32768], after[32768];
	ssize_t len = original->ops->save(device, before, sizeof(before));
	int ret;

	assert(len > 0 && (size_t)len <= sizeof(before));
	memcpy(changed, before, (size_t)len);
	for (unsigned n = next(in) % 4; n--;) {
		unsigned at = next16(in);
		changed[at % (unsigned)len] = next(in);
	}
	size_t cut = next(in) & 1 ? next16(in) % (unsigned)len : (size_t)len;
	driver.exact = false;
	ret = original->ops->load(device, changed, cut);
	if (ret) {
		assert(original->ops->save(device, after, sizeof(after)) == len);
		assert(!memcmp(before, after, (size_t)len));
	}
}

/* ---- Life ------------------------------------------------------------------------------------------- */

static void bring_up(uint8_t how)
{
	const struct virtio_options opts = {
		.irq = VIRTIO_IRQ_BEST,
		.refuse = (how & 1 ? VIRTIO_F_RING_PACKED : 0) |
			  (how & 2 ? VIRTIO_F_INDIRECT_DESC : 0) |
			  (how & 4 ? VIRTIO_F_EVENT_IDX : 0),
	};
	unsigned n = how & 8 ? 2 : QUEUES;
	char words[VIRTIO_WORDS];

	memset(driver.queues, 0, sizeof(driver.queues));
	memset(driver.used, 0, sizeof(driver.used));
	driver.sent = driver.heard = 0;
	driver.exact = true;
	driver.gone = false;
	if (virtio_open(driver.card, 3, &opts, &driver.v, words, sizeof(words)) ||
		virtio_accept(driver.v, how & 8 ? 1 : 7, 0))
		abort();
	for (unsigned i = 0; i < n; i++)
		if (virtio_queue(driver.v, i, 32, 16, &driver.queues[i]))
			abort();
	if (virtio_ready(driver.v))
		abort();
}

static void again(uint8_t how)
{
	virtio_close(driver.v);
	bring_up(how);
}

static void step(struct input *in)
{
	uint8_t op = next(in);

	switch (op & 15) {
	case 0:
		any_chain(in);
		break;
	case 1:
	case 2:
		buffers(in);
		break;
	case 3:
		attribute(in);
		break;
	case 4:
		medio_card_write8(driver.card, MEDIO_VIRTIO_BAR,
			MEDIO_VIRTIO_CONFIG + next(in) % 16, next(in));
		break;
	case 5:
		migrate(in);
		break;
	case 6:
		if (op & 0x80)
			again(op >> 4);
		break;
	case 7:
	case 8:
	case 9:
		message(in);
		break;
	case 10:
	case 11:
		echo(in, true);
		break;
	case 12:
	case 13:
		echo(in, false);
		break;
	default:
		take();
		if (virtio_wait(driver.v, driver.queues, driver.queues[2] ? QUEUES : 2, 0) < 0)
			driver.gone = true;
		break;
	}
	if (medio_card_process(driver.card) < 0)
		abort();
	if (driver.gone)
		again(next(in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const params[] = { "port0=echo", "port1=null", "port2=echo",
		"name2=echo.port", "patience=1ms" };
	struct medio_instance_options opts = { .params = params, .nparams = 5, .log = quiet };
	struct input in = { data, size };
	struct medio_virtio_type virtio;
	struct medio_virtio_ops ops;
	struct medio_type type = medio_virtio_console;
	struct medio_loop *loop;
	unsigned steps = 0;
	void *ptr;

	original = medio_virtio_console.data;
	ops = *original->ops;
	ops.init = init;
	virtio = *original;
	virtio.ops = &ops;
	type.data = &virtio;
	driver = (struct driver){ 0 };
	if (medio_loop_new(&loop) || medio_instance_new(loop, &type, &opts, &driver.inst, NULL) ||
		medio_card_open_instance(driver.inst, &driver.card, NULL) ||
		medio_card_dma_alloc_any(driver.card, MEMORY,
			MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, &driver.iova, &ptr))
		abort();
	driver.memory = ptr;
	bring_up(next(&in));
	while (in.size && steps++ < STEPS)
		step(&in);
	take();
	virtio_close(driver.v);
	medio_card_close(driver.card);
	medio_instance_free(driver.inst);
	medio_loop_free(loop);
	return 0;
}
