/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the part of /sys is made that a program sees for our devices: what sysfs.c and its sisters (sysfs_mdev.c, sysfs_pci.c,
 * sysfs_uio.c) share. Whatever fails on the way is remembered, and said once at the end.
 *
 * Sources: Documentation/ABI/testing (sysfs-bus-pci, sysfs-bus-vfio-mdev, sysfs-kernel-iommu_groups); drivers/pci/pci-sysfs.c, drivers/vfio/mdev, drivers/vfio/vfio_main.c, drivers/iommu/iommu.c, drivers/uio/uio.c.
 */
#ifndef MEDIO_COMPAT_SYSFS_H
#define MEDIO_COMPAT_SYSFS_H

#include "compat/compat.h"
#include "compat/fs.h"
#include "compat/kdev.h"

#define MEDIO_SYSFS_PATH 256

struct medio_sysfs {
	struct medio_compat *compat;
	struct medio_fs *fs;
	struct medio_error **err;
	int ret; /* the first failure */
	/* Where the next BAR lies, as firmware would have it. */
	uint64_t next_mem32, next_mem64, next_io;
};

/* "devices/pci0000:00/0000:00:1e.0", "devices/virtual/mtty/mtty/UUID": of a device, below /sys. */
void medio_sysfs_path(const struct medio_kdev *kdev, char path[MEDIO_SYSFS_PATH]);
/* A name as the kernel writes it in /sys: '/' becomes '!'. */
void medio_sysfs_plain(char *to, size_t size, const char *from, const char *if_empty);
/* The folder at path below /sys. NULL: remembered. */
struct medio_fsnode *medio_sysfs_folder(struct medio_sysfs *sysfs, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A text in folder, with a newline behind it. */
void medio_sysfs_text(struct medio_sysfs *sysfs, struct medio_fsnode *folder, const char *name,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void medio_sysfs_file(struct medio_sysfs *sysfs, struct medio_fsnode *folder, const char *name,
	mode_t mode, const struct medio_fsfile_ops *ops, void *opaque);
/* A link in folder to what is at a path below /sys: relative, as all of sysfs's. */
void medio_sysfs_link(struct medio_sysfs *sysfs, struct medio_fsnode *folder, const char *name,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The folder power/ and the text uevent of every device. */
void medio_sysfs_device(struct medio_sysfs *sysfs, struct medio_fsnode *folder, const char *uevent);
/* /sys/module/NAME. */
struct medio_fsnode *medio_sysfs_module(struct medio_sysfs *sysfs, const char *name);
/* A failure with its words. */
void medio_sysfs_fail(struct medio_sysfs *sysfs, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* What is written is of no use, and refused. */
extern const struct medio_fsfile_ops medio_sysfs_busy, medio_sysfs_ignored;

/* A device's folder and what points to it. */
void medio_sysfs_mdev(struct medio_sysfs *sysfs, struct medio_kdev *kdev);
void medio_sysfs_pci(struct medio_sysfs *sysfs, struct medio_kdev *kdev);

/* A BAR, or the ROM, as a PCI device's files show it. */
struct medio_sysfs_bar {
	uint64_t start, size; /* size 0: there is none */
	uint64_t flags;	      /* as linux/ioport.h */
};
#define MEDIO_SYSFS_BARS 7
#define MEDIO_SYSFS_IO	 0x100u
#define MEDIO_SYSFS_MEM	 0x200u

/* uio/uioN in a PCI device's folder, which is at path; its interrupts are counted from now on. */
void medio_sysfs_uio(struct medio_sysfs *sysfs, struct medio_kdev *kdev,
	struct medio_fsnode *folder, const struct medio_sysfs_bar bars[MEDIO_SYSFS_BARS]);

/*
 * The files of a PCI device that reach the card: config, resourceN, rom, reset, enable; and what writing to them means. bars is
 * filled. Owned by the tree. NULL: remembered.
 */
struct medio_sysfs_card;
struct medio_sysfs_card *medio_sysfs_card_new(struct medio_sysfs *sysfs, struct medio_kdev *kdev);
const struct medio_sysfs_bar *medio_sysfs_card_bars(const struct medio_sysfs_card *card);
/* Its config space's header, as it is now. */
void medio_sysfs_card_header(const struct medio_sysfs_card *card, uint8_t header[64]);
void medio_sysfs_card_files(
	struct medio_sysfs *sysfs, struct medio_sysfs_card *card, struct medio_fsnode *folder);

#endif
