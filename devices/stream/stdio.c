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

#include "fds.h"

/* A process has one standard input: this is the process's state, not an instance's. */
static atomic_flag taken = ATOMIC_FLAG_INIT;

struct stdio {
	struct medio_stream_fds fds;
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

static void stdio_close(struct medio_stream *stream)
{
	struct stdio *io = stream->state;

	if (io->is_terminal && tcgetpgrp(io->in) == getpgrp())
		tcsetattr(io->in, TCSANOW, &io->before);
	medio_stream_fds_fini(&io->fds);
	if (io->in >= 0)
		close(io->in);
	if (io->out >= 0)
		close(io->out);
	free(io);
	atomic_flag_clear(&taken);
}

static int stdio_open(struct medio_stream *stream, const char *arg)
{
	struct stdio *io;
	int ret;

	if (atomic_flag_test_and_set(&taken))
		return medio_fail(stream->dev, EBUSY,
			"port%u: another port has the standard input and output", stream->index);
	io = calloc(1, sizeof(*io));
	if (!io || medio_stream_fds_init(&io->fds, stream, NULL) < 0) {
		free(io);
		atomic_flag_clear(&taken);
		return medio_fail(stream->dev, ENOMEM, "port%u: no memory", stream->index);
	}
	stream->state = io;
	io->in = open_anew(STDIN_FILENO, O_RDONLY);
	io->out = open_anew(STDOUT_FILENO, O_WRONLY | O_APPEND);
	ret = io->in < 0 ? io->in : io->out < 0 ? io->out : 0;
	if (!ret)
		ret = medio_stream_fds_attach(&io->fds, io->in, io->out);
	if (ret) {
		stdio_close(stream);
		return medio_fail(stream->dev, -ret, "port%u: standard input or output: %s",
			stream->index, strerror(-ret));
	}
	terminal_on(io);
	medio_stream_set_peer(stream, true);
	return 0;
}

static size_t stdio_send(struct medio_stream *stream, const uint8_t *buf, size_t len)
{
	return medio_stream_fds_send(&((struct stdio *)stream->state)->fds, buf, len);
}

static void stdio_room(struct medio_stream *stream)
{
	medio_stream_fds_room(&((struct stdio *)stream->state)->fds);
}

static bool stdio_size(struct medio_stream *stream, struct medio_stream_size *size)
{
	const struct stdio *io = stream->state;

	return medio_stream_terminal_size(io->in, size) ||
	       medio_stream_terminal_size(io->out, size);
}

const struct medio_stream_kind medio_stream_stdio = {
	.name = "stdio",
	.usage = "stdio",
	.open = stdio_open,
	.close = stdio_close,
	.send = stdio_send,
	.room = stdio_room,
	.size = stdio_size,
};
