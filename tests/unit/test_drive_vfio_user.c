/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client's connection against a server that is a script: its answers stand in the socket
 * before the client asks, since ids are known (the first is 1). A thread plays the server only
 * where time matters.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/sockios.h>

#include <cmocka.h>

#include "drive/vfio_user.h"
#include "proto/version.h"
#include "util/error.h"

struct pair {
	struct medio_vu_client *client;
	int server;
};

static struct pair pair_new(unsigned timeout_ms, bool spin)
{
	struct medio_vu_client_options opts = { .timeout_ms = timeout_ms, .poll = spin };
	struct pair pair;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(medio_vu_client_new(fds[0], &opts, &pair.client), 0);
	pair.server = fds[1];
	return pair;
}

static void pair_free(struct pair *pair)
{
	medio_vu_client_free(pair->client);
	if (pair->server >= 0)
		close(pair->server);
}

static void put_raw(int fd, const void *bytes, size_t size, const int *fds, unsigned nfds)
{
	char control[CMSG_SPACE(sizeof(int) * 32)] = { 0 };
	struct iovec iov = { (void *)bytes, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	assert_int_equal(sendmsg(fd, &msg, MSG_NOSIGNAL), size);
}

static void put_message(int fd, struct medio_vu_header header, const void *payload, size_t size)
{
	char buf[1024];

	if (!header.size)
		header.size = sizeof(header) + size;
	memcpy(buf, &header, sizeof(header));
	if (size)
		memcpy(buf + sizeof(header), payload, size);
	put_raw(fd, buf, sizeof(header) + size, NULL, 0);
}

/* What the client sent. */
static struct medio_vu_header get_message(int fd, void *payload, size_t size)
{
	struct medio_vu_header header;

	assert_int_equal(recv(fd, &header, sizeof(header), MSG_WAITALL), sizeof(header));
	assert_int_equal(header.size, sizeof(header) + size);
	if (size)
		assert_int_equal(recv(fd, payload, size, MSG_WAITALL), size);
	return header;
}

static const struct medio_vu_call reset = { .cmd = MEDIO_VU_RESET };
static const struct medio_vu_header reset_reply = {
	.id = 1, .cmd = MEDIO_VU_RESET, .flags = MEDIO_VU_REPLY
};

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void a_call_sends_one_message_and_returns_its_answer(void **state)
{
	struct pair pair = pair_new(60000, false);
	struct medio_vu_message reply;
	struct medio_vu_call call = {
		.cmd = MEDIO_VU_GET_INFO, .payload = "ab", .size = 2, .data = "cde", .data_size = 3
	};
	char sent[5];

	put_message(pair.server,
		(struct medio_vu_header){
			.id = 1, .cmd = MEDIO_VU_GET_INFO, .flags = MEDIO_VU_REPLY },
		"answer", 6);
	assert_int_equal(medio_vu_client_call(pair.client, &call, &reply), 0);
	assert_int_equal(reply.size, 6);
	assert_memory_equal(reply.payload, "answer", 6);
	assert_int_equal(reply.nfds, 0);
	struct medio_vu_header header = get_message(pair.server, sent, sizeof(sent));
	assert_int_equal(header.id, 1);
	assert_int_equal(header.cmd, MEDIO_VU_GET_INFO);
	assert_int_equal(header.flags, MEDIO_VU_COMMAND);
	assert_memory_equal(sent, "abcde", 5);
	pair_free(&pair);
}

static void a_busy_polling_call_works_and_times_out(void **state)
{
	struct pair pair = pair_new(20, true);

	put_message(pair.server, reset_reply, NULL, 0);
	assert_int_equal(medio_vu_client_call(pair.client, &reset, NULL), 0);
	assert_int_equal(medio_vu_client_call(pair.client, &reset, NULL), -ETIMEDOUT);
	pair_free(&pair);
}

static void an_error_answer_is_an_errno_and_the_client_lives_on(void **state)
{
	struct pair pair = pair_new(60000, false);
	struct medio_vu_header error = reset_reply;

	error.flags |= MEDIO_VU_ERROR;
	error.error = EBUSY;
	put_message(pair.server, error, NULL, 0);
	assert_int_equal(medio_vu_client_call(pair.client, &reset, NULL), -EBUSY);
	assert_non_null(strstr(medio_vu_client_words(pair.client), "RESET"));
	error = reset_reply;
	error.id = 2;
	put_message(pair.server, error, NULL, 0);
	assert_int_equal(medio_vu_client_call(pair.client, &reset, NULL), 0);
	pair_free(&pair);
}

/* "Header": the errno is optional. */
static void an_error_answer_without_an_errno_is_one(void **state)
{
	struct pair pair = pair_new(60000, false);
	struct medio_vu_header error = reset_reply;

	error.flags |= MEDIO_VU_ERROR;
	put_message(pair.server, error, NULL, 0);
	assert_int_equal(medio_vu_client_call(pair.client, &reset, NULL), -EIO);
	assert_false(medio_vu_client_dead(pair.client));
	pair_free(&pair);
}

static void silence_times_out_and_kills_the_client(void **state)
{
	struct pair pair = pair_new(20, false);

	assert_int_equal(medio_vu_client_call(pair.client, &reset, NULL), -ETIMEDOUT);
	assert_int_equal(medio_vu_client_call(pair.client, &reset, NULL), -ENOTCONN);
	assert_int_equal(medio_vu_client_post(pair.client, &reset), -ENOTCONN);
	assert_int_equal(medio_vu_client_flush(pair.client), -ENOTCONN);
	assert_int_equal(medio_vu_client_process(pair.client), -ENOTCONN);
	pair_free(&pair);
}

static void half_an_answer_times_out(void **state)
{
	struct pair pair = pair_new(20, false);
	struct medio_vu_header header = reset_reply;

	header.size = 100;
	put_message(pair.server, header, "x", 1);
	assert_int_equal(medio_vu_client_call(pair.client, &reset, NULL), -ETIMEDOUT);
	pair_free(&pair);
}

static void a_server_that_goes_is_noticed(void **state)
{
	struct pair pair = pair_new(60000, false);

	close(pair.server);
	pair.server = -1;
	assert_int_equal(medio_vu_client_call(pair.client, &reset, NULL), -ECONNRESET);
	assert_int_equal(medio_vu_client_call(pair.client, &reset, NULL), -ENOTCONN);
	pair_free(&pair);
}

static void hostile(struct medio_vu_header header)
{
	struct pair pair = pair_new(60000, false);

	put_message(pair.server, header, NULL, 0);
	assert_int_equal(medio_vu_client_call(pair.client, &reset, NULL), -EPROTO);
	assert_true(medio_vu_client_words(pair.client)[0]);
	assert_int_equal(medio_vu_client_call(pair.client, &reset, NULL), -ENOTCONN);
	pair_free(&pair);
}

static void hostile_headers_are_refused(void **state)
{
#define HOSTILE(...) \
	hostile((struct medio_vu_header){ \
		.id = 1, .cmd = MEDIO_VU_RESET, .flags = MEDIO_VU_REPLY, __VA_ARGS__ })
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#endif
	HOSTILE(.size = 15);
	HOSTILE(.size = 1);
	HOSTILE(.size = UINT32_MAX);
	HOSTILE(.size = 64 * 1024 * 1024);
	HOSTILE(.id = 2);
	HOSTILE(.cmd = MEDIO_VU_GET_INFO);
	HOSTILE(.flags = 2);
	HOSTILE(.flags = 0xf);
	HOSTILE(.flags = MEDIO_VU_REPLY | MEDIO_VU_ERROR, .error = UINT32_MAX);
#pragma GCC diagnostic pop
}

static void an_answer_to_nothing_is_refused(void **state)
{
	struct pair pair = pair_new(60000, false);

	put_message(pair.server, reset_reply, NULL, 0);
	assert_int_equal(medio_vu_client_process(pair.client), -EPROTO);
	assert_int_equal(medio_vu_client_process(pair.client), -ENOTCONN);
	pair_free(&pair);
}

static void commands_nobody_handles_are_answered_enosys(void **state)
{
	struct pair pair = pair_new(60000, false);
	struct medio_vu_header command = { .id = 77, .cmd = MEDIO_VU_DMA_READ };

	put_message(pair.server, command, "0123456789abcdef", 16);
	command.flags = MEDIO_VU_NO_REPLY;
	put_message(pair.server, command, NULL, 0);
	put_message(pair.server, reset_reply, NULL, 0);
	assert_int_equal(medio_vu_client_call(pair.client, &reset, NULL), 0);
	assert_int_equal(get_message(pair.server, NULL, 0).cmd, MEDIO_VU_RESET);
	struct medio_vu_header answer = get_message(pair.server, NULL, 0);
	assert_int_equal(answer.id, 77);
	assert_int_equal(answer.cmd, MEDIO_VU_DMA_READ);
	assert_int_equal(answer.flags, MEDIO_VU_REPLY | MEDIO_VU_ERROR);
	assert_int_equal(answer.error, ENOSYS);
	/* And none to the one without a reply. */
	char byte;
	assert_int_equal(recv(pair.server, &byte, 1, MSG_DONTWAIT), -1);
	pair_free(&pair);
}

static void posted_messages_wait_for_the_next_call_and_keep_order(void **state)
{
	struct pair pair = pair_new(60000, false);
	struct medio_vu_call post = { .cmd = MEDIO_VU_REGION_WRITE, .payload = "p", .size = 1 };
	struct medio_vu_header reply = reset_reply;
	char byte;

	assert_int_equal(medio_vu_client_post(pair.client, &post), 0);
	assert_int_equal(medio_vu_client_post(pair.client, &post), 0);
	assert_int_equal(recv(pair.server, &byte, 1, MSG_DONTWAIT), -1);
	reply.id = 3;
	put_message(pair.server, reply, NULL, 0);
	assert_int_equal(medio_vu_client_call(pair.client, &reset, NULL), 0);
	for (unsigned id = 1; id <= 2; id++) {
		struct medio_vu_header header = get_message(pair.server, &byte, 1);
		assert_int_equal(header.id, id);
		assert_int_equal(header.flags, MEDIO_VU_NO_REPLY);
		assert_int_equal(byte, 'p');
	}
	assert_int_equal(get_message(pair.server, NULL, 0).id, 3);

	assert_int_equal(medio_vu_client_post(pair.client, &post), 0);
	assert_int_equal(medio_vu_client_flush(pair.client), 0);
	assert_int_equal(get_message(pair.server, &byte, 1).id, 4);
	pair_free(&pair);
}

static void a_full_posting_buffer_is_sent_by_itself(void **state)
{
	struct pair pair = pair_new(60000, false);
	static char data[10000], got[10000];
	struct medio_vu_call post = { .cmd = 10, .data = data, .data_size = sizeof(data) };
	static char big[40000];

	assert_int_equal(medio_vu_client_post(pair.client, &post), 0);
	assert_int_equal(medio_vu_client_post(pair.client, &post), 0);
	assert_int_equal(get_message(pair.server, got, sizeof(got)).id, 1);
	/* Larger than the buffer: goes at once, after those before it. */
	post.data = big;
	post.data_size = sizeof(big);
	assert_int_equal(medio_vu_client_post(pair.client, &post), 0);
	assert_int_equal(get_message(pair.server, got, sizeof(got)).id, 2);
	assert_int_equal(get_message(pair.server, big, sizeof(big)).id, 3);
	pair_free(&pair);
}

static void fds_go_with_their_message_and_unkept_ones_are_closed(void **state)
{
	struct pair pair = pair_new(60000, false);
	struct medio_vu_header header = reset_reply;
	struct medio_vu_message reply;
	int pipes[2], kept, dropped;

	assert_int_equal(pipe(pipes), 0);
	/* Two answers are here at once; the fds come with the second. */
	header.size = sizeof(header);
	put_raw(pair.server, &header, sizeof(header), NULL, 0);
	header.id = 2;
	put_raw(pair.server, &header, sizeof(header), pipes, 2);
	assert_int_equal(medio_vu_client_call(pair.client, &reset, &reply), 0);
	assert_int_equal(reply.nfds, 0);
	assert_int_equal(medio_vu_client_call(pair.client, &reset, &reply), 0);
	assert_int_equal(reply.nfds, 2);
	kept = reply.fds[0];
	dropped = reply.fds[1];
	reply.fds[0] = -1;
	header.id = 3;
	put_raw(pair.server, &header, sizeof(header), NULL, 0);
	assert_int_equal(medio_vu_client_call(pair.client, &reset, &reply), 0);
	assert_int_equal(reply.nfds, 0);
	assert_true(is_open(kept));
	assert_false(is_open(dropped));
	close(kept);
	close(pipes[0]);
	close(pipes[1]);
	pair_free(&pair);
}

static void too_many_fds_are_refused_and_closed(void **state)
{
	struct pair pair = pair_new(60000, false);
	struct medio_vu_header header = reset_reply;
	int fds[MEDIO_VU_CLIENT_FDS + 4], next, after;

	for (unsigned i = 0; i < MEDIO_VU_CLIENT_FDS + 4; i++)
		fds[i] = pair.server;
	header.size = sizeof(header);
	put_raw(pair.server, &header, sizeof(header), fds, MEDIO_VU_CLIENT_FDS + 4);
	next = dup(0);
	close(next);
	assert_int_equal(medio_vu_client_call(pair.client, &reset, NULL), -EPROTO);
	pair_free(&pair);
	/* The lowest free number is what it was, or the pair's: nothing leaked below. */
	after = dup(0);
	close(after);
	assert_true(after <= next);
}

static void sent_fds_do_not_ride_on_posted_writes(void **state)
{
	struct pair pair = pair_new(60000, false);
	struct medio_vu_call post = { .cmd = MEDIO_VU_REGION_WRITE };
	struct medio_vu_call map = { .cmd = MEDIO_VU_DMA_MAP, .fds = &pair.server, .nfds = 1 };
	char control[64], bytes[64];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };

	assert_int_equal(medio_vu_client_post(pair.client, &post), 0);
	assert_int_equal(medio_vu_client_send(pair.client, &map, NULL), 0);
	iov.iov_len = 16;
	assert_int_equal(recvmsg(pair.server, &msg, 0), 16);
	assert_int_equal(msg.msg_controllen, 0);
	msg.msg_controllen = sizeof(control);
	assert_int_equal(recvmsg(pair.server, &msg, 0), 16);
	assert_true(msg.msg_controllen > 0);
	int fd;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	close(fd);
	pair_free(&pair);
}

static void drain(int fd)
{
	int left = 1;

	while (!ioctl(fd, SIOCOUTQ, &left) && left)
		sched_yield();
}

/* Sends an answer byte by byte, each once the client has taken the one before. */
static void *dribble(void *arg)
{
	int fd = *(int *)arg;
	struct medio_vu_header header = reset_reply;
	char bytes[24];

	header.size = sizeof(bytes);
	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), "trickled", 8);
	for (unsigned i = 0; i < sizeof(bytes); i++) {
		if (send(fd, &bytes[i], 1, MSG_NOSIGNAL) != 1)
			break;
		drain(fd);
	}
	return NULL;
}

static void an_answer_in_single_bytes_is_put_together(void **state)
{
	struct pair pair = pair_new(60000, false);
	struct medio_vu_message reply;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, dribble, &pair.server), 0);
	assert_int_equal(medio_vu_client_call(pair.client, &reset, &reply), 0);
	pthread_join(thread, NULL);
	assert_int_equal(reply.size, 8);
	assert_memory_equal(reply.payload, "trickled", 8);
	pair_free(&pair);
}

#define LARGE ((size_t)1 << 20)

/* Fills the client's socket before it reads: stuck unless the client receives while it sends. */
static void *talk_first(void *arg)
{
	int fd = *(int *)arg;
	struct medio_vu_header header = { .id = 9, .cmd = MEDIO_VU_DMA_WRITE };
	char *buf = calloc(1, LARGE + 4096);
	size_t sent = 0, got = 0;

	header.size = 600000;
	memcpy(buf, &header, sizeof(header));
	while (sent < header.size) {
		ssize_t n = send(fd, buf + sent, header.size - sent, MSG_NOSIGNAL);
		if (n <= 0)
			break;
		sent += n;
	}
	while (got < sizeof(header) + LARGE) {
		ssize_t n = recv(fd, buf, sizeof(header) + LARGE - got, 0);
		if (n <= 0)
			break;
		got += n;
	}
	header = reset_reply;
	header.cmd = MEDIO_VU_REGION_WRITE;
	header.size = sizeof(header);
	if (send(fd, &header, sizeof(header), MSG_NOSIGNAL) < 0)
		abort();
	free(buf);
	return NULL;
}

static void both_sides_sending_at_once_do_not_lock_up(void **state)
{
	struct pair pair = pair_new(60000, false);
	char *data = calloc(1, LARGE);
	struct medio_vu_call call = {
		.cmd = MEDIO_VU_REGION_WRITE, .data = data, .data_size = LARGE
	};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, talk_first, &pair.server), 0);
	assert_int_equal(medio_vu_client_call(pair.client, &call, NULL), 0);
	pthread_join(thread, NULL);
	free(data);
	pair_free(&pair);
}

static void a_server_that_never_reads_times_the_send_out(void **state)
{
	struct pair pair = pair_new(20, false);
	char *data = calloc(1, LARGE);
	struct medio_vu_call call = {
		.cmd = MEDIO_VU_REGION_WRITE, .data = data, .data_size = LARGE
	};

	assert_int_equal(medio_vu_client_call(pair.client, &call, NULL), -ETIMEDOUT);
	free(data);
	pair_free(&pair);
}

static void raw_messages_pass_unchecked_both_ways(void **state)
{
	struct pair pair = pair_new(20, false);
	struct medio_vu_message message;
	struct medio_vu_call odd = { .cmd = 99, .flags = 0xabc0, .error = 7 };
	uint16_t id = 0;
	char bytes[3];

	assert_int_equal(medio_vu_client_send(pair.client, &odd, &id), 0);
	struct medio_vu_header header = get_message(pair.server, NULL, 0);
	assert_int_equal(header.id, id);
	assert_int_equal(header.flags, 0xabc0);
	assert_int_equal(header.error, 7);
	assert_int_equal(medio_vu_client_send_bytes(pair.client, "xyz", 3, NULL, 0), 0);
	assert_int_equal(recv(pair.server, bytes, 3, 0), 3);
	assert_memory_equal(bytes, "xyz", 3);
	header = (struct medio_vu_header){ .id = 5, .cmd = 98, .flags = MEDIO_VU_REPLY };
	put_message(pair.server, header, "q", 1);
	assert_int_equal(medio_vu_client_recv(pair.client, &message), 0);
	assert_int_equal(message.header.cmd, 98);
	assert_int_equal(message.payload[0], 'q');
	assert_int_equal(medio_vu_client_recv(pair.client, &message), -ETIMEDOUT);
	pair_free(&pair);
}

static int version_with(const void *payload, size_t size, uint32_t error, char *words)
{
	struct pair pair = pair_new(60000, false);
	struct medio_vu_header header = { .id = 1,
		.cmd = MEDIO_VU_VERSION,
		.flags = MEDIO_VU_REPLY | (error ? MEDIO_VU_ERROR : 0),
		.error = error };
	struct medio_error *err = NULL;
	struct medio_vu_caps caps;

	medio_vu_caps_default(&caps);
	put_message(pair.server, header, payload, size);
	int ret = medio_vu_client_version(pair.client, &caps, &caps, &err);
	strcpy(words, err ? medio_error_text(err) : "");
	medio_error_free(err);
	pair_free(&pair);
	return ret;
}

static void version_takes_a_good_answer_and_names_what_is_bad(void **state)
{
	char words[256];
	static const char good[] = "\0\0\1\0{\"capabilities\":{\"max_msg_fds\":3}}";
	static const char major[] = "\1\0\0\0{}";
	static const char broken[] = "\0\0\0\0{";

	assert_int_equal(version_with(good, sizeof(good), 0, words), 0);
	assert_int_equal(version_with(good, 4, 0, words), 0);
	assert_int_equal(version_with(good, 3, 0, words), -EPROTO);
	assert_non_null(strstr(words, "3 bytes"));
	assert_int_equal(version_with(major, sizeof(major), 0, words), -EPROTO);
	assert_non_null(strstr(words, "version 1.0"));
	assert_int_equal(version_with(broken, sizeof(broken), 0, words), -EPROTO);
	assert_non_null(strstr(words, "not JSON"));
	assert_int_equal(version_with(NULL, 0, EBUSY, words), -EBUSY);
	assert_non_null(strstr(words, "client already"));
}

static void connect_says_what_is_wrong(void **state)
{
	struct medio_vu_client *client;
	struct medio_error *err = NULL;
	char path[200];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	assert_int_equal(medio_vu_client_connect(path, NULL, &client, &err), -ENAMETOOLONG);
	assert_non_null(strstr(medio_error_text(err), "107"));
	assert_int_equal(medio_vu_client_connect("/nowhere/sock", NULL, &client, &err), -ENOENT);
	assert_non_null(strstr(medio_error_text(err), "/nowhere/sock"));
	medio_error_free(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_sends_one_message_and_returns_its_answer),
		cmocka_unit_test(a_busy_polling_call_works_and_times_out),
		cmocka_unit_test(an_error_answer_is_an_errno_and_the_client_lives_on),
		cmocka_unit_test(an_error_answer_without_an_errno_is_one),
		cmocka_unit_test(silence_times_out_and_kills_the_client),
		cmocka_unit_test(half_an_answer_times_out),
		cmocka_unit_test(a_server_that_goes_is_noticed),
		cmocka_unit_test(hostile_headers_are_refused),
		cmocka_unit_test(an_answer_to_nothing_is_refused),
		cmocka_unit_test(commands_nobody_handles_are_answered_enosys),
		cmocka_unit_test(posted_messages_wait_for_the_next_call_and_keep_order),
		cmocka_unit_test(a_full_posting_buffer_is_sent_by_itself),
		cmocka_unit_test(fds_go_with_their_message_and_unkept_ones_are_closed),
		cmocka_unit_test(too_many_fds_are_refused_and_closed),
		cmocka_unit_test(sent_fds_do_not_ride_on_posted_writes),
		cmocka_unit_test(an_answer_in_single_bytes_is_put_together),
		cmocka_unit_test(both_sides_sending_at_once_do_not_lock_up),
		cmocka_unit_test(a_server_that_never_reads_times_the_send_out),
		cmocka_unit_test(raw_messages_pass_unchecked_both_ways),
		cmocka_unit_test(version_takes_a_good_answer_and_names_what_is_bad),
		cmocka_unit_test(connect_says_what_is_wrong),
	};
	return cmocka_run_group_tests_name("drive_vfio_user", tests, NULL, NULL);
}
