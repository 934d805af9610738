/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define RTF_UP	   0x0001
#define RTF_REJECT 0x0200
#define SCOPE_LINK 0x20 /* of if_inet6 */

/* ---- Lines and fields -------------------------------------------------------------------------- */

struct slice {
	const char *text;
	size_t len;
};

static bool next_line(const char **at, struct slice *line)
{
	if (!**at)
		return false;
	line->text = *at;
	line->len = strcspn(*at, "\n");
	*at += line->len + ((*at)[line->len] == '\n');
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The next field of the line, which shrinks. */
static bool next_field(struct slice *line, struct slice *field)
{
	while (line->len && is_blank(*line->text)) {
		line->text++;
		line->len--;
	}
	field->text = line->text;
	field->len = 0;
	while (field->len < line->len && !is_blank(field->text[field->len]))
		field->len++;
	line->text += field->len;
	line->len -= field->len;
	return field->len > 0;
}

/* Up to count fields; how many there are. */
static unsigned split(struct slice line, struct slice *fields, unsigned count)
{
	unsigned n = 0;

	while (n < count && next_field(&line, &fields[n]))
		n++;
	return n;
}

static bool is(struct slice field, const char *word)
{
	return strlen(word) == field.len && !memcmp(field.text, word, field.len);
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

static void copy(struct slice field, char *buf, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < field.len && n + 1 < size; n++) {
		const char *c = field.text + i;
		if (*c == '\\' && field.len - i >= 4 && is_octal(c[1]) && is_octal(c[2]) &&
			is_octal(c[3])) {
			buf[n] = (char)((c[1] - '0') << 6 | (c[2] - '0') << 3 | (c[3] - '0'));
			i += 4;
		} else {
			buf[n] = *c;
			i++;
		}
	}
	buf[n] = 0;
}

/* The whole field is a number. */
static bool number(struct slice field, int base, uint64_t *out)
{
	char text[40], *end;

	if (!field.len || field.len >= sizeof(text) || *field.text == '-' || *field.text == '+')
		return false;
	memcpy(text, field.text, field.len);
	text[field.len] = 0;
	errno = 0;
	*out = strtoull(text, &end, base);
	return !errno && !*end;
}

/* ---- Mounts and swap --------------------------------------------------------------------------- */

/* "98:0" */
static bool device_number(struct slice field, unsigned *major, unsigned *minor)
{
	const char *colon = memchr(field.text, ':', field.len);
	uint64_t high, low;

	if (!colon)
		return false;
	struct slice left = { field.text, (size_t)(colon - field.text) };
	struct slice right = { colon + 1, field.len - left.len - 1 };
	if (!number(left, 10, &high) || !number(right, 10, &low) || high > 0xfff || low > 0xfffff)
		return false;
	*major = (unsigned)high;
	*minor = (unsigned)low;
	return true;
}

/* ID PARENT MAJOR:MINOR ROOT TARGET OPTIONS [TAG…] - TYPE SOURCE OPTIONS */
static bool parse_mount(struct slice line, struct medio_mount_row *row)
{
	struct slice head[6], field, type, source;

	for (unsigned i = 0; i < MEDIO_ARRAY_SIZE(head); i++)
		if (!next_field(&line, &head[i]))
			return false;
	do {
		if (!next_field(&line, &field))
			return false;
	} while (!is(field, "-"));
	if (!next_field(&line, &type) || !next_field(&line, &source) ||
		!device_number(head[2], &row->major, &row->minor))
		return false;
	copy(head[4], row->target, sizeof(row->target));
	copy(type, row->type, sizeof(row->type));
	copy(source, row->source, sizeof(row->source));
	return true;
}

bool medio_mountinfo_next(const char **at, struct medio_mount_row *row)
{
	struct slice line;

	while (next_line(at, &line))
		if (parse_mount(line, row))
			return true;
	return false;
}

bool medio_swaps_next(const char **at, char path[MEDIO_TABLE_TEXT])
{
	struct slice line, fields[2];

	while (next_line(at, &line)) {
		if (split(line, fields, 2) == 2 && *fields[0].text == '/') {
			copy(fields[0], path, MEDIO_TABLE_TEXT);
			return true;
		}
	}
	return false;
}

/* ---- Network ----------------------------------------------------------------------------------- */

static bool leads_somewhere(uint64_t flags)
{
	return (flags & RTF_UP) && !(flags & RTF_REJECT);
}

/* Iface Destination Gateway Flags RefCnt Use Metric Mask … */
bool medio_route_next(const char **at, struct medio_route_row *row)
{
	struct slice line, f[8];
	uint64_t to, flags, mask;

	while (next_line(at, &line)) {
		if (split(line, f, 8) < 8 || !number(f[1], 16, &to) || !number(f[3], 16, &flags) ||
			!number(f[7], 16, &mask) || !leads_somewhere(flags))
			continue;
		copy(f[0], row->interface, sizeof(row->interface));
		row->is_default = !to && !mask;
		return true;
	}
	return false;
}

/* Destination Bits Source Bits NextHop Metric RefCnt Use Flags Iface */
bool medio_route6_next(const char **at, struct medio_route_row *row)
{
	struct slice line, f[10];
	uint64_t bits, flags;

	while (next_line(at, &line)) {
		if (split(line, f, 10) < 10 || !number(f[1], 16, &bits) ||
			!number(f[8], 16, &flags) || !leads_somewhere(flags))
			continue;
		copy(f[9], row->interface, sizeof(row->interface));
		row->is_default = !bits;
		return true;
	}
	return false;
}

/* Address Index Bits Scope Flags Iface */
bool medio_inet6_next(const char **at, char interface[32])
{
	struct slice line, f[6];
	uint64_t scope;

	while (next_line(at, &line)) {
		if (split(line, f, 6) < 6 || !number(f[3], 16, &scope) || scope == SCOPE_LINK)
			continue;
		copy(f[5], interface, 32);
		return true;
	}
	return false;
}

/* ---- Fields ------------------------------------------------------------------------------------ */

int medio_limits_memlock(const char *text, uint64_t *out)
{
	static const char name[] = "Max locked memory";
	struct slice line, soft;

	while (next_line(&text, &line)) {
		if (line.len < sizeof(name) || memcmp(line.text, name, sizeof(name) - 1) != 0)
			continue;
		line.text += sizeof(name) - 1;
		line.len -= sizeof(name) - 1;
		uint64_t value = UINT64_MAX;
		if (!next_field(&line, &soft) ||
			(!is(soft, "unlimited") && !number(soft, 10, &value)))
			return -ENOENT;
		*out = value;
		return 0;
	}
	return -ENOENT;
}

int medio_fields_get(const char *text, const char *name, char *buf, size_t size)
{
	size_t len = strlen(name);
	struct slice line;

	while (next_line(&text, &line)) {
		const char *colon = memchr(line.text, ':', line.len);
		if (!colon || line.len < len || memcmp(line.text, name, len) != 0 ||
			line.text + len + strspn(line.text + len, " \t") != colon)
			continue;
		struct slice value = { colon + 1, line.len - (size_t)(colon + 1 - line.text) };
		while (value.len && is_blank(*value.text)) {
			value.text++;
			value.len--;
		}
		while (value.len && is_blank(value.text[value.len - 1]))
			value.len--;
		if (value.len >= size)
			value.len = size - 1;
		memcpy(buf, value.text, value.len);
		buf[value.len] = 0;
		return 0;
	}
	return -ENOENT;
}

bool medio_words_have(const char *text, const char *word)
{
	size_t len = strlen(word);
	bool prefix = len && word[len - 1] == '=';

	for (;;) {
		text += strspn(text, " \t\n");
		size_t part = strcspn(text, " \t\n");
		if (!part)
			return false;
		if ((prefix ? part >= len : part == len) && !memcmp(text, word, len))
			return true;
		text += part;
	}
}

bool medio_aliases_next(const char **at, struct medio_alias_row *row)
{
	struct slice line, f[3];

	while (next_line(at, &line)) {
		if (split(line, f, 3) < 3 || !is(f[0], "alias") ||
			f[1].len >= sizeof(row->pattern) || f[2].len >= sizeof(row->module))
			continue;
		memcpy(row->pattern, f[1].text, f[1].len);
		row->pattern[f[1].len] = 0;
		memcpy(row->module, f[2].text, f[2].len);
		row->module[f[2].len] = 0;
		return true;
	}
	return false;
}
