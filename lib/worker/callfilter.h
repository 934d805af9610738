/* SPDX-License-Identifier: BSD-3-Clause */
/* The filter of system calls: callfilter.c with libseccomp, callfilter-none.c without it or when a
 * sanitizer, which needs calls of its own, is built in. */
#ifndef MEDIO_WORKER_CALLFILTER_H
#define MEDIO_WORKER_CALLFILTER_H

#include <stdbool.h>

struct medio_error;

/* Make the filter now that apply() will want; it does so itself otherwise, once. */
int medio_callfilter_prepare(bool opens, bool landlock);
/* As medio_sandbox_calls(). landlock: it decides about removing files, so seccomp need not. */
int medio_callfilter_apply(bool opens, unsigned needs, bool landlock, struct medio_error **err);
/* Whether that does something. */
bool medio_callfilter_possible(void);
/* Whether a sanitizer watches this process: it traces it, reads /proc, takes all address space. */
bool medio_callfilter_watched(void);

#endif
