/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames in a stream of bytes, as QEMU's -netdev stream has them: four bytes with the length, the most
 * significant first, and then the frame. Many of them go in one system call, either way.
 *
 *     stream_in_space(&in, &iov)          where to receive into
 *     stream_in_add(&in, got)
 *     while (stream_in_next(&in, &frame, &len) > 0 && …)
 *             stream_in_take(&in);
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "net.h"

#define STREAM_BYTES 262144u /* of each buffer */
#define STREAM_HEAD  4u
#define STREAM_ROOM  (STREAM_HEAD + NET_MAX_FRAME) /* that any frame needs */

/* Bytes [start, end) of a buffer of STREAM_BYTES. */
struct stream {
	uint8_t *bytes;
	size_t start, end;
};

int stream_init(struct stream *stream);
void stream_fini(struct stream *stream);
void stream_clear(struct stream *stream);

/* In: where the next bytes go; there is always room unless stream_in_next() finds a frame. */
void stream_in_space(struct stream *in, struct iovec *iov);
void stream_in_add(struct stream *in, size_t bytes);
/* The first frame: 1; 0: it has not come yet; -EPROTO: *len is more than a frame can have. */
int stream_in_next(const struct stream *in, const uint8_t **frame, size_t *len);
void stream_in_take(struct stream *in);

/* Out. False: there is no room. */
bool stream_out_put(struct stream *out, const struct net_frame *frame);
/* So many of the first bytes have gone. */
void stream_out_take(struct stream *out, size_t bytes);

static inline size_t stream_pending(const struct stream *stream)
{
	return stream->end - stream->start;
}

#endif
