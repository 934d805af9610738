/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All commands there are, in one table: what runs, what is asked about, and what REPORT SUPPORTED OPERATION
 * CODES tells (SPC-4, 6.35) cannot differ.
 */
#include <string.h>

#include "bytes.h"
#include "command.h"

#define U16 0xff, 0xff
#define U32 U16, U16
#define U64 U32, U32

static const struct scsi_opcode opcodes[] = {
	{ 0x00, false, 0, 6, OP_WELL_KNOWN | OP_MEDIUM, scsi_test_unit_ready, { 0x00 } },
	{ 0x03, false, 0, 6, OP_ABSENT | OP_WELL_KNOWN | OP_CALM, scsi_request_sense,
		{ 0x03, 0x01, 0, 0, 0xff } },
	{ 0x08, false, 0, 6, OP_MEDIUM, scsi_read, { 0x08, 0x1f, U16, 0xff } },
	{ 0x0a, false, 0, 6, OP_MEDIUM | OP_WRITES, scsi_write, { 0x0a, 0x1f, U16, 0xff } },
	{ 0x12, false, 0, 6, OP_ABSENT | OP_WELL_KNOWN | OP_CALM, scsi_inquiry,
		{ 0x12, 0x01, 0xff, U16 } },
	{ 0x15, false, 0, 6, 0, scsi_mode_select, { 0x15, 0x11, 0, 0, 0xff } },
	{ 0x1a, false, 0, 6, 0, scsi_mode_sense, { 0x1a, 0x08, 0xff, 0xff, 0xff } },
	{ 0x1b, false, 0, 6, 0, scsi_start_stop_unit, { 0x1b, 0x01, 0, 0, 0xf7 } },
	{ 0x25, false, 0, 10, OP_MEDIUM, scsi_read_capacity_10, { 0x25, 0, U32 } },
	{ 0x28, false, 0, 10, OP_MEDIUM, scsi_read, { 0x28, 0x18, U32, 0, U16 } },
	{ 0x2a, false, 0, 10, OP_MEDIUM | OP_WRITES, scsi_write, { 0x2a, 0x18, U32, 0, U16 } },
	{ 0x2f, false, 0, 10, OP_MEDIUM, scsi_verify, { 0x2f, 0x10, U32, 0, U16 } },
	{ 0x35, false, 0, 10, OP_MEDIUM, scsi_synchronize_cache, { 0x35, 0x02, U32, 0, U16 } },
	{ 0x41, false, 0, 10, OP_MEDIUM | OP_WRITES, scsi_write_same, { 0x41, 0x08, U32, 0, U16 } },
	{ 0x42, false, 0, 10, OP_MEDIUM | OP_WRITES | OP_THIN, scsi_unmap,
		{ 0x42, 0, 0, 0, 0, 0, 0, U16 } },
	{ 0x55, false, 0, 10, 0, scsi_mode_select, { 0x55, 0x11, 0, 0, 0, 0, 0, U16 } },
	{ 0x5a, false, 0, 10, 0, scsi_mode_sense, { 0x5a, 0x18, 0xff, 0xff, 0, 0, 0, U16 } },
	{ 0x88, false, 0, 16, OP_MEDIUM, scsi_read, { 0x88, 0x18, U64, U32 } },
	{ 0x8a, false, 0, 16, OP_MEDIUM | OP_WRITES, scsi_write, { 0x8a, 0x18, U64, U32 } },
	{ 0x8f, false, 0, 16, OP_MEDIUM, scsi_verify, { 0x8f, 0x10, U64, U32 } },
	{ 0x91, false, 0, 16, OP_MEDIUM, scsi_synchronize_cache, { 0x91, 0x02, U64, U32 } },
	{ 0x93, false, 0, 16, OP_MEDIUM | OP_WRITES, scsi_write_same, { 0x93, 0x09, U64, U32 } },
	{ 0x9e, true, 0x10, 16, OP_MEDIUM, scsi_read_capacity_16,
		{ 0x9e, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0, U32 } },
	{ 0xa0, false, 0, 12, OP_ABSENT | OP_WELL_KNOWN | OP_CALM, scsi_report_luns,
		{ 0xa0, 0, 0xff, 0, 0, 0, U32 } },
	{ 0xa3, true, 0x0c, 12, OP_WELL_KNOWN, scsi_report_opcodes,
		{ 0xa3, 0x1f, 0x87, 0xff, U16, U32 } },
	{ 0xa3, true, 0x0d, 12, OP_WELL_KNOWN, scsi_report_tasks,
		{ 0xa3, 0x1f, 0x80, 0, 0, 0, U32 } },
	{ 0xa8, false, 0, 12, OP_MEDIUM, scsi_read, { 0xa8, 0x18, U32, U32 } },
	{ 0xaa, false, 0, 12, OP_MEDIUM | OP_WRITES, scsi_write, { 0xaa, 0x18, U32, U32 } },
	{ 0xaf, false, 0, 12, OP_MEDIUM, scsi_verify, { 0xaf, 0x10, U32, U32 } },
};

enum { NUM_OPCODES = sizeof(opcodes) / sizeof(*opcodes) };

static bool has(const struct scsi_command *cmd, const struct scsi_opcode *op)
{
	if (!cmd->lun)
		return op->flags & OP_WELL_KNOWN;
	return !(op->flags & OP_THIN) || cmd->lun->info.discards;
}

const struct scsi_opcode *scsi_opcode_find(
	const struct scsi_lun *lun, uint8_t opcode, unsigned action)
{
	for (unsigned i = 0; i < NUM_OPCODES; i++) {
		const struct scsi_opcode *op = &opcodes[i];
		if (op->opcode != opcode || (op->has_action && op->action != action))
			continue;
		return lun && op->flags & OP_THIN && !lun->info.discards ? NULL : op;
	}
	return NULL;
}

bool scsi_opcode_has_actions(uint8_t opcode)
{
	for (unsigned i = 0; i < NUM_OPCODES; i++) {
		if (opcodes[i].opcode == opcode)
			return opcodes[i].has_action;
	}
	return false;
}

/* ---- REPORT SUPPORTED OPERATION CODES, SPC-4 6.35 ------------------------------------------------- */

enum { REPORT_ALL, REPORT_ONE, REPORT_ONE_ACTION, REPORT_ONE_EITHER };
enum { RCTD = 0x80, SUPPORT_NOT = 1, SUPPORT_YES = 3, SERVACTV = 1, CTDP = 2 };
enum { DESCRIPTOR = 8, TIMEOUTS = 12 };

/* A descriptor of command timeouts, all "no indication" (6.35.4). */
static unsigned put_timeouts(uint8_t *at)
{
	memset(at, 0, TIMEOUTS);
	scsi_put_be(at, 2, TIMEOUTS - 2);
	return TIMEOUTS;
}

static int report_all(struct scsi_command *cmd, bool timeouts, size_t most)
{
	uint8_t buf[4 + NUM_OPCODES * (DESCRIPTOR + TIMEOUTS)] = { 0 };
	unsigned len = 4;

	for (unsigned i = 0; i < NUM_OPCODES; i++) {
		const struct scsi_opcode *op = &opcodes[i];
		uint8_t *at = buf + len;
		if (!has(cmd, op))
			continue;
		at[0] = op->opcode;
		scsi_put_be(at + 2, 2, op->action);
		at[5] = (uint8_t)((op->has_action ? SERVACTV : 0) | (timeouts ? CTDP : 0));
		scsi_put_be(at + 6, 2, op->bytes);
		len += DESCRIPTOR;
		if (timeouts)
			len += put_timeouts(buf + len);
	}
	scsi_put_be(buf, 4, len - 4);
	return scsi_reply(cmd, buf, len, most);
}

static int report_one(
	struct scsi_command *cmd, const struct scsi_opcode *op, bool timeouts, size_t most)
{
	uint8_t buf[4 + SCSI_CDB_BYTES + TIMEOUTS] = { 0 };
	unsigned len = 4;

	buf[1] = op ? SUPPORT_YES : SUPPORT_NOT;
	if (op) {
		scsi_put_be(buf + 2, 2, op->bytes);
		memcpy(buf + len, op->usage, op->bytes);
		buf[len] = op->opcode;
		if (op->has_action)
			buf[len + 1] = op->action;
		len += op->bytes;
		if (timeouts) {
			buf[1] |= 0x80;
			len += put_timeouts(buf + len);
		}
	}
	return scsi_reply(cmd, buf, len, most);
}

int scsi_report_opcodes(struct scsi_command *cmd)
{
	const uint8_t *cdb = cmd->cdb;
	size_t most = scsi_get_be(cdb + 6, 4);
	unsigned action = (unsigned)scsi_get_be(cdb + 4, 2), options = cdb[2] & 7;
	bool timeouts = cdb[2] & RCTD, has_actions = false;
	const struct scsi_opcode *found = NULL;

	if (options == REPORT_ALL)
		return report_all(cmd, timeouts, most);
	if (options > REPORT_ONE_EITHER)
		return SENSE_INVALID_FIELD;
	for (unsigned i = 0; i < NUM_OPCODES; i++) {
		const struct scsi_opcode *op = &opcodes[i];
		if (op->opcode != cdb[3] || !has(cmd, op))
			continue;
		has_actions |= op->has_action;
		if (op->has_action ? op->action == action : options != REPORT_ONE_EITHER || !action)
			found = op;
	}
	/* Asked for the wrong kind of command (6.35.1, table 240). */
	if (options == REPORT_ONE && has_actions)
		return SENSE_INVALID_FIELD;
	if (options == REPORT_ONE_ACTION && found && !found->has_action)
		return SENSE_INVALID_FIELD;
	return report_one(cmd, found, timeouts, most);
}

/* REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS, SPC-4 6.36: what task.c has. */
int scsi_report_tasks(struct scsi_command *cmd)
{
	enum {
		ABORT_TASK = 0x80,
		ABORT_TASK_SET = 0x40,
		CLEAR_TASK_SET = 0x10,
		LUN_RESET = 0x08,
		QUERY_TASK = 0x04,
		QUERY_TASK_SET = 0x02, /* QTSS, byte 1 */
		NEXUS_RESET = 0x01,    /* ITNRS, byte 1 */
	};
	bool extended = cmd->cdb[2] & 0x80;
	uint8_t buf[16] = {
		ABORT_TASK | ABORT_TASK_SET | CLEAR_TASK_SET | LUN_RESET | QUERY_TASK,
		QUERY_TASK_SET | NEXUS_RESET,
	};

	if (extended)
		buf[3] = 12;
	return scsi_reply(cmd, buf, extended ? 16 : 4, scsi_get_be(cmd->cdb + 6, 4));
}
