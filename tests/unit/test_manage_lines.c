/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "manage/lines.h"

static void receive(struct medio_lines *lines, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		size_t room;
		char *space = medio_lines_space(lines, &room);
		assert_non_null(space);
		assert_true(room > 0);
		size_t n = len < room ? len : room;
		memcpy(space, text, n);
		medio_lines_received(lines, n);
		text += n;
		len -= n;
	}
}

#define assert_line(lines, text) \
	do { \
		char *line_; \
		size_t len_; \
		assert_int_equal(medio_lines_next(lines, &line_, &len_), 1); \
		assert_string_equal(line_, text); \
		assert_int_equal(len_, strlen(text)); \
	} while (0)

#define assert_next(lines, ret) \
	do { \
		char *line_; \
		size_t len_; \
		assert_int_equal(medio_lines_next(lines, &line_, &len_), ret); \
	} while (0)

static void nothing_received_is_no_line(void **state)
{
	struct medio_lines lines = { .max = 8 };
	(void)state;

	assert_next(&lines, 0);
	medio_lines_free(&lines);
}

static void lines_come_whole_however_they_were_cut(void **state)
{
	struct medio_lines lines = { .max = 64 };
	(void)state;

	for (const char *c = "one\ntwo\n\nthree"; *c; c++)
		receive(&lines, (const char[]){ *c, 0 });
	assert_line(&lines, "one");
	assert_line(&lines, "two");
	assert_line(&lines, "");
	assert_next(&lines, 0);
	receive(&lines, "!\nfour\n");
	assert_line(&lines, "three!");
	assert_line(&lines, "four");
	assert_next(&lines, 0);
	medio_lines_free(&lines);
}

static void a_line_of_the_largest_size_is_taken(void **state)
{
	struct medio_lines lines = { .max = 8 };
	(void)state;

	receive(&lines, "12345678\n");
	assert_line(&lines, "12345678");
	receive(&lines, "12345678");
	assert_next(&lines, 0);
	receive(&lines, "\n");
	assert_line(&lines, "12345678");
	medio_lines_free(&lines);
}

static void a_line_too_long_is_told_once_and_skipped(void **state)
{
	struct medio_lines lines = { .max = 8 };
	(void)state;

	receive(&lines, "123456789");
	assert_next(&lines, -EMSGSIZE);
	assert_next(&lines, 0);
	for (int i = 0; i < 100; i++) {
		receive(&lines, "abcdefg");
		assert_next(&lines, 0);
	}
	receive(&lines, "x\ngood\n");
	assert_line(&lines, "good");
	assert_next(&lines, 0);
	medio_lines_free(&lines);
}

static void a_buffer_holds_no_more_than_a_line(void **state)
{
	struct medio_lines lines = { .max = 100000 };
	char text[1000];
	(void)state;

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	for (int i = 0; i < 100; i++) {
		receive(&lines, text);
		assert_next(&lines, 0);
	}
	assert_true(lines.capacity <= 100001);
	receive(&lines, "\n");
	char *line;
	size_t len;
	assert_int_equal(medio_lines_next(&lines, &line, &len), 1);
	assert_int_equal(len, 99900);
	medio_lines_free(&lines);
}

/* ---- Out --------------------------------------------------------------------------------------- */

static void output_is_sent_in_order_as_the_reader_takes_it(void **state)
{
	struct medio_output out = { 0 };
	char line[1000], buf[4096];
	size_t received = 0;
	int socks[2], ret = -EAGAIN;
	(void)state;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), 0);
	memset(line, 'x', sizeof(line));
	for (int i = 0; i < 2000; i++) {
		line[0] = (char)('0' + i % 10);
		assert_int_equal(medio_output_line(&out, line, sizeof(line)), 0);
	}
	assert_int_equal(medio_output_waiting(&out), 2000 * 1001);
	while (ret == -EAGAIN) {
		ret = medio_output_send(&out, socks[0]);
		ssize_t n;
		while ((n = recv(socks[1], buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
			for (ssize_t i = 0; i < n; i++, received++) {
				char want = received % 1001 == 1000 ? '\n' : 'x';
				if (received % 1001 == 0)
					want = (char)('0' + received / 1001 % 10);
				assert_int_equal(buf[i], want);
			}
		}
	}
	assert_int_equal(ret, 0);
	assert_int_equal(received, 2000 * 1001);
	/* A large buffer is not kept. */
	assert_int_equal(out.capacity, 0);
	medio_output_free(&out);
	close(socks[0]);
	close(socks[1]);
}

static void output_to_nobody_is_dropped(void **state)
{
	struct medio_output out = { 0 };
	int socks[2];
	(void)state;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), 0);
	close(socks[1]);
	assert_int_equal(medio_output_line(&out, "a", 1), 0);
	assert_int_equal(medio_output_send(&out, socks[0]), -EPIPE);
	assert_int_equal(medio_output_waiting(&out), 0);
	medio_output_free(&out);
	close(socks[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_received_is_no_line),
		cmocka_unit_test(lines_come_whole_however_they_were_cut),
		cmocka_unit_test(a_line_of_the_largest_size_is_taken),
		cmocka_unit_test(a_line_too_long_is_told_once_and_skipped),
		cmocka_unit_test(a_buffer_holds_no_more_than_a_line),
		cmocka_unit_test(output_is_sent_in_order_as_the_reader_takes_it),
		cmocka_unit_test(output_to_nobody_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
