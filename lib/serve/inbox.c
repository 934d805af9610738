/* SPDX-License-Identifier: BSD-3-Clause */
#include "serve/inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_SIZE 65536u /* a receive brings up to this much: many requests a system call */
#define MAX_GROUPS 4096u
/* SCM_MAX_FD of Linux: what one sendmsg() can carry at most. */
#define SCM_MAX 253

static void close_group(struct medio_inbox_fds *group)
{
	for (unsigned i = 0; i < group->count; i++)
		if (group->fds[i] >= 0)
			close(group->fds[i]);
}

void medio_inbox_clear(struct medio_inbox *box)
{
	for (unsigned i = 0; i < box->num_groups; i++)
		close_group(&box->groups[i]);
	box->num_groups = 0;
	box->start = box->end = 0;
}

void medio_inbox_fini(struct medio_inbox *box)
{
	medio_inbox_clear(box);
	free(box->groups);
	free(box->buf);
	memset(box, 0, sizeof(*box));
}

static bool takes_fds(const struct medio_vu_header *hdr)
{
	return hdr->cmd == MEDIO_VU_DMA_MAP || hdr->cmd == MEDIO_VU_SET_IRQS;
}

/* See the top of inbox.h. from: where the bytes of this receive start. */
static size_t owner_of_fds(const struct medio_inbox *box, size_t from)
{
	size_t last = box->start;
	size_t taker = SIZE_MAX;
	for (size_t at = box->start; at < box->end;) {
		struct medio_vu_header hdr;
		if (box->end - at < sizeof(hdr))
			return at;
		memcpy(&hdr, box->buf + at, sizeof(hdr));
		if (hdr.size < sizeof(hdr))
			return at; /* the stream ends here, in an error */
		last = at;
		if (takes_fds(&hdr) && (hdr.size > box->end - at || at + hdr.size > from))
			taker = at;
		if (hdr.size > box->end - at)
			break;
		at += hdr.size;
	}
	return taker != SIZE_MAX ? taker : last;
}

static int keep(struct medio_inbox *box, size_t from, const int *fds, unsigned count)
{
	size_t owner = owner_of_fds(box, from);
	struct medio_inbox_fds *group = NULL;
	for (unsigned i = 0; i < box->num_groups; i++)
		if (box->groups[i].at == owner)
			group = &box->groups[i];
	if (!group) {
		if (box->num_groups == MAX_GROUPS)
			return -E2BIG;
		if (box->num_groups == box->cap_groups) {
			unsigned cap = box->cap_groups ? box->cap_groups * 2 : 4;
			struct medio_inbox_fds *more = realloc(box->groups, cap * sizeof(*more));
			if (!more)
				return -ENOMEM;
			box->groups = more;
			box->cap_groups = cap;
		}
		group = &box->groups[box->num_groups++];
		group->at = owner;
		group->count = 0;
	}
	if (count > MEDIO_INBOX_MAX_FDS - group->count)
		return -E2BIG;
	memcpy(group->fds + group->count, fds, count * sizeof(int));
	group->count += count;
	return 0;
}

static int take_control(struct medio_inbox *box, struct msghdr *msg, size_t from)
{
	int ret = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		int fds[SCM_MAX];
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		unsigned count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), count * sizeof(int));
		if (ret == 0)
			ret = keep(box, from, fds, count);
		for (unsigned i = 0; ret && i < count; i++)
			close(fds[i]);
	}
	return ret;
}

static int make_room(struct medio_inbox *box, size_t limit)
{
	if (box->start == box->end)
		box->start = box->end = 0;
	if (box->end < box->cap)
		return 0;
	if (box->start) {
		memmove(box->buf, box->buf + box->start, box->end - box->start);
		for (unsigned i = 0; i < box->num_groups; i++)
			box->groups[i].at -= box->start;
		box->end -= box->start;
		box->start = 0;
		return 0;
	}
	if (box->cap >= limit && box->cap >= FIRST_SIZE)
		return -ENOBUFS;
	size_t cap = box->cap ? box->cap * 2 : FIRST_SIZE;
	uint8_t *buf = realloc(box->buf, cap);
	if (!buf)
		return -ENOMEM;
	box->buf = buf;
	box->cap = cap;
	return 0;
}

static ssize_t receive(struct medio_inbox *box, int fd, int flags, size_t limit, bool *more)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * SCM_MAX)];
		struct cmsghdr align;
	} control;
	*more = false;
	int ret = make_room(box, limit);
	if (ret)
		return ret;
	size_t room = box->cap - box->end;
	struct iovec iov = { box->buf + box->end, room };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n = recvmsg(fd, &msg, flags | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	size_t from = box->end;
	box->end += (size_t)n;
	if (msg.msg_controllen)
		ret = take_control(box, &msg, from);
	/* The kernel dropped descriptors for which this process has no room. */
	if (ret == 0 && msg.msg_flags & MSG_CTRUNC)
		ret = -EMFILE;
	*more = (size_t)n == room;
	return ret ? ret : n;
}

ssize_t medio_inbox_receive(struct medio_inbox *box, int fd, size_t limit, bool *more)
{
	return receive(box, fd, MSG_DONTWAIT, limit, more);
}

ssize_t medio_inbox_wait(struct medio_inbox *box, int fd, size_t limit, bool *more)
{
	return receive(box, fd, 0, limit, more);
}

static int find_group(const struct medio_inbox *box, size_t at)
{
	for (unsigned i = 0; i < box->num_groups; i++)
		if (box->groups[i].at == at)
			return (int)i;
	return -1;
}

int medio_inbox_peek(struct medio_inbox *box, size_t at, size_t max, struct medio_request *req)
{
	size_t left = medio_inbox_unread(box) - at;
	if (left < sizeof(req->hdr))
		return 0;
	const uint8_t *start = box->buf + box->start + at;
	memcpy(&req->hdr, start, sizeof(req->hdr));
	if (req->hdr.size < sizeof(req->hdr) || req->hdr.size > max)
		return -EBADMSG;
	if (req->hdr.size > left)
		return 0;
	req->payload = start + sizeof(req->hdr);
	req->size = req->hdr.size - sizeof(req->hdr);
	req->fds = NULL;
	req->num_fds = 0;
	int group = box->num_groups ? find_group(box, box->start + at) : -1;
	if (group >= 0) {
		req->fds = box->groups[group].fds;
		req->num_fds = box->groups[group].count;
	}
	return 1;
}

void medio_inbox_remove(struct medio_inbox *box, size_t at, size_t size)
{
	int group = box->num_groups ? find_group(box, box->start + at) : -1;
	if (group >= 0) {
		close_group(&box->groups[group]);
		box->num_groups--;
		memmove(&box->groups[group], &box->groups[group + 1],
			(box->num_groups - (unsigned)group) * sizeof(*box->groups));
	}
	if (at == 0) {
		box->start += size;
		return;
	}
	uint8_t *start = box->buf + box->start + at;
	memmove(start, start + size, box->end - box->start - at - size);
	box->end -= size;
	for (unsigned i = 0; i < box->num_groups; i++)
		if (box->groups[i].at > box->start + at)
			box->groups[i].at -= size;
}
