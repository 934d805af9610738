/* SPDX-License-Identifier: BSD-3-Clause */
#include "test_scsi_bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_resize(void *opaque)
{
	struct scsi_lun *lun = opaque;

	scsi_lun_update(lun);
	lun->attention |= ATTENTION_CAPACITY;
}

struct scsi_lun *scsi_bed_lun(struct scsi_bed *bed, unsigned number, uint64_t bytes)
{
	struct scsi_lun *lun = calloc(1, sizeof(*lun));

	lun->number = number;
	lun->disk = fake_open(bytes, on_resize, lun);
	snprintf(lun->serial, sizeof(lun->serial), "unit-%u", number);
	scsi_lun_update(lun);
	lun->wce = lun->info.volatile_cache;
	bed->target.luns[number] = lun;
	return lun;
}

void scsi_bed_drop(struct scsi_bed *bed, unsigned number)
{
	struct scsi_lun *lun = bed->target.luns[number];

	if (!lun)
		return;
	disk_close(lun->disk);
	free(lun);
	bed->target.luns[number] = NULL;
}

struct scsi_bed *scsi_bed_new(void)
{
	struct scsi_bed *bed = calloc(1, sizeof(*bed));

	fake_info = (struct disk_info){
		.block = BED_BLOCK,
		.physical = 4096,
		.optimal = 65536,
		.volatile_cache = true,
		.discards = true,
		.zeroes = true,
		.discard_unit = 4096,
		.backend = "fake",
	};
	bed->lun = scsi_bed_lun(bed, 0, BED_BYTES);
	bed->disk = bed->lun->disk;
	bed->cdb_bytes = 32;
	bed->in_bytes = BED_DATA;
	bed->piece = 4096;
	return bed;
}

void scsi_bed_free(struct scsi_bed *bed)
{
	for (unsigned i = 0; i < SCSI_LUNS; i++)
		scsi_bed_drop(bed, i);
	assert_int_equal(fake_disks(), 0);
	free(bed);
}

static void on_done(struct scsi_command *cmd)
{
	struct scsi_bed *bed = (void *)((char *)cmd - offsetof(struct scsi_bed, cmd));

	bed->done++;
}

/* In a first piece that is longer by the skip, which ends in the guard; then pieces of the bed's. */
static struct scsi_data cut(struct scsi_bed *bed, struct iovec *iov, uint8_t *data, size_t bytes)
{
	struct scsi_data out = { .iov = iov, .n = 1, .skip = BED_SKIP, .bytes = bytes };
	size_t at = 0;

	iov[0] = (struct iovec){ bed->guard, BED_SKIP };
	while (at < bytes) {
		size_t now = bytes - at < bed->piece ? bytes - at : bed->piece;
		assert_true(out.n < BED_PIECES);
		iov[out.n++] = (struct iovec){ data + at, now };
		at += now;
	}
	return out;
}

void scsi_bed_start(struct scsi_bed *bed, const uint8_t cdb[16])
{
	struct scsi_command *cmd = &bed->cmd;
	unsigned has = bed->cdb_bytes < 16 ? bed->cdb_bytes : 16;

	memset(bed->guard, 0xa5, sizeof(bed->guard));
	/* What the interpreter must not rely on. */
	memset(cmd, 0xa5, sizeof(*cmd));
	cmd->target = &bed->target;
	cmd->lun = bed->number < SCSI_LUNS && !bed->well_known ? bed->target.luns[bed->number]
							       : NULL;
	cmd->number = bed->number;
	cmd->well_known = bed->well_known;
	memset(cmd->cdb, 0, sizeof(cmd->cdb));
	memcpy(cmd->cdb, cdb, has);
	cmd->cdb_bytes = has;
	cmd->out = cut(bed, bed->out_iov, bed->out, bed->out_bytes);
	cmd->in = cut(bed, bed->in_iov, bed->in, bed->in_bytes);
	cmd->done = on_done;
	bed->done = 0;
	scsi_command_run(cmd);
}

int scsi_bed_result(const struct scsi_bed *bed)
{
	const struct scsi_command *cmd = &bed->cmd;

	assert_int_equal(bed->done, 1);
	for (unsigned i = 0; i < sizeof(bed->guard); i++)
		assert_int_equal(bed->guard[i], 0xa5);
	if (cmd->overrun)
		return SCSI_OVERRUN;
	if (cmd->status == SCSI_GOOD) {
		assert_int_equal(cmd->sense_bytes, 0);
		return 0;
	}
	assert_int_equal(cmd->status, SCSI_CHECK_CONDITION);
	assert_int_equal(cmd->sense_bytes, 18);
	assert_int_equal(cmd->sense[0], 0x70);
	assert_int_equal(cmd->sense[7], 10);
	assert_int_equal(cmd->moved, 0);
	return cmd->sense[2] << 16 | cmd->sense[12] << 8 | cmd->sense[13];
}

int scsi_bed_run(struct scsi_bed *bed, const uint8_t cdb[16])
{
	scsi_bed_start(bed, cdb);
	return scsi_bed_result(bed);
}
