/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages that nobody answers: they wait in a buffer until something else is sent, or it is full.
 * A lone write is a REGION_WRITE; those that follow it go into one REGION_WRITE_MULTI, where the
 * server takes that, which is two thirds of the bytes and a fraction of the server's work.
 */
#include <errno.h>
#include <string.h>

#include "drive/vfio_user_socket.h"

void medio_vu_post_append(struct medio_vu_client *client, const void *bytes, size_t size)
{
	if (size)
		memcpy(client->out + client->out_len, bytes, size);
	client->out_len += size;
	client->multi = NO_MULTI;
}

int medio_vu_client_post(struct medio_vu_client *client, const struct medio_vu_call *call)
{
	struct medio_vu_call posted = *call;
	struct medio_vu_header header = { 0 };
	int ret;

	if (client->dead)
		return -ENOTCONN;
	posted.flags |= MEDIO_VU_NO_REPLY;
	if (call->size + call->data_size > OUT_SIZE - HEADER) {
		ret = medio_vu_client_send(client, &posted, NULL);
		return ret ? medio_vu_client_kill(client, ret) : 0;
	}
	ret = medio_vu_client_header(client, &posted, &header);
	if (ret)
		return ret;
	if (header.size > OUT_SIZE - client->out_len) {
		ret = medio_vu_client_flush(client);
		if (ret)
			return ret;
	}
	medio_vu_post_append(client, &header, HEADER);
	medio_vu_post_append(client, call->payload, call->size);
	medio_vu_post_append(client, call->data, call->data_size);
	return 0;
}

int medio_vu_client_flush(struct medio_vu_client *client)
{
	if (client->dead)
		return -ENOTCONN;
	int ret = medio_vu_socket_send_posted(client);
	return ret ? medio_vu_client_kill(client, ret) : 0;
}

/* ---- Writes ------------------------------------------------------------------------------------ */

static int post_alone(struct medio_vu_client *client, const struct medio_vu_region_access *access,
	const void *data)
{
	const struct medio_vu_call call = {
		.cmd = MEDIO_VU_REGION_WRITE,
		.payload = access,
		.size = sizeof(*access),
		.data = data,
		.data_size = access->count,
	};

	return medio_vu_client_post(client, &call);
}

/* "VFIO_USER_REGION_WRITE_MULTI": the count stands behind the header, the writes behind the count. */
static void multi_begin(struct medio_vu_client *client)
{
	const struct medio_vu_write_multi none = { 0 };
	const struct medio_vu_header header = {
		.id = client->next_id++,
		.cmd = MEDIO_VU_REGION_WRITE_MULTI,
		.size = HEADER + sizeof(none),
		.flags = MEDIO_VU_NO_REPLY,
	};
	size_t at = client->out_len;

	medio_vu_post_append(client, &header, HEADER);
	medio_vu_post_append(client, &none, sizeof(none));
	client->multi = at;
}

/* False: it is full. */
static bool multi_add(struct medio_vu_client *client, const struct medio_vu_write_entry *entry)
{
	uint8_t *at = client->out + client->multi;
	struct medio_vu_header header;
	struct medio_vu_write_multi count;

	memcpy(&header, at, HEADER);
	memcpy(&count, at + HEADER, sizeof(count));
	if (count.wr_cnt == client->multi_max || OUT_SIZE - client->out_len < sizeof(*entry))
		return false;
	count.wr_cnt++;
	header.size += sizeof(*entry);
	memcpy(at, &header, HEADER);
	memcpy(at + HEADER, &count, sizeof(count));
	memcpy(client->out + client->out_len, entry, sizeof(*entry));
	client->out_len += sizeof(*entry);
	return true;
}

int medio_vu_client_post_write(struct medio_vu_client *client,
	const struct medio_vu_region_access *access, const void *data)
{
	struct medio_vu_write_entry entry = {
		.offset = access->offset, .region = access->region, .count = access->count
	};

	if (client->dead)
		return -ENOTCONN;
	if (!client->multi_max || !client->out_len || access->count > sizeof(entry.data))
		return post_alone(client, access, data);
	memcpy(entry.data, data, access->count);
	if (client->multi != NO_MULTI && multi_add(client, &entry))
		return 0;
	/* Room for one that is worth it; else this one sends what waits. */
	if (OUT_SIZE - client->out_len <
		HEADER + sizeof(struct medio_vu_write_multi) + 2 * sizeof(entry)) {
		int ret = medio_vu_client_flush(client);
		return ret ? ret : post_alone(client, access, data);
	}
	multi_begin(client);
	multi_add(client, &entry);
	return 0;
}
