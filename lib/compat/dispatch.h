/* SPDX-License-Identifier: BSD-3-Clause */
/* A caught call, by its number, as the operation of the file that it is about. Bytes in, an answer out: no system calls. */
#ifndef MEDIO_COMPAT_DISPATCH_H
#define MEDIO_COMPAT_DISPATCH_H

#include "compat/call.h"

/* The descriptor that it is about. -1: it is about none. */
int medio_dispatch_fd(const struct medio_call *call);
/* call->file's own answer, or MEDIO_CALL_CONTINUE. */
int64_t medio_dispatch(struct medio_call *call);

#endif
