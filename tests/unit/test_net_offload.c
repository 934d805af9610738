/* SPDX-License-Identifier: BSD-3-Clause */
/* Checksums and cutting: frames with known numbers, frames put together again, and headers that lie. */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/frame.h"
#include "net/offload.h"

#define GSO_UDP_L4 5u

/* A frame under construction. */
static uint8_t frame[NET_MAX_FRAME + 64], piece_bytes[NET_MAX_FRAME];
static struct virtio_net_hdr_v1 hdr;
static size_t frame_len;
static unsigned ip_at, transport_at;
static const char *why;

static const uint8_t v4[] = { 192, 0, 2, 1, 192, 0, 2, 2 };

struct shape {
	bool ipv6, tcp;
	unsigned tags, options; /* VLAN tags; bytes of TCP options or of IPv4 options with udp */
	unsigned extensions;	/* bytes of IPv6 headers in between */
};

static void put_ip(const struct shape *shape)
{
	uint8_t *ip = frame + ip_at;
	unsigned proto = shape->tcp ? 6 : 17;

	memset(ip, 0, transport_at - ip_at);
	if (!shape->ipv6) {
		ip[0] = (uint8_t)(0x40 | (transport_at - ip_at) / 4);
		frame_put16(ip + 2, (unsigned)(frame_len - ip_at));
		frame_put16(ip + 4, 0xfffe);
		ip[8] = 64;
		ip[9] = (uint8_t)proto;
		memcpy(ip + 12, v4, 8);
		memset(ip + 20, 1, transport_at - ip_at - 20); /* no-operation options */
		frame_put16(
			ip + 10, (uint16_t)~offload_fold(offload_sum(0, ip, transport_at - ip_at)));
		return;
	}
	ip[0] = 0x60;
	frame_put16(ip + 4, (unsigned)((frame_len - ip_at - 40) & 0xffff));
	ip[6] = shape->extensions ? 60 : (uint8_t)proto;
	ip[7] = 64;
	ip[8] = ip[24] = 0x20;
	ip[23] = 1;
	ip[39] = 2;
	if (shape->extensions) {
		ip[40] = (uint8_t)proto;
		ip[41] = (uint8_t)(shape->extensions / 8 - 1);
	}
}

/* A frame with so much payload, and a virtio_net_hdr as a driver makes it. */
static void make(const struct shape *shape, size_t payload, unsigned gso_size)
{
	unsigned size = shape->tcp ? 20 + shape->options : 8, at = 12;
	unsigned sum_at = shape->tcp ? 16 : 6;

	memset(frame, 0x22, 12);
	for (unsigned i = 0; i < shape->tags; i++, at += 4) {
		frame_put16(frame + at, i + 1 < shape->tags ? 0x88a8 : 0x8100);
		frame_put16(frame + at + 2, 100 + i);
	}
	frame_put16(frame + at, shape->ipv6 ? 0x86dd : 0x0800);
	ip_at = at + 2;
	transport_at = ip_at + (shape->ipv6 ? 40 + shape->extensions
					    : 20 + (shape->tcp ? 0 : shape->options));
	frame_len = transport_at + size + payload;
	uint8_t *t = frame + transport_at;
	memset(t, 0, size);
	frame_put16(t, 1111);
	frame_put16(t + 2, 2222);
	if (shape->tcp) {
		frame_put32(t + 4, 0xffffff00);
		t[12] = (uint8_t)(size / 4 << 4);
		t[13] = 0x80 | 0x10 | 0x08 | 0x01; /* CWR ACK PSH FIN */
		memset(t + 20, 1, shape->options);
	} else {
		frame_put16(t + 4, (unsigned)(8 + payload) & 0xffff);
	}
	for (size_t i = 0; i < payload; i++)
		t[size + i] = (uint8_t)(i * 7 + (i >> 8));
	put_ip(shape);
	/* The pseudo header's sum, as 5.1.6.2 has it. */
	uint64_t sum = (shape->tcp ? 6 : 17) + size + payload;
	sum = shape->ipv6 ? offload_sum(sum, frame + ip_at + 8, 32)
			  : offload_sum(sum, frame + ip_at + 12, 8);
	frame_put16(t + sum_at, offload_fold(sum));
	hdr = (struct virtio_net_hdr_v1){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = htole16((uint16_t)transport_at),
		.csum_offset = htole16((uint16_t)sum_at),
		.gso_size = htole16((uint16_t)gso_size),
		.hdr_len = htole16((uint16_t)(transport_at + size)),
	};
	if (gso_size)
		hdr.gso_type = !shape->tcp   ? GSO_UDP_L4
			       : shape->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6
					     : VIRTIO_NET_HDR_GSO_TCPV4;
}

/* In three pieces, none of which ends where a header does. */
static struct net_frame as_frame(struct iovec iov[3])
{
	size_t a = frame_len < 17 ? frame_len : 17, b = (frame_len - a) / 3 | 1;

	if (b > frame_len - a)
		b = frame_len - a;
	iov[0] = (struct iovec){ frame, a };
	iov[1] = (struct iovec){ frame + a, b };
	iov[2] = (struct iovec){ frame + a + b, frame_len - a - b };
	return (struct net_frame){ .iov = iov, .niov = 3, .bytes = frame_len, .hdr = hdr };
}

/* A checksum that is right makes the whole sum all ones. */
static void check_sums(const uint8_t *bytes, size_t len, const struct shape *shape)
{
	uint64_t sum = (shape->tcp ? 6 : 17) + len - transport_at;

	if (!shape->ipv6)
		assert_int_equal(
			offload_fold(offload_sum(0, bytes + ip_at, transport_at - ip_at)), 0xffff);
	sum = shape->ipv6 ? offload_sum(sum, bytes + ip_at + 8, 32)
			  : offload_sum(sum, bytes + ip_at + 12, 8);
	assert_int_equal(
		offload_fold(offload_sum(sum, bytes + transport_at, len - transport_at)), 0xffff);
}

static void check_piece(const uint8_t *bytes, size_t len, const struct shape *shape, size_t done,
	unsigned number, bool last)
{
	const uint8_t *ip = bytes + ip_at, *t = bytes + transport_at;

	check_sums(bytes, len, shape);
	assert_memory_equal(bytes, frame, ip_at);
	if (shape->ipv6) {
		assert_int_equal(frame_get16(ip + 4), len - ip_at - 40);
	} else {
		assert_int_equal(frame_get16(ip + 2), len - ip_at);
		assert_int_equal(frame_get16(ip + 4), (0xfffe + number) & 0xffff);
	}
	if (!shape->tcp) {
		assert_int_equal(frame_get16(t + 4), len - transport_at);
		return;
	}
	assert_int_equal(frame_get32(t + 4), (uint32_t)(0xffffff00 + done));
	assert_int_equal(t[13], 0x10 | (number ? 0 : 0x80) | (last ? 0x09 : 0));
}

/* Cut it, check each piece, and put them together again. */
static void cut_and_check(const struct shape *shape, size_t payload, unsigned gso_size)
{
	struct iovec iov[3], piece_iov;
	struct net_frame piece;
	struct offload o;
	size_t done = 0;
	unsigned number = 0;

	make(shape, payload, gso_size);
	const struct net_frame whole = as_frame(iov);
	if (offload_read(&o, &whole, &why))
		fail_msg("%s", why);
	assert_int_equal(le16toh(o.hdr.hdr_len), frame_len - payload);
	while (offload_next(&o, &whole, piece_bytes, &piece, &piece_iov)) {
		size_t carried = piece.bytes - (frame_len - payload);

		assert_int_equal(piece.hdr.flags, 0);
		assert_int_equal(piece.hdr.gso_type, 0);
		assert_true(carried <= gso_size && done + carried <= payload);
		check_piece(
			piece_bytes, piece.bytes, shape, done, number, done + carried == payload);
		assert_memory_equal(piece_bytes + piece.bytes - carried,
			frame + frame_len - payload + done, carried);
		done += carried;
		number++;
	}
	assert_int_equal(done, payload);
	assert_int_equal(number, payload ? (payload + gso_size - 1) / gso_size : 1);
}

/* ---- Tests ----------------------------------------------------------------------------------------- */

static void the_sum_is_that_of_rfc_1071(void **state)
{
	static const uint8_t example[] = { 0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7 };
	uint8_t bytes[100];

	assert_int_equal(offload_fold(offload_sum(0, example, 8)), 0xddf2); /* its section 3 */
	/* Of any length and at any place, as counted by hand. */
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 37 + 200);
	for (unsigned from = 0; from < 8; from++) {
		for (unsigned len = 0; len + from <= sizeof(bytes); len++) {
			uint64_t sum = 0;

			for (unsigned i = 0; i < len; i++)
				sum += (unsigned)bytes[from + i] << (i & 1 ? 0 : 8);
			assert_int_equal(
				offload_fold(offload_sum(0, bytes + from, len)), offload_fold(sum));
		}
	}
}

static void a_known_datagram_gets_its_known_checksum(void **state)
{
	/* 192.0.2.1:1111 to 192.0.2.2:2222, "hello": 0xc000 + 0x0201 + 0xc000 + 0x0202 + 17 + 13 +
	 * 0x0457 + 0x08ae + 13 + 0x6865 + 0x6c6c + 0x6f00 = 0x2d504: the complement of 0xd506. */
	const struct shape shape = { 0 };
	struct iovec iov[3], piece_iov;
	struct net_frame piece;
	struct offload o;

	make(&shape, 5, 0);
	memcpy(frame + frame_len - 5, "hello", 5);
	const struct net_frame whole = as_frame(iov);
	assert_int_equal(offload_read(&o, &whole, &why), 0);
	assert_int_equal(o.needs, NET_CAN_CSUM);
	assert_true(offload_next(&o, &whole, piece_bytes, &piece, &piece_iov));
	assert_int_equal(piece.bytes, frame_len);
	assert_int_equal(frame_get16(piece_bytes + transport_at + 6), 0xffff & ~0xd506);
	check_sums(piece_bytes, piece.bytes, &shape);
	assert_false(offload_next(&o, &whole, piece_bytes, &piece, &piece_iov));
}

static void a_checksum_of_zero_is_sent_as_ones(void **state)
{
	const struct shape shape = { 0 };
	struct iovec iov[3], piece_iov;
	struct net_frame piece;
	struct offload o;

	make(&shape, 2, 0);
	/* A payload that makes the sum all ones. */
	memset(frame + frame_len - 2, 0, 2);
	unsigned sum = offload_fold(offload_sum(0, frame + transport_at, frame_len - transport_at));
	frame_put16(frame + frame_len - 2, 0xffff - sum);
	const struct net_frame whole = as_frame(iov);
	assert_int_equal(offload_read(&o, &whole, &why), 0);
	assert_true(offload_next(&o, &whole, piece_bytes, &piece, &piece_iov));
	assert_int_equal(frame_get16(piece_bytes + transport_at + 6), 0xffff);
}

static void plain_frames_need_nothing(void **state)
{
	const struct shape shape = { .tcp = true };
	struct iovec iov[3], piece_iov;
	struct net_frame piece;
	struct offload o;

	make(&shape, 100, 0);
	memset(&hdr, 0, sizeof(hdr));
	hdr.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	hdr.csum_start = 0xffff; /* nobody looks */
	const struct net_frame whole = as_frame(iov);
	assert_int_equal(offload_read(&o, &whole, &why), 0);
	assert_int_equal(o.needs, 0);
	assert_int_equal(o.hdr.flags, 0);
	assert_true(offload_next(&o, &whole, piece_bytes, &piece, &piece_iov));
	assert_int_equal(piece.bytes, frame_len);
	assert_memory_equal(piece_bytes, frame, frame_len);
}

static void large_frames_are_cut_and_nothing_is_lost(void **state)
{
	static const struct shape shapes[] = {
		{ .tcp = true },
		{ .tcp = true, .options = 12, .tags = 1 },
		{ .tcp = true, .options = 40, .tags = 2 },
		{ .tcp = true, .ipv6 = true },
		{ .tcp = true, .ipv6 = true, .extensions = 24, .tags = 1 },
		{ .tcp = false },
		{ .tcp = false, .options = 40 },
		{ .tcp = false, .ipv6 = true, .extensions = 8 },
	};

	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		cut_and_check(&shapes[i], 65000, 1448);
		cut_and_check(&shapes[i], 1448 * 3, 1448);
		cut_and_check(&shapes[i], 1448 * 3 + 1, 1448);
		cut_and_check(&shapes[i], 100, 1448);
		cut_and_check(&shapes[i], 0, 1448);
		cut_and_check(&shapes[i], 999, 8);
		cut_and_check(&shapes[i], 60000, 65535);
	}
}

static void what_takes_a_large_frame_is_told(void **state)
{
	struct iovec iov[3];
	struct net_frame whole;
	struct offload o;

	make(&(struct shape){ .tcp = true }, 5000, 1000);
	hdr.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	whole = as_frame(iov);
	assert_int_equal(offload_read(&o, &whole, &why), 0);
	assert_int_equal(o.needs, NET_CAN_CSUM | NET_CAN_TSO4 | NET_CAN_ECN);
	assert_int_equal(o.hdr.gso_type, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN);
	make(&(struct shape){ .tcp = true, .ipv6 = true }, 5000, 1000);
	whole = as_frame(iov);
	assert_int_equal(offload_read(&o, &whole, &why), 0);
	assert_int_equal(o.needs, NET_CAN_CSUM | NET_CAN_TSO6);
	make(&(struct shape){ .ipv6 = true }, 5000, 1000);
	whole = as_frame(iov);
	assert_int_equal(offload_read(&o, &whole, &why), 0);
	assert_int_equal(o.needs, NET_CAN_CSUM | NET_CAN_USO);
}

static void refused(const char *words)
{
	struct iovec iov[3];
	const struct net_frame whole = as_frame(iov);
	struct offload o;

	why = "nothing was said";
	assert_int_equal(offload_read(&o, &whole, &why), -EINVAL);
	if (!strstr(why, words))
		fail_msg("'%s' does not say '%s'", why, words);
}

static void headers_that_lie_are_refused(void **state)
{
	const struct shape tcp4 = { .tcp = true }, tcp6 = { .tcp = true, .ipv6 = true };

	make(&tcp4, 100, 0);
	frame_len = 13;
	refused("shorter than its header");
	frame_len = NET_MAX_FRAME + 1;
	refused("too long");
	make(&tcp4, 100, 0);
	hdr.csum_start = htole16(13);
	refused("in its Ethernet header");
	make(&tcp4, 100, 0);
	hdr.csum_offset = htole16((uint16_t)(frame_len - transport_at - 1));
	refused("behind its end");
	make(&tcp4, 100, 0);
	hdr.csum_start = hdr.csum_offset = 0xffff;
	refused("behind its end");
	make(&tcp4, 3000, 1000);
	hdr.flags = 0;
	refused("has a checksum");
	for (unsigned size = 0; size < 8; size++) {
		make(&tcp4, 3000, 1000);
		hdr.gso_size = htole16((uint16_t)size);
		refused("less than 8");
	}
	make(&tcp4, 3000, 1000);
	hdr.gso_type = VIRTIO_NET_HDR_GSO_UDP;
	refused("a way that there is not");
	hdr.gso_type = VIRTIO_NET_HDR_GSO_ECN;
	refused("a way that there is not");
	hdr.gso_type = 0x7f;
	refused("a way that there is not");
	hdr.gso_type = GSO_UDP_L4 | VIRTIO_NET_HDR_GSO_ECN;
	refused("UDP with ECN");
	hdr.gso_type = GSO_UDP_L4;
	refused("not of the protocol");
	hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	refused("other version");
	make(&tcp6, 3000, 1000);
	hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	refused("other version");
	make(&tcp4, 3000, 1000);
	hdr.csum_start = htole16((uint16_t)(transport_at + 4));
	refused("not where its protocol");
	make(&tcp4, 3000, 1000);
	hdr.csum_offset = htole16(6);
	refused("not where its protocol");
}

static void packets_that_lie_are_refused(void **state)
{
	const struct shape tcp4 = { .tcp = true }, tcp6 = { .tcp = true, .ipv6 = true };

	make(&tcp4, 3000, 1000);
	frame_put16(frame + 12, 0x0806);
	refused("neither IPv4 nor IPv6");
	make(&tcp4, 3000, 1000);
	frame[ip_at] = 0x65;
	refused("IPv4 header is none");
	make(&tcp4, 3000, 1000);
	frame[ip_at] = 0x44;
	refused("IPv4 header is none");
	make(&tcp4, 3000, 1000);
	frame[ip_at] = 0x4f;
	refused("not where its protocol");
	make(&tcp4, 3000, 1000);
	frame_put16(frame + ip_at + 6, 0x2000);
	refused("a fragment");
	make(&tcp4, 3000, 1000);
	frame[transport_at + 12] = 0x40;
	refused("TCP header is none");
	make(&tcp4, 0, 1000);
	frame[transport_at + 12] = 0xf0;
	refused("headers do not end");
	/* Cut short everywhere. */
	make(&tcp4, 0, 1000);
	for (frame_len--; frame_len >= 14; frame_len--)
		refused("");
	make(&(struct shape){ .tcp = true, .tags = 2 }, 0, 1000);
	for (frame_len--; frame_len >= 14; frame_len--)
		refused("");
	make(&(struct shape){ .tcp = true, .ipv6 = true, .extensions = 16 }, 0, 1000);
	for (frame_len--; frame_len >= 14; frame_len--)
		refused("");
	make(&(struct shape){ .tcp = true, .tags = 3 }, 3000, 1000);
	refused("more than two VLAN tags");
	make(&tcp6, 3000, 1000);
	frame[ip_at] = 0x45;
	refused("IPv6 header is none");
	make(&tcp6, 3000, 1000);
	frame[ip_at + 6] = 44;
	refused("not of the protocol");
	/* Headers without end. */
	make(&(struct shape){ .tcp = true, .ipv6 = true, .extensions = 8 }, 3000, 1000);
	frame[ip_at + 41] = 255;
	refused("too long");
	make(&(struct shape){ .tcp = true, .ipv6 = true, .extensions = 8 }, 3000, 1000);
	memset(frame + ip_at + 40, 0, 3000);
	refused("too long");
	/* One piece that no IP header can describe. */
	make(&(struct shape){ .tcp = true }, 65499, 65535);
	refused("longer than IP packets");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sum_is_that_of_rfc_1071),
		cmocka_unit_test(a_known_datagram_gets_its_known_checksum),
		cmocka_unit_test(a_checksum_of_zero_is_sent_as_ones),
		cmocka_unit_test(plain_frames_need_nothing),
		cmocka_unit_test(large_frames_are_cut_and_nothing_is_lost),
		cmocka_unit_test(what_takes_a_large_frame_is_told),
		cmocka_unit_test(headers_that_lie_are_refused),
		cmocka_unit_test(packets_that_lie_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
