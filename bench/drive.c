/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a driver pays for a read of 4 KiB: the NVMe and the virtio driver on the disks of their unit
 * tests, against what the NVMe one takes for the read itself, without queue, doorbell and interrupt.
 * Slices of the two alternate, and the ratio is taken pair by pair.
 *
 * "Polled" looks at memory until the completion is there, and has no interrupt. In the same process
 * the device works while the driver waits, so nothing overlaps; over vfio-user with two cores it does.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../tests/unit/test_nvme_model.h"
#include "../tests/unit/test_virtio_blk_model.h"
#include "device/instance.h"
#include "drivers/block.h"
#include "util/cleanup.h"

#define READ   4096u
#define BLOCKS (READ / NVME_MODEL_BLOCK)
#define AREAS  (NVME_MODEL_BLOCKS / BLOCKS)
#define DEPTH  32u
#define RW     (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)

#define MAX_TRACED_RUNS 5 /* the count hardly varies */

/* What disks of QEMU offer too: VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX. */
#define VIRTIO_OFFER (UINT64_C(1) << 28 | UINT64_C(1) << 29)

struct path {
	const char *name;
	bool socket, two_cores;
	int irq;
};

static const struct path paths[] = {
	{ "local:, polled", false, false, BLOCK_IRQ_NONE },
	{ "local:, MSI-X", false, false, MEDIO_CARD_MSIX },
	{ "vfio-user:, two cores, polled", true, true, BLOCK_IRQ_NONE },
	{ "vfio-user:, two cores, MSI-X", true, true, MEDIO_CARD_MSIX },
	{ "vfio-user:, one core, MSI-X", true, false, MEDIO_CARD_MSIX },
};

/* ---- A disk with its driver -------------------------------------------------------------------- */

struct rig {
	struct medio_peer peer; /* over a socket */
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_card *card;
	struct block *disk;
	uint64_t iova; /* DEPTH * READ bytes */
	uint32_t seed;
	bool socket;
};

static void rig_close(struct rig *rig)
{
	block_close(rig->disk);
	medio_card_close(rig->card);
	medio_instance_free(rig->inst);
	medio_loop_free(rig->loop);
	if (rig->socket)
		medio_peer_stop(&rig->peer);
}

static uint64_t next_area(struct rig *rig)
{
	rig->seed = rig->seed * 1664525 + 1013904223;
	return (rig->seed >> 8) % AREAS;
}

/* ns for each of n reads or writes, of which depth are under way; all areas in turn, or any. */
static double slice(struct rig *rig, enum block_op op, bool random, unsigned depth, unsigned n)
{
	struct block_done done[DEPTH];
	unsigned sent = 0, came = 0;
	uint64_t start = medio_now_ns();

	while (came < n) {
		for (; sent < n && sent - came < depth; sent++)
			medio_bench_check(
				block_submit(rig->disk, op,
					(random ? next_area(rig) : sent % AREAS) * READ, READ,
					rig->iova + (uint64_t)(sent % DEPTH) * READ, rig),
				"submit");
		int got = medio_bench_check(block_poll(rig->disk, 5000, done, DEPTH), "poll");
		if (!got)
			medio_bench_fail("a read without an end", ETIMEDOUT);
		for (int i = 0; i < got; i++)
			medio_bench_check(done[i].ret, "read");
		came += (unsigned)got;
	}
	return (double)(medio_now_ns() - start) / n;
}

static double read_slice(struct rig *rig, unsigned depth, unsigned n)
{
	return slice(rig, BLOCK_READ, true, depth, n);
}

/* The same by the disk alone; rig is of no use for reads then. */
static double own_slice(struct rig *rig, unsigned n)
{
	struct medio_dev *dev = medio_instance_device(rig->inst);
	uint64_t start = medio_now_ns();

	for (unsigned i = 0; i < n; i++)
		nvme_model_serve(dev, next_area(rig) * BLOCKS, BLOCKS,
			rig->iova + (uint64_t)(i % DEPTH) * READ);
	return (double)(medio_now_ns() - start) / n;
}

static void rig_open(struct rig *rig, const struct medio_report *r, const struct path *path,
	const struct medio_type *type)
{
	const struct block_options opts = { .irq = path->irq };
	char words[BLOCK_WORDS];
	void *ptr;

	*rig = (struct rig){ .socket = path->socket, .seed = 1 };
	if (path->socket) {
		rig->card = medio_bench_card_of(
			&rig->peer, type, path->two_cores ? r->cpu_server : r->cpu_client, false);
	} else {
		medio_bench_check(medio_loop_new(&rig->loop), "loop");
		medio_bench_check(
			medio_instance_new(rig->loop, type, NULL, &rig->inst, NULL), "instance");
		medio_bench_check(medio_card_open_instance(rig->inst, &rig->card, NULL), "open");
	}
	medio_bench_check(block_open(rig->card, &opts, &rig->disk, words, sizeof(words)), "disk");
	medio_bench_check(
		medio_card_dma_alloc_any(rig->card, (uint64_t)DEPTH * READ, RW, &rig->iova, &ptr),
		"memory");
	/* So that there is memory: what was never written is one page of zeros, in the first cache. */
	memset(ptr, 0x5a, (size_t)DEPTH * READ);
	slice(rig, BLOCK_WRITE, false, DEPTH, AREAS);
}

/* ---- Time -------------------------------------------------------------------------------------- */

static void measure(struct medio_report *r, const struct path *path, const struct medio_type *type,
	struct rig *bare, unsigned depth)
{
	double *ours = medio_bench_alloc(r->runs * sizeof(double));
	double *own = medio_bench_alloc(r->runs * sizeof(double));
	double *ratio = medio_bench_alloc(r->runs * sizeof(double));
	unsigned n = medio_report_count(r, 640, 64); /* a slice is shorter than what others get */
	struct rig rig;
	char name[80];

	rig_open(&rig, r, path, type);
	read_slice(&rig, depth, n / 4);
	own_slice(bare, n / 4);
	for (unsigned i = 0; i < r->runs; i++) {
		if (i % 2 == 0)
			ours[i] = read_slice(&rig, depth, n);
		own[i] = own_slice(bare, n);
		if (i % 2)
			ours[i] = read_slice(&rig, depth, n);
		ratio[i] = ours[i] / own[i];
		ours[i] /= 1000;
		own[i] /= 1000;
	}
	snprintf(name, sizeof(name), "%s %s, depth %u",
		type == &nvme_model_type ? "nvme" : "virtio-blk", path->name, depth);
	medio_report_put(r, &(struct medio_figure){ .name = name, .unit = "us" }, ours, r->runs);
	if (path == paths && depth == 1 && type == &nvme_model_type)
		medio_report_put(r,
			&(struct medio_figure){ .name = "  the disk itself", .unit = "us" }, own,
			r->runs);
	medio_report_put(r,
		&(struct medio_figure){
			.name = "  ratio", .unit = "x", .floor = "of the nvme disk itself" },
		ratio, r->runs);
	rig_close(&rig);
	free(ours);
	free(own);
	free(ratio);
}

/* ---- System calls ------------------------------------------------------------------------------ */

/* Told to the driver's process: so many reads. It answers with a byte when they are done. */
struct order {
	unsigned depth, n;
};

struct driver {
	const struct medio_report *r;
	const struct path *path;
};

/* A driver in a process of its own, where it can be traced; so can its server. */
static void drive(int fd, struct medio_bench_shared *shared, void *opaque)
{
	const struct driver *driver = opaque;
	struct order order;
	struct rig rig;
	char byte = 0;

	rig_open(&rig, driver->r, driver->path, &nvme_model_type);
	shared->result[0] = rig.socket ? rig.peer.pid : 0;
	while (write(fd, &byte, 1) == 1 && read(fd, &order, sizeof(order)) == sizeof(order))
		read_slice(&rig, order.depth, order.n);
	rig_close(&rig);
}

static void carry_out(const struct medio_peer *peer, unsigned depth, unsigned n)
{
	const struct order order = { depth, n };
	char byte;

	if (write(peer->fd, &order, sizeof(order)) != sizeof(order) ||
		read(peer->fd, &byte, 1) != 1)
		medio_bench_fail("the driver's process", EIO);
}

static void count(struct medio_report *r, const struct path *path, const struct medio_peer *peer,
	struct medio_tracer *t, const char *who, unsigned depth)
{
	double calls[MAX_TRACED_RUNS];
	unsigned runs = r->runs < MAX_TRACED_RUNS ? r->runs : MAX_TRACED_RUNS;
	unsigned n = medio_report_count(r, 2048, 256);
	char name[80];

	carry_out(peer, depth, n / 4);
	for (unsigned i = 0; i < runs; i++) {
		uint64_t before = medio_tracer_calls(t);
		carry_out(peer, depth, n);
		calls[i] = (double)(medio_tracer_calls(t) - before) / n;
	}
	snprintf(name, sizeof(name), "%s, %s, depth %u", who, path->name, depth);
	medio_report_put(
		r, &(struct medio_figure){ .name = name, .unit = "calls each" }, calls, runs);
}

static void count_of(struct medio_report *r, const struct path *path, bool server)
{
	struct driver driver = { r, path };
	struct medio_peer peer;
	struct medio_tracer t;
	char byte;

	medio_peer_start(&peer, r->cpu_client, drive, &driver);
	if (read(peer.fd, &byte, 1) != 1)
		medio_bench_fail("the driver's process", EIO);
	int ret = medio_tracer_start(&t, server ? (pid_t)peer.shared->result[0] : peer.pid);
	if (ret)
		medio_report_note(r, "system calls left out: cannot trace (%s)", strerror(-ret));
	for (unsigned depth = 1; !ret && depth <= DEPTH; depth *= DEPTH)
		count(r, path, &peer, &t, server ? "server" : "driver", depth);
	close(peer.fd);
	peer.fd = -1;
	medio_tracer_join(&t);
	medio_peer_stop(&peer);
}

static void measure_all(struct medio_report *r, const struct medio_type *type)
{
	struct rig bare;

	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(paths); i++) {
		if (paths[i].two_cores && r->cpu_server < 0)
			continue;
		rig_open(&bare, r, &paths[0], &nvme_model_type);
		measure(r, &paths[i], type, &bare, 1);
		measure(r, &paths[i], type, &bare, DEPTH);
		rig_close(&bare);
	}
}

static int run(struct medio_report *r)
{
	virtio_quirks.offer = VIRTIO_OFFER;
	measure_all(r, &nvme_model_type);
	measure_all(r, virtio_model_type(&virtio_model_blk, &(struct virtio_model_shape){ 0 }));
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(paths); i++) {
		if (paths[i].two_cores && r->cpu_server < 0)
			continue;
		count_of(r, &paths[i], false);
		if (paths[i].socket)
			count_of(r, &paths[i], true);
	}
	return 0;
}

const struct medio_bench medio_bench_drive = {
	.name = "drive",
	.summary = "A driver's reads of 4 KiB, in process and over vfio-user",
	.run = run,
};
