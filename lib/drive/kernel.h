/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the backends for real devices ask of the kernel: system calls behind a table, so that a test can
 * answer in the kernel's place, and the little of sysfs they need.
 */
#ifndef MEDIO_DRIVE_KERNEL_H
#define MEDIO_DRIVE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct medio_kernel {
	const char *root; /* stands before /sys, /dev and /proc; "" for this machine */
	/* As the system calls, but -errno is returned. */
	int (*open)(const char *path, int flags);
	int (*ioctl)(int fd, unsigned long request, void *arg);
};

/* The one that runs us. */
extern const struct medio_kernel medio_kernel_real;

/* Paths are formatted and stand below the root. */

/* With O_CLOEXEC. -errno; -ENAMETOOLONG. */
int medio_kernel_open(const struct medio_kernel *kernel, int flags, const char *path, ...)
	__attribute__((format(printf, 3, 4)));
/* The first line, without its newline. -errno of open or read. */
int medio_kernel_read(const struct medio_kernel *kernel, char *buf, size_t size, const char *path,
	...) __attribute__((format(printf, 4, 5)));
/* The last name of where a symbolic link points. -errno. */
int medio_kernel_link(const struct medio_kernel *kernel, char *buf, size_t size, const char *path,
	...) __attribute__((format(printf, 4, 5)));
/* The first name in a folder that begins with prefix. -errno; -ENOENT: none does. */
int medio_kernel_find(const struct medio_kernel *kernel, char *buf, size_t size, const char *prefix,
	const char *path, ...) __attribute__((format(printf, 5, 6)));
/*
 * Who keeps an IOMMU group from being viable: its devices on other drivers than vfio's, as in
 * "0000:01:00.1 (driver nvme)", into buf. Returns their number.
 */
unsigned medio_kernel_strangers(
	const struct medio_kernel *kernel, const char *group, char *buf, size_t size);

/* Has VFIO made this group up, for a device that no IOMMU stands before? */
bool medio_kernel_noiommu(const struct medio_kernel *kernel, const char *group);

/*
 * Registers of a PCI device that is not there read as ones. Did this read, of count bytes, bring them for
 * that reason? Asks config space, which is in file fd from config on.
 */
bool medio_kernel_absent(const void *buf, size_t count, int fd, uint64_t config);

/*
 * Is text a PCI address as sysfs has it, "0000:01:00.0"? Nothing else may come into a path. An
 * address without a domain gets 0000: full has room for MEDIO_BDF_TEXT bytes.
 */
#define MEDIO_BDF_TEXT 20
bool medio_kernel_bdf(const char *text, char *full);

#endif
