/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio-net: many frames at once, both ways: those that go together in a burst, those that do not stand between
 * them, and all in order.
 */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test_vnet_bed.h"

#define CSUM  VIRTIO_NET_HDR_F_NEEDS_CSUM
#define COUNT 45u /* more than a burst, and no multiple of it */

static uint8_t frame[NET_MAX_FRAME], frames[COUNT * 2000];
static size_t lens[COUNT];

static int open_with(void **state, const char *param)
{
	struct vnet_bed *bed = calloc(1, sizeof(*bed));
	const char *const params[] = { "mac=52:54:00:12:34:56", param, NULL };

	vnet_bed_open(bed, params, card_bed_way(state));
	*state = bed;
	return 0;
}

static int setup(void **state)
{
	return open_with(state, NULL);
}

static int setup_mtu(void **state)
{
	return open_with(state, "mtu=100");
}

static int setup_pairs(void **state)
{
	return open_with(state, "queue-pairs=2");
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

/* ---- From the driver ------------------------------------------------------------------------------- */

enum how { WHOLE, HEADER_APART, HEADER_CUT, PIECES, SUMMED, BAD, HOWS };

static size_t len_of(unsigned i, enum how how)
{
	return how == BAD ? 13 : how == HEADER_APART ? 60 : 60 + i;
}

/* A frame in a chain, in some way; with its header apart it is in pieces of 12 bytes. */
static struct vnet_chain *add(struct vnet_bed *bed, unsigned i, enum how how)
{
	static const unsigned pieces[HOWS] = { 1, 6, 9, 5, 1, 1 };
	const size_t len = len_of(i, how);
	struct vnet_chain *c = vnet_bed_add(bed, TX(0), VNET_HEADER + len, pieces[how], 0, 0);

	vnet_bed_frame(frame, len < 14 ? 14 : len, i);
	memcpy(c->out + VNET_HEADER, frame, len);
	if (how == SUMMED) {
		const struct virtio_net_hdr_v1 hdr = {
			.flags = CSUM, .csum_start = htole16(34), .csum_offset = htole16(16)
		};
		memcpy(c->out, &hdr, VNET_HEADER);
	}
	return c;
}

static void frames_of_all_kinds_go_out_in_order(void **state)
{
	struct vnet_bed *bed = *state;
	struct vnet_chain *chains[COUNT];
	enum how how[COUNT];
	unsigned good = 0, n = 0;

	vnet_bed_start(bed, VNET(CSUM), 1);
	for (unsigned i = 0; i < COUNT; i++) {
		how[i] = i < 12 ? WHOLE : (enum how)(i % HOWS);
		good += how[i] != BAD;
		chains[i] = add(bed, i, how[i]);
	}
	vnet_bed_kick(bed, TX(0));
	for (unsigned i = 0; i < COUNT; i++)
		assert_int_equal(vnet_bed_takes(bed, chains[i]), 0);
	vnet_bed_sent(bed, good);
	assert_int_equal(vnet_bed_count(bed, "sent"), good);
	assert_int_equal(vnet_bed_count(bed, "sent_bad"), COUNT - good);
	for (unsigned i = 0; i < COUNT; i++) {
		const struct vnet_sent *sent = &vnet_fake.sent[n];
		if (how[i] == BAD)
			continue;
		assert_int_equal(sent->bytes, len_of(i, how[i]));
		is_frame(sent->data, sent->bytes, i);
		assert_int_equal(sent->hdr.flags, how[i] == SUMMED ? CSUM : 0);
		n++;
	}
	assert_true(vnet_fake.bursts > 0);
}

static void headers_apart_go_in_bursts(void **state)
{
	struct vnet_bed *bed = *state;
	struct vnet_chain *chains[20];

	vnet_bed_start(bed, 0, 1);
	for (unsigned i = 0; i < 20; i++)
		chains[i] = add(bed, i, HEADER_APART);
	vnet_bed_kick(bed, TX(0));
	for (unsigned i = 0; i < 20; i++)
		vnet_bed_takes(bed, chains[i]);
	vnet_bed_sent(bed, 20);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(vnet_fake.sent[i].niov, 5);
		is_frame(vnet_fake.sent[i].data, 60, i);
	}
	assert_in_range(vnet_fake.bursts, 1, 19);
}

/* None is lost, none is sent twice, wherever in a burst the network ends. */
static void the_network_is_full_in_the_middle_of_a_burst(void **state)
{
	struct vnet_bed *bed = *state;
	struct vnet_chain *chains[COUNT];
	unsigned sent = 0;

	vnet_bed_start(bed, VNET(CSUM), 1);
	vnet_bed_room(bed, 7);
	for (unsigned i = 0; i < COUNT; i++)
		chains[i] = add(bed, i, i % 11 == 10 ? SUMMED : WHOLE);
	vnet_bed_kick(bed, TX(0));
	for (unsigned room = 7; sent < COUNT; room = room % 13 + 2) {
		if (sent)
			vnet_bed_room(bed, room);
		for (unsigned i = 0; i < room && sent < COUNT; i++)
			vnet_bed_takes(bed, chains[sent++]);
		assert_false(vnet_bed_is_used(bed, TX(0)));
	}
	assert_int_equal(vnet_fake.num_sent, COUNT);
	for (unsigned i = 0; i < COUNT; i++)
		is_frame(vnet_fake.sent[i].data, 60 + i, i);
}

/* ---- To the driver ----------------------------------------------------------------------------------- */

/* Frames of these lengths at once. */
static void deliver(struct vnet_bed *bed, unsigned count)
{
	size_t at = 0;

	for (unsigned i = 0; i < count; at += lens[i++])
		vnet_bed_frame(frames + at, lens[i], i);
	vnet_bed_deliver_burst(bed, frames, lens, count);
}

/* Frame i comes, in as many buffers as its header says. */
static void comes(struct vnet_bed *bed, unsigned queue, unsigned i, unsigned *buffers)
{
	static uint8_t got[NET_MAX_FRAME];
	struct vnet_chain *c;
	size_t len = vnet_bed_take(bed, queue, &c);
	unsigned count = (unsigned)medio_get_le(c->in + 10, 2);

	*buffers = count;
	assert_true(count > 0);
	assert_int_equal(c->in[0], 0);
	memcpy(got, c->in + VNET_HEADER, len - VNET_HEADER);
	len -= VNET_HEADER;
	while (--count) {
		size_t more = vnet_bed_take(bed, queue, &c);
		memcpy(got + len, c->in, more);
		len += more;
	}
	assert_int_equal(len, lens[i]);
	is_frame(got, len, i);
}

static void frames_come_in_order_whatever_the_buffers(void **state)
{
	struct vnet_bed *bed = *state;
	unsigned merged = 0, buffers;

	vnet_bed_start(bed, VNET(MRG_RXBUF), 1);
	/* One piece and many, large and small. */
	for (unsigned i = 0; i < 64; i++)
		vnet_bed_add(bed, RX(0), 0, 0, i % 7 == 6 ? 40 : 1600, i % 5 == 4 ? 3 : 1);
	vnet_bed_kick(bed, RX(0));
	for (unsigned i = 0; i < 40; i++)
		lens[i] = i % 6 == 5 ? 1900 : 60 + i;
	deliver(bed, 40);
	for (unsigned i = 0; i < 40; i++) {
		comes(bed, RX(0), i, &buffers);
		merged += buffers > 1;
	}
	assert_true(merged > 3);
	assert_int_equal(vnet_bed_count(bed, "received"), 40);
	assert_int_equal(vnet_bed_count(bed, "received_merged"), merged);
	assert_false(vnet_bed_is_used(bed, RX(0)));
}

static void what_has_no_buffer_waits_in_order(void **state)
{
	struct vnet_bed *bed = *state;
	unsigned buffers;

	vnet_bed_start(bed, 0, 1);
	for (unsigned i = 0; i < COUNT; i++)
		lens[i] = 60 + i;
	for (unsigned i = 0; i < 10; i++)
		vnet_bed_add(bed, RX(0), 0, 0, 1600, 1);
	vnet_bed_kick(bed, RX(0));
	deliver(bed, COUNT);
	for (unsigned i = 0; i < 10; i++)
		comes(bed, RX(0), i, &buffers);
	assert_false(vnet_bed_is_used(bed, RX(0)));
	for (unsigned next = 10; next < COUNT;) {
		unsigned n = next % 4 * 6 + 1;
		for (unsigned i = 0; i < n; i++)
			vnet_bed_add(bed, RX(0), 0, 0, 1600, 1);
		vnet_bed_kick(bed, RX(0));
		for (unsigned i = 0; i < n && next < COUNT; i++)
			comes(bed, RX(0), next++, &buffers);
	}
	assert_int_equal(vnet_bed_count(bed, "received"), COUNT);
}

static void what_does_not_fit_is_dropped_from_the_middle(void **state)
{
	struct vnet_bed *bed = *state;
	unsigned buffers;

	vnet_bed_start(bed, 0, 1);
	for (unsigned i = 0; i < 50; i++)
		vnet_bed_add(bed, RX(0), 0, 0, 500, 1);
	vnet_bed_kick(bed, RX(0));
	for (unsigned i = 0; i < 30; i++)
		lens[i] = i % 4 == 3 ? 489 : 488;
	deliver(bed, 30);
	for (unsigned i = 0; i < 30; i++)
		if (i % 4 != 3)
			comes(bed, RX(0), i, &buffers);
	assert_int_equal(vnet_bed_count(bed, "received_too_long"), 7);
}

static void what_is_beyond_the_mtu_is_dropped_from_the_middle(void **state)
{
	struct vnet_bed *bed = *state;
	unsigned buffers;

	vnet_bed_start(bed, VNET(MTU), 1);
	for (unsigned i = 0; i < 50; i++)
		vnet_bed_add(bed, RX(0), 0, 0, 1600, 1);
	vnet_bed_kick(bed, RX(0));
	for (unsigned i = 0; i < 30; i++)
		lens[i] = i % 4 == 3 ? 115 : 114;
	deliver(bed, 30);
	for (unsigned i = 0; i < 30; i++)
		if (i % 4 != 3)
			comes(bed, RX(0), i, &buffers);
	assert_int_equal(vnet_bed_count(bed, "received_too_long"), 7);
}

static void what_is_for_others_is_left_out(void **state)
{
	static const uint8_t own[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
	struct vnet_bed *bed = *state;
	const uint8_t off = 0;
	struct vnet_chain *c;
	size_t at = 0;

	vnet_bed_start(bed, VNET(CTRL_VQ) | VNET(CTRL_RX), 1);
	assert_int_equal(
		vnet_bed_command(bed, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &off, 1),
		VIRTIO_NET_OK);
	for (unsigned i = 0; i < 40; i++)
		vnet_bed_add(bed, RX(0), 0, 0, 1600, 1);
	vnet_bed_kick(bed, RX(0));
	for (unsigned i = 0; i < 40; i++) {
		lens[i] = 60 + i;
		vnet_bed_frame(frames + at, lens[i], i);
		memcpy(frames + at, own, 6);
		frames[at + 5] ^= i % 3 == 1; /* not for it */
		at += lens[i];
	}
	vnet_bed_deliver_burst(bed, frames, lens, 40);
	for (unsigned i = 0; i < 40; i++)
		if (i % 3 != 1)
			assert_int_equal(vnet_bed_take(bed, RX(0), &c), VNET_HEADER + lens[i]);
	assert_int_equal(vnet_bed_count(bed, "received_filtered"), 13);
}

/* Frames of two flows, each to the queue that it went out of. */
static void each_flow_of_a_burst_goes_to_its_queue(void **state)
{
	static const uint8_t udp[] = { 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0,
		0, 2, 1, 0, 2, 0 };
	struct vnet_bed *bed = *state;
	const uint8_t two[2] = { 2, 0 };
	struct vnet_chain *c;
	uint8_t flow[2][60];
	size_t at = 0;

	vnet_bed_start(bed, VNET(CTRL_VQ) | VNET(MQ), 2);
	assert_int_equal(vnet_bed_command(bed, VIRTIO_NET_CTRL_MQ, 0, two, 2), VIRTIO_NET_OK);
	for (unsigned pair = 0; pair < 2; pair++) {
		vnet_bed_frame(flow[pair], 60, pair);
		flow[pair][12] = 0x08;
		flow[pair][13] = 0;
		memcpy(flow[pair] + 14, udp, sizeof(udp));
		flow[pair][14 + 21] = (uint8_t)(pair + 1);
		for (unsigned i = 0; i < 30; i++)
			vnet_bed_add(bed, RX(pair), 0, 0, 1600, 1);
		vnet_bed_kick(bed, RX(pair));
		vnet_bed_send(bed, TX(pair), NULL, flow[pair], 60);
	}
	for (unsigned i = 0; i < 40; i++, at += 60) {
		lens[i] = 60;
		memcpy(frames + at, flow[i / 3 % 2], 60);
		frames[at + 59] = (uint8_t)i;
	}
	vnet_bed_deliver_burst(bed, frames, lens, 40);
	for (unsigned i = 0; i < 40; i++) {
		vnet_bed_take(bed, RX(i / 3 % 2), &c);
		assert_int_equal(c->in[VNET_HEADER + 59], i);
	}
}

static void a_buffer_without_room_for_a_header_breaks_the_card(void **state)
{
	struct vnet_bed *bed = *state;

	vnet_bed_start(bed, 0, 1);
	for (unsigned i = 0; i < 20; i++)
		vnet_bed_add(bed, RX(0), 0, 0, i == 9 ? 11 : 1600, 1);
	vnet_bed_kick(bed, RX(0));
	for (unsigned i = 0; i < 15; i++)
		lens[i] = 60;
	deliver(bed, 15);
	assert_true(vnet_bed_status(bed) & VIRTIO_NEEDS_RESET);
	/* And what the next driver does is no worse for it. */
	vnet_bed_reset(bed);
	vnet_bed_start(bed, 0, 1);
	unsigned buffers;
	vnet_bed_add(bed, RX(0), 0, 0, 1600, 1);
	vnet_bed_kick(bed, RX(0));
	deliver(bed, 1);
	comes(bed, RX(0), 0, &buffers);
}

int main(void)
{
#define TEST(fn_)	     CARD_BED_TEST(fn_, setup, teardown)
#define TEST_WITH(fn_, set_) CARD_BED_TEST(fn_, set_, teardown)
	const struct CMUnitTest tests[] = {
		TEST(frames_of_all_kinds_go_out_in_order),
		TEST(headers_apart_go_in_bursts),
		TEST(the_network_is_full_in_the_middle_of_a_burst),
		TEST(frames_come_in_order_whatever_the_buffers),
		TEST(what_has_no_buffer_waits_in_order),
		TEST(what_does_not_fit_is_dropped_from_the_middle),
		TEST_WITH(what_is_beyond_the_mtu_is_dropped_from_the_middle, setup_mtu),
		TEST(what_is_for_others_is_left_out),
		TEST_WITH(each_flow_of_a_burst_goes_to_its_queue, setup_pairs),
		TEST(a_buffer_without_room_for_a_header_breaks_the_card),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
