/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * This machine as sysfs and procfs tell: PCI devices, IOMMU groups, drivers. All of it is files
 * below one root folder, and the few things that are not go through `struct medio_host_kernel`, so
 * that a test builds a machine in a temporary folder.
 *
 * Threads: one at a time for one object. Everything read is taken as hostile: names and texts are
 * cut to size, and what is not understood is skipped.
 */
#ifndef MEDIO_HOST_HOST_H
#define MEDIO_HOST_HOST_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/strv.h"

struct medio_host;

/* What a kernel does beyond showing files. Paths are as the machine has them, without the root. */
struct medio_host_kernel {
	/* Write text to an existing file with one write(2). -errno. */
	int (*write)(const struct medio_host *host, const char *path, const char *text);
	/* May this process open path for reading and writing? -EACCES, -ENOENT… */
	int (*access)(const struct medio_host *host, const char *path);
	/* Has somebody claimed this block device for himself alone: a file system, a swap area, an
	 * array, in whatever namespace? */
	bool (*claimed)(const struct medio_host *host, const char *path);
	/* Has this network interface an IP address that somebody gave it? */
	bool (*has_address)(const struct medio_host *host, const char *interface);
};

struct medio_host {
	const char *root;			/* a folder in place of /; NULL or "": / */
	const struct medio_host_kernel *kernel; /* NULL: the one that runs us */
	void *opaque;				/* the kernel's */
	const volatile sig_atomic_t *stop; /* changes end at the next step and are undone; NULL */
};

/* Paths are formatted: medio_host_read(host, buf, size, "/sys/bus/pci/devices/%s/class", bdf). */

/* The first line, without newline and spaces at the end, cut to size. -errno of open and read. */
int medio_host_read(const struct medio_host *host, char *buf, size_t size, const char *path, ...)
	__attribute__((format(printf, 4, 5)));
/* A whole file, at most 16 MiB of it, ends with NUL; free() it. -errno. */
int medio_host_slurp(const struct medio_host *host, char **text, const char *path, ...)
	__attribute__((format(printf, 3, 4)));
/* A number in the C language's notation. -errno; -EINVAL: it is none. */
int medio_host_number(const struct medio_host *host, unsigned long long *out, const char *path, ...)
	__attribute__((format(printf, 3, 4)));
/* Where a symbolic link points to. -errno; -ENAMETOOLONG: not into size. */
int medio_host_target(const struct medio_host *host, char *buf, size_t size, const char *path, ...)
	__attribute__((format(printf, 4, 5)));
/* The last name of that. */
int medio_host_link(const struct medio_host *host, char *buf, size_t size, const char *path, ...)
	__attribute__((format(printf, 4, 5)));
bool medio_host_exists(const struct medio_host *host, const char *path, ...)
	__attribute__((format(printf, 2, 3)));
/* The names in a folder in order, numbers by their value, appended to names. -errno; a folder that
 * is not there is -ENOENT and adds none. */
int medio_host_list(const struct medio_host *host, struct medio_strv *names, const char *path, ...)
	__attribute__((format(printf, 3, 4)));

/* Through the kernel: see there. */
int medio_host_write(const struct medio_host *host, const char *text, const char *path, ...)
	__attribute__((format(printf, 3, 4)));
int medio_host_access(const struct medio_host *host, const char *path, ...)
	__attribute__((format(printf, 2, 3)));
bool medio_host_claimed(const struct medio_host *host, const char *path, ...)
	__attribute__((format(printf, 2, 3)));
bool medio_host_has_address(const struct medio_host *host, const char *interface);

/* Has somebody asked to stop? */
bool medio_host_stopped(const struct medio_host *host);
/* Is one of the names between the slashes of path? "…/0000:00:05.0/virtio1/net/eth0" has
 * "0000:00:05.0". */
bool medio_host_path_has(const char *path, const char *name);

#endif
