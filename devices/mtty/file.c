/* SPDX-License-Identifier: BSD-3-Clause */
/* file: what is sent is appended to a file, made if it is not there; nothing is received. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "stream.h"

struct file {
	struct medio_mtty_stream stream;
	int fd;
};

static void file_close(struct medio_mtty_port *port)
{
	struct file *file = port->state;

	medio_mtty_stream_fini(&file->stream);
	if (file->fd >= 0)
		close(file->fd);
	free(file);
}

static int file_open(struct medio_mtty_port *port, const char *arg)
{
	struct file *file = calloc(1, sizeof(*file));
	int err;

	if (!file || medio_mtty_stream_init(&file->stream, port, NULL) < 0) {
		free(file);
		return medio_fail(port->dev, ENOMEM, "port%u: no memory", port->index);
	}
	port->state = file;
	file->fd = open(
		arg, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
	if (file->fd < 0) {
		err = errno;
		file_close(port);
		return medio_fail(port->dev, err, "port%u: cannot open '%s': %s", port->index, arg,
			strerror(err));
	}
	medio_mtty_stream_attach(&file->stream, -1, file->fd);
	medio_mtty_port_lines(port, MEDIO_MTTY_LINES_PEER);
	return 0;
}

static size_t file_send(struct medio_mtty_port *port, const uint8_t *buf, size_t len)
{
	return medio_mtty_stream_send(&((struct file *)port->state)->stream, buf, len);
}

const struct medio_mtty_backend medio_mtty_file = {
	.name = "file",
	.usage = "file:/path/of/file",
	.arg = MEDIO_MTTY_ARG_REQUIRED,
	.open = file_open,
	.close = file_close,
	.send = file_send,
};
