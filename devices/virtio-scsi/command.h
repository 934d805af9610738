/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One SCSI command, from its CDB to its status: knows logical units and disks, and nothing of virtio.
 *
 *     cmd = { .target = …, .lun = …, .cdb = …, .out = …, .in = …, .done = … };
 *     scsi_command_run(&cmd);           done() from within when the disk need not be waited for
 *
 *     command.c       attention, readiness, the end        opcodes.c     what there is, in one table
 *     inquiry.c       INQUIRY and its pages                mode.c        MODE SENSE, MODE SELECT
 *     target.c        REPORT LUNS, REQUEST SENSE, …        capacity.c    READ CAPACITY
 *     read_write.c    READ, WRITE, VERIFY, caches          unmap.c       UNMAP, WRITE SAME
 *
 * Nothing in a CDB or in its data is trusted.
 *
 * Source: SAM-5, SPC-4, SBC-3.
 */
#ifndef SCSI_COMMAND_H
#define SCSI_COMMAND_H

#include "lun.h"

/* Bytes of a CDB that are looked at: no command here has more. */
#define SCSI_CDB_BYTES 16u
/* Pieces of memory of one request to the disk, where the driver's own list does not fit: a command of SCSI_SEGS
 * pieces, and some that are in several places here. */
#define SCSI_SEGS   126u
#define SCSI_WINDOW 132u

/* Data of a command in the driver's memory: `bytes` of iov's (n pieces), after the first `skip`. */
struct scsi_data {
	const struct iovec *iov;
	unsigned n;
	size_t skip, bytes;
};

struct scsi_command {
	struct scsi_target *target;
	struct scsi_lun *lun; /* NULL: not there, or the one for REPORT LUNS */
	unsigned number;      /* of the logical unit, as addressed */
	bool well_known;      /* REPORT LUNS' own logical unit (SPC-4, 8.2) */
	uint8_t cdb[SCSI_CDB_BYTES];
	unsigned cdb_bytes; /* that the driver gave, the others are 0 */
	struct scsi_data out, in;
	void (*done)(struct scsi_command *cmd);
	bool aborted; /* set while it is busy: end as soon as the disk lets go */

	/* How it ended. */
	enum scsi_status status;
	bool overrun; /* it moves more than there is room for (5.6.6.1.1, OVERRUN); the status means nothing */
	size_t moved; /* bytes of data */
	unsigned sense_bytes;
	uint8_t sense[SCSI_SENSE_FIXED];

	/* The interpreter's own. */
	struct scsi_command *next, **link;     /* of lun->busy */
	int (*step)(struct scsi_command *cmd); /* what follows when the disk is done */
	bool stepping, answered, submitted;
	int ret; /* of the disk */
	bool fua;
	uint64_t at, left;     /* bytes of the disk: where to go on, and how much */
	size_t from;	       /* of the data */
	unsigned index, count; /* parts of a list */
	struct disk_request disk;
	struct iovec window[SCSI_WINDOW];
};

/* Run it. done() is called once, perhaps from within; the command is then the caller's again. */
void scsi_command_run(struct scsi_command *cmd);

/* ---- Inside the interpreter ------------------------------------------------------------------ */

/*
 * What a command's function gives: SENSE_NONE when all went well, another enum scsi_sense, or one of these.
 */
enum { SCSI_WAITS = -1 /* cmd->step() follows */, SCSI_OVERRUN = -2 };

typedef int scsi_run_fn(struct scsi_command *cmd);

enum {
	OP_ABSENT = 1,	   /* answers for a logical unit that is not there, too */
	OP_WELL_KNOWN = 2, /* REPORT LUNS' own logical unit knows it */
	OP_CALM = 4,	   /* unit attentions do not keep it from running (SAM-5, 5.14.1) */
	OP_MEDIUM = 8,	   /* for a unit that was started */
	OP_WRITES = 16,	   /* not for one that is write-protected */
	OP_THIN = 32,	   /* where blocks can be given back */
};

struct scsi_opcode {
	uint8_t opcode;
	bool has_action; /* with a service action in byte 1 */
	uint8_t action;
	uint8_t bytes, flags;
	scsi_run_fn *run;
	uint8_t usage[SCSI_CDB_BYTES]; /* bits of each byte that mean something (SPC-4, 6.35.3) */
};

/* The command of a CDB, as this logical unit has it (NULL: any); NULL: it has not. */
const struct scsi_opcode *scsi_opcode_find(
	const struct scsi_lun *lun, uint8_t opcode, unsigned action);
/* Is an opcode one of several commands, told apart by a service action? */
bool scsi_opcode_has_actions(uint8_t opcode);

/* Data for the driver: len bytes of buf, of which it wants `most` (allocation length). */
int scsi_reply(struct scsi_command *cmd, const void *buf, size_t len, size_t most);
/* Data from the driver: len bytes at `from`. False: there are fewer. */
bool scsi_take(const struct scsi_command *cmd, size_t from, void *buf, size_t len);
/*
 * Pieces of the data from `from` on, at most `bytes` of them, for a request to the disk: sets iov and n, and
 * gives the bytes of them, a multiple of block; 0: the pieces are too small for that. Uses cmd->window.
 */
size_t scsi_pieces(struct scsi_command *cmd, const struct scsi_data *data, size_t from,
	uint64_t bytes, uint32_t block, const struct iovec **iov, unsigned *n);
/* Hand cmd->disk to the disk; step follows if it goes well. */
int scsi_submit(struct scsi_command *cmd, scsi_run_fn *step);
/* Write what is in the disk's cache; step follows. */
int scsi_submit_flush(struct scsi_command *cmd, scsi_run_fn *step);
/* A step that ends the command well. */
scsi_run_fn scsi_step_end;

scsi_run_fn scsi_test_unit_ready, scsi_request_sense, scsi_report_luns, scsi_start_stop_unit,
	scsi_report_opcodes, scsi_report_tasks;
scsi_run_fn scsi_inquiry;
scsi_run_fn scsi_mode_sense, scsi_mode_select;
scsi_run_fn scsi_read_capacity_10, scsi_read_capacity_16;
scsi_run_fn scsi_read, scsi_write, scsi_verify, scsi_synchronize_cache;
scsi_run_fn scsi_unmap, scsi_write_same;

/* Do blocks lie on the disk? */
bool scsi_range_is_inside(const struct scsi_lun *lun, uint64_t lba, uint64_t blocks);

/* Blocks that may be given back at once, and written by WRITE SAME: what a request may cost. */
uint64_t scsi_unmap_most(const struct scsi_lun *lun);
uint64_t scsi_write_same_most(const struct scsi_lun *lun);
#define SCSI_UNMAP_RANGES 256u

#endif
