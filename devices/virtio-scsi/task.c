/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control queue (5.6.6.2): task management functions, and asynchronous notifications, of which there are
 * none for disks.
 *
 * A disk cannot be told to stop, so a request that is aborted is waited for: it ends as ABORTED or RESET when
 * the disk has let go of its memory, and the function is answered after the last of them. What stands in the
 * request queues when a function comes has come before it, so those are looked into first.
 */
#include <stddef.h>
#include <string.h>

#include <linux/virtio_scsi.h>

#include "adapter.h"

/* 5.6.6.2; <linux/virtio_scsi.h> has no name for it. */
enum { VIRTIO_SCSI_S_FUNCTION_COMPLETE = 0 };

/* The requests that a function is about. */
struct selection {
	unsigned units; /* a bit each */
	bool by_id;
	uint64_t id;
};

static void respond(struct scsi_adapter *adapter, struct medio_virtq_chain *chain, uint8_t response)
{
	medio_virtq_write(chain, 0, &response, 1);
	scsi_adapter_push(adapter, chain, 1);
}

/* ---- Requests that a function is about ----------------------------------------------------------- */

/* The next one after `cmd` (NULL: the first) of unit *number, which is moved on. */
static struct scsi_request *next_request(const struct scsi_adapter *adapter,
	const struct selection *which, unsigned *number, struct scsi_command *cmd)
{
	cmd = cmd ? cmd->next : NULL;
	for (;;) {
		for (; cmd; cmd = cmd->next) {
			struct scsi_request *req = (struct scsi_request *)cmd;
			if (!which->by_id || req->id == which->id)
				return req;
		}
		do {
			if (++*number > SCSI_LUNS)
				return NULL;
		} while (!(which->units & 1u << (*number - 1)) ||
			 !adapter->target.luns[*number - 1]);
		cmd = adapter->target.luns[*number - 1]->busy;
	}
}

static bool is_any(const struct scsi_adapter *adapter, const struct selection *which)
{
	unsigned number = 0;

	return next_request(adapter, which, &number, NULL);
}

/* They end with this response, and the function in `slot` waits for them: so many. */
static unsigned cancel(struct scsi_adapter *adapter, const struct selection *which, unsigned slot,
	uint8_t response)
{
	unsigned number = 0, found = 0;
	struct scsi_request *req = NULL;

	while ((req = next_request(adapter, which, &number, req ? &req->cmd : NULL))) {
		req->cmd.aborted = true;
		if (req->response == VIRTIO_SCSI_S_OK)
			req->response = response;
		req->tasks |= UINT32_C(1) << slot;
		found++;
	}
	return found;
}

/* ---- Functions ------------------------------------------------------------------------------------ */

static unsigned free_slot(const struct scsi_adapter *adapter)
{
	unsigned slot = 0;

	while (slot < SCSI_TASKS && adapter->tasks[slot])
		slot++;
	return slot;
}

static void stop_requests(struct scsi_adapter *adapter, struct medio_virtq_chain *chain,
	const struct selection *which, uint8_t response)
{
	unsigned slot = free_slot(adapter);
	struct scsi_task *task = chain->data;

	task->chain = chain;
	task->left = cancel(adapter, which, slot, response);
	if (task->left)
		adapter->tasks[slot] = task;
	else
		respond(adapter, chain, VIRTIO_SCSI_S_FUNCTION_COMPLETE);
}

void scsi_tasks_done(struct scsi_adapter *adapter, uint32_t tasks)
{
	for (unsigned slot = 0; slot < SCSI_TASKS; slot++) {
		struct scsi_task *task = adapter->tasks[slot];
		if (!(tasks & UINT32_C(1) << slot) || --task->left)
			continue;
		adapter->tasks[slot] = NULL;
		struct medio_virtq *queue = task->chain->queue;
		respond(adapter, task->chain, VIRTIO_SCSI_S_FUNCTION_COMPLETE);
		/* All slots may have been taken. */
		medio_virtq_again(queue);
	}
}

static void reset_units(struct scsi_adapter *adapter, unsigned units, enum scsi_attention why)
{
	for (unsigned i = 0; i < SCSI_LUNS; i++) {
		if (units & 1u << i && adapter->target.luns[i])
			scsi_lun_reset(adapter->target.luns[i], why);
	}
}

static void manage(struct scsi_adapter *adapter, struct medio_virtq_chain *chain,
	const struct virtio_scsi_ctrl_tmf_req *tmf)
{
	struct selection which = { .id = medio_get_le(&tmf->tag, 8) };
	uint64_t subtype = medio_get_le(&tmf->subtype, 4);
	bool well_known, there;
	unsigned number;

	if (!scsi_address_decode(tmf->lun, &number, &well_known)) {
		respond(adapter, chain, VIRTIO_SCSI_S_BAD_TARGET);
		return;
	}
	there = !well_known && number < SCSI_LUNS && adapter->target.luns[number];
	/* This one is about the target, whatever the unit. */
	if (subtype == VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET) {
		which.units = UINT32_MAX;
		reset_units(adapter, which.units, ATTENTION_NEXUS_LOSS);
		stop_requests(adapter, chain, &which, VIRTIO_SCSI_S_RESET);
		return;
	}
	if (!there && !well_known) {
		respond(adapter, chain, VIRTIO_SCSI_S_INCORRECT_LUN);
		return;
	}
	/* REPORT LUNS' own unit has nothing under way, ever. */
	which.units = there ? 1u << number : 0;
	which.by_id = subtype == VIRTIO_SCSI_T_TMF_ABORT_TASK ||
		      subtype == VIRTIO_SCSI_T_TMF_QUERY_TASK;
	switch (subtype) {
	case VIRTIO_SCSI_T_TMF_ABORT_TASK:
	case VIRTIO_SCSI_T_TMF_ABORT_TASK_SET:
	case VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET: /* the same with one initiator */
		stop_requests(adapter, chain, &which, VIRTIO_SCSI_S_ABORTED);
		break;
	case VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET:
		reset_units(adapter, which.units, ATTENTION_LUN_RESET);
		stop_requests(adapter, chain, &which, VIRTIO_SCSI_S_RESET);
		break;
	case VIRTIO_SCSI_T_TMF_QUERY_TASK:
	case VIRTIO_SCSI_T_TMF_QUERY_TASK_SET:
		respond(adapter, chain,
			is_any(adapter, &which) ? VIRTIO_SCSI_S_FUNCTION_SUCCEEDED
						: VIRTIO_SCSI_S_FUNCTION_COMPLETE);
		break;
	default: /* also CLEAR_ACA: no unit has that (NORMACA) */
		respond(adapter, chain, VIRTIO_SCSI_S_FUNCTION_REJECTED);
		break;
	}
}

/* Nothing is notified that way: disks have no such events (5.6.6.2.2). */
static void notifications(struct scsi_adapter *adapter, struct medio_virtq_chain *chain,
	const struct virtio_scsi_ctrl_an_req *an)
{
	uint8_t buf[sizeof(struct virtio_scsi_ctrl_an_resp)] = { 0 };
	unsigned number;
	bool well_known;

	if (!scsi_address_decode(an->lun, &number, &well_known))
		buf[sizeof(buf) - 1] = VIRTIO_SCSI_S_BAD_TARGET;
	else if (!well_known && (number >= SCSI_LUNS || !adapter->target.luns[number]))
		buf[sizeof(buf) - 1] = VIRTIO_SCSI_S_INCORRECT_LUN;
	medio_virtq_write(chain, 0, buf, sizeof(buf));
	scsi_adapter_push(adapter, chain, sizeof(buf));
}

/* ---- The queue ------------------------------------------------------------------------------------ */

static bool has_room(struct scsi_adapter *adapter, const struct medio_virtq_chain *chain,
	uint32_t type, size_t out, size_t in)
{
	if (chain->out_bytes >= out && chain->in_bytes >= in)
		return true;
	medio_virtio_broken(adapter->dev,
		"queue 0: a request of type %u has %zu bytes, and %zu for the response, not %zu and "
		"%zu (5.6.6.2)",
		type, chain->out_bytes, chain->in_bytes, out, in);
	return false;
}

static void begin(struct scsi_adapter *adapter, struct medio_virtq_chain *chain)
{
	union {
		struct virtio_scsi_ctrl_tmf_req tmf;
		struct virtio_scsi_ctrl_an_req an;
	} buf;
	uint32_t type = UINT32_MAX;

	memset(&buf, 0, sizeof(buf));
	if (medio_virtq_read(chain, 0, &buf, sizeof(buf)) >= sizeof(type))
		type = (uint32_t)medio_get_le(&buf, sizeof(type));
	adapter->counts.tasks++;
	switch (type) {
	case VIRTIO_SCSI_T_TMF:
		if (!has_room(adapter, chain, type, sizeof(buf.tmf),
			    sizeof(struct virtio_scsi_ctrl_tmf_resp)))
			break;
		manage(adapter, chain, &buf.tmf);
		return;
	case VIRTIO_SCSI_T_AN_QUERY:
	case VIRTIO_SCSI_T_AN_SUBSCRIBE:
		if (!has_room(adapter, chain, type, sizeof(buf.an),
			    sizeof(struct virtio_scsi_ctrl_an_resp)))
			break;
		notifications(adapter, chain, &buf.an);
		return;
	default:
		medio_virtio_broken(adapter->dev,
			"queue 0: no request is of type %u, so no answer has a form (5.6.6.2)",
			type);
		break;
	}
	medio_virtq_push(chain, 0);
}

/* What came before this function must be known to it; what comes while we look need not. */
static void look_at_requests(struct scsi_adapter *adapter)
{
	for (unsigned i = 0; i < adapter->num_queues; i++) {
		struct medio_virtq *queue = medio_virtio_queue(adapter->dev, SCSI_REQUESTS + i);
		if (!queue || medio_virtq_is_empty(queue))
			continue;
		scsi_requests_kick(adapter, queue, medio_virtq_size(queue));
		medio_virtq_flush(queue);
	}
}

void scsi_tasks_kick(struct scsi_adapter *adapter, struct medio_virtq *queue)
{
	struct medio_virtq_chain *chain;

	while (free_slot(adapter) < SCSI_TASKS && (chain = medio_virtq_pop(queue))) {
		look_at_requests(adapter);
		begin(adapter, chain);
	}
}
