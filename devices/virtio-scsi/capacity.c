/* SPDX-License-Identifier: BSD-3-Clause */
/* READ CAPACITY (10) and (16): SBC-3, 5.16 and 5.17. */
#include "bytes.h"
#include "command.h"

/* Whoever asks, does so because the disk may have another size by now. He is told here. */
static uint64_t last_block(struct scsi_command *cmd)
{
	disk_refresh(cmd->lun->disk);
	cmd->lun->attention &= ~(unsigned)ATTENTION_CAPACITY;
	return scsi_lun_blocks(cmd->lun) - 1;
}

int scsi_read_capacity_10(struct scsi_command *cmd)
{
	enum { PMI = 0x01 };
	uint8_t buf[8];

	/* Without PMI, which is obsolete, there is nothing to say about a block. */
	if (scsi_get_be(cmd->cdb + 2, 4) || cmd->cdb[8] & PMI)
		return SENSE_INVALID_FIELD;
	uint64_t last = last_block(cmd);
	/* More than fits: ask the long one. */
	scsi_put_be(buf, 4, last < UINT32_MAX ? last : UINT32_MAX);
	scsi_put_be(buf + 4, 4, cmd->lun->info.block);
	return scsi_reply(cmd, buf, sizeof(buf), sizeof(buf));
}

int scsi_read_capacity_16(struct scsi_command *cmd)
{
	enum { PMI = 0x01, LBPME = 0x80 };
	const struct disk_info *info = &cmd->lun->info;
	uint8_t buf[32] = { 0 };

	if (scsi_get_be(cmd->cdb + 2, 8) || cmd->cdb[14] & PMI)
		return SENSE_INVALID_FIELD;
	scsi_put_be(buf, 8, last_block(cmd));
	scsi_put_be(buf + 8, 4, info->block);
	/* Logical blocks in a physical one, as a power of 2. */
	for (uint64_t n = info->physical / info->block; n > 1 && buf[13] < 15; n >>= 1)
		buf[13]++;
	if (info->discards)
		buf[14] = LBPME;
	return scsi_reply(cmd, buf, sizeof(buf), scsi_get_be(cmd->cdb + 10, 4));
}
