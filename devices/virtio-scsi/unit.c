/* SPDX-License-Identifier: BSD-3-Clause */
/* Logical units: made of parameters, plugged and unplugged while a driver is there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter.h"
#include "spec.h"

struct scsi_unit *scsi_unit_at(const struct scsi_adapter *adapter, unsigned number)
{
	return (struct scsi_unit *)adapter->target.luns[number];
}

static void on_resize(void *opaque)
{
	struct scsi_unit *unit = opaque;
	struct scsi_adapter *adapter = medio_priv(unit->dev);
	struct scsi_lun *lun = &unit->lun;
	uint64_t before = lun->info.bytes;

	scsi_lun_update(lun);
	if (lun->info.bytes == before)
		return;
	medio_log(unit->dev, MEDIO_LOG_INFO, "lun%u: the disk has %llu bytes now, it had %llu",
		lun->number, (unsigned long long)lun->info.bytes, (unsigned long long)before);
	lun->attention |= ATTENTION_CAPACITY;
	scsi_event_resized(adapter, lun->number);
}

static void unit_free(struct scsi_unit *unit)
{
	disk_close(unit->lun.disk);
	free(unit->spec);
	free(unit);
}

static int unit_open(struct scsi_unit *unit, unsigned number, const char *text)
{
	char words[SCSI_SPEC_WORDS];
	struct scsi_lun *lun = &unit->lun;
	struct scsi_spec spec;
	int ret = scsi_spec_parse(text, &spec, words);

	if (ret == -EINVAL)
		return medio_fail(unit->dev, EINVAL, "lun%u: %s", number, words);
	if (ret)
		return ret;
	lun->number = number;
	unit->watched = spec.disk.file;
	unit->spec = strdup(text);
	ret = unit->spec ? disk_open(unit->dev, &spec.disk, on_resize, unit, &lun->disk) : -ENOMEM;
	if (spec.serial[0])
		snprintf(lun->serial, sizeof(lun->serial), "%s", spec.serial);
	else
		snprintf(lun->serial, sizeof(lun->serial), "%s-lun%u", medio_dev_uuid(unit->dev),
			number);
	scsi_spec_free(&spec);
	return ret;
}

int scsi_unit_new(struct scsi_adapter *adapter, unsigned number, const char *spec)
{
	struct scsi_unit *unit = calloc(1, sizeof(*unit));

	if (!unit)
		return -ENOMEM;
	unit->dev = adapter->dev;
	int ret = unit_open(unit, number, spec);
	if (ret) {
		unit_free(unit);
		return ret;
	}
	scsi_lun_update(&unit->lun);
	scsi_lun_reset(&unit->lun, ATTENTION_POWER_ON);
	adapter->target.luns[number] = &unit->lun;
	return 0;
}

void scsi_unit_free(struct scsi_adapter *adapter, unsigned number)
{
	struct scsi_unit *unit = scsi_unit_at(adapter, number);

	if (!unit)
		return;
	/* A command of several steps goes on within. */
	while (disk_under_way(unit->lun.disk))
		disk_drain(unit->lun.disk);
	adapter->target.luns[number] = NULL;
	unit_free(unit);
}

/* ---- Plug, unplug -------------------------------------------------------------------------------- */

/* "lun7", and what follows a `=` (NULL: nothing). False: it is something else. */
static bool split(char *text, unsigned *number, char **value)
{
	char *end;

	text[strcspn(text, "\n")] = '\0';
	*value = strchr(text, '=');
	if (*value)
		*(*value)++ = '\0';
	if (strncmp(text, "lun", 3) != 0 || text[3] < '0' || text[3] > '9')
		return false;
	unsigned long n = strtoul(text + 3, &end, 10);
	*number = (unsigned)n;
	return !*end && n < SCSI_LUNS;
}

/* The driver's list is another now; it learns that by an event, and of every other unit. */
static void list_changed(struct scsi_adapter *adapter, unsigned number)
{
	for (unsigned i = 0; i < SCSI_LUNS; i++) {
		if (i != number && adapter->target.luns[i])
			adapter->target.luns[i]->attention |= ATTENTION_LUNS;
	}
}

static int plug(struct scsi_adapter *adapter, char *text)
{
	unsigned number;
	char *spec;

	if (!split(text, &number, &spec) || !spec)
		return medio_fail(adapter->dev, EINVAL,
			"'%.64s' is not lunN=DISK, such as lun2=mem:64M, with N from 0 to %u", text,
			SCSI_LUNS - 1);
	if (adapter->target.luns[number])
		return medio_fail(
			adapter->dev, EBUSY, "lun%u is there already; unplug it first", number);
	int ret = scsi_unit_new(adapter, number, spec);
	if (ret)
		return ret;
	list_changed(adapter, number);
	scsi_event_added(adapter, number);
	return 0;
}

static int unplug(struct scsi_adapter *adapter, char *text)
{
	unsigned number;
	char *rest;

	if (!split(text, &number, &rest) || rest)
		return medio_fail(adapter->dev, EINVAL, "'%.64s' is not lunN, with N from 0 to %u",
			text, SCSI_LUNS - 1);
	if (!adapter->target.luns[number])
		return medio_fail(adapter->dev, ENODEV, "there is no lun%u", number);
	scsi_unit_free(adapter, number);
	list_changed(adapter, number);
	scsi_event_removed(adapter, number);
	return 0;
}

static int with_copy(struct scsi_adapter *adapter, const char *text, size_t size,
	int (*fn)(struct scsi_adapter *adapter, char *text))
{
	char *copy = strndup(text, size);

	if (!copy)
		return -ENOMEM;
	int ret = fn(adapter, copy);
	free(copy);
	return ret;
}

int scsi_unit_plug(struct scsi_adapter *adapter, const char *text, size_t size)
{
	return with_copy(adapter, text, size, plug);
}

int scsi_unit_unplug(struct scsi_adapter *adapter, const char *text, size_t size)
{
	return with_copy(adapter, text, size, unplug);
}
