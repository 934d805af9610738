/* SPDX-License-Identifier: BSD-3-Clause */
/* medio start: an instance, of a type or as it is defined. */
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "text.h"
#include "util/uuid.h"

struct options {
	struct medio_option_list filters;
	const char *uuid, *parent, *restart;
	bool json;
};

static const struct medio_option options[] = {
	{ "uuid", 'u', MEDIO_OPTION_STRING, offsetof(struct options, uuid), "UUID",
		"The instance's UUID; a random one if left out" },
	{ "parent", 'p', MEDIO_OPTION_STRING, offsetof(struct options, parent), "NAME",
		"The parent, if several have the type, or several a definition of the UUID" },
	{ "filter", 'f', MEDIO_OPTION_LIST, offsetof(struct options, filters), "NAME[:KEY=VALUE,…]",
		"Put a filter in front of the device; may be given several times, the first "
		"is nearest to the client" },
	{ "restart", 'r', MEDIO_OPTION_STRING, offsetof(struct options, restart),
		"never|reset|restore",
		"What to do when the worker dies: nothing, start again as after power-on, or with "
		"the last state that was kept; as the parent says if left out" },
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print one JSON object, as medio list --json has it" },
	{ NULL },
};

static void print(const struct options *opts, struct json_object *inst)
{
	if (opts->json) {
		medio_json_print(inst);
		return;
	}
	puts(medio_json_string(inst, "uuid"));
	fflush(stdout);
	if (!isatty(STDOUT_FILENO))
		return;
	fprintf(stderr, "medio: for QEMU: ");
	medio_text_qemu(medio_json_string(inst, "qemu_device"), stderr);
	fputc('\n', stderr);
}

static bool is_uuid(const char *text)
{
	uint8_t bytes[MEDIO_UUID_SIZE];

	return medio_uuid_parse(text, strlen(text), bytes) == 0;
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	const struct options *opts = options_;
	struct json_object *request, *inst = NULL;
	bool defined = is_uuid(args->items[0]);

	if (defined && (args->count > 1 || opts->filters.count || opts->restart || opts->uuid))
		return medio_command_usage(cmd,
			"a definition says its parameters, filters and restart itself; 'medio "
			"modify' changes them");
	request = medio_client_request("start");
	medio_client_set(request, defined ? "uuid" : "type", args->items[0]);
	medio_client_set(request, "uuid", opts->uuid);
	medio_client_set(request, "parent", opts->parent);
	medio_client_set(request, "restart", opts->restart);
	medio_client_set_list(request, "params", args->items + 1, args->count - 1);
	medio_client_set_list(request, "filters", opts->filters.items, opts->filters.count);
	int ret = medio_client_run(cmd, request, &inst);
	if (ret == 0)
		print(opts, inst);
	json_object_put(inst);
	return ret;
}

const struct medio_command medio_command_start = {
	.name = "start",
	.summary = "Start an instance of a type, or one that is defined",
	.arguments = "TYPE|UUID [NAME=VALUE…]",
	.min_args = 1,
	.max_args = 256,
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
