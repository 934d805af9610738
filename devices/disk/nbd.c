/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests as commands of NBD (the NBD protocol, "Transmission phase"). A request is one command, or several
 * one after the other if it is larger than a buffer.
 *
 * A flush means that writes are safe, also across servers: if one went away with writes that were done but
 * not flushed, the next flush fails.
 */
#include "disk/nbd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Bytes of a command without data. */
#define MAX_RANGE (1u << 30)
/* How long a server has to answer when everything must end. */
#define DRAIN_NS (5 * UINT64_C(1000000000))

/* ---- Commands ---------------------------------------------------------------------------------------- */

static int on_completion(void *opaque, int *error)
{
	struct disk_nbd_slot *slot = opaque;

	slot->err = *error;
	slot->ended = true;
	slot->nbd->num_ended++;
	return 1; /* libnbd may forget it */
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int64_t send_flush(struct disk_nbd_slot *slot, nbd_completion_callback done)
{
	slot->flush = true;
	slot->epoch = slot->nbd->written;
	slot->bytes = 0;
	return nbd_aio_flush(slot->nbd->link.handle, done, 0);
}

/* The next command of a request. */
static int64_t send_part(struct disk_nbd_slot *slot, nbd_completion_callback done)
{
	struct nbd_handle *h = slot->nbd->link.handle;
	struct disk_request *req = slot->req;
	uint64_t at = req->offset + req->own.moved, left = req->bytes - req->own.moved;
	uint32_t flags = 0;

	slot->flush = false;
	slot->bytes = least(left, slot->nbd->part);
	if (req->op == DISK_WRITE && req->durable && slot->nbd->can_fua)
		flags = LIBNBD_CMD_FLAG_FUA;
	switch (req->op) {
	case DISK_READ:
		return nbd_aio_pread(h, slot->buf, slot->bytes, at, done, 0);
	case DISK_WRITE:
		disk_iov_read(req->iov, req->own.moved, slot->buf, slot->bytes);
		return nbd_aio_pwrite(h, slot->buf, slot->bytes, at, done, flags);
	case DISK_DISCARD:
		slot->bytes = least(left, MAX_RANGE);
		return nbd_aio_trim(h, slot->bytes, at, done, 0);
	case DISK_ZEROES:
		if (slot->nbd->can_zero) {
			slot->bytes = least(left, MAX_RANGE);
			return nbd_aio_zero(
				h, slot->bytes, at, done, req->unmap ? 0 : LIBNBD_CMD_FLAG_NO_HOLE);
		}
		memset(slot->buf, 0, slot->bytes);
		return nbd_aio_pwrite(h, slot->buf, slot->bytes, at, done, 0);
	case DISK_FLUSH:
		break;
	}
	return send_flush(slot, done);
}

static void send_slot(struct disk_nbd_slot *slot, bool flush)
{
	struct disk_nbd *nbd = slot->nbd;
	nbd_completion_callback done = { .callback = on_completion, .user_data = slot };

	slot->ended = false;
	nbd->disk.counts.calls++;
	int64_t cookie = flush ? send_flush(slot, done) : send_part(slot, done);
	/* Sending may have found that the connection is gone, and have ended everything. */
	if (cookie < 0 && !slot->ended) {
		slot->err = EIO;
		slot->ended = true;
		nbd->num_ended++;
	}
}

static struct disk_nbd_slot *take_slot(struct disk_nbd *nbd, struct disk_request *req)
{
	struct disk_nbd_slot *slot = nbd->spare;

	nbd->spare = slot->next;
	nbd->busy++;
	slot->busy = true;
	slot->req = req;
	return slot;
}

static void give_slot(struct disk_nbd *nbd, struct disk_nbd_slot *slot)
{
	slot->busy = slot->ended = false;
	slot->req = NULL;
	slot->next = nbd->spare;
	nbd->spare = slot;
	nbd->busy--;
}

/* ---- Their ends --------------------------------------------------------------------------------------- */

/* What a command did; true: the request needs another, a flush if *flush. */
static bool moved_on(struct disk_nbd_slot *slot, bool *flush)
{
	struct disk_nbd *nbd = slot->nbd;
	struct disk_request *req = slot->req;
	bool durable = req->op == DISK_WRITE && req->durable;

	*flush = false;
	if (slot->flush) {
		if (slot->epoch > nbd->flushed)
			nbd->flushed = slot->epoch;
		return false;
	}
	if (req->op == DISK_READ)
		disk_iov_write(req->iov, req->own.moved, slot->buf, slot->bytes);
	else if (!(durable && nbd->can_fua))
		nbd->written++;
	req->own.moved += slot->bytes;
	if (req->own.moved < req->bytes)
		return true;
	*flush = durable && !nbd->can_fua && nbd->can_flush;
	return *flush;
}

static void end_slot(struct disk_nbd *nbd, struct disk_nbd_slot *slot)
{
	struct disk_request *req = slot->req;
	bool flush = false;
	int err = slot->err;

	slot->ended = false;
	if (!req) {
		/* Before another connection takes over: it knows nothing of these writes. */
		nbd->lost |= err != 0;
		nbd->flushed = slot->epoch;
		give_slot(nbd, slot);
		return;
	}
	if (!err && moved_on(slot, &flush)) {
		send_slot(slot, flush);
		return;
	}
	give_slot(nbd, slot);
	disk_finish(&nbd->disk, req, err == ENOTCONN ? -EIO : -err);
}

static void send_waiting(struct disk_nbd *nbd)
{
	while (nbd->spare && nbd->waiting.first && !nbd->renewing && nbd->state == DISK_NBD_UP)
		send_slot(take_slot(nbd, disk_row_take(&nbd->waiting)), false);
}

void disk_nbd_settle(struct disk_nbd *nbd)
{
	/* Those whose requests end may come with others. */
	if (nbd->settling)
		return;
	nbd->settling = true;
	do {
		for (unsigned i = 0; nbd->num_ended && i < DISK_NBD_SLOTS; i++)
			if (nbd->slots[i].ended) {
				nbd->num_ended--;
				end_slot(nbd, &nbd->slots[i]);
			}
		if (nbd->state == DISK_NBD_UP)
			disk_nbd_alive(nbd);
		send_waiting(nbd);
	} while (nbd->num_ended);
	nbd->settling = false;
	if (nbd->renewing && !nbd->busy && !disk_nbd_flush_rest(nbd))
		disk_nbd_renew(nbd);
	else if (nbd->num_ended)
		disk_nbd_settle(nbd);
	disk_nbd_watch(nbd);
}

void disk_nbd_abort(struct disk_nbd *nbd)
{
	struct disk_request *req;

	if (nbd->can_flush && nbd->written != nbd->flushed)
		nbd->lost = true;
	nbd->flushed = nbd->written;
	nbd->num_ended = 0;
	for (unsigned i = 0; i < DISK_NBD_SLOTS; i++) {
		struct disk_nbd_slot *slot = &nbd->slots[i];
		if (!slot->busy)
			continue;
		req = slot->req;
		give_slot(nbd, slot);
		if (req)
			disk_finish(&nbd->disk, req, -EIO);
	}
	while ((req = disk_row_take(&nbd->waiting)))
		disk_finish(&nbd->disk, req, -EIO);
}

bool disk_nbd_flush_rest(struct disk_nbd *nbd)
{
	if (!nbd->can_flush || nbd->written == nbd->flushed || nbd->state != DISK_NBD_UP)
		return false;
	send_slot(take_slot(nbd, NULL), true);
	return true;
}

/* ---- The disk ------------------------------------------------------------------------------------------- */

static void nbd_submit(struct disk *disk, struct disk_request *req)
{
	struct disk_nbd *nbd = (struct disk_nbd *)disk;

	if (nbd->state != DISK_NBD_UP) {
		disk_finish(disk, req, -EIO);
	} else if (req->op == DISK_FLUSH && nbd->lost) {
		nbd->lost = false;
		disk_finish(disk, req, -EIO);
	} else if (req->op == DISK_FLUSH && !nbd->can_flush) {
		disk_finish(disk, req, 0);
	} else if (req->op == DISK_DISCARD && !nbd->can_trim) {
		disk_finish(disk, req, -EOPNOTSUPP);
	} else {
		disk_row_put(&nbd->waiting, req);
		send_waiting(nbd);
	}
}

static void nbd_kick(struct disk *disk)
{
	disk_nbd_settle((struct disk_nbd *)disk);
}

static bool nbd_poll_disk(struct disk *disk)
{
	struct disk_nbd *nbd = (struct disk_nbd *)disk;
	unsigned before = disk->under_way;

	if (!nbd->busy || nbd->state != DISK_NBD_UP)
		return false;
	disk->counts.calls++;
	if (nbd_aio_get_direction(nbd->link.handle) & LIBNBD_AIO_DIRECTION_READ)
		nbd_aio_notify_read(nbd->link.handle);
	/* A server may want the rest of a write before it answers anything. */
	if (nbd_aio_get_direction(nbd->link.handle) & LIBNBD_AIO_DIRECTION_WRITE)
		nbd_aio_notify_write(nbd->link.handle);
	bool found = nbd->num_ended > 0;
	disk_nbd_settle(nbd);
	return found || disk->under_way < before;
}

static void nbd_drain(struct disk *disk)
{
	struct disk_nbd *nbd = (struct disk_nbd *)disk;
	uint64_t end = medio_now_ns() + DRAIN_NS, now;

	/* What waits for another connection does not any more. */
	disk_nbd_stop_probe(nbd);
	disk_nbd_settle(nbd);
	while (disk->under_way && nbd->state == DISK_NBD_UP) {
		now = medio_now_ns();
		if (now >= end) {
			disk_nbd_lose(nbd, "it does not answer");
			break;
		}
		disk->counts.calls++;
		nbd_poll(nbd->link.handle, (int)((end - now) / 1000000) + 1);
		disk_nbd_settle(nbd);
	}
}

static void nbd_close_disk(struct disk *disk)
{
	struct disk_nbd *nbd = (struct disk_nbd *)disk;

	disk_nbd_disconnect(nbd);
	medio_timer_free(nbd->timer);
	medio_timer_free(nbd->probe_timer);
	if (nbd->buffers)
		munmap(nbd->buffers, (size_t)DISK_NBD_SLOTS * DISK_NBD_PART_SIZE);
	free(nbd->export_name);
	free(nbd->uri);
	free(nbd);
}

static const struct disk_backend nbd_backend = {
	.close = nbd_close_disk,
	.submit = nbd_submit,
	.kick = nbd_kick,
	.poll = nbd_poll_disk,
	.drain = nbd_drain,
	.refresh = disk_nbd_refresh,
};

static int make_slots(struct disk_nbd *nbd)
{
	void *at = mmap(NULL, (size_t)DISK_NBD_SLOTS * DISK_NBD_PART_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	disk_row_init(&nbd->waiting);
	if (at == MAP_FAILED)
		return -ENOMEM;
	nbd->buffers = at;
	for (unsigned i = DISK_NBD_SLOTS; i-- > 0;) {
		struct disk_nbd_slot *slot = &nbd->slots[i];
		slot->nbd = nbd;
		slot->buf = nbd->buffers + (size_t)i * DISK_NBD_PART_SIZE;
		slot->next = nbd->spare;
		nbd->spare = slot;
	}
	return 0;
}

int disk_nbd_open(struct medio_dev *dev, const struct disk_options *opts, struct disk **out)
{
	struct disk_nbd *nbd;
	char words[160];

	if (disk_nbd_library_load(words, sizeof(words)))
		return medio_fail(dev, EOPNOTSUPP,
			"nbd=%s: libnbd cannot be loaded (%s); install Debian's libnbd0, and in "
			"mediod let the instance have a worker of its own (no per-worker=)",
			opts->nbd, words);
	nbd = calloc(1, sizeof(*nbd));
	if (!nbd)
		return medio_fail(dev, ENOMEM, "nbd=%s: no memory", opts->nbd);
	nbd->disk.backend = &nbd_backend;
	nbd->disk.dev = dev;
	nbd->uri = strdup(opts->nbd);
	int ret = nbd->uri ? make_slots(nbd) : -ENOMEM;
	if (ret)
		medio_fail(dev, -ret, "nbd=%s: no memory", opts->nbd);
	else
		ret = disk_nbd_connect(nbd, opts);
	if (ret) {
		nbd_close_disk(&nbd->disk);
		return ret;
	}
	/* To connect again, when the server has been away. */
	medio_dev_needs(dev, MEDIO_NEEDS_SOCKETS);
	*out = &nbd->disk;
	return 0;
}
