/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * medio-count SUBJECT [split|packed] [tables] [long]: a virtio device in one thread with its driver,
 * for counting the instructions that a frame or a request costs (count.sh): they are the same on a busy machine
 * as on a quiet one. What the device does is all in device_works().
 *
 * Subjects: loop (each frame goes out and comes in again), transmit, blk (writes of 4 KiB to a disk of nothing).
 * long: frames of 1518 bytes in place of 64.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <medio/serve.h>

#include "device/instance.h"
#include "devices/virtio-blk/virtio-blk.h"
#include "devices/virtio-net/virtio-net.h"
#include "drivers/virtio/virtq.h"
#include "virtio/bare.h"
#include "virtio/inside.h"

#define SIZE	 256u /* descriptors of a queue */
#define ROUNDS	 512u
#define BURST	 32u /* frames or requests of a round */
#define HEADER	 12u
#define SLOT	 8192u /* memory of a chain */
#define IOVA	 UINT64_C(0x100000)
#define RINGS	 UINT64_C(0x40000) /* of both queues: half of it each */
#define VERSION1 (UINT64_C(1) << 32)

/* medio_virtio_net's queues; a disk has the second only. */
enum { RX, TX, QUEUES };

struct rig {
	bool blk, loop, packed, tables;
	unsigned bytes; /* of a frame */
	struct medio_loop *looper;
	struct medio_instance *inst;
	struct medio_virtio_core *core;
	uint8_t *mem;
	struct virtq *rings[QUEUES];
};

static __attribute__((noreturn)) void fail(const char *what, int err)
{
	fprintf(stderr, "medio-count: %s: %s\n", what, strerror(err));
	exit(1);
}

static void must(bool good, const char *what)
{
	if (!good)
		fail(what, EIO);
}

static void ok(int ret, const char *what)
{
	if (ret < 0)
		fail(what, -ret);
}

/* ---- The device ---------------------------------------------------------------------------------- */

static void no_interrupt(void *opaque, unsigned queue)
{
	(void)opaque;
	(void)queue;
}

static void no_config(void *opaque)
{
	(void)opaque;
}

static void no_reset(void *opaque, int queue)
{
	(void)opaque;
	(void)queue;
}

static const struct medio_virtio_transport transport = {
	.by_queue = true,
	.interrupt = no_interrupt,
	.config_interrupt = no_config,
	.reset_done = no_reset,
};

static const struct medio_transport_ops nobody;

static void make_device(struct rig *rig)
{
	const char *params[] = { rig->loop ? "loop=on" : "null=on", "packed=on",
		rig->blk ? "size=1G" : "mergeable=on" };
	const struct medio_instance_options opts = { .params = params, .nparams = 3 };
	const struct medio_type *type = rig->blk ? &medio_virtio_blk : &medio_virtio_net;
	struct medio_error *err = NULL;

	ok(medio_loop_new(&rig->looper), "a loop");
	if (medio_instance_new_bare(rig->looper, type, &opts, &rig->inst, &err)) {
		fprintf(stderr, "medio-count: %s\n", medio_error_text(err));
		exit(1);
	}
	ok(medio_instance_attach(rig->inst, &nobody, rig), "attach");
}

static void make_memory(struct rig *rig)
{
	const size_t bytes = RINGS + (size_t)QUEUES * SIZE * SLOT;
	int fd = memfd_create("count", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		fail("memory", errno);
	rig->mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (rig->mem == MAP_FAILED)
		fail("memory", errno);
	ok(medio_instance_dma_map(rig->inst, IOVA, bytes, PROT_READ | PROT_WRITE, fd, 0, NULL),
		"map");
	close(fd);
}

static void make_queue(struct rig *rig, unsigned index)
{
	const struct virtq_options opts = {
		.size = SIZE, .packed = rig->packed, .indirect = rig->tables ? 8 : 0
	};
	struct medio_virtio_queue_regs *regs = medio_virtio_core_queue(
		rig->core, rig->blk ? 0 : index);
	const size_t at = index * RINGS / QUEUES;
	struct virtq_places places;

	if (virtq_bytes(&opts) > RINGS / QUEUES)
		fail("a ring", EOVERFLOW);
	ok(virtq_new(&opts, rig->mem + at, IOVA + at, &rig->rings[index]), "a ring");
	virtq_get_places(rig->rings[index], &places);
	regs->size = SIZE;
	regs->desc = places.desc;
	regs->driver = places.driver;
	regs->device = places.device;
	medio_virtio_core_queue_enable(rig->core, rig->blk ? 0 : index);
}

static void start(struct rig *rig)
{
	uint64_t features = VERSION1 | (uint64_t)rig->packed << 34 | (uint64_t)rig->tables << 28;

	if (!rig->blk)
		features |= UINT64_C(1) << 15; /* mergeable buffers */
	rig->core = medio_virtio_bare_attach(medio_instance_device(rig->inst), &transport, NULL);
	medio_virtio_core_set_status(rig->core, 3);
	medio_virtio_core_set_features(rig->core, features);
	medio_virtio_core_set_status(rig->core, 11);
	if (!rig->blk)
		make_queue(rig, RX);
	make_queue(rig, TX);
	medio_virtio_core_set_status(rig->core, 15);
	if (medio_virtio_core_status(rig->core) != 15)
		fail("the device", EIO);
	/* Queues are not polled: turns are made by hand. */
	while (medio_loop_run_once(rig->looper, 0) > 0)
		;
}

/* What is counted. */
__attribute__((noinline)) static void device_works(struct rig *rig)
{
	if (!rig->blk)
		medio_virtio_core_turn(rig->core, RX, true);
	medio_virtio_core_turn(rig->core, rig->blk ? 0 : TX, true);
}

/* ---- The driver ---------------------------------------------------------------------------------- */

static uint64_t slot_at(unsigned queue, unsigned i)
{
	return RINGS + ((uint64_t)queue * SIZE + i % SIZE) * SLOT;
}

static void add_request(struct rig *rig, unsigned i)
{
	uint64_t at = slot_at(TX, i);
	const struct virtq_seg segs[] = { { IOVA + at, 16 }, { IOVA + at + 4096, 4096 },
		{ IOVA + at + 64, 1 } };

	memset(rig->mem + at, 0, 16);
	rig->mem[at] = 1; /* a write */
	rig->mem[at + 64] = 0xff;
	must(!virtq_add(rig->rings[TX], segs, 2, 1, rig->mem + at), "a request");
}

static void add_frame(struct rig *rig, unsigned i)
{
	uint64_t at = slot_at(TX, i);
	const struct virtq_seg seg = { IOVA + at, HEADER + rig->bytes };

	memset(rig->mem + at, 0, HEADER + rig->bytes);
	must(!virtq_add(rig->rings[TX], &seg, 1, 0, rig->mem + at), "a frame");
}

static void add_buffer(struct rig *rig, unsigned i)
{
	uint64_t at = slot_at(RX, i);
	const struct virtq_seg seg = { IOVA + at, 2048 };

	must(!virtq_add(rig->rings[RX], &seg, 0, 1, rig->mem + at), "a buffer");
}

static void one_round(struct rig *rig, unsigned *next)
{
	struct virtq_done done;
	unsigned came = 0;

	for (unsigned i = 0; i < BURST; i++, ++*next) {
		if (rig->blk)
			add_request(rig, *next);
		else
			add_frame(rig, *next);
		if (rig->loop)
			add_buffer(rig, *next);
	}
	if (rig->loop)
		virtq_publish(rig->rings[RX]);
	virtq_publish(rig->rings[TX]);
	device_works(rig);
	for (unsigned i = 0; i < BURST; i++)
		must(virtq_take(rig->rings[TX], &done) == 1 &&
				(!rig->blk || !((uint8_t *)done.tag)[64]),
			"a chain is missing, or failed");
	while (rig->loop && virtq_take(rig->rings[RX], &done) == 1) {
		must(done.len == HEADER + rig->bytes, "a frame was changed");
		came++;
	}
	must(!rig->loop || came == BURST, "a frame is missing");
}

int main(int argc, char **argv)
{
	struct rig rig = { .bytes = 64 };
	unsigned next = 0;

	for (int i = 1; i < argc; i++) {
		rig.blk |= !strcmp(argv[i], "blk");
		rig.loop |= !strcmp(argv[i], "loop");
		rig.packed |= !strcmp(argv[i], "packed");
		rig.tables |= !strcmp(argv[i], "tables");
		if (!strcmp(argv[i], "long"))
			rig.bytes = 1518;
	}
	make_device(&rig);
	make_memory(&rig);
	start(&rig);
	for (unsigned i = 0; i < ROUNDS; i++)
		one_round(&rig, &next);
	printf("%u\n", ROUNDS * BURST);
	medio_virtio_core_set_status(rig.core, 0);
	medio_virtio_bare_detach(medio_instance_device(rig.inst));
	medio_instance_detach(rig.inst);
	for (unsigned i = 0; i < QUEUES; i++)
		virtq_free(rig.rings[i]);
	medio_instance_free(rig.inst);
	medio_loop_free(rig.looper);
	return 0;
}
