/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client of the server, from its first byte on: the card of tests/integration, which has one of
 * everything, and a connection in the same process. The input is a list of steps:
 *
 *     0 len bytes              send these bytes as they are
 *     1 cmd flags len payload  send a message with a good header
 *     2 n kinds cmd len pay..  the same with n descriptors: events, memory, a pipe
 *     3 how                    answer the server's DMA commands: well, with an error, or wrongly
 *     4                        the card answers what it deferred and is quiet
 *     5                        hang up, come again
 *     6 size                   truncate the memory
 *     7 reg value              write a register of the card from inside, as its own doings
 *
 * The first step is a VERSION unless the first byte is odd (with JSON if its bit 1 is set). Nothing waits: the loop runs while
 * something is ready. Descriptors must not leak.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <medio/serve.h>
#include "../integration/toy.h"
#include "device/instance.h"
#include "proto/vfio_user.h"

#define MEMORY 0x8000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_server *server;
	int fd, event, memory, pipes[2];
	uint16_t id;
	bool json;
	const uint8_t *data;
	size_t size;
};

static uint8_t byte(struct world *w)
{
	if (!w->size)
		return 0;
	w->size--;
	return *w->data++;
}

static size_t bytes(struct world *w, size_t want, const uint8_t **at)
{
	size_t n = want < w->size ? want : w->size;
	*at = w->data;
	w->data += n;
	w->size -= n;
	return n;
}

static int lowest_fd(void)
{
	int fd = dup(0);
	close(fd);
	return fd;
}

static void on_log(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

static void run(struct world *w)
{
	for (int i = 0; i < 64 && medio_loop_run_once(w->loop, 0) > 0; i++) {
	}
}

static void put(struct world *w, const void *what, size_t size, const int *fds, unsigned nfds)
{
	char control[CMSG_SPACE(sizeof(int) * 32)] = { 0 };
	struct iovec iov = { (void *)what, size };
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
	if (size)
		(void)!sendmsg(w->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void message(struct world *w, uint16_t cmd, uint32_t flags, const void *payload, size_t size,
	const int *fds, unsigned nfds)
{
	uint8_t buf[16 + 256];
	struct medio_vu_header hdr = { ++w->id, cmd, (uint32_t)(sizeof(hdr) + size), flags, 0 };
	memcpy(buf, &hdr, sizeof(hdr));
	if (size)
		memcpy(buf + sizeof(hdr), payload, size);
	put(w, buf, sizeof(hdr) + size, fds, nfds);
}

static void connect_one(struct world *w)
{
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		abort();
	w->fd = fds[0];
	if (medio_server_new_fd(w->inst, fds[1], NULL, &w->server, NULL))
		abort();
}

static void disconnect(struct world *w)
{
	close(w->fd); /* first, so that the server need not wait for it */
	run(w);
	medio_server_free(w->server);
	w->server = NULL;
}

static void hello(struct world *w)
{
	static const char version[] = "\0\0\0\0{\"capabilities\":{\"max_msg_fds\":16}}";
	message(w, MEDIO_VU_VERSION, 0, version, w->json ? sizeof(version) : 4, NULL, 0);
}

static void close_received(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		int fds[16];
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), n * sizeof(int));
		for (size_t i = 0; i < n; i++)
			close(fds[i]);
	}
}

static void answer_one(struct world *w, const uint8_t *at, uint8_t how)
{
	static uint8_t reply[16 + 16 + 65536];
	struct medio_vu_header hdr;
	struct medio_vu_dma_access access;
	memcpy(&hdr, at, sizeof(hdr));
	memcpy(&access, at + sizeof(hdr), sizeof(access));
	size_t data = hdr.cmd == MEDIO_VU_DMA_READ ? (size_t)access.count : 0;
	if (data > 65536)
		abort(); /* QEMU never completes larger ones */
	hdr.flags = MEDIO_VU_REPLY | (how & 1 ? MEDIO_VU_ERROR : 0);
	hdr.error = how & 1 ? how : 0;
	hdr.size = (uint32_t)(how & 1 ? sizeof(hdr) : sizeof(hdr) + sizeof(access) + data);
	access.count += how & 2 ? 1 : 0;
	hdr.id = (uint16_t)(hdr.id + (how & 4 ? 1 : 0));
	memcpy(reply, &hdr, sizeof(hdr));
	memcpy(reply + sizeof(hdr), &access, sizeof(access));
	put(w, reply, hdr.size, NULL, 0);
}

/* Read what the server sent; answer commands unless how has bit 7. */
static void answer(struct world *w, uint8_t how)
{
	static uint8_t in[1 << 18];
	char control[CMSG_SPACE(sizeof(int) * 16)];
	size_t len = 0;
	for (;;) {
		struct iovec iov = { in + len, sizeof(in) - len };
		struct msghdr msg = { .msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(w->fd, &msg, MSG_DONTWAIT);
		if (n <= 0)
			break;
		close_received(&msg);
		len += (size_t)n;
	}
	for (size_t at = 0; len - at >= sizeof(struct medio_vu_header) && !(how & 128);) {
		struct medio_vu_header hdr;
		memcpy(&hdr, in + at, sizeof(hdr));
		if (hdr.size < sizeof(hdr))
			abort(); /* the server's stream is broken */
		if (hdr.size > len - at)
			break;
		if ((hdr.flags & MEDIO_VU_TYPE_MASK) == MEDIO_VU_COMMAND)
			answer_one(w, in + at, how);
		at += hdr.size;
	}
}

static void with_fds(struct world *w)
{
	unsigned n = byte(w) % 18;
	uint8_t kinds = byte(w);
	uint16_t cmd = byte(w) % 20;
	const uint8_t *at;
	size_t size = bytes(w, byte(w), &at);
	int fds[18];
	for (unsigned i = 0; i < n; i++)
		fds[i] = kinds & 3 && i == 0 ? (kinds & 1 ? w->memory : w->pipes[1]) : w->event;
	message(w, cmd, 0, at, size, fds, n);
}

static void step(struct world *w)
{
	const uint8_t *at;
	size_t size;
	uint16_t cmd;
	uint32_t flags;
	switch (byte(w) % 8) {
	case 0:
		size = bytes(w, byte(w), &at);
		put(w, at, size, NULL, 0);
		break;
	case 1:
		cmd = byte(w) % 20;
		flags = byte(w) & (MEDIO_VU_NO_REPLY | MEDIO_VU_ERROR | 1);
		size = bytes(w, byte(w), &at);
		message(w, cmd, flags, at, size, NULL, 0);
		return; /* several may come in one receive */
	case 2:
		with_fds(w);
		break;
	case 3:
		run(w);
		answer(w, byte(w));
		break;
	case 4:
		run(w);
		toy_settle(toy_of(medio_instance_device(w->inst)));
		break;
	case 5:
		disconnect(w);
		connect_one(w);
		hello(w);
		break;
	case 6:
		(void)!ftruncate(w->memory, byte(w) % 9 * 0x1000);
		break;
	default:
		run(w);
		cmd = byte(w);
		flags = byte(w);
		medio_instance_write(w->inst, 0, cmd % TOY_IO_SIZE & ~3u, &flags, 4);
		break;
	}
	run(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct medio_loop *loop;
	static struct medio_instance *first; /* keeps the layout of the type for the others */
	struct medio_instance_options opts = { .log = on_log };
	if (!loop &&
		(medio_loop_new(&loop) || medio_instance_new(loop, &toy_type, &opts, &first, NULL)))
		abort();
	int before = lowest_fd();
	struct world w = { .loop = loop, .data = data, .size = size };
	w.event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	w.memory = memfd_create("fuzz", MFD_CLOEXEC);
	if (w.event < 0 || w.memory < 0 || ftruncate(w.memory, MEMORY) < 0 || pipe(w.pipes) < 0 ||
		medio_instance_new(loop, &toy_type, &opts, &w.inst, NULL))
		abort();
	connect_one(&w);
	uint8_t how = byte(&w);
	w.json = how & 2;
	if (!(how & 1))
		hello(&w);
	for (int i = 0; i < 200 && w.size; i++)
		step(&w);
	run(&w);
	disconnect(&w);
	medio_instance_free(w.inst);
	run(&w);
	close(w.event);
	close(w.memory);
	close(w.pipes[0]);
	close(w.pipes[1]);
	if (lowest_fd() != before) {
		fprintf(stderr, "descriptors leaked\n");
		abort();
	}
	return 0;
}
