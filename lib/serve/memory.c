/* SPDX-License-Identifier: BSD-3-Clause */
/* The client's memory: DMA_MAP and DMA_UNMAP. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iommu/iommu.h"
#include "serve/session.h"

int medio_handle_dma_map(struct medio_session *s, struct medio_request *req)
{
	struct medio_vu_dma_map map;
	struct medio_error *err = NULL;
	if (!medio_request_take(req, &map, sizeof(map)) || map.argsz < sizeof(map) ||
		req->num_fds > 1 || map.flags & ~(MEDIO_VU_MAP_READ | MEDIO_VU_MAP_WRITE))
		return -EINVAL;
	unsigned prot = (map.flags & MEDIO_VU_MAP_READ ? MEDIO_PROT_READ : 0) |
			(map.flags & MEDIO_VU_MAP_WRITE ? MEDIO_PROT_WRITE : 0);
	int ret = medio_instance_dma_map(s->inst, map.iova, map.size, prot,
		req->num_fds ? req->fds[0] : -1, map.offset, &err);
	if (ret)
		medio_instance_guest_error(s->inst, "DMA_MAP refused: %s",
			err ? medio_error_text(err) : strerror(-ret));
	medio_error_free(err);
	return ret;
}

/* The dirty bitmap of what is unmapped goes behind the echoed request. */
static int unmap_dirty(
	struct medio_session *s, struct medio_request *req, struct medio_vu_dma_unmap *unmap)
{
	struct medio_vu_bitmap bitmap;
	size_t head = sizeof(*unmap) + sizeof(bitmap);
	if (req->size < head)
		return -EINVAL;
	memcpy(&bitmap, req->payload + sizeof(*unmap), sizeof(bitmap));
	if (bitmap.size > s->max_xfer || unmap->argsz < head || bitmap.size > unmap->argsz - head ||
		bitmap.size % sizeof(uint64_t))
		return -EINVAL;
	uint8_t *at = medio_session_reply(s, req, head + bitmap.size);
	if (!at)
		return -ENOMEM;
	uint64_t *words = calloc(bitmap.size / sizeof(uint64_t) + 1, sizeof(uint64_t));
	if (!words)
		return -ENOMEM;
	int ret = medio_iommu_unmap_dirty(medio_instance_iommu(s->inst), unmap->iova, unmap->size,
		bitmap.pgsize, words, bitmap.size, NULL);
	if (ret == 0) {
		unmap->argsz = (uint32_t)(head + bitmap.size);
		memcpy(at, unmap, sizeof(*unmap));
		memcpy(at + sizeof(*unmap), &bitmap, sizeof(bitmap));
		memcpy(at + head, words, bitmap.size);
		medio_session_send(s, req, head + bitmap.size);
	}
	free(words);
	return ret;
}

static int unmap_plain(
	struct medio_session *s, struct medio_request *req, const struct medio_vu_dma_unmap *unmap)
{
	int ret = medio_instance_dma_unmap(
		s->inst, unmap->iova, unmap->size, unmap->flags & MEDIO_VU_UNMAP_ALL, NULL);
	if (ret)
		return ret;
	return medio_session_answer(s, req, unmap, sizeof(*unmap));
}

int medio_handle_dma_unmap(struct medio_session *s, struct medio_request *req)
{
	struct medio_vu_dma_unmap unmap;
	if (!medio_request_take(req, &unmap, sizeof(unmap)) || unmap.argsz < sizeof(unmap) ||
		unmap.flags & ~(MEDIO_VU_UNMAP_GET_DIRTY | MEDIO_VU_UNMAP_ALL) ||
		unmap.flags == (MEDIO_VU_UNMAP_GET_DIRTY | MEDIO_VU_UNMAP_ALL))
		return -EINVAL;
	int ret = medio_session_quiesce(s);
	if (ret)
		return ret;
	ret = unmap.flags & MEDIO_VU_UNMAP_GET_DIRTY ? unmap_dirty(s, req, &unmap)
						     : unmap_plain(s, req, &unmap);
	medio_session_resume(s);
	return ret;
}
