/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stdio: the port is this process's standard input and output.
 *
 * A terminal gives every key as it is typed, without echo; Ctrl-C still ends the program. Flags of
 * an open file are shared with whoever started us, so the files are opened anew rather than made
 * non-blocking in place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "stream.h"

/* A process has one standard input: this is the process's state, not an instance's. */
static atomic_flag taken = ATOMIC_FLAG_INIT;

struct stdio {
	struct medio_mtty_stream stream;
	int in, out;
	bool is_terminal;
	struct termios before;
};

static int open_anew(int fd, int mode)
{
	char path[32];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)) {
		int own;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		own = open(path, mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (own >= 0)
			return own;
	}
	/* A regular file never blocks, and a socket is written with MSG_DONTWAIT. */
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

static void terminal_on(struct stdio *io)
{
	struct termios tio;

	/* In the background the kernel would stop us for touching the terminal. */
	if (tcgetpgrp(io->in) != getpgrp() || tcgetattr(io->in, &io->before) < 0)
		return;
	tio = io->before;
	tio.c_iflag &= ~(ICRNL | INLCR | IGNCR | IXON);
	tio.c_lflag &= ~(ICANON | ECHO | IEXTEN);
	tio.c_cc[VMIN] = 1;
	tio.c_cc[VTIME] = 0;
	io->is_terminal = tcsetattr(io->in, TCSANOW, &tio) == 0;
}

static void stdio_close(struct medio_mtty_port *port)
{
	struct stdio *io = port->state;

	if (io->is_terminal && tcgetpgrp(io->in) == getpgrp())
		tcsetattr(io->in, TCSANOW, &io->before);
	medio_mtty_stream_fini(&io->stream);
	if (io->in >= 0)
		close(io->in);
	if (io->out >= 0)
		close(io->out);
	free(io);
	atomic_flag_clear(&taken);
}

static int stdio_open(struct medio_mtty_port *port, const char *arg)
{
	struct stdio *io;
	int ret;

	if (atomic_flag_test_and_set(&taken))
		return medio_fail(port->dev, EBUSY,
			"port%u: another port has the standard input and output", port->index);
	io = calloc(1, sizeof(*io));
	if (!io || medio_mtty_stream_init(&io->stream, port, NULL) < 0) {
		free(io);
		atomic_flag_clear(&taken);
		return medio_fail(port->dev, ENOMEM, "port%u: no memory", port->index);
	}
	port->state = io;
	io->in = open_anew(STDIN_FILENO, O_RDONLY);
	io->out = open_anew(STDOUT_FILENO, O_WRONLY | O_APPEND);
	ret = io->in < 0 ? io->in : io->out < 0 ? io->out : 0;
	if (!ret)
		ret = medio_mtty_stream_attach(&io->stream, io->in, io->out);
	if (ret) {
		stdio_close(port);
		return medio_fail(port->dev, -ret, "port%u: standard input or output: %s",
			port->index, strerror(-ret));
	}
	terminal_on(io);
	medio_mtty_port_lines(port, MEDIO_MTTY_LINES_PEER);
	return 0;
}

static size_t stdio_send(struct medio_mtty_port *port, const uint8_t *buf, size_t len)
{
	return medio_mtty_stream_send(&((struct stdio *)port->state)->stream, buf, len);
}

static void stdio_room(struct medio_mtty_port *port)
{
	medio_mtty_stream_room(&((struct stdio *)port->state)->stream);
}

const struct medio_mtty_backend medio_mtty_stdio = {
	.name = "stdio",
	.usage = "stdio",
	.open = stdio_open,
	.close = stdio_close,
	.send = stdio_send,
	.room = stdio_room,
};
