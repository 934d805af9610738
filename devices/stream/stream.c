/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream.h"

#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>

static const struct medio_stream_kind *const kinds[] = {
	&medio_stream_echo,
	&medio_stream_pty,
	&medio_stream_unix,
	&medio_stream_stdio,
	&medio_stream_file,
	&medio_stream_null,
};

#define NUM_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static int unknown(struct medio_stream *stream, const char *spec)
{
	char list[256];
	int len = 0;

	for (unsigned i = 0; i < NUM_KINDS; i++)
		len += snprintf(
			list + len, sizeof(list) - len, "%s%s", i ? ", " : "", kinds[i]->usage);
	return medio_fail(
		stream->dev, EINVAL, "port%u: '%s' is none of: %s", stream->index, spec, list);
}

/* Split spec into kind and argument. */
static int parse(struct medio_stream *stream, const char *spec, const char **arg)
{
	const char *colon = strchr(spec, ':');
	size_t len = colon ? (size_t)(colon - spec) : strlen(spec);

	*arg = colon && colon[1] ? colon + 1 : NULL;
	for (unsigned i = 0; i < NUM_KINDS; i++) {
		const struct medio_stream_kind *k = kinds[i];

		if (strlen(k->name) != len || memcmp(k->name, spec, len) != 0)
			continue;
		if (k->arg == MEDIO_STREAM_ARG_NONE
				? colon != NULL
				: (colon || k->arg == MEDIO_STREAM_ARG_REQUIRED) && !*arg)
			return medio_fail(stream->dev, EINVAL, "port%u: '%s': must be %s",
				stream->index, spec, k->usage);
		stream->kind = k;
		return 0;
	}
	return unknown(stream, spec);
}

int medio_stream_open(struct medio_stream *stream, struct medio_dev *dev, unsigned index,
	const char *spec, const struct medio_stream_user *user, void *opaque)
{
	const char *arg;
	int ret;

	stream->dev = dev;
	stream->index = index;
	stream->user = user;
	stream->opaque = opaque;
	ret = parse(stream, spec, &arg);
	if (ret)
		return ret;
	/* Nobody looks at the port yet: what open() finds is no change. */
	stream->silent = true;
	ret = stream->kind->open(stream, arg);
	stream->silent = false;
	if (ret)
		stream->kind = NULL;
	return ret;
}

void medio_stream_close(struct medio_stream *stream)
{
	if (!stream->kind)
		return;
	stream->silent = true;
	if (stream->kind->close)
		stream->kind->close(stream);
	stream->kind = NULL;
}

size_t medio_stream_send(struct medio_stream *stream, const uint8_t *buf, size_t len)
{
	return stream->kind->send(stream, buf, len);
}

void medio_stream_taken(struct medio_stream *stream, size_t len)
{
	if (!medio_wire_room(&stream->rx))
		stream->was_full = true;
	medio_wire_taken(&stream->rx, len);
	/* Only at half, so that there is then work worth a system call. */
	if (!stream->was_full || stream->rx.count > MEDIO_WIRE_SIZE / 2)
		return;
	stream->was_full = false;
	if (stream->kind->room)
		stream->kind->room(stream);
}

void medio_stream_loaded(struct medio_stream *stream)
{
	/* The wire may be fuller or emptier than the kind knows. */
	stream->was_full = false;
	if (stream->kind->room)
		stream->kind->room(stream);
}

bool medio_stream_size(struct medio_stream *stream, struct medio_stream_size *size)
{
	return stream->peer && stream->kind->size && stream->kind->size(stream, size);
}

void medio_stream_set_peer(struct medio_stream *stream, bool peer)
{
	if (stream->peer == peer)
		return;
	stream->peer = peer;
	if (!stream->silent)
		stream->user->peer(stream);
}

void medio_stream_moved(struct medio_stream *stream)
{
	if (!stream->silent)
		stream->user->moved(stream);
}

bool medio_stream_terminal_size(int fd, struct medio_stream_size *size)
{
	struct winsize ws;

	if (ioctl(fd, TIOCGWINSZ, &ws) < 0 || !ws.ws_col || !ws.ws_row)
		return false;
	*size = (struct medio_stream_size){ .cols = ws.ws_col, .rows = ws.ws_row };
	return true;
}
