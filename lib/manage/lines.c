/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FIRST_CAPACITY 4096
#define KEEP_CAPACITY  65536 /* a larger buffer is given back when it is empty */

/* ---- In ---------------------------------------------------------------------------------------- */

char *medio_lines_space(struct medio_lines *lines, size_t *room)
{
	if (lines->start) {
		memmove(lines->buf, lines->buf + lines->start, lines->end - lines->start);
		lines->end -= lines->start;
		lines->scanned -= lines->start;
		lines->start = 0;
	}
	if (lines->end == lines->capacity) {
		/* medio_lines_next() leaves at most max bytes here, so this is enough. */
		size_t capacity = lines->capacity ? lines->capacity * 2 : FIRST_CAPACITY;
		if (capacity > lines->max + 1)
			capacity = lines->max + 1;
		char *buf = realloc(lines->buf, capacity);
		if (!buf)
			return NULL;
		lines->buf = buf;
		lines->capacity = capacity;
	}
	*room = lines->capacity - lines->end;
	return lines->buf + lines->end;
}

void medio_lines_received(struct medio_lines *lines, size_t size)
{
	lines->end += size;
}

int medio_lines_next(struct medio_lines *lines, char **line, size_t *len)
{
	for (;;) {
		char *newline = NULL;

		if (lines->end > lines->scanned)
			newline = memchr(
				lines->buf + lines->scanned, '\n', lines->end - lines->scanned);

		if (!newline) {
			bool was_skipping = lines->skipping;
			lines->scanned = lines->end;
			if (lines->end - lines->start <= lines->max && !was_skipping)
				return 0;
			/* The end of the line is not here: none of this is needed. */
			lines->start = lines->end = lines->scanned = 0;
			lines->skipping = true;
			return was_skipping ? 0 : -EMSGSIZE;
		}
		bool skipped = lines->skipping;
		*newline = 0;
		*line = lines->buf + lines->start;
		*len = (size_t)(newline - *line);
		lines->start = lines->scanned = (size_t)(newline - lines->buf) + 1;
		lines->skipping = false;
		if (!skipped)
			return 1;
	}
}

void medio_lines_free(struct medio_lines *lines)
{
	free(lines->buf);
	*lines = (struct medio_lines){ .max = lines->max };
}

/* ---- Out --------------------------------------------------------------------------------------- */

static int make_room(struct medio_output *output, size_t size)
{
	size_t waiting = medio_output_waiting(output);

	if (output->start) {
		memmove(output->buf, output->buf + output->start, waiting);
		output->start = 0;
		output->end = waiting;
	}
	if (size <= output->capacity - waiting)
		return 0;
	size_t capacity = output->capacity ? output->capacity : FIRST_CAPACITY;
	while (capacity - waiting < size)
		capacity *= 2;
	char *buf = realloc(output->buf, capacity);
	if (!buf)
		return -ENOMEM;
	output->buf = buf;
	output->capacity = capacity;
	return 0;
}

int medio_output_line(struct medio_output *output, const char *text, size_t size)
{
	if (output->capacity - output->end <= size) {
		int ret = make_room(output, size + 1);
		if (ret)
			return ret;
	}
	memcpy(output->buf + output->end, text, size);
	output->buf[output->end + size] = '\n';
	output->end += size + 1;
	return 0;
}

int medio_output_send(struct medio_output *output, int sock)
{
	int ret = 0;

	while (medio_output_waiting(output)) {
		ssize_t n = send(sock, output->buf + output->start, medio_output_waiting(output),
			MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return -EAGAIN;
		if (n < 0) {
			ret = -errno;
			break;
		}
		output->start += (size_t)n;
	}
	output->start = output->end = 0;
	if (output->capacity > KEEP_CAPACITY)
		medio_output_free(output);
	return ret;
}

void medio_output_free(struct medio_output *output)
{
	free(output->buf);
	*output = (struct medio_output){ 0 };
}
