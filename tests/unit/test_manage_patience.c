/* SPDX-License-Identifier: BSD-3-Clause */
/* Nobody else decides how long mediod's thread waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "manage/patience.h"

#define LINGER_S 60
#define LIMIT_S	 20

static long seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* A TCP connection whose last close() waits for a peer that does not read. */
static int make_lingering(int *peer)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct linger linger = { 1, LINGER_S };
	static const char bytes[65536];
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	*peer = accept(listener, NULL, NULL);
	assert_true(*peer >= 0);
	close(listener);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return fd;
}

/* 0 or -errno. */
static int send_fd(int sock, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (char *)"x", 1 };
	struct msghdr hdr = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };

	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	return sendmsg(sock, &hdr, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void test_a_connection_that_lingers_in_a_message_does_not_hold_up_who_reads(void **state)
{
	int pair[2], peer;
	char byte;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	int fd = make_lingering(&peer);
	assert_int_equal(send_fd(pair[0], fd), 0);
	close(fd);
	long begin = seconds();
	assert_int_equal(medio_patience_recv(pair[1], &byte, 1), 1);
	assert_true(seconds() - begin < LIMIT_S);
	assert_int_equal(medio_patience_recv(pair[1], &byte, 1), -1);
	assert_int_equal(errno, EAGAIN);
	close(pair[0]);
	close(pair[1]);
	close(peer);
}

static void test_nor_one_that_was_never_read(void **state)
{
	int pair[2], peer;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	int fd = make_lingering(&peer);
	assert_int_equal(send_fd(pair[0], fd), 0);
	close(fd);
	close(pair[0]);
	long begin = seconds();
	medio_patience_close(pair[1]);
	assert_true(seconds() - begin < LIMIT_S);
	close(peer);
}

static void test_a_listener_that_blocks_is_given_up(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	/* A name of the kernel's choice. */
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(medio_patience_accept(fd), -1);
	assert_int_equal(errno, ETIMEDOUT);
	close(fd);
}

static void test_where_the_kernel_can_no_descriptor_is_sent_at_all(void **state)
{
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	int possible = medio_patience_no_descriptors(pair[1]);
	assert_true(possible == 0 || possible == -ENOPROTOOPT);
	assert_int_equal(send_fd(pair[0], 0), possible == 0 ? -EPERM : 0);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_a_connection_that_lingers_in_a_message_does_not_hold_up_who_reads),
		cmocka_unit_test(test_nor_one_that_was_never_read),
		cmocka_unit_test(test_a_listener_that_blocks_is_given_up),
		cmocka_unit_test(test_where_the_kernel_can_no_descriptor_is_sent_at_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
