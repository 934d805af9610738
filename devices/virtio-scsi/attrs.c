/* SPDX-License-Identifier: BSD-3-Clause */
/* What the host shows of itself, and takes from its user. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "adapter.h"

/* ---- Numbers ------------------------------------------------------------------------------------- */

static uint64_t sum(const struct scsi_adapter *adapter, size_t offset)
{
	uint64_t total = 0, value;

	for (unsigned i = 0; i < SCSI_LUNS; i++) {
		const struct scsi_lun *lun = adapter->target.luns[i];
		if (!lun)
			continue;
		memcpy(&value, (const char *)&lun->counts + offset, sizeof(value));
		total += value;
	}
	return total;
}

static ssize_t show_number(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct scsi_adapter *adapter = medio_priv(dev);
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "requests", adapter->counts.requests },
		{ "cancelled", adapter->counts.cancelled },
		{ "refused", adapter->counts.refused },
		{ "tasks", adapter->counts.tasks },
		{ "events", adapter->counts.events },
		{ "errors", sum(adapter, offsetof(struct scsi_counts, checks)) },
		{ "read_bytes", sum(adapter, offsetof(struct scsi_counts, read_bytes)) },
		{ "written_bytes", sum(adapter, offsetof(struct scsi_counts, written_bytes)) },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		if (!strcmp(attr->name + strlen("scsi/"), numbers[i].name))
			return snprintf(buf, size, "%llu\n", (unsigned long long)numbers[i].value);
	}
	return -ENOENT;
}

/* ---- Units --------------------------------------------------------------------------------------- */

/* Text that grows; what there is no more room for is counted all the same. */
struct text {
	char *buf;
	size_t size, len;
};

static size_t room(const struct text *text)
{
	return text->len < text->size ? text->size - text->len : 0;
}

static char *place(const struct text *text)
{
	return room(text) ? text->buf + text->len : NULL;
}

static void grow(struct text *text, int len)
{
	text->len += len > 0 ? (size_t)len : 0;
}

#define say(text_, ...) grow(text_, snprintf(place(text_), room(text_), __VA_ARGS__))

/* lun0 file:a.img, 1073741824 bytes in blocks of 512, file (io_uring), write back */
static ssize_t show_luns(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct scsi_adapter *adapter = medio_priv(dev);
	struct text text = { buf, size, 0 };

	(void)attr;
	for (unsigned i = 0; i < SCSI_LUNS; i++) {
		const struct scsi_unit *unit = scsi_unit_at(adapter, i);
		if (!unit)
			continue;
		const struct scsi_lun *lun = &unit->lun;
		say(&text, "lun%u %s, %llu bytes in blocks of %u, %s, %s%s%s\n", i, unit->spec,
			(unsigned long long)lun->info.bytes, lun->info.block, lun->info.backend,
			lun->wce ? "write back" : "write through",
			lun->info.readonly ? ", read-only" : "", lun->stopped ? ", stopped" : "");
	}
	return (ssize_t)text.len;
}

/* How the disks did it all: a line a unit, as blk/work has it. */
static ssize_t show_work(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct scsi_adapter *adapter = medio_priv(dev);
	struct text text = { buf, size, 0 };
	struct disk_counts n;

	(void)attr;
	for (unsigned i = 0; i < SCSI_LUNS; i++) {
		const struct scsi_lun *lun = adapter->target.luns[i];
		if (!lun)
			continue;
		disk_get_counts(lun->disk, &n);
		say(&text,
			"lun%u at_once %llu rings %llu threads %llu bounced %llu flushes %llu errors "
			"%llu calls %llu\n",
			i, (unsigned long long)n.at_once, (unsigned long long)n.rings,
			(unsigned long long)n.threads, (unsigned long long)n.bounced,
			(unsigned long long)n.flushes, (unsigned long long)n.errors,
			(unsigned long long)n.calls);
	}
	return (ssize_t)text.len;
}

static int store_plug(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	(void)attr;
	return scsi_unit_plug(medio_priv(dev), buf, size);
}

static int store_unplug(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	(void)attr;
	return scsi_unit_unplug(medio_priv(dev), buf, size);
}

static int store_rescan(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	const struct scsi_adapter *adapter = medio_priv(dev);

	(void)attr;
	if (!size || buf[0] != '1' || (size > 1 && buf[1] != '\n') || size > 2)
		return -EINVAL;
	for (unsigned i = 0; i < SCSI_LUNS; i++) {
		if (adapter->target.luns[i])
			disk_refresh(adapter->target.luns[i]->disk);
	}
	return 0;
}

const struct medio_attr scsi_attrs[] = {
	MEDIO_VIRTIO_ATTRS,
	{ "scsi/luns", show_luns, NULL },
	{ "scsi/requests", show_number, NULL },
	{ "scsi/read_bytes", show_number, NULL },
	{ "scsi/written_bytes", show_number, NULL },
	{ "scsi/errors", show_number, NULL },
	{ "scsi/refused", show_number, NULL },
	{ "scsi/cancelled", show_number, NULL },
	{ "scsi/tasks", show_number, NULL },
	{ "scsi/events", show_number, NULL },
	{ "scsi/work", show_work, NULL },
	{ "scsi/plug", NULL, store_plug },
	{ "scsi/unplug", NULL, store_unplug },
	{ "scsi/rescan", NULL, store_rescan },
	{ NULL, NULL, NULL },
};
