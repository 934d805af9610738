/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost_front_inside.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MS 20000

int vhost_front_fails(struct vhost_front *f, int error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->words, sizeof(f->words), fmt, ap);
	va_end(ap);
	return -error;
}

void vhost_front_drop_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

uint64_t vhost_front_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- Life ------------------------------------------------------------------------------------------ */

int vhost_front_open(struct vhost_front *f)
{
	static const struct vf_region regions[VF_GUEST_REGIONS] = {
		{ VF_LOW_GPA, VF_LOW_BYTES, UINT64_C(0x7f5500000000), 0x1000 },
		{ VF_MIDDLE_GPA, VF_MIDDLE_BYTES, UINT64_C(0x7f1100000000), 0x401000 },
		{ VF_HIGH_GPA, VF_HIGH_BYTES, UINT64_C(0x7f3300000000), 0x700000 },
	};

	*f = (struct vhost_front){ .fd = -1,
		.channel = -1,
		.memfd = -1,
		.log_fd = -1,
		.inflight_fd = -1,
		.timeout_ms = TIMEOUT_MS };
	for (unsigned i = 0; i < VF_RINGS; i++)
		f->rings[i].kick = f->rings[i].call = -1;
	memcpy(f->regions, regions, sizeof(regions));
	for (unsigned i = 0; i < VF_GUEST_REGIONS; i++)
		f->next[i] = regions[i].gpa + (i == VF_LOW ? 4096 : 0);
	f->memfd = memfd_create("guest", MFD_CLOEXEC);
	if (f->memfd < 0 || ftruncate(f->memfd, VF_FILE_BYTES) < 0)
		return vhost_front_fails(f, errno, "memory: %s", strerror(errno));
	f->file = mmap(NULL, VF_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, f->memfd, 0);
	if (f->file == MAP_FAILED) {
		f->file = NULL;
		return vhost_front_fails(f, errno, "memory: %s", strerror(errno));
	}
	return 0;
}

void vhost_front_leave(struct vhost_front *f)
{
	vhost_front_drop_fd(&f->fd);
	vhost_front_drop_fd(&f->channel);
	for (unsigned i = 0; i < VF_RINGS; i++) {
		vhost_front_drop_fd(&f->rings[i].kick);
		vhost_front_drop_fd(&f->rings[i].call);
		f->rings[i].started = false;
	}
	f->features = f->protocol = 0;
	f->ack = false;
}

void vhost_front_close(struct vhost_front *f)
{
	vhost_front_leave(f);
	for (unsigned i = 0; i < VF_RINGS; i++) {
		virtq_free(f->rings[i].vq);
		f->rings[i].vq = NULL;
	}
	vhost_front_drop_log(f);
	vhost_front_drop_fd(&f->inflight_fd);
	if (f->file)
		munmap(f->file, VF_FILE_BYTES);
	f->file = NULL;
	vhost_front_drop_fd(&f->memfd);
}

void vhost_front_take(struct vhost_front *f, int fd)
{
	vhost_front_leave(f);
	f->fd = fd;
}

static int address(struct vhost_front *f, const char *path, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(out->sun_path))
		return vhost_front_fails(f, ENAMETOOLONG, "path '%s'", path);
	memcpy(out->sun_path, path, strlen(path) + 1);
	return 0;
}

int vhost_front_connect(struct vhost_front *f, const char *path)
{
	struct sockaddr_un addr;
	int ret = address(f, path, &addr);

	if (ret)
		return ret;
	vhost_front_take(f, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	if (f->fd < 0 || connect(f->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return vhost_front_fails(f, errno, "connect: %s", strerror(errno));
	return 0;
}

int vhost_front_accept(struct vhost_front *f, const char *path)
{
	struct sockaddr_un addr;
	int ret = address(f, path, &addr), fd;

	if (ret)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0) {
		ret = vhost_front_fails(f, errno, "listen: %s", strerror(errno));
	} else {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		if (poll(&p, 1, (int)f->timeout_ms) != 1)
			ret = vhost_front_fails(f, ETIMEDOUT, "nobody connects");
		else
			vhost_front_take(f, accept4(fd, NULL, NULL, SOCK_CLOEXEC));
	}
	vhost_front_drop_fd(&fd);
	unlink(path);
	return ret	   ? ret
	       : f->fd < 0 ? vhost_front_fails(f, errno, "accept: %s", strerror(errno))
			   : 0;
}

/* ---- Messages --------------------------------------------------------------------------------------- */

int vhost_front_send_on(struct vhost_front *f, int fd, const struct vf_header *header,
	const void *payload, const int *fds, unsigned nfds)
{
	struct vf_header head = *header;
	/* sendmsg() reads it, whatever the type says. */
	union {
		const void *in;
		void *out;
	} bytes = { payload };
	struct iovec iov[2] = { { &head, sizeof(head) },
		{ bytes.out, payload ? header->size : 0 } };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 64)];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (nfds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
	}
	ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	if (n < 0)
		return vhost_front_fails(
			f, errno, "request %u: %s", header->request, strerror(errno));
	if ((size_t)n != iov[0].iov_len + iov[1].iov_len)
		return vhost_front_fails(f, EIO, "request %u: sent in part", header->request);
	return 0;
}

int vhost_front_send(struct vhost_front *f, uint32_t request, uint32_t flags, const void *payload,
	uint32_t size, const int *fds, unsigned nfds)
{
	const struct vf_header header = { request, flags, size };

	return vhost_front_send_on(f, f->fd, &header, payload, fds, nfds);
}

static void take_fds(struct msghdr *msg, struct vf_reply *reply)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		unsigned n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(reply->fds, CMSG_DATA(c), n * sizeof(int));
		reply->nfds = n;
	}
}

static int read_all(struct vhost_front *f, int fd, uint64_t until, void *buf, size_t len,
	struct vf_reply *reply)
{
	while (len) {
		union {
			struct cmsghdr align;
			char bytes[CMSG_SPACE(sizeof(int) * 8)];
		} control;
		struct iovec iov = { buf, len };
		struct msghdr msg = { .msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control) };
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = vhost_front_now_ms();

		if (now > until || poll(&p, 1, (int)(until - now)) == 0)
			return vhost_front_fails(f, ETIMEDOUT, "no answer");
		ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return vhost_front_fails(f, ECONNRESET, "the back-end has closed: %s",
				n ? strerror(errno) : "end");
		take_fds(&msg, reply);
		buf = (uint8_t *)buf + n;
		len -= (size_t)n;
	}
	return 0;
}

int vhost_front_receive_on(
	struct vhost_front *f, int fd, unsigned timeout_ms, struct vf_reply *reply)
{
	const uint64_t until = vhost_front_now_ms() + timeout_ms;
	struct vf_header header = { 0, 0, 0 };

	reply->nfds = 0;
	int ret = read_all(f, fd, until, &header, sizeof(header), reply);
	if (ret)
		return ret;
	reply->request = header.request;
	reply->flags = header.flags;
	reply->size = header.size;
	if (header.size > sizeof(reply->payload))
		return vhost_front_fails(f, EPROTO, "an answer of %u bytes", header.size);
	return read_all(f, fd, until, reply->payload, header.size, reply);
}

int vhost_front_receive(struct vhost_front *f, struct vf_reply *reply)
{
	return vhost_front_receive_on(f, f->fd, f->timeout_ms, reply);
}

/* The answer to a request: its version and its reply flag, no other ("Header"). */
static int expect(struct vhost_front *f, uint32_t request, uint32_t size, struct vf_reply *reply)
{
	int ret = vhost_front_receive(f, reply);

	if (ret)
		return ret;
	if (reply->request != request || (reply->flags & 7) != (VF_VERSION | VF_REPLY) ||
		reply->size != size) {
		for (unsigned i = 0; i < reply->nfds; i++)
			close(reply->fds[i]);
		return vhost_front_fails(f, EPROTO,
			"answer to %u: request %u, flags 0x%x, %u bytes, not %u", request,
			reply->request, reply->flags, reply->size, size);
	}
	return 0;
}

int vhost_front_tell_fds(struct vhost_front *f, uint32_t request, const void *payload,
	uint32_t size, const int *fds, unsigned nfds)
{
	struct vf_reply reply;
	uint64_t value;
	int ret = vhost_front_send(
		f, request, VF_VERSION | (f->ack ? VF_NEED_REPLY : 0), payload, size, fds, nfds);

	if (ret || !f->ack)
		return ret;
	ret = expect(f, request, sizeof(value), &reply);
	if (ret)
		return ret;
	memcpy(&value, reply.payload, sizeof(value));
	if (value)
		return vhost_front_fails(f, EREMOTEIO, "request %u is refused with %llu", request,
			(unsigned long long)value);
	return 0;
}

int vhost_front_tell(
	struct vhost_front *f, uint32_t request, const void *payload, uint32_t size, int fd)
{
	return vhost_front_tell_fds(f, request, payload, size, &fd, fd >= 0);
}

int vhost_front_tell_u64(struct vhost_front *f, uint32_t request, uint64_t value, int fd)
{
	return vhost_front_tell(f, request, &value, sizeof(value), fd);
}

int vhost_front_ask(struct vhost_front *f, uint32_t request, const void *payload,
	uint32_t payload_size, int fd, void *answer, uint32_t size, int *fd_out)
{
	struct vf_reply reply;
	int ret = vhost_front_send(f, request, VF_VERSION, payload, payload_size, &fd, fd >= 0);

	if (!ret)
		ret = expect(f, request, size, &reply);
	if (ret)
		return ret;
	memcpy(answer, reply.payload, size);
	if (fd_out)
		*fd_out = -1;
	for (unsigned i = 0; i < reply.nfds; i++) {
		if (fd_out && !i)
			*fd_out = reply.fds[i];
		else
			close(reply.fds[i]);
	}
	if (reply.nfds > (fd_out ? 1 : 0))
		return vhost_front_fails(
			f, EPROTO, "answer to %u: %u descriptors", request, reply.nfds);
	return 0;
}

int vhost_front_ask_u64(struct vhost_front *f, uint32_t request, uint64_t *out)
{
	return vhost_front_ask(f, request, NULL, 0, -1, out, sizeof(*out), NULL);
}

int vhost_front_sync(struct vhost_front *f)
{
	uint64_t features;

	return vhost_front_ask_u64(f, VF_GET_FEATURES, &features);
}
