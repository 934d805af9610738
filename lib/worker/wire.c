/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "util/cleanup.h"

#define MAGIC 0x316d6577u /* "wem1" */

/* On the wire: this, the strings one behind the other with their NULs, zeros up to a multiple of 8,
 * the data. Native byte order: both ends are one machine. */
struct head {
	uint32_t magic;
	uint16_t version, kind;
	uint8_t uuid[MEDIO_UUID_SIZE];
	uint64_t cookie;
	uint32_t value, flags;
	int32_t ret;
	uint16_t counts[3], nstrings;
	uint32_t strings_size, data_size;
	uint32_t zero;
};
_Static_assert(sizeof(struct head) == 64, "data stands at a multiple of 8");

/* What a message of each kind may carry; all zeros: there is no such kind. */
struct shape {
	uint16_t known, min_strings, max_strings;
	uint16_t min_fds, max_fds;
	uint32_t min_data, max_data;
};

/* clang-format off */
static const struct shape shapes[] = {
	/*                          strings                     fds   data */
	[MEDIO_WIRE_HELLO]       = { 1, 0, 0,                    0, 1, 0, 0 },
	[MEDIO_WIRE_START]       = { 1, 1, MEDIO_WIRE_STRINGS,   1, 2, sizeof(struct medio_wire_start),
				     sizeof(struct medio_wire_start) },
	[MEDIO_WIRE_STOP]        = { 1, 0, 0,                    0, 0, 0, 0 },
	[MEDIO_WIRE_CLIENT]      = { 1, 0, 0,                    1, 1, 0, 0 },
	[MEDIO_WIRE_REQUEST]     = { 1, 0, 0,                    0, 0, 0, 0 },
	[MEDIO_WIRE_DISCONNECT]  = { 1, 0, 0,                    0, 0, 0, 0 },
	[MEDIO_WIRE_ATTR_SHOW]   = { 1, 1, 1,                    0, 0, 0, 0 },
	[MEDIO_WIRE_ATTR_STORE]  = { 1, 1, 1,                    0, 0, 0, MEDIO_WIRE_MAX },
	[MEDIO_WIRE_SET_VFS]     = { 1, 0, 0,                    0, 0, 0, 0 },
	[MEDIO_WIRE_READY]       = { 1, 0, 0,                    0, 1, 0, 0 },
	[MEDIO_WIRE_STARTED]     = { 1, 0, 1,                    0, 0, 0,
				     sizeof(struct medio_wire_sriov) },
	[MEDIO_WIRE_STOPPED]     = { 1, 0, 0,                    0, 0, 0, 0 },
	[MEDIO_WIRE_CLIENT_GONE] = { 1, 0, 0,                    0, 0, 0, 0 },
	[MEDIO_WIRE_ATTR]        = { 1, 0, 0,                    0, 0, 0, MEDIO_WIRE_MAX },
	[MEDIO_WIRE_LOG]         = { 1, 1, 1,                    0, 0, 0, 0 },
	[MEDIO_WIRE_INSTANCE]    = { 1, 1, 1,                    1, 2, 0,
				     sizeof(struct medio_wire_sriov) },
	[MEDIO_WIRE_DONE]        = { 1, 0, 0,                    0, 0, 0, 0 },
	[MEDIO_WIRE_VFS]         = { 1, 0, 0,                    0, 0, 0, 0 },
	[MEDIO_WIRE_VFS_SET]     = { 1, 0, 1,                    0, 0, 0, 0 },
};
/* clang-format on */

static const struct shape *shape_of(unsigned kind)
{
	return kind < MEDIO_ARRAY_SIZE(shapes) && shapes[kind].known ? &shapes[kind] : NULL;
}

static size_t pad(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

/* ---- Bytes ---------------------------------------------------------------------------------------- */

ssize_t medio_wire_encode(const struct medio_wire_msg *msg, void *buf, size_t cap)
{
	struct head head = {
		.magic = MAGIC,
		.version = MEDIO_WIRE_VERSION,
		.kind = (uint16_t)msg->kind,
		.cookie = msg->cookie,
		.value = msg->value,
		.flags = msg->flags,
		.ret = msg->ret,
		.nstrings = (uint16_t)msg->nstrings,
		.data_size = (uint32_t)msg->size,
	};
	memcpy(head.uuid, msg->uuid, sizeof(head.uuid));
	memcpy(head.counts, msg->counts, sizeof(head.counts));
	if (cap > MEDIO_WIRE_MAX)
		cap = MEDIO_WIRE_MAX;
	if (msg->nstrings > MEDIO_WIRE_STRINGS || cap < sizeof(head) || msg->size > cap)
		return -EMSGSIZE;

	char *out = buf;
	size_t at = sizeof(head);
	for (unsigned i = 0; i < msg->nstrings; i++) {
		size_t len = strlen(msg->strings[i]) + 1;
		if (len > cap - at)
			return -EMSGSIZE;
		memcpy(out + at, msg->strings[i], len);
		at += len;
	}
	head.strings_size = (uint32_t)(at - sizeof(head));
	size_t start = pad(at);
	if (start > cap || msg->size > cap - start)
		return -EMSGSIZE;
	memset(out + at, 0, start - at);
	if (msg->size)
		memcpy(out + start, msg->data, msg->size);
	memcpy(out, &head, sizeof(head));
	return (ssize_t)(start + msg->size);
}

/* Point at count strings that fill size bytes exactly. */
static int split(const char *bytes, size_t size, const char **strings, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const char *end = memchr(bytes, '\0', size);
		if (!end)
			return -EPROTO;
		strings[i] = bytes;
		size -= (size_t)(end + 1 - bytes);
		bytes = end + 1;
	}
	return size ? -EPROTO : 0;
}

static bool fits(const struct head *head, const struct shape *shape)
{
	unsigned counted = head->counts[0] + head->counts[1] + head->counts[2];
	if (head->nstrings < shape->min_strings || head->nstrings > shape->max_strings ||
		head->data_size < shape->min_data || head->data_size > shape->max_data)
		return false;
	/* Either there or not. */
	if (shape->max_data == sizeof(struct medio_wire_sriov) && head->data_size &&
		head->data_size != shape->max_data)
		return false;
	return head->kind == MEDIO_WIRE_START ? counted + 1 == head->nstrings : counted == 0;
}

int medio_wire_decode(struct medio_wire_packet *packet, size_t size)
{
	struct head head;
	if (size < sizeof(head) || size > MEDIO_WIRE_MAX)
		return -EPROTO;
	memcpy(&head, packet->bytes, sizeof(head));
	if (head.magic != MAGIC || head.version != MEDIO_WIRE_VERSION)
		return -EPROTO;
	const struct shape *shape = shape_of(head.kind);
	if (!shape || !fits(&head, shape))
		return -EPROTO;
	if (head.strings_size > size || head.data_size > size ||
		pad(sizeof(head) + head.strings_size) + head.data_size != size)
		return -EPROTO;
	const char *strings = packet->bytes + sizeof(head);
	if (split(strings, head.strings_size, packet->strings, head.nstrings))
		return -EPROTO;

	struct medio_wire_msg *msg = &packet->msg;
	msg->kind = (enum medio_wire_kind)head.kind;
	memcpy(msg->uuid, head.uuid, sizeof(msg->uuid));
	msg->cookie = head.cookie;
	msg->value = head.value;
	msg->flags = head.flags;
	msg->ret = head.ret;
	memcpy(msg->counts, head.counts, sizeof(msg->counts));
	msg->strings = packet->strings;
	msg->nstrings = head.nstrings;
	msg->data = packet->bytes + size - head.data_size;
	msg->size = head.data_size;
	return 0;
}

/* ---- Socket ----------------------------------------------------------------------------------------- */

union control {
	char bytes[CMSG_SPACE(sizeof(int) * MEDIO_WIRE_FDS)];
	struct cmsghdr align;
};

int medio_wire_send(int sock, const struct medio_wire_msg *msg)
{
	_Alignas(8) char bytes[MEDIO_WIRE_MAX];
	union control control;
	ssize_t size = medio_wire_encode(msg, bytes, sizeof(bytes));
	if (size < 0)
		return (int)size;
	if (msg->nfds > MEDIO_WIRE_FDS)
		return -EMSGSIZE;
	struct iovec iov = { bytes, (size_t)size };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (msg->nfds) {
		memset(&control, 0, sizeof(control));
		hdr.msg_control = control.bytes;
		hdr.msg_controllen = CMSG_SPACE(sizeof(int) * msg->nfds);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * msg->nfds);
		memcpy(CMSG_DATA(cmsg), msg->fds, sizeof(int) * msg->nfds);
	}
	ssize_t n;
	do
		n = sendmsg(sock, &hdr, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno; /* it left without reading all */
	return 0;
}

static void collect_fds(struct msghdr *hdr, struct medio_wire_msg *msg)
{
	msg->nfds = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count && msg->nfds < MEDIO_WIRE_FDS; i++)
			memcpy(&msg->fds[msg->nfds++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
}

/* What was received is a message (1), or what is wrong with it. */
static int judge(struct medio_wire_packet *packet, size_t size, int flags)
{
	const struct medio_wire_msg *msg = &packet->msg;
	if ((flags & MSG_TRUNC) || medio_wire_decode(packet, size))
		return -EPROTO;
	/* Fewer came than there was room for: the limit of open files was in the way. */
	const struct shape *shape = shape_of(msg->kind);
	if (flags & MSG_CTRUNC)
		return msg->nfds < MEDIO_WIRE_FDS && shape->max_fds ? -EMFILE : -EPROTO;
	return msg->nfds < shape->min_fds || msg->nfds > shape->max_fds ? -EPROTO : 1;
}

/* Neither question is one to a file system. */
static bool is_plain(int fd)
{
	socklen_t len = sizeof(int);
	int domain;
	if (fcntl(fd, F_GET_SEALS) >= 0)
		return true;
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

static void *close_foreign(void *opaque)
{
	int fd;

	memcpy(&fd, &opaque, sizeof(fd)); /* the pointer is the number */
	close(fd);
	return NULL;
}

/* Whether there were any. Without a thread it stays open: better than to wait for it. */
static bool drop_foreign(struct medio_wire_msg *msg)
{
	bool any = false;
	for (unsigned i = 0; i < msg->nfds; i++) {
		pthread_t thread;
		void *number = NULL;
		if (is_plain(msg->fds[i]))
			continue;
		any = true;
		memcpy(&number, &msg->fds[i], sizeof(msg->fds[i]));
		if (!pthread_create(&thread, NULL, close_foreign, number))
			pthread_detach(thread);
		msg->fds[i] = -1;
	}
	return any;
}

/* Who they are from, and so which are taken. */
enum trust { TAKE_ALL, TAKE_PLAIN, TAKE_NONE };

static int receive(int sock, struct medio_wire_packet *packet, enum trust trust)
{
	struct medio_wire_msg *msg = &packet->msg;
	union control control;
	struct iovec iov = { packet->bytes, sizeof(packet->bytes) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;
	if (trust != TAKE_NONE) {
		hdr.msg_control = control.bytes;
		hdr.msg_controllen = sizeof(control);
	}
	do
		n = recvmsg(sock, &hdr, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	msg->nfds = 0;
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	collect_fds(&hdr, msg);
	bool foreign = trust == TAKE_PLAIN && drop_foreign(msg);
	/* Of none, none is missing. */
	int flags = trust == TAKE_NONE ? hdr.msg_flags & ~MSG_CTRUNC : hdr.msg_flags;
	int ret = n == 0 ? 0 : foreign ? -EPERM : judge(packet, (size_t)n, flags);
	if (ret != 1)
		medio_wire_close_fds(msg);
	return ret;
}

int medio_wire_receive(int sock, struct medio_wire_packet *packet)
{
	return receive(sock, packet, TAKE_ALL);
}

int medio_wire_receive_wary(int sock, struct medio_wire_packet *packet, bool take)
{
	return receive(sock, packet, take ? TAKE_PLAIN : TAKE_NONE);
}

void medio_wire_close_fds(struct medio_wire_msg *msg)
{
	for (unsigned i = 0; i < msg->nfds; i++) {
		if (msg->fds[i] >= 0)
			close(msg->fds[i]);
		msg->fds[i] = -1;
	}
	msg->nfds = 0;
}
