/* SPDX-License-Identifier: BSD-3-Clause */
#include "lun.h"

void scsi_lun_update(struct scsi_lun *lun)
{
	disk_get_info(lun->disk, &lun->info);
}

void scsi_lun_reset(struct scsi_lun *lun, enum scsi_attention why)
{
	lun->wce = lun->info.volatile_cache;
	lun->stopped = false;
	/* A reset makes what happened before it old news (SAM-5, 5.14.2). */
	lun->attention = (lun->attention & ATTENTION_LUNS) | why;
}

enum scsi_sense scsi_lun_take_attention(struct scsi_lun *lun)
{
	static const struct {
		enum scsi_attention bit;
		enum scsi_sense sense;
	} table[] = {
		{ ATTENTION_POWER_ON, SENSE_POWER_ON },
		{ ATTENTION_LUN_RESET, SENSE_LUN_RESET },
		{ ATTENTION_NEXUS_LOSS, SENSE_NEXUS_LOSS },
		{ ATTENTION_CAPACITY, SENSE_CAPACITY_CHANGED },
		{ ATTENTION_LUNS, SENSE_LUNS_CHANGED },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		if (!(lun->attention & table[i].bit))
			continue;
		lun->attention &= ~(unsigned)table[i].bit;
		return table[i].sense;
	}
	return SENSE_NONE;
}

void scsi_target_begin(struct scsi_target *target)
{
	target->gathering = true;
}

void scsi_target_end(struct scsi_target *target)
{
	target->gathering = false;
	for (unsigned i = 0; target->kicks; i++) {
		if (target->kicks & 1u << i && target->luns[i])
			disk_kick(target->luns[i]->disk);
		target->kicks &= ~(1u << i);
	}
}
