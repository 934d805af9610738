/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost-user messages as somebody might send them: a header, a number of descriptors, the protocol features that were
 * agreed on, a payload. What passes is what the handlers rely on.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/vhost_user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void passed(const struct medio_vhu_message *msg)
{
	const union medio_vhu_payload *p = &msg->payload;
	switch (msg->hdr.request) {
	case MEDIO_VHU_SET_MEM_TABLE:
		assert(p->table.num <= MEDIO_VHU_TABLE_REGIONS && p->table.num == msg->num_fds);
		assert(8 + p->table.num * sizeof(p->table.regions[0]) <= msg->hdr.size);
		break;
	case MEDIO_VHU_GET_CONFIG:
	case MEDIO_VHU_SET_CONFIG:
		assert(p->config.size == msg->hdr.size - MEDIO_VHU_CONFIG_HEAD);
		break;
	case MEDIO_VHU_SET_VRING_KICK:
	case MEDIO_VHU_SET_VRING_CALL:
	case MEDIO_VHU_SET_VRING_ERR:
		assert(msg->num_fds == !(p->u64 & MEDIO_VHU_FD_NONE));
		break;
	default:
		break;
	}
	assert(medio_vhu_request_name(msg->hdr.request));
}

/* No two regions that passed have a byte in common, by another way of looking. */
static void check_table(const struct medio_vhu_message *msg)
{
	const struct medio_vhu_table *table = &msg->payload.table;
	char words[MEDIO_VHU_WORDS] = "";
	if (msg->hdr.request != MEDIO_VHU_SET_MEM_TABLE)
		return;
	if (medio_vhu_check_regions(table->regions, table->num, words)) {
		assert(words[0]);
		return;
	}
	for (unsigned i = 0; i < table->num; i++) {
		const struct medio_vhu_region *a = &table->regions[i];
		assert(a->size && a->user + (a->size - 1) >= a->user &&
			a->guest + (a->size - 1) >= a->guest && a->offset + a->size >= a->offset);
		for (unsigned j = 0; j < table->num; j++) {
			const struct medio_vhu_region *b = &table->regions[j];
			assert(i == j || a->user + (a->size - 1) < b->user ||
				b->user + (b->size - 1) < a->user);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct medio_vhu_message msg;
	char words[MEDIO_VHU_WORDS] = "";
	uint64_t protocol;
	if (size < sizeof(msg.hdr) + 1 + sizeof(protocol))
		return 0;
	memset(&msg, 0, sizeof(msg));
	memcpy(&msg.hdr, data, sizeof(msg.hdr));
	data += sizeof(msg.hdr);
	size -= sizeof(msg.hdr);
	msg.num_fds = *data++ % (MEDIO_VHU_MAX_FDS + 1);
	memcpy(&protocol, data, sizeof(protocol));
	data += sizeof(protocol);
	size -= 1 + sizeof(protocol);
	if (medio_vhu_check_header(&msg.hdr, words)) {
		assert(words[0]);
		return 0;
	}
	assert(msg.hdr.size <= sizeof(msg.payload));
	memcpy(&msg.payload, data, size < msg.hdr.size ? size : msg.hdr.size);
	medio_vhu_has_reply(msg.hdr.request, protocol);
	if (medio_vhu_check(&msg, protocol, words)) {
		assert(words[0]);
		return 0;
	}
	passed(&msg);
	check_table(&msg);
	for (unsigned packed = 0; packed < 2; packed++) {
		struct medio_vhu_base base = medio_vhu_base_get(msg.payload.state.num, packed);
		struct medio_vhu_base back = medio_vhu_base_get(
			medio_vhu_base_put(base, packed), packed);
		/* A used half of 0 means that it is not told. */
		assert(back.avail == base.avail && (back.used == base.used || !base.used));
	}
	return 0;
}
