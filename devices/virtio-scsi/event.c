/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event queue (5.6.6.3): buffers that the driver leaves here until there is something to tell. What waits
 * for a buffer is a bit of a unit, so nothing is ever missed: two changes of a size are one.
 */
#include <linux/virtio_scsi.h>

#include "adapter.h"

static void put(struct scsi_adapter *adapter, struct medio_virtq_chain *chain, uint32_t event,
	unsigned number, uint32_t reason)
{
	struct virtio_scsi_event buf;

	if (chain->in_bytes < sizeof(buf)) {
		medio_virtio_broken(adapter->dev,
			"queue 1: a buffer of %zu bytes for an event, which has %zu (5.6.6.3)",
			chain->in_bytes, sizeof(buf));
		medio_virtq_push(chain, 0);
		return;
	}
	medio_put_le(&buf.event, 4, event);
	scsi_address_encode(number, buf.lun);
	medio_put_le(&buf.reason, 4, reason);
	medio_virtq_write(chain, 0, &buf, sizeof(buf));
	adapter->counts.events++;
	scsi_adapter_push(adapter, chain, sizeof(buf));
}

/* The lowest unit of those that have something to tell; it has no more then. */
static unsigned take(unsigned *units)
{
	unsigned number = (unsigned)__builtin_ctz(*units);

	*units &= ~(1u << number);
	return number;
}

void scsi_events_send(struct scsi_adapter *adapter)
{
	struct medio_virtq *queue = medio_virtio_queue(adapter->dev, SCSI_EVENTS);
	/* ASC and ASCQ: capacity data has changed. */
	const uint32_t capacity = 0x2a | 0x09 << 8;
	struct medio_virtq_chain *chain;

	if (!queue)
		return;
	while ((adapter->removed | adapter->added | adapter->resized) &&
		(chain = medio_virtq_pop(queue))) {
		if (adapter->removed)
			put(adapter, chain, VIRTIO_SCSI_T_TRANSPORT_RESET, take(&adapter->removed),
				VIRTIO_SCSI_EVT_RESET_REMOVED);
		else if (adapter->added)
			put(adapter, chain, VIRTIO_SCSI_T_TRANSPORT_RESET, take(&adapter->added),
				VIRTIO_SCSI_EVT_RESET_RESCAN);
		else
			put(adapter, chain, VIRTIO_SCSI_T_PARAM_CHANGE, take(&adapter->resized),
				capacity);
	}
	/* A driver that leaves a buffer need not tell, unless one is missing. */
	medio_virtq_want_kicks(queue, adapter->removed || adapter->added || adapter->resized);
}

/* Before there is a driver there is nothing to tell: it looks by itself. */
static bool is_wanted(const struct scsi_adapter *adapter, unsigned feature)
{
	return medio_virtio_is_live(adapter->dev) && medio_virtio_has(adapter->dev, feature);
}

void scsi_event_removed(struct scsi_adapter *adapter, unsigned number)
{
	adapter->added &= ~(1u << number);
	adapter->resized &= ~(1u << number);
	if (!is_wanted(adapter, VIRTIO_SCSI_F_HOTPLUG))
		return;
	adapter->removed |= 1u << number;
	scsi_events_send(adapter);
}

void scsi_event_added(struct scsi_adapter *adapter, unsigned number)
{
	if (!is_wanted(adapter, VIRTIO_SCSI_F_HOTPLUG))
		return;
	adapter->added |= 1u << number;
	scsi_events_send(adapter);
}

void scsi_event_resized(struct scsi_adapter *adapter, unsigned number)
{
	if (!is_wanted(adapter, VIRTIO_SCSI_F_CHANGE))
		return;
	adapter->resized |= 1u << number;
	scsi_events_send(adapter);
}
