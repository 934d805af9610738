/* SPDX-License-Identifier: BSD-3-Clause */
/* medio stop: instances go. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "util/error.h"

/* Each may wait for somebody to let go, so that they are asked side by side. */
#define MAX_AT_ONCE 8

struct options {
	bool all, now, json;
};

static const struct medio_option options[] = {
	{ "all", 'a', MEDIO_OPTION_FLAG, offsetof(struct options, all), NULL,
		"Stop every instance; for one who is not root, every instance of his own" },
	{ "now", 'n', MEDIO_OPTION_FLAG, offsetof(struct options, now), NULL,
		"Take the instance from its client instead of asking first" },
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print a JSON list of the UUIDs that were stopped" },
	{ NULL },
};

/* What one run of the command holds. */
struct stop {
	const struct medio_command *cmd;
	const struct options *opts;
	struct medio_client clients[MAX_AT_ONCE];
	const char *uuids[MAX_AT_ONCE]; /* being stopped by it; NULL: nothing is */
	struct json_object *stopped;
	int code;
};

/* The answer of a client that was asked. */
static void finish(struct stop *stop, unsigned slot)
{
	const char *uuid = stop->uuids[slot];
	struct medio_error *err = NULL;

	if (!uuid)
		return;
	int ret = medio_client_wait(&stop->clients[slot], NULL, &err);
	if (ret) {
		medio_error_prefix(&err, "%s", uuid);
		stop->code = medio_client_fail(stop->cmd, ret, err);
	} else {
		json_object_array_add(stop->stopped, json_object_new_string(uuid));
	}
	stop->uuids[slot] = NULL;
}

static int begin(struct stop *stop, unsigned slot, const char *uuid)
{
	struct json_object *request = medio_client_request("stop");
	struct medio_error *err = NULL;
	int ret = 0;

	medio_client_set(request, "uuid", uuid);
	json_object_object_add(request, "now", json_object_new_boolean(stop->opts->now));
	if (!stop->clients[slot].path)
		ret = medio_client_open(&stop->clients[slot], &err);
	if (ret) {
		json_object_put(request);
		return medio_client_fail(stop->cmd, ret, err);
	}
	/* If it cannot be sent waiting for the answer says so. */
	medio_client_send(&stop->clients[slot], request);
	stop->uuids[slot] = uuid;
	return 0;
}

static void stop_all_of(struct stop *stop, const char *const *uuids, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		unsigned slot = i % MAX_AT_ONCE;
		finish(stop, slot);
		int code = begin(stop, slot, uuids[i]);
		if (code) {
			stop->code = code;
			break;
		}
	}
	for (unsigned slot = 0; slot < MAX_AT_ONCE; slot++) {
		finish(stop, slot);
		if (stop->clients[slot].path)
			medio_client_close(&stop->clients[slot]);
	}
}

/* What --all means for us. items of out point into list. */
static unsigned choose(struct json_object *list, const char **out)
{
	unsigned count = 0;

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *inst = json_object_array_get_idx(list, i);
		struct json_object *owner = medio_json_get(inst, "owner");
		if (geteuid() == 0 || (uid_t)medio_json_int(owner, "uid") == geteuid())
			out[count++] = medio_json_string(inst, "uuid");
	}
	return count;
}

static void stop_every(struct stop *stop)
{
	struct json_object *list = NULL;

	stop->code = medio_client_run(stop->cmd, medio_client_request("list"), &list);
	if (stop->code)
		return;
	const char **uuids = calloc(json_object_array_length(list) + 1, sizeof(*uuids));
	if (uuids)
		stop_all_of(stop, uuids, choose(list, uuids));
	else
		stop->code = medio_command_fail(stop->cmd, "out of memory");
	free(uuids);
	json_object_put(list);
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	const struct options *opts = options_;
	struct stop stop = { .cmd = cmd, .opts = opts, .stopped = json_object_new_array() };

	if (opts->all == (args->count > 0)) {
		json_object_put(stop.stopped);
		return medio_command_usage(cmd, "say either UUIDs or --all");
	}
	if (opts->all)
		stop_every(&stop);
	else
		stop_all_of(&stop, args->items, args->count);
	if (opts->json)
		medio_json_print(stop.stopped);
	json_object_put(stop.stopped);
	return stop.code;
}

const struct medio_command medio_command_stop = {
	.name = "stop",
	.summary = "Stop instances",
	.arguments = "[UUID…]",
	.max_args = 1000,
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
