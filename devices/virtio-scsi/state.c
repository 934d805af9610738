/* SPDX-License-Identifier: BSD-3-Clause */
/* What the host remembers beyond its queues: sizes, events that wait, and of each unit its cache and attention. */
#include <errno.h>
#include <string.h>

#include "adapter.h"

enum { VERSION = 1 };
enum { UNIT_THERE = 1, UNIT_WCE = 2, UNIT_STOPPED = 4 };

struct saved_unit {
	uint8_t flags, attention;
};

/* Numbers little-endian. */
struct saved {
	uint8_t version, zero;
	uint8_t removed[2], added[2], resized[2];
	uint8_t sizes[8];
	struct saved_unit units[SCSI_LUNS];
};

ssize_t scsi_state_save(struct medio_dev *dev, void *buf, size_t cap)
{
	const struct scsi_adapter *adapter = medio_priv(dev);
	struct saved saved = { .version = VERSION };

	if (cap < sizeof(saved))
		return sizeof(saved);
	medio_put_le(saved.removed, 2, adapter->removed);
	medio_put_le(saved.added, 2, adapter->added);
	medio_put_le(saved.resized, 2, adapter->resized);
	memcpy(saved.sizes, adapter->sizes, sizeof(saved.sizes));
	for (unsigned i = 0; i < SCSI_LUNS; i++) {
		const struct scsi_lun *lun = adapter->target.luns[i];
		if (!lun)
			continue;
		saved.units[i].flags = (uint8_t)(UNIT_THERE | (lun->wce ? UNIT_WCE : 0) |
						 (lun->stopped ? UNIT_STOPPED : 0));
		saved.units[i].attention = (uint8_t)lun->attention;
	}
	memcpy(buf, &saved, sizeof(saved));
	return sizeof(saved);
}

/* Units may differ from those that were saved: plugging is not remembered. What is new is told as such. */
static void load_unit(struct scsi_lun *lun, const struct saved_unit *saved)
{
	if (!(saved->flags & UNIT_THERE)) {
		scsi_lun_reset(lun, ATTENTION_POWER_ON);
		return;
	}
	lun->wce = saved->flags & UNIT_WCE && lun->info.volatile_cache;
	lun->stopped = saved->flags & UNIT_STOPPED;
	lun->attention = saved->attention;
}

int scsi_state_load(struct medio_dev *dev, const void *buf, size_t size)
{
	const uint8_t flags = UNIT_THERE | UNIT_WCE | UNIT_STOPPED;
	struct scsi_adapter *adapter = medio_priv(dev);
	struct saved saved;

	if (size != sizeof(saved))
		return -EINVAL;
	memcpy(&saved, buf, sizeof(saved));
	if (saved.version != VERSION || saved.zero)
		return -EINVAL;
	for (unsigned i = 0; i < SCSI_LUNS; i++) {
		const struct saved_unit *unit = &saved.units[i];
		if (unit->flags & ~flags || unit->attention & ~ATTENTION_ALL)
			return -EINVAL;
		if (!(unit->flags & UNIT_THERE) && (unit->flags || unit->attention))
			return -EINVAL;
	}
	memcpy(adapter->sizes, saved.sizes, sizeof(adapter->sizes));
	adapter->removed = (unsigned)medio_get_le(saved.removed, 2);
	adapter->added = (unsigned)medio_get_le(saved.added, 2);
	adapter->resized = (unsigned)medio_get_le(saved.resized, 2);
	for (unsigned i = 0; i < SCSI_LUNS; i++) {
		if (adapter->target.luns[i])
			load_unit(adapter->target.luns[i], &saved.units[i]);
	}
	scsi_events_send(adapter);
	return 0;
}
