/* SPDX-License-Identifier: BSD-3-Clause */
/* What the device is: GET_INFO, GET_REGION_INFO, GET_REGION_IO_FDS. */
#include <errno.h>
#include <string.h>

#include "serve/session.h"

int medio_handle_info(struct medio_session *s, struct medio_request *req)
{
	struct medio_vu_device_info info;
	if (!medio_request_take(req, &info, sizeof(info)) || info.argsz < sizeof(info))
		return -EINVAL;
	info = (struct medio_vu_device_info){
		.argsz = sizeof(info),
		.flags = MEDIO_VU_INFO_PCI | MEDIO_VU_INFO_RESET,
		.num_regions = MEDIO_NUM_REGIONS,
		.num_irqs = MEDIO_NUM_IRQS,
	};
	return medio_session_answer(s, req, &info, sizeof(info));
}

/* ---- Regions --------------------------------------------------------------------------------------
 *
 * A region that clients may map has FLAG_MMAP and its memory's fd with the reply. If only parts may
 * be mapped they are listed in a sparse-mmap capability; the whole region needs none.
 */

static bool whole(const struct medio_region_view *view)
{
	return view->num_areas == 1 && view->areas[0].offset == 0 &&
	       view->areas[0].size == view->size;
}

static size_t caps_size(const struct medio_region_view *view)
{
	if (!view->num_areas || whole(view))
		return 0;
	return sizeof(struct medio_vu_sparse_mmap) +
	       view->num_areas * sizeof(struct medio_vu_mmap_area);
}

static void write_caps(const struct medio_region_view *view, uint8_t *at)
{
	struct medio_vu_sparse_mmap sparse = {
		.header = { .id = MEDIO_VU_CAP_SPARSE_MMAP, .version = 1 },
		.nr_areas = view->num_areas,
	};
	memcpy(at, &sparse, sizeof(sparse));
	at += sizeof(sparse);
	for (unsigned i = 0; i < view->num_areas; i++) {
		struct medio_vu_mmap_area area = { view->areas[i].offset, view->areas[i].size };
		memcpy(at, &area, sizeof(area));
		at += sizeof(area);
	}
}

static uint32_t region_flags(const struct medio_region_view *view)
{
	return (view->readable ? MEDIO_VU_REGION_READ_OK : 0) |
	       (view->writable ? MEDIO_VU_REGION_WRITE_OK : 0) |
	       (view->num_areas ? MEDIO_VU_REGION_MMAP : 0) |
	       (caps_size(view) ? MEDIO_VU_REGION_CAPS : 0);
}

int medio_handle_region_info(struct medio_session *s, struct medio_request *req)
{
	struct medio_vu_region_info info;
	struct medio_region_view view;
	if (!medio_request_take(req, &info, sizeof(info)) || info.argsz < sizeof(info))
		return -EINVAL;
	int ret = medio_instance_region(s->inst, info.index, &view);
	if (ret)
		return ret;
	size_t need = sizeof(info) + caps_size(&view);
	/* Too small a buffer gets the fixed part, which names the size that is needed. */
	size_t size = info.argsz >= need ? need : sizeof(info);
	info = (struct medio_vu_region_info){
		.argsz = (uint32_t)need,
		.flags = region_flags(&view),
		.index = info.index,
		.cap_offset = caps_size(&view) ? sizeof(info) : 0,
		.size = view.size,
		.offset = view.fd_offset,
	};
	uint8_t *at = medio_session_reply(s, req, size);
	if (!at)
		return -ENOMEM;
	memcpy(at, &info, sizeof(info));
	if (size > sizeof(info))
		write_caps(&view, at + sizeof(info));
	if (view.num_areas && !(req->hdr.flags & MEDIO_VU_NO_REPLY)) {
		ret = medio_conn_attach_fds(s->conn, &view.fd, 1);
		if (ret)
			return ret;
	}
	medio_session_send(s, req, size);
	return 0;
}

/* ---- Doorbells as eventfds ------------------------------------------------------------------------- */

static struct medio_vu_ioeventfd io_fd_of(const struct medio_region_view *view, unsigned n)
{
	const struct medio_doorbell *bell = &view->doorbells[n];
	return (struct medio_vu_ioeventfd){
		.offset = bell->offset,
		.size = bell->size,
		.fd_index = n,
		.type = MEDIO_VU_IO_FD_IOEVENTFD,
		.flags = (bell->has_datamatch ? MEDIO_VU_IOEVENTFD_DATAMATCH : 0) |
			 (view->io_ports ? MEDIO_VU_IOEVENTFD_PIO : 0),
		.datamatch = bell->datamatch,
	};
}

/* As many doorbells as the client takes descriptors; the rest works by messages. */
static unsigned bells_for(const struct medio_session *s, const struct medio_region_view *view)
{
	uint64_t max = s->client.max_msg_fds;
	if (max > MEDIO_INBOX_MAX_FDS)
		max = MEDIO_INBOX_MAX_FDS;
	return view->num_doorbells < max ? view->num_doorbells : (unsigned)max;
}

int medio_handle_io_fds(struct medio_session *s, struct medio_request *req)
{
	struct medio_vu_io_fds info;
	struct medio_region_view view;
	if (!medio_request_take(req, &info, sizeof(info)) || info.argsz < sizeof(info) ||
		info.flags || info.count)
		return -EINVAL;
	int ret = medio_instance_region(s->inst, info.index, &view);
	if (ret)
		return ret;
	unsigned count = bells_for(s, &view);
	size_t need = sizeof(info) + count * sizeof(struct medio_vu_ioeventfd);
	bool all = info.argsz >= need;
	int fds[MEDIO_INBOX_MAX_FDS];
	for (unsigned i = 0; all && i < count; i++) {
		fds[i] = medio_instance_doorbell_fd(s->inst, info.index, i);
		if (fds[i] < 0)
			return fds[i];
	}
	size_t size = all ? need : sizeof(info);
	info.argsz = (uint32_t)need;
	info.count = count;
	uint8_t *at = medio_session_reply(s, req, size);
	if (!at)
		return -ENOMEM;
	memcpy(at, &info, sizeof(info));
	for (unsigned i = 0; all && i < count; i++) {
		struct medio_vu_ioeventfd io = io_fd_of(&view, i);
		memcpy(at + sizeof(info) + i * sizeof(io), &io, sizeof(io));
	}
	if (all && count && !(req->hdr.flags & MEDIO_VU_NO_REPLY)) {
		ret = medio_conn_attach_fds(s->conn, fds, count);
		if (ret)
			return ret;
	}
	medio_session_send(s, req, size);
	return 0;
}
