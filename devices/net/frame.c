/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame.h"

size_t frame_copy(const struct net_frame *frame, size_t from, void *buf, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < frame->niov && done < len; i++) {
		size_t have = frame->iov[i].iov_len;

		if (from >= have) {
			from -= have;
			continue;
		}
		have -= from;
		if (have > len - done)
			have = len - done;
		memcpy((uint8_t *)buf + done, (const uint8_t *)frame->iov[i].iov_base + from, have);
		done += have;
		from = 0;
	}
	return done;
}

void frame_plain(struct net_frame *frame, struct iovec *iov, const void *bytes, size_t len)
{
	*iov = (struct iovec){ .iov_base = (void *)bytes, .iov_len = len };
	*frame = (struct net_frame){ .iov = iov, .niov = 1, .bytes = len };
}
