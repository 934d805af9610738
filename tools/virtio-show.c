/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of a virtio device for people. */
#include "virtio.h"

#include <inttypes.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "text.h"
#include "util/cleanup.h"

#define LINE   92 /* columns of a list of names */
#define INDENT 14

static struct json_object *member(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	return json_object_object_get_ex(object, key, &value) ? value : NULL;
}

static bool is_true(struct json_object *object, const char *key)
{
	struct json_object *value = member(object, key);

	return value && json_object_get_boolean(value);
}

static void heading(const char *name, FILE *out)
{
	fprintf(out, "%s%s%s%*s", medio_bold(out), name, medio_plain(out),
		(int)(INDENT - strlen(name)), "");
}

/* In lines of their own below each other, from a column on. */
static void names(struct json_object *list, size_t column, FILE *out)
{
	size_t count = list ? json_object_array_length(list) : 0;
	const char *space = "";

	for (size_t i = 0; i < count; i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(list, i));
		if (column > INDENT && column + strlen(name) + 1 > LINE) {
			fprintf(out, "\n%*s", INDENT, "");
			column = INDENT;
			space = "";
		}
		fputs(space, out);
		medio_text_print(name, out);
		column += strlen(name) + 1;
		space = " ";
	}
	fputc('\n', out);
}

static void show_status(struct json_object *state, FILE *out)
{
	struct json_object *status = member(state, "status");
	int64_t value = medio_json_int(status, "value");

	heading("status", out);
	fprintf(out, "0x%02" PRIx64 " ", (uint64_t)value);
	if (value)
		names(member(status, "bits"), INDENT + 5, out);
	else
		fputs("reset: no driver has it\n", out);
	if (is_true(status, "resetting"))
		fprintf(out, "%*sa reset waits for requests that are under way\n", INDENT, "");
}

static void show_features(struct json_object *state, FILE *out)
{
	struct json_object *features = member(state, "features");
	const char *accepted = medio_json_string(features, "accepted");

	heading("offered", out);
	fprintf(out, "%s\n%*s", medio_json_string(features, "offered"), INDENT, "");
	names(member(features, "offered_names"), INDENT, out);
	heading("accepted", out);
	fprintf(out, "%s\n", accepted);
	if (strcmp(accepted, "0x0") != 0) {
		fprintf(out, "%*s", INDENT, "");
		names(member(features, "accepted_names"), INDENT, out);
	}
}

static void show_interrupts(struct json_object *state, FILE *out)
{
	struct json_object *irqs = member(state, "interrupts");

	if (!irqs)
		return;
	heading("interrupts", out);
	fprintf(out, "%s, %" PRId64 " of queues, %" PRId64 " of the configuration\n",
		medio_json_string(irqs, "kind"), medio_json_int(irqs, "queue"),
		medio_json_int(irqs, "config"));
}

/* " for queues 0 2", unless it is all of them. */
static void show_polled(struct json_object *poll, struct json_object *queues, FILE *out)
{
	struct json_object *polled = member(poll, "queues");
	size_t n = polled ? json_object_array_length(polled) : 0;

	if (!n || !queues || n == json_object_array_length(queues))
		return;
	fputs(" for queues", out);
	for (size_t i = 0; i < n; i++)
		fprintf(out, " %d", json_object_get_int(json_object_array_get_idx(polled, i)));
}

static void show_poll(struct json_object *state, FILE *out)
{
	struct json_object *poll = member(state, "poll");

	if (!poll)
		return;
	heading("polling", out);
	fputs(medio_json_string(poll, "mode"), out);
	if (strcmp(medio_json_string(poll, "mode"), "off") != 0) {
		show_polled(poll, member(state, "queues"), out);
		fprintf(out, "%s, %" PRId64 " rounds, %" PRId64 " with work",
			is_true(poll, "awake") ? ", awake" : "", medio_json_int(poll, "polls"),
			medio_json_int(poll, "productive"));
	}
	fprintf(out, ", %.1f %% of a processor since its driver is up\n",
		100 * json_object_get_double(member(poll, "cpu")));
}

static void add_hex(struct medio_table *table, const struct json_object *object, const char *key)
{
	medio_table_printf(table, "0x%" PRIx64, (uint64_t)medio_json_int(object, key));
}

static void show_capabilities(struct json_object *state, FILE *out)
{
	static const char *const titles[] = { "CAPABILITY", ">AT", ">BAR", ">OFFSET", ">LENGTH",
		"" };
	struct medio_table table = { .titles = titles, .count = MEDIO_ARRAY_SIZE(titles) };
	struct json_object *list = member(state, "capabilities");

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *cap = json_object_array_get_idx(list, i);
		medio_table_add(&table, medio_json_string(cap, "type"));
		add_hex(&table, cap, "at");
		medio_table_printf(&table, "%" PRId64, medio_json_int(cap, "bar"));
		add_hex(&table, cap, "offset");
		add_hex(&table, cap, "length");
		if (member(cap, "multiplier"))
			medio_table_printf(
				&table, "multiplier %" PRId64, medio_json_int(cap, "multiplier"));
		else if (member(cap, "id"))
			medio_table_printf(&table, "id %" PRId64, medio_json_int(cap, "id"));
		else
			medio_table_add(&table, "");
	}
	fputc('\n', out);
	medio_table_print(&table, out);
}

/* What only the device itself knows is missing where registers were read. */
static void add_number(struct medio_table *table, const struct json_object *queue, const char *key)
{
	if (medio_json_get(queue, key))
		medio_table_printf(table, "%" PRId64, medio_json_int(queue, key));
	else
		medio_table_add(table, "-");
}

static void show_queues(struct json_object *state, FILE *out)
{
	static const char *const titles[] = { ">QUEUE", "RING", ">SIZE", ">VECTOR", ">AVAIL",
		">USED", ">IN FLIGHT", ">CHAINS", ">INDIRECT", ">KICKS", ">INTERRUPTS" };
	static const char *const keys[] = { "vector", "avail", "used", "in_flight", "chains",
		"indirect", "kicks", "interrupts" };
	struct medio_table table = { .titles = titles, .count = MEDIO_ARRAY_SIZE(titles) };
	struct json_object *list = member(state, "queues");

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *queue = json_object_array_get_idx(list, i);
		bool on = is_true(queue, "enabled");
		const char *format = medio_json_string(queue, "format");
		medio_table_printf(&table, "%" PRId64, medio_json_int(queue, "index"));
		medio_table_add(&table, !on ? "off" : *format ? format : "on");
		add_number(&table, queue, !on && member(queue, "max_size") ? "max_size" : "size");
		for (size_t k = 0; k < MEDIO_ARRAY_SIZE(keys); k++)
			add_number(&table, queue, keys[k]);
	}
	fputc('\n', out);
	medio_table_print(&table, out);
}

void medio_virtio_show(const char *device, struct json_object *state, FILE *out)
{
	const char *kind = medio_json_string(state, "kind");

	medio_text_print(device, out);
	fprintf(out, ": virtio %s device (id %" PRId64 ")\n", *kind ? kind : "unknown",
		medio_json_int(state, "id"));
	show_status(state, out);
	show_features(state, out);
	show_interrupts(state, out);
	show_poll(state, out);
	show_capabilities(state, out);
	show_queues(state, out);
}
