/* SPDX-License-Identifier: BSD-3-Clause */
#include "serve/session.h"
#include "device/stats.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room above max_data_xfer_size for headers, so that one bound serves all messages. */
#define MESSAGE_OVERHEAD 4096u

static medio_session_handler *const handlers[MEDIO_VU_NUM_CMDS] = {
	[MEDIO_VU_VERSION] = medio_handle_version,
	[MEDIO_VU_DMA_MAP] = medio_handle_dma_map,
	[MEDIO_VU_DMA_UNMAP] = medio_handle_dma_unmap,
	[MEDIO_VU_GET_INFO] = medio_handle_info,
	[MEDIO_VU_GET_REGION_INFO] = medio_handle_region_info,
	[MEDIO_VU_GET_REGION_IO_FDS] = medio_handle_io_fds,
	[MEDIO_VU_GET_IRQ_INFO] = medio_handle_irq_info,
	[MEDIO_VU_SET_IRQS] = medio_handle_set_irqs,
	[MEDIO_VU_REGION_READ] = medio_handle_read,
	[MEDIO_VU_REGION_WRITE] = medio_handle_write,
	[MEDIO_VU_RESET] = medio_handle_reset,
	[MEDIO_VU_REGION_WRITE_MULTI] = medio_handle_write_multi,
	[MEDIO_VU_DEVICE_FEATURE] = medio_handle_feature,
	[MEDIO_VU_MIG_DATA_READ] = medio_handle_mig_read,
	[MEDIO_VU_MIG_DATA_WRITE] = medio_handle_mig_write,
};

bool medio_request_take(const struct medio_request *req, void *out, size_t size)
{
	if (req->size < size)
		return false;
	memcpy(out, req->payload, size);
	return true;
}

int medio_session_broken(struct medio_session *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	return MEDIO_SESSION_CLOSE;
}

/* ---- Replies ---------------------------------------------------------------------------------- */

void *medio_session_reply(struct medio_session *s, const struct medio_request *req, size_t size)
{
	struct medio_vu_header hdr = {
		.id = req->hdr.id,
		.cmd = req->hdr.cmd,
		.size = (uint32_t)(sizeof(hdr) + size),
		.flags = MEDIO_VU_REPLY,
	};
	uint8_t *at = medio_conn_reserve(s->conn, sizeof(hdr) + size);
	if (!at)
		return NULL;
	memcpy(at, &hdr, sizeof(hdr));
	return at + sizeof(hdr);
}

void medio_session_send(struct medio_session *s, const struct medio_request *req, size_t size)
{
	if (req->hdr.flags & MEDIO_VU_NO_REPLY)
		medio_conn_release(s->conn);
	else
		medio_conn_commit(s->conn, sizeof(struct medio_vu_header) + size);
	s->replied = true;
}

int medio_session_answer(
	struct medio_session *s, const struct medio_request *req, const void *payload, size_t size)
{
	void *at = medio_session_reply(s, req, size);
	if (!at)
		return -ENOMEM;
	memcpy(at, payload, size);
	medio_session_send(s, req, size);
	return 0;
}

void medio_session_reply_header(struct medio_session *s, const struct medio_request *req, int err)
{
	if (req->hdr.flags & MEDIO_VU_NO_REPLY)
		return;
	struct medio_vu_header hdr = {
		.id = req->hdr.id,
		.cmd = req->hdr.cmd,
		.size = sizeof(hdr),
		.flags = MEDIO_VU_REPLY | (err ? MEDIO_VU_ERROR : 0),
		.error = (uint32_t)err,
	};
	void *at = medio_conn_reserve(s->conn, sizeof(hdr));
	if (!at)
		return;
	memcpy(at, &hdr, sizeof(hdr));
	medio_conn_commit(s->conn, sizeof(hdr));
}

/* ---- Messages ----------------------------------------------------------------------------------- */

static int dispatch(struct medio_session *s, struct medio_request *req)
{
	if (!s->negotiated && req->hdr.cmd != MEDIO_VU_VERSION)
		return medio_session_broken(s, "its first message was %s, not VERSION",
			medio_vu_cmd_name(req->hdr.cmd));
	if (s->observer)
		return req->hdr.cmd == MEDIO_VU_ATTRIBUTE ? medio_handle_attribute(s, req) : -EPERM;
	if (req->hdr.cmd >= MEDIO_VU_NUM_CMDS || !handlers[req->hdr.cmd])
		return -ENOSYS;
	return handlers[req->hdr.cmd](s, req);
}

static enum medio_conn_verdict on_message(void *opaque, struct medio_request *req)
{
	struct medio_session *s = opaque;
	bool command = (req->hdr.flags & MEDIO_VU_TYPE_MASK) == MEDIO_VU_COMMAND;
	int ret;
	s->replied = false;
	if ((req->hdr.flags & MEDIO_VU_TYPE_MASK) == MEDIO_VU_REPLY)
		ret = medio_remote_reply(s, req);
	else if (!command)
		ret = medio_session_broken(
			s, "it sent a message that is neither command nor reply");
	else
		ret = dispatch(s, req);

	if (medio_conn_reserved(s->conn))
		medio_conn_release(s->conn);
	if (!s->replied && ret <= 0 && command)
		medio_session_reply_header(s, req, -ret);
	if (s->poisoned && ret != MEDIO_SESSION_CLOSE)
		ret = medio_session_broken(
			s, "it took back memory that it had mapped (its file was truncated)");
	if (ret == MEDIO_SESSION_CLOSE) {
		medio_conn_close(s->conn, s->why[0] ? s->why : NULL);
		return MEDIO_CONN_CLOSE;
	}
	if (command && ret != MEDIO_SESSION_STALL)
		medio_stat_add(&medio_instance_counters(s->inst)->messages, 1);
	/* Also when stalled: what the device waits for may be its own DMA, held up by the reply. */
	if (!medio_list_empty(&s->remote))
		medio_remote_kick(s);
	return ret == MEDIO_SESSION_STALL ? MEDIO_CONN_STALL : MEDIO_CONN_NEXT;
}

/* ---- What the instance says --------------------------------------------------------------------- */

static void on_completed(void *opaque, int ret, const void *data, size_t count)
{
	struct medio_session *s = opaque;
	if (s->wait != MEDIO_WAIT_CALL && s->wait != MEDIO_WAIT_DEFERRED)
		return;
	if (data && count > s->answer_cap) {
		uint8_t *more = realloc(s->answer, count);
		if (!more) {
			ret = -ENOMEM;
		} else {
			s->answer = more;
			s->answer_cap = count;
		}
	}
	if (ret == 0 && data && count)
		memcpy(s->answer, data, count);
	s->answer_ret = ret;
	s->answer_count = ret == 0 && data ? count : 0;
	bool stalled = s->wait == MEDIO_WAIT_DEFERRED;
	s->wait = MEDIO_WAIT_ANSWERED;
	if (stalled)
		medio_conn_continue(s->conn);
}

static void on_quiesced(void *opaque)
{
	struct medio_session *s = opaque;
	if (!s->quiescing)
		return;
	s->quiescing = false;
	s->quiet = true;
	medio_conn_continue(s->conn);
}

/* Only noted here, the device is in the middle of something. */
static void on_poisoned(void *opaque)
{
	struct medio_session *s = opaque;
	s->poisoned = true;
}

static const struct medio_transport_ops transport_ops = {
	.completed = on_completed,
	.quiesced = on_quiesced,
	.dma = medio_remote_dma,
	.poisoned = on_poisoned,
};

int medio_session_quiesce(struct medio_session *s)
{
	if (s->quiet) {
		s->quiet = false;
		return 0;
	}
	if (medio_instance_quiesce(s->inst) == 0)
		return 0;
	s->quiescing = true;
	return MEDIO_SESSION_STALL;
}

void medio_session_resume(struct medio_session *s)
{
	medio_instance_resume(s->inst);
}

/* ---- Life ------------------------------------------------------------------------------------------ */

static void detach(struct medio_session *s)
{
	if (!s->attached)
		return;
	s->attached = false;
	medio_stat_set(&medio_instance_counters(s->inst)->connected, 0);
	s->wait = MEDIO_WAIT_NONE;
	s->quiescing = s->quiet = false;
	medio_remote_cancel(s);
	if (s->twin)
		medio_conn_close(s->twin, NULL);
	medio_instance_detach(s->inst);
	medio_server_client_left(s->server, s);
}

void medio_session_stand_aside(struct medio_session *s)
{
	s->observer = true;
	detach(s);
}

static void on_closed(void *opaque, const char *why)
{
	struct medio_session *s = opaque;
	if (why)
		medio_instance_guest_error(s->inst, "client closed: %s", why);
	detach(s);
}

static void on_gone(void *opaque)
{
	struct medio_session *s = opaque;
	s->finished = true;
	medio_server_session_gone(s->server, s);
}

static const struct medio_conn_ops conn_ops = {
	.message = on_message,
	.closed = on_closed,
	.gone = on_gone,
};

int medio_session_new(struct medio_server *server, struct medio_instance *inst, int fd,
	uint32_t max_xfer, unsigned timeout_ms, bool refused, struct medio_session **out)
{
	struct medio_session *s = calloc(1, sizeof(*s));
	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	s->server = server;
	s->inst = inst;
	s->refused = refused;
	s->max_xfer = max_xfer;
	medio_list_init(&s->link);
	medio_list_init(&s->remote);
	int ret = medio_conn_new(medio_instance_loop(inst), fd, max_xfer + MESSAGE_OVERHEAD,
		timeout_ms, &conn_ops, s, &s->conn);
	if (ret) {
		free(s);
		return ret;
	}
	if (!refused) {
		ret = medio_instance_attach(inst, &transport_ops, s);
		s->attached = ret == 0;
		s->refused = ret != 0;
	}
	*out = s;
	return 0;
}

void medio_session_free(struct medio_session *s)
{
	if (!s)
		return;
	detach(s);
	medio_conn_free(s->twin);
	medio_conn_free(s->conn);
	medio_timer_free(s->remote_timer);
	free(s->answer);
	free(s);
}
