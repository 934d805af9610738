/* SPDX-License-Identifier: BSD-3-Clause */
/* Disks below a device, and what lies on them. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/tables.h"
#include "host/use.h"
#include "util/cleanup.h"

#define BLOCK "/sys/class/block"

/* ---- Which disks ------------------------------------------------------------------------------- */

/*
 * With native multipath a disk of an NVMe subsystem hangs below no PCI device, but below
 * devices/virtual/nvme-subsystem/nvme-subsysN, which has a link to each controller.
 */
static bool subsystem_has(const struct medio_host *host, const char *subsystem, const char *name)
{
	struct medio_strv controllers = { 0 };
	char target[PATH_MAX];
	bool found = false;

	medio_host_list(host, &controllers, "/sys/class/nvme-subsystem/%s", subsystem);
	for (unsigned i = 0; i < controllers.count && !found; i++)
		found = !medio_host_target(host, target, sizeof(target), "/sys/class/nvme/%s",
				controllers.items[i]) &&
			medio_host_path_has(target, name);
	medio_strv_free(&controllers);
	return found;
}

static bool is_below(const struct medio_host *host, const char *disk, const char *name)
{
	static const char mark[] = "/nvme-subsystem/";
	char target[PATH_MAX];

	if (medio_host_target(host, target, sizeof(target), BLOCK "/%s", disk))
		return false;
	if (medio_host_path_has(target, name))
		return true;
	char *subsystem = strstr(target, mark);
	if (!subsystem)
		return false;
	subsystem += sizeof(mark) - 1;
	subsystem[strcspn(subsystem, "/")] = 0;
	return subsystem_has(host, subsystem, name);
}

/* ---- What lies on one -------------------------------------------------------------------------- */

/* The tables, read once. NULL where they are missing. */
struct tables {
	char *mounts[2]; /* of this process, and of the first */
	char *swaps;
};

static bool is_node_of(const char *path, const char *disk)
{
	return !strncmp(path, "/dev/", 5) && !strcmp(path + 5, disk);
}

static int uses_mounts(const struct medio_host *host, const struct tables *tables, const char *disk,
	struct medio_strv *uses)
{
	unsigned major = UINT_MAX, minor = UINT_MAX;
	struct medio_mount_row row;
	char number[32];

	if (!medio_host_read(host, number, sizeof(number), BLOCK "/%s/dev", disk))
		sscanf(number, "%u:%u", &major, &minor);
	for (size_t t = 0; t < MEDIO_ARRAY_SIZE(tables->mounts); t++) {
		for (const char *at = tables->mounts[t]; at && medio_mountinfo_next(&at, &row);)
			/* btrfs has a number of its own, and says the name. */
			if ((row.major == major && row.minor == minor) ||
				is_node_of(row.source, disk))
				return medio_uses_add(
					uses, "block device %s is mounted on %s", disk, row.target);
	}
	return 0;
}

static int uses_swap(const struct tables *tables, const char *disk, struct medio_strv *uses)
{
	char path[MEDIO_TABLE_TEXT];

	for (const char *at = tables->swaps; at && medio_swaps_next(&at, path);)
		if (is_node_of(path, disk))
			return medio_uses_add(uses, "block device %s is swap space", disk);
	return 0;
}

/* dm-0 and md0 hold what they are made of; a mounted btrfs lists its devices. */
static int uses_holders(const struct medio_host *host, const char *disk, struct medio_strv *uses)
{
	struct medio_strv holders = { 0 };
	char name[128];
	int ret = medio_host_list(host, &holders, BLOCK "/%s/holders", disk);

	if (ret != -ENOMEM)
		ret = 0;
	for (unsigned i = 0; i < holders.count && ret == 0; i++) {
		const char *holder = holders.items[i];
		medio_host_read(host, name, sizeof(name), BLOCK "/%s/dm/name", holder);
		ret = medio_uses_add(uses, "block device %s is part of %s%s%s%s", disk, holder,
			*name ? " (" : "", name, *name ? ")" : "");
	}
	medio_strv_free(&holders);
	return ret;
}

static int uses_btrfs(const struct medio_host *host, const char *disk, struct medio_strv *uses)
{
	struct medio_strv systems = { 0 };
	int ret = medio_host_list(host, &systems, "/sys/fs/btrfs");

	if (ret != -ENOMEM)
		ret = 0;
	for (unsigned i = 0; i < systems.count && ret == 0; i++)
		if (medio_host_exists(host, "/sys/fs/btrfs/%s/devices/%s", systems.items[i], disk))
			ret = medio_uses_add(uses,
				"block device %s is part of the mounted btrfs %s", disk,
				systems.items[i]);
	medio_strv_free(&systems);
	return ret;
}

static int uses_disk(const struct medio_host *host, const struct tables *tables, const char *disk,
	struct medio_strv *uses)
{
	unsigned before = uses->count;
	int ret = uses_mounts(host, tables, disk, uses);

	if (ret == 0)
		ret = uses_swap(tables, disk, uses);
	if (ret == 0)
		ret = uses_holders(host, disk, uses);
	if (ret == 0 && uses->count == before)
		ret = uses_btrfs(host, disk, uses);
	if (ret == 0 && uses->count == before && medio_host_claimed(host, "/dev/%s", disk))
		ret = medio_uses_add(uses,
			"block device %s is held by somebody: mounted in another namespace, or "
			"part of something",
			disk);
	return ret;
}

int medio_host_uses_block(const struct medio_host *host, const char *name, struct medio_strv *uses)
{
	struct tables tables = { 0 };
	struct medio_strv disks = { 0 };
	int ret = medio_host_list(host, &disks, BLOCK);

	if (ret != -ENOMEM)
		ret = 0;
	medio_host_slurp(host, &tables.mounts[0], "/proc/self/mountinfo");
	medio_host_slurp(host, &tables.mounts[1], "/proc/1/mountinfo");
	medio_host_slurp(host, &tables.swaps, "/proc/swaps");
	for (unsigned i = 0; i < disks.count && ret == 0; i++)
		if (is_below(host, disks.items[i], name))
			ret = uses_disk(host, &tables, disks.items[i], uses);
	for (size_t t = 0; t < MEDIO_ARRAY_SIZE(tables.mounts); t++)
		free(tables.mounts[t]);
	free(tables.swaps);
	medio_strv_free(&disks);
	return ret;
}
