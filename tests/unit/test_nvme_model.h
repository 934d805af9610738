/* SPDX-License-Identifier: BSD-3-Clause */
/* An NVMe controller with a small disk, for tests of a driver and to measure one: it does as quirks say, and
 * tells in seen. */
#ifndef TEST_NVME_MODEL_H
#define TEST_NVME_MODEL_H

#include <medio/device.h>

#define NVME_MODEL_BLOCK  512u
#define NVME_MODEL_BLOCKS 16384u

/* What it does wrong, or what it is. Set before the driver comes. */
extern struct quirks {
	bool mute; /* commands of the admin queue are not done */
	bool never_ready, fatal, backwards, silent, gone, twice;
	bool later;			      /* I/O commands are not done at once */
	unsigned gone_after;		      /* I/O commands */
	unsigned id_add, queue_add, head_add; /* of completions of I/O commands */
	uint16_t fail_status;
	uint64_t fail_block;
	unsigned mqes, mpsmin;	/* mqes 0: 256 */
	uint32_t version, nsid; /* 0: 1.4, 1 */
	uint8_t mdts, shift, format, metadata, sqes;
	bool no_namespace, names_wrong, offline;
} quirks;

/* What it has seen. */
extern struct seen {
	unsigned commands, flushes, shutdowns, deleted;
	uint32_t cc;
	bool early;	/* a shutdown before the queues were deleted */
	unsigned lists; /* PRP lists used */
} seen;

extern const struct medio_type nvme_model_type;

/*
 * Read count blocks into memory at iova, all in one page, and complete that, as if a command had come
 * through the I/O queue and its completion been taken: what the disk itself takes for one. The driver
 * that made the queue cannot use it any more.
 */
void nvme_model_serve(struct medio_dev *dev, uint64_t block, uint32_t count, uint64_t iova);

#endif
