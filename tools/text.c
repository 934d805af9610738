/* SPDX-License-Identifier: BSD-3-Clause */
#include "text.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command.h"

/* ---- Words ------------------------------------------------------------------------------------- */

static void scaled(double value, double base, const char *units, char *buf, size_t size)
{
	unsigned n = 0;

	/* 999.5 would be printed as 1000. */
	while (value >= base - 0.5 && units[n]) {
		value /= base;
		n++;
	}
	if (!n)
		snprintf(buf, size, "%.0f", value);
	else
		snprintf(buf, size, value < 9.95 ? "%.1f%c" : "%.0f%c", value, units[n - 1]);
}

void medio_text_count(double value, char *buf, size_t size)
{
	scaled(value, 1000, "kMGTPE", buf, size);
}

void medio_text_bytes(double value, char *buf, size_t size)
{
	scaled(value, 1024, "KMGTPE", buf, size);
}

void medio_text_user(uid_t uid, char *buf, size_t size)
{
	const struct passwd *user = getpwuid(uid);

	if (user)
		snprintf(buf, size, "%s", user->pw_name);
	else
		snprintf(buf, size, "%u", (unsigned)uid);
}

void medio_text_process(pid_t pid, char *buf, size_t size)
{
	char path[40];

	snprintf(buf, size, "%s", "");
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(buf, (int)size, file))
		buf[strcspn(buf, "\n")] = 0;
	fclose(file);
}

void medio_text_time(double seconds, char *buf, size_t size)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(buf, size, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(buf, size, "%.0f", seconds);
}

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

void medio_text_clock(double seconds, char *buf, size_t size)
{
	int64_t usec = (int64_t)(seconds * 1e6 + 0.5);
	time_t whole = (time_t)(usec / 1000000);
	struct tm tm;
	char text[16] = "";

	if (localtime_r(&whole, &tm))
		strftime(text, sizeof(text), "%H:%M:%S", &tm);
	snprintf(buf, size, "%s.%06d", text, (int)(usec % 1000000));
}

void medio_text_print(const char *text, FILE *out)
{
	/* C1 controls (0x80 to 0x9f) stand in UTF-8 as c2 80 to c2 9f. */
	for (; *text; text++) {
		bool c1 = (unsigned char)text[0] == 0xc2 && (unsigned char)text[1] >= 0x80 &&
			  (unsigned char)text[1] <= 0x9f;
		fputc(c1 || is_control(*text) ? '?' : *text, out);
		text += c1;
	}
}

void medio_text_quote(const char *text, FILE *out)
{
	fputc('\'', out);
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", out);
		else
			fputc(*text, out);
	}
	fputc('\'', out);
}

void medio_text_qemu(const char *device, FILE *out)
{
	const char *json = strchr(device, '{');

	if (!json)
		return;
	fprintf(out, "%.*s", (int)(json - device), device);
	medio_text_quote(json, out);
}

/* ---- Tables ------------------------------------------------------------------------------------ */

void medio_table_add(struct medio_table *table, const char *text)
{
	if (table->used == table->capacity) {
		unsigned capacity = table->capacity ? table->capacity * 2 : 64;
		char **cells = realloc(table->cells, capacity * sizeof(*cells));
		if (!cells) {
			table->failed = true;
			return;
		}
		table->cells = cells;
		table->capacity = capacity;
	}
	char *copy = strdup(text);
	if (copy)
		table->cells[table->used++] = copy;
	else
		table->failed = true;
}

void medio_table_printf(struct medio_table *table, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	medio_table_add(table, text);
}

/* Columns text takes on a terminal: UTF-8's continuation bytes take none. */
static unsigned width_of(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static bool is_right(const struct medio_table *table, unsigned column)
{
	return table->titles[column][0] == '>';
}

static const char *title(const struct medio_table *table, unsigned column)
{
	return table->titles[column] + is_right(table, column);
}

static unsigned column_width(const struct medio_table *table, unsigned column)
{
	unsigned width = width_of(title(table, column));

	for (unsigned i = column; i < table->used; i += table->count) {
		unsigned w = width_of(table->cells[i]);
		width = w > width ? w : width;
	}
	return width;
}

static void print_cell(const struct medio_table *table, unsigned column, const char *text,
	unsigned width, FILE *out)
{
	int pad = (int)(width - width_of(text));
	bool right = is_right(table, column), last = column + 1 == table->count;

	fprintf(out, "%*s", right ? pad : 0, "");
	medio_text_print(text, out);
	fprintf(out, "%*s%s", right || last ? 0 : pad, "", last ? "\n" : "  ");
}

static void print_all(const struct medio_table *table, const unsigned *widths, FILE *out)
{
	fputs(medio_bold(out), out);
	for (unsigned c = 0; c < table->count; c++)
		print_cell(table, c, title(table, c), widths[c], out);
	fputs(medio_plain(out), out);
	for (unsigned i = 0; i < table->used; i++)
		print_cell(table, i % table->count, table->cells[i], widths[i % table->count], out);
}

int medio_table_print(struct medio_table *table, FILE *out)
{
	unsigned *widths = calloc(table->count, sizeof(*widths));
	int ret = widths && !table->failed ? 0 : -ENOMEM;

	if (ret == 0) {
		for (unsigned c = 0; c < table->count; c++)
			widths[c] = column_width(table, c);
		print_all(table, widths, out);
	}
	for (unsigned i = 0; i < table->used; i++)
		free(table->cells[i]);
	free(table->cells);
	free(widths);
	table->cells = NULL;
	table->used = table->capacity = 0;
	return ret;
}
