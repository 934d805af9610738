/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk on a device of a test's own, and requests that are waited for.
 *
 *     struct disk_bed bed;
 *     disk_bed_open(&bed, "mem=1M", NULL);
 *     assert_int_equal(disk_bed_write(&bed, 0, buf, 512), 0);
 *     disk_bed_close(&bed);
 */
#ifndef TESTS_DISK_BED_H
#define TESTS_DISK_BED_H

#include <medio/serve.h>

#include "disk/disk.h"

/* How the end of a request is found. */
enum disk_bed_wait { DISK_BED_LOOP, DISK_BED_POLL, DISK_BED_DRAIN };

struct disk_bed {
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct disk *disk;
	struct disk_info info; /* as of the opening, or the last resize */
	unsigned resizes;
	enum disk_bed_wait wait;
	char words[1024]; /* why it was not opened */
	char log[4096];	  /* all lines */
};

/* With these parameters, the last NULL. 0, or -errno and words. */
int disk_bed_open(struct disk_bed *bed, ...) __attribute__((sentinel));
int disk_bed_open_list(struct disk_bed *bed, const char *const *params, unsigned nparams);
void disk_bed_close(struct disk_bed *bed);

/* One round of waiting, as bed->wait says. */
void disk_bed_turn(struct disk_bed *bed);
/* Until nothing is under way. */
void disk_bed_settle(struct disk_bed *bed);
/* Submit, kick, wait: what done() was told. */
int disk_bed_do(struct disk_bed *bed, struct disk_request *req);
int disk_bed_read(struct disk_bed *bed, uint64_t offset, void *buf, size_t len);
int disk_bed_write(struct disk_bed *bed, uint64_t offset, const void *buf, size_t len);
int disk_bed_op(struct disk_bed *bed, enum disk_op op, uint64_t offset, uint64_t bytes);

/* Requests at random, many at a time, in pieces of all kinds, against a copy in memory of the first
 * megabytes of the disk; and all of that read at the end. discards: the disk can discard. */
void disk_bed_play(struct disk_bed *bed, unsigned seed, unsigned rounds);

#endif
