/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"

int stream_init(struct stream *stream)
{
	*stream = (struct stream){ .bytes = malloc(STREAM_BYTES) };
	return stream->bytes ? 0 : -ENOMEM;
}

void stream_fini(struct stream *stream)
{
	free(stream->bytes);
	*stream = (struct stream){ 0 };
}

void stream_clear(struct stream *stream)
{
	stream->start = stream->end = 0;
}

/* What there is to the front. Cheap: where it is called there is little, or it is called seldom. */
static void compact(struct stream *stream)
{
	if (!stream->start)
		return;
	memmove(stream->bytes, stream->bytes + stream->start, stream_pending(stream));
	stream->end -= stream->start;
	stream->start = 0;
}

void stream_in_space(struct stream *in, struct iovec *iov)
{
	if (in->start == in->end)
		stream_clear(in);
	else if (STREAM_BYTES - in->end < STREAM_BYTES / 2)
		compact(in);
	*iov = (struct iovec){ in->bytes + in->end, STREAM_BYTES - in->end };
}

void stream_in_add(struct stream *in, size_t bytes)
{
	in->end += bytes;
}

int stream_in_next(const struct stream *in, const uint8_t **frame, size_t *len)
{
	size_t have = stream_pending(in);

	if (have < STREAM_HEAD)
		return 0;
	*len = frame_get32(in->bytes + in->start);
	if (*len > NET_MAX_FRAME)
		return -EPROTO;
	*frame = in->bytes + in->start + STREAM_HEAD;
	return have - STREAM_HEAD >= *len;
}

void stream_in_take(struct stream *in)
{
	in->start += STREAM_HEAD + frame_get32(in->bytes + in->start);
}

bool stream_out_put(struct stream *out, const struct net_frame *frame)
{
	size_t need = STREAM_HEAD + frame->bytes;

	if (STREAM_BYTES - stream_pending(out) < need)
		return false;
	if (STREAM_BYTES - out->end < need)
		compact(out);
	frame_put32(out->bytes + out->end, (uint32_t)frame->bytes);
	frame_copy(frame, 0, out->bytes + out->end + STREAM_HEAD, frame->bytes);
	out->end += need;
	return true;
}

void stream_out_take(struct stream *out, size_t bytes)
{
	out->start += bytes;
	if (out->start == out->end)
		stream_clear(out);
}
