/* SPDX-License-Identifier: BSD-3-Clause */
/* A tap: the kernel's end of it is in a network namespace of this test's own. */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/frame.h"
#include "net/offload.h"
#include "test_net_bed.h"

#define HOST  0x0a090001u /* 10.9.0.1 */
#define GUEST 0x0a090002u

static const uint8_t guest_mac[6] = { 0x52, 0x54, 0, 1, 2, 3 };
static struct medio_loop *loop;
static struct net_bed *bed;
static int control; /* a socket for ioctl() */

static struct ifreq tap_of(void)
{
	return (struct ifreq){ .ifr_name = "tap9" };
}

static struct sockaddr_in address(uint32_t ip, unsigned port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr = { htonl(ip) }, .sin_port = htons((uint16_t)port)
	};
}

static void bring_up(bool up)
{
	struct ifreq ifr = tap_of();
	struct sockaddr_in ip = address(HOST, 0), mask = address(0xffffff00, 0);

	ifr.ifr_flags = up ? IFF_UP : 0;
	assert_int_equal(ioctl(control, SIOCSIFFLAGS, &ifr), 0);
	if (!up)
		return;
	memcpy(&ifr.ifr_addr, &ip, sizeof(ip));
	assert_int_equal(ioctl(control, SIOCSIFADDR, &ifr), 0);
	memcpy(&ifr.ifr_netmask, &mask, sizeof(mask));
	assert_int_equal(ioctl(control, SIOCSIFNETMASK, &ifr), 0);
}

/* The kernel knows who the guest is, and need not ask. */
static void introduce_guest(void)
{
	struct sockaddr_in ip = address(GUEST, 0);
	struct arpreq arp = { .arp_flags = ATF_COM | ATF_PERM, .arp_dev = "tap9" };

	memcpy(&arp.arp_pa, &ip, sizeof(ip));
	arp.arp_ha.sa_family = ARPHRD_ETHER;
	memcpy(arp.arp_ha.sa_data, guest_mac, 6);
	assert_int_equal(ioctl(control, SIOCSARP, &arp), 0);
}

static int setup(void **state)
{
	net_bed_forget_words();
	if (medio_loop_new(&loop))
		return -1;
	bed = net_bed_open(loop, (const char *const[]){ "tap=tap9", NULL });
	if (!bed) {
		print_error("%s", net_bed_words());
		return -1;
	}
	bring_up(true);
	introduce_guest();
	return 0;
}

static int teardown(void **state)
{
	net_bed_close(bed);
	bed = NULL;
	medio_loop_free(loop);
	return 0;
}

static struct net_counts counts(void)
{
	struct net_counts now;

	net_get_counts(bed->net, &now);
	return now;
}

/* A datagram from the kernel to this port; where it stands in what came. */
struct want {
	unsigned port;
	const struct net_bed_frame *frame;
};

static bool has_come(void *arg)
{
	struct want *want = arg;

	for (unsigned i = 0; i < bed->num_frames; i++) {
		const struct net_bed_frame *frame = &bed->frames[i];

		if (frame->bytes > 42 && frame_get16(frame->data + 12) == 0x0800 &&
			frame->data[23] == 17 && frame_get16(frame->data + 36) == want->port)
			want->frame = frame;
	}
	return want->frame;
}

static const struct net_bed_frame *wait_for(unsigned port)
{
	struct want want = { .port = port };

	assert_true(net_bed_until(loop, has_come, &want));
	return want.frame;
}

static void kernel_sends(unsigned port, const void *data, size_t len)
{
	struct sockaddr_in to = address(GUEST, port);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof(to)), len);
	close(fd);
}

/* ---- Tests ----------------------------------------------------------------------------------------- */

static void the_kernel_answers(void **state)
{
	uint8_t frame[42];

	memset(frame, 0xff, 6);
	memcpy(frame + 6, guest_mac, 6);
	frame_put16(frame + 12, 0x0806);
	memcpy(frame + 14, "\0\1\x08\0\6\4\0\1", 8);
	memcpy(frame + 22, guest_mac, 6);
	frame_put32(frame + 28, GUEST);
	memset(frame + 32, 0, 6);
	frame_put32(frame + 38, HOST);
	assert_int_equal(net_bed_send(bed, frame, sizeof(frame)), 0);
	for (unsigned i = 0; i < 100; i++) {
		assert_true(medio_loop_run_once(loop, 100) >= 0);
		const struct net_bed_frame *last = &bed->frames[bed->num_frames - 1];
		if (bed->num_frames && frame_get16(last->data + 12) == 0x0806 &&
			last->data[21] == 2)
			return;
	}
	fail_msg("nobody answered");
}

static void checksums_are_the_drivers_if_it_can(void **state)
{
	kernel_sends(1000, "whole", 5);
	const struct net_bed_frame *frame = wait_for(1000);
	uint64_t sum = offload_sum(17 + 13, frame->data + 26, 8);
	assert_int_equal(frame->hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, 0);
	assert_int_equal(offload_fold(offload_sum(sum, frame->data + 34, 13)), 0xffff);
	net_set_can(bed->net, NET_CAN_CSUM);
	kernel_sends(1001, "not yet", 7);
	frame = wait_for(1001);
	assert_int_equal(frame->hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, 1);
	assert_int_equal(le16toh(frame->hdr.csum_start), 34);
	assert_int_equal(le16toh(frame->hdr.csum_offset), 6);
	net_set_can(bed->net, 0);
	kernel_sends(1002, "whole", 5);
	assert_int_equal(wait_for(1002)->hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, 0);
}

static void large_frames_go_in_whole(void **state)
{
	static uint8_t frame[30054], got[NET_MAX_FRAME];
	const struct virtio_net_hdr_v1 hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = htole16(1000),
		.csum_start = htole16(34),
		.csum_offset = htole16(16),
	};
	struct sockaddr_ll where = { .sll_family = AF_PACKET,
		.sll_protocol = htons(0x0800),
		.sll_ifindex = (int)if_nametoindex("tap9") };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(0x0800));

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&where, sizeof(where)), 0);
	memset(frame, 0x22, 12);
	frame_put16(frame + 12, 0x0800);
	frame[14] = 0x45;
	frame_put16(frame + 16, sizeof(frame) - 14);
	frame[22] = 64;
	frame[23] = 6;
	frame_put32(frame + 26, GUEST);
	frame_put32(frame + 30, HOST);
	frame_put16(frame + 24, (uint16_t)~offload_fold(offload_sum(0, frame + 14, 20)));
	frame[46] = 0x50;
	assert_int_equal(net_bed_send_hdr(bed, frame, sizeof(frame), &hdr), 0);
	ssize_t len = -1;
	for (unsigned i = 0; i < 100 && len != sizeof(frame); i++) {
		assert_true(medio_loop_run_once(loop, 10) >= 0);
		len = recv(fd, got, sizeof(got), 0);
	}
	assert_int_equal(len, sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
	assert_int_equal(counts().cut, 0);
	assert_int_equal(counts().dropped, 0);
	close(fd);
}

static void a_card_without_room_gets_all_later(void **state)
{
	bed->room = 2;
	for (unsigned i = 0; i < 20; i++)
		kernel_sends(2000 + i, &i, sizeof(i));
	for (unsigned i = 0; i < 10; i++)
		medio_loop_run_once(loop, 0);
	assert_int_equal(bed->num_frames, 2);
	assert_int_equal(bed->refused, 1);
	bed->room = UINT32_MAX;
	net_resume(bed->net);
	for (unsigned i = 0; i < 20; i++) {
		unsigned value;

		memcpy(&value, wait_for(2000 + i)->data + 42, sizeof(value));
		assert_int_equal(value, i);
	}
}

static void what_an_interface_that_is_down_does_not_take_is_counted(void **state)
{
	uint8_t frame[60] = { 0 };

	bring_up(false);
	assert_int_equal(net_bed_send(bed, frame, sizeof(frame)), 0);
	assert_int_equal(counts().dropped, 1);
}

static void an_interface_has_one_user(void **state)
{
	net_bed_forget_words();
	assert_null(net_bed_open(loop, (const char *const[]){ "tap=tap9", NULL }));
	assert_non_null(strstr(net_bed_words(), "in use by another program"));
}

static int is_possible(void)
{
	int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (tun < 0)
		return errno;
	close(tun);
	if (unshare(CLONE_NEWNET) < 0)
		return errno;
	control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return control < 0 ? errno : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_kernel_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(
			checksums_are_the_drivers_if_it_can, setup, teardown),
		cmocka_unit_test_setup_teardown(large_frames_go_in_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_card_without_room_gets_all_later, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_an_interface_that_is_down_does_not_take_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(an_interface_has_one_user, setup, teardown),
	};
	int err = is_possible();

	if (err) {
		printf("1..0 # SKIP no tap can be made here: %s; it takes root and /dev/net/tun\n",
			strerror(err));
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
