/* SPDX-License-Identifier: BSD-3-Clause */
/* Any virtio_net_hdr before any frame: it is refused in words, or its pieces are plain frames of bounded size
 * that together carry what it carried. */
#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/frame.h"
#include "net/offload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool cond)
{
	if (!cond)
		abort();
}

/* In pieces of just the size they say, for the sanitizer. */
struct pieces {
	struct iovec iov[3];
	struct net_frame frame;
};

static void pieces_init(struct pieces *p, const uint8_t *bytes, size_t len)
{
	const size_t sizes[3] = { len / 3, len / 3, len - 2 * (len / 3) };

	for (unsigned i = 0; i < 3; i++) {
		p->iov[i] = (struct iovec){ malloc(sizes[i] + !sizes[i]), sizes[i] };
		must(p->iov[i].iov_base);
		memcpy(p->iov[i].iov_base, bytes, sizes[i]);
		bytes += sizes[i];
	}
	p->frame = (struct net_frame){ .iov = p->iov, .niov = 3, .bytes = len };
}

static void pieces_fini(struct pieces *p)
{
	for (unsigned i = 0; i < 3; i++)
		free(p->iov[i].iov_base);
}

static void check_sum(const struct offload *o, const uint8_t *bytes, size_t len)
{
	const uint8_t *ip = bytes + o->ip;
	uint64_t sum = (o->tcp ? 6 : 17) + len - o->transport;

	sum = o->ipv6 ? offload_sum(sum, ip + 8, 32) : offload_sum(sum, ip + 12, 8);
	must(offload_fold(offload_sum(sum, bytes + o->transport, len - o->transport)) == 0xffff);
	if (!o->ipv6)
		must(offload_fold(offload_sum(0, ip, o->transport - o->ip)) == 0xffff);
}

static void check_pieces(struct offload *o, const struct net_frame *frame, uint8_t *bytes)
{
	struct net_frame piece;
	struct iovec iov;
	size_t carried = 0;
	unsigned count = 0;

	while (offload_next(o, frame, bytes, &piece, &iov)) {
		must(piece.bytes <= NET_MAX_FRAME && iov.iov_base == bytes);
		must(piece.hdr.flags == 0 && piece.hdr.gso_type == 0);
		if (o->cut) {
			must(piece.bytes >= o->headers);
			must(piece.bytes - o->headers <= o->gso_size);
			check_sum(o, bytes, piece.bytes);
			carried += piece.bytes - o->headers;
		} else {
			must(piece.bytes == frame->bytes);
		}
		must(++count <= NET_MAX_FRAME / OFFLOAD_MIN_GSO + 1);
	}
	must(count > 0);
	must(!o->cut || carried == frame->bytes - o->headers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtio_net_hdr_v1 hdr;
	struct offload o;
	struct pieces p;
	const char *why = NULL;

	if (size < sizeof(hdr) || size > sizeof(hdr) + NET_MAX_FRAME + 1)
		return 0;
	memcpy(&hdr, data, sizeof(hdr));
	pieces_init(&p, data + sizeof(hdr), size - sizeof(hdr));
	p.frame.hdr = hdr;
	if (offload_read(&o, &p.frame, &why)) {
		must(why && *why);
	} else {
		/* What changes after it was read changes no bounds. */
		uint8_t *bytes = malloc(NET_MAX_FRAME);

		must(bytes);
		must(!(o.hdr.flags & ~VIRTIO_NET_HDR_F_NEEDS_CSUM));
		if (size & 1)
			memset(p.iov[0].iov_base, 0xff, p.iov[0].iov_len);
		check_pieces(&o, &p.frame, bytes);
		free(bytes);
	}
	pieces_fini(&p);
	return 0;
}
