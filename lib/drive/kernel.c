/* SPDX-License-Identifier: BSD-3-Clause */
#include "drive/kernel.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "pci/driver.h"
#include "drive/calls.h"
#include "util/cleanup.h"

static int real_open(const char *path, int flags)
{
	int fd = open(path, flags);

	if (medio_calls_watched())
		medio_calls_say(fd < 0 ? -errno : fd, "open %s", path);
	return fd < 0 ? -errno : fd;
}

static int real_ioctl(int fd, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	ret = ret < 0 ? -errno : ret;
	if (medio_calls_watched())
		medio_calls_ioctl(fd, request, arg, ret);
	return ret;
}

const struct medio_kernel medio_kernel_real = {
	.root = "",
	.open = real_open,
	.ioctl = real_ioctl,
};

static int make_path(const struct medio_kernel *kernel, char *out, const char *path, va_list ap)
	__attribute__((format(printf, 3, 0)));

static int make_path(const struct medio_kernel *kernel, char *out, const char *path, va_list ap)
{
	int len = snprintf(out, PATH_MAX, "%s", kernel->root);

	if (len < 0 || len >= PATH_MAX)
		return -ENAMETOOLONG;
	int more = vsnprintf(out + len, (size_t)(PATH_MAX - len), path, ap);
	return more < 0 || more >= PATH_MAX - len ? -ENAMETOOLONG : 0;
}

int medio_kernel_open(const struct medio_kernel *kernel, int flags, const char *path, ...)
{
	char full[PATH_MAX];
	va_list ap;

	va_start(ap, path);
	int ret = make_path(kernel, full, path, ap);
	va_end(ap);
	return ret ? ret : kernel->open(full, flags | O_CLOEXEC);
}

int medio_kernel_read(
	const struct medio_kernel *kernel, char *buf, size_t size, const char *path, ...)
{
	char full[PATH_MAX];
	va_list ap;

	va_start(ap, path);
	int ret = make_path(kernel, full, path, ap);
	va_end(ap);
	if (ret)
		return ret;
	_cleanup_close_ int fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = 0;
	buf[strcspn(buf, "\n")] = 0;
	medio_calls_say(0, "read %s -> \"%s\"", full, buf);
	return 0;
}

int medio_kernel_link(
	const struct medio_kernel *kernel, char *buf, size_t size, const char *path, ...)
{
	char full[PATH_MAX], target[PATH_MAX];
	va_list ap;

	va_start(ap, path);
	int ret = make_path(kernel, full, path, ap);
	va_end(ap);
	if (ret)
		return ret;
	ssize_t n = readlink(full, target, sizeof(target) - 1);
	if (n < 0)
		return (int)medio_calls_say(-errno, "readlink %s", full);
	target[n] = 0;
	medio_calls_say(0, "readlink %s -> %s", full, target);
	const char *name = strrchr(target, '/');
	name = name ? name + 1 : target;
	if (strlen(name) >= size)
		return -ENAMETOOLONG;
	memcpy(buf, name, strlen(name) + 1);
	return 0;
}

int medio_kernel_find(const struct medio_kernel *kernel, char *buf, size_t size, const char *prefix,
	const char *path, ...)
{
	char full[PATH_MAX];
	va_list ap;

	va_start(ap, path);
	int ret = make_path(kernel, full, path, ap);
	va_end(ap);
	if (ret)
		return ret;
	DIR *dir = opendir(full);
	if (!dir)
		return -errno;
	ret = -ENOENT;
	for (struct dirent *entry; ret && (entry = readdir(dir));) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 ||
			strlen(entry->d_name) >= size)
			continue;
		memcpy(buf, entry->d_name, strlen(entry->d_name) + 1);
		ret = 0;
	}
	closedir(dir);
	return ret;
}

unsigned medio_kernel_strangers(
	const struct medio_kernel *kernel, const char *group, char *buf, size_t size)
{
	char path[PATH_MAX], driver[64];
	unsigned count = 0;
	size_t used = 0;

	buf[0] = 0;
	snprintf(path, sizeof(path), "%s/sys/kernel/iommu_groups/%s/devices", kernel->root, group);
	DIR *dir = opendir(path);
	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		if (entry->d_name[0] == '.' ||
			medio_kernel_link(kernel, driver, sizeof(driver),
				"/sys/kernel/iommu_groups/%s/devices/%s/driver", group,
				entry->d_name) ||
			!medio_driver_blocks_vfio(driver))
			continue;
		int n = snprintf(buf + used, size - used, "%s%s (driver %s)", count ? ", " : "",
			entry->d_name, driver);
		if (n > 0 && (size_t)n < size - used)
			used += (size_t)n;
		count++;
	}
	if (dir)
		closedir(dir);
	return count;
}

bool medio_kernel_noiommu(const struct medio_kernel *kernel, const char *group)
{
	char name[32];

	return !medio_kernel_read(
		       kernel, name, sizeof(name), "/sys/kernel/iommu_groups/%s/name", group) &&
	       !strcmp(name, "vfio-noiommu");
}

bool medio_kernel_absent(const void *buf, size_t count, int fd, uint64_t config)
{
	static const uint8_t ones[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	uint32_t class = 0;

	if (count > sizeof(ones) || memcmp(buf, ones, count) != 0)
		return false;
	/* No device's class is this; and VFIO passes it through, unlike the IDs of virtual functions. */
	return pread(fd, &class, sizeof(class), (off_t)(config + PCI_CLASS_REVISION)) ==
		       sizeof(class) &&
	       class == UINT32_MAX;
}

static bool hex_digits(const char **text, unsigned count)
{
	for (unsigned i = 0; i < count; i++, (*text)++)
		if (!isxdigit((unsigned char)**text))
			return false;
	return true;
}

/* [DDDD:]BB:DD.F */
bool medio_kernel_bdf(const char *text, char *full)
{
	bool domain = strlen(text) == strlen("0000:00:00.0");
	const char *at = text;

	if (domain && (!hex_digits(&at, 4) || *at++ != ':'))
		return false;
	if (!hex_digits(&at, 2) || *at++ != ':' || !hex_digits(&at, 2) || *at++ != '.')
		return false;
	if (*at < '0' || *at > '7' || at[1])
		return false;
	snprintf(full, MEDIO_BDF_TEXT, "%s%s", domain ? "" : "0000:", text);
	for (; *full; full++)
		*full = (char)tolower((unsigned char)*full);
	return true;
}
