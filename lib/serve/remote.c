/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Client memory that cannot be mapped here: DMA_READ and DMA_WRITE commands to the client, and its
 * replies. A transfer goes in chunks of at most 64 KiB, one at a time in order; many transfers may
 * be under way. Pieces of the range that are mapped are copied on the way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iommu/iommu.h"
#include "serve/session.h"

#define MAX_IN_FLIGHT 16u
#define REPLY_NS      5000000000u

struct transfer {
	struct medio_list link;
	struct medio_iommu_iter iter;
	struct medio_iommu_run run; /* the chunk being moved */
	uint8_t *buf;		    /* what is left of the device's buffer starts here */
	bool write;
	bool waiting; /* run is to be sent, but could not be yet */
	bool in_flight;
	uint16_t id;
	uint64_t sent_ns;
	medio_dma_done *done;
	void *opaque;
};

static void finish(struct medio_session *s, struct transfer *t, int ret)
{
	if (t->in_flight)
		s->remote_in_flight--;
	medio_list_remove(&t->link);
	if (ret == -EFAULT || ret == -EACCES)
		medio_instance_count_faults(s->inst);
	t->done(t->opaque, ret);
	free(t);
}

static uint64_t chunk_size(const struct medio_session *s)
{
	uint64_t max = s->client.max_data_xfer_size;
	if (max > s->max_xfer) /* the reply must fit into what we receive */
		max = s->max_xfer;
	return max < MEDIO_VU_DMA_CHUNK ? max : MEDIO_VU_DMA_CHUNK;
}

/* The document wants our commands and their replies on the twin socket if there is one. */
static struct medio_conn *conn_of(struct medio_session *s)
{
	return s->twin ? s->twin : s->conn;
}

/* Send the chunk at hand as a command. -EAGAIN: not now. */
static int send_chunk(struct medio_session *s, struct transfer *t)
{
	struct medio_conn *conn = conn_of(s);
	size_t data = t->write ? t->run.len : 0;
	struct medio_vu_dma_access access = { t->run.iova, t->run.len };
	struct medio_vu_header hdr = {
		.id = s->remote_id,
		.cmd = t->write ? MEDIO_VU_DMA_WRITE : MEDIO_VU_DMA_READ,
		.size = (uint32_t)(sizeof(hdr) + sizeof(access) + data),
		.flags = MEDIO_VU_COMMAND,
	};
	if (!medio_conn_is_open(conn)) {
		medio_instance_guest_error(s->inst,
			"the client closed the twin socket: nobody answers %s at iova 0x%llx",
			medio_vu_cmd_name(hdr.cmd), (unsigned long long)t->run.iova);
		return -ENODEV;
	}
	if (s->remote_in_flight >= MAX_IN_FLIGHT || medio_conn_reserved(conn))
		return -EAGAIN;
	uint8_t *at = medio_conn_reserve(conn, hdr.size);
	if (!at)
		return -ENOMEM;
	memcpy(at, &hdr, sizeof(hdr));
	memcpy(at + sizeof(hdr), &access, sizeof(access));
	if (data)
		memcpy(at + sizeof(hdr) + sizeof(access), t->buf, data);
	medio_conn_commit(conn, hdr.size);
	medio_conn_flush(conn);
	t->id = s->remote_id++;
	t->in_flight = true;
	t->sent_ns = medio_now_ns();
	s->remote_in_flight++;
	if (!medio_timer_armed(s->remote_timer))
		medio_timer_arm(s->remote_timer, REPLY_NS);
	return 0;
}

/* The chunk at hand is done. */
static void chunk_done(struct medio_session *s, struct transfer *t)
{
	medio_instance_count_dma(s->inst, t->write, t->run.len);
	t->buf += t->run.len;
}

static int copy_local(struct medio_session *s, struct transfer *t)
{
	if (t->write)
		memcpy(t->run.hva, t->buf, t->run.len);
	else
		memcpy(t->buf, t->run.hva, t->run.len);
	if (medio_iommu_poisoned(medio_instance_iommu(s->inst))) {
		s->poisoned = true;
		return -EFAULT;
	}
	chunk_done(s, t);
	return 0;
}

/* Move on until a chunk is under way or the transfer has ended. */
static void advance(struct medio_session *s, struct transfer *t)
{
	for (;;) {
		int ret = t->waiting ? 1 : medio_iommu_iter_next(&t->iter, chunk_size(s), &t->run);
		if (ret <= 0) {
			finish(s, t, ret);
			return;
		}
		if (!t->run.hva) {
			ret = send_chunk(s, t);
			t->waiting = ret == -EAGAIN;
			if (ret && ret != -EAGAIN)
				finish(s, t, ret);
			return;
		}
		ret = copy_local(s, t);
		if (ret) {
			finish(s, t, ret);
			return;
		}
	}
}

static void on_timeout(void *opaque)
{
	struct medio_session *s = opaque;
	uint64_t now = medio_now_ns();
	uint64_t oldest = UINT64_MAX;
	medio_list_for_each (item, &s->remote) {
		struct transfer *t = medio_container_of(item, struct transfer, link);
		if (t->in_flight && t->sent_ns < oldest)
			oldest = t->sent_ns;
	}
	if (oldest == UINT64_MAX)
		return;
	if (now - oldest < REPLY_NS)
		medio_timer_arm(s->remote_timer, REPLY_NS - (now - oldest));
	else
		medio_conn_close(s->conn, "it did not answer a DMA command in time");
}

int medio_remote_dma(void *session, bool write, uint64_t iova, void *buf, size_t len,
	medio_dma_done *done, void *opaque)
{
	struct medio_session *s = session;
	if (!s->attached) /* the client is going: transfers are being cancelled */
		return -ENODEV;
	if (!s->remote_timer) {
		s->remote_timer = medio_loop_timer(medio_instance_loop(s->inst), on_timeout, s);
		if (!s->remote_timer)
			return -ENOMEM;
	}
	struct transfer *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	int ret = medio_iommu_iter_init(&t->iter, medio_instance_iommu(s->inst), iova, len,
		write ? MEDIO_PROT_WRITE : MEDIO_PROT_READ);
	if (ret) {
		free(t);
		return ret;
	}
	t->buf = buf;
	t->write = write;
	t->done = done;
	t->opaque = opaque;
	medio_list_append(&s->remote, &t->link);
	advance(s, t);
	return 0;
}

void medio_remote_kick(struct medio_session *s)
{
	bool moved;
	if (medio_conn_reserved(s->conn))
		return;
	do {
		moved = false;
		medio_list_for_each (item, &s->remote) {
			struct transfer *t = medio_container_of(item, struct transfer, link);
			if (!t->waiting || s->remote_in_flight >= MAX_IN_FLIGHT)
				continue;
			/* Its end may change the list: look at it anew. */
			advance(s, t);
			moved = true;
			break;
		}
	} while (moved && !medio_list_empty(&s->remote));
}

static struct transfer *find(const struct medio_session *s, const struct medio_request *req)
{
	medio_list_for_each (item, &s->remote) {
		struct transfer *t = medio_container_of(item, struct transfer, link);
		uint16_t cmd = t->write ? MEDIO_VU_DMA_WRITE : MEDIO_VU_DMA_READ;
		if (t->in_flight && t->id == req->hdr.id && cmd == req->hdr.cmd)
			return t;
	}
	return NULL;
}

int medio_remote_reply(struct medio_session *s, struct medio_request *req)
{
	struct medio_vu_dma_access access;
	struct transfer *t = find(s, req);
	if (!t)
		return medio_session_broken(s, "it replied to a %s that was not asked",
			medio_vu_cmd_name(req->hdr.cmd));
	if (req->hdr.flags & MEDIO_VU_ERROR) {
		medio_instance_guest_error(s->inst, "client refused %s at iova 0x%llx: %s",
			medio_vu_cmd_name(req->hdr.cmd), (unsigned long long)t->run.iova,
			strerror((int)req->hdr.error));
		finish(s, t, -EFAULT);
		medio_remote_kick(s);
		return 0;
	}
	size_t data = t->write ? 0 : t->run.len;
	if (!medio_request_take(req, &access, sizeof(access)) || access.iova != t->run.iova ||
		access.count != t->run.len || req->size - sizeof(access) < data)
		return medio_session_broken(s, "its reply to %s does not match what was asked",
			medio_vu_cmd_name(req->hdr.cmd));
	if (data)
		memcpy(t->buf, req->payload + sizeof(access), data);
	chunk_done(s, t);
	t->in_flight = false;
	s->remote_in_flight--;
	advance(s, t);
	medio_remote_kick(s);
	return 0;
}

void medio_remote_cancel(struct medio_session *s)
{
	while (!medio_list_empty(&s->remote))
		finish(s, medio_container_of(s->remote.next, struct transfer, link), -ECANCELED);
}
