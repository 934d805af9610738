/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames in bursts on their way through a network: those that are plain, and those that are not. */
#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "net/frame.h"
#include "test_net_bed.h"

static struct medio_loop *loop;
static struct net_bed *bed;

static int setup(void **state)
{
	net_bed_forget_words();
	return medio_loop_new(&loop);
}

static int teardown(void **state)
{
	net_bed_close(bed);
	bed = NULL;
	medio_loop_free(loop);
	return 0;
}

static void said(const char *what)
{
	if (!strstr(net_bed_words(), what))
		fail_msg("'%s' does not say '%s'", net_bed_words(), what);
}

static void open_net(const char *a, const char *b)
{
	const char *const params[] = { a, b, NULL };

	bed = net_bed_open(loop, params);
	if (!bed)
		fail_msg("%s", net_bed_words());
}

static struct net_counts counts(void)
{
	struct net_counts now;

	net_get_counts(bed->net, &now);
	return now;
}

/* A segment of TCP over IPv4 with so many bytes to carry, and its header for pieces of gso_size. */
static size_t make_segment(
	uint8_t *frame, size_t payload, unsigned gso_size, struct virtio_net_hdr_v1 *hdr)
{
	memset(frame, 0, 54);
	memset(frame, 0x22, 12);
	frame_put16(frame + 12, 0x0800);
	frame[14] = 0x45;
	frame[23] = 6;
	frame[46] = 0x50;
	for (size_t i = 0; i < payload; i++)
		frame[54 + i] = (uint8_t)(i ^ i >> 8);
	*hdr = (struct virtio_net_hdr_v1){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = htole16((uint16_t)gso_size),
		.csum_start = htole16(34),
		.csum_offset = htole16(16),
	};
	return 54 + payload;
}

/* Frames of 60 bytes and more, each of its own number, in one piece each. */
static struct {
	uint8_t bytes[NET_BURST][100];
	struct iovec iov[NET_BURST];
	struct net_frame frames[NET_BURST];
} burst;

static void make_burst(unsigned n)
{
	memset(&burst, 0, sizeof(burst));
	for (unsigned i = 0; i < n; i++) {
		memset(burst.bytes[i], (int)(i + 1), sizeof(burst.bytes[i]));
		frame_plain(&burst.frames[i], &burst.iov[i], burst.bytes[i], 60 + i);
	}
}

static void is_of(unsigned at, unsigned number)
{
	assert_true(at < bed->num_frames);
	assert_int_equal(bed->frames[at].bytes, 60 + number);
	assert_memory_equal(bed->frames[at].data, burst.bytes[number], 60 + number);
}

static void a_burst_goes_out_and_comes_back_at_once(void **state)
{
	open_net("loop=on", NULL);
	make_burst(NET_BURST);
	assert_int_equal(net_send_many(bed->net, burst.frames, NET_BURST), NET_BURST);
	net_flush(bed->net);
	assert_int_equal(bed->bursts, 1);
	assert_int_equal(bed->batches, 1);
	assert_int_equal(bed->num_frames, NET_BURST);
	for (unsigned i = 0; i < NET_BURST; i++)
		is_of(i, i);
	assert_int_equal(counts().sent, NET_BURST);
	assert_int_equal(counts().received, NET_BURST);
	assert_int_equal(counts().sent_bytes, 60 * NET_BURST + NET_BURST * (NET_BURST - 1) / 2);
	assert_int_equal(counts().received_bytes, counts().sent_bytes);
}

/* One that has to be summed, and one that is too short, between others. */
static void what_is_not_plain_stands_between_bursts(void **state)
{
	open_net("loop=on", NULL);
	make_burst(10);
	burst.frames[3].hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	burst.frames[3].hdr.csum_start = htole16(34);
	burst.frames[3].hdr.csum_offset = htole16(16);
	burst.frames[6].bytes = burst.iov[6].iov_len = 13;
	assert_int_equal(net_send_many(bed->net, burst.frames, 10), 10);
	net_flush(bed->net);
	assert_int_equal(bed->num_frames, 9);
	for (unsigned i = 0; i < 9; i++) {
		const unsigned number = i < 6 ? i : i + 1;
		if (number == 3)
			assert_int_equal(bed->frames[i].bytes, 63);
		else
			is_of(i, number);
	}
	assert_int_equal(counts().summed, 1);
	assert_int_equal(counts().dropped, 1);
	said("it is shorter than its header");
}

static void a_card_that_is_full_in_the_middle_takes_the_rest_later(void **state)
{
	unsigned done = 0;

	open_net("loop=on", NULL);
	make_burst(20);
	bed->room = 0;
	assert_int_equal(net_send_many(bed->net, burst.frames, 20), 0);
	for (unsigned room = 1; done < 20; room++) {
		bed->room = room;
		const unsigned ready = bed->ready;
		net_resume(bed->net);
		assert_int_equal(bed->ready, ready + 1);
		const unsigned left = 20 - done, most = room < left ? room : left;
		assert_int_equal(net_send_many(bed->net, burst.frames + done, left), most);
		done += most;
		/* It is full: nothing goes before it says otherwise. */
		if (most < left)
			assert_int_equal(net_send_many(bed->net, burst.frames + done, 1), 0);
		net_flush(bed->net);
	}
	assert_int_equal(bed->num_frames, 20);
	for (unsigned i = 0; i < 20; i++)
		is_of(i, i);
	assert_int_equal(counts().sent, 20);
}

/* A frame that is being cut goes first. */
static void a_burst_waits_behind_a_frame_that_is_cut(void **state)
{
	static uint8_t segment[54 + 4000];
	struct virtio_net_hdr_v1 hdr;
	size_t len = make_segment(segment, 4000, 1000, &hdr);

	open_net("loop=on", NULL);
	make_burst(4);
	bed->room = 2;
	assert_int_equal(net_bed_send_hdr(bed, segment, len, &hdr), 0);
	assert_int_equal(bed->num_frames, 2);
	assert_int_equal(net_send_many(bed->net, burst.frames, 4), 0);
	bed->room = 100;
	net_resume(bed->net);
	assert_int_equal(bed->num_frames, 4);
	assert_int_equal(net_send_many(bed->net, burst.frames, 4), 4);
	for (unsigned i = 0; i < 4; i++)
		is_of(4 + i, i);
}

/* Networks that know of no bursts get frames one by one. */
static void any_network_takes_bursts(void **state)
{
	open_net("switch=burst", NULL);
	make_burst(5);
	assert_int_equal(net_send_many(bed->net, burst.frames, 5), 5);
	assert_int_equal(counts().sent, 5);
	net_bed_close(bed);
	open_net("null=on", NULL);
	assert_int_equal(net_send_many(bed->net, burst.frames, 5), 5);
	assert_int_equal(counts().sent, 5);
	assert_int_equal(counts().sent_bytes, 310);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_burst_goes_out_and_comes_back_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_not_plain_stands_between_bursts, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_card_that_is_full_in_the_middle_takes_the_rest_later, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_burst_waits_behind_a_frame_that_is_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(any_network_takes_bursts, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
