/* SPDX-License-Identifier: BSD-3-Clause */
/* The text of the metrics, in either format a monitoring system may ask for. */
#ifndef MEDIO_MANAGE_METRICS_TEXT_H
#define MEDIO_MANAGE_METRICS_TEXT_H

#include "manage/metrics.h"

/* classic: the text format 0.0.4; else as medio_metrics_text(). free() it. NULL: out of memory. */
char *medio_metrics_print(struct medio_manager *m, bool classic, size_t *size);

#endif
