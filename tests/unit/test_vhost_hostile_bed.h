/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tests of a front-end that lies share: a disk, a front-end that has come so far, the one after it that finds
 * all well, and descriptors of every kind.
 */
#ifndef TEST_VHOST_HOSTILE_BED_H
#define TEST_VHOST_HOSTILE_BED_H

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "vhost_disk.h"

#define QUEUES	  4u
#define COUNT(a_) (sizeof(a_) / sizeof((a_)[0]))

static struct vhost_bed bed;
static struct vhost_front *const f = &bed.front;
static unsigned fds_before; /* with no front-end */

/* ---- A device that is well ----------------------------------------------------------------------------- */

static inline void no_descriptor_is_left(void)
{
	unsigned fds = 0;

	for (unsigned i = 0; i < 20000; i++) {
		fds = vhost_bed_count_fds();
		if (fds == fds_before)
			return;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	assert_int_equal(fds, fds_before);
}

/* The guest begins anew too. */
static inline void is_new(void)
{
	vhost_front_close(f);
	must(&bed, vhost_front_open(f));
	f->timeout_ms = 10000;
}

static inline void is_well(void)
{
	is_new();
	vhost_bed_settle(&bed);
	no_descriptor_is_left();
	vhost_shape_enter(&bed, &vhost_shapes[0], 0);
	vhost_shape_rings(&bed, &vhost_shapes[0], QUEUES);
	uint8_t *data = vhost_front_at(f, VHOST_DISK_DATA);
	for (unsigned q = 0; q < QUEUES; q++) {
		memset(data, (int)q + 1, 512);
		vhost_disk_do(&bed, q, VHOST_DISK_WRITE, q, VHOST_DISK_DATA, 512);
		memset(data, 0, 512);
		vhost_disk_do(&bed, q, VHOST_DISK_READ, q, VHOST_DISK_DATA, 512);
		assert_int_equal(data[511], q + 1);
	}
	is_new();
	vhost_bed_settle(&bed);
	no_descriptor_is_left();
}

static inline int setup_with(void **state, unsigned timeout_ms)
{
	const struct medio_vhost_options opts = { .client_timeout_ms = timeout_ms };

	(void)state;
	fake_disk_clear();
	vhost_bed_open_with(
		&bed, &medio_virtio_blk, PARAMS("num-queues=4"), VHOST_BED_LISTEN, &opts);
	fds_before = vhost_bed_count_fds();
	return 0;
}

static inline int setup(void **state)
{
	return setup_with(state, 0);
}

static inline int setup_hasty(void **state)
{
	return setup_with(state, 50);
}

static inline int teardown(void **state)
{
	(void)state;
	vhost_bed_close(&bed);
	return 0;
}

/* How far a front-end has come before it goes wrong. */
enum stage { CONNECTED, AGREED, WITH_MEMORY, RUNNING, STAGES };

static inline void comes(enum stage stage)
{
	vhost_front_leave(f);
	if (stage == RUNNING)
		is_new();
	must(&bed, vhost_front_connect(f, bed.path));
	if (stage >= AGREED)
		must(&bed, vhost_front_hello(f, VF_F_VERSION_1, VF_ALL & ~VF_P_STATUS));
	if (stage >= WITH_MEMORY)
		must(&bed, vhost_front_memory(f, false));
	if (stage == RUNNING)
		vhost_shape_rings(&bed, &vhost_shapes[0], 1);
}

/* It is still there, and answers; or it has hung up. Both are fine, waiting is not. */
static inline bool answers(void)
{
	uint64_t features = 0;
	const uint32_t ask = VF_GET_FEATURES;
	struct vf_reply reply;

	if (vhost_front_send(f, ask, VF_VERSION, NULL, 0, NULL, 0))
		return false;
	for (;;) {
		int ret = vhost_front_receive(f, &reply);
		assert_int_not_equal(ret, -ETIMEDOUT);
		for (unsigned i = 0; !ret && i < reply.nfds; i++)
			close(reply.fds[i]);
		if (ret)
			return false;
		/* Answers to what it said before come first. */
		if (reply.request == ask && reply.size == sizeof(features))
			return true;
	}
}

/* ---- Descriptors of every kind -------------------------------------------------------------- */

enum {
	MEMFD,
	TINY,
	EVENT,
	FULL_EVENT,
	PIPE_IN,
	PIPE_OUT,
	NULL_DEVICE,
	ZERO_DEVICE,
	FOLDER,
	PLACE,
	SOCKET,
	EPOLL,
	TIMER,
	FD_KINDS
};

static int other_end;

static inline int new_fd(unsigned kind)
{
	int two[2] = { -1, -1 }, fd = -1;

	other_end = -1;
	switch (kind) {
	case MEMFD:
	case TINY:
		fd = memfd_create("lie", MFD_CLOEXEC);
		assert_int_equal(ftruncate(fd, kind == TINY ? 1 : 1 << 20), 0);
		break;
	case EVENT:
	case FULL_EVENT:
		fd = eventfd(0, EFD_CLOEXEC);
		if (kind == FULL_EVENT) {
			const uint64_t full = UINT64_MAX - 1;
			assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
		}
		break;
	case PIPE_IN:
	case PIPE_OUT:
		assert_int_equal(pipe2(two, O_CLOEXEC), 0);
		fd = two[kind == PIPE_OUT];
		other_end = two[kind != PIPE_OUT];
		break;
	case NULL_DEVICE:
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		break;
	case ZERO_DEVICE:
		fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
		break;
	case FOLDER:
		fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		break;
	case PLACE:
		fd = open("/", O_PATH | O_CLOEXEC);
		break;
	case SOCKET:
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, two), 0);
		fd = two[0];
		other_end = two[1];
		break;
	case EPOLL:
		fd = epoll_create1(EPOLL_CLOEXEC);
		break;
	default:
		fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	}
	assert_true(fd >= 0);
	return fd;
}

static inline void close_fd(int fd)
{
	close(fd);
	if (other_end >= 0)
		close(other_end);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

#endif
