/* SPDX-License-Identifier: BSD-3-Clause */
#include "vlan.h"

#include <string.h>

#include "frame.h"

#define MACS	     12u
#define TYPE_VLAN    0x8100u
#define TYPE_SERVICE 0x88a8u

bool vlan_is_tag(unsigned type)
{
	return type == TYPE_VLAN || type == TYPE_SERVICE;
}

struct vlan_tag vlan_read(const uint8_t *head, size_t len)
{
	struct vlan_tag tag = { 0 };
	unsigned type = len >= FRAME_MIN ? frame_get16(head + MACS) : 0;

	tag.any = vlan_is_tag(type);
	if (type != TYPE_VLAN || len < VLAN_HEAD)
		return tag;
	tag.vlan = frame_get16(head + MACS + 2) & 0xfff;
	tag.proper = tag.vlan <= VLAN_MAX;
	return tag;
}

/* The bytes of frame from `from` on, behind the `have` bytes of the head. */
static bool view_rest(
	struct vlan_view *view, const struct net_frame *frame, size_t from, size_t have)
{
	unsigned n = 1;

	view->iov[0] = (struct iovec){ view->head, have };
	for (unsigned i = 0; i < frame->niov; i++) {
		const struct iovec *iov = &frame->iov[i];
		if (from >= iov->iov_len) {
			from -= iov->iov_len;
			continue;
		}
		if (n == NET_MAX_IOV + 2)
			return false;
		view->iov[n++] = (struct iovec){ (uint8_t *)iov->iov_base + from,
			iov->iov_len - from };
		from = 0;
	}
	view->frame.iov = view->iov;
	view->frame.niov = n;
	return true;
}

/* What the header says of places in the frame, which are `more` bytes further on. */
static bool move_header(struct vlan_view *view, const struct net_frame *frame, int more)
{
	struct virtio_net_hdr_v1 *hdr = &view->frame.hdr;
	int sum = (int)medio_get_le(&frame->hdr.csum_start, 2);
	int headers = (int)medio_get_le(&frame->hdr.hdr_len, 2);

	*hdr = frame->hdr;
	if (headers) {
		headers = headers + more > 0 ? headers + more : 0;
		medio_put_le(&hdr->hdr_len, 2, (unsigned)headers);
	}
	if (!(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return true;
	if (sum < (int)(more > 0 ? FRAME_MIN : VLAN_HEAD) || sum + more > UINT16_MAX)
		return false;
	sum += more;
	medio_put_le(&hdr->csum_start, 2, (unsigned)sum);
	return true;
}

bool vlan_hold(
	struct vlan_view *view, const struct net_frame *frame, const uint8_t *head, size_t len)
{
	view->frame.hdr = frame->hdr;
	view->frame.bytes = frame->bytes;
	memcpy(view->head, head, len);
	return view_rest(view, frame, len, len);
}

bool vlan_strip(struct vlan_view *view, const struct net_frame *frame)
{
	if (frame->bytes < VLAN_HEAD || !move_header(view, frame, -(int)VLAN_TAG))
		return false;
	frame_copy(frame, 0, view->head, MACS);
	view->frame.bytes = frame->bytes - VLAN_TAG;
	return view_rest(view, frame, MACS + VLAN_TAG, MACS);
}

bool vlan_insert(struct vlan_view *view, const struct net_frame *frame, unsigned vlan)
{
	if (frame->bytes > NET_MAX_FRAME - VLAN_TAG || !move_header(view, frame, (int)VLAN_TAG))
		return false;
	frame_copy(frame, 0, view->head, MACS);
	frame_put16(view->head + MACS, TYPE_VLAN);
	frame_put16(view->head + MACS + 2, vlan);
	view->frame.bytes = frame->bytes + VLAN_TAG;
	return view_rest(view, frame, MACS, MACS + VLAN_TAG);
}
