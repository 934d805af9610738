/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * unix: the port is a stream socket that one peer at a time connects to. Peers come and go; the
 * next one waits in the queue. Bytes sent while there is none are lost, as on a cable that hangs
 * loose; DSR, CTS and DCD tell the guest whether somebody is there.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fds.h"

struct listener {
	struct medio_stream_fds fds;
	int fd;			   /* listening */
	int peer;		   /* -1: nobody */
	struct medio_watch *watch; /* of fd */
	struct sockaddr_un name;
	dev_t dev; /* of the socket file, to remove no other */
	ino_t ino;
};

static void arrived(void *opaque, uint32_t events)
{
	struct medio_stream *stream = opaque;
	struct listener *l = stream->state;

	l->peer = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (l->peer < 0)
		return;
	if (medio_stream_fds_attach(&l->fds, l->peer, l->peer) < 0) {
		close(l->peer);
		l->peer = -1;
		return;
	}
	medio_watch_set(l->watch, 0);
	medio_stream_set_peer(stream, true);
}

static void gone(struct medio_stream *stream)
{
	struct listener *l = stream->state;

	medio_stream_fds_detach(&l->fds);
	close(l->peer);
	l->peer = -1;
	medio_watch_set(l->watch, EPOLLIN);
	medio_stream_set_peer(stream, false);
}

/* A socket file without anybody behind it is left over from a crash. */
static bool stale(const struct sockaddr_un *name)
{
	struct stat st;
	int fd, ret;

	if (lstat(name->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	ret = connect(fd, (const struct sockaddr *)name, sizeof(*name)) < 0 ? errno : 0;
	close(fd);
	return ret == ECONNREFUSED;
}

static int listen_at(struct listener *l, const char *path)
{
	const struct sockaddr *sa = (const struct sockaddr *)&l->name;
	struct stat st;
	int ret;

	l->name.sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(l->name.sun_path))
		return -ENAMETOOLONG;
	memcpy(l->name.sun_path, path, strlen(path) + 1);

	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return -errno;
	/* The mode of the socket becomes that of its file: only this user may connect. */
	fchmod(l->fd, 0600);
	ret = bind(l->fd, sa, sizeof(l->name)) < 0 ? -errno : 0;
	if (ret == -EADDRINUSE && stale(&l->name) && unlink(path) == 0)
		ret = bind(l->fd, sa, sizeof(l->name)) < 0 ? -errno : 0;
	if (ret)
		return ret;
	if (lstat(path, &st) == 0) {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
	}
	return listen(l->fd, 4) < 0 ? -errno : 0;
}

static void remove_file(const struct listener *l)
{
	struct stat st;

	if (l->ino && lstat(l->name.sun_path, &st) == 0 && st.st_dev == l->dev &&
		st.st_ino == l->ino)
		unlink(l->name.sun_path);
}

static void unix_close(struct medio_stream *stream)
{
	struct listener *l = stream->state;

	remove_file(l);
	medio_watch_free(l->watch);
	medio_stream_fds_fini(&l->fds);
	if (l->peer >= 0)
		close(l->peer);
	if (l->fd >= 0)
		close(l->fd);
	free(l);
}

static int unix_open(struct medio_stream *stream, const char *arg)
{
	struct listener *l = calloc(1, sizeof(*l));
	int ret;

	if (!l || medio_stream_fds_init(&l->fds, stream, gone) < 0) {
		free(l);
		return medio_fail(stream->dev, ENOMEM, "port%u: no memory", stream->index);
	}
	stream->state = l;
	l->fd = l->peer = -1;
	ret = listen_at(l, arg);
	if (!ret) {
		l->watch = medio_watch_new(stream->dev, l->fd, EPOLLIN, arrived, stream);
		ret = l->watch ? 0 : -errno;
	}
	if (ret) {
		unix_close(stream);
		return medio_fail(stream->dev, -ret, "port%u: cannot listen at '%s': %s",
			stream->index, arg, strerror(-ret));
	}
	return 0;
}

static size_t unix_send(struct medio_stream *stream, const uint8_t *buf, size_t len)
{
	return medio_stream_fds_send(&((struct listener *)stream->state)->fds, buf, len);
}

static void unix_room(struct medio_stream *stream)
{
	medio_stream_fds_room(&((struct listener *)stream->state)->fds);
}

const struct medio_stream_kind medio_stream_unix = {
	.name = "unix",
	.usage = "unix:/path/of/socket",
	.arg = MEDIO_STREAM_ARG_REQUIRED,
	.open = unix_open,
	.close = unix_close,
	.send = unix_send,
	.room = unix_room,
};
