/* SPDX-License-Identifier: BSD-3-Clause */
/* Region accesses: the data path. The reply of a read is filled where it is sent from. */
#include <errno.h>
#include <string.h>

#include "serve/session.h"

static int finish_read(struct medio_session *s, const struct medio_request *req,
	const struct medio_vu_region_access *access)
{
	s->wait = MEDIO_WAIT_NONE;
	if (s->answer_ret)
		return s->answer_ret;
	if (s->answer_count != access->count)
		return -EIO;
	uint8_t *at = medio_session_reply(s, req, sizeof(*access) + access->count);
	if (!at)
		return -ENOMEM;
	memcpy(at, access, sizeof(*access));
	memcpy(at + sizeof(*access), s->answer, access->count);
	medio_session_send(s, req, sizeof(*access) + access->count);
	return 0;
}

int medio_handle_read(struct medio_session *s, struct medio_request *req)
{
	struct medio_vu_region_access access;
	if (!medio_request_take(req, &access, sizeof(access)) || access.count > s->max_xfer)
		return -EINVAL;
	if (s->wait == MEDIO_WAIT_ANSWERED)
		return finish_read(s, req, &access);
	uint8_t *at = medio_session_reply(s, req, sizeof(access) + access.count);
	if (!at)
		return -ENOMEM;
	memcpy(at, &access, sizeof(access));
	s->wait = MEDIO_WAIT_CALL;
	int ret = medio_instance_read(
		s->inst, access.region, access.offset, at + sizeof(access), access.count);
	if (ret == MEDIO_DEFERRED) {
		medio_conn_release(s->conn);
		if (s->wait == MEDIO_WAIT_ANSWERED)
			return finish_read(s, req, &access);
		s->wait = MEDIO_WAIT_DEFERRED;
		return MEDIO_SESSION_STALL;
	}
	s->wait = MEDIO_WAIT_NONE;
	if (ret)
		return ret;
	medio_session_send(s, req, sizeof(access) + access.count);
	return 0;
}

/* One write; STALL if the device answers later, and its answer when asked again. */
static int write_one(
	struct medio_session *s, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	if (s->wait != MEDIO_WAIT_ANSWERED) {
		s->wait = MEDIO_WAIT_CALL;
		int ret = medio_instance_write(s->inst, region, offset, buf, count);
		if (ret != MEDIO_DEFERRED) {
			s->wait = MEDIO_WAIT_NONE;
			return ret;
		}
		if (s->wait != MEDIO_WAIT_ANSWERED) {
			s->wait = MEDIO_WAIT_DEFERRED;
			return MEDIO_SESSION_STALL;
		}
	}
	s->wait = MEDIO_WAIT_NONE;
	return s->answer_ret;
}

int medio_handle_write(struct medio_session *s, struct medio_request *req)
{
	struct medio_vu_region_access access;
	if (!medio_request_take(req, &access, sizeof(access)) || access.count > s->max_xfer ||
		access.count > req->size - sizeof(access))
		return -EINVAL;
	int ret = write_one(
		s, access.region, access.offset, req->payload + sizeof(access), access.count);
	if (ret || req->hdr.flags & MEDIO_VU_NO_REPLY)
		return ret;
	return medio_session_answer(s, req, &access, sizeof(access));
}

/* Entries are done in order up to the first that fails; the reply says how many were. Without a reply
 * they are posted writes, of which one that fails is in no other's way. */
int medio_handle_write_multi(struct medio_session *s, struct medio_request *req)
{
	struct medio_vu_write_multi multi;
	struct medio_vu_write_entry entry;
	if (!medio_request_take(req, &multi, sizeof(multi)) ||
		multi.wr_cnt > (req->size - sizeof(multi)) / sizeof(entry))
		return -EINVAL;
	bool posted = req->hdr.flags & MEDIO_VU_NO_REPLY;
	int ret = 0;
	for (; s->multi_done < multi.wr_cnt; s->multi_done++) {
		memcpy(&entry, req->payload + sizeof(multi) + s->multi_done * sizeof(entry),
			sizeof(entry));
		ret = entry.count > sizeof(entry.data)
			      ? -EINVAL
			      : write_one(s, entry.region, entry.offset, entry.data, entry.count);
		if (ret == MEDIO_SESSION_STALL || (ret && !posted))
			break;
	}
	if (ret == MEDIO_SESSION_STALL)
		return ret;
	multi.wr_cnt = s->multi_done;
	s->multi_done = 0;
	if (ret && (posted || !multi.wr_cnt))
		return ret;
	return medio_session_answer(s, req, &multi, sizeof(multi));
}
