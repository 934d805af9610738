/* SPDX-License-Identifier: BSD-3-Clause */
/* medio undefine: forget a definition. */
#include "client.h"

struct options {
	const char *parent;
};

static const struct medio_option options[] = {
	{ "parent", 'p', MEDIO_OPTION_STRING, offsetof(struct options, parent), "NAME",
		"The parent, if a UUID is defined for several" },
	{ NULL },
};

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	const struct options *opts = options_;
	int ret = MEDIO_EXIT_OK;

	for (unsigned i = 0; i < args->count && ret == MEDIO_EXIT_OK; i++) {
		struct json_object *request = medio_client_request("undefine");
		medio_client_set(request, "uuid", args->items[i]);
		medio_client_set(request, "parent", opts->parent);
		ret = medio_client_run(cmd, request, NULL);
	}
	return ret;
}

const struct medio_command medio_command_undefine = {
	.name = "undefine",
	.summary = "Forget a definition",
	.arguments = "UUID…",
	.min_args = 1,
	.max_args = 1000,
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
