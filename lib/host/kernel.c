/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"

static bool is_here(const struct medio_host *host)
{
	return !host->root || !*host->root || !strcmp(host->root, "/");
}

static int below_root(const struct medio_host *host, const char *path, char full[PATH_MAX])
{
	int len = snprintf(full, PATH_MAX, "%s%s", is_here(host) ? "" : host->root, path);

	return len < 0 || len >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int kernel_write(const struct medio_host *host, const char *path, const char *text)
{
	char full[PATH_MAX];
	size_t len = strlen(text);
	int ret = below_root(host, path, full);

	if (ret)
		return ret;
	/* A store of sysfs is one write(2). O_TRUNC is for a root of plain files. */
	_cleanup_close_ int fd = open(full, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, text, len);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

static int kernel_access(const struct medio_host *host, const char *path)
{
	char full[PATH_MAX];
	int ret = below_root(host, path, full);

	if (ret)
		return ret;
	return faccessat(AT_FDCWD, full, R_OK | W_OK, AT_EACCESS) ? -errno : 0;
}

static bool kernel_claimed(const struct medio_host *host, const char *path)
{
	char full[PATH_MAX];
	struct stat st;

	/* open(2): O_EXCL without O_CREAT gives EBUSY if the system uses a block device. */
	if (below_root(host, path, full) || stat(full, &st) || !S_ISBLK(st.st_mode))
		return false;
	_cleanup_close_ int fd = open(full, O_RDONLY | O_EXCL | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 && errno == EBUSY;
}

/* Link-local addresses come by themselves. */
static bool was_given(const struct sockaddr *addr)
{
	if (addr->sa_family == AF_INET)
		return true;
	if (addr->sa_family != AF_INET6)
		return false;
	return !IN6_IS_ADDR_LINKLOCAL(
		&((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr);
}

static bool kernel_has_address(const struct medio_host *host, const char *interface)
{
	struct ifaddrs *all;
	bool found = false;

	/* Another root's procfs has nothing more to say than its route tables, which are read. */
	if (!is_here(host) || getifaddrs(&all))
		return false;
	for (const struct ifaddrs *at = all; at && !found; at = at->ifa_next)
		found = at->ifa_addr && !strcmp(at->ifa_name, interface) && was_given(at->ifa_addr);
	freeifaddrs(all);
	return found;
}

const struct medio_host_kernel medio_host_kernel = {
	.write = kernel_write,
	.access = kernel_access,
	.claimed = kernel_claimed,
	.has_address = kernel_has_address,
};
