/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames through a switch whose ports are set in any way: what comes out is whole, in a VLAN that its receiver is in,
 * without a tag at an access port, and from an address that its sender has.
 *
 * Input: records of a byte that says what is done, and what that takes.
 */
#include <stdlib.h>
#include <string.h>

#include "net/fabric.h"
#include "net/frame.h"
#include "net/vlan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PORTS 6u

/* What a port is set to, and who sends at present. */
struct end {
	struct fabric_port *port;
	struct fabric_settings settings;
};

static struct end ends[PORTS];
static struct fabric *fabric;
static const struct end *sender;
static size_t longest;
static bool mirrored;

static void check(bool holds)
{
	if (!holds)
		abort();
}

static unsigned on_give(void *opaque, const struct net_frame *frames, unsigned n, bool later)
{
	const struct end *end = opaque;

	check(n && n <= NET_BURST && !later);
	for (unsigned i = 0; i < n; i++) {
		uint8_t head[VLAN_HEAD] = { 0 };
		size_t sum = 0;
		for (unsigned k = 0; k < frames[i].niov; k++)
			sum += frames[i].iov[k].iov_len;
		check(sum == frames[i].bytes && sum >= 10 && sum <= longest + VLAN_TAG);
		frame_copy(&frames[i], 0, head, sizeof(head));
		if (mirrored)
			continue;
		struct vlan_tag tag = vlan_read(head, sum < VLAN_HEAD ? sum : VLAN_HEAD);
		unsigned in = sender->settings.vlan;
		/* An access port gets what is in its VLAN; from a trunk only that with a tag. */
		check(!end->settings.vlan || !in || in == end->settings.vlan);
		check(!in || end->settings.vlan || (tag.proper && tag.vlan == in));
		check(!sender->settings.spoofchk || !sender->settings.has_mac ||
			!memcmp(head + 6, sender->settings.mac, 6));
		check(end->settings.trust || head[0] & 1 || !memcmp(head, end->settings.mac, 6));
	}
	return n;
}

static void on_given(void *opaque)
{
	(void)opaque;
}

static const struct fabric_port_ops ops = { .give = on_give, .given = on_given };

static void set(struct end *end, unsigned n, const uint8_t *at)
{
	end->settings = (struct fabric_settings){
		.has_mac = true,
		.mac = { 2, 0, 0, 0, 0, (uint8_t)n },
		.vlan = at[0] & 3,
		.trust = at[1] & 1,
		.spoofchk = at[1] & 2,
		.link = at[1] & 4 ? FABRIC_LINK_OFF : FABRIC_LINK_ON,
		.rate = at[1] & 8 ? 1 : 0,
	};
	fabric_port_set(end->port, &end->settings);
}

static size_t send_one(struct end *end, const uint8_t *data, size_t size)
{
	struct net_frame frame = { 0 };
	struct iovec iov[2];
	size_t len = size > 3 ? size - 3 : 0;

	if (len < FRAME_MIN)
		return size;
	if (len > data[0] + FRAME_MIN)
		len = data[0] + FRAME_MIN;
	/* Of its exact size, so that reading past it is seen. */
	uint8_t *copy = malloc(len);
	check(copy);
	memcpy(copy, data + 3, len);
	size_t cut = data[1] % len;
	iov[0] = (struct iovec){ copy, cut };
	iov[1] = (struct iovec){ copy + cut, len - cut };
	frame.iov = cut ? iov : iov + 1;
	frame.niov = cut ? 2 : 1;
	frame.bytes = longest = len;
	frame.hdr.flags = data[2] & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	medio_put_le(&frame.hdr.csum_start, 2, data[2]);
	sender = end;
	fabric_send(end->port, &frame, 1, 1000);
	fabric_flush(fabric);
	free(copy);
	return 3 + len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = 0;

	fabric = fabric_new(1);
	check(fabric);
	mirrored = false;
	for (unsigned i = 0; i < PORTS; i++) {
		ends[i].port = fabric_port_new(fabric, &ops, &ends[i]);
		check(ends[i].port);
		set(&ends[i], i, (const uint8_t[]){ 0, (uint8_t)(i & 3) });
	}
	while (size - at >= 3) {
		uint8_t what = data[at++];
		struct end *end = &ends[what % PORTS];
		if (what >= 0xf0) {
			mirrored = true;
			fabric_set_mirror(fabric, end->port);
			fabric_port_set_mirrored(ends[data[at++] % PORTS].port, true);
		} else if (what >= 0xd0) {
			set(end, what % PORTS, data + at);
			at += 2;
		} else {
			at += send_one(end, data + at, size - at);
		}
	}
	for (unsigned i = 0; i < PORTS; i++)
		fabric_port_free(ends[i].port);
	fabric_free(fabric);
	return 0;
}
