/* SPDX-License-Identifier: BSD-3-Clause */
/* medio bench: what is measured, and how it is shown. */
#ifndef MEDIO_TOOLS_BENCH_H
#define MEDIO_TOOLS_BENCH_H

#include <stdbool.h>
#include <stdio.h>

#include "bench-rig.h"
#include "command.h"

#define BENCH_RUNS  99u	  /* at most */
#define BENCH_SMALL 64u	  /* bytes of a frame */
#define BENCH_LARGE 1514u /* one of a whole MTU */

/* How many instances at once. */
enum { BENCH_SIZES = 3 };
extern const unsigned medio_bench_sizes[BENCH_SIZES];

/* A figure: a sample of each run. */
struct medio_series {
	double samples[BENCH_RUNS];
	unsigned count;
};

/* One way to virtualise, and what it came to. */
struct medio_mode {
	const struct medio_way *way;
	char missing[LANE_WORDS]; /* why it could not be measured; "" */
	struct medio_series
		rate[BENCH_SIZES];    /* frames of BENCH_SMALL a second, all instances together */
	struct medio_series large;    /* of BENCH_LARGE, one instance */
	struct medio_series p50, p99; /* ns of one frame at a time */
	struct medio_series messages,
		calls;		    /* an operation, one at a time; calls: of the device's side */
	struct medio_series cpu;    /* ns of the device's side an operation, many at a time */
	struct medio_series memory; /* bytes, resident, of each of many instances */
};

enum { FLOOR_SOCKET, FLOOR_EVENT, FLOOR_LINE, FLOOR_COPY_SMALL, FLOOR_COPY_LARGE, NUM_FLOORS };

struct medio_modes {
	bool quick;
	unsigned runs;
	int cpu_client, cpu_device;		/* -1: there is one processor only */
	double load;				/* of the machine, before */
	struct medio_series floors[NUM_FLOORS]; /* ns */
	struct medio_mode *modes;
	unsigned num_modes;
	/* Told what is being done now. */
	void (*progress)(
		const struct medio_modes *m, unsigned run, const char *what, unsigned instances);
};

/* For programs and for people. */
struct medio_floor {
	const char *name, *title;
};
extern const struct medio_floor medio_bench_floors[NUM_FLOORS];

/* 0; -EINTR: a signal came. What cannot be measured is left out, with words. */
int medio_modes_measure(struct medio_modes *m);
void medio_modes_free(struct medio_modes *m);

/* The next sample of each floor, so long for each. */
void medio_floors_measure(struct medio_modes *m, uint64_t ns);

void medio_series_add(struct medio_series *series, double value);
/* The middle one; NAN: there is none. */
double medio_series_median(const struct medio_series *series);

void medio_modes_print(const struct medio_modes *m);
void medio_modes_print_json(const struct medio_modes *m);
/* Is there a gnuplot? */
bool medio_modes_can_draw(void);
/* Draw into file, an SVG. -errno with words. */
int medio_modes_draw(const struct medio_modes *m, const char *file, char words[LANE_WORDS]);

#endif
