/* SPDX-License-Identifier: BSD-3-Clause */
/* file: what is sent is appended to a file, made if it is not there; nothing is received. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "fds.h"

struct file {
	struct medio_stream_fds fds;
	int fd;
};

static void file_close(struct medio_stream *stream)
{
	struct file *file = stream->state;

	medio_stream_fds_fini(&file->fds);
	if (file->fd >= 0)
		close(file->fd);
	free(file);
}

static int file_open(struct medio_stream *stream, const char *arg)
{
	struct file *file = calloc(1, sizeof(*file));
	int err;

	if (!file || medio_stream_fds_init(&file->fds, stream, NULL) < 0) {
		free(file);
		return medio_fail(stream->dev, ENOMEM, "port%u: no memory", stream->index);
	}
	stream->state = file;
	file->fd = open(
		arg, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
	if (file->fd < 0) {
		err = errno;
		file_close(stream);
		return medio_fail(stream->dev, err, "port%u: cannot open '%s': %s", stream->index,
			arg, strerror(err));
	}
	medio_stream_fds_attach(&file->fds, -1, file->fd);
	medio_stream_set_peer(stream, true);
	return 0;
}

static size_t file_send(struct medio_stream *stream, const uint8_t *buf, size_t len)
{
	return medio_stream_fds_send(&((struct file *)stream->state)->fds, buf, len);
}

const struct medio_stream_kind medio_stream_file = {
	.name = "file",
	.usage = "file:/path/of/file",
	.arg = MEDIO_STREAM_ARG_REQUIRED,
	.open = file_open,
	.close = file_close,
	.send = file_send,
};
