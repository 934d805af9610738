/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocks from the disk and to it: READ, WRITE, VERIFY and SYNCHRONIZE CACHE, SBC-3, 5.10 to 5.13, 5.21 to
 * 5.23, 5.26 to 5.29, 5.32 to 5.35.
 */
#include <string.h>

#include "bytes.h"
#include "command.h"

enum { FUA = 0x08, PROTECT = 0xe0, BYTCHK = 0x06 };

struct range {
	uint64_t lba, blocks;
};

/* Where a CDB of this length has them. */
static struct range range_of(const uint8_t *cdb)
{
	switch (cdb[0] >> 5) {
	case 0: /* 6 bytes; no blocks mean 256 (5.11) */
		return (struct range){ scsi_get_be(cdb + 1, 3) & 0x1fffff, cdb[4] ? cdb[4] : 256 };
	case 1: /* 10 */
		return (struct range){ scsi_get_be(cdb + 2, 4), scsi_get_be(cdb + 7, 2) };
	case 5: /* 12 */
		return (struct range){ scsi_get_be(cdb + 2, 4), scsi_get_be(cdb + 6, 4) };
	default: /* 16 */
		return (struct range){ scsi_get_be(cdb + 2, 8), scsi_get_be(cdb + 10, 4) };
	}
}

bool scsi_range_is_inside(const struct scsi_lun *lun, uint64_t lba, uint64_t blocks)
{
	uint64_t has = scsi_lun_blocks(lun);

	return lba <= has && blocks <= has - lba;
}

/* ---- READ and WRITE ------------------------------------------------------------------------------ */

/* The next part, as much as one request of the disk takes. */
static int move(struct scsi_command *cmd)
{
	bool write = cmd->disk.op == DISK_WRITE;
	uint64_t *count = write ? &cmd->lun->counts.written_bytes : &cmd->lun->counts.read_bytes;
	struct disk_request *req = &cmd->disk;

	cmd->moved = cmd->from;
	if (!cmd->left)
		return SENSE_NONE;
	size_t bytes = scsi_pieces(cmd, write ? &cmd->out : &cmd->in, cmd->from, cmd->left,
		cmd->lun->info.block, &req->iov, &req->niov);
	/* More pieces to a block than there is room for: no driver that was told seg_max does that. */
	if (!bytes)
		return SENSE_RESOURCES;
	req->unmap = false;
	req->durable = write && (cmd->fua || !cmd->lun->wce);
	req->offset = cmd->at;
	req->bytes = bytes;
	cmd->at += bytes;
	cmd->from += bytes;
	cmd->left -= bytes;
	*count += bytes;
	return scsi_submit(cmd, move);
}

/* What a read with FUA waited for has been written (5.10). */
static int read_after_flush(struct scsi_command *cmd)
{
	cmd->disk.op = DISK_READ;
	return move(cmd);
}

static int begin(struct scsi_command *cmd, enum disk_op op)
{
	struct range range = range_of(cmd->cdb);
	bool has_flags = cmd->cdb[0] >> 5 != 0;
	const struct scsi_data *data = op == DISK_READ ? &cmd->in : &cmd->out;

	/* No protection information is kept (4.22). */
	if (has_flags && cmd->cdb[1] & PROTECT)
		return SENSE_INVALID_FIELD;
	if (!scsi_range_is_inside(cmd->lun, range.lba, range.blocks))
		return SENSE_LBA_OUT_OF_RANGE;
	uint64_t bytes = range.blocks * cmd->lun->info.block;
	if (bytes > data->bytes)
		return SCSI_OVERRUN;
	cmd->fua = has_flags && cmd->cdb[1] & FUA;
	cmd->at = range.lba * cmd->lun->info.block;
	cmd->left = bytes;
	cmd->from = 0;
	cmd->disk.op = op;
	if (op == DISK_READ && cmd->fua && cmd->lun->wce && bytes)
		return scsi_submit_flush(cmd, read_after_flush);
	return move(cmd);
}

int scsi_read(struct scsi_command *cmd)
{
	return begin(cmd, DISK_READ);
}

int scsi_write(struct scsi_command *cmd)
{
	return begin(cmd, DISK_WRITE);
}

/* ---- Without data -------------------------------------------------------------------------------- */

/* That blocks are there is what can be said of them; to compare (BYTCHK) is not offered. */
int scsi_verify(struct scsi_command *cmd)
{
	struct range range = range_of(cmd->cdb);

	if (cmd->cdb[1] & (PROTECT | BYTCHK))
		return SENSE_INVALID_FIELD;
	if (!scsi_range_is_inside(cmd->lun, range.lba, range.blocks))
		return SENSE_LBA_OUT_OF_RANGE;
	return SENSE_NONE;
}

/* The whole cache is written, whatever part is asked for. IMMED is answered afterwards all the same. */
int scsi_synchronize_cache(struct scsi_command *cmd)
{
	struct range range = range_of(cmd->cdb);

	if (!scsi_range_is_inside(cmd->lun, range.lba, range.blocks))
		return SENSE_LBA_OUT_OF_RANGE;
	return scsi_submit_flush(cmd, scsi_step_end);
}
