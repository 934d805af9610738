/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text of the metrics. Source: OpenMetrics 1.0, "Text format". A family is a "# TYPE" line, then
 * perhaps "# UNIT" and "# HELP", then all of its samples; a counter's samples end in _total, which
 * is no part of the family's name. In the older text format 0.0.4 it is, and there is no "# EOF".
 */
#include "manage/metrics-text.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "manage/managed.h"
#include "manage/usage.h"
#include "util/cleanup.h"

#define SECOND_NS 1000000000u

enum kind { GAUGE, COUNTER };

struct family {
	const char *name;
	enum kind kind;
	const char *unit; /* the end of name; NULL: none */
	const char *help; /* no quote, backslash or line end in there */
};

/* One process that runs instances. */
struct worker {
	pid_t pid;
	unsigned instances;
	bool alive; /* usage is known */
	struct medio_usage usage;
};

struct text {
	struct medio_manager *manager;
	FILE *out;
	bool classic; /* format 0.0.4 */
	struct worker *workers;
	size_t num_workers;
};

static void head(struct text *text, const struct family *family)
{
	const char *end = text->classic && family->kind == COUNTER ? "_total" : "";

	fprintf(text->out, "# TYPE %s%s %s\n", family->name, end,
		family->kind == COUNTER ? "counter" : "gauge");
	if (family->unit && !text->classic)
		fprintf(text->out, "# UNIT %s %s\n", family->name, family->unit);
	fprintf(text->out, "# HELP %s%s %s\n", family->name, end, family->help);
}

/* name="value", as ABNF's escaped-string has it. */
static void label(struct text *text, const char *name, const char *value, char before)
{
	fprintf(text->out, "%c%s=\"", before, name);
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", text->out);
		else if (*value == '"' || *value == '\\')
			fprintf(text->out, "\\%c", *value);
		else
			fputc(*value, text->out);
	}
	fputc('"', text->out);
}

static void sample(struct text *text, const struct family *family)
{
	fprintf(text->out, "%s%s", family->name, family->kind == COUNTER ? "_total" : "");
}

static void seconds(struct text *text, uint64_t ns)
{
	fprintf(text->out, " %" PRIu64 ".%09" PRIu64 "\n", ns / SECOND_NS, ns % SECOND_NS);
}

static void number(struct text *text, uint64_t value)
{
	fprintf(text->out, " %" PRIu64 "\n", value);
}

/* ---- Types ------------------------------------------------------------------------------------- */

static const struct family instances = { "medio_instances", GAUGE, NULL,
	"Instances of a type that there are." };
static const struct family available = { "medio_available_instances", GAUGE, NULL,
	"Instances of a type that could be created now." };

static void type_labels(
	struct text *text, struct medio_parent *parent, const struct medio_type *type)
{
	label(text, "parent", medio_parent_desc(parent)->name, '{');
	label(text, "type", type->name, ',');
	fputc('}', text->out);
}

static uint64_t count_instances(const struct medio_parent *parent, const struct medio_type *type)
{
	uint64_t count = 0;

	for (struct medio_mdev *mdev = NULL; (mdev = medio_parent_next_mdev(parent, type, mdev));)
		count++;
	return count;
}

static void types(struct text *text, const struct family *family)
{
	struct medio_bus *bus = text->manager->bus;

	head(text, family);
	for (struct medio_parent *parent = NULL; (parent = medio_bus_next_parent(bus, parent));) {
		const struct medio_type *const *type = medio_parent_desc(parent)->types;
		for (; *type; type++) {
			sample(text, family);
			type_labels(text, parent, *type);
			number(text, family == &available ? medio_type_available(parent, *type)
							  : count_instances(parent, *type));
		}
	}
}

/* ---- Instances --------------------------------------------------------------------------------- */

struct counter {
	struct family family;
	const char *label, *value; /* one more label, or NULL */
	size_t offset;		   /* in struct medio_stats */
};

/* Those of one family stand together. */
static const struct counter counters[] = {
	{ { "medio_messages", COUNTER, NULL, "Requests of clients that were handled." }, NULL, NULL,
		offsetof(struct medio_stats, messages) },
	{ { "medio_region_accesses", COUNTER, NULL, "Accesses that reached the device." },
		"direction", "read", offsetof(struct medio_stats, reads) },
	{ { "medio_region_accesses" }, "direction", "write", offsetof(struct medio_stats, writes) },
	{ { "medio_dma_bytes", COUNTER, "bytes", "Memory of clients that the device moved." },
		"direction", "read", offsetof(struct medio_stats, dma_read) },
	{ { "medio_dma_bytes" }, "direction", "write", offsetof(struct medio_stats, dma_written) },
	{ { "medio_irqs", COUNTER, NULL, "Interrupts delivered." }, NULL, NULL,
		offsetof(struct medio_stats, irqs) },
	{ { "medio_dma_faults", COUNTER, NULL, "DMA that was refused." }, NULL, NULL,
		offsetof(struct medio_stats, faults) },
	{ { "medio_client_errors", COUNTER, NULL, "What clients and guests did wrong." }, NULL,
		NULL, offsetof(struct medio_stats, errors) },
	{ { "medio_clients", COUNTER, NULL, "Clients that came." }, NULL, NULL,
		offsetof(struct medio_stats, clients) },
	{ { "medio_client_connected", GAUGE, NULL, "1: a client has the instance." }, NULL, NULL,
		offsetof(struct medio_stats, connected) },
};

static const struct family up = { "medio_instance_up", GAUGE, NULL,
	"1: a worker runs the instance." };
static const struct family info = { "medio_instance_info", GAUGE, NULL,
	"The process that runs an instance; the value is always 1." };
static const struct family restarts = { "medio_worker_restarts", COUNTER, NULL,
	"Times an instance was started again after its worker had died." };

static void instance_labels(struct text *text, const struct medio_mdev *mdev)
{
	label(text, "uuid", medio_mdev_uuid(mdev), '{');
	label(text, "type", medio_mdev_type(mdev)->name, ',');
	label(text, "parent", medio_parent_desc(medio_mdev_parent(mdev))->name, ',');
}

/* Call fn for each instance that is ours. */
static void each_instance(struct text *text, const struct family *family,
	void (*fn)(struct text *text, const struct family *family, const struct medio_managed *inst,
		const void *how),
	const void *how)
{
	for (struct medio_mdev *mdev = NULL;
		(mdev = medio_bus_next_mdev(text->manager->bus, mdev));) {
		const struct medio_managed *inst = medio_managed_of(mdev);
		if (inst)
			fn(text, family, inst, how);
	}
}

static void one_counter(struct text *text, const struct family *family,
	const struct medio_managed *inst, const void *how)
{
	const struct counter *counter = how;

	/* A worker that is being restarted has no counters: an instance that has none is left out, so
	 * that they seem to begin anew rather than to go to zero and back. */
	if (!inst->stats)
		return;
	sample(text, family);
	instance_labels(text, inst->mdev);
	if (counter->label)
		label(text, counter->label, counter->value, ',');
	fputc('}', text->out);
	number(text, *(const uint64_t *)((const char *)inst->stats + counter->offset));
}

static void one_up(struct text *text, const struct family *family, const struct medio_managed *inst,
	const void *how)
{
	(void)how;
	sample(text, family);
	instance_labels(text, inst->mdev);
	fputc('}', text->out);
	number(text, medio_managed_pid(inst, NULL) > 0);
}

static void one_restarts(struct text *text, const struct family *family,
	const struct medio_managed *inst, const void *how)
{
	(void)how;
	sample(text, family);
	instance_labels(text, inst->mdev);
	fputc('}', text->out);
	number(text, inst->restarts);
}

static void one_info(struct text *text, const struct family *family,
	const struct medio_managed *inst, const void *how)
{
	pid_t pid = medio_managed_pid(inst, NULL);
	char digits[16];

	(void)how;
	if (pid <= 0)
		return;
	snprintf(digits, sizeof(digits), "%d", (int)pid);
	sample(text, family);
	instance_labels(text, inst->mdev);
	label(text, "pid", digits, ',');
	fputc('}', text->out);
	number(text, 1);
}

static void all_instances(struct text *text)
{
	const struct family *family = NULL;

	head(text, &up);
	each_instance(text, &up, one_up, NULL);
	head(text, &info);
	each_instance(text, &info, one_info, NULL);
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(counters); i++) {
		if (!family || strcmp(family->name, counters[i].family.name) != 0) {
			family = &counters[i].family;
			head(text, family);
		}
		each_instance(text, family, one_counter, &counters[i]);
	}
	head(text, &restarts);
	each_instance(text, &restarts, one_restarts, NULL);
}

/* ---- Processes --------------------------------------------------------------------------------- */

static const struct family worker_instances = { "medio_worker_instances", GAUGE, NULL,
	"Instances that a worker runs." };
static const struct family worker_cpu = { "medio_worker_cpu_seconds", COUNTER, "seconds",
	"CPU time of a worker." };
static const struct family worker_memory = { "medio_worker_resident_memory_bytes", GAUGE, "bytes",
	"Memory of a worker that is in RAM." };
static const struct family process_cpu = { "process_cpu_seconds", COUNTER, "seconds",
	"CPU time of mediod." };
static const struct family process_memory = { "process_resident_memory_bytes", GAUGE, "bytes",
	"Memory of mediod that is in RAM." };
static const struct family process_fds = { "process_open_fds", GAUGE, NULL,
	"File descriptors that mediod has open." };

static int by_pid(const void *a, const void *b)
{
	pid_t x = ((const struct worker *)a)->pid, y = ((const struct worker *)b)->pid;

	return (x > y) - (x < y);
}

/* Each process once, whatever it runs; it is asked about once. */
static int find_workers(struct text *text)
{
	const struct medio_bus *bus = text->manager->bus;
	size_t count = 0, cap = 0;

	for (struct medio_mdev *mdev = NULL; (mdev = medio_bus_next_mdev(bus, mdev));) {
		const struct medio_managed *inst = medio_managed_of(mdev);
		unsigned sharing = 0;
		pid_t pid = inst ? medio_managed_pid(inst, &sharing) : 0;
		if (pid <= 0)
			continue;
		if (count == cap) {
			cap = cap ? 2 * cap : 64;
			struct worker *more = realloc(text->workers, cap * sizeof(*more));
			if (!more)
				return -ENOMEM;
			text->workers = more;
		}
		text->workers[count++] = (struct worker){ .pid = pid, .instances = sharing };
	}
	if (count)
		qsort(text->workers, count, sizeof(*text->workers), by_pid);
	for (size_t i = 0; i < count; i++) {
		if (i && text->workers[i].pid == text->workers[text->num_workers - 1].pid)
			continue;
		struct worker *worker = &text->workers[text->num_workers++];
		*worker = text->workers[i];
		worker->alive = medio_usage_read(worker->pid, &worker->usage) == 0;
	}
	return 0;
}

static void workers(struct text *text, const struct family *family)
{
	head(text, family);
	for (size_t i = 0; i < text->num_workers; i++) {
		const struct worker *worker = &text->workers[i];
		if (!worker->alive)
			continue;
		sample(text, family);
		fprintf(text->out, "{pid=\"%d\"}", (int)worker->pid);
		if (family == &worker_cpu)
			seconds(text, worker->usage.cpu_ns);
		else if (family == &worker_memory)
			number(text, worker->usage.rss);
		else
			number(text, worker->instances);
	}
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	if (!dir)
		return -errno;
	for (const struct dirent *entry; (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count - 1; /* not the one they were counted with */
}

static void ourselves(struct text *text)
{
	struct medio_usage usage;
	int fds = count_fds();

	if (medio_usage_read(getpid(), &usage) == 0) {
		head(text, &process_cpu);
		sample(text, &process_cpu);
		seconds(text, usage.cpu_ns);
		head(text, &process_memory);
		sample(text, &process_memory);
		number(text, usage.rss);
	}
	if (fds >= 0) {
		head(text, &process_fds);
		sample(text, &process_fds);
		number(text, (uint64_t)fds);
	}
}

/* ---- All of it --------------------------------------------------------------------------------- */

char *medio_metrics_print(struct medio_manager *m, bool classic, size_t *size)
{
	struct text text = { .manager = m, .classic = classic };
	char *bytes = NULL;
	size_t len = 0;

	text.out = open_memstream(&bytes, &len);
	if (!text.out)
		return NULL;
	int ret = find_workers(&text);
	if (ret == 0) {
		types(&text, &instances);
		types(&text, &available);
		all_instances(&text);
		workers(&text, &worker_instances);
		workers(&text, &worker_cpu);
		workers(&text, &worker_memory);
		ourselves(&text);
		if (!classic)
			fputs("# EOF\n", text.out);
	}
	free(text.workers);
	bool failed = ferror(text.out);
	if (fclose(text.out) || failed || ret) {
		free(bytes);
		return NULL;
	}
	*size = len;
	return bytes;
}

char *medio_metrics_text(struct medio_manager *m, size_t *size)
{
	return medio_metrics_print(m, false, size);
}
