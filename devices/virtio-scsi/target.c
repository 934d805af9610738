/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about units rather than about their blocks. SPC-4, 6.33, 6.39, 6.47; SBC-3, 5.25. */
#include <string.h>

#include "bytes.h"
#include "command.h"

int scsi_test_unit_ready(struct scsi_command *cmd)
{
	return SENSE_NONE;
}

/* What would be told with CHECK CONDITION, as data. */
int scsi_request_sense(struct scsi_command *cmd)
{
	enum { DESC = 0x01 };
	enum scsi_sense sense = SENSE_NONE;
	struct scsi_lun *lun = cmd->lun;
	uint8_t buf[SCSI_SENSE_FIXED];

	if (lun && lun->attention)
		sense = scsi_lun_take_attention(lun);
	else if (lun && lun->stopped)
		sense = SENSE_NOT_STARTED;
	else if (!lun && !cmd->well_known)
		sense = SENSE_NO_LUN;
	unsigned len = scsi_sense_write(sense, cmd->cdb[1] & DESC, buf);
	return scsi_reply(cmd, buf, len, cmd->cdb[4]);
}

int scsi_report_luns(struct scsi_command *cmd)
{
	enum { UNITS = 0, WELL_KNOWN = 1, BOTH = 2, ENTRY = 8 };
	uint8_t buf[8 + (SCSI_LUNS + 1) * ENTRY] = { 0 }, select = cmd->cdb[2];
	unsigned len = 8;

	if (select > BOTH)
		return SENSE_INVALID_FIELD;
	for (unsigned i = 0; i < SCSI_LUNS && select != WELL_KNOWN; i++) {
		struct scsi_lun *lun = cmd->target->luns[i];
		if (!lun)
			continue;
		/* It is being told now. */
		lun->attention &= ~(unsigned)ATTENTION_LUNS;
		buf[len + 1] = (uint8_t)i; /* peripheral device addressing (SAM-5, 4.7.7.2) */
		len += ENTRY;
	}
	if (select != UNITS) {
		buf[len] = 0xc1;
		buf[len + 1] = 0x01;
		len += ENTRY;
	}
	scsi_put_be(buf, 4, len - 8);
	return scsi_reply(cmd, buf, len, scsi_get_be(cmd->cdb + 6, 4));
}

static int stop(struct scsi_command *cmd)
{
	cmd->lun->stopped = true;
	return SENSE_NONE;
}

int scsi_start_stop_unit(struct scsi_command *cmd)
{
	enum { START = 0x01, LOEJ = 0x02, NO_FLUSH = 0x04 };
	enum { START_VALID = 0, ACTIVE = 1 };
	uint8_t condition = cmd->cdb[4] >> 4, bits = cmd->cdb[4] & 0x0f;

	/* Nothing can be ejected, and there are no other conditions of power. */
	if (condition > ACTIVE || (condition == START_VALID && bits & LOEJ))
		return SENSE_INVALID_FIELD;
	if (condition == ACTIVE || bits & START) {
		cmd->lun->stopped = false;
		return SENSE_NONE;
	}
	if (bits & NO_FLUSH || !cmd->lun->info.volatile_cache)
		return stop(cmd);
	return scsi_submit_flush(cmd, stop);
}
