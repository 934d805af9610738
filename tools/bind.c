/* SPDX-License-Identifier: BSD-3-Clause */
/* medio bind: give devices to programs. */
#include "host.h"
#include "moves.h"

static const struct medio_moves_options defaults = { .driver = "vfio-pci" };

static const struct medio_option options[] = {
	{ "driver", 'd', MEDIO_OPTION_STRING, offsetof(struct medio_moves_options, driver), "NAME",
		"The driver that shall have them: vfio-pci (default), uio_pci_generic, or any "
		"other",
		0, 0 },
	MEDIO_MOVES_OPTIONS,
	{ NULL },
};

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	const struct medio_moves_options *opts = options_;

	if (!*opts->driver)
		return medio_command_usage(
			cmd, "--driver is empty; 'medio unbind' gives devices back");
	return medio_tool_moves_run(cmd, opts, args);
}

const struct medio_command medio_command_bind = {
	.name = "bind",
	.summary = "Give PCI devices to programs: bind them to vfio-pci or another driver",
	.arguments = "BDF…",
	.min_args = 1,
	.max_args = 1000,
	.options = options,
	.options_size = sizeof(struct medio_moves_options),
	.defaults = &defaults,
	.run = run,
};
