/* SPDX-License-Identifier: BSD-3-Clause */
#include "serve/outbox.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FIRST_SIZE 4096u

void medio_outbox_fini(struct medio_outbox *box)
{
	free(box->buf);
	free(box->fds);
	memset(box, 0, sizeof(*box));
}

static void compact(struct medio_outbox *box)
{
	memmove(box->buf, box->buf + box->start, box->end - box->start);
	for (unsigned i = 0; i < box->num_fds; i++)
		box->fds[i].at -= box->start;
	box->end -= box->start;
	box->start = 0;
}

void *medio_outbox_reserve(struct medio_outbox *box, size_t size)
{
	assert(!box->reserved);
	if (box->cap - box->end < size && box->start)
		compact(box);
	if (box->cap - box->end < size) {
		size_t cap = box->cap ? box->cap : FIRST_SIZE;
		while (cap - box->end < size)
			cap *= 2;
		uint8_t *buf = realloc(box->buf, cap);
		if (!buf)
			return NULL;
		box->buf = buf;
		box->cap = cap;
	}
	box->reserved = true;
	return box->buf + box->end;
}

void medio_outbox_commit(struct medio_outbox *box, size_t size)
{
	box->reserved = false;
	box->end += size;
}

int medio_outbox_attach_fds(struct medio_outbox *box, const int *fds, unsigned count)
{
	if (count > MEDIO_OUTBOX_MAX_FDS)
		return -EINVAL;
	if (box->num_fds == box->cap_fds) {
		unsigned cap = box->cap_fds ? box->cap_fds * 2 : 4;
		struct medio_outbox_fds *more = realloc(box->fds, cap * sizeof(*more));
		if (!more)
			return -ENOMEM;
		box->fds = more;
		box->cap_fds = cap;
	}
	struct medio_outbox_fds *slot = &box->fds[box->num_fds++];
	slot->at = box->end;
	slot->count = count;
	memcpy(slot->fds, fds, count * sizeof(int));
	return 0;
}

/* Send from start up to where the next descriptors go, with those that go now. */
static ssize_t send_some(struct medio_outbox *box, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * MEDIO_OUTBOX_MAX_FDS)];
		struct cmsghdr align;
	} control;
	const struct medio_outbox_fds *now = box->num_fds && box->fds[0].at == box->start
						     ? &box->fds[0]
						     : NULL;
	const struct medio_outbox_fds *next = now ? now + 1 : box->fds;
	bool more = box->num_fds > (now ? 1u : 0u);
	size_t end = more ? next->at : box->end;
	struct iovec iov = { box->buf + box->start, end - box->start };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (now) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * now->count);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * now->count);
		memcpy(CMSG_DATA(c), now->fds, sizeof(int) * now->count);
	}
	ssize_t n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0 && now) {
		box->num_fds--;
		memmove(box->fds, box->fds + 1, box->num_fds * sizeof(*box->fds));
	}
	return n;
}

int medio_outbox_send(struct medio_outbox *box, int fd)
{
	while (box->start < box->end) {
		ssize_t n;
		if (box->num_fds) {
			n = send_some(box, fd);
		} else {
			n = send(fd, box->buf + box->start, box->end - box->start,
				MSG_DONTWAIT | MSG_NOSIGNAL);
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		box->start += (size_t)n;
	}
	box->start = box->end = 0;
	return 0;
}
