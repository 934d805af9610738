/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/metrics-listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "manage/metrics.h"
#include "manage/patience.h"
#include "util/cleanup.h"
#include "util/error.h"

#define BACKLOG 16

union address {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static int wrong(const char *where, struct medio_error **err)
{
	return medio_error_set(err, EINVAL,
		"metrics are '%s', allowed are unix:PATH, PORT, 127.0.0.1:PORT and [::1]:PORT",
		where);
}

static int system_error(const char *where, struct medio_error **err)
{
	int errnum = errno;

	return medio_error_set(err, errnum, "metrics at '%s': %s", where, strerror(errnum));
}

/* ---- TCP --------------------------------------------------------------------------------------- */

/* 0: it is none. */
static uint16_t parse_port(const char *text)
{
	unsigned port = 0;

	if (!*text || strlen(text) > 5)
		return 0;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return 0;
		port = port * 10 + (unsigned)(*text - '0');
	}
	return port <= 65535 ? (uint16_t)port : 0;
}

static int tcp_address(
	const char *where, union address *address, socklen_t *len, struct medio_error **err)
{
	static const char v4[] = "127.0.0.1:", v6[] = "[::1]:";
	bool six = !strncmp(where, v6, strlen(v6));
	const char *port_text = where;

	if (six)
		port_text = where + strlen(v6);
	else if (!strncmp(where, v4, strlen(v4)))
		port_text = where + strlen(v4);
	uint16_t port = parse_port(port_text);
	if (!port)
		return wrong(where, err);
	if (six) {
		address->in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
			.sin6_port = htons(port),
			.sin6_addr = IN6ADDR_LOOPBACK_INIT };
		*len = sizeof(address->in6);
	} else {
		address->in = (struct sockaddr_in){ .sin_family = AF_INET,
			.sin_port = htons(port),
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		*len = sizeof(address->in);
	}
	return 0;
}

/* ---- Unix -------------------------------------------------------------------------------------- */

static int unix_address(const char *where, const char *path, union address *address, socklen_t *len,
	struct medio_error **err)
{
	if (!*path)
		return wrong(where, err);
	address->un.sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(address->un.sun_path))
		return medio_error_set(err, EINVAL,
			"metrics at '%s': a path of a socket has at most %zu bytes", where,
			sizeof(address->un.sun_path) - 1);
	memcpy(address->un.sun_path, path, strlen(path) + 1);
	*len = sizeof(address->un);
	return 0;
}

/* Take away what a dead mediod left; what is no socket, or has somebody behind it, stays. */
static int clear_stale(const union address *address, socklen_t len)
{
	const char *path = address->un.sun_path;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, &address->any, len) == 0 || errno != ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(path) < 0 ? -errno : 0;
}

/* For nobody but us between bind() and here: bind() makes it by the umask. */
static int give_to_group(const char *path, gid_t group)
{
	if (group != (gid_t)-1 && chown(path, (uid_t)-1, group) < 0)
		return -errno;
	return chmod(path, 0660) < 0 ? -errno : 0;
}

static int bind_unix(int fd, const union address *address, socklen_t len, gid_t group)
{
	int ret = clear_stale(address, len);

	if (ret)
		return ret;
	mode_t mask = umask(0177);
	ret = bind(fd, &address->any, len) < 0 ? -errno : 0;
	umask(mask);
	if (ret)
		return ret;
	ret = give_to_group(address->un.sun_path, group);
	if (ret)
		unlink(address->un.sun_path);
	return ret;
}

/* ---- Either ------------------------------------------------------------------------------------ */

static int bind_any(int fd, const union address *address, socklen_t len, gid_t group)
{
	int on = 1;

	if (address->any.sa_family == AF_UNIX)
		return bind_unix(fd, address, len, group);
	/* A connection of a former mediod that lingers is no reason to refuse. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	return bind(fd, &address->any, len) < 0 ? -errno : 0;
}

/* The path of "unix:PATH"; NULL: where is none. */
static const char *unix_path(const char *where)
{
	return strncmp(where, "unix:", 5) == 0 ? where + 5 : NULL;
}

static int find_address(
	const char *where, union address *address, socklen_t *len, struct medio_error **err)
{
	const char *file = unix_path(where);

	return file ? unix_address(where, file, address, len, err)
		    : tcp_address(where, address, len, err);
}

int medio_metrics_check(const char *where, struct medio_error **err)
{
	union address address = { 0 };
	socklen_t len;

	return find_address(where, &address, &len, err);
}

int medio_metrics_listen(
	const char *where, gid_t group, int *fd, char **path, struct medio_error **err)
{
	const char *file = unix_path(where);
	union address address = { 0 };
	socklen_t len = 0;
	int ret = find_address(where, &address, &len, err);

	if (ret)
		return ret;
	_cleanup_free_ char *copy = file ? strdup(file) : NULL;
	if (file && !copy)
		return medio_error_set(err, ENOMEM, "out of memory");
	_cleanup_close_ int sock = socket(
		address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return system_error(where, err);
	if (file)
		medio_patience_no_descriptors(sock);
	ret = bind_any(sock, &address, len, group);
	if (ret) {
		errno = -ret;
		return system_error(where, err);
	}
	if (listen(sock, BACKLOG) < 0) {
		ret = system_error(where, err);
		if (file)
			unlink(file);
		return ret;
	}
	*fd = medio_steal_fd(sock);
	*path = medio_steal_ptr(copy);
	return 0;
}
