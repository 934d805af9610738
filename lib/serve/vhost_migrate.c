/* SPDX-License-Identifier: BSD-3-Clause */
/* Dirty log and device state: between messages and vhost_log.h, vhost_state.h. */
#include <errno.h>

#include "serve/vhost_log.h"
#include "serve/vhost_session.h"
#include "serve/vhost_state.h"

static int take(struct medio_vhu_message *msg)
{
	int fd = msg->num_fds ? msg->fds[0] : -1;
	if (msg->num_fds)
		msg->fds[0] = -1;
	return fd;
}

int medio_vhost_set_log_base(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	const struct medio_vhu_log *log = &msg->payload.log;
	int ret = medio_vhost_log_set_base(s->log, take(msg), log->size, log->offset);
	medio_vhost_answer_u64(s, msg, ret != 0);
	return ret;
}

int medio_vhost_set_log_fd(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	return medio_vhost_log_set_fd(s->log, take(msg));
}

/* Bits 0 to 7 of the answer: failed; bit 8: no descriptor comes with it, the front-end's is used. */
int medio_vhost_set_state_fd(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	const struct medio_vhu_transfer *transfer = &msg->payload.transfer;
	int ret = -EBUSY;
	if (medio_vhost_rings_live(s))
		medio_vhost_refuse(s, msg, ret, "rings run; stop them with GET_VRING_BASE first");
	else
		ret = medio_vhost_state_begin(
			s->state, transfer->direction, transfer->phase, take(msg));
	medio_vhost_answer_u64(s, msg, ret ? MEDIO_VHU_FD_NONE | 1 : MEDIO_VHU_FD_NONE);
	return ret;
}

int medio_vhost_check_state(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	int ret = medio_vhost_state_check(s->state);
	medio_vhost_answer_u64(s, msg, ret != 0);
	return ret;
}
