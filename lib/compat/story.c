/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/story.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "compat/compat.h"
#include "compat/kdev.h"
#include "compat/story_words.h"

#define WORDS 512

struct medio_story {
	medio_story_line *line;
	void *opaque;
};

/* ---- Words ----------------------------------------------------------------------------------------------- */

void medio_words_add(struct medio_words *w, const char *fmt, ...)
{
	va_list ap;

	if (w->used + 1 >= w->size)
		return;
	va_start(ap, fmt);
	int n = vsnprintf(w->text + w->used, w->size - w->used, fmt, ap);
	va_end(ap);
	if (n > 0)
		w->used += (size_t)n < w->size - w->used ? (size_t)n : w->size - w->used - 1;
}

void medio_words_size(struct medio_words *w, uint64_t bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	unsigned unit = 0;

	while (bytes && bytes % 1024 == 0 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1024;
		unit++;
	}
	medio_words_add(w, "%" PRIu64 " %s", bytes, bytes == 1 && !unit ? "byte" : units[unit]);
}

void medio_words_region(struct medio_words *w, uint64_t index)
{
	if (index < 6)
		medio_words_add(w, "BAR%u", (unsigned)index);
	else if (index < 9)
		medio_words_add(w, "%s",
			(const char *const[]){ "ROM", "configuration space", "VGA" }[index - 6]);
	else
		medio_words_add(w, "region %" PRIu64, index);
}

/* ---- Accesses --------------------------------------------------------------------------------------------- */

/* What stands at buf, up to eight bytes: a register's value. */
static void value(struct medio_words *w, struct medio_call *call, uint64_t buf, int64_t count)
{
	uint64_t bytes = 0;

	if (count != 1 && count != 2 && count != 4 && count != 8)
		return;
	if (medio_call_read(call, buf, &bytes, (size_t)count) == 0)
		medio_words_add(w, " = 0x%0*" PRIx64, (int)(2 * count), bytes);
}

static void place(struct medio_words *w, uint64_t offset)
{
	medio_words_region(w, offset >> 40 & 0x3fffff);
	medio_words_add(w, "+0x%" PRIx64, offset & ((UINT64_C(1) << 40) - 1));
}

/* pread64() and pwrite64(); of the others only where. */
static void access_words(struct medio_words *w, struct medio_call *call, bool simple, int64_t ret)
{
	place(w, call->args[3]);
	if (!simple)
		return;
	medio_words_add(w, ", ");
	medio_words_size(w, call->args[2]);
	if (ret > 0)
		value(w, call, call->args[1], ret);
}

static void mmap_words(
	struct medio_words *w, struct medio_call *call, const char *what, int64_t ret)
{
	if (!strcmp(what, "device"))
		place(w, call->args[5]);
	else
		medio_words_add(w, "map at 0x%" PRIx64, call->args[5]);
	medio_words_add(w, ", ");
	medio_words_size(w, call->args[1]);
	if (ret > 0)
		medio_words_add(w, ", mapped at 0x%" PRIx64, (uint64_t)ret);
}

static void ioctl_words(
	struct medio_words *w, struct medio_call *call, const char *what, int64_t ret)
{
	const unsigned cmd = (unsigned)call->args[1];
	const uint64_t arg = call->args[2];

	if (!strcmp(what, "container") || !strcmp(what, "group"))
		medio_words_vfio(w, call, cmd, arg, ret);
	else if (!strcmp(what, "iommufd"))
		medio_words_iommufd(w, call, cmd, arg, ret);
	else
		medio_words_device(w, call, cmd, arg, ret);
	if (!w->used)
		medio_words_add(w, "%s: request ';', %u", what, cmd & 0xff);
}

/* What was called, in its manual page's name. */
static const char *call_words(
	struct medio_words *w, struct medio_call *call, const char *what, int64_t ret)
{
	switch (call->nr) {
	case SYS_ioctl:
		ioctl_words(w, call, what, ret);
		return "ioctl";
	case SYS_mmap:
		mmap_words(w, call, what, ret);
		return "mmap";
	case SYS_pread64:
		access_words(w, call, true, ret);
		return "read";
	case SYS_pwrite64:
		access_words(w, call, true, ret);
		return "write";
	case SYS_preadv:
		access_words(w, call, false, ret);
		return "readv";
	case SYS_pwritev:
		access_words(w, call, false, ret);
		return "writev";
	default:
		access_words(w, call, false, ret);
		return "access";
	}
}

/* ---- The story ---------------------------------------------------------------------------------------------- */

void medio_story_to(struct medio_compat *compat, medio_story_line *line, void *opaque)
{
	free(compat->story);
	compat->story = line ? malloc(sizeof(*compat->story)) : NULL;
	if (compat->story)
		*compat->story = (struct medio_story){ line, opaque };
}

bool medio_story_on(const struct medio_compat *compat)
{
	return compat->story;
}

void medio_story_call(struct medio_call *call, int64_t ret)
{
	const struct medio_story *story = call->compat->story;
	char text[WORDS] = "";
	struct medio_words w = { text, sizeof(text), 0 };

	if (!story || !call->file)
		return;
	const char *name = call_words(&w, call, call->file->ops->what, ret);
	story->line(story->opaque, call->tid, name, text, ret);
}

void medio_story_say(struct medio_compat *compat, const char *fmt, ...)
{
	char text[WORDS];
	va_list ap;

	if (!compat->story)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	compat->story->line(compat->story->opaque, 0, "", text, 0);
}

void medio_story_kernel(
	struct medio_call *call, const char *file, int64_t ret, char *words, size_t size)
{
	struct medio_words w = { words, size, 0 };

	if (size)
		words[0] = '\0';
	call_words(&w, call, file, ret);
}
