/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Disks in a test's hand, in place of devices/disk: memory, whose requests are seen, held back and failed at
 * will. A disk is found by the bytes of mem it was opened with, which have to differ.
 */
#ifndef TESTS_SCSI_DISK_H
#define TESTS_SCSI_DISK_H

#include "disk/disk.h"

#define FAKE_LOG 4096

struct fake_entry {
	enum disk_op op;
	bool durable, unmap;
	uint64_t offset, bytes;
	unsigned niov;
};

/* What it tells of itself; a disk is made of the one that stands here. */
extern struct disk_info fake_info;

/* The disk that was opened with mem (NULL: none); one that was not closed is a test's mistake. */
struct disk *fake_disk(uint64_t mem);
unsigned fake_disks(void);
uint8_t *fake_memory(struct disk *disk);
/* Requests so far. */
unsigned fake_requests(const struct disk *disk);
const struct fake_entry *fake_request(const struct disk *disk, unsigned index);
unsigned fake_kicks(const struct disk *disk);
/* From now on requests wait, until they are released (n of them, the oldest first). */
void fake_hold(struct disk *disk, bool hold);
void fake_release(struct disk *disk, unsigned n);
/* The next n requests of this kind fail. */
void fake_fail(struct disk *disk, enum disk_op op, int ret, unsigned n);
/* It grows or shrinks when it is next looked at (disk_refresh()). */
void fake_resize(struct disk *disk, uint64_t bytes);

/* A disk without a device. */
struct disk *fake_open(uint64_t bytes, void (*on_resize)(void *opaque), void *opaque);

#endif
