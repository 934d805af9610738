/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ways to virtualise a network card, one after the other, and all of that as often as there are runs: what
 * disturbs the machine for a while disturbs no way alone.
 */
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "ending.h"
#include "tracer.h"
#include "util/cleanup.h"

#define LATENCIES 20000u /* of a slice, at most */
#define TRACED	  300u	 /* operations */

const unsigned medio_bench_sizes[BENCH_SIZES] = { 1, 8, 64 };

#define OWN_DRIVER   "the driver of the card that is imitated"
#define VIRTIO_LINUX "virtio's: Linux has it, Windows installs it"
#define MAKER_DRIVER "the driver of that very card"
#define VF_DRIVER    "the driver of that card's VFs; here virtio's"

static const struct medio_way ways[] = {
	{ .name = "trapped",
		.title = "every register trapped",
		.driver = OWN_DRIVER,
		.kind = LANE_TRAPPED },
	{ .name = "virtio",
		.title = "virtio, notified",
		.driver = VIRTIO_LINUX,
		.type = "virtio-net",
		.params = { "loop=on" },
		.kind = LANE_VIRTIO },
	{ .name = "virtio-polled",
		.title = "virtio, polled",
		.driver = VIRTIO_LINUX,
		.type = "virtio-net",
		.params = { "loop=on", "poll=on" },
		.kind = LANE_VIRTIO,
		.polled = true },
	{ .name = "passthrough",
		.title = "passthrough, notified",
		.driver = MAKER_DRIVER,
		.params = { "map=on" },
		.kind = LANE_MAPPED,
		.through = true },
	{ .name = "passthrough-polled",
		.title = "passthrough, polled",
		.driver = MAKER_DRIVER,
		.params = { "map=on", "poll=on" },
		.kind = LANE_MAPPED,
		.polled = true,
		.through = true },
	{ .name = "vf",
		.title = "a VF, notified",
		.driver = VF_DRIVER,
		.type = "nic",
		.params = { "vfs=64", "null=on" },
		.kind = LANE_VIRTIO,
		.vfs = true },
	{ .name = "vf-polled",
		.title = "a VF, polled",
		.driver = VF_DRIVER,
		.type = "nic",
		.params = { "vfs=64", "null=on", "poll=on" },
		.kind = LANE_VIRTIO,
		.polled = true,
		.vfs = true },
};

/* ---- Samples ----------------------------------------------------------------------------------- */

void medio_series_add(struct medio_series *series, double value)
{
	if (series->count < BENCH_RUNS)
		series->samples[series->count++] = value;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double medio_series_median(const struct medio_series *series)
{
	double sorted[BENCH_RUNS];
	unsigned n = series->count;

	if (!n)
		return NAN;
	memcpy(sorted, series->samples, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_value);
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static int by_time(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* ---- One way ----------------------------------------------------------------------------------- */

static uint64_t slice(const struct medio_modes *m)
{
	return m->quick ? 20000000 : 200000000;
}

static int one_at_a_time(
	const struct medio_modes *m, struct medio_mode *mode, struct medio_rig *rig)
{
	uint32_t *times = malloc(LATENCIES * sizeof(*times));

	if (!times)
		return -ENOMEM;
	uint64_t before = medio_side_messages(&rig->side);
	int n = medio_rig_latency(rig, BENCH_SMALL, slice(m), times, LATENCIES);
	if (n > 0) {
		size_t half = (size_t)n / 2, most = (size_t)n * 99 / 100;
		double count = n;
		qsort(times, (size_t)n, sizeof(*times), by_time);
		medio_series_add(&mode->p50, times[half]);
		medio_series_add(&mode->p99, times[most]);
		medio_series_add(&mode->messages,
			(double)(medio_side_messages(&rig->side) - before) / count);
	}
	free(times);
	return n < 0 ? n : 0;
}

static int rate(struct medio_rig *rig, unsigned bytes, uint64_t ns, struct medio_series *series,
	struct medio_series *cpu)
{
	uint64_t count, took, before = medio_side_cpu_ns(&rig->side);
	int ret = medio_rig_rate(rig, bytes, ns, &count, &took);

	if (ret || !count)
		return ret;
	medio_series_add(series, (double)count * 1e9 / (double)took);
	if (cpu)
		medio_series_add(
			cpu, (double)(medio_side_cpu_ns(&rig->side) - before) / (double)count);
	return 0;
}

/* Once: it does not vary, and tracing takes its time. The rig's processes end with it. */
static void count_calls(struct medio_mode *mode, struct medio_rig *rig)
{
	struct medio_tracer tracers[2];
	static uint32_t times[TRACED];
	unsigned n = 0;
	uint64_t calls = 0;
	int ret = 0, count = 0;

	for (; !ret && n < rig->side.num_parts; n++)
		ret = medio_tracer_start(&tracers[n], rig->side.parts[n].pid);
	if (!ret)
		ret = medio_rig_latency(rig, BENCH_SMALL, UINT64_C(1000000000), times, TRACED / 4);
	for (unsigned i = 0; i < n; i++)
		calls -= medio_tracer_calls(&tracers[i]);
	if (ret >= 0)
		count = medio_rig_latency(rig, BENCH_SMALL, UINT64_C(2000000000), times, TRACED);
	for (unsigned i = 0; i < n; i++)
		calls += medio_tracer_calls(&tracers[i]);
	if (count > 0)
		medio_series_add(&mode->calls, (double)calls / count);
	/* Nobody else may wait for what is traced: he would take its stops. */
	medio_rig_hang_up(rig);
	for (unsigned i = 0; i < n; i++)
		medio_tracer_join(&tracers[i]);
}

static int measure_one(const struct medio_modes *m, struct medio_mode *mode, struct medio_rig *rig)
{
	struct medio_series nobody = { .count = 0 };
	int ret = rate(rig, BENCH_SMALL, slice(m) / 4, &nobody, NULL);

	if (!ret)
		ret = one_at_a_time(m, mode, rig);
	if (!ret)
		ret = rate(rig, BENCH_SMALL, slice(m), &mode->rate[0], &mode->cpu);
	return ret ? ret : rate(rig, BENCH_LARGE, slice(m), &mode->large, NULL);
}

static int measure_size(const struct medio_modes *m, unsigned run, struct medio_mode *mode,
	unsigned size, uint64_t *memory)
{
	struct medio_rig rig;
	int ret = medio_rig_open(&rig, mode->way, medio_bench_sizes[size], m->cpu_device);

	if (!ret) {
		ret = size ? rate(&rig, BENCH_SMALL, slice(m), &mode->rate[size], NULL)
			   : measure_one(m, mode, &rig);
		*memory = medio_side_resident(&rig.side);
		if (!ret && !size && !run)
			count_calls(mode, &rig);
		medio_rig_close(&rig);
	}
	if (ret && ret != -EINTR)
		snprintf(mode->missing, sizeof(mode->missing), "%s", rig.words);
	return ret;
}

static int measure_way(const struct medio_modes *m, unsigned run, struct medio_mode *mode)
{
	uint64_t memory[BENCH_SIZES] = { 0 };
	unsigned last = BENCH_SIZES - 1;
	int ret = 0;

	for (unsigned i = 0; !ret && i < BENCH_SIZES; i++) {
		m->progress(m, run, mode->way->title, medio_bench_sizes[i]);
		ret = medio_ending_signalled() ? -EINTR : measure_size(m, run, mode, i, &memory[i]);
	}
	if (!ret && memory[last] > memory[0])
		medio_series_add(
			&mode->memory, (double)(memory[last] - memory[0]) /
					       (medio_bench_sizes[last] - medio_bench_sizes[0]));
	return ret == -EINTR ? ret : 0;
}

/* ---- All --------------------------------------------------------------------------------------- */

/* The last two processors that there are: the first serves most interrupts. */
static void choose_processors(struct medio_modes *m)
{
	cpu_set_t set;

	m->cpu_client = m->cpu_device = -1;
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return;
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
		if (!CPU_ISSET((size_t)cpu, &set))
			continue;
		if (m->cpu_client < 0)
			m->cpu_client = cpu;
		else if (m->cpu_device < 0)
			m->cpu_device = cpu;
	}
	medio_side_pin(m->cpu_client);
}

static int list_ways(struct medio_modes *m)
{
	m->num_modes = MEDIO_ARRAY_SIZE(ways);
	m->modes = calloc(m->num_modes, sizeof(*m->modes));
	if (!m->modes)
		return -ENOMEM;
	for (unsigned i = 0; i < m->num_modes; i++) {
		m->modes[i].way = &ways[i];
		if (ways[i].polled && m->cpu_device < 0)
			snprintf(m->modes[i].missing, sizeof(m->modes[i].missing),
				"who polls needs a processor of his own, and there is only one");
	}
	return 0;
}

int medio_modes_measure(struct medio_modes *m)
{
	if (getloadavg(&m->load, 1) < 1)
		m->load = 0;
	choose_processors(m);
	int ret = list_ways(m);
	for (unsigned run = 0; !ret && run < m->runs; run++) {
		m->progress(m, run, "the machine itself", 0);
		medio_floors_measure(m, slice(m) / 4);
		for (unsigned i = 0; !ret && i < m->num_modes; i++)
			if (!m->modes[i].missing[0])
				ret = measure_way(m, run, &m->modes[i]);
	}
	return ret;
}

void medio_modes_free(struct medio_modes *m)
{
	free(m->modes);
	m->modes = NULL;
}
