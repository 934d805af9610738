/* SPDX-License-Identifier: BSD-3-Clause */
/* What a request for metrics says in its headers. Text from anybody, without I/O. */
#ifndef MEDIO_MANAGE_METRICS_ACCEPT_H
#define MEDIO_MANAGE_METRICS_ACCEPT_H

#include <stdbool.h>

/* Whether an Accept header (NULL: there is none) prefers the text format 0.0.4 to OpenMetrics.
 * Source: RFC 9110, 12.5.1 (quality), 12.4.3 (the more specific range counts). */
bool medio_metrics_wants_classic(const char *accept);
/* Whether a Host header (NULL: there is none, as in HTTP/1.0) names this machine's loopback. */
bool medio_metrics_host_ok(const char *host);

#endif
