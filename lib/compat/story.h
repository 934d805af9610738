/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens, in words: the VFIO story that `medio run --trace` tells. Each caught call is told when it has been
 * answered, with what is in the program's memory then; what happens between calls is said by who does it.
 */
#ifndef MEDIO_COMPAT_STORY_H
#define MEDIO_COMPAT_STORY_H

#include <stdbool.h>
#include <stdint.h>

#include "compat/call.h"

struct medio_story;

/* A line of the story: who (a thread; 0: nobody), what was called ("ioctl", "pread", … or "" for what is just said), the
 * words, and what it gave. */
typedef void medio_story_line(
	void *opaque, pid_t tid, const char *what, const char *words, int64_t ret);

/* One that tells line(); NULL: nobody listens, and nothing is decoded. */
void medio_story_to(struct medio_compat *compat, medio_story_line *line, void *opaque);
bool medio_story_on(const struct medio_compat *compat);
/* A caught call that has just been answered with ret, or is about to be; its memory is read through call->ops. */
void medio_story_call(struct medio_call *call, int64_t ret);
/* "512 MiB of private memory at 0x7f… made shared: …" */
void medio_story_say(struct medio_compat *compat, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The same words of a call that the kernel did (--kernel-vfio): what the file is, the call, its answer. */
void medio_story_kernel(
	struct medio_call *call, const char *file, int64_t ret, char *words, size_t size);

#endif
