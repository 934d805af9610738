/* SPDX-License-Identifier: BSD-3-Clause */
#include "bed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/loop.h"

/* ---- The bed ----------------------------------------------------------------------------------- */

static void on_log(void *opaque, enum medio_log_level level, const char *line)
{
	struct bed *bed = opaque;
	(void)level;
	int n = snprintf(
		bed->words + bed->words_len, sizeof(bed->words) - bed->words_len, "%s\n", line);
	if (n > 0 && (size_t)n < sizeof(bed->words) - bed->words_len)
		bed->words_len += (size_t)n;
}

void bed_open(struct bed *bed, const struct medio_server_options *opts)
{
	struct medio_instance_options inst = { .log = on_log, .log_opaque = bed };
	struct medio_error *err = NULL;
	char dir[] = "/tmp/medio-bed-XXXXXX";
	memset(bed, 0, sizeof(*bed));
	assert_non_null(mkdtemp(dir));
	snprintf(bed->path, sizeof(bed->path), "%s/s", dir);
	assert_int_equal(medio_loop_new(&bed->loop), 0);
	if (medio_instance_new(bed->loop, &toy_type, &inst, &bed->inst, &err))
		fail_msg("%s", medio_error_text(err));
	bed->toy = toy_of(medio_instance_device(bed->inst));
	if (medio_server_new(bed->inst, bed->path, opts, &bed->server, &err))
		fail_msg("%s", medio_error_text(err));
}

void bed_close(struct bed *bed)
{
	medio_server_free(bed->server);
	medio_instance_free(bed->inst);
	medio_loop_free(bed->loop);
	assert_int_not_equal(access(bed->path, F_OK), 0);
	*strrchr(bed->path, '/') = '\0';
	assert_int_equal(rmdir(bed->path), 0);
}

int bed_setup(void **state)
{
	struct bed *bed = malloc(sizeof(*bed));
	bed_open(bed, NULL);
	*state = bed;
	return 0;
}

int bed_teardown(void **state)
{
	bed_close(*state);
	free(*state);
	return 0;
}

void bed_step(struct bed *bed)
{
	while (medio_loop_run_once(bed->loop, 0) > 0) {
	}
}

bool bed_wait(struct bed *bed, const bool *cond, unsigned ms)
{
	uint64_t end = medio_now_ns() + ms * 1000000ull;
	while (!*cond && medio_now_ns() < end)
		medio_loop_run_once(bed->loop, 1);
	return *cond;
}

bool bed_said(const struct bed *bed, const char *words)
{
	return strstr(bed->words, words) != NULL;
}

unsigned bed_count_fds(void)
{
	unsigned count = 0;
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* ---- A client's life ----------------------------------------------------------------------------- */

void client_open(struct client *c, struct bed *bed)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	memset(c, 0, sizeof(*c));
	c->bed = bed;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(c->fd >= 0);
	memcpy(addr.sun_path, bed->path, sizeof(addr.sun_path));
	assert_int_equal(connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

void client_hello_json(struct client *c, struct bed *bed, const char *json)
{
	struct message reply;
	uint8_t payload[1024] = { 0 };
	size_t size = sizeof(struct medio_vu_version);
	if (json) {
		memcpy(payload + size, json, strlen(json) + 1);
		size += strlen(json) + 1;
	}
	client_open(c, bed);
	assert_int_equal(client_call(c, MEDIO_VU_VERSION, payload, size, &reply), 0);
}

void client_hello(struct client *c, struct bed *bed)
{
	client_hello_json(c, bed, "{\"capabilities\":{\"max_msg_fds\":16}}");
}

void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	for (unsigned i = 0; i < c->nfds; i++)
		close(c->fds[i]);
	c->nfds = 0;
	free(c->in);
	free(c->last);
	c->in = c->last = NULL;
	bed_step(c->bed);
}

/* ---- Messages ------------------------------------------------------------------------------------- */

static void take_fds(struct client *c, struct msghdr *msg)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
		unsigned n = (unsigned)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		assert_true(c->nfds + n <= CLIENT_FDS);
		memcpy(c->fds + c->nfds, CMSG_DATA(h), n * sizeof(int));
		c->nfds += n;
	}
}

static void pull(struct client *c)
{
	for (;;) {
		char control[CMSG_SPACE(sizeof(int) * CLIENT_FDS)];
		if (c->in_cap - c->in_len < 65536) {
			c->in_cap = c->in_cap * 2 + 65536;
			c->in = realloc(c->in, c->in_cap);
			assert_non_null(c->in);
		}
		struct iovec iov = { c->in + c->in_len, c->in_cap - c->in_len };
		struct msghdr msg = { .msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n < 0 && errno != EAGAIN)
			c->error = errno;
		c->eof = c->eof || n == 0;
		if (n <= 0)
			return;
		take_fds(c, &msg);
		c->in_len += (size_t)n;
	}
}

void client_bytes(struct client *c, const void *bytes, size_t size, const int *fds, unsigned nfds)
{
	char control[CMSG_SPACE(sizeof(int) * 253)] = { 0 };
	const uint8_t *at = bytes;
	while (size) {
		struct iovec iov = { (void *)at, size };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
		if (nfds) {
			msg.msg_control = control;
			msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
			struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
			h->cmsg_level = SOL_SOCKET;
			h->cmsg_type = SCM_RIGHTS;
			h->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
			memcpy(CMSG_DATA(h), fds, sizeof(int) * nfds);
		}
		ssize_t n = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0) {
			if (errno != EAGAIN)
				return; /* the server closed: the test sees it when it reads */
			bed_step(c->bed);
			pull(c);
			continue;
		}
		nfds = 0;
		at += n;
		size -= (size_t)n;
	}
}

size_t client_put(
	struct client *c, void *buf, uint16_t cmd, uint32_t flags, const void *payload, size_t size)
{
	struct medio_vu_header hdr = {
		.id = ++c->id,
		.cmd = cmd,
		.size = (uint32_t)(sizeof(hdr) + size),
		.flags = flags,
	};
	memcpy(buf, &hdr, sizeof(hdr));
	if (size)
		memcpy((uint8_t *)buf + sizeof(hdr), payload, size);
	return sizeof(hdr) + size;
}

void client_send_fds(struct client *c, uint16_t cmd, uint32_t flags, const void *payload,
	size_t size, const int *fds, unsigned nfds)
{
	uint8_t *buf = malloc(sizeof(struct medio_vu_header) + size);
	assert_non_null(buf);
	size_t total = client_put(c, buf, cmd, flags, payload, size);
	client_bytes(c, buf, total, fds, nfds);
	free(buf);
}

void client_send(struct client *c, uint16_t cmd, uint32_t flags, const void *payload, size_t size)
{
	client_send_fds(c, cmd, flags, payload, size, NULL, 0);
}

bool client_recv(struct client *c, struct message *m)
{
	bed_step(c->bed);
	pull(c);
	/* A long reply comes as the socket empties. */
	for (size_t before = 0; before != c->in_len;) {
		before = c->in_len;
		bed_step(c->bed);
		pull(c);
	}
	if (c->in_len < sizeof(m->hdr))
		return false;
	memcpy(&m->hdr, c->in, sizeof(m->hdr));
	assert_true(m->hdr.size >= sizeof(m->hdr));
	if (c->in_len < m->hdr.size)
		return false;
	free(c->last);
	m->size = m->hdr.size - sizeof(m->hdr);
	c->last = malloc(m->size ? m->size : 1);
	assert_non_null(c->last);
	memcpy(c->last, c->in + sizeof(m->hdr), m->size);
	m->payload = c->last;
	c->in_len -= m->hdr.size;
	memmove(c->in, c->in + m->hdr.size, c->in_len);
	return true;
}

bool client_silent(struct client *c)
{
	bed_step(c->bed);
	pull(c);
	return !c->in_len && !c->eof && !c->error;
}

bool client_gone(struct client *c)
{
	bed_step(c->bed);
	pull(c);
	return c->eof && !c->error;
}

int client_call_fds(struct client *c, uint16_t cmd, const void *payload, size_t size,
	const int *fds, unsigned nfds, struct message *reply)
{
	struct message unused;
	if (!reply)
		reply = &unused;
	client_send_fds(c, cmd, MEDIO_VU_COMMAND, payload, size, fds, nfds);
	if (!client_recv(c, reply))
		fail_msg("no reply to %s%s", medio_vu_cmd_name(cmd), c->eof ? ": closed" : "");
	assert_int_equal(reply->hdr.id, c->id);
	assert_int_equal(reply->hdr.cmd, cmd);
	assert_int_equal(reply->hdr.flags & MEDIO_VU_TYPE_MASK, MEDIO_VU_REPLY);
	if (!(reply->hdr.flags & MEDIO_VU_ERROR)) {
		assert_int_equal(reply->hdr.error, 0);
		return 0;
	}
	/* Document, "Header": an error reply has no payload. */
	assert_int_equal(reply->hdr.size, sizeof(reply->hdr));
	assert_true(reply->hdr.error > 0 && reply->hdr.error < 4096);
	return -(int)reply->hdr.error;
}

int client_call(
	struct client *c, uint16_t cmd, const void *payload, size_t size, struct message *reply)
{
	return client_call_fds(c, cmd, payload, size, NULL, 0, reply);
}

/* ---- The usual calls --------------------------------------------------------------------------------- */

int client_read(struct client *c, unsigned region, uint64_t offset, void *buf, uint32_t count)
{
	struct medio_vu_region_access access = { offset, region, count };
	struct message reply;
	int ret = client_call(c, MEDIO_VU_REGION_READ, &access, sizeof(access), &reply);
	if (ret)
		return ret;
	assert_int_equal(reply.size, sizeof(access) + count);
	assert_memory_equal(reply.payload, &access, sizeof(access));
	memcpy(buf, reply.payload + sizeof(access), count);
	return 0;
}

int client_write(
	struct client *c, unsigned region, uint64_t offset, const void *buf, uint32_t count)
{
	struct medio_vu_region_access access = { offset, region, count };
	struct message reply;
	uint8_t *payload = malloc(sizeof(access) + count);
	memcpy(payload, &access, sizeof(access));
	memcpy(payload + sizeof(access), buf, count);
	int ret = client_call(c, MEDIO_VU_REGION_WRITE, payload, sizeof(access) + count, &reply);
	free(payload);
	if (ret)
		return ret;
	assert_int_equal(reply.size, sizeof(access));
	assert_memory_equal(reply.payload, &access, sizeof(access));
	return 0;
}

uint32_t client_read32(struct client *c, unsigned region, uint64_t offset)
{
	uint32_t value = 0;
	assert_int_equal(client_read(c, region, offset, &value, sizeof(value)), 0);
	return value;
}

void client_write32(struct client *c, unsigned region, uint64_t offset, uint32_t value)
{
	assert_int_equal(client_write(c, region, offset, &value, sizeof(value)), 0);
}

int client_map(
	struct client *c, uint64_t iova, uint64_t size, uint32_t flags, int fd, uint64_t offset)
{
	struct medio_vu_dma_map map = { sizeof(map), flags, offset, iova, size };
	struct message reply;
	int ret = client_call_fds(
		c, MEDIO_VU_DMA_MAP, &map, sizeof(map), &fd, fd >= 0 ? 1 : 0, &reply);
	if (ret == 0)
		assert_int_equal(reply.size, 0);
	return ret;
}

int client_unmap(struct client *c, uint64_t iova, uint64_t size, uint32_t flags)
{
	struct medio_vu_dma_unmap unmap = { sizeof(unmap), flags, iova, size };
	struct message reply;
	int ret = client_call(c, MEDIO_VU_DMA_UNMAP, &unmap, sizeof(unmap), &reply);
	if (ret)
		return ret;
	assert_int_equal(reply.size, sizeof(unmap));
	assert_memory_equal(reply.payload, &unmap, sizeof(unmap));
	return 0;
}

int client_irqs(struct client *c, uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
	const int *fds, unsigned nfds)
{
	struct medio_vu_irq_set set = { sizeof(set), flags, index, start, count };
	return client_call_fds(c, MEDIO_VU_SET_IRQS, &set, sizeof(set), fds, nfds, NULL);
}

void client_master(struct client *c, bool on)
{
	uint8_t command = on ? 7 : 3;
	assert_int_equal(client_write(c, MEDIO_REGION_CONFIG, 4, &command, 1), 0);
}

/* ---- Files ---------------------------------------------------------------------------------------------- */

int event_new(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

uint64_t event_take(int fd)
{
	uint64_t count = 0;
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
}

int memory_new(size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}
