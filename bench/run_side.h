/* SPDX-License-Identifier: BSD-3-Clause */
/* medio-bench-program (run_program.h), with medio run or without it, and what the subject `run` measures with it. */
#ifndef MEDIO_BENCH_RUN_SIDE_H
#define MEDIO_BENCH_RUN_SIDE_H

#include "bench.h"

#define RUN_BDF	  "0000:00:1e.0"
#define RUN_BDF_1 "0000:00:1f.0"

struct run_side {
	pid_t pid; /* 0: it is not there */
	int fd;
};

enum run_how {
	RUN_PLAIN,  /* as it is */
	RUN_ALLOW,  /* with a filter that allows everything */
	RUN_NOTIFY, /* with one that passes a call on to a process that answers at once */
	RUN_MEDIO,  /* under medio run, with an edu card */
	RUN_SHARED, /* and a card that keeps something in memory */
};

/* On cpu_client; who answers it on cpu. -ECHILD after a note that begins with what. */
int run_side_start(
	struct medio_report *r, enum run_how how, int cpu, const char *what, struct run_side *side);
/* Nanoseconds that it takes to do it once, of n times. What it cannot do ends the program. */
double run_side_ask(const struct run_side *side, const char *command, unsigned n);
void run_side_stop(struct run_side *side);

/* Milliseconds until `true` has ended, under medio run or by itself. */
double run_side_true(bool medio);

/* The parts: what a caught call costs, what other calls cost, DPDK. */
void run_measure_calls(struct medio_report *r);
void run_measure_native(struct medio_report *r);
void run_measure_net(struct medio_report *r);

#endif
