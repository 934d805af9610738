/* SPDX-License-Identifier: BSD-3-Clause */
/* medio unbind: give devices back to the kernel. */
#include "host.h"
#include "moves.h"

static const struct medio_moves_options defaults = { .driver = "" };

static const struct medio_option options[] = {
	MEDIO_MOVES_OPTIONS,
	{ NULL },
};

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	return medio_tool_moves_run(cmd, options_, args);
}

const struct medio_command medio_command_unbind = {
	.name = "unbind",
	.summary = "Give PCI devices back to the kernel's drivers",
	.arguments = "BDF…",
	.min_args = 1,
	.max_args = 1000,
	.options = options,
	.options_size = sizeof(struct medio_moves_options),
	.defaults = &defaults,
	.run = run,
};
