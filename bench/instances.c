/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many instances in one process: memory and time of each. Every figure is taken in a process of its
 * own, so that none finds memory that another has warmed.
 */
#include "bench.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mtty/mtty.h"

#define PARTS 10

struct plan {
	const struct medio_type *type;
	unsigned count;
	const char *folder; /* of their sockets; NULL: they have none */
};

struct made {
	struct medio_instance *inst;
	struct medio_server *server; /* NULL: without a socket */
};

/* What the process reports in shared->result. */
enum { HEAP, RESIDENT, TIME, FLAT, NUM_RESULTS };

static void no_log(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

static double resident(void)
{
	unsigned long size, pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	if (!f || fscanf(f, "%lu %lu", &size, &pages) != 2)
		medio_bench_fail("/proc/self/statm", EIO);
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double heap(void)
{
	struct mallinfo2 info = mallinfo2();
	return (double)(info.uordblks + info.hblkhd);
}

static void make(const struct plan *plan, unsigned i, struct medio_loop *loop, struct made *made)
{
	const struct medio_instance_options opts = { .log = no_log };
	char path[100];

	medio_bench_check(
		medio_instance_new(loop, plan->type, &opts, &made->inst, NULL), "instance");
	if (!plan->folder)
		return;
	snprintf(path, sizeof(path), "%s/%u", plan->folder, i);
	medio_bench_check(medio_server_new(made->inst, path, NULL, &made->server, NULL), "server");
}

static void measure(int fd, struct medio_bench_shared *shared, void *opaque)
{
	const struct plan *plan = opaque;
	unsigned count = plan->count, parts = count < PARTS ? 1 : PARTS;
	struct medio_loop *loop;
	struct made *made = medio_bench_alloc(count * sizeof(*made));
	uint64_t times[PARTS + 1];

	(void)fd;
	medio_bench_check(medio_loop_new(&loop), "loop");
	double heap_before = heap(), resident_before = resident();
	times[0] = medio_now_ns();
	for (unsigned p = 0; p < parts; p++) {
		for (unsigned i = count * p / parts; i < count * (p + 1) / parts; i++)
			make(plan, i, loop, &made[i]);
		times[p + 1] = medio_now_ns();
	}
	shared->result[HEAP] = (heap() - heap_before) / count / 1024;
	shared->result[RESIDENT] = (resident() - resident_before) / count / 1024;
	shared->result[TIME] = (double)(times[parts] - times[0]) / count / 1000;
	/* The first part is slower for page faults only it has; the second is as good a start. */
	if (parts > 2)
		shared->result[FLAT] = (double)(times[parts] - times[parts - 1]) /
				       (double)(times[2] - times[1]);
	for (unsigned i = 0; i < count; i++) {
		medio_server_free(made[i].server);
		medio_instance_free(made[i].inst);
	}
	medio_loop_free(loop);
	free(made);
}

static void put(struct medio_report *r, const struct plan *plan, const char *what, const char *unit,
	double goal, double *samples, unsigned n)
{
	char name[80];

	snprintf(name, sizeof(name), "%u %s%s: %s", plan->count, plan->type->name,
		plan->folder ? " with sockets" : "", what);
	medio_report_put(r,
		&(struct medio_figure){ .name = name,
			.unit = unit,
			.kind = goal > 0 ? MEDIO_AT_MOST : MEDIO_NO_GOAL,
			.goal = goal },
		samples, n);
}

static void bench(struct medio_report *r, struct plan *plan)
{
	double results[NUM_RESULTS][5];
	unsigned runs = r->quick ? 1 : 5;

	for (unsigned i = 0; i < runs; i++) {
		struct medio_peer peer;
		medio_peer_start(&peer, r->cpu_client, measure, plan);
		/* Its results stand when it has ended: its end of the socket closes then. */
		char byte;
		if (read(peer.fd, &byte, 1) != 0)
			medio_bench_fail("the other process spoke", EPROTO);
		for (unsigned k = 0; k < NUM_RESULTS; k++)
			results[k][i] = peer.shared->result[k];
		medio_peer_stop(&peer);
	}
	put(r, plan, "allocated each", "KiB", 16, results[HEAP], runs);
	/* One instance alone pays for the first page of everything. */
	if (plan->count > 1)
		put(r, plan, "resident each", "KiB", 16, results[RESIDENT], runs);
	put(r, plan, "made in, each", "us", 0, results[TIME], runs);
	if (plan->count >= 1000)
		put(r, plan, "last tenth's time to the second's", "x", 0, results[FLAT], runs);
}

/* How many sockets we may have, with some left for the rest. */
static unsigned sockets(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur > 100 ? (unsigned)limit.rlim_cur - 100 : 0;
}

static int run(struct medio_report *r)
{
	static const struct medio_device_ops no_ops;
	unsigned most = medio_report_count(r, 10000, 1000);
	unsigned allowed = sockets();
	/* Where sockets live is memory, as /run is: a disk's journal is not what we measure. */
	char in_memory[] = "/dev/shm/medio-bench-XXXXXX", on_disk[] = "/tmp/medio-bench-XXXXXX";
	char *folder = access("/dev/shm", W_OK) == 0 ? in_memory : on_disk;
	/* The device under test without its registers: MSI-X with 64 vectors, MSI, PCIe, PM. */
	struct medio_type rich = medio_bench_type;

	rich.name = "msix-64";
	rich.ops = &no_ops;
	rich.state_size = 256;
	const struct medio_type *types[] = { &medio_mtty_1, &rich };
	for (unsigned t = 0; t < 2; t++)
		for (unsigned count = 1; count <= most; count *= count == 1 ? 100 : most / 100)
			bench(r, &(struct plan){ types[t], count, NULL });
	if (!mkdtemp(folder))
		medio_bench_fail(folder, errno);
	if (allowed < most)
		medio_report_note(r, "only %u sockets are allowed (RLIMIT_NOFILE)", allowed);
	bench(r, &(struct plan){ &medio_mtty_1, allowed < most ? allowed : most, folder });
	rmdir(folder);
	return 0;
}

const struct medio_bench medio_bench_instances = {
	.name = "instances",
	.summary = "Memory and time of many instances in one process",
	.run = run,
};
