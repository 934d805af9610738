/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks given back, and many written alike: UNMAP and WRITE SAME, SBC-3, 5.30, 5.41, 5.42. */
#include <string.h>

#include "bytes.h"
#include "command.h"

/* Bytes that one command may cost: a guest must not keep its device busy for minutes. */
#define UNMAP_BYTES	 (UINT64_C(4) << 30)
#define WRITE_SAME_BYTES (UINT64_C(32) << 20)

uint64_t scsi_unmap_most(const struct scsi_lun *lun)
{
	return UNMAP_BYTES / lun->info.block;
}

uint64_t scsi_write_same_most(const struct scsi_lun *lun)
{
	return WRITE_SAME_BYTES / lun->info.block;
}

/* ---- UNMAP --------------------------------------------------------------------------------------- */

enum { HEADER = 8, RANGE = 16 };

/* A range of the list, checked. It is read again when its turn comes, and then checked again. */
static int range_at(const struct scsi_command *cmd, unsigned index, uint64_t *lba, uint64_t *blocks)
{
	uint8_t range[RANGE];

	scsi_take(cmd, HEADER + (size_t)index * RANGE, range, sizeof(range));
	*lba = scsi_get_be(range, 8);
	*blocks = scsi_get_be(range + 8, 4);
	if (!scsi_range_is_inside(cmd->lun, *lba, *blocks))
		return SENSE_LBA_OUT_OF_RANGE;
	return *blocks > scsi_unmap_most(cmd->lun) ? SENSE_INVALID_PARAMETER : SENSE_NONE;
}

static int unmap_next(struct scsi_command *cmd)
{
	struct disk_request *req = &cmd->disk;
	uint64_t lba, blocks = 0;

	while (!blocks) {
		if (cmd->index == cmd->count) {
			cmd->moved = cmd->from;
			return SENSE_NONE;
		}
		int ret = range_at(cmd, cmd->index++, &lba, &blocks);
		if (ret)
			return ret;
	}
	*req = (struct disk_request){
		.op = DISK_DISCARD,
		.offset = lba * cmd->lun->info.block,
		.bytes = blocks * cmd->lun->info.block,
	};
	return scsi_submit(cmd, unmap_next);
}

int scsi_unmap(struct scsi_command *cmd)
{
	enum { ANCHOR = 0x01 };
	size_t len = scsi_get_be(cmd->cdb + 7, 2);
	uint64_t sum = 0, lba, blocks;
	uint8_t header[HEADER];

	if (cmd->cdb[1] & ANCHOR)
		return SENSE_INVALID_FIELD;
	if (!len)
		return SENSE_NONE;
	if (len > cmd->out.bytes)
		return SCSI_OVERRUN;
	if (len < HEADER)
		return SENSE_LIST_LENGTH;
	scsi_take(cmd, 0, header, sizeof(header));
	/* Of what is said to follow, what is there, and whole ranges of it (5.30.2). */
	size_t ranges = scsi_get_be(header + 2, 2);
	if (ranges > len - HEADER)
		ranges = len - HEADER;
	ranges /= RANGE;
	if (ranges > SCSI_UNMAP_RANGES)
		return SENSE_INVALID_PARAMETER;
	for (unsigned i = 0; i < ranges; i++) {
		int ret = range_at(cmd, i, &lba, &blocks);
		sum += blocks;
		if (!ret && sum > scsi_unmap_most(cmd->lun))
			ret = SENSE_INVALID_PARAMETER;
		if (ret)
			return ret;
	}
	cmd->index = 0;
	cmd->count = (unsigned)ranges;
	cmd->from = len;
	return unmap_next(cmd);
}

/* ---- WRITE SAME ---------------------------------------------------------------------------------- */

/* The block that the driver gave: nothing but zeroes? If it changes it under us, either is right. */
static bool is_zero(const struct scsi_command *cmd)
{
	uint8_t part[512];

	for (size_t at = 0; at < cmd->lun->info.block; at += sizeof(part)) {
		scsi_take(cmd, at, part, sizeof(part));
		for (size_t i = 0; i < sizeof(part); i++) {
			if (part[i])
				return false;
		}
	}
	return true;
}

/* As many copies of the block as fit into one request. */
static int write_copies(struct scsi_command *cmd)
{
	uint32_t block = cmd->lun->info.block;
	struct disk_request *req = &cmd->disk;
	const struct iovec *iov;
	unsigned pieces, copies;

	if (!cmd->left) {
		cmd->moved = block;
		return SENSE_NONE;
	}
	if (scsi_pieces(cmd, &cmd->out, 0, block, block, &iov, &pieces) != block ||
		pieces > SCSI_WINDOW)
		return SENSE_RESOURCES;
	memmove(cmd->window, iov, pieces * sizeof(*iov));
	for (copies = 1;
		(copies + 1) * pieces <= SCSI_WINDOW && copies * (uint64_t)block < cmd->left;
		copies++)
		memcpy(cmd->window + copies * pieces, cmd->window, pieces * sizeof(*iov));
	*req = (struct disk_request){
		.op = DISK_WRITE,
		.durable = !cmd->lun->wce,
		.offset = cmd->at,
		.bytes = copies * (uint64_t)block,
		.iov = cmd->window,
		.niov = copies * pieces,
	};
	cmd->at += req->bytes;
	cmd->left -= req->bytes;
	cmd->lun->counts.written_bytes += req->bytes;
	return scsi_submit(cmd, write_copies);
}

/* Zeroes are as durable as any write (6.4.5, WCE). */
static int zeroed(struct scsi_command *cmd)
{
	cmd->moved = cmd->from;
	return cmd->lun->wce ? SENSE_NONE : scsi_submit_flush(cmd, scsi_step_end);
}

int scsi_write_same(struct scsi_command *cmd)
{
	enum { NDOB = 0x01, UNMAP = 0x08, ANCHOR = 0x10, PROTECT = 0xe0 };
	const struct scsi_lun *lun = cmd->lun;
	const uint8_t *cdb = cmd->cdb;
	bool is_long = cdb[0] == 0x93, no_data = is_long && cdb[1] & NDOB, unmap = cdb[1] & UNMAP;
	uint64_t lba = is_long ? scsi_get_be(cdb + 2, 8) : scsi_get_be(cdb + 2, 4);
	uint64_t blocks = is_long ? scsi_get_be(cdb + 10, 4) : scsi_get_be(cdb + 7, 2);

	if (cdb[1] & (ANCHOR | PROTECT) || (unmap && !lun->info.discards))
		return SENSE_INVALID_FIELD;
	/* WSNZ: no blocks do not mean all of them (6.5.3). */
	if (!blocks || blocks > scsi_write_same_most(lun))
		return SENSE_INVALID_FIELD;
	if (!scsi_range_is_inside(lun, lba, blocks))
		return SENSE_LBA_OUT_OF_RANGE;
	if (!no_data && lun->info.block > cmd->out.bytes)
		return SCSI_OVERRUN;
	cmd->at = lba * lun->info.block;
	cmd->left = blocks * lun->info.block;
	cmd->from = no_data ? 0 : lun->info.block;
	if (!no_data && !is_zero(cmd))
		return write_copies(cmd);
	cmd->disk = (struct disk_request){
		.op = DISK_ZEROES,
		.unmap = unmap,
		.offset = cmd->at,
		.bytes = cmd->left,
	};
	cmd->lun->counts.written_bytes += cmd->left;
	return scsi_submit(cmd, zeroed);
}
