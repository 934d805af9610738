/* SPDX-License-Identifier: BSD-3-Clause */
/* What bind and unbind have in common: devices go to another driver, all of them or none. */
#ifndef MEDIO_TOOLS_MOVES_H
#define MEDIO_TOOLS_MOVES_H

#include "command.h"

struct medio_moves_options {
	const char *root;
	const char *driver; /* "": back to the kernel's */
	bool group, force, dry_run, json;
};

/* The rows that both tables have, before their own. */
#define MEDIO_MOVES_OPTIONS \
	{ "group", 'g', MEDIO_OPTION_FLAG, offsetof(struct medio_moves_options, group), NULL, \
		"Take every device of the IOMMU groups, bridges left aside", 0, 0 }, \
		{ "force", 'f', MEDIO_OPTION_FLAG, offsetof(struct medio_moves_options, force), \
			NULL, "Also if a device is in use: what uses it loses it", 0, 0 }, \
		{ "dry-run", 'n', MEDIO_OPTION_FLAG, \
			offsetof(struct medio_moves_options, dry_run), NULL, \
			"Change nothing: print each write, in order, as a shell would do it", 0, \
			0 }, \
		{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct medio_moves_options, json), NULL, \
			"Print one JSON object: the devices before and after, what was refused and " \
			"why, the writes", \
			0, 0 }, \
	{ \
		"root", 0, MEDIO_OPTION_STRING, offsetof(struct medio_moves_options, root), \
			"FOLDER", MEDIO_OPTION_ROOT_HELP, 0, 0 \
	}

/* args: devices. Returns what to exit with. */
int medio_tool_moves_run(const struct medio_command *cmd, const struct medio_moves_options *opts,
	const struct medio_option_list *args);

#endif
