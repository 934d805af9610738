/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The words of a call: what story.c is made of. Each takes the structures from the program's memory, as they are
 * after the call. Words that do not fit are cut.
 */
#ifndef MEDIO_COMPAT_STORY_WORDS_H
#define MEDIO_COMPAT_STORY_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "compat/call.h"

struct medio_words {
	char *text; /* size bytes, ends with NUL */
	size_t size, used;
};

void medio_words_add(struct medio_words *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* "512 MiB", "4 KiB", "10 bytes". */
void medio_words_size(struct medio_words *w, uint64_t bytes);
/* "BAR0", "configuration space" … */
void medio_words_region(struct medio_words *w, uint64_t index);

/* ioctl(cmd, arg) of a file called what, which gave ret. Say nothing of what they do not know. story_vfio.c,
 * story_device.c, story_iommufd.c. */
void medio_words_vfio(
	struct medio_words *w, struct medio_call *call, unsigned cmd, uint64_t arg, int64_t ret);
void medio_words_device(
	struct medio_words *w, struct medio_call *call, unsigned cmd, uint64_t arg, int64_t ret);
void medio_words_iommufd(
	struct medio_words *w, struct medio_call *call, unsigned cmd, uint64_t arg, int64_t ret);

#endif
