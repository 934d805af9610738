/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines in and lines out of a stream: bytes only, no I/O. Zeros (and max) are an empty one. */
#ifndef MEDIO_MANAGE_LINES_H
#define MEDIO_MANAGE_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes come in any pieces; lines go out. */
struct medio_lines {
	size_t max; /* bytes of a line without its end */
	char *buf;
	size_t start, end, capacity; /* what was received and not taken is start to end */
	size_t scanned;		     /* up to here there is no end of line */
	bool skipping;		     /* a line was too long: what is left of it is dropped */
};

/* Where to receive at most *room bytes, which is not 0. Take all lines first: medio_lines_next() has
 * returned 0. NULL: out of memory. */
char *medio_lines_space(struct medio_lines *lines, size_t *room);
/* size bytes were received there. */
void medio_lines_received(struct medio_lines *lines, size_t size);
/* The next whole line, ended by NUL instead of a newline: 1. It stays until the next call of
 * medio_lines_space(). 0: none yet. -EMSGSIZE: one was too long; told once, it is skipped. */
int medio_lines_next(struct medio_lines *lines, char **line, size_t *len);
void medio_lines_free(struct medio_lines *lines);

/* Bytes that wait to be sent. */
struct medio_output {
	char *buf;
	size_t start, end, capacity;
};

/* Append size bytes and a newline. -ENOMEM: nothing was appended. */
int medio_output_line(struct medio_output *output, const char *text, size_t size);
/* Send to a socket what it takes without waiting. 0: all is sent; -EAGAIN; -EPIPE and others: what
 * is left is dropped. */
int medio_output_send(struct medio_output *output, int sock);
void medio_output_free(struct medio_output *output);

static inline size_t medio_output_waiting(const struct medio_output *output)
{
	return output->end - output->start;
}

#endif
