/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What has nothing to do with devices, under medio run and without it. Any seccomp filter makes the kernel take its slower way
 * into every system call, so a filter that allows everything is in turns with both: more than that nobody reaches who
 * is to catch a call.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "run_side.h"

#define GOAL 0.97

struct row {
	const char *command, *name;
	unsigned full, quick; /* times a slice */
	const char *file;     /* that it needs, or NULL */
	bool slow;	      /* told in ms, not in millions a second */
};

static const struct row rows[] = {
	{ "getpid", "getpid()", 200000, 2000, NULL, false },
	{ "pread", "pread() of a file, 64 bytes", 50000, 500, NULL, false },
	{ "ioctl", "ioctl(FIONREAD) of a pipe", 100000, 1000, NULL, false },
	{ "pipe", "write() and read() of a pipe, 64 bytes", 20000, 200, NULL, false },
	{ "open", "open() and close() of /etc/passwd", 10000, 100, "/etc/passwd", false },
	{ "open-dev", "open() and close() of /dev/null", 10000, 100, "/dev/null", false },
	{ "open-sys", "open() and close() of a file in /sys", 10000, 100,
		"/sys/devices/system/cpu/online", false },
	{ "mmap", "mmap(), touch and munmap() of 64 KiB", 3000, 30, NULL, false },
	{ "sort", "sorting 65,536 numbers", 3, 1, NULL, true },
	{ "list", "ls -lR /etc", 3, 1, NULL, true },
};

enum { OURS, PLAIN, ALLOW, SIDES };

static void put(struct medio_report *r, const char *name, const char *unit, double goal,
	const char *floor, double *samples)
{
	medio_report_put(r,
		&(struct medio_figure){ .name = name,
			.unit = unit,
			.kind = goal > 0 ? MEDIO_AT_LEAST : MEDIO_NO_GOAL,
			.goal = goal,
			.floor = floor },
		samples, r->runs);
}

static double told(const struct row *row, double ns)
{
	return row->slow ? ns / 1e6 : 1e3 / ns;
}

static void measure(
	struct medio_report *r, const struct run_side sides[SIDES], const struct row *row)
{
	unsigned n = medio_report_count(r, row->full, row->quick);

	if (row->file && access(row->file, R_OK) < 0) {
		medio_report_note(r, "%s: left out, there is none", row->name);
		return;
	}
	const char *unit = row->slow ? "ms" : "M/s";
	double *samples[SIDES], *ratios[SIDES];

	for (unsigned side = 0; side < SIDES; side++) {
		samples[side] = medio_bench_alloc(r->runs * sizeof(double));
		ratios[side] = medio_bench_alloc(r->runs * sizeof(double));
		run_side_ask(&sides[side], row->command, n / 4 + 1);
	}
	for (unsigned i = 0; i < r->runs; i++) {
		for (unsigned turn = 0; turn < SIDES; turn++) {
			unsigned side = i % 2 ? SIDES - 1 - turn : turn;
			samples[side][i] = run_side_ask(&sides[side], row->command, n);
		}
		for (unsigned side = PLAIN; side < SIDES; side++)
			ratios[side][i] = samples[side][i] / samples[OURS][i];
		for (unsigned side = 0; side < SIDES; side++)
			samples[side][i] = told(row, samples[side][i]);
	}
	put(r, row->name, unit, 0, NULL, samples[OURS]);
	put(r, "  without medio run", unit, 0, NULL, samples[PLAIN]);
	put(r, "  ratio", "x", GOAL, "of without", ratios[PLAIN]);
	put(r, "  ratio", "x", 0, "of a filter that allows everything", ratios[ALLOW]);
	for (unsigned side = 0; side < SIDES; side++) {
		free(samples[side]);
		free(ratios[side]);
	}
}

/* What it takes once. */
static void measure_start(struct medio_report *r)
{
	double *ours = medio_bench_alloc(r->runs * sizeof(double));
	double *plain = medio_bench_alloc(r->runs * sizeof(double));

	for (unsigned i = 0; i < r->runs; i++) {
		ours[i] = run_side_true(true);
		plain[i] = run_side_true(false);
	}
	put(r, "medio run -- true, from start to end", "ms", 0, NULL, ours);
	put(r, "  without medio run", "ms", 0, NULL, plain);
	free(ours);
	free(plain);
}

void run_measure_native(struct medio_report *r)
{
	static const enum run_how hows[] = { RUN_MEDIO, RUN_PLAIN, RUN_ALLOW };
	int cpu = r->cpu_server < 0 ? r->cpu_client : r->cpu_server, ret = 0;
	struct run_side sides[SIDES] = { { 0 } };

	for (unsigned i = 0; i < SIDES && !ret; i++)
		ret = run_side_start(r, hows[i], cpu, "other calls", &sides[i]);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]) && !ret; i++)
		measure(r, sides, &rows[i]);
	for (unsigned i = 0; i < SIDES; i++)
		run_side_stop(&sides[i]);
	if (!ret)
		measure_start(r);
}
