/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests of a driver (5.2.6). A request is a header to read, data to read or write, and a status byte to
 * write, the last of all, in a chain that may be cut anywhere ("assume no framing", 2.7.4.1). It ends with a
 * status, after none, one or several requests of the disk.
 *
 *     out:  type  reserved  sector │ data of a write, segments of a discard
 *     in:   data of a read, identification                        │ status
 *
 * Data goes between the disk and the driver's memory without a copy; where a layout is too odd for that,
 * in parts through one bounce buffer of the device's.
 */
#include "blk.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include <linux/virtio_blk.h>

/* As preadv(2) takes. */
#define PIECES 1024

/* What a step comes to: a status of 5.2.6, or another request of the disk. */
#define MORE (-1)

/* ---- From the first request of the disk to the status ------------------------------------------- */

static void finish(struct blk_request *req, int status)
{
	struct medio_virtq_chain *chain = req->chain;
	struct blk *blk = req->blk;

	if (status == VIRTIO_BLK_S_IOERR)
		blk->counts.errors++;
	else if (status == VIRTIO_BLK_S_UNSUPP)
		blk->counts.unknown++;
	/* The status is the last byte of all, so all is said to be written, also what an error left out. */
	const struct iovec *last = &chain->in[chain->num_in - 1];
	((uint8_t *)last->iov_base)[last->iov_len - 1] = (uint8_t)status;
	struct medio_virtq *queue = chain->queue;
	medio_virtq_push(chain, (uint32_t)chain->in_bytes);
	if (!blk->in_turn || (blk->turn && blk->turn != queue))
		medio_virtq_flush(queue);
}

/* Begin what has been prepared. False: it is done already, with req->ret. */
static bool submitted(struct blk_request *req)
{
	req->state = BLK_SUBMITTING;
	disk_submit(req->blk->disk, &req->disk);
	if (req->state == BLK_DONE)
		return false;
	req->state = BLK_WAITING;
	return true;
}

/* Steps until one has to be waited for (true), or there is a status, and the request is no more. In a loop:
 * how many are done at once is the driver's choice. */
static bool run(struct blk_request *req, int ret)
{
	for (;;) {
		int status = req->step(req, ret);
		if (status != MORE) {
			finish(req, status);
			return false;
		}
		if (submitted(req))
			return true;
		ret = req->ret;
	}
}

static void submit(struct blk_request *req)
{
	if (!submitted(req))
		run(req, req->ret);
}

static void bounce_serve(struct blk *blk);

static void on_done(struct disk_request *disk, int ret)
{
	struct blk_request *req = (struct blk_request *)disk;
	struct blk *blk = req->blk;

	if (req->state == BLK_SUBMITTING) {
		req->ret = ret;
		req->state = BLK_DONE;
		return;
	}
	bool more = run(req, ret);
	if (!blk->bouncing && blk->waiting) {
		bounce_serve(blk);
		more = true;
	}
	/* Nobody else comes by. */
	if (more && !blk->in_turn)
		disk_kick(blk->disk);
}

static int status_of(const struct blk_request *req, int ret)
{
	if (!ret)
		return VIRTIO_BLK_S_OK;
	/* Drivers take that as "do not ask again", and help themselves. */
	if ((ret == -EOPNOTSUPP || ret == -ENOSYS) &&
		(req->disk.op == DISK_DISCARD || req->disk.op == DISK_ZEROES))
		return VIRTIO_BLK_S_UNSUPP;
	return VIRTIO_BLK_S_IOERR;
}

/* The only request of the disk has been made; that was all. */
static int step_end(struct blk_request *req, int ret)
{
	return status_of(req, ret);
}

/* offset: of the driver's bytes. */
static void prepare(struct blk_request *req, enum disk_op op, uint64_t offset, uint64_t bytes)
{
	/* The disk's own part is the disk's to begin. */
	req->disk.op = op;
	req->disk.unmap = req->disk.durable = false;
	req->disk.more = req->blk->more;
	req->disk.offset = req->blk->begins + offset;
	req->disk.bytes = bytes;
	req->disk.iov = NULL;
	req->disk.niov = 0;
	req->disk.done = on_done;
}

/* ---- Reads and writes ------------------------------------------------------------------------------ */

/* Are bytes [sector, + bytes) of the disk, in blocks of its own? False: the guest has been told of. */
static bool inside(const struct blk_request *req, uint64_t sector, uint64_t bytes)
{
	const struct blk *blk = req->blk;

	/* In sectors first: their number times 512 may be more than 64 bits hold. Blocks are powers of two. */
	if (sector <= blk->info.bytes / BLK_SECTOR &&
		bytes <= blk->info.bytes - sector * BLK_SECTOR &&
		!((bytes | sector * BLK_SECTOR) & (blk->info.block - 1)))
		return true;
	medio_guest_error(blk->dev,
		"%llu bytes at sector %llu: not blocks of %u bytes inside the disk's %llu sectors "
		"(5.2.6)",
		(unsigned long long)bytes, (unsigned long long)sector, blk->info.block,
		(unsigned long long)(blk->info.bytes / BLK_SECTOR));
	return false;
}

/*
 * Bytes [from, from + len) as pieces for the disk. The chain's own, where they are whole pieces of it, else
 * slices in the request. False: too many of those.
 */
static bool pieces(
	struct blk_request *req, const struct iovec *iov, unsigned n, size_t from, size_t len)
{
	size_t skipped = 0, sum = 0;
	unsigned first = 0, end;

	while (first < n && skipped < from)
		skipped += iov[first++].iov_len;
	end = first;
	while (end < n && sum < len)
		sum += iov[end++].iov_len;
	if (skipped == from && sum == len && end - first <= PIECES) {
		req->disk.iov = iov + first;
		req->disk.niov = end - first;
		return true;
	}
	req->disk.iov = req->iov;
	req->disk.niov = medio_iov_slice(iov, n, from, len, req->iov, BLK_SLICES);
	return req->disk.niov > 0;
}

/* Data through the bounce buffer, which is this request's now, in parts. */
static int bounce_part(struct blk_request *req, int ret)
{
	struct blk *blk = req->blk;
	enum disk_op op = req->disk.op;

	if (!ret && op == DISK_READ && req->moving &&
		medio_virtq_write(req->chain, req->at, blk->bounce, req->moving) < req->moving)
		ret = -EIO;
	uint64_t offset = req->disk.offset - blk->begins + req->moving;
	req->at += req->moving;
	req->left -= req->moving;
	if (ret || !req->left)
		return status_of(req, ret);
	req->moving = req->left < BLK_BOUNCE ? req->left : BLK_BOUNCE;
	prepare(req, op, offset, req->moving);
	req->disk.durable = op == DISK_WRITE && blk->durable;
	if (op == DISK_WRITE &&
		medio_virtq_read(req->chain, req->at, blk->bounce, req->moving) < req->moving)
		return VIRTIO_BLK_S_IOERR;
	req->iov[0] = (struct iovec){ blk->bounce, req->moving };
	req->disk.iov = req->iov;
	req->disk.niov = 1;
	return MORE;
}

static int step_bounce(struct blk_request *req, int ret)
{
	struct blk *blk = req->blk;
	int status = bounce_part(req, ret);

	if (status != MORE)
		blk->bouncing = NULL;
	return status;
}

/* Whoever waits for the bounce buffer has it in turn; in a loop, since one may be done at once. */
static void bounce_serve(struct blk *blk)
{
	if (blk->serving)
		return;
	blk->serving = true;
	while (!blk->bouncing && blk->waiting) {
		struct blk_request *req = blk->waiting;
		blk->waiting = req->next;
		if (!blk->waiting)
			blk->waiting_end = &blk->waiting;
		blk->bouncing = req;
		run(req, 0);
	}
	blk->serving = false;
}

static void bounce(struct blk_request *req, size_t from, size_t len)
{
	struct blk *blk = req->blk;

	blk->counts.bounced++;
	req->step = step_bounce;
	req->at = from;
	req->left = len;
	req->moving = 0;
	req->next = NULL;
	*blk->waiting_end = req;
	blk->waiting_end = &req->next;
	bounce_serve(blk);
}

static void move(struct blk_request *req, enum disk_op op, uint64_t sector)
{
	struct medio_virtq_chain *chain = req->chain;
	struct blk *blk = req->blk;
	bool out = op == DISK_WRITE;
	size_t from = out ? sizeof(struct virtio_blk_outhdr) : 0;
	size_t len = out ? chain->out_bytes - from : chain->in_bytes - 1;

	/* 5.2.6.2: writes to a disk that is read-only fail. */
	if ((out && blk->info.readonly) || !inside(req, sector, len)) {
		finish(req, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (!len) {
		finish(req, VIRTIO_BLK_S_OK);
		return;
	}
	*(out ? &blk->counts.writes : &blk->counts.reads) += 1;
	*(out ? &blk->counts.written_bytes : &blk->counts.read_bytes) += len;
	prepare(req, op, sector * BLK_SECTOR, len);
	req->disk.durable = out && blk->durable;
	req->step = step_end;
	if (out ? pieces(req, chain->out, chain->num_out, from, len)
		: pieces(req, chain->in, chain->num_in, from, len))
		submit(req);
	else
		bounce(req, from, len);
}

/* ---- Discard, write zeroes ------------------------------------------------------------------------- */

struct range {
	uint64_t sector, sectors;
	bool unmap;
};

/* Segment i, looked at in a copy: VIRTIO_BLK_S_*. */
static int get_range(const struct blk_request *req, unsigned i, struct range *out)
{
	struct virtio_blk_discard_write_zeroes segment;
	bool zeroes = req->disk.op == DISK_ZEROES;

	if (medio_virtq_read(req->chain, sizeof(struct virtio_blk_outhdr) + i * sizeof(segment),
		    &segment, sizeof(segment)) < sizeof(segment))
		return VIRTIO_BLK_S_IOERR;
	uint32_t flags = le32toh(segment.flags);
	out->sector = le64toh(segment.sector);
	out->sectors = le32toh(segment.num_sectors);
	out->unmap = flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	/* 5.2.6.2: flags that are not known, and unmap in a discard. */
	if (flags & ~(zeroes ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0u))
		return VIRTIO_BLK_S_UNSUPP;
	if (out->sectors > (zeroes ? BLK_ZEROES_SECTORS : BLK_DISCARD_SECTORS)) {
		medio_guest_error(req->blk->dev,
			"a segment of %llu sectors, at most %d are offered (5.2.6.1)",
			(unsigned long long)out->sectors,
			zeroes ? BLK_ZEROES_SECTORS : BLK_DISCARD_SECTORS);
		return VIRTIO_BLK_S_IOERR;
	}
	return inside(req, out->sector, out->sectors * BLK_SECTOR) ? VIRTIO_BLK_S_OK
								   : VIRTIO_BLK_S_IOERR;
}

static int step_segments(struct blk_request *req, int ret)
{
	enum disk_op op = req->disk.op;
	struct range range;

	if (ret)
		return status_of(req, ret);
	while (req->segment < req->segments) {
		/* Read again, so looked at again. */
		int status = get_range(req, req->segment++, &range);
		if (status)
			return status;
		if (!range.sectors)
			continue;
		prepare(req, op, range.sector * BLK_SECTOR, range.sectors * BLK_SECTOR);
		req->disk.unmap = range.unmap;
		return MORE;
	}
	/* Zeroes are written, as data is. */
	if (op != DISK_ZEROES || !req->blk->durable)
		return VIRTIO_BLK_S_OK;
	prepare(req, DISK_FLUSH, 0, 0);
	req->step = step_end;
	return MORE;
}

/* All segments are looked at before the first has any effect. */
static int check_segments(struct blk_request *req)
{
	size_t bytes = req->chain->out_bytes - sizeof(struct virtio_blk_outhdr);
	size_t each = sizeof(struct virtio_blk_discard_write_zeroes);
	unsigned max = req->disk.op == DISK_ZEROES ? BLK_ZEROES_SEGMENTS : BLK_DISCARD_SEGMENTS;
	struct range range;

	if (req->blk->info.readonly)
		return VIRTIO_BLK_S_IOERR;
	if (!bytes || bytes % each || bytes / each > max) {
		medio_guest_error(req->blk->dev,
			"%zu bytes of segments: not 1 to %u of %zu bytes each (5.2.6.1)", bytes,
			max, each);
		return VIRTIO_BLK_S_IOERR;
	}
	req->segment = 0;
	req->segments = (unsigned)(bytes / each);
	for (unsigned i = 0; i < req->segments; i++) {
		int status = get_range(req, i, &range);
		if (status)
			return status;
	}
	return VIRTIO_BLK_S_OK;
}

static void segments(struct blk_request *req, enum disk_op op, unsigned feature)
{
	struct blk *blk = req->blk;
	int status = VIRTIO_BLK_S_UNSUPP;

	prepare(req, op, 0, 0);
	if (medio_virtio_has(blk->dev, feature))
		status = check_segments(req);
	if (status) {
		finish(req, status);
		return;
	}
	*(op == DISK_ZEROES ? &blk->counts.zeroes : &blk->counts.discards) += 1;
	req->step = step_segments;
	run(req, 0);
}

/* ---- The rest -------------------------------------------------------------------------------------- */

static void flush(struct blk_request *req)
{
	req->blk->counts.flushes++;
	prepare(req, DISK_FLUSH, 0, 0);
	req->step = step_end;
	submit(req);
}

/* 20 bytes, filled up with zeros; text of 20 has no zero at its end (5.2.6.1). */
static void identify(struct blk_request *req)
{
	char id[VIRTIO_BLK_ID_BYTES] = { 0 };
	size_t room = req->chain->in_bytes - 1;

	if (req->blk->serial)
		memcpy(id, req->blk->serial, strnlen(req->blk->serial, sizeof(id)));
	medio_virtq_write(req->chain, 0, id, room < sizeof(id) ? room : sizeof(id));
	finish(req, VIRTIO_BLK_S_OK);
}

bool blk_request_begin(struct blk *blk, struct medio_virtq_chain *chain)
{
	struct blk_request *req = chain->data;
	struct virtio_blk_outhdr header;
	unsigned index = medio_virtq_index(chain->queue);

	req->blk = blk;
	req->chain = chain;
	if (!chain->in_bytes) {
		medio_virtio_broken(blk->dev,
			"queue %u: a request without a byte for its status (5.2.6)", index);
		medio_virtq_push(chain, 0);
		return false;
	}
	if (medio_virtq_read(chain, 0, &header, sizeof(header)) < sizeof(header)) {
		medio_guest_error(blk->dev,
			"queue %u: a request of %zu bytes, shorter than its header (5.2.6)", index,
			chain->out_bytes);
		finish(req, VIRTIO_BLK_S_IOERR);
		return true;
	}
	switch (le32toh(header.type)) {
	case VIRTIO_BLK_T_IN:
		move(req, DISK_READ, le64toh(header.sector));
		break;
	case VIRTIO_BLK_T_OUT:
		move(req, DISK_WRITE, le64toh(header.sector));
		break;
	case VIRTIO_BLK_T_FLUSH:
		flush(req);
		break;
	case VIRTIO_BLK_T_GET_ID:
		identify(req);
		break;
	case VIRTIO_BLK_T_DISCARD:
		segments(req, DISK_DISCARD, VIRTIO_BLK_F_DISCARD);
		break;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		segments(req, DISK_ZEROES, VIRTIO_BLK_F_WRITE_ZEROES);
		break;
	default:
		finish(req, VIRTIO_BLK_S_UNSUPP);
		break;
	}
	return true;
}
