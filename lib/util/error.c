/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/error.h"
#include "util/cleanup.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct medio_error {
	char *text;
	bool fixed; /* the one below. A flag, not its address: a program may hold two copies of this file,
		       one in it and one in libmedio.so */
};

/* What stands in when there is no memory for the words. Never freed. */
static char no_memory_text[] = "out of memory";
static struct medio_error no_memory = { no_memory_text, true };

/* Takes text, which may be NULL: there was no memory for it. */
static struct medio_error *error_new(char *text)
{
	struct medio_error *err = text ? malloc(sizeof(*err)) : NULL;

	if (!err) {
		free(text);
		return &no_memory;
	}
	err->text = text;
	err->fixed = false;
	return err;
}

static char *words(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

static char *words(const char *fmt, va_list ap)
{
	char *text;

	return vasprintf(&text, fmt, ap) < 0 ? NULL : text;
}

int medio_error_setv(struct medio_error **out, int errnum, const char *fmt, va_list ap)
{
	struct medio_error *old;

	if (!out)
		return -errnum;
	/* The old words may be among the arguments: format before they go. */
	old = *out;
	*out = error_new(words(fmt, ap));
	medio_error_free(old);
	return -errnum;
}

int medio_error_set(struct medio_error **out, int errnum, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	medio_error_setv(out, errnum, fmt, ap);
	va_end(ap);
	return -errnum;
}

void medio_error_prefix(struct medio_error **out, const char *fmt, ...)
{
	_cleanup_free_ char *prefix = NULL;
	struct medio_error *old;
	char *text;
	va_list ap;

	if (!out || !*out)
		return;
	old = *out;
	va_start(ap, fmt);
	prefix = words(fmt, ap);
	va_end(ap);
	if (!prefix || asprintf(&text, "%s: %s", prefix, old->text) < 0)
		text = NULL;
	*out = error_new(text);
	medio_error_free(old);
}

const char *medio_error_text(const struct medio_error *err)
{
	return err ? err->text : "unknown error";
}

void medio_error_free(struct medio_error *err)
{
	if (!err || err->fixed)
		return;
	free(err->text);
	free(err);
}
