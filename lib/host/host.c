/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/kernel.h"
#include "util/cleanup.h"

#define SLURP_MAX (16u << 20)

/* ---- Paths ------------------------------------------------------------------------------------- */

struct path {
	char text[PATH_MAX]; /* with the root */
	size_t root;	     /* its length */
};

static int make_path(const struct medio_host *host, struct path *path, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

static int make_path(const struct medio_host *host, struct path *path, const char *fmt, va_list ap)
{
	const char *root = host->root && strcmp(host->root, "/") != 0 ? host->root : "";

	path->root = strlen(root);
	if (path->root >= sizeof(path->text))
		return -ENAMETOOLONG;
	memcpy(path->text, root, path->root);
	size_t room = sizeof(path->text) - path->root;
	int len = vsnprintf(path->text + path->root, room, fmt, ap);
	return len < 0 || (size_t)len >= room ? -ENAMETOOLONG : 0;
}

/* The path that a function's own arguments spell. */
#define MAKE_PATH(host, path, fmt) \
	({ \
		va_list ap_; \
		va_start(ap_, fmt); \
		int ret_ = make_path(host, path, fmt, ap_); \
		va_end(ap_); \
		ret_; \
	})

bool medio_host_path_has(const char *path, const char *name)
{
	size_t len = strlen(name);

	while (*path) {
		path += strspn(path, "/");
		size_t part = strcspn(path, "/");
		if (part && part == len && !memcmp(path, name, len))
			return true;
		path += part;
	}
	return false;
}

/* ---- Reading ----------------------------------------------------------------------------------- */

static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

/* Up to size bytes; how many. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = read(fd, buf + have, size - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

static int read_line(const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = open_file(path);

	if (fd < 0)
		return fd;
	ssize_t n = read_all(fd, buf, size - 1);
	if (n < 0) {
		buf[0] = 0;
		return (int)n;
	}
	buf[n] = 0;
	size_t len = strcspn(buf, "\n");
	while (len && (buf[len - 1] == ' ' || buf[len - 1] == '\t'))
		len--;
	buf[len] = 0;
	return 0;
}

int medio_host_read(const struct medio_host *host, char *buf, size_t size, const char *path, ...)
{
	struct path p;
	int ret = MAKE_PATH(host, &p, path);

	buf[0] = 0;
	return ret ? ret : read_line(p.text, buf, size);
}

int medio_host_number(const struct medio_host *host, unsigned long long *out, const char *path, ...)
{
	struct path p;
	char text[32] = "", *end;
	int ret = MAKE_PATH(host, &p, path);

	if (ret == 0)
		ret = read_line(p.text, text, sizeof(text));
	if (ret)
		return ret;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text == '-')
		return -EINVAL;
	*out = value;
	return 0;
}

int medio_host_slurp(const struct medio_host *host, char **text, const char *path, ...)
{
	size_t have = 0, room = 16384;
	struct path p;
	int ret = MAKE_PATH(host, &p, path);

	if (ret)
		return ret;
	_cleanup_close_ int fd = open_file(p.text);
	if (fd < 0)
		return fd;
	/* procfs says 0 for the size of its files. */
	_cleanup_free_ char *buf = malloc(room);
	while (buf) {
		ssize_t n = read_all(fd, buf + have, room - 1 - have);
		if (n < 0)
			return (int)n;
		have += (size_t)n;
		buf[have] = 0;
		if (have < room - 1 || room >= SLURP_MAX) {
			*text = medio_steal_ptr(buf);
			return 0;
		}
		char *more = realloc(buf, room * 2);
		if (!more)
			break;
		buf = more;
		room *= 2;
	}
	return -ENOMEM;
}

static int read_target(const char *path, char *buf, size_t size)
{
	ssize_t n = readlink(path, buf, size);

	if (n < 0 || (size_t)n >= size) {
		int ret = n < 0 ? -errno : -ENAMETOOLONG;
		buf[0] = 0;
		return ret;
	}
	buf[n] = 0;
	return 0;
}

int medio_host_target(const struct medio_host *host, char *buf, size_t size, const char *path, ...)
{
	struct path p;
	int ret = MAKE_PATH(host, &p, path);

	buf[0] = 0;
	return ret ? ret : read_target(p.text, buf, size);
}

int medio_host_link(const struct medio_host *host, char *buf, size_t size, const char *path, ...)
{
	struct path p;
	char target[PATH_MAX];
	int ret = MAKE_PATH(host, &p, path);

	buf[0] = 0;
	if (ret == 0)
		ret = read_target(p.text, target, sizeof(target));
	if (ret)
		return ret;
	const char *slash = strrchr(target, '/');
	const char *name = slash ? slash + 1 : target;
	size_t len = strlen(name);
	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(buf, name, len + 1);
	return 0;
}

bool medio_host_exists(const struct medio_host *host, const char *path, ...)
{
	struct path p;

	return !MAKE_PATH(host, &p, path) && !faccessat(AT_FDCWD, p.text, F_OK, 0);
}

static int is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int medio_host_list(const struct medio_host *host, struct medio_strv *names, const char *path, ...)
{
	struct dirent **entries;
	struct path p;
	int ret = MAKE_PATH(host, &p, path);

	if (ret)
		return ret;
	int count = scandir(p.text, &entries, is_shown, versionsort);
	if (count < 0)
		return -errno;
	for (int i = 0; i < count; i++) {
		if (ret == 0)
			ret = medio_strv_add(names, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return ret;
}

/* ---- The kernel -------------------------------------------------------------------------------- */

static const struct medio_host_kernel *kernel_of(const struct medio_host *host)
{
	return host->kernel ? host->kernel : &medio_host_kernel;
}

int medio_host_write(const struct medio_host *host, const char *text, const char *path, ...)
{
	struct path p;
	int ret = MAKE_PATH(host, &p, path);

	return ret ? ret : kernel_of(host)->write(host, p.text + p.root, text);
}

int medio_host_access(const struct medio_host *host, const char *path, ...)
{
	struct path p;
	int ret = MAKE_PATH(host, &p, path);

	return ret ? ret : kernel_of(host)->access(host, p.text + p.root);
}

bool medio_host_claimed(const struct medio_host *host, const char *path, ...)
{
	struct path p;

	return !MAKE_PATH(host, &p, path) && kernel_of(host)->claimed(host, p.text + p.root);
}

bool medio_host_has_address(const struct medio_host *host, const char *interface)
{
	return kernel_of(host)->has_address(host, interface);
}

bool medio_host_stopped(const struct medio_host *host)
{
	return host->stop && *host->stop;
}
