/* SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
	char *buf;
	size_t size, used;
	bool full;
};

static void add(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *fmt, ...)
{
	va_list ap;

	if (text->full)
		return;
	va_start(ap, fmt);
	int len = vsnprintf(text->buf + text->used, text->size - text->used, fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= text->size - text->used)
		text->full = true;
	else
		text->used += (size_t)len;
}

/* Slots by region and offset, the others last: each time the least of those that are left. */
static const struct slot *next_slot(const struct slots *slots, const struct slot *last)
{
	const struct slot *next = NULL, *others = slots_others(slots);

	if (last == others)
		return NULL;
	for (unsigned i = 0; i < slots->count; i++) {
		const struct slot *s = &slots->items[i];
		if (last && (s->region < last->region ||
				    (s->region == last->region && s->offset <= last->offset)))
			continue;
		if (!next || s->region < next->region ||
			(s->region == next->region && s->offset < next->offset))
			next = s;
	}
	return next ? next : others;
}

/* ---- The table --------------------------------------------------------------------------------- */

static const char *duration(uint64_t ns, char buf[16])
{
	if (ns < 1000)
		snprintf(buf, 16, "%" PRIu64 " ns", ns);
	else if (ns < 1000000)
		snprintf(buf, 16, "%.1f us", (double)ns / 1e3);
	else if (ns < 1000000000)
		snprintf(buf, 16, "%.1f ms", (double)ns / 1e6);
	else
		snprintf(buf, 16, "%.1f s", (double)ns / 1e9);
	return buf;
}

static void add_row(
	struct text *text, const char *name, const char *what, const struct histogram *h)
{
	char min[16], mean[16], p50[16], p99[16], max[16];

	if (!h->count)
		return;
	add(text, "%-28s %-5s %10" PRIu64 " %9s %9s %9s %9s %9s\n", name, what, h->count,
		duration(h->min, min), duration(histogram_mean(h), mean),
		duration(histogram_permille(h, 500), p50),
		duration(histogram_permille(h, 990), p99), duration(h->max, max));
}

static void add_moved(struct text *text, const char *name, const struct moved *moved)
{
	if (moved->count || moved->failed)
		add(text, "%-28s       %10" PRIu64 " %" PRIu64 " bytes, %" PRIu64 " failed\n", name,
			moved->count, moved->bytes, moved->failed);
}

ssize_t report_table(const struct counted *counted, char *buf, size_t size)
{
	struct text text = { buf, size, 0, false };
	char name[32];

	add(&text, "%-28s %-5s %10s %9s %9s %9s %9s %9s\n", "register", "", "count", "min", "mean",
		"p50", "p99", "max");
	for (const struct slot *s = NULL; (s = next_slot(&counted->slots, s));) {
		add_row(&text, s->name, "read", &s->reads);
		add_row(&text, s->name, "write", &s->writes);
	}
	for (unsigned i = 0; i <= STATS_VECTORS; i++) {
		if (!counted->irqs[i])
			continue;
		snprintf(name, sizeof(name), i < STATS_VECTORS ? "irq %u" : "irq %u on", i);
		add(&text, "%-28s       %10" PRIu64 "\n", name, counted->irqs[i]);
	}
	add_moved(&text, "dma read", &counted->dma_read);
	add_moved(&text, "dma write", &counted->dma_write);
	add_moved(&text, "dma get", &counted->dma_get);
	if (counted->doorbells)
		add(&text, "%-28s       %10" PRIu64 "\n", "doorbells", counted->doorbells);
	if (counted->resets)
		add(&text, "%-28s       %10" PRIu64 "\n", "resets", counted->resets);
	return text.full ? -ENOBUFS : (ssize_t)text.used;
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static void json_histogram(
	struct text *text, const char *name, const struct histogram *h, bool buckets)
{
	const char *between = "";

	add(text,
		",\"%s\":{\"count\":%" PRIu64 ",\"min_ns\":%" PRIu64 ",\"mean_ns\":%" PRIu64
		",\"p50_ns\":%" PRIu64 ",\"p99_ns\":%" PRIu64 ",\"max_ns\":%" PRIu64,
		name, h->count, h->min, histogram_mean(h), histogram_permille(h, 500),
		histogram_permille(h, 990), h->max);
	if (buckets) {
		add(text, ",\"log2_ns\":{");
		for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
			if (!h->buckets[i])
				continue;
			add(text, "%s\"%u\":%" PRIu64, between, i, h->buckets[i]);
			between = ",";
		}
		add(text, "}");
	}
	add(text, "}");
}

static void json_moved(struct text *text, const char *name, const struct moved *moved)
{
	add(text, "\"%s\":{\"count\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"failed\":%" PRIu64 "}",
		name, moved->count, moved->bytes, moved->failed);
}

static ssize_t json(const struct counted *counted, bool buckets, char *buf, size_t size)
{
	struct text text = { buf, size, 0, false };
	const char *between = "";

	add(&text, "{\"seconds\":%.6f,\"registers\":[",
		(double)(medio_now_ns() - counted->since) / 1e9);
	for (const struct slot *s = NULL; (s = next_slot(&counted->slots, s));) {
		if (!s->reads.count && !s->writes.count)
			continue;
		/* Names of registers are of letters, digits, '_', '.', '[' and ']', '+'. */
		add(&text, "%s{\"name\":\"%s\"", between, s->name);
		if (s != slots_others(&counted->slots))
			add(&text, ",\"region\":%u,\"offset\":%" PRIu64, s->region, s->offset);
		if (s->reads.count)
			json_histogram(&text, "reads", &s->reads, buckets);
		if (s->writes.count)
			json_histogram(&text, "writes", &s->writes, buckets);
		add(&text, "}");
		between = ",";
	}
	add(&text, "],\"irqs\":{");
	between = "";
	for (unsigned i = 0; i <= STATS_VECTORS; i++) {
		if (!counted->irqs[i])
			continue;
		add(&text, i < STATS_VECTORS ? "%s\"%u\":%" PRIu64 : "%s\"%u+\":%" PRIu64, between,
			i, counted->irqs[i]);
		between = ",";
	}
	add(&text, "},\"dma\":{");
	json_moved(&text, "read", &counted->dma_read);
	add(&text, ",");
	json_moved(&text, "write", &counted->dma_write);
	add(&text, ",");
	json_moved(&text, "get", &counted->dma_get);
	add(&text, "},\"doorbells\":%" PRIu64 ",\"resets\":%" PRIu64 "}\n", counted->doorbells,
		counted->resets);
	return text.full ? -ENOBUFS : (ssize_t)text.used;
}

ssize_t report_json(const struct counted *counted, char *buf, size_t size)
{
	ssize_t len = json(counted, true, buf, size);

	/* Many registers: without the buckets there is room for more. */
	return len == -ENOBUFS ? json(counted, false, buf, size) : len;
}
