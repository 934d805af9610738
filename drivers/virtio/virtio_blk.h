/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver for virtio block devices: one queue, up to 64 commands under way, completed in any order.
 *
 *     virtio_blk_open(card, NULL, &blk, words, sizeof(words));
 *     virtio_blk_submit(blk, VIRTIO_BLK_READ, 0, 8, iova, tag);
 *     virtio_blk_poll(blk, 1000, &done, 1);
 *
 * Source: Virtual I/O Device (VIRTIO) 1.3, 5.2.
 *
 * Threads: the card's.
 */
#ifndef VIRTIO_BLK_H
#define VIRTIO_BLK_H

#include "virtio.h"

#define VIRTIO_BLK_DEPTH 256 /* commands under way, at most */

struct virtio_blk;

struct virtio_blk_info {
	char serial[21]; /* printable ASCII, "" if it has none (GET_ID) */
	uint64_t blocks;
	uint32_t block;	       /* bytes of one: BLK_SIZE, or 512 */
	uint32_t max_transfer; /* bytes of one command, a multiple of block */
	unsigned depth;
	bool read_only, volatile_cache;
	struct virtio_info virtio;
};

enum virtio_blk_op { VIRTIO_BLK_READ, VIRTIO_BLK_WRITE, VIRTIO_BLK_FLUSH };

struct virtio_blk_done {
	void *tag;
	int ret;	/* 0; -EIO, -ENOTSUP by status; -EPROTO: a status that cannot be */
	uint8_t status; /* what the device said (5.2.6) */
};

/* Errors of virtio_open(), virtio_accept() and virtio_queue(); -EPROTO: its configuration cannot be;
 * -EINTR: a signal came while it had not answered. */
int virtio_blk_open(struct medio_card *card, const struct virtio_options *opts,
	struct virtio_blk **out, char *words, size_t size);
void virtio_blk_close(struct virtio_blk *blk);
void virtio_blk_get_info(const struct virtio_blk *blk, struct virtio_blk_info *out);
const char *virtio_blk_words(const struct virtio_blk *blk);

/* A status that is not 0 in words: "the device met an error (status 1)". */
void virtio_blk_status_words(uint8_t status, char *buf, size_t size);

/*
 * Queue a command for `count` blocks from `block`, to or from memory at iova that the card has mapped; of
 * VIRTIO_BLK_FLUSH only tag counts (done at once where the device has no volatile cache). It goes out
 * with the next virtio_blk_poll(). -EAGAIN: as many as can be are under way; -EINVAL: none or too many
 * blocks; -ERANGE: beyond the end; -EROFS; or the errno of what broke the device before.
 */
int virtio_blk_submit(struct virtio_blk *blk, enum virtio_blk_op op, uint64_t block, uint32_t count,
	uint64_t iova, void *tag);
/* As nvme_poll() of nvme/nvme.h: completions up to cap; an error is the end of the device, but for
 * -EINTR. */
int virtio_blk_poll(
	struct virtio_blk *blk, int timeout_ms, struct virtio_blk_done *done, unsigned cap);

#endif
