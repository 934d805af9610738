/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A round trip is one sendmsg and one recvmsg: posted writes go out in front of the request that
 * follows them, and the receive blocks in the kernel with the socket's own time limit. Everything
 * else (short sends, short receives, the server's requests in between) takes the slower paths.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "drive/vfio_user.h"
#include "proto/version.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/loop.h"

#define HEADER	    sizeof(struct medio_vu_header)
#define OUT_SIZE    16384 /* posted writes kept back at most, bytes */
#define MIN_MESSAGE 4096
#define MAX_IOV	    66 /* posted writes, header, and a reply's pieces */
#define POLL_SPINS  64 /* looks at the socket between looks at the clock */
#define NS_PER_MS   UINT64_C(1000000)

struct medio_vu_client {
	int fd;
	uint16_t next_id;
	bool poll, dead;
	uint64_t timeout_ns;
	medio_vu_request_fn *handler;
	void *opaque;
	/* Received bytes [in_pos, in_len) are not yet handed out. */
	uint8_t *in;
	size_t in_cap, in_pos, in_len;
	/* Fds belong to the message that holds byte fds_end - 1: the kernel ends a receive after
	 * the bytes that carry some. fds_used: they have been handed out. */
	int fds[MEDIO_VU_CLIENT_FDS];
	unsigned nfds;
	size_t fds_end;
	bool fds_used;
	/* Posted messages, whole ones. */
	uint8_t out[OUT_SIZE];
	size_t out_len;
	char words[160];
};

static int fail(struct medio_vu_client *client, int ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct medio_vu_client *client, int ret, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(client->words, sizeof(client->words), fmt, ap);
	va_end(ap);
	return ret;
}

int medio_vu_client_fault(struct medio_vu_client *client, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(client->words, sizeof(client->words), fmt, ap);
	va_end(ap);
	client->dead = true;
	return -EPROTO;
}

const char *medio_vu_client_words(const struct medio_vu_client *client)
{
	return client->words;
}

int medio_vu_client_fd(const struct medio_vu_client *client)
{
	return client->fd;
}

void medio_vu_client_handler(struct medio_vu_client *client, medio_vu_request_fn *fn, void *opaque)
{
	client->handler = fn;
	client->opaque = opaque;
}

/* ---- Life -------------------------------------------------------------------------------------- */

static struct timeval to_timeval(uint64_t ns)
{
	return (struct timeval){ .tv_sec = (time_t)(ns / 1000000000),
		.tv_usec = (suseconds_t)(ns % 1000000000 / 1000) };
}

static uint64_t timeout_of(const struct medio_vu_client_options *opts)
{
	return (opts && opts->timeout_ms ? opts->timeout_ms : 5000) * NS_PER_MS;
}

int medio_vu_client_new(
	int fd, const struct medio_vu_client_options *opts, struct medio_vu_client **out)
{
	_cleanup_close_ int owned = fd;
	size_t max = opts && opts->max_message ? opts->max_message : MEDIO_VU_DEFAULT_XFER + 4096;
	struct timeval limit = to_timeval(timeout_of(opts));
	_cleanup_free_ struct medio_vu_client *client = NULL;

	if (max < MIN_MESSAGE || max > (size_t)2 * MEDIO_VU_MAX_XFER)
		return -EINVAL;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
	client->in = malloc(max);
	if (!client->in)
		return -ENOMEM;
	client->in_cap = max;
	client->fd = medio_steal_fd(owned);
	client->next_id = 1;
	client->poll = opts && opts->poll;
	client->timeout_ns = timeout_of(opts);
	*out = medio_steal_ptr(client);
	return 0;
}

int medio_vu_client_connect(const char *path, const struct medio_vu_client_options *opts,
	struct medio_vu_client **out, struct medio_error **err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval limit = to_timeval(timeout_of(opts));
	_cleanup_close_ int fd = -1;
	int ret;

	if (strlen(path) >= sizeof(sun.sun_path))
		return medio_error_set(err, ENAMETOOLONG,
			"%s: a socket's path has at most %zu bytes", path,
			sizeof(sun.sun_path) - 1);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return medio_error_set(err, errno, "socket: %s", strerror(errno));
	/* A full queue of waiting clients makes connect() wait as long as a send would. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		return medio_error_set(err, errno, "SO_SNDTIMEO: %s", strerror(errno));
	while (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		int errnum = errno;
		if (errnum == EINTR)
			continue;
		if (errnum == EAGAIN)
			return medio_error_set(
				err, ETIMEDOUT, "%s: the server accepts nobody", path);
		return medio_error_set(err, errnum, "%s: %s", path,
			errnum == ECONNREFUSED ? "nobody serves there" : strerror(errnum));
	}
	ret = medio_vu_client_new(medio_steal_fd(fd), opts, out);
	if (ret)
		return medio_error_set(err, -ret, "%s: %s", path, strerror(-ret));
	return 0;
}

static void drop_fds(struct medio_vu_client *client)
{
	for (unsigned i = 0; i < client->nfds; i++)
		if (client->fds[i] >= 0)
			close(client->fds[i]);
	client->nfds = 0;
	client->fds_used = false;
}

void medio_vu_client_free(struct medio_vu_client *client)
{
	if (!client)
		return;
	drop_fds(client);
	close(client->fd);
	free(client->in);
	free(client);
}

/* ---- Receive ----------------------------------------------------------------------------------- */

static int take_fds(struct medio_vu_client *client, struct msghdr *msg)
{
	int lost = msg->msg_flags & MSG_CTRUNC ? -EPROTO : 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		unsigned count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
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
	return lost ? fail(client, lost, "more than %d file descriptors came", MEDIO_VU_CLIENT_FDS)
		    : 0;
}

/* One recvmsg. 0: something came. -EAGAIN, -EINTR, -ECONNRESET, -EPROTO; -ENOBUFS: no room. */
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
	ssize_t n = recvmsg(client->fd, &msg, flags | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR
			       ? -errno
			       : fail(client, -ECONNRESET, "receive: %s", strerror(errno));
	if (n == 0)
		return fail(client, -ECONNRESET, "the server closed the connection");
	client->in_len += (size_t)n;
	return msg.msg_controllen || msg.msg_flags & MSG_CTRUNC ? take_fds(client, &msg) : 0;
}

static int timed_out(struct medio_vu_client *client)
{
	return fail(client, -ETIMEDOUT, "no answer within %llu ms",
		(unsigned long long)(client->timeout_ns / NS_PER_MS));
}

/* Sleep until one of events, at most until deadline. 0 and *revents, or -ETIMEDOUT. */
static int wait_socket(
	struct medio_vu_client *client, short events, uint64_t deadline, short *revents)
{
	for (;;) {
		struct pollfd pfd = { .fd = client->fd, .events = events };
		uint64_t now = medio_now_ns();
		if (now >= deadline)
			return timed_out(client);
		/* Rounded up, so that the last millisecond is slept and not spun. */
		int ms = (int)((deadline - now + NS_PER_MS - 1) / NS_PER_MS);
		if (poll(&pfd, 1, ms) > 0) {
			*revents = pfd.revents;
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
		if (medio_now_ns() >= deadline)
			return timed_out(client);
	}
}

/* Wait for bytes. The first time in an exchange the socket's own limit is the deadline. */
static int fill(struct medio_vu_client *client, uint64_t deadline, bool first)
{
	short revents;
	int ret;

	if (!deadline)
		return receive(client, MSG_DONTWAIT);
	if (client->poll)
		return spin(client, deadline);
	if (first) {
		ret = receive(client, 0);
		if (ret == -EAGAIN)
			return timed_out(client);
		if (ret != -EINTR)
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
		return fail(client, -EPROTO, "%s: a message of %u bytes, allowed are %zu to %zu",
			medio_vu_cmd_name(header->cmd), header->size, HEADER, client->in_cap);
	if (type != MEDIO_VU_COMMAND && type != MEDIO_VU_REPLY)
		return fail(client, -EPROTO, "%s: message type %u is neither command nor reply",
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

/* The next whole message. deadline 0: do not wait, -EAGAIN. first: as fill. */
static int next_message(struct medio_vu_client *client, uint64_t deadline, bool first,
	struct medio_vu_message *message)
{
	struct medio_vu_header header;
	size_t need;
	int ret;

	if (client->fds_used)
		drop_fds(client);
	if (client->in_pos == client->in_len && !client->nfds)
		client->in_pos = client->in_len = 0;
	for (;;) {
		need = HEADER;
		if (client->in_len - client->in_pos >= HEADER) {
			memcpy(&header, client->in + client->in_pos, HEADER);
			ret = check_header(client, &header);
			if (ret)
				return ret;
			need = header.size;
			if (client->in_len - client->in_pos >= need) {
				hand_out(client, &header, message);
				return 0;
			}
		}
		make_room(client, need);
		ret = fill(client, deadline, first);
		if (ret)
			return ret;
		first = false;
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

static int send_all(struct medio_vu_client *client, struct iovec *iov, unsigned count,
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
			return fail(client, errno == EPIPE ? -ECONNRESET : -errno, "send: %s",
				errno == EPIPE ? "the server closed the connection"
					       : strerror(errno));
		if (!deadline)
			deadline = medio_now_ns() + client->timeout_ns;
		int ret = wait_writable(client, deadline);
		if (ret)
			return ret;
	}
	return 0;
}

static int send_posted(struct medio_vu_client *client)
{
	struct iovec iov = { client->out, client->out_len };

	client->out_len = 0;
	return iov.iov_len ? send_all(client, &iov, 1, NULL, 0) : 0;
}

/* Posted writes, then header and pieces. iov has MAX_IOV entries; pieces stand from iov[2] on. */
static int send_message(struct medio_vu_client *client, struct medio_vu_header *header,
	struct iovec *iov, unsigned pieces, const int *fds, unsigned nfds)
{
	int ret;

	iov[1] = (struct iovec){ header, HEADER };
	/* Fds must arrive with their own message, so posted writes then go alone. */
	if (nfds) {
		ret = send_posted(client);
		if (ret)
			return ret;
	}
	if (!client->out_len)
		return send_all(client, iov + 1, pieces + 1, fds, nfds);
	iov[0] = (struct iovec){ client->out, client->out_len };
	ret = send_all(client, iov, pieces + 2, NULL, 0);
	client->out_len = 0;
	return ret;
}

/* The header of call; -EMSGSIZE if it is more than a header can say. */
static int make_header(struct medio_vu_client *client, const struct medio_vu_call *call,
	struct medio_vu_header *header)
{
	size_t size = HEADER + call->size;

	if (call->data_size > UINT32_MAX - size || call->nfds > MEDIO_VU_CLIENT_FDS)
		return fail(client, -EMSGSIZE, "%s: too large", medio_vu_cmd_name(call->cmd));
	*header = (struct medio_vu_header){
		.id = client->next_id++,
		.cmd = call->cmd,
		.size = (uint32_t)(size + call->data_size),
		.flags = call->flags,
		.error = call->error,
	};
	return 0;
}

int medio_vu_client_send(
	struct medio_vu_client *client, const struct medio_vu_call *call, uint16_t *id)
{
	struct iovec iov[4] = { [2] = { (void *)call->payload, call->size },
		[3] = { (void *)call->data, call->data_size } };
	struct medio_vu_header header = { 0 };
	int ret = make_header(client, call, &header);

	if (!ret)
		ret = send_message(client, &header, iov, 2, call->fds, call->nfds);
	if (!ret && id)
		*id = header.id;
	return ret;
}

int medio_vu_client_send_bytes(struct medio_vu_client *client, const void *bytes, size_t size,
	const int *fds, unsigned nfds)
{
	struct iovec iov = { (void *)bytes, size };

	if (nfds > MEDIO_VU_CLIENT_FDS)
		return -EMSGSIZE;
	return send_all(client, &iov, 1, fds, nfds);
}

int medio_vu_client_recv(struct medio_vu_client *client, struct medio_vu_message *message)
{
	return next_message(client, medio_now_ns() + client->timeout_ns, true, message);
}

/* ---- The server's commands --------------------------------------------------------------------- */

int medio_vu_client_reply(struct medio_vu_client *client, const struct medio_vu_header *request,
	int error, struct iovec *pieces, unsigned count)
{
	struct medio_vu_header header = {
		.id = request->id,
		.cmd = request->cmd,
		.size = HEADER,
		.flags = MEDIO_VU_REPLY | (error ? MEDIO_VU_ERROR : 0),
		.error = (uint32_t)error,
	};
	struct iovec iov[MAX_IOV];

	if (error)
		count = 0;
	if (count > MAX_IOV - 2)
		return -EINVAL;
	for (unsigned i = 0; i < count; i++) {
		iov[2 + i] = pieces[i];
		header.size += (uint32_t)pieces[i].iov_len;
	}
	return send_message(client, &header, iov, count, NULL, 0);
}

static int handle(struct medio_vu_client *client, const struct medio_vu_message *request)
{
	if (client->handler)
		return client->handler(client->opaque, client, request);
	if (request->header.flags & MEDIO_VU_NO_REPLY)
		return 0;
	return medio_vu_client_reply(client, &request->header, ENOSYS, NULL, 0);
}

int medio_vu_client_process(struct medio_vu_client *client)
{
	struct medio_vu_message message;
	int count = 0, ret;

	if (client->dead)
		return -ENOTCONN;
	while (!(ret = next_message(client, 0, false, &message))) {
		if ((message.header.flags & MEDIO_VU_TYPE_MASK) != MEDIO_VU_COMMAND)
			return medio_vu_client_fault(client, "%s: a reply to no request",
				medio_vu_cmd_name(message.header.cmd));
		ret = handle(client, &message);
		if (ret)
			break;
		count++;
	}
	if (ret == -EAGAIN || ret == -EINTR)
		return count;
	client->dead = true;
	return ret;
}

/* ---- Calls ------------------------------------------------------------------------------------- */

static int check_reply(struct medio_vu_client *client, const struct medio_vu_header *request,
	const struct medio_vu_header *reply)
{
	if (reply->id != request->id || reply->cmd != request->cmd)
		return medio_vu_client_fault(client, "%s %u was asked, %s %u is answered",
			medio_vu_cmd_name(request->cmd), request->id, medio_vu_cmd_name(reply->cmd),
			reply->id);
	if (!(reply->flags & MEDIO_VU_ERROR))
		return 0;
	if (!reply->error || reply->error > 4095)
		return medio_vu_client_fault(client, "%s: %u is no errno",
			medio_vu_cmd_name(request->cmd), reply->error);
	return fail(client, -(int)reply->error, "%s: %s", medio_vu_cmd_name(request->cmd),
		strerror((int)reply->error));
}

static int await(struct medio_vu_client *client, const struct medio_vu_header *request,
	uint64_t deadline, struct medio_vu_message *reply)
{
	for (bool first = true;; first = false) {
		int ret = next_message(client, deadline, first, reply);
		if (ret)
			return ret;
		if ((reply->header.flags & MEDIO_VU_TYPE_MASK) == MEDIO_VU_REPLY)
			return 0;
		ret = handle(client, reply);
		if (ret)
			return ret;
		if (medio_now_ns() >= deadline)
			return timed_out(client);
	}
}

int medio_vu_client_call(struct medio_vu_client *client, const struct medio_vu_call *call,
	struct medio_vu_message *reply)
{
	struct iovec iov[4] = { [2] = { (void *)call->payload, call->size },
		[3] = { (void *)call->data, call->data_size } };
	struct medio_vu_message discarded;
	struct medio_vu_header header = { 0 };
	uint64_t deadline;
	int ret;

	if (client->dead)
		return -ENOTCONN;
	ret = make_header(client, call, &header);
	if (ret)
		return ret;
	if (!reply)
		reply = &discarded;
	deadline = medio_now_ns() + client->timeout_ns;
	ret = send_message(client, &header, iov, 2, call->fds, call->nfds);
	if (!ret)
		ret = await(client, &header, deadline, reply);
	if (ret) {
		client->dead = true;
		return ret;
	}
	return check_reply(client, &header, &reply->header);
}

static void append(struct medio_vu_client *client, const void *bytes, size_t size)
{
	if (size)
		memcpy(client->out + client->out_len, bytes, size);
	client->out_len += size;
}

int medio_vu_client_post(struct medio_vu_client *client, const struct medio_vu_call *call)
{
	struct medio_vu_call posted = *call;
	struct medio_vu_header header = { 0 };
	int ret;

	if (client->dead)
		return -ENOTCONN;
	posted.flags |= MEDIO_VU_NO_REPLY;
	if (call->size + call->data_size > OUT_SIZE - HEADER) {
		ret = medio_vu_client_send(client, &posted, NULL);
		client->dead = ret < 0;
		return ret;
	}
	ret = make_header(client, &posted, &header);
	if (ret)
		return ret;
	if (header.size > OUT_SIZE - client->out_len) {
		ret = medio_vu_client_flush(client);
		if (ret)
			return ret;
	}
	append(client, &header, HEADER);
	append(client, call->payload, call->size);
	append(client, call->data, call->data_size);
	return 0;
}

int medio_vu_client_flush(struct medio_vu_client *client)
{
	if (client->dead)
		return -ENOTCONN;
	int ret = send_posted(client);
	client->dead = ret < 0;
	return ret;
}

int medio_vu_client_queue(
	struct medio_vu_client *client, const struct medio_vu_call *call, uint16_t *id)
{
	size_t size = HEADER + call->size + call->data_size;
	struct medio_vu_header header = { 0 };
	int ret;

	if (client->dead)
		return -ENOTCONN;
	if (size > MEDIO_VU_CLIENT_QUEUE || call->nfds)
		return -ENOBUFS;
	if (size > OUT_SIZE - client->out_len) {
		ret = medio_vu_client_flush(client);
		if (ret)
			return ret;
	}
	ret = make_header(client, call, &header);
	if (ret)
		return ret;
	append(client, &header, HEADER);
	append(client, call->payload, call->size);
	append(client, call->data, call->data_size);
	*id = header.id;
	return 0;
}

int medio_vu_client_collect(
	struct medio_vu_client *client, uint16_t cmd, uint16_t id, struct medio_vu_message *reply)
{
	const struct medio_vu_header request = { .id = id, .cmd = cmd };
	int ret;

	if (client->dead)
		return -ENOTCONN;
	ret = send_posted(client);
	if (!ret)
		ret = await(client, &request, medio_now_ns() + client->timeout_ns, reply);
	if (ret) {
		client->dead = true;
		return ret;
	}
	return check_reply(client, &request, &reply->header);
}

/* "VFIO_USER_VERSION": the first message; both sides say what they can do. */
int medio_vu_client_version(struct medio_vu_client *client, const struct medio_vu_caps *offer,
	struct medio_vu_caps *got, struct medio_error **err)
{
	struct medio_vu_version version = { MEDIO_VU_MAJOR, MEDIO_VU_MINOR };
	struct medio_vu_message reply;
	char json[512];
	int len = medio_vu_caps_print(offer, json, sizeof(json));
	struct medio_vu_call call = {
		.cmd = MEDIO_VU_VERSION,
		.payload = &version,
		.size = sizeof(version),
		.data = json,
		.data_size = (size_t)len,
	};
	int ret;

	if (len < 0)
		return medio_error_set(err, -len, "VERSION: the offer does not fit");
	ret = medio_vu_client_call(client, &call, &reply);
	if (ret == -EBUSY && !client->dead)
		return medio_error_set(err, EBUSY, "the server has a client already");
	if (ret)
		return medio_error_set(err, -ret, "%s", client->words);
	if (reply.size < sizeof(version))
		ret = medio_vu_client_fault(client, "VERSION: a reply of %zu bytes", reply.size);
	else
		memcpy(&version, reply.payload, sizeof(version));
	if (!ret && version.major != MEDIO_VU_MAJOR)
		ret = medio_vu_client_fault(client, "VERSION: the server speaks version %u.%u",
			version.major, version.minor);
	if (ret)
		return medio_error_set(err, -ret, "%s", client->words);
	ret = medio_vu_caps_parse((const char *)reply.payload + sizeof(version),
		reply.size - sizeof(version), got, err);
	if (ret) {
		client->dead = true;
		return -EPROTO;
	}
	return 0;
}
