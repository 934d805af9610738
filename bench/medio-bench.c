/* SPDX-License-Identifier: BSD-3-Clause */
/* The program: which benchmarks, how often, in which form. */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/nearest.h"

#define MAX_RUNS 1000

/* Every benchmark, in the order of --list and of a run of all. */
static const struct medio_bench *const benches[] = {
	&medio_bench_roundtrip,
	&medio_bench_posted,
	&medio_bench_syscalls,
	&medio_bench_iova,
	&medio_bench_interrupt,
	&medio_bench_connect,
	&medio_bench_instances,
	&medio_bench_dma,
	&medio_bench_drive,
	&medio_bench_blk,
	&medio_bench_net,
	&medio_bench_switch,
	&medio_bench_vhost,
	&medio_bench_run,
	&medio_bench_maps,
	&medio_bench_mgmt,
};

static void help(FILE *out)
{
	fprintf(out, "Usage: medio-bench [OPTION…] [NAME…]\n"
		     "Measure medio on this machine, beside what the machine itself can do.\n\n"
		     "  --json     print JSON\n"
		     "  --runs N   take each figure N times (default 21, with --quick 5)\n"
		     "  --quick    short runs: to see that it works, not for figures to compare\n"
		     "  --list     print the benchmarks' names\n"
		     "  --help     print this\n\n"
		     "Without NAME all are run. A missed goal is printed and is no failure.\n");
}

static void list(void)
{
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(benches); i++)
		printf("%-10s  %s\n", benches[i]->name, benches[i]->summary);
}

static const struct medio_bench *find(const char *name)
{
	const char *names[MEDIO_ARRAY_SIZE(benches)];

	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(benches); i++) {
		names[i] = benches[i]->name;
		if (!strcmp(names[i], name))
			return benches[i];
	}
	const char *near = medio_nearest(name, names, MEDIO_ARRAY_SIZE(names));
	fprintf(stderr, "medio-bench: no benchmark %s%s%s%s\nTry 'medio-bench --list'.\n", name,
		near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
	return NULL;
}

/* The last two processors we may use: the first serves most interrupts. */
static void choose_cpus(struct medio_report *r)
{
	cpu_set_t set;

	r->cpu_client = r->cpu_server = -1;
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		medio_bench_fail("sched_getaffinity", errno);
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
		if (!CPU_ISSET((size_t)cpu, &set))
			continue;
		if (r->cpu_client < 0)
			r->cpu_client = cpu;
		else if (r->cpu_server < 0)
			r->cpu_server = cpu;
	}
}

static int run_one(struct medio_report *r, const struct medio_bench *bench)
{
	r->subject = bench->name;
	r->heading = false;
	medio_bench_pin(r->cpu_client);
	return bench->run(r);
}

static int run_all(struct medio_report *r, char **names, int count)
{
	int failed = 0;

	for (int i = 0; i < count; i++)
		if (!find(names[i]))
			return 2;
	choose_cpus(r);
	medio_report_machine(r);
	for (int i = 0; i < count; i++)
		failed |= run_one(r, find(names[i])) < 0;
	for (size_t i = 0; !count && i < MEDIO_ARRAY_SIZE(benches); i++)
		failed |= run_one(r, benches[i]) < 0;
	medio_report_end(r);
	return failed ? 1 : 0;
}

static unsigned parse_runs(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n < 1 || n > MAX_RUNS) {
		fprintf(stderr, "medio-bench: --runs takes 1 to %d, not %s\n", MAX_RUNS, text);
		exit(2);
	}
	return (unsigned)n;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "runs", required_argument, NULL, 'r' },
		{ "quick", no_argument, NULL, 'q' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct medio_report r = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			r.json = true;
			break;
		case 'r':
			r.runs = parse_runs(optarg);
			break;
		case 'q':
			r.quick = true;
			break;
		case 'l':
			list();
			return 0;
		case 'h':
			help(stdout);
			return 0;
		default:
			fprintf(stderr, "Try 'medio-bench --help'.\n");
			return 2;
		}
	}
	if (!r.runs)
		r.runs = r.quick ? 5 : 21;
	return run_all(&r, argv + optind, argc - optind);
}
