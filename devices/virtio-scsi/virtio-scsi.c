/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio-scsi: a host with one target of up to 16 disks, the device of kind 8. Here is what it says of itself, its
 * queues and its life; the map of the rest stands in adapter.h and command.h.
 *
 * Source: Virtual I/O Device (VIRTIO) 1.3, 5.6.
 */
#include "virtio-scsi.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include <linux/virtio_ids.h>
#include <linux/virtio_scsi.h>

#include "adapter.h"

/* ---- Addresses (5.6.6.1) --------------------------------------------------------------------------- */

static bool is_report_luns(const uint8_t level[2])
{
	return level[0] == 0xc1 && level[1] == 0x01;
}

bool scsi_address_decode(const uint8_t address[8], unsigned *number, bool *well_known)
{
	static const uint8_t nothing[6];

	*number = UINT32_MAX;
	*well_known = is_report_luns(address) && !memcmp(address + 2, nothing, 6);
	if (*well_known)
		return true;
	/* 1, the target, one level of a LUN as in SAM-5, 4.7.7.5, zeros. */
	if (address[0] != 1 || address[1] != 0)
		return false;
	if (memcmp(address + 4, nothing, 4) != 0)
		return true;
	*well_known = is_report_luns(address + 2);
	/* Flat space addressing, or the same number as a device on bus 0. */
	if (address[2] == 0x00 || (address[2] & 0xc0) == 0x40)
		*number = (address[2] & 0x3fu) << 8 | address[3];
	return true;
}

/* As REPORT LUNS says it: Linux takes the two bytes as they are, and finds no other. */
void scsi_address_encode(unsigned number, uint8_t address[8])
{
	memset(address, 0, 8);
	address[0] = 1;
	address[3] = (uint8_t)number;
}

/* ---- Configuration (5.6.4) -------------------------------------------------------------------------- */

enum {
	SIZES = offsetof(struct virtio_scsi_config, sense_size),
	EVENT_BYTES = sizeof(struct virtio_scsi_event),
	/* 512-byte sectors of a command: as good as no limit. */
	MAX_SECTORS = 0xffff,
};

_Static_assert(
	offsetof(struct virtio_scsi_config, cdb_size) == SIZES + 4, "the sizes stand together");
_Static_assert(sizeof(struct virtio_scsi_config) == 36, "5.6.4");

/* Two descriptors are for the headers. */
static uint64_t seg_max(const struct scsi_adapter *adapter)
{
	uint64_t room = adapter->virtio.queue_size - 2;

	return room < SCSI_SEGS ? room : SCSI_SEGS;
}

#define PUT(field_, value_) \
	medio_put_le(config + offsetof(struct virtio_scsi_config, field_), \
		sizeof(((struct virtio_scsi_config *)NULL)->field_), value_)

static void scsi_config_read(struct medio_dev *dev, uint8_t *config)
{
	const struct scsi_adapter *adapter = medio_priv(dev);

	PUT(num_queues, adapter->num_queues);
	PUT(seg_max, seg_max(adapter));
	PUT(max_sectors, MAX_SECTORS);
	PUT(cmd_per_lun, adapter->virtio.queue_size);
	PUT(event_info_size, EVENT_BYTES);
	memcpy(config + SIZES, adapter->sizes, sizeof(adapter->sizes));
	PUT(max_lun, SCSI_LUNS - 1);
}

/* The driver has two fields to write. They are looked at when they matter: it may write them in parts. */
static void scsi_config_write(
	struct medio_dev *dev, unsigned offset, const void *buf, unsigned count)
{
	struct scsi_adapter *adapter = medio_priv(dev);

	if (offset < SIZES || count > sizeof(adapter->sizes) ||
		offset - SIZES > sizeof(adapter->sizes) - count) {
		medio_guest_error(dev,
			"a write of %u bytes at %u of the configuration: sense_size and cdb_size are "
			"for the driver, 8 bytes at %u (5.6.4.1)",
			count, offset, (unsigned)SIZES);
		return;
	}
	memcpy(adapter->sizes + (offset - SIZES), buf, count);
}

bool scsi_adapter_sizes(struct scsi_adapter *adapter, unsigned *sense_size, unsigned *cdb_size)
{
	uint64_t sense = medio_get_le(adapter->sizes, 4), cdb = medio_get_le(adapter->sizes + 4, 4);

	if (sense > SCSI_SENSE_MOST || cdb > SCSI_CDB_MOST) {
		medio_virtio_broken(adapter->dev,
			"the driver chose a sense_size of %llu and a cdb_size of %llu; there are %u and "
			"%u bytes at most (5.6.4)",
			(unsigned long long)sense, (unsigned long long)cdb, SCSI_SENSE_MOST,
			SCSI_CDB_MOST);
		return false;
	}
	*sense_size = (unsigned)sense;
	*cdb_size = (unsigned)cdb;
	return true;
}

/* ---- Queues ------------------------------------------------------------------------------------------ */

void scsi_adapter_push(
	struct scsi_adapter *adapter, struct medio_virtq_chain *chain, size_t written)
{
	struct medio_virtq *queue = chain->queue;

	medio_virtq_push(chain, (uint32_t)written);
	if (queue != adapter->turn && !adapter->polling)
		medio_virtq_flush(queue);
}

static void scsi_kick(struct medio_dev *dev, struct medio_virtq *queue)
{
	struct scsi_adapter *adapter = medio_priv(dev);

	switch (medio_virtq_index(queue)) {
	case SCSI_CONTROL:
		/* It looks into other queues, which are not flushed for it. */
		scsi_tasks_kick(adapter, queue);
		break;
	case SCSI_EVENTS:
		scsi_events_send(adapter);
		break;
	default:
		adapter->turn = queue;
		scsi_requests_kick(adapter, queue, UINT_MAX);
		adapter->turn = NULL;
		break;
	}
}

static bool scsi_poll(struct medio_dev *dev)
{
	struct scsi_adapter *adapter = medio_priv(dev);
	bool found = false;

	adapter->polling = true;
	scsi_target_begin(&adapter->target);
	for (unsigned i = 0; i < SCSI_LUNS; i++) {
		if (adapter->target.luns[i])
			found |= disk_poll(adapter->target.luns[i]->disk);
	}
	scsi_target_end(&adapter->target);
	adapter->polling = false;
	return found;
}

/* A command of several steps goes on within, so it takes some rounds. */
static void scsi_drain(struct medio_dev *dev)
{
	struct scsi_adapter *adapter = medio_priv(dev);

	for (unsigned i = 0; i < SCSI_LUNS; i++) {
		struct scsi_lun *lun = adapter->target.luns[i];
		while (lun && disk_under_way(lun->disk))
			disk_drain(lun->disk);
	}
}

/* Buffers for events wait with the driver's knowledge: it need not tell of them. */
static void scsi_queue(struct medio_dev *dev, struct medio_virtq *queue, bool live)
{
	if (live && medio_virtq_index(queue) == SCSI_EVENTS)
		scsi_events_send(medio_priv(dev));
}

/* ---- Sizes of files ------------------------------------------------------------------------------------ */

/* While there is a driver to tell, and a file that somebody may make larger. */
static void rescan_later(struct scsi_adapter *adapter)
{
	if (adapter->rescan && medio_virtio_is_live(adapter->dev))
		medio_timer_arm(adapter->rescan_timer, adapter->rescan);
}

static void on_rescan(void *opaque)
{
	struct scsi_adapter *adapter = opaque;

	for (unsigned i = 0; i < SCSI_LUNS; i++) {
		struct scsi_unit *unit = scsi_unit_at(adapter, i);
		if (unit && unit->watched)
			disk_refresh(unit->lun.disk);
	}
	rescan_later(adapter);
}

static void scsi_live(struct medio_dev *dev)
{
	rescan_later(medio_priv(dev));
}

/* ---- Life ---------------------------------------------------------------------------------------------- */

static void sizes_to_reset(struct scsi_adapter *adapter)
{
	medio_put_le(adapter->sizes, 4, SCSI_SENSE_DEFAULT);
	medio_put_le(adapter->sizes + 4, 4, SCSI_CDB_DEFAULT);
}

static void scsi_fini(struct medio_dev *dev)
{
	struct scsi_adapter *adapter = medio_priv(dev);

	for (unsigned i = 0; i < SCSI_LUNS; i++)
		scsi_unit_free(adapter, i);
	medio_timer_free(adapter->rescan_timer);
}

static int open_units(struct scsi_adapter *adapter)
{
	bool any = false;

	for (unsigned i = 0; i < SCSI_LUNS; i++) {
		if (!adapter->specs[i])
			continue;
		int ret = scsi_unit_new(adapter, i, adapter->specs[i]);
		if (ret)
			return ret;
		any = true;
	}
	if (!any)
		medio_log(adapter->dev, MEDIO_LOG_WARN,
			"there is no disk yet; name one with lun0=file:PATH or lun0=mem:SIZE");
	return 0;
}

static int scsi_init(struct medio_dev *dev)
{
	struct scsi_adapter *adapter = medio_priv(dev);
	int ret;

	adapter->dev = dev;
	sizes_to_reset(adapter);
	if (adapter->virtio.queue_size < 4)
		return medio_fail(dev, EINVAL,
			"queue-size=%llu: a command takes three descriptors, so 4 are the least",
			(unsigned long long)adapter->virtio.queue_size);
	ret = open_units(adapter);
	if (!ret) {
		adapter->rescan_timer = medio_timer_new(dev, on_rescan, adapter);
		ret = adapter->rescan_timer ? 0 : -ENOMEM;
	}
	if (ret) {
		scsi_fini(dev);
		return ret;
	}
	medio_virtio_set_queues(dev, SCSI_REQUESTS + (unsigned)adapter->num_queues);
	return 0;
}

static void scsi_reset(struct medio_dev *dev)
{
	struct scsi_adapter *adapter = medio_priv(dev);

	medio_timer_disarm(adapter->rescan_timer);
	sizes_to_reset(adapter);
	adapter->removed = adapter->added = adapter->resized = 0;
	for (unsigned i = 0; i < SCSI_LUNS; i++) {
		struct scsi_lun *lun = adapter->target.luns[i];
		if (!lun)
			continue;
		lun->attention = 0;
		scsi_lun_reset(lun, ATTENTION_POWER_ON);
	}
}

static int scsi_load(struct medio_dev *dev, const void *buf, size_t size)
{
	int ret = scsi_state_load(dev, buf, size);

	if (!ret)
		rescan_later(medio_priv(dev));
	return ret;
}

/* ---- The type ------------------------------------------------------------------------------------------ */

#define LUN(n_) \
	{ \
		.name = "lun" #n_, .kind = MEDIO_PARAM_STRING, \
		.offset = offsetof(struct scsi_adapter, specs[n_]), \
		.help = "disk " #n_ ": file:PATH, mem:SIZE, null or nbd:URI, with options after " \
			"commas, such as file:a.img,readonly" \
	}

static const struct medio_param params[] = {
	LUN(0),
	LUN(1),
	LUN(2),
	LUN(3),
	LUN(4),
	LUN(5),
	LUN(6),
	LUN(7),
	LUN(8),
	LUN(9),
	LUN(10),
	LUN(11),
	LUN(12),
	LUN(13),
	LUN(14),
	LUN(15),
	{ .name = "num-queues",
		.kind = MEDIO_PARAM_UINT,
		.offset = offsetof(struct scsi_adapter, num_queues),
		.deflt = "4",
		.help = "queues for commands, so that each CPU of the guest can have one",
		.min = 1,
		.max = SCSI_MAX_REQUEST_QUEUES },
	{ .name = "rescan",
		.kind = MEDIO_PARAM_TIME,
		.offset = offsetof(struct scsi_adapter, rescan),
		.deflt = "1s",
		.help = "how often to look whether files have another size; 0s: only when told to",
		.max = UINT64_C(3600000000000) },
	MEDIO_VIRTIO_PARAMS,
	{ .name = NULL },
};

_Static_assert(SCSI_LUNS == 16, "a parameter each");

static const struct medio_virtio_ops ops = {
	.init = scsi_init,
	.fini = scsi_fini,
	.config_read = scsi_config_read,
	.config_write = scsi_config_write,
	.live = scsi_live,
	.queue = scsi_queue,
	.kick = scsi_kick,
	.poll = scsi_poll,
	.drain = scsi_drain,
	.reset = scsi_reset,
	.save = scsi_state_save,
	.load = scsi_load,
};

/* What an interpreter of commands can hold is in chain->data; a task fits too. */
_Static_assert(sizeof(struct scsi_task) <= sizeof(struct scsi_request), "chain->data is for both");

static const struct medio_virtio_type scsi_virtio = {
	.id = VIRTIO_ID_SCSI,
	.max_queues = SCSI_MAX_QUEUES,
	.config_size = sizeof(struct virtio_scsi_config),
	.features = MEDIO_VIRTIO_BIT(VIRTIO_SCSI_F_HOTPLUG) |
		    MEDIO_VIRTIO_BIT(VIRTIO_SCSI_F_CHANGE),
	.request_size = sizeof(struct scsi_request),
	.ops = &ops,
};

const struct medio_type medio_virtio_scsi = {
	MEDIO_VIRTIO_TYPE(
		&scsi_virtio, struct scsi_adapter, VIRTIO_ID_SCSI, SCSI_MAX_QUEUES, 0x010000),
	.name = "virtio-scsi",
	.summary = "Virtio SCSI host with disks",
	.description = "Up to 16 disks behind one card, which can come and go while a guest runs.",
	.params = params,
	.attrs = scsi_attrs,
};

const struct medio_type *const medio_virtio_scsi_types[] = { &medio_virtio_scsi, NULL };
