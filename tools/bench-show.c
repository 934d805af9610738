/* SPDX-License-Identifier: BSD-3-Clause */
/* medio bench modes: the tables, and the JSON. */
#include <json-c/json.h>
#include <math.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "machine.h"
#include "text.h"
#include "util/cleanup.h"

/* ---- The machine ------------------------------------------------------------------------------- */

static long processors(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

/* ---- For people -------------------------------------------------------------------------------- */

/* Three digits that mean something. */
static const char *number(double v, char buf[16])
{
	if (isnan(v))
		return "-";
	if (v >= 1000)
		medio_text_count(v, buf, 16);
	else
		snprintf(buf, 16, "%.*f", v >= 100 || v == floor(v) ? 0 : v >= 10 ? 1 : 2, v);
	return buf;
}

static void add(struct medio_table *table, const struct medio_series *series)
{
	char buf[16];

	medio_table_add(table, number(medio_series_median(series), buf));
}

static void add_bytes(struct medio_table *table, const struct medio_series *series)
{
	double v = medio_series_median(series);
	char buf[16] = "-";

	if (!isnan(v))
		medio_text_bytes(v, buf, sizeof(buf));
	medio_table_add(table, buf);
}

static void print_figures(const struct medio_modes *m)
{
	static const char *const titles[] = { "WAY", ">FRAMES/S", ">OF 1514 B", ">P50 NS",
		">P99 NS", ">MESSAGES", ">CALLS", ">CPU NS", ">MEMORY", ">8 CARDS/S",
		">64 CARDS/S" };
	struct medio_table table = { .titles = titles, .count = MEDIO_ARRAY_SIZE(titles) };

	for (unsigned i = 0; i < m->num_modes; i++) {
		const struct medio_mode *mode = &m->modes[i];
		medio_table_add(&table, mode->way->title);
		add(&table, &mode->rate[0]);
		add(&table, &mode->large);
		add(&table, &mode->p50);
		add(&table, &mode->p99);
		add(&table, &mode->messages);
		add(&table, &mode->calls);
		add(&table, &mode->cpu);
		add_bytes(&table, &mode->memory);
		add(&table, &mode->rate[1]);
		add(&table, &mode->rate[2]);
	}
	medio_table_print(&table, stdout);
}

static void print_words(const struct medio_modes *m)
{
	static const char *const titles[] = { "WAY", "A GUEST NEEDS" };
	struct medio_table table = { .titles = titles, .count = MEDIO_ARRAY_SIZE(titles) };

	for (unsigned i = 0; i < m->num_modes; i++) {
		medio_table_add(&table, m->modes[i].way->title);
		medio_table_add(&table, m->modes[i].way->driver);
	}
	medio_table_print(&table, stdout);
	for (unsigned i = 0; i < m->num_modes; i++)
		if (m->modes[i].missing[0])
			printf("%s is left out: %s\n", m->modes[i].way->title, m->modes[i].missing);
}

static void print_floors(const struct medio_modes *m)
{
	static const char *const titles[] = { "THE MACHINE ITSELF", ">NS" };
	struct medio_table table = { .titles = titles, .count = MEDIO_ARRAY_SIZE(titles) };

	for (unsigned i = 0; i < NUM_FLOORS; i++) {
		medio_table_add(&table, medio_bench_floors[i].title);
		add(&table, &m->floors[i]);
	}
	medio_table_print(&table, stdout);
}

void medio_modes_print(const struct medio_modes *m)
{
	char model[128];
	struct utsname uts;

	medio_machine_processor(model, sizeof(model));
	uname(&uts);
	printf("%s, %ld processors, Linux %s, load %.2f; medians of %u runs\n", model, processors(),
		uts.release, m->load, m->runs);
	if (m->load > 1)
		printf("The machine is busy (load over 1): these figures say little.\n");
	putchar('\n');
	print_figures(m);
	printf("\nA frame of 64 bytes is sent and comes back. FRAMES/S: 16 under way at once. P50, P99: "
	       "one at a time.\nMESSAGES, CALLS: vfio-user's, and system calls of the device's side, for "
	       "one frame at a time.\nCPU: of the device's side for a frame, 16 under way. MEMORY: "
	       "resident, of each of 64 cards.\n\n");
	print_words(m);
	putchar('\n');
	print_floors(m);
}

/* ---- For programs ------------------------------------------------------------------------------ */

static void set_number(struct json_object *object, const char *key, double v)
{
	char buf[32];

	if (isnan(v)) {
		json_object_object_add(object, key, NULL);
		return;
	}
	snprintf(buf, sizeof(buf), v >= 1000 ? "%.0f" : "%.5g", v);
	json_object_object_add(object, key, json_object_new_double_s(v, buf));
}

static void set(struct json_object *object, const char *key, const struct medio_series *series)
{
	set_number(object, key, medio_series_median(series));
}

static struct json_object *describe_mode(const struct medio_mode *mode)
{
	struct json_object *object = json_object_new_object(), *scaling = json_object_new_array();

	json_object_object_add(object, "way", json_object_new_string(mode->way->name));
	json_object_object_add(object, "title", json_object_new_string(mode->way->title));
	json_object_object_add(object, "guest_needs", json_object_new_string(mode->way->driver));
	if (mode->missing[0])
		json_object_object_add(object, "missing", json_object_new_string(mode->missing));
	set(object, "frames_per_second", &mode->rate[0]);
	set(object, "large_frames_per_second", &mode->large);
	set(object, "latency_p50_ns", &mode->p50);
	set(object, "latency_p99_ns", &mode->p99);
	set(object, "messages_per_frame", &mode->messages);
	set(object, "calls_per_frame", &mode->calls);
	set(object, "cpu_ns_per_frame", &mode->cpu);
	set(object, "bytes_per_instance", &mode->memory);
	for (unsigned i = 0; i < BENCH_SIZES; i++) {
		struct json_object *point = json_object_new_object();
		json_object_object_add(
			point, "instances", json_object_new_int((int)medio_bench_sizes[i]));
		set(point, "frames_per_second", &mode->rate[i]);
		json_object_array_add(scaling, point);
	}
	json_object_object_add(object, "scaling", scaling);
	return object;
}

static struct json_object *describe_machine(const struct medio_modes *m)
{
	struct json_object *machine = json_object_new_object();
	time_t now = time(NULL);
	char text[128];
	struct utsname uts;
	struct tm tm;

	medio_machine_processor(text, sizeof(text));
	json_object_object_add(machine, "processor", json_object_new_string(text));
	json_object_object_add(machine, "processors", json_object_new_int64(processors()));
	uname(&uts);
	json_object_object_add(machine, "kernel", json_object_new_string(uts.release));
	set_number(machine, "load", m->load);
	if (localtime_r(&now, &tm) && strftime(text, sizeof(text), "%Y-%m-%d", &tm))
		json_object_object_add(machine, "date", json_object_new_string(text));
	return machine;
}

void medio_modes_print_json(const struct medio_modes *m)
{
	struct json_object *top = json_object_new_object(), *modes = json_object_new_array(),
			   *floors = json_object_new_object();

	json_object_object_add(top, "machine", describe_machine(m));
	json_object_object_add(top, "runs", json_object_new_int((int)m->runs));
	json_object_object_add(top, "frame_bytes", json_object_new_int(BENCH_SMALL));
	json_object_object_add(top, "large_frame_bytes", json_object_new_int(BENCH_LARGE));
	for (unsigned i = 0; i < m->num_modes; i++)
		json_object_array_add(modes, describe_mode(&m->modes[i]));
	json_object_object_add(top, "modes", modes);
	for (unsigned i = 0; i < NUM_FLOORS; i++)
		set(floors, medio_bench_floors[i].name, &m->floors[i]);
	json_object_object_add(top, "floors_ns", floors);
	puts(json_object_to_json_string_ext(
		top, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(top);
}
