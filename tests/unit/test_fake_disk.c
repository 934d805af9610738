/* SPDX-License-Identifier: BSD-3-Clause */
#include "test_fake_disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct disk {
	void (*on_resize)(void *opaque);
	void *opaque;
};

struct fake_disk fake_disk;
static struct disk only;

const char *const disk_aio_names[] = { "auto", "uring", "threads", NULL };
const char *const disk_direct_names[] = { "off", "on", NULL };

/* What a device may not do; it runs on a thread of its own. */
#define must(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #cond); \
			abort(); \
		} \
	} while (0)

void fake_disk_clear(void)
{
	memset(&fake_disk, 0, sizeof(fake_disk));
	fake_disk.info = (struct disk_info){ .bytes = FAKE_DISK_BYTES,
		.block = 512,
		.physical = 4096,
		.optimal = 65536,
		.volatile_cache = true,
		.discards = true,
		.zeroes = true,
		.discard_unit = 4096,
		.backend = "a test's" };
}

int disk_open(struct medio_dev *dev, const struct disk_options *opts,
	void (*on_resize)(void *opaque), void *opaque, struct disk **out)
{
	(void)opts;
	if (fake_disk.open_fails)
		return medio_fail(dev, -fake_disk.open_fails, "the test's disk does not open");
	fake_disk.opened++;
	only = (struct disk){ on_resize, opaque };
	*out = &only;
	return 0;
}

void disk_close(struct disk *disk)
{
	if (!disk)
		return;
	must(!fake_disk.num_held);
	fake_disk.closed++;
}

void disk_get_info(const struct disk *disk, struct disk_info *out)
{
	must(disk == &only);
	*out = fake_disk.info;
}

void disk_refresh(struct disk *disk)
{
	must(disk == &only);
	fake_disk.refreshed++;
}

void fake_disk_resize(uint64_t bytes)
{
	fake_disk.info.bytes = bytes;
	only.on_resize(only.opaque);
}

static void copy(const struct disk_request *req)
{
	uint8_t *at = fake_disk.data + req->offset;
	uint64_t sum = 0;

	if (req->niov > fake_disk.most_pieces)
		fake_disk.most_pieces = req->niov;
	for (unsigned i = 0; i < req->niov; i++) {
		sum += req->iov[i].iov_len;
		must(sum <= req->bytes);
		if (req->op == DISK_READ)
			memcpy(req->iov[i].iov_base, at, req->iov[i].iov_len);
		else
			memcpy(at, req->iov[i].iov_base, req->iov[i].iov_len);
		at += req->iov[i].iov_len;
	}
	must(sum == req->bytes);
}

static void answer(struct disk_request *req)
{
	int ret = fake_disk.fails[req->op];

	if (ret && fake_disk.fails_after) {
		fake_disk.fails_after--;
		ret = 0;
	}
	if (!ret && (req->op == DISK_READ || req->op == DISK_WRITE))
		copy(req);
	else if (!ret && req->op != DISK_FLUSH)
		memset(fake_disk.data + req->offset, req->op == DISK_ZEROES ? 0 : 0xdd, req->bytes);
	req->done(req, ret);
}

void disk_submit(struct disk *disk, struct disk_request *req)
{
	uint64_t bytes = fake_disk.info.bytes;
	struct disk_request **end = &fake_disk.held;

	must(disk == &only && req->op < FAKE_DISK_OPS && req->done);
	/* The device has looked at that. */
	must(req->offset % fake_disk.info.block == 0 && req->bytes % fake_disk.info.block == 0);
	must(req->offset <= bytes && req->bytes <= bytes - req->offset);
	must(req->op == DISK_FLUSH ? !req->bytes : req->bytes > 0);
	must(!fake_disk.info.readonly || req->op == DISK_READ || req->op == DISK_FLUSH);
	fake_disk.ops[req->op]++;
	fake_disk.durable += req->durable;
	fake_disk.unmapped += req->unmap;
	fake_disk.last_offset = req->offset;
	fake_disk.last_bytes = req->bytes;
	if (!fake_disk.hold) {
		answer(req);
		return;
	}
	while (*end)
		end = &(*end)->own.next;
	req->own.next = NULL;
	*end = req;
	fake_disk.num_held++;
	fake_disk.unkicked++;
}

void fake_disk_release(unsigned n, bool last_first)
{
	while (n-- && fake_disk.held) {
		struct disk_request **at = &fake_disk.held;
		while (last_first && (*at)->own.next)
			at = &(*at)->own.next;
		struct disk_request *req = *at;
		*at = req->own.next;
		fake_disk.num_held--;
		answer(req);
	}
}

void disk_kick(struct disk *disk)
{
	must(disk == &only);
	fake_disk.kicks++;
	if (!fake_disk.unkicked)
		fake_disk.kicks_in_vain++;
	fake_disk.unkicked = 0;
	if (fake_disk.kick_releases)
		fake_disk_release(fake_disk.num_held, false);
}

bool disk_poll(struct disk *disk)
{
	bool some = fake_disk.held != NULL;

	must(disk == &only);
	fake_disk.polls++;
	fake_disk_release(fake_disk.num_held, false);
	return some;
}

void disk_drain(struct disk *disk)
{
	must(disk == &only);
	fake_disk.drains++;
	/* What follows on a request comes back here. */
	fake_disk_release(fake_disk.num_held, false);
}

unsigned disk_under_way(const struct disk *disk)
{
	must(disk == &only);
	return fake_disk.num_held;
}

void disk_get_counts(const struct disk *disk, struct disk_counts *out)
{
	must(disk == &only);
	*out = (struct disk_counts){ .flushes = fake_disk.ops[DISK_FLUSH] };
}
