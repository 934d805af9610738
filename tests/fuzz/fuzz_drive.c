/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a vfio-user server: they stand in the socket, and in the twin socket if the answer to
 * VERSION has one, then it ends. The card opens, and makes every kind of request; nothing it does with
 * the answers may harm it. If there are bytes for that, it reconnects to more of them, and goes on.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <medio/driver.h>

#include "proto/vfio_user.h"

#define MAX_INPUT 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Larger than a page, so that answers to DMA requests are checked at its end. */
static uint8_t memory[8192] __attribute__((aligned(4096)));

static void exercise(struct medio_card *card)
{
	enum medio_card_mig_state state;
	struct medio_card_fault fault;
	uint64_t bitmap;
	struct medio_card_doorbell bells[4];
	struct medio_card_region region;
	uint8_t buf[256];
	uint32_t value;
	size_t got;
	void *ptr;

	medio_card_dma_map(card, 0x1000, sizeof(memory), 3, memory);
	for (unsigned i = 0; i < 9; i++)
		if (!medio_card_get_region(card, i, &region))
			for (unsigned a = 0; a < region.num_areas; a++)
				(void)*(volatile const uint64_t *)&region.areas[a].size;
	medio_card_read32(card, MEDIO_CARD_CONFIG, 0, &value);
	medio_card_write32(card, MEDIO_CARD_CONFIG, 4, 7);
	for (unsigned i = 0; i < 3; i++)
		medio_card_post(card, MEDIO_CARD_BAR0, i, "x", 1);
	medio_card_read8_rep(card, MEDIO_CARD_BAR0, 0, buf, sizeof(buf));
	medio_card_doorbells(card, MEDIO_CARD_BAR0, bells, 4);
	if (!medio_card_mmap(card, MEDIO_CARD_BAR0, 0, 4096, &ptr))
		medio_card_munmap(ptr, 4096);
	medio_card_irq_open(card, MEDIO_CARD_MSIX, 3);
	medio_card_irq_wait(card, MEDIO_CARD_MSIX, 0, 0, &(uint64_t){ 0 });
	medio_card_mig_get(card, &state);
	medio_card_mig_read(card, buf, sizeof(buf), &got);
	medio_card_reset(card);
	medio_card_process(card);
	medio_card_dirty_start(card, 4096);
	medio_card_dirty_get(card, 0x1000, sizeof(memory), &bitmap);
	medio_card_fault(card, &fault);
	medio_card_dma_unmap(card, 0x1000, sizeof(memory));
}

/* ---- The server -------------------------------------------------------------------------------- */

/* Bytes that stand in a socket. */
struct part {
	const uint8_t *data;
	size_t size;
};

/* What is said to the card: by each of two connections, and by the twin of each. */
struct script {
	struct part twin, say[2];
};

/* All of part, then the end. What the card sends has room: the socket stays open for that. */
static void put(int fd, const struct part *part, int with)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { (void *)part->data, part->size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct medio_vu_header header;

	/* A file goes with the first message, the answer to VERSION. */
	if (with >= 0 && part->size >= sizeof(header)) {
		memcpy(&header, part->data, sizeof(header));
		if (header.size >= sizeof(header) && header.size < part->size)
			iov.iov_len = header.size;
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &with, sizeof(int));
		if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0)
			return;
	} else {
		iov.iov_len = 0;
	}
	if (iov.iov_len < part->size)
		(void)!send(fd, part->data + iov.iov_len, part->size - iov.iov_len, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
}

/* One connection's words, and its twin's. Gives the server's end of the twin. */
static int speak(int fd, const struct script *script, unsigned which)
{
	int pair[2] = { -1, -1 };

	if (script->twin.size && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		abort();
	if (pair[1] >= 0)
		put(pair[1], &script->twin, -1);
	put(fd, &script->say[which], pair[0]);
	if (pair[0] >= 0)
		close(pair[0]);
	return pair[1];
}

/* A listener for cards that come back, and the thread behind it. */
static struct {
	pthread_mutex_t lock;
	char dir[32], path[64];
	int listener;
	struct script script; /* of bytes */
	uint8_t bytes[MAX_INPUT];
	unsigned next;
} server = { .lock = PTHREAD_MUTEX_INITIALIZER, .listener = -1 };

static void *serve(void *arg)
{
	int fd, last = -1, twin = -1;

	(void)arg;
	while ((fd = accept(server.listener, NULL, NULL)) >= 0) {
		if (last >= 0)
			close(last);
		if (twin >= 0)
			close(twin);
		pthread_mutex_lock(&server.lock);
		twin = speak(fd, &server.script, server.next < 2 ? server.next++ : 1);
		pthread_mutex_unlock(&server.lock);
		last = fd;
	}
	return NULL;
}

static void leave(void)
{
	unlink(server.path);
	rmdir(server.dir);
}

static void listen_once(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	pthread_t thread;

	if (server.listener >= 0)
		return;
	memcpy(server.dir, "/tmp/medio-fuzz-XXXXXX", 23);
	if (!mkdtemp(server.dir))
		abort();
	snprintf(server.path, sizeof(server.path), "%s/s", server.dir);
	atexit(leave);
	memcpy(addr.sun_path, server.path, sizeof(server.path));
	server.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server.listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		listen(server.listener, 8) < 0 || pthread_create(&thread, NULL, serve, NULL))
		abort();
	pthread_detach(thread);
}

/* ---- The card ---------------------------------------------------------------------------------- */

static void no_words(struct medio_error *err)
{
	if (!*medio_error_text(err))
		abort();
	medio_error_free(err);
}

static void once(const struct script *script, const struct medio_card_options *opts)
{
	struct medio_error *err = NULL;
	struct medio_card *card;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		abort();
	int twin = speak(fds[1], script, 0);
	if (medio_card_open_fd(fds[0], opts, &card, &err)) {
		no_words(err);
	} else {
		exercise(card);
		medio_card_close(card);
	}
	close(fds[1]);
	if (twin >= 0)
		close(twin);
}

static struct part keep(uint8_t **at, const struct part *part)
{
	struct part kept = { *at, part->size };

	if (part->size)
		memcpy(*at, part->data, part->size);
	*at += part->size;
	return kept;
}

static void twice(const struct script *script, const struct medio_card_options *opts)
{
	struct medio_error *err = NULL;
	struct medio_card *card;

	listen_once();
	/* The thread may come to a connection when the input is gone. */
	pthread_mutex_lock(&server.lock);
	uint8_t *at = server.bytes;
	server.script = (struct script){ keep(&at, &script->twin),
		{ keep(&at, &script->say[0]), keep(&at, &script->say[1]) } };
	server.next = 0;
	pthread_mutex_unlock(&server.lock);
	if (medio_card_open(server.path, opts, &card, &err)) {
		no_words(err);
		return;
	}
	exercise(card);
	int ret = medio_card_reconnect(card, 20);
	if (ret && !*medio_card_last_error(card))
		abort();
	if (!ret)
		exercise(card);
	medio_card_close(card);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct medio_card_options opts = { .timeout_ms = 100, .max_data_xfer = 4096 };
	struct script script = { 0 };
	uint16_t sizes[2] = { 0 };

	if (size > MAX_INPUT)
		return 0;
	/* How much the twin says, and the first connection; the rest is the second's. */
	if (size >= sizeof(sizes)) {
		memcpy(sizes, data, sizeof(sizes));
		data += sizeof(sizes);
		size -= sizeof(sizes);
	}
	size_t twin = sizes[0] < size ? sizes[0] : size;
	size_t first = sizes[1] < size - twin ? sizes[1] : size - twin;
	script.twin = (struct part){ data, twin };
	script.say[0] = (struct part){ data + twin, first };
	script.say[1] = (struct part){ data + twin + first, size - twin - first };
	if (script.say[1].size)
		twice(&script, &opts);
	else
		once(&script, &opts);
	return 0;
}
