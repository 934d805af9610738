/* SPDX-License-Identifier: BSD-3-Clause */
#include "test_scsi_disk.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DISKS 32
#define GROWS	  4u /* a disk's memory has room to grow */

const char *const disk_aio_names[] = { "auto", "io_uring", "threads", NULL };
const char *const disk_direct_names[] = { "off", "on", NULL };

struct disk_info fake_info;

struct disk {
	uint64_t key;
	struct disk_info info;
	uint8_t *memory;
	size_t room;
	void (*on_resize)(void *opaque);
	void *opaque;
	uint64_t next_bytes;
	bool hold;
	struct disk_request *first, **last;
	unsigned waiting, kicks;
	struct {
		enum disk_op op;
		int ret;
		unsigned n;
	} fail;
	struct fake_entry log[FAKE_LOG];
	unsigned logged;
};

static struct disk *disks[MAX_DISKS];

struct disk *fake_disk(uint64_t mem)
{
	for (unsigned i = 0; i < MAX_DISKS; i++) {
		if (disks[i] && disks[i]->key == mem)
			return disks[i];
	}
	return NULL;
}

unsigned fake_disks(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MAX_DISKS; i++)
		n += disks[i] != NULL;
	return n;
}

uint8_t *fake_memory(struct disk *disk)
{
	return disk->memory;
}

unsigned fake_requests(const struct disk *disk)
{
	return disk->logged;
}

const struct fake_entry *fake_request(const struct disk *disk, unsigned index)
{
	assert(index < disk->logged);
	return &disk->log[index];
}

unsigned fake_kicks(const struct disk *disk)
{
	return disk->kicks;
}

void fake_hold(struct disk *disk, bool hold)
{
	disk->hold = hold;
}

void fake_fail(struct disk *disk, enum disk_op op, int ret, unsigned n)
{
	disk->fail.op = op;
	disk->fail.ret = ret;
	disk->fail.n = n;
}

void fake_resize(struct disk *disk, uint64_t bytes)
{
	assert(bytes <= disk->room);
	disk->next_bytes = bytes;
}

/* ---- Requests ---------------------------------------------------------------------------------- */

static void move(struct disk *disk, const struct disk_request *req)
{
	uint8_t *at = disk->memory + req->offset;
	uint64_t sum = 0;

	for (unsigned i = 0; i < req->niov; i++) {
		if (req->op == DISK_READ)
			memcpy(req->iov[i].iov_base, at + sum, req->iov[i].iov_len);
		else
			memcpy(at + sum, req->iov[i].iov_base, req->iov[i].iov_len);
		sum += req->iov[i].iov_len;
	}
	assert(sum == req->bytes);
}

static void finish(struct disk *disk, struct disk_request *req)
{
	int ret = 0;

	if (disk->fail.n && disk->fail.op == req->op) {
		disk->fail.n--;
		ret = disk->fail.ret;
	} else if (req->op == DISK_READ || req->op == DISK_WRITE) {
		move(disk, req);
	} else if (req->op != DISK_FLUSH) {
		memset(disk->memory + req->offset, 0, req->bytes);
	}
	req->done(req, ret);
}

void disk_submit(struct disk *disk, struct disk_request *req)
{
	assert(req->done);
	assert(disk->logged < FAKE_LOG);
	/* Nobody says so. */
	assert(!req->more);
	disk->log[disk->logged++] = (struct fake_entry){ req->op, req->durable, req->unmap,
		req->offset, req->bytes, req->niov };
	/* The device has checked that. */
	assert(req->offset <= disk->info.bytes && req->bytes <= disk->info.bytes - req->offset);
	assert(req->offset % disk->info.block == 0 && req->bytes % disk->info.block == 0);
	if (!disk->hold) {
		finish(disk, req);
		return;
	}
	req->own.next = NULL;
	*disk->last = req;
	disk->last = &req->own.next;
	disk->waiting++;
}

void fake_release(struct disk *disk, unsigned n)
{
	while (n-- && disk->waiting) {
		struct disk_request *req = disk->first;
		assert(req);
		disk->first = req->own.next;
		if (!disk->first)
			disk->last = &disk->first;
		disk->waiting--;
		finish(disk, req);
	}
}

void disk_kick(struct disk *disk)
{
	disk->kicks++;
}

bool disk_poll(struct disk *disk)
{
	return false;
}

void disk_drain(struct disk *disk)
{
	disk->hold = false;
	fake_release(disk, UINT32_MAX);
}

unsigned disk_under_way(const struct disk *disk)
{
	return disk->waiting;
}

/* ---- Life -------------------------------------------------------------------------------------- */

struct disk *fake_open(uint64_t bytes, void (*on_resize)(void *opaque), void *opaque)
{
	struct disk *disk = calloc(1, sizeof(*disk));

	assert(disk);
	disk->key = bytes;
	disk->info = fake_info;
	disk->info.bytes = disk->next_bytes = bytes;
	disk->room = (size_t)bytes * GROWS;
	disk->memory = calloc(GROWS, bytes ? bytes : 1);
	assert(disk->memory);
	disk->on_resize = on_resize;
	disk->opaque = opaque;
	disk->last = &disk->first;
	for (unsigned i = 0; i < MAX_DISKS; i++) {
		if (disks[i])
			continue;
		disks[i] = disk;
		return disk;
	}
	abort();
}

int disk_open(struct medio_dev *dev, const struct disk_options *opts,
	void (*on_resize)(void *opaque), void *opaque, struct disk **out)
{
	if (opts->file)
		return medio_fail(dev, ENOENT, "file=%s: there are no files here", opts->file);
	*out = fake_open(opts->mem, on_resize, opaque);
	(*out)->info.readonly |= opts->readonly;
	return 0;
}

void disk_close(struct disk *disk)
{
	if (!disk)
		return;
	assert(!disk->waiting);
	for (unsigned i = 0; i < MAX_DISKS; i++) {
		if (disks[i] == disk)
			disks[i] = NULL;
	}
	free(disk->memory);
	free(disk);
}

void disk_get_info(const struct disk *disk, struct disk_info *out)
{
	*out = disk->info;
}

void disk_refresh(struct disk *disk)
{
	if (disk->next_bytes == disk->info.bytes)
		return;
	disk->info.bytes = disk->next_bytes;
	if (disk->on_resize)
		disk->on_resize(disk->opaque);
}

void disk_get_counts(const struct disk *disk, struct disk_counts *out)
{
	*out = (struct disk_counts){ .at_once = disk->logged };
}
