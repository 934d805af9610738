/* SPDX-License-Identifier: BSD-3-Clause */
/* The public half is declared in <medio/serve.h>; it comes first for its visibility. */
#include <medio/serve.h>

#include "util/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct medio_error {
	const char *text; /* in the same allocation */
};

/* What stands in when there is no memory for the words. Never freed. */
static struct medio_error no_memory = { "out of memory" };

static struct medio_error *error_new(const char *rest, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

/* The formatted words, and after them ": " and rest if there is one. */
static struct medio_error *error_new(const char *rest, const char *fmt, va_list ap)
{
	struct medio_error *err;
	va_list again;
	char *text;
	size_t size;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0)
		return &no_memory;
	size = (size_t)len + 1 + (rest ? strlen(rest) + 2 : 0);
	err = malloc(sizeof(*err) + size);
	if (!err)
		return &no_memory;
	text = (char *)(err + 1);
	vsnprintf(text, size, fmt, ap);
	if (rest)
		snprintf(text + len, size - (size_t)len, ": %s", rest);
	err->text = text;
	return err;
}

int medio_error_setv(struct medio_error **out, int errnum, const char *fmt, va_list ap)
{
	struct medio_error *old;

	if (!out)
		return -errnum;
	/* The old words may be among the arguments: format before they go. */
	old = *out;
	*out = error_new(NULL, fmt, ap);
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
	struct medio_error *old;
	va_list ap;

	if (!out || !*out)
		return;
	old = *out;
	va_start(ap, fmt);
	*out = error_new(old->text, fmt, ap);
	va_end(ap);
	medio_error_free(old);
}

const char *medio_error_text(const struct medio_error *err)
{
	return err ? err->text : "unknown error";
}

void medio_error_free(struct medio_error *err)
{
	if (err != &no_memory)
		free(err);
}
