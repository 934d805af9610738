/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The interpreter of SCSI commands on two units, without a device and without rings:
 *
 *     struct scsi_bed *bed = scsi_bed_new();
 *     fails(bed, SENSE_LBA_OUT_OF_RANGE, READ_10(…));
 *     scsi_bed_free(bed);
 *
 * Data from the driver stands in bed->out (out_bytes of it), data for it comes to bed->in (in_bytes of room); both
 * are given in pieces of `piece` bytes, of which the first `skip` are somebody else's.
 */
#ifndef TESTS_SCSI_BED_H
#define TESTS_SCSI_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "virtio-scsi/bytes.h"
#include "virtio-scsi/command.h"

#include "test_scsi_disk.h"

enum {
	BED_BLOCK = 512,
	BED_BYTES = 1 << 20,
	BED_DATA = 256 << 10,
	BED_PIECES = 1024,
	BED_SKIP = 19
};

struct scsi_bed {
	struct scsi_target target;
	struct scsi_lun *lun; /* number 0 */
	struct disk *disk;
	struct scsi_command cmd;
	unsigned done; /* commands that have ended */
	/* What the next command has. */
	unsigned number;
	bool well_known;
	size_t out_bytes, in_bytes, piece;
	unsigned cdb_bytes;
	uint8_t out[BED_DATA], in[BED_DATA];
	/* The last one's. */
	uint8_t guard[BED_SKIP];
	struct iovec out_iov[BED_PIECES], in_iov[BED_PIECES];
};

struct scsi_bed *scsi_bed_new(void);
void scsi_bed_free(struct scsi_bed *bed);
/* Another unit at a number. */
struct scsi_lun *scsi_bed_lun(struct scsi_bed *bed, unsigned number, uint64_t bytes);
void scsi_bed_drop(struct scsi_bed *bed, unsigned number);
/* Begin a command. It may have ended. */
void scsi_bed_start(struct scsi_bed *bed, const uint8_t cdb[16]);
/* Its end: 0, or the sense 0xKKAAQQ, or SCSI_OVERRUN. */
int scsi_bed_result(const struct scsi_bed *bed);
/* Both. */
int scsi_bed_run(struct scsi_bed *bed, const uint8_t cdb[16]);

#define CDB(...) ((const uint8_t[16]){ __VA_ARGS__ })
#define BE16(v_) (uint8_t)((v_) >> 8), (uint8_t)(v_)
#define BE32(v_) BE16((uint32_t)(v_) >> 16), BE16(v_)
#define BE64(v_) BE32((uint64_t)(v_) >> 32), BE32(v_)

#define works(bed_, ...)	 assert_int_equal(scsi_bed_run(bed_, CDB(__VA_ARGS__)), 0)
#define fails(bed_, sense_, ...) assert_int_equal(scsi_bed_run(bed_, CDB(__VA_ARGS__)), sense_)

#define READ_10(lba_, n_)	   0x28, 0, BE32(lba_), 0, BE16(n_), 0
#define WRITE_10(lba_, n_)	   0x2a, 0, BE32(lba_), 0, BE16(n_), 0
#define READ_16(flags_, lba_, n_)  0x88, flags_, BE64(lba_), BE32(n_), 0, 0
#define WRITE_16(flags_, lba_, n_) 0x8a, flags_, BE64(lba_), BE32(n_), 0, 0

#endif
