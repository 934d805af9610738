/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VFIO program's calls and registers under medio run, which answers in place of the kernel. Each is held against two floors
 * beside it, a slice of each in turn: a byte that goes to another process and back, and a call that seccomp
 * passes on to a process which answers it at once and does nothing.
 */
#include <stdio.h>
#include <stdlib.h>

#include "run_side.h"

struct row {
	const char *command, *name;
};

static const struct row rows[] = {
	{ "info", "ioctl(VFIO_DEVICE_GET_INFO)" },
	{ "config", "pread() of config space, 4 bytes" },
	{ "read", "pread() of a register, 4 bytes" },
	{ "write", "pwrite() of a register, 4 bytes" },
	{ "load", "load of a mapped register, 4 bytes" },
	{ "store", "store to a mapped register, 4 bytes" },
};

/* Who is asked. Without NOTIFY where the kernel cannot. */
enum { OURS, ECHO, NOTIFY, SIDES };

struct bed {
	struct run_side sides[SIDES];
	double *samples[SIDES], *ratios[SIDES];
	const char *where;
};

static void put(struct medio_report *r, const char *name, const char *where, const char *unit,
	const char *floor, double *samples)
{
	char full[80];

	snprintf(full, sizeof(full), "%s%s%s", name, where ? ", " : "", where ? where : "");
	medio_report_put(r, &(struct medio_figure){ .name = full, .unit = unit, .floor = floor },
		samples, r->runs);
}

static void slice(struct bed *bed, unsigned side, const struct row *row, unsigned i, unsigned n)
{
	static const char *const floors[] = { [ECHO] = "echo", [NOTIFY] = "notify" };

	if (bed->sides[side].pid)
		bed->samples[side][i] = run_side_ask(&bed->sides[side],
						side == OURS ? row->command : floors[side], n) /
					1000;
}

static void measure(struct medio_report *r, struct bed *bed, const struct row *row, bool first)
{
	unsigned n = medio_report_count(r, 1000, 50);

	for (unsigned side = 0; side < SIDES; side++)
		slice(bed, side, row, 0, n / 4);
	for (unsigned i = 0; i < r->runs; i++) {
		for (unsigned turn = 0; turn < SIDES; turn++)
			slice(bed, i % 2 ? SIDES - 1 - turn : turn, row, i, n);
		for (unsigned side = ECHO; side < SIDES; side++)
			bed->ratios[side][i] = bed->samples[OURS][i] / bed->samples[side][i];
	}
	if (first)
		put(r, "a byte to another process and back", bed->where, "us", NULL,
			bed->samples[ECHO]);
	if (first && bed->sides[NOTIFY].pid)
		put(r, "a bare seccomp notification", bed->where, "us", NULL, bed->samples[NOTIFY]);
	put(r, row->name, bed->where, "us", NULL, bed->samples[OURS]);
	put(r, "  ratio", NULL, "x", "of the byte beside it", bed->ratios[ECHO]);
	if (bed->sides[NOTIFY].pid)
		put(r, "  ratio", NULL, "x", "of the bare notification beside it",
			bed->ratios[NOTIFY]);
}

static int start(struct medio_report *r, struct bed *bed, int cpu)
{
	int ret = run_side_start(r, RUN_MEDIO, cpu, "caught calls", &bed->sides[OURS]);

	if (ret == 0)
		ret = run_side_start(r, RUN_PLAIN, cpu, "caught calls", &bed->sides[ECHO]);
	if (ret == 0)
		run_side_start(r, RUN_NOTIFY, cpu, "bare notifications", &bed->sides[NOTIFY]);
	return ret;
}

static int run_at(struct medio_report *r, const char *where, int cpu)
{
	struct bed bed = { .where = where };
	int ret = start(r, &bed, cpu);

	for (unsigned i = 0; i < SIDES; i++) {
		bed.samples[i] = medio_bench_alloc(r->runs * sizeof(double));
		bed.ratios[i] = medio_bench_alloc(r->runs * sizeof(double));
	}
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]) && !ret; i++)
		measure(r, &bed, &rows[i], i == 0);
	for (unsigned i = 0; i < SIDES; i++) {
		run_side_stop(&bed.sides[i]);
		free(bed.samples[i]);
		free(bed.ratios[i]);
	}
	return ret;
}

/* What a device keeps in memory, nobody traps. */
static void measure_shared(struct medio_report *r, int cpu)
{
	double *there = medio_bench_alloc(r->runs * sizeof(double));
	double *own = medio_bench_alloc(r->runs * sizeof(double));
	double *ratio = medio_bench_alloc(r->runs * sizeof(double));
	unsigned n = medio_report_count(r, 1000000, 10000);
	struct run_side side;

	if (run_side_start(r, RUN_SHARED, cpu, "shared BARs", &side) == 0) {
		run_side_ask(&side, "shared", n);
		for (unsigned i = 0; i < r->runs; i++) {
			if (i % 2)
				own[i] = run_side_ask(&side, "memory", n);
			there[i] = run_side_ask(&side, "shared", n);
			if (i % 2 == 0)
				own[i] = run_side_ask(&side, "memory", n);
			ratio[i] = there[i] / own[i];
		}
		put(r, "load and store of a BAR that is memory", NULL, "ns", NULL, there);
		put(r, "  of the program's own memory", NULL, "ns", NULL, own);
		put(r, "  ratio", NULL, "x", "of its own memory beside it", ratio);
		run_side_stop(&side);
	}
	free(there);
	free(own);
	free(ratio);
}

void run_measure_calls(struct medio_report *r)
{
	int ret = run_at(r, "one core", r->cpu_client);

	if (!ret && r->cpu_server >= 0)
		run_at(r, "two cores", r->cpu_server);
	else if (!ret)
		medio_report_note(r, "across cores: left out, there is one core only");
	if (!ret)
		measure_shared(r, r->cpu_server < 0 ? r->cpu_client : r->cpu_server);
	medio_report_note(
		r, "the kernel's own VFIO needs an IOMMU: script/bench guest has both, in a guest");
}
