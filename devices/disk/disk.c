/* SPDX-License-Identifier: BSD-3-Clause */
/* Which disk it is to be, and what holds for each of them: bounds, refusals, counts. */
#include "disk/inside.h"

#include <errno.h>
#include <string.h>

const char *const disk_aio_names[] = { "auto", "io_uring", "threads", NULL };
const char *const disk_direct_names[] = { "off", "on", NULL };

/* ---- Opening -------------------------------------------------------------------------------------- */

static bool given(const char *text)
{
	return text && *text;
}

/* Words that do not mean anything for this disk would be ignored in silence. */
static int check(struct medio_dev *dev, const struct disk_options *opts)
{
	unsigned kinds = given(opts->file) + (opts->mem > 0) + opts->null + given(opts->nbd);

	if (kinds != 1)
		return medio_fail(dev, EINVAL,
			"%s of file=, mem=, null=on and nbd= %s given: say one, which is what the "
			"disk consists of",
			kinds ? "several" : "none", kinds ? "are" : "is");
	if (!given(opts->file) && opts->direct != DISK_DIRECT_OFF)
		return medio_fail(dev, EINVAL,
			"direct=on: only with file=, there is no page cache "
			"to bypass otherwise");
	if (!given(opts->file) && opts->aio != DISK_AIO_AUTO)
		return medio_fail(
			dev, EINVAL, "aio=%s: only with file=", disk_aio_names[opts->aio]);
	if (opts->null && opts->size < DISK_SECTOR)
		return medio_fail(dev, EINVAL, "size=%llu: at least %u bytes, a sector",
			(unsigned long long)opts->size, DISK_SECTOR);
	if (opts->mem && opts->mem < DISK_SECTOR)
		return medio_fail(dev, EINVAL, "mem=%llu: at least %u bytes, a sector",
			(unsigned long long)opts->mem, DISK_SECTOR);
	return 0;
}

int disk_open(struct medio_dev *dev, const struct disk_options *opts,
	void (*on_resize)(void *opaque), void *opaque, struct disk **out)
{
	struct disk *disk = NULL;
	int ret = check(dev, opts);

	if (ret)
		return ret;
	if (opts->null)
		ret = disk_null_open(dev, opts, &disk);
	else if (opts->mem)
		ret = disk_mem_open(dev, opts, &disk);
	else if (given(opts->nbd))
		ret = disk_nbd_open(dev, opts, &disk);
	else
		ret = disk_file_open(dev, opts, &disk);
	if (ret)
		return ret;
	disk->on_resize = on_resize;
	disk->opaque = opaque;
	disk->info.backend = disk->words;
	*out = disk;
	return 0;
}

void disk_close(struct disk *disk)
{
	if (disk)
		disk->backend->close(disk);
}

void disk_get_info(const struct disk *disk, struct disk_info *out)
{
	*out = disk->info;
}

/* ---- Its size --------------------------------------------------------------------------------------- */

void disk_refresh(struct disk *disk)
{
	if (disk->backend->refresh)
		disk->backend->refresh(disk);
}

void disk_set_bytes(struct disk *disk, uint64_t bytes)
{
	bytes -= bytes % disk->info.block;
	if (bytes == disk->info.bytes)
		return;
	disk->info.bytes = bytes;
	if (disk->on_resize)
		disk->on_resize(disk->opaque);
}

/* ---- Requests --------------------------------------------------------------------------------------- */

/* 0, or why not. Sizes can have changed since the device looked. */
static int allowed(const struct disk *disk, const struct disk_request *req)
{
	if (req->op == DISK_FLUSH)
		return 0;
	if (disk->info.readonly && req->op != DISK_READ)
		return -EROFS;
	if (req->offset > disk->info.bytes || req->bytes > disk->info.bytes - req->offset)
		return -EIO;
	return 0;
}

void disk_submit(struct disk *disk, struct disk_request *req)
{
	disk->under_way++;
	req->own.next = NULL;
	req->own.bounce = NULL;
	req->own.moved = 0;
	req->own.disk = disk;
	req->own.ret = 0;

	int ret = allowed(disk, req);
	if (ret || (!req->bytes && req->op != DISK_FLUSH))
		disk_finish(disk, req, ret);
	else
		disk->backend->submit(disk, req);
}

void disk_finish(struct disk *disk, struct disk_request *req, int ret)
{
	if (ret)
		disk->counts.errors++;
	if (req->op == DISK_FLUSH)
		disk->counts.flushes++;
	disk->under_way--;
	req->done(req, ret);
}

void disk_kick(struct disk *disk)
{
	if (disk->backend->kick)
		disk->backend->kick(disk);
}

bool disk_poll(struct disk *disk)
{
	return disk->under_way && disk->backend->poll && disk->backend->poll(disk);
}

void disk_drain(struct disk *disk)
{
	if (disk->under_way)
		disk->backend->drain(disk);
}

unsigned disk_under_way(const struct disk *disk)
{
	return disk->under_way;
}

void disk_get_counts(const struct disk *disk, struct disk_counts *out)
{
	*out = disk->counts;
}

/* ---- Rows, pieces ------------------------------------------------------------------------------------ */

void disk_row_init(struct disk_row *row)
{
	row->first = NULL;
	row->last = &row->first;
}

void disk_row_put(struct disk_row *row, struct disk_request *req)
{
	req->own.next = NULL;
	*row->last = req;
	row->last = &req->own.next;
}

struct disk_request *disk_row_take(struct disk_row *row)
{
	struct disk_request *req = row->first;

	if (req) {
		row->first = req->own.next;
		if (!row->first)
			row->last = &row->first;
	}
	return req;
}

/* The pieces of iov from byte `from` on, len bytes of them, to or from buf. */
static void copy(const struct iovec *iov, uint64_t from, char *buf, uint64_t len, bool into)
{
	for (; len; iov++) {
		if (from >= iov->iov_len) {
			from -= iov->iov_len;
			continue;
		}
		uint64_t part = iov->iov_len - from < len ? iov->iov_len - from : len;
		char *at = (char *)iov->iov_base + from;
		memcpy(into ? at : buf, into ? buf : at, part);
		buf += part;
		len -= part;
		from = 0;
	}
}

void disk_iov_read(const struct iovec *iov, uint64_t from, void *buf, uint64_t len)
{
	copy(iov, from, buf, len, false);
}

void disk_iov_write(const struct iovec *iov, uint64_t from, const void *buf, uint64_t len)
{
	copy(iov, from, (char *)buf, len, true);
}
