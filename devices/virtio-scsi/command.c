/* SPDX-License-Identifier: BSD-3-Clause */
#include "command.h"

#include <stddef.h>
#include <string.h>

/* The byte of a CDB that holds NACA and obsolete bits (SAM-5, 5.2), the last one of it. */
enum { CONTROL_NACA = 0x04 };

/* ---- Data -------------------------------------------------------------------------------------- */

/* Copy len bytes at `from` of the data, which are there: from `put`, or to `get`. */
static void copy(
	const struct scsi_data *data, size_t from, const uint8_t *put, uint8_t *get, size_t len)
{
	from += data->skip;
	for (unsigned i = 0; i < data->n && len; i++) {
		size_t has = data->iov[i].iov_len;
		if (from >= has) {
			from -= has;
			continue;
		}
		size_t now = has - from < len ? has - from : len;
		uint8_t *there = (uint8_t *)data->iov[i].iov_base + from;
		if (put) {
			memcpy(there, put, now);
			put += now;
		} else {
			memcpy(get, there, now);
			get += now;
		}
		len -= now;
		from = 0;
	}
}

int scsi_reply(struct scsi_command *cmd, const void *buf, size_t len, size_t most)
{
	if (len > most)
		len = most;
	if (len > cmd->in.bytes)
		return SCSI_OVERRUN;
	copy(&cmd->in, 0, buf, NULL, len);
	cmd->moved = len;
	return SENSE_NONE;
}

bool scsi_take(const struct scsi_command *cmd, size_t from, void *buf, size_t len)
{
	if (from > cmd->out.bytes || len > cmd->out.bytes - from)
		return false;
	copy(&cmd->out, from, NULL, buf, len);
	return true;
}

/* As preadv(2) takes. */
#define MOST_PIECES 1024u

/* The driver's own list will do, if the data begin with a piece and end with one. */
static bool fits_whole(const struct scsi_data *data, size_t from, uint64_t bytes,
	const struct iovec **iov, unsigned *n)
{
	size_t skip = data->skip + from;
	unsigned i = 0;

	while (i < data->n && skip && data->iov[i].iov_len <= skip)
		skip -= data->iov[i++].iov_len;
	if (skip)
		return false;
	unsigned first = i;
	while (i < data->n && bytes && data->iov[i].iov_len <= bytes)
		bytes -= data->iov[i++].iov_len;
	*iov = data->iov + first;
	*n = i - first;
	return bytes == 0 && *n <= MOST_PIECES;
}

size_t scsi_pieces(struct scsi_command *cmd, const struct scsi_data *data, size_t from,
	uint64_t bytes, uint32_t block, const struct iovec **iov, unsigned *n)
{
	size_t skip = data->skip + from, sum = 0;
	unsigned used = 0;

	if (fits_whole(data, from, bytes, iov, n))
		return (size_t)bytes;
	for (unsigned i = 0; i < data->n && used < SCSI_WINDOW && sum < bytes; i++) {
		size_t has = data->iov[i].iov_len;
		if (skip >= has) {
			skip -= has;
			continue;
		}
		size_t now = has - skip < bytes - sum ? has - skip : (size_t)(bytes - sum);
		cmd->window[used++] = (struct iovec){
			.iov_base = (uint8_t *)data->iov[i].iov_base + skip,
			.iov_len = now,
		};
		sum += now;
		skip = 0;
	}
	/* Whole blocks only: what is too much is taken off the end. */
	for (size_t over = sum % block; over;) {
		struct iovec *last = &cmd->window[used - 1];
		size_t now = last->iov_len < over ? last->iov_len : over;
		last->iov_len -= now;
		sum -= now;
		over -= now;
		if (!last->iov_len)
			used--;
	}
	*iov = cmd->window;
	*n = used;
	return sum;
}

/* ---- Steps ------------------------------------------------------------------------------------- */

static void become_busy(struct scsi_command *cmd)
{
	struct scsi_command **head = &cmd->lun->busy;

	cmd->submitted = true;
	cmd->next = *head;
	cmd->link = head;
	if (cmd->next)
		cmd->next->link = &cmd->next;
	*head = cmd;
}

static void end(struct scsi_command *cmd, int result)
{
	struct scsi_lun *lun = cmd->lun;

	if (cmd->submitted) {
		*cmd->link = cmd->next;
		if (cmd->next)
			cmd->next->link = cmd->link;
		cmd->submitted = false;
	}
	cmd->overrun = result == SCSI_OVERRUN;
	cmd->status = result > 0 ? SCSI_CHECK_CONDITION : SCSI_GOOD;
	if (result > 0)
		cmd->sense_bytes = scsi_sense_write((enum scsi_sense)result, false, cmd->sense);
	if (result != SENSE_NONE)
		cmd->moved = 0;
	if (lun) {
		lun->counts.commands++;
		lun->counts.checks += result > 0;
	}
	cmd->done(cmd);
}

int scsi_step_end(struct scsi_command *cmd)
{
	return SENSE_NONE;
}

/* The disk is done with one request: the next, or the end. A disk answers from within disk_submit() if it
 * can, so that this is a loop and no recursion. */
static void go_on(struct scsi_command *cmd)
{
	int result = SCSI_WAITS;

	cmd->stepping = true;
	while (result == SCSI_WAITS && cmd->answered) {
		cmd->answered = false;
		if (cmd->ret && !cmd->aborted)
			result = scsi_sense_of_error(cmd->ret, cmd->disk.op != DISK_READ);
		else
			result = cmd->aborted ? SENSE_NONE : cmd->step(cmd);
	}
	cmd->stepping = false;
	if (result != SCSI_WAITS)
		end(cmd, result);
}

static void on_disk_done(struct disk_request *req, int ret)
{
	struct scsi_command *cmd = (void *)((char *)req - offsetof(struct scsi_command, disk));

	cmd->answered = true;
	cmd->ret = ret;
	if (!cmd->stepping)
		go_on(cmd);
}

int scsi_submit(struct scsi_command *cmd, scsi_run_fn *step)
{
	struct scsi_target *target = cmd->target;
	struct scsi_lun *lun = cmd->lun;

	if (!cmd->submitted)
		become_busy(cmd);
	cmd->step = step;
	cmd->disk.more = false;
	cmd->disk.done = on_disk_done;
	disk_submit(lun->disk, &cmd->disk);
	if (cmd->answered)
		return SCSI_WAITS;
	if (target->gathering)
		target->kicks |= 1u << lun->number;
	else
		disk_kick(lun->disk);
	return SCSI_WAITS;
}

int scsi_submit_flush(struct scsi_command *cmd, scsi_run_fn *step)
{
	cmd->disk.op = DISK_FLUSH;
	cmd->disk.unmap = cmd->disk.durable = false;
	cmd->disk.offset = cmd->disk.bytes = 0;
	cmd->disk.iov = NULL;
	cmd->disk.niov = 0;
	return scsi_submit(cmd, step);
}

/* ---- The beginning ------------------------------------------------------------------------------- */

/* What keeps a command from running at all, in the order of SAM-5, 5.3.3. */
static int hindrance(struct scsi_command *cmd, const struct scsi_opcode *op)
{
	struct scsi_lun *lun = cmd->lun;

	if (!lun && !cmd->well_known && !(op && op->flags & OP_ABSENT))
		return SENSE_NO_LUN;
	if (lun && lun->attention && !(op && op->flags & OP_CALM))
		return scsi_lun_take_attention(lun);
	if (!op && scsi_opcode_has_actions(cmd->cdb[0]))
		return SENSE_INVALID_FIELD;
	if (!op || (cmd->well_known && !(op->flags & OP_WELL_KNOWN)))
		return SENSE_INVALID_OPCODE;
	/* It is longer than the driver has said that CDBs are, or wants ACA, which is not here. */
	if (op->bytes > cmd->cdb_bytes || cmd->cdb[op->bytes - 1] & CONTROL_NACA)
		return SENSE_INVALID_FIELD;
	if (lun && op->flags & OP_MEDIUM && lun->stopped)
		return SENSE_NOT_STARTED;
	if (lun && op->flags & OP_MEDIUM && !lun->info.bytes)
		return SENSE_NO_MEDIUM;
	if (lun && op->flags & OP_WRITES && lun->info.readonly)
		return SENSE_WRITE_PROTECTED;
	return SENSE_NONE;
}

void scsi_command_run(struct scsi_command *cmd)
{
	const struct scsi_opcode *op = scsi_opcode_find(cmd->lun, cmd->cdb[0], cmd->cdb[1] & 0x1f);

	cmd->aborted = cmd->overrun = cmd->submitted = cmd->answered = false;
	cmd->moved = 0;
	cmd->sense_bytes = 0;
	cmd->stepping = true;
	int result = hindrance(cmd, op);
	if (result == SENSE_NONE)
		result = op->run(cmd);
	cmd->stepping = false;
	if (result != SCSI_WAITS)
		end(cmd, result);
	else if (cmd->answered)
		go_on(cmd);
}
