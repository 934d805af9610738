/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes of a peer, in any pieces: the frames are those that the bytes say, whatever the pieces were; and
 * what is put together again is the same bytes. The first byte chooses the pieces.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/forward.h"
#include "net/frame.h"
#include "net/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool cond)
{
	if (!cond)
		abort();
}

/* Frame number n of the bytes, found from the start: 1; 0: it is not whole; -EPROTO. */
static int find(const uint8_t *bytes, size_t size, size_t *at, size_t *len)
{
	if (size - *at < 4)
		return 0;
	*len = frame_get32(bytes + *at);
	if (*len > NET_MAX_FRAME)
		return -EPROTO;
	return size - *at - 4 >= *len;
}

/* Frames out of in, compared with the bytes from *at on, and into out. False: the peer lies. */
static bool take_all(
	struct stream *in, struct stream *out, const uint8_t *bytes, size_t size, size_t *at)
{
	struct net_frame frame;
	struct iovec iov;
	const uint8_t *got;
	size_t len, want;
	int ret;

	while ((ret = stream_in_next(in, &got, &len)) > 0) {
		must(find(bytes, size, at, &want) == 1 && len == want);
		must(memcmp(got, bytes + *at + 4, len) == 0);
		frame_plain(&frame, &iov, got, len);
		if (!stream_out_put(out, &frame)) {
			stream_out_take(out, stream_pending(out));
			must(stream_out_put(out, &frame));
		}
		must(memcmp(out->bytes + out->end - len - 4, bytes + *at, len + 4) == 0);
		if (stream_pending(out) > 100)
			stream_out_take(out, 99);
		stream_in_take(in);
		*at += 4 + len;
	}
	if (ret == -EPROTO)
		must(find(bytes, size, at, &want) == -EPROTO && len > NET_MAX_FRAME);
	return !ret;
}

static void check_stream(const uint8_t *data, size_t size, unsigned step)
{
	struct stream in, out;
	struct iovec space;
	size_t fed = 0, at = 0, len;

	must(!stream_init(&in) && !stream_init(&out));
	while (fed < size) {
		stream_in_space(&in, &space);
		must(space.iov_len > 0);
		size_t now = step < size - fed ? step : size - fed;
		if (now > space.iov_len)
			now = space.iov_len;
		memcpy(space.iov_base, data + fed, now);
		stream_in_add(&in, now);
		fed += now;
		if (!take_all(&in, &out, data, size, &at))
			break;
	}
	must(fed < size || find(data, size, &at, &len) <= 0);
	stream_fini(&in);
	stream_fini(&out);
}

/* The same bytes as what a user writes for hostfwd. */
static void check_forward(const uint8_t *data, size_t size)
{
	const struct in_addr guest = { 0x01020304 };
	char *text = malloc(size + 1);
	const char *at = text, *why;
	struct forward fwd;

	must(text);
	memcpy(text, data, size);
	text[size] = '\0';
	while (at) {
		if (forward_read(&at, guest, &fwd, &why)) {
			must(why && *why);
			continue;
		}
		must(fwd.host_port && fwd.guest_port);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	check_stream(data + 1, size - 1, data[0] + 1u);
	check_stream(data + 1, size - 1, (data[0] + 1u) * 1000);
	check_forward(data + 1, size - 1);
	return 0;
}
