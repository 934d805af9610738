/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A logical unit: a disk, and what SCSI remembers of it. A target is all of them together.
 *
 * Source: SAM-5, 4.6 (logical units), 5.14 (unit attention conditions).
 */
#ifndef SCSI_LUN_H
#define SCSI_LUN_H

#include "disk/disk.h"

#include "sense.h"

/* Logical units of a target: 0 to SCSI_LUNS - 1. */
#define SCSI_LUNS	  16u
#define SCSI_SERIAL_BYTES 64u

struct scsi_command;

/* Conditions that the driver has to be told of, the first of these first. */
enum scsi_attention {
	ATTENTION_POWER_ON = 1,
	ATTENTION_LUN_RESET = 2,
	ATTENTION_NEXUS_LOSS = 4,
	ATTENTION_CAPACITY = 8,
	ATTENTION_LUNS = 16,
	ATTENTION_ALL = 31,
};

struct scsi_counts {
	uint64_t commands, checks; /* that ended, and with CHECK CONDITION */
	uint64_t read_bytes, written_bytes;
};

struct scsi_lun {
	unsigned number;
	struct disk *disk;
	struct disk_info info; /* as the disk last told */
	char serial[SCSI_SERIAL_BYTES + 1];
	bool wce;		   /* write cache enabled (SBC-3, 6.4.5) */
	bool stopped;		   /* by START STOP UNIT */
	unsigned attention;	   /* enum scsi_attention, together */
	struct scsi_command *busy; /* commands that wait for the disk */
	struct scsi_counts counts;
};

struct scsi_target {
	struct scsi_lun *luns[SCSI_LUNS]; /* NULL: there is none of this number */
	/* Between scsi_target_begin() and _end(): what is submitted goes out at the end. */
	bool gathering;
	unsigned kicks; /* LUNs that then have something, a bit each */
};

static inline uint64_t scsi_lun_blocks(const struct scsi_lun *lun)
{
	return lun->info.bytes / lun->info.block;
}

/* Ask the disk for its figures. */
void scsi_lun_update(struct scsi_lun *lun);
/* As after power-on, and tell the driver why. */
void scsi_lun_reset(struct scsi_lun *lun, enum scsi_attention why);
/* The first condition that is to be told, which is then forgotten; SENSE_NONE. */
enum scsi_sense scsi_lun_take_attention(struct scsi_lun *lun);

/* Commands that come together: their requests go out at the end of them. */
void scsi_target_begin(struct scsi_target *target);
void scsi_target_end(struct scsi_target *target);

#endif
