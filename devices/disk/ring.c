/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Steps through io_uring: what was submitted between two kicks goes to the kernel in one system call, and
 * what has ended is read out of shared memory.
 *
 * The ring knows one file and five operations on it, and can be taught no others (io_uring_register(2),
 * IORING_REGISTER_RESTRICTIONS): in a worker, whose system calls are filtered, a ring would be a way round
 * the filter.
 *
 * Deferred task work (IORING_SETUP_DEFER_TASKRUN) made no difference that could be measured on disks that do
 * 200,000 requests a second, and ties the ring to one thread. Registered buffers save 0.1 to 0.2 us of a
 * processor a request and up to 6 % of the time (docs/benchmarks.md). They would have to follow what the
 * guest maps, which is pinned then and counts against the limit of locked memory (8 MiB unless somebody
 * raised it), and a ring that can be taught no more operations could register none.
 */
#include "disk/file.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES	      256u
#define COMPLETIONS   4096u
#define BATCH	      64u
#define RETRY_NS      1000000u
#define MAX_PIECE_LEN (1u << 30) /* of one piece: lengths have 32 bits, results 31 */

struct ring {
	struct disk_file *file;
	struct io_uring uring;
	struct medio_watch *watch;
	struct medio_timer *retry;
	struct disk_row waiting; /* for room in the submission queue */
};

/* ---- Out ---------------------------------------------------------------------------------------------- */

static void fill(struct io_uring_sqe *sqe, struct disk_request *req)
{
	const struct disk_step *step = &req->own.step;
	const struct iovec *iov = step->iov;

	switch (step->kind) {
	case DISK_STEP_READ:
	case DISK_STEP_WRITE: {
		bool out = step->kind == DISK_STEP_WRITE;
		if (step->niov == 1)
			io_uring_prep_rw(out ? IORING_OP_WRITE : IORING_OP_READ, sqe, 0,
				iov->iov_base,
				iov->iov_len < MAX_PIECE_LEN ? (unsigned)iov->iov_len
							     : MAX_PIECE_LEN,
				step->offset);
		else
			io_uring_prep_rw(out ? IORING_OP_WRITEV : IORING_OP_READV, sqe, 0, iov,
				step->niov, step->offset);
		sqe->rw_flags = step->flags;
		break;
	}
	case DISK_STEP_SYNC:
		io_uring_prep_fsync(sqe, 0, IORING_FSYNC_DATASYNC);
		break;
	case DISK_STEP_ALLOCATE:
		io_uring_prep_fallocate(
			sqe, 0, step->flags, (off_t)step->offset, (off_t)step->bytes);
		break;
	}
	sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data(sqe, req);
}

/* False: no room, or those waiting came first. */
static bool enqueue(struct ring *ring, struct disk_request *req)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

	if (!sqe)
		return false;
	fill(sqe, req);
	return true;
}

/* Until all is with the kernel, or it takes no more now. */
static void push(struct ring *ring)
{
	while (io_uring_sq_ready(&ring->uring)) {
		int sent = io_uring_submit(&ring->uring);
		ring->file->disk.counts.calls++;
		/* Short of memory, or completions wait to be read: later, whatever happens. */
		if (sent <= 0) {
			medio_timer_arm(ring->retry, RETRY_NS);
			return;
		}
		while (ring->waiting.first && enqueue(ring, ring->waiting.first))
			disk_row_take(&ring->waiting);
	}
}

static void ring_submit(struct disk_file *file, struct disk_request *req)
{
	struct ring *ring = file->state;

	file->disk.counts.rings++;
	if (!ring->waiting.first && enqueue(ring, req))
		return;
	disk_row_put(&ring->waiting, req);
	push(ring);
}

static void ring_kick(struct disk_file *file)
{
	push(file->state);
}

static void on_retry(void *opaque)
{
	push(opaque);
}

/* ---- In ----------------------------------------------------------------------------------------------- */

struct ended {
	struct disk_request *req;
	ssize_t ret;
};

/* Up to BATCH that have ended. They are read off the ring first: what follows may use it. */
static unsigned reap(struct ring *ring, struct ended *ended)
{
	struct io_uring_cqe *cqes[BATCH];
	unsigned count = io_uring_peek_batch_cqe(&ring->uring, cqes, BATCH);

	for (unsigned i = 0; i < count; i++) {
		ended[i].req = io_uring_cqe_get_data(cqes[i]);
		ended[i].ret = cqes[i]->res;
	}
	io_uring_cq_advance(&ring->uring, count);
	return count;
}

static bool ring_poll(struct disk_file *file)
{
	struct ring *ring = file->state;
	struct ended ended[BATCH];
	unsigned count = reap(ring, ended);

	for (unsigned i = 0; i < count; i++)
		disk_file_stepped(file, ended[i].req, ended[i].ret);
	return count;
}

static void ring_wait(struct disk_file *file)
{
	struct ring *ring = file->state;

	if (ring_poll(file))
		return;
	/* It sends what has not been sent, and may be interrupted, or be told to come again. */
	io_uring_submit_and_wait(&ring->uring, 1);
	file->disk.counts.calls++;
	ring_poll(file);
	while (ring->waiting.first && enqueue(ring, ring->waiting.first))
		disk_row_take(&ring->waiting);
}

static void on_ready(void *opaque, uint32_t events)
{
	struct ring *ring = opaque;

	(void)events;
	ring_poll(ring->file);
}

/* ---- Life --------------------------------------------------------------------------------------------- */

static void ring_free(struct disk_file *file)
{
	struct ring *ring = file->state;

	medio_watch_free(ring->watch);
	medio_timer_free(ring->retry);
	io_uring_queue_exit(&ring->uring);
	free(ring);
}

static const struct disk_engine ring_engine = {
	.name = "io_uring",
	.gathers = true,
	.free = ring_free,
	.submit = ring_submit,
	.kick = ring_kick,
	.poll = ring_poll,
	.wait = ring_wait,
};

/* Linux 5.10. */
static int restrict_ring(struct io_uring *uring)
{
	static const uint8_t ops[] = { IORING_OP_READ, IORING_OP_READV, IORING_OP_WRITE,
		IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_FALLOCATE };
	struct io_uring_restriction rules[sizeof(ops) + 1];

	memset(rules, 0, sizeof(rules));
	for (unsigned i = 0; i < sizeof(ops); i++) {
		rules[i].opcode = IORING_RESTRICTION_SQE_OP;
		rules[i].sqe_op = ops[i];
	}
	rules[sizeof(ops)].opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED;
	rules[sizeof(ops)].sqe_flags = IOSQE_FIXED_FILE;
	/* By number: liburing 2.3 declares both calls and exports neither. */
	if (syscall(SYS_io_uring_register, uring->ring_fd, IORING_REGISTER_RESTRICTIONS, rules,
		    sizeof(ops) + 1) < 0 ||
		syscall(SYS_io_uring_register, uring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
			0) < 0)
		return -errno;
	return 0;
}

static int setup(struct ring *ring)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED |
			 IORING_SETUP_SUBMIT_ALL,
		.cq_entries = COMPLETIONS,
	};
	int ret = io_uring_queue_init_params(ENTRIES, &ring->uring, &params);

	/* Linux 5.18 knows SUBMIT_ALL. */
	if (ret == -EINVAL) {
		params.flags &= ~IORING_SETUP_SUBMIT_ALL;
		ret = io_uring_queue_init_params(ENTRIES, &ring->uring, &params);
	}
	if (ret)
		return ret;
	ret = io_uring_register_files(&ring->uring, &ring->file->fd, 1);
	if (!ret)
		ret = restrict_ring(&ring->uring);
	if (ret)
		io_uring_queue_exit(&ring->uring);
	return ret;
}

int disk_ring_new(struct disk_file *file)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	int ret;

	if (!ring)
		return -ENOMEM;
	ring->file = file;
	disk_row_init(&ring->waiting);
	ret = setup(ring);
	if (ret) {
		free(ring);
		return ret;
	}
	file->state = ring;
	ring->watch = medio_watch_new(file->disk.dev, ring->uring.ring_fd, EPOLLIN, on_ready, ring);
	ring->retry = medio_timer_new(file->disk.dev, on_retry, ring);
	if (!ring->watch || !ring->retry) {
		ring_free(file);
		return -ENOMEM;
	}
	file->engine = &ring_engine;
	medio_dev_needs(file->disk.dev, MEDIO_NEEDS_RING);
	return 0;
}
