/* SPDX-License-Identifier: BSD-3-Clause */
/* A switch: who gets what, what it learns and forgets, and what a hostile port cannot do to others. */
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/frame.h"
#include "net/queue.h"
#include "test_net_bed.h"

#define PORTS 4u

static struct medio_loop *loop;
static struct net_bed *beds[PORTS];

static int setup(void **state)
{
	static const char *const params[] = { "switch=a", NULL };

	net_bed_forget_words();
	if (medio_loop_new(&loop))
		return -1;
	for (unsigned i = 0; i < PORTS; i++) {
		beds[i] = net_bed_open(loop, params);
		if (!beds[i])
			return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	for (unsigned i = 0; i < PORTS; i++) {
		net_bed_close(beds[i]);
		beds[i] = NULL;
	}
	medio_loop_free(loop);
	return 0;
}

static void forget(void)
{
	for (unsigned i = 0; i < PORTS; i++) {
		if (beds[i])
			net_bed_forget(beds[i]);
	}
}

/* Stations are numbers; 0xffff is all of them. */
static void put_station(uint8_t *mac, unsigned number)
{
	memset(mac, number == 0xffff ? 0xff : 0x02, 6);
	frame_put16(mac + 4, number);
}

static void send_frame(unsigned port, unsigned from, unsigned to)
{
	uint8_t frame[60] = { 0 };

	put_station(frame, to);
	put_station(frame + 6, from);
	assert_int_equal(net_bed_send(beds[port], frame, sizeof(frame)), 0);
}

/* Which ports have got something, as digits. */
static unsigned got(void)
{
	unsigned mask = 0;

	for (unsigned i = 0; i < PORTS; i++)
		mask |= beds[i] && beds[i]->num_frames ? 1u << i : 0;
	forget();
	return mask;
}

static struct net_counts counts(unsigned port)
{
	struct net_counts now;

	net_get_counts(beds[port]->net, &now);
	return now;
}

/* ---- Tests ----------------------------------------------------------------------------------------- */

static void what_is_known_goes_to_its_port_alone(void **state)
{
	send_frame(0, 10, 11); /* nobody knows 11 */
	assert_int_equal(got(), 0xe);
	send_frame(1, 11, 10);
	assert_int_equal(got(), 0x1);
	send_frame(0, 10, 11);
	assert_int_equal(got(), 0x2);
	send_frame(0, 10, 0xffff);
	assert_int_equal(got(), 0xe);
	/* What is behind the port that it comes from has it already. */
	send_frame(0, 12, 10);
	assert_int_equal(got(), 0);
	/* A station that moves. */
	send_frame(3, 10, 11);
	assert_int_equal(got(), 0x2);
	send_frame(1, 11, 10);
	assert_int_equal(got(), 0x8);
	assert_true(beds[3]->batches > 0);
}

static void a_group_is_no_station(void **state)
{
	uint8_t frame[60] = { 0 };

	put_station(frame, 11);
	memset(frame + 6, 0xff, 6);
	assert_int_equal(net_bed_send(beds[0], frame, sizeof(frame)), 0);
	forget();
	send_frame(1, 11, 0xffff);
	assert_int_equal(got(), 0xd);
}

static void who_leaves_is_forgotten(void **state)
{
	send_frame(2, 12, 0xffff);
	forget();
	net_bed_close(beds[2]);
	beds[2] = NULL;
	send_frame(0, 10, 12);
	assert_int_equal(got(), 0xa);
}

static void another_name_is_another_switch(void **state)
{
	const char *const params[] = { "switch=b", NULL };
	struct net_bed *other = net_bed_open(loop, params);

	assert_non_null(other);
	send_frame(0, 10, 0xffff);
	assert_int_equal(other->num_frames, 0);
	net_bed_close(other);
}

static void large_frames_pass_whole_to_those_who_can(void **state)
{
	static uint8_t frame[5054];
	const struct virtio_net_hdr_v1 hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = htole16(1000),
		.csum_start = htole16(34),
		.csum_offset = htole16(16),
	};

	put_station(frame, 0xffff);
	put_station(frame + 6, 10);
	frame_put16(frame + 12, 0x0800);
	frame[14] = 0x45;
	frame[23] = 6;
	frame[46] = 0x50;
	net_set_can(beds[1]->net, NET_CAN_CSUM | NET_CAN_TSO4);
	net_set_can(beds[2]->net, NET_CAN_CSUM);
	assert_int_equal(net_bed_send_hdr(beds[0], frame, sizeof(frame), &hdr), 0);
	assert_int_equal(beds[1]->num_frames, 1);
	assert_int_equal(beds[1]->frames[0].hdr.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(beds[2]->num_frames, 5);
	assert_int_equal(beds[3]->num_frames, 5);
	assert_int_equal(counts(0).cut, 0);
	assert_int_equal(counts(1).cut, 0);
	assert_int_equal(counts(2).cut, 1);
}

static void a_port_without_room_loses_its_own_frames_only(void **state)
{
	static uint8_t frame[1514];
	unsigned count = 0;

	beds[1]->room = 0;
	put_station(frame, 0xffff);
	put_station(frame + 6, 10);
	while (!counts(1).dropped) {
		frame_put32(frame + 14, count++);
		assert_int_equal(net_bed_send(beds[0], frame, sizeof(frame)), 0);
		assert_true(count < NET_QUEUE_BYTES / sizeof(frame) + 2);
	}
	assert_true(count > NET_QUEUE_BYTES / sizeof(frame) / 2);
	assert_int_equal(beds[2]->num_frames, count);
	assert_int_equal(beds[1]->refused, 1);
	/* And what it has kept comes in order. */
	beds[1]->room = UINT32_MAX;
	net_resume(beds[1]->net);
	assert_int_equal(beds[1]->num_frames, count - 1);
	for (unsigned i = 0; i < count - 1; i++)
		assert_int_equal(frame_get32(beds[1]->frames[i].data + 14), i);
	assert_int_equal(counts(0).dropped, 0);
}

static void a_liar_does_not_make_others_unknown(void **state)
{
	/* Station 10 stays known, whatever port 1 says that it is. */
	send_frame(0, 10, 0xffff);
	for (unsigned i = 0; i < 60000; i++) {
		beds[0]->drop = beds[2]->drop = beds[3]->drop = true;
		send_frame(1, 100 + i, 0xffff);
	}
	beds[0]->drop = beds[2]->drop = beds[3]->drop = false;
	forget();
	/* It has a quarter of the table at most: most of the others are where they were. */
	unsigned known = 0;
	for (unsigned i = 0; i < 100; i++) {
		send_frame(2, 40000 + i, 0xffff);
		forget();
		send_frame(3, 9, 40000 + i);
		known += got() == 0x4;
	}
	assert_true(known > 90);
}

struct other {
	struct net_bed *bed;
	char words[512];
};

static void *join_from_another_thread(void *opaque)
{
	static const char *const params[] = { "switch=a", NULL };
	struct other *other = opaque;
	struct medio_loop *its;

	if (medio_loop_new(&its))
		return NULL;
	net_bed_forget_words();
	other->bed = net_bed_open(its, params);
	strncpy(other->words, net_bed_words(), sizeof(other->words) - 1);
	net_bed_close(other->bed);
	medio_loop_free(its);
	return NULL;
}

static void devices_of_another_thread_are_refused(void **state)
{
	struct other other = { 0 };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, join_from_another_thread, &other), 0);
	pthread_join(thread, NULL);
	assert_null(other.bed);
	assert_non_null(strstr(other.words, "another thread"));
}

static void a_switch_has_an_end(void **state)
{
	const char *const params[] = { "switch=a", NULL };
	struct net_bed *more[64];
	unsigned count = 0;

	while ((more[count] = net_bed_open(loop, params)))
		count++;
	assert_int_equal(count + PORTS, 64);
	assert_non_null(strstr(net_bed_words(), "64 devices"));
	while (count)
		net_bed_close(more[--count]);
	send_frame(0, 10, 0xffff);
	assert_int_equal(got(), 0xe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_known_goes_to_its_port_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_group_is_no_station, setup, teardown),
		cmocka_unit_test_setup_teardown(who_leaves_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(another_name_is_another_switch, setup, teardown),
		cmocka_unit_test_setup_teardown(
			large_frames_pass_whole_to_those_who_can, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_port_without_room_loses_its_own_frames_only, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_liar_does_not_make_others_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(
			devices_of_another_thread_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_switch_has_an_end, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
