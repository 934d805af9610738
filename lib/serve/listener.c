/* SPDX-License-Identifier: BSD-3-Clause */
#include "serve/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/error.h"

#define BACKLOG 64

/* Make way at addr: 0 if nothing (any more) is there. */
static int clear_way(const struct sockaddr_un *addr, struct medio_error **err)
{
	struct stat st;
	if (lstat(addr->sun_path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return medio_error_set(err, EADDRINUSE,
			"'%s' exists and is not a socket: remove it or choose another path",
			addr->sun_path);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return medio_error_set(err, errno, "cannot make a socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN)
		return medio_error_set(err, EADDRINUSE,
			"'%s' is in use: something serves there already; stop it or choose "
			"another path",
			addr->sun_path);
	if (errno == ECONNREFUSED)
		unlink(addr->sun_path);
	return 0;
}

static int bind_words(const char *path, struct medio_error **err)
{
	int e = errno;
	const char *hint = e == ENOENT	  ? ": no such folder; make it first"
			   : e == EACCES  ? ": you may not write in its folder"
			   : e == ENOTDIR ? ": a part of the path is not a folder"
			   : e == EROFS	  ? ": the file system is read-only"
					  : "";
	if (*hint)
		return medio_error_set(err, e, "cannot make socket '%s'%s", path, hint);
	return medio_error_set(err, e, "cannot make socket '%s': %s", path, strerror(e));
}

int medio_listener_open(
	struct medio_listener *listener, const char *path, mode_t mode, struct medio_error **err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	size_t len = strlen(path);
	if (!len)
		return medio_error_set(err, EINVAL, "the socket path is empty");
	if (len >= sizeof(addr.sun_path))
		return medio_error_set(err, ENAMETOOLONG,
			"socket path is %zu bytes long, at most %zu are possible: '%s'", len,
			sizeof(addr.sun_path) - 1, path);
	memcpy(addr.sun_path, path, len + 1);
	int ret = clear_way(&addr, err);
	if (ret)
		return ret;
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return medio_error_set(err, errno, "cannot make a socket: %s", strerror(errno));
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return bind_words(path, err);
	/* Nobody can connect before listen(), so the mode is in force from the first moment. */
	if (chmod(path, mode) < 0 || lstat(path, &st) < 0 || listen(fd, BACKLOG) < 0) {
		ret = medio_error_set(
			err, errno, "cannot listen at '%s': %s", path, strerror(errno));
		unlink(path);
		return ret;
	}
	listener->path = strdup(path);
	if (!listener->path) {
		unlink(path);
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	listener->dev = st.st_dev;
	listener->ino = st.st_ino;
	listener->fd = medio_steal_fd(fd);
	return 0;
}

void medio_listener_close(struct medio_listener *listener)
{
	struct stat st;
	if (listener->fd < 0)
		return;
	close(listener->fd);
	listener->fd = -1;
	if (lstat(listener->path, &st) == 0 && st.st_dev == listener->dev &&
		st.st_ino == listener->ino)
		unlink(listener->path);
	free(listener->path);
	listener->path = NULL;
}
