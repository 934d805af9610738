/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * echo: a loopback plug. What is sent comes back, all of it and in order; the wire is the cable,
 * and when that is full nothing more is taken until some of it has been received.
 */
#include "stream.h"

static int echo_open(struct medio_stream *stream, const char *arg)
{
	medio_stream_set_peer(stream, true);
	return 0;
}

static size_t echo_send(struct medio_stream *stream, const uint8_t *buf, size_t len)
{
	return medio_wire_put(&stream->rx, buf, len);
}

const struct medio_stream_kind medio_stream_echo = {
	.name = "echo",
	.usage = "echo",
	.echoes = true,
	.open = echo_open,
	.send = echo_send,
};
