/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio-net: frames both ways, chain by chain, with a network of the test's own behind the card: headers and
 * offloads, buffers that are merged, too few and too small, and what is wrong with chains (5.1.6).
 */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "test_vnet_bed.h"

#define OFFLOADS (VNET(CSUM) | VNET(HOST_TSO4) | VNET(HOST_TSO6) | VNET(HOST_ECN) | VNET_HOST_USO)

static uint8_t frame[NET_MAX_FRAME + 1];

static int setup(void **state)
{
	struct vnet_bed *bed = calloc(1, sizeof(*bed));
	static const char *const params[] = { "mac=52:54:00:12:34:56", NULL };

	vnet_bed_open(bed, params, card_bed_way(state));
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	vnet_bed_close(*state);
	free(*state);
	return 0;
}

static void is_frame(const uint8_t *got, size_t len, uint32_t seed)
{
	vnet_bed_frame(frame, len, seed);
	assert_memory_equal(got, frame, len);
}

static struct virtio_net_hdr_v1 header_of(const struct vnet_chain *chain)
{
	struct virtio_net_hdr_v1 hdr;

	memcpy(&hdr, chain->in, sizeof(hdr));
	return hdr;
}

/* ---- From the driver ------------------------------------------------------------------------------- */

static void frames_go_out_in_any_pieces(void **state)
{
	struct vnet_bed *bed = *state;
	unsigned n = 0;

	vnet_bed_start(bed, VNET(MAC), 1);
	for (unsigned pieces = 1; pieces <= 40; pieces += 3) {
		size_t len = 60 + pieces * 30;
		struct vnet_chain *c = vnet_bed_add(bed, TX(0), VNET_HEADER + len, pieces, 0, 0);
		vnet_bed_frame(c->out + VNET_HEADER, len, pieces);
		vnet_bed_kick(bed, TX(0));
		assert_int_equal(vnet_bed_takes(bed, c), 0);
		const struct vnet_sent *sent = vnet_bed_sent(bed, ++n);
		assert_int_equal(sent->bytes, len);
		is_frame(sent->data, len, pieces);
		assert_int_equal(sent->hdr.flags, 0);
	}
	assert_int_equal(vnet_bed_count(bed, "sent"), n);
}

/* A network is given no more pieces than it may be. */
static void frames_in_too_many_pieces_are_put_together(void **state)
{
	struct vnet_bed *bed = *state;
	size_t len = 1400;

	vnet_bed_start(bed, VNET(MAC), 1);
	struct vnet_chain *c = vnet_bed_add(bed, TX(0), VNET_HEADER + len, 200, 0, 0);
	vnet_bed_frame(c->out + VNET_HEADER, len, 7);
	vnet_bed_kick(bed, TX(0));
	vnet_bed_takes(bed, c);
	const struct vnet_sent *sent = vnet_bed_sent(bed, 1);
	is_frame(sent->data, len, 7);
	assert_int_equal(sent->niov, 1);
}

static void one_flush_for_many_frames(void **state)
{
	struct vnet_bed *bed = *state;
	struct vnet_chain *chains[32];

	vnet_bed_start(bed, 0, 1);
	for (unsigned i = 0; i < 32; i++)
		chains[i] = vnet_bed_add(bed, TX(0), VNET_HEADER + 60, 1, 0, 0);
	vnet_bed_kick(bed, TX(0));
	for (unsigned i = 0; i < 32; i++)
		vnet_bed_takes(bed, chains[i]);
	vnet_bed_sent(bed, 32);
	assert_in_range(vnet_fake.flushes, 1, 4);
}

static void bad_frames_are_given_back_and_counted(void **state)
{
	static const size_t lengths[] = { 1, 11, 12, 13, 25, VNET_HEADER + NET_MAX_FRAME + 1,
		100000 };
	struct vnet_bed *bed = *state;

	vnet_bed_start(bed, 0, 1);
	for (unsigned i = 0; i < 7; i++) {
		struct vnet_chain *c = vnet_bed_add(bed, TX(0), lengths[i], 1, 0, 0);
		vnet_bed_kick(bed, TX(0));
		vnet_bed_takes(bed, c);
	}
	/* Nothing to read at all. */
	struct vnet_chain *c = vnet_bed_add(bed, TX(0), 0, 0, 100, 1);
	vnet_bed_kick(bed, TX(0));
	assert_int_equal(vnet_bed_takes(bed, c), 0);
	assert_int_equal(vnet_bed_count(bed, "sent_bad"), 8);
	assert_int_equal(vnet_bed_count(bed, "sent"), 0);
	/* And the card goes on. */
	vnet_bed_frame(frame, NET_MAX_FRAME, 1);
	vnet_bed_send(bed, TX(0), NULL, frame, NET_MAX_FRAME);
	vnet_bed_send(bed, TX(0), NULL, frame, 14);
	assert_int_equal(vnet_bed_sent(bed, 2)->bytes, 14);
}

static struct virtio_net_hdr_v1 header(uint8_t flags, uint8_t gso_type, uint16_t hdr_len,
	uint16_t gso_size, uint16_t csum_start, uint16_t csum_offset)
{
	struct virtio_net_hdr_v1 hdr = { .flags = flags,
		.gso_type = gso_type,
		.hdr_len = htole16(hdr_len),
		.gso_size = htole16(gso_size) };

	hdr.csum_start = htole16(csum_start);
	hdr.csum_offset = htole16(csum_offset);
	return hdr;
}

static void sends(struct vnet_bed *bed, struct virtio_net_hdr_v1 hdr, bool good)
{
	uint64_t bad = vnet_bed_count(bed, "sent_bad");
	unsigned sent = vnet_fake.num_sent;

	vnet_bed_frame(frame, 3000, 1);
	vnet_bed_send(bed, TX(0), &hdr, frame, 3000);
	vnet_bed_sent(bed, sent + good);
	assert_int_equal(vnet_bed_count(bed, "sent_bad"), bad + !good);
}

#define CSUM VIRTIO_NET_HDR_F_NEEDS_CSUM

static void offloads_go_out_as_they_came(void **state)
{
	static const uint8_t types[] = { VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_TCPV6, 5,
		VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN,
		VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN };
	struct vnet_bed *bed = *state;

	vnet_bed_start(bed, OFFLOADS, 1);
	sends(bed, header(CSUM, 0, 54, 0, 34, 16), true);
	struct virtio_net_hdr_v1 hdr = vnet_bed_sent(bed, 1)->hdr;
	assert_int_equal(hdr.flags, CSUM);
	assert_int_equal(le16toh(hdr.csum_start), 34);
	assert_int_equal(le16toh(hdr.csum_offset), 16);
	for (unsigned i = 0; i < 5; i++) {
		sends(bed, header(CSUM, types[i], 54, 1448, 34, 16), true);
		hdr = vnet_bed_sent(bed, 2 + i)->hdr;
		assert_int_equal(hdr.gso_type, types[i]);
		assert_int_equal(le16toh(hdr.gso_size), 1448);
		assert_int_equal(le16toh(hdr.hdr_len), 54);
	}
	/* The end of the checksum is the end of the frame. */
	sends(bed, header(CSUM, 0, 0, 0, 2990, 8), true);
}

/* 5.1.6.2.2: unknown flags are nothing, nor is what they would go with; num_buffers and hdr_len neither. */
static void what_means_nothing_is_cleared(void **state)
{
	struct vnet_bed *bed = *state;
	struct virtio_net_hdr_v1 hdr = header(0xfe, 0, 65535, 7, 65535, 65535);

	vnet_bed_start(bed, OFFLOADS, 1);
	hdr.num_buffers = htole16(9);
	sends(bed, hdr, true);
	hdr = vnet_bed_sent(bed, 1)->hdr;
	assert_int_equal(hdr.flags, 0);
	assert_int_equal(hdr.gso_size, 0);
	assert_int_equal(hdr.csum_start, 0);
	assert_int_equal(hdr.csum_offset, 0);
	assert_int_equal(hdr.num_buffers, 0);
	/* A hint for one that is cut, or summed; bounded all the same. */
	assert_int_equal(le16toh(hdr.hdr_len), 0);
	sends(bed, header(CSUM, 0, 65535, 0, 34, 16), true);
	assert_int_equal(le16toh(vnet_bed_sent(bed, 2)->hdr.hdr_len), 3000);
}

static void headers_that_cannot_be(void **state)
{
	struct vnet_bed *bed = *state;

	vnet_bed_start(bed, OFFLOADS, 1);
	sends(bed, header(CSUM, 0, 0, 0, 2991, 8), false);
	sends(bed, header(CSUM, 0, 0, 0, 65535, 65535), false);
	sends(bed, header(CSUM, VIRTIO_NET_HDR_GSO_TCPV4, 54, 0, 34, 16), false);
	sends(bed, header(0, VIRTIO_NET_HDR_GSO_TCPV4, 54, 1448, 34, 16), false);
	sends(bed, header(CSUM, VIRTIO_NET_HDR_GSO_UDP, 54, 1448, 34, 16), false);
	sends(bed, header(CSUM, 2, 54, 1448, 34, 16), false);
	sends(bed, header(CSUM, VIRTIO_NET_HDR_GSO_ECN, 54, 1448, 34, 16), false);
	sends(bed, header(CSUM, 5 | VIRTIO_NET_HDR_GSO_ECN, 54, 1448, 34, 16), false);
	sends(bed, header(CSUM, 0x21, 54, 1448, 34, 16), false);
}

static void what_was_not_negotiated_is_dropped(void **state)
{
	struct vnet_bed *bed = *state;

	vnet_bed_start(bed, 0, 1);
	sends(bed, header(CSUM, 0, 54, 0, 34, 16), false);
	sends(bed, header(CSUM, VIRTIO_NET_HDR_GSO_TCPV4, 54, 1448, 34, 16), false);
	vnet_bed_reset(bed);
	vnet_bed_start(bed, VNET(CSUM) | VNET(HOST_TSO4), 1);
	sends(bed, header(CSUM, VIRTIO_NET_HDR_GSO_TCPV4, 54, 1448, 34, 16), true);
	sends(bed, header(CSUM, VIRTIO_NET_HDR_GSO_TCPV6, 54, 1448, 34, 16), false);
	sends(bed, header(CSUM, 5, 54, 1448, 34, 16), false);
	sends(bed,
		header(CSUM, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN, 54, 1448, 34, 16),
		false);
}

/* Frames stay with the driver while the network has no room, and none is lost or sent twice. */
static void the_network_has_no_room(void **state)
{
	struct vnet_bed *bed = *state;
	struct vnet_chain *chains[10];

	vnet_bed_start(bed, 0, 1);
	vnet_bed_room(bed, 3);
	for (unsigned i = 0; i < 10; i++) {
		chains[i] = vnet_bed_add(bed, TX(0), VNET_HEADER + 60, 1, 0, 0);
		vnet_bed_frame(chains[i]->out + VNET_HEADER, 60, i);
	}
	vnet_bed_kick(bed, TX(0));
	for (unsigned i = 0; i < 3; i++)
		vnet_bed_takes(bed, chains[i]);
	vnet_bed_counts(bed, "send_waits", 1);
	assert_false(vnet_bed_is_used(bed, TX(0)));
	vnet_bed_room(bed, 4);
	for (unsigned i = 3; i < 7; i++)
		vnet_bed_takes(bed, chains[i]);
	vnet_bed_counts(bed, "send_waits", 2);
	vnet_bed_room(bed, 100);
	for (unsigned i = 7; i < 10; i++)
		vnet_bed_takes(bed, chains[i]);
	vnet_bed_sent(bed, 10);
	for (unsigned i = 0; i < 10; i++)
		is_frame(vnet_fake.sent[i].data, 60, i);
	assert_int_equal(vnet_bed_count(bed, "send_waits"), 2);
}

static void a_link_that_is_down_takes_frames_and_drops_them(void **state)
{
	struct vnet_bed *bed = *state;

	vnet_bed_start(bed, VNET(STATUS), 1);
	vnet_bed_room(bed, 0);
	struct vnet_chain *c = vnet_bed_add(bed, TX(0), VNET_HEADER + 60, 1, 0, 0);
	vnet_bed_kick(bed, TX(0));
	vnet_bed_counts(bed, "send_waits", 1);
	vnet_bed_carrier(bed, false);
	vnet_bed_takes(bed, c);
	assert_int_equal(vnet_bed_count(bed, "sent_link_down"), 1);
	assert_int_equal(vnet_fake.num_sent, 0);
}

/* ---- To the driver ----------------------------------------------------------------------------------- */

static void frames_come_in_one_buffer(void **state)
{
	struct vnet_bed *bed = *state;

	vnet_bed_start(bed, 0, 1);
	for (unsigned i = 0; i < 20; i++) {
		size_t len = 14 + i * 70;
		struct vnet_chain *c = vnet_bed_add(bed, RX(0), 0, 0, VNET_HEADER + 1514, 1 + i);
		vnet_bed_kick(bed, RX(0));
		vnet_fake.cut = i % 3 ? i * 7 : 0;
		vnet_bed_frame(frame, len, i);
		vnet_bed_deliver(bed, frame, len, NULL);
		assert_int_equal(vnet_bed_takes(bed, c), VNET_HEADER + len);
		is_frame(c->in + VNET_HEADER, len, i);
		struct virtio_net_hdr_v1 hdr = header_of(c);
		assert_int_equal(hdr.flags, 0);
		assert_int_equal(hdr.gso_type, 0);
		assert_int_equal(le16toh(hdr.num_buffers), 1);
		/* Nothing behind it was touched. */
		for (size_t at = VNET_HEADER + len; at < c->in_bytes; at++)
			assert_int_equal(c->in[at], 0);
	}
	assert_int_equal(vnet_bed_count(bed, "received"), 20);
}

/* The buffer stays for a frame that fits. */
static void without_merging_a_frame_that_does_not_fit_is_dropped(void **state)
{
	struct vnet_bed *bed = *state;

	vnet_bed_start(bed, 0, 1);
	struct vnet_chain *c = vnet_bed_add(bed, RX(0), 0, 0, VNET_HEADER + 100, 1);
	vnet_bed_add(bed, RX(0), 0, 0, VNET_HEADER + 2000, 1);
	vnet_bed_kick(bed, RX(0));
	vnet_bed_frame(frame, 101, 1);
	vnet_bed_deliver(bed, frame, 101, NULL);
	vnet_bed_counts(bed, "received_too_long", 1);
	assert_false(vnet_bed_is_used(bed, RX(0)));
	vnet_bed_frame(frame, 100, 2);
	vnet_bed_deliver(bed, frame, 100, NULL);
	assert_int_equal(vnet_bed_takes(bed, c), VNET_HEADER + 100);
	is_frame(c->in + VNET_HEADER, 100, 2);
}

/* 5.1.6.4.1: all but the last are full, and all are seen together. */
static void large_frames_are_spread_over_buffers(void **state)
{
	static const size_t lengths[] = { 88, 89, 188, 189, 6388, 5000, 14 };
	struct vnet_bed *bed = *state;

	vnet_bed_start(bed, VNET(MRG_RXBUF), 1);
	for (unsigned i = 0; i < 7; i++) {
		size_t left = lengths[i], at = 0;
		unsigned want = (unsigned)((VNET_HEADER + left + 99) / 100);
		struct vnet_chain *chains[64];
		static uint8_t got[7000];
		for (unsigned n = 0; n < want; n++)
			chains[n] = vnet_bed_add(bed, RX(0), 0, 0, 100, 1 + n % 3);
		vnet_bed_kick(bed, RX(0));
		vnet_bed_frame(frame, left, i);
		vnet_bed_deliver(bed, frame, left, NULL);
		for (unsigned n = 0; n < want; n++) {
			uint32_t written = vnet_bed_takes(bed, chains[n]);
			unsigned head = n ? 0 : VNET_HEADER;
			assert_int_equal(written, n == want - 1 ? left + head : 100);
			memcpy(got + at, chains[n]->in + head, written - head);
			at += written - head;
			left -= written - head;
		}
		assert_int_equal(at, lengths[i]);
		is_frame(got, at, i);
		assert_int_equal(le16toh(header_of(chains[0]).num_buffers), want);
	}
}

/* Not half of a frame comes, and it comes when there is room. */
static void frames_wait_for_room(void **state)
{
	static const uint64_t features[] = { 0, VNET(MRG_RXBUF) };
	struct vnet_bed *bed = *state;

	for (unsigned i = 0; i < 2; i++) {
		vnet_bed_start(bed, features[i], 1);
		vnet_bed_frame(frame, 1000, 1);
		vnet_bed_deliver(bed, frame, 1000, NULL);
		vnet_bed_counts(bed, "receive_waits", 1 + 2 * i);
		struct vnet_chain *a = vnet_bed_add(bed, RX(0), 0, 0, VNET_HEADER + 1000, 1);
		vnet_bed_kick(bed, RX(0));
		assert_int_equal(vnet_bed_takes(bed, a), VNET_HEADER + 1000);
		is_frame(a->in + VNET_HEADER, 1000, 1);
		/* And once more: notifications were off in between. */
		vnet_bed_frame(frame, 500, 2);
		vnet_bed_deliver(bed, frame, 500, NULL);
		vnet_bed_counts(bed, "receive_waits", 2 + 2 * i);
		a = vnet_bed_add(bed, RX(0), 0, 0, VNET_HEADER + 1000, 1);
		vnet_bed_kick(bed, RX(0));
		assert_int_equal(vnet_bed_takes(bed, a), VNET_HEADER + 500);
		is_frame(a->in + VNET_HEADER, 500, 2);
		vnet_bed_reset(bed);
	}
}

static void half_the_room_is_no_room(void **state)
{
	struct vnet_bed *bed = *state;
	struct vnet_chain *chains[5];

	vnet_bed_start(bed, VNET(MRG_RXBUF), 1);
	chains[0] = vnet_bed_add(bed, RX(0), 0, 0, 100, 1);
	chains[1] = vnet_bed_add(bed, RX(0), 0, 0, 100, 1);
	vnet_bed_kick(bed, RX(0));
	vnet_bed_frame(frame, 400, 1);
	vnet_bed_deliver(bed, frame, 400, NULL);
	vnet_bed_counts(bed, "receive_waits", 1);
	assert_false(vnet_bed_is_used(bed, RX(0)));
	/* One by one: each is told of. */
	for (unsigned i = 2; i < 5; i++) {
		assert_false(vnet_bed_is_used(bed, RX(0)));
		chains[i] = vnet_bed_add(bed, RX(0), 0, 0, 100, 1);
		vnet_bed_kick(bed, RX(0));
		if (i < 4)
			vnet_bed_counts(bed, "receive_waits", i);
	}
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(vnet_bed_takes(bed, chains[i]), i < 4 ? 100 : 12);
	assert_int_equal(le16toh(header_of(chains[0]).num_buffers), 5);
}

/* Or the card would wait for ever, and all that comes behind it. */
static void a_frame_larger_than_a_full_ring_is_dropped(void **state)
{
	struct vnet_bed *bed = *state;
	struct vnet_chain *first = NULL;

	bed->opts.queue_size = 16;
	vnet_bed_reset(bed);
	vnet_bed_start(bed, VNET(MRG_RXBUF), 1);
	for (unsigned i = 0; i < 16; i++) {
		struct vnet_chain *c = vnet_bed_add(bed, RX(0), 0, 0, 1500, 1);
		first = first ? first : c;
	}
	vnet_bed_kick(bed, RX(0));
	vnet_bed_frame(frame, 30000, 1);
	vnet_bed_deliver(bed, frame, 30000, NULL);
	vnet_bed_counts(bed, "received_too_long", 1);
	vnet_bed_frame(frame, 1000, 2);
	vnet_bed_deliver(bed, frame, 1000, NULL);
	assert_int_equal(vnet_bed_takes(bed, first), VNET_HEADER + 1000);
}

static void the_largest_frame_comes(void **state)
{
	struct vnet_bed *bed = *state;
	struct vnet_chain *c;
	size_t got = 0;

	vnet_bed_start(bed, VNET(MRG_RXBUF), 1);
	for (unsigned i = 0; i < 50; i++)
		vnet_bed_add(bed, RX(0), 0, 0, 1500, 1);
	vnet_bed_kick(bed, RX(0));
	vnet_fake.cut = 1031;
	vnet_bed_frame(frame, NET_MAX_FRAME, 3);
	vnet_bed_deliver(bed, frame, NET_MAX_FRAME, NULL);
	while (got < VNET_HEADER + NET_MAX_FRAME) {
		uint32_t len = vnet_bed_take(bed, RX(0), &c);
		size_t head = got ? 0 : VNET_HEADER;
		assert_memory_equal(
			c->in + head, frame + (got ? got - VNET_HEADER : 0), len - head);
		got += len;
	}
	assert_int_equal(got, VNET_HEADER + NET_MAX_FRAME);
}

static void many_that_come_at_once_are_shown_at_once(void **state)
{
	struct vnet_bed *bed = *state;
	struct virtio_info info;

	vnet_bed_start(bed, 0, 1);
	for (unsigned i = 0; i < 100; i++)
		vnet_bed_add(bed, RX(0), 0, 0, 200, 1);
	vnet_bed_kick(bed, RX(0));
	vnet_bed_frame(frame, 60, 1);
	vnet_bed_deliver_many(bed, frame, 60, 100);
	for (unsigned i = 0; i < 100; i++) {
		struct vnet_chain *c;
		assert_int_equal(vnet_bed_take(bed, RX(0), &c), VNET_HEADER + 60);
	}
	assert_int_equal(vnet_fake.batches, 1);
	virtio_get_info(bed->v, &info);
	assert_in_range(info.interrupts, 0, 1);
}

/* A driver is not made to notify of buffers while there are enough. */
static void buffers_need_no_notification(void **state)
{
	struct vnet_bed *bed = *state;
	struct virtio_info before, after;

	vnet_bed_start(bed, VNET(MRG_RXBUF), 1);
	/* The first may come before the card has said so. */
	vnet_bed_add(bed, RX(0), 0, 0, 2000, 1);
	vnet_bed_kick(bed, RX(0));
	vnet_bed_frame(frame, 60, 1);
	vnet_bed_deliver(bed, frame, 60, NULL);
	struct vnet_chain *c;
	vnet_bed_take(bed, RX(0), &c);
	virtio_get_info(bed->v, &before);
	for (unsigned i = 0; i < 50; i++) {
		vnet_bed_add(bed, RX(0), 0, 0, 2000, 1);
		vnet_bed_kick(bed, RX(0));
	}
	virtio_get_info(bed->v, &after);
	assert_int_equal(after.kicks, before.kicks);
}

static void offloads_come_in_as_negotiated(void **state)
{
	struct vnet_bed *bed = *state;
	struct virtio_net_hdr_v1 hdr = header(CSUM | VIRTIO_NET_HDR_F_DATA_VALID | 0xf8,
		VIRTIO_NET_HDR_GSO_TCPV4, 54, 1448, 34, 16);

	vnet_bed_start(bed, VNET(GUEST_CSUM) | VNET(GUEST_TSO4) | VNET(MRG_RXBUF), 1);
	assert_int_equal(vnet_fake.can, NET_CAN_CSUM | NET_CAN_TSO4);
	struct vnet_chain *c = vnet_bed_add(bed, RX(0), 0, 0, 5000, 1);
	vnet_bed_kick(bed, RX(0));
	vnet_bed_frame(frame, 4000, 1);
	vnet_bed_deliver(bed, frame, 4000, &hdr);
	vnet_bed_takes(bed, c);
	struct virtio_net_hdr_v1 got = header_of(c);
	assert_int_equal(got.flags, CSUM | VIRTIO_NET_HDR_F_DATA_VALID);
	assert_int_equal(got.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(le16toh(got.gso_size), 1448);
	assert_int_equal(le16toh(got.csum_start), 34);
	assert_int_equal(le16toh(got.num_buffers), 1);
	/* Without GUEST_CSUM there are no flags at all (5.1.6.4.1). */
	vnet_bed_reset(bed);
	assert_int_equal(vnet_fake.can, 0);
	vnet_bed_start(bed, 0, 1);
	c = vnet_bed_add(bed, RX(0), 0, 0, 5000, 1);
	vnet_bed_kick(bed, RX(0));
	hdr = header(VIRTIO_NET_HDR_F_DATA_VALID, 0, 0, 0, 0, 0);
	vnet_bed_deliver(bed, frame, 1000, &hdr);
	vnet_bed_takes(bed, c);
	assert_int_equal(header_of(c).flags, 0);
}

static void what_the_driver_takes_is_told_to_the_network(void **state)
{
	static const struct {
		uint64_t features;
		unsigned can;
	} cases[] = {
		{ 0, 0 },
		{ VNET(GUEST_CSUM), NET_CAN_CSUM },
		{ VNET(GUEST_CSUM) | VNET(GUEST_TSO6) | VNET(GUEST_ECN),
			NET_CAN_CSUM | NET_CAN_TSO6 | NET_CAN_ECN },
		{ VNET(GUEST_CSUM) | VNET_USO4, NET_CAN_CSUM },
		{ VNET(GUEST_CSUM) | VNET_USO4 | VNET_USO6, NET_CAN_CSUM | NET_CAN_USO },
	};
	struct vnet_bed *bed = *state;

	for (unsigned i = 0; i < 5; i++) {
		vnet_bed_start(bed, cases[i].features, 1);
		vnet_bed_show(bed, "net/link");
		assert_int_equal(vnet_fake.can, cases[i].can);
		vnet_bed_reset(bed);
	}
}

/* 2.2.1, 5.1.3.1 */
static void features_need_each_other(void **state)
{
	static const uint64_t refused[] = { VNET(GUEST_TSO4), VNET(GUEST_TSO6), VNET_USO4,
		VNET_USO6, VNET(GUEST_CSUM) | VNET(GUEST_ECN), VNET(HOST_TSO4), VNET(HOST_TSO6),
		VNET(CSUM) | VNET(HOST_ECN), VNET_HOST_USO };
	struct vnet_bed *bed = *state;

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		assert_int_equal(virtio_accept(bed->v, refused[i], refused[i]), -ENOTSUP);
		assert_non_null(strstr(virtio_words(bed->v), "refuse"));
		vnet_bed_reset(bed);
	}
}

static void mtu_is_kept(void **state)
{
	struct vnet_bed *bed = *state;
	static const char *const params[] = { "mtu=1000", NULL };
	enum card_bed_way way = bed->bed.way;
	uint16_t mtu;

	vnet_bed_close(bed);
	memset(bed, 0, sizeof(*bed));
	vnet_bed_open(bed, params, way);
	vnet_bed_start(bed, VNET(MTU), 1);
	assert_int_equal(virtio_config(bed->v, 10, &mtu, 2), 0);
	assert_int_equal(le16toh(mtu), 1000);
	struct vnet_chain *a = vnet_bed_add(bed, RX(0), 0, 0, 2000, 1),
			  *b = vnet_bed_add(bed, RX(0), 0, 0, 2000, 1);
	vnet_bed_kick(bed, RX(0));
	vnet_bed_frame(frame, 1100, 1);
	vnet_bed_deliver(bed, frame, 1015, NULL);
	vnet_bed_counts(bed, "received_too_long", 1);
	vnet_bed_deliver(bed, frame, 1014, NULL);
	assert_int_equal(vnet_bed_takes(bed, a), VNET_HEADER + 1014);
	/* A VLAN's tag is no part of it. */
	frame[12] = 0x81;
	frame[13] = 0x00;
	vnet_bed_deliver(bed, frame, 1018, NULL);
	assert_int_equal(vnet_bed_takes(bed, b), VNET_HEADER + 1018);
	vnet_bed_deliver(bed, frame, 1019, NULL);
	vnet_bed_counts(bed, "received_too_long", 2);
}

/* ---- When nobody can have it ------------------------------------------------------------------------- */

static void before_there_is_a_driver_frames_are_dropped(void **state)
{
	struct vnet_bed *bed = *state;

	vnet_bed_frame(frame, 60, 1);
	vnet_bed_deliver(bed, frame, 60, NULL);
	vnet_bed_counts(bed, "received_link_down", 1);
	vnet_bed_start(bed, 0, 1);
	struct vnet_chain *c = vnet_bed_add(bed, RX(0), 0, 0, 200, 1);
	vnet_bed_kick(bed, RX(0));
	vnet_bed_frame(frame, 60, 2);
	vnet_bed_deliver(bed, frame, 60, NULL);
	vnet_bed_takes(bed, c);
	is_frame(c->in + VNET_HEADER, 60, 2);
}

static void a_reset_drops_what_waits(void **state)
{
	struct vnet_bed *bed = *state;

	vnet_bed_start(bed, 0, 1);
	vnet_bed_frame(frame, 60, 1);
	vnet_bed_deliver_many(bed, frame, 60, 5);
	vnet_bed_counts(bed, "receive_waits", 1);
	vnet_bed_reset(bed);
	vnet_bed_counts(bed, "received_link_down", 5);
}

static void a_buffer_without_room_for_a_header_breaks_the_card(void **state)
{
	static const uint64_t features[] = { 0, VNET(MRG_RXBUF) };
	struct vnet_bed *bed = *state;

	for (unsigned i = 0; i < 2; i++) {
		vnet_bed_start(bed, features[i], 1);
		vnet_bed_add(bed, RX(0), 0, 0, 11, 1);
		vnet_bed_kick(bed, RX(0));
		vnet_bed_frame(frame, 60, 1);
		vnet_bed_deliver(bed, frame, 60, NULL);
		assert_int_equal(vnet_bed_status(bed) & VIRTIO_NEEDS_RESET, VIRTIO_NEEDS_RESET);
		/* And after a reset it works. */
		vnet_bed_reset(bed);
		vnet_bed_start(bed, features[i], 1);
		struct vnet_chain *c = vnet_bed_add(bed, RX(0), 0, 0, 200, 1);
		vnet_bed_kick(bed, RX(0));
		vnet_bed_deliver(bed, frame, 60, NULL);
		vnet_bed_takes(bed, c);
		vnet_bed_reset(bed);
	}
}

int main(void)
{
#define TEST(fn_) CARD_BED_TEST(fn_, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(frames_go_out_in_any_pieces),
		TEST(frames_in_too_many_pieces_are_put_together),
		TEST(one_flush_for_many_frames),
		TEST(bad_frames_are_given_back_and_counted),
		TEST(offloads_go_out_as_they_came),
		TEST(what_means_nothing_is_cleared),
		TEST(headers_that_cannot_be),
		TEST(what_was_not_negotiated_is_dropped),
		TEST(the_network_has_no_room),
		TEST(a_link_that_is_down_takes_frames_and_drops_them),
		TEST(frames_come_in_one_buffer),
		TEST(without_merging_a_frame_that_does_not_fit_is_dropped),
		TEST(large_frames_are_spread_over_buffers),
		TEST(frames_wait_for_room),
		TEST(half_the_room_is_no_room),
		TEST(a_frame_larger_than_a_full_ring_is_dropped),
		TEST(the_largest_frame_comes),
		TEST(many_that_come_at_once_are_shown_at_once),
		TEST(buffers_need_no_notification),
		TEST(offloads_come_in_as_negotiated),
		TEST(what_the_driver_takes_is_told_to_the_network),
		TEST(features_need_each_other),
		TEST(mtu_is_kept),
		TEST(before_there_is_a_driver_frames_are_dropped),
		TEST(a_reset_drops_what_waits),
		TEST(a_buffer_without_room_for_a_header_breaks_the_card),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
