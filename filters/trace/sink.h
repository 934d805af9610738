/* SPDX-License-Identifier: BSD-3-Clause */
/* A file that is written in large pieces, each of which ends where an event ends. */
#ifndef MEDIO_FILTER_TRACE_SINK_H
#define MEDIO_FILTER_TRACE_SINK_H

#include <stddef.h>
#include <stdint.h>

struct medio_sink {
	int fd; /* -1: closed; nothing is kept */
	uint8_t *buf;
	size_t used;
	int error; /* -errno of the write that failed; nothing is kept since */
};

/* Make an empty file at path (mode 0600), or, with path NULL, write to standard error, which is not
 * closed. 0, or -errno of open(2), or -ENOMEM. */
int medio_sink_open(struct medio_sink *sink, const char *path);
/* Write what is left and close. */
void medio_sink_close(struct medio_sink *sink);
/* Write what is kept. */
void medio_sink_flush(struct medio_sink *sink);
/* Make room for an event of size bytes, so that a flush does not cut it in two if it fits at all. */
void medio_sink_begin(struct medio_sink *sink, size_t size);
void medio_sink_add(struct medio_sink *sink, const void *bytes, size_t size);

#endif
