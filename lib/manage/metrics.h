/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters for a monitoring system: OpenMetrics text over HTTP, by libmicrohttpd. Off by default. */
#ifndef MEDIO_MANAGE_METRICS_H
#define MEDIO_MANAGE_METRICS_H

#include "manage/manager.h"

struct medio_metrics;

/* Whether where can be understood, without listening there. -EINVAL, with words. */
int medio_metrics_check(const char *where, struct medio_error **err);
/* where: "unix:PATH", or "PORT" or "127.0.0.1:PORT" or "[::1]:PORT": loopback only. -EINVAL with
 * words; -EADDRINUSE; -EOPNOTSUPP this build has no libmicrohttpd. */
int medio_metrics_new(struct medio_manager *m, const char *where, struct medio_metrics **out,
	struct medio_error **err);
void medio_metrics_free(struct medio_metrics *metrics);
/* The text itself, ending with "# EOF\n"; free() it. NULL: out of memory. Source: OpenMetrics 1.0. */
char *medio_metrics_text(struct medio_manager *m, size_t *size);

#endif
