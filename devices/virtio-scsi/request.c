/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands of a driver (5.6.6.1). The buffers may be cut anywhere:
 *
 *     out:  lun  id  task_attr prio crn  cdb[cdb_size] │ data of a write
 *     in:   sense_len  residual  qualifier status response  sense[sense_size] │ data of a read
 *
 * Where a command is for this device's only target, the interpreter has it from here. Task attributes are all
 * taken as SIMPLE, as 5.6.6.1 allows.
 */
#include <stddef.h>
#include <string.h>

#include <linux/virtio_scsi.h>

#include "adapter.h"

/* Bytes before the CDB and before the sense data, whose sizes are the driver's to choose. */
enum {
	OUT_HEADER = offsetof(struct virtio_scsi_cmd_req, cdb),
	IN_HEADER = offsetof(struct virtio_scsi_cmd_resp, sense),
};

_Static_assert(OUT_HEADER == 19 && IN_HEADER == 12, "5.6.6.1");

/* Answer. data: bytes of the buffer for data that the command had, of which cmd.moved were moved. */
static void answer(struct scsi_adapter *adapter, struct scsi_request *req, uint8_t response)
{
	uint8_t buf[IN_HEADER + SCSI_SENSE_MOST] = { 0 };
	const struct scsi_command *cmd = &req->cmd;
	struct medio_virtq_chain *chain = req->chain;
	size_t buffer = cmd->out.bytes + cmd->in.bytes;
	bool ok = response == VIRTIO_SCSI_S_OK;
	unsigned sense = 0;

	if (ok && cmd->sense_bytes)
		sense = cmd->sense_bytes < req->sense_size ? cmd->sense_bytes : req->sense_size;
	medio_put_le(buf + offsetof(struct virtio_scsi_cmd_resp, sense_len), 4, sense);
	if (ok)
		medio_put_le(
			buf + offsetof(struct virtio_scsi_cmd_resp, resid), 4, buffer - cmd->moved);
	buf[offsetof(struct virtio_scsi_cmd_resp, status)] = ok ? cmd->status : SCSI_GOOD;
	buf[offsetof(struct virtio_scsi_cmd_resp, response)] = response;
	memcpy(buf + IN_HEADER, cmd->sense, sense);
	medio_virtq_write(chain, 0, buf, IN_HEADER + req->sense_size);
	scsi_adapter_push(adapter, chain,
		IN_HEADER + req->sense_size + (ok && cmd->in.bytes ? cmd->moved : 0));
}

static void on_command_done(struct scsi_command *cmd)
{
	struct scsi_request *req = (struct scsi_request *)cmd;
	struct scsi_adapter *adapter = medio_priv(medio_virtq_dev(req->chain->queue));
	uint32_t tasks = req->tasks;

	if (req->response != VIRTIO_SCSI_S_OK) {
		adapter->counts.cancelled++;
		answer(adapter, req, req->response);
	} else {
		answer(adapter, req, cmd->overrun ? VIRTIO_SCSI_S_OVERRUN : VIRTIO_SCSI_S_OK);
	}
	if (tasks)
		scsi_tasks_done(adapter, tasks);
}

/* It does not come as far as a unit. */
static void refuse(struct scsi_adapter *adapter, struct scsi_request *req, uint8_t response)
{
	adapter->counts.refused++;
	answer(adapter, req, response);
}

static bool has_room(struct scsi_adapter *adapter, const struct medio_virtq_chain *chain,
	unsigned sense_size, unsigned cdb_size)
{
	unsigned index = medio_virtq_index(chain->queue);

	if (chain->out_bytes < OUT_HEADER + cdb_size)
		medio_virtio_broken(adapter->dev,
			"queue %u: a request of %zu bytes, shorter than its header of %u (5.6.6.1)",
			index, chain->out_bytes, OUT_HEADER + cdb_size);
	else if (chain->in_bytes < IN_HEADER + sense_size)
		medio_virtio_broken(adapter->dev,
			"queue %u: %zu bytes for a response, which has %u (5.6.6.1)", index,
			chain->in_bytes, IN_HEADER + sense_size);
	else
		return true;
	return false;
}

static void begin(struct scsi_adapter *adapter, struct medio_virtq_chain *chain)
{
	struct scsi_request *req = chain->data;
	struct scsi_command *cmd = &req->cmd;
	uint8_t header[OUT_HEADER + SCSI_CDB_BYTES] = { 0 };
	unsigned sense_size, cdb_size;

	if (!scsi_adapter_sizes(adapter, &sense_size, &cdb_size) ||
		!has_room(adapter, chain, sense_size, cdb_size)) {
		medio_virtq_push(chain, 0);
		return;
	}
	unsigned cdb_bytes = cdb_size < SCSI_CDB_BYTES ? cdb_size : SCSI_CDB_BYTES;
	medio_virtq_read(chain, 0, header, OUT_HEADER + cdb_bytes);
	req->chain = chain;
	req->id = medio_get_le(header + offsetof(struct virtio_scsi_cmd_req, tag), 8);
	req->sense_size = sense_size;
	req->response = VIRTIO_SCSI_S_OK;
	req->tasks = 0;
	cmd->target = &adapter->target;
	memcpy(cmd->cdb, header + OUT_HEADER, SCSI_CDB_BYTES);
	cmd->cdb_bytes = cdb_bytes;
	cmd->out = (struct scsi_data){ chain->out, chain->num_out, OUT_HEADER + cdb_size,
		chain->out_bytes - OUT_HEADER - cdb_size };
	cmd->in = (struct scsi_data){ chain->in, chain->num_in, IN_HEADER + sense_size,
		chain->in_bytes - IN_HEADER - sense_size };
	cmd->done = on_command_done;
	cmd->sense_bytes = 0;
	cmd->moved = 0;
	adapter->counts.requests++;
	if (!scsi_address_decode(header, &cmd->number, &cmd->well_known)) {
		refuse(adapter, req, VIRTIO_SCSI_S_BAD_TARGET);
		return;
	}
	/* Both ways at once takes INOUT (5.6.3), which is not offered. */
	if (cmd->out.bytes && cmd->in.bytes) {
		refuse(adapter, req, VIRTIO_SCSI_S_FAILURE);
		return;
	}
	cmd->lun = cmd->well_known || cmd->number >= SCSI_LUNS ? NULL
							       : adapter->target.luns[cmd->number];
	scsi_command_run(cmd);
}

/* Requests between two looks at whether the driver could already go on. */
#define EARLY 8u

void scsi_requests_kick(struct scsi_adapter *adapter, struct medio_virtq *queue, unsigned most)
{
	struct medio_virtq_chain *chain;

	scsi_target_begin(&adapter->target);
	for (unsigned n = 1; n <= most && (chain = medio_virtq_pop(queue)); n++) {
		begin(adapter, chain);
		if (n % EARLY == 0 && queue == adapter->turn)
			medio_virtq_flush_early(queue);
	}
	scsi_target_end(&adapter->target);
}
