/* SPDX-License-Identifier: BSD-3-Clause */
/* A terminal, or a pipe, on the host's end of a port: the socket or pseudo-terminal it is plugged into. */
#ifndef MEDIO_TOOLS_CONSOLE_STREAM_H
#define MEDIO_TOOLS_CONSOLE_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "command.h"

struct medio_console_stream {
	const struct medio_command *cmd;
	const char *uri;
	int escape; /* character that leaves, -1: none */
	const char *escape_text;
	uint64_t linger_ns; /* at the end of the input, so long without a byte */
	bool stats;
};

/* Does this name such an end, "unix:PATH", "pty:PATH" or a terminal's path? */
bool medio_console_is_stream(const char *uri);
/* Talk to it; an exit status. */
int medio_console_stream(const struct medio_console_stream *opts);

#endif
