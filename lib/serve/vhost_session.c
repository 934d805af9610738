/* SPDX-License-Identifier: BSD-3-Clause */
#include "serve/vhost_session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "device/stats.h"
#include "serve/vhost_channel.h"
#include "serve/vhost_log.h"
#include "serve/vhost_state.h"

/* ---- Answers ---------------------------------------------------------------------------------------- */

void medio_vhost_answer(struct medio_vhost_session *s, const struct medio_vhu_message *msg,
	const void *payload, uint32_t size)
{
	s->replied = true;
	medio_vhost_conn_reply(s->conn, msg->hdr.request, payload, size, -1);
}

void medio_vhost_answer_u64(
	struct medio_vhost_session *s, const struct medio_vhu_message *msg, uint64_t value)
{
	medio_vhost_answer(s, msg, &value, sizeof(value));
}

int medio_vhost_refuse(struct medio_vhost_session *s, const struct medio_vhu_message *msg, int err,
	const char *fmt, ...)
{
	const char *name = medio_vhu_request_name(msg->hdr.request);
	char words[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	medio_instance_guest_error(
		s->inst, "front-end: %s is refused: %s", name ? name : "a message", words);
	return err;
}

/* ---- Messages ----------------------------------------------------------------------------------------- */

/* "Marks the sender as the front-end that owns of the session": nobody else can be it. */
static int set_owner(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	(void)s;
	(void)msg;
	return 0;
}

typedef int handler_fn(struct medio_vhost_session *s, struct medio_vhu_message *msg);

static handler_fn *const handlers[MEDIO_VHU_NUM_REQUESTS] = {
	[MEDIO_VHU_GET_FEATURES] = medio_vhost_get_features,
	[MEDIO_VHU_SET_FEATURES] = medio_vhost_set_features,
	[MEDIO_VHU_SET_OWNER] = set_owner,
	[MEDIO_VHU_RESET_OWNER] = medio_vhost_reset_owner,
	[MEDIO_VHU_SET_MEM_TABLE] = medio_vhost_set_mem_table,
	[MEDIO_VHU_SET_LOG_BASE] = medio_vhost_set_log_base,
	[MEDIO_VHU_SET_LOG_FD] = medio_vhost_set_log_fd,
	[MEDIO_VHU_SET_VRING_NUM] = medio_vhost_vring_num,
	[MEDIO_VHU_SET_VRING_ADDR] = medio_vhost_vring_addr,
	[MEDIO_VHU_SET_VRING_BASE] = medio_vhost_vring_set_base,
	[MEDIO_VHU_GET_VRING_BASE] = medio_vhost_vring_get_base,
	[MEDIO_VHU_SET_VRING_KICK] = medio_vhost_vring_kick,
	[MEDIO_VHU_SET_VRING_CALL] = medio_vhost_vring_call,
	[MEDIO_VHU_SET_VRING_ERR] = medio_vhost_vring_err,
	[MEDIO_VHU_GET_PROTOCOL_FEATURES] = medio_vhost_get_protocol,
	[MEDIO_VHU_SET_PROTOCOL_FEATURES] = medio_vhost_set_protocol,
	[MEDIO_VHU_GET_QUEUE_NUM] = medio_vhost_get_queue_num,
	[MEDIO_VHU_SET_VRING_ENABLE] = medio_vhost_vring_enable,
	[MEDIO_VHU_SET_BACKEND_REQ_FD] = medio_vhost_set_backend_fd,
	[MEDIO_VHU_GET_CONFIG] = medio_vhost_get_config,
	[MEDIO_VHU_SET_CONFIG] = medio_vhost_set_config,
	[MEDIO_VHU_GET_INFLIGHT_FD] = medio_vhost_get_inflight,
	[MEDIO_VHU_SET_INFLIGHT_FD] = medio_vhost_set_inflight,
	[MEDIO_VHU_RESET_DEVICE] = medio_vhost_reset_device,
	[MEDIO_VHU_GET_MAX_MEM_SLOTS] = medio_vhost_get_max_slots,
	[MEDIO_VHU_ADD_MEM_REG] = medio_vhost_add_mem_reg,
	[MEDIO_VHU_REM_MEM_REG] = medio_vhost_rem_mem_reg,
	[MEDIO_VHU_SET_STATUS] = medio_vhost_set_status,
	[MEDIO_VHU_GET_STATUS] = medio_vhost_get_status,
	[MEDIO_VHU_SET_DEVICE_STATE_FD] = medio_vhost_set_state_fd,
	[MEDIO_VHU_CHECK_DEVICE_STATE] = medio_vhost_check_state,
};

static int dispatch(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	char words[MEDIO_VHU_WORDS];
	int ret = medio_vhu_check(msg, s->protocol, words);
	if (ret)
		return medio_vhost_refuse(s, msg, ret, "%s", words);
	return handlers[msg->hdr.request](s, msg);
}

static void first_message(struct medio_vhost_session *s)
{
	struct medio_stats *stats = medio_instance_counters(s->inst);
	s->spoke = true;
	medio_stat_add(&stats->clients, 1);
	medio_stat_set(&stats->connected, 1);
}

static void on_message(void *opaque, struct medio_vhost_conn *conn, struct medio_vhu_message *msg)
{
	struct medio_vhost_session *s = opaque;
	if (!s->spoke)
		first_message(s);
	s->replied = false;
	int ret = dispatch(s, msg);
	medio_stat_add(&medio_instance_counters(s->inst)->messages, 1);
	/* Agreed on or not is asked now: SET_PROTOCOL_FEATURES may have done it. */
	bool asked = msg->hdr.flags & MEDIO_VHU_NEED_REPLY &&
		     medio_vhost_has(s, MEDIO_VHU_P_REPLY_ACK) &&
		     !medio_vhu_has_reply(msg->hdr.request, s->protocol);
	if (!s->replied && asked)
		medio_vhost_answer_u64(s, msg, ret != 0);
	else if (ret && !s->replied)
		medio_vhost_conn_close(conn, "it cannot be told that a request was refused");
}

/* ---- What the instance says ----------------------------------------------------------------------------- */

static void on_completed(void *opaque, int ret, const void *data, size_t count)
{
	(void)opaque;
	(void)ret;
	(void)data;
	(void)count;
}

static void on_quiesced(void *opaque)
{
	(void)opaque;
}

/* Only noted here, the device is in the middle of something. */
static void on_poisoned(void *opaque)
{
	struct medio_vhost_session *s = opaque;
	s->poisoned = true;
	medio_timer_arm(s->end, 0);
}

static void on_end(void *opaque)
{
	struct medio_vhost_session *s = opaque;
	if (s->poisoned)
		medio_vhost_conn_close(
			s->conn, "it took back memory that it had shared (its file was truncated)");
}

static const struct medio_transport_ops transport_ops = {
	.completed = on_completed,
	.quiesced = on_quiesced,
	.poisoned = on_poisoned,
};

/* ---- Life ------------------------------------------------------------------------------------------------- */

static void on_closed(void *opaque, const char *why)
{
	struct medio_vhost_session *s = opaque;
	if (why)
		medio_instance_guest_error(s->inst, "front-end: connection closed: %s", why);
	medio_vhost_session_gone(s->server, s);
}

static const struct medio_vhost_conn_ops conn_ops = {
	.message = on_message,
	.closed = on_closed,
};

static int make_parts(struct medio_vhost_session *s, int fd, unsigned timeout_ms)
{
	struct medio_loop *loop = medio_instance_loop(s->inst);
	int ret = medio_vhost_conn_new(loop, fd, timeout_ms, &conn_ops, s, &s->conn);
	if (ret)
		return ret;
	s->end = medio_loop_timer(loop, on_end, s);
	if (!s->end)
		return -ENOMEM;
	ret = medio_vhost_log_new(s->inst, &s->log);
	return ret ? ret : medio_vhost_state_new(s->inst, s->core, &s->state);
}

static void free_parts(struct medio_vhost_session *s)
{
	medio_vhost_state_free(s->state);
	medio_vhost_log_free(s->log);
	medio_vhost_channel_free(s->channel);
	medio_vhost_conn_free(s->conn);
	medio_timer_free(s->end);
}

int medio_vhost_session_new(struct medio_vhost *server, struct medio_instance *inst,
	struct medio_virtio_core *core, int fd, unsigned timeout_ms,
	struct medio_vhost_session **out)
{
	unsigned rings = medio_virtio_core_num_queues(core);
	struct medio_vhost_session *s = calloc(1, sizeof(*s) + rings * sizeof(s->rings[0]));
	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	s->server = server;
	s->inst = inst;
	s->core = core;
	s->num_rings = rings;
	for (unsigned i = 0; i < rings; i++)
		medio_vhost_ring_init(s, i);
	/* Another front-end, or this one before, has left the device as it is; but one that needs a
	 * reset, or was given up, is of no use to anybody, and front-ends that know of no status would
	 * never reset it. */
	if (medio_virtio_core_status(core) & (VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED))
		medio_virtio_core_reset(core);
	s->inherited = medio_virtio_core_status(core) != 0;
	int ret = make_parts(s, fd, timeout_ms);
	if (ret == 0)
		ret = medio_instance_attach(inst, &transport_ops, s);
	if (ret) {
		free_parts(s);
		free(s);
		return ret;
	}
	*out = s;
	return 0;
}

void medio_vhost_session_free(struct medio_vhost_session *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->num_rings; i++)
		medio_vhost_ring_fini(&s->rings[i]);
	medio_vhost_inflight_fini(s);
	free_parts(s);
	medio_stat_set(&medio_instance_counters(s->inst)->connected, 0);
	medio_instance_detach(s->inst);
	free(s);
}
