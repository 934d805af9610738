/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card against servers that do what they must not: with their answers, with their own requests, with
 * files, with the twin socket. Each ends in an error with words, within the time limit, and leaves no
 * descriptor behind. The server's answers stand in the socket before the card asks; a thread plays it
 * where it never stops.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <medio/driver.h>

#include "proto/vfio_user.h"

#define MAX_XFER 4096u
#define READABLE 0x1000u /* iovas: a page each */
#define WRITABLE 0x2000u
#define BOTH	 0x3000u
#define AGAIN	 0x4000u /* follows BOTH, and is the same */

struct bed {
	struct medio_card *card;
	int server, twin; /* the server's ends; twin -1: there is none */
	uint16_t id;	  /* of the card's next message */
	unsigned fds;
	bool hasty;	 /* the card waits 100 ms for answers, not a minute */
	uint8_t *memory; /* four pages */
};

/* ---- The server -------------------------------------------------------------------------------- */

/* Also on a thread of its own, where cmocka's assertions would jump into another. */
static void must(bool ok)
{
	if (!ok)
		abort();
}

static void put_fds(int to, struct medio_vu_header header, const void *payload, size_t size,
	const int *fds, unsigned nfds)
{
	static char buf[65536];
	char control[CMSG_SPACE(sizeof(int) * 16)] = { 0 };
	struct iovec iov = { buf, sizeof(header) + size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (!header.size)
		header.size = (uint32_t)iov.iov_len;
	memcpy(buf, &header, sizeof(header));
	if (size)
		memcpy(buf + sizeof(header), payload, size);
	if (nfds) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	must(sendmsg(to, &msg, MSG_NOSIGNAL) == (ssize_t)iov.iov_len);
}

static void answer_fds(struct bed *bed, uint16_t cmd, const void *payload, size_t size,
	const int *fds, unsigned nfds)
{
	put_fds(bed->server,
		(struct medio_vu_header){ .id = bed->id++, .cmd = cmd, .flags = MEDIO_VU_REPLY },
		payload, size, fds, nfds);
}

static void answer(struct bed *bed, uint16_t cmd, const void *payload, size_t size)
{
	answer_fds(bed, cmd, payload, size, NULL, 0);
}

/* Throw away what the card has said on this socket. */
static void heard(int fd)
{
	char buf[4096];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0) {
	}
}

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* VERSION with this JSON and these files, GET_INFO, and a card's answer to that. */
static int try_open(
	struct bed *bed, const char *json, const int *fds, unsigned nfds, struct medio_error **err)
{
	const struct medio_card_options opts = { .timeout_ms = bed->hasty ? 100 : 60000,
		.max_data_xfer = MAX_XFER };
	const struct medio_vu_device_info info = { 16, MEDIO_VU_INFO_PCI | MEDIO_VU_INFO_RESET, 9,
		5 };
	char version[512] = { 0 };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	bed->server = pair[1];
	bed->id = 1;
	snprintf(version + 4, sizeof(version) - 4, "%s", json);
	answer_fds(bed, MEDIO_VU_VERSION, version, 4 + strlen(json) + 1, fds, nfds);
	answer(bed, MEDIO_VU_GET_INFO, &info, sizeof(info));
	return medio_card_open_fd(pair[0], &opts, &bed->card, err);
}

#define PLAIN	   "{\"capabilities\":{\"max_msg_fds\":16}}"
#define TWIN(rest) "{\"capabilities\":{\"twin_socket\":{\"supported\":true" rest "}}}"

static struct bed *bed_new(bool twin, bool hasty)
{
	static const struct {
		uint64_t iova;
		unsigned prot;
	} maps[] = { { READABLE, MEDIO_CARD_DMA_READ }, { WRITABLE, MEDIO_CARD_DMA_WRITE },
		{ BOTH, 3 }, { AGAIN, 3 } };
	struct medio_vu_region_info region = { sizeof(region),
		MEDIO_VU_REGION_READ_OK | MEDIO_VU_REGION_WRITE_OK, 0, 0, 4096, 0 };
	struct bed *bed = calloc(1, sizeof(*bed));
	struct medio_card_region got;
	int pair[2] = { -1, -1 };

	bed->hasty = hasty;
	bed->fds = count_fds();
	if (twin)
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(
		try_open(bed, twin ? TWIN(",\"fd_index\":0") : PLAIN, pair, twin, NULL), 0);
	if (twin)
		close(pair[0]);
	bed->twin = pair[1];
	answer(bed, MEDIO_VU_GET_REGION_INFO, &region, sizeof(region));
	assert_int_equal(medio_card_get_region(bed->card, 0, &got), 0);
	bed->memory = aligned_alloc(4096, 4 * 4096);
	memset(bed->memory, 0x11, 4 * 4096);
	for (unsigned i = 0; i < 4; i++) {
		answer(bed, MEDIO_VU_DMA_MAP, NULL, 0);
		assert_int_equal(medio_card_dma_map(bed->card, maps[i].iova, 4096, maps[i].prot,
					 bed->memory + (size_t)i * 4096),
			0);
	}
	heard(bed->server);
	return bed;
}

static int setup(void **state)
{
	*state = bed_new(false, false);
	return 0;
}

static int setup_twin(void **state)
{
	*state = bed_new(true, false);
	return 0;
}

static int setup_hasty(void **state)
{
	*state = bed_new(false, true);
	return 0;
}

static int setup_hasty_twin(void **state)
{
	*state = bed_new(true, true);
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	if (bed->server >= 0)
		close(bed->server);
	if (bed->twin >= 0)
		close(bed->twin);
	medio_card_close(bed->card);
	assert_int_equal(count_fds(), bed->fds);
	free(bed->memory);
	free(bed);
	return 0;
}

/* ---- What the card says then ------------------------------------------------------------------- */

static int read_register(struct bed *bed)
{
	uint32_t value;

	return medio_card_read32(bed->card, 0, 0, &value);
}

static void fails(struct bed *bed, int expected, const char *word)
{
	assert_int_equal(read_register(bed), expected);
	if (!strstr(medio_card_last_error(bed->card), word) || !*medio_card_last_error(bed->card))
		fail_msg("\"%s\" does not say %s", medio_card_last_error(bed->card), word);
	assert_int_equal(read_register(bed), -ENOTCONN);
	assert_int_equal(medio_card_process(bed->card), -ENOTCONN);
}

static void lives(struct bed *bed)
{
	struct medio_vu_region_access access = { 0, 0, 4 };
	char buf[sizeof(access) + 4] = { 0 };

	memcpy(buf, &access, sizeof(access));
	answer(bed, MEDIO_VU_REGION_READ, buf, sizeof(buf));
	assert_int_equal(read_register(bed), 0);
}

/* ---- Answers ----------------------------------------------------------------------------------- */

static void test_no_answer(void **state)
{
	fails(*state, -ETIMEDOUT, "100 ms");
}

static void test_an_answer_twice(void **state)
{
	struct bed *bed = *state;

	lives(bed);
	bed->id--;
	answer(bed, MEDIO_VU_REGION_READ, "0123456789abcdefxxxx", 20);
	fails(bed, -EPROTO, "is answered");
}

static void test_another_answers_id(void **state)
{
	struct bed *bed = *state;

	bed->id += 7;
	answer(bed, MEDIO_VU_REGION_READ, "0123456789abcdefxxxx", 20);
	fails(bed, -EPROTO, "is answered");
}

static void cut(struct bed *bed, size_t bytes)
{
	struct medio_vu_header header = {
		.id = bed->id, .cmd = MEDIO_VU_REGION_READ, .size = 36, .flags = MEDIO_VU_REPLY
	};
	char buf[36] = { 0 };

	memcpy(buf, &header, sizeof(header));
	assert_int_equal(write(bed->server, buf, bytes), bytes);
	close(bed->server);
	bed->server = -1;
	fails(bed, -ECONNRESET, "closed");
}

static void test_an_end_in_a_header(void **state)
{
	cut(*state, 5);
}

static void test_an_end_in_a_payload(void **state)
{
	cut(*state, 35);
}

static void test_a_giant(void **state)
{
	struct bed *bed = *state;

	put_fds(bed->server,
		(struct medio_vu_header){ .id = bed->id,
			.cmd = MEDIO_VU_REGION_READ,
			.size = UINT32_MAX - 3,
			.flags = MEDIO_VU_REPLY },
		NULL, 0, NULL, 0);
	fails(bed, -EPROTO, "allowed are");
}

static void test_files_that_nobody_asked_for(void **state)
{
	struct bed *bed = *state;
	char access[20] = { [12] = 4 };
	int fds[16];

	for (unsigned i = 0; i < 16; i++)
		fds[i] = bed->server;
	/* With answers that may carry none, with requests, and behind everything. */
	answer_fds(bed, MEDIO_VU_REGION_READ, access, sizeof(access), fds, 16);
	assert_int_equal(read_register(bed), 0);
	answer_fds(bed, MEDIO_VU_RESET, NULL, 0, fds, 16);
	assert_int_equal(medio_card_reset(bed->card), 0);
	put_fds(bed->twin >= 0 ? bed->twin : bed->server,
		(struct medio_vu_header){ .cmd = MEDIO_VU_DMA_READ }, access, 16, fds, 16);
	assert_int_equal(medio_card_process(bed->card), 1);
	lives(bed);
}

static void test_files_with_half_a_request(void **state)
{
	struct bed *bed = *state;
	char access[20] = { [12] = 4 };
	int fds[16];

	for (unsigned i = 0; i < 16; i++)
		fds[i] = bed->server;
	put_fds(bed->server, (struct medio_vu_header){ .cmd = MEDIO_VU_DMA_READ, .size = 4000 },
		access, 16, fds, 16);
	assert_int_equal(medio_card_process(bed->card), 0);
	fails(bed, -ETIMEDOUT, "no answer");
}

/* What is in the way then is a limit of this program's, no mistake of the server's. */
static void test_files_that_this_program_cannot_have(void **state)
{
	struct bed *bed = *state;
	int fds[2] = { bed->server, bed->server }, lowest = dup(0);
	const char *preloaded = getenv("LD_PRELOAD");
	struct rlimit before, none;

	close(lowest);
	if (preloaded && strstr(preloaded, "vgpreload")) {
		print_message(
			"# valgrind keeps this limit itself, so that the kernel does not: not tried\n");
		return;
	}
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)lowest;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	answer_fds(bed, MEDIO_VU_RESET, NULL, 0, fds, 2);
	int ret = medio_card_reset(bed->card);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(ret, -EMFILE);
	assert_non_null(strstr(medio_card_last_error(bed->card), "RLIMIT_NOFILE"));
	assert_int_equal(read_register(bed), -ENOTCONN);
}

/* ---- Requests ---------------------------------------------------------------------------------- */

static int to_card(const struct bed *bed)
{
	return bed->twin >= 0 ? bed->twin : bed->server;
}

/* A request, and what comes back: 0 or the error; -1: nothing. */
static int ask_flags(
	struct bed *bed, uint16_t cmd, uint64_t iova, uint64_t count, size_t data, uint32_t flags)
{
	static char buf[16 + 2 * MAX_XFER];
	struct medio_vu_dma_access access = { iova, count };
	struct medio_vu_header header;

	memset(buf, 0x22, sizeof(buf));
	memcpy(buf, &access, sizeof(access));
	put_fds(to_card(bed), (struct medio_vu_header){ .id = 77, .cmd = cmd, .flags = flags }, buf,
		sizeof(access) + data, NULL, 0);
	assert_int_equal(medio_card_process(bed->card), 1);
	ssize_t n = recv(to_card(bed), &header, sizeof(header), MSG_DONTWAIT);
	if (n < 0)
		return -1;
	assert_int_equal(n, sizeof(header));
	assert_int_equal(header.id, 77);
	assert_int_equal(header.cmd, cmd);
	if (header.flags & MEDIO_VU_ERROR) {
		assert_int_equal(header.size, sizeof(header));
		assert_true(header.error > 0);
		return (int)header.error;
	}
	assert_int_equal(header.size,
		sizeof(header) + sizeof(access) + (cmd == MEDIO_VU_DMA_READ ? count : 0));
	assert_int_equal(recv(to_card(bed), buf, header.size - sizeof(header), MSG_WAITALL),
		header.size - sizeof(header));
	assert_memory_equal(buf, &access, sizeof(access));
	return 0;
}

static int reads(struct bed *bed, uint64_t iova, uint64_t count)
{
	return ask_flags(bed, MEDIO_VU_DMA_READ, iova, count, 0, 0);
}

static int writes(struct bed *bed, uint64_t iova, uint64_t count)
{
	return ask_flags(bed, MEDIO_VU_DMA_WRITE, iova, count, count < 2 * MAX_XFER ? count : 4, 0);
}

static bool untouched(const struct bed *bed)
{
	for (unsigned i = 0; i < 4 * 4096; i++)
		if (bed->memory[i] != 0x11)
			return false;
	return true;
}

static void test_memory_beyond_what_is_mapped(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(reads(bed, READABLE - 1, 2), ENODEV);
	assert_int_equal(reads(bed, READABLE - 4096, 1), ENODEV);
	assert_int_equal(reads(bed, AGAIN + 4095, 2), ENODEV);
	assert_int_equal(writes(bed, AGAIN + 4095, 2), ENODEV);
	assert_int_equal(writes(bed, AGAIN + 4096, 1), ENODEV);
	assert_int_equal(reads(bed, UINT64_MAX, 1), ENODEV);
	assert_int_equal(reads(bed, UINT64_MAX, 2), ENODEV);
	assert_int_equal(writes(bed, UINT64_MAX - 1, 8), ENODEV);
	assert_true(untouched(bed));
	lives(bed);
}

static void test_memory_for_the_other_direction(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(writes(bed, READABLE, 1), EACCES);
	assert_int_equal(reads(bed, WRITABLE, 1), EACCES);
	assert_int_equal(writes(bed, READABLE + 4000, 4), EACCES);
	/* Across two, of which the second does not permit it: the first is not written either. */
	assert_int_equal(reads(bed, READABLE + 4092, 8), EACCES);
	assert_int_equal(writes(bed, READABLE + 4092, 8), EACCES);
	assert_int_equal(reads(bed, WRITABLE + 4092, 8), EACCES);
	assert_true(untouched(bed));
	assert_int_equal(reads(bed, READABLE, 4096), 0);
	assert_int_equal(writes(bed, WRITABLE, 4096), 0);
	lives(bed);
}

static void test_memory_across_two_mappings(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(writes(bed, BOTH + 4092, 8), 0);
	assert_int_equal(bed->memory[3 * 4096 - 5], 0x11);
	assert_int_equal(bed->memory[3 * 4096 - 4], 0x22);
	assert_int_equal(bed->memory[3 * 4096 + 3], 0x22);
	assert_int_equal(bed->memory[3 * 4096 + 4], 0x11);
	assert_int_equal(reads(bed, BOTH + 100, 4096), 0);
	/* A write may begin where one may only write, and go on. */
	assert_int_equal(writes(bed, WRITABLE + 4092, 8), 0);
}

static void test_bad_counts(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(reads(bed, BOTH, 0), EINVAL);
	assert_int_equal(writes(bed, BOTH, 0), EINVAL);
	assert_int_equal(reads(bed, UINT64_MAX, 0), EINVAL);
	assert_int_equal(reads(bed, BOTH, MAX_XFER + 1), E2BIG);
	assert_int_equal(writes(bed, BOTH, MAX_XFER + 1), E2BIG);
	assert_int_equal(reads(bed, BOTH, UINT64_MAX), E2BIG);
	assert_int_equal(reads(bed, BOTH, UINT64_C(1) << 32), E2BIG);
	assert_int_equal(writes(bed, BOTH, UINT64_MAX), E2BIG);
	/* More than came with it. */
	assert_int_equal(ask_flags(bed, MEDIO_VU_DMA_WRITE, BOTH, 5, 4, 0), E2BIG);
	assert_int_equal(ask_flags(bed, MEDIO_VU_RESET, BOTH, 4, 4, 0), ENOSYS);
	assert_int_equal(ask_flags(bed, 999, BOTH, 4, 4, 0), ENOSYS);
	assert_true(untouched(bed));
	assert_int_equal(reads(bed, BOTH, MAX_XFER), 0);
	lives(bed);
}

static void test_requests_that_want_no_answer_get_none(void **state)
{
	struct bed *bed = *state;
	const uint32_t flags = MEDIO_VU_NO_REPLY;

	assert_int_equal(ask_flags(bed, MEDIO_VU_DMA_WRITE, BOTH, 4, 4, flags), -1);
	assert_int_equal(bed->memory[2 * 4096 + 3], 0x22);
	assert_int_equal(ask_flags(bed, MEDIO_VU_DMA_WRITE, READABLE, 4, 4, flags), -1);
	assert_int_equal(ask_flags(bed, MEDIO_VU_DMA_WRITE, BOTH, 0, 4, flags), -1);
	assert_int_equal(ask_flags(bed, MEDIO_VU_DMA_READ, BOTH, 4, 0, flags), -1);
	assert_int_equal(ask_flags(bed, MEDIO_VU_DMA_READ, 0, 4, 0, flags), -1);
	assert_int_equal(ask_flags(bed, MEDIO_VU_DMA_READ, BOTH, UINT64_MAX, 0, flags), -1);
	assert_int_equal(ask_flags(bed, MEDIO_VU_GET_INFO, 0, 0, 0, flags), -1);
	assert_int_equal(bed->memory[3], 0x11);
	lives(bed);
}

static void test_memory_that_is_being_taken_away(void **state)
{
	struct bed *bed = *state;
	struct medio_vu_dma_access access = { BOTH, 4 };
	struct medio_vu_dma_unmap unmap = { sizeof(unmap), 0, BOTH, 4096 };
	struct medio_vu_header header;
	char reply[20];

	/* Asked for before the server has agreed, the memory is there; behind that it is not. */
	put_fds(bed->server, (struct medio_vu_header){ .id = 1, .cmd = MEDIO_VU_DMA_READ }, &access,
		sizeof(access), NULL, 0);
	answer(bed, MEDIO_VU_DMA_UNMAP, &unmap, sizeof(unmap));
	put_fds(bed->server, (struct medio_vu_header){ .id = 2, .cmd = MEDIO_VU_DMA_READ }, &access,
		sizeof(access), NULL, 0);
	assert_int_equal(medio_card_dma_unmap(bed->card, BOTH, 4096), 0);
	memset(bed->memory + 2 * 4096, 0xee, 4096);
	assert_int_equal(medio_card_process(bed->card), 1);
	assert_int_equal(recv(bed->server, &header, sizeof(header), 0), sizeof(header));
	assert_int_equal(header.cmd, MEDIO_VU_DMA_UNMAP);
	assert_int_equal(recv(bed->server, &unmap, sizeof(unmap), 0), sizeof(unmap));
	assert_int_equal(recv(bed->server, &header, sizeof(header), 0), sizeof(header));
	assert_int_equal(header.id, 1);
	assert_int_equal(recv(bed->server, reply, sizeof(reply), 0), sizeof(reply));
	assert_int_equal(reply[16], 0x11);
	assert_int_equal(recv(bed->server, &header, sizeof(header), 0), sizeof(header));
	assert_int_equal(header.id, 2);
	assert_int_equal(header.error, ENODEV);
	lives(bed);
}

/* Asks without an end, and reads no answer. */
static void *flood(void *arg)
{
	int fd = *(int *)arg;
	char message[16 + 16 + 4] = { 0 };
	struct medio_vu_header header = {
		.cmd = MEDIO_VU_DMA_WRITE, .size = sizeof(message), .flags = MEDIO_VU_NO_REPLY
	};
	struct medio_vu_dma_access access = { BOTH, 4 };

	memcpy(message, &header, sizeof(header));
	memcpy(message + sizeof(header), &access, sizeof(access));
	while (send(fd, message, sizeof(message), MSG_NOSIGNAL) == sizeof(message)) {
	}
	return NULL;
}

static void test_a_flood_of_requests_ends_a_call_in_time(void **state)
{
	struct bed *bed = *state;
	pthread_t thread;
	int fd = dup(to_card(bed));

	assert_int_equal(pthread_create(&thread, NULL, flood, &fd), 0);
	fails(bed, -ETIMEDOUT, "");
	/* The card has hung up, so that the server's thread ends too. */
	pthread_join(thread, NULL);
	close(fd);
}

static void test_a_flood_of_requests_does_not_keep_the_program(void **state)
{
	struct bed *bed = *state;
	pthread_t thread;
	int fd = dup(to_card(bed));

	assert_int_equal(pthread_create(&thread, NULL, flood, &fd), 0);
	for (unsigned i = 0; i < 10; i++) {
		int ret = medio_card_process(bed->card);
		/* On a slow machine the limit of the card's may be over first. */
		assert_true(ret >= 0 || ret == -ETIMEDOUT || ret == -ENOTCONN);
	}
	lives(bed);
	shutdown(fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(fd);
}

/* Wants answers and reads none: the socket is full at some time. */
static void *flood_of_reads(void *arg)
{
	int fd = *(int *)arg;
	char message[16 + 16] = { 0 };
	struct medio_vu_header header = { .cmd = MEDIO_VU_DMA_READ, .size = sizeof(message) };
	struct medio_vu_dma_access access = { BOTH, MAX_XFER };

	memcpy(message, &header, sizeof(header));
	memcpy(message + sizeof(header), &access, sizeof(access));
	while (send(fd, message, sizeof(message), MSG_NOSIGNAL) == sizeof(message)) {
	}
	return NULL;
}

static void test_answers_that_nobody_takes_end_a_call_in_time(void **state)
{
	struct bed *bed = *state;
	pthread_t thread;
	int fd = dup(to_card(bed));

	assert_int_equal(pthread_create(&thread, NULL, flood_of_reads, &fd), 0);
	fails(bed, -ETIMEDOUT, "");
	pthread_join(thread, NULL);
	close(fd);
}

/* ---- The twin socket --------------------------------------------------------------------------- */

static void refused(const char *json, int fd, const char *word)
{
	struct medio_error *err = NULL;
	unsigned before = count_fds();
	struct bed bed = { .twin = -1 };

	assert_int_equal(try_open(&bed, json, &fd, fd >= 0, &err), -EPROTO);
	if (!strstr(medio_error_text(err), word))
		fail_msg("\"%s\" does not say %s", medio_error_text(err), word);
	medio_error_free(err);
	close(bed.server);
	assert_int_equal(count_fds(), before);
}

static void test_twins_that_are_none(void **state)
{
	int memory = memfd_create("none", MFD_CLOEXEC), pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	refused(TWIN(""), pair[0], "file -1 of 1");
	refused(TWIN(",\"fd_index\":1"), pair[0], "file 1 of 1");
	refused(TWIN(",\"fd_index\":0"), -1, "file 0 of 0");
	refused(TWIN(",\"fd_index\":2147483647"), pair[0], "of 1");
	refused(TWIN(",\"fd_index\":-1"), pair[0], "negative");
	refused(TWIN(",\"fd_index\":0"), memory, "is none");
	close(memory);
	close(pair[0]);
	close(pair[1]);
}

static void test_an_unwanted_file_is_no_twin(void **state)
{
	struct bed bed = { .twin = -1 };
	unsigned before = count_fds();
	int fd = dup(0);

	assert_int_equal(try_open(&bed, PLAIN, &fd, 1, NULL), 0);
	close(fd);
	close(bed.server);
	medio_card_close(bed.card);
	assert_int_equal(count_fds(), before);
}

static void test_a_twin_that_ends_is_the_cards_end(void **state)
{
	struct bed *bed = *state;

	close(bed->twin);
	bed->twin = -1;
	fails(bed, -ECONNRESET, "twin socket");
}

static void test_a_twin_that_ends_is_seen_by_who_waits_elsewhere(void **state)
{
	struct bed *bed = *state;

	close(bed->twin);
	bed->twin = -1;
	assert_int_equal(medio_card_process(bed->card), -ECONNRESET);
	assert_non_null(strstr(medio_card_last_error(bed->card), "twin socket"));
}

static bool is_ready(struct bed *bed)
{
	struct pollfd pfd = { .fd = medio_card_fd(bed->card), .events = POLLIN };

	assert_true(pfd.fd >= 0);
	return poll(&pfd, 1, 0) > 0;
}

static void test_who_waits_elsewhere_hears_of_requests(void **state)
{
	struct bed *bed = *state;
	struct medio_vu_dma_access access = { BOTH, 4 };

	assert_false(is_ready(bed));
	put_fds(to_card(bed), (struct medio_vu_header){ .cmd = MEDIO_VU_DMA_READ }, &access,
		sizeof(access), NULL, 0);
	assert_true(is_ready(bed));
	assert_int_equal(medio_card_process(bed->card), 1);
	assert_false(is_ready(bed));
	lives(bed);
	assert_false(is_ready(bed));
	close(bed->server);
	bed->server = -1;
	assert_true(is_ready(bed));
	assert_int_equal(medio_card_process(bed->card), -ECONNRESET);
}

static void test_a_server_that_ends_is_the_twins_end(void **state)
{
	struct bed *bed = *state;
	char byte;

	close(bed->server);
	bed->server = -1;
	fails(bed, -ECONNRESET, "closed");
	assert_int_equal(recv(bed->twin, &byte, 1, 0), 0);
}

static void test_an_answer_on_the_twin(void **state)
{
	struct bed *bed = *state;

	put_fds(bed->twin,
		(struct medio_vu_header){
			.id = bed->id, .cmd = MEDIO_VU_REGION_READ, .flags = MEDIO_VU_REPLY },
		"0123456789abcdefxxxx", 20, NULL, 0);
	fails(bed, -EPROTO, "to no request");
}

static void test_garbage_on_the_twin(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(write(bed->twin, "some sixteen byte", 17), 17);
	fails(bed, -EPROTO, "twin socket");
}

/* The answer to a read hangs on the DMA it needs. */
static void *needs_dma(void *arg)
{
	struct bed *bed = arg;
	struct medio_vu_dma_access dma = { READABLE, 64 };
	struct medio_vu_region_access access = { 0, 0, 4 };
	char buf[16 + 16 + 64];

	for (unsigned i = 0; i < 3; i++) {
		must(recv(bed->server, buf, 32, MSG_WAITALL) == 32);
		for (unsigned k = 0; k < 100; k++) {
			put_fds(bed->twin, (struct medio_vu_header){ .cmd = MEDIO_VU_DMA_READ },
				&dma, sizeof(dma), NULL, 0);
			must(recv(bed->twin, buf, sizeof(buf), MSG_WAITALL) == sizeof(buf));
		}
		memcpy(buf, &access, sizeof(access));
		memcpy(buf + sizeof(access), "\1\2\3\4", 4);
		answer(bed, MEDIO_VU_REGION_READ, buf, sizeof(access) + 4);
	}
	return NULL;
}

static void test_a_call_waits_and_answers_on_the_twin(void **state)
{
	struct bed *bed = *state;
	pthread_t thread;
	uint32_t value = 0;

	assert_int_equal(pthread_create(&thread, NULL, needs_dma, bed), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(medio_card_read32(bed->card, 0, 0, &value), 0);
	assert_int_equal(value, 0x04030201);
	pthread_join(thread, NULL);
}

#define TEST(name) cmocka_unit_test(test_##name)
#define ONE(name)  cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
#define TWO(name)  cmocka_unit_test_setup_teardown(test_##name, setup_twin, teardown)
#define EACH_WAY(name) \
	{ "one socket: " #name, test_##name, setup, teardown, NULL }, \
	{ \
		"twin socket: " #name, test_##name, setup_twin, teardown, NULL \
	}
/* Those that are about the time limit. */
#define HASTY(name) \
	{ "one socket: " #name, test_##name, setup_hasty, teardown, NULL }, \
	{ \
		"twin socket: " #name, test_##name, setup_hasty_twin, teardown, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HASTY(no_answer),
		ONE(an_answer_twice),
		EACH_WAY(another_answers_id),
		EACH_WAY(an_end_in_a_header),
		EACH_WAY(an_end_in_a_payload),
		ONE(a_giant),
		EACH_WAY(files_that_nobody_asked_for),
		HASTY(files_with_half_a_request),
		ONE(files_that_this_program_cannot_have),
		EACH_WAY(memory_beyond_what_is_mapped),
		EACH_WAY(memory_for_the_other_direction),
		EACH_WAY(memory_across_two_mappings),
		EACH_WAY(bad_counts),
		EACH_WAY(requests_that_want_no_answer_get_none),
		ONE(memory_that_is_being_taken_away),
		HASTY(a_flood_of_requests_ends_a_call_in_time),
		TWO(a_flood_of_requests_does_not_keep_the_program),
		HASTY(answers_that_nobody_takes_end_a_call_in_time),
		EACH_WAY(who_waits_elsewhere_hears_of_requests),
		TEST(twins_that_are_none),
		TEST(an_unwanted_file_is_no_twin),
		TWO(a_twin_that_ends_is_the_cards_end),
		TWO(a_twin_that_ends_is_seen_by_who_waits_elsewhere),
		TWO(a_server_that_ends_is_the_twins_end),
		TWO(an_answer_on_the_twin),
		TWO(garbage_on_the_twin),
		TWO(a_call_waits_and_answers_on_the_twin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
