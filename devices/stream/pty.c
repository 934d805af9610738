/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pty: the port is a terminal of this machine, /dev/pts/N, for screen, minicom, cat and echo.
 *
 * A serial line does not know who listens, but a pseudo-terminal that nobody has opened would keep
 * what is sent until it is full, and then stop the guest. So bytes sent while the terminal is not
 * open are lost, as on a cable that hangs loose, and DSR, CTS and DCD tell the guest.
 *
 * The master reports a hang-up for as long as nobody has the terminal open, and reports nothing
 * when somebody opens it; inotify does.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <termios.h>
#include <unistd.h>

#include "fds.h"

/* How often to look for somebody where there is no inotify. */
#define LOOK_NS 250000000u

struct pty {
	struct medio_stream_fds fds;
	int master;
	int notify;			  /* inotify on the terminal, -1: there is none */
	struct medio_watch *notify_watch; /* only while the terminal is not open */
	struct medio_timer *look;	  /* instead of it */
	char name[64];			  /* /dev/pts/N */
	const char *link;		  /* the user's name for it, NULL: none */
};

static void look(struct medio_stream *stream);

static void opened(void *opaque, uint32_t events)
{
	struct medio_stream *stream = opaque;
	struct pty *pty = stream->state;
	char buf[sizeof(struct inotify_event) + NAME_MAX + 1]
		__attribute__((aligned(__alignof__(struct inotify_event))));

	while (read(pty->notify, buf, sizeof(buf)) > 0)
		;
	look(stream);
}

static void look_again(void *opaque)
{
	look(opaque);
}

static void wait_for_somebody(struct medio_stream *stream)
{
	struct pty *pty = stream->state;

	if (pty->notify >= 0 && !pty->notify_watch)
		pty->notify_watch = medio_watch_new(
			stream->dev, pty->notify, EPOLLIN, opened, stream);
	if (!pty->notify_watch)
		medio_timer_arm(pty->look, LOOK_NS);
}

/* Is somebody there, or has been and left bytes? */
static bool present(const struct pty *pty)
{
	struct pollfd pfd = { .fd = pty->master, .events = POLLIN };

	if (poll(&pfd, 1, 0) < 0)
		return false;
	return pfd.revents & POLLIN || !(pfd.revents & POLLHUP);
}

static void look(struct medio_stream *stream)
{
	struct pty *pty = stream->state;

	if (!present(pty) || medio_stream_fds_attach(&pty->fds, pty->master, pty->master) < 0) {
		wait_for_somebody(stream);
		return;
	}
	medio_watch_free(pty->notify_watch);
	pty->notify_watch = NULL;
	medio_stream_set_peer(stream, true);
}

static void gone(struct medio_stream *stream)
{
	struct pty *pty = stream->state;

	medio_stream_fds_detach(&pty->fds);
	medio_stream_set_peer(stream, false);
	/* The watch first: whoever comes between is then not missed. */
	wait_for_somebody(stream);
	look(stream);
}

/* Raw, so that bytes are bytes; and closed once, or the master would not know that it is. */
static int make_terminal(struct pty *pty)
{
	struct termios tio;
	int slave;

	pty->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (pty->master < 0)
		return -errno;
	if (grantpt(pty->master) < 0 || unlockpt(pty->master) < 0)
		return -errno;
	if (ptsname_r(pty->master, pty->name, sizeof(pty->name)) != 0)
		return -errno;
	slave = open(pty->name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return -errno;
	if (tcgetattr(slave, &tio) == 0) {
		cfmakeraw(&tio);
		tcsetattr(slave, TCSANOW, &tio);
	}
	close(slave);

	pty->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (pty->notify >= 0 && inotify_add_watch(pty->notify, pty->name, IN_OPEN) < 0) {
		close(pty->notify);
		pty->notify = -1;
	}
	return 0;
}

/* A link that stands there already is an old one of ours if it leads into /dev/pts. */
static int make_link(struct medio_stream *stream, const char *path)
{
	struct pty *pty = stream->state;
	char target[64];
	ssize_t len = readlink(path, target, sizeof(target) - 1);

	if (len > 0 && (size_t)len < sizeof(target) && strncmp(target, "/dev/pts/", 9) == 0)
		unlink(path);
	if (symlink(pty->name, path) < 0)
		return medio_fail(stream->dev, errno, "port%u: cannot make the link '%s': %s",
			stream->index, path, strerror(errno));
	pty->link = path;
	return 0;
}

static void remove_link(const struct pty *pty)
{
	char target[sizeof(pty->name)];
	ssize_t len = pty->link ? readlink(pty->link, target, sizeof(target) - 1) : -1;

	if (len < 0)
		return;
	target[len] = '\0';
	/* Somebody may have put another one in its place. */
	if (strcmp(target, pty->name) == 0)
		unlink(pty->link);
}

static void pty_close(struct medio_stream *stream)
{
	struct pty *pty = stream->state;

	remove_link(pty);
	medio_watch_free(pty->notify_watch);
	medio_timer_free(pty->look);
	medio_stream_fds_fini(&pty->fds);
	if (pty->notify >= 0)
		close(pty->notify);
	if (pty->master >= 0)
		close(pty->master);
	free(pty);
}

static int pty_open(struct medio_stream *stream, const char *arg)
{
	struct pty *pty = calloc(1, sizeof(*pty));
	int ret;

	if (!pty)
		return medio_fail(stream->dev, ENOMEM, "port%u: no memory", stream->index);
	stream->state = pty;
	pty->master = pty->notify = -1;
	pty->look = medio_timer_new(stream->dev, look_again, stream);
	ret = medio_stream_fds_init(&pty->fds, stream, gone);
	if (!pty->look || ret) {
		medio_timer_free(pty->look);
		free(pty);
		return medio_fail(stream->dev, ENOMEM, "port%u: no memory", stream->index);
	}
	ret = make_terminal(pty);
	if (ret)
		medio_fail(stream->dev, -ret, "port%u: cannot make a pseudo-terminal: %s",
			stream->index, strerror(-ret));
	else if (arg)
		ret = make_link(stream, arg);
	if (ret) {
		pty_close(stream);
		return ret;
	}
	medio_log(stream->dev, MEDIO_LOG_INFO, "port %u is %s", stream->index, pty->name);
	wait_for_somebody(stream);
	look(stream);
	return 0;
}

static size_t pty_send(struct medio_stream *stream, const uint8_t *buf, size_t len)
{
	return medio_stream_fds_send(&((struct pty *)stream->state)->fds, buf, len);
}

static void pty_room(struct medio_stream *stream)
{
	medio_stream_fds_room(&((struct pty *)stream->state)->fds);
}

static bool pty_size(struct medio_stream *stream, struct medio_stream_size *size)
{
	const struct pty *pty = stream->state;

	return medio_stream_terminal_size(pty->master, size);
}

const struct medio_stream_kind medio_stream_pty = {
	.name = "pty",
	.usage = "pty[:/path/of/link]",
	.arg = MEDIO_STREAM_ARG_OPTIONAL,
	.open = pty_open,
	.close = pty_close,
	.send = pty_send,
	.room = pty_room,
	.size = pty_size,
};
