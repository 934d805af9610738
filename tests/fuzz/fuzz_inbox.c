/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cutting a stream into messages. The input says which messages are sent, where the stream is cut,
 * and which of them carry descriptors; and what the reader does: take the first, or one out of the
 * middle as when a request waits. Each message must come out as it went in, and no descriptor stay
 * behind. An input with an odd first byte is instead the stream itself, with 3 descriptors.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/inbox.h"

#define LIMIT 8192u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* The lowest free descriptor: the same before and after if none leaked. */
static int lowest_fd(void)
{
	int fd = dup(0);
	close(fd);
	return fd;
}

static bool put(int fd, const void *bytes, size_t size, unsigned nfds)
{
	char control[CMSG_SPACE(sizeof(int) * 32)] = { 0 };
	struct iovec iov = { (void *)bytes, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (nfds) {
		int fds[32];
		for (unsigned i = 0; i < nfds; i++)
			fds[i] = fd;
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size;
}

struct stream {
	uint8_t bytes[65536];
	size_t len, sent;
	uint16_t first; /* id of the first message not yet taken */
	uint16_t next;
	bool taken[65536 / 16]; /* by id */
};

static uint8_t filler(uint16_t id, size_t i)
{
	return (uint8_t)(id * 31u + i);
}

static void add(struct stream *s, uint8_t cmd, size_t payload)
{
	struct medio_vu_header hdr = {
		.id = s->next,
		.cmd = cmd % MEDIO_VU_NUM_CMDS,
		.size = (uint32_t)(sizeof(hdr) + payload),
	};
	if (sizeof(s->bytes) - s->len < hdr.size)
		return;
	memcpy(s->bytes + s->len, &hdr, sizeof(hdr));
	for (size_t i = 0; i < payload; i++)
		s->bytes[s->len + sizeof(hdr) + i] = filler(s->next, i);
	s->len += hdr.size;
	s->next++;
}

/* Take the skip-th message that is there, if it is. */
static bool take(struct stream *s, struct medio_inbox *box, unsigned skip)
{
	struct medio_request req;
	size_t at = 0;
	uint16_t id = s->first;
	for (unsigned i = 0;; i++) {
		int ret = medio_inbox_peek(box, at, LIMIT, &req);
		check(ret >= 0, "a good message is called bad");
		if (!ret)
			return false;
		while (s->taken[id])
			id++;
		check(req.hdr.id == id, "messages in the wrong order");
		if (i == skip)
			break;
		at += req.hdr.size;
		id++;
	}
	check(req.size == req.hdr.size - sizeof(req.hdr), "a message of another size");
	for (size_t i = 0; i < req.size; i++)
		check(req.payload[i] == filler(id, i), "a message with other bytes");
	check(req.num_fds <= MEDIO_INBOX_MAX_FDS, "too many descriptors");
	if (req.num_fds && req.fds[0] >= 0 && id % 2) { /* some are kept */
		close(req.fds[0]);
		req.fds[0] = -1;
	}
	medio_inbox_remove(box, at, req.hdr.size);
	s->taken[id] = true;
	while (s->first < s->next && s->taken[s->first])
		s->first++;
	return true;
}

static void good_messages(const uint8_t *data, size_t size, int in, int out)
{
	static struct stream s;
	struct medio_inbox box = { 0 };
	bool ended = false;
	memset(&s, 0, sizeof(s));
	for (size_t i = 0; i + 4 <= size && !ended; i += 4) {
		bool more;
		for (unsigned n = 0; n < (data[i] >> 6) + 1u; n++)
			add(&s, data[i + 1], data[i + 1] % 7 == 6 ? 3000u : data[i + 1] / 7u);
		size_t part = data[i + 2] + (data[i] & 1 ? 16u * data[i + 2] : 1u);
		if (part > s.len - s.sent)
			part = s.len - s.sent;
		unsigned nfds = data[i + 3] % 8 == 7 ? data[i + 3] / 8u % 20 : 0;
		if (part && put(out, s.bytes + s.sent, part, nfds))
			s.sent += part;
		if (data[i] & 2) {
			ssize_t n = medio_inbox_receive(&box, in, LIMIT, &more);
			ended = n < 0 && n != -11 && n != -105; /* EAGAIN, ENOBUFS */
		}
		if (data[i] & 4)
			take(&s, &box, data[i] >> 3 & 3);
		while (data[i] & 32 && take(&s, &box, 0)) {
		}
	}
	medio_inbox_fini(&box);
}

static void any_bytes(const uint8_t *data, size_t size, int in, int out)
{
	struct medio_inbox box = { 0 };
	struct medio_request req;
	bool more = true;
	if (!size || !put(out, data, size, 3))
		return;
	while (more && medio_inbox_receive(&box, in, LIMIT, &more) > 0) {
	}
	while (medio_inbox_peek(&box, 0, LIMIT, &req) > 0)
		medio_inbox_remove(&box, 0, req.hdr.size);
	medio_inbox_fini(&box);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int before = lowest_fd(), fds[2];
	if (!size || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		return 0;
	if (data[0] & 1)
		any_bytes(data + 1, size - 1, fds[0], fds[1]);
	else
		good_messages(data + 1, size - 1, fds[0], fds[1]);
	close(fds[0]);
	close(fds[1]);
	check(lowest_fd() == before, "descriptors leaked");
	return 0;
}
