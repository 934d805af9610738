/* SPDX-License-Identifier: BSD-3-Clause */
/* What the stats filter counted, as a table for people and as JSON for programs. */
#ifndef MEDIO_FILTER_STATS_REPORT_H
#define MEDIO_FILTER_STATS_REPORT_H

#include <sys/types.h>

#include "slots.h"

#define STATS_VECTORS 64 /* counted one by one; the others together */

/* Of one kind of DMA. */
struct moved {
	uint64_t count, bytes, failed;
};

struct counted {
	uint64_t since; /* medio_now_ns() */
	struct slots slots;
	uint64_t irqs[STATS_VECTORS + 1];
	uint64_t doorbells, resets;
	struct moved dma_read, dma_write, dma_get;
};

/* The length, or -ENOBUFS. */
ssize_t report_table(const struct counted *counted, char *buf, size_t size);
ssize_t report_json(const struct counted *counted, char *buf, size_t size);

#endif
