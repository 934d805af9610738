/* SPDX-License-Identifier: BSD-3-Clause */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAPACITY (64u << 10)

int medio_sink_open(struct medio_sink *sink, const char *path)
{
	*sink = (struct medio_sink){ .fd = -1 };
	sink->buf = malloc(CAPACITY);
	if (!sink->buf)
		return -ENOMEM;
	sink->fd = STDERR_FILENO;
	/* Appending lets two filters share a file; not blocking, a pipe without a reader be refused. */
	if (path)
		sink->fd = open(path,
			O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
			0600);
	if (sink->fd < 0) {
		int ret = -errno;
		free(sink->buf);
		sink->buf = NULL;
		return ret;
	}
	if (path)
		fcntl(sink->fd, F_SETFL, O_APPEND);
	return 0;
}

void medio_sink_close(struct medio_sink *sink)
{
	medio_sink_flush(sink);
	if (sink->fd > STDERR_FILENO)
		close(sink->fd);
	sink->fd = -1;
	free(sink->buf);
	sink->buf = NULL;
}

static void put(struct medio_sink *sink, const uint8_t *bytes, size_t size)
{
	while (size && !sink->error) {
		ssize_t n = write(sink->fd, bytes, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			sink->error = n < 0 ? -errno : -EIO;
			return;
		}
		bytes += n;
		size -= (size_t)n;
	}
}

void medio_sink_flush(struct medio_sink *sink)
{
	if (sink->fd >= 0)
		put(sink, sink->buf, sink->used);
	sink->used = 0;
}

void medio_sink_begin(struct medio_sink *sink, size_t size)
{
	if (size > CAPACITY - sink->used)
		medio_sink_flush(sink);
}

void medio_sink_add(struct medio_sink *sink, const void *bytes, size_t size)
{
	if (sink->fd < 0 || sink->error || !size)
		return;
	if (size > CAPACITY - sink->used)
		medio_sink_flush(sink);
	if (size > CAPACITY) {
		put(sink, bytes, size);
		return;
	}
	memcpy(sink->buf + sink->used, bytes, size);
	sink->used += size;
}
