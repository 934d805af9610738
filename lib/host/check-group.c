/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a group is not viable, and what to do. */
#include <stdio.h>
#include <string.h>

#include "host/check.h"
#include "host/driver.h"

#define TOPIC "group"

/* Names of devices, as many as fit. */
struct names {
	char text[512];
	size_t len;
	unsigned count;
};

static void add_name(struct names *names, const char *name, const char *driver)
{
	size_t room = sizeof(names->text) - names->len;

	names->count++;
	int n = snprintf(names->text + names->len, room, "%s%s%s%s%s", names->count > 1 ? ", " : "",
		name, driver ? " (" : "", driver ? driver : "", driver ? ")" : "");
	if (n > 0 && (size_t)n < room)
		names->len += (size_t)n;
	else
		names->text[names->len] = 0;
}

/* A device of it that somebody would want, to name in commands. */
static const char *example(const struct medio_host_group *group)
{
	const char *name = "BDF";

	for (unsigned i = group->count; i--;)
		if (group->devices[i].pci && !medio_host_device_is_bridge(&group->devices[i]))
			name = group->devices[i].name;
	return name;
}

static void advise(const struct medio_host_group *group, const struct names *bridges,
	const struct names *others, struct medio_findings *findings)
{
	if (others->count)
		medio_findings_advise(findings,
			"give VFIO the whole group: 'medio bind --group %s'; a device of it that "
			"the machine needs must move to another slot",
			example(group));
	else if (bridges->count)
		medio_findings_advise(findings,
			"a bridge may only be on pcieport or without driver: 'echo BDF > "
			"/sys/bus/pci/devices/BDF/driver/unbind' for %s",
			bridges->text);
}

/* Those that are in the way. */
static void check_blockers(const struct medio_host_group *group, const char *subject, bool wanted,
	struct medio_findings *findings)
{
	struct names bridges = { 0 }, others = { 0 };
	bool not_viable = medio_host_group_state(group) == MEDIO_GROUP_NOT_VIABLE;

	for (unsigned i = 0; i < group->count; i++) {
		const struct medio_host_device *dev = &group->devices[i];
		if (medio_host_group_blocked_by(dev))
			add_name(medio_host_device_is_bridge(dev) ? &bridges : &others, dev->name,
				dev->driver);
	}
	if (!bridges.count && !others.count)
		return;
	if (not_viable)
		medio_findings_add(findings, MEDIO_FINDING_PROBLEM, TOPIC, subject,
			"not viable: a device is on VFIO, and %s%s%s %s the kernel's: VFIO "
			"refuses to open the group",
			others.text, others.count && bridges.count ? ", " : "", bridges.text,
			others.count + bridges.count > 1 ? "are" : "is");
	else if (wanted)
		medio_findings_add(findings, MEDIO_FINDING_WARNING, TOPIC, subject,
			"the kernel's drivers have it: %s%s%s", others.text,
			others.count && bridges.count ? ", " : "", bridges.text);
	else
		return;
	advise(group, &bridges, &others, findings);
}

static bool is_known(const struct medio_findings *findings, const char *subject)
{
	for (unsigned i = 0; i < findings->count; i++)
		if (!strcmp(findings->items[i].subject, subject))
			return true;
	return false;
}

/* One of its files is enough: a kernel may have groups, or devices by themselves, or both. */
static void check_nodes(const struct medio_host *host, const struct medio_host_device *dev,
	struct medio_findings *findings)
{
	struct medio_strv nodes = { 0 };
	bool some = false;

	findings->failed |= medio_host_device_nodes(host, dev, &nodes) != 0;
	for (unsigned i = 0; i < nodes.count; i++)
		some |= medio_host_exists(host, "%s", nodes.items[i]);
	/* Devices of a group share its file. */
	for (unsigned i = 0; i < nodes.count; i++)
		if (!is_known(findings, nodes.items[i]))
			medio_check_node(host, nodes.items[i], !some, findings);
	medio_strv_free(&nodes);
}

static void check_viable(const struct medio_host *host, const struct medio_host_group *group,
	const char *subject, struct medio_findings *findings)
{
	if (medio_host_group_state(group) != MEDIO_GROUP_VIABLE)
		return;
	medio_findings_add(findings, MEDIO_FINDING_OK, TOPIC, subject, "viable: VFIO can open it");
	for (unsigned i = 0; i < group->count; i++) {
		const struct medio_host_device *dev = &group->devices[i];
		if (dev->pci && medio_driver_kind(dev->driver) == MEDIO_DRIVER_VFIO)
			check_nodes(host, dev, findings);
	}
}

static void check_shape(
	const struct medio_host_group *group, const char *subject, struct medio_findings *findings)
{
	if (!medio_host_group_spans_slots(group))
		return;
	medio_findings_add(findings, MEDIO_FINDING_WARNING, TOPIC, subject,
		"devices of several slots share it: a bridge above them does not keep them apart "
		"(no ACS), so one could reach into another");
	medio_findings_advise(findings,
		"put the card into a slot that hangs directly at the processor, or turn on ACS "
		"in the firmware; else the group goes to VFIO as a whole");
}

void medio_check_group(const struct medio_host *host, const struct medio_host_group *group,
	bool wanted, struct medio_findings *findings)
{
	enum medio_group_state state = medio_host_group_state(group);
	char subject[32];

	snprintf(subject, sizeof(subject), "group %d", group->number);
	check_blockers(group, subject, wanted, findings);
	check_viable(host, group, subject, findings);
	if (wanted || state == MEDIO_GROUP_NOT_VIABLE)
		check_shape(group, subject, findings);
	if (group->noiommu)
		medio_findings_add(findings, MEDIO_FINDING_WARNING, "noiommu", subject,
			"stands in for an IOMMU that is not there: its device can write anywhere "
			"in memory");
}
