/* SPDX-License-Identifier: BSD-3-Clause */
/* The kind "disk" of the virtio model: blocks in memory. */
#ifndef TEST_VIRTIO_BLK_MODEL_H
#define TEST_VIRTIO_BLK_MODEL_H

#include "test_virtio_model.h"

#define VIRTIO_BLK_MODEL_SECTOR	 512u
#define VIRTIO_BLK_MODEL_SECTORS 16384u
#define VIRTIO_BLK_MODEL_SERIAL	 "S-1 of \033[2J tests"

/* All zero: blocks of 512 bytes, 8 segments. It offers SEG_MAX, BLK_SIZE and FLUSH; RO and SIZE_MAX are for
 * virtio_quirks.offer. */
extern struct virtio_blk_quirks {
	uint32_t blk_size, size_max, seg_max;
	uint64_t capacity;
	uint8_t fail_status; /* of a command that touches fail_sector */
	uint64_t fail_sector;
	bool no_status; /* is not written */
	bool no_serial;
} virtio_blk_quirks;

extern struct virtio_blk_seen {
	unsigned reads, writes, flushes;
	unsigned segments; /* of data, most in a command */
} virtio_blk_seen;

/* Forget all quirks, of the transport too. */
void virtio_blk_model_clear(void);

extern const struct virtio_model_kind virtio_model_blk;

#endif
