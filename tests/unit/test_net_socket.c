/* SPDX-License-Identifier: BSD-3-Clause */
/* A network at the end of a stream: frames over it, peers that come and go, and peers that lie. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/frame.h"
#include "net/stream.h"
#include "test_net_bed.h"

static struct medio_loop *loop;
static struct net_bed *bed, *other;
static char dir[] = "/tmp/medio-socket-XXXXXX";
static struct sockaddr_un name = { .sun_family = AF_UNIX };

static int setup(void **state)
{
	net_bed_forget_words();
	snprintf(name.sun_path, sizeof(name.sun_path), "%s/socket", dir);
	return medio_loop_new(&loop);
}

static int teardown(void **state)
{
	net_bed_close(bed);
	net_bed_close(other);
	bed = other = NULL;
	medio_loop_free(loop);
	unlink(name.sun_path);
	return 0;
}

static struct net_bed *open_socket(const char *way)
{
	char param[160];
	const char *const params[] = { param, NULL };

	snprintf(param, sizeof(param), "socket=%s:%s", way, name.sun_path);
	struct net_bed *opened = net_bed_open(loop, params);
	if (!opened)
		fail_msg("%s", net_bed_words());
	return opened;
}

static bool is_up(void *arg)
{
	return net_is_up(((struct net_bed *)arg)->net);
}

static bool is_down(void *arg)
{
	return !is_up(arg);
}

static void wait_up(struct net_bed *which)
{
	assert_true(net_bed_until(loop, is_up, which));
}

static struct net_counts counts(const struct net_bed *which)
{
	struct net_counts now;

	net_get_counts(which->net, &now);
	return now;
}

/* A bare socket that is bed's peer; bed listens. */
static int peer(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	wait_up(bed);
	return fd;
}

static size_t put_frame(uint8_t *at, size_t len, uint8_t fill)
{
	frame_put32(at, (uint32_t)len);
	memset(at + 4, fill, len);
	return 4 + len;
}

static void say(int fd, const void *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

static bool has_hung_up(int fd)
{
	char byte;

	for (unsigned i = 0; i < 100; i++) {
		ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT);

		if (!got || (got < 0 && errno == ECONNRESET))
			return true;
		medio_loop_run_once(loop, 10);
	}
	return false;
}

/* ---- Frames ---------------------------------------------------------------------------------------- */

static void frames_cross_both_ways(void **state)
{
	static uint8_t frame[NET_MAX_FRAME];

	bed = open_socket("listen-unix");
	other = open_socket("unix");
	wait_up(bed);
	wait_up(other);
	assert_int_equal(bed->ups, 1);
	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 3);
	assert_int_equal(net_bed_send(bed, frame, 14), 0);
	assert_int_equal(net_bed_send(bed, frame, 1514), 0);
	assert_int_equal(net_bed_send(other, frame, sizeof(frame)), 0);
	assert_true(net_bed_wait(other, 2) && net_bed_wait(bed, 1));
	assert_int_equal(other->frames[1].bytes, 1514);
	assert_memory_equal(other->frames[1].data, frame, 1514);
	assert_int_equal(bed->frames[0].bytes, sizeof(frame));
	assert_memory_equal(bed->frames[0].data, frame, sizeof(frame));
}

static void many_frames_are_one_system_call(void **state)
{
	uint8_t frame[60] = { 0 };

	bed = open_socket("listen-unix");
	other = open_socket("unix");
	wait_up(bed);
	wait_up(other);
	uint64_t sending = counts(bed).calls, receiving = counts(other).calls;
	for (unsigned i = 0; i < 500; i++)
		assert_int_equal(net_bed_send_hdr(bed, frame, sizeof(frame), NULL), 0);
	assert_int_equal(counts(bed).calls, sending);
	net_flush(bed->net);
	assert_int_equal(counts(bed).calls, sending + 1);
	assert_true(net_bed_wait(other, 500));
	assert_true(counts(other).calls <= receiving + 2);
	assert_true(other->batches <= 2);
}

static void a_slow_peer_makes_the_card_wait_and_loses_nothing(void **state)
{
	static uint8_t frame[1514], got[1518];
	unsigned sent = 0, seen = 0;

	bed = open_socket("listen-unix");
	int fd = peer();
	for (;; sent++) {
		frame_put32(frame, sent);
		if (net_bed_send(bed, frame, sizeof(frame)) == -EAGAIN)
			break;
		assert_true(sent < 10000);
	}
	assert_int_equal(counts(bed).dropped, 0);
	assert_int_equal(bed->ready, 0);
	while (seen < sent) {
		if (recv(fd, got, 1518, MSG_DONTWAIT | MSG_PEEK) == 1518) {
			assert_int_equal(recv(fd, got, 1518, 0), 1518);
			assert_int_equal(frame_get32(got), 1514);
			assert_int_equal(frame_get32(got + 4), seen++);
		} else {
			assert_true(medio_loop_run_once(loop, 1000) >= 0);
		}
	}
	assert_int_equal(bed->ready, 1);
	close(fd);
}

static void large_frames_are_cut_for_the_peer(void **state)
{
	static uint8_t frame[60054];
	const struct virtio_net_hdr_v1 hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = htole16(1000),
		.csum_start = htole16(34),
		.csum_offset = htole16(16),
	};
	unsigned sent = 0;

	frame_put16(frame + 12, 0x0800);
	frame[14] = 0x45;
	frame[23] = 6;
	frame[46] = 0x50;
	bed = open_socket("listen-unix");
	other = open_socket("unix");
	wait_up(bed);
	wait_up(other);
	/* More than fits, so that one stops in the middle. */
	while (net_bed_send_hdr(bed, frame, sizeof(frame), &hdr) == 0)
		sent++;
	net_flush(bed->net);
	assert_true(net_bed_wait(other, sent * 60));
	assert_int_equal(other->num_frames, sent * 60);
	for (unsigned i = 0; i < other->num_frames; i++)
		assert_int_equal(frame_get32(other->frames[i].data + 38), i % 60 * 1000);
	assert_int_equal(bed->ready, 1);
	assert_int_equal(counts(bed).cut, sent);
}

static void a_card_without_room_makes_the_peer_wait(void **state)
{
	static uint8_t bytes[100 * 104];
	size_t len = 0;
	unsigned sent = 0;

	bed = open_socket("listen-unix");
	int fd = peer();
	bed->room = 5;
	for (unsigned i = 0; i < 100; i++)
		len += put_frame(bytes + len, 100, (uint8_t)i);
	while (send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len) {
		sent += 100;
		medio_loop_run_once(loop, 0);
		assert_true(sent < 1000000);
	}
	assert_int_equal(bed->num_frames, 5);
	assert_int_equal(bed->refused, 1);
	/* He goes; what he said stays, and nobody is kept busy meanwhile. */
	close(fd);
	for (unsigned i = 0; i < 20; i++)
		medio_loop_run_once(loop, 0);
	assert_int_equal(medio_loop_run_once(loop, 0), 0);
	assert_int_equal(bed->downs, 0);
	bed->drop = true;
	bed->room = UINT32_MAX;
	net_resume(bed->net);
	assert_true(net_bed_until(loop, is_down, bed));
	assert_true(bed->count >= sent);
	assert_memory_equal(bed->frames[4].data, "\4\4\4\4", 4);
}

static void frames_come_in_any_pieces(void **state)
{
	uint8_t bytes[64 + 4 + 1514];
	size_t len = put_frame(bytes, 60, 1);

	bed = open_socket("listen-unix");
	int fd = peer();
	len += put_frame(bytes + len, 1514, 2);
	for (size_t i = 0; i < len; i++) {
		say(fd, bytes + i, 1);
		while (medio_loop_run_once(loop, 0) > 0)
			;
		assert_int_equal(bed->num_frames, (i >= 63) + (i == len - 1));
	}
	assert_int_equal(bed->frames[1].bytes, 1514);
	assert_memory_equal(bed->frames[1].data, bytes + 68, 1514);
	close(fd);
}

/* ---- Peers ----------------------------------------------------------------------------------------- */

static void a_peer_that_lies_is_let_go(void **state)
{
	uint8_t bytes[128];

	bed = open_socket("listen-unix");
	int fd = peer();
	size_t len = put_frame(bytes, 60, 1);
	frame_put32(bytes + len, NET_MAX_FRAME + 1);
	say(fd, bytes, len + 4);
	assert_true(has_hung_up(fd));
	assert_int_equal(bed->num_frames, 1);
	assert_int_equal(bed->downs, 1);
	assert_non_null(strstr(net_bed_words(), "a frame of 65554 bytes, the longest is 65553"));
	close(fd);
	/* The next one is welcome. */
	fd = peer();
	len = put_frame(bytes, 60, 2);
	say(fd, bytes, len);
	assert_true(net_bed_wait(bed, 2));
	/* Frames that are none are lost, and all else goes on. */
	frame_put32(bytes, 0);
	len = 4 + put_frame(bytes + 4, 13, 3);
	len += put_frame(bytes + len, 14, 4);
	say(fd, bytes, len);
	assert_true(net_bed_wait(bed, 3));
	assert_int_equal(bed->frames[2].bytes, 14);
	assert_int_equal(counts(bed).dropped, 2);
	close(fd);
}

static void one_peer_at_a_time(void **state)
{
	uint8_t bytes[64];
	struct stat st;

	bed = open_socket("listen-unix");
	assert_int_equal(stat(name.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* What is sent to nobody is lost. */
	assert_int_equal(net_bed_send(bed, bytes, sizeof(bytes)), 0);
	assert_int_equal(counts(bed).dropped, 1);
	assert_int_equal(counts(bed).sent, 0);
	int first = peer();
	int second = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(second, (struct sockaddr *)&name, sizeof(name)), 0);
	put_frame(bytes, 60, 2);
	say(second, bytes, 64);
	for (unsigned i = 0; i < 10; i++)
		medio_loop_run_once(loop, 0);
	assert_int_equal(bed->num_frames, 0);
	close(first);
	assert_true(net_bed_wait(bed, 1));
	assert_int_equal(bed->ups, 2);
	assert_int_equal(bed->downs, 1);
	close(second);
	net_bed_close(bed);
	bed = NULL;
	assert_int_equal(access(name.sun_path, F_OK), -1);
}

static void it_tries_until_somebody_is_there(void **state)
{
	uint8_t frame[60] = { 0 };

	other = open_socket("unix");
	assert_non_null(strstr(net_bed_words(), "No such file or directory; trying again"));
	assert_false(is_up(other));
	bed = open_socket("listen-unix");
	wait_up(other);
	/* Somebody else listens there. */
	char param[160];
	snprintf(param, sizeof(param), "socket=listen-unix:%s", name.sun_path);
	assert_null(net_bed_open(loop, (const char *const[]){ param, NULL }));
	/* He goes, and another one comes in his place. */
	net_bed_close(bed);
	bed = NULL;
	assert_true(net_bed_until(loop, is_down, other));
	bed = open_socket("listen-unix");
	wait_up(other);
	assert_int_equal(other->ups, 2);
	assert_int_equal(net_bed_send(other, frame, sizeof(frame)), 0);
	assert_true(net_bed_wait(bed, 1));
}

static void a_socket_that_was_left_behind_is_replaced(void **state)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	close(fd);
	bed = open_socket("listen-unix");
	close(peer());
}

static void tcp_does_it_too(void **state)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint8_t frame[60] = { 7 };
	char param[80];

	/* A port that is free now. */
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	close(fd);
	snprintf(param, sizeof(param), "socket=listen-tcp::%u", ntohs(addr.sin_port));
	bed = net_bed_open(loop, (const char *const[]){ param, NULL });
	if (!bed)
		fail_msg("%s", net_bed_words());
	snprintf(param, sizeof(param), "socket=tcp:localhost:%u", ntohs(addr.sin_port));
	other = net_bed_open(loop, (const char *const[]){ param, NULL });
	if (!other)
		fail_msg("%s", net_bed_words());
	wait_up(other);
	wait_up(bed);
	assert_int_equal(net_bed_send(other, frame, sizeof(frame)), 0);
	assert_true(net_bed_wait(bed, 1));
	assert_memory_equal(bed->frames[0].data, frame, sizeof(frame));
}

static int setup_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown_dir(void **state)
{
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(frames_cross_both_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(many_frames_are_one_system_call, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_slow_peer_makes_the_card_wait_and_loses_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(large_frames_are_cut_for_the_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_card_without_room_makes_the_peer_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(frames_come_in_any_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(a_peer_that_lies_is_let_go, setup, teardown),
		cmocka_unit_test_setup_teardown(one_peer_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(it_tries_until_somebody_is_there, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_socket_that_was_left_behind_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(tcp_does_it_too, setup, teardown),
	};

	return cmocka_run_group_tests(tests, setup_dir, teardown_dir);
}
