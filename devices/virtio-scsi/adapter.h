/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the virtio SCSI host: what virtio knows, between the queues and the interpreter (command.h).
 *
 *     queue 0   control    task.c       task management: what is under way is found, waited for, answered
 *     queue 1   events     event.c      units that came, went or have another size
 *     queue 2…  requests   request.c    commands
 *                          unit.c       the units: made of parameters, plugged and unplugged
 *
 * Source: Virtual I/O Device (VIRTIO) 1.3, 5.6.
 */
#ifndef SCSI_ADAPTER_H
#define SCSI_ADAPTER_H

#include <medio/virtio.h>

#include "command.h"

enum { SCSI_CONTROL, SCSI_EVENTS, SCSI_REQUESTS };
#define SCSI_MAX_REQUEST_QUEUES 16u
#define SCSI_MAX_QUEUES		(SCSI_REQUESTS + SCSI_MAX_REQUEST_QUEUES)

/* What a driver may make of the two sizes that are its own to choose (5.6.4): the longest CDB and the most sense
 * data that SPC-4 knows. */
enum { SCSI_CDB_DEFAULT = 32, SCSI_CDB_MOST = 260, SCSI_SENSE_DEFAULT = 96, SCSI_SENSE_MOST = 252 };
/* Task management functions that wait at a time. */
enum { SCSI_TASKS = 32 };

/* A logical unit with what it was made of. */
struct scsi_unit {
	struct scsi_lun lun; /* first */
	struct medio_dev *dev;
	char *spec;
	bool watched; /* a file, which somebody may make larger */
};

/* A command of a driver's: chain->data. */
struct scsi_request {
	struct scsi_command cmd; /* first */
	struct medio_virtq_chain *chain;
	uint64_t id;
	unsigned sense_size; /* as it was when the command came */
	uint8_t response;    /* VIRTIO_SCSI_S_OK, or why it was cancelled */
	uint32_t tasks;	     /* that wait for its end, a bit each */
};

/* A task management function that waits for requests: chain->data. */
struct scsi_task {
	struct medio_virtq_chain *chain;
	unsigned left; /* requests */
};

struct scsi_adapter {
	struct medio_virtio virtio;
	/* Parameters. */
	uint64_t num_queues; /* of requests */
	uint64_t rescan;     /* ns */
	char *specs[SCSI_LUNS];

	struct medio_dev *dev;
	struct scsi_target target;
	uint8_t sizes[8]; /* sense_size and cdb_size, as the driver wrote them */
	/* What the library flushes by itself now: this queue, or all. */
	struct medio_virtq *turn;
	bool polling;
	struct scsi_task *tasks[SCSI_TASKS];
	struct medio_timer *rescan_timer;
	/* Events that wait for a buffer, a bit each unit. */
	unsigned removed, added, resized;
	struct {
		uint64_t requests, cancelled, refused, tasks, events;
	} counts;
};

/* The target is 0, and has no other. A unit's address (5.6.6.1): false: another target. */
bool scsi_address_decode(const uint8_t address[8], unsigned *number, bool *well_known);
void scsi_address_encode(unsigned number, uint8_t address[8]);
/* Sizes as the driver has them now. False: they are beyond all bounds, and the device is broken. */
bool scsi_adapter_sizes(struct scsi_adapter *adapter, unsigned *sense_size, unsigned *cdb_size);
/* Give a chain back, and show it to the driver if nobody else will. */
void scsi_adapter_push(
	struct scsi_adapter *adapter, struct medio_virtq_chain *chain, size_t written);

/* request.c */
/* At most so many. */
void scsi_requests_kick(struct scsi_adapter *adapter, struct medio_virtq *queue, unsigned most);

/* task.c */
void scsi_tasks_kick(struct scsi_adapter *adapter, struct medio_virtq *queue);
/* A request for which some wait has ended. */
void scsi_tasks_done(struct scsi_adapter *adapter, uint32_t tasks);

/* event.c */
void scsi_events_send(struct scsi_adapter *adapter);
void scsi_event_removed(struct scsi_adapter *adapter, unsigned number);
void scsi_event_added(struct scsi_adapter *adapter, unsigned number);
void scsi_event_resized(struct scsi_adapter *adapter, unsigned number);

/* unit.c */
struct scsi_unit *scsi_unit_at(const struct scsi_adapter *adapter, unsigned number);
/* 0, or -errno after medio_fail(). */
int scsi_unit_new(struct scsi_adapter *adapter, unsigned number, const char *spec);
/* Gone when this returns: what was under way for it has ended. */
void scsi_unit_free(struct scsi_adapter *adapter, unsigned number);
/* "lun3=mem:64M" comes, "lun3" goes, and the driver is told. -EINVAL, -EBUSY, -ENODEV, or as scsi_unit_new(). */
int scsi_unit_plug(struct scsi_adapter *adapter, const char *text, size_t size);
int scsi_unit_unplug(struct scsi_adapter *adapter, const char *text, size_t size);

/* attrs.c */
extern const struct medio_attr scsi_attrs[];

/* state.c */
ssize_t scsi_state_save(struct medio_dev *dev, void *buf, size_t cap);
int scsi_state_load(struct medio_dev *dev, const void *buf, size_t size);

#endif
