/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/wire.h"

static struct medio_wire_packet packet;
static const struct medio_wire_start plan = { .uid = 1000, .memory = 1ull << 40, .files = 64 };

static struct medio_wire_msg start_message(void)
{
	static const char *const strings[] = { "mtty-2", "port0=pty", "port1=", "trace", "/srv" };
	return (struct medio_wire_msg){
		.kind = MEDIO_WIRE_START,
		.uuid = { 1, 2, 3 },
		.cookie = UINT64_MAX - 1,
		.value = 7,
		.flags = 9,
		.ret = -EBUSY,
		.counts = { 2, 1, 1 },
		.strings = strings,
		.nstrings = 5,
		.data = &plan,
		.size = sizeof(plan),
	};
}

static ssize_t encode(const struct medio_wire_msg *msg)
{
	return medio_wire_encode(msg, packet.bytes, sizeof(packet.bytes));
}

static unsigned count_fds(void)
{
	unsigned count = 0;
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void a_message_arrives_as_it_was_sent(void **state)
{
	(void)state;
	struct medio_wire_msg msg = start_message();
	const struct medio_wire_msg *in = &packet.msg;
	ssize_t size = encode(&msg);
	assert_true(size > 0);
	assert_int_equal(medio_wire_decode(&packet, (size_t)size), 0);
	assert_int_equal(in->kind, msg.kind);
	assert_memory_equal(in->uuid, msg.uuid, sizeof(msg.uuid));
	assert_true(in->cookie == msg.cookie);
	assert_int_equal(in->value, msg.value);
	assert_int_equal(in->flags, msg.flags);
	assert_int_equal(in->ret, msg.ret);
	assert_memory_equal(in->counts, msg.counts, sizeof(msg.counts));
	assert_int_equal(in->nstrings, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_string_equal(in->strings[i], msg.strings[i]);
	assert_int_equal(in->size, sizeof(plan));
	assert_memory_equal(in->data, &plan, sizeof(plan));
	assert_int_equal((uintptr_t)in->data % 8, 0);
}

static void no_other_length_is_understood(void **state)
{
	(void)state;
	struct medio_wire_msg msg = start_message();
	ssize_t size = encode(&msg);
	for (size_t i = 0; i < sizeof(packet.bytes); i += i < 2 * (size_t)size ? 1 : 997) {
		if (i != (size_t)size)
			assert_int_equal(medio_wire_decode(&packet, i), -EPROTO);
	}
	assert_int_equal(medio_wire_decode(&packet, (size_t)size), 0);
}

static void a_message_too_large_is_not_made(void **state)
{
	(void)state;
	static char big[MEDIO_WIRE_MAX + 1];
	const char *strings[MEDIO_WIRE_STRINGS + 1];
	struct medio_wire_msg msg = { .kind = MEDIO_WIRE_ATTR, .data = big, .size = 1000 };
	char buf[100];
	assert_int_equal(medio_wire_encode(&msg, buf, sizeof(buf)), -EMSGSIZE);
	assert_int_equal(medio_wire_encode(&msg, buf, 10), -EMSGSIZE);
	msg.size = sizeof(big);
	assert_int_equal(medio_wire_encode(&msg, big, SIZE_MAX), -EMSGSIZE);
	for (unsigned i = 0; i <= MEDIO_WIRE_STRINGS; i++)
		strings[i] = "";
	msg = start_message();
	msg.strings = strings;
	msg.counts[0] = MEDIO_WIRE_STRINGS - 3;
	msg.nstrings = MEDIO_WIRE_STRINGS;
	ssize_t size = encode(&msg);
	assert_true(size > 0);
	assert_int_equal(medio_wire_decode(&packet, (size_t)size), 0);
	msg.nstrings++;
	assert_int_equal(encode(&msg), -EMSGSIZE);
	memset(big, 'x', MEDIO_WIRE_MAX);
	strings[5] = big;
	msg.nstrings--;
	assert_int_equal(encode(&msg), -EMSGSIZE);
}

static void counts_must_add_up(void **state)
{
	(void)state;
	struct medio_wire_msg msg = start_message();
	for (unsigned i = 0; i < 3; i++) {
		msg = start_message();
		msg.counts[i]++;
		assert_int_equal(medio_wire_decode(&packet, (size_t)encode(&msg)), -EPROTO);
	}
	msg = start_message();
	memset(msg.counts, 0xff, sizeof(msg.counts));
	assert_int_equal(medio_wire_decode(&packet, (size_t)encode(&msg)), -EPROTO);
	/* No type. */
	msg.nstrings = 0;
	memset(msg.counts, 0, sizeof(msg.counts));
	assert_int_equal(medio_wire_decode(&packet, (size_t)encode(&msg)), -EPROTO);
}

static void a_kind_carries_what_its_kind_carries(void **state)
{
	(void)state;
	unsigned known = 0;
	for (unsigned kind = 0; kind < 300; kind++) {
		struct medio_wire_msg msg = { .kind = (enum medio_wire_kind)kind };
		if (medio_wire_decode(&packet, (size_t)encode(&msg)) == 0)
			known++;
	}
	/* Bare ones; the others need strings. */
	assert_int_equal(known, 14);
	struct medio_wire_msg msg = { .kind = MEDIO_WIRE_STOP, .data = "x", .size = 1 };
	assert_int_equal(medio_wire_decode(&packet, (size_t)encode(&msg)), -EPROTO);
	msg = start_message();
	msg.size--;
	assert_int_equal(medio_wire_decode(&packet, (size_t)encode(&msg)), -EPROTO);
}

static void what_a_card_can_have_is_told_whole_or_not_at_all(void **state)
{
	const struct {
		struct medio_wire_sriov sriov;
		uint8_t more[8];
	} bytes = {
		.sriov = { .total = 256, .num = 3, .offset = 1, .stride = 2, .vf_device = 0x1041 }
	};
	const struct medio_wire_sriov sriov = bytes.sriov;
	struct medio_wire_msg msg = { .kind = MEDIO_WIRE_STARTED, .data = &bytes };
	struct medio_wire_sriov seen;

	(void)state;
	for (msg.size = 0; msg.size <= sizeof(sriov) + 8; msg.size++) {
		bool whole = msg.size == 0 || msg.size == sizeof(sriov);
		assert_int_equal(
			medio_wire_decode(&packet, (size_t)encode(&msg)), whole ? 0 : -EPROTO);
	}
	msg.size = sizeof(sriov);
	assert_int_equal(medio_wire_decode(&packet, (size_t)encode(&msg)), 0);
	memcpy(&seen, packet.msg.data, sizeof(seen));
	assert_memory_equal(&seen, &sriov, sizeof(seen));
}

static void each_byte_of_the_frame_matters(void **state)
{
	(void)state;
	struct medio_wire_msg msg = { .kind = MEDIO_WIRE_STOP };
	ssize_t size = encode(&msg);
	/* Magic, version; behind the values the counts, number of strings, and both lengths. */
	for (ssize_t i = 0; i < size; i++) {
		if ((i >= 6 && i < 44) || i >= 60)
			continue;
		packet.bytes[i] ^= 0x40;
		assert_int_equal(medio_wire_decode(&packet, (size_t)size), -EPROTO);
		packet.bytes[i] ^= 0x40;
	}
	assert_int_equal(medio_wire_decode(&packet, (size_t)size), 0);
}

/* ---- Sockets ---------------------------------------------------------------------------------------------- */

static void make_pair(int pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

static void descriptors_come_along_and_are_closed_on_exec(void **state)
{
	(void)state;
	struct medio_wire_msg msg = start_message();
	int pair[2];
	make_pair(pair);
	msg.nfds = 2;
	msg.fds[0] = pair[0];
	msg.fds[1] = pair[1];
	unsigned before = count_fds();
	assert_int_equal(medio_wire_receive(pair[1], &packet), -EAGAIN);
	assert_int_equal(medio_wire_send(pair[0], &msg), 0);
	assert_int_equal(medio_wire_receive(pair[1], &packet), 1);
	assert_int_equal(packet.msg.nfds, 2);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(fcntl(packet.msg.fds[i], F_GETFD), FD_CLOEXEC);
	/* One is taken. */
	close(packet.msg.fds[0]);
	packet.msg.fds[0] = -1;
	medio_wire_close_fds(&packet.msg);
	assert_int_equal(count_fds(), before);
	close(pair[0]);
	assert_int_equal(medio_wire_receive(pair[1], &packet), 0);
	close(pair[1]);
}

static void descriptors_of_nonsense_are_closed(void **state)
{
	(void)state;
	int pair[2], given[8];
	char bytes[80] = { 0 };
	union {
		char bytes[CMSG_SPACE(sizeof(given))];
		struct cmsghdr align;
	} control;
	make_pair(pair);
	for (unsigned i = 0; i < 8; i++)
		given[i] = pair[0];
	/* Garbage; nothing at all, which is an end; a good message with more than it may have. */
	struct medio_wire_msg stop = { .kind = MEDIO_WIRE_STOP };
	const struct {
		ssize_t size;
		unsigned fds;
		int ret;
	} cases[] = {
		{ 80, 3, -EPROTO },
		{ 0, 2, 0 },
		{ 64, 1, -EPROTO },
		{ 64, 5, -EPROTO },
		{ 64, 8, -EPROTO },
	};
	unsigned before = count_fds();
	for (unsigned i = 0; i < 5; i++) {
		if (cases[i].size == 64)
			assert_int_equal(medio_wire_encode(&stop, bytes, sizeof(bytes)), 64);
		struct iovec iov = { bytes, (size_t)cases[i].size };
		memset(&control, 0, sizeof(control));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * cases[i].fds);
		memcpy(CMSG_DATA(&control.align), given, sizeof(int) * cases[i].fds);
		struct msghdr hdr = { .msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = CMSG_SPACE(sizeof(int) * cases[i].fds) };
		assert_int_equal(sendmsg(pair[0], &hdr, 0), cases[i].size);
		assert_int_equal(medio_wire_receive(pair[1], &packet), cases[i].ret);
		assert_int_equal(packet.msg.nfds, 0);
		assert_int_equal(count_fds(), before);
	}
	close(pair[0]);
	close(pair[1]);
}

static void who_is_wary_takes_no_file_and_does_not_wait_for_one(void **state)
{
	(void)state;
	struct medio_wire_msg msg = start_message();
	int pair[2], tube[2];
	char byte;
	make_pair(pair);
	assert_int_equal(pipe2(tube, O_CLOEXEC), 0);
	msg.nfds = 2;
	msg.fds[0] = memfd_create("test", MFD_CLOEXEC);
	msg.fds[1] = pair[0];
	assert_int_equal(medio_wire_send(pair[0], &msg), 0);
	assert_int_equal(medio_wire_receive_wary(pair[1], &packet, true), 1);
	assert_int_equal(packet.msg.nfds, 2);
	medio_wire_close_fds(&packet.msg);
	/* The kernel drops them; this kind cannot do without. */
	unsigned before = count_fds();
	assert_int_equal(medio_wire_send(pair[0], &msg), 0);
	assert_int_equal(medio_wire_receive_wary(pair[1], &packet, false), -EPROTO);
	assert_int_equal(count_fds(), before);
	close(msg.fds[0]);
	msg.fds[0] = tube[1];
	assert_int_equal(medio_wire_send(pair[0], &msg), 0);
	assert_int_equal(medio_wire_receive_wary(pair[1], &packet, true), -EPERM);
	assert_int_equal(packet.msg.nfds, 0);
	/* The end of a pipe is not what it is for, and it is closed all the same, by and by. */
	close(tube[1]);
	assert_int_equal(read(tube[0], &byte, 1), 0);
	close(tube[0]);
	/* Those a kind may have are no more than dropped. */
	struct medio_wire_msg ready = { .kind = MEDIO_WIRE_READY, .fds = { pair[0] }, .nfds = 1 };
	assert_int_equal(medio_wire_send(pair[0], &ready), 0);
	assert_int_equal(medio_wire_receive_wary(pair[1], &packet, false), 1);
	assert_int_equal(packet.msg.nfds, 0);
	close(pair[0]);
	close(pair[1]);
}

static void a_message_longer_than_any_is_nonsense(void **state)
{
	(void)state;
	static char bytes[MEDIO_WIRE_MAX + 8];
	int pair[2];
	make_pair(pair);
	struct medio_wire_msg msg = { .kind = MEDIO_WIRE_STOP };
	medio_wire_encode(&msg, bytes, sizeof(bytes));
	assert_int_equal(send(pair[0], bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(medio_wire_receive(pair[1], &packet), -EPROTO);
	close(pair[0]);
	close(pair[1]);
}

static void sending_does_not_wait(void **state)
{
	(void)state;
	struct medio_wire_msg msg = start_message();
	int pair[2], ret;
	make_pair(pair);
	while ((ret = medio_wire_send(pair[0], &msg)) == 0)
		;
	assert_int_equal(ret, -EAGAIN);
	msg.nfds = MEDIO_WIRE_FDS + 1;
	assert_int_equal(medio_wire_send(pair[0], &msg), -EMSGSIZE);
	msg.nfds = 0;
	close(pair[1]);
	assert_int_equal(medio_wire_send(pair[0], &msg), -EPIPE);
	close(pair[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_arrives_as_it_was_sent),
		cmocka_unit_test(no_other_length_is_understood),
		cmocka_unit_test(a_message_too_large_is_not_made),
		cmocka_unit_test(counts_must_add_up),
		cmocka_unit_test(a_kind_carries_what_its_kind_carries),
		cmocka_unit_test(what_a_card_can_have_is_told_whole_or_not_at_all),
		cmocka_unit_test(each_byte_of_the_frame_matters),
		cmocka_unit_test(descriptors_come_along_and_are_closed_on_exec),
		cmocka_unit_test(descriptors_of_nonsense_are_closed),
		cmocka_unit_test(who_is_wary_takes_no_file_and_does_not_wait_for_one),
		cmocka_unit_test(a_message_longer_than_any_is_nonsense),
		cmocka_unit_test(sending_does_not_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
