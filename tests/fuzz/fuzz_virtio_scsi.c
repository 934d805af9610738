/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any commands, task management and sizes at a SCSI host with disks of memory, some of which come and go: what
 * stands in a CDB, how chains are cut and where they point is the input. Each is answered, or the device says that it
 * needs a reset; nothing stays behind.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <medio/local.h>
#include <medio/virtio.h>

#include "../../drivers/virtio/virtio.h"
#include "virtio-scsi/spec.h"
#include "virtio-scsi/virtio-scsi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY	   65536u
#define SEGS	   24u
#define MAX_CHAINS 200u

enum { CONTROL, EVENTS, REQUESTS, QUEUES = 4 };

struct input {
	const uint8_t *data;
	size_t size;
};

static struct driver {
	struct medio_instance *inst;
	struct medio_card *card;
	struct virtio *v;
	struct virtio_queue *queues[QUEUES];
	uint8_t *memory;
	uint64_t iova;
	unsigned cdb_size, sense_size;
	unsigned made, taken; /* but for buffers for events */
	unsigned buffers;
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

/* Units that are there or come and go, and other places. */
static void put_address(struct input *in, uint8_t *at)
{
	uint8_t how = next(in);

	memset(at, 0, 8);
	at[0] = 1;
	at[2] = how & 0x40 ? 0x40 : 0;
	at[3] = how & 3;
	if ((how & 0x3c) == 0x3c)
		at[next(in) & 7] = next(in);
	if (how & 0x80 && (how & 0x3c) == 0x38)
		memcpy(at, (const uint8_t[8]){ 0xc1, 0x01 }, 8);
}

/* A command that is known, with any bits; or anything. */
static void put_cdb(struct input *in, uint8_t *at)
{
	static const uint8_t opcodes[] = { 0x00, 0x03, 0x08, 0x0a, 0x12, 0x15, 0x1a, 0x1b, 0x25,
		0x28, 0x2a, 0x2f, 0x35, 0x41, 0x42, 0x55, 0x5a, 0x88, 0x8a, 0x8f, 0x91, 0x93, 0x9e,
		0xa0, 0xa3, 0xa8, 0xaa, 0xaf };
	uint8_t how = next(in);

	memset(at, 0, 16);
	at[0] = how < sizeof(opcodes) * 8 ? opcodes[how % sizeof(opcodes)] : next(in);
	/* Small numbers in the places of addresses and lengths, mostly. */
	at[1] = next(in);
	for (unsigned n = next(in) % 8; n--;) {
		uint8_t where = next(in);
		at[where & 15] = where & 0x80 ? 0xff : next(in);
	}
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

static void add(unsigned queue, const struct virtq_seg *segs, unsigned out, unsigned in)
{
	if (!out && !in)
		return;
	if (!virtq_add(virtio_ring(driver.queues[queue]), segs, out, in, &driver))
		*(queue == EVENTS ? &driver.buffers : &driver.made) += 1;
}

/* As a driver would: header, data, response, each in a piece or more. */
static void make_command(struct input *in)
{
	unsigned queue = REQUESTS + (next(in) & 1), n = 0;
	uint8_t *header = driver.memory, how;
	struct virtq_seg segs[2 * SEGS];
	size_t data;

	memset(header, 0, 1024);
	put_address(in, header);
	medio_put_le(header + 8, 8, next(in) & 3);
	put_cdb(in, header + 19);
	how = next(in);
	data = how & 0x40 ? next16(in) : 512u * (how & 0x1f);
	/* A list for UNMAP or MODE SELECT, or a pattern. */
	for (unsigned i = next(in) % 48; i--;)
		driver.memory[8192 + i] = next(in);
	segs[n++] = (struct virtq_seg){ driver.iova, 19 + driver.cdb_size };
	if (data && how & 0x80)
		segs[n++] = (struct virtq_seg){ driver.iova + 8192, (uint32_t)(data % 40000 + 1) };
	unsigned out = n;
	segs[n++] = (struct virtq_seg){ driver.iova + 2048, 12 + driver.sense_size };
	if (data && !(how & 0x80))
		segs[n++] = (struct virtq_seg){ driver.iova + 8192, (uint32_t)(data % 40000 + 1) };
	add(queue, segs, out, n - out);
}

/* The same bytes, cut without sense; for any queue. */
static void make_mess(struct input *in)
{
	struct virtq_seg segs[2 * SEGS];
	size_t at = next16(in) % (MEMORY - 512);
	unsigned queue = next(in) % QUEUES;

	memset(driver.memory + at, 0, 64);
	if (queue == CONTROL) {
		medio_put_le(driver.memory + at, 4, next(in) & 3);
		medio_put_le(driver.memory + at + 4, 4, next(in) & 15);
	} else {
		put_address(in, driver.memory + at);
		put_cdb(in, driver.memory + at + 19);
	}
	unsigned out = cut(in, segs, SEGS, &at), ins = cut(in, segs + out, SEGS, &at);
	add(queue, segs, out, ins);
}

static void make_task(struct input *in)
{
	uint8_t *at = driver.memory + 4096;
	uint8_t type = next(in);
	struct virtq_seg segs[2] = { { driver.iova + 4096, type & 3 ? 16 : 24 },
		{ driver.iova + 5000, type & 3 ? 5 : 1 } };

	memset(at, 0, 24);
	medio_put_le(at, 4, type & 0x80 ? type : type & 3);
	if (type & 3) {
		put_address(in, at + 4);
	} else {
		medio_put_le(at + 4, 4, type >> 2 & 15);
		put_address(in, at + 8);
		medio_put_le(at + 16, 8, next(in) & 3);
	}
	add(CONTROL, segs, 1, 1);
}

static void make_buffer(struct input *in)
{
	uint32_t len = next(in) % 64 ? 16 : next(in) % 32 + 1u;

	add(EVENTS, &(struct virtq_seg){ driver.iova + 6000, len }, 0, 1);
}

/* ---- The user's side --------------------------------------------------------------------------------- */

static void plug(struct input *in)
{
	static const char *const plugs[] = { "lun2=mem:1M", "lun3=mem:64K,readonly",
		"lun2=null,size=1G", "lun1=mem:1M", "lun2=nothing", "lun16=mem:1M", "lun", "" };
	static const char *const unplugs[] = { "lun1", "lun2", "lun3", "lun4" };
	uint8_t how = next(in);
	const char *text = how & 8 ? unplugs[how & 3] : plugs[how & 7];

	medio_instance_attr_store(
		driver.inst, how & 8 ? "scsi/unplug" : "scsi/plug", text, strlen(text));
}

/* What a user may write for a disk, which is not opened here. */
static void parse(struct input *in)
{
	char text[256], words[SCSI_SPEC_WORDS];
	struct scsi_spec spec;
	size_t len = next(in);

	if (len > in->size)
		len = in->size;
	memcpy(text, in->data, len);
	text[len] = '\0';
	in->data += len;
	in->size -= len;
	int ret = scsi_spec_parse(text, &spec, words);
	if (!ret)
		scsi_spec_free(&spec);
	else
		assert(words[0] && memchr(words, 0, sizeof(words)));
}

static void show(void)
{
	char text[8192];

	assert(medio_instance_attr_show(driver.inst, "scsi/luns", text, sizeof(text)) >= 0);
	assert(medio_instance_attr_show(driver.inst, "scsi/work", text, sizeof(text)) >= 0);
}

/* The driver's two sizes: what could be, or anything. */
static void choose_sizes(struct input *in)
{
	uint8_t how = next(in);
	unsigned cdb = how & 1 ? next16(in) : next(in),
		 sense = how & 2 ? next16(in) : next(in) % 253;
	unsigned at = MEDIO_VIRTIO_CONFIG + 20;

	medio_card_write32(driver.card, MEDIO_VIRTIO_BAR, at, sense);
	medio_card_write32(driver.card, MEDIO_VIRTIO_BAR, at + 4, cdb);
	/* Chains are made for it as far as the memory goes. */
	driver.cdb_size = cdb < 1000 ? cdb : 1000;
	driver.sense_size = sense < 1000 ? sense : 1000;
}

/* ---- Steps ------------------------------------------------------------------------------------------- */

static void take(void)
{
	struct virtq_done done;

	for (unsigned i = 0; i < QUEUES; i++) {
		int ret;
		while ((ret = virtq_take(virtio_ring(driver.queues[i]), &done)) == 1) {
			if (i == EVENTS)
				driver.buffers--;
			else
				driver.taken++;
		}
		/* The device's rings are right whatever it is asked. */
		assert(ret == 0);
	}
}

static void kick(void)
{
	for (unsigned i = 0; i < QUEUES; i++)
		if (!driver.gone && virtio_kick(driver.queues[i]))
			driver.gone = true;
}

/* Everything is answered, but by one that is out of order. */
static void settle(void)
{
	kick();
	for (unsigned i = 0; i < 20000 && !driver.gone; i++) {
		take();
		if (driver.taken == driver.made)
			return;
		if (virtio_wait(driver.v, driver.queues, QUEUES, 1) < 0)
			driver.gone = true;
	}
	assert(driver.gone);
}

static void step(struct input *in)
{
	uint8_t op = next(in);

	switch (op & 15) {
	case 0:
		settle();
		break;
	case 1:
		choose_sizes(in);
		break;
	case 2:
		take();
		kick();
		break;
	case 3:
		make_mess(in);
		break;
	case 4:
		make_task(in);
		break;
	case 5:
		make_buffer(in);
		break;
	case 6:
		plug(in);
		break;
	case 7:
		parse(in);
		break;
	case 8:
		show();
		break;
	case 9:
		medio_card_write32(driver.card, MEDIO_VIRTIO_BAR,
			MEDIO_VIRTIO_CONFIG + (next(in) % 16) * 4u, next16(in));
		break;
	default:
		make_command(in);
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

	if (virtio_open(driver.card, 8, &opts, &driver.v, words, sizeof(words)) ||
		virtio_accept(driver.v, how >> 3 & 6, 0))
		abort();
	for (unsigned i = 0; i < QUEUES; i++)
		if (virtio_queue(driver.v, i, 64, 2 * SEGS, &driver.queues[i]))
			abort();
	if (virtio_ready(driver.v))
		abort();
	driver.cdb_size = 32;
	driver.sense_size = 96;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const params[] = { "lun0=mem:1M,serial=fuzz", "lun1=null,size=1T",
		"num-queues=2" };
	struct medio_instance_options opts = { .params = params, .nparams = 3, .log = quiet };
	struct input in = { data, size };
	struct medio_loop *loop;
	void *ptr;

	driver = (struct driver){ 0 };
	if (medio_loop_new(&loop) ||
		medio_instance_new(loop, &medio_virtio_scsi, &opts, &driver.inst, NULL) ||
		medio_card_open_instance(driver.inst, &driver.card, NULL) ||
		medio_card_dma_alloc_any(driver.card, MEMORY,
			MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, &driver.iova, &ptr))
		abort();
	driver.memory = ptr;
	bring_up(next(&in));
	while (in.size && !driver.gone && driver.made + driver.buffers < MAX_CHAINS)
		step(&in);
	if (!driver.gone)
		settle();
	virtio_close(driver.v);
	medio_card_close(driver.card);
	medio_instance_free(driver.inst);
	medio_loop_free(loop);
	return 0;
}
