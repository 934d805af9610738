/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /sys/class/uio/uioN and /dev/uioN, as drivers/uio/uio.c has them. uio_pci_generic itself has no maps/ and portio/;
 * other drivers of UIO have, and programs look for them.
 */
#include "compat/sysfs.h"

#include <stdio.h>
#include <string.h>
#include <errno.h>

#include "compat/uio.h"

#define UIO_MAJOR 241u
#define MAX_MAPS  5 /* linux/uio_driver.h, also for ports */

static ssize_t event_read(void *opaque, void *buf, size_t size, uint64_t offset)
{
	char text[16];
	size_t len = (size_t)snprintf(text, sizeof(text), "%u\n", medio_uio_events(opaque));

	if (offset >= len)
		return 0;
	if (size > len - offset)
		size = len - (size_t)offset;
	memcpy(buf, text + offset, size);
	return (ssize_t)size;
}

static const struct medio_fsfile_ops event_ops = { .read = event_read };

static void add_map(struct medio_sysfs *sysfs, const char *path, unsigned n, unsigned bar_number,
	const struct medio_sysfs_bar *bar)
{
	bool io = bar->flags & MEDIO_SYSFS_IO;
	struct medio_fsnode *folder = medio_sysfs_folder(
		sysfs, "%s/%s%u", path, io ? "portio/port" : "maps/map", n);

	medio_sysfs_text(sysfs, folder, "name", "BAR%u", bar_number);
	medio_sysfs_text(sysfs, folder, "size", "0x%016llx", (unsigned long long)bar->size);
	if (io) {
		medio_sysfs_text(sysfs, folder, "start", "0x%llx", (unsigned long long)bar->start);
		medio_sysfs_text(sysfs, folder, "porttype", "port_x86");
	} else {
		medio_sysfs_text(
			sysfs, folder, "addr", "0x%016llx", (unsigned long long)bar->start);
		medio_sysfs_text(sysfs, folder, "offset", "0x0");
	}
}

static void add_maps(struct medio_sysfs *sysfs, struct medio_uio *uio, const char *path,
	const struct medio_sysfs_bar *bars)
{
	unsigned maps = 0, ports = 0;

	for (unsigned i = 0; i < 6; i++) {
		unsigned *n = bars[i].flags & MEDIO_SYSFS_IO ? &ports : &maps;

		if (!bars[i].size || *n == MAX_MAPS)
			continue;
		if (n == &maps)
			medio_uio_set_map(uio, maps, i, bars[i].size);
		add_map(sysfs, path, (*n)++, i, &bars[i]);
	}
}

void medio_sysfs_uio(struct medio_sysfs *sysfs, struct medio_kdev *kdev,
	struct medio_fsnode *device, const struct medio_sysfs_bar bars[MEDIO_SYSFS_BARS])
{
	char device_path[MEDIO_SYSFS_PATH], path[MEDIO_SYSFS_PATH], name[24], uevent[96];
	struct medio_uio *uio;

	(void)device;
	int ret = medio_uio_new(kdev, &uio, sysfs->err);
	if (ret) {
		sysfs->ret = sysfs->ret ? sysfs->ret : ret;
		return;
	}
	snprintf(name, sizeof(name), "uio%u", kdev->number);
	medio_sysfs_path(kdev, device_path);
	snprintf(path, sizeof(path), "%.200s/uio/%s", device_path, name);
	struct medio_fsnode *folder = medio_sysfs_folder(sysfs, "%s", path);
	snprintf(uevent, sizeof(uevent), "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\n", UIO_MAJOR,
		kdev->number, name);
	medio_sysfs_text(sysfs, folder, "name", "uio_pci_generic");
	medio_sysfs_text(sysfs, folder, "version", "0.01.0");
	medio_sysfs_text(sysfs, folder, "dev", "%u:%u", UIO_MAJOR, kdev->number);
	medio_sysfs_device(sysfs, folder, uevent);
	medio_sysfs_file(sysfs, folder, "event", 0444, &event_ops, uio);
	medio_sysfs_link(sysfs, folder, "subsystem", "class/uio");
	medio_sysfs_link(sysfs, folder, "device", "%s", device_path);
	add_maps(sysfs, uio, path, bars);
	medio_sysfs_link(sysfs, medio_sysfs_folder(sysfs, "class/uio"), name, "%s", path);
	if (!medio_fs_uio(medio_fs_path(sysfs->fs, "dev"), name, 0600, uio)) {
		medio_uio_free(uio);
		medio_sysfs_fail(sysfs, ENOMEM, "out of memory");
	}
}
