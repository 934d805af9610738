/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a message between mediod and a worker: what is understood encodes to the same bytes. */
#include "worker/wire.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct medio_wire_packet packet;
	static char again[MEDIO_WIRE_MAX];
	const struct medio_wire_msg *msg = &packet.msg;

	if (size > sizeof(packet.bytes)) {
		if (medio_wire_decode(&packet, size) != -EPROTO)
			abort();
		return 0;
	}
	memcpy(packet.bytes, data, size);
	if (medio_wire_decode(&packet, size))
		return 0;
	for (unsigned i = 0; i < msg->nstrings; i++)
		sink ^= (uint8_t)strlen(msg->strings[i]);
	if (msg->size && (const char *)msg->data + msg->size != packet.bytes + size)
		abort();
	if (medio_wire_encode(msg, again, sizeof(again)) != (ssize_t)size)
		abort();
	/* Bytes that nobody reads are for later versions: sent as zeros. */
	const size_t strings = msg->nstrings ? (size_t)(msg->strings[msg->nstrings - 1] +
							strlen(msg->strings[msg->nstrings - 1]) +
							1 - packet.bytes)
					     : 64;
	if (memcmp(again, packet.bytes, 60) != 0 ||
		memcmp(again + 64, packet.bytes + 64, strings - 64) != 0 ||
		memcmp(again + size - msg->size, msg->data, msg->size) != 0)
		abort();
	return 0;
}
