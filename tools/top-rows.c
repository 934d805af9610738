/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "text.h"
#include "top.h"
#include "util/cleanup.h"
#include "util/nearest.h"

/* ---- From looks to rows ------------------------------------------------------------------------ */

struct json_object *medio_top_index(struct json_object *stats)
{
	struct json_object *index = json_object_new_object();

	for (size_t i = 0; i < json_object_array_length(stats); i++) {
		struct json_object *entry = json_object_array_get_idx(stats, i);
		json_object_object_add(
			index, medio_json_string(entry, "uuid"), json_object_get(entry));
	}
	return index;
}

void medio_top_look_free(struct medio_top_look *look)
{
	json_object_put(look->list);
	json_object_put(look->stats);
	*look = (struct medio_top_look){ 0 };
}

static double count(const struct json_object *stats, const char *key)
{
	return (double)json_object_get_uint64(medio_json_get(stats, key));
}

/* A counter that went back is one that began anew. */
static double rate(const struct json_object *now, const struct json_object *before, const char *key,
	double seconds)
{
	double difference = count(now, key) - count(before, key);

	return difference > 0 && seconds > 0 ? difference / seconds : 0;
}

static void fill_rates(struct medio_top_row *row, const struct json_object *now,
	const struct json_object *before, double seconds)
{
	row->rated = true;
	row->messages = rate(now, before, "messages", seconds);
	row->dma = rate(now, before, "dma_read", seconds) +
		   rate(now, before, "dma_written", seconds);
	row->irqs = rate(now, before, "irqs", seconds);
	/* Another process has another clock. */
	if (medio_json_int(before, "pid") == row->pid)
		row->cpu = rate(now, before, "cpu_ns", seconds) / 1e7;
}

static void fill(struct medio_top_row *row, const struct json_object *inst,
	const struct medio_top_look *now, const struct medio_top_look *before)
{
	struct json_object *stats, *old;

	row->uuid = medio_json_string(inst, "uuid");
	row->type = medio_json_string(inst, "type");
	row->owner_uid = medio_json_int(medio_json_get(inst, "owner"), "uid");
	medio_text_user((uid_t)row->owner_uid, row->owner, sizeof(row->owner));
	row->client = medio_json_int(medio_json_get(inst, "client"), "pid");
	stats = medio_json_get(now->stats, row->uuid);
	old = before->stats ? medio_json_get(before->stats, row->uuid) : NULL;
	row->pid = medio_json_int(stats, "pid");
	row->sharing = medio_json_int(stats, "sharing");
	row->faults = count(stats, "faults");
	row->memory = count(stats, "rss");
	if (stats && old)
		fill_rates(row, stats, old, now->seconds - before->seconds);
}

int medio_top_rows(const struct medio_top_look *now, const struct medio_top_look *before,
	struct medio_top_row **rows)
{
	size_t length = json_object_array_length(now->list);

	*rows = calloc(length + 1, sizeof(**rows));
	if (!*rows)
		return -ENOMEM;
	for (size_t i = 0; i < length; i++)
		fill(&(*rows)[i], json_object_array_get_idx(now->list, i), now, before);
	return (int)length;
}

/* ---- Columns ----------------------------------------------------------------------------------- */

enum kind { TEXT, NAME, NUMBER, RATE, BYTES_RATE, COUNT, PERCENT, BYTES };

#define AT(field) offsetof(struct medio_top_row, field)

static const struct column {
	const char *name;  /* for --sort */
	const char *title; /* over it */
	const char *key;   /* in JSON */
	unsigned width;
	enum kind kind;
	size_t offset;
	bool shared; /* it is the worker's, which others may share */
} columns[] = {
	{ "uuid", "UUID", "uuid", 36, TEXT, AT(uuid), false },
	{ "owner", "OWNER", "owner", 8, NAME, AT(owner), false },
	{ "type", "TYPE", "type", 8, TEXT, AT(type), false },
	{ "client", "CLIENT", "client", 7, NUMBER, AT(client), false },
	{ "messages", "MSG/s", "messages_per_s", 6, RATE, AT(messages), false },
	{ "dma", "DMA/s", "dma_bytes_per_s", 6, BYTES_RATE, AT(dma), false },
	{ "irqs", "IRQ/s", "irqs_per_s", 6, RATE, AT(irqs), false },
	{ "faults", "FAULTS", "faults", 6, COUNT, AT(faults), false },
	{ "cpu", "CPU%", "cpu_percent", 6, PERCENT, AT(cpu), true },
	{ "memory", "MEMORY", "memory_bytes", 6, BYTES, AT(memory), true },
};

const unsigned medio_top_columns = MEDIO_ARRAY_SIZE(columns);

int medio_top_find_column(const char *name, unsigned *column, struct medio_error **err)
{
	const char *names[MEDIO_ARRAY_SIZE(columns)];

	for (unsigned i = 0; i < medio_top_columns; i++) {
		names[i] = columns[i].name;
		if (!strcmp(name, names[i])) {
			*column = i;
			return 0;
		}
	}
	return medio_unknown(err, "column", name, names, medio_top_columns);
}

static const void *at(const struct medio_top_row *row, const struct column *column)
{
	return (const char *)row + column->offset;
}

static const char *text_at(const struct medio_top_row *row, const struct column *column)
{
	return column->kind == NAME ? at(row, column) : *(const char *const *)at(row, column);
}

static double number_at(const struct medio_top_row *row, const struct column *column)
{
	return column->kind == NUMBER ? (double)*(const int64_t *)at(row, column)
				      : *(const double *)at(row, column);
}

static bool is_text(const struct column *column)
{
	return column->kind == TEXT || column->kind == NAME;
}

/* ---- Order ------------------------------------------------------------------------------------- */

struct order {
	const struct column *column;
	bool reverse;
};

static int compare(const void *a_, const void *b_, void *order_)
{
	const struct medio_top_row *a = a_, *b = b_;
	const struct order *order = order_;
	int ret;

	if (is_text(order->column)) {
		ret = strcmp(text_at(a, order->column), text_at(b, order->column));
	} else {
		double x = number_at(a, order->column), y = number_at(b, order->column);
		ret = (x < y) - (x > y);
	}
	if (order->reverse)
		ret = -ret;
	return ret ? ret : strcmp(a->uuid, b->uuid);
}

/* A row's number, and what it is to be found by. */
struct by_pid {
	int64_t pid;
	unsigned row;
};

static int compare_pid(const void *a_, const void *b_)
{
	const struct by_pid *a = a_, *b = b_;

	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	return a->row < b->row ? -1 : a->row > b->row;
}

/* What a shared worker uses is shown with the first of its instances. */
static void mark_first(struct medio_top_row *rows, unsigned count)
{
	_cleanup_free_ struct by_pid *by_pid = calloc(count + 1, sizeof(*by_pid));

	for (unsigned i = 0; i < count; i++) {
		rows[i].first = true;
		if (by_pid)
			by_pid[i] = (struct by_pid){ rows[i].pid, i };
	}
	if (!by_pid)
		return;
	qsort(by_pid, count, sizeof(*by_pid), compare_pid);
	for (unsigned i = 1; i < count; i++)
		rows[by_pid[i].row].first = !by_pid[i].pid || by_pid[i].pid != by_pid[i - 1].pid;
}

void medio_top_sort(struct medio_top_row *rows, unsigned count, unsigned column, bool reverse)
{
	struct order order = { &columns[column], reverse };

	qsort_r(rows, count, sizeof(*rows), compare, &order);
	mark_first(rows, count);
}

/* ---- Lines ------------------------------------------------------------------------------------- */

/* Where there is too little room the UUID gives of its own, down to what one recognises it by. */
static unsigned width_of(unsigned n, unsigned width)
{
	unsigned all = medio_top_columns - 1, own = columns[n].width;

	if (n != 0 || !width)
		return own;
	for (unsigned i = 0; i < medio_top_columns; i++)
		all += columns[i].width;
	if (all <= width)
		return own;
	return all - width < own - 8 ? own - (all - width) : 8;
}

/* How much of the line there is room for behind column n. */
static bool fits(unsigned n, unsigned width)
{
	unsigned used = 0;

	for (unsigned i = 0; i <= n; i++)
		used += width_of(i, width) + (i > 0);
	return !width || used <= width;
}

static void print_cell(FILE *out, unsigned n, const char *text, unsigned width)
{
	int wide = (int)width_of(n, width);

	fprintf(out, is_text(&columns[n]) ? "%s%-*.*s" : "%s%*.*s", n ? " " : "", wide, wide, text);
}

void medio_top_print_titles(FILE *out, unsigned width, int marked)
{
	for (unsigned n = 0; n < medio_top_columns && fits(n, width); n++) {
		if ((int)n == marked)
			fputs("\033[1;4m", out);
		print_cell(out, n, columns[n].title, width);
		if ((int)n == marked)
			fputs("\033[22;24m", out);
	}
}

static void format_number(
	const struct medio_top_row *row, const struct column *column, char *buf, size_t size)
{
	double value = number_at(row, column);

	switch (column->kind) {
	case NUMBER:
		snprintf(buf, size, "%.0f", value);
		break;
	case PERCENT:
		snprintf(buf, size, value < 99.95 ? "%.1f" : "%.0f", value);
		break;
	case BYTES:
	case BYTES_RATE:
		medio_text_bytes(value, buf, size);
		break;
	default:
		medio_text_count(value, buf, size);
	}
}

static void format(
	const struct medio_top_row *row, const struct column *column, char *buf, size_t size)
{
	bool rate = column->kind == RATE || column->kind == BYTES_RATE || column->kind == PERCENT;
	bool shared = column->shared && row->sharing > 1;

	if (is_text(column))
		snprintf(buf, size, "%s", text_at(row, column));
	else if (shared && !row->first)
		snprintf(buf, size, "~");
	else if ((rate && !row->rated) || (column->shared && !row->pid) ||
		 (column->kind == NUMBER && !number_at(row, column)))
		snprintf(buf, size, "-");
	else {
		buf[0] = '~';
		format_number(row, column, buf + shared, size - shared);
	}
}

void medio_top_print_row(FILE *out, const struct medio_top_row *row, unsigned width)
{
	for (unsigned n = 0; n < medio_top_columns && fits(n, width); n++) {
		char text[64];
		format(row, &columns[n], text, sizeof(text));
		print_cell(out, n, text, width);
	}
}

struct json_object *medio_top_number(double value)
{
	char text[40];

	snprintf(text, sizeof(text), "%.3f", value);
	return json_object_new_double_s(value, text);
}

struct json_object *medio_top_describe(const struct medio_top_row *row)
{
	struct json_object *object = json_object_new_object();

	for (unsigned n = 0; n < medio_top_columns; n++) {
		const struct column *column = &columns[n];
		struct json_object *value = NULL;
		bool rate = column->kind == RATE || column->kind == BYTES_RATE ||
			    column->kind == PERCENT;
		if (is_text(column))
			value = json_object_new_string(text_at(row, column));
		else if (column->kind == NUMBER || column->kind == COUNT || column->kind == BYTES)
			value = json_object_new_int64((int64_t)number_at(row, column));
		else if (!rate || row->rated)
			value = medio_top_number(number_at(row, column));
		json_object_object_add(object, column->key, value);
	}
	json_object_object_add(object, "pid", json_object_new_int64(row->pid));
	json_object_object_add(object, "sharing", json_object_new_int64(row->sharing));
	return object;
}
