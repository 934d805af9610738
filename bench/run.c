/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program under medio run: what the calls cost that are caught, and that all others cost what they always do. The same
 * program runs with medio and without, and what it does alternates between the two.
 */
#include "run_side.h"

static int run(struct medio_report *r)
{
	run_measure_calls(r);
	run_measure_native(r);
	run_measure_net(r);
	return 0;
}

const struct medio_bench medio_bench_run = {
	.name = "run",
	.summary = "An unmodified program under medio run",
	.run = run,
};
