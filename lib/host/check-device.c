/* SPDX-License-Identifier: BSD-3-Clause */
/* One device: what a program that wants it meets. */
#include <stdio.h>
#include <string.h>

#include "host/check.h"
#include "host/driver.h"
#include "host/use.h"

static void check_driver(const struct medio_host_device *dev, struct medio_findings *findings)
{
	enum medio_driver_kind kind = medio_driver_kind(dev->driver);

	if (medio_host_device_is_bridge(dev)) {
		medio_findings_add(findings, MEDIO_FINDING_WARNING, "driver", dev->name,
			"is a bridge: the kernel keeps those, VFIO does not take them");
	} else if (kind == MEDIO_DRIVER_VFIO || kind == MEDIO_DRIVER_UIO) {
		medio_findings_add(findings, MEDIO_FINDING_OK, "driver", dev->name,
			"is on %s: a program can drive it", dev->driver);
	} else {
		medio_findings_add(findings, MEDIO_FINDING_WARNING, "driver", dev->name,
			*dev->driver ? "is on %s: no program can drive it" : "has no driver%s",
			dev->driver);
		medio_findings_advise(findings, "medio bind %s", dev->name);
	}
	medio_check_override(dev, findings);
}

void medio_check_override(const struct medio_host_device *dev, struct medio_findings *findings)
{
	if (!*dev->override || !strcmp(dev->override, dev->driver))
		return;
	medio_findings_add(findings, MEDIO_FINDING_WARNING, "override", dev->name,
		"its driver_override says %s, and it is on %s: somebody left that behind",
		dev->override, *dev->driver ? dev->driver : "no driver");
	medio_findings_advise(findings,
		"'medio unbind %s' clears it, 'medio bind %s --driver %s' makes it true", dev->name,
		dev->name, dev->override);
}

static void check_uses(const struct medio_host *host, const struct medio_host_device *dev,
	struct medio_findings *findings)
{
	struct medio_strv uses = { 0 };

	findings->failed |= medio_host_uses(host, dev->name, &uses) != 0;
	for (unsigned i = 0; i < uses.count; i++) {
		medio_findings_add(findings, MEDIO_FINDING_WARNING, "use", dev->name,
			"is in use: %s", uses.items[i]);
		medio_findings_advise(findings,
			"end that before 'medio bind' or 'medio unbind', which refuse it without "
			"--force");
	}
	medio_strv_free(&uses);
}

static void check_reset(const struct medio_host *host, const struct medio_host_device *dev,
	struct medio_findings *findings)
{
	if (medio_host_device_is_bridge(dev) ||
		medio_host_exists(host, MEDIO_PCI_DEVICES "/%s/reset", dev->name))
		return;
	medio_findings_add(findings, MEDIO_FINDING_WARNING, "reset", dev->name,
		"cannot be reset: it comes to a program as the last user left it, and VFIO "
		"answers a reset with EINVAL");
}

static void check_physfn(const struct medio_host *host, const struct medio_host_device *dev,
	struct medio_findings *findings)
{
	char driver[MEDIO_DRIVER_TEXT];

	if (!dev->is_virtual)
		return;
	medio_host_device_driver(host, dev->physfn, driver);
	if (medio_driver_kind(driver) != MEDIO_DRIVER_VFIO)
		return;
	medio_findings_add(findings, MEDIO_FINDING_WARNING, "token", dev->name,
		"is a VF whose physical function %s is on %s: opening it without the VF token "
		"gives EACCES",
		dev->physfn, driver);
	medio_findings_advise(findings, "name the token that the driver of %s set", dev->physfn);
}

static void check_uio(const struct medio_host *host, const struct medio_host_device *dev,
	const struct medio_host_group *group, struct medio_findings *findings)
{
	unsigned long long irq = 0;
	struct medio_strv nodes = { 0 };

	if (medio_driver_kind(dev->driver) != MEDIO_DRIVER_UIO)
		return;
	if (group && medio_host_group_translates(group)) {
		medio_findings_add(findings, MEDIO_FINDING_PROBLEM, "uio", dev->name,
			"DMA goes astray: the IOMMU translates for group %d (type %s), and UIO "
			"maps nothing there",
			group->number, group->type);
		medio_findings_advise(findings,
			"use vfio-pci; or, without protection: echo identity > "
			"/sys/kernel/iommu_groups/%d/type while no driver has it, or iommu=pt on "
			"the kernel's command line",
			group->number);
	}
	if (!medio_host_number(host, &irq, MEDIO_PCI_DEVICES "/%s/irq", dev->name) && !irq)
		medio_findings_add(findings, MEDIO_FINDING_WARNING, "uio", dev->name,
			"has no legacy interrupt: UIO can only be polled");
	findings->failed |= medio_host_device_nodes(host, dev, &nodes) != 0;
	for (unsigned i = 0; i < nodes.count; i++)
		medio_check_node(host, nodes.items[i], true, findings);
	medio_strv_free(&nodes);
}

void medio_check_device(
	const struct medio_host *host, const char *name, struct medio_findings *findings)
{
	struct medio_host_group group = { 0 };
	struct medio_host_device dev;

	if (medio_host_device_load(host, name, &dev)) {
		medio_findings_add(
			findings, MEDIO_FINDING_PROBLEM, "device", name, "there is no such device");
		return;
	}
	bool grouped = dev.group >= 0 && !medio_host_group_load(host, dev.group, &group);
	check_driver(&dev, findings);
	check_uses(host, &dev, findings);
	check_reset(host, &dev, findings);
	check_physfn(host, &dev, findings);
	check_uio(host, &dev, grouped ? &group : NULL, findings);
	if (grouped)
		medio_check_group(host, &group, true, findings);
	else if (!medio_check_is_run(host))
		medio_findings_add(findings, MEDIO_FINDING_WARNING, "group", name,
			"is in no IOMMU group: VFIO takes it only in its no-IOMMU mode");
	medio_host_group_fini(&group);
}
