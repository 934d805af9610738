/* SPDX-License-Identifier: BSD-3-Clause */
#include <medio/driver.h>

#include <errno.h>
#include <string.h>

#include "drive/vfio_user_backend.h"
#include "drive/vfio_user_socket.h"
#include "util/cleanup.h"

#define MAX_PIECES (MAX_IOV - 3) /* mappings that one request may cross */

/* The memory that is asked for, or -errno. */
static int find(struct medio_card *card, const struct medio_vu_dma_access *access, unsigned prot,
	struct iovec *iov)
{
	const struct medio_vu_session *session = card->backend_state;

	if (!access->count)
		return -EINVAL;
	if (access->count > session->max)
		return -E2BIG;
	int pieces = medio_memory_pieces(
		&card->container->memory, access->iova, access->count, prot, iov, MAX_PIECES);

	if (pieces < 0 && pieces != -EREMOTE)
		medio_fault_note(card, access->iova, access->count, prot, -pieces);
	return pieces;
}

/* Memory that is reached by calls is copied twice. */
static int copy(
	struct medio_card *card, const struct medio_vu_dma_access *access, void *data, bool write)
{
	int ret = medio_memory_copy(
		&card->container->memory, access->iova, data, access->count, write);

	if (ret)
		medio_fault_note(card, access->iova, access->count,
			write ? MEDIO_CARD_DMA_WRITE : MEDIO_CARD_DMA_READ, -ret);
	return ret;
}

/* "VFIO_USER_DMA_READ": the reply is the request's structure and the data, sent from where it is. */
static int answer_read(struct medio_card *card, struct medio_vu_client *client,
	const struct medio_vu_message *request, struct medio_vu_dma_access *access)
{
	struct iovec iov[MAX_PIECES + 1] = { { access, sizeof(*access) } };
	_cleanup_free_ void *data = NULL;
	int pieces = find(card, access, MEDIO_CARD_DMA_READ, iov + 1);

	if (pieces == -EREMOTE) {
		data = malloc(access->count);
		int ret = data ? copy(card, access, data, false) : -ENOMEM;
		iov[1] = (struct iovec){ data, access->count };
		pieces = ret ? ret : 1;
	}
	return medio_vu_client_reply(
		client, &request->header, pieces < 0 ? -pieces : 0, iov, (unsigned)pieces + 1);
}

/* "VFIO_USER_DMA_WRITE": the data follows the structure; the reply is the structure. */
static int answer_write(struct medio_card *card, struct medio_vu_client *client,
	const struct medio_vu_message *request, struct medio_vu_dma_access *access)
{
	const uint8_t *data = request->payload + sizeof(*access);
	struct iovec iov[MAX_PIECES], reply = { access, sizeof(*access) };
	int pieces = -E2BIG;

	if (access->count <= request->size - sizeof(*access))
		pieces = find(card, access, MEDIO_CARD_DMA_WRITE, iov);
	if (pieces >= 0)
		medio_dirty_note(card, access->iova, access->count);
	if (pieces == -EREMOTE) {
		/* NOLINTNEXTLINE(performance-no-int-to-ptr): only read from */
		pieces = copy(card, access, (void *)(uintptr_t)data, true);
		if (!pieces)
			medio_dirty_note(card, access->iova, access->count);
	}
	for (int i = 0; i < pieces; i++) {
		memcpy(iov[i].iov_base, data, iov[i].iov_len);
		data += iov[i].iov_len;
	}
	if (request->header.flags & MEDIO_VU_NO_REPLY)
		return 0;
	return medio_vu_client_reply(client, &request->header, pieces < 0 ? -pieces : 0, &reply, 1);
}

int medio_vu_dma_answer(
	void *opaque, struct medio_vu_client *client, const struct medio_vu_message *request)
{
	bool write = request->header.cmd == MEDIO_VU_DMA_WRITE;
	struct medio_vu_dma_access access;
	int error = 0;

	/* A read that nobody waits for. */
	if (!write && request->header.flags & MEDIO_VU_NO_REPLY)
		return 0;
	if (!write && request->header.cmd != MEDIO_VU_DMA_READ)
		error = ENOSYS;
	else if (request->size < sizeof(access))
		error = EINVAL;
	if (error) {
		if (request->header.flags & MEDIO_VU_NO_REPLY)
			return 0;
		return medio_vu_client_reply(client, &request->header, error, NULL, 0);
	}
	memcpy(&access, request->payload, sizeof(access));
	return write ? answer_write(opaque, client, request, &access)
		     : answer_read(opaque, client, request, &access);
}
