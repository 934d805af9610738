/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/device.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/driver.h"
#include "util/error.h"
#include "util/nearest.h"

#define CLASS_BRIDGE 0x06

/* ---- Finding ----------------------------------------------------------------------------------- */

/* "1:0.0" as it should be written; text itself if that is no help. */
static const char *tidy(const char *text, char buf[MEDIO_BDF_TEXT])
{
	unsigned bus, device, function;
	struct medio_bdf bdf;

	if (sscanf(text, "%2x:%2x.%1x", &bus, &device, &function) != 3)
		return text;
	snprintf(buf, MEDIO_BDF_TEXT, "0000:%02x:%02x.%x", bus, device, function);
	return medio_bdf_parse(buf, &bdf) ? text : buf;
}

/* "; did you mean …?" or what there is. */
static void hint(const struct medio_strv *names, const char *typed, char *buf, size_t size)
{
	char tidied[MEDIO_BDF_TEXT];
	const char *near = medio_nearest(
		tidy(typed, tidied), medio_strv_items(names), names->count);

	buf[0] = 0;
	if (near)
		snprintf(buf, size, "; did you mean %s?", near);
	else if (names->count)
		snprintf(buf, size, "; there are %s to %s, 'lspci' lists them", names->items[0],
			names->items[names->count - 1]);
}

int medio_host_find(const struct medio_host *host, const char *text, char name[MEDIO_BDF_TEXT],
	struct medio_error **err)
{
	struct medio_strv names = { 0 };
	char words[256], known[MEDIO_BDF_TEXT];
	struct medio_bdf bdf;
	int ret = medio_bdf_parse(text, &bdf);

	if (ret == 0) {
		medio_bdf_format(&bdf, known);
		if (medio_host_exists(host, MEDIO_PCI_DEVICES "/%s", known)) {
			memcpy(name, known, sizeof(known));
			return 0;
		}
		text = known;
		ret = -ENODEV;
	}
	medio_host_devices(host, &names);
	hint(&names, text, words, sizeof(words));
	medio_strv_free(&names);
	if (ret == -EINVAL)
		return medio_error_set(err, EINVAL,
			"'%.40s' is no PCI address such as 0000:01:00.0 or 01:00.0%s", text, words);
	if (!medio_host_exists(host, MEDIO_PCI_DEVICES))
		return medio_error_set(err, ENODEV, "this machine shows no PCI devices (no %s)",
			MEDIO_PCI_DEVICES);
	return medio_error_set(err, ENODEV, "no device %s%s", known, words);
}

int medio_host_devices(const struct medio_host *host, struct medio_strv *names)
{
	return medio_host_list(host, names, MEDIO_PCI_DEVICES);
}

/* ---- Reading ----------------------------------------------------------------------------------- */

static uint32_t hex(const struct medio_host *host, const char *name, const char *file)
{
	unsigned long long value = 0;

	medio_host_number(host, &value, MEDIO_PCI_DEVICES "/%s/%s", name, file);
	return (uint32_t)value;
}

static int group_of(const struct medio_host *host, const char *name)
{
	char text[16], *end;

	if (medio_host_link(host, text, sizeof(text), MEDIO_PCI_DEVICES "/%s/iommu_group", name))
		return -1;
	unsigned long number = strtoul(text, &end, 10);
	return *end || end == text || number > INT_MAX ? -1 : (int)number;
}

void medio_host_device_driver(
	const struct medio_host *host, const char *name, char driver[MEDIO_DRIVER_TEXT])
{
	medio_host_link(host, driver, MEDIO_DRIVER_TEXT, MEDIO_PCI_DEVICES "/%s/driver", name);
}

int medio_host_device_load(
	const struct medio_host *host, const char *name, struct medio_host_device *out)
{
	struct medio_host_device dev = { .pci = true };

	if (!medio_host_exists(host, MEDIO_PCI_DEVICES "/%s", name))
		return -ENODEV;
	snprintf(dev.name, sizeof(dev.name), "%s", name);
	medio_host_device_driver(host, name, dev.driver);
	medio_host_read(host, dev.override, sizeof(dev.override),
		MEDIO_PCI_DEVICES "/%s/driver_override", name);
	/* How the kernel prints a NULL. */
	if (!strcmp(dev.override, "(null)"))
		dev.override[0] = 0;
	dev.vendor = (uint16_t)hex(host, name, "vendor");
	dev.device = (uint16_t)hex(host, name, "device");
	dev.class_code = hex(host, name, "class") & 0xffffff;
	dev.group = group_of(host, name);
	dev.is_virtual = !medio_host_link(
		host, dev.physfn, sizeof(dev.physfn), MEDIO_PCI_DEVICES "/%s/physfn", name);
	*out = dev;
	return 0;
}

bool medio_host_device_is_bridge(const struct medio_host_device *dev)
{
	return dev->pci && dev->class_code >> 16 == CLASS_BRIDGE;
}

/* ---- Nodes ------------------------------------------------------------------------------------- */

/* What is in a folder of the device, each as a file of /dev. */
static int add_nodes(const struct medio_host *host, const char *name, const char *folder,
	const char *prefix, struct medio_strv *nodes)
{
	struct medio_strv names = { 0 };
	char path[128];
	int ret = medio_host_list(host, &names, MEDIO_PCI_DEVICES "/%s/%s", name, folder);

	if (ret != -ENOMEM)
		ret = 0;
	for (unsigned i = 0; i < names.count && ret == 0; i++) {
		snprintf(path, sizeof(path), "%s%.64s", prefix, names.items[i]);
		ret = medio_strv_add(nodes, path);
	}
	medio_strv_free(&names);
	return ret;
}

static int add_group_node(const struct medio_host *host, const struct medio_host_device *dev,
	struct medio_strv *nodes)
{
	char kind[32], path[64];

	if (dev->group < 0)
		return 0;
	/* A group that stands in for a missing IOMMU says so in its name. */
	medio_host_read(host, kind, sizeof(kind), "/sys/kernel/iommu_groups/%d/name", dev->group);
	bool noiommu = !strcmp(kind, "vfio-noiommu");
	snprintf(path, sizeof(path), "/dev/vfio/%s%d", noiommu ? "noiommu-" : "", dev->group);
	return medio_strv_add(nodes, path);
}

int medio_host_device_nodes(const struct medio_host *host, const struct medio_host_device *dev,
	struct medio_strv *nodes)
{
	int ret = 0;

	if (medio_driver_kind(dev->driver) == MEDIO_DRIVER_VFIO) {
		ret = add_group_node(host, dev, nodes);
		if (ret == 0)
			ret = add_nodes(host, dev->name, "vfio-dev", "/dev/vfio/devices/", nodes);
	}
	return ret ? ret : add_nodes(host, dev->name, "uio", "/dev/", nodes);
}
