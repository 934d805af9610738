/* SPDX-License-Identifier: BSD-3-Clause */
#include "blk_floor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define BLOCK 4096u
#define DEPTH 128u

#if HAVE_URING
#include <liburing.h>
#endif

struct blk_floor {
	int fd;
	bool direct;
	char *buf; /* DEPTH blocks */
	uint32_t seed;
#if HAVE_URING
	struct io_uring ring;
#endif
};

static uint64_t next(struct blk_floor *floor, uint64_t areas)
{
	floor->seed = floor->seed * 1664525 + 1013904223;
	return (floor->seed >> 8) % areas * BLOCK;
}

#if HAVE_URING
/* As good as a program can do it: the file and the memory are known to the ring beforehand. */
static int ring_open(struct blk_floor *floor)
{
	struct iovec iov = { floor->buf, (size_t)DEPTH * BLOCK };
	int ret = io_uring_queue_init(DEPTH, &floor->ring, 0);

	if (ret < 0)
		return -ENOTSUP;
	ret = io_uring_register_files(&floor->ring, &floor->fd, 1);
	if (ret == 0)
		ret = io_uring_register_buffers(&floor->ring, &iov, 1);
	if (ret < 0)
		io_uring_queue_exit(&floor->ring);
	return ret;
}

static void ring_queue(struct blk_floor *floor, bool write, uint64_t at, unsigned slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&floor->ring);
	char *buf = floor->buf + (size_t)slot * BLOCK;

	if (write)
		io_uring_prep_write_fixed(sqe, 0, buf, BLOCK, at, 0);
	else
		io_uring_prep_read_fixed(sqe, 0, buf, BLOCK, at, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data64(sqe, slot);
}

static void ring_run(
	struct blk_floor *floor, bool write, uint64_t areas, unsigned depth, unsigned n)
{
	struct io_uring_cqe *cqe;
	unsigned sent = 0, came = 0, head, got;

	for (; sent < depth && sent < n; sent++)
		ring_queue(floor, write, next(floor, areas), sent);
	while (came < n) {
		medio_bench_check(io_uring_submit_and_wait(&floor->ring, 1), "io_uring");
		got = 0;
		io_uring_for_each_cqe(&floor->ring, head, cqe)
		{
			if (cqe->res != (int)BLOCK)
				medio_bench_fail("io_uring", cqe->res < 0 ? -cqe->res : EIO);
			got++;
			if (sent < n) {
				ring_queue(floor, write, next(floor, areas),
					(unsigned)io_uring_cqe_get_data64(cqe));
				sent++;
			}
		}
		io_uring_cq_advance(&floor->ring, got);
		came += got;
	}
}

static void ring_close(struct blk_floor *floor)
{
	io_uring_queue_exit(&floor->ring);
}
#else
static int ring_open(struct blk_floor *floor)
{
	(void)floor;
	return -ENOTSUP;
}

static void ring_run(
	struct blk_floor *floor, bool write, uint64_t areas, unsigned depth, unsigned n)
{
	(void)floor;
	(void)write;
	(void)areas;
	(void)depth;
	(void)n;
}

static void ring_close(struct blk_floor *floor)
{
	(void)floor;
}
#endif

int blk_floor_open(const char *path, bool direct, struct blk_floor **out)
{
	struct blk_floor *floor = medio_bench_alloc(sizeof(*floor));
	int ret = 0;

	*floor = (struct blk_floor){ .direct = direct, .seed = 7 };
	floor->fd = open(path, O_RDWR | O_CLOEXEC | (direct ? O_DIRECT : 0));
	if (floor->fd < 0)
		ret = -errno;
	if (ret == 0 && posix_memalign((void **)&floor->buf, BLOCK, (size_t)DEPTH * BLOCK))
		ret = -ENOMEM;
	if (ret == 0) {
		memset(floor->buf, 0x5a, (size_t)DEPTH * BLOCK);
		ret = direct ? ring_open(floor) : 0;
	}
	if (ret == 0) {
		*out = floor;
		return 0;
	}
	if (floor->fd >= 0)
		close(floor->fd);
	free(floor->buf);
	free(floor);
	return ret;
}

void blk_floor_close(struct blk_floor *floor)
{
	if (floor->direct)
		ring_close(floor);
	close(floor->fd);
	free(floor->buf);
	free(floor);
}

double blk_floor_run(
	struct blk_floor *floor, bool write, uint64_t areas, unsigned depth, unsigned n)
{
	uint64_t start = medio_now_ns();

	if (floor->direct) {
		ring_run(floor, write, areas, depth, n);
	} else {
		for (unsigned i = 0; i < n; i++) {
			char *buf = floor->buf + (size_t)(i % DEPTH) * BLOCK;
			off_t at = (off_t)next(floor, areas);
			ssize_t ret = write ? pwrite(floor->fd, buf, BLOCK, at)
					    : pread(floor->fd, buf, BLOCK, at);
			if (ret != (ssize_t)BLOCK)
				medio_bench_fail("the file", ret < 0 ? errno : EIO);
		}
	}
	return (double)n * 1e9 / (double)(medio_now_ns() - start);
}
