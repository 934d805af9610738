/* SPDX-License-Identifier: BSD-3-Clause */
/* What a client says and how it takes answers; whole messages come from vfio_user_socket.c. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "drive/calls.h"
#include "drive/vfio_user_socket.h"
#include "proto/version.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/loop.h"

#define MIN_MESSAGE  4096
#define MAX_RECEIVES 4	 /* in one look at what the server asks */
#define MAX_WRITES   200 /* in a REGION_WRITE_MULTI, as QEMU sends them */

int medio_vu_client_fault(struct medio_vu_client *client, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(client->words, sizeof(client->words), fmt, ap);
	va_end(ap);
	return medio_vu_client_kill(client, -EPROTO);
}

int medio_vu_client_kill(struct medio_vu_client *client, int ret)
{
	if (!client->dead) {
		shutdown(client->fd, SHUT_RDWR);
		if (client->twin)
			shutdown(client->twin->fd, SHUT_RDWR);
	}
	client->dead = true;
	return ret;
}

bool medio_vu_client_dead(const struct medio_vu_client *client)
{
	return client->dead;
}

void medio_vu_client_until(struct medio_vu_client *client, uint64_t until)
{
	client->until = until;
}

const char *medio_vu_client_words(const struct medio_vu_client *client)
{
	return client->words;
}

int medio_vu_client_fd(struct medio_vu_client *client)
{
	return client->twin ? medio_vu_twin_both(client) : client->fd;
}

void medio_vu_client_fds(const struct medio_vu_client *client, int out[2])
{
	out[0] = client->fd;
	out[1] = client->twin ? client->twin->fd : -1;
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

	if (max < MIN_MESSAGE || max > (size_t)2 * MEDIO_VU_MAX_XFER)
		return -EINVAL;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
	struct medio_vu_client *client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->in = malloc(max);
	if (!client->in) {
		free(client);
		return -ENOMEM;
	}
	client->in_cap = max;
	client->fd = medio_steal_fd(owned);
	client->both = -1;
	client->multi = NO_MULTI;
	client->next_id = 1;
	client->poll = opts && opts->poll;
	client->timeout_ns = timeout_of(opts);
	client->until = opts ? opts->until : 0;
	*out = client;
	return 0;
}

static uint64_t connect_limit(const struct medio_vu_client_options *opts)
{
	uint64_t limit = timeout_of(opts), now = medio_now_ns();

	if (!opts || !opts->until || opts->until >= now + limit)
		return limit;
	/* None at all would be no limit. */
	return opts->until > now + NS_PER_MS ? opts->until - now : NS_PER_MS;
}

int medio_vu_client_connect(const char *path, const struct medio_vu_client_options *opts,
	struct medio_vu_client **out, struct medio_error **err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval limit = to_timeval(connect_limit(opts));
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
	medio_calls_say(0, "socket and connect %s", path);
	return 0;
}

void medio_vu_client_free(struct medio_vu_client *client)
{
	if (!client)
		return;
	medio_vu_socket_drop_fds(client);
	medio_vu_twin_free(client);
	close(client->fd);
	free(client->in);
	free(client);
}

/* ---- Raw messages ------------------------------------------------------------------------------ */

int medio_vu_client_header(struct medio_vu_client *client, const struct medio_vu_call *call,
	struct medio_vu_header *header)
{
	size_t size = HEADER + call->size;

	if (call->data_size > UINT32_MAX - size || call->nfds > MEDIO_VU_CLIENT_FDS)
		return medio_vu_socket_fail(
			client, -EMSGSIZE, "%s: too large", medio_vu_cmd_name(call->cmd));
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
	int ret = medio_vu_client_header(client, call, &header);

	if (!ret)
		ret = medio_vu_socket_send(client, &header, iov, 2, call->fds, call->nfds);
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
	return medio_vu_socket_send_all(client, &iov, 1, fds, nfds);
}

int medio_vu_client_recv(struct medio_vu_client *client, struct medio_vu_message *message)
{
	return medio_vu_socket_next(client, medio_now_ns() + client->timeout_ns, true, message);
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
	return medio_vu_socket_send(client, &header, iov, count, NULL, 0);
}

/* A call begins: when it must be done. */
static uint64_t begin(struct medio_vu_client *client)
{
	client->deadline = medio_now_ns() + client->timeout_ns;
	if (client->until && client->until < client->deadline)
		client->deadline = client->until;
	return client->deadline;
}

/* It ends, with ret of the transport. */
static int end(struct medio_vu_client *client, int ret)
{
	client->deadline = 0;
	client->plain = false;
	return ret < 0 ? medio_vu_client_kill(client, ret) : ret;
}

static int handle(struct medio_vu_client *client, const struct medio_vu_message *request)
{
	if (client->handler)
		return client->handler(client->opaque, client, request);
	if (request->header.flags & MEDIO_VU_NO_REPLY)
		return 0;
	return medio_vu_client_reply(client, &request->header, ENOSYS, NULL, 0);
}

static int serve_one(
	struct medio_vu_client *client, const struct medio_vu_message *message, uint64_t deadline)
{
	if ((message->header.flags & MEDIO_VU_TYPE_MASK) != MEDIO_VU_COMMAND)
		return medio_vu_socket_fail(client, -EPROTO, "%s: a reply to no request",
			medio_vu_cmd_name(message->header.cmd));
	int ret = handle(client, message);
	if (!ret && medio_now_ns() >= deadline)
		ret = medio_vu_socket_fail(
			client, -ETIMEDOUT, "the server's requests came without an end");
	return ret;
}

/* A server that never stops asking does not keep us: what is left is in the socket, where poll()
 * tells of it, and no whole message is here. */
int medio_vu_client_serve(struct medio_vu_client *client, uint64_t deadline)
{
	struct medio_vu_message message;
	int count = 0;

	client->deadline = deadline;
	for (unsigned receives = 0;;) {
		int ret = medio_vu_socket_take(client, &message);
		if (!ret)
			ret = serve_one(client, &message, deadline);
		else if (ret == -EAGAIN && receives++ < MAX_RECEIVES) {
			ret = medio_vu_socket_more(client);
			if (!ret)
				continue;
		}
		client->deadline = 0;
		if (ret == -EAGAIN || ret == -EINTR)
			return count;
		if (ret)
			return ret;
		client->deadline = deadline;
		count++;
	}
}

int medio_vu_client_process(struct medio_vu_client *client)
{
	int twin = 0;

	if (client->dead)
		return -ENOTCONN;
	uint64_t deadline = begin(client);
	if (client->twin)
		twin = medio_vu_client_serve(client->twin, deadline);
	if (twin < 0)
		return end(client,
			medio_vu_socket_fail(client, twin, "twin socket: %s", client->twin->words));
	int count = medio_vu_client_serve(client, deadline);
	return end(client, count < 0 ? count : count + twin);
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
	if (reply->error > 4095)
		return medio_vu_client_fault(client, "%s: %u is no errno",
			medio_vu_cmd_name(request->cmd), reply->error);
	if (!reply->error)
		return medio_vu_socket_fail(client, -EIO, "%s: the server does not say why not",
			medio_vu_cmd_name(request->cmd));
	/* EINTR is of signals that come to this program: whoever gets it tries again. */
	return medio_vu_socket_fail(client, reply->error == EINTR ? -EIO : -(int)reply->error,
		"%s: %s", medio_vu_cmd_name(request->cmd), strerror((int)reply->error));
}

static int await(struct medio_vu_client *client, const struct medio_vu_header *request,
	uint64_t deadline, struct medio_vu_message *reply)
{
	int ret = client->twin && !client->asked ? medio_vu_twin_look(client, deadline) : 0;

	if (ret)
		return ret;
	if (client->asked)
		client->asked--;
	for (bool first = true;; first = false) {
		ret = medio_vu_socket_next(client, deadline, first, reply);
		if (ret)
			return ret;
		if ((reply->header.flags & MEDIO_VU_TYPE_MASK) == MEDIO_VU_REPLY)
			return 0;
		ret = handle(client, reply);
		if (ret)
			return ret;
		if (medio_now_ns() >= deadline)
			return medio_vu_socket_timed_out(client);
	}
}

int medio_vu_client_call(struct medio_vu_client *client, const struct medio_vu_call *call,
	struct medio_vu_message *reply)
{
	struct iovec iov[4] = { [2] = { (void *)call->payload, call->size },
		[3] = { (void *)call->data, call->data_size } };
	struct medio_vu_message discarded;
	struct medio_vu_header header = { 0 };
	int ret;

	if (client->dead)
		return -ENOTCONN;
	ret = medio_vu_client_header(client, call, &header);
	if (ret)
		return ret;
	if (!reply)
		reply = &discarded;
	uint64_t deadline = begin(client);
	ret = medio_vu_socket_send(client, &header, iov, 2, call->fds, call->nfds);
	client->plain = call->cmd == MEDIO_VU_REGION_READ || call->cmd == MEDIO_VU_REGION_WRITE;
	if (!ret)
		ret = await(client, &header, deadline, reply);
	ret = end(client, ret);
	if (!ret)
		ret = check_reply(client, &header, &reply->header);
	if (medio_calls_watched())
		medio_calls_say(ret, "message %s, %u bytes%s, and its answer, %u bytes%s",
			medio_vu_cmd_name(call->cmd), header.size, call->nfds ? " and files" : "",
			ret ? 0 : reply->header.size, !ret && reply->nfds ? " and files" : "");
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
	ret = medio_vu_client_header(client, call, &header);
	if (ret)
		return ret;
	medio_vu_post_append(client, &header, HEADER);
	medio_vu_post_append(client, call->payload, call->size);
	medio_vu_post_append(client, call->data, call->data_size);
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
	uint64_t deadline = begin(client);
	ret = medio_vu_socket_send_posted(client);
	if (!ret)
		ret = await(client, &request, deadline, reply);
	ret = end(client, ret);
	return ret ? ret : check_reply(client, &request, &reply->header);
}

/* The server has the last word, but only about what was offered. */
static int agree(struct medio_vu_client *client, const struct medio_vu_caps *offer,
	struct medio_vu_caps *got, struct medio_vu_message *reply)
{
	uint64_t most = got->max_data_xfer_size / sizeof(struct medio_vu_write_entry);

	got->write_multiple = got->write_multiple && offer->write_multiple;
	if (got->write_multiple && most > 1)
		client->multi_max = most < MAX_WRITES ? (unsigned)most : MAX_WRITES;
	if (!got->twin_socket)
		return 0;
	if (!offer->twin_socket)
		return medio_vu_client_fault(client, "VERSION: a twin socket that nobody offered");
	if (got->twin_fd_index < 0 || got->twin_fd_index >= reply->nfds)
		return medio_vu_client_fault(client,
			"VERSION: the twin socket is file %lld of %u that came",
			(long long)got->twin_fd_index, reply->nfds);
	int ret = medio_vu_twin_open(client, medio_steal_fd(reply->fds[got->twin_fd_index]));
	if (ret == -EPROTO)
		return medio_vu_client_fault(client, "VERSION: the twin socket is none");
	return ret ? medio_vu_client_kill(
			     client, medio_vu_socket_fail(client, ret,
					     "VERSION: the twin socket: %s", strerror(-ret)))
		   : 0;
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
	if (ret)
		return medio_vu_client_kill(client, -EPROTO);
	ret = agree(client, offer, got, &reply);
	return ret ? medio_error_set(err, -ret, "%s", client->words) : 0;
}
