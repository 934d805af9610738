/* SPDX-License-Identifier: BSD-3-Clause */
/* Features by name (5.1.3, 5.2.3, 6). */
#include "virtio_inside.h"

#include <stdio.h>

static const char *const generic[] = {
	[28] = "INDIRECT_DESC",
	[29] = "EVENT_IDX",
	[32] = "VERSION_1",
	[33] = "ACCESS_PLATFORM",
	[34] = "RING_PACKED",
	[35] = "IN_ORDER",
	[36] = "ORDER_PLATFORM",
	[37] = "SR_IOV",
	[38] = "NOTIFICATION_DATA",
	[39] = "NOTIF_CONFIG_DATA",
	[40] = "RING_RESET",
	[41] = "ADMIN_VQ",
};

static const char *const net[] = {
	[0] = "CSUM",
	[1] = "GUEST_CSUM",
	[3] = "MTU",
	[5] = "MAC",
	[15] = "MRG_RXBUF",
	[16] = "STATUS",
	[17] = "CTRL_VQ",
	[22] = "MQ",
};

static const char *const blk[] = {
	[1] = "SIZE_MAX",
	[2] = "SEG_MAX",
	[5] = "RO",
	[6] = "BLK_SIZE",
	[9] = "FLUSH",
	[10] = "TOPOLOGY",
	[11] = "CONFIG_WCE",
	[12] = "MQ",
};

#define SIZE(table) (sizeof(table) / sizeof(*(table)))

void virtio_feature_name(uint16_t id, uint64_t features, char *buf, size_t size)
{
	unsigned bit = features ? (unsigned)__builtin_ctzll(features) : 0;
	const char *name = bit < SIZE(generic) ? generic[bit] : NULL;

	if (id == VIRTIO_ID_NET && bit < SIZE(net))
		name = net[bit];
	if (id == VIRTIO_ID_BLK && bit < SIZE(blk))
		name = blk[bit];
	snprintf(buf, size, "%s%sbit %u%s", name ? name : "", name ? " (" : "", bit,
		name ? ")" : "");
}
