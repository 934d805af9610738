/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A round trip is one send and one receive: posted writes go out in front of the request that
 * follows them, and the receive blocks in the kernel with the socket's own time limit. Everything
 * else (short sends, short receives, the server's requests in between) takes the slower paths.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drive/vfio_user_socket.h"
#include "util/loop.h"

#define SMALL	   1024 /* bytes of a message that are copied rather than gathered */
#define POLL_SPINS 64	/* looks at the socket between looks at the clock */

int medio_vu_socket_fail(struct medio_vu_client *client, int ret, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(client->words, sizeof(client->words), fmt, ap);
	va_end(ap);
	return ret;
}

void medio_vu_socket_drop_fds(struct medio_vu_client *client)
{
	for (unsigned i = 0; i < client->nfds; i++)
		if (client->fds[i] >= 0)
			close(client->fds[i]);
	client->nfds = 0;
	client->fds_used = false;
}

/* ---- Receive ----------------------------------------------------------------------------------- */

static int take_fds(struct medio_vu_client *client, struct msghdr *msg)
{
	int lost = msg->msg_flags & MSG_CTRUNC ? -EPROTO : 0;
	unsigned came = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		unsigned count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		came += count;
		for (unsigned i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (client->nfds < MEDIO_VU_CLIENT_FDS) {
				client->fds[client->nfds++] = fd;
			} else {
				close(fd);
				lost = -EPROTO;
			}
		}
		client->fds_end = client->in_len;
	}
	/* There was room in the message for those that are missing. */
	if (msg->msg_flags & MSG_CTRUNC && came < MEDIO_VU_CLIENT_FDS)
		return medio_vu_socket_fail(client, -EMFILE,
			"file descriptors of the server's are lost: this program can have no more of "
			"them (RLIMIT_NOFILE)");
	return lost ? medio_vu_socket_fail(client, lost, "more than %d file descriptors came",
			      MEDIO_VU_CLIENT_FDS)
		    : 0;
}

/* One receive. 0: something came. -EAGAIN, -EINTR, -ECONNRESET, -EPROTO; -ENOBUFS: no room. */
static int receive(struct medio_vu_client *client, int flags)
{
	char control[CMSG_SPACE(sizeof(int) * MEDIO_VU_CLIENT_FDS)]
		__attribute__((aligned(sizeof(struct cmsghdr))));
	struct iovec iov = { client->in + client->in_len, client->in_cap - client->in_len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};

	if (!iov.iov_len)
		return -ENOBUFS;
	/* recv() takes less of the kernel's time, some hundredths of a round trip. */
	if (client->plain)
		msg.msg_controllen = 0;
	ssize_t n = client->plain ? recv(client->fd, iov.iov_base, iov.iov_len, flags)
				  : recvmsg(client->fd, &msg, flags | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -errno
							 : medio_vu_socket_fail(client, -ECONNRESET,
								   "receive: %s", strerror(errno));
	if (n == 0)
		return medio_vu_socket_fail(
			client, -ECONNRESET, "the server closed the connection");
	client->in_len += (size_t)n;
	return msg.msg_controllen || msg.msg_flags & MSG_CTRUNC ? take_fds(client, &msg) : 0;
}

int medio_vu_socket_timed_out(struct medio_vu_client *client)
{
	if (client->until)
		return medio_vu_socket_fail(client, -ETIMEDOUT, "no answer in time");
	return medio_vu_socket_fail(client, -ETIMEDOUT, "no answer within %llu ms",
		(unsigned long long)(client->timeout_ns / NS_PER_MS));
}

/* Sleep until one of events, at most until deadline; meanwhile the twin is served. 0 and *revents,
 * -ETIMEDOUT, or the twin's failure. */
static int wait_socket(
	struct medio_vu_client *client, short events, uint64_t deadline, short *revents)
{
	for (;;) {
		struct pollfd pfds[2] = { { .fd = client->fd, .events = events },
			{ .fd = client->twin ? client->twin->fd : -1, .events = POLLIN } };
		uint64_t now = medio_now_ns();
		if (now >= deadline)
			return medio_vu_socket_timed_out(client);
		/* Rounded up, so that the last millisecond is slept and not spun. */
		uint64_t ms = (deadline - now + NS_PER_MS - 1) / NS_PER_MS;
		if (poll(pfds, 2, ms < INT_MAX ? (int)ms : INT_MAX) <= 0)
			continue;
		int ret = pfds[1].revents ? medio_vu_twin_serve(client, deadline) : 0;
		if (ret)
			return ret;
		if (pfds[0].revents) {
			*revents = pfds[0].revents;
			return 0;
		}
	}
}

static int spin(struct medio_vu_client *client, uint64_t deadline)
{
	for (;;) {
		for (int i = 0; i < POLL_SPINS; i++) {
			int ret = receive(client, MSG_DONTWAIT);
			if (ret != -EAGAIN && ret != -EINTR)
				return ret;
		}
		int ret = client->twin ? medio_vu_twin_serve(client, deadline) : 0;
		if (ret)
			return ret;
		if (medio_now_ns() >= deadline)
			return medio_vu_socket_timed_out(client);
	}
}

/* Wait for bytes. The first time in an exchange the receive waits, for as long as the socket's own
 * limit is: the call's, or, where there is a twin to look at too, a moment. */
static int fill(struct medio_vu_client *client, uint64_t deadline, bool first)
{
	short revents;
	int ret;

	if (client->poll)
		return spin(client, deadline);
	if (first && !client->asked && !client->until) {
		ret = receive(client, 0);
		if (ret != -EAGAIN && ret != -EINTR)
			return ret;
	}
	for (;;) {
		ret = wait_socket(client, POLLIN, deadline, &revents);
		if (ret)
			return ret;
		ret = receive(client, MSG_DONTWAIT);
		if (ret != -EAGAIN && ret != -EINTR)
			return ret;
	}
}

/* Have room for a message of size bytes at in_pos. */
static void make_room(struct medio_vu_client *client, size_t size)
{
	if (client->in_cap - client->in_pos >= size)
		return;
	memmove(client->in, client->in + client->in_pos, client->in_len - client->in_pos);
	client->in_len -= client->in_pos;
	client->fds_end -= client->fds_end < client->in_pos ? client->fds_end : client->in_pos;
	client->in_pos = 0;
}

static int check_header(struct medio_vu_client *client, const struct medio_vu_header *header)
{
	uint32_t type = header->flags & MEDIO_VU_TYPE_MASK;

	if (header->size < HEADER || header->size > client->in_cap)
		return medio_vu_socket_fail(client, -EPROTO,
			"%s: a message of %u bytes, allowed are %zu to %zu",
			medio_vu_cmd_name(header->cmd), header->size, HEADER, client->in_cap);
	if (type != MEDIO_VU_COMMAND && type != MEDIO_VU_REPLY)
		return medio_vu_socket_fail(client, -EPROTO,
			"%s: message type %u is neither command nor reply",
			medio_vu_cmd_name(header->cmd), type);
	return 0;
}

static void hand_out(struct medio_vu_client *client, const struct medio_vu_header *header,
	struct medio_vu_message *message)
{
	message->header = *header;
	message->payload = client->in + client->in_pos + HEADER;
	message->size = header->size - HEADER;
	client->in_pos += header->size;
	message->fds = client->fds;
	message->nfds = 0;
	if (client->nfds && client->in_pos >= client->fds_end) {
		message->nfds = client->nfds;
		client->fds_used = true;
	}
}

int medio_vu_socket_take(struct medio_vu_client *client, struct medio_vu_message *message)
{
	struct medio_vu_header header;
	size_t need = HEADER;

	if (client->fds_used)
		medio_vu_socket_drop_fds(client);
	if (client->in_pos == client->in_len && !client->nfds)
		client->in_pos = client->in_len = 0;
	if (client->in_len - client->in_pos >= HEADER) {
		memcpy(&header, client->in + client->in_pos, HEADER);
		int ret = check_header(client, &header);
		if (ret)
			return ret;
		need = header.size;
		if (client->in_len - client->in_pos >= need) {
			hand_out(client, &header, message);
			return 0;
		}
	}
	make_room(client, need);
	return -EAGAIN;
}

int medio_vu_socket_more(struct medio_vu_client *client)
{
	return receive(client, MSG_DONTWAIT);
}

int medio_vu_socket_next(struct medio_vu_client *client, uint64_t deadline, bool first,
	struct medio_vu_message *message)
{
	for (;; first = false) {
		int ret = medio_vu_socket_take(client, message);
		if (ret == -EAGAIN)
			ret = fill(client, deadline, first);
		else
			return ret;
		if (ret)
			return ret;
	}
}

/* ---- Send -------------------------------------------------------------------------------------- */

static void advance(struct iovec **iov, unsigned *count, size_t sent)
{
	while (*count && sent >= (*iov)->iov_len) {
		sent -= (*iov)->iov_len;
		(*iov)++;
		(*count)--;
	}
	if (*count) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + sent;
		(*iov)->iov_len -= sent;
	}
}

/*
 * The socket is full. The server may be stuck too, sending to us: make it room by receiving
 * while we wait, without looking at what came.
 */
static int wait_writable(struct medio_vu_client *client, uint64_t deadline)
{
	for (;;) {
		short events = client->in_len < client->in_cap ? POLLIN | POLLOUT : POLLOUT;
		short revents = 0;
		int ret = wait_socket(client, events, deadline, &revents);
		if (ret)
			return ret;
		if (revents & events & POLLIN) {
			ret = receive(client, MSG_DONTWAIT);
			if (ret && ret != -EAGAIN && ret != -EINTR)
				return ret;
		}
		if (revents & (POLLOUT | POLLERR | POLLHUP))
			return 0;
	}
}

int medio_vu_socket_send_all(struct medio_vu_client *client, struct iovec *iov, unsigned count,
	const int *fds, unsigned nfds)
{
	char control[CMSG_SPACE(sizeof(int) * MEDIO_VU_CLIENT_FDS)]
		__attribute__((aligned(sizeof(struct cmsghdr))));
	struct msghdr msg = { .msg_control = nfds ? control : NULL };
	uint64_t deadline = 0;

	if (nfds) {
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		memset(control, 0, sizeof(control));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	while (count) {
		msg.msg_iov = iov;
		msg.msg_iovlen = count;
		ssize_t n = sendmsg(client->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0) {
			advance(&iov, &count, (size_t)n);
			if (n > 0) {
				msg.msg_control = NULL;
				msg.msg_controllen = 0;
			}
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return medio_vu_socket_fail(client, errno == EPIPE ? -ECONNRESET : -errno,
				"send: %s",
				errno == EPIPE ? "the server closed the connection"
					       : strerror(errno));
		if (!deadline)
			deadline = client->deadline ? client->deadline
						    : medio_now_ns() + client->timeout_ns;
		int ret = wait_writable(client, deadline);
		if (ret)
			return ret;
	}
	return 0;
}

int medio_vu_socket_send_posted(struct medio_vu_client *client)
{
	struct iovec iov = { client->out, client->out_len };

	client->out_len = 0;
	client->multi = NO_MULTI;
	/* As recv() above. What does not go at once goes the long way. */
	if (iov.iov_len) {
		ssize_t n = send(
			client->fd, iov.iov_base, iov.iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == (ssize_t)iov.iov_len)
			return 0;
		if (n > 0)
			iov = (struct iovec){ client->out + n, iov.iov_len - (size_t)n };
	}
	return iov.iov_len ? medio_vu_socket_send_all(client, &iov, 1, NULL, 0) : 0;
}

int medio_vu_socket_send(struct medio_vu_client *client, struct medio_vu_header *header,
	struct iovec *iov, unsigned pieces, const int *fds, unsigned nfds)
{
	int ret;

	iov[1] = (struct iovec){ header, HEADER };
	/* Fds must arrive with their own message, so posted writes then go alone. */
	if (nfds) {
		ret = medio_vu_socket_send_posted(client);
		if (ret)
			return ret;
	}
	/* Small messages are copied to where posted writes are: one piece goes faster than three. */
	if (!nfds && header->size <= SMALL && header->size <= OUT_SIZE - client->out_len) {
		for (unsigned i = 1; i < pieces + 2; i++) {
			if (iov[i].iov_len)
				memcpy(client->out + client->out_len, iov[i].iov_base,
					iov[i].iov_len);
			client->out_len += iov[i].iov_len;
		}
		return medio_vu_socket_send_posted(client);
	}
	if (!client->out_len)
		return medio_vu_socket_send_all(client, iov + 1, pieces + 1, fds, nfds);
	iov[0] = (struct iovec){ client->out, client->out_len };
	ret = medio_vu_socket_send_all(client, iov, pieces + 2, NULL, 0);
	client->out_len = 0;
	client->multi = NO_MULTI;
	return ret;
}
