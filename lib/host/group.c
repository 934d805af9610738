/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/group.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/driver.h"
#include "util/uuid.h"

#define GROUPS "/sys/kernel/iommu_groups"

int medio_host_groups(const struct medio_host *host, struct medio_strv *numbers)
{
	unsigned before = numbers->count;
	int ret = medio_host_list(host, numbers, GROUPS);

	return ret == 0 && numbers->count == before ? -ENOENT : ret;
}

/* A device of whatever bus. */
static void load_member(
	const struct medio_host *host, int number, const char *name, struct medio_host_device *out)
{
	struct medio_bdf bdf;

	if (!medio_bdf_parse(name, &bdf) && !medio_host_device_load(host, name, out))
		return;
	snprintf(out->name, sizeof(out->name), "%s", name);
	out->group = number;
	medio_host_link(host, out->driver, sizeof(out->driver), GROUPS "/%d/devices/%s/driver",
		number, name);
}

/* The group that stands in for an IOMMU for a mediated device is named as those for no IOMMU are. */
static bool is_mediated(const struct medio_strv *names)
{
	uint8_t uuid[MEDIO_UUID_SIZE];

	return names->count && !medio_uuid_parse(names->items[0], strlen(names->items[0]), uuid);
}

int medio_host_group_load(const struct medio_host *host, int number, struct medio_host_group *out)
{
	struct medio_host_group group = { .number = number };
	struct medio_strv names = { 0 };
	char kind[32];
	int ret = medio_host_list(host, &names, GROUPS "/%d/devices", number);

	if (ret) {
		medio_strv_free(&names);
		return ret;
	}
	group.devices = calloc(names.count + 1, sizeof(*group.devices));
	if (!group.devices) {
		medio_strv_free(&names);
		return -ENOMEM;
	}
	medio_host_read(host, group.type, sizeof(group.type), GROUPS "/%d/type", number);
	medio_host_read(host, kind, sizeof(kind), GROUPS "/%d/name", number);
	group.noiommu = !strcmp(kind, "vfio-noiommu") && !is_mediated(&names);
	for (; group.count < names.count; group.count++)
		load_member(host, number, names.items[group.count], &group.devices[group.count]);
	medio_strv_free(&names);
	*out = group;
	return 0;
}

void medio_host_group_fini(struct medio_host_group *group)
{
	free(group->devices);
	group->devices = NULL;
	group->count = 0;
}

bool medio_host_group_blocked_by(const struct medio_host_device *dev)
{
	return medio_driver_blocks_vfio(dev->driver);
}

enum medio_group_state medio_host_group_state(const struct medio_host_group *group)
{
	bool wanted = false, blocked = false;

	for (unsigned i = 0; i < group->count; i++) {
		const struct medio_host_device *dev = &group->devices[i];
		wanted |= medio_driver_kind(dev->driver) == MEDIO_DRIVER_VFIO;
		blocked |= medio_host_group_blocked_by(dev);
	}
	if (!wanted)
		return MEDIO_GROUP_KERNEL;
	return blocked ? MEDIO_GROUP_NOT_VIABLE : MEDIO_GROUP_VIABLE;
}

const char *medio_group_state_name(enum medio_group_state state)
{
	static const char *const names[] = {
		[MEDIO_GROUP_KERNEL] = "kernel",
		[MEDIO_GROUP_VIABLE] = "viable",
		[MEDIO_GROUP_NOT_VIABLE] = "not viable",
	};

	return names[state];
}

bool medio_host_group_spans_slots(const struct medio_host_group *group)
{
	const char *first = NULL;

	for (unsigned i = 0; i < group->count; i++) {
		const struct medio_host_device *dev = &group->devices[i];
		if (!dev->pci || medio_host_device_is_bridge(dev))
			continue;
		/* "0000:01:00" of "0000:01:00.0" */
		size_t slot = strcspn(dev->name, ".");
		if (first && strncmp(first, dev->name, slot + 1) != 0)
			return true;
		first = dev->name;
	}
	return false;
}

bool medio_host_group_translates(const struct medio_host_group *group)
{
	return !strncmp(group->type, "DMA", 3);
}
