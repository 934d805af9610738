/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker: the process that runs instances for mediod, told what to do in messages (wire.h). */
#ifndef MEDIO_WORKER_WORKER_H
#define MEDIO_WORKER_WORKER_H

#include <medio/serve.h>

struct medio_worker_types {
	/* A type by name or plug-in path. Errors with words. */
	int (*find)(const char *name, const struct medio_type **out, struct medio_error **err);
	const struct medio_filter *const *filters; /* ends with NULL */
};

/*
 * Serve mediods on the listening socket sock (SOCK_SEQPACKET) until told to stop the last instance
 * of an isolated worker, or until mediod has gone and there is no instance. Returns what to exit
 * with. When mediod goes and there are instances, they are served on.
 */
int medio_worker_run(int sock, const struct medio_worker_types *types);

#endif
