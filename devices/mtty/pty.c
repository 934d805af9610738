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

#include "stream.h"

/* How often to look for somebody where there is no inotify. */
#define LOOK_NS 250000000u

struct pty {
	struct medio_mtty_stream stream;
	int master;
	int notify;			  /* inotify on the terminal, -1: there is none */
	struct medio_watch *notify_watch; /* only while the terminal is not open */
	struct medio_timer *look;	  /* instead of it */
	char name[64];			  /* /dev/pts/N */
	const char *link;		  /* the user's name for it, NULL: none */
};

static void look(struct medio_mtty_port *port);

static void opened(void *opaque, uint32_t events)
{
	struct medio_mtty_port *port = opaque;
	struct pty *pty = port->state;
	char buf[sizeof(struct inotify_event) + NAME_MAX + 1]
		__attribute__((aligned(__alignof__(struct inotify_event))));

	while (read(pty->notify, buf, sizeof(buf)) > 0)
		;
	look(port);
}

static void look_again(void *opaque)
{
	look(opaque);
}

static void wait_for_somebody(struct medio_mtty_port *port)
{
	struct pty *pty = port->state;

	if (pty->notify >= 0 && !pty->notify_watch)
		pty->notify_watch = medio_watch_new(port->dev, pty->notify, EPOLLIN, opened, port);
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

static void look(struct medio_mtty_port *port)
{
	struct pty *pty = port->state;

	if (!present(pty) || medio_mtty_stream_attach(&pty->stream, pty->master, pty->master) < 0) {
		wait_for_somebody(port);
		return;
	}
	medio_watch_free(pty->notify_watch);
	pty->notify_watch = NULL;
	medio_mtty_port_lines(port, MEDIO_MTTY_LINES_PEER);
}

static void gone(struct medio_mtty_port *port)
{
	struct pty *pty = port->state;

	medio_mtty_stream_detach(&pty->stream);
	medio_mtty_port_lines(port, MEDIO_MTTY_LINES_NONE);
	/* The watch first: whoever comes between is then not missed. */
	wait_for_somebody(port);
	look(port);
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
static int make_link(struct medio_mtty_port *port, const char *path)
{
	struct pty *pty = port->state;
	char target[64];
	ssize_t len = readlink(path, target, sizeof(target) - 1);

	if (len > 0 && (size_t)len < sizeof(target) && strncmp(target, "/dev/pts/", 9) == 0)
		unlink(path);
	if (symlink(pty->name, path) < 0)
		return medio_fail(port->dev, errno, "port%u: cannot make the link '%s': %s",
			port->index, path, strerror(errno));
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

static void pty_close(struct medio_mtty_port *port)
{
	struct pty *pty = port->state;

	remove_link(pty);
	medio_watch_free(pty->notify_watch);
	medio_timer_free(pty->look);
	medio_mtty_stream_fini(&pty->stream);
	if (pty->notify >= 0)
		close(pty->notify);
	if (pty->master >= 0)
		close(pty->master);
	free(pty);
}

static int pty_open(struct medio_mtty_port *port, const char *arg)
{
	struct pty *pty = calloc(1, sizeof(*pty));
	int ret;

	if (!pty)
		return medio_fail(port->dev, ENOMEM, "port%u: no memory", port->index);
	port->state = pty;
	pty->master = pty->notify = -1;
	pty->look = medio_timer_new(port->dev, look_again, port);
	ret = medio_mtty_stream_init(&pty->stream, port, gone);
	if (!pty->look || ret) {
		medio_timer_free(pty->look);
		free(pty);
		return medio_fail(port->dev, ENOMEM, "port%u: no memory", port->index);
	}
	ret = make_terminal(pty);
	if (ret)
		medio_fail(port->dev, -ret, "port%u: cannot make a pseudo-terminal: %s",
			port->index, strerror(-ret));
	else if (arg)
		ret = make_link(port, arg);
	if (ret) {
		pty_close(port);
		return ret;
	}
	medio_log(port->dev, MEDIO_LOG_INFO, "port %u is %s", port->index, pty->name);
	wait_for_somebody(port);
	look(port);
	return 0;
}

static size_t pty_send(struct medio_mtty_port *port, const uint8_t *buf, size_t len)
{
	return medio_mtty_stream_send(&((struct pty *)port->state)->stream, buf, len);
}

static void pty_room(struct medio_mtty_port *port)
{
	medio_mtty_stream_room(&((struct pty *)port->state)->stream);
}

const struct medio_mtty_backend medio_mtty_pty = {
	.name = "pty",
	.usage = "pty[:/path/of/link]",
	.arg = MEDIO_MTTY_ARG_OPTIONAL,
	.open = pty_open,
	.close = pty_close,
	.send = pty_send,
	.room = pty_room,
};
