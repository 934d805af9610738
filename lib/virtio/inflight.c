/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notes of what is in flight, as vhost-user lays them out ("Inflight I/O tracking" of QEMU's
 * docs/interop/vhost-user.rst). Numbers are those of this machine.
 */
#include "virtio/inflight.h"

#include <string.h>

#include "virtio/inflight_layout.h"

size_t medio_virtq_inflight_bytes(bool packed, unsigned size)
{
	size_t bytes = packed ? sizeof(struct medio_inflight_packed) +
					size * sizeof(struct medio_inflight_packed_desc)
			      : sizeof(struct medio_inflight_split) +
					size * sizeof(struct medio_inflight_split_desc);
	return (bytes + 63) & ~(size_t)63;
}

void medio_virtq_inflight_init(void *notes, bool packed, unsigned size)
{
	memset(notes, 0, medio_virtq_inflight_bytes(packed, size));
	if (!packed) {
		struct medio_inflight_split *split = notes;
		split->desc_num = (uint16_t)size;
		split->version = MEDIO_INFLIGHT_VERSION;
		return;
	}
	struct medio_inflight_packed *ring = notes;
	for (unsigned i = 0; i < size; i++)
		ring->desc[i].next = (uint16_t)(i + 1 < size ? i + 1 : 0);
	ring->place.used_wrap_counter = ring->place.old_used_wrap_counter = 1;
	ring->desc_num = (uint16_t)size;
	ring->version = MEDIO_INFLIGHT_VERSION;
}
