/* SPDX-License-Identifier: BSD-3-Clause */
/* RESET, DEVICE_FEATURE and the migration stream. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device/feature.h"
#include "device/migration.h"
#include "serve/session.h"

int medio_handle_reset(struct medio_session *s, struct medio_request *req)
{
	(void)req;
	int ret = medio_session_quiesce(s);
	if (ret)
		return ret;
	medio_instance_reset(s->inst, MEDIO_RESET_DEVICE);
	medio_session_resume(s);
	return 0;
}

/* ---- Features ------------------------------------------------------------------------------------ */

/* The answer behind its header, which names the size that is needed; an answer that does not fit is
 * the header alone. */
static int answer(struct medio_session *s, struct medio_request *req,
	const struct medio_vu_feature *head, const struct medio_feature *f, size_t got)
{
	size_t size = got <= f->cap ? got : 0;
	struct medio_vu_feature reply = { (uint32_t)(sizeof(reply) + got), head->flags };
	uint8_t *at = medio_session_reply(s, req, sizeof(reply) + size);
	if (!at)
		return -ENOMEM;
	memcpy(at, &reply, sizeof(reply));
	if (size)
		memcpy(at + sizeof(reply), f->out, size);
	medio_session_send(s, req, sizeof(reply) + size);
	return 0;
}

static int call_feature(struct medio_session *s, struct medio_request *req,
	const struct medio_vu_feature *head, struct medio_feature *f)
{
	size_t got = 0;
	bool quiet = medio_feature_wants_quiet(s->inst, f->flags);
	int ret = quiet ? medio_session_quiesce(s) : 0;
	if (ret)
		return ret;
	ret = medio_instance_feature(s->inst, f, &got);
	if (quiet)
		medio_session_resume(s); /* does so only if the device runs now */
	return ret ? ret : answer(s, req, head, f, got);
}

int medio_handle_feature(struct medio_session *s, struct medio_request *req)
{
	struct medio_vu_feature head;
	if (!medio_request_take(req, &head, sizeof(head)) || head.argsz < sizeof(head))
		return -EINVAL;
	struct medio_feature f = {
		.flags = head.flags,
		.in = req->payload + sizeof(head),
		.size = req->size - sizeof(head),
		.cap = head.argsz - sizeof(head),
		.max = s->max_xfer,
	};
	/* No answer is longer than the longest bitmap behind its report, or what came. */
	size_t most = f.max + sizeof(struct medio_vu_logging_report);
	if (most < f.size)
		most = f.size;
	if (f.cap > most)
		f.cap = most;
	f.out = malloc(f.cap ? f.cap : 1);
	if (!f.out)
		return -ENOMEM;
	int ret = call_feature(s, req, &head, &f);
	free(f.out);
	return ret;
}

/* ---- The migration stream -------------------------------------------------------------------------- */

int medio_handle_mig_read(struct medio_session *s, struct medio_request *req)
{
	struct medio_vu_mig_data data;
	if (!medio_request_take(req, &data, sizeof(data)) || data.argsz < sizeof(data) ||
		data.size > s->max_xfer || data.argsz - sizeof(data) < data.size)
		return -EINVAL;
	uint8_t *at = medio_session_reply(s, req, sizeof(data) + data.size);
	if (!at)
		return -ENOMEM;
	ssize_t got = medio_migration_read(s->inst, at + sizeof(data), data.size);
	if (got < 0)
		return (int)got;
	data.size = (uint32_t)got;
	data.argsz = (uint32_t)(sizeof(data) + data.size);
	memcpy(at, &data, sizeof(data));
	struct medio_vu_header hdr;
	memcpy(&hdr, at - sizeof(hdr), sizeof(hdr));
	hdr.size = (uint32_t)(sizeof(hdr) + sizeof(data) + data.size);
	memcpy(at - sizeof(hdr), &hdr, sizeof(hdr));
	medio_session_send(s, req, sizeof(data) + data.size);
	return 0;
}

int medio_handle_mig_write(struct medio_session *s, struct medio_request *req)
{
	struct medio_vu_mig_data data;
	if (!medio_request_take(req, &data, sizeof(data)) || data.size > s->max_xfer ||
		data.size > req->size - sizeof(data))
		return -EINVAL;
	return medio_migration_write(s->inst, req->payload + sizeof(data), data.size);
}
