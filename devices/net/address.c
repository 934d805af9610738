/* SPDX-License-Identifier: BSD-3-Clause */
#include "address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLAGS (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)

/* ---- Reading --------------------------------------------------------------------------------------- */

static int read_unix(struct medio_dev *dev, const char *path, struct address *out)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&out->choices[0].at;

	if (!*path || strlen(path) >= sizeof(un->sun_path))
		return medio_fail(dev, EINVAL,
			"socket: '%s': the path of a socket has 1 to %zu characters", out->text,
			sizeof(un->sun_path) - 1);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, strlen(path) + 1);
	out->choices[0].len = sizeof(*un);
	out->count = 1;
	return 0;
}

static int resolve(struct medio_dev *dev, const char *host, const char *port, struct address *out)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *list;
	int ret = getaddrinfo(host, port, &hints, &list);

	if (ret == EAI_NONAME) {
		hints.ai_flags = AI_NUMERICSERV;
		ret = getaddrinfo(host, port, &hints, &list);
	}
	if (ret)
		return medio_fail(dev, EADDRNOTAVAIL, "socket: '%s': %s: %s", out->text, host,
			ret == EAI_SYSTEM ? strerror(errno) : gai_strerror(ret));
	for (const struct addrinfo *ai = list; ai && out->count < ADDRESS_MAX; ai = ai->ai_next) {
		memcpy(&out->choices[out->count].at, ai->ai_addr, ai->ai_addrlen);
		out->choices[out->count++].len = ai->ai_addrlen;
	}
	freeaddrinfo(list);
	return 0;
}

static int read_tcp(struct medio_dev *dev, const char *rest, struct address *out)
{
	const char *colon = strrchr(rest, ':');
	size_t len = colon ? (size_t)(colon - rest) : 0;
	char host[256] = "127.0.0.1", *end;
	unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;

	if (!colon || colon[1] < '0' || colon[1] > '9' || *end || !port || port > 65535)
		return medio_fail(dev, EINVAL,
			"socket: '%s': behind the last ':' has to be a port, from 1 to 65535",
			out->text);
	if (len >= 2 && rest[0] == '[' && rest[len - 1] == ']') {
		rest++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return medio_fail(
			dev, EINVAL, "socket: '%s': the host's name is too long", out->text);
	if (len) {
		memcpy(host, rest, len);
		host[len] = '\0';
	}
	return resolve(dev, host, colon + 1, out);
}

int address_read(struct medio_dev *dev, const char *text, struct address *out)
{
	const char *rest = text;

	memset(out, 0, sizeof(*out));
	out->text = text;
	out->listens = strncmp(text, "listen-", 7) == 0;
	if (out->listens)
		rest += 7;
	if (strncmp(rest, "unix:", 5) == 0)
		return read_unix(dev, rest + 5, out);
	if (strncmp(rest, "tcp:", 4) == 0)
		return read_tcp(dev, rest + 4, out);
	return medio_fail(dev, EINVAL,
		"socket: '%s' is none of unix:PATH, tcp:HOST:PORT, listen-unix:PATH, "
		"listen-tcp:HOST:PORT",
		text);
}

/* ---- Sockets --------------------------------------------------------------------------------------- */

static int new_socket(const struct address *address, unsigned i)
{
	int family = address->choices[i].at.ss_family, on = 1;
	int fd = socket(family, FLAGS, 0);

	if (fd < 0)
		return -errno;
	if (family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

int address_connect(const struct address *address, unsigned i)
{
	int fd = new_socket(address, i);

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&address->choices[i].at, address->choices[i].len) <
			0 &&
		errno != EINPROGRESS) {
		int ret = -errno;

		close(fd);
		return ret;
	}
	return fd;
}

static const char *path_of(const struct address *address)
{
	return ((const struct sockaddr_un *)&address->choices[0].at)->sun_path;
}

/* A socket file without anybody behind it is left over from a crash. */
static bool is_stale(const struct address *address)
{
	struct stat st;

	if (lstat(path_of(address), &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	int fd = address_connect(address, 0);
	if (fd >= 0)
		close(fd);
	return fd == -ECONNREFUSED;
}

static int bind_to(const struct address *address, int fd)
{
	return bind(fd, (const struct sockaddr *)&address->choices[0].at, address->choices[0].len) <
			       0
		       ? -errno
		       : 0;
}

int address_listen(struct address *address)
{
	bool is_file = address->choices[0].at.ss_family == AF_UNIX;
	int fd = new_socket(address, 0), on = 1;
	struct stat st;

	if (fd < 0)
		return fd;
	if (is_file)
		fchmod(fd, 0600); /* becomes the mode of its file */
	else
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	int ret = bind_to(address, fd);
	if (ret == -EADDRINUSE && is_file && is_stale(address) && unlink(path_of(address)) == 0)
		ret = bind_to(address, fd);
	if (!ret && is_file && lstat(path_of(address), &st) == 0) {
		address->dev = st.st_dev;
		address->ino = st.st_ino;
	}
	if (!ret && listen(fd, 4) < 0)
		ret = -errno;
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

void address_remove(const struct address *address)
{
	struct stat st;

	if (address->ino && lstat(path_of(address), &st) == 0 && st.st_dev == address->dev &&
		st.st_ino == address->ino)
		unlink(path_of(address));
}
