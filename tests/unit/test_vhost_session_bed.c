/* SPDX-License-Identifier: BSD-3-Clause */
#include "test_vhost_session_bed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Places in memory: rings from the beginning, then what requests point at. */
#define RING_BYTES 0x8000u
#define DATA	   0x100000u

/* ---- Life -------------------------------------------------------------------------------------------- */

static void on_log(void *opaque, enum medio_log_level level, const char *line)
{
	struct session_bed *bed = opaque;
	size_t len = strlen(bed->log);
	if (level <= MEDIO_LOG_INFO)
		snprintf(bed->log + len, sizeof(bed->log) - len, "%s\n", line);
}

void bed_open_bare(struct session_bed *bed)
{
	struct medio_instance_options opts = { .log = on_log, .log_opaque = bed };
	memset(bed, 0, sizeof(*bed));
	echo_clear();
	bed->fd = -1;
	for (unsigned i = 0; i < ECHO_QUEUES; i++)
		bed->rings[i] = (struct session_ring){ NULL, -1, -1, -1 };
	bed->memfd = memfd_create("guest", MFD_CLOEXEC);
	assert_int_equal(ftruncate(bed->memfd, MEM_BYTES), 0);
	bed->mem = mmap(NULL, MEM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, bed->memfd, 0);
	assert_ptr_not_equal(bed->mem, MAP_FAILED);
	assert_int_equal(medio_loop_new(&bed->loop), 0);
	assert_int_equal(
		medio_instance_new_bare(bed->loop, &echo_type, &opts, &bed->inst, NULL), 0);
}

void bed_open(struct session_bed *bed)
{
	int pair[2];
	bed_open_bare(bed);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(medio_vhost_new_fd(bed->inst, pair[0], NULL, &bed->vhost, NULL), 0);
	bed->fd = pair[1];
}

void bed_close(struct session_bed *bed)
{
	medio_vhost_free(bed->vhost);
	medio_instance_free(bed->inst);
	medio_loop_free(bed->loop);
	for (unsigned i = 0; i < ECHO_QUEUES; i++) {
		struct session_ring *ring = &bed->rings[i];
		virtq_free(ring->vq);
		if (ring->kick >= 0)
			close(ring->kick);
		if (ring->call >= 0)
			close(ring->call);
		if (ring->err >= 0)
			close(ring->err);
	}
	if (bed->fd >= 0)
		close(bed->fd);
	munmap(bed->mem, MEM_BYTES);
	close(bed->memfd);
}

int bed_connect(const struct session_bed *bed)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(addr.sun_path, bed->path, sizeof(bed->path));
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* A turn of which nothing comes is not the end: timers of 0 ns follow. */
void bed_run(struct session_bed *bed)
{
	for (int idle = 0; idle < 3;)
		idle = medio_loop_run_once(bed->loop, 0) > 0 ? 0 : idle + 1;
}

bool bed_said(const struct session_bed *bed, const char *words)
{
	return strstr(bed->log, words) != NULL;
}

/* ---- Messages ------------------------------------------------------------------------------------------ */

void bed_send(struct session_bed *bed, uint32_t request, uint32_t flags, const void *payload,
	uint32_t size, const int *fds, unsigned num_fds)
{
	struct medio_vhu_header hdr = { request, MEDIO_VHU_VERSION | flags, size };
	union {
		char buf[CMSG_SPACE(16 * sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov[2] = { { &hdr, sizeof(hdr) }, { (void *)payload, size } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = size ? 2 : 1 };
	if (num_fds) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(num_fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(num_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, num_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(bed->fd, &msg, MSG_NOSIGNAL), sizeof(hdr) + size);
	bed_run(bed);
}

void bed_send_u64(struct session_bed *bed, uint32_t request, uint32_t flags, uint64_t value, int fd)
{
	bed_send(bed, request, flags, &value, sizeof(value), &fd, fd >= 0 ? 1 : 0);
}

void bed_send_state(
	struct session_bed *bed, uint32_t request, uint32_t flags, uint32_t index, uint32_t num)
{
	struct medio_vhu_state state = { index, num };
	bed_send(bed, request, flags, &state, sizeof(state), NULL, 0);
}

int bed_receive(struct session_bed *bed, uint32_t request, void *payload, size_t cap, int *fd)
{
	struct medio_vhu_header hdr;
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { &hdr, sizeof(hdr) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf) };
	bed_run(bed);
	ssize_t n = recvmsg(bed->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return -2;
	if (n < 0)
		return -1;
	assert_int_equal(n, sizeof(hdr));
	assert_int_equal(hdr.request, request);
	assert_int_equal(hdr.flags, MEDIO_VHU_VERSION | MEDIO_VHU_REPLY);
	assert_true(hdr.size <= cap);
	struct cmsghdr *c = msg.msg_controllen ? CMSG_FIRSTHDR(&msg) : NULL;
	assert_true(!c == !fd);
	if (c && fd)
		memcpy(fd, CMSG_DATA(c), sizeof(int));
	if (hdr.size)
		assert_int_equal(recv(bed->fd, payload, hdr.size, 0), hdr.size);
	return (int)hdr.size;
}

uint64_t bed_ask(struct session_bed *bed, uint32_t request)
{
	uint64_t value = UINT64_MAX;
	bed_send(bed, request, 0, NULL, 0, NULL, 0);
	assert_int_equal(bed_receive(bed, request, &value, sizeof(value), NULL), sizeof(value));
	return value;
}

uint64_t bed_tell(struct session_bed *bed, uint32_t request, uint64_t value, int fd)
{
	uint64_t ret = UINT64_MAX;
	bed_send_u64(bed, request, ACK, value, fd);
	assert_int_equal(bed_receive(bed, request, &ret, sizeof(ret), NULL), sizeof(ret));
	return ret;
}

uint64_t bed_tell_state(struct session_bed *bed, uint32_t request, uint32_t index, uint32_t num)
{
	uint64_t ret = UINT64_MAX;
	bed_send_state(bed, request, ACK, index, num);
	assert_int_equal(bed_receive(bed, request, &ret, sizeof(ret), NULL), sizeof(ret));
	return ret;
}

bool bed_is_quiet(struct session_bed *bed)
{
	uint8_t buf[64];
	return bed_receive(bed, 0, buf, sizeof(buf), NULL) == -1;
}

bool bed_is_closed(struct session_bed *bed)
{
	uint8_t buf[64];
	return bed_receive(bed, 0, buf, sizeof(buf), NULL) == -2;
}

/* ---- Steps --------------------------------------------------------------------------------------------- */

void bed_hello(struct session_bed *bed, uint64_t features, uint64_t protocol)
{
	uint64_t offered = bed_ask(bed, MEDIO_VHU_GET_FEATURES);
	if (protocol) {
		assert_true(offered & BIT(MEDIO_VHU_F_PROTOCOL_FEATURES));
		protocol &= bed_ask(bed, MEDIO_VHU_GET_PROTOCOL_FEATURES);
		bed_send_u64(bed, MEDIO_VHU_SET_PROTOCOL_FEATURES, 0, protocol, -1);
		features |= BIT(MEDIO_VHU_F_PROTOCOL_FEATURES);
	}
	bed_send(bed, MEDIO_VHU_SET_OWNER, 0, NULL, 0, NULL, 0);
	bed->features = features & offered;
	bed->packed = bed->features >> 34 & 1;
	bed_send_u64(bed, MEDIO_VHU_SET_FEATURES, 0, bed->features, -1);
	assert_true(bed_is_quiet(bed));
}

void bed_region(struct medio_vhu_region *region, uint64_t offset, uint64_t size)
{
	*region = (struct medio_vhu_region){ LOW_GUEST + offset, size, LOW_USER + offset, offset };
}

void bed_memory(struct session_bed *bed)
{
	struct medio_vhu_table table = { .num = 1 };
	bed_region(&table.regions[0], 0, MEM_BYTES);
	bed_send(bed, MEDIO_VHU_SET_MEM_TABLE, 0, &table, 8 + sizeof(table.regions[0]), &bed->memfd,
		1);
}

void bed_ring_addr(struct session_bed *bed, unsigned index, uint32_t flags, uint64_t log)
{
	struct virtq_places places;
	virtq_get_places(bed->rings[index].vq, &places);
	struct medio_vhu_addr addr = {
		.index = index,
		.flags = flags,
		.desc = places.desc - LOW_GUEST + LOW_USER,
		.avail = places.driver - LOW_GUEST + LOW_USER,
		.used = places.device - LOW_GUEST + LOW_USER,
		.log = log,
	};
	bed_send(bed, MEDIO_VHU_SET_VRING_ADDR, 0, &addr, sizeof(addr), NULL, 0);
}

void bed_ring(struct session_bed *bed, unsigned index)
{
	struct session_ring *ring = &bed->rings[index];
	const struct virtq_options opts = { .size = RING_SIZE, .packed = bed->packed };
	if (!ring->vq) {
		assert_true(virtq_bytes(&opts) <= RING_BYTES);
		assert_int_equal(virtq_new(&opts, bed->mem + index * RING_BYTES,
					 LOW_GUEST + index * RING_BYTES, &ring->vq),
			0);
		virtq_want_irq(ring->vq);
		ring->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ring->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ring->err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	bed_send_state(bed, MEDIO_VHU_SET_VRING_NUM, 0, index, RING_SIZE);
	bed_ring_addr(bed, index, 0, 0);
	bed_send_u64(bed, MEDIO_VHU_SET_VRING_CALL, 0, index, ring->call);
	bed_send_u64(bed, MEDIO_VHU_SET_VRING_ERR, 0, index, ring->err);
	bed_send_u64(bed, MEDIO_VHU_SET_VRING_KICK, 0, index, ring->kick);
}

void bed_kick(struct session_bed *bed, unsigned index)
{
	assert_int_equal(eventfd_write(bed->rings[index].kick, 1), 0);
	bed_run(bed);
}

bool bed_called(struct session_bed *bed, unsigned index)
{
	eventfd_t count;
	return eventfd_read(bed->rings[index].call, &count) == 0;
}

void bed_echo_add(struct session_bed *bed, unsigned index, unsigned slot)
{
	uint64_t at = DATA + (index * RING_SIZE + slot) * 256;
	const struct virtq_seg segs[2] = { { LOW_GUEST + at, 64 }, { LOW_GUEST + at + 128, 64 } };
	memset(bed->mem + at, (int)(slot + 1), 64);
	memset(bed->mem + at + 128, 0, 64);
	assert_int_equal(virtq_add(bed->rings[index].vq, segs, 1, 1, bed->mem + at), 0);
	virtq_publish(bed->rings[index].vq);
}

bool bed_echo_take(struct session_bed *bed, unsigned index)
{
	struct virtq_done done;
	if (virtq_take(bed->rings[index].vq, &done) != 1)
		return false;
	const uint8_t *at = done.tag;
	assert_int_equal(done.len, 64);
	for (int i = 0; i < 64; i++)
		assert_int_equal(at[128 + i], at[i] ^ ECHO_FLIP);
	return true;
}

bool bed_echo(struct session_bed *bed, unsigned index)
{
	bed_echo_add(bed, index, 0);
	bed_kick(bed, index);
	return bed_echo_take(bed, index);
}
