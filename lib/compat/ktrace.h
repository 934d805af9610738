/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The same story of the kernel's own VFIO: a program is watched, not served. It runs with a filter that stops it at the calls
 * which may concern VFIO, and as a tracee of this process, which looks at each call's descriptor and, when the kernel has
 * done it, puts it into words. Nothing is changed. A program that runs so cannot be debugged at the same time.
 */
#ifndef MEDIO_COMPAT_KTRACE_H
#define MEDIO_COMPAT_KTRACE_H

#include "compat/story.h"

struct medio_error;

/*
 * Run argv to its end, and tell line() of it; *status as wait() gives it. SIGTERM and SIGHUP are handed on to the
 * program. Errors, with words: -ENOENT, -EACCES: no such program; -EPERM, -EINVAL, -ENOSYS: the kernel, or a policy, does
 * not let it be filtered or traced.
 */
int medio_ktrace(char *const *argv, medio_story_line *line, void *opaque, int *status,
	struct medio_error **err);

#endif
