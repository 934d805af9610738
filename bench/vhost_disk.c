/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio disk over vhost-user: ours beside that of qemu-storage-daemon, both driven by libblkio, 4 KiB at random
 * places. libblkio runs on one processor and looks for what is done without a pause ("polled", its poll
 * queues), or sleeps until it is told; the back-end has the other processor to itself. Slices of the two
 * back-ends alternate, and each ratio is of a pair of slices.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blk_floor.h"
#include "devices/virtio-blk/virtio-blk.h"
#include "tests/peers/blkio.h"
#include "util/cleanup.h"
#include "vhost.h"
#include "vhost_side.h"

#define BLOCK 4096u
#define DEPTH 128u
#define MIB   (1u << 20)

#define NULL_GOAL  1.5 /* of theirs */
#define CACHE_GOAL 2.0

/*
 * A file that is in the page cache stands there in folios of what was written at a time. In large ones reads find
 * their page sooner; a write to one looks at all of its blocks (ext4 of Linux 6.18: 78 % of pwrite()'s time).
 */
enum behind { BEHIND_NOTHING, BEHIND_CACHE, BEHIND_LARGE, BEHIND_DIRECT };

static const char *const names[] = { "null", "cached (4 KiB)", "cached (1 MiB)", "O_DIRECT" };

/* Ways that qemu-storage-daemon has to a file. Where none is always the better one, both are there, and
 * ours is held against the better in each turn. */
#define OTHERS 2u
static const char *const others[][OTHERS] = {
	[BEHIND_NOTHING] = { "" },
	[BEHIND_CACHE] = { "aio=threads", "aio=io_uring" },
	[BEHIND_LARGE] = { "aio=threads", "aio=io_uring" },
	[BEHIND_DIRECT] = { "cache.direct=on,aio=native" },
};
static const unsigned depths[] = { 1, 32, 128 };

struct side {
	struct vhost_side back;
	struct blkio_disk disk;
	struct blkioq *queue;
	uint64_t areas;
	uint32_t seed;
};

struct figure {
	enum behind behind;
	bool polled, write;
	unsigned depth;
};

/* A slice: requests a second, and microseconds of the back-end's processor for each. */
struct slice {
	double rate, cpu;
};

/* ---- Slices --------------------------------------------------------------------------------------- */

static void submit(struct side *side, bool write, unsigned slot)
{
	const struct blkio_calls *calls = side->disk.calls;
	uint8_t *memory = side->disk.memory + (size_t)slot * BLOCK;
	void *tag = (void *)(uintptr_t)slot;

	side->seed = side->seed * 1664525 + 1013904223;
	uint64_t start = (side->seed >> 8) % side->areas * BLOCK;
	if (write)
		calls->queue_write(side->queue, start, memory, BLOCK, tag, 0);
	else
		calls->queue_read(side->queue, start, memory, BLOCK, tag, 0);
}

static struct slice run_slice(struct side *side, const struct figure *f, unsigned n)
{
	struct blkio_completion done[DEPTH];
	unsigned sent = 0, came = 0;
	double cpu = vhost_side_cpu(&side->back);

	vhost_side_pause(&side->back, false);
	uint64_t ns = medio_now_ns();
	for (; sent < f->depth; sent++)
		submit(side, f->write, sent);
	while (came < n) {
		struct timespec limit = { .tv_sec = 30 };
		int got = side->disk.calls->queue_do_io(
			side->queue, done, 1, (int)f->depth, f->polled ? NULL : &limit);
		medio_bench_check(got, "libblkio");
		for (int i = 0; i < got; i++) {
			medio_bench_check(done[i].ret, "a disk");
			if (sent < n) {
				submit(side, f->write, (unsigned)(uintptr_t)done[i].user_data);
				sent++;
			}
		}
		came += (unsigned)got;
	}
	ns = medio_now_ns() - ns;
	vhost_side_pause(&side->back, true);
	cpu = vhost_side_cpu(&side->back) - cpu;
	return (struct slice){ (double)n * 1e9 / (double)ns, cpu * 1e6 / n };
}

/* ---- Figures -------------------------------------------------------------------------------------- */

static unsigned count_of(const struct medio_report *r, const struct figure *f)
{
	unsigned full = f->behind == BEHIND_DIRECT ? 64 * f->depth : 2000 * (f->depth > 1 ? 16 : 1);

	return medio_report_count(r, full < 500 ? 500 : full, 4 * f->depth);
}

/* Samples of each side, and of ours against the best of the others. */
struct samples {
	double *rate[1 + OTHERS], *cpu[1 + OTHERS];
	double *rate_ratio, *cpu_ratio;
};

/* A figure of each side. */
static void put_sides(struct medio_report *r, const struct figure *f, const char *name,
	const char *unit, double *const *samples, unsigned num)
{
	char other[96];

	medio_report_put(
		r, &(struct medio_figure){ .name = name, .unit = unit }, samples[0], r->runs);
	for (unsigned i = 1; i < num; i++) {
		const char *how = others[f->behind][i - 1];
		snprintf(other, sizeof(other), "  qemu-storage-daemon%s%s", *how ? ", " : "", how);
		medio_report_put(r, &(struct medio_figure){ .name = other, .unit = unit },
			samples[i], r->runs);
	}
}

static void put(struct medio_report *r, const struct figure *f, struct samples *s, unsigned num)
{
	bool goal = f->polled && f->behind != BEHIND_DIRECT;
	char name[96];

	snprintf(name, sizeof(name), "%s %s, %s, depth %u", names[f->behind],
		f->write ? "write" : "read", f->polled ? "polled" : "notified", f->depth);
	put_sides(r, f, name, "M/s", s->rate, num);
	medio_report_put(r,
		&(struct medio_figure){
			.name = "  ratio",
			.unit = "x",
			.kind = goal ? MEDIO_AT_LEAST : MEDIO_NO_GOAL,
			.goal = f->behind == BEHIND_NOTHING ? NULL_GOAL : CACHE_GOAL,
			.floor = "of the other's requests a second",
		},
		s->rate_ratio, r->runs);
	put_sides(r, f, "  processor time of a request", "us", s->cpu, num);
	medio_report_put(r,
		&(struct medio_figure){
			.name = "  ratio",
			.unit = "x",
			.kind = goal ? MEDIO_AT_MOST : MEDIO_NO_GOAL,
			.goal = 1,
			.floor = "of the other's processor time",
		},
		s->cpu_ratio, r->runs);
}

static void run_turn(const struct figure *f, struct side *sides, unsigned num, unsigned n,
	struct samples *s, unsigned run)
{
	unsigned best = 1;

	for (unsigned turn = 0; turn < num; turn++) {
		unsigned who = (turn + run) % num;
		struct slice slice = run_slice(&sides[who], f, n);
		s->rate[who][run] = slice.rate / 1e6;
		s->cpu[who][run] = slice.cpu;
	}
	for (unsigned i = 2; i < num; i++)
		if (s->rate[i][run] > s->rate[best][run])
			best = i;
	s->rate_ratio[run] = s->rate[0][run] / s->rate[best][run];
	s->cpu_ratio[run] = s->cpu[best][run] > 0 ? s->cpu[0][run] / s->cpu[best][run] : 0;
}

static void measure(
	struct medio_report *r, const struct figure *f, struct side *sides, unsigned num)
{
	unsigned n = count_of(r, f), each = r->runs;
	double *all = medio_bench_alloc((size_t)each * 2 * (num + 1) * sizeof(*all)), *at = all;
	struct samples s = { .rate_ratio = all, .cpu_ratio = all + each };

	for (unsigned i = 0; i < num; i++) {
		s.rate[i] = at += (size_t)2 * each;
		s.cpu[i] = at + each;
		run_slice(&sides[i], f, n / 4 + f->depth);
	}
	for (unsigned run = 0; run < r->runs; run++)
		run_turn(f, sides, num, n, &s, run);
	put(r, f, &s, num);
	free(all);
}

/* ---- Back-ends ------------------------------------------------------------------------------------ */

static void start_ours(struct vhost_side *back, const struct medio_report *r, enum behind behind,
	const char *path, const char *poll)
{
	char file[256], polling[32];
	const char *params[] = { "num-queues=1", polling,
		behind == BEHIND_NOTHING ? "null=on" : file,
		behind == BEHIND_DIRECT ? "direct=on" : NULL, NULL };

	snprintf(file, sizeof(file), "file=%s", path);
	snprintf(polling, sizeof(polling), "poll=%s", poll);
	vhost_side_serve(back, &medio_virtio_blk, params, r->cpu_server);
}

static int start_theirs(struct vhost_side *back, const struct medio_report *r, enum behind behind,
	const char *path, const char *how)
{
	char program[512], node[512];
	const char *words[] = { program, "--blockdev", node, "--export",
		"type=vhost-user-blk,id=export,node-name=disk,writable=on,num-queues=1,"
		"addr.type=unix,addr.path=%s",
		NULL };

	vhost_peers_path("qemu-storage-daemon", program, sizeof(program));
	if (behind == BEHIND_NOTHING)
		snprintf(node, sizeof(node),
			"driver=null-co,node-name=disk,size=1099511627776,read-zeroes=off");
	else
		snprintf(node, sizeof(node),
			"driver=file,locking=off,node-name=disk,filename=%s,%s", path, how);
	vhost_side_run(back, words, NULL, r->cpu_server, VHOST_SILENT);
	return vhost_side_wait(back);
}

static int open_disk(
	struct side *side, const struct blkio_calls *calls, bool polled, char words[BLKIO_WORDS])
{
	const struct blkio_disk_options options = {
		.queues = polled ? 0 : 1,
		.poll_queues = polled ? 1 : 0,
		.memory = (size_t)DEPTH * BLOCK,
	};
	int ret = blkio_disk_open(calls, side->back.socket, &options, &side->disk, words);

	if (ret)
		return ret;
	memset(side->disk.memory, 0x5a, (size_t)DEPTH * BLOCK);
	side->queue = polled ? calls->get_poll_queue(side->disk.blkio, 0)
			     : calls->get_queue(side->disk.blkio, 0);
	side->seed = 1;
	side->areas = side->disk.bytes / BLOCK;
	if (side->areas > 1u << 24)
		side->areas = 1u << 24;
	vhost_side_pause(&side->back, true);
	return 0;
}

static void close_disk(struct side *side)
{
	vhost_side_pause(&side->back, false);
	blkio_disk_close(&side->disk);
}

/* What a file in the page cache gives to one processor that does nothing else. */
static void put_floor(struct medio_report *r, const char *path)
{
	double *samples = medio_bench_alloc(r->runs * sizeof(*samples));
	unsigned n = medio_report_count(r, 16000, 1000), areas = medio_report_count(r, 65536, 2048);
	struct blk_floor *floor;

	if (blk_floor_open(path, false, &floor)) {
		free(samples);
		return;
	}
	for (int write = 0; write < 2; write++) {
		for (unsigned i = 0; i < r->runs; i++)
			samples[i] = blk_floor_run(floor, write, areas, 1, n) / 1e6;
		medio_report_put(r,
			&(struct medio_figure){
				.name = write ? "pwrite() of 4 KiB of the file"
					      : "pread() of 4 KiB of the file",
				.unit = "M/s",
			},
			samples, r->runs);
	}
	blk_floor_close(floor);
	free(samples);
}

/* All that were started. */
static void measure_sides(struct medio_report *r, enum behind behind, bool polled,
	struct side *sides, unsigned num, const struct blkio_calls *calls)
{
	char words[BLKIO_WORDS];
	unsigned open = 0;

	for (; open < num; open++) {
		if (open_disk(&sides[open], calls, polled, words) == 0)
			continue;
		medio_report_note(r, "%s left out: %s: %s", names[behind],
			open ? "qemu-storage-daemon" : "ours", words);
		break;
	}
	for (size_t i = 0; open == num && i < (polled ? MEDIO_ARRAY_SIZE(depths) : 1); i++)
		for (int write = 0; write < 2; write++)
			measure(r, &(struct figure){ behind, polled, write, depths[i] }, sides,
				num);
	while (open)
		close_disk(&sides[--open]);
}

static void measure_behind(struct medio_report *r, enum behind behind, const char *path,
	const struct blkio_calls *calls)
{
	for (int polled = 1; polled >= 0; polled--) {
		struct side sides[1 + OTHERS];
		unsigned num = 1;
		int ret = 0;
		start_ours(&sides[0].back, r, behind, path, polled ? "on" : "off");
		for (unsigned i = 0; i < OTHERS && others[behind][i] && ret == 0; i++)
			ret = start_theirs(&sides[num++].back, r, behind, path, others[behind][i]);
		if (ret)
			medio_report_note(r, "%s left out: qemu-storage-daemon: %s", names[behind],
				strerror(-ret));
		else
			measure_sides(r, behind, polled, sides, num, calls);
		while (num)
			vhost_side_stop(&sides[--num].back);
	}
}

/* ---- The file ------------------------------------------------------------------------------------- */

/* piece: bytes of a write, of which MIB is a multiple. */
static int make_file(const char *path, unsigned mib, unsigned piece)
{
	_cleanup_free_ char *chunk = malloc(MIB);
	_cleanup_close_ int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	if (!chunk)
		return -ENOMEM;
	if (fd < 0)
		return -errno;
	memset(chunk, 0x33, MIB);
	for (unsigned i = 0; i < MIB / piece * mib; i++)
		if (write(fd, chunk, piece) != (ssize_t)piece)
			return errno ? -errno : -EIO;
	return fsync(fd) ? -errno : 0;
}

/* False after a note. */
static bool measure_cached(struct medio_report *r, enum behind behind, const char *path,
	unsigned piece, const struct blkio_calls *calls)
{
	int ret = make_file(path, medio_report_count(r, 256, 8), piece);

	if (ret) {
		medio_report_note(r, "files left out: %s: %s", path, strerror(-ret));
		return false;
	}
	put_floor(r, path);
	measure_behind(r, behind, path, calls);
	return true;
}

void vhost_measure_disk(struct medio_report *r)
{
	const char *folder = getenv("TMPDIR");
	char path[256], library[512], words[BLKIO_WORDS];
	struct blkio_calls calls;

	if (!vhost_peers_have(r, "qemu-storage-daemon", "disks") ||
		!vhost_peers_have(r, "libblkio/libblkio.so.1", "disks"))
		return;
	vhost_peers_path("libblkio/libblkio.so.1", library, sizeof(library));
	if (blkio_load(library, &calls, words)) {
		medio_report_note(r, "disks left out: %s", words);
		return;
	}
	measure_behind(r, BEHIND_NOTHING, "", &calls);
	/* Not in /tmp, which may be memory. */
	snprintf(path, sizeof(path), "%s/medio-bench-vhost-%d", folder ? folder : "/var/tmp",
		(int)getpid());
	medio_report_note(
		r, "cached (4 KiB), (1 MiB): a file in the page cache, written in such pieces");
	if (measure_cached(r, BEHIND_CACHE, path, BLOCK, &calls) &&
		measure_cached(r, BEHIND_LARGE, path, MIB, &calls))
		measure_behind(r, BEHIND_DIRECT, path, &calls);
	unlink(path);
}
