/* SPDX-License-Identifier: BSD-3-Clause */
/* null: an open connector. What is sent is lost, nothing comes, nobody is there. */
#include "stream.h"

static int null_open(struct medio_stream *stream, const char *arg)
{
	return 0;
}

static size_t null_send(struct medio_stream *stream, const uint8_t *buf, size_t len)
{
	stream->unheard += len;
	return len;
}

const struct medio_stream_kind medio_stream_null = {
	.name = "null",
	.usage = "null",
	.nobody = true,
	.open = null_open,
	.send = null_send,
};
