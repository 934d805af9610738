/* SPDX-License-Identifier: BSD-3-Clause */
/* The user network: a guest's first minutes, by hand. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/forward.h"
#include "net/frame.h"
#include "net/offload.h"
#include "test_net_bed.h"
#include "util/loop.h"

static struct medio_loop *loop;
static struct net_bed *bed;

static const uint8_t guest_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
static const uint8_t gateway_mac[6] = { 0x52, 0x55, 10, 0, 2, 2 };
#define GUEST	0x0a00020fu /* 10.0.2.15 */
#define GATEWAY 0x0a000202u

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

static void open_user(const char *a, const char *b)
{
	const char *const params[] = { "user=on", a, a ? b : NULL, NULL };

	bed = net_bed_open(loop, params);
	if (!bed)
		fail_msg("%s", net_bed_words());
}

/* ---- Frames ------------------------------------------------------------------------------------------- */

static void put_ethernet(uint8_t *frame, const uint8_t *to, unsigned type)
{
	memcpy(frame, to, 6);
	memcpy(frame + 6, guest_mac, 6);
	frame_put16(frame + 12, type);
}

static void put_ipv4(uint8_t *frame, uint32_t from, uint32_t to, unsigned proto, size_t payload)
{
	uint8_t *ip = frame + 14;

	memset(ip, 0, 20);
	ip[0] = 0x45;
	frame_put16(ip + 2, (unsigned)(20 + payload));
	ip[8] = 64;
	ip[9] = (uint8_t)proto;
	frame_put32(ip + 12, from);
	frame_put32(ip + 16, to);
	frame_put16(ip + 10, (uint16_t)~offload_fold(offload_sum(0, ip, 20)));
}

/* UDP's checksum may be left out. */
static size_t put_udp(uint8_t *frame, uint32_t from, uint32_t to, unsigned from_port,
	unsigned to_port, const void *data, size_t len)
{
	uint8_t *udp = frame + 34;

	put_ethernet(frame, gateway_mac, 0x0800);
	put_ipv4(frame, from, to, 17, 8 + len);
	frame_put16(udp, from_port);
	frame_put16(udp + 2, to_port);
	frame_put16(udp + 4, (unsigned)(8 + len));
	frame_put16(udp + 6, 0);
	memcpy(udp + 8, data, len);
	return 42 + len;
}

static void send_udp(unsigned from_port, unsigned to_port, const void *data, size_t len)
{
	uint8_t frame[1514];

	assert_int_equal(net_bed_send(bed, frame,
				 put_udp(frame, GUEST, GATEWAY, from_port, to_port, data, len)),
		0);
}

/* The guest says who it is, as the answer to a question that will come. */
static void say_arp(void)
{
	uint8_t frame[42];

	put_ethernet(frame, gateway_mac, 0x0806);
	memcpy(frame + 14, "\0\1\x08\0\6\4\0\2", 8);
	memcpy(frame + 22, guest_mac, 6);
	frame_put32(frame + 28, GUEST);
	memcpy(frame + 32, gateway_mac, 6);
	frame_put32(frame + 38, GATEWAY);
	assert_int_equal(net_bed_send(bed, frame, sizeof(frame)), 0);
}

/* A datagram or segment that came, from this port on; NULL: none. */
static const struct net_bed_frame *find(unsigned proto, unsigned from_port)
{
	for (unsigned i = 0; i < bed->num_frames; i++) {
		const struct net_bed_frame *frame = &bed->frames[i];

		if (frame->bytes >= 42 && frame_get16(frame->data + 12) == 0x0800 &&
			frame->data[23] == proto && frame_get16(frame->data + 34) == from_port)
			return frame;
	}
	return NULL;
}

struct want {
	unsigned proto, from_port;
};

static bool has_come(void *arg)
{
	const struct want *want = arg;

	return find(want->proto, want->from_port);
}

static const struct net_bed_frame *wait_for(unsigned proto, unsigned from_port)
{
	struct want want = { proto, from_port };

	assert_true(net_bed_until(loop, has_come, &want));
	return find(proto, from_port);
}

/* A socket on this machine; its port. */
static int host_socket(int type, unsigned *port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*port = ntohs(addr.sin_port);
	return fd;
}

/* ---- Tests ---------------------------------------------------------------------------------------------- */

static void dhcp_offers_an_address(void **state)
{
	static const uint8_t options[] = { 0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255 };
	uint8_t dhcp[300] = { 1, 1, 6, 0, 1, 2, 3, 4 }, frame[400];

	open_user("bootfile=boot.ipxe", NULL);
	memcpy(dhcp + 28, guest_mac, 6);
	memcpy(dhcp + 236, options, sizeof(options));
	assert_int_equal(
		net_bed_send(bed, frame, put_udp(frame, 0, UINT32_MAX, 68, 67, dhcp, sizeof(dhcp))),
		0);
	const struct net_bed_frame *offer = wait_for(17, 67);
	assert_true(offer->bytes > 42 + 240);
	const uint8_t *at = offer->data + 42;
	assert_int_equal(at[0], 2);
	assert_int_equal(frame_get32(at + 16), GUEST);
	assert_string_equal((const char *)at + 108, "boot.ipxe");
	assert_int_equal(bed->batches > 0, true);
	assert_non_null(strstr(net_describe(bed->net), "10.0.2.0/24"));
}

static void a_datagram_goes_out_and_its_answer_comes_back(void **state)
{
	unsigned port;
	int fd = host_socket(SOCK_DGRAM, &port);
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char buf[16];

	open_user(NULL, NULL);
	say_arp();
	send_udp(1000, port, "hello", 5);
	assert_int_equal(recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(sendto(fd, "world!", 6, 0, (struct sockaddr *)&from, len), 6);
	const struct net_bed_frame *answer = wait_for(17, port);
	assert_int_equal(answer->bytes, 42 + 6);
	assert_memory_equal(answer->data + 42, "world!", 6);
	assert_int_equal(frame_get16(answer->data + 36), 1000);
	close(fd);
}

static void a_quiet_network_wakes_nobody(void **state)
{
	open_user(NULL, NULL);
	while (medio_loop_run_once(loop, 0) > 0)
		;
	/* There is a timer for router advertisements, some minutes away. */
	int64_t left = medio_loop_deadline(loop);
	assert_true(left < 0 || left > 10000000000);
}

static void a_file_comes_by_tftp(void **state)
{
	char dir[] = "/tmp/medio-tftp-XXXXXX", path[64], param[64];

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/boot", dir);
	snprintf(param, sizeof(param), "tftp=%s", dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "a boot file", 11), 11);
	close(fd);
	open_user(param, NULL);
	say_arp();
	send_udp(2000, 69, "\0\1/boot\0octet", 14);
	const struct net_bed_frame *data = wait_for(17, 69);
	assert_int_equal(data->bytes, 42 + 4 + 11);
	assert_memory_equal(data->data + 42, "\0\3\0\1a boot file", 15);
	net_bed_forget(bed);
	/* Not out of the folder. */
	send_udp(2001, 69, "\0\1/../passwd\0octet", 19);
	data = wait_for(17, 69);
	assert_memory_equal(data->data + 42, "\0\5", 2);
	unlink(path);
	rmdir(dir);
}

static size_t put_syn(uint8_t *frame, unsigned port)
{
	uint8_t *tcp = frame + 34;

	put_ethernet(frame, gateway_mac, 0x0800);
	put_ipv4(frame, GUEST, GATEWAY, 6, 20);
	memset(tcp, 0, 20);
	frame_put16(tcp, 3000);
	frame_put16(tcp + 2, port);
	frame_put32(tcp + 4, 0x1000);
	tcp[12] = 0x50;
	tcp[13] = 2;
	frame_put16(tcp + 14, 0xffff);
	uint64_t sum = offload_sum(6 + 20, frame + 26, 8);
	frame_put16(tcp + 16, (uint16_t)~offload_fold(offload_sum(sum, tcp, 20)));
	return 54;
}

static void a_connection_is_made(void **state)
{
	unsigned port;
	int fd = host_socket(SOCK_STREAM, &port);
	uint8_t frame[64];

	assert_int_equal(listen(fd, 1), 0);
	open_user(NULL, NULL);
	say_arp();
	assert_int_equal(net_bed_send(bed, frame, put_syn(frame, port)), 0);
	const struct net_bed_frame *answer = wait_for(6, port);
	assert_int_equal(answer->data[47] & 0x3f, 0x12); /* SYN, ACK */
	assert_int_equal(frame_get32(answer->data + 42), 0x1001);
	int peer = accept(fd, NULL, NULL);
	assert_true(peer >= 0);
	close(peer);
	close(fd);
}

static void a_connection_that_nobody_takes_is_refused(void **state)
{
	unsigned port;
	int fd = host_socket(SOCK_STREAM, &port);
	uint8_t frame[64];

	close(fd);
	open_user(NULL, NULL);
	say_arp();
	assert_int_equal(net_bed_send(bed, frame, put_syn(frame, port)), 0);
	assert_int_equal(wait_for(6, port)->data[47] & 0x3f, 0x14); /* RST, ACK */
}

static void nothing_leads_out_of_a_restricted_network(void **state)
{
	unsigned port, other;
	int fd = host_socket(SOCK_DGRAM, &port);
	int outside = host_socket(SOCK_DGRAM, &other);
	char param[64], buf[16];

	close(outside);
	snprintf(param, sizeof(param), "hostfwd=udp::%u-:53", other);
	open_user("restricted=on", param);
	say_arp();
	send_udp(1000, port, "hello", 5);
	/* What is forwarded comes in all the same. */
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)other),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	assert_int_equal(sendto(fd, "in", 2, 0, (struct sockaddr *)&to, sizeof(to)), 2);
	assert_int_equal(frame_get16(wait_for(17, port)->data + 36), 53);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), -1);
	assert_int_equal(errno, EAGAIN);
	close(fd);
}

static void connections_are_bounded(void **state)
{
	uint8_t frame[64];
	struct net_counts counts;

	open_user(NULL, NULL);
	say_arp();
	for (unsigned port = 1; port < 2000; port++) {
		put_udp(frame, GUEST, GATEWAY, 1000 + port, 9, "x", 1);
		assert_int_equal(net_bed_send(bed, frame, 43), 0);
		medio_loop_run_once(loop, 0);
	}
	net_get_counts(bed->net, &counts);
	assert_true(counts.dropped > 1000);
	said("connections, there will be no more");
}

static void what_it_does_not_understand_is_lost(void **state)
{
	static uint8_t frame[9014];
	struct net_counts counts;

	open_user("restricted=on", NULL);
	put_ethernet(frame, gateway_mac, 0x88f8); /* NC-SI, which libslirp speaks too */
	assert_int_equal(net_bed_send(bed, frame, 100), 0);
	put_ethernet(frame, gateway_mac, 0x0800);
	assert_int_equal(net_bed_send(bed, frame, 1515), 0);
	said("too long, 1514 is the most");
	net_get_counts(bed->net, &counts);
	assert_int_equal(counts.dropped, 2);
	/* And nonsense of all kinds. */
	srand(1);
	for (unsigned i = 0; i < 3000; i++) {
		size_t len = 14 + (size_t)rand() % 200;

		for (size_t j = 14; j < len; j++)
			frame[j] = (uint8_t)rand();
		frame_put16(frame + 12, i % 3 ? 0x0800 : 0x86dd);
		if (i % 4)
			put_ipv4(frame, GUEST, GATEWAY, i % 5 ? 17 : 6, len > 34 ? len - 34 : 0);
		if (len > 36 && frame[37] == 0)
			frame[37] = 1; /* no DNS, no DHCP: nothing outside is asked */
		assert_int_equal(net_bed_send(bed, frame, len), 0);
	}
}

static void refused(const char *param, const char *words)
{
	const char *const params[] = { "user=on", param, NULL };

	net_bed_forget_words();
	assert_null(net_bed_open(loop, params));
	said(words);
}

static void bad_parameters_are_named(void **state)
{
	unsigned port;
	int fd = host_socket(SOCK_STREAM, &port);
	char param[64], name[160] = "bootfile=";

	assert_int_equal(listen(fd, 1), 0);
	refused("hostfwd=tcp::2222-:22+sctp::1-:1", "piece 2, 'sctp::1-:1'");
	refused("hostfwd=tcp::2222:22", "no '-'");
	refused("hostfwd=tcp:1.2.3:2222-:22", "an address is not one of IPv4");
	refused("hostfwd=tcp::0-:22", "from 1 to 65535");
	refused("hostfwd=tcp::70000-:22", "from 1 to 65535");
	refused("hostfwd=tcp::22-22", "no ':' before a port");
	refused("hostfwd=", "piece 1");
	refused("hostfwd=tcp::2-:2+", "piece 2, ''");
	refused("tftp=somewhere", "whole path");
	refused("tftp=/does/not/exist", "No such file");
	refused("tftp=/etc/passwd", "no folder");
	memset(name + 9, 'x', 128);
	refused(name, "128 characters");
	snprintf(param, sizeof(param), "hostfwd=tcp::%u-:22", port);
	refused(param, "in use");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(dhcp_offers_an_address, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_datagram_goes_out_and_its_answer_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_quiet_network_wakes_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_comes_by_tftp, setup, teardown),
		cmocka_unit_test_setup_teardown(a_connection_is_made, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_connection_that_nobody_takes_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
			nothing_leads_out_of_a_restricted_network, setup, teardown),
		cmocka_unit_test_setup_teardown(connections_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_it_does_not_understand_is_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_parameters_are_named, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
