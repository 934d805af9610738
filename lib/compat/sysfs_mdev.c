/* SPDX-License-Identifier: BSD-3-Clause */
/* A mediated device, its parent and its type: Documentation/driver-api/vfio-mediated-device.rst, ABI/testing/sysfs-bus-vfio-mdev. */
#include "compat/sysfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "compat/kgroup.h"

/* The instances that there are have been made already, and no more can be. */
static ssize_t create(void *opaque, const void *buf, size_t size, uint64_t offset)
{
	(void)opaque;
	(void)buf;
	(void)offset;
	return size == 36 || size == 37 ? -ENOSPC : -EINVAL;
}

static const struct medio_fsfile_ops create_ops = { .write = create };

static bool has(const struct medio_fsnode *folder, const char *name)
{
	const struct medio_fsnode *node;

	for (unsigned i = 0; folder && (node = medio_fs_child(folder, i)); i++)
		if (strcmp(medio_fs_name(node), name) == 0)
			return true;
	return false;
}

static void add_type(struct medio_sysfs *sysfs, const struct medio_kdev *kdev, const char *parent,
	const char *type, const char *path)
{
	struct medio_fsnode *folder = medio_sysfs_folder(
		sysfs, "%s/mdev_supported_types/%s", parent, type);

	if (!has(folder, "name")) {
		medio_sysfs_text(sysfs, folder, "name", "%s", kdev->type[0] ? kdev->type : type);
		medio_sysfs_text(sysfs, folder, "device_api", "vfio-pci");
		medio_sysfs_text(sysfs, folder, "available_instances", "0");
		medio_sysfs_file(sysfs, folder, "create", 0200, &create_ops, NULL);
	}
	medio_sysfs_link(sysfs,
		medio_sysfs_folder(sysfs, "%s/mdev_supported_types/%s/devices", parent, type),
		kdev->name, "%s", path);
}

static void add_parent(struct medio_sysfs *sysfs, const char *driver)
{
	struct medio_fsnode *parent = medio_sysfs_folder(
		sysfs, "devices/virtual/%s/%s", driver, driver);

	if (has(parent, "uevent"))
		return;
	medio_sysfs_device(sysfs, parent, "");
	medio_sysfs_link(sysfs, parent, "subsystem", "class/%s", driver);
	medio_sysfs_link(sysfs, medio_sysfs_folder(sysfs, "class/%s", driver), driver,
		"devices/virtual/%s/%s", driver, driver);
	medio_sysfs_link(sysfs, medio_sysfs_folder(sysfs, "class/mdev_bus"), driver,
		"devices/virtual/%s/%s", driver, driver);
}

static void add_to_bus(struct medio_sysfs *sysfs, const struct medio_kdev *kdev, const char *driver,
	const char *path)
{
	struct medio_fsnode *bus = medio_sysfs_folder(sysfs, "bus/mdev");
	struct medio_fsnode *folder = medio_sysfs_folder(sysfs, "bus/mdev/drivers/%s", driver);

	if (!has(bus, "drivers_autoprobe"))
		medio_sysfs_text(sysfs, bus, "drivers_autoprobe", "1");
	if (!has(folder, "bind")) {
		medio_sysfs_file(sysfs, folder, "bind", 0200, &medio_sysfs_busy, NULL);
		medio_sysfs_file(sysfs, folder, "unbind", 0200, &medio_sysfs_busy, NULL);
	}
	medio_sysfs_link(sysfs, folder, kdev->name, "%s", path);
	medio_sysfs_link(
		sysfs, medio_sysfs_folder(sysfs, "bus/mdev/devices"), kdev->name, "%s", path);
}

void medio_sysfs_mdev(struct medio_sysfs *sysfs, struct medio_kdev *kdev)
{
	char path[MEDIO_SYSFS_PATH], driver[64], type[64], parent[160], uevent[96];

	medio_sysfs_plain(driver, sizeof(driver), kdev->driver, "medio");
	medio_sysfs_plain(type, sizeof(type), kdev->type, "medio");
	medio_sysfs_path(kdev, path);
	snprintf(parent, sizeof(parent), "devices/virtual/%s/%s", driver, driver);
	add_parent(sysfs, driver);
	add_type(sysfs, kdev, parent, type, path);
	struct medio_fsnode *folder = medio_sysfs_folder(sysfs, "%s", path);
	snprintf(uevent, sizeof(uevent), "DRIVER=%s\n", driver);
	medio_sysfs_device(sysfs, folder, uevent);
	medio_sysfs_file(sysfs, folder, "remove", 0200, &medio_sysfs_busy, NULL);
	medio_sysfs_link(sysfs, folder, "subsystem", "bus/mdev");
	medio_sysfs_link(sysfs, folder, "driver", "bus/mdev/drivers/%s", driver);
	medio_sysfs_link(sysfs, folder, "mdev_type", "%s/mdev_supported_types/%s", parent, type);
	if (kdev->group)
		medio_sysfs_link(sysfs, folder, "iommu_group", "kernel/iommu_groups/%u",
			kdev->group->number);
	add_to_bus(sysfs, kdev, driver, path);
}
