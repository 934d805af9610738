/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stand-in for what stands behind a disk (devices/disk): memory that fails, waits and grows as a test
 * says, and remembers what it was asked. A test that links it has it in the place of the real ones,
 * whatever the parameters say. One disk at a time.
 *
 * Tests touch it on the device's thread (card_bed_on_device()), or when no device is there.
 */
#ifndef TEST_FAKE_DISK_H
#define TEST_FAKE_DISK_H

#include "../../devices/disk/disk.h"

#define FAKE_DISK_BYTES (1u << 20)
#define FAKE_DISK_OPS	5

struct fake_disk {
	/* What it does; set before the device is made. */
	struct disk_info info;
	int open_fails;
	/* Any time. */
	int fails[FAKE_DISK_OPS]; /* -errno for each enum disk_op, 0: it works */
	unsigned fails_after;	  /* so many requests work first */
	bool hold;	    /* nothing is done before fake_disk_release(), a poll or a drain */
	bool kick_releases; /* or a kick */
	/* What it was asked. */
	unsigned ops[FAKE_DISK_OPS], durable, unmapped, kicks, kicks_in_vain, drains, polls, opened,
		closed, refreshed, most_pieces;
	uint64_t last_offset, last_bytes;
	/* Held requests, the first first. */
	struct disk_request *held;
	unsigned num_held, unkicked;
	uint8_t data[FAKE_DISK_BYTES];
};

extern struct fake_disk fake_disk;

/* As new: writable, with a cache, all zeroes. */
void fake_disk_clear(void);
/* Up to n held requests are done, the first or the last first. */
void fake_disk_release(unsigned n, bool last_first);
/* It has another size, and says so. */
void fake_disk_resize(uint64_t bytes);

#endif
