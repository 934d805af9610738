/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtio/names.h"

#include <linux/virtio_ids.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"

struct name {
	unsigned number;
	const char *name;
};

static const char *find(const struct name *names, size_t count, unsigned number)
{
	for (size_t i = 0; i < count; i++)
		if (names[i].number == number)
			return names[i].name;
	return NULL;
}

/* 5, table of device ids. */
static const struct name kinds[] = {
	{ 1, "net" },
	{ 2, "block" },
	{ 3, "console" },
	{ 4, "entropy" },
	{ 5, "balloon" },
	{ 6, "ioMemory" },
	{ 7, "rpmsg" },
	{ 8, "SCSI host" },
	{ 9, "9P" },
	{ 16, "GPU" },
	{ 17, "clock" },
	{ 18, "input" },
	{ 19, "socket" },
	{ 20, "crypto" },
	{ 22, "pstore" },
	{ 23, "IOMMU" },
	{ 24, "memory" },
	{ 25, "sound" },
	{ 26, "file system" },
	{ 27, "PMEM" },
	{ 28, "RPMB" },
	{ 32, "SCMI" },
	{ 34, "I2C" },
	{ 36, "CAN" },
	{ 41, "GPIO" },
};

const char *medio_virtio_kind_name(uint16_t id)
{
	return find(kinds, MEDIO_ARRAY_SIZE(kinds), id);
}

/* 6. */
static const struct name generic[] = {
	{ 24, "NOTIFY_ON_EMPTY" },
	{ 27, "ANY_LAYOUT" },
	{ 28, "INDIRECT_DESC" },
	{ 29, "EVENT_IDX" },
	{ 32, "VERSION_1" },
	{ 33, "ACCESS_PLATFORM" },
	{ 34, "RING_PACKED" },
	{ 35, "IN_ORDER" },
	{ 36, "ORDER_PLATFORM" },
	{ 37, "SR_IOV" },
	{ 38, "NOTIFICATION_DATA" },
	{ 39, "NOTIF_CONFIG_DATA" },
	{ 40, "RING_RESET" },
	{ 41, "ADMIN_VQ" },
	{ 42, "DEVICE_CONTEXT" },
	{ 43, "SUSPEND" },
};

/* 5.1.3. */
static const struct name net[] = {
	{ 0, "CSUM" },
	{ 1, "GUEST_CSUM" },
	{ 2, "CTRL_GUEST_OFFLOADS" },
	{ 3, "MTU" },
	{ 5, "MAC" },
	{ 6, "GSO" },
	{ 7, "GUEST_TSO4" },
	{ 8, "GUEST_TSO6" },
	{ 9, "GUEST_ECN" },
	{ 10, "GUEST_UFO" },
	{ 11, "HOST_TSO4" },
	{ 12, "HOST_TSO6" },
	{ 13, "HOST_ECN" },
	{ 14, "HOST_UFO" },
	{ 15, "MRG_RXBUF" },
	{ 16, "STATUS" },
	{ 17, "CTRL_VQ" },
	{ 18, "CTRL_RX" },
	{ 19, "CTRL_VLAN" },
	{ 20, "CTRL_RX_EXTRA" },
	{ 21, "GUEST_ANNOUNCE" },
	{ 22, "MQ" },
	{ 23, "CTRL_MAC_ADDR" },
	{ 50, "DEVICE_STATS" },
	{ 51, "HASH_TUNNEL" },
	{ 52, "VQ_NOTF_COAL" },
	{ 53, "NOTF_COAL" },
	{ 54, "GUEST_USO4" },
	{ 55, "GUEST_USO6" },
	{ 56, "HOST_USO" },
	{ 57, "HASH_REPORT" },
	{ 59, "GUEST_HDRLEN" },
	{ 60, "RSS" },
	{ 61, "RSC_EXT" },
	{ 62, "STANDBY" },
	{ 63, "SPEED_DUPLEX" },
};

/* 5.2.3. */
static const struct name block[] = {
	{ 0, "BARRIER" },
	{ 1, "SIZE_MAX" },
	{ 2, "SEG_MAX" },
	{ 4, "GEOMETRY" },
	{ 5, "RO" },
	{ 6, "BLK_SIZE" },
	{ 7, "SCSI" },
	{ 9, "FLUSH" },
	{ 10, "TOPOLOGY" },
	{ 11, "CONFIG_WCE" },
	{ 12, "MQ" },
	{ 13, "DISCARD" },
	{ 14, "WRITE_ZEROES" },
	{ 15, "LIFETIME" },
	{ 16, "SECURE_ERASE" },
	{ 17, "ZONED" },
};

/* 5.3.3. */
static const struct name console[] = {
	{ 0, "SIZE" },
	{ 1, "MULTIPORT" },
	{ 2, "EMERG_WRITE" },
};

/* 5.6.3. */
static const struct name scsi[] = {
	{ 0, "INOUT" },
	{ 1, "HOTPLUG" },
	{ 2, "CHANGE" },
	{ 3, "T10_PI" },
};

const char *medio_virtio_feature_name(uint16_t id, unsigned bit)
{
	switch (id) {
	case VIRTIO_ID_NET:
		if (bit < 24 || bit >= 50)
			return find(net, MEDIO_ARRAY_SIZE(net), bit);
		break;
	case VIRTIO_ID_BLOCK:
		if (bit < 24)
			return find(block, MEDIO_ARRAY_SIZE(block), bit);
		break;
	case VIRTIO_ID_CONSOLE:
		if (bit < 24)
			return find(console, MEDIO_ARRAY_SIZE(console), bit);
		break;
	case VIRTIO_ID_SCSI:
		if (bit < 24)
			return find(scsi, MEDIO_ARRAY_SIZE(scsi), bit);
		break;
	default:
		break;
	}
	return find(generic, MEDIO_ARRAY_SIZE(generic), bit);
}

/* 2.1; SUSPEND is 1.4's. */
static const struct name statuses[] = {
	{ 1, "ACKNOWLEDGE" },
	{ 2, "DRIVER" },
	{ 4, "DRIVER_OK" },
	{ 8, "FEATURES_OK" },
	{ 16, "SUSPEND" },
	{ 64, "DEVICE_NEEDS_RESET" },
	{ 128, "FAILED" },
};

const char *medio_virtio_status_name(uint8_t bit)
{
	return find(statuses, MEDIO_ARRAY_SIZE(statuses), bit);
}

/* ---- Lists -------------------------------------------------------------------------------------- */

static size_t append(char *buf, size_t size, size_t at, const char *name, unsigned number)
{
	const char *space = at ? " " : "";
	int len = 0;

	if (at >= size)
		return at;
	if (name)
		len = snprintf(buf + at, size - at, "%s%s", space, name);
	else
		len = snprintf(buf + at, size - at, "%sbit %u", space, number);
	return at + (len > 0 ? (size_t)len : 0);
}

static size_t cut(size_t at, size_t size)
{
	return size && at >= size ? size - 1 : at;
}

size_t medio_virtio_features_print(uint16_t id, uint64_t features, char *buf, size_t size)
{
	size_t at = 0;

	if (size)
		*buf = '\0';
	for (unsigned bit = 0; bit < 64; bit++)
		if (features & UINT64_C(1) << bit)
			at = append(buf, size, at, medio_virtio_feature_name(id, bit), bit);
	return cut(at, size);
}

size_t medio_virtio_status_print(uint8_t status, char *buf, size_t size)
{
	size_t at = 0;

	if (size)
		*buf = '\0';
	for (unsigned bit = 0; bit < 8; bit++)
		if (status & 1u << bit)
			at = append(
				buf, size, at, medio_virtio_status_name((uint8_t)(1u << bit)), bit);
	return cut(at, size);
}
