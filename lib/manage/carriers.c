/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/carriers.h"

#include <linux/virtio_ids.h>
#include <stdio.h>

#include <medio/serve.h>
#include <medio/virtio.h>

#include "util/cleanup.h"

static bool carries_card(const struct medio_type *type)
{
	(void)type;
	return true;
}

static bool carries_virtio(const struct medio_type *type)
{
	return type->ops == &medio_virtio_pci_ops;
}

static bool carries_disk_or_net(const struct medio_type *type)
{
	const struct medio_virtio_type *virtio = carries_virtio(type) ? type->data : NULL;

	return virtio && (virtio->id == VIRTIO_ID_BLOCK || virtio->id == VIRTIO_ID_NET);
}

const struct medio_carrier medio_carriers[] = {
	{ "vfio-user", NULL, "carries every device", carries_card },
	{ "vhost-user", NULL, "carries virtio devices", carries_virtio },
	{ "vduse", "NAME", "carries virtio disks (virtio-blk) and network cards (virtio-net)",
		carries_disk_or_net },
};
const size_t medio_num_carriers = MEDIO_ARRAY_SIZE(medio_carriers);

void medio_carriers_print(const struct medio_type *type, const char *last, char *buf, size_t size)
{
	size_t left = 0, at = 0;

	for (size_t i = 0; i < medio_num_carriers; i++)
		left += medio_carriers[i].carries(type);
	for (size_t i = 0, n = 0; i < medio_num_carriers && at < size; i++) {
		const struct medio_carrier *carrier = &medio_carriers[i];
		if (!carrier->carries(type))
			continue;
		left--;
		int len = snprintf(buf + at, size - at, "%s%s%s%s",
			!n++   ? ""
			: left ? ", "
			       : last,
			carrier->name, carrier->arg ? "=" : "", carrier->arg ? carrier->arg : "");
		at += len > 0 ? (size_t)len : 0;
	}
}
