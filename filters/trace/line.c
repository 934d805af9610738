/* SPDX-License-Identifier: BSD-3-Clause */
#include "line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <medio/device.h>

struct text {
	char *buf;
	size_t size, used; /* size > 0; used < size */
};

static void add(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int len = vsnprintf(text->buf + text->used, text->size - text->used, fmt, ap);
	va_end(ap);
	if (len > 0)
		text->used += (size_t)len;
	if (text->used >= text->size)
		text->used = text->size - 1;
}

const char *medio_line_region(unsigned region)
{
	static const char *const names[] = { "bar0", "bar1", "bar2", "bar3", "bar4", "bar5", "rom",
		"config", "vga" };

	return region < sizeof(names) / sizeof(names[0]) ? names[region] : "?";
}

/* ---- Parts ------------------------------------------------------------------------------------- */

static void add_data(
	struct text *text, const uint8_t *data, size_t data_size, size_t count, size_t shown)
{
	if (data_size == count && count && count <= 8 && !(count & (count - 1))) {
		add(text, "0x%0*" PRIx64, (int)(2 * count), medio_get_le(data, count));
		return;
	}
	if (shown > MEDIO_LINE_DATA_MAX)
		shown = MEDIO_LINE_DATA_MAX;
	if (shown > data_size)
		shown = data_size;
	for (size_t i = 0; i < shown; i++)
		add(text, "%s%02x", i ? " " : "", data[i]);
	if (shown < count)
		add(text, "%s...", shown ? " " : "");
}

static void add_result(struct text *text, int result)
{
	const char *name = result < 0 ? strerrorname_np(-result) : NULL;

	if (result == 0)
		add(text, "ok");
	else if (result == MEDIO_DEFERRED)
		add(text, "deferred");
	else if (name)
		add(text, "-%s", name);
	else
		add(text, "%d", result);
}

static void add_took(struct text *text, uint32_t ns)
{
	if (ns < 1000)
		add(text, " (%" PRIu32 " ns)", ns);
	else if (ns < 1000000)
		add(text, " (%.1f us)", ns / 1e3);
	else if (ns < 1000000000)
		add(text, " (%.1f ms)", ns / 1e6);
	else
		add(text, " (%s%.1f s)", ns == UINT32_MAX ? "over " : "", ns / 1e9);
}

static const char *prot_name(uint32_t prot)
{
	static const char *const names[] = { "none", "r", "w", "rw" };

	return names[prot & (MEDIO_PROT_READ | MEDIO_PROT_WRITE)];
}

static const char *pick(uint32_t n, const char *const *names, size_t count)
{
	return n < count ? names[n] : "?";
}
#define PICK(n, ...) \
	pick(n, (const char *const[]){ __VA_ARGS__ }, \
		sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

/* ---- Lines ------------------------------------------------------------------------------------- */

static void add_place(struct text *text, const struct medio_record *r, const char *name)
{
	if (name)
		add(text, "%s", name);
	else
		add(text, "%s+0x%" PRIx64, medio_line_region(r->region), r->offset);
}

static void add_access(
	struct text *text, const char *verb, const struct medio_record *r, const char *name)
{
	add(text, "%s ", verb);
	add_place(text, r, name);
	add(text, " %" PRIu64, r->count);
}

static void add_dma(struct text *text, const char *verb, const struct medio_record *r)
{
	add(text, "%s 0x%" PRIx64 " %" PRIu64, verb, r->offset, r->count);
}

static void add_call(struct text *text, const struct medio_record *r, const char *name)
{
	switch (r->kind) {
	case MEDIO_RECORD_READ:
		add_access(text, "read ", r, name);
		break;
	case MEDIO_RECORD_WRITE:
		add_access(text, "write", r, name);
		break;
	case MEDIO_RECORD_ANSWER:
		add_access(text, "answer", r, name);
		break;
	case MEDIO_RECORD_DOORBELL:
		add(text, "doorbell ");
		add_place(text, r, name);
		break;
	case MEDIO_RECORD_RESET:
		add(text, "reset %s", PICK(r->arg, "device", "flr", "power"));
		break;
	case MEDIO_RECORD_CLIENT:
		add(text, "client %s", PICK(r->arg, "left", "came"));
		break;
	case MEDIO_RECORD_QUIESCE:
		add(text, "quiesce");
		break;
	case MEDIO_RECORD_RESUME:
		add(text, "resume");
		break;
	case MEDIO_RECORD_DMA_MAP:
		add(text, "map 0x%" PRIx64 " 0x%" PRIx64 " %s", r->offset, r->count,
			prot_name(r->arg));
		break;
	case MEDIO_RECORD_DMA_UNMAP:
		add(text, "unmap 0x%" PRIx64 " 0x%" PRIx64, r->offset, r->count);
		break;
	case MEDIO_RECORD_IRQ:
		add(text, "irq %" PRIu64 " %s", r->offset, PICK(r->arg, "down", "up", "pulse"));
		break;
	case MEDIO_RECORD_DMA_READ:
		add_dma(text, "dma read", r);
		break;
	case MEDIO_RECORD_DMA_WRITE:
		add_dma(text, "dma write", r);
		break;
	case MEDIO_RECORD_DMA_GET:
		add_dma(text, "dma get", r);
		add(text, " %s", prot_name(r->arg));
		break;
	default:
		add(text, "event of kind %u", r->kind);
		break;
	}
}

/* What came of it. Values that go down stand before the result, those that come up behind it. */
static void add_outcome(struct text *text, const struct medio_record *r, size_t shown)
{
	switch (r->kind) {
	case MEDIO_RECORD_WRITE:
	case MEDIO_RECORD_DMA_WRITE:
		if (r->data) {
			add(text, " ");
			add_data(text, r->data, r->data_size, r->count, shown);
		}
		if (r->result) {
			add(text, " -> ");
			add_result(text, r->result);
		}
		break;
	case MEDIO_RECORD_READ:
	case MEDIO_RECORD_ANSWER:
	case MEDIO_RECORD_DMA_READ:
		add(text, " -> ");
		if (!r->result && r->data)
			add_data(text, r->data, r->data_size, r->count, shown);
		else
			add_result(text, r->result);
		if (r->result != MEDIO_DEFERRED)
			add_took(text, r->took_ns);
		break;
	default:
		if (r->result) {
			add(text, " -> ");
			add_result(text, r->result);
		}
		break;
	}
}

size_t medio_line_print(
	const struct medio_record *record, const char *name, size_t shown, char *buf, size_t size)
{
	struct text text = { buf, size, 0 };

	add(&text, "+%" PRIu64 ".%06" PRIu64 " ", record->time_ns / 1000000000,
		record->time_ns % 1000000000 / 1000);
	add_call(&text, record, name);
	add_outcome(&text, record, shown);
	return text.used;
}

size_t medio_line_print_call(const struct medio_record *record, char *buf, size_t size)
{
	struct text text = { buf, size, 0 };

	add_call(&text, record, NULL);
	return text.used;
}

size_t medio_line_print_data(
	const uint8_t *data, size_t data_size, size_t count, size_t shown, char *buf, size_t size)
{
	struct text text = { buf, size, 0 };

	*buf = '\0';
	add_data(&text, data, data_size, count, shown);
	return text.used;
}

size_t medio_line_print_result(int result, char *buf, size_t size)
{
	struct text text = { buf, size, 0 };

	add_result(&text, result);
	return text.used;
}
