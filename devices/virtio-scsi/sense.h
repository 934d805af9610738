/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why a command did not end well: sense data.
 *
 * Source: SPC-4, 4.5; SAM-5, 5.3.1 (status codes).
 */
#ifndef SCSI_SENSE_H
#define SCSI_SENSE_H

#include <stdbool.h>
#include <stdint.h>

enum scsi_status { SCSI_GOOD = 0x00, SCSI_CHECK_CONDITION = 0x02 };

/* Sense key, additional sense code, its qualifier: 0xKKAAQQ. SPC-4, tables 48 and 49. */
enum scsi_sense {
	SENSE_NONE = 0,
	SENSE_NOT_STARTED = 0x020402,	    /* NOT READY: a START is required */
	SENSE_NO_MEDIUM = 0x023a00,	    /* NOT READY: a disk of no blocks */
	SENSE_WRITE_ERROR = 0x030c00,	    /* MEDIUM ERROR */
	SENSE_READ_ERROR = 0x031100,	    /* MEDIUM ERROR: unrecovered */
	SENSE_LIST_LENGTH = 0x051a00,	    /* ILLEGAL REQUEST: parameter list length error */
	SENSE_INVALID_OPCODE = 0x052000,    /* ILLEGAL REQUEST */
	SENSE_LBA_OUT_OF_RANGE = 0x052100,  /* ILLEGAL REQUEST */
	SENSE_INVALID_FIELD = 0x052400,	    /* ILLEGAL REQUEST: in the CDB */
	SENSE_NO_LUN = 0x052500,	    /* ILLEGAL REQUEST: logical unit not supported */
	SENSE_INVALID_PARAMETER = 0x052600, /* ILLEGAL REQUEST: in the parameter list */
	SENSE_NOT_SAVED = 0x053900,	    /* ILLEGAL REQUEST: saving parameters not supported */
	SENSE_POWER_ON = 0x062900,   /* UNIT ATTENTION: power on, reset, or bus device reset */
	SENSE_LUN_RESET = 0x062903,  /* UNIT ATTENTION: bus device reset function occurred */
	SENSE_NEXUS_LOSS = 0x062907, /* UNIT ATTENTION: I_T nexus loss occurred */
	SENSE_CAPACITY_CHANGED = 0x062a09, /* UNIT ATTENTION */
	SENSE_LUNS_CHANGED = 0x063f0e,	   /* UNIT ATTENTION: reported LUNs data has changed */
	SENSE_WRITE_PROTECTED = 0x072700,  /* DATA PROTECT */
	SENSE_NO_SPACE = 0x072707,	   /* DATA PROTECT: space allocation failed */
	SENSE_RESOURCES = 0x0b5500,	   /* ABORTED COMMAND: system resource failure */
};

/* Bytes of sense data, in fixed and in descriptor format. */
enum { SCSI_SENSE_FIXED = 18, SCSI_SENSE_DESCRIPTOR = 8 };

/* Write it for `sense`; returns its bytes. SPC-4, 4.5.3 (fixed) and 4.5.2 (descriptor). */
unsigned scsi_sense_write(enum scsi_sense sense, bool descriptor, uint8_t buf[SCSI_SENSE_FIXED]);
/* What a failure of the disk (-errno) means to the driver; write: it was not a read. */
enum scsi_sense scsi_sense_of_error(int ret, bool write);

#endif
