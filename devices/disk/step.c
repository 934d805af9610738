/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests of a file in steps. A step is one system call; most requests are one step. A read or write that
 * came short goes on where it stopped; a way to write zeroes that the file system does not have is followed
 * by the next.
 *
 * A step that does not block is done at once: handing it to anybody costs more than a copy out of the page
 * cache.
 */
#include "disk/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* As many as readv() takes. */
#define MAX_PIECES 1024u

/* Zeroes to write: one piece is ZERO_BYTES, of which a step has up to ZERO_PIECES. Aligned for O_DIRECT. */
#define ZERO_BYTES  65536u
#define ZERO_PIECES 16u
static const char zeroes[ZERO_BYTES] __attribute__((aligned(4096)));
#define Z \
	{ \
		(void *)zeroes, ZERO_BYTES \
	}
static const struct iovec zero_pieces[ZERO_PIECES] = { Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z,
	Z };
#undef Z

/* ---- A step ------------------------------------------------------------------------------------------- */

static ssize_t run_once(int fd, const struct disk_step *step)
{
	off_t offset = (off_t)step->offset;

	switch (step->kind) {
	case DISK_STEP_READ:
		/* The plain calls have no list of pieces to take over: 5 % of a cached write. */
		if (step->niov == 1 && !step->flags)
			return pread(fd, step->iov->iov_base, step->iov->iov_len, offset);
		return preadv2(fd, step->iov, (int)step->niov, offset, step->flags);
	case DISK_STEP_WRITE:
		if (step->niov == 1 && !step->flags)
			return pwrite(fd, step->iov->iov_base, step->iov->iov_len, offset);
		return pwritev2(fd, step->iov, (int)step->niov, offset, step->flags);
	case DISK_STEP_SYNC:
		return fdatasync(fd);
	case DISK_STEP_ALLOCATE:
		return fallocate(fd, step->flags, offset, (off_t)step->bytes);
	}
	return 0;
}

ssize_t disk_step_run(int fd, const struct disk_step *step)
{
	ssize_t ret;

	do {
		ret = run_once(fd, step);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret;
}

/* What is left of a request whose pieces are used as they are: whole pieces, or the rest of one. */
static void set_pieces(struct disk_step *step, const struct disk_request *req)
{
	const struct iovec *iov = req->iov, *end = req->iov + req->niov;
	uint64_t skip = req->own.moved;

	while (skip && skip >= iov->iov_len)
		skip -= iov++->iov_len;
	if (skip) {
		step->one.iov_base = (char *)iov->iov_base + skip;
		step->one.iov_len = iov->iov_len - skip;
		step->iov = &step->one;
		step->niov = 1;
	} else {
		step->iov = iov;
		step->niov = (unsigned)(end - iov) < MAX_PIECES ? (unsigned)(end - iov)
								: MAX_PIECES;
	}
}

static void set_bounced(struct disk_step *step, const struct disk_request *req)
{
	uint64_t left = req->bytes - req->own.moved;

	step->one.iov_base = req->own.bounce;
	step->one.iov_len = left < DISK_BOUNCE_SIZE ? left : DISK_BOUNCE_SIZE;
	step->iov = &step->one;
	step->niov = 1;
	if (req->op == DISK_WRITE)
		disk_iov_read(req->iov, req->own.moved, req->own.bounce, step->one.iov_len);
}

static void set_zeroes(struct disk_step *step, const struct disk_request *req)
{
	uint64_t left = req->bytes - req->own.moved;

	step->kind = DISK_STEP_WRITE;
	step->iov = zero_pieces;
	step->niov = left / ZERO_BYTES < ZERO_PIECES ? (unsigned)(left / ZERO_BYTES) : ZERO_PIECES;
	if (step->niov)
		return;
	step->one.iov_base = (void *)zeroes;
	step->one.iov_len = left;
	step->iov = &step->one;
	step->niov = 1;
}

/* How zeroes come into the file: a hole if they may, a range that reads as zeroes, or by writing them. */
static void set_allocate(
	struct disk_step *step, const struct disk_file *file, const struct disk_request *req)
{
	bool hole = req->op == DISK_DISCARD || (req->unmap && !file->no_punch);

	if (!hole && file->no_zero_range) {
		set_zeroes(step, req);
		return;
	}
	step->kind = DISK_STEP_ALLOCATE;
	step->flags = FALLOC_FL_KEEP_SIZE | (hole ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
}

/* The next step of a request. */
static void prepare(const struct disk_file *file, struct disk_request *req)
{
	struct disk_step *step = &req->own.step;

	step->flags = 0;
	step->offset = req->offset + req->own.moved;
	step->bytes = req->bytes - req->own.moved;
	switch (req->op) {
	case DISK_READ:
	case DISK_WRITE:
		step->kind = req->op == DISK_READ ? DISK_STEP_READ : DISK_STEP_WRITE;
		if (req->op == DISK_WRITE && req->durable)
			step->flags = RWF_DSYNC;
		if (req->own.bounce)
			set_bounced(step, req);
		else
			set_pieces(step, req);
		break;
	case DISK_FLUSH:
		step->kind = DISK_STEP_SYNC;
		break;
	case DISK_DISCARD:
	case DISK_ZEROES:
		set_allocate(step, file, req);
		break;
	}
}

/* ---- Bounce buffers ------------------------------------------------------------------------------------ */

static bool is_aligned(const struct disk_file *file, const struct disk_request *req)
{
	uint64_t odd = 0, parts = 0;

	for (unsigned i = 0; i < req->niov; i++) {
		odd |= (uintptr_t)req->iov[i].iov_base;
		parts |= req->iov[i].iov_len;
	}
	return !(odd & (file->align - 1)) && !(parts & (file->disk.info.block - 1));
}

void disk_file_hand_over(struct disk_file *file, struct disk_request *req)
{
	prepare(file, req);
	file->engine->submit(file, req);
}

/* Whoever waits for a buffer has it in turn. */
static void serve_starved(struct disk_file *file)
{
	while (file->spares && file->starved.first) {
		struct disk_request *req = disk_row_take(&file->starved);
		req->own.bounce = file->spare[--file->spares];
		disk_file_hand_over(file, req);
	}
}

static void bounce(struct disk_file *file, struct disk_request *req)
{
	file->disk.counts.bounced++;
	disk_row_put(&file->starved, req);
	serve_starved(file);
}

static void finish(struct disk_file *file, struct disk_request *req, int ret)
{
	if (req->own.bounce)
		file->spare[file->spares++] = req->own.bounce;
	disk_finish(&file->disk, req, ret);
	if (file->starved.first) {
		serve_starved(file);
		file->engine->kick(file);
	}
}

/* ---- At once ---------------------------------------------------------------------------------------- */

/*
 * ext4 cannot say beforehand whether a buffered write would block, and most do not: handing them over makes
 * each three times as dear. They block when more is dirty than the disk keeps up with, or when the journal
 * is full. So they are done here until one takes long; then others do them for a while, which grows up to
 * PAUSE_MAX with each slow one.
 *
 * Time alone says little where programs compete for a core: the thread has to have slept. To ask that costs an
 * eighth of a write, so it is asked from the first one that took long on, until QUICK did not.
 */
#define SLOW_NS	  UINT64_C(4000000)
#define PAUSE_MIN UINT64_C(50000000)
#define PAUSE_MAX UINT64_C(10000000000)
#define QUICK	  1000u
#define MAX_TIMED (128u << 10)

/* How often this thread went to sleep. */
static long sleeps(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) < 0 ? 0 : usage.ru_nvcsw;
}

static void was_slow(struct disk_file *file, uint64_t now, bool slept)
{
	file->quick = 0;
	file->suspect = true;
	if (!slept)
		return;
	file->pause = file->pause * 2 > PAUSE_MIN ? file->pause * 2 : PAUSE_MIN;
	if (file->pause > PAUSE_MAX)
		file->pause = PAUSE_MAX;
	file->not_before = now + file->pause;
}

static ssize_t run_timed(struct disk_file *file, struct disk_request *req)
{
	uint64_t begin = medio_now_ns();

	if (begin < file->not_before || req->bytes > MAX_TIMED)
		return -EAGAIN;
	long slept = file->suspect ? sleeps() : 0;
	ssize_t ret = disk_step_run(file->fd, &req->own.step);
	uint64_t end = medio_now_ns();
	file->disk.counts.calls += file->suspect ? 2 : 1;
	if (end - begin > SLOW_NS) {
		was_slow(file, end, file->suspect && sleeps() != slept);
	} else if (++file->quick > QUICK) {
		file->pause = 0;
		file->suspect = false;
	}
	return ret;
}

/* -EAGAIN: it would block. */
static ssize_t run_now(struct disk_file *file, struct disk_request *req, enum disk_try *how)
{
	ssize_t ret;

	prepare(file, req);
	if (*how == DISK_TRY_NOWAIT) {
		req->own.step.flags |= RWF_NOWAIT;
		file->disk.counts.calls++;
		ret = disk_step_run(file->fd, &req->own.step);
		if (ret != -EOPNOTSUPP)
			return ret;
		req->own.step.flags &= ~RWF_NOWAIT;
		*how = req->op == DISK_WRITE && file->local ? DISK_TRY_TIMED : DISK_TRY_NOT;
	}
	if (*how == DISK_TRY_NOT)
		return -EAGAIN;
	if (*how == DISK_TRY_TIMED)
		return run_timed(file, req);
	file->disk.counts.calls++;
	return disk_step_run(file->fd, &req->own.step);
}

/*
 * The usual read, out of the page cache, without more ado: bytes, or -EAGAIN: it would block. -EINTR: it is
 * not that, or something is the matter.
 *
 * A copy out of a mapping of the file would be half as dear, and is not to be had. Nothing tells for sure that
 * a page is there when it is touched (mincore() is old news, and a system call too), and one that is not makes
 * the loop wait for storage, with all its devices: the wait that RWF_NOWAIT refuses. An error of storage, or
 * the end of a file that has become shorter, is a signal in the middle of the copy instead of a result; the
 * handler that guards guests' memory would put zeroes there, which a disk must never give for data. And pages
 * map one by one: over a disk larger than memory each read in turn would be a fault, which costs as much as
 * the call.
 */
static inline ssize_t read_now(struct disk_file *file, const struct disk_request *req)
{
	if (req->op != DISK_READ || file->reads != DISK_TRY_NOWAIT || file->direct ||
		req->niov > MAX_PIECES)
		return -EINTR;
	file->disk.counts.calls++;
	ssize_t moved = preadv2(file->fd, req->iov, (int)req->niov, (off_t)req->offset, RWF_NOWAIT);
	return moved >= 0 ? moved : errno == EAGAIN ? -EAGAIN : -EINTR;
}

/* True: nobody has to wait for it; ret is how it ended. */
static bool done_at_once(struct disk_file *file, struct disk_request *req, int *ret)
{
	enum disk_try *how = req->op == DISK_READ ? &file->reads : &file->writes;

	/* What is to be on storage blocks until it is there. */
	if (*how == DISK_TRY_NOT || (*how != DISK_TRY_ALL && req->op == DISK_WRITE && req->durable))
		return false;
	for (;;) {
		ssize_t moved = run_now(file, req, how);
		if (moved == -EAGAIN)
			return false;
		/* The end of a file that has become shorter. */
		*ret = moved < 0 ? (int)moved : moved ? 0 : -EIO;
		if (*ret)
			return true;
		req->own.moved += (uint64_t)moved;
		if (req->own.moved == req->bytes)
			return true;
		/* It came short for a reason. */
		if (*how == DISK_TRY_NOWAIT && req->niov <= MAX_PIECES)
			return false;
	}
}

void disk_file_begin(struct disk_file *file, struct disk_request *req)
{
	struct disk *disk = &file->disk;
	bool moves = req->op == DISK_READ || req->op == DISK_WRITE;
	ssize_t moved = read_now(file, req);
	int ret;

	if (moved == (ssize_t)req->bytes) {
		disk->counts.at_once++;
		disk_finish(disk, req, 0);
	} else if (moved == -EAGAIN) {
		disk_file_hand_over(file, req);
	} else if (moves && !file->direct && done_at_once(file, req, &ret)) {
		disk->counts.at_once++;
		disk_finish(disk, req, ret);
	} else if (moves && file->direct && !is_aligned(file, req)) {
		bounce(file, req);
	} else {
		disk_file_hand_over(file, req);
	}
}

/* ---- What the engine did ------------------------------------------------------------------------------ */

/* The request is at another step now, true; or it has ended with *ret. */
static bool moved_on(struct disk_file *file, struct disk_request *req, ssize_t moved, int *ret)
{
	*ret = -EIO;
	/* Nothing more to read: the file has become shorter. Parts of blocks are its ragged end. */
	if (file->direct && moved % file->disk.info.block)
		moved -= moved % file->disk.info.block;
	if (moved <= 0 || (uint64_t)moved > req->bytes - req->own.moved)
		return false;
	if (req->own.bounce && req->op == DISK_READ)
		disk_iov_write(req->iov, req->own.moved, req->own.bounce, (uint64_t)moved);
	req->own.moved += (uint64_t)moved;
	*ret = 0;
	return req->own.moved < req->bytes;
}

/* The file system does not have what the step asked for; true: there is another way. */
static bool other_way(struct disk_file *file, struct disk_request *req)
{
	if (req->own.step.flags & FALLOC_FL_PUNCH_HOLE) {
		file->no_punch = true;
		file->disk.info.discards = false;
	} else {
		file->no_zero_range = true;
	}
	return req->op == DISK_ZEROES;
}

/* The kernel had nobody to do it: here, whatever it takes. */
static ssize_t run_here(struct disk_file *file, struct disk_request *req, int why)
{
	if (!file->canceled)
		medio_log(file->disk.dev, MEDIO_LOG_WARN,
			"disk: %s does not get on (%s), so requests wait for each other; aio= has "
			"others",
			file->engine->name, strerror(why));
	file->canceled = true;
	file->disk.counts.calls++;
	return disk_step_run(file->fd, &req->own.step);
}

void disk_file_stepped(struct disk_file *file, struct disk_request *req, ssize_t ret)
{
	int end = 0;
	bool more = false;

	if (ret == -EINTR || ret == -EAGAIN || ret == -ECANCELED)
		ret = run_here(file, req, (int)-ret);
	if ((ret == -EOPNOTSUPP || ret == -ENOSYS) && req->own.step.kind == DISK_STEP_ALLOCATE)
		more = other_way(file, req);
	else if (ret >= 0 && req->own.step.kind <= DISK_STEP_WRITE)
		more = moved_on(file, req, ret, &end);
	if (more) {
		disk_file_hand_over(file, req);
		file->engine->kick(file);
	} else {
		finish(file, req, ret < 0 ? (int)ret : end);
	}
}
