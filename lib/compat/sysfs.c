/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev, groups, classes and modules; a device's own folder is in sysfs_mdev.c, sysfs_pci.c. */
#include "compat/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compat/fsnode.h"
#include "compat/iommufd.h"
#include "compat/kgroup.h"
#include "compat/kranges.h"
#include "util/cleanup.h"
#include "util/error.h"

/* The kernel takes a free one; nobody opens by it. */
#define VFIO_MAJOR 242u

/* ---- Making ---------------------------------------------------------------------------------------- */

void medio_sysfs_fail(struct medio_sysfs *sysfs, int errnum, const char *fmt, ...)
{
	va_list ap;

	if (sysfs->ret)
		return;
	va_start(ap, fmt);
	sysfs->ret = medio_error_setv(sysfs->err, errnum, fmt, ap);
	va_end(ap);
}

static void made(struct medio_sysfs *sysfs, const struct medio_fsnode *node)
{
	if (!node)
		medio_sysfs_fail(sysfs, ENOMEM, "out of memory");
}

struct medio_fsnode *medio_sysfs_folder(struct medio_sysfs *sysfs, const char *fmt, ...)
{
	char path[MEDIO_SYSFS_PATH] = "sys/";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path + 4, sizeof(path) - 4, fmt, ap);
	va_end(ap);
	struct medio_fsnode *node = medio_fs_path(sysfs->fs, path);
	made(sysfs, node);
	return node;
}

void medio_sysfs_text(struct medio_sysfs *sysfs, struct medio_fsnode *folder, const char *name,
	const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	made(sysfs, medio_fs_text(folder, name, 0444, "%s\n", text));
}

void medio_sysfs_file(struct medio_sysfs *sysfs, struct medio_fsnode *folder, const char *name,
	mode_t mode, const struct medio_fsfile_ops *ops, void *opaque)
{
	made(sysfs, medio_fs_file(folder, name, mode, ops, opaque));
}

static unsigned depth(const struct medio_fsnode *node)
{
	unsigned n = 0;

	/* The folder sys itself is the root's child. */
	for (; node && node->parent->parent != node->parent; node = node->parent)
		n++;
	return n;
}

void medio_sysfs_link(struct medio_sysfs *sysfs, struct medio_fsnode *folder, const char *name,
	const char *fmt, ...)
{
	char target[2 * MEDIO_SYSFS_PATH];
	size_t len = 0;
	va_list ap;

	for (unsigned up = depth(folder); up && len + 4 < MEDIO_SYSFS_PATH; up--, len += 3)
		memcpy(target + len, "../", 3);
	va_start(ap, fmt);
	vsnprintf(target + len, sizeof(target) - len, fmt, ap);
	va_end(ap);
	made(sysfs, medio_fs_link(folder, name, target));
}

void medio_sysfs_device(struct medio_sysfs *sysfs, struct medio_fsnode *folder, const char *uevent)
{
	made(sysfs, medio_fs_text(folder, "uevent", 0644, "%s", uevent));
	struct medio_fsnode *power = folder ? medio_fs_folder(folder, "power") : NULL;
	made(sysfs, power);
	medio_sysfs_text(sysfs, power, "control", "on");
	medio_sysfs_text(sysfs, power, "runtime_status", "active");
}

struct medio_fsnode *medio_sysfs_module(struct medio_sysfs *sysfs, const char *name)
{
	struct medio_fsnode *module = medio_sysfs_folder(sysfs, "module/%s", name);

	medio_sysfs_text(sysfs, module, "initstate", "live");
	medio_sysfs_text(sysfs, module, "refcnt", "1");
	return module;
}

void medio_sysfs_plain(char *to, size_t size, const char *from, const char *if_empty)
{
	snprintf(to, size, "%s", from[0] ? from : if_empty);
	for (; *to; to++)
		if (*to == '/')
			*to = '!';
}

void medio_sysfs_path(const struct medio_kdev *kdev, char path[MEDIO_SYSFS_PATH])
{
	char driver[64];

	medio_sysfs_plain(driver, sizeof(driver), kdev->driver, "medio");
	const char *colon = strrchr(kdev->name, ':');

	/* A device of each bus is at a root of its own, "pci0000:00". */
	if (kdev->look != MEDIO_KDEV_MDEV)
		snprintf(path, MEDIO_SYSFS_PATH, "devices/pci%.*s/%s",
			colon ? (int)(colon - kdev->name) : 0, kdev->name, kdev->name);
	else
		snprintf(path, MEDIO_SYSFS_PATH, "devices/virtual/%s/%s/%s", driver, driver,
			kdev->name);
}

static ssize_t refuse(void *opaque, const void *buf, size_t size, uint64_t offset)
{
	(void)opaque;
	(void)buf;
	(void)size;
	(void)offset;
	return -EBUSY;
}

static ssize_t ignore(void *opaque, const void *buf, size_t size, uint64_t offset)
{
	(void)opaque;
	(void)buf;
	(void)offset;
	return (ssize_t)size;
}

const struct medio_fsfile_ops medio_sysfs_busy = { .write = refuse };
const struct medio_fsfile_ops medio_sysfs_ignored = { .write = ignore };

/* ---- /dev and its classes ----------------------------------------------------------------------------- */

/* /sys/class/CLASS/NAME, and the device behind it. */
static void class_device(struct medio_sysfs *sysfs, const char *class, const char *name,
	unsigned major, unsigned minor)
{
	struct medio_fsnode *folder = medio_sysfs_folder(
		sysfs, "devices/virtual/%s/%s", class, name);
	char uevent[160];

	snprintf(uevent, sizeof(uevent), "MAJOR=%u\nMINOR=%u\nDEVNAME=%s%s\n", major, minor,
		strcmp(class, "vfio") == 0 ? "vfio/" : "", name);
	medio_sysfs_text(sysfs, folder, "dev", "%u:%u", major, minor);
	medio_sysfs_device(sysfs, folder, uevent);
	medio_sysfs_link(sysfs, folder, "subsystem", "class/%s", class);
	medio_sysfs_link(sysfs, medio_sysfs_folder(sysfs, "class/%s", class), name,
		"devices/virtual/%s/%s", class, name);
}

static void dev_special(struct medio_sysfs *sysfs, const char *folder, const char *name,
	mode_t mode, medio_fsnode_open *open, void *opaque)
{
	made(sysfs, medio_fs_special(medio_fs_path(sysfs->fs, folder), name, mode, open, opaque));
}

/* vfio-dev/vfioN: says that the file /dev/vfio/devices/vfioN is /dev/null, which overlay.c puts there. */
static void add_cdev(struct medio_sysfs *sysfs, struct medio_kdev *kdev)
{
	char path[MEDIO_SYSFS_PATH], name[32], uevent[96];

	medio_sysfs_path(kdev, path);
	snprintf(name, sizeof(name), "vfio%u", kdev->number);
	struct medio_fsnode *folder = medio_sysfs_folder(sysfs, "%s/vfio-dev/%s", path, name);
	snprintf(uevent, sizeof(uevent), "MAJOR=1\nMINOR=3\nDEVNAME=vfio/devices/%s\n", name);
	medio_sysfs_text(sysfs, folder, "dev", "1:3");
	medio_sysfs_device(sysfs, folder, uevent);
	medio_sysfs_link(sysfs, folder, "subsystem", "class/vfio-dev");
	medio_sysfs_link(sysfs, folder, "device", "%s", path);
	medio_sysfs_link(sysfs, medio_sysfs_folder(sysfs, "class/vfio-dev"), name, "%s/vfio-dev/%s",
		path, name);
}

static void add_vfio(struct medio_sysfs *sysfs)
{
	struct medio_compat *compat = sysfs->compat;

	dev_special(sysfs, "dev/vfio", "vfio", 0666, medio_kcontainer_open, compat);
	class_device(sysfs, "misc", "vfio", 10, 196);
	dev_special(sysfs, "dev", "iommu", 0600, medio_iommufd_open, compat);
	class_device(sysfs, "misc", "iommu", 10, 195);
}

/* ---- Groups ------------------------------------------------------------------------------------------- */

/* As iommu_group_show_resv_regions() has it, of x86; only of devices that an IOMMU of that kind is in front of. */
static void add_reserved(struct medio_sysfs *sysfs, struct medio_fsnode *folder, bool msi)
{
	char text[64] = "";

	if (msi)
		snprintf(text, sizeof(text), "0x%016llx 0x%016llx msi\n",
			(unsigned long long)MEDIO_KRANGES_MSI_FIRST,
			(unsigned long long)MEDIO_KRANGES_MSI_LAST);
	made(sysfs, medio_fs_text(folder, "reserved_regions", 0444, "%s", text));
}

/* A group that VFIO made up for a device without an IOMMU is told by its name only. */
static void add_group(struct medio_sysfs *sysfs, struct medio_kgroup *group)
{
	struct medio_fsnode *folder = medio_sysfs_folder(
		sysfs, "kernel/iommu_groups/%u", group->number);
	struct medio_fsnode *devices = medio_sysfs_folder(
		sysfs, "kernel/iommu_groups/%u/devices", group->number);
	char path[MEDIO_SYSFS_PATH], name[32];
	bool emulated = group->noiommu;

	medio_list_for_each (item, &sysfs->compat->kdevs) {
		struct medio_kdev *kdev = medio_container_of(item, struct medio_kdev, link);

		if (kdev->group != group)
			continue;
		medio_sysfs_path(kdev, path);
		medio_sysfs_link(sysfs, devices, kdev->name, "%s", path);
		emulated |= kdev->look == MEDIO_KDEV_MDEV;
	}
	if (emulated)
		medio_sysfs_text(sysfs, folder, "name", "vfio-noiommu");
	medio_sysfs_text(sysfs, folder, "type", emulated ? "unknown" : "DMA-FQ");
	add_reserved(sysfs, folder, !emulated && !sysfs->compat->spapr);
	snprintf(name, sizeof(name), "%s%u", group->noiommu ? "noiommu-" : "", group->number);
	dev_special(sysfs, "dev/vfio", name, 0600, medio_kgroup_open, group);
	class_device(sysfs, "vfio", name, VFIO_MAJOR, group->number);
}

/* ---- Modules ------------------------------------------------------------------------------------------ */

static void parameter(
	struct medio_sysfs *sysfs, const char *module, const char *name, const char *value)
{
	medio_sysfs_text(sysfs, medio_sysfs_folder(sysfs, "module/%s/parameters", module), name,
		"%s", value);
}

struct seen {
	bool vfio, mdev, pci, uio, noiommu;
};

static void add_modules(struct medio_sysfs *sysfs, const struct seen *seen)
{
	if (seen->vfio) {
		medio_sysfs_module(sysfs, "vfio");
		parameter(sysfs, "vfio", "enable_unsafe_noiommu_mode", seen->noiommu ? "Y" : "N");
		medio_sysfs_module(sysfs, "iommufd");
	}
	if (seen->vfio && sysfs->compat->spapr) {
		medio_sysfs_module(sysfs, "vfio_iommu_spapr_tce");
	} else if (seen->vfio) {
		medio_sysfs_module(sysfs, "vfio_iommu_type1");
		parameter(sysfs, "vfio_iommu_type1", "allow_unsafe_interrupts", "Y");
		parameter(sysfs, "vfio_iommu_type1", "disable_hugepages", "N");
		parameter(sysfs, "vfio_iommu_type1", "dma_entry_limit", "65535");
	}
	if (seen->mdev)
		medio_sysfs_module(sysfs, "mdev");
	if (seen->pci) {
		medio_sysfs_module(sysfs, "vfio_pci_core");
		medio_sysfs_module(sysfs, "vfio_pci");
		parameter(sysfs, "vfio_pci", "disable_idle_d3", "N");
		parameter(sysfs, "vfio_pci", "enable_sriov", "N");
		medio_sysfs_link(sysfs, medio_sysfs_folder(sysfs, "module/vfio_pci/drivers"),
			"pci:vfio-pci", "bus/pci/drivers/vfio-pci");
	}
	if (seen->uio) {
		medio_sysfs_module(sysfs, "uio");
		medio_sysfs_module(sysfs, "uio_pci_generic");
		medio_sysfs_link(sysfs, medio_sysfs_folder(sysfs, "module/uio_pci_generic/drivers"),
			"pci:uio_pci_generic", "bus/pci/drivers/uio_pci_generic");
	}
}

/* ---- All of it ---------------------------------------------------------------------------------------- */

static void add_device(struct medio_sysfs *sysfs, struct medio_kdev *kdev, struct seen *seen)
{
	seen->vfio |= kdev->look != MEDIO_KDEV_UIO;
	seen->mdev |= kdev->look == MEDIO_KDEV_MDEV;
	seen->pci |= kdev->look == MEDIO_KDEV_PCI;
	seen->uio |= kdev->look == MEDIO_KDEV_UIO;
	seen->noiommu |= kdev->group && kdev->group->noiommu;
	if (kdev->look == MEDIO_KDEV_MDEV)
		medio_sysfs_mdev(sysfs, kdev);
	else
		medio_sysfs_pci(sysfs, kdev);
	if (kdev->look != MEDIO_KDEV_UIO && !(kdev->group && kdev->group->noiommu))
		add_cdev(sysfs, kdev);
}

/* One more than the highest "NAMEnumber" in a folder of the machine's. */
static unsigned next_number(const char *path, const char *name)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	unsigned next = 0;

	while (dir && (entry = readdir(dir))) {
		const char *digits = entry->d_name + strlen(name);
		char *end;
		if (strncmp(entry->d_name, name, strlen(name)) != 0 || *digits < '0' ||
			*digits > '9')
			continue;
		unsigned long number = strtoul(digits, &end, 10);
		if (!*end && number < INT_MAX && number >= next)
			next = (unsigned)number + 1;
	}
	if (dir)
		closedir(dir);
	return next;
}

void medio_sysfs_begin(struct medio_compat *compat)
{
	compat->next_group = next_number("/sys/kernel/iommu_groups", "");
	compat->next_cdev = next_number("/sys/class/vfio-dev", "vfio");
	compat->next_uio = next_number("/sys/class/uio", "uio");
}

int medio_sysfs_make(struct medio_compat *compat, struct medio_error **err)
{
	struct seen seen = { 0 };
	int ret = compat->fs ? 0 : medio_fs_new(compat, &compat->fs);

	if (ret)
		return medio_error_set(err, -ret, "out of memory");
	struct medio_sysfs sysfs = {
		.compat = compat,
		.fs = compat->fs,
		.err = err,
		.next_mem32 = UINT64_C(0xc0000000),
		.next_mem64 = UINT64_C(0x380000000000),
		.next_io = 0xa000,
	};
	medio_list_for_each (item, &compat->kdevs)
		add_device(&sysfs, medio_container_of(item, struct medio_kdev, link), &seen);
	medio_list_for_each (item, &compat->groups)
		add_group(&sysfs, medio_container_of(item, struct medio_kgroup, link));
	if (seen.vfio)
		add_vfio(&sysfs);
	add_modules(&sysfs, &seen);
	return sysfs.ret;
}
