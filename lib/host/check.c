/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/check.h"

#include <stdlib.h>

#include "host/driver.h"

/* Where its files come from (compat/overlay.c); a folder by that name alone is a tree that somebody made. */
bool medio_check_is_run(const struct medio_host *host)
{
	return medio_host_exists(host, "/dev/.medio/dev");
}

/* What is on UIO has no group that would tell about it. */
static void check_one(const struct medio_host *host, const struct medio_host_device *dev,
	struct medio_findings *findings)
{
	if (medio_driver_kind(dev->driver) == MEDIO_DRIVER_UIO)
		medio_check_device(host, dev->name, findings);
	else
		medio_check_override(dev, findings);
}

static void check_devices(const struct medio_host *host, struct medio_findings *findings)
{
	struct medio_strv names = { 0 };
	struct medio_host_device dev;

	medio_host_devices(host, &names);
	for (unsigned i = 0; i < names.count; i++)
		if (!medio_host_device_load(host, names.items[i], &dev))
			check_one(host, &dev, findings);
	medio_strv_free(&names);
}

static void check_groups(const struct medio_host *host, struct medio_findings *findings)
{
	struct medio_strv numbers = { 0 };
	struct medio_host_group group;

	medio_host_groups(host, &numbers);
	for (unsigned i = 0; i < numbers.count; i++) {
		if (medio_host_group_load(host, atoi(numbers.items[i]), &group))
			continue;
		medio_check_group(host, &group, false, findings);
		medio_host_group_fini(&group);
	}
	medio_strv_free(&numbers);
}

void medio_check_machine(const struct medio_host *host, struct medio_findings *findings)
{
	medio_check_iommu(host, findings);
	medio_check_drivers(host, findings);
	medio_check_limits(host, findings);
	check_groups(host, findings);
	check_devices(host, findings);
}
