/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio disk over vfio-user: 4 KiB at random places, medio's driver on one processor and the device on
 * another. Nothing behind the disk shows what rings and messages cost; a file in the page cache is held
 * against plain pread() and pwrite() of it, a file read and written directly against io_uring.
 * Slices of the disk and of what it is held against alternate, the ratio is taken pair by pair.
 *
 * "Polled": the device looks into the ring, the driver into memory, nobody notifies or interrupts.
 * "Notified": eventfds both ways, when the other side asks for them.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blk_floor.h"
#include "devices/virtio-blk/virtio-blk.h"
#include "drivers/virtio/virtio_blk.h"
#include "util/cleanup.h"

#define BLOCK 4096u
#define DEPTH 128u
#define MIB   (1u << 20)
#define RW    (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)

#define NULL_GOAL   2.0 /* millions a second, depth 32 and up */
#define CACHE_GOAL  0.8 /* of pread() */
#define DIRECT_GOAL 0.95

enum backend { BACKEND_NULL, BACKEND_CACHE, BACKEND_DIRECT };

static const char *const backends[] = { "null", "page cache", "O_DIRECT" };
static const unsigned depths[] = { 1, 32, 128 };

struct disk {
	struct medio_peer peer;
	struct medio_card *card;
	struct virtio_blk *blk;
	uint64_t iova, areas;
	uint32_t seed;
};

static void open_disk(struct disk *disk, const struct medio_report *r, enum backend backend,
	bool polled, const char *path)
{
	const struct virtio_options opts = { .irq = polled ? VIRTIO_IRQ_NONE : MEDIO_CARD_MSIX };
	struct virtio_blk_info info;
	char words[VIRTIO_WORDS], file[256];
	const char *params[] = { polled ? "poll=on" : "poll=off", "queue-size=256",
		backend == BACKEND_NULL ? "null=on" : file,
		backend == BACKEND_DIRECT ? "direct=on" : NULL, NULL };
	void *ptr;

	*disk = (struct disk){ .seed = 1 };
	snprintf(file, sizeof(file), "file=%s", path);
	disk->card = medio_bench_card_with(
		&disk->peer, &medio_virtio_blk, params, r->cpu_server, false);
	if (virtio_blk_open(disk->card, &opts, &disk->blk, words, sizeof(words)))
		medio_bench_fail(words, EIO);
	medio_bench_check(medio_card_dma_alloc_any(
				  disk->card, (uint64_t)DEPTH * BLOCK, RW, &disk->iova, &ptr),
		"memory");
	memset(ptr, 0x5a, (size_t)DEPTH * BLOCK);
	virtio_blk_get_info(disk->blk, &info);
	disk->areas = info.blocks * info.block / BLOCK;
	if (disk->areas > 1u << 24)
		disk->areas = 1u << 24;
}

static void close_disk(struct disk *disk)
{
	virtio_blk_close(disk->blk);
	medio_card_close(disk->card);
	medio_peer_stop(&disk->peer);
}

/* Commands a second. */
static double run_disk(struct disk *disk, bool write, unsigned depth, unsigned n)
{
	enum virtio_blk_op op = write ? VIRTIO_BLK_WRITE : VIRTIO_BLK_READ;
	struct virtio_blk_done done[DEPTH];
	unsigned sent = 0, came = 0;
	uint64_t start = medio_now_ns();

	while (came < n) {
		for (; sent < n && sent - came < depth; sent++) {
			disk->seed = disk->seed * 1664525 + 1013904223;
			uint64_t block = (disk->seed >> 8) % disk->areas * (BLOCK / 512);
			medio_bench_check(
				virtio_blk_submit(disk->blk, op, block, BLOCK / 512,
					disk->iova + (uint64_t)(sent % DEPTH) * BLOCK, disk),
				"submit");
		}
		int got = medio_bench_check(virtio_blk_poll(disk->blk, 5000, done, DEPTH), "poll");
		if (!got)
			medio_bench_fail("a command without an end", ETIMEDOUT);
		for (int i = 0; i < got; i++)
			medio_bench_check(done[i].ret, "the disk");
		came += (unsigned)got;
	}
	return (double)n * 1e9 / (double)(medio_now_ns() - start);
}

/* ---- Figures ------------------------------------------------------------------------------------- */

struct figure {
	enum backend backend;
	bool polled, write;
	unsigned depth;
};

static unsigned count_of(const struct medio_report *r, const struct figure *f)
{
	unsigned full = f->backend == BACKEND_DIRECT ? 64 * f->depth
						     : 2000 * (f->depth > 1 ? 32 : 1);

	return medio_report_count(r, full < 500 ? 500 : full, 4 * f->depth);
}

static void name_of(const struct figure *f, char *buf, size_t size)
{
	snprintf(buf, size, "%s %s, %s, depth %u", backends[f->backend],
		f->write ? "write" : "read", f->polled ? "polled" : "notified", f->depth);
}

static void put_rate(struct medio_report *r, const struct figure *f, double *ours)
{
	bool goal = f->backend == BACKEND_NULL && f->polled && f->depth > 1;
	char name[80];

	name_of(f, name, sizeof(name));
	for (unsigned i = 0; i < r->runs; i++)
		ours[i] /= 1e6;
	medio_report_put(r,
		&(struct medio_figure){
			.name = name,
			.unit = "M/s",
			.kind = goal ? MEDIO_AT_LEAST : MEDIO_NO_GOAL,
			.goal = NULL_GOAL,
		},
		ours, r->runs);
}

static void put_ratio(struct medio_report *r, const struct figure *f, double *ratio)
{
	bool direct = f->backend == BACKEND_DIRECT;
	bool goal = f->polled && (direct || (!f->write && f->depth > 1));

	medio_report_put(r,
		&(struct medio_figure){
			.name = "  ratio",
			.unit = "x",
			.kind = goal ? MEDIO_AT_LEAST : MEDIO_NO_GOAL,
			.goal = direct ? DIRECT_GOAL : CACHE_GOAL,
			.floor = direct	    ? "of io_uring, same depth, on the file itself"
				 : f->write ? "of pwrite() of the file itself"
					    : "of pread() of the file itself",
		},
		ratio, r->runs);
}

static void measure(
	struct medio_report *r, const struct figure *f, struct disk *disk, struct blk_floor *floor)
{
	double *ours = medio_bench_alloc(r->runs * sizeof(double));
	double *ratio = medio_bench_alloc(r->runs * sizeof(double));
	unsigned n = count_of(r, f);

	run_disk(disk, f->write, f->depth, n / 4 + 1);
	for (unsigned i = 0; i < r->runs; i++) {
		double base = 0;
		if (floor && i % 2)
			base = blk_floor_run(floor, f->write, disk->areas, f->depth, n);
		ours[i] = run_disk(disk, f->write, f->depth, n);
		if (floor && i % 2 == 0)
			base = blk_floor_run(floor, f->write, disk->areas, f->depth, n);
		ratio[i] = floor ? ours[i] / base : 0;
	}
	put_rate(r, f, ours);
	if (floor)
		put_ratio(r, f, ratio);
	free(ours);
	free(ratio);
}

/* What a command costs besides time. */
static void put_events(struct medio_report *r, const struct figure *f, struct disk *disk)
{
	struct virtio_blk_info before, after;
	unsigned n = count_of(r, f);
	double kicks, interrupts;
	char name[96], what[160];

	virtio_blk_get_info(disk->blk, &before);
	run_disk(disk, f->write, f->depth, n);
	virtio_blk_get_info(disk->blk, &after);
	kicks = (double)(after.virtio.kicks - before.virtio.kicks) / n;
	interrupts = (double)(after.virtio.interrupts - before.virtio.interrupts) / n;
	name_of(f, name, sizeof(name));
	snprintf(what, sizeof(what), "%s: kicks", name);
	medio_report_put(r, &(struct medio_figure){ .name = what, .unit = "each" }, &kicks, 1);
	snprintf(what, sizeof(what), "%s: interrupts", name);
	medio_report_put(r, &(struct medio_figure){ .name = what, .unit = "each" }, &interrupts, 1);
}

/* The device's thread alone, which tracing slows down; only the number counts. */
static void put_calls(struct medio_report *r, const struct figure *f, struct disk *disk)
{
	unsigned n = medio_report_count(r, 4096, 512);
	struct medio_tracer t;
	char name[96], what[160];

	int ret = medio_tracer_start(&t, disk->peer.pid);
	if (ret) {
		medio_report_note(r, "system calls left out: cannot trace (%s)", strerror(-ret));
		return;
	}
	run_disk(disk, f->write, f->depth, n / 4);
	uint64_t before = medio_tracer_calls(&t);
	run_disk(disk, f->write, f->depth, n);
	double calls = (double)(medio_tracer_calls(&t) - before) / n;
	name_of(f, name, sizeof(name));
	snprintf(what, sizeof(what), "%s: system calls of the device", name);
	medio_report_put(r, &(struct medio_figure){ .name = what, .unit = "each" }, &calls, 1);
	virtio_blk_close(disk->blk);
	medio_card_close(disk->card);
	medio_tracer_join(&t);
	medio_peer_stop(&disk->peer);
	disk->blk = NULL;
}

/* ---- Each backend -------------------------------------------------------------------------------- */

static int make_file(const char *path, unsigned mib)
{
	_cleanup_free_ char *chunk = malloc(MIB);
	_cleanup_close_ int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	if (!chunk)
		return -ENOMEM;
	if (fd < 0)
		return -errno;
	memset(chunk, 0x33, MIB);
	for (unsigned i = 0; i < mib; i++)
		if (write(fd, chunk, MIB) != (ssize_t)MIB)
			return errno ? -errno : -EIO;
	return fsync(fd) ? -errno : 0;
}

static void measure_backend(struct medio_report *r, enum backend backend, const char *path)
{
	struct blk_floor *floor = NULL;
	struct disk disk;

	int ret = backend == BACKEND_NULL ? 0
					  : blk_floor_open(path, backend == BACKEND_DIRECT, &floor);
	if (ret) {
		medio_report_note(r, "%s left out: %s", backends[backend], strerror(-ret));
		return;
	}
	for (int polled = 1; polled >= 0; polled--) {
		open_disk(&disk, r, backend, polled, path);
		for (size_t i = 0; i < MEDIO_ARRAY_SIZE(depths); i++) {
			for (int write = 0; write < 2; write++) {
				struct figure f = { backend, polled, write, depths[i] };
				measure(r, &f, &disk, floor);
				if (!polled && !write)
					put_events(r, &f, &disk);
			}
		}
		struct figure f = { backend, polled, false, 32 };
		put_calls(r, &f, &disk);
		if (disk.blk)
			close_disk(&disk);
	}
	if (floor)
		blk_floor_close(floor);
}

static int run(struct medio_report *r)
{
	const char *folder = getenv("TMPDIR");
	char path[256];

	if (r->cpu_server < 0) {
		medio_report_note(r, "left out: driver and device want a processor each");
		return 0;
	}
	/* Not in /tmp, which may be memory. */
	snprintf(path, sizeof(path), "%s/medio-bench-XXXXXX", folder ? folder : "/var/tmp");
	int fd = mkstemp(path);
	if (fd < 0) {
		medio_report_note(r, "left out: %s: %s", path, strerror(errno));
		return -errno;
	}
	close(fd);
	int ret = make_file(path, medio_report_count(r, 256, 8));
	if (ret)
		medio_report_note(r, "files left out: %s: %s", path, strerror(-ret));
	measure_backend(r, BACKEND_NULL, path);
	if (ret == 0) {
		measure_backend(r, BACKEND_CACHE, path);
		measure_backend(r, BACKEND_DIRECT, path);
	}
	unlink(path);
	return ret;
}

const struct medio_bench medio_bench_blk = {
	.name = "blk",
	.summary = "A virtio disk's commands a second, against the file behind it",
	.run = run,
};
